"""Tokens made by hand: the wire formats written down a second time.

From the standard library alone, and ``cryptography``'s AES-GCM: whatever the package
does, what is made here is what the formats say. Who signs like this has the right key,
so that everything behind the signature is reached, and may sign any nonsense.
"""

from __future__ import annotations

import hmac
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode


def b64u(data: bytes) -> str:
    """Unpadded base64url."""
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def unb64u(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def stamp(seconds: int) -> str:
    """Big-endian, no leading zero bytes."""
    return b64u(seconds.to_bytes(8, "big").lstrip(b"\0"))


def deflated(json: bytes) -> str:
    """A payload that is compressed."""
    return "." + b64u(zlib.compress(json))


def payload_of(token: str) -> str:
    """The JSON in a signed token."""
    payload = token.rsplit(".", 2)[0]
    if payload.startswith("."):
        return zlib.decompress(unb64u(payload[1:])).decode()
    return unb64u(payload).decode()


class Signer:
    """Signs as the signed formats do, Flask's among them.

    :param salt: With the cookie's name, if that is bound; see :func:`bound`.
    """

    def __init__(self, secret: str, salt: bytes, digest: str = "sha256") -> None:
        self.digest = digest
        self.key = hmac.digest(secret.encode(), salt, digest)

    def sign(self, value: str) -> str:
        """The value and its signature, whatever the value is."""
        mac = hmac.digest(self.key, value.encode("latin-1"), self.digest)
        return f"{value}.{b64u(mac)}"

    def token(self, payload: str, issued: int) -> str:
        """The token of a payload that is encoded already."""
        return self.sign(f"{payload}.{stamp(issued)}")


def bound(name: str, salt: str = "cookiesession.v1") -> bytes:
    """The salt that a cookie's name is bound into."""
    return f"{salt}\0{name}".encode()


FLASKS_SALT = b"cookie-session"


def padded(json: bytes) -> bytes:
    """80 and zeros up to the next multiple of 64 bytes."""
    return json + b"\x80" + bytes(-(len(json) + 1) % 64)


def plaintext(json: bytes, issued: int, created: int) -> bytes:
    """What is encrypted of a session."""
    return issued.to_bytes(8, "big") + created.to_bytes(8, "big") + padded(json)


def encrypted(
    plaintext: bytes,
    secret: str,
    name: str,
    salt: str = "cookiesession.v1",
    random: bytes = bytes(24),
) -> str:
    """The encrypted token of a plaintext, whatever that is."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    # RFC 5869: HKDF-Extract, "if not provided, [salt] is set to a string of HashLen
    # zeros", and the first block of HKDF-Expand, which is all that 32 bytes need.
    extracted = hmac.digest(bytes(32), secret.encode(), "sha256")
    info = f"cookiesession/enc/1\0{salt}\0{name}".encode()
    named = hmac.digest(extracted, info + b"\1", "sha256")
    key = hmac.digest(named, random[:12], "sha256")
    associated = b"\1" + name.encode()
    sealed = AESGCM(key).encrypt(random[12:], plaintext, associated)
    return b64u(b"\1" + random + sealed)
