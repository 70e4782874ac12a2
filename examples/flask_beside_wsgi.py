"""A plain app in Flask's login: gunicorn --chdir examples flask_beside_wsgi:app

Flask keeps its own `flask.session`; beside it, without a line of Flask, an app under
/greeting reads and changes the same one. That takes the same key, the same cookie name
and attributes, and Flask's format.

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it a change to a session raises an error, each side's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, redirect, request, session
from werkzeug import Response as BaseResponse
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cookiesession import (
    FLASK,
    CookieOptions,
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

KEY = os.environ.get("SECRET_KEY")
COOKIE = CookieOptions()

flask_app = Flask(__name__)
flask_app.config.update(
    SECRET_KEY=KEY,
    SESSION_COOKIE_NAME=COOKIE.name,
    SESSION_COOKIE_SECURE=COOKIE.secure,
    SESSION_COOKIE_SAMESITE=COOKIE.samesite,
)


@flask_app.post("/login")
def login() -> BaseResponse:
    session.clear()
    session["user"] = request.form["user"]  # a real app asks for a password
    return redirect("/greeting", 303)


@flask_app.get("/")
def front() -> Response:
    user, greetings = session.get("user", "Nobody"), session.get("greetings", 0)
    return Response(f"{user} was greeted {greetings} times.\n", mimetype="text/plain")


def greeting(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    session = get_session(environ)
    session["greetings"] = session.get("greetings", 0) + 1
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"Hello {session.get('user', 'stranger')}!\n".encode()]


app = DispatcherMiddleware(
    flask_app,
    {
        "/greeting": SessionMiddleware(
            greeting,
            # Flask knows no absolute timeout, and has no place to note one.
            SecureCookieSessionInterface(
                KEY, cookie=COOKIE, format=FLASK, absolute_timeout=None
            ),
        )
    },
)
