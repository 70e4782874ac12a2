"""dict <-> tagged JSON: every value comes back as what it was, or is refused.

JSON knows six types. Any other is written as an object with one key that starts with
a space, ``{" u": "..."}``; what a user stores that looks like such a tag is escaped.
Types are matched exactly: a subclass would come back as its base class, so it raises
instead, with its path.

A payload was verified before it comes here, but a key can leak, and other programs may
sign with it: reading keeps the same limits as writing, and calls nothing but the tags.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from types import NoneType
from typing import Any

from .errors import ConfigError
from .tags import FLASK_RULES, OUR_RULES, JSONTag, Refused, Rule

MAX_JSON = 65_536  # bytes
MAX_DEPTH = 64
MAX_DIGITS = 4_300

_TOO_LONG = 10**MAX_DIGITS
_ESCAPE = " di"
_SCALARS_BUT_INT = frozenset((str, float, bool, NoneType))  # an int has a limit
SCALARS = _SCALARS_BUT_INT | {int}
_BOXES = frozenset((dict, list, tuple, set, frozenset))
_decode = json.JSONDecoder().raw_decode
_SURROGATE = re.compile("[\ud800-\udfff]")


Path = tuple[Any, ...]  # (path of the parent, key or index)


class TaggedJSONSerializer:
    """Stores None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset,
    datetime, date, time, timedelta, Decimal, UUID and Markup, nested anywhere. Of a
    time zone its offset is kept; ``fold`` is not.

    :param tags: Instances of :class:`JSONTag` for further types.
    :raises ConfigError: For a tag without a usable key of its own.
    """

    #: How messages call the format.
    name = "cookiesession's format"
    #: Whether a session's creation is written even where no timeout needs it.
    keeps_creation = True
    #: The size in bytes from which on compressing a payload can pay.
    compress_from = 100
    _sort_keys = False
    _rules: tuple[Rule, ...] = OUR_RULES

    def __init__(self, *, tags: Iterable[JSONTag] = ()) -> None:
        self._tags = tuple(tags)
        self._writers = {rule.kind: rule for rule in self._rules}
        self._readers = {rule.key: rule.read for rule in self._rules}
        self._readers[_ESCAPE] = self._unescape
        self._encode = json.JSONEncoder(
            check_circular=False,  # the limit of depth was kept before
            separators=(",", ":"),
            sort_keys=self._sort_keys,
        ).encode
        self._decode_tagged = json.JSONDecoder(object_hook=self._untag).raw_decode
        faults = []
        for tag in self._tags:
            key = getattr(tag, "key", None)
            if not isinstance(tag, JSONTag) or not isinstance(key, str):
                faults.append("tags must be instances of JSONTag with a key.")
            elif len(key) < 2 or key[0] != " ":
                faults.append(f"the tag key {key!r} must be a space and a name.")
            elif key in self._readers:
                faults.append(f"the tag key {key!r} is taken.")
            else:
                self._readers[key] = tag.to_python
        if faults:
            raise ConfigError(type(self).__name__, faults)

    def dumps(self, data: dict[str, Any], *, plain: bool = False) -> str:
        """*data* as compact ASCII JSON.

        :param plain: The caller knows that *data* holds JSON's own types only, within
            the limits, so that nothing needs a look.
        :raises TypeError: For a value that cannot be stored; names its path.
        """
        if plain:
            return self._encode(data)
        tagged = (
            data if _is_plain(data, MAX_DEPTH) else self._tag(data, None, MAX_DEPTH)
        )
        text = self._encode(tagged)
        if tagged is data and "\\ud" in text:
            self._tag(data, None, MAX_DEPTH)  # finds half of a surrogate pair
        return text

    def loads(self, text: str) -> dict[str, Any]:
        """The dict that :meth:`dumps` wrote.

        :raises Exception: Of any kind, for text that :meth:`dumps` cannot have written:
            a tag of the application's own may raise what it likes.
        """
        decode = self._decode_tagged if may_be_tagged(text) else _decode
        data, end = decode(text)
        if end != len(text) or type(data) is not dict:
            raise ValueError("not one JSON object")
        # Most JSON is too short, or too plain, to go over a limit.
        if (end > 2 * MAX_DEPTH or "\\" in text) and (
            (end > MAX_DIGITS and not _python_limits_ints())
            or ("\\" in text and "\\ud" in text.lower())
            or (
                text.count("[") + text.count("{") > MAX_DEPTH
                and (self._tags or _is_deep(data))
            )
        ):
            self._tag(data, None, MAX_DEPTH)  # keeps the limits that writing keeps
        return data

    def check(self, key: object, value: Any) -> None:
        """Refuse what could not be stored as the session's *key*.

        :raises TypeError: Names the path.
        """
        if type(key) is not str:
            raise _unstorable((None, key), "a session key must be a str")
        if not key.isascii():
            self._tag(key, (None, key), MAX_DEPTH)
        self._tag(value, (None, key), MAX_DEPTH - 1)

    def _is_tag(self, key: str) -> bool:
        """Whether a dict with this one key is a tag, or, a user's own, is escaped."""
        return key[:1] == " "

    def _escape(self, key: str, stored: Any) -> Any:
        return [key, stored]

    def _unescape(self, stored: Any) -> dict[str, Any]:
        key, value = stored
        if type(stored) is not list or type(key) is not str or key[:1] != " ":
            raise ValueError("not an escaped dict")
        return {key: value}

    def _untag(self, found: dict[str, Any]) -> Any:
        if len(found) == 1:
            [(key, stored)] = found.items()
            if self._is_tag(key):
                return self._readers[key](stored)  # a KeyError: an unknown tag
        return found

    def _tag(self, value: Any, path: Path | None, depth: int) -> Any:
        """*value* in JSON's own types, all limits kept."""
        kind = type(value)
        if kind is str:
            if not value.isascii() and _SURROGATE.search(value):
                raise _unstorable(path, "half of a surrogate pair cannot be stored")
            return value
        if kind is int:
            if not -_TOO_LONG < value < _TOO_LONG:
                raise _unstorable(path, f"an int of more than {MAX_DIGITS} digits")
            return value
        if kind in SCALARS:
            return value
        if depth <= 0 and (kind in _BOXES or kind not in self._writers):
            raise _unstorable(path, f"nested deeper than {MAX_DEPTH} levels")
        if kind is dict:
            return self._tag_dict(value, path, depth - 1)
        if kind is list:
            return self._tag_items(value, path, depth - 1)
        if kind in self._writers:
            rule = self._writers[kind]
            try:
                stored = rule.to_json(value)
            except Refused as refusal:
                raise _unstorable(path, str(refusal)) from None
            if rule.stored is str:
                stored = self._tag(stored, path, depth)
            else:
                stored = self._tag_items(stored, path, depth - 1)
                if kind is set or kind is frozenset:
                    stored.sort(key=self._encode)
            return {rule.key: stored}
        for tag in self._tags:
            if tag.check(value):
                return {tag.key: self._tag(tag.to_json(value), path, depth - 1)}
        raise _unstorable(path, f"a {kind.__name__} cannot be stored in {self.name}")

    def _tag_dict(
        self, value: dict[Any, Any], path: Path | None, depth: int
    ) -> dict[str, Any]:
        tagged = {}
        for key, item in value.items():
            at = (path, key)
            if type(key) is not str:
                raise _unstorable(at, "a dict's key must be a str")
            tagged[self._tag(key, at, 0)] = self._tag(item, at, depth)
        if len(tagged) == 1:
            [(key, stored)] = tagged.items()
            if self._is_tag(key):
                return {_ESCAPE: self._escape(key, stored)}
        return tagged

    def _tag_items(
        self, items: Iterable[Any], path: Path | None, depth: int
    ) -> list[Any]:
        return [
            self._tag(item, (path, index), depth) for index, item in enumerate(items)
        ]


