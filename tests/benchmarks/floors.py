"""The two floors: what a signed cookie costs when plain code does nothing else.

They are middlewares in earnest, and as fast as plain code goes: lazy, the key derived
once, the HMAC's two hash states kept and copied per use, JSON encoder and decoder kept,
attributes rendered once. They leave out what a session needs beyond that: no ``Vary``,
no rotation, no renewal, no changes seen inside a value, no limits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import zlib
from base64 import b64decode, b64encode
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup
from werkzeug.http import http_date, parse_date

NAME = "__Host-session"
ENVIRON_KEY = "floor.session"
_PREFIX = f"{NAME}="
_ATTRIBUTES = "; Secure; HttpOnly; Path=/; SameSite=Lax"
_LIFETIME = 31 * 24 * 3600  # seconds
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class Session:
    """A lazy dict: what a view needs, and no more."""

    __slots__ = ("_data", "_environ", "_floor", "changed")

    def __init__(self, floor: FloorA, environ: dict[str, Any]) -> None:
        self._floor = floor
        self._environ = environ
        self._data: dict[str, Any] | None = None
        self.changed = False

    def load(self) -> dict[str, Any]:
        if self._data is None:
            self._data = self._floor.load(self._environ.get("HTTP_COOKIE", ""))
        return self._data

    def get(self, key: str, default: Any = None) -> Any:
        return self.load().get(key, default)

    def __getitem__(self, key: str) -> Any:
        return self.load()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.load()[key] = value
        self.changed = True


class FloorA:
    """payload.timestamp.signature: HMAC-SHA256, JSON, never compressed."""

    digest = "sha256"
    _encode = json.JSONEncoder(separators=(",", ":")).encode
    _decode = json.JSONDecoder().raw_decode

    def __init__(self, app: Callable[..., Iterable[bytes]], secret: str) -> None:
        self._app = app
        key = hmac.digest(secret.encode(), b"cookie-session", self.digest)
        block = key.ljust(64, b"\0")  # RFC 2104: H(K xor opad, H(K xor ipad, text))
        self._inner = hashlib.new(self.digest, bytes(b ^ 0x36 for b in block))
        self._outer = hashlib.new(self.digest, bytes(b ^ 0x5C for b in block))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        session = environ[ENVIRON_KEY] = Session(self, environ)

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            if session.changed:
                cookie = _PREFIX + self.seal(session.load()) + _ATTRIBUTES
                headers = [*headers, ("Set-Cookie", cookie)]
            return start_response(status, headers, *exc_info)

        return self._app(environ, start)

    def load(self, header: str) -> dict[str, Any]:
        for pair in header.split("; "):
            if pair.startswith(_PREFIX):
                return self.open(pair[len(_PREFIX) :])
        return {}

    def open(self, token: str) -> dict[str, Any]:
        value, _, signature = token.encode().rpartition(b".")
        if not hmac.compare_digest(self._sign(value), signature):
            return {}
        payload, _, stamp = value.rpartition(b".")
        issued = int.from_bytes(_from_base64(stamp), "big")
        if not 0 <= time.time() - issued < _LIFETIME:
            return {}
        return self._parse(payload)

    def seal(self, data: dict[str, Any]) -> str:
        stamp = _to_base64(int(time.time()).to_bytes(4, "big"))
        value = self._render(data) + b"." + stamp
        return (value + b"." + self._sign(value)).decode()

    def _sign(self, value: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return _to_base64(outer.digest())

    def _parse(self, payload: bytes) -> dict[str, Any]:
        data: dict[str, Any] = self._decode(_from_base64(payload).decode())[0]
        return data

    def _render(self, data: dict[str, Any]) -> bytes:
        return _to_base64(self._encode(data).encode())


class FloorB(FloorA):
    """Byte for byte Flask's cookie: HMAC-SHA1, tags, sorted keys, zlib tried."""

    digest = "sha1"
    _encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode

    def _parse(self, payload: bytes) -> dict[str, Any]:
        if payload[:1] == b".":
            text = zlib.decompress(_from_base64(payload[1:])).decode()
        else:
            text = _from_base64(payload).decode()
        data: dict[str, Any] = self._decode(text)[0]
        return _untag(data) if '{" ' in text else data

    def _render(self, data: dict[str, Any]) -> bytes:
        text = self._encode(_tag(data)).encode()
        compressed = zlib.compress(text)
        if len(compressed) < len(text) - 1:
            return b"." + _to_base64(compressed)
        return _to_base64(text)


def _to_base64(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=")


def _from_base64(encoded: bytes) -> bytes:
    return a2b_base64(encoded.translate(_FROM_URL) + b"==")


_PLAIN = frozenset((str, int, float, bool, type(None)))
_READERS: dict[str, Callable[[Any], Any]] = {
    " di": lambda stored: {key[:-2]: value for key, value in stored.items()},
    " t": tuple,
    " b": b64decode,
    " m": Markup,
    " u": UUID,
    " d": parse_date,
}


def _tag(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        tagged = {k: v if type(v) in _PLAIN else _tag(v) for k, v in value.items()}
        if len(tagged) == 1:
            [(key, only)] = tagged.items()
            if key in _READERS:
                return {" di": {f"{key}__": only}}
        return tagged
    if kind is list:
        return [v if type(v) in _PLAIN else _tag(v) for v in value]
    return _tag_rare(value)


def _tag_rare(value: Any) -> Any:
    if isinstance(value, tuple):
        return {" t": [_tag(item) for item in value]}
    if isinstance(value, bytes):
        return {" b": b64encode(value).decode()}
    if hasattr(value, "__html__"):
        return {" m": str(value.__html__())}
    if isinstance(value, UUID):
        return {" u": value.hex}
    if isinstance(value, datetime):
        return {" d": http_date(value)}
    raise TypeError(f"{type(value).__name__} is not in the benchmarks")


def _untag(value: Any) -> Any:
    if isinstance(value, list):
        return [_untag(item) for item in value]
    if not isinstance(value, dict):
        return value
    untagged = {key: _untag(item) for key, item in value.items()}
    if len(untagged) == 1:
        [(key, only)] = untagged.items()
        if key in _READERS:
            return _READERS[key](only)
    return untagged
