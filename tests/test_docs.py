"""README and docs: their code runs, and what they name exists."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pages import (
    BLOCKS,
    FILES,
    PAGES,
    UNITS,
    Unit,
    forget_files,
    is_test,
    sections_of,
    write_files,
)
from support import (
    KEY,
    ROOT,
    Clock,
    every_format,
    free_port,
    needs_extras,
    open_session,
    save_session,
    serve,
    values_of,
)
from werkzeug.test import Client

import cookiesession
from cookiesession import (
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
    keys,
)
from cookiesession.errors import Rejection

SHELL = [block for block in BLOCKS if not block.language and not block.not_run]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where the pages' files are, with a key in the environment."""
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_files(tmp_path)
    forget_files()
    yield tmp_path
    forget_files()


HERE = [
    pytest.param(
        unit,
        id=f"{unit.page}: {unit.section}",
        marks=[needs_extras] if unit.needs_extras else [],
    )
    for unit in UNITS
    if not unit.is_elsewhere
]


# -- blocks ---------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("unit", HERE)
def test_the_code_under_every_heading_runs(unit: Unit) -> None:
    unit.run()


def test_every_block_is_run_or_says_why_not() -> None:
    """Python here or beside the frameworks; commands here; nothing else."""
    others = [block for block in BLOCKS if block.language not in ("python", "")]
    assert [block.language for block in others] == ["nginx", "console"]
    assert len([block for block in BLOCKS if block.not_run]) == 5
    assert not any(block.not_run for block in BLOCKS if block.language == "python")
    assert len(SHELL) == 3
    assert len({id(block) for unit in UNITS for block in unit.blocks}) == len(
        [block for block in BLOCKS if block.language == "python"]
    )


def test_no_two_files_have_one_name() -> None:
    names = [block.file for block in BLOCKS if block.language == "python"]
    assert len([name for name in names if name]) == len(FILES)


def test_every_page_of_docs_opens_with_the_code_that_does_its_job() -> None:
    for page, text in PAGES.items():
        if page.startswith("docs/"):
            before, fence, _ = text.partition("\n```")
            assert fence, page
            assert len(before.splitlines()) <= 6, page


def test_the_tests_that_are_shown_pass(folder: Path) -> None:
    tests = [name for name in FILES if is_test(name)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert re.search(r"^\d{2} passed in", done.stdout, re.MULTILINE), done.stdout


def with_python(command: str) -> tuple[str, dict[str, str]]:
    """A command of a shell, and an environment where it finds this Python."""
    bin = Path(sys.executable).parent
    python = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}\n'
    return python + command, {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}"}


def make_key(folder: Path) -> None:
    [command] = [block.text for block in SHELL if "keygen" in block.text]
    script, environment = with_python(command)
    subprocess.run(["sh", "-c", script], cwd=folder, env=environment, check=True)


def test_a_key_is_made_for_its_owner_alone(folder: Path) -> None:
    make_key(folder)
    file = folder / "secret.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys.problem(file.read_bytes().strip()) is None


@pytest.mark.parametrize("page", ["README.md", "docs/deployment.md"])
def test_the_ten_lines_are_served(page: str, folder: Path) -> None:
    make_key(folder)
    [command] = [b.text for b in SHELL if b.page == page and "gunicorn" in b.text]
    script, environment = with_python(command)
    port = free_port()
    environment["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{port}"
    with serve("sh", "-c", script, port=port, cwd=folder, env=environment):
        url = f"http://127.0.0.1:{port}/"
        headers: dict[str, str] = {}
        for number in (1, 2):
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=20) as response:
                assert response.read() == b"Visit %d\n" % number
                headers["Cookie"] = response.headers["Set-Cookie"].partition(";")[0]


