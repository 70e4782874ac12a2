"""Every type comes back as what it was, or is refused by its path."""

from __future__ import annotations

import datetime as dt
import enum
import re
import sys
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from support import (
    FORMATS,
    KEY,
    every_format,
    open_session,
    params_of,
    save_session,
    values_of,
)
from values import assert_same, sessions, values

from cookiesession import (
    FLASK,
    ConfigError,
    CookieOptions,
    JSONTag,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SignedFormat,
    TaggedJSONSerializer,
)

UTC = dt.timezone.utc
ODD = dt.timezone(dt.timedelta(hours=5, minutes=45, seconds=7))
MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5)
DEFAULT, FLASKS = TaggedJSONSerializer(), FLASK.serializer
LENIENT = TaggedJSONSerializer(subclasses=True)

REFUSED = object()
SAME = object()
# One value of every type, and what Flask's format makes of it.
TYPES: dict[str, tuple[Any, Any]] = {
    "None": (None, SAME),
    "bool": (True, SAME),
    "int": (-(10**4299), SAME),
    "float": (1e-7, SAME),
    "infinity": (float("inf"), SAME),
    "minus zero": (-0.0, SAME),
    "str": ("\u00fc\U0001f600\0 \u2028", SAME),
    "bytes": (b"\0\xff", SAME),
    "list": ([1, [2]], SAME),
    "tuple": ((1, (2, [()])), SAME),
    "dict": ({"a": {"b": {}}}, SAME),
    "dict like a tag": ({" t": [1]}, SAME),
    "dict like the escape": ({" di": {" t__": (1,)}}, SAME),
    "dict like a tag of nobody": ({" x": {" ": 1}}, SAME),
    "set": ({1, "a", (2,)}, REFUSED),
    "frozenset": (frozenset({frozenset({1})}), REFUSED),
    "datetime, naive": (MOMENT, MOMENT.replace(tzinfo=UTC)),
    "datetime, UTC": (MOMENT.replace(tzinfo=UTC), SAME),
    "datetime, offset": (
        MOMENT.replace(tzinfo=ODD),
        MOMENT.replace(tzinfo=ODD).astimezone(UTC),
    ),
    "datetime, microseconds": (
        MOMENT.replace(microsecond=6, tzinfo=UTC),
        MOMENT.replace(tzinfo=UTC),
    ),
    "date": (dt.date(2024, 1, 2), REFUSED),
    "time": (dt.time(3, 4, 5, 6), REFUSED),
    "time, offset": (dt.time(3, 4, tzinfo=ODD), REFUSED),
    "timedelta": (dt.timedelta(days=-3, microseconds=1), REFUSED),
    "Decimal": (Decimal("1.10"), REFUSED),
    "UUID": (UUID(int=5), SAME),
    "Markup": (Markup("<b>\u00fc</b>"), SAME),
}


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Role(str, enum.Enum):
    ADMIN = "admin"


@dataclass
class Item:
    price: int


class Text(str):
    __slots__ = ()


class Real(float):
    __slots__ = ()


class Pile(list[Any]):
    __slots__ = ()


class Raw(bytes):
    __slots__ = ()


class Html:
    def __html__(self) -> str:
        return "<b>"


