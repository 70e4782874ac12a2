"""The wire formats are frozen: every token of the data files, rebuilt from the standard
library and ``cryptography`` alone, and read and written by us."""

from __future__ import annotations

import datetime
import hmac
import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from markupsafe import Markup
from values import exact

from cookiesession import FLASK, EncryptedFormat, SignedFormat, TaggedJSONSerializer

VECTORS = Path(__file__).with_name("vectors")
Vector = dict[str, Any]


def load(file: str) -> list[Any]:
    vectors = json.loads((VECTORS / file).read_text("ascii"))["vectors"]
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def literal(text: str) -> Any:
    """What a Python literal of our own data files means."""
    names = {"Decimal": Decimal, "Markup": Markup, "UUID": UUID, "datetime": datetime}
    return eval(text, {**names, "inf": float("inf")})


def b64u(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def unb64u(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def stamp(seconds: int) -> str:
    """Big-endian, no leading zero bytes."""
    return b64u(seconds.to_bytes(8, "big").lstrip(b"\0"))


def signed(payload: str, issued: int, secret: str, salt: bytes, digest: str) -> str:
    key = hmac.digest(secret.encode(), salt, digest)
    value = f"{payload}.{stamp(issued)}"
    return f"{value}.{b64u(hmac.digest(key, value.encode(), digest))}"


def encrypted(random: bytes, vector: Vector) -> str:
    salt, name = vector["salt"].encode(), vector["cookie"].encode()
    # RFC 5869: HKDF-Extract, "if not provided, [salt] is set to a string of HashLen
    # zeros", and the first block of HKDF-Expand, which is all that 32 bytes need.
    extracted = hmac.digest(bytes(32), vector["secret"].encode(), "sha256")
    info = b"cookiesession/enc/1\0" + salt + b"\0" + name
    named = hmac.digest(extracted, info + b"\1", "sha256")
    key = hmac.digest(named, random[:12], "sha256")
    padded = vector["json"].encode() + b"\x80"
    padded += bytes(-len(padded) % 64)
    times = vector["issued"].to_bytes(8, "big") + vector["created"].to_bytes(8, "big")
    sealed = AESGCM(key).encrypt(random[12:], times + padded, b"\1" + name)
    return b64u(b"\1" + random + sealed)


def payload_of(token: str) -> str:
    """The JSON in a signed token."""
    payload = token.rsplit(".", 2)[0]
    if payload.startswith("."):
        return zlib.decompress(unb64u(payload[1:])).decode()
    return unb64u(payload).decode()


def signed_salt(vector: Vector) -> bytes:
    salt: bytes = vector["salt"].encode()
    return salt + b"\0" + vector["cookie"].encode() if vector["bind_name"] else salt


@pytest.mark.parametrize("vector", load("signed.v1.json"))
def test_a_signed_token_is_hmac_of_base64url(vector: Vector) -> None:
    token = vector["token"]
    again = signed(
        token.rsplit(".", 2)[0],
        vector["issued"],
        vector["secret"],
        signed_salt(vector),
        vector["digest"],
    )

    assert again == token
    assert payload_of(token) == vector["json"]


@pytest.mark.parametrize("vector", load("signed.v1.json"))
def test_a_signed_token_is_read_and_written(vector: Vector) -> None:
    options = {name: vector[name] for name in ("salt", "digest", "bind_name")}
    codec = SignedFormat(**options).bind(vector["secret"].encode(), vector["cookie"])
    token = vector["token"]

    opened = codec.open(token.encode())
    written = codec.seal(vector["json"], vector["issued"], vector["created"])

    assert opened is not None
    assert opened.text == vector["json"]
    assert (opened.issued, opened.created) == (vector["issued"], vector["created"])
    assert opened.permanent == ('"_permanent":true' in vector["json"])
    # Another build of zlib may compress in another way.
    assert payload_of(written) == vector["json"]
    assert len(written) == len(token)
    if not token.startswith("."):
        assert written == token


@pytest.mark.parametrize("vector", load("encrypted.v1.json"))
def test_an_encrypted_token_is_aes_gcm_under_a_key_per_message(vector: Vector) -> None:
    assert encrypted(bytes.fromhex(vector["random"]), vector) == vector["token"]


@pytest.mark.parametrize("vector", load("encrypted.v1.json"))
def test_an_encrypted_token_is_read_and_written(vector: Vector) -> None:
    format = EncryptedFormat(salt=vector["salt"])
    codec = format.bind(vector["secret"].encode(), vector["cookie"])

    opened = codec.open(vector["token"].encode())
    written = codec.seal(vector["json"], vector["issued"], vector["created"])

    assert opened is not None
    assert opened.text == vector["json"]
    assert (opened.issued, opened.created) == (vector["issued"], vector["created"])
    # Only the random bytes are new.
    assert written == encrypted(unb64u(written)[1:25], vector)
    assert unb64u(written)[1:25] != bytes.fromhex(vector["random"])


@pytest.mark.parametrize("vector", load("json.v1.json"))
def test_the_default_format_spells_every_type_like_this(vector: Vector) -> None:
    data, serializer = literal(vector["data"]), TaggedJSONSerializer()

    assert serializer.dumps(data) == vector["json"]
    again = serializer.loads(vector["json"])
    assert again == data
    assert exact(again) == exact(data)


@pytest.mark.parametrize("vector", load("flask.json"))
def test_what_flask_wrote_is_hmac_sha1_of_base64url(vector: Vector) -> None:
    token = vector["token"]
    payload = token.rsplit(".", 2)[0]
    secret, salt = vector["key"], b"cookie-session"

    assert signed(payload, vector["time"], secret, salt, "sha1") == token
    assert payload_of(token) == vector["json"]


@pytest.mark.parametrize("vector", load("flask.json"))
def test_what_flask_wrote_is_read_and_written(vector: Vector) -> None:
    codec = FLASK.bind(vector["key"].encode(), "session")
    token = vector["token"]
    expected = literal(vector["data"])
    permanent = expected.pop("_permanent", False)

    opened = codec.open(token.encode())
    assert opened is not None
    text = codec.render(opened.data, opened.permanent, None)
    written = codec.seal(text, opened.issued, opened.created)

    assert opened.data == expected
    assert repr(opened.data) == repr(expected)
    assert opened.permanent is permanent
    assert opened.issued == opened.created == vector["time"]
    if "_permanent" in vector["json"] and not permanent:
        assert len(written) < len(token)  # what is not true is not stored
    else:
        assert text == vector["json"]
        assert len(written) == len(token)
        assert token.startswith(".") or written == token
