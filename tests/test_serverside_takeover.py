"""Sessions that cookies hold whole move into the store, and nobody is logged out."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from storing import Client, Spy, clear, id_in, made, rejection
from support import ENCRYPTED, FLASK_IN_OURS, KEY, OLD_KEY, Clock, params_of

from cookiesession import (
    FLASK,
    CookieOptions,
    EncryptedFormat,
    JSONTag,
    SecureCookieSessionInterface,
    SignedFormat,
    TaggedJSONSerializer,
)

SIGNED = SignedFormat()
SOURCES = {
    "signed": (SIGNED, KEY),
    "another digest": (SignedFormat(digest="sha512"), KEY),
    "an old key": (SIGNED, OLD_KEY),
    "flask": (FLASK_IN_OURS, KEY),
    "encrypted": (ENCRYPTED, KEY),
    "encrypted, an old key": (ENCRYPTED, OLD_KEY),
}
every_source = pytest.mark.parametrize(("format", "key"), params_of(SOURCES))


def pure(format: Any, clock: Clock, key: str = KEY, **data: Any) -> str:
    """A cookie that holds a session whole."""
    options: dict[str, Any] = {"format": format, "clock": clock}
    if format.cookie_name is not None:
        options["cookie"] = CookieOptions(name=format.cookie_name)
    return SecureCookieSessionInterface(key, **options).make_cookie(data)


def from_signed(store: Spy, clock: Clock, **data: Any) -> Client:
    """A browser with a signed cookie, before an interface that takes it over."""
    cookie = pure(SIGNED, clock, **data)
    return Client(made(store, clock, accept=[SIGNED]), cookie)


def permanent_cookie(clock: Clock, **options: Any) -> str:
    """A pure cookie that is permanent, and holds nothing else."""
    interface = SecureCookieSessionInterface(
        KEY, permanent=True, clock=clock, **options
    )
    return interface.make_cookie({})


# -- from where ------------------------------------------------------------------------


@every_source
def test_a_session_comes_along_when_it_is_touched(
    format: Any, key: str, store: Spy, clock: Clock
) -> None:
    cookie = pure(format, clock, key, user_id=1, cart=[1])
    client = Client(
        made(store, clock, accept=[format], fallback_keys=[OLD_KEY]), cookie
    )
    assert client.visit() == {"user_id": 1, "cart": [1]}
    assert len(client.set_cookies) == 1
    assert store.names == ["create", "load"]
    client.interface = made(store, clock)  # the format and the old key are gone
    assert client.visit() == {"user_id": 1, "cart": [1]}
    assert client.set_cookies == []
    [info] = client.interface.list_sessions(1)
    assert info.handle == client.key


@every_source
def test_it_may_be_changed_as_it_comes(
    format: Any, key: str, store: Spy, clock: Clock
) -> None:
    cookie = pure(format, clock, key, user_id=1, cart=[1])
    client = Client(
        made(store, clock, accept=[format], fallback_keys=[OLD_KEY]), cookie
    )
    client.visit(lambda session: session["cart"].append(2))
    assert client.visit() == {"user_id": 1, "cart": [1, 2]}


def test_what_moves_in_first_is_what_came(store: Spy, clock: Clock) -> None:
    # So that whoever meets it there does not take this request's change for its own.
    client = from_signed(store, clock, cart=[1])
    client.visit(lambda session: session["cart"].append(2))
    _, (_, data), _ = store.calls[0]
    assert b'"cart":[1]' in id_in(data.decode())
    assert client.visit() == {"cart": [1, 2]}


def test_it_comes_as_old_as_it_is(store: Spy, clock: Clock) -> None:
    created = clock.now
    client = from_signed(store, clock, a=1)
    clock.advance(days=1)
    assert client.visit(lambda session: session.created_at) == created
    assert client.visit(lambda session: session.created_at) == created
    assert client.visit(lambda session: session.issued_at) == clock.now


def test_a_cookie_of_flasks_is_deleted_when_its_session_is_in_the_store(
    store: Spy, clock: Clock
) -> None:
    cookie = pure(FLASK, clock, _user_id="7")
    assert cookie.startswith("session=")
    client = Client(made(store, clock, accept=[FLASK], user_key="_user_id"), cookie)
    assert client.visit() == {"_user_id": "7"}
    assert list(client.cookies) == ["__Host-session"]
    assert client.visit() == {"_user_id": "7"}
    assert len(client.interface.list_sessions(7)) == 1


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(clear, id="logged out"),
        pytest.param(lambda session: session.pop("_user_id"), id="emptied"),
    ],
)
def test_a_cookie_of_flasks_is_deleted_when_its_session_ends(
    view: Callable[[Any], object], store: Spy, clock: Clock
) -> None:
    cookie = pure(FLASK, clock, _user_id="7")
    client = Client(made(store, clock, accept=[FLASK], user_key="_user_id"), cookie)
    client.visit(view)
    assert client.cookies == {}


def test_an_old_cookie_of_flasks_brings_nothing_back_after_a_logout(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, accept=[FLASK]))
    client.write(user_id=1)
    old = pure(FLASK, clock, user_id=1)
    client.cookies["session"] = old.partition("=")[2]
    assert client.visit() == {"user_id": 1}  # it is not looked at
    assert client.set_cookies == []
    client.visit(clear)
    assert client.cookies == {}


# -- without accept --------------------------------------------------------------------


@every_source
def test_without_accept_a_pure_cookie_is_not_looked_at(
    format: Any, key: str, store: Spy, clock: Clock
) -> None:
    client = Client(
        made(store, clock, fallback_keys=[OLD_KEY]), pure(format, clock, key, a=1)
    )
    assert client.visit(lambda session: (dict(session), rejection(session))) == (
        ({}, "bad_signature")
    )
    assert client.set_cookies == []
    assert store.names == []


def test_the_format_of_the_records_is_no_reason_to_look_at_a_cookie(
    store: Spy, clock: Clock
) -> None:
    digest = SignedFormat(digest="sha512")
    interface = made(store, clock, format=digest, accept=[SIGNED])
    assert interface.read_cookie(pure(digest, clock, a=1)) == {}
    assert interface.read_cookie(pure(SIGNED, clock, a=1)) == {"a": 1}


def test_an_expired_cookie_is_not_taken_over(store: Spy, clock: Clock) -> None:
    client = from_signed(store, clock, a=1)
    clock.advance(days=32)
    assert client.visit(rejection) == "idle_expired"
    assert store.names == []


# -- two requests at once --------------------------------------------------------------


@every_source
@pytest.mark.parametrize(
    ("first", "second"),
    list(
        itertools.product(
            [lambda session: None, lambda session: session.update(b=1)],
            [lambda session: None, lambda session: session.update(c=1)],
        )
    ),
    ids=["read, read", "read, change", "change, read", "change, change"],
)
def test_two_requests_that_take_it_over_at_once_meet_and_merge(
    first: Callable[[Any], object],
    second: Callable[[Any], object],
    format: Any,
    key: str,
    store: Spy,
    clock: Clock,
) -> None:
    expected = {"user_id": 1, "a": 0}
    client = Client(
        made(store, clock, accept=[format], fallback_keys=[OLD_KEY]),
        pure(format, clock, key, **expected),
    )
    one, two = client.open(), client.open()
    for session, view in ((one, first), (two, second)):
        view(session)
        expected |= {k: v for k, v in session.items() if k in "bc"}
    client.save(one)
    first_id = client.id
    client.save(two)
    assert client.id == first_id
    assert client.visit() == expected
    assert len(client.interface.list_sessions(1)) == 1


def test_machines_with_the_keys_in_another_order_meet_as_well(
    store: Spy, clock: Clock
) -> None:
    here = made(store, clock, KEY, fallback_keys=[OLD_KEY], accept=[SIGNED])
    there = made(store, clock, OLD_KEY, fallback_keys=[KEY], accept=[SIGNED])
    client = Client(here, pure(SIGNED, clock, user_id=1))
    session = client.open()
    session["b"] = 1
    client.interface = there
    client.write(c=1)
    client.interface = here
    client.save(session)
    assert client.visit() == {"user_id": 1, "b": 1, "c": 1}


def test_a_logout_beside_a_take_over_holds(store: Spy, clock: Clock) -> None:
    client = from_signed(store, clock, user_id=1)
    slow, reading = client.open(), client.open()
    slow["b"] = 1
    client.visit(clear)
    client.save(slow)
    client.save(reading)
    assert client.cookies == {}
    assert client.interface.list_sessions(1) == []


def test_a_logout_ends_what_another_request_has_just_taken_over(
    store: Spy, clock: Clock
) -> None:
    client = from_signed(store, clock, user_id=1)
    leaving = client.open()
    leaving.clear()
    client.write(b=1)
    taken = dict(client.cookies)
    client.save(leaving)
    assert client.cookies == {}
    client.cookies = taken
    assert client.visit(rejection) == "ended"


def test_a_login_beside_a_take_over_holds(store: Spy, clock: Clock) -> None:
    client = from_signed(store, clock, cart=[1])
    slow = client.open()
    slow["b"] = 1
    client.write(user_id=1)
    client.save(slow)
    assert client.visit() == {"cart": [1], "user_id": 1}


def test_a_copy_of_the_cookie_leads_to_the_session_that_took_its_place(
    store: Spy, clock: Clock
) -> None:
    client = from_signed(store, clock, user_id=1)
    copy = dict(client.cookies)
    client.write(b=1)
    other = Client(client.interface)
    other.cookies = copy
    other.visit()
    assert other.visit() == {"user_id": 1, "b": 1}
    assert other.id == client.id


def test_a_session_whose_user_is_no_user_comes_along_and_is_listed_under_none(
    store: Spy, clock: Clock
) -> None:
    client = from_signed(store, clock, user_id=["ada"])
    client.write(n=1)
    assert client.visit() == {"user_id": ["ada"], "n": 1}


def test_a_handle_is_told_before_it_has_moved(store: Spy, clock: Clock) -> None:
    client = from_signed(store, clock, user_id=1)
    before = client.visit(lambda session: session.handle)
    assert before == client.key


def test_this_one_is_kept_while_the_others_are_ended(store: Spy, clock: Clock) -> None:
    client = from_signed(store, clock, user_id=1)
    Client(client.interface).write(user_id=1)
    client.visit()
    session = client.open()
    assert client.interface.end_sessions(1, keep=session) == 1
    assert client.visit() == {"user_id": 1}


# -- best effort, as every re-issue ----------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        pytest.param("500 Oops", [], 0, id="a response that fails"),
        pytest.param("200 OK", [("Cache-Control", "public")], 0, id="a shared one"),
        pytest.param("200 OK", [], 2.5, id="a slow one"),
    ],
)
def test_taking_over_is_left_to_another_response(
    status: str,
    headers: list[tuple[str, str]],
    seconds: float,
    store: Spy,
    clock: Clock,
) -> None:
    client = from_signed(store, clock, a=1)
    session = client.open()
    clock.advance(seconds=seconds)
    client.save(session, status, headers)
    assert client.set_cookies == []
    assert store.names == []
    assert client.visit() == {"a": 1}


@pytest.mark.parametrize("operation", ["create", "load"])
def test_a_store_that_is_down_does_not_disturb_who_only_reads(
    operation: str, store: Spy, clock: Clock
) -> None:
    client = from_signed(store, clock, a=1)
    store.down = {operation}
    assert client.visit() == {"a": 1}
    assert client.set_cookies == []
    store.down = set()
    assert client.visit() == {"a": 1}
    assert len(client.set_cookies) == 1


def test_an_empty_session_is_not_taken_over(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, accept=[SIGNED]), permanent_cookie(clock))
    clock.advance(days=16)
    assert client.visit() == {}
    assert store.names == []
    client.write(a=1)
    assert "Expires" in client.set_cookies[0]
    assert client.visit() == {"a": 1}


class FractionTag(JSONTag):
    key = " fraction"

    def check(self, value: Any) -> bool:
        return type(value) is Fraction

    def to_json(self, value: Any) -> Any:
        return str(value)

    def to_python(self, stored: Any) -> Any:
        return Fraction(stored)


WIDER = SignedFormat(
    bind_name=False, salt="wider", serializer=TaggedJSONSerializer(tags=[FractionTag()])
)


def test_what_the_first_format_cannot_hold_goes_on_in_its_own(
    store: Spy, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = pure(WIDER, clock, a=Fraction(1, 3))
    client = Client(made(store, clock, accept=[WIDER]), cookie)
    assert client.visit() == {"a": Fraction(1, 3)}
    client.write(b=1)
    assert client.visit() == {"a": Fraction(1, 3), "b": 1}
    assert "goes on in an accepted format" in caplog.messages[0]
    # A record is no cookie, whatever that format does with the cookie's name.
    record = store.load(client.key)
    assert record is not None
    header = f"__Host-session={record.data.decode()}"
    assert client.interface.read_cookie(header) == {}


@pytest.mark.extras
def test_but_never_in_one_that_hides_less(
    store: Spy, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = pure(WIDER, clock, a=Fraction(1, 3))
    interface = made(store, clock, format=EncryptedFormat(), accept=[WIDER])
    client = Client(interface, cookie)
    for _ in range(2):
        assert client.visit() == {"a": Fraction(1, 3)}
        assert client.set_cookies == []
    [warning] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "could not be issued again" in warning.message
    assert store.names == []
    client.visit(clear)  # a logout needs no format
    assert client.cookies == {}


def test_a_record_whose_format_is_wider_is_not_forced_into_the_first(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, format=WIDER))
    client.write(a=Fraction(1, 3))
    client.interface = made(store, clock, accept=[WIDER])
    store.calls.clear()
    assert client.visit() == {"a": Fraction(1, 3)}
    assert store.names == ["load"]  # a warning was given
    clock.advance(days=16)
    assert client.visit() == {"a": Fraction(1, 3)}
    assert store.names == ["load", "replace"]  # renewed as it is


def test_a_wider_session_under_an_old_key_is_written_under_the_first(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, OLD_KEY, format=WIDER))
    client.write(a=Fraction(1, 3))
    client.interface = made(store, clock, accept=[WIDER], fallback_keys=[OLD_KEY])
    assert client.visit() == {"a": Fraction(1, 3)}
    client.interface = made(store, clock, accept=[WIDER])
    assert client.visit() == {"a": Fraction(1, 3)}


def test_flasks_format_may_be_read_from_a_cookie_of_our_name(
    store: Spy, clock: Clock
) -> None:
    cookie = pure(replace(FLASK, cookie_name="__Host-session"), clock, a=1)
    client = Client(made(store, clock, accept=[FLASK_IN_OURS]), cookie)
    assert client.visit() == {"a": 1}
    assert client.visit() == {"a": 1}