class NoOffset(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> None:
        return None

    def dst(self, _: dt.datetime | None) -> None:
        return None

    def tzname(self, _: dt.datetime | None) -> None:
        return None


Point = namedtuple("Point", "x y")  # noqa: PYI024
#: An instance of a subclass, and what json makes of it.
SUBCLASSES: dict[str, tuple[Any, Any]] = {
    "namedtuple": (Point(1, (2,)), (1, (2,))),
    "IntEnum": (Level.LOW, 1),
    "str enum": (Role.ADMIN, "admin"),
    "str subclass": (Text("a"), "a"),
    "float subclass": (Real(1.5), 1.5),
    "list subclass": (Pile([1, Text("b")]), [1, "b"]),
    "OrderedDict": (OrderedDict(a=1), {"a": 1}),
    "defaultdict": (defaultdict(list, a=[1]), {"a": [1]}),
    "Counter": (Counter("aab"), {"a": 2, "b": 1}),
    "a dict with a str subclass as key": ({Text("a"): 1}, {"a": 1}),
    "a dict like a tag by a str subclass": ({Text(" t"): 1}, {" t": 1}),
}
UNSTORABLE: dict[str, Any] = {
    "enum": Color.RED,
    "dataclass": Item(1),
    "bytes subclass": Raw(b"a"),
    "bytearray": bytearray(b"a"),
    "complex": 1j,
    "range": range(3),
    "object": object(),
    "class": int,
    "with __html__": Html(),
    "a dict with an int key": {1: "a"},
    "a dict with a None key": {None: "a"},
    "half a surrogate pair": "\ud800",
    "half a surrogate pair in Markup": Markup("\udfff"),
    "half a surrogate pair in a key": {"\udc00": 1},
    "4,301 digits": 10**4300,
    "minus 4,301 digits": -(10**4300),
}
REFUSALS = params_of(
    {
        f"{name}, {kind}": (format, value)
        for name, format in FORMATS.items()
        for kind, value in [
            *UNSTORABLE.items(),
            # A subclass would come back as its base, as it does from Flask.
            *((k, v) for k, (v, _) in SUBCLASSES.items() if format is not FLASK),
        ]
    }
)
ONLY_OURS: dict[str, Any] = {
    "a datetime": MOMENT.replace(tzinfo=NoOffset()),
    "a time": dt.time(1, tzinfo=NoOffset()),
    "microseconds": MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(microseconds=1))),
}
NOT_FLASKS: dict[str, Any] = {
    **{name: value for name, (value, flask) in TYPES.items() if flask is REFUSED},
    "a year of one digit": dt.datetime(1, 1, 1),
    "a year of two digits": dt.datetime(99, 12, 31),
    "before year 1 in UTC": dt.datetime(1, 1, 1, tzinfo=ODD),
    "after year 9999 in UTC": dt.datetime(
        9999, 12, 31, 23, tzinfo=dt.timezone(-ODD.utcoffset(None))
    ),
}


def nested(depth: int, box: Any = list) -> Any:
    """Boxes within boxes; *depth* of them."""
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value} if box is dict else box([value])
    return value


def session_of(**options: Any) -> SecureCookieSession:
    session = SecureCookieSessionInterface(KEY, **options).open_session({})
    assert isinstance(session, SecureCookieSession)
    return session


# -- what can be stored -------------------------------------------------------------


@every_format
@pytest.mark.parametrize(("value", "in_flask"), TYPES.values(), ids=TYPES)
def test_a_type_comes_back_as_it_was(
    value: Any, in_flask: Any, format: SignedFormat
) -> None:
    interface = SecureCookieSessionInterface(
        KEY, format=format, cookie=CookieOptions(max_size=10_000)
    )
    wanted = in_flask if format is FLASK and in_flask is not SAME else value
    if wanted is REFUSED:
        with pytest.raises(TypeError, match="cannot be stored in Flask's format"):
            interface.make_cookie({"key": value})
        return
    assert_same(
        interface.read_cookie(interface.make_cookie({"key": value})), {"key": wanted}
    )


@given(sessions())
def test_whatever_is_stored_comes_back_equal_in_value_type_and_repr(
    data: dict[str, Any],
) -> None:
    text = DEFAULT.dumps(data)

    assert text.isascii()
    assert_same(DEFAULT.loads(text), data)
    assert DEFAULT.dumps(DEFAULT.loads(text)) == text


def test_not_a_number_is_stored() -> None:
    data = {
        "float": float("nan"),
        "decimal": Decimal("NaN"),
        "signals": Decimal("sNaN"),
    }

    assert repr(DEFAULT.loads(DEFAULT.dumps(data))) == repr(data)


