"""A primary is killed in traffic: for how long nobody can log in, and what is lost.

Replication is asynchronous, so that nothing is promised but that it goes on. Run on
demand: ``COOKIESESSION_FAILOVER=1 pytest -s tests/stores/test_failover.py``.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from stores import engines

from cookiesession.stores import RedisStore
from cookiesession.stores.races import is_live, new_name

pytestmark = pytest.mark.skipif(
    not os.environ.get("COOKIESESSION_FAILOVER"),
    reason="only with COOKIESESSION_FAILOVER=1",
)

THREADS = 4
HASTY: dict[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
CLASSES = {"redis": "RedisCluster", "valkey": "ValkeyCluster"}


@contextmanager
def sentinel(library: str) -> Iterator[tuple[Any, engines.Server]]:
    engines.need("redis", library)
    of = importlib.import_module(f"{library}.sentinel")
    with engines.redis_sentinel() as servers:
        nodes = [("127.0.0.1", port) for port in servers.ports]
        watchers = of.Sentinel(nodes, **HASTY)
        with watchers.master_for("sessions", **HASTY) as client:
            yield client, servers.master
        for watcher in watchers.sentinels:
            watcher.close()


@contextmanager
def cluster(library: str) -> Iterator[tuple[Any, engines.Server]]:
    engines.need("redis", library)
    of = getattr(importlib.import_module(library), CLASSES[library])
    with (
        engines.redis_cluster(replicas=True) as servers,
        of(host="127.0.0.1", port=servers[1].port, **HASTY) as client,
    ):
        yield client, servers[0]


class Traffic:
    """Threads that log in, write and log out, and remember what was acknowledged."""

    def __init__(self, store: RedisStore) -> None:
        self.store = store
        self.stop = threading.Event()
        #: When something failed, and when something succeeded.
        self.failed: list[float] = []
        self.succeeded: list[float] = []
        #: The last number that was acknowledged, of each session.
        self.written: dict[str, int] = {}
        self.ended: list[str] = []

    def run(self, _: int) -> None:
        while not self.stop.is_set():
            self.visit(new_name())

    def visit(self, key: str) -> None:
        """One login, nine writes; every second one logs out, or tries to."""
        store = self.store

        def write(number: int) -> bool:
            record = store.load(key)
            assert record is not None
            data, version = b"%d" % number, record.version
            return store.replace(key, data, ttl=1000, version=version)

        life = {"ttl": 1000, "life": 1000, "owner": new_name()}
        if not self.done(lambda: store.create(key, b"0", **life)):  # type: ignore[arg-type]
            return
        self.written[key] = 0
        for number in range(1, 10):
            if not self.done(lambda number=number: write(number)):  # type: ignore[misc]
                return
            self.written[key] = number
        if int(key, 16) % 2:
            del self.written[key]
            if self.done(lambda: store.end(key)):
                self.ended.append(key)

    def done(self, operation: Callable[[], bool]) -> bool:
        try:
            answer = operation()
        except Exception:  # noqa: BLE001  of two libraries; the figures tell
            self.failed.append(time.monotonic())
            return False
        self.succeeded.append(time.monotonic())
        return answer

    def lost(self) -> int:
        records = {key: self.store.load(key) for key in self.written}
        return sum(
            record is None or int(record.data or -1) < self.written[key]
            for key, record in records.items()
        )

    def revived(self) -> int:
        return sum(is_live(self.store, key) for key in self.ended)


@pytest.mark.parametrize("library", ["redis", "valkey"])
@pytest.mark.parametrize("servers", [sentinel, cluster])
def test_it_goes_on_after_a_failover(
    servers: Callable[[str], Any], library: str
) -> None:
    with servers(library) as (client, primary), ThreadPoolExecutor(THREADS) as threads:
        traffic = Traffic(RedisStore(client))
        running = [threads.submit(traffic.run, number) for number in range(THREADS)]
        try:
            engines.wait_until(lambda: len(traffic.ended) > 300)
            killed = time.monotonic()
            primary.process.kill()
            engines.wait_until(lambda: traffic.failed, 10)
            engines.wait_until(lambda: quiet(traffic.failed, 2), 60)
        finally:
            traffic.stop.set()
        for thread in running:
            thread.result(30)
        assert max(traffic.succeeded) > max(traffic.failed)
        print(
            f"\n{servers.__name__}, {library}-py:"
            f" {max(traffic.failed) - killed:.1f} seconds of errors,"
            f" {len(traffic.failed)} of {len(traffic.succeeded)} operations;"
            f" {traffic.lost()} of {len(traffic.written)} sessions lost what had been"
            f" acknowledged, {traffic.revived()} of {len(traffic.ended)} logouts were"
            " revived"
        )


def quiet(failed: list[float], seconds: float) -> bool:
    return time.monotonic() - failed[-1] > seconds
