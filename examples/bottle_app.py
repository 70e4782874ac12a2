"""A visit counter in Bottle: gunicorn --chdir examples bottle_app:app

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import os

from bottle import Bottle, redirect, request

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

bottle_app = Bottle()


@bottle_app.get("/")
def visits() -> str:
    session = get_session(request.environ)
    session["visits"] = session.get("visits", 0) + 1
    return f"Visit {session['visits']}, says Bottle.\n"


@bottle_app.post("/forget")
def forget() -> None:
    get_session(request.environ).clear()
    redirect("./", 303)


app = SessionMiddleware(
    bottle_app, SecureCookieSessionInterface(os.environ.get("SECRET_KEY"))
)