@given(st.lists(st.integers() | st.dates(), unique=True))
def test_a_set_is_written_in_one_order_however_it_was_built(items: list[Any]) -> None:
    backwards = items[::-1]

    assert DEFAULT.dumps({"a": set(backwards)}) == DEFAULT.dumps({"a": set(items)})


@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_holds_nine_numbers_of_the_same_hash_and_no_more(kind: Any) -> None:
    alike = [n * sys.hash_info.modulus for n in range(10)]
    data = {"a": kind(alike[:9])}

    assert_same(DEFAULT.loads(DEFAULT.dumps(data)), data)
    with pytest.raises(TypeError, match="numbers that have the same hash"):
        DEFAULT.dumps({"a": kind(alike)})


class Berlin(dt.tzinfo):
    """At the end of summer time: an hour that comes twice."""

    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=1 if moment and moment.fold else 2)

    def dst(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(0)

    def tzname(self, moment: dt.datetime | None) -> str:
        return "Berlin"


TWICE = dt.datetime(2020, 10, 25, 2, 30, tzinfo=Berlin(), fold=1)
SHRINKING: dict[str, list[Any]] = {
    "two NaNs": [float("nan"), float("nan")],
    "one time, told in two zones": [TWICE, TWICE.astimezone(UTC)],
    "NaNs inside": [(1, float("nan")), (1, float("nan"))],
}


@pytest.mark.parametrize("items", SHRINKING.values(), ids=SHRINKING)
@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_that_would_come_back_smaller_is_refused(
    kind: Callable[[list[Any]], Any], items: list[Any]
) -> None:
    value = kind(items)
    assert len(value) == 2
    session = open_session(SecureCookieSessionInterface(KEY))
    with pytest.raises(TypeError, match=r"^a: .* two elements become one"):
        session["a"] = value
    with pytest.raises(TypeError, match=r"^a\[0\]\.b: .* two elements become one"):
        session["a"] = [{"b": value}]
    session["a"] = kind(items[:1])  # one of them alone is stored
    session["b"] = items  # and both in a list
    assert len(session) == 2


def test_a_set_of_unlike_elements_comes_back_whole() -> None:
    value = {1, "1", 1.5, b"1", None, Decimal("1.1"), (1,), frozenset([1]), UTC.min}
    value.remove(UTC.min)
    serializer = TaggedJSONSerializer()
    assert serializer.loads(serializer.dumps({"a": value})) == {"a": value}


class Alike:
    """All of them share a hash, so that a set compares each with all others."""

    compared = 0

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        type(self).compared += 1
        return self is other


class AlikeTag(JSONTag):
    key = " alike"

    def check(self, value: Any) -> bool:
        return type(value) is Alike

    def to_json(self, value: Any) -> Any:
        return 0

    def to_python(self, stored: Any) -> Any:
        return Alike()


@pytest.mark.parametrize("tag", [" s", " fs"])
def test_a_set_of_many_that_share_a_hash_is_refused_before_it_is_made(tag: str) -> None:
    serializer = TaggedJSONSerializer(tags=[AlikeTag()])
    items = ",".join(['{" alike":0}'] * 100)
    Alike.compared = 0

    with pytest.raises(Exception, match="same hash"):
        serializer.loads(f'{{"a":{{"{tag}":[{items}]}}}}')

    # To count the different hashes, it is not the elements that are compared.
    assert Alike.compared == 0


def test_of_a_time_zone_the_offset_is_kept_and_fold_is_not() -> None:
    named = dt.timezone(dt.timedelta(hours=1), "CET")
    data = {"at": MOMENT.replace(tzinfo=named, fold=1), "t": dt.time(1, fold=1)}

    found = DEFAULT.loads(DEFAULT.dumps(data))

    assert found == data
    assert found["at"].tzname() == "UTC+01:00"
    assert found["at"].fold == found["t"].fold == 0


@given(values())
def test_a_dict_that_looks_like_a_tag_is_not_taken_for_one(value: Any) -> None:
    for key in (" t", " di", " b", " m", " u", " d", " s", " x", " ", "  "):
        data = {"a": {key: value}, key: value}

        assert_same(DEFAULT.loads(DEFAULT.dumps(data)), data)
        assert_same(DEFAULT.loads(DEFAULT.dumps({key: value})), {key: value})


@pytest.mark.parametrize("serializer", [DEFAULT, FLASKS], ids=["default", "flask"])
@pytest.mark.parametrize("box", [list, tuple, dict])
@pytest.mark.parametrize("leaf", ["x", "\U0001f600"])
def test_64_levels_are_stored_and_no_more(
    serializer: TaggedJSONSerializer, box: Any, leaf: str
) -> None:
    deepest = nested(62, box), leaf
    data = {"a": list(deepest)}

    assert_same(serializer.loads(serializer.dumps(data)), data)
    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        serializer.dumps({"a": [data["a"]]})


def test_the_deepest_level_holds_values_of_any_type_that_is_no_box() -> None:
    value: Any = [MOMENT, b"x", Decimal(1), UUID(int=1), Markup("x")]
    for _ in range(62):
        value = [value]

    assert_same(DEFAULT.loads(DEFAULT.dumps({"a": value})), {"a": value})


def test_a_value_too_deep_is_refused_where_it_is_assigned_and_no_other() -> None:
    session = open_session(SecureCookieSessionInterface(KEY))
    session["a"] = nested(63, list)
    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        session["a"] = [nested(63, list)]


def test_what_is_wide_and_shallow_is_no_deep_nesting() -> None:
    data: dict[str, Any] = {"rows": [[row, "x", None, {}] for row in range(100)]}

    assert_same(DEFAULT.loads(DEFAULT.dumps(data)), data)


def test_a_value_that_holds_itself_is_refused() -> None:
    itself: list[Any] = []
    itself.append(itself)

    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        session_of()["a"] = itself


# -- what cannot --------------------------------------------------------------------


@pytest.mark.parametrize(("format", "value"), REFUSALS)
def test_what_cannot_be_stored_is_refused_where_it_is_assigned(
    format: SignedFormat, value: Any
) -> None:
    session = session_of(format=format)

    with pytest.raises(TypeError, match=r"^cart\[2\]\.price"):
        session["cart"] = [1, 2, {"price": value}]
    with pytest.raises(TypeError, match=r"^price"):
        session["price"] = value
    assert dict(session) == {}


@pytest.mark.parametrize(("format", "value"), REFUSALS)
def test_what_cannot_be_stored_is_refused_at_the_save_where_it_was_put_inside(
    format: SignedFormat, value: Any
) -> None:
    interface = SecureCookieSessionInterface(KEY, format=format)
    session = interface.open_session({})
    assert session is not None
    session["cart"] = [1, 2, {}]
    session["cart"][2]["price"] = value

    with pytest.raises(TypeError, match=r"^cart\[2\]\.price"):
        interface.save_session({}, session, "200 OK", [])


@pytest.mark.parametrize(("value", "base"), SUBCLASSES.values(), ids=SUBCLASSES)
@pytest.mark.parametrize("serializer", [FLASKS, LENIENT], ids=["flask", "lenient"])
def test_an_instance_of_a_subclass_is_stored_as_its_base_where_that_is_asked_for(
    value: Any, base: Any, serializer: TaggedJSONSerializer
) -> None:
    interface = SecureCookieSessionInterface(
        KEY, format=SignedFormat(serializer=serializer)
    )
    session = open_session(interface)
    session["value"] = value
    session["nested"] = [{"inside": value}]

    [cookie] = values_of(save_session(interface, session), "Set-Cookie")

    stored = {"value": base, "nested": [{"inside": base}]}
    assert_same(interface.read_cookie(cookie), stored)


@pytest.mark.parametrize("serializer", [FLASKS, LENIENT], ids=["flask", "lenient"])
def test_a_session_key_may_then_be_a_subclass_too_and_a_reserved_one_stays_reserved(
    serializer: TaggedJSONSerializer,
) -> None:
    interface = SecureCookieSessionInterface(
        KEY, format=SignedFormat(serializer=serializer)
    )
    session = open_session(interface)
    session[Role.ADMIN] = session[Text("a")] = 1
    with pytest.raises(ValueError, match="reserved"):
        session[Text("_cs")] = 1

    [cookie] = values_of(save_session(interface, session), "Set-Cookie")

    assert_same(interface.read_cookie(cookie), {"admin": 1, "a": 1})


def test_a_tag_for_a_subclass_comes_before_its_base() -> None:
    class LevelTag(JSONTag):
        key = " level"

        def check(self, value: Any) -> bool:
            return isinstance(value, Level)

        def to_json(self, value: Any) -> Any:
            return value.name

        def to_python(self, stored: Any) -> Any:
            return Level[stored]

    serializer = TaggedJSONSerializer(tags=[LevelTag()], subclasses=True)

    assert serializer.loads(serializer.dumps({"a": Level.LOW}))["a"] is Level.LOW


@pytest.mark.parametrize("subclasses", [1, None, "yes"])
def test_subclasses_is_a_bool(subclasses: Any) -> None:
    with pytest.raises(ConfigError, match="subclasses must be True or False"):
        TaggedJSONSerializer(subclasses=subclasses)


@pytest.mark.parametrize("value", NOT_FLASKS.values(), ids=NOT_FLASKS)
def test_flasks_format_stores_flasks_types_only(value: Any) -> None:
    session = session_of(format=FLASK)

    with pytest.raises(TypeError, match=r"^cart\[2\]\.price: "):
        session["cart"] = [1, 2, {"price": value}]


@pytest.mark.parametrize("value", ONLY_OURS.values(), ids=ONLY_OURS)
def test_a_time_zone_that_knows_no_offset_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^when: a time zone without an offset"):
        session_of()["when"] = value


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"a": object()}, "a"),
        ({"a b": object()}, "a b"),
        ({"a": {"b c": object()}}, "a['b c']"),
        ({"a": [[object()]]}, "a[0][0]"),
        ({"a": (1, object())}, "a[1]"),
        ({"a": {1: 2}}, "a[1]"),
        ({"a": {(1, 2): 2}}, "a[tuple]"),
        ({"a": {"class": object()}}, "a.class"),
        ({"a": {"\ud800": 1}}, "a['\\ud800']"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_path_is_spelled_as_python_would(data: dict[str, Any], path: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(path)}: "):
        DEFAULT.dumps(data)


@pytest.mark.parametrize("key", [1, None, b"a", ("a",), Text("a"), "\ud800"])
def test_a_session_key_is_a_str(key: Any) -> None:
    with pytest.raises(TypeError):
        session_of()[key] = 1


REMEDIES: dict[str, tuple[Any, str]] = {
    "a member of an enum": (Color.RED, "a Color .*: store its .value$"),
    "of an IntEnum": (Level.LOW, "a Level .*: store its .value$"),
    "of a str enum": (Role.ADMIN, "a Role .*: store its .value$"),
    "an OrderedDict": (OrderedDict(), "an OrderedDict .*: convert it to dict first$"),
    "a defaultdict": (defaultdict(int), "a default.*: convert it to dict first$"),
    "a Counter": (Counter(), "a Counter .*: convert it to dict first$"),
    "a namedtuple": (Point(1, 2), "a Point .*: convert it to tuple first$"),
    "a str subclass": (Text(), "a Text .*: convert it to str first$"),
    "a dataclass": (Item(1), "an Item .*: store its id or a str, or give .* a JSONTag"),
    "an object": (object(), "an object .*: store its id or a str, or give"),
    "an int key": ({7: 1}, r"a dict's key must be a str, not int: use str\(key\)$"),
}


@pytest.mark.parametrize(("value", "message"), REMEDIES.values(), ids=REMEDIES)
def test_what_cannot_be_stored_is_told_with_its_remedy(
    value: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        session_of()["a"] = value


@pytest.mark.parametrize("key", [1, None, b"a", ("a",)], ids=repr)
def test_a_key_that_is_no_str_is_told_with_its_remedy(key: Any) -> None:
    kind = type(key).__name__
    message = f"a session key must be a str, not {kind}: use str(key)"
    with pytest.raises(TypeError, match=f"{re.escape(message)}$"):
        session_of()[key] = 1


@pytest.mark.parametrize("key", ["_cs", "_permanent"])
def test_a_reserved_key_is_told_with_its_remedy(key: str) -> None:
    message = f"the session key '{key}' is reserved for bookkeeping: choose another"
    with pytest.raises(ValueError, match=f"^{message}$"):
        session_of()[key] = 1


def test_an_error_does_not_tell_the_value() -> None:
    with pytest.raises(TypeError) as caught:
        session_of()["card"] = {"4111111111111111"}, Text("4111111111111111")

    assert "4111" not in str(caught.value)


# -- reading what nobody wrote --------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "[]",
        "null",
        "{",
        "{}x",
        " {}",
        "{} ",
        '{"a":{" x":1}}',
        '{"a":{" ":1}}',
        '{" t":[1]}',
        '{"a":{" t":"ab"}}',
        '{"a":{" t":{"a":1}}}',
        '{"a":{" b":"AP8"}}',
        '{"a":{" b":"A\\u00e4=="}}',
        '{"a":{" b":"AP 8="}}',
        '{"a":{" b":1}}',
        '{"a":{" m":1}}',
        '{"a":{" u":"x"}}',
        '{"a":{" d":"yesterday"}}',
        '{"a":{" d":null}}',
        '{"a":"\\ud800"}',
        '{"a":"\\UD800"}',
        '{"a":{" m":"\\uDC00"}}',
        '{"\\udc00":1}',
        '{"a":' + "1" * 4301 + "}",
        '{"a":' + "[" * 64 + "]" * 64 + "}",
        '{"a":' + '{" t":[' * 64 + "]}" * 64 + "}",
        '{"a":' + "[" * 30_000 + "]" * 30_000 + "}",
    ],
    ids=lambda text: text[:24] or "nothing",
)
@pytest.mark.parametrize("serializer", [DEFAULT, FLASKS], ids=["default", "flask"])
def test_what_nobody_wrote_is_not_read(
    text: str, serializer: TaggedJSONSerializer
) -> None:
    if serializer is FLASKS and text in ('{"a":{" x":1}}', '{"a":{" ":1}}'):
        assert serializer.loads(text)["a"]  # no tag of Flask's is not a tag
        return
    with pytest.raises(Exception):  # noqa: B017, PT011
        serializer.loads(text)


