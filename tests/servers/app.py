"""The app that every server of the matrix runs; each path is one thing to get right."""

from __future__ import annotations

import json
import os
import random
import string
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = [("Content-Type", "text/plain; charset=utf-8")]
TOKEN = string.ascii_letters + string.digits


def count(environ: WSGIEnvironment) -> bytes:
    session = get_session(environ)
    session["count"] = session.get("count", 0) + 1
    return str(session["count"]).encode()


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = count(environ)
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def generator(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield count(environ)
    yield b" and more"


def written(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", TEXT)
    write(count(environ))
    return [b" and more"]


def file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    count(environ)
    content = open("payload.bin", "rb")  # noqa: SIM115  the server closes it
    wrapper: Callable[..., Iterable[bytes]] | None = environ.get("wsgi.file_wrapper")
    size = str(os.fstat(content.fileno()).st_size)
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", size)]
    start_response("200 OK", [*headers, ("X-Wrapper", "yes" if wrapper else "no")])
    return wrapper(content, 8192) if wrapper else iter(lambda: content.read(8192), b"")


def logout(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    get_session(environ).clear()
    start_response("200 OK", TEXT)
    return [b"bye"]


def fill(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Makes the cookie large, with as many letters as the query string says."""
    letters = random.Random(0).choices(TOKEN, k=int(environ["QUERY_STRING"]))
    get_session(environ)["letters"] = "".join(letters)
    start_response("200 OK", TEXT)
    return [b"filled"]


def show(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    seen: dict[str, Any] = {
        "session": dict(get_session(environ)),
        "cookie": environ.get("HTTP_COOKIE"),
        "scheme": environ["wsgi.url_scheme"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """What the server makes of a generator without the middleware."""
    start_response("201 Created", [*TEXT, ("X-Late", "yes")])
    yield b"bare"


PATHS: dict[str, WSGIApplication] = {
    "/count": plain,
    "/generator": generator,
    "/write": written,
    "/file": file,
    "/logout": logout,
    "/fill": fill,
    "/show": show,
}


def route(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return PATHS[environ["PATH_INFO"]](environ, start_response)


sessions = SessionMiddleware(
    route, SecureCookieSessionInterface(os.environ.get("SECRET_KEY"))
)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    chosen = bare if environ["PATH_INFO"] == "/bare" else sessions
    return chosen(environ, start_response)
