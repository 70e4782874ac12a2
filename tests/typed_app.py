"""An app as users write them: what ``get_session`` returns needs no cast.

``mypy --strict`` checks it with all other files, and a test runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cookiesession import (
    SecureCookieSessionInterface,
    SessionInterface,
    SessionMiddleware,
    SessionMixin,
    get_session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def describe(session: SessionMixin) -> list[str]:
    """A line for each attribute."""
    created_at: int = session.created_at
    issued_at: int = session.issued_at
    rejection: str | None = session.rejection
    handle: str | None = session.handle
    begun = datetime.fromtimestamp(created_at, timezone.utc)
    return [
        f"visits: {session.get('visits', 0)}",
        f"begun: {begun:%Y-%m-%d}",
        f"age: {issued_at - created_at}",
        f"rejection: {rejection or 'none'}",
        f"handle: {handle or 'none'}",
        f"flags: {session.new} {session.permanent} {session.modified}",
        f"contents: {dict(session)}",
    ]


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    session = get_session(environ)
    if environ["PATH_INFO"] == "/login":
        session.regenerate()
        session.permanent = True
        session["user"] = "ada"
    session["visits"] = session.get("visits", 0) + 1
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return ["\n".join(describe(session)).encode()]


def make_app(secret_key: str | bytes | None) -> WSGIApplication:
    interface: SessionInterface = SecureCookieSessionInterface(secret_key)
    return SessionMiddleware(app, interface)
