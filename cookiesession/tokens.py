"""dict <-> token: formats, keys, rotation and time.

A *format* says how a token is made. A *codec* is one format bound to one key and one
cookie name. A :class:`Keyring` holds codecs in order: **the first writes, all may
read**. What another one read is due to be written again by the first, and that one rule
is key rotation, digest migration, moving from Flask and switching encryption on.

Nothing here is trusted before its signature or authentication tag was checked. Every
part is accepted in its canonical spelling only, so a session has one token string.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from abc import ABC, abstractmethod
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from itsdangerous import Signer

from .cookies import is_cookie_name
from .errors import ConfigError
from .serializer import MAX_JSON, FlaskJSONSerializer, TaggedJSONSerializer

#: Why a cookie was not used. Of several reasons, the first of these is told.
Rejection = Literal[
    "idle_expired",
    "absolute_expired",
    "not_yet_valid",
    "malformed",
    "too_large",
    "bad_signature",
]

#: Never part of what the app sees: whether the cookie outlives the browser, and when
#: the session was created.
PERMANENT = "_permanent"
CREATED = "_cs"
RESERVED = frozenset((PERMANENT, CREATED))

MAX_CANDIDATES = 8
_MOST_TELLING_FIRST: tuple[Rejection, ...] = get_args(Rejection)
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_DIGESTS = ("sha1", "sha256", "sha384", "sha512")


class Malformed(Exception):
    """An authentic token whose content cannot be a session."""


@dataclass(slots=True)
class Opened:
    """What an authentic token says; times in Unix seconds."""

    data: dict[str, Any]
    text: str  # the JSON as it came
    issued: int
    created: int
    permanent: bool
    codec: Codec


class Codec(ABC):
    """One format bound to one key and one cookie name."""

    def __init__(self, serializer: TaggedJSONSerializer) -> None:
        self.serializer = serializer

    @abstractmethod
    def open(self, token: bytes) -> Opened | None:
        """Read a token; ``None`` if it is not authentic.

        :param token: Of the shape of a token: dots and URL-safe base64.
        :raises Malformed: For an authentic token that says nothing sensible.
        """

    @abstractmethod
    def seal(self, text: str, issued: int, created: int) -> str:
        """The token for a session's JSON."""

    def render(
        self,
        data: dict[str, Any],
        permanent: bool,
        created: int | None,
        *,
        plain: bool = False,
    ) -> str:
        """A session's JSON, its bookkeeping last (or sorted in, in Flask's format).

        :param created: The creation time, where it is to be stored.
        :param plain: See :meth:`TaggedJSONSerializer.dumps`.
        :raises TypeError: For a value that cannot be stored.
        """
        if permanent:
            data = {**data, PERMANENT: True}
        if created is not None:
            data = {**data, CREATED: created}
        return self.serializer.dumps(data, plain=plain)

    def parse(self, payload: bytes, issued: int, created: int | None = None) -> Opened:
        """What an authentic payload, the JSON of a session, says.

        :param created: The creation time, where it has a place outside the JSON.
        :raises Malformed: For anything that :meth:`render` cannot have given.
        """
        if len(payload) > MAX_JSON:
            raise Malformed
        try:
            text = payload.decode()
            data = self.serializer.loads(text)
        except Exception:  # noqa: BLE001
            # An application's tag may raise anything, and so may a parser that a
            # hostile payload drives to its limits.
            raise Malformed from None
        permanent = bool(data.pop(PERMANENT, False))
        if CREATED in data:
            carried = data.pop(CREATED)
            if type(carried) is not int or carried < 0:
                raise Malformed
            if created is None:
                created = carried
        if created is None or created > issued:
            # Later only where clocks differ; it must not buy any time.
            created = issued
        return Opened(data, text, issued, created, permanent, self)


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """How a token is made; see :class:`SignedFormat`."""

    salt: str = "cookiesession.v1"
    serializer: TaggedJSONSerializer = TaggedJSONSerializer()
    cookie_name: str | None = None

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise ConfigError(type(self).__name__, faults)

    @abstractmethod
    def bind(self, key: bytes, name: str) -> Codec:
        """The codec for one key and one cookie name."""

    def _faults(self) -> Iterable[str]:
        # The NUL separates salt and cookie name, so that no two pairs of them meet.
        if not isinstance(self.salt, str) or not self.salt or "\0" in self.salt:
            yield "salt must be a non-empty str without NUL."
        elif not self.salt.isprintable():
            yield "salt must be printable."
        if not isinstance(self.serializer, TaggedJSONSerializer):
            yield "serializer must be a TaggedJSONSerializer."
        if self.cookie_name is not None and not is_cookie_name(self.cookie_name):
            yield "cookie_name must be a non-empty ASCII token (RFC 9110)."


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

    def bind(self, key: bytes, name: str) -> Codec:
        salt = self.salt.encode()
        if self.bind_name:
            salt += b"\0" + name.encode("ascii")
        return _SignedCodec(self, key, salt)

    def _faults(self) -> Iterable[str]:
        yield from super()._faults()
        if self.digest not in _DIGESTS:
            yield f"digest must be one of {', '.join(_DIGESTS)}."
        if type(self.bind_name) is not bool:
            yield "bind_name must be True or False."


