"""The command line: ``python -m cookiesession keygen`` and ``... inspect``.

A key comes from the environment or a file, never from an argument, which every user of
the machine can see; it is never printed. What a cookie says is printed as ASCII JSON,
so that none of it reaches the terminal as a control character.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NoReturn

from . import inspection, keys
from .cookies import CookieOptions
from .errors import ConfigError
from .signed import SignedFormat

_QUIET = logging.NullHandler()  # what interfaces warn of is told in other words
_VERDICTS = {
    "valid": "yes",
    "not_checked": "not verified, for want of a key: anyone may have written this",
    "bad_signature": "NO, bad_signature: made with another key or salt, or for a cookie"
    " of another name, or changed since",
    "idle_expired": "NO, idle_expired: not renewed within the idle timeout",
    "absolute_expired": "NO, absolute_expired: older than the absolute timeout",
    "not_yet_valid": "NO, not_yet_valid: issued in the future",
    "malformed": "NO, malformed: this can be no session, unless the app has a JSONTag"
    " of its own for a tag in it",
    "no_token": "NO: this looks like no token at all (to the app, a bad_signature)",
    "too_large": "NO, too_large: no browser keeps such a cookie",
}
_PRETTY = 8192  # characters of JSON
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command == "keygen":
        print(keys.generate())
        return 0
    logging.getLogger("cookiesession").addHandler(_QUIET)
    try:
        report = _inspect(options)
    except (ConfigError, LookupError, OSError, OverflowError) as error:
        parser.error(str(error))
    print(json.dumps(report) if options.json else _as_text(report))
    return 0 if report["verdict"] in ("valid", "not_checked") else 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments"):
            message = "unrecognized: give a cookie that begins with - by standard input"
        super().error(ascii(message)[1:-1])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
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
    found = f"the cookie's name (default: found, or {CookieOptions.name})"
    option("--name", help=found)
    key = command.add_mutually_exclusive_group().add_argument
    from_env = "the environment variable with the key (default: SECRET_KEY, if set)"
    key("--key-env", metavar="VARIABLE", help=from_env)
    key("--key-file", metavar="FILE", type=Path, help="a file with the key instead")
    option("--salt", default=SignedFormat.salt, help="default: %(default)s")
    for flag in ("--idle-timeout", "--absolute-timeout"):
        text = "as the app has it; 0 for no limit (default: an interface's own)"
        option(flag, metavar="SECONDS", type=int, help=text)
    option("--json", action="store_true", help="print one JSON object, for programs")
    return parser


def _inspect(options: argparse.Namespace) -> dict[str, Any]:
    """What can be said of the cookie. What may mislead goes to standard error."""
    candidates = _keys(options)
    text = options.cookie
    if text is None:
        text = sys.stdin.buffer.read().decode("latin-1")  # as in an environ
    name, found = inspection.find(text, options.name)
    values = [value.strip('"') for value in found]
    if values != found:
        _note("quotes around a value are left out; an app would reject them")
    timeouts = {}
    for which in ("idle_timeout", "absolute_timeout"):
        if (seconds := getattr(options, which)) is not None:
            timeouts[which] = timedelta(seconds=seconds) or None  # no limit
    reports = [
        inspection.inspect(name, values, key, options.salt, **timeouts)
        for key in candidates
    ]
    report = min(reports, key=lambda each: each["verdict"] == "bad_signature")
    if len({each["verdict"] for each in reports}) > 1:
        which = "with" if report is reports[0] else "without"
        _note(f"the key is the right one {which} the white space around it")
    return report


def _keys(options: argparse.Namespace) -> list[bytes] | list[None]:
    """The key as it stands, and without white space around it: one of them may be the
    app's. None if there is no key."""
    if options.key_file:
        key: bytes = options.key_file.read_bytes()
    else:
        key = keys.to_bytes(os.environ.get(options.key_env or "SECRET_KEY")) or b""
    if not key.strip():
        if options.key_file or options.key_env:
            raise LookupError("there is no key where the options say")
        return [None]
    if problem := keys.problem(key):
        raise LookupError(f"cookiesession refuses this key: it {problem}")
    both = dict.fromkeys((key, key.strip()))
    return [each for each in both if keys.problem(each) is None]


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _as_text(report: dict[str, Any]) -> str:
    valid = _VERDICTS[report["verdict"]]
    if valid == "yes" and report["format"] == inspection.ID:
        valid = "yes, as an id: only its store knows the session"
    elif valid == "yes" and report["format"] != inspection.DEFAULT:
        valid = (
            "yes, where the app has this format as `format` or in `accept`: the default"
            f" is {inspection.DEFAULT}"
        )
    rows = {
        "cookie": report["cookie"],
        "format": report["format"] or "unknown",
        "size": f"{report['size']} of {CookieOptions.max_size} bytes, name included",
        "valid": valid,
    }
    if report["contents"] is not None:
        rows["issued"] = _moment(report["issued_at"])
        rows["created"] = _moment(report["created_at"])
        rows["permanent"] = "yes" if report["permanent"] else "no"
        contents = json.dumps(report["contents"])
        if len(contents) <= _PRETTY:  # what is forged may be nested without an end
            contents = json.dumps(report["contents"], indent=2)
        rows["contents"] = contents
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
