"""Sessions in a store: opening, changing, renewing and ending them, one at a time."""

from __future__ import annotations

import logging
import pickle
from datetime import timedelta
from typing import Any

import pytest
from storing import Client, Spy, clear, made, rejection
from support import KEY, OLD_KEY, Clock, needs_extras

from cookiesession import (
    ConfigError,
    CookieOptions,
    EncryptedFormat,
    NullSession,
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionCommitted,
    SessionTooLarge,
    SessionUnavailable,
    SignedFormat,
)
from cookiesession.stores import MemoryStore

DAYS_OF_HALF_AN_IDLE_TIMEOUT = 15.5


@pytest.fixture
def client(store: Spy, clock: Clock) -> Client:
    """A browser with a session of one key, whose store has forgotten its calls."""
    client = Client(made(store, clock))
    client.write(a=1)
    store.calls.clear()
    return client


# -- the options -----------------------------------------------------------------------


def test_options_that_cannot_work_are_refused_all_at_once() -> None:
    bad: dict[str, Any] = {
        "user_key": "",
        "fallback_keys": [b"short"],
        "cookie": "session",
        "format": "signed",
        "accept": SignedFormat,
        "idle_timeout": 31,
        "absolute_timeout": timedelta(0),
        "permanent": 1,
        "leeway": timedelta(minutes=6),
        "clock": 0,
    }
    with pytest.raises(ConfigError) as caught:
        ServerSideSessionInterface(7, dict, **bad)  # type: ignore[arg-type]

    named = [*bad, "store", "secret_key"]
    assert len(caught.value.faults) == len(named)
    assert str(caught.value).startswith("ServerSideSessionInterface: ")
    for name in named:
        assert any(fault.startswith(name) for fault in caught.value.faults)


@pytest.mark.parametrize("user_key", ["", None, b"user_id"])
def test_the_user_key_is_a_non_empty_str(user_key: Any) -> None:
    with pytest.raises(ConfigError, match="user_key must be a non-empty str"):
        ServerSideSessionInterface(KEY, MemoryStore(), user_key=user_key)


@pytest.mark.parametrize("key", [None, "", "change-me"], ids=repr)
def test_without_a_usable_key_every_request_gets_a_null_session(
    key: str | None, store: Spy, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    interface = ServerSideSessionInterface(key, store, clock=clock)
    [record] = caplog.records
    assert record.levelno == logging.ERROR

    assert interface.open_session({}) is None
    session = interface.make_null_session({})
    assert isinstance(session, NullSession)
    assert session.handle is None
    with pytest.raises(SessionUnavailable, match="secret_key"):
        session["a"] = 1
    for ask in (lambda: interface.make_cookie({}), lambda: interface.read_cookie("")):
        with pytest.raises(SessionUnavailable, match="secret_key"):
            ask()
    assert "misconfigured" in repr(interface)
    assert store.names == []


def test_a_null_session_that_is_asked_for_does_not_blame_the_key(
    store: Spy, clock: Clock
) -> None:
    session = made(store, clock).make_null_session({})
    with pytest.raises(SessionUnavailable, match="opened no session"):
        session["a"] = 1


def test_an_interface_shows_no_key_and_cannot_be_pickled(
    store: Spy, clock: Clock
) -> None:
    interface = made(store, clock)
    assert repr(interface) == "<ServerSideSessionInterface '__Host-session' ready>"
    with pytest.raises(TypeError, match="cannot be pickled, as it holds keys"):
        pickle.dumps(interface)


# -- what is read and written ----------------------------------------------------------


def test_a_session_that_is_not_touched_costs_no_call_and_no_header(
    client: Client, store: Spy
) -> None:
    environ = {"HTTP_COOKIE": client.header}
    session = client.interface.open_session(environ)
    assert session is not None
    headers: list[tuple[str, str]] = []
    client.interface.save_session(environ, session, "200 OK", headers)
    assert headers == []
    assert store.names == []


def test_an_empty_session_of_a_new_browser_is_not_stored(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    assert client.visit() == {}
    assert client.visit(lambda session: session.new) is True
    assert client.set_cookies == []
    client.visit(lambda session: setattr(session, "permanent", True))
    client.visit(clear)
    assert client.set_cookies == []
    assert store.names == []


def test_a_session_comes_back_with_the_types_that_it_had(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(a=(1, b"2"), b={"c": [None, 1.5]})
    assert store.names == ["create"]
    assert client.visit() == {"a": (1, b"2"), "b": {"c": [None, 1.5]}}
    assert client.visit(lambda session: session.new) is False


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(dict, id="all of it"),
        pytest.param(lambda session: session["a"], id="one key"),
        pytest.param(lambda session: session.update(a=1), id="an equal value set"),
    ],
)
def test_a_session_that_is_only_read_is_loaded_once_and_not_written(
    view: Any, client: Client, store: Spy
) -> None:
    client.visit(view)
    assert store.names == ["load"]
    assert client.set_cookies == []
    assert client.headers == [("Vary", "Cookie")]


def test_a_change_is_written_under_the_same_id_and_sends_no_cookie(
    client: Client, store: Spy
) -> None:
    client.write(b=2)
    assert store.names == ["load", "replace"]
    assert client.set_cookies == []
    assert client.visit() == {"a": 1, "b": 2}


def test_a_change_deep_inside_a_value_is_written(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock))
    client.write(cart=[{"price": 1}])
    client.visit(lambda session: session["cart"][0].update(price=2))
    assert client.visit() == {"cart": [{"price": 2}]}


