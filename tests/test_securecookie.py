"""The policy of the cookie: its options, and when a session is issued again."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support import KEY, OLD_KEY, Clock, Headers, save_session, values_of

from cookiesession import (
    FLASK,
    ConfigError,
    CookieOptions,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionUnavailable,
    SignedFormat,
)

DATA = {"user": "ada"}
FROM_FLASK = replace(FLASK, cookie_name="session")

# -- options ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"cookie": {"name": "s"}}, "cookie must be"),
        ({"format": "signed"}, "format must be"),
        ({"format": SignedFormat}, "format must be"),
        ({"format": FROM_FLASK}, "format's own cookie_name is for accept"),
        ({"accept": FLASK}, "accept must be"),
        ({"accept": ["flask"]}, "accept must be"),
        ({"idle_timeout": 3600}, "idle_timeout must be a timedelta"),
        ({"idle_timeout": timedelta(0)}, "idle_timeout must be a timedelta"),
        ({"idle_timeout": timedelta(days=401)}, "idle_timeout must be at most 400"),
        ({"absolute_timeout": 3600}, "absolute_timeout must be a timedelta"),
        ({"absolute_timeout": timedelta(-1)}, "absolute_timeout must be a timedelta"),
        ({"permanent": 1}, "permanent must be"),
        ({"permanent": None}, "permanent must be"),
        ({"leeway": 60}, "leeway must be"),
        ({"leeway": None}, "leeway must be"),
        ({"leeway": timedelta(seconds=-1)}, "leeway must be"),
        ({"leeway": timedelta(minutes=5, seconds=1)}, "leeway must be"),
        ({"clock": 0}, "clock must be"),
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_a_config_error(
    options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        SecureCookieSessionInterface(KEY, **options)
    assert len(caught.value.faults) == 1


def test_all_faults_are_named_at_once() -> None:
    wrong: Any = {"cookie": 1, "format": 1, "accept": 1, "permanent": 1, "clock": 1}
    times: Any = {"idle_timeout": 1, "absolute_timeout": 1, "leeway": 1}
    with pytest.raises(ConfigError) as caught:
        SecureCookieSessionInterface(1, fallback_keys=1, **wrong, **times)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 10


# -- issued again, though nothing changed -------------------------------------------


def visit(
    interface: SecureCookieSessionInterface,
    cookie: str,
    use: Callable[[SecureCookieSession], object] = dict,
    status: str = "200 OK",
    headers: Headers | None = None,
) -> list[str]:
    """The Set-Cookie values of one response."""
    session = SecureCookieSession(interface, cookie)
    use(session)
    headers = save_session(interface, session, status, headers)
    return values_of(headers, "Set-Cookie")


@pytest.fixture
def rotated(clock: Clock) -> SecureCookieSessionInterface:
    """After a change of the key, and on the way from Flask's cookie."""
    return SecureCookieSessionInterface(
        KEY, fallback_keys=[OLD_KEY], accept=[FROM_FLASK], clock=clock
    )


@pytest.fixture
def old(clock: Clock) -> str:
    """A cookie under the old key."""
    return SecureCookieSessionInterface(OLD_KEY, clock=clock).make_cookie(DATA)


@pytest.fixture
def flask_s(clock: Clock) -> str:
    """A cookie of Flask's name and format."""
    made = SecureCookieSessionInterface(KEY, format=FLASK, clock=clock)
    return f"session={made.make_cookie(DATA).partition('=')[2]}"


def test_a_session_under_an_old_key_is_written_under_the_new_one_when_touched(
    rotated: SecureCookieSessionInterface, clock: Clock, old: str
) -> None:
    [cookie] = visit(rotated, old)
    assert SecureCookieSessionInterface(KEY, clock=clock).read_cookie(cookie) == DATA
    assert visit(rotated, cookie) == []
    assert visit(rotated, old, lambda session: None) == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("500 Internal Server Error", []),
        ("200 OK", [("Cache-Control", "max-age=60, public")]),
    ],
    ids=["5xx", "public"],
)
def test_it_waits_for_a_better_response(
    status: str,
    headers: Headers,
    rotated: SecureCookieSessionInterface,
    old: str,
) -> None:
    assert visit(rotated, old, status=status, headers=headers) == []


@pytest.mark.parametrize(("seconds", "issued"), [(2, True), (2.5, False)])
def test_a_slow_response_never_puts_old_data_over_new(
    seconds: float,
    issued: bool,
    rotated: SecureCookieSessionInterface,
    clock: Clock,
    old: str,
) -> None:
    def slowly(session: SecureCookieSession) -> None:
        assert session == DATA
        clock.advance(seconds=seconds)

    assert bool(visit(rotated, old, slowly)) is issued


def test_a_change_is_saved_however_slow_the_response(
    rotated: SecureCookieSessionInterface, clock: Clock, old: str
) -> None:
    def slowly(session: SecureCookieSession) -> None:
        session["user"] = "bob"
        clock.advance(hours=1)

    [cookie] = visit(rotated, old, slowly)
    assert rotated.read_cookie(cookie) == {"user": "bob"}


@pytest.mark.parametrize(
    ("days", "issued"), [(1, False), (15.5, False), (15.6, True), (31, True)]
)
def test_a_session_is_renewed_in_the_second_half_of_its_idle_window(
    days: float, issued: bool, interface: SecureCookieSessionInterface, clock: Clock
) -> None:
    cookie = interface.make_cookie(DATA)
    clock.advance(days=days)
    assert bool(visit(interface, cookie)) is issued


