"""The signed formats: readable by anyone, changed by no one. Flask's is one of them.

itsdangerous is the definition of the envelope; what is done here instead of there is
what depends on the key alone, once.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import ClassVar

from itsdangerous import Signer

from .encoding import Malformed, decode_base64, decode_time, encode_base64, encode_time
from .serializer import MAX_JSON, FlaskJSONSerializer
from .tokens import Codec, Format, Opened

#: What :class:`SignedFormat` can sign with.
DIGESTS = ("sha1", "sha256", "sha384", "sha512")


@dataclass(frozen=True, kw_only=True)
class SignedFormat(Format):
    """itsdangerous' timed, URL-safe format: readable by anyone, changed by no one.

    :param salt: Separates what is signed with one key for different uses.
    :param digest: The HMAC's hash: ``"sha1"``, ``"sha256"``, ``"sha384"`` or
        ``"sha512"``.
    :param bind_name: Bind the cookie's name into the key, so that a value signed for
        one cookie is worthless in another.
    :param serializer: What the payload can hold.
    :param cookie_name: In ``accept``: the cookie to read, where it has another name.
    :raises ConfigError: For values that cannot work.
    """

    digest: str = "sha256"
    bind_name: bool = True

    #: The size in bytes of JSON from which on compressing can pay.
    compress_from: ClassVar[int] = 512

    def bind(self, key: bytes, name: str) -> Codec:
        salt = self.salt.encode()
        if self.bind_name:
            salt += b"\0" + name.encode("ascii")
        return _SignedCodec(self, name, Envelope(key, salt, self.digest))

    def faults(self) -> Iterable[str]:
        yield from super().faults()
        if self.digest not in DIGESTS:
            yield f"digest must be one of {', '.join(DIGESTS)}."
        if type(self.bind_name) is not bool:
            yield "bind_name must be True or False."


class _FlaskFormat(SignedFormat):
    """Flask's way where it differs: it always tries to compress, so that no cookie is
    longer than Flask's, and leaves out the creation time, which Flask would show as a
    key of the session, unless a timeout needs it."""

    keeps_creation = False
    compress_from = 0


#: Flask's own cookie: what it writes Flask reads, and the reverse. What Flask could not
#: store without loss is refused, except that a datetime is cut to seconds, in UTC. In
#: ``accept`` it reads the cookie ``session``; as ``format`` CookieOptions name it.
FLASK: SignedFormat = _FlaskFormat(
    salt="cookie-session",
    digest="sha1",
    bind_name=False,
    serializer=FlaskJSONSerializer(),
    cookie_name="session",
)


# RFC 2104, section 2: "ipad = the byte 0x36 repeated B times, opad = the byte 0x5C".
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


def keyed_hmac(key: bytes, digest: str) -> Callable[[bytes], bytes]:
    """HMAC under one key, with what depends on the key alone done once.

    Its "intermediate results [...] can be precomputed only once at the time of
    generation of the key" (RFC 2104, section 4): two hash states, copied for each use.

    :param key: Not longer than the hash's block.
    """
    method = getattr(hashlib, digest)
    block = key.ljust(method().block_size, b"\0")
    inner = method(block.translate(_INNER_PAD)).copy
    outer = method(block.translate(_OUTER_PAD)).copy

    def mac(message: bytes) -> bytes:
        first, second = inner(), outer()
        first.update(message)
        second.update(first.digest())
        result: bytes = second.digest()
        return result

    return mac


class Envelope:
    """``P.T.S``, split from the right: a payload in base64url, a time and a signature.

    T is the issue time in Unix seconds, big-endian, without leading zero bytes. S is
    HMAC(K, ``P.T``), where K is HMAC(secret, salt).

    :param salt: With a cookie's name bound, ``salt 00 name``.
    """

    def __init__(self, key: bytes, salt: bytes, digest: str) -> None:
        method = getattr(hashlib, digest)
        signer = Signer(key, salt, key_derivation="hmac", digest_method=method)
        self._mac = keyed_hmac(signer.derive_key(), digest)

    def open(self, token: bytes) -> tuple[bytes, bytes] | None:
        """Payload and time stamp of an authentic token, as they stand there."""
        value, _, signature = token.rpartition(b".")
        if not compare_digest(encode_base64(self._mac(value)), signature):
            return None
        payload, _, stamp = value.rpartition(b".")
        return payload, stamp

    def seal(self, payload: bytes, issued: int) -> str:
        """The token for a payload that is encoded already."""
        value = payload + b"." + encode_time(issued)
        return (value + b"." + encode_base64(self._mac(value))).decode("ascii")


class _SignedCodec(Codec):
    """An envelope around the JSON, or ``.`` and zlib's of it where that is shorter."""

    def __init__(self, format: SignedFormat, name: str, envelope: Envelope) -> None:
        super().__init__(format, name)
        self._envelope = envelope
        self._compress_from = format.compress_from

    def open(self, token: bytes) -> Opened | None:
        opened = self._envelope.open(token)
        if opened is None:
            return None
        return self.parse(decode_payload(opened[0]), decode_time(opened[1]))

    def seal(self, text: str, issued: int, created: int) -> str:
        payload = encode_payload(text.encode("ascii"), self._compress_from)
        return self._envelope.seal(payload, issued)


def encode_payload(text: bytes, compress_from: int) -> bytes:
    """Base64url, of the compressed text where that is shorter.

    :param compress_from: The size in bytes from which on compressing is tried.
    """
    if len(text) >= compress_from:
        compressed = zlib.compress(text)
        if len(compressed) < len(text) - 1:
            return b"." + encode_base64(compressed)
    return encode_base64(text)


def decode_payload(payload: bytes) -> bytes:
    """The JSON text of a signed token's first part.

    :raises Malformed: For what :func:`encode_payload` cannot have written.
    """
    if payload[:1] != b".":
        return decode_base64(payload)
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(decode_base64(payload[1:]), MAX_JSON + 1)
    except zlib.error:
        raise Malformed from None
    if not inflater.eof or inflater.unused_data:
        raise Malformed
    return text


def read_unverified(token: bytes) -> tuple[bytes, int, str]:
    """The JSON text, issue time and digest of a signed token: anyone may have made it.

    For tools that show what is there, and for nothing else.

    :raises Malformed: For what is no signed token by its shape.
    """
    value, _, signature = token.rpartition(b".")
    payload, _, stamp = value.rpartition(b".")
    size = len(decode_base64(signature))
    for digest in DIGESTS:
        if payload and hashlib.new(digest).digest_size == size:
            return decode_payload(payload), decode_time(stamp), digest
    raise Malformed
