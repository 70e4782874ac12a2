"""A visit counter in CherryPy: gunicorn --chdir examples cherrypy_app:app

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import os

import cherrypy

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

cherrypy.config.update({"environment": "embedded"})  # another server runs the app


class Visits:
    @cherrypy.expose
    def index(self) -> str:
        session = get_session(cherrypy.request.wsgi_environ)
        session["visits"] = session.get("visits", 0) + 1
        return f"Visit {session['visits']}, says CherryPy.\n"

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def forget(self) -> None:
        get_session(cherrypy.request.wsgi_environ).clear()
        raise cherrypy.HTTPRedirect(cherrypy.url("/"), 303)


app = SessionMiddleware(
    cherrypy.Application(Visits(), script_name=None),
    SecureCookieSessionInterface(os.environ.get("SECRET_KEY")),
)
