"""Many codecs, one session: **the first writes, all may read**.

What another one read is due to be written again by the first, and that one rule is key
rotation, digest migration, moving from Flask and switching encryption on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from .cookies import find_cookies
from .encoding import Malformed
from .errors import Rejection
from .timeouts import Timeouts
from .tokens import Codec, Format, Opened

MAX_CANDIDATES = 8
# The longest token that is looked at, whatever the cookie's max_size says: what other
# programs that sign with our key can make a browser keep.
_MAX_TOKEN = 4096
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
MOST_TELLING_FIRST: tuple[Rejection, ...] = get_args(Rejection)


def tokens_in(values: Sequence[str]) -> list[bytes]:
    """Those of a cookie's values that have the shape of a token; at most eight."""
    # Nothing but ASCII can be a token, and "?" cannot be part of one.
    encoded = [value.encode("ascii", "replace") for value in values if value]
    tokens = [value for value in encoded if not value.translate(None, _ALPHABET)]
    return tokens[:MAX_CANDIDATES]


class Keyring:
    """The codecs of one cookie name, in order of preference."""

    def __init__(
        self, codecs: Iterable[Codec], timeouts: Timeouts, max_token: int
    ) -> None:
        self.codecs = tuple(codecs)
        self._rejects = timeouts.rejects
        self._max_token = max(max_token, _MAX_TOKEN)

    def read(self, values: Sequence[str], now: int) -> Opened | Rejection:
        """The best session among the values of one cookie name, or why there is none.

        Of several that verify, the earliest codec wins, then the latest issue: a cookie
        that a neighbouring domain planted cannot hide the real one.

        :param now: The current time in Unix seconds.
        """
        if len(values) == 1:
            return self._read(values[0].encode("ascii", "replace"), now)
        outcomes = [self._read(token, now) for token in tokens_in(values)]
        opened = [outcome for outcome in outcomes if isinstance(outcome, Opened)]
        if opened:
            return min(opened, key=lambda o: (self.codecs.index(o.codec), -o.issued))
        reasons: list[Rejection] = [
            reason for reason in MOST_TELLING_FIRST if reason in outcomes
        ]
        return reasons[0] if reasons else "bad_signature"

    def _read(self, token: bytes, now: int) -> Opened | Rejection:
        """The session of one token, or why it is none."""
        if len(token) > self._max_token:
            return "too_large"
        try:
            for codec in self.codecs:
                opened = codec.open(token)
                # The first that authenticates is final: what it finds expired or
                # malformed must not get another chance with the next.
                if opened is not None:
                    opened.token = token
                    return self._rejects(opened.issued, opened.created, now) or opened
        except Malformed:
            return "malformed"
        return "bad_signature"


class CookieReader:
    """Finds the session in a Cookie header, whatever cookie of ours it is in.

    :param name: Our cookie's name.
    :param formats: In order of preference; each is read from its own cookie, if it
        names one, else from ours.
    :param keys: In order of preference.
    """

    def __init__(
        self,
        name: str,
        formats: Iterable[Format],
        keys: Sequence[bytes],
        timeouts: Timeouts,
        max_token: int,
    ) -> None:
        codecs: dict[str, list[Codec]] = {name: []}
        #: The codec of the first key, by that of any other of the same format.
        self.first_of: dict[Codec, Codec] = {}
        #: The key of each codec.
        self.key_of: dict[Codec, bytes] = {}
        for format in formats:
            at = format.cookie_name or name
            bound = [format.bind(key, at) for key in keys]
            codecs.setdefault(at, []).extend(bound)
            self.first_of.update((codec, bound[0]) for codec in bound)
            self.key_of.update(zip(bound, keys, strict=True))
        #: What writes: the first format under the first key.
        self.writer = next(iter(self.first_of))
        keyrings = {
            at: Keyring(each, timeouts, max_token) for at, each in codecs.items()
        }
        self._name = name
        self._ours = keyrings.pop(name)
        #: The keyrings of cookies of other names.
        self.others: Mapping[str, Keyring] = keyrings

    def read(self, header: str, now: int) -> Opened | Rejection | None:
        """What a Cookie header holds: a session, why not, or ``None``.

        A cookie of another name is looked at only when there is none of ours.

        :param now: The current time in Unix seconds.
        """
        values = find_cookies(header, self._name)
        if values:
            return self._ours.read(values, now)
        found: Opened | Rejection | None = None
        for name, keyring in self.others.items():
            values = find_cookies(header, name)
            if values:
                found = keyring.read(values, now)
                if isinstance(found, Opened):
                    break
        return found
