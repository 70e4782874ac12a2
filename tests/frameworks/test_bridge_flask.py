"""``flask.session`` is ours: with a middleware around and without, in a cookie, in
Flask's cookie and in a store."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
import flask.sessions
import flask_caching
import flask_login
import flask_wtf.csrf
import pytest
import werkzeug.exceptions
from flask.testing import FlaskClient
from frameworks.shared_cache import SharedCache
from support import KEY, OLD_KEY, Clock
from werkzeug import Response
from werkzeug.debug import DebuggedApplication
from werkzeug.test import Client

from cookiesession import (
    ConfigError,
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionCommitted,
    SessionInterface,
    SessionMiddleware,
    SessionMixin,
    SessionTooLarge,
    get_session,
)
from cookiesession.bridges.flask import FlaskSessions
from cookiesession.stores import MemoryStore, SQLiteStore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HTTPS = "https://localhost"
INTERFACES: dict[str, Callable[[Path], Any]] = {
    "cookie": lambda _: SecureCookieSessionInterface(KEY),
    "flask's cookie": lambda _: SecureCookieSessionInterface.from_flask_config(
        {"SECRET_KEY": KEY}
    ),
    "memory": lambda _: ServerSideSessionInterface(
        KEY, MemoryStore(), user_key="_user_id"
    ),
    "sqlite": lambda folder: ServerSideSessionInterface(
        KEY, SQLiteStore(folder / "sessions.db"), user_key="_user_id"
    ),
}


@pytest.fixture(params=INTERFACES)
def interface(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return INTERFACES[request.param](tmp_path)


@pytest.fixture(params=["bare", "in a middleware"])
def app(request: pytest.FixtureRequest, interface: SessionInterface) -> flask.Flask:
    return make_app(interface, within=request.param == "in a middleware")


def make_app(interface: SessionInterface, *, within: bool = False) -> flask.Flask:
    """An app with one view that counts, and its sessions on an interface of ours."""
    app = flask.Flask(__name__)
    app.testing = True
    app.session_interface = FlaskSessions(interface)
    if within:
        app.wsgi_app = SessionMiddleware(  # type: ignore[method-assign]
            app.wsgi_app, interface
        )
    app.add_url_rule("/count", view_func=count)
    return app


def count() -> str:
    flask.session["count"] = flask.session.get("count", 0) + 1
    return str(flask.session["count"])


def text(client: Client, path: str) -> str:
    response = client.get(path, base_url=HTTPS)
    assert response.status_code == 200
    return response.text


# -- flask.session ---------------------------------------------------------------------


def test_the_session_of_flask_is_the_session_in_the_environ(app: flask.Flask) -> None:
    @app.get("/same")
    def same() -> str:
        ours = flask.session._get_current_object()  # type: ignore[attr-defined]
        assert ours is get_session(flask.request.environ)
        assert isinstance(ours, SessionMixin)
        assert isinstance(ours, flask.sessions.SessionMixin)
        return "same"

    assert text(app.test_client(), "/same") == "same"


def test_what_is_written_is_there_in_the_next_request(app: flask.Flask) -> None:
    client = app.test_client()
    assert [text(client, "/count") for _ in range(3)] == ["1", "2", "3"]


def test_a_change_sets_one_cookie_and_says_what_it_means_to_caches(
    app: flask.Flask,
) -> None:
    headers = app.test_client().get("/count", base_url=HTTPS).headers
    assert len(headers.getlist("Set-Cookie")) == 1
    assert headers.getlist("Vary") == ["Cookie"]
    assert headers.getlist("Cache-Control") == ["private"]


def test_an_untouched_session_adds_no_header(app: flask.Flask) -> None:
    @app.get("/untouched")
    def untouched() -> str:
        return "untouched"

    client = app.test_client()
    text(client, "/count")
    headers = client.get("/untouched", base_url=HTTPS).headers
    assert not {"Set-Cookie", "Vary", "Cache-Control"} & set(headers.keys())


def test_a_change_that_is_aborted_is_saved_and_one_that_fails_is_not(
    app: flask.Flask,
) -> None:
    app.testing = False

    @app.get("/<int:status>")
    def fail(status: int) -> str:
        count()
        flask.abort(status)

    client = app.test_client()
    assert client.get("/404", base_url=HTTPS).status_code == 404
    response = client.get("/500", base_url=HTTPS)
    assert (response.status_code, response.headers.get("Set-Cookie")) == (500, None)
    assert text(client, "/count") == "2"


def test_a_logout_holds_also_in_a_response_that_fails(app: flask.Flask) -> None:
    app.testing = False

    @app.get("/logout")
    def logout() -> str:
        flask.session.clear()
        raise RuntimeError

    client = app.test_client()
    assert text(client, "/count") == "1"
    assert client.get("/logout", base_url=HTTPS).status_code == 500
    assert text(client, "/count") == "1"


def test_messages_are_flashed_once(app: flask.Flask) -> None:
    seen: list[Any] = []

    @app.get("/flash")
    def flash() -> str:
        flask.flash("Saved", "success")
        flask.flash("Twice")
        return ""

    @app.get("/messages")
    def messages() -> list[Any]:
        return flask.get_flashed_messages(with_categories=True)

    def remember(_: flask.Flask, message: str, category: str) -> None:
        seen.append((category, message))

    client = app.test_client()
    with flask.message_flashed.connected_to(remember, app):
        text(client, "/flash")
    assert seen == [("success", "Saved"), ("message", "Twice")]
    flashed = client.get("/messages", base_url=HTTPS).json
    assert flashed == [["success", "Saved"], ["message", "Twice"]]
    assert client.get("/messages", base_url=HTTPS).json == []


def test_flashed_messages_reach_a_template(app: flask.Flask) -> None:
    template = "{% for each in get_flashed_messages() %}{{ each }}{% endfor %}"

    @app.get("/page")
    def page() -> str:
        flask.flash("Welcome")
        return flask.render_template_string(template + " {{ session.count }}")

    client = app.test_client()
    text(client, "/count")
    assert text(client, "/page") == "Welcome 1"
    assert text(client, "/page") == "Welcome 1"


@pytest.mark.parametrize("permanent", [True, False])
def test_permanent_decides_whether_the_browser_keeps_the_cookie(
    app: flask.Flask, permanent: bool
) -> None:
    @app.get("/keep")
    def keep() -> str:
        flask.session.permanent = permanent
        return count()

    client = app.test_client()
    response = client.get("/keep", base_url=HTTPS)
    assert ("Expires=" in response.headers["Set-Cookie"]) is permanent
    with client.session_transaction(base_url=HTTPS) as session:
        assert session.permanent is permanent


def test_signals_are_sent_and_their_receivers_have_the_session(
    app: flask.Flask,
) -> None:
    seen: list[Any] = []

    def started(_: flask.Flask, **__: Any) -> None:
        seen.append(("started", flask.session.get("count")))

    def torn_down(_: flask.Flask, **__: Any) -> None:
        seen.append(("torn down", flask.session.get("count")))

    with (
        flask.request_started.connected_to(started, app),
        flask.request_tearing_down.connected_to(torn_down, app),
    ):
        text(app.test_client(), "/count")
    assert seen == [("started", None), ("torn down", 1)]


# -- what has its session in flask.session ---------------------------------------------


class User(flask_login.UserMixin):  # type: ignore[misc]
    id = "ada"


@pytest.fixture
def login_app(app: flask.Flask) -> flask.Flask:
    app.secret_key = KEY  # signs the cookie that remembers
    manager = flask_login.LoginManager(app)
    manager.user_loader(lambda id: User() if id == "ada" else None)

    @app.get("/login")
    def login() -> str:
        flask_login.login_user(User(), remember="remember" in flask.request.args)
        return "logged in"

    @app.get("/logout")
    def logout() -> str:
        flask_login.logout_user()
        return "logged out"

    @app.get("/who")
    def who() -> list[Any]:
        return [flask_login.current_user.get_id(), flask_login.login_fresh()]

    return app


def who(client: Client, **options: Any) -> Any:
    return client.get("/who", base_url=HTTPS, **options).json


def test_flask_login_logs_in_and_out(login_app: flask.Flask) -> None:
    client = login_app.test_client()
    assert who(client) == [None, False]
    text(client, "/count")
    text(client, "/login")
    assert who(client) == ["ada", True]
    text(client, "/logout")
    assert who(client) == [None, False]
    assert text(client, "/count") == "2"


def test_flask_login_remembers_but_not_as_fresh(login_app: flask.Flask) -> None:
    client = login_app.test_client()
    text(client, "/login?remember")
    (name,) = {cookie.key for cookie in client._cookies.values()} - {  # type: ignore[union-attr]
        "remember_token"
    }
    client.delete_cookie(name)
    assert who(client) == ["ada", False]
    text(client, "/logout")
    assert who(client) == [None, False]


def test_flask_login_protects_a_session_from_another_browser(
    login_app: flask.Flask,
) -> None:
    login_app.config["SESSION_PROTECTION"] = "strong"
    client = login_app.test_client()
    text(client, "/login")
    assert who(client, headers={"User-Agent": "another"}) == [None, False]
    assert who(client) == [None, False]


def test_a_test_client_of_flask_login_is_logged_in(login_app: flask.Flask) -> None:
    login_app.config["SESSION_PROTECTION"] = None  # else such a login is not fresh
    login_app.test_client_class = flask_login.FlaskLoginClient
    assert who(login_app.test_client(user=User())) == ["ada", True]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_login_moves_the_session_to_a_new_id(store: str, tmp_path: Path) -> None:
    interface: ServerSideSessionInterface = INTERFACES[store](tmp_path)
    app = make_app(interface)
    flask_login.LoginManager(app).user_loader(lambda _: User())

    @app.get("/login")
    def login() -> str:
        before = get_session(flask.request.environ).handle
        flask_login.login_user(User())
        return before or ""

    client = app.test_client()
    text(client, "/count")
    before = text(client, "/login")
    (info,) = interface.list_sessions("ada")
    assert info.handle != before
    assert info.data["count"] == 1
    interface.end_sessions("ada")
    assert text(client, "/count") == "1"


def test_flask_wtf_checks_its_token(app: flask.Flask) -> None:
    flask_wtf.CSRFProtect(app)
    app.secret_key = KEY  # signs the token; its other half is in the session

    @app.get("/token")
    def token() -> str:
        return str(flask_wtf.csrf.generate_csrf())

    @app.post("/form")
    def form() -> str:
        return "sent"

    client = app.test_client()
    assert client.post("/form", base_url=HTTPS).status_code == 400
    data = {"csrf_token": text(client, "/token")}
    headers = {"Referer": f"{HTTPS}/"}
    sent = client.post("/form", base_url=HTTPS, data=data, headers=headers)
    assert (sent.status_code, sent.text) == (200, "sent")
    stranger = app.test_client()
    sent = stranger.post("/form", base_url=HTTPS, data=data, headers=headers)
    assert sent.status_code == 400


# -- Flask's test client ---------------------------------------------------------------


def test_a_session_transaction_reads_and_writes(app: flask.Flask) -> None:
    client = app.test_client()
    with client.session_transaction(base_url=HTTPS) as session:
        session["count"] = 10
    assert text(client, "/count") == "11"
    with client.session_transaction(base_url=HTTPS) as session:
        assert session["count"] == 11
        session.clear()
    assert text(client, "/count") == "1"


def test_after_the_response_a_test_sees_and_pops_what_is_in_the_session(
    app: flask.Flask,
) -> None:
    @app.get("/flash")
    def flash() -> str:
        flask.flash("Saved")
        return ""

    with app.test_client() as client:
        text(client, "/flash")
        assert flask.get_flashed_messages() == ["Saved"]
        assert "_flashes" not in flask.session
        text(client, "/count")
        assert flask.session["count"] == 1
        assert flask.get_flashed_messages() == ["Saved"]  # nothing of it was saved
        session = get_session(flask.request.environ)
        session["seen"] = "by the test"
    with pytest.raises(SessionCommitted):
        session.clear()


@pytest.mark.parametrize("within", [False, True], ids=["bare", "in a middleware"])
def test_a_teardown_comes_after_the_bridges_save_and_before_a_middlewares(
    interface: SessionInterface, within: bool
) -> None:
    app = make_app(interface, within=within)
    app.teardown_request(lambda _: flask.session.update(torn="down"))
    client = app.test_client()
    if within:
        text(client, "/count")
    else:
        with pytest.raises(SessionCommitted):
            client.get("/count", base_url=HTTPS)
    app.teardown_request_funcs.clear()
    with client.session_transaction(base_url=HTTPS) as session:
        assert session.get("torn") == ("down" if within else None)


@pytest.fixture
def late_app(app: flask.Flask) -> flask.Flask:
    def stream() -> Iterator[str]:
        yield f"{flask.session['count']} "
        try:
            count()
        except SessionCommitted:
            yield "refused"

    @app.get("/late")
    def late() -> flask.Response:
        count()
        return flask.Response(flask.stream_with_context(stream()))

    return app


def test_a_change_within_a_stream_is_refused(late_app: flask.Flask) -> None:
    client = late_app.test_client()
    assert text(client, "/late") == "1 refused"
    assert text(client, "/count") == "2"


def test_so_it_is_in_the_debugger(late_app: flask.Flask) -> None:
    debugged = DebuggedApplication(late_app, evalex=True)
    assert text(Client(debugged), "/late") == "1 refused"


@pytest.mark.parametrize("key", [None, "", "dev"], ids=["none", "empty", "weak"])
@pytest.mark.parametrize("within", [False, True], ids=["bare", "in a middleware"])
def test_without_a_usable_key_the_session_is_empty_and_refuses_changes(
    key: str | None, within: bool
) -> None:
    config = {"SECRET_KEY": key}
    interface = SecureCookieSessionInterface.from_flask_config(config)
    app = make_app(interface, within=within)

    @app.get("/read")
    def read() -> str:
        return str(flask.session.get("count"))

    client = app.test_client()
    response = client.get("/read", base_url=HTTPS)
    assert (response.text, response.headers.get("Set-Cookie")) == ("None", None)
    with pytest.raises(RuntimeError, match="cookiesession keygen"):
        client.get("/count", base_url=HTTPS)
    with (
        pytest.raises(RuntimeError, match="did not open a session"),
        client.session_transaction(base_url=HTTPS),
    ):
        pass  # pragma: no cover


# -- who saves -------------------------------------------------------------------------


@dataclass
class DictSession(dict[str, Any], SessionMixin):
    pass


@dataclass
class Recorder(SessionInterface):
    """An interface of somebody else's that tells who calls it."""

    calls: list[str] = field(default_factory=list)

    def open_session(self, environ: WSGIEnvironment) -> DictSession:
        self.calls.append("open")
        return DictSession()

    def save_session(
        self,
        environ: WSGIEnvironment,
        session: SessionMixin,
        status: str,
        headers: list[tuple[str, str]],
    ) -> None:
        self.calls.append(f"save {status[:3]}")
        if session.get("count"):
            raise SessionTooLarge("session", 2, 1, [])


