"""The command line: ``python -m cookiesession keygen`` and ``... inspect``.

A key comes from the environment or a file, never from an argument, which every user of
the machine can see; it is never printed. What a cookie says is printed as ASCII JSON,
so that none of it reaches the terminal as a control character. The verdict is what an
app would say that accepts every format.
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from . import keys
from .cookies import CookieOptions, find_cookies, is_cookie_name
from .encoding import Malformed, decode_base64
from .encryption import EncryptedFormat
from .errors import ConfigError
from .securecookie import SecureCookieSessionInterface
from .serializer import TaggedJSONSerializer
from .signed import DIGESTS, FLASK, SignedFormat, read_unverified
from .tokens import Format, Opened
from .tracking import Tracked

_NAME, _MAX_SIZE = CookieOptions.name, CookieOptions.max_size
_DEFAULT, _ENCRYPTED = f"signed.v1 ({SignedFormat.digest})", "encrypted.v1"
_TIMEOUTS = ("idle_timeout", "absolute_timeout")
# No token can say a time as late as this.
_NO_LIMITS = {**dict.fromkeys(_TIMEOUTS), "clock": lambda: 2.0**64}
_QUIET = logging.NullHandler()  # what interfaces warn of is told in other words
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
    "unavailable": "NO: an app that is given this key has no sessions at all",
}
_EPILOG = """\
The cookie may be a bare token, name=value, a whole Cookie header, the headers of a
response, rows of a browser's table of cookies, or curl's cookie jar.
The default format binds the cookie's name: give --name with a bare token.
A session cookie is as secret as a password: prefer standard input to the argument,
which stays in the shell's history.

exit status:
  0  the cookie is valid, or there is no key to verify it with
  1  it is not: the output says why, in the words of session.rejection
  2  the command was used wrongly, or there is no session cookie in the input
"""
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_IN_HEADERS = re.compile(r"(?im)^[<> \t]*(?:set-)?cookie:(.*)$")
# Name and value: in the Netscape format, which curl keeps, and in browsers' tables.
_IN_JAR = re.compile(r"(?m)^\S+\t(?:(?:TRUE|FALSE)\t[^\t\n]*\t){2}([^\t\n]+)\t(.*)$")
_IN_TABLE = re.compile(r"(?m)^([^\s=;:]+)\t([^\t\n]*)")

# JSON, time of issue, and a word of the format's name.
_Look = tuple[bytes, int, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command == "keygen":
        print(keys.generate())
        return 0
    logging.getLogger("cookiesession").addHandler(_QUIET)
    try:
        usable = _keys(options)
        text = options.cookie
        if text is None:
            text = sys.stdin.buffer.read().decode("latin-1")  # as in an environ
        report = _examine(*_find(text, options.name), usable, options)
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
    command = commands.add_parser(
        "inspect",
        help=what,
        description=f"{what.capitalize()}.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = command.add_argument
    option("cookie", nargs="?", help="default: read from standard input")
    option("--name", help=f"the cookie's name (default: found, or {_NAME})")
    key = command.add_mutually_exclusive_group().add_argument
    from_env = "the environment variable with the key (default: SECRET_KEY, if set)"
    key("--key-env", metavar="VARIABLE", help=from_env)
    key("--key-file", metavar="FILE", type=Path, help="a file with the key instead")
    option("--salt", default=SignedFormat.salt, help="default: %(default)s")
    defaults = inspect.signature(SecureCookieSessionInterface).parameters
    for which in _TIMEOUTS:
        default = defaults[which].default
        text = f"as the app has it; 0 for no limit (default: {default.days} days)"
        flag = f"--{which.replace('_', '-')}"
        option(flag, metavar="SECONDS", type=_duration, default=default, help=text)
    option("--json", action="store_true", help="print one JSON object, for programs")
    return parser


def _duration(seconds: str) -> timedelta | None:
    try:
        return timedelta(seconds=int(seconds)) or None
    except (ValueError, OverflowError):
        message = f"{seconds!a} is no number of seconds"
        raise argparse.ArgumentTypeError(message) from None


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _keys(options: argparse.Namespace) -> list[bytes] | None:
    """The key as it stands, and without white space around it, where an app can use it.

    :returns: ``None`` if there is no key.
    """
    if options.key_file:
        key: bytes = options.key_file.read_bytes()
    else:
        given = os.environ.get(options.key_env or "SECRET_KEY")
        key = keys.to_bytes(given) or b""
    if not key.strip():
        if options.key_file or options.key_env:
            raise LookupError("there is no key where the options say")
        return None
    if problem := keys.problem(key):
        _note(f"cookiesession refuses this key: it {problem}")
    both = dict.fromkeys((key, key.strip()))
    return [each for each in both if keys.problem(each) is None]


def _find(text: str, name: str | None) -> tuple[str, list[str]]:
    """Name and values of the session cookie in what was given.

    :raises LookupError: If there is none.
    """
    if name and not is_cookie_name(name):
        raise LookupError(f"{name!a} cannot be the name of a cookie")
    text = text.replace("\r", "").strip(" \t\n")
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[2]
    rows = _IN_JAR.findall(text) or _IN_TABLE.findall(text)
    lines = _IN_HEADERS.findall(text) or [f"{key}={value}" for key, value in rows]
    header = "; ".join(lines or text.split("\n"))
    if header and not re.search("[=; ]", header):
        return name or _NAME, [header]
    names = [pair.partition("=")[0].strip(" \t") for pair in header.split(";")]
    meant = name or (names[0] if len(names) == 1 else _NAME)
    for each in filter(is_cookie_name, [meant] if name else [meant, *names]):
        found = find_cookies(header, each)
        values = [value.strip('"') for value in found]
        if values and (each == meant or any(map(_look, values))):
            if values != found:
                _note("quotes around a value are left out; an app would reject them")
            return each, values
    raise LookupError(f"there is no {name or 'session'} cookie in the input")


class _AsStored(TaggedJSONSerializer):
    """Leaves tags as they are. Refuses what a format does, but for tags that it does
    not know: they may be the app's own."""

    def __init__(self, format: Format) -> None:
        super().__init__()
        self._check = format.serializer.loads

    def loads(self, text: str) -> dict[str, Any]:
        with suppress(KeyError):  # an unknown tag
            self._check(text)
        data: dict[str, Any] = json.loads(text)
        return data


