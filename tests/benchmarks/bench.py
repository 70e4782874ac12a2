"""What a session costs per request: ours, two kinds of floor and our peers.

The cost of a session is a request through it minus the same request without sessions.
Every peer first proves that it does the job. Nothing here asserts a time: compare the
numbers of one run with each other, never with those of another machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from chart import draw
from payloads import SHAPES
from peers import ALL, QUICK, Peer, Request
from report import Results, Run, environment, publish, report
from scenarios import SCENARIOS, cookies_in_use, prove
from timing import Cost, Timed, measure

CHART = Path(__file__).with_name("results.svg")
#: Cookie headers, by the names of a peer and a shape.
Cookies = dict[tuple[str, str], str]


class Case(NamedTuple):
    """A peer in a scenario with a kind of body."""

    body: str
    peer: str
    scenario: str
    cost: Cost


def run(quick: bool, rounds: int) -> Run:
    """All of it once."""
    peers, faults = proven(quick)
    sessions = [(peer, shape) for peer in peers for shape in SHAPES]
    made = cookies_in_use((peer, SHAPES[shape]) for peer, shape in sessions)
    names = [(peer.name, shape) for peer, shape in sessions]
    cookies = dict(zip(names, made, strict=True))
    cases = cases_of(peers, cookies)
    measure([case.cost for case in cases], rounds)
    costs: dict[str, dict[str, dict[str, float]]] = {}
    for case in cases:
        of_peer = costs.setdefault(case.body, {}).setdefault(case.peer, {})
        of_peer[case.scenario] = case.cost.microseconds
    sizes: dict[str, dict[str, int]] = {}
    for (peer, shape), cookie in cookies.items():
        sizes.setdefault(peer, {})[shape] = len(cookie.partition("=")[2])
    return {"costs": costs, "sizes": sizes, "faults": faults}


def proven(quick: bool) -> tuple[list[Peer], list[str]]:
    """The peers that do the job, and what is wrong with the others."""
    peers, faults = [], []
    for name, make in (QUICK if quick else ALL).items():
        try:
            peer = make(name)
            prove(peer)
        except Exception as error:  # noqa: BLE001, PERF203
            faults.append(f"{name}: {type(error).__name__}: {error}")
        else:
            peers.append(peer)
    return peers, faults


def cases_of(peers: list[Peer], cookies: Cookies) -> list[Case]:
    """Every peer in every scenario; those with the same bare app share its times."""
    bare: dict[tuple[Request, str], Timed] = {}
    cases = []
    for scenario in SCENARIOS:
        for peer in peers:
            cookie = scenario.header(cookies.get((peer.name, scenario.shape), ""))
            for body in peer.bodies:
                without = peer.bare(body)
                key = without, scenario.name
                if key not in bare:
                    bare[key] = Timed(without, cookie)
                through = Timed(peer.through(scenario.touch_of(peer), body), cookie)
                cost = Cost(through, bare[key])
                cases.append(Case(body, peer.name, scenario.name, cost))
    return cases


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="ours and the floors alone"
    )
    parser.add_argument("--runs", type=int, default=1, help="each in its own process")
    parser.add_argument("--rounds", type=int, default=120, help="more are steadier")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="PAGE",
        help=f"put the table into this Markdown file, and the chart into {CHART.name}",
    )
    options = parser.parse_args(argv)
    if options.publish and options.quick:
        parser.error("--publish needs the peers that --quick leaves out")
    # A process each: where things lie in memory is a part of what they cost.
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        times = [(options.quick, options.rounds)] * options.runs
        runs = pool.starmap(run, times, chunksize=1)
    results: Results = {"environment": environment(), "runs": runs}
    print(report(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.publish:
        if any(run["faults"] for run in runs):
            sys.exit("not published: a peer was not measured")
        publish(results, options.publish)
        CHART.write_text(draw(results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
