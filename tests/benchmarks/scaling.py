"""How the cost of a session grows: with its size, with others' cookies, with keys.

It should grow in proportion to the first two, and not at all with the third, for a
session under the newest key. Prints microseconds; asserts nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from payloads import SMALL, cart
from peers import Peer, Touch, ours
from report import table
from scenarios import cookies_in_use, read, write
from timing import Cost, Timed, measure

from cookiesession import CookieOptions


class Case(NamedTuple):
    peer: Peer
    data: dict[str, Any]
    touch: Touch
    other_cookies: str = ""  # in front of ours, in the same header

    def cost(self, cookie: str) -> Cost:
        header = self.other_cookies + cookie
        through = Timed(self.peer.through(self.touch, "list"), header)
        return Cost(through, Timed(self.peer.bare("list"), header))


def of_size(items: int) -> Case:
    roomy = CookieOptions(max_size=2**16)  # browsers' limit is not what is measured
    return Case(ours("ours", cookie=roomy), {**SMALL, "cart": cart(items)}, write)


def among_cookies(others: int) -> Case:
    header = "".join(f"other{n}={'x' * 24}; " for n in range(others))
    return Case(ours("ours"), SMALL, read, header)


def with_fallbacks(number: int) -> Case:
    keys = [f"fallback-key-{n:04}-0123456789-ABCDEFGHIJ" for n in range(number)]
    return Case(ours("ours", fallback_keys=keys), SMALL, read)


DIMENSIONS: dict[str, tuple[Callable[[int], Case], tuple[int, ...]]] = {
    "items of 120 bytes, read and write": (of_size, (0, 10, 20, 40, 80, 160)),
    "other cookies, read": (among_cookies, (0, 5, 10, 20, 40, 80)),
    "fallback keys, read": (with_fallbacks, (0, 1, 2, 4, 8, 16)),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args(argv)
    cases = {
        (name, number): make(number)
        for name, (make, numbers) in DIMENSIONS.items()
        for number in numbers
    }
    cookies = cookies_in_use((case.peer, case.data) for case in cases.values())
    costs = {
        place: case.cost(cookie)
        for (place, case), cookie in zip(cases.items(), cookies, strict=True)
    }
    measure(costs.values(), options.rounds)
    for name, (_, numbers) in DIMENSIONS.items():
        took = [costs[name, number].microseconds for number in numbers]
        more = [
            f"{(cost - took[0]) / number:.3f}" if number else ""
            for cost, number in zip(took, numbers, strict=True)
        ]
        rows = {"us": [f"{cost:.2f}" for cost in took], "us for each more": more}
        print(table(name, [str(number) for number in numbers], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
