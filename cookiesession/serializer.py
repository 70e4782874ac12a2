"""dict <-> tagged JSON: every value comes back as what it was, or is refused.

JSON knows six types. Any other is written as an object with one key that starts with
a space, ``{" u": "..."}``; what a user stores that looks like such a tag is escaped.
Types are matched exactly: a subclass would come back as its base class, so it raises
instead, with its place in the session, unless the serializer is told to store the base.

A payload was verified before it comes here, but a key can leak, and other programs may
sign with it: reading keeps the same limits as writing, and calls nothing but the tags.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import accumulate
from types import NoneType
from typing import Any

from .errors import ConfigError
from .tags import FLASK_RULES, OUR_RULES, JSONTag, Refused, Rule

MAX_JSON = 65_536  # bytes
MAX_DEPTH = 64
MAX_DIGITS = 4_300

# What Python never limits: sys.set_int_max_str_digits() takes no fewer digits.
_SURELY_SHORT = 10**640
_TOO_LONG = 10**MAX_DIGITS
# JSON nests deeper than the values that it stands for: a tag or an escaped dict is two
# or three levels. On a stack of 1 MB CPython's decoder crashes at some thousands.
_MAX_JSON_DEPTH = 4 * MAX_DEPTH
_ESCAPE = " di"
_SCALARS_BUT_INT = frozenset((str, float, bool, NoneType))  # an int has a limit
_SCALARS = _SCALARS_BUT_INT | {int}
_BOXES = frozenset((dict, list, tuple, set, frozenset))
# How an instance of a subclass becomes one of its base, as json does it.
_TO_BASE: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    dict: dict,
    list: list,
    tuple: tuple,
}
_decode = json.JSONDecoder().raw_decode
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONG_INT = re.compile(f"[0-9]{{{MAX_DIGITS + 1}}}")
_STRINGS_AND_THE_LIKE = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[^]\[{}"]+', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}

Place = tuple[Any, ...]  # (place of the parent, key or index)


class TaggedJSONSerializer:
    """Stores None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset,
    datetime, date, time, timedelta, Decimal, UUID and Markup, nested anywhere. Of a
    time zone its offset is kept; ``fold`` is not.

    :param tags: Instances of :class:`JSONTag` for further types.
    :param subclasses: Store an instance of a subclass of str, int, float, dict, list or
        tuple as its base class, as :mod:`json` and Flask do, instead of refusing it.
    :raises ConfigError: For a tag without a usable key of its own.
    """

    #: How messages call the format.
    name = "cookiesession's format"
    #: Whether keys are sorted, at each level, as Flask's are.
    sort_keys = False
    _rules: tuple[Rule, ...] = OUR_RULES

    def __init__(
        self, *, tags: Iterable[JSONTag] = (), subclasses: bool = False
    ) -> None:
        self._tags = tuple(tags) if isinstance(tags, Iterable) else (tags,)
        self._bases = _TO_BASE if subclasses else {}
        self._writers = {rule.kind: rule for rule in self._rules}
        self._readers = {rule.key: rule.read for rule in self._rules}
        self._readers[_ESCAPE] = self._unescape
        self._encode = json.JSONEncoder(
            check_circular=False,  # the limit of depth was kept before
            separators=(",", ":"),
            sort_keys=self.sort_keys,
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
        if not isinstance(tags, Iterable) and isinstance(tags, JSONTag):
            faults.append("tags must be a list, also of one tag: tags=[tag].")
        if type(subclasses) is not bool:
            faults.append("subclasses must be True or False.")
        if faults:
            raise ConfigError(type(self).__name__, faults)

    def dumps(self, data: dict[str, Any], *, plain: bool = False) -> str:
        """*data* as compact ASCII JSON.

        :param plain: The caller knows that *data* holds JSON's own types only, within
            the limits, so that nothing needs a look.
        :raises TypeError: For a value that cannot be stored; names its place.
        """
        if plain:
            return self._encode(data)
        if _is_plain(data, MAX_DEPTH):
            text = self._encode(data)
            # A key to escape, or half of a surrogate pair, shows in the text.
            if not may_be_tagged(text) and "\\ud" not in text:
                return text
        return self._encode(self._tag(data, None, MAX_DEPTH))

    def loads(self, text: str) -> dict[str, Any]:
        """The dict that :meth:`dumps` wrote.

        :raises Exception: Of any kind, for text that :meth:`dumps` cannot have written:
            a tag of the application's own may raise what it likes.
        """
        # Most JSON is too short, or too plain, to go over a limit.
        brackets = 0
        if len(text) > 2 * MAX_DEPTH:
            brackets = text.count("[") + text.count("{")
            if brackets > _MAX_JSON_DEPTH and _is_deep_text(text):
                raise ValueError("nested too deeply")
        escapes = "\\" in text
        tagged = (escapes or " " in text) and may_be_tagged(text)
        decode = self._decode_tagged if tagged else _decode
        data, end = decode(text)
        if end != len(text) or type(data) is not dict:
            raise ValueError("not one JSON object")
        if (
            (end > MAX_DIGITS and _LONG_INT.search(text))
            or (escapes and "\\ud" in text.lower())
            or (brackets > MAX_DEPTH and (self._tags or _is_deep(data)))
        ):
            self._tag(data, None, MAX_DEPTH)  # keeps the limits that writing keeps
        return data

    def check(self, key: object, value: Any) -> bool:
        """Refuse what could not be stored as the session's *key*.

        :returns: Whether JSON stores both as they are, and neither can change inside.
        :raises TypeError: Names the place.
        """
        kind = type(value)
        if type(key) is str and key.isascii():
            # Most values need no look inside.
            if kind is int:
                if -_SURELY_SHORT < value < _SURELY_SHORT:
                    return key[:1] != " "
            elif kind is str:
                if value.isascii():
                    return key[:1] != " "
            elif kind in _SCALARS:
                return key[:1] != " "
        if type(key) is not str and not (str in self._bases and isinstance(key, str)):
            raise _unstorable((None, key), _key_fault("a session key", key))
        if not key.isascii():
            self._tag(key, (None, key), MAX_DEPTH)
        self._tag(value, (None, key), MAX_DEPTH - 1)
        return kind in _SCALARS and type(key) is str and key[:1] != " "

    def _is_tag(self, key: str) -> bool:
        """Whether a dict with this one key is a tag, or, a user's own, is escaped."""
        return key[:1] == " "

    def _escape(self, key: str, stored: Any) -> Any:
        return [key, stored]

    def _unescape(self, stored: Any) -> dict[str, Any]:
        key, value = stored
        if type(stored) is not list or type(key) is not str or not self._is_tag(key):
            raise ValueError("not an escaped dict")
        return {key: value}

    def _untag(self, found: dict[str, Any]) -> Any:
        if len(found) == 1:
            [(key, stored)] = found.items()
            if self._is_tag(key):
                return self._readers[key](stored)  # a KeyError: an unknown tag
        return found

    def _tag(self, value: Any, place: Place | None, depth: int) -> Any:
        """*value* in JSON's own types, all limits kept."""
        kind = type(value)
        if kind is str:
            if not value.isascii() and _SURROGATE.search(value):
                raise _unstorable(place, "half of a surrogate pair cannot be stored")
            return value
        if kind is int:
            if abs(value) >= _SURELY_SHORT and _is_too_long(value):
                raise _unstorable(place, f"an int of more than {_max_digits()} digits")
            return value
        if kind in _SCALARS:
            return value
        if depth <= 0 and (kind in _BOXES or kind not in self._writers):
            raise _unstorable(place, f"nested deeper than {MAX_DEPTH} levels")
        if kind is dict:
            return self._tag_dict(value, place, depth - 1)
        if kind is list:
            return self._tag_items(value, place, depth - 1)
        if kind in self._writers:
            return self._tag_by_rule(self._writers[kind], value, place, depth)
        for tag in self._tags:
            if tag.check(value):
                return {tag.key: self._tag(tag.to_json(value), place, depth - 1)}
        for base, convert in self._bases.items():
            if isinstance(value, base):
                return self._tag(convert(value), place, depth)
        article = "an" if kind.__name__[:1] in "AEIOUaeiou" else "a"
        raise _unstorable(
            place,
            f"{article} {kind.__name__} cannot be stored in {self.name}:"
            f" {_remedy(value)}",
        )

    def _tag_by_rule(
        self, rule: Rule, value: Any, place: Place | None, depth: int
    ) -> dict[str, Any]:
        try:
            stored = rule.to_json(value)
        except Refused as refusal:
            raise _unstorable(place, str(refusal)) from None
        if rule.stored is str:
            return {rule.key: self._tag(stored, place, depth)}
        stored = self._tag_items(stored, place, depth - 1)
        if rule.kind is set or rule.kind is frozenset:
            stored.sort(key=self._encode)
            if self._shrinks({rule.key: stored}, len(value)):
                raise _unstorable(place, "a set of which two elements become one")
        return {rule.key: stored}

    def _shrinks(self, tagged_set: dict[str, Any], size: int) -> bool:
        """Whether a set is smaller when it is read: two NaNs become one, and so do
        times that differ by their fold."""
        try:
            again, _ = self._decode_tagged(self._encode(tagged_set))
        except Exception:  # noqa: BLE001
            return False  # an application's tag may fail to read what it writes
        return len(again) != size

    def _tag_dict(
        self, value: dict[Any, Any], place: Place | None, depth: int
    ) -> dict[str, Any]:
        tagged = {}
        for key, item in value.items():
            at = (place, key)
            if type(key) is not str:
                if str not in self._bases or not isinstance(key, str):
                    raise _unstorable(at, _key_fault("a dict's key", key))
                key = str.__str__(key)
            tagged[self._tag(key, at, 0)] = self._tag(item, at, depth)
        if len(tagged) == 1:
            [(key, stored)] = tagged.items()
            if self._is_tag(key):
                return {_ESCAPE: self._escape(key, stored)}
        return tagged

    def _tag_items(
        self, items: Iterable[Any], place: Place | None, depth: int
    ) -> list[Any]:
        return [
            self._tag(item, (place, index), depth) for index, item in enumerate(items)
        ]


