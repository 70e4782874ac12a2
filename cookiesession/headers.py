"""What a request says of its transport, and a response of its caching.

Nothing here knows sessions: plain rules of HTTP over plain lists of headers.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]

# What says enough of Cookie, and of shared caches.
_VARIES = frozenset(("cookie", "*"))
_PRIVATE = frozenset(("private", "no-store"))
_SHARED = frozenset(("public", "s-maxage"))
# A name, and what it may have: "token / quoted-string" (RFC 9111, section 5.2).
_ITEM = re.compile(r'([^\s,="]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,]*))?')


def vary_on_cookie(headers: Headers) -> None:
    """Merge ``Vary: Cookie`` (RFC 9110, section 12.5.5) into the headers."""
    _merge(headers, "Vary", "Cookie", _VARIES)


def keep_private(headers: Headers) -> None:
    """Keep shared caches from storing the response, unless it speaks of them.

    RFC 9111, section 3: without ``private`` or ``no-store`` they may store what has,
    say, a ``max-age``.
    """
    _merge(headers, "Cache-Control", "private", _PRIVATE | _SHARED)


def is_shared(headers: Headers) -> bool:
    """Whether shared caches may keep the response (RFC 9111, section 5.2.2)."""
    return any(
        name.lower() == "cache-control" and _directives(value) & _SHARED
        for name, value in headers
    )


def sets_cookie(headers: Headers, cookie_name: str) -> bool:
    """Whether there is a Set-Cookie of this cookie."""
    return any(_is_cookie(*header, cookie_name) for header in headers)


def set_cookie(headers: Headers, cookie_name: str, value: str) -> None:
    """Add a Set-Cookie, in the place of any other of this cookie.

    RFC 6265bis, section 4.1.1: "Servers SHOULD NOT include more than one Set-Cookie
    header field in the same response with the same cookie-name."
    """
    headers[:] = [each for each in headers if not _is_cookie(*each, cookie_name)]
    headers.append(("Set-Cookie", value))


def repeat(saved: Headers, headers: Headers) -> None:
    """Give a response what a save has put on the one whose place it takes.

    :param saved: The headers that the save added or changed.
    """
    for name, value in saved:
        kind = name.lower()
        if kind == "vary":
            vary_on_cookie(headers)
        elif kind == "cache-control":
            # Whatever this response says: it has the cookie now.
            _merge(headers, "Cache-Control", "private", _PRIVATE)
        elif kind == "set-cookie":
            set_cookie(headers, value.partition("=")[0], value)
        elif (name, value) not in headers:
            headers.append((name, value))


def _merge(headers: Headers, name: str, item: str, enough: frozenset[str]) -> None:
    """Add an item to the last header of this name, or the header; not where one of them
    has one of the items that are enough."""
    kind, last = name.lower(), None
    for header in headers:
        if header[0].lower() == kind:
            if _directives(header[1]) & enough:
                return
            last = header
    if last is None:
        headers.append((name, item))
    else:
        theirs, value = last
        value = f"{value}, {item}" if value.strip() else item
        headers[headers.index(last)] = (theirs, value)


def _directives(value: str) -> set[str]:
    """The names in a list. ``private="field"`` "allows a shared cache to store" the
    rest (RFC 9111, section 5.2.2.7), so it counts for Set-Cookie alone."""
    return {
        name.lower()
        for name, argument in _ITEM.findall(value)
        if not argument or name.lower() != "private" or "set-cookie" in argument.lower()
    }


def _is_cookie(name: str, value: str, cookie_name: str) -> bool:
    return (
        name.lower() == "set-cookie"
        and value.partition(";")[0].partition("=")[0].strip(" \t") == cookie_name
    )


def drops_secure_cookies(environ: WSGIEnvironment) -> bool:
    """Whether a browser will refuse Secure cookies: not TLS and not this machine."""
    if environ.get("wsgi.url_scheme") == "https":
        return False
    host = (environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")).lower()
    if host.startswith("["):
        name = host[1:].partition("]")[0]
    else:
        name = host.partition(":")[0] if host.count(":") == 1 else host
    if name == "localhost" or name.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(name).is_loopback
    except ValueError:
        return True
