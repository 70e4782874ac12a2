"""A pytest plugin: every Flask app has our sessions, made of its own configuration."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import flask
import flask.sessions
import pytest

from cookiesession import (
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionInterface,
    SessionMiddleware,
    SignedFormat,
    TaggedJSONSerializer,
)
from cookiesession.bridges.flask import FlaskSessions
from cookiesession.stores import MemoryStore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MODE = os.environ["FOREIGN_MODE"]
STORE = MemoryStore()


def good_key(key: Any) -> Any:
    """Tests have keys such as "dev", which our interface refuses to work with."""
    if not key:
        return key
    return hashlib.sha256(key if isinstance(key, bytes) else key.encode()).hexdigest()


def make_interface(config: dict[str, Any]) -> SessionInterface:
    config = {
        **config,
        "SECRET_KEY": good_key(config["SECRET_KEY"]),
        "SECRET_KEY_FALLBACKS": [
            good_key(key) for key in config["SECRET_KEY_FALLBACKS"] or ()
        ],
    }
    interface = SecureCookieSessionInterface.from_flask_config(config)
    if MODE != "store":
        return interface
    lifetime = config["PERMANENT_SESSION_LIFETIME"]
    if isinstance(lifetime, int):
        lifetime = timedelta(seconds=lifetime)
    return ServerSideSessionInterface(
        config["SECRET_KEY"],
        STORE,
        user_key="_user_id",
        fallback_keys=config["SECRET_KEY_FALLBACKS"],
        cookie=interface.cookie,
        format=SignedFormat(serializer=TaggedJSONSerializer(subclasses=True)),
        idle_timeout=lifetime,
        absolute_timeout=None,
    )


class ConfiguredSessions(flask.sessions.SessionInterface):
    """Our bridge, made anew when a test changes the configuration."""

    def __init__(self) -> None:
        self.bridges: dict[str, FlaskSessions] = {}

    def of(self, app: flask.Flask) -> FlaskSessions:
        config = {
            key: value
            for key, value in app.config.items()
            if key.startswith(("SECRET_KEY", "SESSION_", "APPLICATION_ROOT", "PERMAN"))
        }
        config["SECRET_KEY"] = app.secret_key  # a subclass may have it as its own
        wanted = repr(sorted(config.items()))
        if wanted not in self.bridges:
            self.bridges[wanted] = FlaskSessions(make_interface(config))
        return self.bridges[wanted]

    def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
        return self.of(app).open_session(app, request)

    def save_session(self, app: flask.Flask, session: Any, response: Any) -> None:
        self.of(app).save_session(app, session, response)

    def make_null_session(self, app: flask.Flask) -> Any:
        return self.of(app).make_null_session(app)

    def is_null_session(self, obj: object) -> bool:
        return any(each.is_null_session(obj) for each in self.bridges.values())


sessions = ConfiguredSessions()
bare_wsgi_app = flask.Flask.wsgi_app


def wsgi_app(
    self: flask.Flask, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return bare_wsgi_app(self, environ, start_response)

    interface = sessions.of(self).interface
    return SessionMiddleware(app, interface)(environ, start_response)


if MODE != "baseline":
    flask.Flask.session_interface = sessions
if MODE == "middleware":
    flask.Flask.wsgi_app = wsgi_app  # type: ignore[method-assign]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A suite that did not meet our sessions proves nothing."""
    if MODE != "baseline" and not sessions.bridges:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