def test_forcing_a_save_writes_what_is_equal(client: Client, store: Spy) -> None:
    client.visit(lambda session: setattr(session, "modified", True))
    assert store.names == ["load", "replace"]


def test_modified_says_what_will_be_written(client: Client, store: Spy) -> None:
    session = client.open()
    assert session.modified is False
    session["a"] = True  # equal to 1, and another type
    assert session.modified is True
    session["a"] = 1
    assert session.modified is False


def test_the_response_that_sets_a_cookie_is_private_and_varies(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(a=1)
    assert [name for name, _ in client.headers] == [
        "Set-Cookie",
        "Cache-Control",
        "Vary",
    ]
    [cookie] = client.set_cookies
    _, *attributes = cookie.split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]


def test_a_session_is_closed_when_it_was_saved(client: Client) -> None:
    session = client.open()
    client.save(session)
    with pytest.raises(SessionCommitted):
        session["a"] = 2


def test_a_value_that_cannot_be_stored_is_refused_where_it_is_set(
    client: Client, store: Spy
) -> None:
    session = client.open()
    with pytest.raises(TypeError, match="a: "):
        session["a"] = object()
    with pytest.raises(ValueError, match="reserved"):
        session["_cs"] = 1
    session["cart"] = []
    session["cart"].append(object())
    with pytest.raises(TypeError, match=r"cart\[0\]"):
        client.save(session)
    assert store.names == ["load"]


def test_a_session_may_have_64_kilobytes_and_no_more(
    client: Client, store: Spy
) -> None:
    client.write(a="x" * 65_000)
    assert len(client.visit()["a"]) == 65_000
    store.calls.clear()
    with pytest.raises(SessionTooLarge, match="the limit is 65536") as caught:
        client.write(a="x" * 66_000)
    assert caught.value.biggest[0][0] == "a"
    assert "Keep such data in your database" in str(caught.value)
    assert store.names == ["load"]
    assert len(client.visit()["a"]) == 65_000
    with pytest.raises(SessionTooLarge):
        client.interface.make_cookie({"a": "x" * 66_000})


def test_what_is_too_large_for_a_cookie_is_not_for_a_store(
    client: Client, clock: Clock
) -> None:
    data = {"a": [f"{number:x}" for number in range(9000)]}
    with pytest.raises(SessionTooLarge, match="the limit is 4096"):
        SecureCookieSessionInterface(KEY, clock=clock).make_cookie(data)
    client.write(**data)
    assert client.visit() == data


# -- why there is no session -----------------------------------------------------------


