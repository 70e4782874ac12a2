"""Bottle, Falcon and CherryPy have no session of their own to bridge: a hook, a
component and a tool give them ours. These are the recipes that the docs quote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bottle
import cherrypy
import falcon
import pytest
from support import KEY
from werkzeug.test import Client

from cookiesession import (
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionMiddleware,
    get_session,
)
from cookiesession.stores import MemoryStore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HTTPS = "https://localhost"

BOTTLE = """
@app.hook("before_request")
def share_session():
    bottle.request.session = get_session(bottle.request.environ)
"""

FALCON = """
class SharedSession:
    def process_request(self, req, resp):
        req.context.session = get_session(req.env)

app = falcon.App(middleware=[SharedSession()])
"""

CHERRYPY = """
cherrypy.session = cherrypy._ThreadLocalProxy("session")

@cherrypy.tools.register("on_start_resource")
def shared_session():
    cherrypy.serving.session = get_session(cherrypy.request.wsgi_environ)
"""


def follow(recipe: str, **names: Any) -> dict[str, Any]:
    """Run a recipe, and give what it defined."""
    exec(recipe, names := {"get_session": get_session, **names})
    return names


def bottle_app() -> WSGIApplication:
    app = bottle.Bottle()
    follow(BOTTLE, app=app, bottle=bottle)

    @app.get("/count")
    def count() -> str:
        session = bottle.request.session
        assert session is get_session(bottle.request.environ)
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/untouched")
    def untouched() -> str:
        return "untouched"

    served: WSGIApplication = app
    return served


def falcon_app() -> WSGIApplication:
    class Count:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            session = req.context.session
            assert session is get_session(req.env)
            session["count"] = session.get("count", 0) + 1
            resp.text = str(session["count"])

    class Untouched:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            resp.text = "untouched"

    app: Any = follow(FALCON, falcon=falcon)["app"]
    app.add_route("/count", Count())
    app.add_route("/untouched", Untouched())
    served: WSGIApplication = app
    return served


class CherryPyViews:
    @cherrypy.expose
    def count(self) -> str:
        session = cherrypy.session
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @cherrypy.expose
    def untouched(self) -> str:
        return "untouched"


def cherrypy_app(**tools: Any) -> WSGIApplication:
    cherrypy.config.update({"environment": "embedded"})
    follow(CHERRYPY, cherrypy=cherrypy)
    config = {"/": {"tools.shared_session.on": True, **tools}}
    app: WSGIApplication = cherrypy.Application(CherryPyViews(), None, config)
    return app


RECIPES: dict[str, tuple[str, Callable[[], WSGIApplication]]] = {
    "bottle": (BOTTLE, bottle_app),
    "falcon": (FALCON, falcon_app),
    "cherrypy": (CHERRYPY, cherrypy_app),
}
every_framework = pytest.mark.parametrize("framework", RECIPES)


@pytest.fixture(params=["in a cookie", "in a store"])
def interface(request: pytest.FixtureRequest) -> Any:
    if request.param == "in a cookie":
        return SecureCookieSessionInterface(KEY)
    return ServerSideSessionInterface(KEY, MemoryStore())


def get(client: Client, path: str) -> str:
    response = client.get(path, base_url=HTTPS)
    assert response.status_code == 200
    return response.text


@every_framework
def test_a_recipe_has_at_most_six_lines(framework: str) -> None:
    recipe, _ = RECIPES[framework]
    assert len([line for line in recipe.splitlines() if line]) <= 6


@every_framework
def test_the_session_is_kept(framework: str, interface: Any) -> None:
    _, make_app = RECIPES[framework]
    app = SessionMiddleware(make_app(), interface)
    ada, bob = Client(app), Client(app)
    assert [get(ada, "/count") for _ in range(3)] == ["1", "2", "3"]
    assert get(bob, "/count") == "1"


@every_framework
def test_an_untouched_session_adds_no_header(framework: str, interface: Any) -> None:
    _, make_app = RECIPES[framework]
    client = Client(SessionMiddleware(make_app(), interface))
    get(client, "/count")
    headers = client.get("/untouched", base_url=HTTPS).headers
    assert not {"Set-Cookie", "Vary"} & set(headers.keys())


@every_framework
def test_what_one_writes_the_next_reads(framework: str, interface: Any) -> None:
    _, make_app = RECIPES[framework]
    client = Client(SessionMiddleware(make_app(), interface))
    get(client, "/count")
    for _, make_another in RECIPES.values():
        client.application = SessionMiddleware(make_another(), interface)
        get(client, "/count")
    client.application = SessionMiddleware(make_app(), interface)
    assert get(client, "/count") == "5"


def test_cherrypys_own_login_runs_on_it(interface: Any) -> None:
    def check(username: str, password: str) -> str | None:
        return None if password == "wonderland" else "wrong"

    authentication = {
        "tools.session_auth.on": True,
        "tools.session_auth.check_username_and_password": check,
    }
    app = SessionMiddleware(cherrypy_app(**authentication), interface)
    client = Client(app)

    def post(path: str, **form: str) -> int:
        return client.post(path, base_url=HTTPS, data=form).status_code

    assert "Password:" in get(client, "/untouched")
    assert post("/do_login", username="ada", password="guess") == 200
    assert "Password:" in get(client, "/untouched")
    assert post("/do_login", username="ada", password="wonderland") == 303
    assert get(client, "/untouched") == "untouched"
    assert post("/do_logout", from_page="/untouched") == 303
    assert "Password:" in get(client, "/untouched")
