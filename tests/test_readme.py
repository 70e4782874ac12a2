"""The README's tables are the code's, and its first lines are few."""

from __future__ import annotations

import inspect
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from pages import BLOCKS, PAGES, sections_of

import cookiesession
from cookiesession import (
    SessionMixin,
    TaggedJSONSerializer,
    errors,
    stores,
)

README, OPTIONS = PAGES["README.md"], PAGES["docs/options.md"]
SECTIONS = sections_of(README)


def options_of_the_page() -> dict[str, tuple[str, dict[str, str]]]:
    """What the page says of each class, and of its options: name -> default."""
    table = re.split(r"(?m)^\| \*\*(\w+)\*\* \| \| (.*) \|$", OPTIONS)
    return {
        name: (says, dict(re.findall(r"(?m)^\| `(\w+)` \| `?(.*?)`? \| .* \|$", rows)))
        for name, says, rows in zip(table[1::3], table[2::3], table[3::3], strict=True)
    }


TABLE = options_of_the_page()
NAMES = {**vars(cookiesession), "timedelta": timedelta, "time": time}


def parameters_of(name: str) -> dict[str, inspect.Parameter]:
    cls: Any = getattr(cookiesession, name, None) or getattr(stores, name)
    return dict(inspect.signature(cls).parameters)


def same(default: object, text: str) -> bool:
    """Whether a default is what the README says."""
    if text == "required":
        return default is inspect.Parameter.empty
    written = eval(text, NAMES)
    if isinstance(written, TaggedJSONSerializer):
        return type(written) is type(default)
    return bool(written == default)


def test_every_class_with_options_is_in_the_table() -> None:
    assert list(TABLE) == [
        "SessionMiddleware",
        "SecureCookieSessionInterface",
        "ServerSideSessionInterface",
        "CookieOptions",
        "SignedFormat",
        "EncryptedFormat",
        "TaggedJSONSerializer",
    ]


@pytest.mark.parametrize("name", TABLE)
def test_the_options_are_those_of_the_code_with_the_defaults_of_the_code(
    name: str,
) -> None:
    says, options = TABLE[name]
    parameters = parameters_of(name)
    if name == "ServerSideSessionInterface":
        assert "takes all options above" in says
        for shared, its in parameters_of("SecureCookieSessionInterface").items():
            assert parameters.pop(shared).default == its.default
    if name == "EncryptedFormat":
        assert re.findall(r"`(\w+)`", says) == list(parameters)
        for shared, its in parameters.items():
            assert its.default == parameters_of("SignedFormat")[shared].default
        return
    assert list(options) == list(parameters)
    for option, text in options.items():
        assert same(parameters[option].default, text), option


def test_the_readme_names_the_options_and_the_defaults_of_that_page() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", SECTIONS["Options"])
    assert [name for name, _ in rows] == list(TABLE)
    for name, cell in rows:
        named = [each.partition("=") for each in re.findall("`(.*?)`", cell)]
        says, options = TABLE[name]
        if not options:  # those of another, as it says
            options = dict.fromkeys(re.findall(r"`(\w+)`", says), "required")
        assert {name: default or "required" for name, _, default in named} == options


def test_the_stores_take_what_the_table_says() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)\((.*?)\)` \| .* \|$", OPTIONS)
    assert {name for name, _ in rows} == {
        name for name in stores.__all__ if name not in ("Record", "SessionStore")
    }
    for name, written in rows:
        options = [each.partition("=") for each in written.split(", ")]
        parameters = parameters_of(name)
        assert [option for option, _, _ in options] == list(parameters)
        for option, _, text in options:
            assert same(parameters[option].default, text or "required"), option


def test_every_public_name_is_spoken_of() -> None:
    names = [*cookiesession.__all__, "FlaskSessions", "PyramidSessions"]
    assert [name for name in names if name not in README] == []


def test_every_attribute_of_a_session_is_in_the_table() -> None:
    named = re.findall(r"(?m)^\| `(\w+)(?:\(\))?` \|", SECTIONS["What a session is"])
    of_a_dict = set(dir(dict)) | {"copy"}
    ours = {name for name in dir(SessionMixin) if not name.startswith("_")}
    assert set(named) == (ours - of_a_dict) | {"clear"}
    assert len(named) == len(set(named))


def test_every_error_is_in_the_table_under_what_it_is() -> None:
    section = SECTIONS["Errors, and where they are raised"]
    rows = dict(re.findall(r"(?m)^\| `(\w+)` \| ?(\w*) \|", section))
    ours = {
        name: each
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    assert rows.keys() == ours.keys() | {"TypeError"}
    for name, each in ours.items():
        assert each.__bases__[0].__name__ == rows[name]


def test_every_type_that_a_session_stores_is_named() -> None:
    named = SECTIONS["What a session is"]
    stored = inspect.getdoc(TaggedJSONSerializer) or ""
    types = re.findall(r"\w+", stored.partition(", nested")[0].partition("Stores ")[2])
    assert len(types) > 15
    assert [name for name in types if name not in named] == []


def test_the_ten_lines_are_ten_and_the_twenty_are_few() -> None:
    [ten, twenty, *_] = [b.text for b in BLOCKS if b.page == "README.md" and b.file]
    lines = [
        [line for line in block.splitlines()[1:] if line.strip()]
        for block in (ten, twenty)
    ]
    assert len(lines[0]) == 10
    assert len(lines[1]) <= 24


def test_the_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 240


def test_the_two_commands_are_lines_that_do_all_of_their_own_set_up() -> None:
    starts = r"(?m)^python3 -m venv .venv && .venv/bin/pip install .*"
    [demo, tests] = re.findall(starts + "&& .venv/bin/(?:gunicorn|tox) .*$", README)
    assert demo.endswith("page:app")
    assert tests.endswith(".venv/bin/tox -e py3")