def test_a_session_that_was_never_there_is_gone(
    client: Client, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    client.interface = made(Spy(clock), clock)
    caplog.set_level(logging.INFO)
    assert client.visit(lambda session: (rejection(session), session.new)) == (
        ("gone", True)
    )
    assert caplog.messages == ["a session cookie was rejected: gone"]
    assert client.set_cookies == []


def test_a_session_that_was_ended_says_so_for_a_minute(
    client: Client, store: Spy, clock: Clock
) -> None:
    store.end(client.key)
    clock.advance(seconds=59)
    assert client.visit(lambda session: (rejection(session), session.new)) == (
        ("ended", True)
    )
    clock.advance(seconds=1)
    assert client.visit(rejection) == "gone"


def test_a_forged_cookie_says_so(client: Client, store: Spy) -> None:
    client.cookies[client.interface.cookie.name] += "x"
    assert client.visit(rejection) == "bad_signature"
    assert store.names == []


def test_a_record_that_somebody_wrote_over_is_an_empty_session(
    client: Client, store: Spy
) -> None:
    record = store.load(client.key)
    assert record is not None
    store.replace(client.key, b"something", ttl=999, version=record.version)
    assert client.visit(lambda session: (rejection(session), session.new)) == (
        ("bad_signature", True)
    )
    before = client.key
    client.write(b=2)
    assert client.key != before
    assert client.visit() == {"b": 2}


def test_after_gone_what_is_saved_is_a_new_session(
    client: Client, clock: Clock
) -> None:
    clock.advance(days=32)
    before = client.key
    client.write(b=2)
    assert client.key != before
    assert client.visit() == {"b": 2}


def test_after_ended_only_a_login_is_saved(
    client: Client, store: Spy, caplog: pytest.LogCaptureFixture
) -> None:
    store.end(client.key)
    caplog.set_level(logging.INFO)
    store.calls.clear()
    client.write(b=2)
    assert client.set_cookies == []  # a newer one is on its way to that browser
    assert store.names == ["load"]
    assert caplog.messages[1:] == [
        "a change was dropped: its session has just been ended"
    ]
    client.write(user_id=7)
    assert client.visit() == {"user_id": 7}


def test_of_several_cookies_the_first_that_has_a_live_record_is_used(
    client: Client, store: Spy, clock: Clock
) -> None:
    name = client.interface.cookie.name
    tokens = []
    for number in range(4):
        cookie = client.interface.make_cookie({"n": number})
        tokens.append(cookie.partition("=")[2])
        if number == 0:
            store.end(Client(client.interface, cookie).key)
        if number == 1:
            clock.advance(days=32)
    header = "; ".join(f"{name}={each}" for each in ["", "forged", *tokens])
    assert client.interface.read_cookie(header) == {"n": 2}


def test_of_several_reasons_ended_is_told(client: Client, store: Spy) -> None:
    gone = Client(made(Spy(client.interface.clock), Clock())).interface.make_cookie({})
    store.end(client.key)
    for header in (f"{gone}; {client.header}", f"{client.header}; {gone}"):
        session = client.interface.open_session({"HTTP_COOKIE": header})
        assert session is not None
        assert session.rejection == "ended"


def test_of_other_reasons_the_most_telling_is_told(clock: Clock) -> None:
    """In whatever order the cookies come."""
    store = Spy(clock)
    gone = made(Spy(clock), clock).make_cookie({"n": 1})
    expired = made(store, clock, idle_timeout=None).make_cookie({"n": 1})
    clock.advance(days=32)
    interface = made(store, clock)
    for header in (f"{gone}; {expired}", f"{expired}; {gone}"):
        session = interface.open_session({"HTTP_COOKIE": header})
        assert session is not None
        assert session.rejection == "idle_expired"


# -- time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passed", "why"),
    [
        pytest.param({"days": 32}, "idle_expired", id="idle"),
        pytest.param({"days": 91}, "idle_expired", id="idle, and absolute"),
        pytest.param({"minutes": -2}, "not_yet_valid", id="not yet"),
        pytest.param({"days": 31}, None, id="the last second"),
    ],
)
def test_the_record_says_when_it_ends_even_if_the_store_keeps_it(
    passed: dict[str, float], why: str | None, clock: Clock
) -> None:
    stopped = Spy(Clock())
    client = Client(made(stopped, clock))
    client.write(a=1)
    clock.advance(**passed)
    assert client.visit(rejection) == why