@pytest.mark.parametrize("within", [False, True], ids=["bare", "in a middleware"])
def test_a_session_of_any_interface_is_opened_and_saved_once(within: bool) -> None:
    app = make_app(recorder := Recorder(), within=within)
    assert app.test_client().get("/missing", base_url=HTTPS).status_code == 404
    assert recorder.calls == ["open", "save 404"]


def test_a_save_that_fails_is_the_error_page_and_is_not_tried_again() -> None:
    app = make_app(recorder := Recorder())
    app.testing = False
    seen = []

    @app.errorhandler(500)
    def failed(error: werkzeug.exceptions.InternalServerError) -> tuple[str, int]:
        seen.append(error.original_exception)
        return "failed", 500

    assert app.test_client().get("/count", base_url=HTTPS).status_code == 500
    assert [type(each) for each in seen] == [SessionTooLarge]
    assert recorder.calls == ["open", "save 200"]


def test_what_is_too_large_is_not_saved_and_the_cookie_stays() -> None:
    app = make_app(SecureCookieSessionInterface(KEY))
    app.testing = False

    @app.get("/large")
    def large() -> str:
        flask.session["text"] = "".join(map(str, range(5_000)))
        return ""

    client = app.test_client()
    text(client, "/count")
    response = client.get("/large", base_url=HTTPS)
    assert (response.status_code, response.headers.get("Set-Cookie")) == (500, None)
    assert text(client, "/count") == "2"


