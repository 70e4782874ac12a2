"""The README is the documentation: its code runs, and its tables are the code's."""

from __future__ import annotations

import fnmatch
import inspect
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from support import KEY, ROOT

import cookiesession
from cookiesession import SecureCookieSessionInterface, TaggedJSONSerializer
from cookiesession.errors import Rejection

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"(?ms)^## (.*?)$(.*?)(?=^## |\Z)", README))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A key, and the README's files: blocks that begin with a name."""
    monkeypatch.setenv("SECRET_KEY", KEY)
    files = [b for b in blocks(README, "python") if re.match(r"# \w+\.py\n", b)]
    for block in files:
        (tmp_path / block.split()[1]).write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for block in files:
        sys.modules.pop(block.split()[1].removesuffix(".py"), None)


def run(section: str) -> dict[str, Any]:
    """Run a section's Python, in order, in one namespace of its own."""
    namespace: dict[str, Any] = {}
    for block in blocks(SECTIONS[section], "python"):
        if "EncryptedFormat()" in block:
            pytest.importorskip("cryptography")
        exec(compile(block, f"README.md: {section}", "exec"), namespace)
    return namespace


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "section", [name for name, text in SECTIONS.items() if blocks(text, "python")]
)
def test_the_code_of_every_section_runs(section: str) -> None:
    assert run(section)


def test_the_options_are_those_of_the_code_with_the_defaults_of_the_code() -> None:
    groups = re.split(r"(?m)^\| \*\*(\w+)\*\* .*$", SECTIONS["Every option"])[1:]
    assert len(groups) == 5 * 2
    for name, rows in zip(groups[::2], groups[1::2], strict=True):
        options = dict(re.findall(r"(?m)^\| `(\w+)` \| `?(.*?)`? \| .* \|$", rows))
        parameters = inspect.signature(getattr(cookiesession, name)).parameters
        assert list(options) == list(parameters), name
        for option, text in options.items():
            assert same(parameters[option].default, text), f"{name}.{option}"


def same(default: object, text: str) -> bool:
    if text == "required":
        return default is inspect.Parameter.empty
    names = {**vars(cookiesession), "timedelta": timedelta, "time": time}
    written = eval(text, names)
    if isinstance(written, TaggedJSONSerializer):
        return type(written) is type(default)
    return bool(written == default)


def test_every_public_name_is_spoken_of() -> None:
    assert [name for name in cookiesession.__all__ if name not in README] == []


def test_every_file_that_is_linked_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    assert len(links) > 3
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_word_of_a_rejection_is_explained() -> None:
    words = get_args(Rejection)
    assert words
    text = SECTIONS["Questions people ask"]
    assert [word for word in words if f"`{word}`" not in text] == []


@pytest.mark.usefixtures("environment")
def test_the_command_line_prints_what_is_shown() -> None:
    [block] = blocks(README, "console")
    command, _, output = block.removeprefix("$ ").partition("\n")
    command = command.replace("python", shlex.quote(sys.executable))
    cookie = SecureCookieSessionInterface(KEY).make_cookie({"user_id": 1})
    done = subprocess.run(
        ["sh", "-c", command],
        env={"SECRET_KEY": KEY, "COOKIE": cookie},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    pattern = re.sub(r"[][?*]", lambda special: f"[{special[0]}]", output)
    assert fnmatch.fnmatchcase(done.stdout, pattern.replace("...", "*")), done.stdout


@pytest.mark.usefixtures("environment")
def test_the_ten_lines_are_ten_at_most_and_count() -> None:
    [block, *_] = blocks(README, "python")
    assert len([line for line in block.splitlines()[1:] if line.strip()]) <= 10
    namespace = run("Ten lines that work")
    session = namespace["interface"].open_session({})
    assert session is not None
    assert session.get("visits") is None


def test_the_tag_and_the_interface_of_ones_own_work() -> None:
    names = run("Every option")
    interface = SecureCookieSessionInterface(KEY, format=names["format"])
    share = {"share": names["Fraction"](1, 3)}
    assert interface.read_cookie(interface.make_cookie(share)) == share
    per_user = names["PerUser"]()
    per_user.open_session({"REMOTE_USER": "ada"})["seen"] = True
    assert per_user.open_session({"REMOTE_USER": "ada"}) == {"seen": True}
    assert per_user.open_session({"REMOTE_USER": "bob"}) == {}
    assert per_user.open_session({}) is None


@pytest.mark.usefixtures("environment")
def test_beakers_sessions_are_adopted_once() -> None:
    class BeakerSession(dict[str, Any]):
        delete = dict.clear

    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(dict(cookiesession.get_session(environ)))
        start_response("200 OK", [])
        return []

    adopt = run("Moving from Flask, and from Beaker")["adopt"]
    interface = SecureCookieSessionInterface(KEY)
    middleware = cookiesession.SessionMiddleware(adopt(app), interface)
    old = BeakerSession(user_id=7, other="thing")
    environ: dict[str, Any] = {"beaker.session": old}
    list(middleware(environ, lambda status, headers, *_: lambda data: None))
    assert (seen, old) == ([{"user_id": 7}], {})
    cookie = interface.make_cookie({"user_id": 8})
    environ = {"beaker.session": BeakerSession(user_id=7), "HTTP_COOKIE": cookie}
    list(middleware(environ, lambda status, headers, *_: lambda data: None))
    assert seen[1:] == [{"user_id": 8}]
