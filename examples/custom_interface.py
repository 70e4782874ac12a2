"""A session interface of one's own: a token in a header, and the data in memory.

For clients that keep no cookies. Run it with one worker, because each process has its
own memory::

    gunicorn --workers 1 --chdir examples custom_interface:app

    curl -i http://127.0.0.1:8000/
    curl -i http://127.0.0.1:8000/ -H "X-Session-Token: <the token of the answer>"
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cookiesession import (
    SessionInterface,
    SessionMiddleware,
    SessionMixin,
    get_session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class MemorySession(dict[str, Any], SessionMixin):
    """A plain dict that remembers its token."""

    token = ""


class HeaderSessionInterface(SessionInterface):
    """Finds a session by the request's X-Session-Token, in a dict of this process."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[str, Any]] = {}

    def open_session(self, environ: WSGIEnvironment) -> MemorySession:
        token = environ.get("HTTP_X_SESSION_TOKEN", "")
        session = MemorySession(self._sessions.get(token, {}))
        # Only a token that was handed out is kept: a client cannot choose its own.
        session.token = token if token in self._sessions else ""
        return session

    def save_session(
        self,
        environ: WSGIEnvironment,
        session: SessionMixin,
        status: str,
        headers: list[tuple[str, str]],
    ) -> None:
        assert isinstance(session, MemorySession)
        if session:
            session.token = session.token or secrets.token_urlsafe()
            self._sessions[session.token] = dict(session)
            headers.append(("X-Session-Token", session.token))
        else:
            self._sessions.pop(session.token, None)


def counter(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Counts a client's requests; ``/forget`` ends its session."""
    session = get_session(environ)
    if environ["PATH_INFO"] == "/forget":
        session.clear()
    else:
        session["visits"] = session.get("visits", 0) + 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"visits: %d\n" % session.get("visits", 0)]


app = SessionMiddleware(counter, HeaderSessionInterface())
