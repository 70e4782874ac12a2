"""Measure that reading is linear: ``python tests/fuzz/linear_time.py``.

400 kB of any repeated byte, or fragment, must cost about 8 times what 50 kB do, through
the reader and through a whole request. Speed is no matter for a test, so this prints:
the best of some rounds, in microseconds, and the ratio.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from cookiesession import (
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)
from cookiesession.cookies import find_cookies

SMALL, LARGE = 50_000, 400_000
NAME = "__Host-session"
INTERFACE = SecureCookieSessionInterface("measuring-key-0123456789-ABCDEFG")
COOKIE = INTERFACE.make_cookie({"a": 1})
FRAGMENTS = (
    NAME, f"{NAME}=", f"{NAME};", f"{NAME}=;", f"{NAME}=a.b.c;", f"{NAME}=a;", "a=b; ",
    f"={NAME}", f" {NAME} = a;", f'{NAME}="', '"\\', "; ", "=;", NAME[:-1],
    f"{COOKIE};",
)  # fmt: skip


def app(environ: Any, start_response: Any) -> Iterable[bytes]:
    len(get_session(environ))
    start_response("200 OK", [])
    return []


MIDDLEWARE = SessionMiddleware(app, INTERFACE)


def through_the_reader(header: str) -> None:
    find_cookies(header, NAME)


def through_the_middleware(header: str) -> None:
    environ = {"HTTP_COOKIE": header, "wsgi.url_scheme": "https"}
    MIDDLEWARE(environ, lambda *args: lambda data: None)


def best(call: Callable[[str], None], header: str, rounds: int) -> float:
    """The shortest time of a call, in microseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call(header)
        times.append(time.perf_counter() - start)
    return min(times) * 1e6


def row(call: Callable[[str], None], unit: str, rounds: int) -> tuple[float, float]:
    # Our cookie comes last: a header without its name would not be looked at further.
    small, large = (
        best(call, f"{unit * (size // len(unit))};{COOKIE}", rounds)
        for size in (SMALL, LARGE)
    )
    return small, large


def report(call: Callable[[str], None], units: Iterable[str], rounds: int) -> None:
    """A table, the steepest first."""
    rows = [(unit, *row(call, unit, rounds)) for unit in units]
    rows.sort(key=lambda each: each[1] / each[2])
    name = call.__name__.replace("_", " ")
    print(f"\n{name}: {len(rows)} units\n{'unit':26}{'50 kB':>10}{'400 kB':>11} ratio")
    for unit, small, large in rows[:12] + rows[-3:]:
        shown = ascii(unit[:22])
        print(f"{shown:26}{small:8.1f}us{large:9.1f}us{large / small:6.1f}")


def main(rounds: int) -> None:
    for call in through_the_reader, through_the_middleware:
        report(call, [chr(byte) for byte in range(256)], rounds)
        report(call, FRAGMENTS, rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
