"""What tests share beside fixtures: keys, a clock that stands still, real servers."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cookiesession import (
    FLASK,
    ConfigError,
    EncryptedFormat,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SignedFormat,
)

#: 32 bytes that are nobody's keys but the tests'.
KEY = "tests-only-key-0123456789-ABCDEF"
OLD_KEY = "tests-only-old-key-9876543210-ZY"

#: Marks what needs ``cryptography``, which comes with an extra.
needs_extras = pytest.mark.extras
try:
    ENCRYPTED: Any = EncryptedFormat()
except ConfigError:  # then nothing that is marked runs
    ENCRYPTED = SignedFormat(salt="stands in for the encrypted format")
FORMATS: dict[str, Any] = {
    "signed": SignedFormat(),
    "flask": FLASK,
    "encrypted": ENCRYPTED,
}
#: Flask's format, accepted in a cookie of our name.
FLASK_IN_OURS = replace(FLASK, cookie_name=None)


def params_of(cases: Mapping[str, Any]) -> list[Any]:
    """Parameters of a test, with their ids; those that encrypt are marked."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else [case]),
            id=name,
            marks=[needs_extras] if "encrypted" in name else [],
        )
        for name, case in cases.items()
    ]


every_format = pytest.mark.parametrize("format", params_of(FORMATS))

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


class Clock:
    """A clock that moves when the test says so; seconds."""

    def __init__(self, now: float = 1_700_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, **duration: float) -> None:
        """Move on, by the arguments of a timedelta."""
        self.now += timedelta(**duration).total_seconds()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(
    *command: str, port: int, cwd: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[Any]]:
    """Run a server for the time of the block, as a process group of its own.

    :param command: The program and its arguments; ``python`` is this interpreter.
    :param port: Where it is going to listen, on 127.0.0.1.
    :raises RuntimeError: With what it printed, if it does not listen within 20 seconds.
    """
    argv = [sys.executable if word == "python" else word for word in command]
    log = cwd / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            # gunicorn keeps a control socket there, else in the home directory
            env={**os.environ, "XDG_RUNTIME_DIR": str(cwd), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if not _listens(process, port):
                raise RuntimeError(f"{argv[0]} did not start:\n{log.read_text()}")
            yield process
        finally:
            _stop(process)


def _listens(process: subprocess.Popen[Any], port: int) -> bool:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            try:  # a pause that ends when the process does
                process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            return False
        return True
    return False


def _stop(process: subprocess.Popen[Any]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
        return


Headers = list[tuple[str, str]]


def open_session(
    interface: SecureCookieSessionInterface, data: dict[str, Any] | None = None
) -> SecureCookieSession:
    """The session of a request that brings *data* in its cookie, or no cookie."""
    header = "" if data is None else interface.make_cookie(data)
    session = interface.open_session({"HTTP_COOKIE": header})
    assert isinstance(session, SecureCookieSession)
    return session


def save_session(
    interface: SecureCookieSessionInterface,
    session: SecureCookieSession,
    status: str = "200 OK",
    headers: Headers | None = None,
    environ: dict[str, str] | None = None,
) -> Headers:
    """The response's headers after the session was saved on them; over https."""
    headers = [] if headers is None else headers
    environ = {"wsgi.url_scheme": "https"} if environ is None else environ
    interface.save_session(environ, session, status, headers)
    return headers


def values_of(headers: Headers, name: str) -> list[str]:
    """The values of all headers of a name, in their order."""
    return [value for key, value in headers if key.lower() == name.lower()]


def name_of(value: object) -> str:
    """A parameter's id: its repr, without where it is in memory."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))
