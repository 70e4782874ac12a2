"""The byte-exact reader: a cookie is ours when its bytes say so, and only then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import KEY, OLD_KEY, Clock

from cookiesession import SecureCookieSessionInterface
from cookiesession.cookies import find_cookies

NAME = "__Host-session"
INTERFACE = SecureCookieSessionInterface(KEY, clock=Clock())
DATA = {"user": 42}
COOKIE = INTERFACE.make_cookie(DATA)
TOKEN = COOKIE.partition("=")[2]

# "the user agent MUST ... remove leading and trailing WSP" (RFC 6265bis, section 5.6),
# and WSP is SP and HTAB alone. Each of these is white space to some str.strip().
UNICODE_SPACES = (
    *"\x85\xa0\u1680",
    *map(chr, range(0x2000, 0x200B)),
    *"\u2028\u2029\u202f\u205f\u3000\ufeff",
)
#: What may stand beside a name: each byte, and each space as its UTF-8 bytes; servers
#: hand them on as Latin-1.
NEIGHBOURS = {
    **{f"{byte:02X}": chr(byte) for byte in range(256)},
    **{f"U+{ord(c):04X}": c.encode().decode("latin-1") for c in UNICODE_SPACES},
}
TRIMMED = {" ", "\t"}
#: After a ``;`` a new cookie begins, and after a ``=`` the value.
BEFORE = {k: v for k, v in NEIGHBOURS.items() if v not in TRIMMED | {";"}}
AFTER = {k: v for k, v in NEIGHBOURS.items() if v not in TRIMMED | {"="}}


def read(header: str) -> dict[str, object]:
    return INTERFACE.read_cookie(header)


@pytest.mark.parametrize(
    "header",
    [
        COOKIE,
        f" {COOKIE}",
        f"\t {COOKIE} \t",
        f"{NAME} = {TOKEN}",
        f"{NAME}\t=\t{TOKEN}",
        f"a=b;{COOKIE}",
        f"a=b; {COOKIE}; c=d",
        f"a=b;\t{COOKIE}\t;c=d",
        f";{COOKIE};",
        f";;; ;{COOKIE}; ;;;",
        f"a;{COOKIE};b",
        f"=;{COOKIE};=",
        f"={NAME};{COOKIE}",
        f"{NAME};{COOKIE}",
        f"a={NAME};{COOKIE}",
        f"x{NAME}=1;{COOKIE}",
        f"{NAME}x=1;{COOKIE}",
        f"$Version=1; {COOKIE}; $Path=/",
    ],
    ids=repr,
)
def test_our_cookie_is_found_among_others(header: str) -> None:
    assert read(header) == DATA


@pytest.mark.parametrize("neighbour", BEFORE.values(), ids=BEFORE)
def test_nothing_but_a_space_or_a_tab_may_come_before_the_name(neighbour: str) -> None:
    assert find_cookies(f"{neighbour}{COOKIE}", NAME) == []
    assert read(f"a=b; {neighbour}{COOKIE}; c=d") == {}
    # It is no other cookie of ours either: the real one still counts.
    assert read(f"{neighbour}{NAME}={TOKEN}x; {COOKIE}") == DATA


@pytest.mark.parametrize("neighbour", AFTER.values(), ids=AFTER)
def test_nothing_but_a_space_or_a_tab_may_come_after_the_name(neighbour: str) -> None:
    assert find_cookies(f"{NAME}{neighbour}={TOKEN}", NAME) == []
    assert read(f"a=b; {NAME}{neighbour}={TOKEN}; c=d") == {}
    assert read(f"{NAME}{neighbour}={TOKEN}x; {COOKIE}") == DATA


@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_nothing_but_a_space_or_a_tab_is_trimmed_from_the_value(neighbour: str) -> None:
    before = read(f"{NAME}={neighbour}{TOKEN}")
    after = read(f"{COOKIE}{neighbour}")
    assert before == (DATA if neighbour in TRIMMED else {})
    assert after == (DATA if neighbour in TRIMMED | {";"} else {})


@pytest.mark.parametrize(
    "name",
    [
        "__host-session",
        "__HOST-SESSION",
        "__Host-Session",
        "__Host-sessio",
        "__Host-sessionn",
        "__Host-session[]",
        "__Host-session[0]",
        "__Host.session",
        "..Host-session",
        "  Host-session",
        "%5F%5FHost-session",
        "__%48ost-session",
        "__Host%2Dsession",
        "__Host-session%20",
        "__Host-session%00",
        '"__Host-session"',
        "'__Host-session'",
        "\\__Host-session",
        "__Host-session.0",
        "__Host-sessionC1",
        "session",
        "",
    ],
)
def test_a_name_is_neither_decoded_nor_folded(name: str) -> None:
    assert read(f"{name}={TOKEN}") == {}


def test_a_pair_without_a_name_is_no_cookie_of_ours() -> None:
    """CVE-2023-23934: ``=__Host-x=bad`` was read as the cookie ``__Host-x``."""
    assert find_cookies(f"={COOKIE}", NAME) == []
    assert find_cookies(f" = {COOKIE}", NAME) == []
    assert read(f"={COOKIE}") == {}


def test_a_name_without_a_value_is_no_cookie_of_ours() -> None:
    assert find_cookies(NAME, NAME) == []
    assert find_cookies(f"a=b; {NAME}; c=d", NAME) == []
    assert find_cookies(f"{NAME}=", NAME) == [""]


def test_a_name_of_another_case_is_not_ours_whatever_its_value() -> None:
    assert find_cookies(f"{NAME.upper()}={NAME}", NAME) == []


def test_the_name_of_an_empty_header_is_not_found() -> None:
    assert find_cookies("", NAME) == []
    assert find_cookies("a", "a") == []


@pytest.mark.parametrize("character", ",[]\"'\\()<>@:/?{} \t&")
def test_only_a_semicolon_ends_a_cookie(character: str) -> None:
    """CVE-2016-7401: a server that splits elsewhere finds cookies in values."""
    assert read(f"a=1{character}{COOKIE}") == {}
    assert read(f"a={character}{character}1; {COOKIE}; b={character}") == DATA
    assert read(f"a{character}=1; {COOKIE}; b{character}c=1") == DATA


@pytest.mark.parametrize(
    "header",
    [
        f'a="x; {COOKIE}; b=y"',
        f'$Version=1; a="x; {COOKIE}; b=y"',
        f'a="x\\"; {COOKIE}; b=\\"y"',
        f'"; {COOKIE}; "',
        f'a="; {COOKIE}',
    ],
    ids=repr,
)
def test_a_quoted_value_swallows_no_cookie(header: str) -> None:
    """The cookie sandwich: quotes would hide our cookie inside of another."""
    assert read(header) == DATA


@pytest.mark.parametrize(
    "value",
    [
        f'"{TOKEN}"',
        f'"{TOKEN}',
        f'{TOKEN}"',
        '"\\163\\145"',
        TOKEN.replace(".", "%2E"),
        TOKEN.replace(".", "\\056"),
        f"{TOKEN},",
        f"{TOKEN}={TOKEN}",
        f"={TOKEN}",
        f"{TOKEN}\\",
    ],
    ids=ascii,
)
def test_a_value_is_neither_unquoted_nor_decoded(value: str) -> None:
    assert read(f"{NAME}={value}") == {}


@pytest.mark.parametrize("byte", range(0x80, 0x100), ids="{:02X}".format)
def test_a_byte_that_is_not_utf_8_hides_nothing(byte: int) -> None:
    character = chr(byte)
    assert read(f"a={character}; {COOKIE}; b{character}c=1") == DATA
    assert read(f"{character}; {COOKIE}") == DATA
    assert read(f"{COOKIE};{character}") == DATA
    middle = len(TOKEN) // 2
    assert read(f"{NAME}={TOKEN[:middle]}{character}{TOKEN[middle:]}") == {}


@given(st.text(st.characters(codec="latin-1")), st.text(st.sampled_from('ab=; \t"')))
def test_the_reader_is_the_browsers_rule_on_bytes(header: str, simple: str) -> None:
    for text, name in ((header, "a"), (simple, "a"), (simple, "ab")):
        pairs = [pair.split("=", 1) for pair in text.split(";") if "=" in pair]
        expected = [v.strip(" \t") for k, v in pairs if k.strip(" \t") == name]
        assert find_cookies(text, name) == expected


# -- several cookies of our name: tossing ---------------------------------------------

JUNK = f"{NAME}=a.b.c"  # looks like a token, so it costs one MAC


@pytest.mark.parametrize(
    "header",
    [
        f"{JUNK}; {COOKIE}",
        f"{COOKIE}; {JUNK}",
        f"{JUNK}; {COOKIE}; {JUNK}",
        f"{NAME}=; {COOKIE}",
        f"{COOKIE}; {NAME}=",
        f"{NAME}={TOKEN}x; {COOKIE}",
        f"{COOKIE}; {COOKIE}",
    ],
    ids=["first", "last", "both", "empty first", "empty last", "changed", "twice"],
)
def test_junk_of_our_name_does_not_hide_our_cookie(header: str) -> None:
    assert read(header) == DATA


def cookies_of(
    interface: SecureCookieSessionInterface, clock: Clock, *ages: int
) -> list[str]:
    """Cookies of these ages in seconds, each saying its own."""
    now, cookies = clock.now, []
    for age in ages:
        clock.now = now - age
        cookies.append(interface.make_cookie({"age": age}))
    clock.now = now
    return cookies


def test_of_two_that_verify_the_latest_issue_wins(
    interface: SecureCookieSessionInterface, clock: Clock
) -> None:
    new, old = cookies_of(interface, clock, 10, 20)
    assert interface.read_cookie(f"{new}; {old}") == {"age": 10}
    assert interface.read_cookie(f"{old}; {new}") == {"age": 10}


def test_of_two_that_verify_the_earliest_codec_wins(clock: Clock) -> None:
    old = SecureCookieSessionInterface(OLD_KEY, clock=clock)
    new = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], clock=clock)
    [planted] = cookies_of(old, clock, 10)
    [ours] = cookies_of(new, clock, 20)
    assert new.read_cookie(f"{planted}; {ours}") == {"age": 20}
    assert new.read_cookie(f"{ours}; {planted}") == {"age": 20}
    assert new.read_cookie(planted) == {"age": 10}


def test_an_expired_cookie_does_not_hide_a_valid_one(
    interface: SecureCookieSessionInterface, clock: Clock
) -> None:
    expired, valid = cookies_of(interface, clock, 400 * 86400, 10)
    assert interface.read_cookie(f"{expired}; {valid}") == {"age": 10}
    assert interface.read_cookie(f"{valid}; {expired}") == {"age": 10}


def test_a_thousand_cookies_cost_at_most_eight_signatures() -> None:
    """The eighth that looks like a token is looked at, the ninth is not."""
    assert read("; ".join([*[JUNK] * 7, COOKIE, *[JUNK] * 992])) == DATA
    assert read("; ".join([*[JUNK] * 8, COOKIE, *[JUNK] * 991])) == {}


def test_what_cannot_be_a_token_is_not_counted() -> None:
    shapeless = [f'{NAME}="a.b.c"', f"{NAME}=", f"{NAME}=a b", f"{NAME}=\xff"]
    assert read("; ".join([*shapeless * 250, COOKIE])) == DATA


def test_a_thousand_valid_cookies_give_the_latest_of_the_first_eight(
    interface: SecureCookieSessionInterface, clock: Clock
) -> None:
    cookies = cookies_of(interface, clock, *range(1000, 0, -1))
    assert interface.read_cookie("; ".join(cookies)) == {"age": 993}
