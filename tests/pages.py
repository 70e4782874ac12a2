"""The README and the pages of docs/: their code blocks, and how to run them.

A unit is what stands under one heading. It may use what the page's opening defines, and
every block that begins with a file's name, ``# hello.py``, on any page, as a module.

Run as a program, this runs the units of one page that need more than the README's own
test environment has: in a process of their own, as frameworks keep global state.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
#: What the environment of the README's tests has not.
ELSEWHERE = {
    *("bottle", "cherrypy", "django", "falcon", "pyramid"),
    *("flask_caching", "flask_login", "flask_session", "httpx", "redis", "sqlalchemy"),
}
#: What pages name and tests have not: stand-ins, text by text.
STAND_INS = {"postgresql+psycopg://app@db.internal/app": "sqlite:///engine.db"}
OPENING = "opening"


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    section: str
    language: str
    text: str
    #: Why it is not run, if the page says so in a comment before it.
    not_run: str | None

    @property
    def file(self) -> str | None:
        """The file that it is, if it begins with a name."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found and found[1]

    @property
    def imports(self) -> set[str]:
        """The top-level names of what it imports."""
        names = set()
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
        return {name.partition(".")[0] for name in names} | {
            # A bridge needs its framework.
            name.removeprefix("cookiesession.bridges.")
            for name in names
        }


@dataclass(frozen=True)
class Unit:
    """The Python under one heading, after that of the page's opening."""

    page: str
    section: str
    blocks: tuple[Block, ...]

    @property
    def modules(self) -> set[str]:
        """What it imports, by way of other files of the pages as well."""
        found: set[str] = set()
        waiting = list(self.blocks)
        while waiting:
            new = waiting.pop().imports - found
            found |= new
            waiting += [FILES[f"{name}.py"] for name in new if f"{name}.py" in FILES]
        if "settings.py" in {block.file for block in self.blocks}:
            found.add("django")
        return found

    @property
    def is_elsewhere(self) -> bool:
        """Whether it needs what only the environment of the frameworks has."""
        return bool(self.modules & ELSEWHERE)

    @property
    def needs_extras(self) -> bool:
        """Whether it needs ``cryptography``."""
        return any("EncryptedFormat()" in block.text for block in self.blocks)

    def run(self) -> dict[str, Any]:
        """Run its blocks in order; files are imported. Files must be on the path."""
        namespace: dict[str, Any] = {"__name__": "page"}
        for block in self.blocks:
            if block.file is None:
                where = f"{self.page}, {self.section}"
                exec(compile(_stand_in(block.text), where, "exec"), namespace)
            elif not is_test(block.file):
                importlib.import_module(block.file.removesuffix(".py"))
        return namespace


def is_test(file: str) -> bool:
    """Whether a file is for pytest."""
    return file.startswith("test_") or file == "conftest.py"


def sections_of(text: str) -> dict[str, str]:
    """The text under each heading."""
    return dict(re.findall(r"(?ms)^## (.*?)$(.*?)(?=^## |\Z)", text))


def _blocks_of(page: str, text: str) -> Iterator[Block]:
    section = OPENING
    pattern = r"(?ms)^## (.*?)$|^(?:<!-- not run: (.*?) -->\n)?```(\w*)\n(.*?)^```$"
    for heading, not_run, language, code in re.findall(pattern, text):
        if heading:
            section = heading
        else:
            yield Block(page, section, language, code, not_run or None)


BLOCKS = [block for page, text in PAGES.items() for block in _blocks_of(page, text)]
PYTHON = [each for each in BLOCKS if each.language == "python" and not each.not_run]
FILES = {block.file: block for block in PYTHON if block.file}


def _units() -> Iterator[Unit]:
    for page in PAGES:
        of_page = [block for block in PYTHON if block.page == page]
        opening = [block for block in of_page if block.section == OPENING]
        for section in dict.fromkeys(block.section for block in of_page):
            own = [block for block in of_page if block.section == section]
            before = [] if section == OPENING else opening
            yield Unit(page, section, (*before, *own))


UNITS = list(_units())


def write_files(folder: Path) -> None:
    """Write every block that is a file."""
    for name, block in FILES.items():
        (folder / name).write_text(_stand_in(block.text), encoding="utf-8")


def _stand_in(text: str) -> str:
    for name, stand_in in STAND_INS.items():
        text = text.replace(name, stand_in)
    return text


def forget_files() -> None:
    """Let the next import of a file be the first."""
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def _main(page: str, checks: Iterable[str]) -> None:
    folder = Path.cwd()
    write_files(folder)
    sys.path.insert(0, str(folder))
    units = [unit for unit in UNITS if unit.page == page and unit.is_elsewhere]
    if page == "docs/django.md":
        import django

        django.setup()
    for unit in units:
        unit.run()
    for check in checks:
        exec(check, {})
    print(f"{len(units)} units were run")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
