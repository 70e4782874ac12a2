"""What a session costs per request: us, our peers and two floors, in one process.

The cost of a session is a request through it minus the same request without sessions.
Every peer first proves that it does the job. Nothing here asserts a time: compare the
numbers of one run with each other, never with those of another machine.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

from chart import draw
from peers import ALL, QUICK, Peer, Request
from report import environment, report
from scenarios import SCENARIOS, Scenario, cookie_for, cookie_set, cookie_with, prove

WIRE = ("s3", "s4")  # the scenarios whose cookies are weighed
# Shorter than what a scheduler gives a process at a time, so that most go undisturbed.
_TURN = 0.001  # seconds that a peer may take before the next one


@dataclass
class Case:
    """One peer in one scenario with one kind of body."""

    peer: Peer
    scenario: Scenario
    body: str
    other_cookies: str = ""  # in front of ours, in the same header
    clock: Callable[[], float] = perf_counter
    costs: list[float] = field(default_factory=list)  # microseconds, one per round

    def __post_init__(self) -> None:
        self._cookie = self.other_cookies + cookie_for(self.peer, self.scenario)
        self._bare = self.peer.bare(self.body)
        self._through = self.peer.through(self.scenario.touch, self.body)
        self._warm_up()

    def _warm_up(self) -> None:
        for request in (self._bare, self._through, self._through):
            seconds = self._time(request, 100)
        self._times = max(10, int(_TURN / seconds))

    def run(self) -> None:
        """One turn; who is first changes, for the first has to warm the caches."""
        both = [self._bare, self._through]
        order = both if len(self.costs) % 2 else both[::-1]
        for request in order:
            self._time(request, self._times // 4)
        seconds = {request: self._time(request, self._times) for request in order}
        self.costs.append((seconds[self._through] - seconds[self._bare]) * 1e6)

    @property
    def cost(self) -> float:
        """Microseconds of session cost."""
        return statistics.median(self.costs)

    def wire(self) -> int:
        """Bytes of the cookie's value that goes out now."""
        return value_size(cookie_set(self._through(self._cookie)))

    def _time(self, request: Request, times: int) -> float:
        """Seconds per request."""
        cookie, clock = self._cookie, self.clock
        started = clock()
        for _ in repeat(None, times):
            request(cookie)
        return (clock() - started) / times


def measure(cases: list[Case], rounds: int) -> None:
    """All cases in each of many short rounds: a slow moment hits them all alike."""
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(rounds):
        for case in cases:
            case.run()
        gc.collect()
    gc.enable()


def value_size(cookie: str) -> int:
    return len(cookie.partition("=")[2])


def first_size(peer: Peer, scenario: Scenario) -> int:
    """Bytes of the cookie's value when a session is first issued."""
    return value_size(cookie_with(peer, {**(scenario.data or {}), "n": 2}))


def proven(makers: dict[str, Callable[[str], Peer]]) -> tuple[list[Peer], list[str]]:
    """The peers that do the job, and what is wrong with the others."""
    peers, faults = [], []
    for name, make in makers.items():
        try:
            peer = make(name)
            prove(peer)
        except Exception as error:  # noqa: BLE001, PERF203
            faults.append(f"{name}: {type(error).__name__}: {error}")
        else:
            peers.append(peer)
    return peers, faults


def run(
    makers: dict[str, Callable[[str], Peer]], rounds: int, clock: Callable[[], float]
) -> dict[str, Any]:
    peers, faults = proven(makers)
    cases = [
        Case(peer, scenario, body, clock=clock)
        for scenario in SCENARIOS
        for peer in peers
        for body in peer.bodies
    ]
    measure(cases, rounds)
    costs: dict[str, dict[str, dict[str, float]]] = {}
    wire: dict[str, dict[str, int]] = {}
    for case in cases:
        of_peer = costs.setdefault(case.body, {}).setdefault(case.peer.name, {})
        of_peer[case.scenario.name] = case.cost
        if case.scenario.name in WIRE:
            sizes = wire.setdefault(case.peer.name, {})
            sizes[f"{case.scenario.name} new"] = first_size(case.peer, case.scenario)
            sizes[f"{case.scenario.name} old"] = case.wire()
    return {
        "environment": environment(),
        "scenarios": {scenario.name: scenario.says for scenario in SCENARIOS},
        "costs": costs,
        "wire": wire,
        "faults": faults,
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="us and the floors alone")
    parser.add_argument("--rounds", type=int, help="more are steadier (default: 250)")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the processor's time: for a machine that does other work as well",
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--chart", type=Path, help="write the SVG to this file")
    options = parser.parse_args(argv)
    if options.chart is None and not options.quick:
        options.chart = Path(__file__).with_name("results.svg")
    rounds = options.rounds or (100 if options.quick else 250)
    clock = thread_time if options.cpu_time else perf_counter
    results = run(QUICK if options.quick else ALL, rounds, clock)
    print(report(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.chart:
        options.chart.write_text(draw(results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