def test_middlewares_around_and_within_the_app_lose_nothing(
    interface: SessionInterface,
) -> None:
    def innermost(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        get_session(environ)["inner"] = True
        start_response("200 OK", [])
        return [b"inner"]

    app = make_app(interface)

    @app.get("/mounted")
    def mounted() -> Response:
        count()
        inner = SessionMiddleware(innermost, interface)
        response = Response.from_app(inner, flask.request.environ)
        count()
        return response

    for outermost in (
        app,
        SessionMiddleware(SessionMiddleware(app, interface), interface),
    ):
        client = Client(outermost)
        response = client.get("/mounted", base_url=HTTPS)
        assert response.text == "inner"
        assert len(response.headers.getlist("Set-Cookie")) == 1
        assert text(client, "/count") == "3"
        seen = interface.read_cookie(  # type: ignore[attr-defined]
            "; ".join(f"{each.key}={each.value}" for each in client._cookies.values())  # type: ignore[union-attr]
        )
        assert seen == {"count": 3, "inner": True}


@pytest.mark.parametrize("shared", [True, False], ids=["one bridge", "a bridge each"])
def test_an_app_within_an_app_leaves_the_saving_to_the_outer_one(
    interface: SessionInterface, shared: bool
) -> None:
    outer, inner = make_app(interface), make_app(interface)
    if shared:
        inner.session_interface = outer.session_interface

    @outer.get("/inner/<path:_>")
    def mounted(_: str) -> Response:
        environ = {**flask.request.environ}
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/inner")
        count()
        response = Response.from_app(inner, environ)
        count()
        return response

    client = outer.test_client()
    assert text(client, "/inner/count") == "2"
    assert text(client, "/count") == "4"


def test_an_inner_app_that_is_done_leaves_the_session_to_the_next(
    interface: SessionInterface,
) -> None:
    outer, inner = make_app(interface), make_app(interface)
    inner.add_url_rule("/twice", view_func=count, endpoint="twice")

    @outer.get("/twice")
    def twice() -> str:
        def start_response(*_: Any) -> Callable[[bytes], object]:
            return bytes

        for _ in range(2):  # in this very environ, not in a copy
            body = b"".join(inner(flask.request.environ, start_response))
        return body.decode()

    client = outer.test_client()
    assert text(client, "/twice") == "2"
    assert text(client, "/count") == "3"


def test_the_session_is_in_its_usual_place_also_where_the_middleware_has_another(
    interface: SessionInterface,
) -> None:
    app = make_app(interface)

    @app.get("/same")
    def same() -> str:
        environ = flask.request.environ
        assert get_session(environ) is get_session(environ, "elsewhere")
        return count()

    around = SessionMiddleware(app, interface, environ_key="elsewhere")
    assert text(Client(around), "/same") == "1"


@pytest.mark.parametrize("fails", ["in the view", "in the save"])
def test_a_request_that_is_tried_again_starts_afresh(fails: str) -> None:
    app = make_app(SecureCookieSessionInterface(KEY))
    tries = []

    @app.get("/flaky")
    def flaky() -> str:
        tries.append(count())
        if len(tries) == 1:
            flask.session["text"] = "".join(map(str, range(5_000)))
            if fails == "in the view":
                raise ConnectionError
        return tries[-1]

    def again(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        try:
            return app(environ, start_response)
        except (ConnectionError, SessionTooLarge):
            return app(environ, start_response)

    client = Client(again)
    assert text(client, "/flaky") == "1"
    assert text(client, "/count") == "2"
    assert tries == ["1", "1"]


def test_two_interfaces_with_one_cookie_say_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = make_app(SecureCookieSessionInterface(KEY))
    client = Client(SessionMiddleware(app, SecureCookieSessionInterface(KEY)))
    for _ in range(3):
        text(client, "/count")
    (warning,) = caplog.records
    assert "have the cookie name '__Host-session'" in warning.getMessage()


@pytest.mark.parametrize("wrong", [KEY, None, flask.Flask("app")], ids=type)
def test_what_is_no_interface_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="interface must be a SessionInterface"):
        FlaskSessions(wrong)


# -- caches inside the app -------------------------------------------------------------


def greet() -> flask.Response:
    """Greets who is known, and makes itself known to who is not."""
    visitor = flask.session.setdefault("visitor", flask.request.args.get("name"))
    response = flask.Response(f"hello {visitor}")
    response.cache_control.max_age = 60
    return response


def test_a_cache_within_the_middleware_hands_nobody_the_page_of_another(
    interface: SessionInterface,
) -> None:
    app = make_app(interface)
    app.add_url_rule("/greet", view_func=greet)
    cache = SharedCache(app)
    cached = SessionMiddleware(cache, interface)
    clients = {name: Client(cached) for name in ("ada", "bob", "eve")}
    for name, client in clients.items():
        assert text(client, f"/greet?name={name}") == f"hello {name}"
    assert cache.stored == []
    for _ in range(2):
        for name, client in clients.items():
            assert text(client, "/greet") == f"hello {name}"
    assert len(cache.stored) == 3


def test_flask_caching_keeps_what_did_not_touch_the_session(
    app: flask.Flask,
) -> None:
    cache = flask_caching.Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    cached = cache.cached(
        response_filter=lambda _: not get_session(flask.request.environ).accessed
    )
    runs = []

    @app.get("/greet")
    @cached
    def greet_all() -> flask.Response:
        return greet()

    @app.get("/public")
    @cached
    def public() -> str:
        runs.append(1)
        return "for all"

    clients = {name: app.test_client() for name in ("ada", "bob", "eve")}
    for _ in range(2):
        for name, client in clients.items():
            assert text(client, f"/greet?name={name}") == f"hello {name}"
            assert text(client, "/public") == "for all"
    assert len(runs) == 1


# -- Flask's own cookie ----------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "the least": {},
    "a name": {"SESSION_COOKIE_NAME": "other"},
    "a domain": {"SESSION_COOKIE_DOMAIN": "example.com"},
    "a domain with a dot": {"SESSION_COOKIE_DOMAIN": ".example.com"},
    "no domain": {"SESSION_COOKIE_DOMAIN": None},
    "a path": {"SESSION_COOKIE_PATH": "/app", "APPLICATION_ROOT": "/root"},
    "a root": {"APPLICATION_ROOT": "/root"},
    "secure": {"SESSION_COOKIE_SECURE": True},
    "for scripts": {"SESSION_COOKIE_HTTPONLY": False},
    "strict": {"SESSION_COOKIE_SAMESITE": "Strict"},
    "cross-site": {"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_SECURE": True},
    "partitioned": {
        "SESSION_COOKIE_SAMESITE": "None",
        "SESSION_COOKIE_PARTITIONED": True,
    },
    "an hour": {"PERMANENT_SESSION_LIFETIME": timedelta(hours=1)},
    "an hour in seconds": {"PERMANENT_SESSION_LIFETIME": 3600},
}


