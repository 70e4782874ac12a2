"""Makes flask.json again, with the Flask that is installed.

Run it from anywhere: ``python tests/vectors/make_flask_vectors.py``. The contents are
written as Python literals, so that a reader needs no tags to know what is meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from markupsafe import Markup

MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
KEY = "tests-only-key-0123456789-ABCDEF"
TIME = 1_700_000_000
SESSIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "one number": ("dev-secret", {"user_id": 42}),
    "empty": ("dev-secret", {}),
    "every type, compressed": (
        "dev-secret",
        {
            "_permanent": True,
            "a": "\u00e9\u2603",
            "b": b"\0\xff",
            "d": MOMENT,
            "m": Markup("<b>x</b>"),
            "n": {" t": [1]},
            "nest": {"k": [1, {"q": (1,)}]},
            "t": (1, 2),
            "u": UUID(int=5),
            "z": 1,
        },
    ),
    "permanent": (KEY, {"_permanent": True, "a": 1}),
    "no longer permanent": (KEY, {"_permanent": False, "a": 1}),
    "flashed messages": (KEY, {"_flashes": [("error", "no"), ("message", "yes")]}),
    "numbers": (KEY, {"f": 1.5, "i": -(2**70), "n": None, "t": True}),
    "nothing but tuples": (KEY, {"t": ((), ((),), ([(1,)],))}),
    "a dict like a tuple's tag": (KEY, {"d": {" t": [1, 2]}}),
    "a dict like the escape": (KEY, {"d": {" di": {" t__": 1}}}),
    "dicts like tags within each other": (KEY, {"d": {" b": {" u": {" t": 0}}}}),
    "a session like a tag": (KEY, {" u": "x"}),
    "dicts almost like tags": (KEY, {"a": {" x": 1}, "b": {" t": 1, "x": 2}}),
    "text beyond ASCII": (KEY, {"\u00fc": "\U0001f600 \u2028 \x00 \" \\ ' <"}),
    "a naive datetime": (KEY, {"d": datetime(2024, 1, 2, 3, 4, 5)}),
    "compressed, all alike": (KEY, {"a": "a" * 1000}),
    "compressed, tags": (KEY, {"dates": [MOMENT] * 20, "ids": (UUID(int=7),) * 9}),
    "a key of bytes beyond ASCII": ("k\u00e9y-" * 8, {"a": 1}),
}


def vectors() -> Iterator[dict[str, object]]:
    for name, (key, data) in SESSIONS.items():
        app = Flask("vectors")
        app.secret_key = key
        signer = SecureCookieSessionInterface().get_signing_serializer(app)
        assert signer is not None
        with app.app_context(), mock.patch("time.time", return_value=TIME):
            token = str(signer.dumps(data))
            again = signer.loads(token)
            text = signer.serializer.dumps(data)
        yield {
            "name": name,
            "key": key,
            "time": TIME,
            "data": repr(again),
            "json": text,
            "token": token,
        }


if __name__ == "__main__":
    made = {"made by": f"Flask {version('flask')}", "vectors": list(vectors())}
    target = Path(__file__).with_name("flask.json")
    target.write_text(json.dumps(made, indent=2) + "\n", encoding="ascii")
