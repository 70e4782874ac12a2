"""Fuzz the reader: ``python tests/fuzz/fuzz_cookie_header.py -max_total_time=600``.

Needs ``pip install atheris``. The reader is compared with the rule written down anew,
on bytes; what it finds is never a session that no server signed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

atheris: Any = import_module("atheris")

with atheris.instrument_imports(include=["cookiesession"]):
    from cookiesession import CookieOptions, SecureCookieSessionInterface
    from cookiesession.cookies import find_cookies

NAME = "__Host-session"
INTERFACE = SecureCookieSessionInterface(
    "fuzz-only-key-0123456789-ABCDEFG", cookie=CookieOptions(), clock=lambda: 1.7e9
)
DATA = {"user": 42}
COOKIE = INTERFACE.make_cookie(DATA)
TOKEN = COOKIE.partition("=")[2]
FRAGMENTS = (NAME, TOKEN, COOKIE, f"{NAME}=", "; ", ";", "=", '"', " ", "\t", "\xa0")


def reference(header: bytes, name: bytes) -> list[bytes]:
    """Split on ``;``, then on the first ``=``; trim SP and HTAB; compare exactly."""
    pairs = [pair.split(b"=", 1) for pair in header.split(b";") if b"=" in pair]
    return [value.strip(b" \t") for key, value in pairs if key.strip(b" \t") == name]


def header_from(data: bytes) -> str:
    """Fuzzed bytes as they are, with some bytes standing for whole fragments."""
    pieces = (
        FRAGMENTS[byte - 0xE0] if 0 <= byte - 0xE0 < len(FRAGMENTS) else chr(byte)
        for byte in data
    )
    return "".join(pieces)


def test_one_input(data: bytes) -> None:
    for header in (data.decode("latin-1"), header_from(data)):
        found = find_cookies(header, NAME)
        expected = reference(header.encode("latin-1"), NAME.encode())
        assert [value.encode("latin-1") for value in found] == expected
        session = INTERFACE.read_cookie(header)
        # The 8 first that look like tokens are tried; our own may come later.
        assert session == {} or (session == DATA and TOKEN in found)
        if len(found) <= 8 and TOKEN in found:
            assert session == DATA


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
