"""A visit counter in Flask: gunicorn --chdir examples flask_app:app

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import os

from flask import Flask, redirect, request, url_for
from werkzeug import Response

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

app = Flask(__name__)


@app.get("/")
def visits() -> str:
    session = get_session(request.environ)
    session["visits"] = session.get("visits", 0) + 1
    return f"Visit {session['visits']}, says Flask.\n"


@app.post("/forget")
def forget() -> Response:
    get_session(request.environ).clear()
    return redirect(url_for("visits"), 303)


# `app` stays a Flask: its command line and its test client go through the middleware.
app.wsgi_app = SessionMiddleware(  # type: ignore[method-assign]
    app.wsgi_app, SecureCookieSessionInterface(os.environ.get("SECRET_KEY"))
)
