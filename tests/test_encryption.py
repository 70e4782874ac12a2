"""The encrypted format: nothing of a session shows, and nothing can be changed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import KEY
from test_vectors import b64u, encrypted, unb64u

from cookiesession import EncryptedFormat, SecureCookieSessionInterface, SignedFormat

NAME = "__Host-session"
NOW = 1_700_000_000
CODEC = EncryptedFormat().bind(KEY.encode(), NAME)
ORIGIN: dict[str, Any] = {
    "secret": KEY,
    "salt": "cookiesession.v1",
    "cookie": NAME,
    "issued": NOW,
    "created": NOW,
    "json": '{"a":1}',
}


def interface_of(**options: Any) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(KEY, clock=lambda: NOW, **options)


INTERFACE = interface_of(format=EncryptedFormat())


def rejection(token: str) -> str | None:
    session = INTERFACE.open_session({"HTTP_COOKIE": f"{NAME}={token}"})
    assert session is not None
    assert not session
    return session.rejection


def test_an_encrypted_session_comes_back() -> None:
    cookie = INTERFACE.make_cookie({"user": "ada", "cart": [(1, b"\0")]})

    assert INTERFACE.read_cookie(cookie) == {"user": "ada", "cart": [(1, b"\0")]}
    assert b"ada" not in unb64u(cookie.partition("=")[2])


@given(st.text("ab", max_size=2000))
def test_its_length_tells_the_size_to_64_bytes_and_nothing_else(text: str) -> None:
    _, _, token = INTERFACE.make_cookie({"a": text}).partition("=")
    size = len('{"a":""}') + len(text)

    # 01, 24 random bytes, two times of 8 bytes, a tag of 16; one byte of padding at
    # least. Text that compresses well is not compressed.
    assert len(unb64u(token)) == 1 + 24 + 16 + (size // 64 + 1) * 64 + 16


def test_no_two_tokens_of_a_session_are_alike() -> None:
    tokens = {CODEC.seal('{"a":1}', NOW, NOW) for _ in range(100)}

    assert len(tokens) == 100
    assert len({unb64u(token)[1:13] for token in tokens}) == 100


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    raw = bytearray(unb64u(CODEC.seal('{"a":1}', NOW, NOW)))
    raw[place % len(raw)] ^= change

    assert rejection(b64u(bytes(raw))) == "bad_signature"


def test_every_single_byte_is_authenticated() -> None:
    raw = unb64u(CODEC.seal('{"a":1}', NOW, NOW))
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        assert CODEC.open(b64u(bytes(changed)).encode()) is None


@pytest.mark.parametrize("length", [0, 1, 25, 40, 41, 56, 57, 120])
def test_a_token_cut_short_is_refused(length: int) -> None:
    raw = unb64u(CODEC.seal('{"a":1}', NOW, NOW))

    assert CODEC.open(b64u(raw[:length]).encode()) is None


@pytest.mark.parametrize("token", ["A", "AQ.AQ", "a.b.c", "", "AQ=="])
def test_what_is_no_base64url_is_refused(token: str) -> None:
    assert CODEC.open(token.encode()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"cookie": "session"},
        {"salt": "cookiesession.v2"},
        {"secret": KEY[::-1]},
    ],
    ids=["name", "salt", "key"],
)
def test_a_token_made_for_something_else_is_refused(change: dict[str, str]) -> None:
    assert rejection(encrypted(bytes(24), {**ORIGIN, **change})) == "bad_signature"


def test_names_and_salts_that_concatenate_alike_are_told_apart() -> None:
    one = EncryptedFormat(salt="ab").bind(KEY.encode(), "c")
    two = EncryptedFormat(salt="a").bind(KEY.encode(), "bc")

    assert one.open(two.seal('{"a":1}', NOW, NOW).encode()) is None
    assert two.open(one.seal('{"a":1}', NOW, NOW).encode()) is None


def test_another_version_is_refused() -> None:
    raw = unb64u(encrypted(bytes(24), ORIGIN))

    assert rejection(b64u(b"\2" + raw[1:])) == "bad_signature"


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        bytes(16),
        bytes(16) + b"\x80" + bytes(63),
        bytes(16) + b'{"a":1}',
        bytes(16) + b'{"a":1}\x80',
        bytes(16) + b'{"a":1}\x80' + bytes(55),
        bytes(16) + b'{"a":1}\x80' + bytes(56 + 64),
        bytes(16) + b'{"a":1}\x81' + bytes(56),
        bytes(16) + b'{"a":1}' + bytes(57),
        bytes(16) + b'{"a":1}\x80' + bytes(55) + b"\1",
    ],
    ids=["nothing", "times only", "no json", "no padding", "short", "one byte short",
         "a block too long", "81", "no mark", "01 at the end"],
)  # fmt: skip
def test_any_other_padding_is_malformed(plaintext: bytes) -> None:
    assert rejection(seal_plaintext(plaintext)) == "malformed"


@pytest.mark.parametrize(
    "json", [b"[]", b"{", b'"a"', b"\xff\xfe", b'{"a":{" x":1}}', b'{"_cs":"x"}']
)
def test_hostile_contents_under_the_right_key_are_malformed(json: bytes) -> None:
    padded = json + b"\x80"
    times = NOW.to_bytes(8, "big") * 2

    token = seal_plaintext(times + padded + bytes(-len(padded) % 64))

    assert rejection(token) == "malformed"


def seal_plaintext(plaintext: bytes) -> str:
    """Any plaintext under the right key, made without the package."""
    import hmac

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    prk = hmac.digest(bytes(32), KEY.encode(), "sha256")
    info = b"cookiesession/enc/1\0cookiesession.v1\0" + NAME.encode()
    named = hmac.digest(prk, info + b"\1", "sha256")
    key = hmac.digest(named, bytes(12), "sha256")
    sealed = AESGCM(key).encrypt(bytes(12), plaintext, b"\1" + NAME.encode())
    return b64u(b"\1" + bytes(24) + sealed)


@pytest.mark.parametrize(
    ("created", "read"), [(NOW - 9, NOW - 9), (2**56, NOW), (2**64 - 1, NOW)]
)
def test_the_creation_time_is_the_one_before_the_json(created: int, read: int) -> None:
    """Later than the issue it gains nothing, and one in the JSON counts for nothing."""
    opened = CODEC.open(CODEC.seal('{"a":1,"_cs":5}', NOW, created).encode())

    assert opened is not None
    assert (opened.created, opened.data) == (read, {"a": 1})


def test_an_encrypted_token_is_no_signed_one_and_the_reverse() -> None:
    signed = interface_of(format=SignedFormat())

    assert signed.read_cookie(INTERFACE.make_cookie({"a": 1})) == {}
    assert INTERFACE.read_cookie(signed.make_cookie({"a": 1})) == {}


# -- the extra ------------------------------------------------------------------------


def python(source: str) -> str:
    """What a program prints, in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", source]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_importing_the_package_never_imports_cryptography() -> None:
    printed = python(
        "import sys, cookiesession, cookiesession.encryption\n"
        f"i = cookiesession.SecureCookieSessionInterface({KEY!r})\n"
        "i.read_cookie(i.make_cookie({'a': 1}))\n"
        "print([name for name in sys.modules if name.startswith('cryptography')])"
    )

    assert printed.strip() == "[]"


def test_without_the_extra_the_error_names_the_pip_command() -> None:
    printed = python(
        "import sys\n"
        "sys.modules['cryptography'] = None\n"
        "import cookiesession\n"
        f"i = cookiesession.SecureCookieSessionInterface({KEY!r})\n"
        "assert i.read_cookie(i.make_cookie({'a': 1})) == {'a': 1}\n"
        "try:\n"
        "    cookiesession.EncryptedFormat()\n"
        "except cookiesession.ConfigError as error:\n"
        "    print(error)"
    )

    assert 'pip install "cookiesession[encryption]"' in printed
