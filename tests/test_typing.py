"""The typed app does at run time what its types say."""

from __future__ import annotations

from support import KEY
from typed_app import make_app
from werkzeug.test import Client


def test_what_get_session_returns_has_every_documented_attribute() -> None:
    client = Client(make_app(KEY))

    assert "visits: 1" in client.get("/").text
    lines = client.get("/login").text.splitlines()

    assert lines[0] == "visits: 2"
    assert lines[2] in ("age: 0", "age: -1")  # a new second may have begun
    assert lines[3:] == [
        "rejection: none",
        "handle: none",
        "flags: False True True",
        "contents: {'visits': 2, 'user': 'ada'}",
    ]
