"""The encrypted format: nothing of a session shows, and nothing can be changed."""

from __future__ import annotations

from typing import Any

import pytest
from forge import b64u, encrypted, plaintext, unb64u
from hypothesis import given
from hypothesis import strategies as st
from support import ENCRYPTED, KEY, needs_extras

from cookiesession import SecureCookieSessionInterface

pytestmark = needs_extras

NAME = "__Host-session"
NOW = 1_700_000_000
CODEC = ENCRYPTED.bind(KEY.encode(), NAME)


def interface_of(**options: Any) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(KEY, clock=lambda: NOW, **options)


INTERFACE = interface_of(format=ENCRYPTED)


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
        {"name": "session"},
        {"salt": "cookiesession.v2"},
        {"secret": KEY[::-1]},
    ],
    ids=["name", "salt", "key"],
)
def test_a_token_made_for_something_else_is_refused(change: dict[str, str]) -> None:
    made_for: dict[str, Any] = {"secret": KEY, "name": NAME}
    token = encrypted(plaintext(b'{"a":1}', NOW, NOW), **{**made_for, **change})

    assert rejection(token) == "bad_signature"


def test_another_version_is_refused() -> None:
    raw = unb64u(encrypted(plaintext(b'{"a":1}', NOW, NOW), KEY, NAME))

    assert rejection(b64u(b"\2" + raw[1:])) == "bad_signature"


@pytest.mark.parametrize(
    "nonsense",
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
def test_any_other_padding_is_malformed(nonsense: bytes) -> None:
    assert rejection(encrypted(nonsense, KEY, NAME)) == "malformed"


@pytest.mark.parametrize(
    "json", [b"[]", b"{", b'"a"', b"\xff\xfe", b'{"a":{" x":1}}', b'{"_cs":"x"}']
)
def test_hostile_contents_under_the_right_key_are_malformed(json: bytes) -> None:
    token = encrypted(plaintext(json, NOW, NOW), KEY, NAME)

    assert rejection(token) == "malformed"


@pytest.mark.parametrize(
    ("created", "read"), [(NOW - 9, NOW - 9), (2**56, NOW), (2**64 - 1, NOW)]
)
def test_the_creation_time_is_the_one_before_the_json(created: int, read: int) -> None:
    """Later than the issue it gains nothing, and one in the JSON counts for nothing."""
    opened = CODEC.open(CODEC.seal('{"a":1,"_cs":5}', NOW, created).encode())

    assert opened is not None
    assert (opened.created, opened.data) == (read, {"a": 1})