def test_the_absolute_timeout_counts_from_the_creation(clock: Clock) -> None:
    client = Client(made(Spy(Clock()), clock))
    client.write(a=1)
    for day in range(6, 90, 6):
        clock.advance(days=6)
        client.write(a=day)
    clock.advance(days=6)
    assert client.visit(rejection) is None
    clock.advance(seconds=1)
    assert client.visit(rejection) == "absolute_expired"


def test_a_cookie_has_no_timeouts_of_its_own(clock: Clock) -> None:
    client = Client(made(Spy(clock), clock, absolute_timeout=None))
    client.write(a=1)
    first = dict(client.cookies)
    for _ in range(40):
        clock.advance(days=16)
        client.visit()
        assert client.set_cookies == []
    assert client.cookies == first
    assert client.visit() == {"a": 1}


def test_nothing_ends_that_has_no_timeouts(clock: Clock) -> None:
    store = Spy(clock)
    client = Client(made(store, clock, idle_timeout=None, absolute_timeout=None))
    client.write(a=1)
    [(_, _, how)] = store.calls
    ten_years = 3650 * 86_400
    assert (how["ttl"], how["life"]) == (ten_years, ten_years)
    clock.advance(days=3000)
    assert client.visit() == {"a": 1}


@pytest.mark.parametrize(
    ("idle", "absolute", "ttl", "life"),
    [
        pytest.param(100, 1000, 100, 1000, id="idle first"),
        pytest.param(1000, 100, 100, 100, id="absolute first"),
        pytest.param(1.5, 2.5, 2, 3, id="rounded up"),
    ],
)
def test_the_store_is_told_how_long_a_record_may_live(
    idle: float, absolute: float, ttl: int, life: int, store: Spy, clock: Clock
) -> None:
    timeouts: dict[str, Any] = {
        "idle_timeout": timedelta(seconds=idle),
        "absolute_timeout": timedelta(seconds=absolute),
    }
    Client(made(store, clock, **timeouts)).write(a=1)
    [(_, _, how)] = store.calls
    assert (how["ttl"], how["life"]) == (ttl, life)


def test_a_replaced_record_lives_no_longer_than_its_session(
    client: Client, store: Spy, clock: Clock
) -> None:
    for day in range(15, 90, 15):
        clock.advance(days=15)
        client.write(a=day)
    _, _, how = store.calls[-1]
    assert how["ttl"] == 15 * 86_400  # of 90 days
    assert set(how) == {"ttl", "version"}


def test_use_renews_a_session_in_the_second_half_of_its_idle_time(
    client: Client, store: Spy, clock: Clock
) -> None:
    clock.advance(days=DAYS_OF_HALF_AN_IDLE_TIMEOUT)
    client.visit()
    assert store.names == ["load"]
    clock.advance(seconds=1)
    client.visit()
    assert store.names == ["load", "replace"]
    assert client.set_cookies == []
    session = client.open()
    assert session.issued_at == clock.now
    assert session.created_at == clock.now - 15.5 * 86_400 - 1
    clock.advance(days=30)
    assert client.visit() == {"a": 1}


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        pytest.param("500 Oops", [], 0, id="a response that fails"),
        pytest.param("200 OK", [("Cache-Control", "public")], 0, id="a shared one"),
        pytest.param("200 OK", [("Set-Cookie", "__Host-session=x")], 0, id="its own"),
        pytest.param("200 OK", [], 2.5, id="a slow one"),
    ],
)
def test_a_renewal_is_left_to_another_response(
    status: str,
    headers: list[tuple[str, str]],
    seconds: float,
    client: Client,
    store: Spy,
    clock: Clock,
) -> None:
    clock.advance(days=16)
    session = client.open()
    clock.advance(seconds=seconds)
    client.save(session, status, headers)
    assert store.names == ["load"]


def test_a_renewal_that_meets_a_change_leaves_it_alone(
    client: Client, store: Spy, clock: Clock
) -> None:
    clock.advance(days=16)
    slow = client.open()
    client.write(b=2)
    store.calls.clear()
    client.save(slow)
    assert store.names == ["replace"]
    assert client.set_cookies == []
    assert client.visit() == {"a": 1, "b": 2}


# -- keys and formats ------------------------------------------------------------------


