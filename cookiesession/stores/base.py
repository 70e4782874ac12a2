"""What a store is: the contract between server-side sessions and an engine.

A store keeps opaque records under keys that it cannot guess at: neither says anything
of the session or its user. All the care for concurrent requests is in two operations,
:meth:`SessionStore.create`, which never overwrites, and :meth:`SessionStore.replace`,
which never revives. ``cookiesession.stores.contract`` checks a store against all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

#: How long the end of a session is remembered, in seconds: as long as a request that
#: was under way may still try to write it.
TOMBSTONE = 60
#: How long an expired record is left alone, in seconds: clocks of machines differ.
GRACE = 3600
#: How many expired records a create removes at most: more than it adds, so that what
#: has piled up melts away.
SWEEP = 4


class Record(NamedTuple):
    """What a store holds under a key.

    :param data: What :meth:`SessionStore.create` or :meth:`SessionStore.replace` was
        given; empty for a session that was ended within the last 60 seconds.
    :param version: What tells this writing of the record from any other, for
        :meth:`SessionStore.replace` and :meth:`SessionStore.end`: the store's own
        choice; ``None`` for a session that was ended.
    """

    data: bytes
    version: int | str | bytes | None


class SessionStore(ABC):
    """Keeps the records of server-side sessions.

    Called from any thread, and from several processes at once. Keys and owners are 64
    hexadecimal digits, times are whole seconds. What the engine raises is let through:
    the interface says what becomes of it.
    """

    @abstractmethod
    def load(self, key: str) -> Record | None:
        """The record under a key.

        :returns: ``None`` if there is none or it has expired; ``Record(b"", None)``, a
            tombstone, if it was ended within the last 60 seconds.
        """

    @abstractmethod
    def create(
        self, key: str, data: bytes, *, ttl: int, life: int, owner: str | None
    ) -> bool:
        """Store a new record; never overwrites one.

        Where the engine does not forget by itself, this also removes a few records that
        expired over an hour ago, and never fails for it.

        :param ttl: After how many seconds it may be forgotten unless it is replaced;
            0 for at once.
        :param life: After how many seconds it may be forgotten even so. Both are
            finite: ten years stand for no limit.
        :param owner: Whom it is listed under in :meth:`of_owner`, if anyone.
        :returns: ``False`` if the key is taken: by a record that has not expired, or by
            a tombstone.
        """

    @abstractmethod
    def replace(self, key: str, data: bytes, *, ttl: int, version: object) -> bool:
        """Store a record anew, if it still has the version that was loaded.

        Never creates a record, and never replaces a tombstone.

        :param ttl: As for :meth:`create`, counted from now.
        :param version: Of the record that was loaded.
        :returns: Whether it was stored.
        """

    @abstractmethod
    def end(self, key: str, version: object = None) -> bool:
        """Remove a record for good, and leave a tombstone for 60 seconds.

        :param version: The version to end; ``None`` for whatever it has.
        :returns: ``False`` if there was nothing live to end, or it has another version.
        """

    @abstractmethod
    def of_owner(self, owner: str) -> list[tuple[str, bytes]]:
        """Key and data of all live records of an owner."""

    def end_all(self, owner: str, keep: str | None = None) -> int:
        """End all records of an owner, in the order in which :meth:`of_owner` has them.

        A store whose index can lag behind its records overrides this.

        :param keep: The key of the one to keep.
        :returns: How many were ended.
        """
        ended = 0
        seen = {keep}
        # A session that gets a new id meanwhile is created before it is ended: look
        # again until nothing new is seen.
        while keys := [key for key, _ in self.of_owner(owner) if key not in seen]:
            seen.update(keys)
            ended += sum(map(self.end, keys))
        return ended
