"""Pyramid's ``request.session`` is ours: with a middleware around and without, in a
cookie and in a store."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
import pytest
from frameworks.shared_cache import SharedCache
from support import KEY, Clock
from werkzeug.test import Client

from cookiesession import (
    ConfigError,
    NullSession,
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionCommitted,
    SessionInterface,
    SessionMiddleware,
    SessionUnavailable,
    get_session,
)
from cookiesession.bridges.flask import FlaskSessions
from cookiesession.stores import MemoryStore, SQLiteStore

with warnings.catch_warnings():  # of pkg_resources and cgi, which Pyramid imports
    warnings.simplefilter("ignore")
    from pyramid.authentication import SessionAuthenticationHelper
    from pyramid.config import Configurator
    from pyramid.csrf import (
        LegacySessionCSRFStoragePolicy,
        SessionCSRFStoragePolicy,
        get_csrf_token,
        new_csrf_token,
    )
    from pyramid.events import NewRequest
    from pyramid.httpexceptions import HTTPNotFound
    from pyramid.interfaces import ISession, ISessionFactory
    from pyramid.response import Response
    from pyramid.security import forget, remember
    from pyramid.wsgi import wsgiapp, wsgiapp2
    from zope.interface.verify import verifyObject

    from cookiesession.bridges.pyramid import PyramidSession, PyramidSessions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HTTPS = "https://localhost"
INTERFACES: dict[str, Callable[[Path], Any]] = {
    "cookie": lambda _: SecureCookieSessionInterface(KEY),
    "memory": lambda _: ServerSideSessionInterface(
        KEY, MemoryStore(), user_key="auth.userid"
    ),
    "sqlite": lambda folder: ServerSideSessionInterface(
        KEY, SQLiteStore(folder / "sessions.db"), user_key="auth.userid"
    ),
}


@pytest.fixture(params=INTERFACES)
def interface(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return INTERFACES[request.param](tmp_path)


Serve = Callable[..., Client]


@pytest.fixture(params=["bare", "in a middleware"])
def serve(request: pytest.FixtureRequest, interface: SessionInterface) -> Serve:
    """Makes a client of an app with these views, each at its own name."""

    def serve(*views: Callable[[Any], Any], **more: Any) -> Client:
        app = make_app(interface, *views, **more)
        if request.param == "in a middleware":
            app = SessionMiddleware(app, interface)
        return Client(app)

    return serve


def make_app(
    interface: SessionInterface,
    *views: Callable[[Any], Any],
    configure: Callable[[Any], None] = lambda _: None,
) -> WSGIApplication:
    with Configurator() as config:
        config.set_session_factory(PyramidSessions(interface))
        configure(config)
        for view in (count, *views):
            name = getattr(view, "__name__", "")
            config.add_route(name, f"/{name}")
            config.add_view(view, route_name=name, renderer="json")
    app: WSGIApplication = config.make_wsgi_app()
    return app


def count(request: Any) -> int:
    request.session["count"] = request.session.get("count", 0) + 1
    number: int = request.session["count"]
    return number


def get(client: Client, path: str, status: int = 200) -> Any:
    response = client.get(path, base_url=HTTPS)
    assert response.status_code == status
    return response.json if response.is_json else response.text


def open_view(interface: SessionInterface, environ: WSGIEnvironment) -> PyramidSession:
    session = interface.open_session(environ)
    assert session is not None
    return PyramidSession(session)


# -- request.session -------------------------------------------------------------------


def test_the_session_of_pyramid_shows_the_session_in_the_environ(serve: Serve) -> None:
    def same(request: Any) -> list[Any]:
        request.session["written"] = "in Pyramid"
        ours = get_session(request.environ)
        ours["more"] = "in ours"
        return [ours.get("written"), request.session["more"]]

    assert get(serve(same), "/same") == ["in Pyramid", "in ours"]


def test_without_a_middleware_the_environ_has_it_after_the_first_look() -> None:
    def look(request: Any) -> str:
        with pytest.raises(SessionUnavailable):
            get_session(request.environ)
        assert request.session == get_session(request.environ)
        return "looked"

    client = Client(make_app(SecureCookieSessionInterface(KEY), look))
    assert get(client, "/look") == "looked"


def test_what_pyramid_asks_of_sessions_and_factories_is_there() -> None:
    interface = SecureCookieSessionInterface(KEY)
    verifyObject(ISession, open_view(interface, {}))
    verifyObject(ISessionFactory, PyramidSessions(interface))


def test_what_is_written_is_there_in_the_next_request(serve: Serve) -> None:
    client = serve()
    assert [get(client, "/count") for _ in range(3)] == [1, 2, 3]


def test_a_change_sets_one_cookie_and_says_what_it_means_to_caches(
    serve: Serve,
) -> None:
    headers = serve().get("/count", base_url=HTTPS).headers
    assert len(headers.getlist("Set-Cookie")) == 1
    assert headers.getlist("Vary") == ["Cookie"]
    assert headers.getlist("Cache-Control") == ["private"]


def test_an_untouched_session_adds_no_header(serve: Serve) -> None:
    def untouched(request: Any) -> str:
        return "untouched"

    def looked_for(request: Any) -> bool:
        return isinstance(request.session, PyramidSession)

    client = serve(untouched, looked_for)
    get(client, "/count")
    for path in ("/untouched", "/looked_for"):
        headers = client.get(path, base_url=HTTPS).headers
        assert not {"Set-Cookie", "Vary", "Cache-Control"} & set(headers.keys())


DICT_METHODS: dict[str, Callable[[Any], Any]] = {
    "getitem": lambda session: session["a"],
    "getitem, missing": lambda session: session["missing"],
    "setitem": lambda session: session.__setitem__("c", 3),
    "delitem": lambda session: session.__delitem__("a"),
    "delitem, missing": lambda session: session.__delitem__("missing"),
    "contains": lambda session: ("a" in session, "missing" in session),
    "iter": lambda session: list(session),
    "len": lambda session: len(session),
    "get": lambda session: (session.get("a"), session.get("missing", 0)),
    "keys": lambda session: list(session.keys()),
    "values": lambda session: list(session.values()),
    "items": lambda session: list(session.items()),
    "pop": lambda session: (session.pop("a"), session.pop("missing", 0)),
    "popitem": lambda session: session.popitem(),
    "setdefault": lambda session: (
        session.setdefault("a", 0),
        session.setdefault("c", 3),
    ),
    "update": lambda session: session.update({"a": 0}, c=3),
    "clear": lambda session: session.clear(),
    "equal": lambda session: (session == {"a": 1, "b": [2]}, session == {}),
}


@pytest.mark.parametrize("method", DICT_METHODS.values(), ids=DICT_METHODS)
def test_it_is_a_dict(method: Callable[[Any], Any]) -> None:
    interface = SecureCookieSessionInterface(KEY)
    contents = {"a": 1, "b": [2]}
    cookie = interface.make_cookie(contents)
    session = open_view(interface, {"HTTP_COOKIE": cookie})

    def result(mapping: Any) -> Any:
        try:
            return method(mapping)
        except KeyError as error:
            return repr(error)

    assert result(session) == result(contents)
    assert dict(session) == contents


def test_its_repr_shows_nothing_of_its_contents() -> None:
    session = open_view(SecureCookieSessionInterface(KEY), {})
    session["token"] = "hunter2"
    assert repr(session) == "<PyramidSession of <SecureCookieSession 1 keys>>"


def test_it_knows_whether_it_is_new_and_when_it_was_created(
    clock: Clock,
) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    created = int(clock.now)
    session = open_view(interface, {})
    assert (session.new, session.created) == (True, created)
    cookie = interface.make_cookie({"a": 1})
    clock.advance(hours=1)
    session = open_view(interface, {"HTTP_COOKIE": cookie})
    assert (session.new, session.created) == (False, created)
    session.invalidate()
    assert session.created == created + 3600


@pytest.mark.parametrize("word", ["invalidate", "clear"])
def test_invalidate_ends_the_session_and_begins_another(
    serve: Serve, interface: Any, word: str
) -> None:
    def login(request: Any) -> None:
        getattr(request.session, word)()
        request.session["user"] = "ada"

    def everything(request: Any) -> dict[str, Any]:
        return dict(request.session)

    client = serve(login, everything)
    get(client, "/count")
    before = {each.value for each in client._cookies.values()}  # type: ignore[union-attr]
    get(client, "/login")
    assert get(client, "/everything") == {"user": "ada"}
    if isinstance(interface, ServerSideSessionInterface):  # and every copy of it
        (token,) = before
        assert interface.read_cookie(f"{interface.cookie.name}={token}") == {}


@pytest.mark.parametrize("word", ["changed", "regenerate"])
@pytest.mark.parametrize("kept", ["in a cookie", "in a store"])
def test_changed_and_regenerate_save_what_is_as_it_was(
    clock: Clock, kept: str, word: str
) -> None:
    def say(request: Any) -> None:
        getattr(request.session, word)()

    def times(request: Any) -> list[int]:
        session = get_session(request.environ)
        return [session.created_at, session.issued_at]

    interface: SessionInterface = SecureCookieSessionInterface(KEY, clock=clock)
    if kept == "in a store":
        store = MemoryStore(clock=clock)
        interface = ServerSideSessionInterface(KEY, store, clock=clock)
    client = Client(SessionMiddleware(make_app(interface, say, times), interface))
    get(client, "/count")
    begun = int(clock.now)
    clock.advance(seconds=10)
    get(client, "/say")
    created = begun if word == "changed" else begun + 10
    assert get(client, "/times") == [created, begun + 10]
    assert get(client, "/count") == 2


def test_it_has_the_words_that_pyramid_lacks() -> None:
    interface = ServerSideSessionInterface(KEY, MemoryStore())
    session = open_view(interface, {"HTTP_COOKIE": "__Host-session=forged"})
    assert session.rejection == "bad_signature"
    assert len(session.handle or "") == 64
    assert session.permanent is False
    session.permanent = True
    assert session.permanent is True
    with pytest.raises(AttributeError):
        session.permament = True  # type: ignore[attr-defined]


def test_a_change_inside_a_value_is_seen_without_a_word(serve: Serve) -> None:
    def append(request: Any) -> list[int]:
        numbers: list[int] = request.session.setdefault("numbers", [])
        numbers.append(len(numbers))
        return numbers

    client = serve(append)
    assert [get(client, "/append") for _ in range(3)] == [[0], [0, 1], [0, 1, 2]]


# -- messages and CSRF -----------------------------------------------------------------


def test_queues_of_messages_are_kept_apart_peeked_at_and_popped(serve: Serve) -> None:
    def flash(request: Any) -> None:
        request.session.flash("saved")
        request.session.flash("late", queue="warnings")
        request.session.flash("saved", allow_duplicate=False)
        request.session.flash("saved")

    def peek(request: Any) -> list[Any]:
        return [request.session.peek_flash(), request.session.peek_flash("warnings")]

    def pop(request: Any) -> list[Any]:
        return [request.session.pop_flash(), request.session.peek_flash("warnings")]

    client = serve(flash, peek, pop)
    assert get(client, "/peek") == [[], []]
    get(client, "/flash")
    assert get(client, "/peek") == [["saved", "saved"], ["late"]]
    assert get(client, "/pop") == [["saved", "saved"], ["late"]]
    assert get(client, "/pop") == [[], ["late"]]


def test_a_message_that_cannot_be_stored_is_refused_where_it_is_flashed() -> None:
    session = open_view(SecureCookieSessionInterface(KEY), {})
    with pytest.raises(TypeError, match="_f_"):
        session.flash(object())
    assert session.peek_flash() == []


@pytest.mark.parametrize(
    "policy", [LegacySessionCSRFStoragePolicy, SessionCSRFStoragePolicy]
)
def test_csrf_tokens_are_kept_in_the_session(
    serve: Serve, policy: Callable[[], Any]
) -> None:
    def token(request: Any) -> str:
        return str(get_csrf_token(request))

    def new_token(request: Any) -> str:
        return str(new_csrf_token(request))

    def form(request: Any) -> str:
        return str(request.method)

    def configure(config: Any) -> None:
        config.set_csrf_storage_policy(policy())
        config.set_default_csrf_options(require_csrf=True)

    def sent(client: Client, token: str) -> int:
        headers = {"Referer": f"{HTTPS}/"}
        data = {"csrf_token": token}
        response = client.post("/form", base_url=HTTPS, data=data, headers=headers)
        return response.status_code

    client = serve(token, new_token, form, configure=configure)
    good = get(client, "/token")
    assert len(good) >= 32
    assert get(client, "/token") == good
    assert sent(client, good) == 200
    for wrong in ("", "wrong"):
        assert sent(client, wrong) == 400
    newer = get(client, "/new_token")
    assert (sent(client, good), sent(client, newer)) == (400, 200)


# -- who is logged in ------------------------------------------------------------------


class SessionSecurityPolicy:
    """As Pyramid's documentation makes it."""

    helper = SessionAuthenticationHelper()

    def authenticated_userid(self, request: Any) -> Any:
        return self.helper.authenticated_userid(request)

    def remember(self, request: Any, userid: str, **options: Any) -> Any:
        return self.helper.remember(request, userid, **options)

    def forget(self, request: Any, **options: Any) -> Any:
        return self.helper.forget(request, **options)