#: Flask's own cookie: what it writes Flask reads, and the reverse. What Flask could not
#: store without loss is refused, except that a datetime is cut to seconds, in UTC.
FLASK = SignedFormat(
    salt="cookie-session",
    digest="sha1",
    bind_name=False,
    serializer=FlaskJSONSerializer(),
)


class _Signer(Signer):
    """itsdangerous' signer, with what depends on the key alone done once.

    HMAC's "intermediate results [...] can be precomputed only once at the time of
    generation of the key" (RFC 2104, section 4): two hash states, copied for each use.
    """

    def __init__(self, key: bytes, salt: bytes, digest: str) -> None:
        method = getattr(hashlib, digest)
        super().__init__(key, salt, key_derivation="hmac", digest_method=method)
        block = self.derive_key().ljust(method().block_size, b"\0")
        self._inner = method(bytes(byte ^ 0x36 for byte in block))
        self._outer = method(bytes(byte ^ 0x5C for byte in block))

    def get_signature(self, value: bytes) -> bytes:  # type: ignore[override]
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return encode_base64(outer.digest())


class _SignedCodec(Codec):
    """``P.T.S``, split from the right, each part unpadded base64url.

    P is the JSON, or ``.`` and the zlib-compressed JSON where that is shorter. T is the
    issue time in Unix seconds, big-endian, without leading zero bytes. S is HMAC(K,
    ``P.T``), where K is HMAC(secret, salt 00 cookie name), without ``00 cookie name``
    when the name is not bound.
    """

    def __init__(self, format: SignedFormat, key: bytes, salt: bytes) -> None:
        super().__init__(format.serializer)
        self._sign = _Signer(key, salt, format.digest).get_signature
        self._compress_from = self.serializer.compress_from

    def open(self, token: bytes) -> Opened | None:
        value, _, signature = token.rpartition(b".")
        if not hmac.compare_digest(self._sign(value), signature):
            return None
        payload, _, stamp = value.rpartition(b".")
        return self.parse(decode_payload(payload), decode_time(stamp))

    def seal(self, text: str, issued: int, created: int) -> str:
        payload = encode_payload(text.encode("ascii"), self._compress_from)
        value = payload + b"." + encode_time(issued)
        return (value + b"." + self._sign(value)).decode("ascii")


