"""Cookie options: what browsers would refuse cannot be configured, and what is sent."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest

from cookiesession import ConfigError, CookieOptions

LABEL = "a" * 63
#: 253 characters, the most that a host name may have (RFC 1035, section 2.3.4).
LONGEST_DOMAIN = ".".join((LABEL, LABEL, LABEL, LABEL[:61]))

VALID: dict[str, dict[str, Any]] = {
    "defaults": {},
    "plain http": {"name": "session", "secure": False},
    "every character of a token": {"name": "!#$%&'*+-.^_`|~09AZaz"},
    "one letter": {"name": "s"},
    "a prefix inside the name": {"name": "my__Host-s", "secure": False, "path": "/x"},
    "__Host-": {"name": "__Host-s", "httponly": False},
    "__Secure-": {"name": "__Secure-s", "domain": "example.com", "path": "/app"},
    "__Http-": {"name": "__Http-s", "domain": "example.com", "path": "/app"},
    "__Host-Http-": {"name": "__Host-Http-s"},
    "Strict": {"samesite": "Strict"},
    "None": {"samesite": "None"},
    "partitioned": {"samesite": "None", "partitioned": True},
    "path": {"name": "s", "path": "/app with a space/~x=%20"},
    "the longest path": {"name": "s", "path": "/" + "p" * 1023},
    "domain": {"name": "s", "domain": "example.com"},
    "an A-label": {"name": "s", "domain": "xn--bcher-kva.example"},
    "digits and capitals in a domain": {"name": "s", "domain": "4-You.Example.COM"},
    "the longest domain": {"name": "s", "domain": LONGEST_DOMAIN},
    "an underscore in a domain": {"name": "s", "domain": "dev_1.example.com"},
    "a domain that only begins with a number": {"name": "s", "domain": "127.0.0.0x1.a"},
    "the longest name": {"name": "s" * 4042},
    "a small limit": {"max_size": 1},
    "a limit for other clients than browsers": {"max_size": 8192},
    "the largest limit": {"max_size": 1_000_000},
}

NAME = "name must be a non-empty ASCII token (RFC 9110)"
PATH = 'path must be a string that starts with "/"'
OCTETS = 'path must be printable ASCII without ";"'
LONG_PATH = "path must be at most 1024 bytes, as it is quoted"
BACK = "path must be without []|\\^?#: browsers never send it back"
LONG_NAME = "name must be at most 4042 bytes, to leave room for a token"
IP = "domain must not be an IP address"
HOST = "domain must be a host name in ASCII (A-labels), without a port"
NO_HOST = "domain must be a host name, or None for this host alone"
SAMESITE = 'samesite must be "Lax", "Strict" or "None" (the string)'
SPELLING = "name must spell its prefix {} exactly"

#: The options of each fault, and how its sentence begins.
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, NAME),
    "name of another type": ({"name": b"session"}, NAME),
    "name None": ({"name": None}, NAME),
    **{
        f"{character!r} in the name": ({"name": f"se{character}ssion"}, NAME)
        for character in '\0\t\n\r "(),/:;<=>?@[\\]{}\x7f\x80\xa0\xe9\u2003\udc80'
    },
    "a newline at the end of the name": ({"name": "session\n"}, NAME),
    "name too long": ({"name": "s" * 4043}, LONG_NAME),
    "__Host- without Secure": (
        {"name": "__Host-s", "secure": False},
        "a __Host- name needs secure=True",
    ),
    "__Host- with a path": (
        {"name": "__Host-s", "path": "/app"},
        "a __Host- name needs path='/'",
    ),
    "__Host- with a domain": (
        {"name": "__Host-s", "domain": "example.com"},
        "a __Host- name needs domain=None",
    ),
    "__Secure- without Secure": (
        {"name": "__Secure-s", "secure": False},
        "a __Secure- name needs secure=True",
    ),
    "__Http- without Secure": (
        {"name": "__Http-s", "secure": False},
        "a __Http- name needs secure=True",
    ),
    "__Http- without HttpOnly": (
        {"name": "__Http-s", "httponly": False},
        "a __Http- name needs httponly=True",
    ),
    "__Host-Http- without Secure": (
        {"name": "__Host-Http-s", "secure": False},
        "a __Host-Http- name needs secure=True",
    ),
    "__Host-Http- without HttpOnly": (
        {"name": "__Host-Http-s", "httponly": False},
        "a __Host-Http- name needs httponly=True",
    ),
    "__Host-Http- with a path": (
        {"name": "__Host-Http-s", "path": "/app"},
        "a __Host-Http- name needs path='/'",
    ),
    "__Host-Http- with a domain": (
        {"name": "__Host-Http-s", "domain": "example.com"},
        "a __Host-Http- name needs domain=None",
    ),
    "__HOST-": ({"name": "__HOST-s"}, SPELLING.format("__Host-")),
    "__secure-": ({"name": "__secure-s"}, SPELLING.format("__Secure-")),
    "__HTTP-": ({"name": "__HTTP-s"}, SPELLING.format("__Http-")),
    "__Host-http-": ({"name": "__Host-http-s"}, SPELLING.format("__Host-Http-")),
    "SameSite not set": ({"samesite": None}, SAMESITE),
    "SameSite empty": ({"samesite": ""}, SAMESITE),
    "SameSite of another case": ({"samesite": "lax"}, SAMESITE),
    "SameSite unknown": ({"samesite": "Sometimes"}, SAMESITE),
    "SameSite of another type": ({"samesite": ["Lax"]}, SAMESITE),
    "SameSite with an attribute behind it": ({"samesite": "Lax; Domain=x"}, SAMESITE),
    "SameSite=None without Secure": (
        {"name": "s", "samesite": "None", "secure": False},
        'samesite="None" needs secure=True',
    ),
    "Partitioned without Secure": (
        {"name": "s", "partitioned": True, "samesite": "Lax", "secure": False},
        "partitioned=True needs secure=True",
    ),
    "Partitioned without SameSite=None": (
        {"partitioned": True},
        'partitioned=True needs samesite="None"',
    ),
    "path None": ({"name": "s", "path": None}, PATH),
    "path empty": ({"name": "s", "path": ""}, PATH),
    "path relative": ({"name": "s", "path": "app"}, PATH),
    "path of another type": ({"name": "s", "path": b"/"}, PATH),
    **{
        f"{character!r} in the path": ({"name": "s", "path": f"/a{character}b"}, OCTETS)
        for character in ";\0\t\r\n\x1f\x7f\x80\xe9\u2028\udc80"
    },
    "a newline at the end of the path": ({"name": "s", "path": "/\n"}, OCTETS),
    "path too long": ({"name": "s", "path": "/" + "p" * 1024}, LONG_PATH),
    # A quote is written as %22.
    "path too long when quoted": ({"name": "s", "path": "/" + '"' * 342}, LONG_PATH),
    **{
        f"{character!r} in the path": ({"name": "s", "path": f"/a{character}b"}, BACK)
        for character in "[]|\\^?#"
    },
    "domain empty": ({"name": "s", "domain": ""}, NO_HOST),
    "domain of another type": ({"name": "s", "domain": b"example.com"}, NO_HOST),
    "domain a list": ({"name": "s", "domain": ["example.com"]}, NO_HOST),
    "domain an IPv4 address": ({"name": "s", "domain": "127.0.0.1"}, IP),
    "domain a short IPv4 address": ({"name": "s", "domain": "127.1"}, IP),
    "domain an IPv4 address in hexadecimal": (
        {"name": "s", "domain": "127.0.0.0x1"},
        IP,
    ),
    "domain an IPv4 address in capitals": ({"name": "s", "domain": "127.0X7F"}, IP),
    "domain an IPv4 address without digits": ({"name": "s", "domain": "1.0x"}, IP),
    "domain a number": ({"name": "s", "domain": "2130706433"}, IP),
    "domain that ends in a number": ({"name": "s", "domain": "a.example.1"}, IP),
    "domain an IPv6 address": ({"name": "s", "domain": "::1"}, IP),
    "domain an IPv6 address in brackets": ({"name": "s", "domain": "[::1]"}, IP),
    "domain with a leading dot": (
        {"name": "s", "domain": ".example.com"},
        "domain must not start with a dot",
    ),
    "domain with a trailing dot": ({"name": "s", "domain": "example.com."}, HOST),
    "domain with an empty label": ({"name": "s", "domain": "a..example"}, HOST),
    "domain with a port": ({"name": "s", "domain": "example.com:80"}, HOST),
    "domain a URL": ({"name": "s", "domain": "https://example.com"}, HOST),
    "domain with a wildcard": ({"name": "s", "domain": "*.example.com"}, HOST),
    "domain with a hyphen first": ({"name": "s", "domain": "-a.example"}, HOST),
    "domain with a hyphen last": ({"name": "s", "domain": "a-.example"}, HOST),
    "domain a U-label": ({"name": "s", "domain": "b\xfccher.example"}, HOST),
    "domain with other digits": ({"name": "s", "domain": "\u0661.example"}, HOST),
    "domain with an attribute behind it": (
        {"name": "s", "domain": "a.example; Path=/"},
        HOST,
    ),
    "a newline at the end of the domain": (
        {"name": "s", "domain": "a.example\n"},
        HOST,
    ),
    "a label too long": ({"name": "s", "domain": f"{LABEL}a.example"}, HOST),
    "domain too long": ({"name": "s", "domain": LONGEST_DOMAIN + "a"}, HOST),
    "max_size 0": ({"max_size": 0}, "max_size must be at least 1 byte"),
    "max_size negative": ({"max_size": -1}, "max_size must be at least 1 byte"),
    "max_size 1,000,001": (
        {"max_size": 1_000_001},
        "max_size must be at most 1000000 bytes",
    ),
    "max_size a bool": ({"max_size": True}, "max_size must be int"),
    "max_size a float": ({"max_size": 4096.0}, "max_size must be int"),
    "max_size None": ({"max_size": None}, "max_size must be int"),
    **{
        f"{field}={value!r}": (
            {"name": "s", field: value},
            f"{field} must be True or False",
        )
        for field in ("secure", "httponly", "partitioned")
        for value in (0, 1, None, "yes")
    },
}


@pytest.mark.parametrize("options", VALID.values(), ids=VALID)
def test_options_that_browsers_take_are_taken(options: dict[str, Any]) -> None:
    assert dataclasses.asdict(CookieOptions(**options)).items() >= options.items()


@pytest.mark.parametrize(("options", "fault"), FAULTS.values(), ids=FAULTS)
def test_options_that_browsers_refuse_are_refused(
    options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        CookieOptions(**options)
    assert [each for each in caught.value.faults if each.startswith(fault)]
    assert fault in str(caught.value)


@pytest.mark.parametrize(("options", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_replaced_option_is_checked_as_well(
    options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError):
        dataclasses.replace(CookieOptions(name="s"), **options)


def test_all_faults_come_in_one_error() -> None:
    with pytest.raises(ConfigError) as caught:
        CookieOptions(
            name="__Host-s",
            path="app",
            domain="127.0.0.1",
            secure=False,
            httponly=1,  # type: ignore[arg-type]
            samesite="None",
            partitioned=True,
            max_size=0,
        )
    beginnings = (
        "httponly must be True or False",
        "max_size must be at least 1 byte",
        PATH,
        IP,
        'samesite="None" needs secure=True',
        "partitioned=True needs secure=True",
        "a __Host- name needs secure=True",
        "a __Host- name needs path='/'",
        "a __Host- name needs domain=None",
    )
    faults = caught.value.faults
    assert len(faults) == len(beginnings)
    assert all(map(str.startswith, faults, beginnings))
    assert str(caught.value) == f"CookieOptions: {' '.join(faults)}"


def test_options_cannot_be_changed_afterwards() -> None:
    options = CookieOptions()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.secure = False  # type: ignore[misc]


def test_options_are_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        CookieOptions("session")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("domain", "warnings"), [("intranet", 1), ("a.example", 0), (None, 0)]
)
def test_a_domain_without_a_dot_is_warned_of(
    domain: str | None, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Browsers refuse top-level and other public suffixes (RFC 6265bis, 4.1.2.3)."""
    CookieOptions(name="s", domain=domain)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * warnings