def login(request: Any) -> None:
    request.response.headerlist.extend(remember(request, "ada"))


def logout(request: Any) -> None:
    request.response.headerlist.extend(forget(request))


def who(request: Any) -> Any:
    return request.authenticated_userid


def secure(config: Any) -> None:
    config.set_security_policy(SessionSecurityPolicy())


def test_a_user_logs_in_and_out(serve: Serve) -> None:
    client = serve(login, logout, who, configure=secure)
    assert get(client, "/who") is None
    get(client, "/count")
    get(client, "/login")
    assert get(client, "/who") == "ada"
    get(client, "/logout")
    assert get(client, "/who") is None
    assert get(client, "/count") == 2


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_login_moves_the_session_to_a_new_id(store: str, tmp_path: Path) -> None:
    def handle(request: Any) -> Any:
        return request.session.handle

    interface = INTERFACES[store](tmp_path)
    client = Client(make_app(interface, login, who, handle, configure=secure))
    get(client, "/count")
    before = get(client, "/handle")
    get(client, "/login")
    (info,) = interface.list_sessions("ada")
    assert info.handle == get(client, "/handle") != before
    assert interface.end_sessions("ada") == 1
    assert get(client, "/who") is None


# -- exceptions ------------------------------------------------------------------------


class Broken(Exception):
    """What a view raises."""


