"""The example with logins, under gunicorn with two workers, on an SQLite file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from support import EXAMPLES, free_port, serve
from visitor import Reply, Visitor


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    command = f"python -m gunicorn --workers 2 --bind 127.0.0.1:{port} --chdir"
    words = [*command.split(), str(EXAMPLES), "logins:app"]
    with serve(*words, port=port, cwd=tmp_path, env={"DATA": str(tmp_path)}):
        yield port


def send(visitor: Visitor, path: str, **fields: str) -> str:
    """Send the form of the page that the visitor sees, and the page that follows."""
    page = visitor.visit("/").body.decode()
    [token] = set(re.findall(r'name="csrf_token" value="([^"]+)"', page))
    form = urlencode({"csrf_token": token, **fields})
    assert visitor.visit(path, form=form).status == 303
    return visitor.visit("/").body.decode()


def logged_in(port: int, name: str = "ada") -> Visitor:
    visitor = Visitor(port)
    page = send(visitor, "/login", name=name, password="open sesame")
    assert f"Welcome, {name}." in page
    return visitor


def handles(visitor: Visitor) -> list[str]:
    return re.findall(r'name="handle" value="(\w+)"', visitor.visit("/").body.decode())


def is_logged_in(visitor: Visitor) -> bool:
    return b"Log out here" in visitor.visit("/").body


def test_a_wrong_password_logs_nobody_in(port: int) -> None:
    visitor = Visitor(port)
    page = send(visitor, "/login", name="ada", password="wrong")
    assert "do not go together" in page
    assert not is_logged_in(visitor)


def test_a_session_is_ended_from_another_one(port: int) -> None:
    laptop, phone = logged_in(port), logged_in(port)
    [stolen] = handles(phone)
    assert "It is logged out." in send(phone, "/end", handle=stolen)
    assert (is_logged_in(laptop), is_logged_in(phone)) == (False, True)


def test_all_others_are_ended_at_once(port: int) -> None:
    here, *others = [logged_in(port) for _ in range(3)]
    assert "Logged out elsewhere: 2." in send(here, "/end-others")
    assert is_logged_in(here)
    assert not any(map(is_logged_in, others))


def test_a_stranger_s_session_cannot_be_ended(port: int) -> None:
    ada, other = logged_in(port), logged_in(port)
    eve = logged_in(port, "bob")
    [handle] = handles(other)
    assert "logged out already" in send(eve, "/end", handle=handle)
    assert is_logged_in(ada)


def test_logging_out_ends_this_session(port: int) -> None:
    visitor = logged_in(port)
    cookies = dict(visitor.cookies)
    assert "You are logged out." in send(visitor, "/logout")
    visitor.cookies = cookies  # a copy opens nothing any more
    assert not is_logged_in(visitor)


def test_a_form_of_another_site_is_refused(port: int) -> None:
    visitor = logged_in(port)
    reply: Reply = visitor.visit("/logout", form="csrf_token=guessed")
    assert reply.status == 403
    assert is_logged_in(visitor)
