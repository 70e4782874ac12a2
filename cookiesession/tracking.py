"""What a session and the interface that keeps it know of each other, and no more.

The application sees neither: it has the session, whose names it may use as keys.
"""

from __future__ import annotations

from typing import Any, Protocol


class Tracked:
    """What is known of a session from its first touch on, for who keeps it.

    :param came: What it was loaded from, with its ``data``, ``permanent``, ``created``
        and ``issued``; ``None`` for a new session.
    :param now: The time of the first touch, in Unix seconds.
    :param permanent: What a new session's ``permanent`` is.
    :param rejection: Why what came was not used.
    :param refusal: Why the session cannot be changed.
    """

    __slots__ = (
        *("came", "cleared", "created", "data", "exposed", "forced"),
        *("permanent", "refusal", "regenerated", "rejection", "touched_at"),
    )

    #: What names it in a list and opens nothing, where it is kept in a store.
    handle: str | None = None

    def __init__(
        self,
        came: Any,
        now: float,
        permanent: bool,
        rejection: str | None = None,
        refusal: str | None = None,
    ) -> None:
        self.came = came
        self.touched_at = now
        self.rejection = rejection
        self.refusal = refusal
        #: ``modified = True`` was said.
        self.forced = False
        #: The session that came is over; what is there now is a new one.
        self.cleared = False
        #: The session that came goes on as a new one.
        self.regenerated = False
        #: A value may have changed inside, or is more than one of JSON's scalars.
        self.exposed = False
        if came is None:
            self.data: dict[str, Any] = {}
            self.permanent = permanent
            self.created = int(now)
        else:
            self.data = came.data
            self.permanent = came.permanent
            self.created = came.created

    def changed(self) -> bool | None:
        """Whether the session differs from what came.

        :returns: ``None`` where only its text can tell: it may have changed inside, or
            is equal and may have changed in the type of a value.
        """
        if self.forced or self.cleared or self.regenerated:
            return True
        came = self.came
        if came is None:
            return bool(self.data)
        if self.permanent != came.permanent:
            return True
        if self.exposed:
            return None
        if self.data is came.data:
            return False
        try:
            return True if self.data != came.data else None
        except Exception:  # noqa: BLE001
            return None  # what a user stores may not like to be compared


class Keeper(Protocol):
    """What a session asks of the interface that keeps it."""

    @property
    def permanent(self) -> bool: ...  # of a new session

    def clock(self) -> float: ...  # Unix seconds

    def load(self, header: str) -> Tracked: ...

    # Raises for what cannot be stored. Returns whether it is a scalar, stored as it is.
    def check(self, key: str, value: Any) -> bool: ...

    # Whether the text of an equal session differs from the text that came.
    def differs_inside(self, tracked: Any) -> bool: ...
