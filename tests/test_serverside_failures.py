"""When the store fails: public pages live, no update is lost in silence, no logout is
false; and what the engine says goes nowhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from storing import Client, Spy, clear, made, rejection
from support import KEY, OLD_KEY, Clock

from cookiesession import SessionMiddleware, SessionUnavailable, get_session
from cookiesession.stores import MemoryStore

VALUE = "a-value-that-nobody-may-see"
DOWN = "the session store failed: EngineError"


@pytest.fixture
def client(store: Spy, clock: Clock) -> Client:
    """A browser that has logged in."""
    client = Client(made(store, clock))
    client.write(user_id=1, a=VALUE)
    store.calls.clear()
    return client


def regenerate(session: Any) -> Any:
    return session.regenerate()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if r.levelno >= logging.ERROR]


# -- down ------------------------------------------------------------------------------


def test_down_at_the_first_touch_public_pages_live(
    client: Client, store: Spy, caplog: pytest.LogCaptureFixture
) -> None:
    store.down = {"load"}
    session = client.open()
    assert dict(session) == {}
    assert (session.rejection, session.new) == ("unavailable", True)
    assert session.handle is not None
    client.save(session)
    assert client.set_cookies == []
    assert client.headers == [("Vary", "Cookie")]
    assert caplog.messages == [DOWN]  # one line
    assert store.names == ["load"]
    store.down = set()
    assert client.visit() == {"user_id": 1, "a": VALUE}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda session: session.update(a=1), id="a change"),
        pytest.param(clear, id="a logout"),
        pytest.param(regenerate, id="a new id"),
        pytest.param(lambda s: setattr(s, "permanent", True), id="permanent"),
    ],
)
def test_down_at_the_first_touch_changes_are_refused(
    change: Callable[[Any], object], client: Client, store: Spy
) -> None:
    store.down = {"load"}
    session = client.open()
    with pytest.raises(SessionUnavailable, match=r"store failed \(EngineError\)"):
        change(session)
    client.save(session)
    assert client.set_cookies == []
    assert store.names == ["load"]


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        pytest.param("replace", lambda s: s.update(a=1), id="a change"),
        pytest.param("end", clear, id="a logout"),
        pytest.param("create", regenerate, id="a new id, at its creation"),
        pytest.param("end", regenerate, id="a new id, at the end of the old"),
        pytest.param("create", lambda s: s.update(user_id=2), id="another user"),
        pytest.param("end", lambda s: (s.pop("a"), s.pop("user_id")), id="emptied"),
    ],
)
def test_down_at_a_write_fails_before_the_headers_leave(
    operation: str,
    change: Callable[[Any], object],
    client: Client,
    store: Spy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = client.open()
    change(session)
    store.down = {operation}
    with pytest.raises(SessionUnavailable, match=r"\(EngineError\): nothing was saved"):
        client.save(session)
    assert client.headers == []
    assert errors(caplog) == [DOWN]
    store.down = set()
    assert client.visit() == {"user_id": 1, "a": VALUE}  # as it was


def test_down_at_a_write_no_response_is_started(store: Spy, clock: Clock) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        get_session(environ)["a"] = 1
        start_response("200 OK", [])
        return [b"Saved."]

    started: list[Any] = []
    store.down = {"create"}
    wrapped = SessionMiddleware(app, made(store, clock))
    with pytest.raises(SessionUnavailable):
        wrapped({}, lambda *args: started.append(args))  # type: ignore[arg-type]
    assert started == []


def test_down_at_a_new_session_fails_as_well(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock))
    store.down = {"create"}
    with pytest.raises(SessionUnavailable):
        client.write(a=1)
    with pytest.raises(SessionUnavailable):
        client.interface.make_cookie({"a": 1})
    assert client.cookies == {}


def test_down_at_a_logout_that_fails_is_no_false_logout(
    client: Client, store: Spy
) -> None:
    store.down = {"end"}
    with pytest.raises(SessionUnavailable):
        client.visit(clear, "500 Oops")
    assert client.cookies


def test_down_at_a_merge_loses_nothing_in_silence(client: Client, store: Spy) -> None:
    session = client.open()
    session["b"] = 1
    client.write(c=1)
    store.down = {"load"}
    with pytest.raises(SessionUnavailable):
        client.save(session)


@pytest.mark.parametrize(
    ("days", "key"), [(16, None), (0, OLD_KEY)], ids=["time", "an old key"]
)
def test_down_at_a_renewal_disturbs_nobody(
    days: int,
    key: str | None,
    store: Spy,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client(made(store, clock, *([key] if key else [])))
    client.write(a=1)
    client.interface = made(store, clock, fallback_keys=[OLD_KEY])
    clock.advance(days=days)
    store.down = {"replace"}
    assert client.visit() == {"a": 1}
    assert client.set_cookies == []
    assert errors(caplog) == [DOWN]
    store.down = set()
    assert client.visit() == {"a": 1}
    assert store.names[-1] == "replace"


@pytest.mark.parametrize("operation", ["of_owner", "end"])
def test_down_the_list_and_the_ends_say_so(
    operation: str, client: Client, store: Spy
) -> None:
    store.down = {operation}
    interface = client.interface
    asked: list[Callable[[], object]] = [
        lambda: interface.end_sessions(1),
        lambda: interface.end_session(1, client.key),
    ]
    if operation == "of_owner":
        asked.append(lambda: interface.list_sessions(1))
    for ask in asked:
        with pytest.raises(SessionUnavailable, match="EngineError"):
            ask()


# -- acknowledgements that are lost ----------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        pytest.param("replace", lambda s: s.update(a=1), id="of a change"),
        pytest.param("create", regenerate, id="of a creation"),
        pytest.param("end", regenerate, id="of the end of the old one"),
        pytest.param("end", clear, id="of a logout"),
    ],
)
def test_an_acknowledgement_that_is_lost_fails_safe(
    operation: str,
    change: Callable[[Any], object],
    client: Client,
    store: Spy,
    clock: Clock,
) -> None:
    store.lost = {operation}
    with pytest.raises(SessionUnavailable):
        client.visit(change)
    assert client.set_cookies == []
    store.lost = set()
    found = client.visit()
    if operation == "end":  # at worst a login has to be repeated
        assert found == {}
        client.write(user_id=1)
        assert client.visit() == {"user_id": 1}
    else:  # or a phantom is listed until it expires
        assert found["user_id"] == 1
    assert 1 <= len(client.interface.list_sessions(1)) <= 2
    clock.advance(days=32)
    assert client.interface.list_sessions(1) == []


def test_a_creation_done_twice_is_one(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock))
    store.denied = {"create"}
    client.write(user_id=1)
    assert store.names == ["create", "load"]
    store.denied = set()
    assert client.visit() == {"user_id": 1}
    assert len(client.interface.list_sessions(1)) == 1


def test_a_change_done_twice_is_one(client: Client, store: Spy) -> None:
    store.denied = {"replace"}
    client.write(b=1)
    assert store.names == ["load", "replace", "load"]
    store.denied = set()
    assert client.visit() == {"user_id": 1, "a": VALUE, "b": 1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(regenerate, id="a new id"),
        pytest.param(lambda session: session.update(user_id=2), id="another user"),
        pytest.param(lambda session: session.pop("user_id"), id="a logout by pop"),
    ],
)
def test_an_end_that_was_done_and_is_denied_leaves_no_session(
    change: Callable[[Any], object], client: Client, store: Spy
) -> None:
    store.denied = {"end"}
    client.visit(change)
    assert client.set_cookies == []
    store.denied = set()
    assert client.visit(rejection) == "ended"  # a login has to be repeated
    for user in (1, 2):
        assert client.interface.list_sessions(user) == []
    client.write(user_id=1)
    assert client.visit() == {"user_id": 1}


def test_a_login_succeeds_though_an_end_that_was_done_is_denied(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(a=1)
    store.denied = {"end"}
    client.write(user_id=1)
    store.denied = set()
    assert client.visit() == {"user_id": 1}
    assert len(client.interface.list_sessions(1)) == 1


def test_a_logout_holds_though_it_is_denied(client: Client, store: Spy) -> None:
    key = client.key
    store.denied = {"end"}
    client.visit(clear)
    assert client.cookies == {}
    assert store.load(key) == (b"", None)


def test_keys_that_are_always_taken_are_no_reason_to_try_for_ever(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    session = client.open()
    session["a"] = 1
    taken = []

    def take() -> None:
        _, (key, _), _ = store.calls[-1]
        taken.append(key)
        MemoryStore.create(store, key, b"theirs", ttl=9, life=9, owner=None)
        store.meanwhile["create"] = take

    store.meanwhile["create"] = take
    with pytest.raises(SessionUnavailable, match="takes no new session"):
        client.save(session)
    assert len(set(taken)) == 3  # each time under another id
    store.meanwhile.clear()
    client.write(a=1)
    assert client.visit() == {"a": 1}


# -- what is said of it ---------------------------------------------------------------

ASKS: dict[str, tuple[str, Callable[[Any, Client], object]]] = {
    "a first touch": ("load", lambda session, client: session.update(a=VALUE)),
    "a change": ("replace", lambda session, client: session.update(b=VALUE)),
    "a logout": ("end", lambda session, client: session.clear()),
    "a new id": ("create", lambda session, client: session.regenerate()),
    "a list": ("of_owner", lambda session, client: client.interface.list_sessions(1)),
    "an end": ("end", lambda session, c: c.interface.end_session(1, c.key)),
    "an end of all": ("end", lambda session, client: client.interface.end_sessions(1)),
    "a made cookie": (
        "create",
        lambda session, client: client.interface.make_cookie({"a": VALUE}),
    ),
}


@pytest.mark.parametrize(("operation", "ask"), ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("breaks", ["down", "lost"])
def test_nothing_that_the_engine_says_is_said_on(
    breaks: str,
    operation: str,
    ask: Callable[[Any, Client], object],
    client: Client,
    store: Spy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    setattr(store, breaks, {operation})
    with pytest.raises(SessionUnavailable) as caught:
        client.visit(lambda session: ask(session, client))

    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    said = f"{error!r} {vars(error)} {caplog.text}"
    assert DOWN in said
    told_by_the_engine = repr([(args, how) for _, args, how in store.calls])
    assert client.key in told_by_the_engine or operation in ("create", "of_owner")
    for secret in re.findall(r"[\w-]{20,}", f"{told_by_the_engine} {client.header}"):
        assert secret not in said
    assert KEY not in said
    assert VALUE not in said
