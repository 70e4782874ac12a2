"""No change of a session is ever lost, and nothing is written that did not change."""

from __future__ import annotations

import copy
import datetime as dt
import logging
from collections.abc import Callable
from decimal import Decimal
from email.message import Message  # has keys(), and is no mapping
from types import MappingProxyType
from typing import Any

import pytest
from clients import Browser
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    FLASK_IN_OURS,
    KEY,
    OLD_KEY,
    Clock,
    every_format,
    open_session,
    save_session,
    values_of,
)

from cookiesession import (
    FLASK,
    JSONTag,
    NullSession,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionCommitted,
    SessionMixin,
    SignedFormat,
    TaggedJSONSerializer,
)

INTERFACE = SecureCookieSessionInterface(KEY)
DATA = {"a": 1, "b": "two", "c": [1, {"d": [2]}], "e": (3, [4])}

Change = Callable[[Any], object]


def written(session: SecureCookieSession) -> dict[str, Any] | None:
    """What the response makes of a session; ``None`` where it writes nothing."""
    return _written(INTERFACE, session)


def _written(
    interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> dict[str, Any] | None:
    modified = session.modified
    cookies = values_of(save_session(interface, session), "Set-Cookie")
    assert modified == bool(cookies)
    return interface.read_cookie(cookies[0]) if cookies else None


def data() -> dict[str, Any]:
    """DATA, to be changed at will."""
    return INTERFACE.read_cookie(INTERFACE.make_cookie(DATA))


# -- every change is written --------------------------------------------------------

CHANGES: dict[str, Change] = {
    "__setitem__": lambda s: s.__setitem__("a", 2),
    "__setitem__ of a new key": lambda s: s.__setitem__("new", 1),
    "__delitem__": lambda s: s.__delitem__("a"),
    "__ior__": lambda s: s.__ior__({"a": 2}),
    "__ior__ with pairs": lambda s: s.__ior__([("a", 2), ("f", 3)]),
    "clear": lambda s: s.clear(),
    "pop": lambda s: s.pop("a"),
    "pop with a default": lambda s: s.pop("b", None),
    "popitem": lambda s: s.popitem(),
    "setdefault": lambda s: s.setdefault("new", 1),
    "setdefault of None": lambda s: s.setdefault("new"),
    "update": lambda s: s.update({"a": 2}),
    "update with pairs": lambda s: s.update([("a", 2)], b=3),
    "update by keywords": lambda s: s.update(a=2),
}
NESTED: dict[str, Change] = {
    "[]": lambda s: s["c"].append(5),
    "[] twice": lambda s: s["c"][1].update(d=6),
    "[] deep": lambda s: s["c"][1]["d"].append(5),
    "inside a tuple": lambda s: s["e"][1].append(5),
    "get": lambda s: s.get("c").append(5),
    "get with a default": lambda s: s.get("c", []).clear(),
    "values": lambda s: list(s.values())[2].append(5),
    "items": lambda s: dict(s.items())["c"].append(5),
    "setdefault": lambda s: s.setdefault("c", []).append(5),
    "setdefault of a new list": lambda s: s.setdefault("new", []).append(5),
    "iteration": lambda s: [s[key] for key in s][2].append(5),
    "dict()": lambda s: dict(s)["c"].append(5),
    "unpacking": lambda s: {**s}["c"].append(5),
    "copy": lambda s: s.copy()["c"].append(5),
    "|": lambda s: (s | {})["c"].append(5),
    "| from the right": lambda s: ({} | s)["c"].append(5),
    "pop and back": lambda s: s.update(c=[*s.pop("c"), 5]),
    "assigned to itself": lambda s: s.update(c=s["c"] + [5]),
    "in place and assigned": lambda s: s.__setitem__("c", s["c"].__iadd__([5])),
    "moved to another key": lambda s: s.__setitem__("new", s.pop("c")),
}


@pytest.mark.parametrize(
    "change",
    [*CHANGES.values(), *NESTED.values()],
    ids=[*CHANGES, *(f"nested, by {way}" for way in NESTED)],
)
def test_a_change_is_written_as_a_dict_would_have_it(change: Change) -> None:
    session, expected = open_session(INTERFACE, DATA), data()
    change(session)
    change(expected)
    assert written(session) == expected  # first: a comparison hands out every value
    assert session == expected


def test_the_changes_are_all_that_a_dict_has() -> None:
    """A mappingproxy is a dict without its mutating methods."""
    mutators = set(dir(dict)) - set(dir(MappingProxyType)) - {"fromkeys"}
    names = {name.partition(" ")[0] for name in CHANGES}
    assert names == mutators | {"__ior__"}


def test_what_a_nested_value_gets_after_its_assignment_is_written() -> None:
    session, cart = open_session(INTERFACE), [1]
    session["cart"] = cart
    cart.append(2)
    assert written(session) == {"cart": [1, 2]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1], (1,)),
        (1, True),
        (0, False),
        (1, 1.0),
        (0.0, -0.0),
        ({1}, frozenset({1})),
        (Decimal("1.0"), Decimal("1.00")),
        ([1], [True]),
        ([0.0], [-0.0]),
        ({"x": [1]}, {"x": (1,)}),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("accepted", [False, True], ids=["ours", "accepted"])
