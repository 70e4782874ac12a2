"""Engines that all tests of this folder share; each is started when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from stores import engines

pytest.register_assert_rewrite("cookiesession.stores.contract")

#: With time-outs, as the documentation asks for; a busy machine is no failure.
TIMEOUTS: dict[str, Any] = {"socket_timeout": 10, "socket_connect_timeout": 10}

#: The module and the class of each client library.
LIBRARIES = {"redis-py": ("redis", "Redis"), "valkey-py": ("valkey", "Valkey")}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for version in sorted(engines.VERSIONS.values()):
        terminalreporter.write_line(f"engine: {version}")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with engines.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    with engines.mariadb() as url:
        yield url


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    with engines.redis_server() as server:
        yield server.port


@pytest.fixture(scope="session")
def valkey_port() -> Iterator[int]:
    with engines.redis_server(binary="valkey-server") as server:
        yield server.port


@pytest.fixture(scope="session")
def cluster_port() -> Iterator[int]:
    """The port of one of the three."""
    with engines.redis_cluster() as servers:
        yield servers[0].port


@pytest.fixture(scope="session")
def sentinel_ports() -> Iterator[list[int]]:
    with engines.redis_sentinel() as sentinels:
        yield sentinels.ports


MakeEngine = Callable[..., Any]
MakeClient = Callable[..., Any]


@pytest.fixture
def make_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes SQLAlchemy engines, of "sqlite", "postgresql" or "mariadb".

    With a ``port``, on what listens there.
    """
    engines.need("sqlalchemy")
    import sqlalchemy as sa
    from sqlalchemy import event

    def make(dialect: str, port: int | None = None, **options: Any) -> sa.Engine:
        if dialect == "sqlite":
            url = sa.make_url(f"sqlite:///{tmp_path / 'sessions.db'}")
        else:
            name = "postgres_url" if dialect == "postgresql" else "mariadb_url"
            url = sa.make_url(request.getfixturevalue(name))
        engine = sa.create_engine(url.set(port=port or url.port), **options)
        if dialect == "sqlite":
            event.listen(engine, "connect", _like_sqlite_store)
        made.callback(engine.dispose)
        return engine

    with ExitStack() as made:
        yield make


def _like_sqlite_store(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


@pytest.fixture
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Makes clients of what is named "engine, library"; with a ``port``, of that."""

    def make(name: str, port: int | None = None, **options: Any) -> Any:
        engine, library = name.split(", ")
        module, one = LIBRARIES[library]
        engines.need(module)
        options = TIMEOUTS | options
        classes = importlib.import_module(module)
        if engine == "Sentinel":
            sentinels = importlib.import_module(f"{module}.sentinel")
            ports = request.getfixturevalue("sentinel_ports")
            nodes = [("127.0.0.1", port) for port in ports]
            client = sentinels.Sentinel(nodes, **TIMEOUTS).master_for(
                "sessions", **options
            )
        elif engine == "Cluster":
            port = port or request.getfixturevalue("cluster_port")
            cluster = getattr(classes, f"{one}Cluster")
            client = cluster(host="127.0.0.1", port=port, **options)
        else:
            port = port or request.getfixturevalue(f"{engine.lower()}_port")
            client = getattr(classes, one)(port=port, **options)
        made.callback(client.close)
        return client

    with ExitStack() as made:
        yield make
