"""Fuzz the middleware: ``python tests/fuzz/fuzz_middleware.py -max_total_time=600``.

Needs ``pip install atheris cryptography``. Whatever Cookie header comes, the response
is the app's own, also where the header holds payloads signed with the right key.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

sys.path[:0] = [str(Path(__file__).parent)]  # tox leaves it empty

from fuzz_formats import (  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
    KEY,
    NAME,
    NOW,
    SIGNERS,
    signed_token,
)

atheris: Any = import_module("atheris")

with atheris.instrument_imports(include=["cookiesession"]):
    from cookiesession import (
        FLASK,
        CookieOptions,
        EncryptedFormat,
        SecureCookieSessionInterface,
        SessionMiddleware,
        SessionTooLarge,
        SignedFormat,
        get_session,
    )


COOKIE = CookieOptions(name=NAME, secure=False)
SIGNED, ENCRYPTED = SignedFormat(), EncryptedFormat()
IN_OURS = replace(FLASK, cookie_name=None)
# Not into Flask's format: it cannot hold what the others can, and says so.
MOVES = ((SIGNED, (IN_OURS, ENCRYPTED)), (ENCRYPTED, (IN_OURS, SIGNED)), (FLASK, ()))
INTERFACES = [
    SecureCookieSessionInterface(
        KEY,
        format=format,
        accept=accept,
        cookie=COOKIE,
        absolute_timeout=absolute,
        clock=lambda: NOW,
    )
    for format, accept in MOVES
    for absolute in (None, timedelta(days=90))
]


def app_from(fuzz: Any) -> Any:
    """An app that does to its session what the fuzzer says."""
    steps = [fuzz.ConsumeIntInRange(0, 7) for _ in range(fuzz.ConsumeIntInRange(0, 4))]

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        session: Any = get_session(environ)
        for step in steps:
            if step == 0:
                len(session)
            elif step == 1:
                session["n"] = 1
            elif step == 2:
                session.clear()
            elif step == 3:
                session.modified = True
            elif step == 4:
                session.permanent = not session.permanent
            elif step == 5:
                assert session.rejection is None or session.new
            elif step == 6:
                for value in session.values():
                    if isinstance(value, list):
                        value.append(1)
            elif session:
                session.popitem()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    return app


def header_from(fuzz: Any) -> str:
    """Cookies of our name and others: valid, signed nonsense, plain nonsense."""
    cookies = []
    for _ in range(fuzz.ConsumeIntInRange(0, 3)):
        kind = fuzz.ConsumeIntInRange(0, 2)
        if kind < 2:
            cookies.append(f"{NAME}={signed_token(SIGNERS[kind], fuzz)}")
        else:
            cookies.append(fuzz.ConsumeBytes(100).decode("latin-1"))
    separator: str = fuzz.PickValueInList(["; ", ";", ", "])
    return separator.join(cookies)


def test_one_input(data: bytes) -> None:
    fuzz = atheris.FuzzedDataProvider(data)
    middleware = SessionMiddleware(app_from(fuzz), fuzz.PickValueInList(INTERFACES))
    environ: dict[str, Any] = {"HTTP_COOKIE": header_from(fuzz)}
    setup_testing_defaults(environ)
    answers = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        answers.append((status, headers))
        return lambda data: None

    try:
        body = validator(middleware)(environ, start_response)
    except SessionTooLarge:
        return  # what came compressed well may not fit in another format
    assert list(body) == [b"ok"]
    body.close()  # type: ignore[attr-defined]
    [(status, headers)] = answers
    assert status == "200 OK"
    ours = [v for k, v in headers if k == "Set-Cookie" and v.startswith(f"{NAME}=")]
    assert len(ours) <= 1


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