def test_a_change_of_type_or_spelling_is_written(
    before: Any, after: Any, accepted: bool
) -> None:
    """Whether or not what came was written by the format that writes."""
    target = SecureCookieSessionInterface(
        KEY,
        format=SignedFormat(salt="new") if accepted else SignedFormat(),
        accept=[SignedFormat()],
    )
    session = target.open_session({"HTTP_COOKIE": INTERFACE.make_cookie({"x": before})})
    assert isinstance(session, SecureCookieSession)
    session["x"] = after
    assert session.modified
    result = _written(target, session)
    assert result is not None
    assert repr(result["x"]) == repr(after)


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | st.text("x "),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner),
    max_leaves=4,
)
STEPS = st.one_of(
    st.tuples(st.just("__setitem__"), KEYS, VALUES),
    st.tuples(st.just("setdefault"), KEYS, VALUES),
    st.tuples(st.just("pop"), KEYS, st.none()),
    st.tuples(st.just("update"), st.dictionaries(KEYS, VALUES)),
    st.tuples(st.just("__ior__"), st.dictionaries(KEYS, VALUES)),
    st.tuples(st.just("get"), KEYS),
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, VALUES), st.lists(STEPS, max_size=6))
def test_whatever_is_done_the_session_is_the_dict_that_it_looks_like(
    before: dict[str, Any], steps: list[tuple[Any, ...]]
) -> None:
    cookie = INTERFACE.make_cookie(before)
    session = open_session(INTERFACE, before)
    model = INTERFACE.read_cookie(cookie)
    for name, *arguments in steps:
        # Two values, as each of both may be changed in its place.
        theirs = INTERFACE.read_cookie(INTERFACE.make_cookie({"a": arguments}))["a"]
        result = getattr(session, name)(*arguments)
        expected = getattr(model, name)(*theirs)
        if isinstance(expected, list) and isinstance(result, list):
            result.append(0)
            expected.append(0)
        assert result is session or repr(result) == repr(expected)
    differs = repr(model) != repr(INTERFACE.read_cookie(cookie))
    assert session.modified is differs
    result = written(session)
    assert repr(result) == repr(model if differs else None)


# -- nothing is written that did not change -----------------------------------------


UNCHANGED: dict[str, Change] = {
    "nothing": lambda s: None,
    "equal assignment": lambda s: s.__setitem__("a", 1),
    "equal assignment of a list": lambda s: s.__setitem__("c", [1, {"d": [2]}]),
    "assigned to itself": lambda s: s.__setitem__("c", s["c"]),
    "empty update": lambda s: s.update(),
    "update with nothing": lambda s: s.update({}),
    "equal update": lambda s: s.update(a=1, b="two"),
    "|= with nothing": lambda s: s.__ior__({}),
    "setdefault of what is there": lambda s: s.setdefault("a", 5),
    "pop of a missing key": lambda s: s.pop("missing", None),
    "there and back": lambda s: (s.__setitem__("a", 2), s.__setitem__("a", 1)),
    "added and removed": lambda s: (s.__setitem__("x", 1), s.__delitem__("x")),
    "removed and added": lambda s: s.__setitem__("e", s.pop("e")),
    "nested there and back": lambda s: (s["c"].append(1), s["c"].pop()),
    "reading a scalar": lambda s: s["b"],
    "reading a nested value": lambda s: s["c"],
    "reading all": lambda s: (dict(s), s == {}, len(s), "a" in s, s.copy(), s | {}),
    "changing a shallow copy": lambda s: s.copy().update(a=2),
    "permanent there and back": lambda s: [
        s.__setattr__("permanent", value) for value in (True, False)
    ],
    "permanent as it is": lambda s: setattr(s, "permanent", False),
    "modified = False": lambda s: setattr(s, "modified", False),
    "accessed = True": lambda s: setattr(s, "accessed", True),
}