@pytest.mark.parametrize(
    "stored",
    [
        '{" di":1}',
        '{" di":[" t"]}',
        '{" di":["t",1]}',
        '{" di":[1,1]}',
        '{" di":" x"}',
        '{" di":{" t":1," u":2}}',
        '{" s":[[1]]}',
        '{" s":"ab"}',
        '{" fs":[{"a":1}]}',
        '{" n":"one"}',
        '{" n":1}',
        '{" date":"2024-13-01"}',
        '{" time":"25:00"}',
        '{" delta":["a"]}',
        '{" delta":[1e300]}',
        '{" delta":{"days":1}}',
        '{" d":"Tue, 02 Jan 2024 03:04:05 GMT"}',
    ],
)
def test_a_tag_that_stores_something_else_is_not_read(stored: str) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011
        DEFAULT.loads(f'{{"a":{stored}}}')


@pytest.mark.parametrize(
    "stored", ['{" di":{}}', '{" di":[]}', '{" di":{"a":1,"b":2}}']
)
def test_a_bad_escape_of_flasks_is_not_read(stored: str) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011
        FLASKS.loads(f'{{"a":{stored}}}')


# -- an application's own types -----------------------------------------------------


class ItemTag(JSONTag):
    key = " item"

    def check(self, value: Any) -> bool:
        return type(value) is Item

    def to_json(self, value: Any) -> Any:
        return (value.price, MOMENT)  # anything that a session can store

    def to_python(self, stored: Any) -> Any:
        price, _ = stored
        return Item(price)


