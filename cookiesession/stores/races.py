"""What of the contract shows only when many use a store at once, and its tools."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from threading import Barrier
from typing import TypeVar

from .base import Record, SessionStore

_T = TypeVar("_T")

ENDED = Record(b"", None)
DAY = 86_400
TEN_YEARS = 3650 * DAY
THREADS = 8


def new_name() -> str:
    """A key or an owner that nobody else has."""
    return secrets.token_hex(32)


def create(
    store: SessionStore,
    data: bytes = b"data",
    *,
    key: str = "",
    ttl: int = 1000,
    life: int = 10_000,
    owner: str | None = None,
) -> str:
    """Create a record, under a new key unless one is given; the key."""
    key = key or new_name()
    assert store.create(key, data, ttl=ttl, life=life, owner=owner) is True
    return key


def live(store: SessionStore, key: str) -> Record:
    """What is under a key, which must be live."""
    record = store.load(key)
    assert record is not None
    assert record.version is not None
    return record


def replace(store: SessionStore, key: str, data: bytes, ttl: int = 1000) -> None:
    """Replace what is live under a key."""
    version = live(store, key).version
    assert store.replace(key, data, ttl=ttl, version=version) is True


def is_live(store: SessionStore, key: str) -> bool:
    """Whether there is a record that has not been ended."""
    record = store.load(key)
    return record is not None and record.version is not None


def keys_of(store: SessionStore, owner: str) -> set[str]:
    """The keys of an owner, each listed once."""
    keys = [key for key, _ in store.of_owner(owner)]
    assert len(set(keys)) == len(keys)
    return set(keys)


def together(jobs: Iterable[Callable[[], _T]]) -> list[_T]:
    """Run all jobs at once, each in a thread; what they return."""
    jobs = list(jobs)
    start = Barrier(len(jobs), timeout=60)

    def run(job: Callable[[], _T]) -> _T:
        start.wait()
        return job()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # turns change as often as they can
    try:
        with ThreadPoolExecutor(len(jobs)) as threads:
            return list(threads.map(run, jobs))
    finally:
        sys.setswitchinterval(interval)


def winner_of(jobs: Iterable[Callable[[], bool]]) -> int:
    """Run all jobs at once; which one of them succeeded, as exactly one must."""
    results = together(jobs)
    assert sorted(results) == [False] * (len(results) - 1) + [True]
    return results.index(True)


class StoreRaces:
    """The tests in which many threads do the same at once."""

    def advance(self, seconds: int) -> None:
        """Let time pass for the store of the test, without sleeping.

        A subclass without it skips the tests that need it.
        """
        import pytest

        pytest.skip("the tests of this store define no advance(seconds)")

    def test_one_of_many_creates_a_key(self, store: SessionStore) -> None:
        for _ in range(5):
            self._one_creates(store, new_name())

    def test_one_of_many_creates_an_expired_key(self, store: SessionStore) -> None:
        keys = [create(store, ttl=100) for _ in range(5)]
        self.advance(200)
        for key in keys:
            self._one_creates(store, key)

    def _one_creates(self, store: SessionStore, key: str) -> None:
        owners = [new_name() for _ in range(THREADS)]
        winner = winner_of(
            partial(store.create, key, b"data", ttl=1000, life=10_000, owner=owner)
            for owner in owners
        )
        listed = [store.of_owner(owner) for owner in owners]
        assert [found for found in listed if found] == [[(key, b"data")]]
        assert listed[winner]

    def test_one_of_many_replaces_a_version(self, store: SessionStore) -> None:
        key = create(store)
        for _ in range(5):
            version = live(store, key).version
            winner = winner_of(
                partial(store.replace, key, b"%d" % number, ttl=1000, version=version)
                for number in range(THREADS)
            )
            assert live(store, key).data == b"%d" % winner

    def test_no_update_is_lost(self, store: SessionStore) -> None:
        key = create(store, b"0")

        def count() -> None:
            done = tries = 0
            while done < 20:
                # Who fails was outrun by one of the 60 writes of the others.
                assert tries < 1000, "replace is False though nobody else has written"
                tries += 1
                data, version = live(store, key)
                data = b"%d" % (int(data) + 1)
                done += store.replace(key, data, ttl=1000, version=version)

        together([count] * 4)
        assert live(store, key).data == b"80"

    def test_one_of_many_ends_a_record(self, store: SessionStore) -> None:
        for _ in range(5):
            key, other = create(store), create(store)
            winner_of([partial(store.end, key)] * THREADS)
            winner_of([partial(store.end, other, live(store, other).version)] * THREADS)

    def test_who_is_writing_revives_nothing(self, store: SessionStore) -> None:
        for _ in range(5):
            self._write_and_end(store, create(store))

    def _write_and_end(self, store: SessionStore, key: str) -> None:
        under_way = Barrier(4, timeout=60)

        def write() -> bool:
            for number in range(200):
                if number == 3:
                    under_way.wait()
                record = store.load(key) or ENDED
                store.replace(key, b"new", ttl=1000, version=record.version)
            return True

        def end() -> bool:
            under_way.wait()
            return store.end(key)

        assert all(together([write, write, write, end]))
        assert store.load(key) == ENDED

    def test_new_ids_do_not_outrun_end_all(self, store: SessionStore) -> None:
        for _ in range(10):
            self._walk_and_end_all(store, new_name())

    def _walk_and_end_all(self, store: SessionStore, owner: str) -> None:
        def step(keys: list[str]) -> bool:
            """Get a new id, as a session does; False once it was ended."""
            old, new = store.load(keys[-1]) or ENDED, new_name()
            store.create(new, b"new", ttl=1000, life=1000, owner=owner)
            moved = old.version is not None and store.end(keys[-1], old.version)
            if not moved:
                store.end(new)
            keys.append(new)
            return moved

        def walk(keys: list[str]) -> None:
            while len(keys) < 100 and step(keys):
                pass

        def end_all() -> None:
            assert store.end_all(owner) > 0

        walked = [[create(store, owner=owner)] for _ in range(3)]
        for keys in walked:
            assert step(keys), "end is False of a live record that has this version"
        jobs: list[Callable[[], None]] = [end_all]
        together(jobs + [partial(walk, keys) for keys in walked])
        assert not any(is_live(store, key) for key in chain(*walked))
        assert keys_of(store, owner) == set()

    def test_what_lives_after_a_tumult_is_listed(self, store: SessionStore) -> None:
        owner = new_name()

        def log_in_and_out() -> list[str]:
            keys = [new_name() for _ in range(25)]
            for key in keys:
                store.create(key, b"data", ttl=1000, life=1000, owner=owner)
            for key in keys[::3]:
                store.end(key)
            return keys

        def end_all() -> list[str]:
            for _ in range(8):
                store.end_all(owner)
            return []

        made = chain(*together([log_in_and_out] * 3 + [end_all] * 2))
        alive = {key for key in made if is_live(store, key)}
        assert keys_of(store, owner) == alive
        assert store.end_all(owner) == len(alive)
        assert keys_of(store, owner) == set()
