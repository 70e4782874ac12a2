"""``flask.session`` is our session, whatever keeps it.

::

    app.session_interface = FlaskSessions(interface)

``flash()``, Flask-Login and Flask-WTF run on it unchanged, and so does Flask's test
client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import flask.sessions
from flask import request

from ..interface import SessionInterface
from ..middleware import get_session
from ..sessions import SessionMixin, TrackedSession
from . import checked, open_session, release, speak

if TYPE_CHECKING:
    from flask import Flask, Request, Response

# Extensions ask for it by isinstance().
flask.sessions.SessionMixin.register(SessionMixin)  # type: ignore[type-abstract]


class FlaskSessions(flask.sessions.SessionInterface):
    """Makes ``flask.session`` ours.

    With a :class:`~cookiesession.SessionMiddleware` of the same interface around the
    app, that one saves; without one, this does.

    :param interface: How sessions are kept.
    :raises ConfigError: For what is no interface of ours.
    """

    def __init__(self, interface: SessionInterface) -> None:
        #: How sessions are kept.
        self.interface = checked("FlaskSessions", interface)
        self._opener = f"cookiesession.flask.{id(self)}"
        flask.request_tearing_down.connect(self._release)

    def open_session(
        self, app: Flask, request: Request
    ) -> flask.sessions.SessionMixin | None:
        environ = request.environ
        session, ours = open_session(environ, self.interface)
        if self.is_null_session(session):
            return None  # Flask asks for a null session then
        if ours:
            # Not the session: a Flask app within this one has the same.
            environ[self._opener] = request
        return cast("flask.sessions.SessionMixin", session)

    def make_null_session(self, app: Flask) -> flask.sessions.NullSession:
        return cast("flask.sessions.NullSession", get_session(request.environ))

    def is_null_session(self, obj: object) -> bool:
        return self.interface.is_null_session(obj)

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        environ = request.environ
        headers = response.headers.to_wsgi_list()
        if request == environ.get(self._opener):
            self._release(app)
            del environ[self._opener]  # once, also where the save raises
            self.interface.save_session(environ, session, response.status, headers)
        else:
            speak(headers, session)
        response.headers[:] = headers
        preserve = environ.get("werkzeug.debug.preserve_context")
        if preserve is not None and isinstance(session, TrackedSession):
            preserve(_Preserved(session))

    def _release(self, app: Flask, **_: object) -> None:
        if request == request.environ.get(self._opener):
            release(request.environ, self.interface)


class _Preserved:
    """A context that Flask's test client enters, and Werkzeug's debugger, when they
    look at a request that is over: pops what is flashed, say. Nothing is saved."""

    def __init__(self, session: TrackedSession) -> None:
        self._session = session

    def __enter__(self) -> None:
        self._session.closed = False

    def __exit__(self, *_: object) -> None:
        self._session.closed = True