@pytest.mark.parametrize("change", UNCHANGED.values(), ids=list(UNCHANGED))
def test_what_is_no_change_is_not_written(change: Change) -> None:
    session = open_session(INTERFACE, DATA)
    change(session)
    assert not session.modified
    assert written(session) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda s: None,
        lambda s: dict(s),
        lambda s: s.clear(),
        lambda s: s.update(),
        lambda s: (s.__setitem__("a", 1), s.__delitem__("a")),
        lambda s: setattr(s, "permanent", True),
    ],
    ids=["untouched", "read", "clear", "update", "there and back", "permanent"],
)
def test_an_empty_new_session_is_not_written(change: Change) -> None:
    session = open_session(INTERFACE)
    change(session)
    assert values_of(save_session(INTERFACE, session), "Set-Cookie") == []


@pytest.mark.parametrize("source", ["ours", "another key", "Flask's format"])
def test_reading_what_another_codec_wrote_is_no_modification(source: str) -> None:
    target = SecureCookieSessionInterface(
        KEY, fallback_keys=[OLD_KEY], accept=[FLASK_IN_OURS]
    )
    maker = {
        "ours": INTERFACE,
        "another key": SecureCookieSessionInterface(OLD_KEY),
        "Flask's format": SecureCookieSessionInterface(KEY, format=FLASK),
    }[source]
    stored = {
        "z": 1,
        "a": [2, (3,)],
        "when": dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
    }
    session = target.open_session({"HTTP_COOKIE": maker.make_cookie(stored)})
    assert isinstance(session, SecureCookieSession)
    session["z"] = session["z"]
    assert session["a"] == [2, (3,)]
    assert not session.modified


@pytest.mark.parametrize(
    ("came", "key"),
    [({"pair": (1, 2)}, "a"), ({}, " t"), ({}, " ")],
    ids=["beside a tuple", "of a key like a tag", "of a space"],
)
def test_an_assigned_scalar_leaves_the_rest_what_it_was(
    came: dict[str, Any], key: str
) -> None:
    session = open_session(INTERFACE, came or None)
    session[key] = "x"
    stored = written(session)
    assert stored == {**came, key: "x"}
    assert repr(stored) == repr({**came, key: "x"})


class Point:
    """Of a type without ``==``, as many are."""

    def __init__(self, x: int) -> None:
        self.x = x


class PointTag(JSONTag):
    key = " point"
    stored = 0  # how often

    def check(self, value: Any) -> bool:
        return type(value) is Point

    def to_json(self, value: Point) -> list[int]:
        self.stored += 1
        return [value.x]

    def to_python(self, stored: Any) -> Point:
        return Point(*stored)


def with_points(tag: PointTag) -> SecureCookieSessionInterface:
    serializer = TaggedJSONSerializer(tags=[tag])
    return SecureCookieSessionInterface(KEY, format=SignedFormat(serializer=serializer))


SELFISH = pytest.mark.parametrize(
    "make", [lambda: Point(1), lambda: float("nan")], ids=["no ==", "nan"]
)


@SELFISH
def test_values_that_equal_nothing_are_no_change_by_themselves(
    make: Callable[[], object],
) -> None:
    session = open_session(with_points(PointTag()), {"x": make(), "y": [make()]})
    session["z"] = 1
    assert {*session} == {"x", "y", "z"}
    assert session["x"] != session["y"][0]
    del session["z"]
    assert not session.modified


@SELFISH
def test_where_one_is_assigned_again_nothing_is_lost(
    make: Callable[[], object],
) -> None:
    """It may be written, for nothing."""
    interface = with_points(PointTag())
    session = open_session(interface, {"x": make(), "y": 1})
    session["x"] = make()
    for cookie in values_of(save_session(interface, session), "Set-Cookie"):
        again = interface.read_cookie(cookie)
        assert [type(value) for value in again.values()] == [type(make()), int]


