"""Which keys can sign a session, and what is wrong with the others.

A signed cookie is worth what its key is worth: thousands of servers have been taken
over with keys from documentation (CVE-2020-17526, CVE-2023-27524). So a key that is
short, monotonous or well known is no key at all.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable

logger = logging.getLogger("cookiesession")

MIN_BYTES = 16
MIN_DIFFERENT_BYTES = 8
# RFC 2104, section 3: keys shorter than the hash's output "would decrease the security
# strength of the function".
GOOD_BYTES = 32

REMEDY = (
    "Make a key with `python -m cookiesession keygen`, keep it out of the source, and"
    " give it to every process, for example as SECRET_KEY in the environment."
)

# As letters and digits in lower case, so that no spelling of them slips through.
_WELL_KNOWN = frozenset(
    re.sub("[^0-9a-z]", "", key)
    for key in (
        # placeholders
        "change me change me",
        "change me in production",
        "change this secret key",
        "change this to a random secret",
        "change this to something secret",
        "development key",
        "insert random secret key here",
        "my super secret key",
        "my secret key 123456",
        "not so secret key",
        "please change me",
        "put your secret key here",
        "replace me with a secret",
        "replace this with a secret key",
        "secret key goes here",
        "some random string",
        "super secret key",
        "the quick brown fox",
        "this is a secret key",
        "this is my secret key",
        "this key must be changed",
        "top secret password",
        "you will never guess",
        "your own random generated secret key",
        "your secret key",
        "your secret key here",
        "0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnop",
        "abcdefghijklmnopqrstuvwxyz",
        # Flask's documentation and tutorial
        "_5#y2lf4q8z\n\xec]/",
        r"_5#y2lf4q8z\n\xec]/",
        "a0zr98j/3yx r~xhh!jmn]lwx/,?rt",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        # Superset, in the source of its releases (CVE-2023-27524)
        "thisismyscretkey eyyh",
        "21 thisismyscretkey 12 eyyh",
        "change me to a complex random secret",
        "this is a secret 1234",
        "test non dev secret",
        # Redash
        "c292a0a3aa32397cdb050e233733900f",
        # our documentation, once
        "an example key that is not a secret",
        "a key that `python -m cookiesession keygen` has printed",
    )
)


def generate() -> str:
    """A good key: 256 bits from the system's random source, as URL-safe text."""
    return secrets.token_urlsafe(GOOD_BYTES)


def to_bytes(key: object) -> bytes | None:
    """The key's bytes, or ``None`` for what is no key by its type."""
    if isinstance(key, str):
        # A lone surrogate has no UTF-8; a UnicodeEncodeError would carry the key.
        key = key.encode("utf-8", "surrogatepass")
    return key if isinstance(key, bytes) else None


def problem(key: bytes) -> str | None:
    """What makes *key* unusable, in a few words that do not tell it, or ``None``."""
    if not key.strip():
        return "is empty"
    if len(key) < MIN_BYTES:
        return f"has fewer than {MIN_BYTES} bytes"
    if len(set(key)) < MIN_DIFFERENT_BYTES:
        return f"has fewer than {MIN_DIFFERENT_BYTES} different bytes"
    if re.sub("[^0-9a-z]", "", key.decode("latin-1").lower()) in _WELL_KNOWN:
        return "is a well-known example or placeholder"
    return None


def fallbacks(given: object) -> tuple[list[bytes], list[str]]:
    """The usable ones of the fallback keys, and what is wrong with the others."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        return [], ["fallback_keys must be a list of keys, not a single one."]
    usable, faults = [], []
    for index, each in enumerate(given):
        key = to_bytes(each)
        fault = "is not a str or bytes" if key is None else problem(key)
        if key is None or fault is not None:
            faults.append(f"fallback_keys[{index}] {fault}.")
        else:
            usable.append(key)
    return usable, faults


def warn_of(usable: Iterable[bytes]) -> None:
    """Log what is not wrong with the keys, but not right either."""
    if min(map(len, usable)) < GOOD_BYTES:
        logger.warning("a session key has fewer than %d bytes. %s", GOOD_BYTES, REMEDY)
    if any(key != key.strip() for key in usable):
        logger.warning(
            "a session key has white space around it, which is part of the key: other"
            " programs may strip it. If it was read from a file, use .strip()."
        )