def test_without_an_idle_timeout_nothing_is_renewed(clock: Clock) -> None:
    interface = SecureCookieSessionInterface(KEY, idle_timeout=None, clock=clock)
    cookie = interface.make_cookie(DATA)
    clock.advance(days=89)
    assert visit(interface, cookie) == []


def test_renewal_never_outlives_the_absolute_timeout(
    interface: SecureCookieSessionInterface, clock: Clock
) -> None:
    cookie = interface.make_cookie(DATA)
    for _ in range(4):
        clock.advance(days=20)
        [cookie] = visit(interface, cookie)
    clock.advance(days=10, seconds=1)
    session = SecureCookieSession(interface, cookie)
    assert session.rejection == "absolute_expired"


def test_an_empty_session_is_not_issued_again(
    rotated: SecureCookieSessionInterface, clock: Clock
) -> None:
    empty = SecureCookieSessionInterface(OLD_KEY, clock=clock).make_cookie({})
    assert SecureCookieSession(rotated, empty).rejection is None
    assert visit(rotated, empty) == []


def test_a_session_that_no_longer_fits_goes_on_as_it_came(
    interface: SecureCookieSessionInterface,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The renewed one also says when it was created, and these bytes are missing."""
    biggest = SecureCookieSessionInterface(
        KEY,
        clock=clock,
        cookie=replace(
            interface.cookie,
            max_size=len(interface.make_cookie(data := {"x": secrets.token_hex()})) - 1,
        ),
    )
    cookie = biggest.make_cookie(data)
    clock.advance(days=20)
    for _ in range(2):
        assert visit(biggest, cookie) == []
    assert SecureCookieSession(biggest, cookie) == data
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_session_that_the_new_format_cannot_store_goes_on_as_it_came(
    clock: Clock,
) -> None:
    cookie = SecureCookieSessionInterface(KEY, clock=clock).make_cookie(
        {"price": Decimal(1)}
    )
    target = SecureCookieSessionInterface(
        KEY, format=FLASK, accept=[SignedFormat()], clock=clock
    )
    assert visit(target, cookie) == []


# -- cookies of other names ---------------------------------------------------------


def test_a_session_from_another_cookie_moves_to_ours(
    rotated: SecureCookieSessionInterface, flask_s: str
) -> None:
    [ours, theirs] = visit(rotated, flask_s)
    assert rotated.read_cookie(ours) == DATA
    assert theirs.startswith("session=;")
    assert "Max-Age=0" in theirs


def test_a_logout_deletes_the_other_cookie_as_well(
    rotated: SecureCookieSessionInterface, flask_s: str
) -> None:
    ours = rotated.make_cookie(DATA)
    deleted = visit(rotated, f"{ours}; {flask_s}", lambda session: session.clear())
    assert [cookie.partition(";")[0] for cookie in deleted] == [
        "__Host-session=",
        "session=",
    ]


def test_another_cookie_is_looked_at_only_where_ours_is_absent(
    rotated: SecureCookieSessionInterface, flask_s: str
) -> None:
    session = SecureCookieSession(rotated, f"{flask_s}; __Host-session=forged")
    assert session.copy() == {}
    assert session.rejection is not None


def test_another_cookie_that_is_forged_is_no_session(
    rotated: SecureCookieSessionInterface, flask_s: str
) -> None:
    session = SecureCookieSession(rotated, f"{flask_s}x")
    assert session.copy() == {}
    assert session.rejection is not None


@pytest.mark.parametrize("header", ["", "a=b", "session"])
def test_no_cookie_of_any_name_is_no_rejection(
    header: str, rotated: SecureCookieSessionInterface
) -> None:
    assert SecureCookieSession(rotated, header).rejection is None


@pytest.mark.parametrize(
    ("header", "used"),
    [
        ("{first}; {second}", "first"),
        ("{second}; {first}", "first"),
        ("{first}; second=forged", "first"),
        ("first=forged; {second}", "second"),
        ("{second}", "second"),
    ],
)
def test_of_cookies_of_other_names_the_first_to_be_accepted_is_used(
    header: str, used: str, clock: Clock
) -> None:
    names = ("first", "second")
    cookies = {
        name: SecureCookieSessionInterface(
            KEY, cookie=CookieOptions(name=name), clock=clock
        ).make_cookie({"from": name})
        for name in names
    }
    accept = [SignedFormat(cookie_name=name) for name in names]
    interface = SecureCookieSessionInterface(KEY, accept=accept, clock=clock)
    assert interface.read_cookie(header.format(**cookies)) == {"from": used}


def test_what_to_accept_may_come_from_a_generator(clock: Clock, flask_s: str) -> None:
    accept: Any = (each for each in [FROM_FLASK])
    interface = SecureCookieSessionInterface(KEY, accept=accept, clock=clock)
    assert interface.read_cookie(flask_s) == DATA


def test_a_subclass_that_opens_no_session_gives_a_null_session_that_says_so() -> None:
    class Closed(SecureCookieSessionInterface):
        def open_session(self, environ: Any) -> None:
            return None

    session = Closed(KEY).make_null_session({})
    with pytest.raises(SessionUnavailable, match="interface opened no session"):
        session["a"] = 1