def test_a_record_and_a_cookie_under_an_old_key_are_written_again(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, OLD_KEY))
    client.write(a=1)
    client.interface = made(store, clock, fallback_keys=[OLD_KEY])
    store.calls.clear()
    assert client.visit() == {"a": 1}
    assert store.names == ["load", "replace"]
    assert len(client.set_cookies) == 1
    client.interface = made(store, clock)
    assert client.visit() == {"a": 1}
    assert store.names == ["load"]
    assert client.set_cookies == []


def test_a_cookie_under_an_old_key_goes_with_the_first_successful_write(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, OLD_KEY))
    client.write(a=1)
    client.interface = made(store, clock, fallback_keys=[OLD_KEY])
    client.visit(lambda s: s.update(b=2), headers=[("Cache-Control", "public")])
    assert client.set_cookies == []  # by the rules of re-issues
    client.write(b=3)
    assert len(client.set_cookies) == 1
    client.interface = made(store, clock)
    assert client.visit() == {"a": 1, "b": 3}


def test_a_cookie_is_not_sent_if_the_write_fails(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, OLD_KEY))
    client.write(a=1)
    client.interface = made(store, clock, fallback_keys=[OLD_KEY])
    session = client.open()
    store.meanwhile["replace"] = lambda: store.end(client.key)
    client.save(session)
    assert client.set_cookies == []


def test_a_record_in_an_old_format_is_written_again_and_no_cookie_sent(
    store: Spy, clock: Clock
) -> None:
    old = SignedFormat(digest="sha512")
    client = Client(made(store, clock, format=old))
    client.write(a=1)
    client.interface = made(store, clock, accept=[old])
    store.calls.clear()
    assert client.visit() == {"a": 1}
    assert store.names == ["load", "replace"]
    assert client.set_cookies == []
    client.interface = made(store, clock)
    assert client.visit() == {"a": 1}


@needs_extras
def test_encryption_at_rest_is_switched_on_for_sessions_that_live(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(a="confidential")
    client.interface = made(
        store, clock, format=EncryptedFormat(), accept=[SignedFormat()]
    )
    assert client.visit() == {"a": "confidential"}
    client.interface = made(store, clock, format=EncryptedFormat())
    assert client.visit() == {"a": "confidential"}


def test_what_an_old_key_made_is_gone_with_the_key(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, OLD_KEY))
    client.write(a=1)
    client.interface = made(store, clock)
    store.calls.clear()
    assert client.visit(rejection) == "bad_signature"
    assert store.names == []


# -- permanent cookies -----------------------------------------------------------------


def test_a_permanent_cookie_lives_as_long_as_its_session(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, permanent=True))
    client.write(a=1)
    assert "; Expires=Fri, 15 Dec 2023 22:13:20 GMT" in client.set_cookies[0]
    assert client.visit(lambda session: session.permanent) is True


@pytest.mark.parametrize("permanent", [True, False])
def test_a_changed_permanent_sends_the_cookie_of_the_same_id(
    permanent: bool, store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, permanent=not permanent))
    client.write(a=1)
    before = client.id
    client.visit(lambda session: setattr(session, "permanent", permanent))
    assert len(client.set_cookies) == 1
    assert ("Expires" in client.set_cookies[0]) is permanent
    assert client.id == before
    client.visit()
    assert client.set_cookies == []
    assert client.visit(lambda session: session.permanent) is permanent


def test_a_permanent_cookie_is_sent_again_in_the_second_half_of_its_life(
    store: Spy, clock: Clock
) -> None:
    options: dict[str, Any] = {"idle_timeout": None, "absolute_timeout": None}
    client = Client(made(store, clock, permanent=True, **options))
    client.write(a=1)
    clock.advance(days=199)
    client.visit()
    assert client.set_cookies == []
    clock.advance(days=2)  # browsers keep it for 400
    client.visit()
    assert len(client.set_cookies) == 1
    client.write(a=2)
    assert client.set_cookies == []


def test_a_change_sends_a_permanent_cookie_that_is_due(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, permanent=True))
    client.write(a=1)
    clock.advance(days=15)
    client.write(a=2)
    assert client.set_cookies == []
    clock.advance(days=1)
    client.write(a=3)
    assert len(client.set_cookies) == 1


# -- the end ---------------------------------------------------------------------------


