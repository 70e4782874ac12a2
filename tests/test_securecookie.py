"""What an interface is given: options, and their faults told all at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support import FLASK_IN_OURS, KEY, Clock, name_of

from cookiesession import (
    FLASK,
    ConfigError,
    SecureCookieSessionInterface,
    SessionUnavailable,
    SignedFormat,
)

DATA = {"user": "ada"}

# -- options ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"cookie": {"name": "s"}}, "cookie must be"),
        ({"format": "signed"}, "format must be"),
        ({"format": SignedFormat}, "format must be"),
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
    ids=name_of,
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


# -- formats and their cookies ------------------------------------------------------


def test_a_format_that_writes_is_named_by_the_cookie_options(clock: Clock) -> None:
    for format in (FLASK, SignedFormat(cookie_name="other")):
        interface = SecureCookieSessionInterface(KEY, format=format, clock=clock)
        cookie = interface.make_cookie(DATA)
        assert cookie.startswith("__Host-session=")
        assert interface.read_cookie(cookie) == DATA
        other = f"{format.cookie_name}={cookie.partition('=')[2]}"
        assert interface.read_cookie(other) == {}


def test_what_to_accept_may_come_from_a_generator(clock: Clock) -> None:
    cookie = SecureCookieSessionInterface(KEY, format=FLASK, clock=clock).make_cookie(
        DATA
    )
    accept: Any = (each for each in [FLASK_IN_OURS])
    interface = SecureCookieSessionInterface(KEY, accept=accept, clock=clock)
    assert interface.read_cookie(cookie) == DATA
    assert interface.read_cookie(cookie) == DATA


def test_a_subclass_that_opens_no_session_gives_a_null_session_that_says_so() -> None:
    class Closed(SecureCookieSessionInterface):
        def open_session(self, environ: Any) -> None:
            return None

    session = Closed(KEY).make_null_session({})
    with pytest.raises(SessionUnavailable, match="interface opened no session"):
        session["a"] = 1
