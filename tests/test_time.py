"""Idle and absolute timeout together, kept on the server; and when a session is renewed
without a change."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from clients import Browser
from forge import Signer, b64u, bound
from support import ENCRYPTED, FORMATS, KEY, Clock, open_session, params_of

from cookiesession import (
    FLASK,
    CookieOptions,
    SecureCookieSessionInterface,
    SignedFormat,
)

START = 1_700_000_000
HOUR = timedelta(hours=1)


@pytest.fixture(params=params_of(FORMATS))
def format(request: pytest.FixtureRequest) -> SignedFormat:
    found: SignedFormat = request.param
    return found


def made(clock: Clock, **options: Any) -> SecureCookieSessionInterface:
    """An idle timeout of one hour, an absolute one of four, no leeway."""
    times = {
        "idle_timeout": HOUR,
        "absolute_timeout": 4 * HOUR,
        "leeway": timedelta(0),
    }
    return SecureCookieSessionInterface(KEY, clock=clock, **{**times, **options})


def logged_in(interface: SecureCookieSessionInterface) -> Browser:
    return Browser(interface.make_cookie({"user": "ada"}))


def touch(session: Any) -> Any:
    return session.get("user")


def ignore(session: Any) -> None:
    """A view that does not use the session."""


def why(session: Any) -> Any:
    return session.rejection


# -- the two timeouts ------------------------------------------------------------------


def test_a_session_lives_to_the_last_second_of_its_idle_window(
    format: SignedFormat, clock: Clock
) -> None:
    interface = made(clock, format=format)
    browser = logged_in(interface)

    clock.advance(hours=1)
    assert browser.visit(interface, why, status="503") is None
    clock.advance(seconds=1)
    assert browser.visit(interface, why) == "idle_expired"
    assert browser.visit(interface) == {}


def test_a_session_in_use_ends_with_its_absolute_window(
    format: SignedFormat, clock: Clock
) -> None:
    interface = made(clock, format=format)
    browser = logged_in(interface)

    for _ in range(8):
        clock.advance(minutes=30)
        assert browser.visit(interface, lambda s: s.update(at=clock.now)) is None
        assert browser.visit(interface, touch) == "ada"
    assert clock.now == START + 4 * 3600
    clock.advance(seconds=1)
    assert browser.visit(interface, why) == "absolute_expired"


DAY = 24 * 60 * 60


@pytest.mark.parametrize(
    ("issued", "created", "reason"),
    [
        (-31 * DAY, -31 * DAY, None),
        (-31 * DAY - 1, -31 * DAY - 1, "idle_expired"),
        (0, -90 * DAY, None),
        (0, -90 * DAY - 1, "absolute_expired"),
        (60, 60, None),
        (61, 61, "not_yet_valid"),
    ],
)
def test_the_defaults_are_31_days_idle_90_in_all_and_60_seconds_of_leeway(
    issued: int, created: int, reason: str | None
) -> None:
    payload = b64u(b'{"a":1,"_cs":%d}' % (START + created))
    token = Signer(KEY, bound("__Host-session")).token(payload, START + issued)
    interface = SecureCookieSessionInterface(KEY, clock=Clock(START))

    session = interface.open_session({"HTTP_COOKIE": f"__Host-session={token}"})

    assert session is not None
    assert session.rejection == reason


def test_without_timeouts_a_session_lives_for_ever(
    format: SignedFormat, clock: Clock
) -> None:
    options: Any = {"idle_timeout": None, "absolute_timeout": None}
    interface = made(clock, format=format, **options)
    browser = logged_in(interface)

    clock.advance(days=10_000)

    assert browser.visit(interface, touch) == "ada"
    assert browser.set_cookies == []


def test_only_the_absolute_timeout_renews_nothing(clock: Clock) -> None:
    interface = made(clock, idle_timeout=None)
    browser = logged_in(interface)

    clock.advance(hours=4)
    assert browser.visit(interface, touch) == "ada"
    assert browser.set_cookies == []
    clock.advance(seconds=1)
    assert browser.visit(interface, why) == "absolute_expired"


def test_shorter_timeouts_hold_at_once(clock: Clock) -> None:
    browser = logged_in(made(clock))
    clock.advance(minutes=10)

    strict = made(clock, idle_timeout=timedelta(minutes=5))
    assert browser.visit(strict, why) == "idle_expired"
    strict = made(clock, absolute_timeout=timedelta(minutes=5))
    assert browser.visit(strict, why) == "absolute_expired"


# -- clocks that differ ----------------------------------------------------------------


@pytest.mark.parametrize("leeway", [0, 60, 300])
def test_leeway_tolerates_a_clock_that_is_ahead(
    format: SignedFormat, leeway: int
) -> None:
    ahead, behind = Clock(START + leeway), Clock(START)
    browser = logged_in(made(ahead, format=format))
    interface = made(behind, format=format, leeway=timedelta(seconds=leeway))

    assert browser.visit(interface, touch) == "ada"
    behind.advance(seconds=-1)
    assert browser.visit(interface, why) == "not_yet_valid"


def test_leeway_does_not_lengthen_a_timeout(clock: Clock) -> None:
    interface = made(clock, leeway=timedelta(minutes=5))
    browser = logged_in(interface)

    clock.advance(hours=1, seconds=1)

    assert browser.visit(interface, why) == "idle_expired"


def test_a_clock_that_is_ahead_gives_no_session_more_time() -> None:
    browser = logged_in(made(Clock(START + 60)))
    browser_behind = made(Clock(START), leeway=timedelta(seconds=60))

    assert browser.visit(browser_behind, lambda s: s.created_at) == START + 60
    browser.visit(browser_behind, lambda s: s.update(a=1))
    # Written by the clock that is behind, it counts from there.
    assert browser.visit(browser_behind, lambda s: s.created_at) == START


def test_a_clock_that_is_ahead_makes_no_browser_keep_the_cookie_longer() -> None:
    browser = logged_in(made(Clock(START + 60)))
    interface = made(Clock(START), leeway=timedelta(seconds=60), idle_timeout=None)

    browser.visit(interface, lambda s: setattr(s, "permanent", True))

    found = expires(browser)
    assert found is not None
    assert found.timestamp() == START + 4 * 3600


def test_the_times_of_a_new_session_are_whole_seconds() -> None:
    session = open_session(made(Clock(START + 0.9)))
    assert (session.created_at, session.issued_at) == (START, START)


@pytest.mark.parametrize("name", ["__Host-session", "other"])
def test_a_fraction_of_a_second_shortens_no_session(name: str) -> None:
    """Tokens carry whole seconds: what was issued late in one has all its time."""
    clock = Clock(START + 0.9)
    maker = made(clock, cookie=CookieOptions(name=name))
    interface = made(clock, accept=[SignedFormat(cookie_name="other")])
    cookie = maker.make_cookie({"user": "ada"})

    clock.advance(hours=1)

    assert interface.read_cookie(cookie) == {"user": "ada"}


# -- renewal ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "renewed"),
    [(0, 0), (1, 0), (29, 0), (30, 0), (31, 1), (59, 1), (60, 1)],
)
def test_use_renews_a_session_in_the_second_half_of_its_idle_window(
    format: SignedFormat, clock: Clock, minutes: int, renewed: int
) -> None:
    interface = made(clock, format=format)
    browser = logged_in(interface)
    clock.advance(minutes=minutes)

    assert browser.visit(interface, touch) == "ada"
    assert len(browser.set_cookies) == renewed
    assert browser.visit(interface, lambda s: s.created_at) == START
    assert browser.visit(interface, lambda s: s.issued_at) == (
        clock.now if renewed else START
    )
    browser.visit(interface, touch)
    assert browser.set_cookies == []


def test_renewal_slides_only_to_the_absolute_end(clock: Clock) -> None:
    interface = made(clock)
    browser = logged_in(interface)

    visits = 0
    while browser.visit(interface, touch) == "ada":
        visits += 1
        clock.advance(minutes=40)

    assert visits == 7  # at 0, 40, ... 240 minutes
    assert browser.visit(interface, why) == "absolute_expired"


def test_a_session_that_is_never_touched_is_never_renewed(clock: Clock) -> None:
    interface = made(clock)
    browser = logged_in(interface)

    for _ in range(61):
        browser.visit(interface, ignore)
        assert browser.set_cookies == []
        clock.advance(minutes=1)

    assert browser.visit(interface, why) == "idle_expired"


@pytest.mark.parametrize("status", ["500 Oops", "503 Down", "599 Odd"])
def test_a_response_that_fails_renews_nothing(clock: Clock, status: str) -> None:
    interface = made(clock)
    browser = logged_in(interface)
    clock.advance(minutes=45)

    browser.visit(interface, touch, status=status)
    assert browser.set_cookies == []
    browser.visit(interface, touch, status="404 Not Found")
    assert len(browser.set_cookies) == 1


@pytest.mark.parametrize(
    "value", ["public", "public, max-age=60", "max-age=60, Public", "no-cache,public"]
)
def test_a_public_response_renews_nothing(clock: Clock, value: str) -> None:
    interface = made(clock)
    browser = logged_in(interface)
    clock.advance(minutes=45)

    browser.visit(interface, touch, headers=[("Cache-control", value)])
    assert browser.set_cookies == []
    browser.visit(interface, touch, headers=[("Cache-Control", "private")])
    assert len(browser.set_cookies) == 1


@pytest.mark.parametrize(("seconds", "renewed"), [(0, 1), (2, 1), (2.001, 0), (60, 0)])
def test_a_slow_response_renews_nothing(
    clock: Clock, seconds: float, renewed: int
) -> None:
    interface = made(clock)
    browser = logged_in(interface)
    clock.advance(minutes=45)

    def slow(session: Any) -> None:
        touch(session)
        clock.advance(seconds=seconds)

    browser.visit(interface, slow)

    assert len(browser.set_cookies) == renewed


def test_the_time_before_the_session_is_read_does_not_count(clock: Clock) -> None:
    interface = made(clock)
    browser = logged_in(interface)
    clock.advance(minutes=45)

    def late(session: Any) -> None:
        clock.advance(seconds=60)
        touch(session)

    browser.visit(interface, late)

    assert len(browser.set_cookies) == 1


def test_a_slow_response_never_undoes_a_logout(clock: Clock) -> None:
    interface = made(clock)
    browser = logged_in(interface)
    clock.advance(minutes=45)
    other_tab = Browser(browser.header)

    def slow(session: Any) -> None:
        touch(session)
        clock.advance(seconds=10)
        other_tab.visit(interface, lambda s: s.clear())

    browser.visit(interface, slow)

    assert browser.set_cookies == []
    assert len(other_tab.set_cookies) == 1


@pytest.mark.parametrize("headers", [[], [("Cache-Control", "public")]])
def test_a_change_is_saved_however_slow_or_public_the_response(
    clock: Clock, headers: list[tuple[str, str]]
) -> None:
    interface = made(clock)
    browser = logged_in(interface)

    def slow(session: Any) -> None:
        session["cart"] = [1]
        clock.advance(seconds=60)

    browser.visit(interface, slow, headers=headers)

    assert browser.visit(interface)["cart"] == [1]


# -- a cookie's own life ---------------------------------------------------------------


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


# -- a new session ---------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 3, 90])
def test_a_session_was_created_when_it_says_so_however_slow_the_response(
    format: SignedFormat, clock: Clock, seconds: int
) -> None:
    interface = made(clock, format=format)
    browser = Browser()

    def begin(session: Any) -> int:
        created: int = session.created_at
        session["user"] = "ada"
        clock.advance(seconds=seconds)
        assert session.created_at == created
        return created

    created = browser.visit(interface, begin)

    assert created == START
    assert browser.visit(interface, lambda s: s.created_at) == START
    assert browser.visit(interface, lambda s: s.issued_at) == START + seconds


def test_so_was_one_that_clear_began(format: SignedFormat, clock: Clock) -> None:
    interface = made(clock, format=format)
    browser = logged_in(interface)
    clock.advance(minutes=1)

    def begin(session: Any) -> None:
        assert session.created_at == START
        clock.advance(seconds=3)
        session.clear()
        session["user"] = "eve"
        clock.advance(seconds=3)
        assert session.created_at == START + 63

    browser.visit(interface, begin)

    assert browser.visit(interface, lambda s: s.created_at) == START + 63
    assert browser.visit(interface, lambda s: s.issued_at) == START + 66


def test_clear_starts_a_new_session(format: SignedFormat, clock: Clock) -> None:
    interface = made(clock, format=format)
    browser = logged_in(interface)
    clock.advance(minutes=20)

    def login(session: Any) -> None:
        session.clear()
        session["user"] = "ada"

    browser.visit(interface, login)

    assert len(browser.set_cookies) == 1  # although the same data followed
    assert browser.visit(interface, lambda s: s.created_at) == START + 20 * 60
    for _ in range(8):
        clock.advance(minutes=30)
        browser.visit(interface, lambda s: s.update(at=clock.now))
    assert browser.visit(interface, why) is None
    clock.advance(seconds=1)
    assert browser.visit(interface, why) == "absolute_expired"


def test_a_change_carries_the_creation_on(format: SignedFormat, clock: Clock) -> None:
    interface = made(clock, format=format)
    browser = logged_in(interface)
    for _ in range(3):
        clock.advance(minutes=1)
        browser.visit(interface, lambda s: s.update(at=clock.now))

    times = browser.visit(interface, lambda s: (s.created_at, s.issued_at))

    assert times == (START, START + 180)


def payload(browser: Browser, format: SignedFormat) -> str:
    token = browser.cookies["__Host-session"]
    opened = format.bind(KEY.encode(), "__Host-session").open(token.encode())
    assert opened is not None
    return opened.text


@pytest.mark.parametrize(
    ("format", "absolute", "carried"),
    params_of(
        {
            "signed": (SignedFormat(), 4 * HOUR, True),
            "signed, no timeout": (SignedFormat(), None, True),
            "flask": (FLASK, 4 * HOUR, True),
            "flask, no timeout": (FLASK, None, False),
            "encrypted": (ENCRYPTED, 4 * HOUR, False),  # it has a place of its own
        }
    ),
)
def test_where_the_creation_time_is_written(
    clock: Clock, format: SignedFormat, absolute: timedelta | None, carried: bool
) -> None:
    interface = made(clock, format=format, absolute_timeout=absolute)
    browser = logged_in(interface)
    assert "_cs" not in payload(browser, format)  # it was created when it was issued
    clock.advance(minutes=1)

    browser.visit(interface, lambda s: s.update(zoo=1))

    assert (f'"_cs":{START}' in payload(browser, format)) is carried
    # Ours comes last; Flask sorts its keys.
    assert payload(browser, format).endswith('"zoo":1}') is (
        format is FLASK or not carried
    )


@pytest.mark.parametrize(
    "format", params_of({"signed": SignedFormat(), "flask": FLASK})
)
def test_what_looks_like_the_creation_time_inside_a_value_is_the_user_s(
    clock: Clock, format: SignedFormat
) -> None:
    interface = made(clock, format=format)
    browser = Browser()
    browser.visit(interface, lambda s: s.update(a={"_cs": START, "x": 1}))
    clock.advance(minutes=1)

    browser.visit(interface, lambda s: s["a"].pop("_cs"))

    assert browser.visit(interface, dict) == {"a": {"x": 1}}


# -- the browser's side ----------------------------------------------------------------


def expires(browser: Browser) -> datetime | None:
    _, found, date = browser.set_cookies[0].partition("Expires=")
    return parsedate_to_datetime(date.partition(";")[0]) if found else None


@pytest.mark.parametrize(
    ("idle", "absolute", "left"),
    [
        (HOUR, 4 * HOUR, HOUR),
        (4 * HOUR, HOUR, HOUR - timedelta(minutes=10)),
        (HOUR, None, HOUR),
        (None, 4 * HOUR, 4 * HOUR - timedelta(minutes=10)),
        (None, None, timedelta(days=400)),
        (None, timedelta(days=1000), timedelta(days=400)),
        (timedelta(days=400), timedelta.max, timedelta(days=400)),
    ],
    ids=str,
)
def test_a_permanent_cookie_is_kept_for_what_is_left_of_the_timeouts(
    clock: Clock, idle: timedelta | None, absolute: timedelta | None, left: timedelta
) -> None:
    interface = made(
        clock, idle_timeout=idle, absolute_timeout=absolute, permanent=True
    )
    browser = logged_in(interface)
    clock.advance(minutes=10)

    browser.visit(interface, lambda s: s.update(a=1))

    found = expires(browser)
    assert found is not None
    assert found.timestamp() == clock.now + left.total_seconds()


def test_a_session_is_permanent_when_it_says_so(
    format: SignedFormat, clock: Clock
) -> None:
    interface = made(clock, format=format)
    browser = logged_in(interface)

    browser.visit(interface, lambda s: s.update(a=1))
    assert expires(browser) is None
    browser.visit(interface, lambda s: setattr(s, "permanent", True))
    assert expires(browser) is not None
    assert browser.visit(interface, lambda s: (dict(s), s.permanent)) == (
        {"user": "ada", "a": 1},
        True,
    )
    browser.visit(interface, lambda s: setattr(s, "permanent", False))
    assert expires(browser) is None


def test_a_browser_that_keeps_the_cookie_too_long_gains_nothing(clock: Clock) -> None:
    interface = made(clock, permanent=True)
    browser = logged_in(interface)
    clock.advance(days=1)

    assert browser.visit(interface, why) == "idle_expired"


def test_a_renewal_that_no_longer_fits_leaves_the_cookie_as_it_is(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    text = "a" * 30
    small = made(clock).make_cookie({"a": text})
    interface = made(clock, cookie=CookieOptions(max_size=len(small) - 1))
    browser = Browser(small)
    clock.advance(minutes=45)  # from now on its creation time would be written too

    for _ in range(2):
        assert browser.visit(interface) == {"a": text}
        assert browser.set_cookies == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
