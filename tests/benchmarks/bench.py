"""What a session costs per request, for us, our peers and two floors, in one process.

Run ``python tests/benchmarks/bench.py``, or ``--quick`` for us and the floors alone.
The cost of a session is a request through it minus the same request on the bare app.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter
from typing import Any, NamedTuple

from payloads import LARGE, SMALL
from peers import QUICK, Headers, Peer, Request, Touch

_ROUND = 0.002  # seconds that one peer may take before the next has its turn


class Scenario(NamedTuple):
    name: str
    says: str
    data: dict[str, Any] | None  # what the cookie holds; None: no cookie
    touch: Touch | None
    forged: bool = False


def read(session: Any) -> bool:
    session.get("user_id")
    return False


def write(session: Any) -> bool:
    session.get("user_id")
    session["n"] = 2
    return True


SCENARIOS = (
    Scenario("s0", "no cookie, untouched", None, None),
    Scenario("s1", "valid cookie, untouched", SMALL, None),
    Scenario("s2", "valid cookie, one key read", SMALL, read),
    Scenario("s3", "valid cookie, one key read and one written", SMALL, write),
    Scenario("s4", "as s3, with 2.5 kB of nested lists and dicts", LARGE, write),
    Scenario("s5", "forged cookie, one key read", SMALL, read, forged=True),
)


def cookie_set(headers: Headers) -> str:
    """The ``name=value`` of the last Set-Cookie among *headers*; "" if there is none."""
    found = [value for name, value in headers if name.lower() == "set-cookie"]
    return found[-1].partition(";")[0] if found else ""


def cookie_with(peer: Peer, data: dict[str, Any]) -> str:
    """A Cookie header that holds *data*, made by the peer itself."""

    def fill(session: Any) -> bool:
        for key, value in data.items():
            session[key] = value
        return True

    return cookie_set(peer.through(fill, peer.bodies[0])(""))


def forge(cookie: str) -> str:
    name, _, value = cookie.partition("=")
    return f"{name}={value[:10]}{'A' if value[10] != 'A' else 'B'}{value[11:]}"


def prove(peer: Peer) -> None:
    """A value written in one request is read in the next; a forged cookie is empty.

    :raises RuntimeError: If the peer does not do the job that is measured.
    """
    for body in peer.bodies:
        seen: list[Any] = []

        def look(session: Any, seen: list[Any] = seen) -> bool:
            seen.append((session.get("user_id"), session.get("cart")))
            return False

        cookie = cookie_with(peer, LARGE)
        request = peer.through(look, body)
        for header in (cookie, forge(cookie), ""):
            request(header)
        if seen != [(42, LARGE["cart"]), (None, None), (None, None)]:
            raise RuntimeError(f"{peer.name} with {body} body: read {seen!r:.200}")
        written = cookie_set(peer.through(write, body)(cookie))
        peer.through(look, body)(written)
        if written == cookie or seen[-1] != seen[0]:
            raise RuntimeError(f"{peer.name} with {body} body: a change is lost")


@dataclass
class Case:
    """One peer in one scenario with one kind of body."""

    peer: Peer
    scenario: Scenario
    body: str
    times: int = 0  # requests per round
    costs: list[float] = field(default_factory=list)  # microseconds
    wire: int = 0  # bytes of the cookie's value that is sent

    def __post_init__(self) -> None:
        data = self.scenario.data
        self.cookie = "" if data is None else cookie_with(self.peer, data)
        if self.scenario.forged:
            self.cookie = forge(self.cookie)
        self._bare = self.peer.bare(self.body)
        self._through = self.peer.through(self.scenario.touch, self.body)
        self.wire = len(cookie_set(self._through(self.cookie)).partition("=")[2])
        once = timed(self._through, self.cookie, 50)  # warm, and calibrated
        once = timed(self._through, self.cookie, 50)
        self.times = max(10, int(_ROUND / once))
        timed(self._bare, self.cookie, self.times)

    def run(self) -> None:
        bare = timed(self._bare, self.cookie, self.times)
        self.costs.append((timed(self._through, self.cookie, self.times) - bare) * 1e6)

    @property
    def cost(self) -> float:
        return statistics.median(self.costs)


def timed(request: Request, cookie: str, times: int) -> float:
    """Seconds per request."""
    started = perf_counter()
    for _ in repeat(None, times):
        request(cookie)
    return (perf_counter() - started) / times


def measure(cases: list[Case], rounds: int) -> None:
    """Short rounds, all cases in each: what the machine does else, it does to all."""
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(rounds):
        for case in cases:
            case.run()
        gc.collect()
    gc.enable()


def proven(makers: dict[str, Callable[[str], Peer]]) -> tuple[list[Peer], list[str]]:
    """The peers that do the job, and what is wrong with the others."""
    peers, faults = [], []
    for name, make in makers.items():
        try:
            peer = make(name)
            prove(peer)
        except Exception as error:  # noqa: BLE001
            faults.append(f"{name}: {type(error).__name__}: {error}")
        else:
            peers.append(peer)
    return peers, faults


def table(title: str, rows: dict[str, list[str]]) -> str:
    lines = [title, " " * 22 + "".join(f"{s.name:>9}" for s in SCENARIOS)]
    lines += [
        f"{name:22}" + "".join(f"{cell:>9}" for cell in row)
        for name, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="us and the floors alone")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args(argv)
    peers, faults = proven(QUICK)
    cases = [Case(peer, s, "list") for s in SCENARIOS for peer in peers]
    measure(cases, options.rounds)
    costs = {(case.peer.name, case.scenario.name): case.cost for case in cases}
    rows = {
        peer.name: [f"{costs[peer.name, s.name]:.2f}" for s in SCENARIOS]
        for peer in peers
    }
    print(table("microseconds of session cost", rows))
    ratios = {}
    for name, floor in (("ours", "floor A"), ("ours, FLASK", "floor B")):
        ratios[f"{name} / {floor}"] = [
            f"{costs[name, s.name] / costs[floor, s.name]:.2f}" for s in SCENARIOS
        ]
    print(table("ratios", ratios))
    print(*faults, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
