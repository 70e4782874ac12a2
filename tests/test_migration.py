"""From one format to another: nobody is logged out, and no logout is undone."""

from __future__ import annotations

from dataclasses import replace
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

FORMATS = {
    "flask": FLASK,
    "sha1": SignedFormat(digest="sha1"),
    "sha512": SignedFormat(digest="sha512"),
    "signed": SignedFormat(),
    "not bound": SignedFormat(bind_name=False),
    "another salt": SignedFormat(salt="ours"),
    "encrypted": EncryptedFormat(),
    "encrypted, another salt": EncryptedFormat(salt="ours"),
}
PAIRS = [
    pytest.param(FORMATS[old], FORMATS[new], id=f"{old} to {new}")
    for old in FORMATS
    for new in FORMATS
    if old != new
]
FLASKS_COOKIE = replace(FLASK, cookie_name="session")


CLOCK = Clock()


def made(key: str = KEY, **options: Any) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(key, clock=CLOCK, **options)


def flasks() -> SecureCookieSessionInterface:
    return made(format=FLASK, cookie=CookieOptions(name="session"))


def touch(session: Any) -> Any:
    return session.get("user")


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_session_moves_and_then_needs_the_old_format_no_more(
    old: SignedFormat, new: SignedFormat
) -> None:
    browser = Browser(made(format=old).make_cookie({"user": "ada", "ids": (1, b"2")}))

    assert browser.visit(made(format=new, accept=[old]), touch) == "ada"
    assert len(browser.set_cookies) == 1
    assert browser.visit(made(format=new)) == {"user": "ada", "ids": (1, b"2")}
    assert browser.set_cookies == []


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_value_of_a_format_that_is_not_accepted_is_refused(
    old: SignedFormat, new: SignedFormat
) -> None:
    browser = Browser(made(format=old).make_cookie({"user": "ada"}))

    reason = browser.visit(made(format=new), lambda session: session.rejection)

    assert reason == "bad_signature"
    assert browser.set_cookies == []


def test_format_and_key_can_change_at_once() -> None:
    old = made(OLD_KEY, format=FLASK)
    new = made(format=EncryptedFormat(), accept=[FLASK], fallback_keys=[OLD_KEY])
    browser = Browser(old.make_cookie({"user": "ada"}))

    assert browser.visit(new, touch) == "ada"
    assert browser.visit(made(format=EncryptedFormat()), touch) == "ada"


def test_a_change_is_saved_in_the_new_format() -> None:
    browser = Browser(made(format=FLASK).make_cookie({"user": "ada"}))
    new = made(accept=[FLASK])

    browser.visit(new, lambda session: session.update(user="eve"))

    assert browser.visit(made(), touch) == "eve"


def test_what_the_new_format_cannot_store_goes_on_as_it_came() -> None:
    old = made().make_cookie({"user": "ada", "ids": {1, 2}})
    browser = Browser(old)
    new = made(format=FLASK, accept=[SignedFormat()])

    assert browser.visit(new) == {"user": "ada", "ids": {1, 2}}
    assert browser.set_cookies == []
    with pytest.raises(TypeError, match=r"^ids: a set cannot be stored in Flask's"):
        browser.visit(new, lambda session: session.update(user="eve"))


def test_a_creation_time_moves_too() -> None:
    created = int(CLOCK.now)
    browser = Browser(made().make_cookie({"user": "ada"}))
    steps = [
        made(format=EncryptedFormat(), accept=[SignedFormat()]),
        made(format=FLASK, accept=[EncryptedFormat()]),
        made(format=SignedFormat(), accept=[FLASK]),
    ]
    for interface in steps:
        CLOCK.advance(hours=1)
        browser.visit(interface, touch)
        assert browser.set_cookies

    assert browser.visit(steps[-1], lambda s: s.created_at) == created
    assert browser.visit(steps[-1], lambda s: s.issued_at) == int(CLOCK.now)


def test_the_permanent_mark_moves_too() -> None:
    browser = Browser(made(permanent=True, format=FLASK).make_cookie({"user": "ada"}))
    new = made(format=EncryptedFormat(), accept=[FLASK])

    assert browser.visit(new, lambda session: session.permanent) is True
    assert "Expires=" in browser.set_cookies[0]
    assert browser.visit(new, lambda session: session.permanent) is True


# -- from a cookie of another name -----------------------------------------------------


def test_flasks_cookie_is_replaced_by_ours() -> None:
    browser = Browser(flasks().make_cookie({"user": "ada"}))

    assert browser.visit(made(accept=[FLASKS_COOKIE]), touch) == "ada"
    assert list(browser.cookies) == ["__Host-session"]
    assert browser.visit(made(), touch) == "ada"