class GreedyTag(ItemTag):
    """Says that every value is its own."""

    def check(self, value: Any) -> bool:
        return True


class Tree:
    def __init__(self, *branches: Tree) -> None:
        self.branches = list(branches)


class TreeTag(JSONTag):
    key = " tree"

    def check(self, value: Any) -> bool:
        return type(value) is Tree

    def to_json(self, value: Any) -> Any:
        return value.branches

    def to_python(self, stored: Any) -> Any:
        return Tree(*stored)


@pytest.mark.parametrize("collect", [list, iter], ids=["list", "iterator"])
def test_an_application_can_add_a_type_of_its_own(collect: Any) -> None:
    serializer = TaggedJSONSerializer(tags=collect([ItemTag()]))
    interface = SecureCookieSessionInterface(
        KEY, format=SignedFormat(serializer=serializer)
    )

    cookie = interface.make_cookie({"cart": [Item(3), (Item(4),)]})

    assert interface.read_cookie(cookie) == {"cart": [Item(3), (Item(4),)]}


@given(sessions())
def test_no_stored_session_changes_its_meaning_by_a_new_tag(
    data: dict[str, Any],
) -> None:
    after = TaggedJSONSerializer(tags=[GreedyTag(), TreeTag()])
    text = DEFAULT.dumps(data)

    assert after.dumps(data) == text
    assert_same(after.loads(text), data)


