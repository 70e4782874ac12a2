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

from peers import BODIES, Request, ours
from scenarios import SCENARIOS, cookie_for

from cookiesession import FLASK


def requests() -> list[tuple[Request, str]]:
    """Every scenario, in both formats, with both kinds of body."""
    return [
        (peer.through(scenario.touch, body), cookie_for(peer, scenario))
        for peer in (ours("ours"), ours("ours, FLASK", format=FLASK))
        for scenario in SCENARIOS
        for body in BODIES
    ]


def resident() -> int:
    """Resident size in kB, as Linux tells."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [size] = [line.split()[1] for line in status.splitlines() if "VmRSS" in line]
    return int(size)


def soak(number: int) -> None:
    """Requests with the collector off: what is not freed by itself, stays and shows."""
    mix = cycle(requests())
    gc.collect()
    gc.disable()
    started = perf_counter()
    for done in range(0, number + 1, number // 10):
        print(
            f"{done:9} requests  {resident():7} kB  {perf_counter() - started:6.1f} s"
        )
        if done < number:
            for request, cookie in islice(mix, number // 10):
                request(cookie)
    print(f"unreachable objects in cycles, by gc.collect(): {gc.collect()}")
    gc.enable()


def cycles() -> None:
    """What one kind of request leaves behind, for every scenario."""
    gc.collect()
    gc.disable()
    for index, (request, cookie) in enumerate(requests()):
        gc.collect()
        for _ in repeat(None, 100):
            request(cookie)
        if left := gc.collect():
            print(f"request {index} of the mix leaves cycles: {left} objects in 100")
    gc.enable()


def allocations() -> None:
    """The most memory that a request needs at one time, beyond the bare app's."""
    peer = ours("ours")
    for scenario in SCENARIOS:
        cookie = cookie_for(peer, scenario)
        bare = _peak(peer.bare("list"), cookie)
        through = _peak(peer.through(scenario.touch, "list"), cookie)
        print(f"{scenario.name}: {through - bare:7} bytes at the peak; {scenario.says}")


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
    allocations()
    cycles()
    soak(options.requests)


if __name__ == "__main__":
    main(sys.argv[1:])
