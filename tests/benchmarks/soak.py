"""Memory: a million requests through the middleware, and what one of them leaves.

The resident size should be flat, an untouched session should allocate next to nothing,
and no request should leave a reference cycle. Prints; asserts nothing.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tracemalloc
from itertools import cycle, islice, repeat
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from payloads import SHAPES
from peers import BODIES, Peer, Request, ours, ours_for_flask
from scenarios import SCENARIOS, Scenario, cookies_in_use

PEERS = (ours("ours"), ours_for_flask("FLASK"))


class Use(NamedTuple):
    peer: Peer
    scenario: Scenario
    cookie: str

    def request(self, body: str) -> Request:
        return self.peer.through(self.scenario.touch_of(self.peer), body)


def uses() -> list[Use]:
    """Every scenario in both formats."""
    sessions = [(peer, shape) for peer in PEERS for shape in SHAPES]
    made = cookies_in_use((peer, SHAPES[shape]) for peer, shape in sessions)
    cookies = dict(zip(sessions, made, strict=True))
    return [
        Use(peer, scenario, scenario.header(cookies.get((peer, scenario.shape), "")))
        for peer in PEERS
        for scenario in SCENARIOS
    ]


def resident() -> int:
    """Resident size in kB, as Linux tells."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [size] = [line.split()[1] for line in status.splitlines() if "VmRSS" in line]
    return int(size)


def soak(mix: list[Use], number: int) -> None:
    """Requests with the collector off: what is not freed by itself, stays and shows."""
    requests = cycle((use.request(body), use.cookie) for use in mix for body in BODIES)
    gc.collect()
    gc.disable()
    started = perf_counter()
    for done in range(0, number + 1, number // 10):
        print(
            f"{done:9} requests  {resident():7} kB  {perf_counter() - started:6.1f} s"
        )
        if done < number:
            for request, cookie in islice(requests, number // 10):
                request(cookie)
    print(f"unreachable objects in cycles, by gc.collect(): {gc.collect()}")
    gc.enable()


def cycles(mix: list[Use]) -> None:
    """What one kind of request leaves behind, for every scenario."""
    gc.collect()
    gc.disable()
    for use in mix:
        for body in BODIES:
            request = use.request(body)
            gc.collect()
            for _ in repeat(None, 100):
                request(use.cookie)
            if left := gc.collect():
                print(
                    f"{use.peer.name}, {use.scenario.name}, {body} body leaves cycles:"
                    f" {left} objects in 100 requests"
                )
    gc.enable()


def allocations(mix: list[Use]) -> None:
    """The most memory that a request needs at one time, beyond the bare app's."""
    for use in mix:
        bare = _peak(use.peer.bare("list"), use.cookie)
        through = _peak(use.request("list"), use.cookie)
        print(
            f"{use.peer.name}, {use.scenario.name}: {through - bare} bytes at the peak"
        )


def _peak(request: Request, cookie: str) -> int:
    for _ in repeat(None, 100):
        request(cookie)
    tracemalloc.start()
    request(cookie)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    request(cookie)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args(argv)
    mix = uses()
    allocations(mix)
    cycles(mix)
    soak(mix, options.requests)


if __name__ == "__main__":
    main(sys.argv[1:])
