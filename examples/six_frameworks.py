"""Six frameworks, one login: gunicorn --workers 2 --chdir examples six_frameworks:app

POST a name to /flask/login, which is Flask-Login's, and be known under /django/,
/pyramid/, /bottle/, /falcon/ and /cherrypy/; each of the first three keeps and shows
its own messages (/flask/flash, ...). POST to /django/logout, and be out everywhere.

One middleware is around them all. Where a framework has a session, that one is ours;
the three others get it by a hook, a component and a tool. Frameworks keep the user
under keys of their own: here all agree on Flask-Login's.

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Sessions are in the cookie; with SESSIONS=sessions.db they are in that file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import bottle
import cherrypy
import django.conf
import falcon
import flask
import flask_login
from django.contrib import auth, messages
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cookiesession import (
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionMiddleware,
    get_session,
)
from cookiesession.bridges.flask import FlaskSessions
from cookiesession.bridges.pyramid import PyramidSessions
from cookiesession.stores import SQLiteStore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

USER = "_user_id"  # Flask-Login's
KEY = os.environ.get("SECRET_KEY")
interface: SecureCookieSessionInterface | ServerSideSessionInterface
if "SESSIONS" in os.environ:
    store = SQLiteStore(os.environ["SESSIONS"])
    interface = ServerSideSessionInterface(KEY, store, user_key=USER)
else:
    interface = SecureCookieSessionInterface(KEY)


def page(framework: str, user: str | None, messages: Iterable[object] = ()) -> str:
    return f"{framework} knows {user or 'nobody'}. {', '.join(map(str, messages))}\n"


# -- Flask ------------------------------------------------------------------------

flask_app = flask.Flask(__name__)
flask_app.session_interface = FlaskSessions(interface)
logins = flask_login.LoginManager(flask_app)


@logins.user_loader
class User(flask_login.UserMixin):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self.id = name


@flask_app.post("/login")
def login() -> str:
    flask.session.clear()  # whatever was planted in this browser before
    flask_login.login_user(User(flask.request.form["name"]))  # no password: a sketch
    return flask_page()


@flask_app.get("/flash")
def flask_flash() -> str:
    flask.flash("from Flask")
    return "Flashed.\n"


@flask_app.get("/")
def flask_page() -> str:
    user = flask_login.current_user.get_id()
    return page("Flask", user, flask.get_flashed_messages())


# -- Django -----------------------------------------------------------------------


def known_user(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """In the place of Django's AuthenticationMiddleware: users have no table here."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = request.session.get(USER)
        request.user = name and auth.get_user_model()(username=name)
        return get_response(request)

    return middleware


def django_page(request: HttpRequest) -> HttpResponse:
    user = request.user and request.user.get_username()
    return HttpResponse(page("Django", user, messages.get_messages(request)))


def django_flash(request: HttpRequest) -> HttpResponse:
    messages.info(request, "from Django")
    return HttpResponse("Flashed.\n")


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return HttpResponse("Logged out.\n")


urlpatterns = [
    path("", django_page),
    path("flash", django_flash),
    path("logout", logout),
]
django.conf.settings.configure(
    SECRET_KEY=KEY,
    ALLOWED_HOSTS=["localhost", "127.0.0.1", "[::1]"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    SESSION_ENGINE="cookiesession.bridges.django",
    SESSION_INTERFACE=interface,
    SESSION_COOKIE_NAME=interface.cookie.name,
    MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
    MIDDLEWARE=[
        "cookiesession.bridges.django.SessionMiddleware",
        f"{__name__}.known_user",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
)


# -- Pyramid ----------------------------------------------------------------------


class KnownUser:
    """A security policy."""

    def identity(self, request: Request) -> str | None:
        user: str | None = request.session.get(USER)
        return user

    authenticated_userid = identity


def pyramid_page(request: Request) -> Response:
    texts = request.session.pop_flash()
    return Response(page("Pyramid", request.authenticated_userid, texts))


def pyramid_flash(request: Request) -> Response:
    request.session.flash("from Pyramid")
    return Response("Flashed.\n")


with Configurator() as config:
    config.set_session_factory(PyramidSessions(interface))
    config.set_security_policy(KnownUser())
    for pattern, view in (("/", pyramid_page), ("/flash", pyramid_flash)):
        config.add_route(pattern, pattern)
        config.add_view(view, route_name=pattern)


# -- Bottle, Falcon, CherryPy: a hook, a component, a tool --------------------------

bottle_app = bottle.Bottle()


@bottle_app.hook("before_request")
def share_session() -> None:
    bottle.request.session = get_session(bottle.request.environ)


@bottle_app.get("/")
def bottle_page() -> str:
    return page("Bottle", bottle.request.session.get(USER))


class SharedSession:
    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.context.session = get_session(req.env)


class FalconPage:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = page("Falcon", req.context.session.get(USER))


falcon_app = falcon.App(middleware=[SharedSession()])
falcon_app.add_route("/", FalconPage())

cherrypy.session = cherrypy._ThreadLocalProxy("session")
cherrypy.config.update({"environment": "embedded"})  # another server runs the app


@cherrypy.tools.register("on_start_resource")
def shared_session() -> None:
    cherrypy.serving.session = get_session(cherrypy.request.wsgi_environ)


class CherryPyPage:
    @cherrypy.expose
    @cherrypy.tools.shared_session()
    def index(self) -> str:
        return page("CherryPy", cherrypy.session.get(USER))


apps: dict[str, WSGIApplication] = {
    "/flask": flask_app,
    "/django": get_wsgi_application(),
    "/pyramid": config.make_wsgi_app(),
    "/bottle": bottle_app,
    "/falcon": falcon_app,
    "/cherrypy": cherrypy.Application(CherryPyPage(), script_name=None),
}
app = SessionMiddleware(DispatcherMiddleware(NotFound(), apps), interface)
