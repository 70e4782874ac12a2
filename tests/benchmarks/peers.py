"""One adapter per peer: the same request through its session layer and without it."""

from __future__ import annotations

import io
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, cast
from uuid import UUID

from fairfloor import Middleware as FairFloor
from floors import ENVIRON_KEY as FLOOR_KEY
from floors import NAME, FloorA, FloorB
from markupsafe import Markup
from payloads import SECRET, SHAPES
from werkzeug.wsgi import ClosingIterator

import cookiesession

Headers = list[tuple[str, str]]
WSGIApp = Callable[..., Iterable[bytes]]
#: What a view does with its session; says whether it changed it.
Touch = Callable[[Any], bool]
#: One request with this Cookie header; the response's headers.
Request = Callable[[str], Headers]

ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "localhost",
    "HTTP_USER_AGENT": "benchmark",
    "HTTP_ACCEPT": "*/*",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "https",
    "wsgi.input": io.BytesIO(),
}
DAY = 24 * 3600  # seconds
BODIES: dict[str, Callable[[], Iterable[bytes]]] = {
    "list": lambda: [b"ok"],
    "iterator": lambda: ClosingIterator([b"ok"]),
}


def own_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy that the interpreter specializes for this use alone.

    The copies of an inner function share its code, and with it what the interpreter has
    learnt of the types there; but an app has one kind of session.
    """
    inner = cast("FunctionType", function)
    code = inner.__code__.replace()
    return FunctionType(
        code, inner.__globals__, inner.__name__, inner.__defaults__, inner.__closure__
    )


def environ_with(cookie: str) -> dict[str, Any]:
    environ = ENVIRON.copy()
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    return environ


def wsgi_app(key: str, touch: Touch | None, body: str, save: bool = False) -> WSGIApp:
    """An app that does nothing but touch the session under *key* in its environ.

    :param save: Whether a changed session wants its ``save()`` called.
    """
    make_body = BODIES[body]

    def app(
        environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if touch is not None:
            session = environ[key]
            if touch(session) and save:
                session.save()
        start_response(
            "200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")]
        )
        return make_body()

    return own_code(app)


def wsgi_request(app: WSGIApp) -> Request:
    """Drives a WSGI app as a server does, without the network."""
    sent: list[Headers] = [[]]

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> None:
        sent[0] = headers

    def request(cookie: str) -> Headers:
        body = app(environ_with(cookie), start_response)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()
        return sent[0]

    return own_code(request)


@cache
def bare_wsgi(body: str) -> Request:
    """The request without sessions that all middlewares are compared with."""
    return wsgi_request(wsgi_app("", None, body))


class Peer(ABC):
    """A session layer."""

    #: The kinds of response body that it is measured with.
    bodies: tuple[str, ...] = ("list",)
    #: Whether it notices a change inside a value that is not assigned again.
    looks_inside = False

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def bare(self, body: str) -> Request:
        """The same request without sessions."""

    @abstractmethod
    def through(self, touch: Touch | None, body: str) -> Request:
        """A request through the session layer."""


class Middleware(Peer):
    """A WSGI middleware, around an app that does nothing else."""

    bodies = ("list", "iterator")

    def __init__(
        self,
        name: str,
        wrap: Callable[[WSGIApp], WSGIApp],
        environ_key: str,
        save: bool = False,
        looks_inside: bool = False,
    ) -> None:
        super().__init__(name)
        self._wrap = wrap
        self._key = environ_key
        self._save = save
        self.looks_inside = looks_inside

    def bare(self, body: str) -> Request:
        return bare_wsgi(body)

    def through(self, touch: Touch | None, body: str) -> Request:
        return wsgi_request(self._wrap(wsgi_app(self._key, touch, body, self._save)))


def own_package() -> Any:
    """A copy of ours that the interpreter specializes for one interface alone."""

    def take_out() -> dict[str, ModuleType]:
        names = [each for each in sys.modules if each.split(".")[0] == "cookiesession"]
        return {each: sys.modules.pop(each) for each in names}

    theirs = take_out()
    try:
        return import_module("cookiesession")
    finally:
        take_out()
        sys.modules.update(theirs)


def ours(name: str, package: Any = cookiesession, **options: Any) -> Peer:
    return _ours(name, package, package.SecureCookieSessionInterface(SECRET, **options))


def ours_for_flask(name: str) -> Peer:
    """As for a Flask app's own cookie, without a creation time, which Flask has not."""
    package = own_package()
    config = {"SECRET_KEY": SECRET, "SESSION_COOKIE_SECURE": True}
    interface = package.SecureCookieSessionInterface.from_flask_config(config)
    return _ours(name, package, interface)