def test_a_dict_like_a_tag_that_is_added_later_stays_a_dict() -> None:
    text = DEFAULT.dumps({"a": {" item": [1, 2]}})

    again = TaggedJSONSerializer(tags=[ItemTag()]).loads(text)

    assert again == {"a": {" item": [1, 2]}}


def test_a_tag_that_is_no_longer_there_is_malformed() -> None:
    text = TaggedJSONSerializer(tags=[ItemTag()]).dumps({"a": Item(1)})

    with pytest.raises(KeyError):
        DEFAULT.loads(text)


@pytest.mark.parametrize("start", [0, 1], ids=["even", "odd"])
def test_a_recursive_type_keeps_the_limit_of_depth(start: int) -> None:
    serializer = TaggedJSONSerializer(tags=[TreeTag()])
    tree = Tree()
    for _ in range(2000):
        tree = Tree(tree)
    value: Any = tree
    for _ in range(start):
        value = [value]

    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        serializer.dumps({"a": value})


def chain_of(trees: int) -> Tree:
    tree = Tree()
    for _ in range(trees - 1):
        tree = Tree(tree)
    return tree


def test_a_type_of_one_s_own_takes_a_level_and_the_list_it_stores_another() -> None:
    serializer = TaggedJSONSerializer(tags=[TreeTag()])
    text = serializer.dumps({"a": [chain_of(31)]})  # 1 + 1 + 2 * 31 levels

    assert serializer.dumps(serializer.loads(text)) == text
    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        serializer.dumps({"a": [[chain_of(31)]]})


