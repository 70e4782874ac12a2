"""Sessions in an SQLite file: for all processes of a machine, with nothing but Python.

Each operation is one statement, which SQLite carries out whole or not at all, whoever
is killed meanwhile. In WAL mode those who read wait for nobody; with
``synchronous=NORMAL`` nobody waits for the disk either, and a power loss, but nothing
less, may take back the last moments.

Connections belong to a process, not to a thread: an operation takes an idle one, or
opens one. All are closed before the process forks: SQLite keeps a list of the locks
that a process holds, a child inherits the list but not the locks, and what it commits,
by a connection of its own, is lost as soon as the parent closes the file. Under a
server that forks behind Python's back, as uWSGI does, no session may be used before it:
an app that uses some while it is loaded has to be loaded after it (``lazy-apps``).
"""

from __future__ import annotations

import os
import secrets
import time
import weakref
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ConfigError
from .base import GRACE, SWEEP, TOMBSTONE, Record, SessionStore

if TYPE_CHECKING:
    import sqlite3

_SCHEMA = (
    # "dies" is where a record's life ends, however often it is replaced; the version
    # of an ended one is -1.
    """CREATE TABLE IF NOT EXISTS cookiesession (
        id CHAR(64) NOT NULL PRIMARY KEY,
        data BLOB NOT NULL,
        version INTEGER NOT NULL,
        expires REAL NOT NULL,
        dies REAL NOT NULL,
        owner CHAR(64)
    )""",
    """CREATE INDEX IF NOT EXISTS ix_cookiesession_expires
        ON cookiesession (expires)""",
    """CREATE INDEX IF NOT EXISTS ix_cookiesession_owner
        ON cookiesession (owner) WHERE owner IS NOT NULL""",
)
_LOAD = """SELECT data, version FROM cookiesession WHERE id = :key AND expires > :now"""
_CREATE = """
    INSERT INTO cookiesession (id, data, version, expires, dies, owner)
    VALUES (:key, :data, :new, :now + min(:ttl, :life), :now + :life, :owner)
    ON CONFLICT (id) DO UPDATE SET
        data = excluded.data, version = excluded.version, expires = excluded.expires,
        dies = excluded.dies, owner = excluded.owner
    WHERE expires <= :now"""
_SWEEP = """
    DELETE FROM cookiesession WHERE rowid IN (
        SELECT rowid FROM cookiesession WHERE expires < :now - :grace LIMIT :some)"""
_REPLACE = """
    UPDATE cookiesession
    SET data = :data, version = :new, expires = min(:now + :ttl, dies)
    WHERE id = :key AND version = :version AND version >= 0 AND expires > :now"""
_END = """
    UPDATE cookiesession
    SET data = x'', version = -1, expires = :now + :tombstone, owner = NULL
    WHERE id = :key AND version >= 0 AND expires > :now
        AND (:version IS NULL OR version = :version)"""
_OF_OWNER = """
    SELECT id, data FROM cookiesession WHERE owner = :owner AND expires > :now"""