def flask_itself(config: dict[str, Any]) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY=KEY, **config)
    app.add_url_rule("/count", view_func=count)

    @app.get("/keep")
    def keep() -> str:
        flask.session.permanent = True
        return count()

    return app


def first_cookie(app: flask.Flask) -> tuple[str, set[str]]:
    response = app.test_client().get("/keep", base_url="https://www.example.com")
    pair, *attributes = response.headers["Set-Cookie"].split("; ")
    # A second may pass between the two apps.
    return pair.partition("=")[0], {
        re.sub(r"\d\d GMT", "GMT", attribute) for attribute in attributes
    }


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_our_cookie_of_an_apps_configuration_is_as_flask_writes_it(
    config: dict[str, Any],
) -> None:
    ours = flask_itself(config)
    ours.session_interface = FlaskSessions(
        SecureCookieSessionInterface.from_flask_config(ours.config)
    )
    name, attributes = first_cookie(flask_itself(config))
    if "SESSION_COOKIE_SAMESITE" not in config:
        attributes.add("SameSite=Lax")  # which Flask leaves to the browser
    assert first_cookie(ours) == (name, attributes)


def test_flask_and_the_bridge_read_each_others_cookies() -> None:
    theirs = flask_itself({})
    ours = flask_itself({})
    config = {"SECRET_KEY": KEY}  # a plain mapping will do
    ours.session_interface = FlaskSessions(
        SecureCookieSessionInterface.from_flask_config(config)
    )
    client: FlaskClient = theirs.test_client()
    for number, client.application in enumerate([theirs, ours, theirs, ours], 1):
        assert client.get("/keep", base_url=HTTPS).text == str(number)


