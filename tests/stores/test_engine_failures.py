"""What engines do when they fail, and what stores make of it."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from stores import engines

from cookiesession.stores import RedisStore, SessionStore, SQLStore
from cookiesession.stores.base import Record
from cookiesession.stores.races import ENDED, create, live, new_name

REDIS = ("Redis, redis-py", "Redis, valkey-py", "Valkey, redis-py", "Valkey, valkey-py")


# -- Redis and Valkey


@pytest.fixture(params=["redis-py", "valkey-py"])
def hasty(
    request: pytest.FixtureRequest, make_client: Callable[..., Any]
) -> Iterator[tuple[engines.Server, RedisStore]]:
    """A server of the test's own, and a store that waits half a second for it."""
    with engines.redis_server() as server:
        client = make_client(f"Redis, {request.param}", server.port, **HASTY)
        if request.param == "redis-py":
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            client.set_retry(Retry(NoBackoff(), 0))
        yield server, RedisStore(client)


HASTY = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}


@contextmanager
def fails_within(seconds: float, *names: str) -> Iterator[None]:
    """The block raises an error of such a name, and soon."""
    start = time.monotonic()
    with pytest.raises(Exception) as caught:  # noqa: PT011  of two libraries
        yield
    assert time.monotonic() - start < seconds
    assert type(caught.value).__name__ in names


def test_a_redis_that_was_killed_is_an_error_until_it_is_back(
    hasty: tuple[engines.Server, RedisStore],
) -> None:
    server, store = hasty
    key = create(store)
    server.process.kill()
    server.process.wait(10)
    for _ in range(2):
        with fails_within(5, "ConnectionError"):
            store.load(key)
        with fails_within(5, "ConnectionError"):
            store.create(new_name(), b"data", ttl=9, life=9, owner=new_name())
    with engines.redis_server(port=server.port):
        assert store.load(key) is None
        assert store.end(create(store))


def test_a_redis_that_is_stopped_is_an_error_until_it_goes_on(
    hasty: tuple[engines.Server, RedisStore],
) -> None:
    server, store = hasty
    key = create(store)
    server.process.send_signal(signal.SIGSTOP)
    try:
        with fails_within(5, "TimeoutError"):
            store.load(key)
        with fails_within(5, "TimeoutError"):
            store.end(key)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert store.load(key) in (ENDED, Record(b"data", live(store, key).version))


@pytest.fixture(params=REDIS)
def client(
    request: pytest.FixtureRequest, make_client: Callable[..., Any]
) -> Iterator[Any]:
    client = make_client(request.param)
    client.flushall()
    yield client
    client.config_set("maxmemory", 0)
    client.config_set("maxmemory-policy", "noeviction")


def test_a_full_redis_refuses_what_is_new_and_still_logs_out(client: Any) -> None:
    store, owner = RedisStore(client), new_name()
    key, other, *rest = [create(store, owner=owner) for _ in range(5)]
    before = store.load(key)
    under_way = new_name()
    client.zadd(f"cookiesession:o:{owner}", {under_way: 2e10})
    client.config_set("maxmemory", 1)

    for user in (None, owner):
        with fails_within(5, "OutOfMemoryError"):
            store.create(new_name(), b"data", ttl=1000, life=1000, owner=user)
    with fails_within(5, "OutOfMemoryError"):
        store.replace(key, b"new", ttl=1000, version=live(store, key).version)
    assert store.load(key) == before
    assert client.zcard(f"cookiesession:o:{owner}") == 6
    assert store.end(key)
    assert store.end(other, live(store, other).version)
    assert store.end_all(owner) == len(rest)

    client.config_set("maxmemory", 0)
    assert store.of_owner(owner) == []
    for ended in (key, other, *rest, under_way):
        assert store.load(ended) == ENDED
        assert not store.create(ended, b"data", ttl=1000, life=1000, owner=None)


