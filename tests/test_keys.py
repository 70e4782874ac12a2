"""Which keys can sign: bad ones give no session, and no error ever tells a key."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from support import KEY, OLD_KEY, every_format

from cookiesession import (
    ConfigError,
    CookieOptions,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionUnavailable,
    SignedFormat,
    keys,
)

#: What is wrong with a key, and the words that say so.
BAD_KEYS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "empty bytes": (b"", "is empty"),
    "blank": (" " * 32, "is empty"),
    "other white space": ("\t\n\r\v\f " * 6, "is empty"),
    "blank bytes": (b" \t" * 16, "is empty"),
    "one letter": ("k", "has fewer than 16 bytes"),
    "15 bytes": ("k9#Lq2!xVb7$Zt3", "has fewer than 16 bytes"),
    "15 bytes of UTF-8": ("\xe9" * 7 + "x", "has fewer than 16 bytes"),
    "15 bytes as bytes": (bytes(range(1, 16)), "has fewer than 16 bytes"),
    "32 times one letter": ("a" * 32, "has fewer than 8 different bytes"),
    "7 different bytes": ("abcdefg" * 6, "has fewer than 8 different bytes"),
    "7 different bytes of many": (bytes(range(7)) * 20, "has fewer than 8 different"),
}

WELL_KNOWN = "is a well-known example or placeholder"
PLACEHOLDERS: dict[str, str | bytes] = {
    "change-me": "change-me-change-me",
    "in another spelling": "CHANGE_ME CHANGE.ME!",
    "as bytes": b"your-secret-key-here",
    "super secret": "super-secret-key",
    "the quick brown fox": "The quick brown fox",
    "digits": "0123456789abcdef0123456789abcdef",
    "Flask's documentation": b'_5#y2L"F4Q8z\n\xec]/',
    "Flask's documentation, as text": '_5#y2L"F4Q8z\n\xec]/',
    "Flask's documentation, escapes not read": r'_5#y2L"F4Q8z\n\xec]/',
    "Flask's first tutorial": "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
    "Flask's newest documentation": (
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"
    ),
    "Superset (CVE-2023-27524)": "\2\1thisismyscretkey\1\2\\e\\y\\y\\h",
    "Superset's bytes": b"\x02\x01thisismyscretkey\x01\x02\\e\\y\\y\\h",
    "Superset, escapes not read": r"\2\1thisismyscretkey\1\2\e\y\y\h",
    "Superset's next": "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
    "Superset's compose file": "TEST_NON_DEV_SECRET",
    "Superset's older chart": "thisISaSECRET_1234",
    "Redash": "c292a0a3aa32397cdb050e233733900f",
}
# Keys that people really run with, as documentation and tutorials spell them.
COMMON_PLACEHOLDERS = """
    change-this-secret-key
    change_this_to_a_random_secret
    CHANGE-THIS-TO-SOMETHING-SECRET
    Development Key!
    insert-random-secret-key-here
    my_super_secret_key
    mysecretkey123456
    not-so-secret-key
    put-your-secret-key-here
    replace-me-with-a-secret
    replace_this_with_a_secret_key
    SECRET_KEY_GOES_HERE
    some random string
    This is a secret key!
    this-is-my-secret-key
    This key must be changed
    TopSecretPassword
    you-will-never-guess
    your-own-random-generated-secret-key
    <your-secret-key>
    0123456789abcdef
    abcdefghijklmnop
    ABCDEFGHIJKLMNOPQRSTUVWXYZ
    An example key that is not a secret