def encode_time(seconds: int) -> bytes:
    """A timestamp: base64url of the big-endian number, no leading zero bytes."""
    return encode_base64(seconds.to_bytes((seconds.bit_length() + 7) // 8, "big"))


def decode_time(stamp: bytes) -> int:
    """The seconds of a timestamp.

    :raises Malformed: For more than eight bytes, or leading zero bytes.
    """
    seconds = decode_base64(stamp)
    if len(seconds) > 8 or seconds[:1] == b"\0":
        raise Malformed
    return int.from_bytes(seconds, "big")


def encode_base64(data: bytes) -> bytes:
    """Unpadded base64url, as itsdangerous' ``base64_encode``."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=")


def decode_base64(encoded: bytes) -> bytes:
    """Decode unpadded base64url, in the one spelling that encoding gives.

    :raises Malformed: For any other. CPython's decoder ignores spare bits, padding and
        foreign characters.
    """
    try:
        decoded = a2b_base64(encoded.translate(_FROM_URL) + b"==")
    except ValueError:
        raise Malformed from None
    if b2a_base64(decoded, newline=False).translate(_TO_URL, b"=") != encoded:
        raise Malformed
    return decoded


def encode_payload(text: bytes, compress_from: int) -> bytes:
    """Base64url, of the compressed text where that is shorter.

    :param compress_from: The size in bytes from which on compressing is tried.
    """
    if len(text) >= compress_from:
        # The window that the text needs: allocating the usual 32 kB costs more than the
        # work. Matches reach 262 bytes less far than the window's size.
        bits = min((len(text) + 262).bit_length(), 15)
        compressor = zlib.compressobj(wbits=bits)
        compressed = compressor.compress(text) + compressor.flush()
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


@dataclass(frozen=True)
class Timeouts:
    """How long a session lives; seconds, infinity for no limit."""

    idle: float
    absolute: float
    leeway: float

    def fault(self, issued: int, created: int, now: int) -> Rejection | None:
        """Why a session of these times is not valid now."""
        age = now - issued
        if age > self.idle:
            return "idle_expired"
        if now - created > self.absolute:
            return "absolute_expired"
        return "not_yet_valid" if -age > self.leeway else None

    def end(self, issued: int, created: int) -> float:
        """When a session ends that is not used again, in Unix seconds."""
        return min(issued + self.idle, created + self.absolute)


class Keyring:
    """The codecs of one cookie name, in order of preference."""

    def __init__(
        self, codecs: Sequence[Codec], timeouts: Timeouts, max_token: int
    ) -> None:
        self.codecs = tuple(codecs)
        self._timeouts = timeouts
        self._max_token = max_token

    def read(self, values: Sequence[str], now: int) -> Opened | Rejection:
        """The best session among the values of one cookie name, or why there is none.

        Of several that verify, the earliest codec wins, then the latest issue: a cookie
        that a neighbouring domain planted cannot hide the real one.

        :param now: The current time in Unix seconds.
        """
        # Nothing but ASCII can be a token, and "?" cannot be part of one.
        if len(values) == 1:
            return self._read(values[0].encode("ascii", "replace"), now)
        encoded = [value.encode("ascii", "replace") for value in values if value]
        tokens = [value for value in encoded if not value.translate(None, _ALPHABET)]
        outcomes = [self._read(token, now) for token in tokens[:MAX_CANDIDATES]]
        opened = [outcome for outcome in outcomes if isinstance(outcome, Opened)]
        if opened:
            return min(opened, key=lambda o: (self.codecs.index(o.codec), -o.issued))
        reasons: list[Rejection] = [
            reason for reason in _MOST_TELLING_FIRST if reason in outcomes
        ]
        return reasons[0] if reasons else "bad_signature"

    def _read(self, token: bytes, now: int) -> Opened | Rejection:
        if len(token) > self._max_token:
            return "too_large"
        try:
            for codec in self.codecs:
                opened = codec.open(token)
                if opened is not None:
                    # The first that authenticates is final: what it finds expired or
                    # malformed must not get another chance with the next.
                    fault = self._timeouts.fault(opened.issued, opened.created, now)
                    return fault or opened
        except Malformed:
            return "malformed"
        return "bad_signature"
