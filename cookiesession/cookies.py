"""Cookie syntax: find our cookie in a header, write ``Set-Cookie``.

Readers of the Cookie header disagree, and attackers live in the differences:
percent-decoding, unquoting or trimming Unicode white space lets a cookie that the
browser calls something else pass for ours. So nothing here is decoded. A cookie is ours
when its bytes say so, just as the browser compared them (RFC 6265bis, section 5.7).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from werkzeug.http import dump_cookie

from .errors import ConfigError

logger = logging.getLogger("cookiesession")

# RFC 9110, section 5.6.2: token = 1*tchar
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 6265bis, section 4.1.1: av-octet is any CHAR except CTLs or ";"
_AV_OCTETS = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# URL Standard, "ends in a number checker": digits, or 0x and hexadecimal digits.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
# What dump_cookie() quotes and a browser does not, so that the two never match; and
# what no path of a URL can hold.
_NOT_IN_PATHS = re.compile(r"[\[\]|\\^?#]")
# What browsers keep, less the shortest token of the default format.
_MAX_NAME = 4096 - 54
# Beyond any header that servers take: a forged cookie must not be costly to refuse.
_LARGEST_COOKIE = 1_000_000
# RFC 6265bis, section 5.6: "If the attribute-value is longer than 1024 octets, ignore
# the cookie-av string".
_MAX_ATTRIBUTE = 1024
_NAME_FAULT = (
    "name must be a non-empty ASCII token (RFC 9110): letters, digits and"
    " !#$%&'*+-.^_`|~ only."
)


def find_cookies(header: str, name: str) -> list[str]:
    """All values of the cookie *name* in a Cookie header, in the header's order.

    One pass over the header, never an exception. Only a space or a tab is trimmed, the
    name is compared case-sensitively, and quotes mean nothing: they "are part of the
    cookie-value" (RFC 6265bis, section 4.1.1).

    :param header: The header as the server gives it, bytes read as Latin-1.
    """
    found: list[str] = []
    for pair in header.split(";"):
        if name in pair:
            key, equals, value = pair.partition("=")
            if equals and key.strip(" \t") == name:
                found.append(value.strip(" \t"))
    return found


def is_cookie_name(name: object) -> bool:
    """Whether *name* can name a cookie: a non-empty token of RFC 9110."""
    return isinstance(name, str) and _TOKEN.fullmatch(name) is not None


@dataclass(frozen=True, kw_only=True)
class CookieOptions:
    """The cookie's name and attributes; the defaults are the safest that browsers know.

    For plain HTTP on a local network: ``CookieOptions(name="session", secure=False)``.

    :param name: The ``__Host-`` prefix makes browsers refuse the cookie unless it comes
        from this very host, over TLS.
    :param path: Where on the host the cookie is sent. No protection against other paths
        of the host (RFC 6265bis, section 8.6).
    :param domain: ``None`` for this host alone; a domain shares the cookie with all its
        subdomains, and needs another prefix than ``__Host-``.
    :param secure: Send over TLS only. Browsers make an exception for localhost.
    :param httponly: Hide the cookie from scripts.
    :param samesite: ``"Lax"``, ``"Strict"`` or ``"None"``, always written explicitly.
    :param partitioned: One cookie jar per embedding site (CHIPS).
    :param max_size: The most bytes that name and value may have together, as browsers
        count: "If the sum of the lengths of the name string and the value string is
        more than 4096 octets, abort" (RFC 6265bis, section 5.6).
    :raises ConfigError: For options that browsers would refuse; lists every fault.
    """

    name: str = "__Host-session"
    path: str = "/"
    domain: str | None = None
    secure: bool = True
    httponly: bool = True
    samesite: str = "Lax"
    partitioned: bool = False
    max_size: int = 4096

    def __post_init__(self) -> None:
        if faults := [*self._faults(), *self.faults_of(self.name)]:
            raise ConfigError("CookieOptions", faults)
        if self.domain is not None and "." not in self.domain:
            logger.warning(
                "CookieOptions: browsers refuse most cookies for a domain without a"
                " dot; leave domain=None to keep the cookie on one host."
            )

    def set_cookie(
        self, value: str, expires: int | None = None, name: str | None = None
    ) -> str:
        """The Set-Cookie value that stores *value*.

        :param expires: When the browser forgets the cookie, in Unix seconds; ``None``
            for the end of the browser's session.
        :param name: Another cookie's name, of one that has the same attributes.
        """
        if expires is None:
            return f"{name or self.name}={value}{self._attributes}"
        return self._dump(name or self.name, value, expires=expires)

    def delete_cookie(self, name: str | None = None) -> str:
        """The Set-Cookie value that deletes the cookie.

        It repeats every attribute: a browser deletes only the cookie that it would have
        replaced, and a prefix's rules hold for a deletion as well.

        :param name: Another cookie's name, of one that had the same attributes.
        """
        return self._dump(name or self.name, "", expires=0, max_age=0)

    @cached_property
    def _attributes(self) -> str:
        # A token needs no quotes, so the rest can be made once: dump_cookie() is slow.
        return self._dump(self.name, "").partition("=")[2]

    def _dump(
        self,
        name: str,
        value: str,
        *,
        expires: int | None = None,
        max_age: int | None = None,
    ) -> str:
        return dump_cookie(
            name,
            value,
            max_age=max_age,
            expires=expires,
            path=self.path,
            domain=self.domain,
            secure=self.secure,
            httponly=self.httponly,
            samesite=self.samesite,
            partitioned=self.partitioned,
            max_size=0,  # the limit is kept by the session interface, which raises
        )

    def _faults(self) -> list[str]:
        faults = [
            f"{field} must be {'True or False' if kind is bool else kind.__name__}."
            for field, kind in (
                ("secure", bool),
                ("httponly", bool),
                ("partitioned", bool),
                ("max_size", int),
            )
            if type(getattr(self, field)) is not kind
        ]
        if type(self.max_size) is int and self.max_size < 1:
            faults.append("max_size must be at least 1 byte.")
        if type(self.max_size) is int and self.max_size > _LARGEST_COOKIE:
            faults.append(f"max_size must be at most {_LARGEST_COOKIE} bytes.")
        return [
            *faults,
            *_path_faults(self.path),
            *_domain_faults(self.domain),
            *self._combination_faults(),
        ]

    def faults_of(self, name: str) -> list[str]:
        """Why browsers would refuse a cookie of this name with these attributes."""
        if not is_cookie_name(name):
            return [_NAME_FAULT]
        faults = []
        if len(name) > _MAX_NAME:
            faults.append(
                f"name must be at most {_MAX_NAME} bytes, to leave room for a token."
            )
        for prefix, needs in _PREFIXES.items():
            if not name.lower().startswith(prefix.lower()):
                continue
            if not name.startswith(prefix):
                faults.append(
                    f"name must spell its prefix {prefix} exactly: browsers apply the"
                    " prefix's rules whatever the case, servers do not."
                )
            for field, wanted in needs.items():
                if getattr(self, field) != wanted:
                    faults.append(f"a {prefix} name needs {field}={wanted!r}.")
            break
        return faults

    def _combination_faults(self) -> list[str]:
        faults = []
        if self.samesite not in ("Strict", "Lax", "None"):
            faults.append(
                'samesite must be "Lax", "Strict" or "None" (the string): what browsers'
                " do without it differs."
            )
        if self.samesite == "None" and not self.secure:
            faults.append('samesite="None" needs secure=True.')
        if self.partitioned and not self.secure:
            faults.append("partitioned=True needs secure=True.")
        if self.partitioned and self.samesite != "None":
            faults.append(
                'partitioned=True needs samesite="None": other cookies are never sent'
                " from within another site's page."
            )
        return faults


# The longest first: RFC 6265bis, section 4.1.3, and for the Http- ones its successor,
# draft-ietf-httpbis-layered-cookies.
_PREFIXES: dict[str, dict[str, Any]] = {
    "__Host-Http-": {"secure": True, "path": "/", "domain": None, "httponly": True},
    "__Host-": {"secure": True, "path": "/", "domain": None},
    "__Http-": {"secure": True, "httponly": True},
    "__Secure-": {"secure": True},
}


def _path_faults(path: object) -> list[str]:
    if not isinstance(path, str) or not path.startswith("/"):
        return ['path must be a string that starts with "/".']
    faults = []
    if not _AV_OCTETS.fullmatch(path):
        faults.append('path must be printable ASCII without ";".')
    elif _NOT_IN_PATHS.search(path):
        faults.append("path must be without []|\\^?#: browsers never send it back.")
    elif len(dump_cookie("", path=path)) - len("=; Path=") > _MAX_ATTRIBUTE:
        faults.append(f"path must be at most {_MAX_ATTRIBUTE} bytes, as it is quoted.")
    return faults


def _domain_faults(domain: object) -> list[str]:
    if domain is None:
        return []
    if not isinstance(domain, str) or not domain:
        return ["domain must be a host name, or None for this host alone."]
    # Browsers take any name that ends in a number for an IPv4 address.
    if domain.count(":") > 1 or _NUMBER.fullmatch(domain.rpartition(".")[2]):
        return ["domain must not be an IP address; leave it None."]
    if domain.startswith("."):
        return ["domain must not start with a dot: it covers subdomains without."]
    if len(domain) > 253 or not all(map(_LABEL.fullmatch, domain.split("."))):
        return ["domain must be a host name in ASCII (A-labels), without a port."]
    return []