@pytest.mark.parametrize(
    "client", [*REDIS, "Cluster, redis-py", "Cluster, valkey-py"], indirect=True
)
def test_eviction_is_warned_of_once(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    store = RedisStore(client)
    assert not caplog.records
    for _ in range(3):
        store.load(new_name())
        store.end(create(store, owner=new_name()))
    [record] = caplog.records
    assert "noeviction" in record.getMessage()
    assert "allkeys-lru" in record.getMessage()
    assert (record.levelno, record.name) == (logging.WARNING, "cookiesession")


def test_a_user_who_may_not_ask_is_no_failure(
    client: Any, make_client: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.execute_command(
        "ACL", "SETUSER", "app", "on", ">word", "~*", "+@all", "-info"
    )
    port = client.connection_pool.connection_kwargs["port"]
    with type(client)(port=port, username="app", password="word") as limited:
        caplog.clear()
        store = RedisStore(limited)
        store.end(create(store))
    assert "noeviction" not in caplog.text


def test_scripts_that_are_flushed_in_traffic_are_not_missed(client: Any) -> None:
    store, owner = RedisStore(client), new_name()
    stop = threading.Event()

    def flush() -> None:
        while not stop.is_set():
            client.script_flush()

    with ThreadPoolExecutor(1) as threads:
        flushing = threads.submit(flush)
        try:
            for _ in range(200):
                key = create(store, owner=owner)
                assert store.replace(
                    key, b"new", ttl=1000, version=live(store, key).version
                )
                assert store.end(key)
            create(store, owner=owner)
            assert store.end_all(owner) == 1
        finally:
            stop.set()
        flushing.result()


# -- an answer that is lost


@pytest.fixture(params=["redis-py", "postgresql", "mariadb"])
def lossy(
    request: pytest.FixtureRequest,
    make_client: Callable[..., Any],
    make_engine: Callable[..., Any],
) -> Iterator[tuple[engines.Wire, SessionStore]]:
    """A store, and the wire that it is on; it repeats once what got no answer."""
    if request.param == "redis-py":
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        with engines.wire(request.getfixturevalue("redis_port")) as wire:
            client = make_client("Redis, redis-py", wire.port)
            client.set_retry(Retry(NoBackoff(), 1))
            yield wire, RedisStore(client)
            client.close()
        return
    with engines.wire(make_engine(request.param).url.port) as wire:
        # With AUTOCOMMIT an operation is one message and its answer.
        engine = make_engine(request.param, wire.port, isolation_level="AUTOCOMMIT")
        store = SQLStore(engine)
        store.create_table()
        yield wire, store
        engine.dispose()


def test_an_operation_without_an_answer_is_done_once(
    lossy: tuple[engines.Wire, SessionStore],
) -> None:
    wire, store = lossy
    key = create(store)  # from here on Redis has the scripts
    assert store.replace(key, b"new", ttl=1000, version=live(store, key).version)
    assert store.end(key)

    key = new_name()
    wire.lose_next.set()
    # No login is lost: it is its own record that is there.
    assert store.create(key, b"data", ttl=1000, life=1000, owner=None) is True
    assert not wire.lose_next.is_set()

    wire.lose_next.set()
    version = live(store, key).version
    assert not wire.lose_next.is_set()
    wire.lose_next.set()
    # Done, and not known to be: who asks again finds it.
    assert store.replace(key, b"new", ttl=1000, version=version) is False
    assert not wire.lose_next.is_set()
    assert store.load(key) == Record(b"new", live(store, key).version)

    wire.lose_next.set()
    assert store.end(key) is False
    assert not wire.lose_next.is_set()
    assert store.load(key) == ENDED


def test_an_index_is_written_first_and_nothing_is_repeated_by_the_store(
    redis_port: int, make_client: Callable[..., Any]
) -> None:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    with engines.wire(redis_port) as wire:
        client = make_client("Redis, redis-py", wire.port)
        client.set_retry(Retry(NoBackoff(), 0))
        client.flushall()
        store, owner = RedisStore(client), new_name()
        create(store, owner=owner)
        client.flushdb()
        wire.lose_next.set()
        with fails_within(5, "ConnectionError"):
            create(store, owner=owner)
        assert client.keys() == [f"cookiesession:o:{owner}".encode()]
        client.close()