SIGNALS = Decimal("sNaN")


@pytest.mark.parametrize("value", [1, 1.5, "1", None, True], ids=repr)
def test_a_value_that_cannot_be_compared_may_be_replaced(value: object) -> None:
    """``Decimal("sNaN") == 1`` raises."""
    interface = SecureCookieSessionInterface(KEY)
    session = open_session(interface, {"a": SIGNALS, "b": 1})
    session["a"] = value
    assert session.modified
    [cookie] = values_of(save_session(interface, session), "Set-Cookie")
    assert interface.read_cookie(cookie) == {"a": value, "b": 1}


def test_reading_a_scalar_stores_nothing_again() -> None:
    """However large the rest of the session is."""
    interface = with_points(tag := PointTag())
    session = open_session(interface, {"name": "ada", "point": Point(1)})
    tag.stored = 0
    assert session["name"] == session.get("name") == "ada"
    assert save_session(interface, session) == [("Vary", "Cookie")]
    assert tag.stored == 0


def test_a_session_that_carries_its_creation_time_is_not_written_unchanged(
    clock: Clock,
) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    session = open_session(interface, {"a": 1, "c": [1]})
    clock.advance(minutes=1)
    session["a"] = 2
    [cookie] = values_of(save_session(interface, session), "Set-Cookie")
    again = SecureCookieSession(interface, cookie)
    assert again.created_at < again.issued_at
    again["c"] = [1]
    assert not again.modified


# -- after the headers have left ----------------------------------------------------


