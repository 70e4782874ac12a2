"""One middleware under many threads: sessions never mix, and leave no cycles behind."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Barrier
from typing import Any

import pytest
from support import KEY, Clock, open_session, save_session, values_of
from werkzeug.test import create_environ

from cookiesession import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)

CLIENTS = 16
ROUNDS = 20
INTERFACE = SecureCookieSessionInterface(KEY)


def request(app: Any, cookie: str) -> tuple[bytes, list[tuple[str, str]]]:
    """What a server does, without anything that could mix or link requests."""
    started: list[Any] = []
    written: list[bytes] = []

    def start_response(*args: Any) -> Callable[[bytes], object]:
        started.append(args)
        return written.append

    environ = create_environ(base_url="https://example.org", headers={"Cookie": cookie})
    body = b"".join([*app(environ, start_response), *written])
    [(_, headers)] = started
    return body, headers


def mixing_app(meet: Callable[[], object], lazy: bool) -> SessionMiddleware:
    """An app whose requests all wait for each other before each of their steps.

    :param lazy: Whether it is a generator app; else only its body is a generator.
    """

    def respond(environ: Any, start_response: Any) -> Iterator[bytes]:
        session = get_session(environ)
        meet()
        user = session["user"]
        meet()
        session["visits"] = session.get("visits", 0) + 1
        meet()
        session["cart"].append(user)
        meet()
        start_response("200 OK", [("X-User", user)])
        meet()
        yield user.encode()
        meet()
        yield session["user"].encode()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        chunks = respond(environ, start_response)
        return chunks if lazy else chain([next(chunks)], chunks)

    return SessionMiddleware(app, INTERFACE)


def visit_often(app: SessionMiddleware, user: str) -> dict[str, Any]:
    """One client's visits; the session at their end."""
    cookie = INTERFACE.make_cookie({"user": user, "cart": []})
    for _ in range(ROUNDS):
        body, headers = request(app, cookie)
        assert body == 2 * user.encode()
        assert values_of(headers, "X-User") == [user]
        [cookie] = values_of(headers, "Set-Cookie")
    return INTERFACE.read_cookie(cookie)


def expected(user: str) -> dict[str, Any]:
    return {"user": user, "cart": [user] * ROUNDS, "visits": ROUNDS}


LAZY = pytest.mark.parametrize("lazy", [False, True], ids=["function", "generator"])
USERS = [str(number) for number in range(CLIENTS)]


@LAZY
def test_sessions_of_many_threads_never_mix(lazy: bool) -> None:
    """All are in flight at once: no step is taken before all others are there."""
    app = mixing_app(Barrier(CLIENTS, timeout=30).wait, lazy)
    with ThreadPoolExecutor(CLIENTS) as threads:
        sessions = threads.map(lambda user: visit_often(app, user), USERS)
        assert list(sessions) == [expected(user) for user in USERS]


@LAZY
def test_sessions_of_many_greenlets_never_mix(lazy: bool) -> None:
    gevent = pytest.importorskip("gevent")
    app = mixing_app(lambda: gevent.sleep(0), lazy)
    jobs = [gevent.spawn(visit_often, app, user) for user in USERS]
    gevent.joinall(jobs, timeout=60, raise_error=True)
    assert [job.value for job in jobs] == [expected(user) for user in USERS]


# -- many threads of one request ----------------------------------------------------


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that are switched after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    yield
    sys.setswitchinterval(before)


def together(*calls: Callable[[], object]) -> None:
    """All at once, each in a thread of its own."""
    barrier = Barrier(len(calls), timeout=30)

    def call(use: Callable[[], object]) -> None:
        barrier.wait()
        use()

    with ThreadPoolExecutor(len(calls)) as threads:
        list(threads.map(call, calls))


def setting(session: SecureCookieSession, key: str) -> Callable[[], None]:
    return lambda: session.__setitem__(key, 1)


@pytest.mark.parametrize("cookie", [True, False], ids=["a cookie", "no cookie"])
def test_two_threads_that_touch_a_session_first_load_it_once(cookie: bool) -> None:
    """Each waits for the other in the middle of its load."""
    meeting = Barrier(2, timeout=30)

    class Meeting(Clock):
        def __call__(self) -> float:
            if not meeting.broken:
                meeting.wait()
            return super().__call__()

    header = SecureCookieSessionInterface(KEY, clock=Clock()).make_cookie({"old": 1})
    interface = SecureCookieSessionInterface(KEY, clock=Meeting())
    session = SecureCookieSession(interface, "")
    for _ in range(50):
        session = SecureCookieSession(interface, header if cookie else "")
        together(setting(session, "a"), setting(session, "b"))
        assert {*session} == {"a", "b", *(["old"] if cookie else [])}
    meeting.abort()
    [saved] = values_of(save_session(interface, session), "Set-Cookie")
    assert interface.read_cookie(saved) == dict(session)


def test_two_threads_that_change_a_loaded_session_first_lose_nothing(
    hasty: None,
) -> None:
    interface = SecureCookieSessionInterface(KEY)
    data = {f"k{number}": number for number in range(60)}
    for _ in range(300):
        session = open_session(interface, data)
        assert len(session) == 60
        together(*(setting(session, key) for key in "abcd"))
        assert {*session} == {*data, *"abcd"}


# -- no reference cycles ------------------------------------------------------------


def untouched(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def reads(environ: Any, start_response: Any) -> Iterable[bytes]:
    get_session(environ).get("cart")
    return untouched(environ, start_response)


def changes(environ: Any, start_response: Any) -> Iterable[bytes]:
    get_session(environ).setdefault("cart", []).append(1)
    return untouched(environ, start_response)


def clears(environ: Any, start_response: Any) -> Iterable[bytes]:
    get_session(environ).clear()
    return untouched(environ, start_response)


def generates(environ: Any, start_response: Any) -> Iterable[bytes]:
    yield from changes(environ, start_response)
    yield b" world"


def writes(environ: Any, start_response: Any) -> Iterable[bytes]:
    get_session(environ)["user"] = "bob"
    start_response("200 OK", [])(b"hello")
    return []


@pytest.mark.parametrize("app", [untouched, reads, changes, clears, generates, writes])
@pytest.mark.parametrize("forged", [False, True], ids=["", "forged"])
def test_a_request_leaves_no_reference_cycle(app: Any, forged: bool) -> None:
    """Memory of a request is freed when it ends, not when the collector comes by."""
    wrapped = SessionMiddleware(app, INTERFACE)
    cookie = INTERFACE.make_cookie({"user": "ada", "cart": [1, (2,)]})
    cookie = f"{cookie}x" if forged else cookie
    request(wrapped, cookie)  # whatever is made once, by anyone, is made now
    gc.collect()
    gc.disable()
    try:
        request(wrapped, cookie)
        assert gc.collect() == 0
    finally:
        gc.enable()
