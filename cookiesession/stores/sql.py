"""Sessions in a table of PostgreSQL, MariaDB, MySQL or SQLite, through SQLAlchemy Core.

One statement does each operation, and its WHERE decides: whatever isolation level the
engine has, it finds the row as it is, or fails as a conflict and is repeated.

The engine is the caller's; SQLAlchemy is imported when a store is made.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError
from .base import GRACE, SWEEP, TOMBSTONE, Record, SessionStore

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.sql import Executable

    T = TypeVar("T")

logger = logging.getLogger("cookiesession")

#: Now, in seconds since 1970, by the clock of the database: there is one, while the
#: machines of an app may disagree by minutes. All are free of time zones.
_NOW = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM now()) AS DOUBLE PRECISION)",
    "mysql": "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1000000e0",
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
}
_NOW["mariadb"] = _NOW["mysql"]

#: The version of a tombstone.
_ENDED = -1

#: How long conflicts are repeated, in seconds.
_PATIENCE = 5

#: PostgreSQL's SQLSTATE for a serialization failure and a deadlock, the numbers of
#: MariaDB and MySQL for a deadlock and a lock that did not come free.
_CONFLICTS = {"40001", "40P01", 1213, 1205}

#: How many rows are deleted in one transaction: older SQLites take 999 parameters.
_BATCH = 500


class SQLStore(SessionStore):
    """Keeps sessions in a table of PostgreSQL, MariaDB (10.6), MySQL (8.0) or SQLite.

    The engine has to be that of the primary: a replica lags behind and revives what
    was ended. With ``isolation_level="AUTOCOMMIT"`` PostgreSQL is spared two messages
    per operation; the store needs no more.

    Deadlocks and other conflicts are repeated for up to 5 seconds. After a connection
    was cut, the operation is repeated once on another: :meth:`create` knows its own
    row, while :meth:`replace` and :meth:`end`, if only the answer was lost, say
    ``False`` of what they have done, which costs a merge or, at worst, another login.

    On SQLite the engine should set ``PRAGMA journal_mode=WAL`` and
    ``PRAGMA synchronous=NORMAL`` on each connection: otherwise every write waits for
    the disk. Before the process forks, as under ``gunicorn --preload``, call
    ``engine.dispose()``: what a child writes is lost when its parent closes a
    connection that was open then, whatever the child itself disposes of.
    (:class:`cookiesession.stores.SQLiteStore` does both, and needs no SQLAlchemy.)

    :param engine: A ready :class:`sqlalchemy.Engine`, synchronous.
    :param table: The name of the table: letters, digits and ``_``, 50 at most.
    :raises ConfigError: If SQLAlchemy is missing or an argument cannot be used.
    """

    def __init__(self, engine: Engine, *, table: str = "cookiesession") -> None:
        try:
            import sqlalchemy as sa
        except ImportError as error:
            raise ConfigError(
                "SQLStore",
                ['SQLAlchemy is missing: run pip install "cookiesession[sql]".'],
            ) from error
        faults = []
        if not isinstance(engine, sa.Engine) or engine.dialect.is_async:
            faults.append(
                "engine must be what sqlalchemy.create_engine returns, with a"
                " synchronous driver, such as psycopg or PyMySQL."
            )
        elif engine.dialect.name not in _NOW:
            faults.append("engine must be of PostgreSQL, MariaDB, MySQL or SQLite.")
        if not isinstance(table, str) or not re.fullmatch(
            "[A-Za-z_][A-Za-z0-9_]{,49}", table
        ):
            faults.append("table must be a name of letters, digits and _, at most 50.")
        if faults:
            raise ConfigError("SQLStore", faults)

        self._engine = engine
        self._table = sa.Table(
            table,
            sa.MetaData(),
            sa.Column("id", sa.CHAR(64), primary_key=True),
            # For MySQL to choose a type that holds more than 64 kB.
            sa.Column("data", sa.LargeBinary(2**20), nullable=False),
            sa.Column("version", sa.BigInteger, nullable=False, autoincrement=False),
            sa.Column("expires", sa.Double, nullable=False, index=True),
            # The end of its life, which no replacing moves.
            sa.Column("dies", sa.Double, nullable=False),
            sa.Column("owner", sa.CHAR(64), index=True),
        )
        column = self._table.c
        now = sa.literal_column(_NOW[engine.dialect.name], sa.Double)
        end = now + sa.bindparam("ttl", type_=sa.Double)
        row = {
            "id": sa.bindparam("key"),
            "data": sa.bindparam("content"),
            "version": sa.bindparam("new"),
            "expires": end,
            "dies": now + sa.bindparam("life", type_=sa.Double),
            "owner": sa.bindparam("user"),
        }
        live = column.expires > now
        one = column.id == sa.bindparam("key")
        same = column.version == sa.bindparam("old")
        update = sa.update(self._table)
        self._load = sa.select(column.data, column.version).where(one, live)
        self._insert = sa.insert(self._table).values(row)
        self._take = update.values(row).where(
            one, sa.not_(live) | (column.version == sa.bindparam("new"))
        )
        self._replace = update.values(
            data=sa.bindparam("content"),
            version=sa.bindparam("new"),
            expires=sa.case((end < column.dies, end), else_=column.dies),
        ).where(one, live, same)
        # Without its owner a tombstone is neither listed nor counted.
        self._end = update.values(
            data=b"",
            version=_ENDED,
            expires=now + sa.literal(TOMBSTONE),
            owner=None,
        ).where(one, live, column.version != _ENDED)
        self._end_version = self._end.where(same)
        self._of_owner = sa.select(column.id, column.data).where(
            column.owner == sa.bindparam("user"), live
        )
        old = column.expires <= now - sa.bindparam("age", type_=sa.Double)
        self._find_old = (
            sa.select(column.id)
            .where(old)
            .order_by(column.expires)
            .limit(sa.bindparam("limit"))
            .with_for_update(skip_locked=True)
        )
        # SQLite has no FOR UPDATE: one may have been taken over since it was found.
        keys: sa.BindParameter[str] = sa.bindparam("keys", expanding=True)
        self._delete_old = sa.delete(self._table).where(column.id.in_(keys), old)

    def create_table(self) -> None:
        """Create the table and its indexes, unless they are there."""
        from sqlalchemy import inspect
        from sqlalchemy.exc import DBAPIError

        try:
            self._table.create(self._engine, checkfirst=True)
        except DBAPIError:
            # Several processes that start at once all find it missing.
            if not inspect(self._engine).has_table(self._table.name):
                raise

    def delete_expired(self) -> int:
        """Delete all rows that have expired, and say how many.

        Every :meth:`create` deletes a few, which is enough for most; this is for a
        table that few sessions are added to.
        """
        deleted = 0
        while count := self._attempt(lambda link: self._delete(link, 0, _BATCH)):
            deleted += count
        return deleted

    def load(self, key: str) -> Record | None:
        rows = self._rows(self._load, key=key)
        if not rows:
            return None
        data, version = rows[0]
        return Record(data, None if version == _ENDED else version)

    def create(
        self, key: str, data: bytes, *, ttl: int, life: int, owner: str | None
    ) -> bool:
        from sqlalchemy.exc import IntegrityError, SQLAlchemyError

        row = {"key": key, "content": data, "new": secrets.randbits(63)}
        row |= {"ttl": min(ttl, life), "life": life, "user": owner}
        try:
            self._attempt(lambda connection: connection.execute(self._insert, row))
            created = True
        except IntegrityError:
            created = False
        if not created:
            # By a row that has expired, perhaps, or by our own, if this was not the
            # first try and only the answer to that was lost.
            created = self._changed(self._take, **row)
        try:
            with self._engine.begin() as connection:
                self._delete(connection, GRACE, SWEEP)
        except SQLAlchemyError as error:  # the session is there; the next one cleans up
            logger.info(
                "SQLStore: rows that expired were not deleted: %s", type(error).__name__
            )
        return created

    def replace(self, key: str, data: bytes, *, ttl: int, version: object) -> bool:
        new = secrets.randbits(63)
        return _is_version(version) and self._changed(
            self._replace, key=key, content=data, new=new, ttl=ttl, old=version
        )

    def end(self, key: str, version: object = None) -> bool:
        if version is None:
            return self._changed(self._end, key=key)
        return _is_version(version) and self._changed(
            self._end_version, key=key, old=version
        )

    def of_owner(self, owner: str) -> list[tuple[str, bytes]]:
        return [(key, data) for key, data in self._rows(self._of_owner, user=owner)]

    def _rows(self, statement: Executable, **parameters: object) -> list[Any]:
        return self._attempt(
            lambda connection: list(connection.execute(statement, parameters))
        )

    def _changed(self, statement: Executable, **parameters: object) -> bool:
        return self._attempt(
            lambda connection: connection.execute(statement, parameters).rowcount == 1
        )

    def _delete(self, connection: Connection, age: int, limit: int) -> int:
        """Delete rows that expired so many seconds ago; never waits for a lock."""
        found = connection.scalars(self._find_old, {"age": age, "limit": limit})
        if not (keys := found.all()):
            return 0
        deleted = connection.execute(self._delete_old, {"age": age, "keys": keys})
        return deleted.rowcount

    def _attempt(self, work: Callable[[Connection], T]) -> T:
        from sqlalchemy.exc import DBAPIError

        give_up = time.monotonic() + _PATIENCE
        cut = False
        while True:
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                # Whoever logs it shall not log the session.
                error.hide_parameters = True
                if error.connection_invalidated and not cut:
                    cut = True
                    continue
                if not _is_conflict(error) or time.monotonic() > give_up:
                    raise
            time.sleep(secrets.randbelow(20) / 1000)


def _is_version(version: object) -> bool:
    return isinstance(version, int) and version != _ENDED


def _is_conflict(error: DBAPIError) -> bool:
    """Whether the statement may succeed if it is repeated.

    Each driver has its own name for the code; SQLite's has one from Python 3.11 on.
    """
    cause = error.orig
    codes = {getattr(cause, name, None) for name in ("sqlstate", "pgcode", "errno")}
    if cause and cause.args:
        first = cause.args[0]
        codes.add(first.get("C") if isinstance(first, dict) else first)
    return not _CONFLICTS.isdisjoint(codes) or "database is locked" in str(cause)