def ours_encrypted(name: str) -> Peer:
    package = own_package()
    return ours(name, package, format=package.EncryptedFormat())


def _ours(name: str, package: Any, interface: Any) -> Peer:
    return Middleware(
        name,
        lambda app: package.SessionMiddleware(app, interface),
        "cookiesession.session",
        looks_inside=True,
    )


def fair_floor(name: str) -> Peer:
    """All the work that our rules ask for, and none that style does."""

    def wrap(app: WSGIApp) -> WSGIApp:
        return FairFloor(app, SECRET, NAME, compress_from=512)  # type: ignore[no-untyped-call]

    return Middleware(name, wrap, "fair.session", looks_inside=True)


def floor(name: str, kind: type[FloorA]) -> Peer:
    return Middleware(name, lambda app: kind(app, SECRET), FLOOR_KEY)


def floor_b(name: str) -> Peer:
    """Floor B, once it is shown to write what Flask writes, and to read it."""
    flask = import_module("flask")
    app = flask.Flask(__name__)
    app.secret_key = SECRET
    serializer = app.session_interface.get_signing_serializer(app)
    ours = FloorB(app.wsgi_app, SECRET)
    moment = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    rare = {"t": (1, [b"\xff"]), "m": Markup("<b>"), "u": UUID(int=5), "d": moment}
    for data in (*SHAPES.values(), rare, {"a": {" t": {" b": 1}}}):
        with app.app_context():
            theirs = serializer.dumps(data)
        token = ours.seal(data)
        # The issue time between them may differ by a second, and is signed as well.
        if token.rsplit(".", 2)[0] != theirs.rsplit(".", 2)[0]:
            raise RuntimeError(f"not Flask's bytes: {token} for {theirs}")
        if ours.open(theirs) != data or serializer.loads(token) != data:
            raise RuntimeError(f"not read by both as it was written: {data}")
    return floor(name, FloorB)


def beaker(name: str) -> Peer:
    """Beaker's session in a signed cookie, as JSON; it wants ``save()`` called."""
    warnings.filterwarnings("ignore", message="Invalidating corrupt session")
    wrap = import_module("beaker.middleware").SessionMiddleware
    config = {
        "session.type": "cookie",
        "session.validate_key": SECRET,
        "session.data_serializer": "json",
        "session.secure": True,
        "session.httponly": True,
    }
    return Middleware(name, lambda app: wrap(app, config), "beaker.session", save=True)


class Flask(Peer):
    """A minimal Flask app, with Flask's session or with one that is never there."""

    def bare(self, body: str) -> Request:
        sessions = import_module("flask.sessions")

        class Without(sessions.SessionInterface):  # type: ignore[name-defined, misc]
            nothing = sessions.NullSession()

            def open_session(self, app: Any, request: Any) -> Any:
                return self.nothing

        return self._request(None, Without())

    def through(self, touch: Touch | None, body: str) -> Request:
        interface = import_module("flask.sessions").SecureCookieSessionInterface()
        return self._request(touch, interface)

    def _request(self, touch: Touch | None, interface: Any) -> Request:
        flask = import_module("flask")
        app = flask.Flask(__name__)
        app.secret_key = SECRET
        app.session_interface = interface

        def view() -> str:
            if touch is not None:
                touch(flask.session)
            return "ok"

        app.add_url_rule("/", view_func=view)
        return wsgi_request(app.wsgi_app)


