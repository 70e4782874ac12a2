"""What the benchmarks store: a small session, and one of about 2.5 kB."""

from __future__ import annotations

import random
from string import ascii_lowercase
from typing import Any

#: 40 characters that sign nothing but benchmarks.
SECRET = "benchmark-only-key-0123456789-ABCDEFGHIJ"

SMALL: dict[str, Any] = {
    "user_id": 42,
    "csrf": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
    "n": 1,
}


def cart(items: int) -> list[dict[str, Any]]:
    """Nested lists and dicts, the same in every run; about 110 bytes of JSON each."""
    dice = random.Random(2)

    def word(length: int) -> str:
        return "".join(dice.choices(ascii_lowercase, k=length))

    return [
        {
            "id": dice.randrange(10**6),
            "name": word(12),
            "price": dice.randrange(10_000) / 100,
            "tags": [word(4), word(5)],
            "options": {"color": word(5), "size": size},
        }
        for size in range(items)
    ]


LARGE: dict[str, Any] = {**SMALL, "cart": cart(22)}