def test_flasks_cookie_stays_until_ours_replaces_it() -> None:
    browser = Browser(flasks().make_cookie({"user": "ada"}))

    browser.visit(made(accept=[FLASKS_COOKIE]), lambda session: None)
    browser.visit(made(accept=[FLASKS_COOKIE]), touch, status="500 Oops")

    assert list(browser.cookies) == ["session"]


def test_the_old_cookie_is_looked_at_only_when_ours_is_absent() -> None:
    new = made(accept=[FLASKS_COOKIE])
    old = flasks().make_cookie({"user": "eve"})

    assert Browser(old, new.make_cookie({"user": "ada"})).visit(new, touch) == "ada"
    browser = Browser(old, "__Host-session=x")
    assert browser.visit(new, lambda session: session.rejection) == "bad_signature"


LOGOUTS = {
    "clear": lambda session: session.clear(),
    "delete": lambda session: session.pop("user"),
    "clear and greet": lambda session: (session.clear(), session.update(bye=True)),
}


@pytest.mark.parametrize("logout", LOGOUTS.values(), ids=LOGOUTS)
@pytest.mark.parametrize("both", [False, True], ids=["the old cookie", "both cookies"])
@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
def test_no_logout_is_undone_by_the_old_cookie(
    logout: Any, both: bool, status: str
) -> None:
    new = made(accept=[FLASKS_COOKIE])
    browser = Browser(flasks().make_cookie({"user": "ada"}))
    if both:
        name, _, value = new.make_cookie({"user": "ada"}).partition("=")
        browser.cookies[name] = value

    browser.visit(new, logout, status=status)

    assert browser.visit(new, touch) is None
    assert "session" not in browser.cookies


def test_an_old_cookie_that_cannot_be_used_is_deleted_with_the_logout() -> None:
    new = made(accept=[FLASKS_COOKIE])
    browser = Browser(new.make_cookie({"user": "ada"}), "session=whatever")

    browser.visit(new, lambda session: session.clear())

    assert browser.cookies == {}


def test_a_change_deletes_the_old_cookie_when_both_are_there() -> None:
    new = made(accept=[FLASKS_COOKIE])
    browser = Browser(
        flasks().make_cookie({"user": "eve"}), new.make_cookie({"user": "ada"})
    )

    browser.visit(new, lambda session: session.update(n=1))

    assert list(browser.cookies) == ["__Host-session"]


def test_both_cookies_are_deleted_with_the_attributes_of_ours() -> None:
    new = made(accept=[FLASKS_COOKIE])
    browser = Browser(flasks().make_cookie({"user": "ada"}))

    browser.visit(new, lambda session: session.clear())

    attributes = [cookie.split("; ", 1)[1] for cookie in browser.set_cookies]
    assert attributes[0] == attributes[1]
    assert [cookie.split("=")[0] for cookie in browser.set_cookies] == [
        "__Host-session",
        "session",
    ]


# -- what was made for something else --------------------------------------------------


@pytest.mark.parametrize("kind", [SignedFormat, EncryptedFormat])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("salt", "name"), ("salt", "nam")),
        (("salt", "name"), ("sal", "name")),
        (("a", "bc"), ("ab", "c")),
        (("a.b", "c"), ("a", "b.c")),
        (
            ("cookiesession.v1", "__Host-session"),
            ("cookiesession.v1__Host-", "session"),
        ),
    ],
    ids=str,
)
def test_a_value_for_another_name_or_salt_is_refused(
    kind: Any, one: tuple[str, str], other: tuple[str, str]
) -> None:
    first, second = (
        kind(salt=salt).bind(KEY.encode(), name) for salt, name in (one, other)
    )
    token = first.seal('{"a":1}', 1, 1).encode()

    assert first.open(token) is not None
    assert second.open(token) is None


def test_a_name_that_is_not_bound_is_no_salt() -> None:
    bound = SignedFormat(salt="a").bind(KEY.encode(), "b")
    unbound = SignedFormat(salt="ab", bind_name=False).bind(KEY.encode(), "b")

    assert unbound.open(bound.seal('{"a":1}', 1, 1).encode()) is None
    assert bound.open(unbound.seal('{"a":1}', 1, 1).encode()) is None


def test_a_value_signed_for_one_cookie_is_worthless_in_another() -> None:
    other = made(cookie=CookieOptions(name="other"))
    _, _, token = other.make_cookie({"user": "ada"}).partition("=")

    assert made().read_cookie(f"__Host-session={token}") == {}
