"""What two requests at once do to a session: ours beside the peers, over real HTTP.

Every peer serves the same requests from two processes of gunicorn. Changes: two
clients count in one session, each by a key of its own or both by the same, with a
millisecond between reading and writing. Logouts: a request takes 20 milliseconds until
it writes, and its user logs out halfway, or within two milliseconds of the write. What
then still shows the user, by the cookie of before or by one that the slow response set,
is alive. Needs the engines, and is run by ``tox -e races``; asserts nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from os import environ, pathsep
from pathlib import Path
from typing import NamedTuple

from report import table
from store_peers import PEERS, Where, create_tables, engines, publish, versions
from stores.engines import wait_until
from support import ROOT, free_port, serve

_SLOW = 0.02  # seconds that the slow request takes
_PATIENCE = 5  # seconds after which a request counts as an error


class Answer(NamedTuple):
    status: int  # 0 for none
    cookie: str  # the last one that was set, as name=value
    body: bytes

    @property
    def seen(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body) if self.status == 200 else {}
        return found


class Request:
    """A request that is connected before it is sent."""

    def __init__(self, port: int, path: str, cookie: str = "") -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=_PATIENCE
        )
        self._connection.connect()
        self._path = path
        self._headers = {"Cookie": cookie} if cookie else {}

    def send(self) -> Answer:
        connection = self._connection
        try:
            connection.request("GET", self._path, headers=self._headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return Answer(0, "", b"")
        finally:
            connection.close()
        cookies = response.headers.get_all("Set-Cookie") or [""]
        return Answer(response.status, cookies[-1].partition(";")[0], body)


def ask(port: int, path: str, cookie: str = "") -> Answer:
    return Request(port, path, cookie).send()


def begin(port: int) -> str:
    """The cookie of a user who has just logged in."""
    cookie = ask(port, "/set?key=user_id&value=ada", cookie="").cookie
    if ask(port, "/read", cookie).seen.get("user_id") != "ada":
        raise RuntimeError("a session is not kept")
    return cookie


def lost(port: int, keys: Sequence[str], each: int) -> int:
    """How many changes are lost when a client for each key makes so many."""
    cookie = begin(port)

    def client(key: str) -> None:
        for _ in range(each):
            ask(port, f"/count?key={key}&ms=1", cookie)

    with ThreadPoolExecutor(len(keys)) as pool:
        list(pool.map(client, keys))
    seen = ask(port, "/read", cookie).seen
    kept = [seen.get(key) for key in dict.fromkeys(keys)]
    return len(keys) * each - sum(n for n in kept if isinstance(n, int))


class Logouts(NamedTuple):
    alive: int = 0
    errors: int = 0  # of the slow requests

    def __add__(self, other: object) -> Logouts:
        assert isinstance(other, Logouts)
        return Logouts(self.alive + other.alive, self.errors + other.errors)


def logout(port: int, after: float) -> Logouts:
    """One logout, so many seconds after the slow request."""
    cookie = begin(port)
    slow = Request(port, f"/set?key=a&value=late&ms={_SLOW * 1000:.0f}", cookie)
    out = Request(port, "/logout", cookie)
    started = threading.Barrier(2)

    def slowly() -> Answer:
        started.wait()
        return slow.send()

    def end() -> Answer:
        started.wait()
        time.sleep(after)
        return out.send()

    with ThreadPoolExecutor(2) as pool:
        written, ended = pool.submit(slowly), pool.submit(end)
        answer = written.result()
        if ended.result().status != 200:
            raise RuntimeError("a logout failed")
    cookies = {cookie, answer.cookie} - {""}
    alive = any(ask(port, "/read", each).seen.get("user_id") for each in cookies)
    return Logouts(alive, answer.status != 200)


def logouts(port: int, times: int, after: Callable[[], float]) -> Logouts:
    return sum((logout(port, after()) for _ in range(times)), Logouts())


@contextmanager
def server(engine: str, name: str, where: Where) -> Iterator[int]:
    """A peer under gunicorn; its port."""
    port = free_port()
    arguments = ", ".join(map(repr, (engine, name, *where)))
    command = "python -m gunicorn --workers 2 --threads 4 --bind"
    tests = ROOT / "tests"
    paths = [str(tests), str(tests / "benchmarks"), environ.get("PYTHONPATH", "")]
    with (
        tempfile.TemporaryDirectory(prefix="races-") as folder,
        serve(
            *shlex.split(command),
            f"127.0.0.1:{port}",
            f"store_peers:racing({arguments})",
            port=port,
            cwd=Path(folder),
            env={"PYTHONPATH": pathsep.join(paths)},
        ),
    ):
        seen: set[object] = set()

        def both_serve() -> bool:
            seen.add(ask(port, "/read", begin(port)).seen["pid"])
            return len(seen) == 2

        wait_until(both_serve, 60)
        yield port


#: Two tables: by peer, its cells.
Rows = dict[str, list[str]]


def race(engine: str, where: Where, each: int, times: int) -> tuple[Rows, Rows]:
    """All races of an engine's peers; in a process of its own, for the tables."""
    create_tables(where, "sqlite" if engine == "files" else "postgres")
    dice = random.Random(1)
    changes, ends = {}, {}
    for name in PEERS[engine]:
        title = name if engine == "files" else f"{name}, {engine}"
        with server(engine, name, where) as port:
            cells = [lost(port, keys, each) for keys in (("a", "b"), ("a", "a"))]
            middle = logouts(port, times, lambda: _SLOW / 2)
            edge = logouts(port, times, lambda: _SLOW + dice.uniform(-0.002, 0.002))
        changes[title] = [str(cell) for cell in cells]
        errors = middle.errors + edge.errors
        ends[title] = [str(middle.alive), str(edge.alive), str(errors)]
        print(title, changes[title], ends[title], flush=True)
    return changes, ends


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--changes", type=int, default=250, help="of each client")
    parser.add_argument("--logouts", type=int, default=100, help="of each kind")
    parser.add_argument("--publish", type=Path, metavar="PAGE")
    options = parser.parse_args(argv)
    changes: Rows = {}
    ends: Rows = {}
    with engines() as where, get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        print(versions(), flush=True)
        counts = options.changes, options.logouts
        for more_changes, more_ends in pool.starmap(
            race, [(engine, where, *counts) for engine in PEERS], chunksize=1
        ):
            changes |= more_changes
            ends |= more_ends
    tables = {
        "races": table(
            f"lost of {2 * options.changes:,}", ["different keys", "same key"], changes
        ),
        "logouts": table(
            f"of {options.logouts} each",
            ["halfway", "as it writes", f"errors of {2 * options.logouts}"],
            ends,
        ),
    }
    print(*tables.values(), sep="\n")
    if options.publish:
        publish(options.publish, tables)


if __name__ == "__main__":
    main(sys.argv[1:])
