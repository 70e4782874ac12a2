"""What is peculiar to SQLStore: the engine it accepts, the table it makes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores import engines

from cookiesession.errors import ConfigError
from cookiesession.stores import SQLStore
from cookiesession.stores.races import create, live

ENGINE = "what sqlalchemy.create_engine returns"
POSTGRESQL = "postgresql+psycopg://"
UNFIT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "URL": (lambda _: "sqlite://", ENGINE),
    "nothing": (lambda _: None, ENGINE),
    "mock": (lambda sa: sa.create_mock_engine("sqlite://", print), ENGINE),
    "async": (lambda sa: sa.ext.asyncio.create_async_engine(POSTGRESQL), ENGINE),
    "driver is async": (
        lambda sa: sa.ext.asyncio.create_async_engine(POSTGRESQL).sync_engine,
        "synchronous driver",
    ),
    "foreign": (
        lambda sa: sa.create_engine("mssql+pymssql://", module=sqlite3),
        "PostgreSQL, MariaDB, MySQL or SQLite",
    ),
}


@pytest.mark.parametrize(("make", "fault"), UNFIT.values(), ids=UNFIT)
def test_an_engine_that_cannot_work_is_refused(
    make: Callable[[Any], Any], fault: str
) -> None:
    engines.need("sqlalchemy", "psycopg")
    import sqlalchemy.ext.asyncio

    with pytest.raises(ConfigError, match=fault) as caught:
        SQLStore(make(sqlalchemy))
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    "table", ["", "my sessions", "1st", 'x"; DROP', "a" * 51, "ä", "a\n", None, 7]
)
def test_a_name_that_no_table_should_have_is_refused(
    table: Any, make_engine: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match="table must be"):
        SQLStore(make_engine("sqlite"), table=table)


def test_all_faults_are_in_one_message() -> None:
    engines.need("sqlalchemy")
    with pytest.raises(ConfigError) as caught:
        SQLStore(None, table="")  # type: ignore[arg-type]
    assert len(caught.value.faults) == 2


def test_without_sqlalchemy_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ConfigError, match=r'pip install "cookiesession\[sql\]"'):
        SQLStore(None)  # type: ignore[arg-type]


def test_it_needs_no_greenlet(tmp_path: Path) -> None:
    """SQLAlchemy's asynchronous part does, and brings it no more from 2.1 on."""
    engines.need("sqlalchemy")
    script = """if True:
        import sys
        sys.modules["greenlet"] = None
        from sqlalchemy import create_engine
        from cookiesession.stores import SQLStore
        store = SQLStore(create_engine("sqlite:///sessions.db"))
        store.create_table()
        print(store.create("1" * 64, b"data", ttl=99, life=99, owner=None))
    """
    command = [sys.executable, "-c", script]
    printed = subprocess.check_output(command, text=True, cwd=tmp_path)
    assert printed == "True\n"


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("table", ["Sessions", "order", "s" * 50])
def test_the_table_may_have_any_plain_name(
    dialect: str, table: str, make_engine: Callable[..., Any]
) -> None:
    import sqlalchemy as sa

    engine = make_engine(dialect)
    store = SQLStore(engine, table=table)
    store.create_table()
    store.create_table()
    assert live(store, create(store)).data == b"data"
    indexes = sa.inspect(engine).get_indexes(table)
    assert sorted(index["column_names"] for index in indexes) == [
        ["expires"],
        ["owner"],
    ]
    with engine.begin() as connection:
        sa.Table(table, sa.MetaData()).drop(connection)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb"])
def test_a_database_in_another_time_zone_has_the_same_time(
    dialect: str, make_engine: Callable[..., Any]
) -> None:
    import sqlalchemy as sa

    zones = {
        "sqlite": {},
        "postgresql": {"options": "-c timezone=Asia/Kolkata"},
        "mariadb": {"init_command": "SET time_zone = '+05:30'"},
    }
    engine = make_engine(dialect)
    store = SQLStore(engine)
    store.create_table()
    key = create(store, ttl=1000)
    abroad = SQLStore(make_engine(dialect, connect_args=zones[dialect]))
    assert abroad.load(key) == store.load(key)
    other = create(abroad, ttl=1000)
    count = "SELECT max(expires) - min(expires) FROM cookiesession WHERE id IN (:a, :b)"
    with engine.connect() as connection:
        apart = connection.scalar(sa.text(count), {"a": key, "b": other})
    assert 0 < apart < 100