""".strip().splitlines()
BAD_KEYS |= {name: (key, WELL_KNOWN) for name, key in PLACEHOLDERS.items()}

GOOD_KEYS: dict[str, str | bytes] = {
    "text": KEY,
    "bytes": bytes(range(32)),
    "not ASCII": "\u0448\u0438\u0444\u0440-\u043a\u043b\u044e\u0447-\u0434\u043b\u044f-"
    "\u0441\u0435\u0441\u0441\u0438\u0439",
    "half of a surrogate pair": "\udc80\ud800 from an environment that is not UTF-8",
    "a placeholder inside": f"change me change me {KEY}",
    "long": KEY * 1000,
}
SHORT_KEYS: dict[str, str | bytes] = {
    "16 bytes": "k9#Lq2!xVb7$Zt3@",
    "31 bytes": KEY[:31],
    "16 bytes in fewer letters": "\u0448\u0438\u0444\u0440\u043a\u043b\u044e\u0447",
    "8 different bytes": "abcdefgh" * 2,
}

NOT_KEYS: dict[str, Any] = {
    "int": 1234567890123456,
    "float": 1.5,
    "bool": True,
    "list": [KEY],
    "tuple": (KEY, OLD_KEY),
    "dict": {KEY: OLD_KEY},
    "bytearray": bytearray(KEY.encode()),
    "memoryview": memoryview(KEY.encode()),
    "class": str,
}


REMEDY = "python -m cookiesession keygen"


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize(("key", "problem"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key_gives_no_session_and_one_error(
    key: str | bytes, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(key)
    [message] = errors(caplog)
    assert problem in message
    assert REMEDY in message
    for _ in range(2):  # requests, which say nothing more
        assert interface.open_session({}) is None
        assert interface.open_session({"HTTP_COOKIE": "__Host-session=a.b.c"}) is None
        assert interface.make_null_session({}).get("a") is None
    assert [record.name for record in caplog.records] == ["cookiesession"]
    with pytest.raises(SessionUnavailable, match=problem) as caught:
        interface.make_null_session({})["a"] = 1
    assert REMEDY in str(caught.value)


@pytest.mark.parametrize("key", [line.strip() for line in COMMON_PLACEHOLDERS])
def test_a_placeholder_is_no_key(key: str) -> None:
    assert keys.problem(key.encode()) == WELL_KNOWN


def test_without_a_key_there_is_no_session(caplog: pytest.LogCaptureFixture) -> None:
    interface = SecureCookieSessionInterface(None)
    [message] = errors(caplog)
    assert "secret_key is missing" in message
    assert REMEDY in message
    assert interface.open_session({}) is None


@pytest.mark.parametrize("key", GOOD_KEYS.values(), ids=GOOD_KEYS)
def test_a_good_key_signs_without_a_word(
    key: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(key)
    assert isinstance(interface.open_session({}), SecureCookieSession)
    assert interface.read_cookie(interface.make_cookie({"a": 1})) == {"a": 1}
    assert caplog.records == []


@pytest.mark.parametrize("key", SHORT_KEYS.values(), ids=SHORT_KEYS)
def test_a_key_under_32_bytes_works_with_a_warning(
    key: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(key)
    assert interface.read_cookie(interface.make_cookie({"a": 1})) == {"a": 1}
    [message] = warnings(caplog)
    assert "fewer than 32 bytes" in message
    assert REMEDY in message


def test_a_short_fallback_key_is_warned_of_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY, "k9#Lq2!xVb7$Zt3@"])
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("around", [" {}", "{}\n", "\t{}\r\n"], ids=repr)
@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize("place", ["secret_key", "fallback_keys"])
def test_white_space_around_a_key_is_part_of_it_and_warned_of_once(
    around: str, kind: type, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A key file ends with a newline, which other programs strip."""
    key: Any = around.format(OLD_KEY)
    key = key.encode() if kind is bytes else key
    if place == "secret_key":
        interface = SecureCookieSessionInterface(key, fallback_keys=[f" {KEY}"])
    else:
        interface = SecureCookieSessionInterface(KEY, fallback_keys=[key, f"{key}"])
    [message] = warnings(caplog)
    assert "white space" in message
    assert ".strip()" in message
    assert interface.read_cookie(interface.make_cookie({"a": 1})) == {"a": 1}
    stripped = SecureCookieSessionInterface(OLD_KEY).make_cookie({"a": 1})
    assert interface.read_cookie(stripped) == {}


def test_white_space_inside_a_key_is_not_spoken_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    SecureCookieSessionInterface(KEY.replace("-", " "))
    assert caplog.records == []


def test_text_and_its_utf_8_are_the_same_key() -> None:
    cookie = SecureCookieSessionInterface(KEY).make_cookie({"a": 1})
    assert SecureCookieSessionInterface(KEY.encode()).read_cookie(cookie) == {"a": 1}


@pytest.mark.parametrize("key", NOT_KEYS.values(), ids=NOT_KEYS)
def test_a_key_of_another_type_is_refused(key: Any) -> None:
    with pytest.raises(ConfigError, match="secret_key must be a str or bytes, or None"):
        SecureCookieSessionInterface(key)


def test_a_list_of_keys_is_told_its_place() -> None:
    with pytest.raises(ConfigError, match="further keys go into fallback_keys"):
        SecureCookieSessionInterface([KEY, OLD_KEY])  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "problem"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_fallback_key_is_refused_with_its_place(
    key: str | bytes, problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"fallback_keys\[1\] {problem}"):
        SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY, key])


@pytest.mark.parametrize("key", [*NOT_KEYS.values(), None], ids=[*NOT_KEYS, "None"])
def test_a_fallback_key_of_another_type_is_refused(key: Any) -> None:
    with pytest.raises(ConfigError, match=r"fallback_keys\[0\] is not a str or bytes"):
        SecureCookieSessionInterface(KEY, fallback_keys=[key])


@pytest.mark.parametrize(
    "given",
    [OLD_KEY, OLD_KEY.encode(), "", b"", bytearray(b"k" * 20), None, 5, True],
    ids=repr,
)
def test_fallback_keys_are_a_list(given: Any) -> None:
    """Flask takes a bare str for a list of letters: keys that anyone can guess."""
    with pytest.raises(ConfigError, match=r"fallback_keys(\[0\])? (must be a|is not)"):
        SecureCookieSessionInterface(KEY, fallback_keys=given)


