"""Under a real server: gunicorn with one line of wrapping, and without it, by wrk.

Both servers run at once and are loaded in turns, round by round. Prints requests per
second, the slowest percentile, and their ratios, and asserts nothing. Needs ``wrk``
(Debian: ``apt install wrk``) and gunicorn.

As an app for gunicorn, this module is ``load:bare`` and ``load:wrapped``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from payloads import SECRET, SMALL
from report import environment, table
from scenarios import read, write

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

USES: dict[str, Callable[[Any], bool] | None] = {
    "/untouched": None,
    "/read": read,
    "/write": write,
}
#: Requests per second, and the 99th percentile of their time in milliseconds.
Result = tuple[float, float]
_LISTENING = re.compile(r"Listening at: (http://[\d.:]+)")
# What wrk prints: "Requests/sec:   1234.56", and "99%    1.23ms".
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_P99 = re.compile(r"99%\s+([\d.]+)(us|ms|s)\b")
_IN_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def bare(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """The app: it touches the session as its path says, where there is one."""
    touch = USES[environ["PATH_INFO"]]
    if touch is not None and "cookiesession.session" in environ:
        touch(get_session(environ))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


interface = SecureCookieSessionInterface(SECRET)
wrapped = SessionMiddleware(bare, interface)


@contextmanager
def gunicorn(app: str, workers: str) -> Iterator[str]:
    """Serves an app of this module on a free port of 127.0.0.1; gives its URL."""
    command = [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", f"load:{app}"]
    process = subprocess.Popen(
        [*command, f"--worker-class={workers}"],
        cwd=Path(__file__).parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:  # it ends when the process does
            if found := _LISTENING.search(line):
                yield found[1]
                break
        else:
            raise RuntimeError("gunicorn did not start")
    finally:
        process.terminate()
        process.wait(timeout=30)


def wrk(url: str, seconds: int) -> Result:
    """Loads a URL with four connections at a time."""
    command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency"]
    cookie = interface.make_cookie(SMALL)
    told = subprocess.run(
        [*command, "-H", f"Cookie: {cookie}", url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate, slowest = _RATE.search(told), _P99.search(told)
    if rate is None or slowest is None or "Non-2xx" in told:
        raise RuntimeError(f"wrk {url}: {told}")
    return float(rate[1]), float(slowest[1]) * _IN_MS[slowest[2]]


def measure(
    servers: tuple[str, str], use: str, rounds: int, seconds: int
) -> list[tuple[Result, Result]]:
    """Pairs of what wrk says, close in time; the servers take turns at being first."""
    pairs = []
    for turn in range(rounds):
        first, second = servers if turn % 2 else servers[::-1]
        pair = wrk(first + use, seconds), wrk(second + use, seconds)
        pairs.append(pair if turn % 2 else pair[::-1])
    return pairs


def row(pairs: list[tuple[Result, Result]]) -> list[str]:
    """Medians of both servers and of their ratio: for the rate, then the percentile."""
    cells = []
    for which, digits in ((0, 0), (1, 2)):
        values = [(without[which], with_it[which]) for without, with_it in pairs]
        cells += [
            f"{statistics.median(each):.{digits}f}"
            for each in zip(*values, strict=True)
        ]
        ratio = statistics.median(with_it / without for without, with_it in values)
        cells.append(f"{ratio:.3f}")
    return cells


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=2, help="of one load")
    parser.add_argument("--worker-class", default="sync")
    options = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing (Debian: apt install wrk)")
    workers = options.worker_class
    with gunicorn("bare", workers) as without, gunicorn("wrapped", workers) as with_it:
        rows = {
            use: row(measure((without, with_it), use, options.rounds, options.seconds))
            for use in USES
        }
    columns = ("req/s", "wrapped", "ratio", "p99 ms", "wrapped", "ratio")
    print(environment())
    print(table(f"gunicorn, one {workers} worker", columns, rows))


if __name__ == "__main__":
    main(sys.argv[1:])
