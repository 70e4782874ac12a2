"""What a store is given: names that tell nothing, and tokens that open nowhere else.

The cookie holds a signed random id. The store knows the session by that id's hash, and
keeps the very token that a cookie would have held, bound to that hash: no record is a
cookie or another session's record, and a leaked store opens no session.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import replace
from secrets import token_bytes
from uuid import UUID

from .encoding import Malformed, decode_base64, decode_time, encode_base64
from .errors import Rejection
from .signed import Envelope, SignedFormat
from .timeouts import Timeouts
from .tokens import Codec, Format, Opened

_SALT = b"cookiesession.id.v1"
_ID_BYTES = 32

User = str | int | UUID


def new_id() -> bytes:
    """256 random bits."""
    return token_bytes(_ID_BYTES)


def key_of(id: bytes) -> str:
    """What a store knows the session of this id by."""
    return hashlib.sha256(id).hexdigest()


def is_user(value: object) -> bool:
    """Whether sessions can be listed under *value*."""
    return isinstance(value, (str, int, UUID)) and not isinstance(value, bool)


def owner_of(user: object) -> str:
    """What a store knows a user by.

    :raises TypeError: For what is no user.
    """
    if not is_user(user):
        raise TypeError(
            f"a user must be a str, an int or a UUID, not {type(user).__name__}"
        )
    # What no user can be called is nobody's name, and no error.
    name = str(user).encode("utf-8", "surrogatepass")
    return hashlib.sha256(b"owner\0" + name).hexdigest()


class Ids:
    """Signs ids for the cookie, under the first key, and verifies them under any.

    ``P.T.S`` as the signed format's, P the id in base64url; with a salt of its own, so
    that an id is never read as a session, nor a session as an id.
    """

    def __init__(self, keys: Sequence[bytes], cookie_name: str) -> None:
        salt = _SALT + b"\0" + cookie_name.encode("ascii")
        self._keys = tuple(keys)
        self._envelopes = [Envelope(key, salt, "sha256") for key in keys]

    def seal(self, id: bytes, issued: int) -> str:
        """The token for an id."""
        return self._envelopes[0].seal(encode_base64(id), issued)

    def open(self, token: bytes) -> tuple[bytes, int, bool] | None:
        """Id, time of issue and whether the first key signed it, if any key did."""
        for index, envelope in enumerate(self._envelopes):
            opened = envelope.open(token)
            if opened is None:
                continue
            try:
                id, issued = decode_base64(opened[0]), decode_time(opened[1])
            except Malformed:
                return None
            return (id, issued, index == 0) if len(id) == _ID_BYTES else None
        return None

    def derived(self, token: bytes, key: bytes) -> bytes:
        """The id of the session that takes the place of a cookie's.

        From its token, so that two requests that take it over meet; by the key that
        made it, which all machines know, whichever they have as their first.
        """
        return hmac.digest(key, _SALT + b"\0take-over\0" + token, "sha256")


class Records:
    """Makes and reads the tokens of records, each bound to its own store key."""

    def __init__(
        self, formats: Sequence[Format], keys: Sequence[bytes], timeouts: Timeouts
    ) -> None:
        self._formats = [_bound(each) for each in formats]
        self._keys = tuple(keys)
        self._timeouts = timeouts

    def codecs(self, key: str) -> Iterator[Codec]:
        """The codecs of a record, the first writes; made as they are needed."""
        for format in self._formats:
            for secret in self._keys:
                yield format.bind(secret, _name(key))

    def writer(
        self, key: str, *, known: Codec | None = None, like: Codec | None = None
    ) -> Codec:
        """What writes a record.

        :param known: What wrote it as it came, if that was the first codec.
        :param like: A codec whose format to write in, instead of the first.
        """
        if known is not None and known.name == _name(key):
            return known  # to derive its key again costs more than to seal
        format = self._formats[0] if like is None else _bound(like.format)
        return format.bind(self._keys[0], _name(key))

    def open(self, key: str, data: bytes) -> tuple[Opened | Rejection, bool]:
        """A record's session, or why there is none; and whether its writer made it.

        Its times are not looked at.
        """
        for index, codec in enumerate(self.codecs(key)):
            try:
                opened = codec.open(data)
            except Malformed:
                return "malformed", False
            if opened is not None:
                return opened, index == 0
        return "bad_signature", False

    def rejects(self, opened: Opened, now: int) -> Rejection | None:
        """Why the session of a record is not valid now."""
        return self._timeouts.rejects(opened.issued, opened.created, now)


def _name(key: str) -> str:
    """What a record's token is bound to: no cookie can have this name."""
    return f"record {key}"


def _bound(format: Format) -> Format:
    """The same format, bound to a record's name whatever it does with a cookie's."""
    if isinstance(format, SignedFormat):
        return replace(format, bind_name=True)
    return format