def test_the_command_line_prints_what_is_shown() -> None:
    [block] = [block for block in BLOCKS if block.language == "console"]
    command, _, output = block.text.removeprefix("$ ").partition("\n")
    script, environment = with_python(command)
    environment["COOKIE"] = SecureCookieSessionInterface(KEY).make_cookie(
        {"user_id": 1}
    )
    done = subprocess.run(
        ["sh", "-c", script],
        env={**environment, "SECRET_KEY": KEY},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    pattern = re.sub(r"[][?*]", lambda special: f"[{special[0]}]", output)
    assert fnmatch.fnmatchcase(done.stdout, pattern.replace("...", "*")), done.stdout


# -- what is named exists -------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_every_file_that_is_named_exists(page: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", PAGES[page])
    assert re.findall(r"\]\((?!https?:)[^)]*\)", text) == []
    named = set(re.findall(r"`([\w./-]+\.(?:py|md|svg|toml|ini))`", text))
    named |= set(re.findall(r"`((?:tests|examples|docs|\.github)/[\w./-]*)`", text))
    missing = {
        name
        for name in named - FILES.keys()
        if not any((folder / name).exists() for folder in (ROOT, ROOT / "docs"))
    }
    assert missing == set()


@pytest.mark.parametrize("page", PAGES)
def test_no_address_is_invented(page: str) -> None:
    hosts = set(re.findall(r"[a-z]://([^\s/\"'`)>;]+)", PAGES[page]))
    ours = {"localhost", "localhost:8000", "127.0.0.1:8000", "127.0.0.1:6379"}
    assert hosts - ours - {"app@db.internal"} == set()


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_short_enough_to_be_read(page: str) -> None:
    lines = re.sub(r"(?ms)^```.*?^```$", "", PAGES[page]).splitlines()
    assert [ln for ln in lines if len(ln) > 125 and not ln.startswith("|")] == []


def test_every_page_is_named_in_the_readme() -> None:
    pages = [Path(page).name for page in PAGES if page.startswith("docs/")]
    assert [page for page in pages if f"`{page}`" not in PAGES["README.md"]] == []


def test_every_word_of_a_rejection_is_explained() -> None:
    text = sections_of(PAGES["docs/security.md"])["The words of `session.rejection`"]
    words = {*get_args(Rejection), "ended", "gone", "unavailable"}
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", text)) == words


def test_the_modules_of_the_design_are_those_of_the_package() -> None:
    text = sections_of(PAGES["docs/design.md"])["The rooms"]
    named = re.findall(r"(?m)^\| `(\w+)` \|", text)
    package = Path(cookiesession.__file__).parent
    rooms = {path.stem for path in package.iterdir() if path.suffix in ("", ".py")}
    assert set(named) == {name for name in rooms if not name.startswith("__")}
    assert len(named) == len(set(named))


def test_the_requirements_of_asvs_are_those_that_are_tested() -> None:
    import test_asvs

    text = sections_of(PAGES["docs/security.md"])["OWASP ASVS 5.0"]
    rows = re.findall(r"(?m)^\| ([\d., ]+) \|", text)
    named = {each for row in rows for each in row.split(", ")}
    assert test_asvs.SHOWN.keys() <= named


# -- what the pages promise -----------------------------------------------------------


MUCH = os.urandom(3000).hex()  # which does not get smaller by compressing


def module(name: str) -> Any:
    return __import__(name)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["hello", "plain_site"])
def test_a_counter_counts(name: str) -> None:
    client = Client(module(name).app)
    assert [client.get("/").text for _ in "ab"] == ["Visit 1\n", "Visit 2\n"]


@pytest.mark.usefixtures("folder")
def test_the_login_logs_in_and_out() -> None:
    client = Client(module("login").app)
    form = {"name": "ada", "password": "wrong"}
    assert client.post("/login", data=form).status_code == 403
    form = {"name": "ada", "password": "open sesame"}
    assert client.post("/login", data=form).location == "/"
    assert client.get("/").text == "Welcome, ada.\nThis is ada.\n"
    assert client.get("/").text == "\nThis is ada.\n"
    assert client.post("/logout").status_code == 303
    assert client.get("/").text == "You are logged out.\nThis is nobody.\n"


@pytest.mark.usefixtures("folder")
def test_a_save_that_fails_is_answered() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        get_session(environ)["a"] = MUCH
        start_response("200 OK", [])
        return []

    guarded = module("guarded")
    client = Client(guarded.app)
    assert client.get("/").status_code == 200
    guarded.unguarded = SessionMiddleware(view, SecureCookieSessionInterface(KEY))
    assert client.get("/").status_code == 413
    guarded.unguarded = SessionMiddleware(view, SecureCookieSessionInterface(None))
    assert client.get("/").status_code == 503


@every_format
def test_a_cookie_that_was_asked_for_fits_with_96_bytes_to_spare(
    format: Any, clock: Clock
) -> None:
    interface = SecureCookieSessionInterface(KEY, format=format, clock=clock)
    differences = set()
    for size in range(64):
        session = open_session(interface, {"a": "a" * size})
        clock.advance(days=1)
        session.update(b=1)
        session.permanent = True
        asked = len(interface.make_cookie(dict(session)))
        [cookie] = values_of(save_session(interface, session), "Set-Cookie")
        differences.add(len(cookie.partition(";")[0]) - asked)
    assert 0 < max(differences) <= 96


