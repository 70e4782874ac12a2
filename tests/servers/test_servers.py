"""Every WSGI server of the matrix, started on a loopback port and driven over HTTP.

What a server cannot do, with or without us, is a column of the table and asserted.
"""

from __future__ import annotations

import http.client
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import KEY, free_port, serve
from visitor import Reply, Visitor

from cookiesession import CookieOptions

COOKIE = CookieOptions().name
PAYLOAD = bytes(range(256)) * 1200
#: So many letters make a cookie of 4,000 to 4,096 bytes, as many as browsers keep.
LETTERS = 3930


@dataclass(frozen=True, kw_only=True)
class Server:
    """How a server is started, and what it is unable to do on its own."""

    command: str
    #: The file wrapper is optional in PEP 3333; without one the app reads the file.
    file_wrapper: bool = True
    #: "applications must invoke start_response() before the iterable yields its first
    #: body bytestring" (PEP 3333); some servers want it before the app returns.
    late_start_response: bool = True
    #: "the start_response callable must return a write(body_data) callable" (PEP 3333).
    write: bool = True
    #: Other bytes than ASCII in a Cookie header arrive as Latin-1; else as ``""``.
    foreign_bytes: bool = True


PYUWSGI = (
    f"{Path(sys.executable).with_name('pyuwsgi')} --http-socket 127.0.0.1:{{port}}"
    " --master --need-app --die-on-term --module app:app"
)
GUNICORN = "python -m gunicorn --bind 127.0.0.1:{port} app:app"

SERVERS = {
    "gunicorn-sync": Server(command=GUNICORN),
    "gunicorn-gthread": Server(command=f"{GUNICORN} -k gthread --threads 4"),
    "gunicorn-gevent": Server(command=f"{GUNICORN} -k gevent"),
    "waitress": Server(command="python -m waitress --listen=127.0.0.1:{port} app:app"),
    # Its buffer holds all headers of a request, and is 4 kB unless told otherwise.
    "uwsgi": Server(command=f"{PYUWSGI} --buffer-size 32768"),
    "granian": Server(
        command="python -m granian --interface wsgi --port {port} app:app",
        file_wrapper=False,
        late_start_response=False,
        write=False,
        foreign_bytes=False,
    ),
    "cheroot": Server(
        command="python -m cheroot --bind 127.0.0.1:{port} app:app",
        file_wrapper=False,
    ),
    "wsgiref": Server(
        command="python -c 'from wsgiref.simple_server import make_server as make;"
        ' import app; make("127.0.0.1", {port}, app.app).serve_forever()\'',
    ),
    "werkzeug": Server(
        command="python -c 'from werkzeug.serving import run_simple as run;"
        ' import app; run("127.0.0.1", {port}, app.app, threaded=True)\'',
        file_wrapper=False,
    ),
}


@contextmanager
def run(command: str, cwd: Path) -> Iterator[int]:
    """Run a server of the app in a directory, and say on which port it listens."""
    (cwd / "payload.bin").write_bytes(PAYLOAD)
    port = free_port()
    words = [word.format(port=port) for word in shlex.split(command)]
    env = {"SECRET_KEY": KEY, "PYTHONPATH": str(Path(__file__).parent)}
    with serve(*words, port=port, cwd=cwd, env=env):
        yield port


@dataclass(frozen=True)
class Running:
    server: Server
    port: int

    def visitor(self) -> Visitor:
        return Visitor(self.port)


@pytest.fixture(scope="module", params=list(SERVERS))
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    server = SERVERS[request.param]
    with run(server.command, tmp_path_factory.mktemp(request.param)) as port:
        yield Running(server, port)


def test_two_visitors_count_for_themselves(running: Running) -> None:
    one, other = running.visitor(), running.visitor()
    for number in range(1, 26):
        for visitor in (one, other):
            reply = visitor.visit("/count")
            assert (reply.status, reply.body) == (200, str(number).encode())
            assert reply.values("Vary") == ["Cookie"]


def test_a_generator_may_start_its_response_late(running: Running) -> None:
    visitor = running.visitor()
    for number in (b"1", b"2", b"3"):
        reply = visitor.visit("/generator")
        assert (reply.status, reply.body) == (200, number + b" and more")


def test_without_the_middleware_a_late_start_depends_on_the_server(
    running: Running,
) -> None:
    reply = running.visitor().visit("/bare")
    assert reply.body == b"bare"
    late = running.server.late_start_response
    assert (reply.status, reply.values("X-Late")) == (
        (201, ["yes"]) if late else (200, [])
    )


def test_a_session_is_saved_at_write(running: Running) -> None:
    visitor = running.visitor()
    reply = visitor.visit("/write")
    if running.server.write:
        assert (reply.status, reply.body) == (200, b"1 and more")
        assert visitor.visit("/count").body == b"2"
    else:
        assert reply.status == 500


def test_a_file_is_sent_as_it_is(running: Running) -> None:
    visitor = running.visitor()
    reply = visitor.visit("/file")
    assert reply.body == PAYLOAD
    assert reply.values("X-Wrapper") == ["yes" if running.server.file_wrapper else "no"]
    assert visitor.visit("/count").body == b"2"


def test_a_logout_deletes_the_cookie(running: Running) -> None:
    visitor = running.visitor()
    visitor.visit("/count")
    (deletion,) = visitor.visit("/logout").values("Set-Cookie")
    assert deletion.startswith(f"{COOKIE}=; ")
    assert "Max-Age=0" in deletion.split("; ")
    assert visitor.cookies == {}
    assert visitor.visit("/count").body == b"1"


def test_a_forged_cookie_is_an_empty_session(running: Running) -> None:
    visitor = running.visitor()
    visitor.visit("/count")
    genuine = visitor.cookies[COOKIE]
    visitor.cookies[COOKIE] = genuine[:-1] + ("A" if genuine[-1] != "A" else "E")
    reply = visitor.visit("/show")
    assert reply.status == 200
    assert json.loads(reply.body)["session"] == {}


def test_foreign_bytes_in_a_neighbour_cookie_do_no_harm(running: Running) -> None:
    visitor = running.visitor()
    visitor.visit("/count")
    reply = visitor.visit("/show", neighbour="other=\x8c\xff")
    seen = json.loads(reply.body)
    assert reply.status == 200
    if running.server.foreign_bytes:
        assert seen["cookie"].startswith("other=\x8c\xff; ")
        assert seen["session"] == {"count": 1}
    else:
        assert (seen["cookie"], seen["session"]) == ("", {})


def fill(visitor: Visitor) -> Reply:
    """Ask for a cookie that nearly is as large as browsers allow."""
    reply = visitor.visit(f"/fill?{LETTERS}")
    if reply.status == 200:
        assert 4000 <= len(COOKIE) + len(visitor.cookies[COOKIE]) <= 4096
    return reply


def test_the_largest_cookie_comes_back(running: Running) -> None:
    visitor = running.visitor()
    fill(visitor)
    letters = json.loads(visitor.visit("/show").body)["session"]["letters"]
    assert len(letters) == LETTERS


def test_uwsgi_drops_a_large_cookie_without_a_larger_buffer(tmp_path: Path) -> None:
    with run(PYUWSGI, tmp_path) as port:
        visitor = Visitor(port)
        fill(visitor)
        with pytest.raises((http.client.BadStatusLine, ConnectionResetError)):
            visitor.visit("/show")
        visitor.cookies.clear()
        assert visitor.visit("/count").body == b"1"
