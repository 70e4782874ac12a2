"""The stores that need nothing but Python: the contract, and what is each one's own."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support import Clock

from cookiesession import ConfigError
from cookiesession.stores import MemoryStore, SessionStore, SQLiteStore
from cookiesession.stores.contract import StoreContract

KEY, OTHER, OWNER = "1" * 64, "2" * 64, "3" * 64
HOUR = 3600
LOCKED = pytest.raises(sqlite3.OperationalError, match="locked")

posix = pytest.mark.skipif(os.name != "posix", reason="modes, forks and signals")


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        self.clock = Clock()
        return MemoryStore(clock=self.clock)

    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def store(self, path: Path) -> SQLiteStore:
        self.path = path
        return SQLiteStore(path)

    def advance(self, seconds: int) -> None:
        query(
            self.path,
            f"UPDATE cookiesession SET expires = expires - {seconds},"
            f" dies = dies - {seconds}",
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path: Path) -> SQLiteStore:
    return SQLiteStore(path)


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What another program finds in the file, or does to it."""
    with closing(sqlite3.connect(path)) as db, db:
        return db.execute(statement).fetchall()


def create(store: SessionStore, key: str = KEY, **options: int) -> bool:
    times = {"ttl": 100, "life": 1000, **options}
    return store.create(key, b"secret", owner=OWNER, **times)


def count(path: Path) -> int:
    [(rows,)] = query(path, "SELECT count(*) FROM cookiesession")
    assert isinstance(rows, int)
    return rows