class FlaskJSONSerializer(TaggedJSONSerializer):
    """Exactly Flask's tags and bytes: what Flask stores by a lossy detour is refused.

    A datetime is Flask's to the second and comes back aware, in UTC. An instance of a
    subclass of a JSON type comes back as its base.
    """

    name = "Flask's format"
    sort_keys = True
    _rules = FLASK_RULES

    def __init__(self, *, tags: Iterable[JSONTag] = ()) -> None:
        super().__init__(tags=tags, subclasses=True)

    def _is_tag(self, key: str) -> bool:
        return key in self._readers

    def _escape(self, key: str, stored: Any) -> Any:
        return {f"{key}__": stored}

    def _unescape(self, stored: Any) -> dict[str, Any]:
        [(key, value)] = stored.items()
        return {key[:-2]: value}


def _spell(place: Place | None) -> str:
    """``cart[2].price``, from ``(((None, "cart"), 2), "price")``."""
    if place is None:
        return ""
    parent, step = place
    if type(step) is not str:
        return f"{_spell(parent)}[{step if type(step) is int else type(step).__name__}]"
    if parent is None:
        # It may hold what a terminal obeys.
        return step if step and step.isprintable() else ascii(step)
    return (
        f"{_spell(parent)}.{step}"
        if step.isidentifier()
        else f"{_spell(parent)}[{step!a}]"
    )


