"""The types beyond JSON's own: how each is stored, and how it comes back.

Stored text goes through the type's own constructor and nothing else.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from markupsafe import Markup
from werkzeug.http import http_date, parse_date

_MAX_COLLISIONS = 8


class JSONTag(ABC):
    """A type of the application's own, for ``TaggedJSONSerializer(tags=[...])``.

    ::

        class ColorTag(JSONTag):
            key = " color"

            def check(self, value): return type(value) is Color
            def to_json(self, value): return [value.red, value.green, value.blue]
            def to_python(self, stored): return Color(*stored)

    Built-in types never reach a tag, so adding one changes no stored session's meaning.
    """

    #: What marks the type in the JSON: a space and at least one more character.
    key: str

    @abstractmethod
    def check(self, value: Any) -> bool:
        """Whether this tag stores *value*."""

    @abstractmethod
    def to_json(self, value: Any) -> Any:
        """What is stored for *value*: anything that a session can store."""

    @abstractmethod
    def to_python(self, stored: Any) -> Any:
        """The value again; any exception makes the whole payload malformed."""


class Rule(NamedTuple):
    """How one built-in type is stored, as *stored*, which is a str or a list."""

    key: str
    kind: type
    stored: type
    to_json: Callable[[Any], Any]
    to_python: Callable[[Any], Any]

    def read(self, stored: Any) -> Any:
        """The value again; any exception makes the whole payload malformed."""
        if type(stored) is not self.stored:
            raise ValueError("not what this tag stores")
        value = self.to_python(stored)
        self.to_json(value)  # what could not be written again is malformed
        return value


class Refused(Exception):
    """Why a value of a storable type cannot be stored."""


def _to_iso(value: dt.datetime | dt.time) -> str:
    if value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None or offset.microseconds:
            raise Refused("a time zone without an offset in whole seconds")
    return value.isoformat()


def _few_alike(elements: Iterable[Any]) -> list[Any]:
    """Elements for a set, unless many share a hash: each is compared with all others.

    Numbers can be made to (a Decimal and an int take a millisecond to compare).
    """
    items = list(elements)
    if len(items) - len(set(map(hash, items))) > _MAX_COLLISIONS:
        raise Refused("a set of numbers that have the same hash")
    return items


def _from_flask_date(stored: str) -> dt.datetime:
    moment = parse_date(stored)
    if moment is None:
        raise ValueError("not an HTTP date")
    return moment


def _to_flask_date(value: dt.datetime) -> str:
    whole = value.replace(microsecond=0, tzinfo=value.tzinfo or dt.timezone.utc)
    try:
        text = http_date(whole)
        if parse_date(text) == whole:
            return text
    except OverflowError:
        pass
    raise Refused("a datetime that Flask would read as another")


# key, type, stored as, to JSON, to Python
_SHARED_RULES = (
    Rule(" t", tuple, list, list, tuple),
    Rule(
        " b",
        bytes,
        str,
        lambda value: b64encode(value).decode("ascii"),
        lambda stored: b64decode(stored, validate=True),
    ),
    Rule(" m", Markup, str, str, Markup),
    Rule(" u", UUID, str, lambda value: value.hex, UUID),
)
OUR_RULES = (
    *_SHARED_RULES,
    Rule(" d", dt.datetime, str, _to_iso, dt.datetime.fromisoformat),
    Rule(" date", dt.date, str, dt.date.isoformat, dt.date.fromisoformat),
    Rule(" time", dt.time, str, _to_iso, dt.time.fromisoformat),
    Rule(
        " delta",
        dt.timedelta,
        list,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda stored: dt.timedelta(*stored),
    ),
    Rule(" n", Decimal, str, str, Decimal),
    Rule(" s", set, list, _few_alike, lambda stored: set(_few_alike(stored))),
    Rule(
        " fs", frozenset, list, _few_alike, lambda stored: frozenset(_few_alike(stored))
    ),
)
FLASK_RULES = (
    *_SHARED_RULES,
    Rule(" d", dt.datetime, str, _to_flask_date, _from_flask_date),
)