class Pyramid(Peer):
    """Pyramid's session factory, with Pyramid's request and response alone."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._factory = import_module("pyramid.session").SignedCookieSessionFactory(
            SECRET, secure=True, httponly=True, timeout=31 * DAY, reissue_time=15 * DAY
        )
        self._request = import_module("pyramid.request").Request
        self._response = import_module("pyramid.response").Response

    def bare(self, body: str) -> Request:
        return self.through(None, body)

    def through(self, touch: Touch | None, body: str) -> Request:
        # An untouched session is never made: ``request.session`` is lazy.
        def request(cookie: str) -> Headers:
            found = self._request(environ_with(cookie))
            response = self._response(b"ok")
            if touch is not None:
                touch(self._factory(found))
            found._process_response_callbacks(response)
            headers: Headers = response.headerlist
            return headers

        return request


class Django(Peer):
    """Django's middleware and its signed cookies, with its request and response."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        settings = import_module("django.conf").settings
        if not settings.configured:
            settings.configure(
                SECRET_KEY=SECRET,
                SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
                SESSION_COOKIE_SECURE=True,
            )
        self._request = import_module("django.core.handlers.wsgi").WSGIRequest
        self._response = import_module("django.http").HttpResponse
        middleware = import_module("django.contrib.sessions.middleware")
        self._middleware = middleware.SessionMiddleware

    def bare(self, body: str) -> Request:
        return self._drive(lambda request: self._response(b"ok"))

    def through(self, touch: Touch | None, body: str) -> Request:
        def view(request: Any) -> Any:
            if touch is not None:
                touch(request.session)
            return self._response(b"ok")

        return self._drive(self._middleware(view))

    def _drive(self, view: Callable[[Any], Any]) -> Request:
        def request(cookie: str) -> Headers:
            response = view(self._request(environ_with(cookie)))
            cookies = response.cookies.values()
            return [("Set-Cookie", cookie.OutputString()) for cookie in cookies]

        return request


class Starlette(Peer):
    """Starlette's ASGI middleware; the coroutine is driven without an event loop."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._middleware = import_module(
            "starlette.middleware.sessions"
        ).SessionMiddleware

    def bare(self, body: str) -> Request:
        return asgi_request(asgi_app(None))

    def through(self, touch: Touch | None, body: str) -> Request:
        app = self._middleware(asgi_app(touch), SECRET, https_only=True)
        return asgi_request(app)


def asgi_app(touch: Touch | None) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if touch is not None:
            touch(scope["session"])
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


def asgi_request(app: Callable[..., Any]) -> Request:
    sent: list[list[tuple[bytes, bytes]]] = [[]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        if "headers" in message:
            sent[0] = message["headers"]

    def request(cookie: str) -> Headers:
        headers = [(b"host", b"localhost")]
        if cookie:
            headers.append((b"cookie", cookie.encode()))
        scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
        with suppress(StopIteration):  # how a coroutine returns
            app(scope, receive, send).send(None)
        return [(name.decode(), value.decode()) for name, value in sent[0]]

    return request


QUICK: dict[str, Callable[[str], Peer]] = {
    "ours": lambda name: ours(name, own_package()),
    "FLASK": ours_for_flask,
    "encrypted": ours_encrypted,
    "fair floor": fair_floor,
    "floor A": lambda name: floor(name, FloorA),
    "floor B": lambda name: floor(name, FloorB),
}
ALL = {
    **QUICK,
    "floor B": floor_b,
    "Starlette": Starlette,
    "Pyramid": Pyramid,
    "Django": Django,
    "Flask": Flask,
    "Beaker": beaker,
}