#: Options, and the attributes that they give, in Flask's order.
ATTRIBUTES: dict[str, tuple[dict[str, Any], str]] = {
    "defaults": ({}, "Secure; HttpOnly; Path=/; SameSite=Lax"),
    "plain http": ({"name": "s", "secure": False}, "HttpOnly; Path=/; SameSite=Lax"),
    "for scripts": ({"httponly": False}, "Secure; Path=/; SameSite=Lax"),
    "Strict": ({"samesite": "Strict"}, "Secure; HttpOnly; Path=/; SameSite=Strict"),
    "None": ({"samesite": "None"}, "Secure; HttpOnly; Path=/; SameSite=None"),
    "domain and path": (
        {"name": "s", "domain": "example.com", "path": "/app"},
        "Domain=example.com; Secure; HttpOnly; Path=/app; SameSite=Lax",
    ),
    "partitioned": (
        {"samesite": "None", "partitioned": True},
        "Secure; HttpOnly; Path=/; SameSite=None; Partitioned",
    ),
}


def attributes(set_cookie: str) -> dict[str, str]:
    """The attributes of a Set-Cookie value; none may come twice."""
    pairs = [part.partition("=") for part in set_cookie.split("; ")[1:]]
    names = [name for name, _, _ in pairs]
    assert len(set(names)) == len(names)
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize(("options", "expected"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_set_cookie_writes_each_attribute_once_in_flasks_order(
    options: dict[str, Any], expected: str
) -> None:
    cookie = CookieOptions(**options)
    assert cookie.set_cookie("a.b-c_d") == f"{cookie.name}=a.b-c_d; {expected}"


@pytest.mark.parametrize(("options", "expected"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_an_expiry_is_added_and_nothing_else_changes(
    options: dict[str, Any], expected: str
) -> None:
    cookie = CookieOptions(**options)
    lasting = attributes(cookie.set_cookie("v", expires=1_700_000_000))
    # RFC 6265bis, section 4.1.1: Expires in IMF-fixdate.
    assert lasting.pop("Expires") == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert lasting == attributes(f"{cookie.name}=v; {expected}")


@pytest.mark.parametrize(("options", "expected"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_a_deletion_repeats_every_attribute(
    options: dict[str, Any], expected: str
) -> None:
    cookie = CookieOptions(**options)
    deletion = cookie.delete_cookie()
    assert deletion.startswith(f"{cookie.name}=; ")
    found = attributes(deletion)
    assert found.pop("Max-Age") == "0"
    assert found.pop("Expires") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert found == attributes(f"{cookie.name}=v; {expected}")


def test_a_cookie_of_another_name_is_deleted_with_the_same_attributes() -> None:
    cookie = CookieOptions()
    other = cookie.delete_cookie("session")
    assert other.partition("=")[0] == "session"
    assert attributes(other) == attributes(cookie.delete_cookie())


def test_a_cookie_is_written_whatever_its_size() -> None:
    """The limit is the interface's, which raises; werkzeug's would only warn."""
    cookie = CookieOptions(max_size=100_000)
    value = "v" * 50_000
    assert cookie.set_cookie(value, expires=0).startswith(f"{cookie.name}={value}; ")