def test_an_old_key_of_the_configuration_still_opens() -> None:
    before = SecureCookieSessionInterface.from_flask_config({"SECRET_KEY": OLD_KEY})
    config = {"SECRET_KEY": KEY, "SECRET_KEY_FALLBACKS": [OLD_KEY]}
    after = SecureCookieSessionInterface.from_flask_config(config)
    assert after.read_cookie(before.make_cookie({"user": "ada"})) == {"user": "ada"}


def test_our_bookkeeping_is_not_in_the_cookie_that_flask_reads() -> None:
    interface = SecureCookieSessionInterface.from_flask_config({"SECRET_KEY": KEY})
    app = make_app(interface)
    theirs = flask_itself({})
    client = app.test_client()
    interface.clock = lambda: time.time() - 10
    text(client, "/count")
    interface.clock = time.time
    text(client, "/count")
    client.application = theirs
    with client.session_transaction(base_url=HTTPS) as session:
        assert dict(session) == {"count": 2}


def test_a_session_ends_with_the_lifetime_of_the_configuration(clock: Clock) -> None:
    config = {"SECRET_KEY": KEY, "PERMANENT_SESSION_LIFETIME": 60}
    interface = SecureCookieSessionInterface.from_flask_config(config)
    interface.clock = clock
    cookie = interface.make_cookie({"user": "ada"})
    clock.advance(seconds=60)
    assert interface.read_cookie(cookie) == {"user": "ada"}
    clock.advance(seconds=1)
    assert interface.read_cookie(cookie) == {}


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"SECRET_KEY_FALLBACKS": ["dev"]}, r"fallback_keys\[0\]"),
        ({"SESSION_COOKIE_PARTITIONED": True}, 'needs samesite="None"'),
        ({"SESSION_COOKIE_NAME": "__Host-s"}, "needs secure=True"),
        ({"PERMANENT_SESSION_LIFETIME": timedelta(days=500)}, "at most 400 days"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_cannot_work_is_refused(
    config: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        SecureCookieSessionInterface.from_flask_config({"SECRET_KEY": KEY, **config})


def test_sharing_the_cookie_of_flask_needs_no_flask() -> None:
    code = (
        "import sys; sys.modules['flask'] = None; import cookiesession;"
        "make = cookiesession.SecureCookieSessionInterface.from_flask_config;"
        f"print(make({{'SECRET_KEY': {KEY!r}}}).make_cookie({{'a': 1}}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    cookie = run.stdout.strip()
    client = (app := flask_itself({})).test_client()
    assert app.config["SESSION_COOKIE_NAME"] == cookie.partition("=")[0]
    client.set_cookie(*cookie.split("=", 1))
    with client.session_transaction() as session:
        assert dict(session) == {"a": 1}
