"""A visit counter in Falcon: gunicorn --chdir examples falcon_app:app

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import os

import falcon

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session


class Visits:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        session = get_session(req.env)
        session["visits"] = session.get("visits", 0) + 1
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"Visit {session['visits']}, says Falcon.\n"


class Forget:
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        get_session(req.env).clear()
        raise falcon.HTTPSeeOther(f"{req.root_path}/")


falcon_app = falcon.App()
falcon_app.add_route("/", Visits())
falcon_app.add_route("/forget", Forget())

app = SessionMiddleware(
    falcon_app, SecureCookieSessionInterface(os.environ.get("SECRET_KEY"))
)