@pytest.fixture
def failing(serve: Serve) -> Client:
    def missing(request: Any) -> None:
        count(request)
        raise HTTPNotFound

    def broken(request: Any) -> None:
        count(request)
        raise Broken

    def forgiven(request: Any) -> None:
        count(request)
        raise LookupError

    def fails(request: Any) -> None:
        request.session.invalidate()
        raise RuntimeError

    def configure(config: Any) -> None:
        def excuse(error: Exception, request: Any) -> Response:
            request.session.flash("sorry")
            return Response(status=200 if isinstance(error, LookupError) else 500)

        config.add_exception_view(excuse, context=LookupError)
        config.add_exception_view(excuse, context=RuntimeError)

    def peek(request: Any) -> Any:
        return request.session.peek_flash()

    return serve(missing, broken, forgiven, fails, peek, configure=configure)


def test_an_http_exception_saves_the_change(failing: Client) -> None:
    get(failing, "/missing", 404)
    assert get(failing, "/count") == 2


def test_an_exception_without_a_view_changes_nothing(failing: Client) -> None:
    get(failing, "/count")
    with pytest.raises(Broken):
        failing.get("/broken", base_url=HTTPS)
    assert get(failing, "/count") == 2


def test_the_status_of_an_exception_view_decides(failing: Client) -> None:
    get(failing, "/forgiven")
    assert get(failing, "/peek") == ["sorry"]
    assert get(failing, "/count") == 2
    get(failing, "/fails", 500)  # but a logout holds
    assert get(failing, "/count") == 1
    assert get(failing, "/peek") == []


