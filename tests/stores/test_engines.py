"""The contract of stores, on every engine and through every client library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cookiesession.stores import RedisStore, SQLStore
from cookiesession.stores.contract import StoreContract

DATABASES: dict[str, tuple[str, dict[str, str]]] = {
    "SQLite": ("sqlite", {}),
    "PostgreSQL": ("postgresql", {}),
    "PostgreSQL, AUTOCOMMIT": ("postgresql", {"isolation_level": "AUTOCOMMIT"}),
    "PostgreSQL, SERIALIZABLE": ("postgresql", {"isolation_level": "SERIALIZABLE"}),
    "MariaDB": ("mariadb", {}),
    "MariaDB, SERIALIZABLE": ("mariadb", {"isolation_level": "SERIALIZABLE"}),
}
SERVERS = (
    "Redis, redis-py",
    "Redis, valkey-py",
    "Valkey, redis-py",
    "Valkey, valkey-py",
    "Cluster, redis-py",
    "Cluster, valkey-py",
    "Sentinel, redis-py",
    "Sentinel, valkey-py",
)


class TestSQLStore(StoreContract):
    @pytest.fixture(params=DATABASES)
    def store(
        self, request: pytest.FixtureRequest, make_engine: Callable[..., Any]
    ) -> SQLStore:
        dialect, options = DATABASES[request.param]
        self.engine = make_engine(dialect, **options)
        store = SQLStore(self.engine)
        store.create_table()
        return store

    def advance(self, seconds: int) -> None:
        import sqlalchemy as sa

        earlier = "expires = expires - :seconds, dies = dies - :seconds"
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(f"UPDATE cookiesession SET {earlier}"), {"seconds": seconds}
            )


class TestRedisStore(StoreContract):
    @pytest.fixture(params=SERVERS)
    def store(
        self, request: pytest.FixtureRequest, make_client: Callable[..., Any]
    ) -> RedisStore:
        self.client = make_client(request.param)
        self.client.flushall()
        return RedisStore(self.client)

    def advance(self, seconds: int) -> None:
        """Move the deadline of every key, and those that are written in its value."""
        for key in list(self.client.scan_iter("cookiesession:*")):
            left = self.client.pttl(key) - seconds * 1000
            if left <= 0:
                self.client.delete(key)
                continue
            if key.startswith(b"cookiesession:s:"):
                value = self.client.get(key)
                if value:
                    dies = b"%013d" % (int(value[8:21]) - seconds * 1000)
                    self.client.setrange(key, 8, dies)
            else:
                for member in self.client.zrange(key, 0, -1):
                    self.client.zincrby(key, -seconds, member)
            self.client.pexpire(key, left)
