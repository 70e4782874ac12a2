"""The contract of :class:`SessionStore` as tests, for other people's stores too.

::

    from cookiesession.stores.contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            return MyStore(...)

        def advance(self, seconds):
            "Let time pass: move the store's clock, or the times that it has stored."

pytest then runs every test below, and those of ``races``. A failure shows values, if
``conftest.py`` calls ``pytest.register_assert_rewrite("cookiesession.stores")``. Every
test has keys and owners of its own, so that the engine may be shared. Times leave a
store room for rounding, and its tests 15 seconds.
"""

from __future__ import annotations

import secrets

from .base import TOMBSTONE, Record, SessionStore
from .races import (
    DAY,
    ENDED,
    TEN_YEARS,
    StoreRaces,
    create,
    keys_of,
    live,
    new_name,
    replace,
)


class StoreContract(StoreRaces):
    """What every store must do. A subclass has a fixture ``store``, and ``advance``."""

    # -- records --------------------------------------------------------------------

    def test_a_record_comes_back(self, store: SessionStore) -> None:
        record = store.load(create(store, b"as it was"))
        assert isinstance(record, Record)
        assert record.data == b"as it was"
        assert record.version is not None

    def test_nothing_is_under_an_unknown_key(self, store: SessionStore) -> None:
        assert store.load(new_name()) is None

    def test_bytes_of_every_value_come_back(self, store: SessionStore) -> None:
        for data in (bytes(range(256)), b"\0", b"\xff\xfe", "€".encode(), b"' %s :x"):
            key = create(store, data)
            assert live(store, key).data == data
            replace(store, key, data + b"\0")
            found = live(store, key).data
            assert (type(found), found) == (bytes, data + b"\0")

    def test_64_kilobytes_come_back(self, store: SessionStore) -> None:
        owner, data = new_name(), secrets.token_bytes(64 * 1024)
        key = create(store, owner=owner)
        replace(store, key, data)
        assert live(store, key).data == data
        assert store.of_owner(owner) == [(key, data)]
        assert live(store, create(store, data)).data == data

    def test_many_records_are_kept_apart(self, store: SessionStore) -> None:
        keys = [create(store, b"%d" % number) for number in range(200)]
        for key in keys[::2]:
            replace(store, key, b"new" + live(store, key).data)
        for key in keys[::3]:
            assert store.end(key) is True
        for number, key in enumerate(keys):
            data = b"%d" % number if number % 2 else b"new%d" % number
            record = store.load(key)
            assert record is not None
            assert record.data == (data if number % 3 else b"")

    # -- create ---------------------------------------------------------------------

    def test_create_never_overwrites(self, store: SessionStore) -> None:
        owner, stranger = new_name(), new_name()
        key = create(store, b"first", owner=owner)
        before = live(store, key)
        assert store.create(key, b"late", ttl=9, life=9, owner=stranger) is False
        assert store.load(key) == before
        assert store.of_owner(owner) == [(key, b"first")]
        assert store.of_owner(stranger) == []

    # -- replace --------------------------------------------------------------------

    def test_replace_stores_anew(self, store: SessionStore) -> None:
        key = create(store, b"old")
        before = live(store, key)
        assert store.replace(key, b"new", ttl=1000, version=before.version) is True
        after = live(store, key)
        assert after.data == b"new"
        assert after.version != before.version

    def test_loading_changes_no_version(self, store: SessionStore) -> None:
        key = create(store)
        assert live(store, key) == live(store, key)

    def test_replace_refuses_another_version(self, store: SessionStore) -> None:
        key = create(store)
        first = live(store, key).version
        replace(store, key, b"new")
        before = live(store, key)
        for version in (first, None):
            assert store.replace(key, b"late", ttl=9, version=version) is False
        assert store.load(key) == before

    def test_replace_never_creates(self, store: SessionStore) -> None:
        key = new_name()
        for version in (live(store, create(store)).version, None):
            assert store.replace(key, b"late", ttl=1000, version=version) is False
            assert store.load(key) is None
        create(store, key=key)

    def test_every_writing_has_its_own_version(self, store: SessionStore) -> None:
        key = create(store, b"same")
        versions = {live(store, key).version}
        for _ in range(50):
            replace(store, key, b"same")
            versions.add(live(store, key).version)
        assert len(versions) == 51

    # -- end ------------------------------------------------------------------------

    def test_end_leaves_a_tombstone(self, store: SessionStore) -> None:
        key = create(store)
        assert store.end(key) is True
        assert store.load(key) == ENDED

    def test_end_is_false_if_nothing_is_live(self, store: SessionStore) -> None:
        key, unknown = create(store), new_name()
        version = live(store, key).version
        assert store.end(unknown) is False
        assert store.end(unknown, version) is False
        assert store.load(unknown) is None
        assert store.end(key) is True
        assert store.end(key) is False
        assert store.end(key, version) is False

    def test_end_may_ask_for_a_version(self, store: SessionStore) -> None:
        key = create(store)
        old = live(store, key).version
        replace(store, key, b"new")
        before = live(store, key)
        assert store.end(key, old) is False
        assert store.load(key) == before
        assert store.end(key, before.version) is True
        assert store.load(key) == ENDED

    def test_nothing_is_written_over_a_tombstone(self, store: SessionStore) -> None:
        key, owner = create(store), new_name()
        version = live(store, key).version
        assert store.end(key) is True
        for tried in (version, None):
            assert store.replace(key, b"late", ttl=1000, version=tried) is False
        assert store.create(key, b"late", ttl=1000, life=1000, owner=owner) is False
        assert store.load(key) == ENDED
        assert store.of_owner(owner) == []

    def test_a_tombstone_stays_for_a_minute(self, store: SessionStore) -> None:
        # As long for a record that had less time left, and for one that had more.
        keys = [create(store, ttl=20, life=20), create(store, ttl=DAY, life=DAY)]
        assert all(map(store.end, keys))
        self.advance(TOMBSTONE - 15)
        for key in keys:
            assert store.load(key) == ENDED
            assert store.end(key) is False
            assert store.create(key, b"late", ttl=9, life=9, owner=None) is False
        self.advance(30)
        for key in keys:
            assert store.load(key) is None
            assert live(store, create(store, b"new", key=key)).data == b"new"

    # -- time -----------------------------------------------------------------------

    def test_a_record_expires_after_its_ttl(self, store: SessionStore) -> None:
        owner = new_name()
        key = create(store, ttl=100, owner=owner)
        version = live(store, key).version
        self.advance(80)
        assert live(store, key).version == version
        self.advance(40)
        assert store.load(key) is None
        assert store.of_owner(owner) == []
        assert store.replace(key, b"late", ttl=1000, version=version) is False
        assert store.end(key, version) is False
        assert store.end(key) is False
        assert store.end_all(owner) == 0
        # Where the index can lag, whatever it lists gets a tombstone.
        assert store.load(key) in (None, ENDED)

    def test_replace_counts_the_ttl_from_now(self, store: SessionStore) -> None:
        keys = [create(store, ttl=100), create(store, ttl=1000)]
        for _ in range(2):
            self.advance(80)
            for key in keys:
                replace(store, key, b"new", ttl=100)
        self.advance(120)
        assert [store.load(key) for key in keys] == [None, None]

    def test_its_life_ends_what_is_replaced(self, store: SessionStore) -> None:
        owner = new_name()
        keys = [create(store, ttl=ttl, life=200, owner=owner) for ttl in (100, 1000)]
        for ttl in (100, TEN_YEARS):
            self.advance(80)
            replace(store, keys[0], b"new", ttl=ttl)
        assert keys_of(store, owner) == set(keys)
        self.advance(60)
        assert [store.load(key) for key in keys] == [None, None]
        assert store.of_owner(owner) == []

    def test_a_ttl_of_0_is_over_at_once(self, store: SessionStore) -> None:
        owner = new_name()
        keys = [create(store, ttl=0, owner=owner), create(store, owner=owner)]
        replace(store, keys[1], b"new", ttl=0)
        for key in keys:
            assert store.load(key) is None
            assert store.end(key) is False
        assert store.of_owner(owner) == []
        assert live(store, create(store, key=keys[0]))

    def test_ten_years_stand_for_no_limit(self, store: SessionStore) -> None:
        owner = new_name()
        key = create(store, ttl=TEN_YEARS, life=TEN_YEARS, owner=owner)
        self.advance(TEN_YEARS - DAY)
        assert store.of_owner(owner) == [(key, b"data")]
        self.advance(2 * DAY)
        assert store.load(key) is None

    def test_an_expired_key_is_free_again(self, store: SessionStore) -> None:
        before, after = new_name(), new_name()
        key = create(store, ttl=100, life=100, owner=before)
        self.advance(150)
        create(store, key=key, owner=after)
        assert store.of_owner(before) == []
        replace(store, key, b"new")
        self.advance(800)
        assert store.of_owner(after) == [(key, b"new")]

    def test_a_key_used_again_has_new_versions(self, store: SessionStore) -> None:
        expired, ended = create(store, ttl=100), create(store)
        old = {key: live(store, key).version for key in (expired, ended)}
        assert store.end(ended) is True
        self.advance(200)
        for key, version in old.items():
            create(store, key=key)
            assert store.replace(key, b"late", ttl=1000, version=version) is False
            assert store.end(key, version) is False
            assert live(store, key).data == b"data"

    def test_cleaning_up_spares_what_lives(self, store: SessionStore) -> None:
        owner = new_name()
        keys = {create(store, ttl=ttl, life=DAY, owner=owner) for ttl in (100, 10_000)}
        for key in keys:
            replace(store, key, b"new", ttl=10_000)
        for _ in range(20):
            create(store, ttl=100, owner=owner)
        self.advance(9000)
        for _ in range(20):
            create(store)
        assert keys_of(store, owner) == keys

    # -- owners ---------------------------------------------------------------------

    def test_an_owner_lists_what_lives(self, store: SessionStore) -> None:
        owner = new_name()
        assert store.of_owner(owner) == []
        keys = [create(store, owner=owner) for _ in range(4)]
        replace(store, keys[0], b"new")
        assert store.end(keys[1]) is True
        assert store.end(keys[2], live(store, keys[2]).version) is True
        expected = [(keys[0], b"new"), (keys[3], b"data")]
        assert sorted(store.of_owner(owner)) == sorted(expected)

    def test_owners_are_kept_apart(self, store: SessionStore) -> None:
        ada, bob = new_name(), new_name()
        of_ada = {create(store, owner=ada) for _ in range(3)}
        of_bob = {create(store, owner=bob) for _ in range(2)}
        nobodys = create(store)
        assert (keys_of(store, ada), keys_of(store, bob)) == (of_ada, of_bob)
        assert store.end_all(ada) == 3
        assert (keys_of(store, ada), keys_of(store, bob)) == (set(), of_bob)
        assert live(store, nobodys)

    def test_a_record_is_listed_while_it_lives(self, store: SessionStore) -> None:
        owner = new_name()
        key = create(store, ttl=100, life=DAY, owner=owner)
        for _ in range(3):
            self.advance(80)
            # The list must not live as long as the one that was added last.
            create(store, ttl=10, life=10, owner=owner)
            replace(store, key, b"new", ttl=100)
        self.advance(80)
        assert store.of_owner(owner) == [(key, b"new")]
        assert store.end_all(owner) == 1
        assert store.load(key) == ENDED

    def test_end_all_ends_all_of_an_owner(self, store: SessionStore) -> None:
        owner = new_name()
        keys = [create(store, owner=owner) for _ in range(5)]
        assert store.end(keys[0]) is True
        assert store.end_all(owner) == 4
        assert [store.load(key) for key in keys] == [ENDED] * 5
        assert store.end_all(owner) == store.end_all(new_name()) == 0
        assert keys_of(store, owner) == set()
        assert create(store, owner=owner) in keys_of(store, owner)

    def test_end_all_keeps_the_one_to_keep(self, store: SessionStore) -> None:
        owner, stranger = new_name(), new_name()
        keys = [create(store, owner=owner) for _ in range(4)]
        strange = create(store, owner=stranger)
        before = live(store, keys[0])
        assert store.end_all(owner, keep=keys[0]) == 3
        assert store.load(keys[0]) == before
        assert [store.load(key) for key in keys[1:]] == [ENDED] * 3
        assert store.end_all(owner, keep=strange) == 1
        assert (keys_of(store, owner), keys_of(store, stranger)) == (set(), {strange})
