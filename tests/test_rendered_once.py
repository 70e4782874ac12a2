"""One way to see a change: a session is turned into text at most once per response.

Counted in the steady state, by the serializer itself: the cookie is older than a
second, so that the creation time is carried along.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from clients import Browser
from markupsafe import Markup
from support import FORMATS, KEY, OLD_KEY, Clock, every_format, params_of

from cookiesession import FLASK, SecureCookieSessionInterface, SignedFormat

Use = Callable[[Any], object]

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
SHARED: dict[str, Any] = {
    "str": "ada",
    "int": 7,
    "float": 1.5,
    "bool": True,
    "None": None,
    "bytes": b"\0",
    "Markup": Markup("<b>"),
    "UUID": UUID(int=5),
    "datetime": MOMENT,
}
#: Flask's format does not know them.
OURS: dict[str, Any] = {
    "Decimal": Decimal("4.20"),
    "date": MOMENT.date(),
    "time": MOMENT.time(),
    "timedelta": dt.timedelta(days=1),
}
LARGE: dict[str, Any] = {
    "cart": [{"id": n, "name": f"item {n}", "tags": ["a", "b"]} for n in range(40)]
}


def data_of(format: SignedFormat) -> dict[str, Any]:
    """A large session with a value of every type; Flask's has fewer."""
    ours = {} if format.serializer is FLASK.serializer else OURS
    return {**SHARED, **ours, **LARGE}


class Counted:
    """One client of an app whose format counts what it is asked for."""

    def __init__(self, format: Any, clock: Clock, **options: Any) -> None:
        counted = self
        kind = type(format.serializer)

        class Counting(kind):  # type: ignore[misc, valid-type]
            def dumps(self, data: Any, **options: Any) -> str:
                counted.dumps += 1
                return str(super().dumps(data, **options))

            def loads(self, text: str) -> Any:
                counted.loads += 1
                return super().loads(text)

        self.dumps = self.loads = 0
        self.data = data_of(format)
        self.clock = clock
        self.format = replace(format, serializer=Counting())
        self.interface = SecureCookieSessionInterface(
            KEY, format=self.format, clock=clock, **options
        )
        self.browser = Browser(self.interface.make_cookie(self.data))

    def visit(self, use: Use, cookies: int) -> None:
        """A request, ten seconds after the one before, that sets so many cookies."""
        self.clock.advance(seconds=10)
        self.dumps = self.loads = 0
        self.browser.visit(self.interface, use)
        assert len(self.browser.set_cookies) == cookies


CHANGES: dict[str, Use] = {
    "a scalar": lambda s: s.__setitem__("int", s["int"] + 1),
    "a new key": lambda s: s.__setitem__(f"new {len(s)}", 1),
    "a key less": lambda s: s.popitem(),
    "nested": lambda s: s["cart"].append(1),
    "deep inside": lambda s: s["cart"][0]["tags"].append("c"),
    "a nested value, read and assigned": lambda s: s.update(cart=[*s["cart"], 1]),
    "the type alone": lambda s: s.update(int=float(s["int"]), bool=int(s["bool"])),
    "the type alone, nested": lambda s: s["cart"][0].update(id=False),
    "permanent": lambda s: setattr(s, "permanent", True),
    "regenerate": lambda s: s.regenerate(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@every_format
def test_a_change_is_rendered_once(format: Any, change: Use, clock: Clock) -> None:
    counted = Counted(format, clock)
    counted.visit(change, cookies=1)
    assert (counted.loads, counted.dumps) == (1, 1)


@pytest.mark.parametrize("change", ["a scalar", "nested", "a new key"])
@every_format
def test_so_is_every_later_one(format: Any, change: str, clock: Clock) -> None:
    """What came carries its creation time by now."""
    counted = Counted(format, clock)
    for _ in range(3):
        counted.visit(CHANGES[change], cookies=1)
        assert (counted.loads, counted.dumps) == (1, 1)


NO_CHANGES: dict[str, Use] = {
    "an equal scalar": lambda s: s.__setitem__("int", s["int"]),
    "an equal nested value": lambda s: s.__setitem__("cart", s["cart"].copy()),
    "there and back": lambda s: (s.update(x=1), s.pop("x")),
    "a nested value is read": lambda s: s["cart"],
    "all is read": dict,
}


@pytest.mark.parametrize("use", NO_CHANGES.values(), ids=NO_CHANGES)
@every_format
def test_what_only_the_text_can_tell_is_rendered_once_and_not_sent(
    format: Any, use: Use, clock: Clock
) -> None:
    counted = Counted(format, clock)
    counted.visit(use, cookies=0)
    assert (counted.loads, counted.dumps) == (1, 1)
    counted.visit(CHANGES["a scalar"], cookies=1)
    counted.visit(use, cookies=0)
    assert (counted.loads, counted.dumps) == (1, 1)


READS = params_of(
    {
        f"{kind}, {name}": (format, kind)
        for name, format in FORMATS.items()
        for kind in data_of(format)
        if kind not in LARGE
    }
)


@pytest.mark.parametrize(("format", "kind"), READS)
def test_reading_what_cannot_change_inside_renders_nothing(
    format: Any, kind: str, clock: Clock
) -> None:
    counted = Counted(format, clock)

    def read(session: Any) -> None:
        for value in (session[kind], session.get(kind)):
            assert type(value) is type(counted.data[kind])

    for _ in range(2):
        counted.visit(read, cookies=0)
        assert (counted.loads, counted.dumps) == (1, 0)


LOOKS: dict[str, Use] = {
    "nothing": lambda s: None,
    "in, len, bool, iter": lambda s: ("a" in s, len(s), bool(s), list(s)),
    "keys": lambda s: list(s.keys()),
    "get of a missing key": lambda s: s.get("missing"),
    "attributes": lambda s: (s.new, s.rejection, s.created_at, s.permanent, s.handle),
    "logout": lambda s: s.clear(),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@every_format
def test_what_hands_out_no_value_renders_nothing(
    format: Any, look: Use, clock: Clock
) -> None:
    counted = Counted(format, clock)
    counted.visit(look, cookies=look is LOOKS["logout"])
    assert counted.dumps == 0


def test_asking_whether_it_was_modified_renders_once_more(clock: Clock) -> None:
    counted = Counted(SignedFormat(), clock)
    counted.visit(lambda s: (s["cart"].append(1), s.modified), cookies=1)
    assert counted.dumps == 2


@pytest.mark.parametrize("change", ["a scalar", "nested"])
def test_with_another_key_the_text_is_the_same(change: str, clock: Clock) -> None:
    counted = Counted(SignedFormat(), clock, fallback_keys=[OLD_KEY])
    old = SecureCookieSessionInterface(OLD_KEY, format=counted.format, clock=clock)
    counted.browser = Browser(old.make_cookie(counted.data))
    counted.visit(CHANGES[change], cookies=1)
    assert counted.dumps == 1


def test_where_reader_and_writer_differ_each_renders_once(clock: Clock) -> None:
    reader = Counted(SignedFormat(salt="old"), clock)
    writer = Counted(SignedFormat(), clock, accept=[reader.format])
    for use, by_reader in ((CHANGES["a scalar"], 0), (CHANGES["nested"], 1), (dict, 1)):
        writer.browser = Browser(reader.interface.make_cookie(reader.data))
        reader.dumps = 0
        writer.visit(use, cookies=1)
        assert (reader.dumps, writer.dumps) == (by_reader, 1)
