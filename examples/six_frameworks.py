"""Six frameworks, one cookie, one counter: gunicorn --chdir examples six_frameworks:app

Visit /flask/, /django/, /pyramid/, /bottle/, /falcon/ and /cherrypy/ in any order. Each
is the example of its own name, with a middleware of its own; the session is in the
cookie, so the same key is all that they have to share, in one process or on six hosts.

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import bottle_app
import cherrypy_app
import django_app
import falcon_app
import flask_app
import plain_wsgi
import pyramid_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

app = DispatcherMiddleware(
    plain_wsgi.app,
    {
        "/flask": flask_app.app,
        "/django": django_app.app,
        "/pyramid": pyramid_app.app,
        "/bottle": bottle_app.app,
        "/falcon": falcon_app.app,
        "/cherrypy": cherrypy_app.app,
    },
)
