"""The package's own order: names, rooms and imports, and what it never does.

The one place where the source itself is read: as a syntax tree, of every module that
there is, those of sub-packages among them.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from support import KEY

import cookiesession
from cookiesession import (
    ConfigError,
    EncryptedFormat,
    NullSession,
    SecureCookieSession,
    SecureCookieSessionInterface,
)

PUBLIC = {
    *("SessionMiddleware", "get_session"),
    *("SessionInterface", "SecureCookieSessionInterface"),
    *("ServerSideSessionInterface", "SessionInfo"),
    *("SessionMixin", "SecureCookieSession", "NullSession"),
    *("CookieOptions", "SignedFormat", "EncryptedFormat", "FLASK"),
    *("TaggedJSONSerializer", "JSONTag"),
    *("ConfigError", "SessionUnavailable", "SessionTooLarge", "SessionCommitted"),
}

#: The rooms: each imports only those before it. A sub-package is one room.
ORDER = [
    *("errors", "keys", "tags", "encoding", "timeouts"),
    *("serializer", "cookies", "headers", "tracking", "sessions", "interface"),
    *("tokens", "signed", "encryption", "keyring", "policy", "sealing"),
    *("securecookie", "middleware"),
    *("stores", "records", "reading", "merging", "serverside"),
    *("inspection", "__init__", "__main__"),
    "bridges",  # nobody imports them
]
#: What the room says that a session is, and what it must not know: how one is kept.
BARE = {"errors", "tracking", "sessions", "interface"}
MAX_LINES = 400

FOLDER = Path(str(files(cookiesession)))
SOURCES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path.read_text("utf-8")
    for path in sorted(FOLDER.rglob("*.py"))
}
TREES = {module: ast.parse(source, module) for module, source in SOURCES.items()}

modules = pytest.mark.parametrize("module", TREES)


def imports_of(module: str) -> set[str]:
    """Absolute names of what a module imports; ours as ``cookiesession.module``."""
    found = set()
    # "a package" is "package.__init__", so that one step up is the same for all.
    parts = ["cookiesession", *module.split(".")]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parts[: len(parts) - node.level]) if node.level else ""
            base = ".".join(filter(None, (base, node.module)))
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def ours_in(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    names = {name for name in imports_of(module) if name.startswith("cookiesession.")}
    short = {name.partition(".")[2] for name in names}
    return {each for each in TREES if {each, each.removesuffix(".__init__")} & short}


def room_of(module: str) -> str:
    return module.partition(".")[0]


def external(module: str) -> set[str]:
    """The top-level names of what a module imports from outside."""
    return {name.partition(".")[0] for name in imports_of(module)} - {"cookiesession"}


#: Public, but for the name: a NamedTuple's fields must not meet them.
OF_NAMEDTUPLE = {"_replace", "_asdict", "_make", "_fields"}


def is_private(name: str) -> bool:
    spoken_of = name.endswith("__") or name in OF_NAMEDTUPLE
    return name.startswith("_") and not spoken_of


# -- names ----------------------------------------------------------------------------


def test_the_public_names_are_exactly_these() -> None:
    assert set(cookiesession.__all__) == PUBLIC
    assert len(cookiesession.__all__) == len(PUBLIC)
    assert all(hasattr(cookiesession, name) for name in PUBLIC)


def speaks(each: Any) -> bool:
    """Whether a class, function or method is documented: not as any object is, nor by
    the signature that a dataclass makes up."""
    text = inspect.getdoc(each) or ""
    name = str(getattr(each, "__name__", ""))
    return bool(text) and not text.startswith((str(object.__doc__), f"{name}("))


def silent_in(module: str) -> Iterator[str]:
    """What is public in a module, and undocumented."""
    name = f"cookiesession.{module}".removesuffix(".__init__")
    for each in vars(import_module(name)).values():
        if getattr(each, "__module__", None) != name:
            continue
        if is_private(getattr(each, "__name__", "_an instance")):
            continue
        if not speaks(each):
            yield each.__name__
        classes = getattr(each, "__mro__", ())
        homes = {base.__module__.partition(".")[0] for base in classes}
        # What a Protocol asks for is documented where it is done, and what a framework
        # asks for by the framework.
        known = {"cookiesession", *sys.stdlib_module_names}
        if getattr(each, "_is_protocol", False) or homes - known:
            continue
        for attribute, value in vars(each).items() if classes else ():
            if not inspect.isroutine(value) and not isinstance(value, property):
                continue
            if attribute.startswith(("_", "test_")):  # a test's name is its sentence
                continue
            alike = [getattr(base, attribute, object) for base in classes]
            if not any(map(speaks, alike)):
                yield f"{each.__name__}.{attribute}"


@pytest.mark.parametrize("module", [name for name in TREES if name != "__main__"])
def test_every_public_class_function_and_method_is_documented(module: str) -> None:
    for framework in {"django", "flask", "pyramid"} & external(module):
        pytest.importorskip(framework)
    assert list(silent_in(module)) == []


@modules
def test_every_module_has_a_docstring(module: str) -> None:
    assert ast.get_docstring(TREES[module])


@modules
def test_no_module_is_longer_than_one_sits_through(module: str) -> None:
    assert len(SOURCES[module].splitlines()) <= MAX_LINES


# -- rooms ----------------------------------------------------------------------------


@modules
def test_imports_go_down_only(module: str) -> None:
    room = room_of(module)
    below = {*ORDER[: ORDER.index(room)]}
    assert {room_of(each) for each in ours_in(module)} - {room} <= below


def test_no_imports_go_in_a_circle() -> None:
    graph = {module: ours_in(module) - {module} for module in TREES}
    TopologicalSorter(graph).prepare()  # raises where they do


@pytest.mark.parametrize("module", sorted(set(TREES) - {"__init__"}))
def test_nobody_imports_the_package_itself(module: str) -> None:
    assert "__init__" not in ours_in(module)
    assert not {f"cookiesession.{name}" for name in PUBLIC} & imports_of(module)


def test_what_a_session_is_knows_not_how_it_is_kept() -> None:
    """No codec, no cookie, no itsdangerous, and nothing that brings them."""
    assert {each for module in BARE for each in ours_in(module)} <= BARE
    assert not {"itsdangerous", "werkzeug"} & external("sessions")
    assert not {"itsdangerous", "werkzeug"} & external("interface")
    assert not issubclass(NullSession, SecureCookieSession)


def defined_in(tree: ast.AST) -> Iterator[str]:
    """Every name and attribute that a module makes its own by defining it."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node.attr