class FlaskJSONSerializer(TaggedJSONSerializer):
    """Exactly Flask's tags and bytes: what Flask stores by a lossy detour is refused.

    A datetime is Flask's to the second and comes back aware, in UTC.
    """

    name = "Flask's format"
    keeps_creation = False
    compress_from = 0  # as Flask does, so that no cookie is longer than Flask's
    _sort_keys = True
    _rules = FLASK_RULES

    def _is_tag(self, key: str) -> bool:
        return key in self._readers

    def _escape(self, key: str, stored: Any) -> Any:
        return {f"{key}__": stored}

    def _unescape(self, stored: Any) -> dict[str, Any]:
        [(key, value)] = stored.items()
        return {key[:-2]: value}


def _spell(path: Path | None) -> str:
    """``cart[2].price``, from ``(((None, "cart"), 2), "price")``."""
    if path is None:
        return ""
    parent, step = path
    if type(step) is not str:
        return f"{_spell(parent)}[{step if type(step) is int else type(step).__name__}]"
    if parent is None:
        return step or "''"
    return (
        f"{_spell(parent)}.{step}"
        if step.isidentifier()
        else f"{_spell(parent)}[{step!r}]"
    )


def _unstorable(path: Path | None, why: str) -> TypeError:
    return TypeError(f"{_spell(path)}: {why}")


def may_be_tagged(text: str) -> bool:
    """Whether JSON may hold a tag: whether any string in it starts with a space."""
    # One character is sought much faster than two.
    return (" " in text and '" ' in text) or ("\\" in text and "\\u0020" in text)


def _python_limits_ints() -> bool:
    """Whether reading a longer int raises anyway, as it does unless told otherwise."""
    # CPython has it since 3.10.7; before, there is no limit, as if it were 0.
    return 0 < getattr(sys, "get_int_max_str_digits", int)() <= MAX_DIGITS


def _is_plain(value: Any, depth: int) -> bool:
    """Whether JSON stores the dict or list *value* as it is: a quick first look."""
    if depth == 0:
        return False
    if type(value) is dict:
        for key in value:
            if type(key) is not str or key[:1] == " ":
                return False
        value = value.values()
    for item in value:
        kind = type(item)
        if kind in _SCALARS_BUT_INT:
            continue
        if kind is int:
            if not -_TOO_LONG < item < _TOO_LONG:
                return False
        elif (kind is not dict and kind is not list) or not _is_plain(item, depth - 1):
            return False
    return True


def _is_deep(data: dict[str, Any]) -> bool:
    """Whether containers nest deeper than the limit; level by level, no recursion."""
    level: list[Any] = [data]
    depth = 0
    while level and depth < MAX_DEPTH:
        depth += 1
        level = [
            item
            for box in level
            for item in (box.values() if type(box) is dict else box)
            if type(item) in _BOXES
        ]
    return bool(level)