def test_a_type_of_one_s_own_is_read_as_deep_as_it_is_written() -> None:
    serializer = TaggedJSONSerializer(tags=[TreeTag()])

    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        serializer.loads('{"a":' + '{" tree":[' * 32 + "]}" * 32 + "}")


class PriceTag(ItemTag):
    """Stores a number."""

    def to_json(self, value: Any) -> Any:
        return value.price

    def to_python(self, stored: Any) -> Any:
        return Item(stored)


def test_a_type_of_one_s_own_takes_a_level_even_if_it_stores_a_number() -> None:
    serializer = TaggedJSONSerializer(tags=[PriceTag()])
    value: Any = Item(1)
    for _ in range(62):
        value = [value]

    assert serializer.loads(serializer.dumps({"a": value})) == {"a": value}
    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        serializer.dumps({"a": [value]})


class SelfTag(TreeTag):
    """Stores a value as itself, for ever."""

    def to_json(self, value: Any) -> Any:
        return value


def test_a_tag_that_stores_its_own_type_for_ever_is_refused() -> None:
    serializer = TaggedJSONSerializer(tags=[SelfTag()])

    with pytest.raises(TypeError, match="nested deeper than 64 levels"):
        serializer.dumps({"a": Tree()})


@pytest.mark.parametrize("tags", [(TreeTag, ItemTag), (ItemTag, TreeTag)])
def test_each_of_several_types_is_stored_by_its_own_tag(tags: Any) -> None:
    serializer = TaggedJSONSerializer(tags=[tag() for tag in tags])
    text = serializer.dumps({"tree": Tree(), "item": Item(1)})
    data = serializer.loads(text)

    assert text.startswith('{"tree":{" tree":[]},"item":{" item":')
    assert (type(data["tree"]), data["item"]) == (Tree, Item(1))