def reaches_of(tree: ast.AST) -> Iterator[str]:
    """The underscored names of others that a module reaches for."""
    own = set(defined_in(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if node.attr not in own:
                yield f"{ast.unparse(node)}, line {node.lineno}"
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(a.name for a in node.names)]
            if names[0] != "_typeshed" and any(map(is_private, names)):
                yield f"{ast.unparse(node)}, line {node.lineno}"
        elif isinstance(node, ast.Import):
            names = [part for a in node.names for part in a.name.split(".")]
            if any(map(is_private, names)):
                yield f"{ast.unparse(node)}, line {node.lineno}"


@modules
def test_a_room_s_privates_are_its_own(module: str) -> None:
    assert list(reaches_of(TREES[module])) == []


@pytest.mark.parametrize(
    ("source", "reaches"),
    [
        ("from .sessions import _first", 1),
        ("from ._sessions import first", 1),
        ("import _thread", 1),
        ("from _typeshed.wsgi import WSGIEnvironment", 0),
        ("session._tracked = 1", 1),
        ("session._tracked.data", 1),
        ("class A(B):\n def f(self): return self._b", 1),
        ("class A:\n def f(self): self._a = 1; return self._a", 0),
        ("class A:\n _a: int = 1\n def f(self): return self._a", 0),
        ("class A:\n def _f(self): ...\ndef g(a): a._f()", 0),
        ("class A:\n async def _f(self): await self._f()", 0),
        ("a.__class__", 0),
    ],
)
def test_a_reach_into_another_room_would_be_seen(source: str, reaches: int) -> None:
    assert len(list(reaches_of(ast.parse(source)))) == reaches


# -- what it never does ---------------------------------------------------------------


@modules
def test_nothing_is_unpickled_or_evaluated(module: str) -> None:
    """CVE-2013-7489 and many more."""
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml", "builtins", "ctypes"}
    called = {node.id for node in ast.walk(TREES[module]) if isinstance(node, ast.Name)}
    assert not external(module) & forbidden
    assert not called & {"eval", "exec", "compile", "__import__"}


def test_what_must_not_be_guessed_comes_from_the_system() -> None:
    """CVE-2026-56016 (CGI::Session). UUIDs are values of apps, never made here."""
    assert {each for each in TREES if "random" in external(each)} <= {"merging"}
    assert {each for each in TREES if "numpy" in external(each)} == set()
    makers = {f"uuid{version}" for version in range(1, 9)}
    names = {
        getattr(node, "attr", getattr(node, "id", None))
        for tree in TREES.values()
        for node in ast.walk(tree)
    }
    assert not names & makers


def test_importing_loads_no_optional_dependency_and_prints_nothing() -> None:
    code = f"""
import sys, cookiesession
interface = cookiesession.SecureCookieSessionInterface({KEY!r})
assert interface.read_cookie(interface.make_cookie({{"a": 1}})) == {{"a": 1}}
sys.stdout.write(" ".join(sys.modules))
"""
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
        *("sqlalchemy", "redis", "valkey", "sqlite3"),
        *("gunicorn", "gevent", "pytest", "hypothesis", "pickle"),
    }
    assert run.stderr == ""


def test_the_package_says_that_it_is_typed() -> None:
    assert (FOLDER / "py.typed").is_file()


def test_an_interface_without_a_usable_key_is_a_whole_object() -> None:
    whole = SecureCookieSessionInterface(KEY)
    closed = SecureCookieSessionInterface(None)
    names = {name for name in dir(whole) if not name.startswith("_")}

    assert {name for name in dir(closed) if not name.startswith("_")} == names
    for name in names:
        assert type(getattr(closed, name)) is type(getattr(whole, name))


def test_without_the_extra_its_absence_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)  # as if not installed

    with pytest.raises(ConfigError, match=r'pip install "cookiesession\[encryption\]"'):
        EncryptedFormat()
