"""What can be said of a session cookie by whoever holds it, with its key or without.

The verdict is an interface's, of an app that accepts every format. The contents are
shown as they are stored, whatever the verdict: what is signed anyone can read, what is
encrypted who has the key.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from . import keys
from .cookies import CookieOptions
from .encoding import Malformed
from .encryption import EncryptedFormat, unpack
from .keyring import tokens_in
from .records import Ids
from .securecookie import SecureCookieSessionInterface
from .serializer import TaggedJSONSerializer
from .signed import DIGESTS, FLASK, SignedFormat, read_unverified
from .tokens import Format, Opened

#: How the default format is called, and what holds no session that anyone can read.
DEFAULT = f"signed.v1 ({SignedFormat.digest})"
ENCRYPTED, ID = "encrypted.v1", "signed.v1, an id of a session in a store"

# A cookie begins a line or comes after a semicolon, "Cookie:" or, in curl's cookie jar,
# its expiry. There, and in a browser's table of cookies, a tab stands for the "=".
_COOKIE = re.compile(r"(?im)(?:^|;|cookie:|\t\d+\t)[ \t]*([^\s=;:]+) *[=\t]([^;\t\n]*)")


def find(text: str, name: str | None) -> tuple[str, list[str]]:
    """Name and values of the session cookie in what people paste.

    :param name: The cookie's name. Where it is not known, a cookie of the default name
        is meant, or else the only one, or the first that looks like a token.
    :raises LookupError: If there is none.
    """
    meant = name or CookieOptions.name
    text = text.replace("\r", "").strip(" \t\n\"'")
    if re.fullmatch(r"[^\s=;:]+", text):  # a bare token
        text = f"{meant}={text}"
    cookies: dict[str, list[str]] = {}
    for each, value in _COOKIE.findall(text):
        cookies.setdefault(each, []).append(value.strip(" "))
    candidates = [meant]
    if name is None:
        candidates += [
            each
            for each, values in cookies.items()
            if len(cookies) == 1 or any(map(_look, values))
        ]
    for each in candidates:
        if each in cookies:
            return each, cookies[each]
    which = f"cookie {name!a}" if name else "session cookie"
    raise LookupError(f"there is no {which} in the input")


def inspect(
    name: str, values: Sequence[str], key: bytes | None, salt: str, **timeouts: Any
) -> dict[str, Any]:
    """All that can be said of a cookie; times in Unix seconds.

    :param values: Those of all cookies of this name; at least one.
    :param key: One that an app can use, or ``None``.
    :param salt: The app's, and so are the timeouts.
    :raises ConfigError: For options that cannot work.
    """
    formats = _formats(salt)
    if key and any(map(unpack, tokens_in(values))):
        formats[EncryptedFormat(salt=salt)] = ENCRYPTED
    default, *others = formats
    secret = key or keys.generate().encode()  # one that nobody has
    app = SecureCookieSessionInterface(
        secret,
        cookie=CookieOptions(name=name),
        format=default,
        accept=others,
        clock=time.time,
        **timeouts,
    )

    def ask(*values: str) -> tuple[str, Opened | None]:
        tracked = app.load("; ".join(f"{name}={value}" for value in values))
        return tracked.rejection or "valid", tracked.came

    verdict, came = ask(*values)
    if came:
        token = came.token.decode()
    else:  # the one that the verdict is about; a token rather than anything else
        likely = sorted(values, key=lambda value: _look(value) is None)
        alone = (value for value in likely if ask(value)[0] == verdict)
        token = next(alone, likely[0])
    label, says = _look(token) or (None, None)
    for format in formats:
        codec = replace(format, serializer=_AS_STORED).bind(secret, name)
        with suppress(Malformed):
            if opened := codec.open(token.encode("ascii", "replace")):
                label, says = formats[format], opened
    if verdict == "bad_signature":
        if label is None:
            verdict = "no_token"
        elif key is None:
            verdict = "not_checked"
        elif label == ID and any(map(Ids([key], name).open, tokens_in(values))):
            verdict = "valid"
    return {
        "cookie": name,
        "format": label,
        "size": len(name) + len(token),
        "issued_at": says and says.issued,
        "created_at": says and says.created,
        "permanent": says and says.permanent,
        "contents": says and says.data,
        "verdict": verdict,
    }


def _formats(salt: str) -> dict[Format, str]:
    """What is signed that an app may accept, and how we call it; the default first."""
    formats: dict[Format, str] = {}
    for digest in (SignedFormat.digest, *DIGESTS):
        bound = SignedFormat(salt=salt, digest=digest)
        formats[bound] = label = f"signed.v1 ({digest})"
        formats[replace(bound, bind_name=False)] = f"{label}, name not bound"
        formats[replace(FLASK, digest=digest, cookie_name=None)] = f"flask ({digest})"
    return formats


class _AsStored(TaggedJSONSerializer):
    """Leaves tags as they are: some of them may be the app's own."""

    def loads(self, text: str) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(text)
        json.dumps(data)  # raises for what is too deep to be shown
        return data


_AS_STORED = _AsStored()
_PARSER = SignedFormat(serializer=_AS_STORED).bind(b"", CookieOptions.name)


def _look(value: str) -> tuple[str, Opened | None] | None:
    """What a token's format is called by its looks, and what it says to anyone;
    ``None`` for what is no token. Nothing is verified."""
    token = value.strip('"').encode("ascii", "replace")
    if unpack(token):
        return ENCRYPTED, None
    try:
        text, issued, digest = read_unverified(token)
    except Malformed:
        return None
    label = f"{'flask' if digest == FLASK.digest else 'signed.v1'} ({digest})"
    with suppress(Malformed):
        return label, _PARSER.parse(text, issued)
    return (ID if len(text) == 32 else label), None  # 32 random bytes are no JSON
