"""One view in six frameworks: it counts, and then does what its path says.

``/redirect`` redirects, ``/missing`` aborts, ``/broken`` raises, ``/stream`` streams,
``/late`` counts again while it streams; any other path answers with the number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import bottle
import cherrypy
import django.core.wsgi
import django.http
import django.urls
import falcon
import flask
from frameworks import django_site
from werkzeug import Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cookiesession import SessionCommitted, get_session

with warnings.catch_warnings():  # of pkg_resources and cgi, which Pyramid imports
    warnings.simplefilter("ignore")
    import pyramid.config
    import pyramid.httpexceptions
    import pyramid.request
    import pyramid.response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

ELSEWHERE = "https://elsewhere.example/"


class BrokenView(Exception):
    """What a view raises that is broken."""


def count(environ: WSGIEnvironment) -> str:
    session = get_session(environ)
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


def stream(number: str) -> Iterator[bytes]:
    yield number.encode()
    yield b" and"
    yield b" more"


def late(environ: WSGIEnvironment) -> Iterator[bytes]:
    try:
        count(environ)
    except SessionCommitted:
        yield b"refused"
    else:
        yield b"counted"


# -- Flask ------------------------------------------------------------------------

flask_app = flask.Flask(__name__)


@flask_app.get("/<action>")
def flask_view(action: str) -> str | Response:
    environ = flask.request.environ
    number = count(environ)
    match action:
        case "redirect":
            return flask.redirect(ELSEWHERE)
        case "missing":
            flask.abort(404)
        case "broken":
            raise BrokenView
        case "stream":
            return flask.Response(stream(number))
        case "late":
            return flask.Response(late(environ))
    return number


# -- Django -----------------------------------------------------------------------


def django_view(
    request: django.http.HttpRequest, action: str
) -> django.http.HttpResponseBase:
    number = count(request.environ)
    match action:
        case "redirect":
            return django.http.HttpResponseRedirect(ELSEWHERE)
        case "missing":
            raise django.http.Http404
        case "broken":
            raise BrokenView
        case "stream":
            return django.http.StreamingHttpResponse(stream(number))
        case "late":
            return django.http.StreamingHttpResponse(late(request.environ))
    return django.http.HttpResponse(number)


urlpatterns = [django.urls.path("<action>", django_view)]
django_site.configure()  # which names the URLs above
django_app = django.core.wsgi.get_wsgi_application()


# -- Pyramid ----------------------------------------------------------------------


def pyramid_view(request: pyramid.request.Request) -> pyramid.response.Response:
    number = count(request.environ)
    match request.matchdict["action"]:
        case "redirect":
            return pyramid.httpexceptions.HTTPFound(ELSEWHERE)
        case "missing":
            raise pyramid.httpexceptions.HTTPNotFound
        case "broken":
            raise BrokenView
        case "stream":
            return pyramid.response.Response(app_iter=stream(number))
        case "late":
            return pyramid.response.Response(app_iter=late(request.environ))
    return pyramid.response.Response(number)


with pyramid.config.Configurator() as config:
    config.add_route("action", "/{action}")
    config.add_view(pyramid_view, route_name="action")
pyramid_app = config.make_wsgi_app()


# -- Bottle -----------------------------------------------------------------------

bottle_app = bottle.Bottle()


@bottle_app.get("/<action>")
def bottle_view(action: str) -> str | Iterator[bytes]:
    environ = bottle.request.environ
    number = count(environ)
    match action:
        case "redirect":
            bottle.redirect(ELSEWHERE)
        case "missing":
            bottle.abort(404)
        case "broken":
            raise BrokenView
        case "stream":
            return stream(number)
        case "late":
            return late(environ)
    return number


# -- Falcon -----------------------------------------------------------------------


class FalconView:
    def on_get(self, req: falcon.Request, resp: falcon.Response, action: str) -> None:
        resp.text = number = count(req.env)
        match action:
            case "redirect":
                raise falcon.HTTPFound(ELSEWHERE)
            case "missing":
                raise falcon.HTTPNotFound
            case "broken":
                raise BrokenView
            case "stream":
                resp.text, resp.stream = None, stream(number)
            case "late":
                resp.text, resp.stream = None, late(req.env)


falcon_app = falcon.App()
falcon_app.add_route("/{action}", FalconView())


# -- CherryPy ---------------------------------------------------------------------

cherrypy.config.update({"environment": "embedded"})


class CherryPyView:
    @cherrypy.expose
    def default(self, action: str) -> str | Iterator[bytes]:
        environ = cherrypy.request.wsgi_environ
        number = count(environ)
        cherrypy.response.stream = True
        match action:
            case "redirect":
                raise cherrypy.HTTPRedirect(ELSEWHERE)
            case "missing":
                raise cherrypy.NotFound
            case "broken":
                raise BrokenView
            case "stream":
                return stream(number)
            case "late":
                return late(environ)
        return number


cherrypy_app = cherrypy.Application(CherryPyView(), script_name=None)

APPS: dict[str, WSGIApplication] = {
    "flask": flask_app,
    "django": django_app,
    "pyramid": pyramid_app,
    "bottle": bottle_app,
    "falcon": falcon_app,
    "cherrypy": cherrypy_app,
}


app = DispatcherMiddleware(flask_app, {f"/{name}": each for name, each in APPS.items()})
