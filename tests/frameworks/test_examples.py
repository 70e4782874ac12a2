"""Every example, started by the command in its own first line and visited over HTTP."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import EXAMPLES, KEY, free_port, serve
from visitor import Visitor

from cookiesession import CookieOptions

COOKIE = CookieOptions().name
FRAMEWORKS = {
    "flask": "Flask",
    "django": "Django",
    "pyramid": "Pyramid",
    "bottle": "Bottle",
    "falcon": "Falcon",
    "cherrypy": "CherryPy",
}
COUNTERS = {
    "plain_wsgi": "plain WSGI",
    **{f"{framework}_app": name for framework, name in FRAMEWORKS.items()},
}


@contextmanager
def example(name: str, cwd: Path, key: str = KEY) -> Iterator[tuple[Visitor, Path]]:
    """A visitor of an example, and the file that its server logs to."""
    module = ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    first_line = (ast.get_docstring(module) or "").splitlines()[0]
    command = shlex.split(first_line.partition(": ")[2])
    port = free_port()
    (cwd / "examples").symlink_to(EXAMPLES)
    bind = ("--bind", f"127.0.0.1:{port}")
    with serve(
        "python", "-m", *command, *bind, port=port, cwd=cwd, env={"SECRET_KEY": key}
    ):
        yield Visitor(port), cwd / f"server-{port}.log"


@pytest.mark.parametrize("name", COUNTERS)
def test_a_counter_counts_and_forgets(name: str, tmp_path: Path) -> None:
    with example(name, tmp_path) as (visitor, _):
        for number in (1, 2, 3):
            reply = visitor.visit("/")
            greeting = f"Visit {number}, says {COUNTERS[name]}.\n"
            assert (reply.status, reply.body.decode()) == (200, greeting)
        reply = visitor.visit("/forget", form="")
        assert reply.status in (302, 303)
        assert reply.values("Location")[0].endswith("/")
        assert visitor.cookies == {}
        assert visitor.visit("/").body.startswith(b"Visit 1,")
        visitor.visit("/forget")  # a GET, which any other site can cause
        assert visitor.visit("/").body.startswith((b"Visit 2,", b"Visit 3,"))


@pytest.mark.parametrize("name", [*COUNTERS, "flask_beside_wsgi"])
def test_without_a_key_a_change_fails(name: str, tmp_path: Path) -> None:
    path = "/greeting" if name == "flask_beside_wsgi" else "/"
    with example(name, tmp_path, key="") as (visitor, log):
        assert visitor.visit(path).status == 500
        printed = log.read_text(encoding="utf-8")
    assert "sessions are not available: secret_key is" in printed


def test_a_plain_app_shares_the_login_of_flask(tmp_path: Path) -> None:
    with example("flask_beside_wsgi", tmp_path) as (visitor, _):
        assert visitor.visit("/greeting").body == b"Hello stranger!\n"
        reply = visitor.visit("/login", form="user=Ada")
        assert reply.values("Location") == ["/greeting"]
        assert visitor.visit("/greeting").body == b"Hello Ada!\n"
        assert visitor.visit("/greeting").body == b"Hello Ada!\n"
        assert visitor.visit("/").body == b"Ada was greeted 2 times.\n"
        assert list(visitor.cookies) == [COOKIE]
