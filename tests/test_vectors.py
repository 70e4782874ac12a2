"""The wire formats are frozen: every token of the data files, rebuilt from the standard
library and ``cryptography`` alone, and read and written by us."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from forge import (
    FLASKS_SALT,
    Signer,
    bound,
    encrypted,
    payload_of,
    plaintext,
    unb64u,
)
from markupsafe import Markup
from support import needs_extras
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


def salt_of(vector: Vector) -> bytes:
    salt: str = vector["salt"]
    return bound(vector["cookie"], salt) if vector["bind_name"] else salt.encode()


@pytest.mark.parametrize("vector", load("signed.v1.json"))
def test_a_signed_token_is_hmac_of_base64url(vector: Vector) -> None:
    token = vector["token"]
    signer = Signer(vector["secret"], salt_of(vector), vector["digest"])

    assert signer.token(token.rsplit(".", 2)[0], vector["issued"]) == token
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
    assert payload_of(written) == vector["json"]
    if not vector.get("read_only"):
        assert written.startswith(".") == token.startswith(".")
        # Another build of zlib may compress in another way.
        assert token.startswith(".") or written == token


def encrypted_by_hand(vector: Vector, random: bytes) -> str:
    text, times = vector["json"].encode(), (vector["issued"], vector["created"])
    names = vector["secret"], vector["cookie"], vector["salt"]
    return encrypted(plaintext(text, *times), *names, random)


@needs_extras
@pytest.mark.parametrize("vector", load("encrypted.v1.json"))
def test_an_encrypted_token_is_aes_gcm_under_a_key_per_message(vector: Vector) -> None:
    made = encrypted_by_hand(vector, bytes.fromhex(vector["random"]))

    assert made == vector["token"]


@needs_extras
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
    assert written == encrypted_by_hand(vector, unb64u(written)[1:25])
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
    signer = Signer(vector["key"], FLASKS_SALT, "sha1")

    assert signer.token(payload, vector["time"]) == token
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
        assert payload_of(written) == vector["json"]
        assert written.startswith(".") == token.startswith(".")
        assert token.startswith(".") or written == token