def _look(value: str) -> _Look | None:
    """What a token says, verified by nobody; ``None`` for what is no token."""
    token = value.encode("ascii", "replace")
    with suppress(Malformed):
        return read_unverified(token)
    with suppress(Malformed):
        raw = decode_base64(token)
        if raw[:1] == b"\1" and len(raw) > 1 + 24 + 16:
            return b"", 0, _ENCRYPTED
    return None


def _formats(salt: str, looks: Iterable[_Look]) -> dict[Format, str]:
    """What an app may accept, and how we call it; the default first, then Flask's."""
    ours, flask = SignedFormat(salt=salt), replace(FLASK, cookie_name=None)
    formats: dict[Format, str] = {ours: _DEFAULT, flask: f"flask ({flask.digest})"}
    for digest in DIGESTS:
        bound = replace(ours, digest=digest)
        formats |= {
            bound: f"signed.v1 ({digest})",
            replace(bound, bind_name=False): f"signed.v1 ({digest}), name not bound",
            replace(flask, digest=digest): f"flask ({digest})",
        }
    if any(word == _ENCRYPTED for *_, word in looks):
        formats[EncryptedFormat(salt=salt)] = _ENCRYPTED
    return formats


def _examine(
    name: str,
    values: Sequence[str],
    usable: Sequence[bytes] | None,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """All that can be said of a cookie; times in Unix seconds.

    :param usable: See :func:`_keys`.
    """
    looks = {value: look for value in values if (look := _look(value))}
    formats = _formats(options.salt, looks.values())
    stored = {
        replace(f, serializer=_AsStored(f)): label for f, label in formats.items()
    }
    limits = {which: getattr(options, which) for which in _TIMEOUTS}
    limits["clock"] = time.time

    def ask(key: bytes, formats: Iterable[Format], limits: dict[str, Any]) -> Tracked:
        """What an app has from the cookie."""
        (first, *others), cookie = formats, CookieOptions(name=name)
        app = SecureCookieSessionInterface(
            key, cookie=cookie, format=first, accept=others, **limits
        )
        return app.load("; ".join(f"{name}={value}" for value in values))

    # Without a key, one that nobody has: what is too large is so for all.
    answers = {
        key: ask(key, formats, limits) for key in usable or [keys.generate().encode()]
    }
    key = min(answers, key=lambda key: answers[key].rejection == "bad_signature")
    verdict, came = answers[key].rejection or "valid", answers[key].came
    if usable and len({answer.rejection for answer in answers.values()}) > 1:
        which = "with" if key == usable[0] else "without"
        _note(f"the key is the right one {which} the white space around it")
    token, label, says = _guess(name, looks, stored) or (values[0], None, None)
    if verdict != "bad_signature":
        values = [came.token.decode()] if came else values  # of many, the app's choice
        says = ask(key, stored, _NO_LIMITS).came
    elif label is None:
        verdict = "no_token"
    elif usable is None:
        verdict = "not_checked" if says or label == _ENCRYPTED else "malformed"
    elif not usable:
        verdict = "unavailable"
    if says:
        token, label = says.token.decode() or token, stored[says.codec.format]
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


def _guess(
    name: str, looks: dict[str, _Look], formats: dict[Format, str]
) -> tuple[str, str, Opened | None] | None:
    """The first token, its likeliest format, and what it says, verified by nobody."""
    for token, (text, issued, word) in looks.items():
        likely = [format for format, label in formats.items() if word in label]
        for format in likely:
            with suppress(Malformed):
                says = format.bind(b"", name).parse(text, issued)
                return token, formats[format], says
        return token, formats[likely[0]], None
    return None


def _as_text(report: dict[str, Any]) -> str:
    verdict = report["verdict"]
    rows = {
        "cookie": report["cookie"],
        "format": report["format"] or "unknown",
        "size": f"{report['size']} of {_MAX_SIZE} bytes, name included",
        "valid": _VERDICTS[verdict],
    }
    if verdict == "valid" and report["format"] != _DEFAULT:
        rows["valid"] += (
            ", where the app has this format as `format` or in `accept`: the default is"
            f" {_DEFAULT}"
        )
    if report["contents"] is not None:
        if verdict == "malformed":
            rows["valid"] = (
                "NO, malformed, unless the app has a JSONTag of its own for a tag below"
            )
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
