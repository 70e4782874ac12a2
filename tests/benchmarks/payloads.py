"""What the benchmarks store: sessions in the three shapes that users have."""

from __future__ import annotations

import random
from string import ascii_lowercase
from typing import Any

#: 40 characters that sign nothing but benchmarks.
SECRET = "benchmark-only-key-0123456789-ABCDEFGHIJ"

_dice = random.Random(2)  # the same in every run


def _hex(length: int) -> str:
    return f"{_dice.getrandbits(length * 4):0{length}x}"


#: An id, a token, a counter: 85 bytes of JSON.
SMALL: dict[str, Any] = {"_user_id": 42, "csrf_token": _hex(48), "n": 1}

#: As Flask-Login and Flask-WTF leave it, and a counter: 244 bytes of JSON.
LOGIN: dict[str, Any] = {
    "_user_id": _hex(16),
    "_fresh": True,
    "_id": _hex(128),
    "csrf_token": _hex(40),
    "n": 1,
}


def cart(items: int) -> list[dict[str, Any]]:
    """Nested lists and dicts, the same in every run; about 120 bytes of JSON each."""
    dice = random.Random(2)

    def word(length: int) -> str:
        return "".join(dice.choices(ascii_lowercase, k=length))

    return [
        {
            "id": dice.randrange(10**6),
            "name": word(12),
            "price": dice.randrange(10_000) / 100,
            "count": 1,
            "tags": [word(4), word(5)],
            "options": {"color": word(5), "size": size},
        }
        for size in range(items)
    ]


#: What few should keep in a cookie, and some do.
LARGE: dict[str, Any] = {**SMALL, "cart": cart(20)}

SHAPES = {"small": SMALL, "login": LOGIN, "2.5 kB": LARGE}