class SQLiteStore(SessionStore):
    """Keeps records in a table of an SQLite file.

    ::

        interface = ServerSideSessionInterface(secret_key, SQLiteStore("sessions.db"))

    The file and its table are made when they are first needed, readable by nobody but
    the user the process runs as. It has to be on a disk of the machine, not on a
    network's, and must not be replaced or removed while a process uses it. It does not
    shrink, but what expired sessions leave free is used again.

    An operation that has waited 5 seconds for a locked file in vain raises
    :exc:`sqlite3.OperationalError`.

    :param path: Of the file; relative to the directory that is current now.
    :raises ConfigError: If the path is not that of a file.
    """

    #: How long an operation waits for a locked file, in seconds.
    patience: ClassVar[float] = 5

    def __init__(self, path: str | os.PathLike[str]) -> None:
        name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
        if not isinstance(name, str):
            fault = 'path must be a str or a pathlib.Path, such as "sessions.db".'
            raise ConfigError("SQLiteStore", [fault])
        if name in ("", ":memory:") or name.startswith("file:") or os.path.isdir(name):
            fault = 'path must name a file, such as "sessions.db"'
            raise ConfigError("SQLiteStore", [f"{fault}; MemoryStore() needs none."])
        # Now, since a child would hang that is forked while a thread imports it.
        import sqlite3

        self._error = sqlite3.Error
        # A daemon changes its directory, and a deployment its symbolic links.
        self._path = os.path.realpath(name)
        # Idle connections by process: what a child inherits stays unused and open.
        self._idle: dict[int, list[_Connection]] = {}
        weakref.finalize(self, _close, self._idle)

    def load(self, key: str) -> Record | None:
        rows, _ = self._execute(_LOAD, {"key": key})
        if not rows:
            return None
        [(data, version)] = rows
        return Record(data, version if version >= 0 else None)

    def create(
        self, key: str, data: bytes, *, ttl: int, life: int, owner: str | None
    ) -> bool:
        values = {"key": key, "data": data, "new": _new_version(), "owner": owner}
        _, created = self._execute(_CREATE, {**values, "ttl": ttl, "life": life})
        if created:
            with suppress(self._error):  # the next one will do it
                self._execute(_SWEEP, {"grace": GRACE, "some": SWEEP})
        return created == 1

    def replace(self, key: str, data: bytes, *, ttl: int, version: object) -> bool:
        values = {"key": key, "data": data, "new": _new_version(), "version": version}
        _, replaced = self._execute(_REPLACE, {**values, "ttl": ttl})
        return replaced == 1

    def end(self, key: str, version: object = None) -> bool:
        values = {"key": key, "version": version, "tombstone": TOMBSTONE}
        _, ended = self._execute(_END, values)
        return ended == 1

    def of_owner(self, owner: str) -> list[tuple[str, bytes]]:
        rows, _ = self._execute(_OF_OWNER, {"owner": owner})
        return rows

    def _execute(
        self, statement: str, values: dict[str, object]
    ) -> tuple[list[Any], int]:
        """Run a statement; the rows that it found and how many it changed."""
        idle = self._idle.setdefault(os.getpid(), [])
        try:
            connection = idle.pop()
        except IndexError:
            connection = _Connection(self._path, self.patience)
        try:
            with connection.lock:
                values["now"] = time.time()
                cursor = connection.open().execute(statement, values)
                return cursor.fetchall(), cursor.rowcount
        finally:
            idle.append(connection)


def _new_version() -> int:
    """A version that no other writing has had or will have, in any process."""
    return secrets.randbits(62)


# -- connections --------------------------------------------------------------------

_connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
#: Held while a connection is added to them, and while the process forks.
_adding = RLock()


class _Connection:
    """A connection that is opened when it is needed.

    :ivar lock: Held by whoever uses the connection.
    :ivar pid: The process that it belongs to.
    """

    def __init__(self, path: str, patience: float) -> None:
        self.lock = RLock()
        self.pid = os.getpid()
        self._path = path
        self._patience = patience
        self._db: sqlite3.Connection | None = None
        # SQLite would let everybody read the file, and gives its mode to -wal and -shm.
        # Nobody has it open yet who would lose his locks when it is closed (POSIX).
        with _adding:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            _connections.add(self)

    def open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = _connect(self._path, self._patience)
        return self._db

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _close(idle: dict[int, list[_Connection]]) -> None:
    """Close the connections of a store that is gone."""
    for connection in idle.get(os.getpid(), ()):
        with connection.lock:
            connection.close()


def _connect(path: str, patience: float) -> sqlite3.Connection:
    """A connection to the file, which gets its table if need be."""
    import sqlite3

    db = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=False
    )
    try:
        deadline = time.monotonic() + patience
        while not _in_wal_mode(db):
            if time.monotonic() > deadline:
                raise sqlite3.OperationalError("database is locked")
            time.sleep(0.01)
        db.execute("PRAGMA synchronous = NORMAL")
        for statement in _SCHEMA:
            db.execute(statement)
    except BaseException:
        db.close()
        raise
    return db


def _in_wal_mode(db: sqlite3.Connection) -> bool:
    """Switch to WAL mode; False if others are about to, or hold the file."""
    import sqlite3

    try:
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # All but one of those that make a file ready at once are refused at once,
        # whatever the timeout.
        if "locked" not in str(error):
            raise
        return False
    return True


# -- forks --------------------------------------------------------------------------

_closed: list[_Connection] = []


def _before_fork() -> None:
    _adding.acquire()
    for connection in [each for each in _connections if each.pid == os.getpid()]:
        connection.lock.acquire()
        _closed.append(connection)
        connection.close()


def _after_fork() -> None:
    while _closed:
        _closed.pop().lock.release()
    _adding.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows has no fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork,
        after_in_child=_after_fork,
    )