def test_clear_ends_the_session_and_deletes_the_cookie(
    client: Client, store: Spy
) -> None:
    copy = dict(client.cookies)
    client.visit(clear)
    assert store.names == ["load", "end"]
    assert client.cookies == {}
    client.cookies = copy
    assert client.visit(rejection) == "ended"


def test_clear_ends_it_whatever_its_version(client: Client, store: Spy) -> None:
    leaving = client.open()
    leaving.clear()
    client.write(b=2)
    key = client.key
    client.save(leaving)
    assert store.load(key) == (b"", None)


def test_clear_ends_it_even_if_its_record_cannot_be_read(
    client: Client, store: Spy, clock: Clock
) -> None:
    key = client.key
    record = store.load(key)
    assert record is not None
    store.replace(key, b"something", ttl=999, version=record.version)
    client.visit(clear)
    assert store.load(key) == (b"", None)
    assert client.cookies == {}


def test_clear_ends_all_that_the_browser_brought(client: Client, store: Spy) -> None:
    name, key = client.interface.cookie.name, client.key
    other = Client(client.interface, client.interface.make_cookie({"b": 2}))
    header = f"{client.header}; {other.header}; {name}=forged"
    session = client.interface.open_session({"HTTP_COOKIE": header})
    assert session is not None
    session.clear()
    client.save(session)
    assert store.load(key) == store.load(other.key) == (b"", None)


def test_what_follows_clear_is_a_new_session(client: Client, clock: Clock) -> None:
    before = client.key
    clock.advance(hours=1)

    def view(session: Any) -> None:
        session.clear()
        session["a"] = 1

    client.visit(view)
    assert client.key != before
    assert client.visit(lambda session: session.created_at) == clock.now


def test_a_logout_holds_in_a_response_that_fails(client: Client, store: Spy) -> None:
    key = client.key

    def view(session: Any) -> None:
        session.clear()
        session["a"] = 1

    client.visit(view, "500 Oops")
    assert store.load(key) == (b"", None)
    assert client.cookies == {}


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda session: session.update(b=2), id="a change"),
        pytest.param(lambda session: session.pop("a"), id="emptied"),
        pytest.param(lambda session: session.regenerate(), id="regenerated"),
        pytest.param(lambda session: session.update(user_id=1), id="a login"),
    ],
)
def test_a_response_that_fails_saves_nothing_else(
    view: Any, client: Client, store: Spy
) -> None:
    client.visit(view, "503 Later")
    assert store.names == ["load"]
    assert client.set_cookies == []
    assert client.visit() == {"a": 1}


def test_a_new_session_is_not_saved_by_a_response_that_fails(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write("500 Oops", a=1)
    assert store.names == []
    assert client.cookies == {}


def test_a_session_that_is_emptied_key_by_key_is_ended(
    client: Client, store: Spy
) -> None:
    key = client.key
    client.visit(lambda session: session.pop("a"))
    assert store.names == ["load", "end"]
    assert client.cookies == {}
    assert store.load(key) == (b"", None)


def test_what_a_rejected_cookie_leads_to_is_deleted_by_clear_alone(
    client: Client, clock: Clock
) -> None:
    clock.advance(days=32)
    client.visit()
    assert client.set_cookies == []
    client.visit(clear)
    assert client.cookies == {}


# -- for tests and tools ---------------------------------------------------------------


def test_a_cookie_is_made_and_read_in_one_line_each(store: Spy, clock: Clock) -> None:
    interface = made(store, clock)
    header = interface.make_cookie({"a": (1, 2)})
    assert header.startswith("__Host-session=")
    assert interface.read_cookie(header) == {"a": (1, 2)}
    assert interface.read_cookie(f"{header}; Path=/; Secure") == {"a": (1, 2)}
    assert interface.read_cookie("") == interface.read_cookie("__Host-session=x") == {}


def test_the_name_of_the_cookie_may_be_another(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, cookie=CookieOptions(name="s", secure=False)))
    client.write(a=1)
    assert list(client.cookies) == ["s"]
    assert client.visit() == {"a": 1}


def test_a_session_in_a_cookie_has_no_handle(clock: Clock) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    session = interface.open_session({})
    assert session is not None
    assert session.handle is None
