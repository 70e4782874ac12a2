"""How the cost of a session grows: with its size, with others' cookies, with keys.

It should grow in proportion to the first two, and not at all with the third, for a
session under the newest key. Prints microseconds of the processor's time; asserts
nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import thread_time
from typing import Any

from bench import Case, measure
from payloads import SMALL, cart
from peers import ours
from report import table
from scenarios import Scenario, read, write

from cookiesession import CookieOptions


def case(scenario: Scenario, other_cookies: str = "", **options: Any) -> Case:
    peer = ours("ours", **options)
    return Case(peer, scenario, "list", other_cookies, clock=thread_time)


def of_size(items: int) -> Case:
    roomy = CookieOptions(max_size=2**16)  # browsers' limit is not what is measured
    data = {**SMALL, "cart": cart(items)}
    return case(Scenario("size", "", data, write), cookie=roomy)


def among_cookies(others: int) -> Case:
    header = "".join(f"other{n}={'x' * 24}; " for n in range(others))
    return case(Scenario("cookies", "", SMALL, read), header)


def with_fallbacks(number: int) -> Case:
    keys = [f"fallback-key-{n:04}-0123456789-ABCDEFGHIJ" for n in range(number)]
    return case(Scenario("keys", "", SMALL, read), fallback_keys=keys)


DIMENSIONS: dict[str, tuple[Callable[[int], Case], tuple[int, ...]]] = {
    "items of 110 bytes, read and write": (of_size, (0, 10, 20, 40, 80, 160)),
    "other cookies, read": (among_cookies, (0, 5, 10, 20, 40, 80)),
    "fallback keys, read": (with_fallbacks, (0, 1, 2, 4, 8, 16)),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args(argv)
    cases = {
        name: [make(number) for number in numbers]
        for name, (make, numbers) in DIMENSIONS.items()
    }
    measure([case for each in cases.values() for case in each], options.rounds)
    for name, (_, numbers) in DIMENSIONS.items():
        costs = [case.cost for case in cases[name]]
        more = [
            f"{(cost - costs[0]) / number:.3f}" if number else ""
            for cost, number in zip(costs, numbers, strict=True)
        ]
        rows = {"us": [f"{cost:.2f}" for cost in costs], "us for each more": more}
        print(table(name, [str(number) for number in numbers], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
