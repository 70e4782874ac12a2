"""The frameworks' own tests, on our sessions: ``tox -e foreign -- flask --mode store``.

Each suite comes from the sdist of its release, which pip downloads and nobody commits.
A plugin, or settings, put our bridge in the place of the framework's own sessions. What
may fail then is listed in ``allowed.txt`` with the reason; any other failure fails the
run, and so does a listed test that passes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
#: Who opens and saves: Flask and the like without us; the bridge; a middleware around
#: the app; the bridge, with sessions in a store.
MODES = ("baseline", "own", "middleware", "store")


@dataclass(frozen=True)
class Suite:
    """Tests of a release.

    :param release: As pip names it.
    :param command: What Python runs in the unpacked sdist. It finds the modules beside
        this file, and the mode in the environment's ``FOREIGN_MODE``.
    :param modes: Those that differ for it.
    """

    release: str
    command: tuple[str, ...]
    modes: tuple[str, ...] = MODES


def pytest(plugin: str, *arguments: str) -> tuple[str, ...]:
    """Run tests by pytest, with the plugin that puts our bridge in."""
    options = ("-q", "--tb=short", "-rfE", "-p", "no:cacheprovider", "-p", plugin)
    return ("-m", "pytest", *options, *arguments)


SUITES = {
    "flask": Suite("flask==3.1.3", pytest("swap_flask", "tests")),
    "flask-login": Suite("flask-login==0.6.3", pytest("swap_flask", "tests")),
    "flask-wtf": Suite("flask-wtf==1.3.0", pytest("swap_flask", "tests")),
    "pyramid": Suite(
        "pyramid==2.1",
        pytest(
            "swap_pyramid",
            "tests/test_session.py::TestOnOurs",
            "tests/test_csrf.py",
            "tests/test_request.py",
            "tests/test_security.py",
            "tests/test_testing.py",
            "tests/test_viewderivers.py",
        ),
        ("baseline", "own", "store"),  # nothing in there calls a WSGI app
    ),
    "django": Suite(
        "django==6.1.3" if sys.version_info >= (3, 12) else "django==5.2.19",
        (
            *("tests/runtests.py", "--settings=swap_django", "--parallel=1"),
            *("auth_tests", "messages_tests", "csrf_tests", "admin_views"),
            *("sessions_tests", "django_sessions", "test_client"),
            "test_client_regress",
        ),
    ),
}

FAILURE = re.compile(
    r"^(?:FAILED|ERROR) (?P<pytest>[^\s(].*?)(?: - .*)?$"
    r"|^(?:FAIL|ERROR): .*\((?P<unittest>[\w.]+)\)",
    re.MULTILINE,
)
SUMMARY = re.compile(r"^(?:\d+ (?:passed|failed).*|Ran \d+ tests.*)$", re.MULTILINE)


def download(release: str, into: Path) -> Path:
    """The folder of a release's unpacked sdist."""
    folder = into / release
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        command += ["--no-binary", ":all:", "--dest", str(into), release]
        subprocess.run(command, check=True)
        name, _, version = release.partition("==")
        pattern = re.compile(
            rf"{re.sub('[-_.]', '[-_.]', name)}-{re.escape(version)}[.]tar[.]gz", re.I
        )
        (sdist,) = (path for path in into.iterdir() if pattern.fullmatch(path.name))
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


def allowed(suite: str, mode: str) -> Iterator[str]:
    """The tests that are to fail, and why each does, from ``allowed.txt``.

    A section ``[suite]``, or ``[release==1]``, holds for all modes but the baseline;
    ``[suite: mode mode]`` for these. A reason is the comment above the tests that it
    explains.
    """
    holds, reason = False, ""
    for line in (HERE / "allowed.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name, _, modes = line.strip("[]").partition(": ")
            in_mode = mode in modes.split() if modes else mode != "baseline"
            holds = in_mode and name in (suite, SUITES[suite].release)
            reason = ""
        elif line.startswith("#"):
            reason = line
        elif line and holds:
            assert reason, f"allowed.txt gives no reason for {line}"
            yield line


def run(name: str, mode: str, into: Path) -> bool:
    """Run a suite, and print how its failures differ from those that are allowed."""
    suite = SUITES[name]
    folder = download(suite.release, into)
    path = os.pathsep.join(map(str, (HERE, folder)))
    environ = {**os.environ, "PYTHONPATH": path, "FOREIGN_MODE": mode}
    environ.update(COLUMNS="1000", CI="true")
    process = subprocess.run(
        [sys.executable, *suite.command],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output = process.stdout
    failed = {each[1] or each[2] for each in FAILURE.finditer(output)}
    expected = set(allowed(name, mode))
    summaries = SUMMARY.findall(output)
    summary = summaries[-1] if summaries else "nothing ran"
    as_listed = len(failed & expected)
    print(f"{name}, {mode}: {summary}; {as_listed} fail as listed", flush=True)
    for test in sorted(failed - expected):
        print(f"  fails, and is not listed: {test}")
    for test in sorted(expected - failed):
        print(f"  is listed, and does not fail: {test}")
    ran = process.returncode in (0, 1) and bool(summaries)
    if not ran or failed - expected:
        print(output)
    return ran and failed == expected


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], default=[])
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["own"])
    parser.add_argument("--into", type=Path, help="where sdists are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        into = (options.into or Path(temporary)).resolve()
        into.mkdir(parents=True, exist_ok=True)
        results = [
            run(name, mode, into)
            for name in options.suites or SUITES
            for mode in options.mode
            if mode in SUITES[name].modes
        ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
