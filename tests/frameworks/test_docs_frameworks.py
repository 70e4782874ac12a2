"""The code of README and docs that needs frameworks, engines' clients, or httpx.

A page runs in a process of its own, as frameworks keep global state.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pages import UNITS
from support import KEY, ROOT

PAGES = sorted({unit.page for unit in UNITS if unit.is_elsewhere})

#: What is tried after a page's code was run.
COUNTS = """
from werkzeug.test import Client
client = Client(__import__({name!r}).app)
texts = [client.get("/").text for _ in "abc"]
assert texts == ["Visit 1\\n", "Visit 2\\n", "Visit 3\\n"], texts
"""
LOGINS = """
from flask_login_site import app, interface
there, here = app.test_client(), app.test_client()
how = {"base_url": "https://localhost"}
for client in (there, here):
    client.get("/", **how)
    assert client.post("/login", **how).status_code == 302
    assert client.get("/", **how).text == "This is ada.\\n"
assert len(interface.list_sessions("ada")) == 2
assert here.post("/logout-everywhere", **how).status_code == 302
for client in (there, here):
    assert client.get("/", **how).text == "This is None.\\n"
"""
CACHES = """
from flask_cached import app
how = {"base_url": "https://localhost"}
ada, stranger, other = (app.test_client() for _ in "abc")
ada.post("/login", **how)
for client in (ada, stranger, other):
    name = "ada" if client is ada else "stranger"
    assert client.get("/greeting", **how).text == f"Hello {name}.\\n"
"""
ADOPTS = """
from werkzeug import Request
from from_flask_session import app, old
import flask

@app.get("/who")
def who():
    return str(flask.session.get("user_id"))

before = flask.Flask("before")
before.config.from_prefixed_env()
from flask_session import Session
Session(before)

@before.get("/login")
def login():
    flask.session["user_id"] = "ada"
    return ""

client = before.test_client()
client.get("/login")
cookie = client.get_cookie("session").value
client = app.test_client()
assert client.get("/who").text == "None"
client.set_cookie("session", cookie)
how = {"base_url": "https://localhost"}
client.set_cookie("session", cookie)
assert client.get("/who", **how).text == "ada"
client.delete_cookie("session")
assert client.get("/who", **how).text == "ada"
"""
CHECKS = {
    "docs/flask.md": [LOGINS, CACHES],
    "docs/frameworks.md": [
        COUNTS.format(name=f"{name}_site") for name in ("bottle", "falcon", "cherrypy")
    ],
    "docs/pyramid.md": [COUNTS.format(name="pyramid_site")],
    "docs/migrating.md": [ADOPTS],
}


def run(page: str, folder: Path, **environment: str) -> str:
    known = {"SECRET_KEY": KEY, "FLASK_SESSION_TYPE": "filesystem"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/pages.py"), page, *CHECKS.get(page, ())],
        cwd=folder,
        env={**os.environ, **known, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/django.md"])
def test_a_page_runs(page: str, tmp_path: Path) -> None:
    assert "units were run" in run(page, tmp_path)


@pytest.mark.parametrize("settings", ["settings", "settings_store"])
def test_django_s_page_runs_on_a_cookie_and_on_a_store(
    settings: str, tmp_path: Path
) -> None:
    run("docs/django.md", tmp_path, DJANGO_SETTINGS_MODULE=settings)
    assert (tmp_path / "sessions.db").exists() == (settings == "settings_store")


def test_the_pages_are_those_that_are_known() -> None:
    assert {
        "docs/deployment.md",
        "docs/django.md",
        "docs/flask.md",
        "docs/frameworks.md",
        "docs/migrating.md",
        "docs/pyramid.md",
        "docs/stores.md",
        "docs/testing.md",
    } == set(PAGES)
