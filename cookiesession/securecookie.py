"""The policy over the codecs: when to set, renew or delete the cookie, and how the
response must speak of it.

The interface trusts the developer who configures it, after checking what they wrote,
and nothing that a client sends: whatever is wrong with a cookie, the app sees an empty
session and a word in ``session.rejection``.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import keys
from .cookies import CookieOptions, find_cookies
from .errors import ConfigError, SessionTooLarge, SessionUnavailable
from .headers import Headers, is_plain_http, is_shared, vary_on_cookie, without_cookie
from .interface import SessionInterface
from .serializer import MAX_JSON
from .sessions import NullSession, SecureCookieSession
from .tokens import Codec, Format, Keyring, Opened, Rejection, SignedFormat, Timeouts

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger("cookiesession")

# RFC 6265bis, section 5.5: "The RECOMMENDED limit is 400 days in the future."
_BROWSERS_KEEP = timedelta(days=400)
_BROWSERS_KEEP_SECONDS = _BROWSERS_KEEP.total_seconds()
_MAX_LEEWAY = timedelta(minutes=5)
# The longest token that is looked at, whatever max_size says: what other programs
# that sign with our key can make a browser keep.
_MAX_TOKEN = 4096
# A renewal is worth less than a newer session that it might overwrite.
_SLOW_RESPONSE = 2  # seconds


class SecureCookieSessionInterface(SessionInterface):
    """Keeps the whole session in one signed or encrypted cookie.

    :param secret_key: Signs every cookie; 32 random bytes, as ``str`` or ``bytes``.
        Without a usable key every request gets a null session, and one error is logged.
    :param fallback_keys: Keys whose cookies are still accepted, or already: they are
        written again under *secret_key* when their session is next touched.
    :param cookie: The cookie's name and attributes.
    :param format: How tokens are made.
    :param accept: Further formats that are read, and written again in *format*.
    :param idle_timeout: How long a session lives without use; ``None`` for no limit.
        Renewed by use in its second half only.
    :param absolute_timeout: How long it lives at most, from its creation; ``None`` for
        no limit.
    :param permanent: Whether a new session's cookie outlives the browser.
    :param leeway: How far another machine's clock may be ahead; at most 5 minutes.
    :param clock: Gives the current time in Unix seconds.
    :raises ConfigError: For options of wrong types or that cannot work, and for
        unusable fallback keys.
    """

    def __init__(
        self,
        secret_key: str | bytes | None,
        *,
        fallback_keys: Sequence[str | bytes] = (),
        cookie: CookieOptions = CookieOptions(),
        format: Format = SignedFormat(),
        accept: Sequence[Format] = (),
        idle_timeout: timedelta | None = timedelta(days=31),
        absolute_timeout: timedelta | None = timedelta(days=90),
        permanent: bool = False,
        leeway: timedelta = timedelta(seconds=60),
        clock: Callable[[], float] = time.time,
    ) -> None:
        fallbacks, faults = keys.fallbacks(fallback_keys)
        accepted, accept_faults = _accepted(accept)
        key = keys.to_bytes(secret_key)
        if key is None and secret_key is not None:
            faults.append("secret_key must be a str or bytes, or None.")
        if not isinstance(cookie, CookieOptions):
            faults.append("cookie must be a CookieOptions.")
        if not isinstance(format, Format):
            faults.append("format must be a SignedFormat or an EncryptedFormat.")
        elif format.cookie_name:
            faults.append("format's own cookie_name is for accept: use CookieOptions.")
        faults += accept_faults
        if isinstance(cookie, CookieOptions):
            faults += _deletion_faults(cookie, accepted)
        faults += _time_faults(idle_timeout, absolute_timeout, leeway)
        if type(permanent) is not bool:
            faults.append("permanent must be True or False.")
        if not callable(clock):
            faults.append("clock must be callable, as time.time is.")
        if faults:
            raise ConfigError("SecureCookieSessionInterface", faults)

        self.cookie = cookie
        self.permanent = permanent
        self._clock = clock
        self._timeouts = Timeouts(
            _seconds(idle_timeout), _seconds(absolute_timeout), _seconds(leeway)
        )
        self._renew_after = self._timeouts.idle / 2  # the second half of the window
        self._warned: set[str] = set()
        problem = "is missing" if key is None else keys.problem(key)
        self._problem = problem and f"secret_key {problem}. {keys.REMEDY}"
        if key is None or self._problem is not None:
            logger.error("sessions are not available: %s", self._problem)
            return
        if min(map(len, (key, *fallbacks))) < keys.GOOD_BYTES:
            logger.warning(
                "a session key has fewer than %d bytes. %s",
                keys.GOOD_BYTES,
                keys.REMEDY,
            )
        codecs: dict[str, list[Codec]] = {}
        for each in (format, *accepted):
            name = each.cookie_name or cookie.name
            bound = [each.bind(secret, name) for secret in (key, *fallbacks)]
            codecs.setdefault(name, []).extend(bound)
        max_token = max(cookie.max_size, _MAX_TOKEN)
        keyrings = {
            name: Keyring(each, self._timeouts, max_token)
            for name, each in codecs.items()
        }
        self.writer = codecs[cookie.name][0]
        self._carries_creation = (
            absolute_timeout is not None or self.writer.serializer.keeps_creation
        )
        self._ours = keyrings.pop(cookie.name)
        self._others = keyrings

    def __repr__(self) -> str:
        state = "misconfigured" if self._problem else "ready"
        return f"<{type(self).__name__} {self.cookie.name!r} {state}>"

    # -- the interface --------------------------------------------------------------

    def open_session(self, environ: WSGIEnvironment) -> SecureCookieSession | None:
        if self._problem is not None:
            return None
        return SecureCookieSession(self, environ.get("HTTP_COOKIE", ""))

    def make_null_session(self, environ: WSGIEnvironment) -> NullSession:
        if self._problem is None:
            return super().make_null_session(environ)
        return NullSession(self._problem)

    def save_session(  # type: ignore[override]  # it opens no other kind
        self,
        environ: WSGIEnvironment,
        session: SecureCookieSession,
        status: str,
        headers: Headers,
    ) -> None:
        if session.accessed or session._data is not None:
            cookies = self._cookies_to_set(session, status, headers)
            if cookies or session.accessed:
                vary_on_cookie(headers)
            if cookies:
                self._add_cookies(environ, headers, cookies)
        session._closed = True

    # -- for tests and tools --------------------------------------------------------

    def make_cookie(self, data: dict[str, Any]) -> str:
        """A Cookie header that holds a session: ``name=value``.

        :param data: The session's contents.
        :raises TypeError: For a value that cannot be stored.
        :raises SessionTooLarge: If the cookie would be too large.
        :raises SessionUnavailable: Without a usable key.
        """
        session = self._session("")
        session |= data
        return f"{self.cookie.name}={self._seal(session)[0]}"

    def read_cookie(self, header: str) -> dict[str, Any]:
        """The contents of the session in a cookie.

        :param header: The value of a Cookie or Set-Cookie header.
        :returns: An empty dict if there is no valid session.
        :raises SessionUnavailable: Without a usable key.
        """
        return self._session(header).copy()

    def _session(self, header: str) -> SecureCookieSession:
        if self._problem is not None:
            raise SessionUnavailable(f"no session is available: {self._problem}")
        return SecureCookieSession(self, header)

    # -- reading ----------------------------------------------------------------------

    def load(self, header: str) -> tuple[Opened | Rejection | None, float]:
        """What the Cookie header holds: a session, why not, or ``None``; and the time.

        A cookie of another name, of a format in ``accept``, is looked at only when
        there is none of ours.
        """
        now = self._clock()
        values = find_cookies(header, self.cookie.name)
        found: Opened | Rejection | None = None
        if values:
            found = self._ours.read(values, int(now))
        elif self._others:
            found = self._read_others(header, int(now))
        if type(found) is str:
            log = logger.debug if found.endswith("_expired") else logger.info
            log("a session cookie was rejected: %s", found)
        return found, now

    def _read_others(self, header: str, now: int) -> Opened | Rejection | None:
        found: Opened | Rejection | None = None
        for name, keyring in self._others.items():
            values = find_cookies(header, name)
            if values:
                found = keyring.read(values, now)
                if isinstance(found, Opened):
                    break
        return found

    # -- writing ----------------------------------------------------------------------

    def _cookies_to_set(
        self, session: SecureCookieSession, status: str, headers: Headers
    ) -> list[str]:
        """The Set-Cookie values that this response owes the session."""
        opened = session._opened
        if session._is_modified():
            ours = self._save(session, status)
        elif opened is not None and (
            opened.codec is not self.writer
            or session._loaded_at - opened.issued > self._renew_after
        ):
            ours = self._reissue(session, status, headers)
        else:
            return []
        if ours is None:
            return []
        # The cookie of another name that the session came from, or that would be looked
        # at once ours is gone: no logout may be undone by it.
        return [ours] + [
            self.cookie.delete_cookie(name)
            for name in self._others
            if find_cookies(session._header, name)
        ]

    def _save(self, session: SecureCookieSession, status: str) -> str | None:
        """The Set-Cookie value for a session that was changed."""
        fails = status.startswith("5")
        if session._data and not fails:
            return self.cookie.set_cookie(*self._seal(session))
        came = session._opened is not None or session._rejection is not None
        if came and (not session._data or session._cleared):
            # A logout always holds: also in a response that fails, and also where the
            # new session that clear() began cannot be saved by it.
            return self.cookie.delete_cookie()
        return None

    def _reissue(
        self, session: SecureCookieSession, status: str, headers: Headers
    ) -> str | None:
        """The Set-Cookie value for a session that nothing but time or a key changed.

        Best effort: old data must not go over a newer session, which a slow response
        would do, and a shared cache must not hand a session to others.
        """
        slow = self._clock() - session._loaded_at > _SLOW_RESPONSE
        if not session._data or slow or status.startswith("5") or is_shared(headers):
            return None
        try:
            return self.cookie.set_cookie(*self._seal(session))
        except (SessionTooLarge, TypeError):
            self._warn_once(
                "a session could not be issued again: it has become too large, or the"
                " format cannot store all of it. The old cookie is kept."
            )
        return None

    def _seal(self, session: SecureCookieSession) -> tuple[str, int | None]:
        """The token for a session, and when the browser is to forget it."""
        data, permanent, created = session._data, session._permanent, session._created
        assert data is not None
        issued = int(self._clock())
        if created is None or created > issued:
            created = issued
        carried = created if created < issued and self._carries_creation else None
        text = self.writer.render(data, permanent, carried, plain=session._is_plain())
        if len(text) > MAX_JSON:
            raise self._too_large("JSON of the session", len(text), MAX_JSON, session)
        token = self.writer.seal(text, issued, created)
        size = len(self.cookie.name) + len(token)
        if size > self.cookie.max_size:
            raise self._too_large(
                "session cookie's name and value", size, self.cookie.max_size, session
            )
        if not permanent:
            return token, None
        return token, int(
            min(self._timeouts.end(issued, created), issued + _BROWSERS_KEEP_SECONDS)
        )

    def _too_large(
        self, what: str, size: int, limit: int, session: SecureCookieSession
    ) -> SessionTooLarge:
        serializer = self.writer.serializer
        sizes = {k: len(serializer.dumps({k: v})) for k, v in session.items()}
        biggest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
        return SessionTooLarge(what, size, limit, biggest)

    def _add_cookies(
        self, environ: WSGIEnvironment, headers: Headers, cookies: list[str]
    ) -> None:
        names = [name.lower() for name, _ in headers]
        if "set-cookie" in names:
            # RFC 6265bis, section 4.1.1: "Servers SHOULD NOT include more than one
            # Set-Cookie header field in the same response with the same cookie-name."
            headers[:] = without_cookie(headers, self.cookie.name)
        headers += [("Set-Cookie", cookie) for cookie in cookies]
        if "cache-control" not in names:
            headers.append(("Cache-Control", "private"))
        elif is_shared(headers):
            self._warn_once(
                "a response that sets the session cookie has `public` or `s-maxage` in"
                " its Cache-Control: a shared cache may give one user's session to"
                " others."
            )
        if self.cookie.secure and is_plain_http(environ):
            self._warn_once(
                "a Secure session cookie is set over http, on a host that is not local:"
                " browsers drop it. Serve the app over https. Behind a proxy that ends"
                " TLS, let the server trust its X-Forwarded-Proto (gunicorn:"
                " --forwarded-allow-ips; any server: werkzeug's ProxyFix). For plain"
                ' http on a LAN: CookieOptions(name="session", secure=False).'
            )

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            logger.warning(message)


def _seconds(duration: timedelta | None) -> float:
    return math.inf if duration is None else duration.total_seconds()


def _accepted(given: object) -> tuple[list[Format], list[str]]:
    """The formats to accept, and the fault if they are none."""
    if isinstance(given, Iterable):
        formats = list(given)
        if all(isinstance(each, Format) for each in formats):
            return formats, []
    return [], ["accept must be a list of formats."]


def _deletion_faults(cookie: CookieOptions, accepted: list[Format]) -> list[str]:
    """Why browsers would keep a cookie of another name that we have to delete."""
    return [
        f"accept, cookie {name!r}: {fault}"
        for name in {each.cookie_name for each in accepted if each.cookie_name}
        for fault in cookie.faults_of(name)
    ]


def _time_faults(idle: object, absolute: object, leeway: object) -> list[str]:
    faults = []
    for name, value in (("idle_timeout", idle), ("absolute_timeout", absolute)):
        if value is not None and (
            not isinstance(value, timedelta) or value < timedelta(seconds=1)
        ):
            faults.append(f"{name} must be a timedelta of at least a second, or None.")
    if isinstance(idle, timedelta) and idle > _BROWSERS_KEEP:
        faults.append("idle_timeout must be at most 400 days: no browser keeps longer.")
    if not isinstance(leeway, timedelta) or not timedelta(0) <= leeway <= _MAX_LEEWAY:
        faults.append("leeway must be a timedelta from 0 to 5 minutes.")
    return faults
