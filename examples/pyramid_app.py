"""A visit counter in Pyramid: gunicorn --chdir examples pyramid_app:app

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import os

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session


def visits(request: Request) -> Response:
    session = get_session(request.environ)
    session["visits"] = session.get("visits", 0) + 1
    return Response(f"Visit {session['visits']}, says Pyramid.\n")


def forget(request: Request) -> Response:
    get_session(request.environ).clear()
    return HTTPSeeOther(request.route_path("visits"))


with Configurator() as config:
    config.add_route("visits", "/")
    config.add_view(visits, route_name="visits")
    config.add_route("forget", "/forget", request_method="POST")
    config.add_view(forget, route_name="forget")

app = SessionMiddleware(
    config.make_wsgi_app(), SecureCookieSessionInterface(os.environ.get("SECRET_KEY"))
)
