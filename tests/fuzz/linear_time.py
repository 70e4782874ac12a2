"""Measure that reading is linear: ``python tests/fuzz/linear_time.py``.

400 kB of any repeated byte, or fragment, must cost about 8 times what 50 kB do, through
the reader and through a whole request; and 3.2 MB about 8 times that, which is no
matter of the processor's caches any more. Speed is nothing to assert in a test, so this
prints the best of some rounds, in microseconds of processor time, and the ratios.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cookiesession import (
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)
from cookiesession.cookies import find_cookies

SIZES = (50_000, 400_000, 3_200_000)
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
        start = time.process_time()
        call(header)
        times.append(time.process_time() - start)
    return min(times) * 1e6


def row(call: Callable[[str], None], unit: str, rounds: int) -> list[float]:
    # Our cookie comes last: a header without its name would not be looked at further.
    return [
        best(call, f"{unit * (size // len(unit))};{COOKIE}", rounds) for size in SIZES
    ]


def report(call: Callable[[str], None], units: Sequence[str], rounds: int) -> None:
    """A table, the steepest first."""
    rows = [(row(call, unit, rounds), unit) for unit in units]
    rows.sort(key=lambda each: each[0][1] / each[0][0], reverse=True)
    print(f"\n{call.__name__.replace('_', ' ')}: {len(rows)} units")
    print(f"{'unit':26}{'50 kB':>10}{'400 kB':>11}{'3.2 MB':>12}  ratios")
    for (small, large, huge), unit in rows[:12] + rows[-3:]:
        times = f"{small:8.0f}us{large:9.0f}us{huge:10.0f}us"
        print(f"{unit[:22]!a:26}{times}{large / small:6.1f}{huge / large:6.1f}")


def main(rounds: int) -> None:
    for call in through_the_reader, through_the_middleware:
        report(call, [chr(byte) for byte in range(256)], rounds)
        report(call, FRAGMENTS, rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
