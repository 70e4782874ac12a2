"""From one format to another: nobody is logged out, and no logout is undone."""

from __future__ import annotations

import itertools
import logging
import secrets
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from clients import Browser
from support import (
    ENCRYPTED,
    FLASK_IN_OURS,
    FORMATS,
    KEY,
    OLD_KEY,
    Clock,
    needs_extras,
    params_of,
)

from cookiesession import (
    FLASK,
    CookieOptions,
    EncryptedFormat,
    SecureCookieSessionInterface,
    SessionTooLarge,
    SignedFormat,
)

KINDS = {
    **FORMATS,
    "flask": FLASK_IN_OURS,
    "sha1": SignedFormat(digest="sha1"),
    "sha512": SignedFormat(digest="sha512"),
    "not bound": SignedFormat(bind_name=False),
    "another salt": SignedFormat(salt="ours"),
    "encrypted, another salt": replace(ENCRYPTED, salt="ours"),
}
PAIRS = params_of(
    {
        f"{old} to {new}": (KINDS[old], KINDS[new])
        for old, new in itertools.permutations(KINDS, 2)
    }
)


CLOCK = Clock()


def made(key: str = KEY, **options: Any) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(key, clock=CLOCK, **options)


def flasks() -> SecureCookieSessionInterface:
    return made(format=FLASK, cookie=CookieOptions(name="session"))


def touch(session: Any) -> Any:
    return session.get("user")


def why(session: Any) -> Any:
    return session.rejection


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

    assert browser.visit(made(format=new), why) == "bad_signature"
    assert browser.set_cookies == []


@needs_extras
def test_format_and_key_can_change_at_once() -> None:
    old = made(OLD_KEY, format=FLASK)
    new = made(format=ENCRYPTED, accept=[FLASK_IN_OURS], fallback_keys=[OLD_KEY])
    browser = Browser(old.make_cookie({"user": "ada"}))

    assert browser.visit(new, touch) == "ada"
    assert browser.visit(made(format=ENCRYPTED), touch) == "ada"


def test_a_change_is_saved_in_the_new_format() -> None:
    browser = Browser(made(format=FLASK).make_cookie({"user": "ada"}))
    new = made(accept=[FLASK_IN_OURS])

    browser.visit(new, lambda session: session.update(user="eve"))

    assert browser.visit(made(), touch) == "eve"


@needs_extras
def test_a_creation_time_moves_too() -> None:
    created = int(CLOCK.now)
    browser = Browser(made().make_cookie({"user": "ada"}))
    steps = [
        made(format=ENCRYPTED, accept=[SignedFormat()]),
        made(format=FLASK, accept=[ENCRYPTED]),
        made(format=SignedFormat(), accept=[FLASK_IN_OURS]),
    ]
    for interface in steps:
        CLOCK.advance(hours=1)
        browser.visit(interface, touch)
        assert browser.set_cookies

    assert browser.visit(steps[-1], lambda s: s.created_at) == created
    assert browser.visit(steps[-1], lambda s: s.issued_at) == int(CLOCK.now)


@needs_extras
def test_the_permanent_mark_moves_too() -> None:
    browser = Browser(made(permanent=True, format=FLASK).make_cookie({"user": "ada"}))
    new = made(format=ENCRYPTED, accept=[FLASK_IN_OURS])

    assert browser.visit(new, lambda session: session.permanent) is True
    assert "Expires=" in browser.set_cookies[0]
    assert browser.visit(new, lambda session: session.permanent) is True


# -- what the new format cannot hold --------------------------------------------------

#: Letters that no format can shorten by much: under a short signature only, they fit.
NOISE = secrets.token_urlsafe(2900)
FULL = CookieOptions(max_size=len(made(format=FLASK).make_cookie({"x": NOISE})) + 44)
#: An accepted format, a first one that cannot hold all of it, what the session holds,
#: and what to change so that it fits.
STUCK = {
    "a type": (SignedFormat(), FLASK, {"x": Decimal("4.20")}, {"x": 1}),
    "a type inside": (SignedFormat(), FLASK, {"x": [{1, 2}]}, {"x": [1]}),
    "a type, encrypted": (ENCRYPTED, FLASK, {"x": {1, 2}}, {"x": ()}),
    "size": (FLASK_IN_OURS, SignedFormat(digest="sha512"), {"x": NOISE}, {"x": 1}),
}
stuck = pytest.mark.parametrize(("old", "new", "data", "fits"), params_of(STUCK))


