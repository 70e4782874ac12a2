"""Small defects that a review found and that belong to no attack: none comes back."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from clients import Browser
from forge import Signer, b64u, bound
from support import KEY, Clock, open_session, save_session, values_of

from cookiesession import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    TaggedJSONSerializer,
)
from cookiesession.__main__ import main

NAME = "__Host-session"

# -- a cookie's own life --------------------------------------------------------------


@pytest.mark.parametrize(
    ("idle", "days", "renewed"),
    [
        (None, 199, False),
        (None, 201, True),
        (timedelta(days=400), 199, False),
        (timedelta(days=400), 201, True),
        (timedelta(days=100), 49, False),
        (timedelta(days=100), 51, True),
    ],
    ids=str,
)
def test_a_permanent_session_is_renewed_in_the_second_half_of_its_cookie_s_life(
    idle: timedelta | None, days: int, renewed: bool, clock: Clock
) -> None:
    """Browsers keep no cookie for more than 400 days, whatever it says."""
    interface = SecureCookieSessionInterface(
        KEY, idle_timeout=idle, absolute_timeout=None, permanent=True, clock=clock
    )
    browser = Browser(interface.make_cookie({"user": 7}))
    clock.advance(days=days)
    browser.visit(interface)
    assert bool(browser.set_cookies) is renewed


def test_who_comes_daily_stays_for_years(clock: Clock) -> None:
    interface = SecureCookieSessionInterface(
        KEY, idle_timeout=None, absolute_timeout=None, permanent=True, clock=clock
    )
    browser = Browser(interface.make_cookie({"user": 7}))
    kept_until = clock() + 400 * 86_400
    for _ in range(1000):
        clock.advance(days=1)
        assert clock() < kept_until
        assert browser.visit(interface) == {"user": 7}
        if browser.set_cookies:
            kept_until = clock() + 400 * 86_400


def test_only_a_permanent_cookie_has_a_life_of_its_own(clock: Clock) -> None:
    interface = SecureCookieSessionInterface(
        KEY, idle_timeout=None, absolute_timeout=None, clock=clock
    )
    browser = Browser(interface.make_cookie({"user": 7}))
    clock.advance(days=399)
    browser.visit(interface)
    assert browser.set_cookies == []


# -- two threads of one request -------------------------------------------------------


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


# -- sets that would come back smaller ------------------------------------------------

UTC = dt.timezone.utc


class Berlin(dt.tzinfo):
    """At the end of summer time: an hour that comes twice."""

    def utcoffset(self, moment: dt.datetime | None) -> timedelta:
        return timedelta(hours=1 if moment and moment.fold else 2)

    def dst(self, moment: dt.datetime | None) -> timedelta:
        return timedelta(0)

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


# -- numbers --------------------------------------------------------------------------


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


# -- asking for a save ----------------------------------------------------------------


@pytest.mark.parametrize("data", [{"a": 1}, {}], ids=["contents", "empty"])
def test_modified_may_be_taken_back(data: dict[str, Any]) -> None:
    interface = SecureCookieSessionInterface(KEY)
    session = open_session(interface, data)
    session.modified = True
    session.modified = False
    assert session.modified is False
    assert values_of(save_session(interface, session), "Set-Cookie") == []


# -- the command line says what the app says ------------------------------------------


def tuples(depth: int) -> Any:
    return (tuples(depth - 1),) if depth else 1


def cookies() -> dict[str, str]:
    interface = SecureCookieSessionInterface(KEY)
    good = interface.make_cookie({"a": 1})
    issued = int(time.time())

    def signed(text: str) -> str:
        return f"{NAME}={Signer(KEY, bound(NAME)).token(b64u(text.encode()), issued)}"

    return {
        "good": good,
        "40 nested tuples": interface.make_cookie({"a": tuples(40)}),
        "a forged twin before": f"{NAME}=QUFB.QUFB.{'A' * 43}; {good}",
        "a forged twin after": f"{good}; {NAME}=QUFB.QUFB.{'A' * 43}",
        "a tag of wrong content": signed('{"a":{" u":"zz"}}'),
        "a tag instead of a dict": signed('{" t":[1]}'),
        "an unknown tag": signed('{"a":{" x":1}}'),
        "65 levels": signed('{"a":' + "[" * 64 + "]" * 64 + "}"),
        "forged": f"{good[:-5]}AAAAA",
    }


@pytest.mark.parametrize("cookie", cookies().values(), ids=cookies())
def test_inspect_says_valid_where_the_app_does(
    cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    session = SecureCookieSessionInterface(KEY).open_session({"HTTP_COOKIE": cookie})
    assert session is not None
    assert main(["inspect", cookie]) == (0 if session.rejection is None else 1)


@pytest.mark.parametrize("written", [KEY, f"{KEY}\n", f" {KEY}\r\n", f"\t{KEY}  "])
@pytest.mark.parametrize("strips", [True, False], ids=["strips", "does not strip"])
def test_a_key_file_is_read_as_the_app_may_read_it(
    written: str,
    strips: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the white space around the key, or without."""
    file = tmp_path / "key"
    file.write_bytes(written.encode())
    key = written.strip() if strips else written
    cookie = SecureCookieSessionInterface(key).make_cookie({"a": 1})
    assert bool(caplog.records) is (key != KEY)  # the app is warned of white space
    assert os.environ.get("SECRET_KEY") is None
    assert main(["inspect", cookie, "--key-file", str(file)]) == 0
