"""What a session in a store costs per request: ours beside the peers, engine by engine.

The session's part alone, in one process: a request through the session layer minus the
same request without it, each the least of short batches that took turns, and of some
runs: what else a machine does only ever adds. Engines are as durable for one as for the
other: Redis in memory, SQLite in WAL mode with ``synchronous=NORMAL``, one PostgreSQL;
Beaker's files are not synced. Flask-Session, Beaker and starsessions write in requests
that only read, too, as they come. Needs the engines; run by ``tox -e bench-stores``.
"""

from __future__ import annotations

import argparse
import sys
from copy import deepcopy
from multiprocessing import get_context
from pathlib import Path
from time import sleep
from typing import Any

from payloads import LOGIN
from peers import Touch, own_code
from report import table
from scenarios import cookie_set, read
from store_peers import (
    PEERS,
    StorePeer,
    Where,
    create_tables,
    engines,
    publish,
    versions,
)
from timing import Cost, Timed, measure

#: Microseconds: peer -> what is done.
Costs = dict[str, dict[str, float]]


def count(session: Any) -> bool:
    """Another value every time, as what is equal need not be written."""
    session["n"] = session["n"] + 1
    return True


USES: dict[str, Touch] = {"read": read, "write": count}


def run(engine: str, where: Where, rounds: int) -> Costs:
    """All peers of an engine, in this process."""
    create_tables(where, "sqlite" if engine == "files" else "postgres")
    found = [make(name, where) for name, make in PEERS[engine].items()]
    cookies = [begin(peer) for peer in found]
    sleep(1.1)  # only a later write has a creation time to carry
    costs: dict[tuple[str, str], Cost] = {}
    for peer, cookie in zip(found, cookies, strict=True):
        prove(peer, cookie)
        bare = Timed(peer.bare("list"), cookie)
        for use, touch in USES.items():
            through = Timed(peer.through(own_code(touch), "list"), cookie)
            costs[peer.name, use] = Cost(through, bare)
    measure(costs.values(), rounds)
    return {
        peer.name: {use: costs[peer.name, use].microseconds for use in USES}
        for peer in found
    }


def begin(peer: StorePeer) -> str:
    """The Cookie header of a session that is in the store."""

    def fill(session: Any) -> bool:
        for key, value in deepcopy(LOGIN).items():
            session[key] = value
        return True

    cookie = cookie_set(peer.through(fill, "list")(""))
    if not cookie:
        raise RuntimeError(f"{peer.name} sets no cookie")
    return cookie


def prove(peer: StorePeer, cookie: str) -> None:
    """See that what one request writes the next one reads."""
    seen: list[dict[str, Any]] = []

    def look(session: Any) -> bool:
        seen.append({key: session.get(key) for key in LOGIN})
        return False

    peer.through(count, "list")(cookie)
    peer.through(look, "list")(cookie)
    if seen != [{**LOGIN, "n": LOGIN["n"] + 1}]:
        raise RuntimeError(f"{peer.name} does not keep the session")


def tell(results: dict[str, Costs]) -> str:
    """Ours in microseconds, and the others as ratios to ours on the same engine."""
    rows = {}
    for engine, costs in results.items():
        ours = next(iter(costs.values()))
        for index, (name, cost) in enumerate(costs.items()):
            title = name if engine == "files" else f"{name}, {engine}"
            rows[title] = [
                f"{cost[use]:.0f} us" if index == 0 else f"{cost[use] / ours[use]:.2f}"
                for use in USES
            ]
    return table("", list(USES), rows)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="each in its own process")
    parser.add_argument("--rounds", type=int, default=80, help="more are steadier")
    parser.add_argument("--publish", type=Path, metavar="PAGE")
    options = parser.parse_args(argv)
    results: dict[str, Costs] = {}
    with engines() as where, get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for engine in PEERS:
            times = [(engine, where, options.rounds)] * options.runs
            runs = pool.starmap(run, times, chunksize=1)
            results[engine] = {
                name: {use: min(each[name][use] for each in runs) for use in USES}
                for name in PEERS[engine]
            }
            for each in runs:
                print(tell({engine: each}))
    print(versions())
    told = tell(results)
    print(told)
    if options.publish:
        publish(options.publish, {"stores": told})


if __name__ == "__main__":
    main(sys.argv[1:])