@stuck
def test_what_the_first_format_cannot_hold_is_read_and_left_as_it_came(
    old: Any, new: Any, data: Any, fits: Any, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser(made(format=old, cookie=FULL).make_cookie(data))
    interface = made(format=new, accept=[old], cookie=FULL)

    for _ in range(2):
        assert browser.visit(interface) == data
        assert browser.set_cookies == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@stuck
def test_its_changes_go_on_in_the_format_that_it_came_in_with_one_warning(
    old: Any, new: Any, data: Any, fits: Any, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser(made(format=old, cookie=FULL).make_cookie(data))
    interface = made(format=new, accept=[old], cookie=FULL)

    browser.visit(interface, lambda session: session.update(n=1))
    browser.visit(interface, lambda session: session.update(n=2))

    assert browser.visit(made(format=old, cookie=FULL)) == {**data, "n": 2}
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "goes on in an accepted format" in record.getMessage()


@stuck
def test_it_is_signed_with_the_first_key_and_renewed_as_any_other(
    old: Any, new: Any, data: Any, fits: Any
) -> None:
    browser = Browser(made(OLD_KEY, format=old, cookie=FULL).make_cookie(data))
    interface = made(format=new, accept=[old], fallback_keys=[OLD_KEY], cookie=FULL)

    browser.visit(interface)
    assert browser.visit(made(format=old, cookie=FULL)) == data
    CLOCK.advance(days=20)
    browser.visit(interface)
    assert browser.visit(interface, lambda s: s.issued_at) == CLOCK.now
    assert browser.visit(interface, lambda s: s.created_at) == CLOCK.now - 20 * 86_400


@stuck
def test_it_moves_when_it_fits(old: Any, new: Any, data: Any, fits: Any) -> None:
    browser = Browser(made(format=old, cookie=FULL).make_cookie(data))

    browser.visit(
        made(format=new, accept=[old], cookie=FULL), lambda s: s.update(**fits)
    )

    assert browser.visit(made(format=new, cookie=FULL)) == {**data, **fits}


def test_a_new_session_that_the_first_format_cannot_hold_is_refused() -> None:
    interface = made(format=FLASK, accept=[SignedFormat()])

    with pytest.raises(TypeError, match=r"^ids: a set cannot be stored in Flask's"):
        Browser().visit(interface, lambda session: session.update(ids={1}))


def test_what_both_cannot_hold_is_refused_by_both() -> None:
    browser = Browser(made(format=FLASK).make_cookie({"a": 1}))
    new = made(accept=[FLASK_IN_OURS])

    with pytest.raises(SessionTooLarge):
        browser.visit(new, lambda session: session.update(a=secrets.token_hex(4096)))


@needs_extras
def test_nothing_goes_on_in_a_format_that_hides_less() -> None:
    """Only compressed does it fit; it is not written readably any more."""
    data = {"x": "secret " * 700}
    browser = Browser(made().make_cookie(data))
    new = made(format=ENCRYPTED, accept=[SignedFormat()])

    assert browser.visit(new) == data
    assert browser.set_cookies == []
    with pytest.raises(SessionTooLarge):
        browser.visit(new, lambda session: session.update(n=1))
    browser.visit(new, lambda session: session.update(x="secret"))
    assert browser.visit(made(format=ENCRYPTED)) == {"x": "secret"}


def test_what_goes_on_in_a_cookie_of_another_name_goes_on_in_that_cookie(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = made(cookie=CookieOptions(name="__Host-old"))
    new = made(format=FLASK, accept=[SignedFormat(cookie_name="__Host-old")])
    browser = Browser(old.make_cookie({"ids": {1}}))

    browser.visit(new, lambda session: session.update(n=1))
    assert list(browser.cookies) == ["__Host-old"]
    assert len(caplog.records) == 1  # and none of two programs that set one cookie
    assert browser.visit(new) == {"ids": {1}, "n": 1}
    browser.visit(new, lambda session: session.pop("ids"))
    assert list(browser.cookies) == ["__Host-session"]
    assert browser.visit(new) == {"n": 1}


# -- from a cookie of another name -----------------------------------------------------


def test_flasks_cookie_is_replaced_by_ours() -> None:
    browser = Browser(flasks().make_cookie({"user": "ada"}))

    assert browser.visit(made(accept=[FLASK]), touch) == "ada"
    assert list(browser.cookies) == ["__Host-session"]
    assert browser.visit(made(), touch) == "ada"


def test_flasks_cookie_stays_until_ours_replaces_it() -> None:
    browser = Browser(flasks().make_cookie({"user": "ada"}))

    browser.visit(made(accept=[FLASK]), lambda session: None)
    browser.visit(made(accept=[FLASK]), touch, status="500 Oops")

    assert list(browser.cookies) == ["session"]


def test_the_old_cookie_is_looked_at_only_when_ours_is_absent() -> None:
    new = made(accept=[FLASK])
    old = flasks().make_cookie({"user": "eve"})

    assert Browser(old, new.make_cookie({"user": "ada"})).visit(new, touch) == "ada"
    browser = Browser(old, "__Host-session=x")
    assert browser.visit(new, why) == "bad_signature"


def test_an_old_cookie_that_is_forged_is_no_session() -> None:
    browser = Browser(flasks().make_cookie({"user": "ada"}) + "x")

    assert browser.visit(made(accept=[FLASK]), why) == "bad_signature"


@pytest.mark.parametrize("header", ["", "a=b", "session"])
def test_no_cookie_of_any_name_is_no_rejection(header: str) -> None:
    session = made(accept=[FLASK]).open_session({"HTTP_COOKIE": header})
    assert session is not None
    assert session.rejection is None


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
def test_of_old_cookies_the_first_to_be_accepted_is_used(
    header: str, used: str
) -> None:
    names = ("first", "second")
    cookies = {
        name: made(cookie=CookieOptions(name=name)).make_cookie({"from": name})
        for name in names
    }
    interface = made(accept=[SignedFormat(cookie_name=name) for name in names])

    assert interface.read_cookie(header.format(**cookies)) == {"from": used}


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
    new = made(accept=[FLASK])
    browser = Browser(flasks().make_cookie({"user": "ada"}))
    if both:
        name, _, value = new.make_cookie({"user": "ada"}).partition("=")
        browser.cookies[name] = value

    browser.visit(new, logout, status=status)

    assert browser.visit(new, touch) is None
    assert "session" not in browser.cookies


def test_an_old_cookie_that_cannot_be_used_is_deleted_with_the_logout() -> None:
    new = made(accept=[FLASK])
    browser = Browser(new.make_cookie({"user": "ada"}), "session=whatever")

    browser.visit(new, lambda session: session.clear())

    assert browser.cookies == {}


def test_a_change_deletes_the_old_cookie_when_both_are_there() -> None:
    new = made(accept=[FLASK])
    browser = Browser(
        flasks().make_cookie({"user": "eve"}), new.make_cookie({"user": "ada"})
    )

    browser.visit(new, lambda session: session.update(n=1))

    assert list(browser.cookies) == ["__Host-session"]


def test_both_cookies_are_deleted_with_the_attributes_of_ours() -> None:
    new = made(accept=[FLASK])
    browser = Browser(flasks().make_cookie({"user": "ada"}))

    browser.visit(new, lambda session: session.clear())

    attributes = [cookie.split("; ", 1)[1] for cookie in browser.set_cookies]
    assert attributes[0] == attributes[1]
    assert [cookie.split("=")[0] for cookie in browser.set_cookies] == [
        "__Host-session",
        "session",
    ]


# -- what was made for something else --------------------------------------------------


@pytest.mark.parametrize(
    "kind", params_of({"signed": SignedFormat, "encrypted": EncryptedFormat})
)
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