def test_a_request_that_is_tried_again_starts_afresh(
    interface: SessionInterface,
) -> None:
    tries = []

    def flaky(request: Any) -> int:
        tries.append(count(request))
        if len(tries) == 1:
            raise Broken
        return tries[-1]

    def execute(environ: WSGIEnvironment, router: Any) -> Any:
        for attempt in (1, 2):
            with router.request_context(environ) as request:
                try:
                    return router.invoke_request(request)
                except Broken:
                    assert attempt == 1
        return None

    def configure(config: Any) -> None:
        config.set_execution_policy(execute)

    client = Client(make_app(interface, flaky, configure=configure))
    assert get(client, "/flaky") == 1
    assert get(client, "/count") == 2
    assert tries == [1, 1]


# -- who saves -------------------------------------------------------------------------


def test_a_change_after_the_response_is_refused(serve: Serve) -> None:
    def stream(request: Any) -> Iterator[bytes]:
        yield b"1 "
        try:
            count(request)
        except SessionCommitted:
            yield b"refused"

    def late(request: Any) -> Response:
        count(request)
        return Response(app_iter=stream(request))

    client = serve(late)
    assert get(client, "/late") == "1 refused"
    assert get(client, "/count") == 2


def test_a_response_callback_that_comes_too_late_is_told(
    interface: SessionInterface,
) -> None:
    def view(request: Any) -> None:
        count(request)
        request.add_response_callback(lambda request, _: count(request))

    client = Client(make_app(interface, view))
    with pytest.raises(SessionCommitted):
        client.get("/view", base_url=HTTPS)


def test_a_subscriber_and_a_tween_have_the_session(serve: Serve) -> None:
    seen = []

    def begin(event: Any) -> None:
        seen.append(event.request.session.get("count"))

    def configure(config: Any) -> None:
        config.add_subscriber(begin, NewRequest)
        config.add_tween("frameworks.test_bridge_pyramid.make_counting_tween")

    client = serve(configure=configure)
    assert get(client, "/count") == 1
    assert get(client, "/count") == 3  # the tween counted after the view
    assert seen == [None, 2]


