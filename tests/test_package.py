"""The package's own order: names, imports, and what it never does."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

import cookiesession
from cookiesession import ConfigError, EncryptedFormat

PUBLIC = {
    *("SessionMiddleware", "get_session"),
    *("SessionInterface", "SecureCookieSessionInterface"),
    *("SessionMixin", "SecureCookieSession", "NullSession"),
    *("CookieOptions", "SignedFormat", "EncryptedFormat", "FLASK"),
    *("TaggedJSONSerializer", "JSONTag"),
    *("ConfigError", "SessionUnavailable", "SessionTooLarge", "SessionCommitted"),
}

# Imports go down only: a module imports none that comes later.
ORDER = [
    *("errors", "keys", "headers", "tags", "cookies", "serializer", "tokens"),
    *("encryption", "sessions", "interface", "securecookie", "middleware"),
    *("__init__", "__main__"),
]
FOLDER = Path(str(files(cookiesession)))
TREES = {
    path.stem: ast.parse(path.read_text(encoding="utf-8"), path.name)
    for path in FOLDER.glob("*.py")
}

modules = pytest.mark.parametrize("module", TREES)


def imported(tree: ast.AST) -> Iterator[str]:
    """Absolute names of what a module imports; ours as ``cookiesession.module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = f"cookiesession.{base}".rstrip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_the_public_names_are_exactly_these() -> None:
    assert set(cookiesession.__all__) == PUBLIC
    assert len(cookiesession.__all__) == len(PUBLIC)
    assert all(hasattr(cookiesession, name) for name in PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC - {"FLASK"}))
def test_every_public_name_has_a_docstring(name: str) -> None:
    documented = getattr(cookiesession, name)
    assert documented.__doc__
    assert not documented.__doc__.startswith(f"{name}(")  # what a dataclass makes up


@modules
def test_every_module_has_a_docstring(module: str) -> None:
    assert ast.get_docstring(TREES[module])


@modules
def test_imports_go_down_only(module: str) -> None:
    above = ORDER[: ORDER.index(module)]
    ours = {
        name.split(".")[1]
        for name in imported(TREES[module])
        if name.startswith("cookiesession.")
    }
    assert ours & set(TREES) <= set(above)


@pytest.mark.parametrize("module", sorted(set(TREES) - {"__init__"}))
def test_nobody_imports_the_package_itself(module: str) -> None:
    names = set(imported(TREES[module]))
    assert not {f"cookiesession.{name}" for name in PUBLIC} & names
    assert "cookiesession.__init__" not in names


@modules
def test_nothing_is_unpickled_or_evaluated(module: str) -> None:
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml", "builtins"}
    roots = {name.partition(".")[0] for name in imported(TREES[module])}
    called = {node.id for node in ast.walk(TREES[module]) if isinstance(node, ast.Name)}
    assert not roots & forbidden
    assert not called & {"eval", "exec", "compile", "__import__"}


def test_importing_loads_no_optional_dependency_and_prints_nothing() -> None:
    code = "import sys, cookiesession; sys.stdout.write(' '.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "cookiesession" in loaded
    assert "itsdangerous" in loaded
    assert not loaded & {
        *("cryptography", "flask", "django", "pyramid", "starlette"),
        *("gunicorn", "gevent", "pytest", "hypothesis", "pickle"),
    }
    assert run.stderr == ""


def test_the_package_says_that_it_is_typed() -> None:
    assert (FOLDER / "py.typed").is_file()


def test_without_the_extra_its_absence_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)  # as if not installed

    with pytest.raises(ConfigError, match=r'pip install "cookiesession\[encryption\]"'):
        EncryptedFormat()