def test_fallback_keys_may_come_from_a_generator() -> None:
    cookie = SecureCookieSessionInterface(OLD_KEY).make_cookie({"a": 1})
    interface = SecureCookieSessionInterface(
        KEY,
        fallback_keys=(each for each in [OLD_KEY]),  # type: ignore[arg-type]
    )
    assert interface.read_cookie(cookie) == {"a": 1}
    assert interface.read_cookie(cookie) == {"a": 1}


def test_every_bad_fallback_key_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        SecureCookieSessionInterface(KEY, fallback_keys=["", OLD_KEY, "short"])
    assert caught.value.faults == (
        "fallback_keys[0] is empty.",
        "fallback_keys[2] has fewer than 16 bytes.",
    )


def test_a_bad_fallback_key_is_refused_under_a_bad_key_too() -> None:
    with pytest.raises(ConfigError):
        SecureCookieSessionInterface(None, fallback_keys=["short"])


def test_a_made_key_is_good(caplog: pytest.LogCaptureFixture) -> None:
    made = {keys.generate() for _ in range(50)}
    assert len(made) == 50
    for key in made:
        assert len(key) == 43  # 256 bits in base64
        assert keys.problem(key.encode()) is None
        SecureCookieSessionInterface(key)
    assert caplog.records == []


# -- no exception carries the key -----------------------------------------------------

SECRET = "k9#Lq2!xVb7"  # in every key below, and too short to be one


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was raised from or during."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in seen:
            seen.append(each)
            waiting += [each.__cause__, each.__context__]
    return iter(seen)


def everything_said(error: BaseException) -> str:
    """All that a log or an error page could show of an error, but local variables."""
    said = [*traceback.format_exception(error)]
    for each in chain(error):
        said += [str(each), repr(each), repr(each.args), repr(vars(each))]
    return "\n".join(said)


class Explosive(str):
    """A str of another class: its methods are not to be trusted with a message."""

    __slots__ = ()


LEAKS: dict[str, dict[str, Any]] = {
    "a short key": {"secret_key": SECRET, "permanent": "yes"},
    "a key of another type": {"secret_key": [SECRET]},
    "a key in a bytearray": {"secret_key": bytearray(SECRET.encode())},
    "a bare str of fallback keys": {"fallback_keys": SECRET * 3},
    "bare bytes of fallback keys": {"fallback_keys": SECRET.encode() * 3},
    "a short fallback key": {"fallback_keys": [SECRET]},
    "a fallback key of another type": {"fallback_keys": [[SECRET]]},
    "a dict of fallback keys": {"fallback_keys": {SECRET: SECRET}},
    "a lone surrogate in a fallback key": {"fallback_keys": [SECRET + "\ud800"]},
    "a subclass of str": {"fallback_keys": [Explosive(SECRET)]},
    "a key where a cookie is to be": {"cookie": SECRET},
    "a key where a format is to be": {"format": SECRET},
    "a key where formats are to be": {"accept": [SECRET]},
    "a key where a duration is to be": {"idle_timeout": SECRET},
    "a key where a clock is to be": {"clock": SECRET},
}


@pytest.mark.parametrize("options", LEAKS.values(), ids=LEAKS)
def test_no_error_carries_a_key(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError) as caught:
        SecureCookieSessionInterface(**{"secret_key": KEY, **options})
    # The source line of this very call is quoted by a traceback; it holds no key.
    said = everything_said(caught.value) + caplog.text
    assert SECRET not in said
    assert KEY not in said


@every_format
def test_a_key_with_a_lone_surrogate_raises_nothing(format: SignedFormat) -> None:
    """A UnicodeEncodeError would carry the key in its args."""
    key = f"\ud800{KEY}\udfff"
    interface = SecureCookieSessionInterface(
        key, fallback_keys=[key + "2"], format=format, cookie=CookieOptions(name="s")
    )
    assert interface.read_cookie(interface.make_cookie({"a": 1})) == {"a": 1}


@pytest.mark.parametrize("key", [SECRET, SECRET + "\ud800", SECRET.encode()], ids=ascii)
def test_a_null_session_does_not_tell_the_key(
    key: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(key)
    session = interface.make_null_session({})
    with pytest.raises(SessionUnavailable) as caught:
        session["a"] = 1
    with pytest.raises(SessionUnavailable) as caught_too:
        interface.make_cookie({"a": 1})
    said = everything_said(caught.value) + everything_said(caught_too.value)
    shown = f"{interface!r} {vars(interface)} {session!r}"
    assert SECRET not in said + caplog.text + shown
    assert "misconfigured" in repr(interface)