METHODS = ("check", "to_json", "to_python")


@pytest.mark.parametrize("missing", METHODS)
def test_a_tag_without_one_of_its_methods_cannot_be_made(missing: str) -> None:
    methods = {name: getattr(ItemTag, name) for name in METHODS if name != missing}
    incomplete = type("Incomplete", (JSONTag,), {"key": " item", **methods})

    with pytest.raises(TypeError, match=missing):
        incomplete()


class _NoKey(ItemTag):
    key = None  # type: ignore[assignment]


def tag_with(key: str) -> JSONTag:
    tag = ItemTag()
    tag.key = key
    return tag


@pytest.mark.parametrize(
    ("tags", "fault"),
    [
        ([ItemTag], "must be instances of JSONTag"),
        (["item"], "must be instances of JSONTag"),
        ([_NoKey()], "must be instances of JSONTag"),
        ([tag_with("item")], "must be a space and a name"),
        ([tag_with(" ")], "must be a space and a name"),
        ([tag_with("")], "must be a space and a name"),
        ([tag_with(" t")], "is taken"),
        ([tag_with(" di")], "is taken"),
        ([ItemTag(), ItemTag()], "is taken"),
        (ItemTag(), r"tags must be a list, also of one tag: tags=\[tag\]"),
        (5, "must be instances of JSONTag"),
    ],
    ids=lambda value: "" if isinstance(value, str) else None,
)
def test_a_tag_without_a_usable_key_is_a_config_error(tags: Any, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        TaggedJSONSerializer(tags=tags)


@pytest.mark.parametrize("limit", [0, 640, 4_300, 100_000])
def test_ints_are_limited_whatever_the_interpreter_was_told(limit: int) -> None:
    set_limit = getattr(sys, "set_int_max_str_digits", None)
    if set_limit is None:
        pytest.skip("this CPython has no limit to set")
    before = sys.get_int_max_str_digits()
    try:
        set_limit(limit)
        with pytest.raises((TypeError, ValueError)):
            DEFAULT.loads('{"a":' + "9" * 4_301 + "}")
    finally:
        set_limit(before)


@pytest.fixture
def few_digits() -> Iterator[None]:
    """Python takes ints of 640 digits at most, as an operator may set it."""
    set_limit = getattr(sys, "set_int_max_str_digits", None)
    if set_limit is None:
        pytest.skip("this CPython has no limit to set")
    before = sys.get_int_max_str_digits()
    set_limit(640)
    yield
    set_limit(before)


@pytest.mark.parametrize("digits", [641, 1000, 4300])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_int_of_more_digits_than_python_takes_is_refused_where_it_is_assigned(
    digits: int, sign: int, few_digits: None
) -> None:
    number = sign * 10 ** (digits - 1)
    interface = SecureCookieSessionInterface(KEY)
    session = open_session(interface)
    for value in (number, [number], {"b": number}):
        with pytest.raises(TypeError, match=r"^n.*an int of more than 640 digits"):
            session["n"] = value
    session["n"] = sign * (10**640 - 1)
    [cookie] = values_of(save_session(interface, session), "Set-Cookie")
    assert interface.read_cookie(cookie) == dict(session)
