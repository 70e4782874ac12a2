"""Under a real gunicorn, on a loopback port, with a client that keeps its cookies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import KEY, OLD_KEY, free_port, serve
from visitor import Visitor

from cookiesession import SecureCookieSessionInterface

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="gunicorn does not run on Windows"
)

APP = """
import os

from cookiesession import (
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)


def function(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    session = get_session(environ)
    if environ["PATH_INFO"] == "/logout":
        session.clear()
    elif environ["PATH_INFO"] == "/count":
        session["visits"] = session.get("visits", 0) + 1
    elif environ["PATH_INFO"] == "/untouched":
        return [b"untouched"]
    return [b"%d %s" % (session.get("visits", 0), str(session.rejection).encode())]


def generator(environ, start_response):
    session = get_session(environ)
    session["visits"] = session.get("visits", 0) + 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    yield b"two"


def route(environ, start_response):
    app = generator if environ["PATH_INFO"] == "/generator" else function
    return app(environ, start_response)


app = SessionMiddleware(route, SecureCookieSessionInterface(os.environ["SECRET_KEY"]))
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where gunicorn serves APP."""
    folder: Path = tmp_path_factory.mktemp("gunicorn")
    (folder / "app.py").write_text(APP)
    port = free_port()
    command = ("python", "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "app:app")
    with serve(*command, port=port, cwd=folder, env={"SECRET_KEY": KEY}):
        yield port


def text(visitor: Visitor, path: str) -> str:
    reply = visitor.visit(path)
    assert reply.status == 200
    return reply.body.decode()


def test_each_client_has_its_own_count(port: int) -> None:
    ada, bob = Visitor(port), Visitor(port)
    for visit in range(1, 30):
        assert text(ada, "/count") == f"{visit} None"
    assert text(bob, "/count") == "1 None"
    assert text(ada, "/") == "29 None"


def test_the_cookie_has_its_attributes_and_the_response_its_headers(port: int) -> None:
    reply = Visitor(port).visit("/count")
    [cookie] = reply.values("Set-Cookie")
    assert SecureCookieSessionInterface(KEY).read_cookie(cookie) == {"visits": 1}
    assert cookie.split("; ", 1)[1] == "Secure; HttpOnly; Path=/; SameSite=Lax"
    assert reply.values("Vary") == ["Cookie"]
    assert reply.values("Cache-Control") == ["private"]


def test_an_untouched_session_adds_no_header(port: int) -> None:
    reply = Visitor(port).visit("/untouched")
    assert reply.body == b"untouched"
    for name in ("Set-Cookie", "Vary", "Cache-Control"):
        assert reply.values(name) == []


def test_a_generator_app_has_a_session(port: int) -> None:
    visitor = Visitor(port)
    for _ in range(3):
        assert text(visitor, "/generator") == "one two"
    assert text(visitor, "/") == "3 None"


def test_a_cleared_session_leaves_no_cookie(port: int) -> None:
    visitor = Visitor(port)
    visitor.visit("/count")
    assert list(visitor.cookies) == ["__Host-session"]
    assert text(visitor, "/logout") == "0 None"
    assert visitor.cookies == {}
    assert text(visitor, "/") == "0 None"


def test_a_forged_cookie_is_an_empty_session(port: int) -> None:
    visitor = Visitor(port)
    forged = SecureCookieSessionInterface(OLD_KEY).make_cookie({"visits": 99})
    visitor.cookies["__Host-session"] = forged.partition("=")[2]
    assert text(visitor, "/") == "0 bad_signature"
    assert text(visitor, "/count") == "1 bad_signature"
    assert text(visitor, "/count") == "2 None"