@pytest.mark.parametrize("touched", [False, True], ids=["untouched", "read"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_after_the_headers_raises(change: Change, touched: bool) -> None:
    session = open_session(INTERFACE, DATA)
    if touched:
        assert "a" in session
    save_session(INTERFACE, session)
    before = session.copy()
    with pytest.raises(SessionCommitted, match="Change it before"):
        change(session)
    assert session == before


@pytest.mark.parametrize("attribute", ["permanent", "modified"])
def test_an_attribute_that_asks_for_a_save_after_the_headers_raises(
    attribute: str,
) -> None:
    session = open_session(INTERFACE, DATA)
    save_session(INTERFACE, session)
    with pytest.raises(SessionCommitted):
        setattr(session, attribute, True)


def test_a_first_read_after_the_headers_works_and_logs_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = open_session(INTERFACE, {"user": "ada"})
    save_session(INTERFACE, session)
    assert session["user"] == "ada"
    assert session["user"] == "ada"
    [record] = caplog.records
    assert (record.name, record.levelno) == ("cookiesession", logging.WARNING)
    assert "Vary: Cookie" in record.message


def test_a_further_read_after_the_headers_is_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = open_session(INTERFACE, {"user": "ada"})
    assert "user" in session
    save_session(INTERFACE, session)
    assert session["user"] == "ada"
    assert caplog.records == []


# -- like a dict --------------------------------------------------------------------


def test_copy_is_a_plain_dict() -> None:
    copied = open_session(INTERFACE, DATA).copy()
    assert type(copied) is dict
    assert copied == DATA


def test_the_union_is_a_plain_dict_with_the_right_side_s_values() -> None:
    session = open_session(INTERFACE, {"a": 1, "b": 2})
    other = {"b": 3, "c": 4}
    assert session | other == {"a": 1, "b": 2} | other
    assert other | session == other | {"a": 1, "b": 2}
    assert type(session | other) is type(other | session) is dict
    assert list(other | session) == ["b", "c", "a"]
    assert not session.modified


@pytest.mark.parametrize(
    "other", [None, 1, [("a", 1)], Message()], ids=lambda each: type(each).__name__
)
def test_a_union_with_what_is_no_mapping_is_a_type_error(other: Any) -> None:
    session = open_session(INTERFACE, DATA)
    with pytest.raises(TypeError):
        session | other
    with pytest.raises(TypeError):
        other | session


def test_it_equals_what_a_dict_of_its_contents_equals() -> None:
    session = open_session(INTERFACE, DATA)
    assert session == DATA
    assert session == open_session(INTERFACE, DATA)
    assert session != {}
    assert session != [*DATA.items()]
    with pytest.raises(TypeError):
        hash(session)


def test_it_is_read_as_a_dict_is() -> None:
    session = open_session(INTERFACE, DATA)
    assert (len(session), bool(session), list(session)) == (4, True, list(DATA))
    assert list(session.keys()) == list(DATA)
    assert list(session.values()) == list(DATA.values())
    assert list(session.items()) == list(DATA.items())
    assert "a" in session
    assert "z" not in session
    assert (session.get("z"), session.get("z", 5)) == (None, 5)
    with pytest.raises(KeyError, match="z"):
        session["z"]


def test_popitem_takes_the_pair_that_was_added_last() -> None:
    session = open_session(INTERFACE, {"a": 1, "b": 2})
    session["c"] = 3
    assert [session.popitem() for _ in range(3)] == [("c", 3), ("b", 2), ("a", 1)]
    with pytest.raises(KeyError):
        session.popitem()


@pytest.mark.parametrize("change", [lambda s: s.pop("z"), lambda s: s.__delitem__("z")])
def test_removing_a_missing_key_raises_and_changes_nothing(change: Change) -> None:
    session = open_session(INTERFACE, DATA)
    with pytest.raises(KeyError, match="z"):
        change(session)
    assert not session.modified


def test_in_place_union_keeps_the_session() -> None:
    session = same = open_session(INTERFACE, DATA)
    session |= {"a": 2}
    assert session is same
    assert session["a"] == 2


def test_repr_shows_no_value_and_loads_nothing() -> None:
    session = open_session(INTERFACE, {"user": "ada", "n": 1})
    assert repr(session) == "<SecureCookieSession not loaded>"
    assert not session.accessed
    assert session["user"] == "ada"
    assert repr(session) == f"{session}" == "<SecureCookieSession 2 keys>"


# -- what cannot be stored ----------------------------------------------------------


@pytest.mark.parametrize("key", ["_permanent", "_cs"])
@pytest.mark.parametrize("way", ["__setitem__", "setdefault", "update", "__ior__"])
def test_the_keys_of_the_bookkeeping_are_reserved(key: str, way: str) -> None:
    session = open_session(INTERFACE, DATA)
    arguments = [{key: True}] if way in ("update", "__ior__") else [key, True]
    with pytest.raises(ValueError, match=f"{key}.* is reserved"):
        getattr(session, way)(*arguments)
    assert not session.modified


@pytest.mark.parametrize("key", [1, None, b"key", ("a",)], ids=repr)
def test_a_key_that_is_no_str_raises_at_its_assignment(key: Any) -> None:
    session = open_session(INTERFACE, DATA)
    with pytest.raises(TypeError, match="a session key must be a str"):
        session[key] = 1
    assert session == DATA


def test_a_value_that_cannot_be_stored_raises_at_its_assignment() -> None:
    session = open_session(INTERFACE, DATA)
    with pytest.raises(TypeError, match=r"^cart\[1\]\.price: a complex cannot be"):
        session["cart"] = [{}, {"price": 1j}]
    assert session == DATA
    assert not session.modified


def test_what_was_put_into_a_nested_value_raises_at_the_save() -> None:
    session = open_session(INTERFACE, DATA)
    session["c"].append(object())
    with pytest.raises(TypeError, match=r"^c\[2\]: an object cannot be stored"):
        save_session(INTERFACE, session)


# -- attributes ---------------------------------------------------------------------


def test_a_request_without_a_cookie_has_a_new_session(clock: Clock) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    session = open_session(interface)
    assert session.new
    assert session.rejection is None
    assert session.created_at == session.issued_at == int(clock.now)
    session["a"] = 1
    assert session.new


def test_times_are_whole_unix_seconds_from_the_token(clock: Clock) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    made = int(clock.now)
    clock.now += 0.75
    cookie = interface.make_cookie({"a": 1})
    clock.advance(days=1)
    session = interface.open_session({"HTTP_COOKIE": cookie})
    assert isinstance(session, SecureCookieSession)
    assert (session.created_at, session.issued_at, session.new) == (made, made, False)
    session["a"] = 2
    [cookie] = values_of(save_session(interface, session), "Set-Cookie")
    again = SecureCookieSession(interface, cookie)
    assert (again.created_at, again.issued_at) == (made, made + 86_400)
    assert again == {"a": 2}


def test_a_rejected_cookie_leaves_a_new_session_and_a_reason() -> None:
    cookie = SecureCookieSessionInterface(OLD_KEY).make_cookie({"a": 1})
    session = SecureCookieSession(INTERFACE, cookie)
    assert session.rejection == "bad_signature"
    assert (session.new, session.copy()) == (True, {})


ATTRIBUTES = ["new", "rejection", "created_at", "issued_at", "permanent"]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_an_attribute_that_depends_on_the_cookie_counts_as_access(
    attribute: str,
) -> None:
    session = open_session(INTERFACE, DATA)
    assert not session.accessed
    getattr(session, attribute)
    assert session.accessed
    assert values_of(save_session(INTERFACE, session), "Vary") == ["Cookie"]


@pytest.mark.parametrize("value", [True, False])
def test_permanent_comes_back_with_the_session_and_not_among_its_keys(
    value: bool,
) -> None:
    session = open_session(INTERFACE, DATA)
    session.permanent = value
    session["new"] = 1
    [cookie] = values_of(save_session(INTERFACE, session), "Set-Cookie")
    again = SecureCookieSession(INTERFACE, cookie)
    assert again.permanent is value
    assert list(again) == [*DATA, "new"]
    assert ("Expires" in cookie) is value


def test_making_a_session_permanent_is_a_change() -> None:
    session = open_session(INTERFACE, DATA)
    session.permanent = 1  # type: ignore[assignment]
    assert session.permanent is True
    assert session.modified
    assert written(session) == DATA


@pytest.mark.parametrize("value", [True, 1])
def test_modified_may_be_set_to_force_a_save(value: Any) -> None:
    session = open_session(INTERFACE, DATA)
    session.modified = value
    assert session.modified is True
    assert session.accessed
    assert written(session) == DATA


def test_modified_set_back_hides_no_change() -> None:
    session = open_session(INTERFACE, DATA)
    session["a"] = 2
    session.modified = False
    assert session.modified
    assert written(session) == {**DATA, "a": 2}


@pytest.mark.parametrize("data", [{"a": 1}, {}], ids=["contents", "empty"])
def test_modified_may_be_taken_back(data: dict[str, Any]) -> None:
    interface = SecureCookieSessionInterface(KEY)
    session = open_session(interface, data)
    session.modified = True
    session.modified = False
    assert session.modified is False
    assert values_of(save_session(interface, session), "Set-Cookie") == []


def test_asking_for_modified_loads_nothing() -> None:
    session = open_session(INTERFACE, DATA)
    assert not session.modified
    assert repr(session) == "<SecureCookieSession not loaded>"
    assert save_session(INTERFACE, session) == []


@pytest.mark.parametrize("accessed", [True, False])
def test_accessed_may_be_set(accessed: bool) -> None:
    session = open_session(INTERFACE, DATA)
    assert ("a" in session, session.accessed) == (True, True)
    session.accessed = accessed
    headers = save_session(INTERFACE, session)
    assert values_of(headers, "Vary") == (["Cookie"] if accessed else [])


def test_accessed_set_on_an_untouched_session_gives_vary_and_loads_nothing() -> None:
    session = open_session(INTERFACE, DATA)
    session.accessed = True
    assert save_session(INTERFACE, session) == [("Vary", "Cookie")]
    assert repr(session) == "<SecureCookieSession not loaded>"


def test_accessed_set_back_hides_no_change() -> None:
    session = open_session(INTERFACE, DATA)
    session["a"] = 2
    session.accessed = False
    headers = save_session(INTERFACE, session)
    assert values_of(headers, "Vary") == ["Cookie"]
    [cookie] = values_of(headers, "Set-Cookie")
    assert INTERFACE.read_cookie(cookie) == {**DATA, "a": 2}


# -- clear --------------------------------------------------------------------------


@pytest.mark.parametrize("default", [True, False])
def test_clear_sets_permanent_back_to_its_default(default: bool) -> None:
    interface = SecureCookieSessionInterface(KEY, permanent=default)
    session = open_session(interface, DATA)
    assert session.permanent is default
    session.permanent = not default
    session.clear()
    assert session.permanent is default


def test_clear_and_nothing_more_deletes_the_cookie() -> None:
    session = open_session(INTERFACE, DATA)
    session.clear()
    [cookie] = values_of(save_session(INTERFACE, session), "Set-Cookie")
    assert cookie.startswith("__Host-session=; ")
    assert "Max-Age=0" in cookie


# -- regenerate ---------------------------------------------------------------------


def times_of(session: Any) -> tuple[int, int]:
    return session.created_at, session.issued_at


def regenerate_and_empty(session: Any) -> None:
    session.regenerate()
    for key in [*session]:
        del session[key]


@pytest.mark.parametrize("times", [1, 2, 3])
@every_format
def test_regenerate_goes_on_with_the_same_contents_as_a_new_session(
    format: Any, times: int, clock: Clock
) -> None:
    interface = SecureCookieSessionInterface(
        KEY, format=format, permanent=True, clock=clock
    )
    browser = Browser(interface.make_cookie({"user": "ada", "cart": [1, (2,)]}))
    clock.advance(days=1)

    def log_in(session: Any) -> int:
        for _ in range(times):
            session.regenerate()
        assert session.modified
        return int(session.created_at)

    assert browser.visit(interface, log_in) == clock.now
    assert len(browser.set_cookies) == 1
    assert browser.visit(interface) == {"user": "ada", "cart": [1, (2,)]}
    assert browser.visit(interface, lambda s: s.permanent) is True
    clock.advance(minutes=1)
    browser.visit(interface, lambda s: s.update(n=1))
    made = int(clock.now)
    assert browser.visit(interface, times_of) == (made - 60, made)


def test_regenerate_takes_the_changes_along() -> None:
    session = open_session(INTERFACE, DATA)
    session["a"] = 2
    session.regenerate()
    session["c"].append(5)
    assert written(session) == {**DATA, "a": 2, "c": [1, {"d": [2]}, 5]}


@pytest.mark.parametrize(
    "use",
    [
        lambda s: (s.regenerate(), s.clear()),
        lambda s: (s.clear(), s.regenerate()),
        regenerate_and_empty,
    ],
    ids=["clear after it", "clear before it", "emptied after it"],
)
@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
def test_a_logout_wins_over_regenerate(use: Change, status: str) -> None:
    session = open_session(INTERFACE, DATA)
    use(session)
    [cookie] = values_of(save_session(INTERFACE, session, status), "Set-Cookie")
    assert cookie.startswith("__Host-session=; ")


def test_a_new_session_cannot_be_made_newer(clock: Clock) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    session = open_session(interface)
    session.regenerate()
    assert save_session(interface, session) == [("Vary", "Cookie")]
    session = open_session(interface)
    session["a"] = 1
    made = session.created_at
    clock.advance(seconds=3)
    session.regenerate()
    assert session.created_at == made


def test_a_response_that_fails_regenerates_nothing() -> None:
    session = open_session(INTERFACE, DATA)
    session.regenerate()
    assert save_session(INTERFACE, session, "500 Oops") == [("Vary", "Cookie")]


def test_regenerate_after_the_headers_raises() -> None:
    session = open_session(INTERFACE, DATA)
    save_session(INTERFACE, session)
    with pytest.raises(SessionCommitted):
        session.regenerate()


def test_a_session_of_one_s_own_is_regenerated_by_the_mixin() -> None:
    class DictSession(dict[str, Any], SessionMixin):
        cleared = 0

        def clear(self) -> None:
            self.cleared += 1
            super().clear()

    session = DictSession(user="ada", cart=[1])
    session.regenerate()
    assert session == {"user": "ada", "cart": [1]}
    assert session.cleared == 1


# -- mistakes -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["user", "permament", "data", "max_age", "created_at"])
@pytest.mark.parametrize("null", [False, True], ids=["a session", "a null session"])
def test_an_attribute_that_is_none_cannot_be_set(name: str, null: bool) -> None:
    """It would be lost without a word."""
    session: Any = NullSession() if null else open_session(INTERFACE, DATA)
    with pytest.raises(AttributeError):
        setattr(session, name, "x")


def test_a_copy_of_a_session_is_a_plain_dict_of_its_own(
    interface: SecureCookieSessionInterface,
) -> None:
    session = open_session(interface, {"cart": [1]})
    copies: list[Any] = [copy.copy(session), copy.deepcopy(session)]
    shallow, deep = copies
    shallow["more"] = 1
    deep["cart"].append(2)

    assert [type(each) for each in copies] == [dict, dict]
    assert session == {"cart": [1]}
    assert not session.modified
