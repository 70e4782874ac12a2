"""Under a real server: gunicorn with one line of wrapping, and without it, by wrk.

All servers run at once and are loaded in turns, in short rounds. Prints the best round
of each: requests per second, the slowest percentile, the worker's processor time, and
their ratios to the bare app's; asserts nothing. Needs Linux, gunicorn and ``wrk``
(Debian: ``apt install wrk``).

As an app for gunicorn, this module is ``load:bare``, ``load:wrapped`` and
``load:encrypted``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from payloads import LOGIN, SECRET
from peers import ours
from report import environment, table
from scenarios import cookies_in_use, read, write

from cookiesession import (
    EncryptedFormat,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SignedFormat,
    get_session,
)

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


FORMATS = {"wrapped": SignedFormat(), "encrypted": EncryptedFormat()}
wrapped, encrypted = (
    SessionMiddleware(bare, SecureCookieSessionInterface(SECRET, format=format))
    for format in FORMATS.values()
)


class Server(NamedTuple):
    url: str
    worker: int  # process id
    cookie: str

    def used(self) -> float:
        """The processor's time that the worker has had, in microseconds (Linux)."""
        schedstat = Path(f"/proc/{self.worker}/schedstat").read_text(encoding="ascii")
        return int(schedstat.split()[0]) / 1000


class Result(NamedTuple):
    rate: float  # requests per second
    p99: float  # milliseconds
    used: float  # microseconds of the processor's time per request


@contextmanager
def gunicorn(app: str, kind: str, cookie: str) -> Iterator[Server]:
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
                yield Server(url[1], int(worker[1]), cookie)
                return
        raise RuntimeError(f"gunicorn did not start: {said}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def wrk(server: Server, use: str, seconds: int) -> Result:
    """Loads a server with four connections at a time."""
    command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency"]
    before = server.used()
    told = subprocess.run(
        [*command, "-H", f"Cookie: {server.cookie}", server.url + use],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    used = server.used() - before
    number, rate, p99 = _REQUESTS.search(told), _RATE.search(told), _P99.search(told)
    if number is None or rate is None or p99 is None or "Non-2xx" in told:
        raise RuntimeError(f"wrk {server.url}{use}: {told}")
    return Result(float(rate[1]), float(p99[1]) * _IN_MS[p99[2]], used / int(number[1]))


def cookies() -> dict[str, str]:
    """A login session's Cookie header for each app; the bare one ignores it."""
    peers = [ours(app, format=format) for app, format in FORMATS.items()]
    made = cookies_in_use((peer, LOGIN) for peer in peers)
    found = dict(zip(FORMATS, made, strict=True))
    return {"bare": found["wrapped"], **found}


#: Rounds: path -> app -> what wrk said each time.
Rounds = dict[str, dict[str, list[Result]]]


def measure(servers: dict[str, Server], rounds: int, seconds: int) -> Rounds:
    """Every server with every use in each round; who is first changes."""
    results: Rounds = {use: {app: [] for app in servers} for use in USES}
    order = list(servers)
    for _ in range(rounds):
        for use, of_use in results.items():
            for app in order:
                of_use[app].append(wrk(servers[app], use, seconds))
        order.append(order.pop(0))
    return results


def summary(results: Rounds) -> dict[str, list[str]]:
    """For each number: every server's best, and its ratio to the bare one's."""
    rows: dict[str, list[str]] = {}
    for use, of_use in results.items():
        for which, name, best in (
            (0, "requests/s", max),
            (1, "p99, ms", min),
            (2, "CPU us/request", min),
        ):
            values = [best(each[which] for each in said) for said in of_use.values()]
            cells = [f"{value:.2f} ({value / values[0]:.3f})" for value in values]
            rows[f"{use}: {name}"] = cells
    return rows


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=1, help="of one load")
    parser.add_argument("--worker-class", default="sync")
    options = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing (Debian: apt install wrk)")
    kind = options.worker_class
    with ExitStack() as stack:
        servers = {
            app: stack.enter_context(gunicorn(app, kind, cookie))
            for app, cookie in cookies().items()
        }
        results = measure(servers, options.rounds, options.seconds)
    print(environment())
    print(table(f"gunicorn, one {kind} worker", list(servers), summary(results)))


if __name__ == "__main__":
    main(sys.argv[1:])