def _unstorable(place: Place | None, why: str) -> TypeError:
    return TypeError(f"{_spell(place)}: {why}")


def _key_fault(what: str, key: object) -> str:
    return f"{what} must be a str, not {type(key).__name__}: use str(key)"


def _remedy(value: object) -> str:
    if isinstance(value, Enum):
        return "store its .value"
    for base in _TO_BASE:
        if isinstance(value, base):
            return f"convert it to {base.__name__} first"
    return "store its id or a str, or give the serializer a JSONTag for it"


def may_be_tagged(text: str) -> bool:
    """Whether JSON may hold a tag: whether any string in it starts with a space."""
    # One character is sought much faster than two.
    return (" " in text and '" ' in text) or ("\\" in text and "\\u0020" in text)


def _max_digits() -> int:
    """How many digits an int may have: Python may be told to take fewer."""
    # CPython has it since 3.10.7; before, there is no limit, as if it were 0.
    return min(getattr(sys, "get_int_max_str_digits", int)() or MAX_DIGITS, MAX_DIGITS)


def _is_too_long(value: int) -> bool:
    digits = _max_digits()
    limit: int = _TOO_LONG if digits == MAX_DIGITS else 10**digits
    return abs(value) >= limit


def _is_plain(value: Any, depth: int) -> bool:
    """Whether the dict or list *value* holds JSON's own types only: a first look."""
    if depth == 0:
        return False
    if type(value) is dict:
        for key in value:
            if type(key) is not str:
                return False
        value = value.values()
    for item in value:
        kind = type(item)
        if kind in _SCALARS_BUT_INT:
            continue
        if kind is int:
            if abs(item) >= _SURELY_SHORT:
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


def _is_deep_text(text: str) -> bool:
    """Whether JSON nests deeper than any that was written; without recursion.

    Where brackets do not match, the decoder goes no further.
    """
    brackets = _STRINGS_AND_THE_LIKE.sub("", text)
    depths = accumulate(map(_STEPS.__getitem__, brackets))
    return max(depths, default=0) > _MAX_JSON_DEPTH
