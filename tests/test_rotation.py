"""The secret key signs, fallback keys are still accepted, and what they signed is
written again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from clients import Browser
from support import FORMATS, KEY, OLD_KEY, Clock, Headers, every_format, params_of

from cookiesession import CookieOptions, SecureCookieSessionInterface

OLDER_KEY = "tests-only-older-key-ABABAB-12345"


@pytest.fixture(params=params_of(FORMATS))
def options(request: pytest.FixtureRequest, clock: Clock) -> dict[str, Any]:
    return {"format": request.param, "clock": clock}


def touch(session: Any) -> Any:
    return session.get("user")


def test_the_secret_key_signs_and_fallback_keys_are_accepted(
    options: dict[str, Any],
) -> None:
    old = SecureCookieSessionInterface(OLD_KEY, **options)
    new = SecureCookieSessionInterface(
        KEY, fallback_keys=[OLDER_KEY, OLD_KEY], **options
    )
    cookie = new.make_cookie({"user": "ada"})

    assert new.read_cookie(old.make_cookie({"user": "ada"})) == {"user": "ada"}
    assert old.read_cookie(cookie) == {}
    alone = SecureCookieSessionInterface(KEY, **options)
    assert alone.read_cookie(cookie) == {"user": "ada"}


def test_a_session_read_with_a_fallback_key_is_written_under_the_secret_key(
    options: dict[str, Any],
) -> None:
    old = SecureCookieSessionInterface(OLD_KEY, **options)
    new = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], **options)
    alone = SecureCookieSessionInterface(KEY, **options)
    browser = Browser(old.make_cookie({"user": "ada"}))

    assert browser.visit(new, touch) == "ada"
    assert len(browser.set_cookies) == 1
    assert browser.visit(alone, touch) == "ada"
    assert browser.visit(new, touch) == "ada"
    assert browser.set_cookies == []  # once is enough


def test_a_session_that_is_not_touched_is_not_written(options: dict[str, Any]) -> None:
    old = SecureCookieSessionInterface(OLD_KEY, **options)
    new = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], **options)
    browser = Browser(old.make_cookie({"user": "ada"}))

    browser.visit(new, lambda session: None)

    assert browser.set_cookies == []


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        ("500 Internal Server Error", [], 0),
        ("200 OK", [("Cache-Control", "max-age=60, public")], 0),
        ("200 OK", [("Cache-Control", "s-maxage=60")], 0),
        ("200 OK", [], 2.5),
    ],
    ids=["5xx", "public", "shared", "slow"],
)
def test_it_waits_for_a_better_response(
    status: str, headers: Headers, seconds: float, options: dict[str, Any], clock: Clock
) -> None:
    """As a renewal does: old data must not go over newer."""
    old = SecureCookieSessionInterface(OLD_KEY, **options)
    new = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], **options)
    browser = Browser(old.make_cookie({"user": "ada"}))

    def slowly(session: Any) -> None:
        touch(session)
        clock.advance(seconds=seconds)

    browser.visit(new, slowly, status=status, headers=headers)
    assert browser.set_cookies == []
    browser.visit(new, touch)
    assert len(browser.set_cookies) == 1


def test_an_empty_session_is_not_written_again(options: dict[str, Any]) -> None:
    empty = SecureCookieSessionInterface(OLD_KEY, **options).make_cookie({})
    new = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], **options)
    browser = Browser(empty)

    assert browser.visit(new, lambda session: session.rejection) is None
    assert browser.set_cookies == []


def test_it_is_written_with_every_attribute_as_configured(clock: Clock) -> None:
    def made(key: str, **options: Any) -> SecureCookieSessionInterface:
        cookie = CookieOptions(
            name="__Secure-s",
            path="/app",
            domain="example.com",
            samesite="None",
            partitioned=True,
        )
        return SecureCookieSessionInterface(key, cookie=cookie, clock=clock, **options)

    browser = Browser(made(OLD_KEY, permanent=True).make_cookie({"user": "ada"}))
    clock.advance(days=1)
    browser.visit(made(KEY, fallback_keys=[OLD_KEY]), touch)

    [set_cookie] = browser.set_cookies
    value, *attributes = set_cookie.split("; ")
    assert value.startswith("__Secure-s=")
    assert sorted(attributes) == [
        "Domain=example.com",
        "Expires=Sat, 16 Dec 2023 22:13:20 GMT",  # 31 days after the second issue
        "HttpOnly",
        "Partitioned",
        "Path=/app",
        "SameSite=None",
        "Secure",
    ]


def test_rotation_does_not_make_a_session_younger(clock: Clock) -> None:
    options: dict[str, Any] = {
        "absolute_timeout": timedelta(days=2),
        "clock": clock,
    }
    old = SecureCookieSessionInterface(OLD_KEY, **options)
    new = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], **options)
    browser = Browser(old.make_cookie({"user": "ada"}))
    clock.advance(days=1)
    browser.visit(new, touch)
    assert browser.set_cookies
    clock.advance(days=1, seconds=1)

    assert browser.visit(new, lambda session: session.rejection) == "absolute_expired"


@every_format
def test_an_expired_session_of_the_old_key_stays_expired(
    format: Any, clock: Clock
) -> None:
    old = SecureCookieSessionInterface(OLD_KEY, format=format, clock=clock)
    new = SecureCookieSessionInterface(
        KEY, fallback_keys=[OLD_KEY], format=format, accept=[format], clock=clock
    )
    browser = Browser(old.make_cookie({"user": "ada"}))
    clock.advance(days=32)

    assert browser.visit(new, lambda session: session.rejection) == "idle_expired"


def test_when_the_old_key_is_gone_its_sessions_are_gone(
    options: dict[str, Any],
) -> None:
    old = SecureCookieSessionInterface(OLD_KEY, **options)
    alone = SecureCookieSessionInterface(KEY, **options)
    browser = Browser(old.make_cookie({"user": "ada"}))

    assert browser.visit(alone, lambda session: session.rejection) == "bad_signature"
