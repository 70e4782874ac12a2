"""Sessions in the memory of one process: for tests, and for small apps.

They end with the process, and no other process sees them, neither a second worker nor a
child: :class:`~cookiesession.stores.SQLiteStore` is the store for more than one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import count, islice
from threading import Lock
from typing import NamedTuple

from ..errors import ConfigError
from .base import GRACE, SWEEP, TOMBSTONE, Record, SessionStore


class _Entry(NamedTuple):
    data: bytes
    version: int | None
    expires: float
    dies: float
    owner: str | None


class MemoryStore(SessionStore):
    """Keeps records in a dict, as long as they live and about an hour more.

    ::

        interface = ServerSideSessionInterface(secret_key, MemoryStore())

    :param clock: Gives the current time in Unix seconds.
    :raises ConfigError: If the clock is not callable.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        if not callable(clock):
            raise ConfigError(
                "MemoryStore", ["clock must be callable, as time.time is."]
            )
        self._clock = clock
        self._lock = Lock()
        self._versions = count()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def load(self, key: str) -> Record | None:
        with self._lock:
            entry = self._current(key, self._clock())
        return None if entry is None else Record(entry.data, entry.version)

    def create(
        self, key: str, data: bytes, *, ttl: int, life: int, owner: str | None
    ) -> bool:
        with self._lock:
            now = self._clock()
            if self._current(key, now) is not None:
                return False
            expires, dies = now + min(ttl, life), now + life
            self._entries[key] = _Entry(
                data, next(self._versions), expires, dies, owner
            )
            self._sweep(now)
        return True

    def replace(self, key: str, data: bytes, *, ttl: int, version: object) -> bool:
        with self._lock:
            now = self._clock()
            entry = self._current(key, now)
            if entry is None or entry.version is None or entry.version != version:
                return False
            self._entries[key] = entry._replace(
                data=data,
                version=next(self._versions),
                expires=min(now + ttl, entry.dies),
            )
        return True

    def end(self, key: str, version: object = None) -> bool:
        with self._lock:
            now = self._clock()
            entry = self._current(key, now)
            if entry is None or entry.version is None:
                return False
            if version is not None and entry.version != version:
                return False
            until = now + TOMBSTONE
            self._entries[key] = _Entry(b"", None, until, until, None)
        return True

    def of_owner(self, owner: str) -> list[tuple[str, bytes]]:
        with self._lock:
            now = self._clock()
            return [
                (key, entry.data)
                for key, entry in self._entries.items()
                if entry.owner == owner and entry.expires > now
            ]

    def _current(self, key: str, now: float) -> _Entry | None:
        """What is under a key, live or a tombstone, and has not expired."""
        entry = self._entries.get(key)
        return entry if entry is not None and entry.expires > now else None

    def _sweep(self, now: float) -> None:
        """Remove what expired over an hour ago among the entries whose turn it is."""
        # The hand goes round faster than entries are added: at any time only a fraction
        # of the dict is waiting for it, and no create has to look at all of them.
        for key in list(islice(self._entries, SWEEP)):
            if self._entries[key].expires < now - GRACE:
                del self._entries[key]
            else:
                self._entries.move_to_end(key)
