"""One login in six frameworks, in one process: the example, under two workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import EXAMPLES, KEY, free_port, serve
from visitor import Visitor

from cookiesession import CookieOptions

FRAMEWORKS = {
    "flask": "Flask",
    "django": "Django",
    "pyramid": "Pyramid",
    "bottle": "Bottle",
    "falcon": "Falcon",
    "cherrypy": "CherryPy",
}
#: Those that have messages of their own.
FLASHING = ("flask", "django", "pyramid")


@pytest.fixture(scope="module", params=["in a cookie", "in a store"])
def kept(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, kept: str) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("six")
    port = free_port()
    command = f"python -m gunicorn --workers 2 --bind 127.0.0.1:{port} --chdir"
    words = [*command.split(), str(EXAMPLES), "six_frameworks:app"]
    env = {"SECRET_KEY": KEY}
    if kept == "in a store":
        env["SESSIONS"] = str(folder / "sessions.db")
    with serve(*words, port=port, cwd=folder, env=env):
        yield port


@pytest.fixture
def visitor(port: int) -> Visitor:
    return Visitor(port)


def text(visitor: Visitor, path: str, form: str | None = None) -> str:
    reply = visitor.visit(path, form=form)
    assert reply.status == 200
    return reply.body.decode()


def known(visitor: Visitor) -> list[str]:
    """Who the visitor is, in the words of each framework."""
    return [text(visitor, f"/{framework}/") for framework in FRAMEWORKS]


def everywhere(user: str) -> list[str]:
    return [f"{name} knows {user}. \n" for name in FRAMEWORKS.values()]


def test_a_login_by_flask_login_is_known_everywhere(visitor: Visitor) -> None:
    assert known(visitor) == everywhere("nobody")
    assert visitor.cookies == {}
    text(visitor, "/flask/login", form="name=ada")
    assert known(visitor) == everywhere("ada")
    assert list(visitor.cookies) == [CookieOptions().name]
    assert known(Visitor(visitor.port)) == everywhere("nobody")


def test_a_logout_in_django_is_one_everywhere(visitor: Visitor, kept: str) -> None:
    text(visitor, "/flask/login", form="name=ada")
    stolen = Visitor(visitor.port)
    stolen.cookies = {**visitor.cookies}
    text(visitor, "/django/logout", form="")
    assert visitor.cookies == {}
    assert known(visitor) == everywhere("nobody")
    # A store ends every copy; a cookie is only deleted in the browser that has it.
    user = "nobody" if kept == "in a store" else "ada"
    assert known(stolen) == everywhere(user)


def test_a_login_throws_out_what_was_in_the_browser_before(visitor: Visitor) -> None:
    text(visitor, "/pyramid/flash")
    before = {**visitor.cookies}
    text(visitor, "/flask/login", form="name=ada")
    assert visitor.cookies != before
    assert text(visitor, "/pyramid/") == "Pyramid knows ada. \n"


@pytest.mark.parametrize("framework", FLASHING)
def test_a_framework_shows_its_own_messages_once(
    visitor: Visitor, framework: str
) -> None:
    text(visitor, "/flask/login", form="name=ada")
    text(visitor, f"/{framework}/flash")
    for other in FRAMEWORKS.keys() - {framework}:
        assert text(visitor, f"/{other}/").endswith("knows ada. \n")
    name = FRAMEWORKS[framework]
    assert text(visitor, f"/{framework}/") == f"{name} knows ada. from {name}\n"
    assert text(visitor, f"/{framework}/") == f"{name} knows ada. \n"


def test_messages_of_all_wait_side_by_side(visitor: Visitor) -> None:
    for framework in FLASHING:
        text(visitor, f"/{framework}/flash")
    for framework in reversed(FLASHING):
        name = FRAMEWORKS[framework]
        assert text(visitor, f"/{framework}/") == f"{name} knows nobody. from {name}\n"
