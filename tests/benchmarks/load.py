"""Under a real server: gunicorn with one line of wrapping, and without it, by wrk.

Both servers run at once and are loaded in turns, round by round. Prints requests per
second, the slowest percentile, the worker's processor time, and their ratios; asserts
nothing. Needs Linux, gunicorn and ``wrk`` (Debian: ``apt install wrk``).

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
from typing import Any, NamedTuple

from payloads import SECRET, SMALL
from report import environment, table
from scenarios import read, write

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

USES: dict[str, Callable[[Any], bool] | None] = {
    "/untouched": None,
    "/read": read,
    "/write": write,
}
_LISTENING = re.compile(r"Listening at: (http://[\d.:]+)")
_WORKER = re.compile(r"Booting worker with pid: (\d+)")
# What wrk prints: "4321 requests in", "Requests/sec:   1234.56", "99%    1.23ms".
_REQUESTS = re.compile(r"(\d+) requests in")
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


class Server(NamedTuple):
    url: str
    worker: int  # process id

    def used(self) -> float:
        """The processor's time that the worker has had, in microseconds (Linux)."""
        schedstat = Path(f"/proc/{self.worker}/schedstat").read_text(encoding="ascii")
        return int(schedstat.split()[0]) / 1000


class Result(NamedTuple):
    rate: float  # requests per second
    p99: float  # milliseconds
    used: float  # microseconds of the processor's time per request


@contextmanager
def gunicorn(app: str, kind: str) -> Iterator[Server]:
    """Serves an app of this module from one worker, on a free port of 127.0.0.1."""
    command = [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", f"load:{app}"]
    process = subprocess.Popen(
        [*command, f"--worker-class={kind}"],
        cwd=Path(__file__).parent,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    said = ""
    try:
        for line in process.stderr:  # it ends when the process does
            said += line
            url, worker = _LISTENING.search(said), _WORKER.search(said)
            if url and worker:
                yield Server(url[1], int(worker[1]))
                return
        raise RuntimeError(f"gunicorn did not start: {said}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def wrk(server: Server, use: str, seconds: int) -> Result:
    """Loads a server with four connections at a time."""
    command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency"]
    cookie = interface.make_cookie(SMALL)
    before = server.used()
    told = subprocess.run(
        [*command, "-H", f"Cookie: {cookie}", server.url + use],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    used = server.used() - before
    number, rate, p99 = _REQUESTS.search(told), _RATE.search(told), _P99.search(told)
    if number is None or rate is None or p99 is None or "Non-2xx" in told:
        raise RuntimeError(f"wrk {server.url}{use}: {told}")
    return Result(float(rate[1]), float(p99[1]) * _IN_MS[p99[2]], used / int(number[1]))


def measure(
    servers: tuple[Server, Server], use: str, rounds: int, seconds: int
) -> list[tuple[Result, Result]]:
    """Pairs of what wrk says, close in time; the servers take turns at being first."""
    pairs = []
    for turn in range(rounds):
        first, second = servers if turn % 2 else servers[::-1]
        pair = wrk(first, use, seconds), wrk(second, use, seconds)
        pairs.append(pair if turn % 2 else pair[::-1])
    return pairs


def summary(pairs: list[tuple[Result, Result]]) -> dict[str, list[str]]:
    """For each number: both servers' medians, and the median of their ratio."""
    rows: dict[str, list[str]] = {}
    for which, name in enumerate(("requests/s", "p99, ms", "CPU us/request")):
        values = [(without[which], with_it[which]) for without, with_it in pairs]
        medians = [statistics.median(each) for each in zip(*values, strict=True)]
        ratio = statistics.median(with_it / without for without, with_it in values)
        rows[name] = [f"{medians[0]:.2f}", f"{medians[1]:.2f}", f"{ratio:.3f}"]
    return rows


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=2, help="of one load")
    parser.add_argument("--worker-class", default="sync")
    options = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing (Debian: apt install wrk)")
    kind = options.worker_class
    rows: dict[str, list[str]] = {}
    with gunicorn("bare", kind) as without, gunicorn("wrapped", kind) as with_it:
        for use in USES:
            pairs = measure((without, with_it), use, options.rounds, options.seconds)
            rows |= {f"{use}: {name}": row for name, row in summary(pairs).items()}
    print(environment())
    print(table(f"gunicorn, one {kind} worker", ("bare", "wrapped", "ratio"), rows))


if __name__ == "__main__":
    main(sys.argv[1:])
