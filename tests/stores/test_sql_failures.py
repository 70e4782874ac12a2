"""What databases do when they fail or are busy, and what the store makes of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from stores import engines

from cookiesession.stores import SQLStore
from cookiesession.stores.base import SWEEP
from cookiesession.stores.races import create, live, new_name

DATABASES = ("sqlite", "postgresql", "mariadb")
SERVERS = DATABASES[1:]


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, make_engine: Callable[..., Any]) -> Any:
    engine = make_engine(request.param)
    SQLStore(engine).create_table()
    return engine


CUT = {
    "load": lambda store, key, owner: store.load(key) is not None,
    "create": lambda store, key, owner: create(store, owner=owner),
    "end": lambda store, key, owner: store.end(key),
    "of_owner": lambda store, key, owner: len(store.of_owner(owner)) == 1,
    "end_all": lambda store, key, owner: store.end_all(owner) == 1,
    "delete_expired": lambda store, key, owner: store.delete_expired() >= 0,
}


@pytest.mark.parametrize("operation", CUT.values(), ids=CUT)
@pytest.mark.parametrize("engine", SERVERS, indirect=True)
def test_connections_that_were_cut_are_not_missed(
    engine: Any, operation: Callable[..., Any]
) -> None:
    store, owner = SQLStore(engine), new_name()
    key = create(store, owner=owner)
    held = [engine.connect() for _ in range(3)]
    for connection in held:
        connection.close()
    cut_all(engine)
    assert operation(store, key, owner)


def cut_all(engine: Any) -> None:
    """End all connections to the database, from one of another engine."""
    import sqlalchemy as sa

    others = {
        "postgresql": "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'",
        "mariadb": "SELECT id FROM information_schema.processlist"
        " WHERE id <> connection_id() AND user = 'root'",
    }
    end = {
        "postgresql": "SELECT pg_terminate_backend(:id, 10000)",
        "mariadb": "KILL :id",
    }
    cutter = sa.create_engine(engine.url, poolclass=sa.NullPool)
    with cutter.connect() as connection:
        ids = connection.scalars(sa.text(others[engine.dialect.name])).all()
        assert len(ids) >= 3
        for number in ids:
            connection.execute(sa.text(end[engine.dialect.name]), {"id": number})


ISOLATION = {
    "sqlite": ("sqlite", None),
    "postgresql": ("postgresql", "SERIALIZABLE"),
    "postgresql-repeatable": ("postgresql", "REPEATABLE READ"),
    "mariadb": ("mariadb", "SERIALIZABLE"),
    "mariadb-repeatable": ("mariadb", "REPEATABLE READ"),
}


@pytest.mark.parametrize(("dialect", "level"), ISOLATION.values(), ids=ISOLATION)
def test_eight_threads_conflict_and_none_fails(
    dialect: str, level: str | None, make_engine: Callable[..., Any]
) -> None:
    engine = make_engine(dialect, **({"isolation_level": level} if level else {}))
    store = SQLStore(engine)
    store.create_table()
    owner, shared, threads, rounds = new_name(), create(store), 8, 8
    begin = threading.Barrier(threads)

    def work(_: int) -> None:
        key = create(store, owner=owner)
        begin.wait(10)
        for _ in range(rounds):
            replaced = False
            while not replaced:
                record = store.load(shared)
                assert record is not None
                data = record.data + b"."
                replaced = store.replace(shared, data, ttl=1000, version=record.version)
            new = create(store, owner=owner)
            assert store.end(key, live(store, key).version)
            key = new
            assert len(store.of_owner(owner)) >= 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    record = store.load(shared)
    assert record is not None
    assert record.data == b"data" + b"." * threads * rounds
    assert store.end_all(owner) == threads


@pytest.mark.parametrize("engine", SERVERS, indirect=True)
def test_a_deadlock_is_repeated(engine: Any) -> None:
    # The store holds its row and waits for the one that a trigger changes; it is held
    # by another transaction, which then waits for that of the store.
    store = SQLStore(engine)
    key = create(store)
    version = live(store, key).version
    with trigger(engine), engine.connect() as other, ThreadPoolExecutor(1) as threads:
        other.exec_driver_sql("SELECT id FROM trail WHERE id = 0 FOR UPDATE")
        # The store has to be the victim: PostgreSQL's is who notices first, MariaDB's
        # who has written less.
        if engine.dialect.name == "postgresql":
            other.exec_driver_sql("SET deadlock_timeout = '1min'")
        for number in range(1, 100):
            other.exec_driver_sql(f"INSERT INTO trail VALUES ({number})")
        waits = threads.submit(store.replace, key, b"new", ttl=1000, version=version)
        engines.wait_until(lambda: waiting(engine))
        row = f"SELECT id FROM cookiesession WHERE id = '{key}' FOR UPDATE"
        assert other.exec_driver_sql(row).scalar() == key
        other.rollback()
        assert waits.result(10) is True


#: Whatever changes a session changes a row of another table as well.
TRAIL = "UPDATE trail SET id = id WHERE id = 0"
ON = "CREATE TRIGGER leaves_trail AFTER UPDATE ON cookiesession FOR EACH ROW"
FUNCTION = "trail() RETURNS trigger LANGUAGE plpgsql AS"
TRIGGER = {
    "postgresql": [
        f"CREATE FUNCTION {FUNCTION} 'BEGIN {TRAIL}; RETURN NULL; END'",
        f"{ON} EXECUTE FUNCTION trail()",
    ],
    "mariadb": [f"{ON} {TRAIL}"],
}
UNDO = {
    "postgresql": "DROP FUNCTION trail() CASCADE",
    "mariadb": "DROP TRIGGER leaves_trail",
}


@contextmanager
def trigger(engine: Any) -> Iterator[None]:
    def run(*statements: str) -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    run("CREATE TABLE trail (id INTEGER PRIMARY KEY)", "INSERT INTO trail VALUES (0)")
    run(*TRIGGER[engine.dialect.name])
    try:
        yield
    finally:
        run(UNDO[engine.dialect.name], "DROP TABLE trail")


def waiting(engine: Any) -> bool:
    """Whether some transaction waits for a lock."""
    import sqlalchemy as sa

    waits = {
        "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
        "mariadb": "SELECT variable_value FROM information_schema.global_status"
        " WHERE variable_name = 'Innodb_row_lock_current_waits'",
    }
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(waits[engine.dialect.name]))) > 0


def test_a_lock_that_does_not_come_free_in_time_is_waited_for_again(
    make_engine: Callable[..., Any],
) -> None:
    import sqlalchemy as sa

    patient = make_engine("mariadb")
    hasty = "SET SESSION innodb_lock_wait_timeout = 1"
    store = SQLStore(make_engine("mariadb", connect_args={"init_command": hasty}))
    store.create_table()
    key = create(store)
    with patient.connect() as other, ThreadPoolExecutor(1) as threads:
        other.execute(sa.text("SELECT id FROM cookiesession FOR UPDATE"))
        ends = threads.submit(store.end, key)
        threading.Event().wait(1.5)
        assert not ends.done()
        other.rollback()
        assert ends.result(10) is True


def test_a_busy_file_is_waited_for(make_engine: Callable[..., Any]) -> None:
    import sqlalchemy as sa
    from sqlalchemy.exc import OperationalError

    engine = make_engine("sqlite", connect_args={"timeout": 0.01})
    store = SQLStore(engine)
    store.create_table()
    key = create(store)
    with ThreadPoolExecutor(1) as threads, engine.connect() as other:
        other.execute(sa.text("BEGIN IMMEDIATE"))
        assert store.load(key) is not None
        ends = threads.submit(store.end, key)
        threading.Event().wait(0.3)
        assert not ends.done()
        other.rollback()
        assert ends.result(10) is True

        # But not for ever.
        key = create(store)
        other.execute(sa.text("BEGIN IMMEDIATE"))
        ends = threads.submit(store.end, key)
        with pytest.raises(OperationalError, match="locked") as caught:
            ends.result(15)
        assert key not in str(caught.value)
        other.rollback()


def expired(engine: Any, count: int) -> None:
    """Put so many rows into the table that expired an hour ago."""
    import sqlalchemy as sa

    rows = [{"id": new_name(), "data": b"", "version": 1} for _ in range(count)]
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO cookiesession (id, data, version, expires, dies)"
                " VALUES (:id, :data, :version, 1, 1)"
            ),
            rows,
        )


def rows(engine: Any, condition: str = "expires = 1") -> int:
    import sqlalchemy as sa

    count = f"SELECT count(*) FROM cookiesession WHERE {condition}"
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(count)))


def test_each_create_removes_a_few_that_expired(engine: Any) -> None:
    store = SQLStore(engine)
    store.delete_expired()
    expired(engine, 2 * SWEEP + 1)
    for left in (SWEEP + 1, 1, 0):
        create(store)
        assert rows(engine) == left


def test_delete_expired_deletes_all_that_expired_and_counts_them(engine: Any) -> None:
    store = SQLStore(engine)
    with engine.begin() as connection:  # no other test's may expire meanwhile
        connection.exec_driver_sql("DELETE FROM cookiesession")
    key = create(store)
    expired(engine, 1001)
    assert store.delete_expired() == 1001
    assert store.delete_expired() == 0
    assert store.load(key) is not None


@pytest.mark.parametrize("engine", SERVERS, indirect=True)
def test_cleaning_up_waits_for_nobody(engine: Any) -> None:
    store = SQLStore(engine)
    store.delete_expired()
    expired(engine, 2)
    with ThreadPoolExecutor(1) as threads, engine.connect() as other:
        # In MariaDB only this level locks nothing but the rows.
        other = other.execution_options(isolation_level="READ COMMITTED")
        locked = "SELECT id FROM cookiesession WHERE expires = 1 FOR UPDATE"
        assert len(other.exec_driver_sql(locked).all()) == 2
        threads.submit(create, store).result(10)
        assert threads.submit(store.delete_expired).result(10) == 0
        assert rows(engine) == 2
    assert store.delete_expired() == 2


def test_cleaning_up_spares_a_row_that_was_taken_over_meanwhile(
    make_engine: Callable[..., Any],
) -> None:
    from sqlalchemy import event

    engine = make_engine("sqlite")
    store, other = SQLStore(engine), SQLStore(make_engine("sqlite"))
    store.create_table()
    key = create(store, ttl=0)

    def take_over(*arguments: Any) -> None:
        if "ORDER BY" in arguments[2] and not taken:
            taken.append(create(other, b"new", key=key))

    taken: list[str] = []
    event.listen(engine, "after_cursor_execute", take_over)
    assert store.delete_expired() == 0
    assert taken
    assert live(store, key).data == b"new"


def test_threads_that_clean_up_at_once_do_not_fail(
    engine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cookiesession")
    store = SQLStore(engine)
    store.delete_expired()
    expired(engine, 400)
    with ThreadPoolExecutor(8) as threads:
        cleaners = [threads.submit(store.delete_expired) for _ in range(4)]
        creators = [threads.submit(create, store) for _ in range(60)]
        assert all(store.load(creator.result()) for creator in creators)
        assert sum(cleaner.result() for cleaner in cleaners) <= 400
    store.delete_expired()
    assert rows(engine) == 0


def test_cleaning_up_that_is_forbidden_does_not_fail_the_create(
    make_engine: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    import sqlalchemy as sa

    caplog.set_level(logging.INFO, "cookiesession")
    owner = make_engine("postgresql")
    SQLStore(owner).create_table()
    with owner.begin() as connection:
        connection.execute(sa.text("CREATE ROLE app LOGIN"))
        rights = "GRANT SELECT, INSERT, UPDATE ON cookiesession TO app"
        connection.execute(sa.text(rights))
    expired(owner, 1)
    limited = sa.create_engine(owner.url.set(username="app"), poolclass=sa.NullPool)
    store = SQLStore(limited)
    key = create(store)
    assert store.load(key) is not None
    assert rows(owner) >= 1
    [record] = caplog.records
    assert "ProgrammingError" in record.getMessage()
    assert key not in record.getMessage()
    assert SQLStore(owner).delete_expired() >= 1
    with owner.begin() as connection:
        connection.execute(sa.text("DROP OWNED BY app"))
        connection.execute(sa.text("DROP ROLE app"))


def test_processes_that_start_at_once_all_find_a_table(engine: Any) -> None:
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            store = SQLStore(engine, table=f"t{new_name()[:16]}")
            list(threads.map(lambda store: store.create_table(), [store] * 8))
            create(store)


def test_no_error_shows_what_was_to_be_stored(engine: Any) -> None:
    from sqlalchemy.exc import DBAPIError

    store, owner = SQLStore(engine, table="missing"), new_name()
    key = new_name()
    with pytest.raises(DBAPIError) as caught:
        store.create(key, b"secret", ttl=9, life=9, owner=owner)
    assert "missing" in str(caught.value)
    for secret in (key, owner, "secret"):
        assert secret not in str(caught.value)
        assert secret not in repr(store)