def make_counting_tween(
    handler: Callable[[Any], Any], registry: Any
) -> Callable[[Any], Any]:
    def tween(request: Any) -> Any:
        response = handler(request)
        count(request)
        return response

    return tween


def test_a_subrequest_of_a_copy_shares_the_session(serve: Serve) -> None:
    def whole(request: Any) -> int:
        count(request)
        part = request.copy()
        part.path_info = "/count"
        response = request.invoke_subrequest(part)
        assert response.json == 2
        return count(request)

    client = serve(whole)
    assert get(client, "/whole") == 3
    assert get(client, "/count") == 4


def test_an_inner_app_that_is_done_leaves_the_session_to_the_next(
    interface: SessionInterface,
) -> None:
    def twice(request: Any) -> Response:
        count(request)
        request.get_response(inner)
        return request.get_response(inner)

    def inner_twice(request: Any) -> int:
        return count(request)

    def configure(config: Any) -> None:
        config.add_route("twice", "/twice")
        config.add_view(inner_twice, route_name="twice", renderer="json")

    inner = make_app(interface, configure=configure)
    client = Client(make_app(interface, twice))
    assert get(client, "/twice") == 3
    assert get(client, "/count") == 4


def test_apps_mounted_within_lose_nothing(interface: Any) -> None:
    inner_flask = flask.Flask(__name__)
    inner_flask.session_interface = FlaskSessions(interface)

    @inner_flask.get("/")
    def flask_view() -> str:
        flask.session["flask"] = True
        return "flask"

    def plain(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        get_session(environ)["plain"] = True
        start_response("200 OK", [])
        return [b"plain"]

    def touch(event: Any) -> None:
        count(event.request)

    def configure(config: Any) -> None:
        config.add_subscriber(touch, NewRequest)
        config.add_route("flask", "/flask/*subpath")
        config.add_view(wsgiapp2(inner_flask), route_name="flask")
        config.add_route("plain", "/plain")
        inner = wsgiapp(SessionMiddleware(plain, interface))
        config.add_view(inner, route_name="plain")

    def everything(request: Any) -> dict[str, Any]:
        return dict(request.session)

    app = make_app(interface, everything, configure=configure)
    client = Client(app)
    assert get(client, "/flask/") == "flask"
    assert get(client, "/plain") == "plain"
    assert get(client, "/everything") == {"count": 3, "flask": True, "plain": True}


def test_a_cache_within_the_middleware_hands_nobody_the_page_of_another(
    interface: SessionInterface,
) -> None:
    def greet(request: Any) -> str:
        visitor = request.session.setdefault("visitor", request.params.get("name"))
        return f"hello {visitor}"

    cache = SharedCache(make_app(interface, greet))
    cached = SessionMiddleware(cache, interface)
    clients = {name: Client(cached) for name in ("ada", "bob", "eve")}
    for name, client in clients.items():
        assert get(client, f"/greet?name={name}") == f"hello {name}"
    assert cache.stored == []
    for _ in range(2):
        for name, client in clients.items():
            assert get(client, "/greet") == f"hello {name}"
    assert len(cache.stored) == 3


@pytest.mark.parametrize("within", [False, True], ids=["bare", "in a middleware"])
def test_without_a_key_the_session_is_empty_and_refuses_changes(within: bool) -> None:
    def read(request: Any) -> Any:
        number = request.session.get("count")
        assert isinstance(get_session(request.environ), NullSession)
        return number

    interface = SecureCookieSessionInterface(None)
    app = make_app(interface, read)
    client = Client(SessionMiddleware(app, interface) if within else app)
    assert get(client, "/read") is None
    with pytest.raises(SessionUnavailable, match="cookiesession keygen"):
        client.get("/count", base_url=HTTPS)


def test_a_null_session_is_not_saved() -> None:
    class Unusable(SessionInterface):
        def open_session(self, environ: WSGIEnvironment) -> None:
            return None

        def save_session(self, *_: Any) -> None:
            pytest.fail("a null session was saved")

    def read(request: Any) -> Any:
        return request.session.get("count")

    assert get(Client(make_app(Unusable(), read)), "/read") is None


@pytest.mark.parametrize("wrong", [KEY, None, dict], ids=["key", "none", "type"])
def test_what_is_no_interface_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="interface must be a SessionInterface"):
        PyramidSessions(wrong)
