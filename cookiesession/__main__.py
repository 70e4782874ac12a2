"""The command line: ``python -m cookiesession keygen`` and ``... inspect``.

A key comes from the environment or a file, never from an argument, which every user of
the machine can see; it is never printed. What a cookie says is printed as ASCII JSON,
so that none of it reaches the terminal as a control character.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from . import keys
from .cookies import CookieOptions, is_cookie_name
from .encryption import EncryptedFormat
from .errors import ConfigError
from .serializer import TaggedJSONSerializer
from .tokens import (
    FLASK,
    Codec,
    Format,
    Malformed,
    Opened,
    SignedFormat,
    Timeouts,
    decode_payload,
    decode_time,
)

_NAME, _MAX_SIZE = CookieOptions.name, CookieOptions.max_size
_DIGEST_OF_LENGTH = {27: "sha1", 43: "sha256", 64: "sha384", 86: "sha512"}
# A first byte of 1, then a random part and a tag of 40 bytes, in base64url.
_SEALED = re.compile("A[Q-Za-f][A-Za-z0-9_-]{53,}")
_DAY = 24 * 60 * 60
_VERDICTS = {
    "valid": "yes",
    "not_checked": "not verified, for want of a key: anyone may have written this",
    "bad_signature": "NO, bad_signature: made with another key or salt, or for a cookie"
    " of another name, or changed since",
    "idle_expired": "NO, idle_expired: not renewed within the idle timeout",
    "absolute_expired": "NO, absolute_expired: older than the absolute timeout",
    "not_yet_valid": "NO, not_yet_valid: issued in the future",
    "malformed": "NO, malformed: a token that says nothing sensible",
    "no_token": "NO: this looks like no token at all (to the app, a bad_signature)",
    "too_large": "NO, too_large: no browser keeps such a cookie",
}
_EPILOG = """\
The cookie may be a bare token, name=value, a whole Cookie header, or the headers of a
response. The default format binds the cookie's name: give --name with a bare token.
A session cookie is as secret as a password: prefer standard input to the argument,
which stays in the shell's history.

exit status:
  0  the cookie is valid, or there is no key to verify it with
  1  it is not: the output says why, in the words of session.rejection
  2  the command was used wrongly, or there is no session cookie in the input
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command == "keygen":
        print(keys.generate())
        return 0
    try:
        key = _key(options)
        text = options.cookie
        if text is None:
            text = sys.stdin.buffer.read().decode("latin-1")  # as in an environ
        report = _examine(*_find(text, options.name), key, options)
    except (ConfigError, LookupError, OSError) as error:
        parser.error(str(error))
    print(json.dumps(report) if options.json else _as_text(report))
    return 0 if report["verdict"] in ("valid", "not_checked") else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cookiesession", description="Make keys and look into cookies."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keygen", help="print a new, good secret key")
    what = "say what a session cookie holds and whether it is valid"
    inspect = commands.add_parser(
        "inspect",
        help=what,
        description=f"{what.capitalize()}.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = inspect.add_argument
    option("cookie", nargs="?", help="default: read from standard input")
    option("--name", help=f"the cookie's name (default: found, or {_NAME})")
    key = inspect.add_mutually_exclusive_group().add_argument
    from_env = "the environment variable with the key (default: SECRET_KEY, if set)"
    key("--key-env", metavar="VARIABLE", help=from_env)
    key("--key-file", metavar="FILE", type=Path, help="a file with the key instead")
    option("--salt", default=SignedFormat.salt, help="default: %(default)s")
    for which, days in (("idle", 31), ("absolute", 90)):
        text = f"as the app has it; 0 for no limit (default: {days} days)"
        name = f"--{which}-timeout"
        option(name, metavar="SECONDS", type=int, default=days * _DAY, help=text)
    option("--json", action="store_true", help="print one JSON object, for programs")
    return parser


def _key(options: argparse.Namespace) -> bytes | None:
    """The key to verify with, if there is one."""
    if options.key_file:
        key = options.key_file.read_bytes().rstrip(b"\r\n")
    else:
        key = keys.to_bytes(os.environ.get(options.key_env or "SECRET_KEY", ""))
    if not key and (options.key_file or options.key_env):
        raise LookupError("there is no key where the options say")
    if key and (problem := keys.problem(key)):
        print(f"note: cookiesession refuses this key: it {problem}", file=sys.stderr)
    return key or None


def _find(text: str, name: str | None) -> tuple[str, str]:
    """Name and value of the session cookie in what was given.

    :raises LookupError: If there is none.
    """
    if name and not is_cookie_name(name):
        raise LookupError(f"{name!a} cannot be the name of a cookie")
    lines = re.findall(r"(?im)^[ \t]*(?:set-)?cookie:(.*)$", text) or [text]
    header = "; ".join(line.strip() for line in lines)
    if not re.search("[=; ]", header):
        return name or _NAME, header
    pairs = [pair.partition("=") for pair in header.split(";")]
    given = [(key.strip(" \t"), value.strip(" \t")) for key, _, value in pairs]
    wanted = (lambda each: each == name) if name else is_cookie_name
    found = [pair for pair in given if wanted(pair[0])]
    found.sort(key=lambda pair: pair[0] != _NAME)
    tokens = [pair for pair in found if _formats(pair[1])]
    if name or len(given) == 1:
        tokens += found  # the one that is meant, whatever it looks like
    if not tokens:
        raise LookupError(f"there is no {name or 'session'} cookie in the input")
    return tokens[0]


def _formats(token: str, salt: str = SignedFormat.salt) -> dict[str, Format]:
    """What a token can be by the looks of it, the likeliest first."""
    serializer = _AsStored()
    if _SEALED.fullmatch(token):
        return {"encrypted.v1": EncryptedFormat(salt=salt, serializer=serializer)}
    digest = _DIGEST_OF_LENGTH.get(len(token.rpartition(".")[2]))
    if digest is None or not re.fullmatch(
        r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){2,3}", token
    ):
        return {}
    bound = SignedFormat(salt=salt, digest=digest, serializer=serializer)
    ours = {
        f"signed.v1 ({digest})": bound,
        f"signed.v1 ({digest}), name not bound": replace(bound, bind_name=False),
    }
    flask = {f"flask ({digest})": replace(FLASK, digest=digest, serializer=serializer)}
    return {**flask, **ours} if digest == FLASK.digest else {**ours, **flask}


