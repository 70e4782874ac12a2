"""The secret key signs, fallback keys are still accepted, and what they signed is
written again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from clients import Browser
from support import KEY, OLD_KEY, Clock

from cookiesession import (
    FLASK,
    CookieOptions,
    EncryptedFormat,
    SecureCookieSessionInterface,
    SignedFormat,
)

OLDER_KEY = "tests-only-older-key-ABABAB-12345"
FORMATS = {"signed": SignedFormat(), "encrypted": EncryptedFormat(), "flask": FLASK}


@pytest.fixture(params=list(FORMATS.values()), ids=list(FORMATS))
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


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_an_expired_session_of_the_old_key_stays_expired(
    format: SignedFormat, clock: Clock
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


def test_of_two_cookies_the_one_of_the_secret_key_is_used(clock: Clock) -> None:
    new = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], clock=clock)
    ours = new.make_cookie({"user": "ada"})
    clock.advance(hours=1)
    old = SecureCookieSessionInterface(OLD_KEY, clock=clock)
    theirs = old.make_cookie({"user": "eve"})

    assert new.read_cookie(f"{theirs}; {ours}") == {"user": "ada"}
    assert new.read_cookie(f"{ours}; {theirs}") == {"user": "ada"}
