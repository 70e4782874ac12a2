"""What is peculiar to RedisStore: the client it accepts, the keys it writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from stores import engines

from cookiesession.errors import ConfigError
from cookiesession.stores import RedisStore
from cookiesession.stores.base import GRACE, TOMBSTONE
from cookiesession.stores.races import ENDED, create, live, new_name


@pytest.fixture
def libraries() -> tuple[Any, Any]:
    engines.need("redis", "valkey")
    import redis.asyncio
    import redis.sentinel
    import valkey.asyncio
    import valkey.sentinel

    return redis, valkey


ASYNC = "asynchronous"
TEXT = "decode_responses"
CLIENT = "must be a client"
UNFIT: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "async": (lambda redis, _: redis.asyncio.Redis(), ASYNC),
    "async, valkey-py": (lambda _, valkey: valkey.asyncio.Valkey(), ASYNC),
    "async cluster": (lambda redis, _: redis.asyncio.RedisCluster("127.0.0.1"), ASYNC),
    "text": (lambda redis, _: redis.Redis(decode_responses=True), TEXT),
    "text, valkey-py": (lambda _, valkey: valkey.Valkey(decode_responses=True), TEXT),
    "text, of a URL": (
        lambda redis, _: redis.from_url("redis://?decode_responses=True"),
        TEXT,
    ),
    "replica": (lambda redis, _: redis.Sentinel([]).slave_for("s"), "slave_for"),
    "replica, valkey-py": (
        lambda _, valkey: valkey.Sentinel([]).slave_for("s"),
        "slave_for",
    ),
    "sentinel": (lambda redis, _: redis.Sentinel([]), "master_for"),
    "class": (lambda redis, _: redis.Redis, CLIENT),
    "URL": (lambda *_: "redis://127.0.0.1", CLIENT),
    "nothing": (lambda *_: None, CLIENT),
}


@pytest.mark.parametrize(("make", "fault"), UNFIT.values(), ids=UNFIT)
def test_a_client_that_cannot_work_is_refused(
    make: Callable[[Any, Any], Any], fault: str, libraries: tuple[Any, Any]
) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        RedisStore(make(*libraries))
    assert len(caught.value.faults) == 1


def test_all_faults_are_in_one_message(libraries: tuple[Any, Any]) -> None:
    client = libraries[0].asyncio.Redis(decode_responses=True)
    with pytest.raises(ConfigError) as caught:
        RedisStore(client, prefix=b"bytes")  # type: ignore[arg-type]
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("library", ["redis-py", "valkey-py"])
def test_a_cluster_client_that_reads_from_replicas_is_refused(
    library: str, make_client: Callable[..., Any], libraries: tuple[Any, Any]
) -> None:
    redis, _ = libraries
    options: dict[str, Any] = {"read_from_replicas": True}
    if library == "redis-py" and hasattr(redis.cluster, "LoadBalancingStrategy"):
        strategy = redis.cluster.LoadBalancingStrategy.ROUND_ROBIN
        options = {"load_balancing_strategy": strategy}
    client = make_client(f"Cluster, {library}", **options)
    with pytest.raises(ConfigError, match="reads from replicas"):
        RedisStore(client)


@pytest.mark.parametrize("server", ["Redis", "Cluster", "Sentinel"])
@pytest.mark.parametrize("library", ["redis-py", "valkey-py"])
def test_a_client_without_a_time_out_is_warned_of(
    server: str,
    library: str,
    make_client: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    RedisStore(make_client(f"{server}, {library}", socket_timeout=1))
    assert not caplog.records
    RedisStore(make_client(f"{server}, {library}", socket_timeout=None))
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "socket_timeout" in record.getMessage()


def test_neither_library_is_imported() -> None:
    program = "import sys, cookiesession.stores; print(*sys.modules)"
    loaded = engines.run(sys.executable, "-c", program).split()
    assert "cookiesession.stores.redis" in loaded
    assert not {"redis", "valkey", "sqlalchemy"} & set(loaded)


@pytest.fixture
def client(make_client: Callable[..., Any]) -> Any:
    client = make_client("Redis, redis-py")
    client.flushall()
    return client


def test_keys_are_named_after_the_prefix_and_expire(client: Any) -> None:
    store, owner = RedisStore(client, prefix="shop:"), new_name()
    key = create(store, ttl=100, life=1000, owner=owner)
    record, index = f"shop:s:{key}".encode(), f"shop:o:{owner}".encode()
    assert sorted(client.keys()) == sorted([record, index])
    assert 95 < client.ttl(record) <= 100
    assert store.replace(key, b"new", ttl=5000, version=live(store, key).version)
    assert 990 < client.ttl(record) <= 1000
    assert store.end(key)
    assert TOMBSTONE - 5 < client.ttl(record) <= TOMBSTONE
    assert client.ttl(index) > 1000


def test_an_index_outlives_what_it_lists(client: Any) -> None:
    store, owner = RedisStore(client), new_name()
    create(store, ttl=10, life=5000, owner=owner)
    create(store, ttl=10, life=100, owner=owner)
    assert client.ttl(f"cookiesession:o:{owner}") > 5000 + GRACE - 5


def test_an_index_forgets_what_cannot_live_any_more(client: Any) -> None:
    store, owner = RedisStore(client), new_name()
    index = f"cookiesession:o:{owner}"
    for _ in range(20):
        create(store, owner=owner)
    for key in client.zrange(index, 0, -2):
        client.zadd(index, {key: 1})
    new = create(store, owner=owner)
    assert client.zcard(index) == 2
    assert new.encode() in client.zrange(index, 0, -1)


def test_ending_all_prevents_what_is_about_to_be_created(client: Any) -> None:
    store, owner = RedisStore(client), new_name()
    late = new_name()
    client.zadd(f"cookiesession:o:{owner}", {late: 2e10})
    assert store.end_all(owner) == 0
    assert store.load(late) == ENDED
    assert store.create(late, b"late", ttl=9, life=9, owner=owner) is False


def test_ending_all_spares_what_a_stranger_has_created(client: Any) -> None:
    store, owner, stranger = RedisStore(client), new_name(), new_name()
    key = create(store, owner=stranger)
    assert store.create(key, b"late", ttl=9, life=9, owner=owner) is False
    assert store.of_owner(owner) == []
    assert store.end_all(owner) == 0
    assert live(store, key).data == b"data"
    assert store.end_all(stranger) == 1


def test_a_listing_of_many_is_complete(client: Any) -> None:
    store, owner = RedisStore(client), new_name()
    keys = {create(store, owner=owner) for _ in range(250)}
    assert {key for key, _ in store.of_owner(owner)} == keys


def test_no_error_shows_a_key(client: Any) -> None:
    store, owner = RedisStore(client), new_name()
    key = create(store, owner=owner)
    client.delete(f"cookiesession:s:{key}")
    client.lpush(f"cookiesession:s:{key}", "something else")
    for operation in (
        lambda: store.load(key),
        lambda: store.end(key),
        lambda: store.of_owner(owner),
        lambda: store.end_all(owner),
    ):
        with pytest.raises(Exception, match="wrong kind of value") as caught:
            operation()
        assert key not in str(caught.value)