class _AsStored(TaggedJSONSerializer):
    """Leaves tags as they are: an app's own types cannot be known here."""

    def _untag(self, found: dict[str, Any]) -> Any:
        return found


def _examine(
    name: str, token: str, key: bytes | None, options: argparse.Namespace
) -> dict[str, Any]:
    """All that can be said of a token; times in Unix seconds."""
    codecs = {
        format.bind(key or b"", name): label
        for label, format in _formats(token, options.salt).items()
    }
    idle = options.idle_timeout or math.inf
    timeouts = Timeouts(idle, options.absolute_timeout or math.inf, leeway=60)
    try:
        verdict, says = _judge(token, [*codecs], key is not None, timeouts)
    except Malformed:
        verdict, says = "malformed", None
    return {
        "cookie": name,
        "format": codecs[says.codec] if says else next(iter(codecs.values()), None),
        "size": len(name) + len(token),
        "issued_at": says and says.issued,
        "created_at": says and says.created,
        "permanent": says and says.permanent,
        "contents": says and says.data,
        "verdict": verdict,
    }


def _judge(
    token: str, codecs: Sequence[Codec], has_key: bool, timeouts: Timeouts
) -> tuple[str, Opened | None]:
    """The verdict on a token, and what it says as far as that can be read."""
    if len(token) > _MAX_SIZE:
        return "too_large", None
    if not codecs:
        return "no_token", None
    for codec in codecs if has_key else ():
        if says := codec.open(token.encode()):
            fault = timeouts.fault(says.issued, says.created, int(time.time()))
            return fault or "valid", says
    if not has_key:
        return "not_checked", _unverified(token, codecs[0])
    try:
        return "bad_signature", _unverified(token, codecs[0])
    except Malformed:
        return "bad_signature", None  # as the app sees it, which looks no further


def _unverified(token: str, codec: Codec) -> Opened | None:
    """What a signed token says, whoever made it; an encrypted one says nothing."""
    payload, _, stamp = token.encode().rpartition(b".")[0].rpartition(b".")
    return codec.parse(decode_payload(payload), decode_time(stamp)) if stamp else None


def _as_text(report: dict[str, Any]) -> str:
    rows = {
        "cookie": report["cookie"],
        "format": report["format"] or "unknown",
        "size": f"{report['size']} of {_MAX_SIZE} bytes, name included",
        "valid": _VERDICTS[report["verdict"]],
    }
    if report["contents"] is not None:
        rows["issued"] = _moment(report["issued_at"])
        rows["created"] = _moment(report["created_at"])
        rows["permanent"] = "yes" if report["permanent"] else "no"
        rows["contents"] = json.dumps(report["contents"], indent=2)
    return "\n".join(f"{label + ':':<11}{text}" for label, text in rows.items())


def _moment(seconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"{seconds}, which is no date"
    age = timedelta(seconds=int(time.time()) - seconds)
    when = f"{age} ago" if age >= timedelta(0) else f"in {-age}"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {when}"


if __name__ == "__main__":
    sys.exit(main())
