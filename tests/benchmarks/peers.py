"""One adapter per peer: the same request through its session layer and without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from floors import ENVIRON_KEY as FLOOR_KEY
from floors import FloorA, FloorB
from payloads import SECRET
from werkzeug.wsgi import ClosingIterator

from cookiesession import FLASK, SecureCookieSessionInterface, SessionMiddleware

Headers = list[tuple[str, str]]
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
    "HTTP_HOST": "localhost",
    "wsgi.url_scheme": "https",
    "wsgi.input": None,
}
BODIES: dict[str, Callable[[], Iterable[bytes]]] = {
    "list": lambda: [b"ok"],
    "iterator": lambda: ClosingIterator([b"ok"]),
}


def environ_with(cookie: str) -> dict[str, Any]:
    environ = ENVIRON.copy()
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    return environ


def wsgi_app(
    key: str, touch: Touch | None, body: str, save: bool = False
) -> Callable[..., Iterable[bytes]]:
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

    return app


def wsgi_request(app: Callable[..., Iterable[bytes]]) -> Request:
    """Drives a WSGI app as a server does, without the network."""
    sent: list[Headers] = [[]]

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> None:
        sent[0] = headers

    def request(cookie: str) -> Headers:
        body = app(environ_with(cookie), start_response)
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()
        return sent[0]

    return request


class Peer:
    """A WSGI middleware, unless a subclass says otherwise."""

    bodies: tuple[str, ...] = ("list", "iterator")

    def __init__(
        self,
        name: str,
        wrap: Callable[[Any], Callable[..., Iterable[bytes]]],
        environ_key: str,
    ) -> None:
        self.name = name
        self._wrap = wrap
        self._key = environ_key

    def bare(self, body: str) -> Request:
        """The same request without sessions."""
        return wsgi_request(wsgi_app(self._key, None, body))

    def through(self, touch: Touch | None, body: str) -> Request:
        """A request through the session layer."""
        return wsgi_request(self._wrap(wsgi_app(self._key, touch, body)))


def ours(name: str, **options: Any) -> Peer:
    interface = SecureCookieSessionInterface(SECRET, **options)
    return Peer(
        name, lambda app: SessionMiddleware(app, interface), "cookiesession.session"
    )


QUICK: dict[str, Callable[[str], Peer]] = {
    "floor A": lambda name: Peer(name, lambda app: FloorA(app, SECRET), FLOOR_KEY),
    "ours": ours,
    "floor B": lambda name: Peer(name, lambda app: FloorB(app, SECRET), FLOOR_KEY),
    "ours, FLASK": lambda name: ours(name, format=FLASK),
}
