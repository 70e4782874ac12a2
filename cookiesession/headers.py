"""What a request says of its transport, and a response of its caching.

Nothing here knows sessions: plain rules of HTTP over plain lists of headers.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]


def vary_on_cookie(headers: Headers) -> None:
    """Merge ``Vary: Cookie`` (RFC 9110, section 12.5.5) into the headers."""
    last = None
    for index, (name, value) in enumerate(headers):
        if name.lower() == "vary":
            fields = {field.strip().lower() for field in value.split(",")}
            if "cookie" in fields or "*" in fields:
                return
            last = index
    if last is None:
        headers.append(("Vary", "Cookie"))
    else:
        name, value = headers[last]
        headers[last] = (name, f"{value}, Cookie" if value.strip() else "Cookie")


def without_cookie(headers: Headers, cookie_name: str) -> Headers:
    """The headers without any Set-Cookie of this cookie."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() != "set-cookie"
        or value.partition("=")[0].strip(" \t") != cookie_name
    ]


def is_shared(headers: Headers) -> bool:
    """Whether shared caches may keep the response (RFC 9111, section 5.2.2)."""
    return any(
        directive.partition("=")[0].strip().lower() in ("public", "s-maxage")
        for name, value in headers
        if name.lower() == "cache-control"
        for directive in value.split(",")
    )


def is_plain_http(environ: WSGIEnvironment) -> bool:
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