def keys(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{index:063x}" for index in range(number)]


def python(script: str, *arguments: object) -> str:
    """What a script prints, in a process of its own; ``path`` is its first argument."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


PRELUDE = """
import os, sys, threading
from cookiesession.stores import SQLiteStore

path = sys.argv[1]
store = SQLiteStore(path)

def create(name):
    key = name.encode().hex().ljust(64, "0")
    assert store.create(key, b"data", ttl=100, life=1000, owner=None)

def alive(name):
    return store.load(name.encode().hex().ljust(64, "0")) is not None

"""


# -- the contract's suite -----------------------------------------------------------


def test_a_store_that_cannot_let_time_pass_skips_those_tests() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"define no advance\(seconds\)"):
        StoreContract().advance(1)


class NeverReplaces(MemoryStore):
    def replace(self, *_: object, **__: object) -> bool:
        return False


class NeverEndsAVersion(MemoryStore):
    def end(self, key: str, version: object = None) -> bool:
        return version is None and super().end(key)


BROKEN: dict[str, tuple[MemoryStore, Callable[..., None], str]] = {
    "replace": (
        NeverReplaces(),
        StoreContract.test_no_update_is_lost,
        "replace is False though nobody else has written",
    ),
    "end": (
        NeverEndsAVersion(),
        StoreContract.test_new_ids_do_not_outrun_end_all,
        "end is False of a live record that has this version",
    ),
}


@pytest.mark.parametrize(("store", "test", "fault"), BROKEN.values(), ids=BROKEN)
def test_a_race_that_nobody_wins_fails_the_suite_and_says_why(
    store: MemoryStore, test: Callable[..., None], fault: str
) -> None:
    with pytest.raises(AssertionError, match=fault):
        test(StoreContract(), store)


# -- both ---------------------------------------------------------------------------


def test_importing_the_stores_imports_no_engine() -> None:
    script = "import sys, cookiesession.stores; print(*sys.modules)"
    printed = subprocess.check_output([sys.executable, "-c", script], text=True)
    engines = {"sqlite3", "_sqlite3", "sqlalchemy", "redis", "valkey"}
    assert engines & set(printed.split()) == set()


def test_sqlite_is_imported_when_a_store_is_made(path: Path) -> None:
    """Not at first use: a child would hang that is forked meanwhile."""
    assert python("print('sqlite3' in sys.modules)", path) == "True\n"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_store_shows_no_data(kind: str, path: Path) -> None:
    store = MemoryStore() if kind == "memory" else SQLiteStore(path)
    create(store)
    for shown in (repr(store), str(store)):
        assert KEY not in shown
        assert "secret" not in shown


def test_where_end_all_fails_the_first_of_the_list_are_ended() -> None:
    ended: list[str] = []

    class Failing(MemoryStore):
        def end(self, key: str, version: object = None) -> bool:
            if len(ended) == 5:
                raise OSError("down")
            ended.append(key)
            return super().end(key, version)

    store = Failing()
    for key in keys("a", 10):
        create(store, key)
    listed = [key for key, _ in store.of_owner(OWNER)]
    with pytest.raises(OSError, match="down"):
        store.end_all(OWNER)
    assert ended == listed[:5]


# -- memory -------------------------------------------------------------------------


def test_the_clock_of_a_memory_store_must_be_callable() -> None:
    with pytest.raises(ConfigError, match="clock must be callable"):
        MemoryStore(clock=1_700_000_000)  # type: ignore[arg-type]


def test_a_memory_store_forgets_what_expired_over_an_hour_ago() -> None:
    clock, data = Clock(), bytes(1000)
    store = MemoryStore(clock=clock)
    unused = sys.getrefcount(data)

    def kept() -> int:
        return sys.getrefcount(data) - unused

    for key in keys("9", 10):
        create(store, key, ttl=9 * HOUR, life=9 * HOUR)
    for key in keys("a", 40):
        store.create(key, data, ttl=100, life=100, owner=None)
    clock.advance(minutes=59)
    for key in keys("b", 40):
        create(store, key)
    assert kept() == 40
    clock.advance(minutes=10)
    for removed, key in enumerate(keys("c", 40)):
        assert kept() >= 40 - 4 * removed
        create(store, key)
    assert kept() == 0
    assert all(map(store.load, keys("9", 10)))


# -- SQLite: the file ---------------------------------------------------------------

NO_FILES = {
    "memory": ":memory:",
    "nameless": "",
    "uri": "file:sessions.db?mode=memory",
    "directory": ".",
    "path of a directory": Path(),
    "bytes": b"sessions.db",
    "none": None,
    "number": 3,
}


@pytest.mark.parametrize("path", NO_FILES.values(), ids=NO_FILES)
def test_a_path_that_is_no_file_is_an_error_of_configuration(path: object) -> None:
    with pytest.raises(ConfigError, match=r"SQLiteStore: path must .*sessions\.db"):
        SQLiteStore(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", [":memory:", "", "file:x"])
def test_where_a_file_is_not_wanted_the_remedy_is_named(path: str) -> None:
    with pytest.raises(ConfigError, match=r"MemoryStore\(\)"):
        SQLiteStore(path)


def test_the_file_is_made_when_it_is_needed(path: Path) -> None:
    store = SQLiteStore(str(path))
    assert not path.exists()
    assert store.load(KEY) is None
    assert count(path) == 0


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "missing" / "sessions.db")
    with pytest.raises(FileNotFoundError, match="missing"):
        store.load(KEY)


def test_a_path_is_relative_to_where_the_store_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "later").mkdir()
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("sessions.db")
    monkeypatch.chdir("later")
    create(store)
    assert count(tmp_path / "sessions.db") == 1


@posix
def test_only_its_user_can_read_the_file(path: Path, store: SQLiteStore) -> None:
    before = os.umask(0)
    try:
        create(store)
    finally:
        os.umask(before)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == [
        *("sessions.db", "sessions.db-shm", "sessions.db-wal")
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@posix
def test_the_mode_of_a_file_that_is_there_is_left_alone(
    path: Path, store: SQLiteStore
) -> None:
    path.touch()
    path.chmod(0o640)
    create(store)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_two_stores_of_a_file_are_one(path: Path) -> None:
    assert create(SQLiteStore(path))
    assert not create(SQLiteStore(path))
    assert SQLiteStore(path).end_all(OWNER) == 1


def test_a_tombstone_holds_nothing(path: Path, store: SQLiteStore) -> None:
    create(store)
    store.end(KEY)
    statement = "SELECT data, version, owner FROM cookiesession"
    assert query(path, statement) == [(b"", -1, None)]


def test_the_version_of_tombstones_replaces_none(store: SQLiteStore) -> None:
    create(store)
    store.end(KEY)
    assert not store.replace(KEY, b"revived", ttl=100, version=-1)
    assert not store.end(KEY, -1)


@posix
def test_a_file_of_something_else_is_refused(path: Path, store: SQLiteStore) -> None:
    path.write_text("Dear diary, " * 100)
    before = open_files()
    with pytest.raises(sqlite3.DatabaseError, match="not a database") as caught:
        store.load(KEY)
    assert open_files() == before
    assert caught.tb  # and so everything that was in use then


def test_a_file_that_cannot_be_written_is_an_error_at_once(
    path: Path, store: SQLiteStore
) -> None:
    Path(f"{path}-wal").mkdir()
    with pytest.raises(sqlite3.OperationalError, match=r"disk I/O|unable to open"):
        store.load(KEY)


# -- SQLite: cleaning up ------------------------------------------------------------


def test_a_create_removes_a_few_that_expired_over_an_hour_ago(
    path: Path, store: SQLiteStore
) -> None:
    for key in keys("a", 10):
        create(store, key, ttl=HOUR, life=HOUR)
    assert store.end(keys("a", 1)[0])
    advance = "UPDATE cookiesession SET expires = expires - "
    query(path, f"{advance}{HOUR + 1800}")
    create(store, OTHER)
    assert count(path) == 10  # the tombstone went
    query(path, f"{advance}{HOUR}")
    remaining = []
    for key in keys("b", 4):
        create(store, key)
        remaining.append(count(path))
    assert remaining == [7, 4, 4, 5]  # 9 are old: 4 go, 4, and 1


def test_cleaning_up_never_fails_a_create(path: Path, store: SQLiteStore) -> None:
    create(store)
    query(path, f"UPDATE cookiesession SET expires = expires - {3 * HOUR}")
    query(
        path,
        "CREATE TRIGGER never BEFORE DELETE ON cookiesession"
        " BEGIN SELECT RAISE(ABORT, 'never'); END",
    )
    assert create(store, OTHER)
    assert count(path) == 2


def test_the_file_does_not_grow_for_ever(path: Path, store: SQLiteStore) -> None:
    pages = []
    for round_ in range(6):
        for key in keys(str(round_), 200):
            create(store, key)
        query(path, f"UPDATE cookiesession SET expires = expires - {2 * HOUR}")
        pages += [row[0] for row in query(path, "PRAGMA page_count")]
    assert len(set(pages[2:])) == 1


# -- SQLite: a locked file ----------------------------------------------------------


@contextmanager
def locking(path: Path, how: str) -> Iterator[Callable[[], object]]:
    """Hold the file as another program may; what lets it go."""
    with closing(
        sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    ) as db:
        db.execute(f"BEGIN {how}")
        db.execute("SELECT * FROM sqlite_master").fetchall()
        yield lambda: db.execute("ROLLBACK")


def test_a_locked_file_is_waited_for(path: Path, store: SQLiteStore) -> None:
    create(store)
    with locking(path, "IMMEDIATE") as unlock, ThreadPoolExecutor() as threads:
        ended = threads.submit(store.end, KEY)
        assert not wait([ended], timeout=0.1).done
        assert store.load(KEY) is not None  # who reads does not wait
        unlock()
        assert ended.result(timeout=10)


@pytest.mark.parametrize("how", ["EXCLUSIVE", "IMMEDIATE", "DEFERRED"])
def test_a_file_that_is_being_made_is_waited_for(
    how: str, path: Path, store: SQLiteStore
) -> None:
    with locking(path, how) as unlock, ThreadPoolExecutor() as threads:
        created = threads.submit(create, store)
        assert not wait([created], timeout=0.1).done
        unlock()
        assert created.result(timeout=10)


class ImpatientStore(SQLiteStore):
    """Gives up on a locked file at once."""

    patience = 0.05


def test_a_file_that_stays_locked_is_an_error(
    path: Path,
) -> None:
    store = ImpatientStore(path)
    create(store)
    found = store.load(KEY)
    assert found is not None
    with locking(path, "IMMEDIATE"):
        with LOCKED:
            create(store, OTHER)
        with LOCKED:
            store.replace(KEY, b"new", ttl=100, version=found.version)
        with LOCKED:
            store.end(KEY)
    assert store.load(KEY) == found
    assert store.end(KEY)


def test_a_file_that_nobody_can_make_ready_is_an_error(
    path: Path,
) -> None:
    store = ImpatientStore(path)
    with locking(path, "EXCLUSIVE"), LOCKED:
        store.load(KEY)
    assert store.load(KEY) is None


# -- SQLite: threads, greenlets, processes ------------------------------------------


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@posix
def test_short_threads_leave_no_file_open(store: SQLiteStore) -> None:
    create(store)
    before = open_files()
    for key in keys("a", 100):
        thread = threading.Thread(target=create, args=(store, key))
        thread.start()
        thread.join()
    assert open_files() == before


@posix
def test_a_store_that_is_gone_leaves_no_file_open(path: Path) -> None:
    before = open_files()
    store = SQLiteStore(path)
    create(store)
    assert open_files() > before
    del store
    assert open_files() == before
    assert os.listdir(path.parent) == ["sessions.db"]  # all is in it


def test_greenlets_lose_no_update(store: SQLiteStore) -> None:
    gevent = pytest.importorskip("gevent")
    store.create(KEY, b"0", ttl=100, life=100, owner=None)

    def count() -> None:
        done = 0
        while done < 20:
            record = store.load(KEY)
            gevent.sleep(0)
            assert record is not None
            data = b"%d" % (int(record.data) + 1)
            done += store.replace(KEY, data, ttl=100, version=record.version)

    gevent.joinall(
        [gevent.spawn(count) for _ in range(5)], timeout=30, raise_error=True
    )
    record = store.load(KEY)
    assert record is not None
    assert record.data == b"100"


COUNT = """
key = "c" * 64
print("ready", flush=True)
sys.stdin.readline()
store.create(key, b"0", ttl=100, life=100, owner=None)
done = 0
while done < 50:
    data, version = store.load(key)
    done += store.replace(key, b"%d" % (int(data) + 1), ttl=100, version=version)
"""


def test_processes_that_start_at_once_lose_no_update(
    path: Path, store: SQLiteStore
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PRELUDE + COUNT, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    assert not path.exists()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    record = store.load("c" * 64)
    assert record is not None
    assert record.data == b"200"


WRITE = """
for number in range(100_000):
    create(str(number))
    print(number, flush=True)
"""


@posix
def test_a_writer_that_is_killed_takes_nothing_with_it(
    path: Path, store: SQLiteStore
) -> None:
    for enough in (b"1\n", b"300\n"):
        command = [sys.executable, "-c", PRELUDE + WRITE, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while process.stdout.readline() != enough:
                pass
            process.kill()
            acknowledged = int(enough) + len(process.stdout.readlines()) + 1
        # One may have been written that was not acknowledged any more.
        assert count(path) - acknowledged in (0, 1)
        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        query(path, "DELETE FROM cookiesession")
    assert create(store)


# -- SQLite: forks ------------------------------------------------------------------


def in_child(work: Callable[[], object]) -> bool:
    """Fork, and say whether the child did its work."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@posix
def test_parent_and_child_go_on_after_a_fork(store: SQLiteStore) -> None:
    assert create(store)
    assert in_child(lambda: store.end(KEY) or 1 / 0)
    assert not create(store)
    assert create(store, OTHER)


@posix
def test_what_a_child_writes_outlives_the_parents_connections(path: Path) -> None:
    """A connection that is open when a process forks makes SQLite lose the child's."""
    printed = python(
        """
create("parent")
(parent_reads, child_writes), (child_reads, parent_writes) = os.pipe(), os.pipe()
if os.fork() == 0:
    create("child 1")
    os.write(child_writes, b".")
    os.read(child_reads, 1)
    create("child 2")
    os.write(child_writes, b".")
    os.read(child_reads, 1)
    sys.exit()
os.read(parent_reads, 1)
assert alive("child 1")
del store  # closes its connections
os.write(parent_writes, b".")
os.read(parent_reads, 1)
store = SQLiteStore(path)
print(*map(alive, ["parent", "child 1", "child 2"]))
os.write(parent_writes, b".")
assert os.wait()[1] == 0
print(*map(alive, ["parent", "child 1", "child 2"]))
""",
        path,
    )
    assert printed.split() == ["True"] * 6
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


@posix
def test_a_process_may_fork_while_its_threads_write(path: Path) -> None:
    printed = python(
        """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
stop = threading.Event()
written = []

def write(name):
    number = 0
    while not stop.is_set():
        create(f"{name} {number}")
        written.append(f"{name} {number}")
        number += 1

threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
for thread in threads:
    thread.start()
for child in range(6):
    if os.fork() == 0:
        try:
            create(f"child {child}")
        except BaseException:
            os._exit(1)
        os._exit(0)
statuses = {os.wait()[1] for _ in range(6)}
stop.set()
for thread in threads:
    thread.join()
written += [f"child {child}" for child in range(6)]
print(statuses, all(map(alive, written)), len(written) > 10)
""",
        path,
    )
    assert printed == "{0} True True\n"
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


@posix
def test_a_child_of_a_fork_behind_pythons_back_opens_its_own(path: Path) -> None:
    """As uWSGI's: no hook of Python's is called before it."""
    printed = python(
        """
import ctypes
opened = []
sys.addaudithook(lambda event, _: event == "sqlite3.connect" and opened.append(1))
create("parent")
before = len(opened)
if ctypes.PyDLL(None).fork() == 0:
    alive("parent")
    files = len(os.listdir("/dev/fd"))
    opened_one = len(opened) == before + 1
    if os.fork() == 0:
        alive("parent")
        os._exit(len(opened) != before + 2)
    alive("parent")
    closed_no_others = len(os.listdir("/dev/fd")) == files
    os._exit(not (opened_one and closed_no_others and os.wait()[1] == 0))
print(os.wait()[1], alive("parent"), len(opened) == before)
""",
        path,
    )
    assert printed == "0 True True\n"


def test_writes_do_not_wait_for_the_disk(path: Path) -> None:
    printed = python(
        """
handles = []
sys.addaudithook(
    lambda event, args: event == "sqlite3.connect/handle" and handles.append(args[0])
)
create("any")
print(*(handle.execute("PRAGMA synchronous").fetchone()[0] for handle in handles))
print(*(handle.execute("PRAGMA journal_mode").fetchone()[0] for handle in handles))
handles.clear()
""",
        path,
    )
    assert printed == "1\nwal\n"