@pytest.mark.usefixtures("folder")
def test_flask_says_what_was_too_much() -> None:
    import flask

    app = module("flask_errors").app

    def much() -> str:
        flask.session["a"] = MUCH
        return ""

    app.add_url_rule("/much", view_func=much)
    client = app.test_client()
    assert client.get("/much").status_code == 413
    response = client.post("/login", base_url="https://localhost")
    assert response.location == "/"
    front = client.get("/", base_url="https://localhost")
    assert front.text == "This is ada.\n"


@pytest.mark.usefixtures("folder")
def test_flasks_own_cookie_is_kept() -> None:
    import flask

    theirs = flask.Flask("theirs")
    theirs.secret_key = KEY
    for app in (theirs, module("flask_shared").app):
        app.add_url_rule("/", "visits", lambda: str(count(flask.session)))
    client, other = theirs.test_client(), module("flask_shared").app.test_client()
    assert client.get("/").text == "1"
    cookie = client.get_cookie("session")
    assert cookie is not None
    other.set_cookie("session", cookie.value)
    assert other.get("/", base_url="https://localhost").text == "2"


def count(session: Any) -> int:
    session["n"] = session.get("n", 0) + 1
    return int(session["n"])


@pytest.mark.usefixtures("folder")
def test_beakers_sessions_are_adopted_once() -> None:
    class BeakerSession(dict[str, Any]):
        delete = dict.clear

    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(dict(get_session(environ)))
        start_response("200 OK", [])
        return []

    interface = SecureCookieSessionInterface(KEY)
    middleware = SessionMiddleware(module("from_beaker").adopt(app), interface)

    def visit(**environ: Any) -> None:
        list(middleware(environ, lambda status, headers, *_: lambda data: None))

    old = BeakerSession(user_id=7, other="thing")
    visit(**{"beaker.session": old})
    assert (seen, old) == ([{"user_id": 7}], {})
    cookie = interface.make_cookie({"user_id": 8})
    visit(**{"beaker.session": BeakerSession(user_id=7), "HTTP_COOKIE": cookie})
    assert seen[1:] == [{"user_id": 8}]


@pytest.mark.usefixtures("folder")
def test_a_session_moves_to_flask_and_back() -> None:
    names = {
        unit.section: unit.run()["interface"]
        for unit in UNITS
        if unit.page == "docs/migrating.md"
        and unit.section in ("opening", "Back to Flask")
    }
    ours, theirs = names["opening"], names["Back to Flask"]
    cookie = theirs.make_cookie({"user_id": 1})
    assert cookie.startswith("session=")
    assert ours.read_cookie(cookie) == {"user_id": 1}
    cookie = ours.make_cookie({"user_id": 1})
    assert cookie.startswith("__Host-session=")
    assert theirs.read_cookie(cookie) == {"user_id": 1}


@pytest.mark.usefixtures("folder")
def test_signed_tokens_are_itsdangerous_own() -> None:
    [unit] = [unit for unit in UNITS if unit.page == "docs/formats.md"]
    names = unit.run()
    assert names["reader"].loads(names["token"]) == {"user_id": 1}


@pytest.mark.usefixtures("folder")
def test_the_tag_and_the_interface_of_ones_own_work() -> None:
    [unit] = [unit for unit in UNITS if unit.section == "Questions"]
    names = unit.run()
    interface = SecureCookieSessionInterface(KEY, format=names["format"])
    share = {"share": names["Fraction"](1, 3)}
    assert interface.read_cookie(interface.make_cookie(share)) == share
    per_user = names["PerUser"]()
    per_user.open_session({"REMOTE_USER": "ada"})["seen"] = True
    assert per_user.open_session({"REMOTE_USER": "ada"}) == {"seen": True}
    assert per_user.open_session({"REMOTE_USER": "bob"}) == {}
    assert per_user.open_session({}) is None


# -- types ----------------------------------------------------------------------------


# Of frameworks without types, decorators and attributes are not known.
_MYPY = """\
[mypy]
strict = True
ignore_missing_imports = True
disallow_untyped_decorators = False
"""
# Of the untyped frameworks it guesses wrong types.
_PYRIGHT = """{
"reportMissingImports": "none",
"reportMissingModuleSource": "none",
"reportAttributeAccessIssue": "warning",
"reportCallIssue": "warning",
"reportArgumentType": "warning"
}"""
CHECKERS = {"mypy": ("mypy.ini", _MYPY), "pyright": ("pyrightconfig.json", _PYRIGHT)}


@pytest.mark.skipif(
    os.environ.get("TOX_ENV_NAME") != "typing", reason="`tox -e typing` runs it"
)
@pytest.mark.parametrize("checker", CHECKERS)
def test_every_file_passes_a_type_checker(checker: str, folder: Path) -> None:
    file, settings = CHECKERS[checker]
    (folder / file).write_text(settings)
    done = subprocess.run(
        [sys.executable, "-m", checker, *FILES],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
