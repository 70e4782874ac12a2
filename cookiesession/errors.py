"""The errors of cookiesession's own, and the words for what is wrong with a cookie.

::

    Exception
    ├── ValueError
    │   ├── ConfigError         an option or key that cannot work, where it is written
    │   └── SessionTooLarge     a session that does not fit its cookie or its store
    └── RuntimeError
        ├── SessionUnavailable  there is no session to change, or its store failed
        └── SessionCommitted    a change that comes after the headers have left

The messages say how to mend it. A value that cannot be stored raises a plain
:exc:`TypeError` with its path, a reserved key a :exc:`ValueError`, and a breach of PEP
3333 what :mod:`wsgiref` raises. What a client sends never raises: it gives an empty
session and a :data:`Rejection` in ``session.rejection``. No message holds a key, a
token or a session value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

#: Why a cookie was not used. Of several reasons, the first of these is told.
Rejection = Literal[
    "ended",  # in a store: it was ended within the last minute
    "idle_expired",  # not renewed within the idle timeout
    "absolute_expired",  # older than the absolute timeout
    "not_yet_valid",  # issued in the future: a machine's clock is ahead
    "malformed",  # authentic, but nothing that can be a session
    "too_large",  # longer than any cookie that browsers keep
    "bad_signature",  # another key, salt, format or cookie name, or an attack
    "gone",  # in a store: there is no record of it
    "unavailable",  # the store failed
]


class ConfigError(ValueError):
    """One or more options cannot work; the message lists every fault.

    :param subject: What was being made, such as ``"CookieOptions"``.
    :param faults: One sentence per fault, each with its remedy.
    """

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{subject}: {' '.join(self.faults)}")


class SessionTooLarge(ValueError):
    """The session does not fit; nothing was sent.

    :param what: What is too large, such as ``"session cookie"``.
    :param size: Its size in bytes.
    :param limit: The size in bytes that it may have.
    :param biggest: ``(key, bytes)`` of the largest values, largest first.
    """

    def __init__(
        self, what: str, size: int, limit: int, biggest: Sequence[tuple[str, int]]
    ) -> None:
        self.size = size
        self.limit = limit
        self.biggest = tuple(biggest)
        keys = ", ".join(f"{key!r:.60} ({length} bytes)" for key, length in biggest)
        super().__init__(
            f"the {what} would be {size} bytes, the limit is {limit}."
            f" Biggest keys: {keys}. Keep such data in your database and only its id"
            " in the session."
        )


class SessionUnavailable(RuntimeError):
    """There is no session that could be changed: the message says why."""


class SessionCommitted(RuntimeError):
    """The session was changed after its response's headers had been sent."""
