"""Flask-Login over our session: what an extension wants of ``flask.session``."""

from __future__ import annotations

from typing import Any

import flask
import flask.sessions
import flask_login
import pytest
from support import KEY
from werkzeug.test import Client

from cookiesession import (
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)


class EnvironSession(flask.sessions.SessionInterface):
    """Makes ``flask.session`` the session in the environ; the middleware saves it."""

    def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
        return get_session(request.environ)

    def save_session(
        self, app: flask.Flask, session: Any, response: flask.Response
    ) -> None:
        pass


class User(flask_login.UserMixin):  # type: ignore[misc]
    id = "ada"


def login() -> str:
    flask.session["theme"] = "dark"
    flask_login.login_user(User())
    flask.flash("Welcome")
    return "logged in"


def logout() -> str:
    flask_login.logout_user()
    return "logged out"


def who() -> dict[str, Any]:
    return {
        "user": flask_login.current_user.get_id(),
        "theme": flask.session.get("theme"),
        "flashed": flask.get_flashed_messages(),
    }


@pytest.fixture
def client() -> Client:
    app = flask.Flask(__name__)
    app.session_interface = EnvironSession()
    flask_login.LoginManager(app).user_loader(lambda _: User())
    for view in (login, logout, who):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    return Client(SessionMiddleware(app, SecureCookieSessionInterface(KEY)))


def seen_by(client: Client) -> Any:
    return client.get("/who").json


def test_a_user_logs_in_and_out(client: Client) -> None:
    assert seen_by(client)["user"] is None
    assert client.get("/login").status_code == 200
    seen = {"user": "ada", "theme": "dark", "flashed": ["Welcome"]}
    assert seen_by(client) == seen
    assert seen_by(client) == {**seen, "flashed": []}
    assert client.get("/logout").status_code == 200
    assert seen_by(client) == {"user": None, "theme": "dark", "flashed": []}
