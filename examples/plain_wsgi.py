"""A visit counter without a framework: gunicorn --chdir examples plain_wsgi:app

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def visits(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    session = get_session(environ)
    if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/forget":
        session.clear()
        front = environ["SCRIPT_NAME"] + "/"
        start_response("303 See Other", [("Location", front), ("Content-Length", "0")])
        return []
    session["visits"] = session.get("visits", 0) + 1
    body = f"Visit {session['visits']}, says plain WSGI.\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


app = SessionMiddleware(
    visits, SecureCookieSessionInterface(os.environ.get("SECRET_KEY"))
)
