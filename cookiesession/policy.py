"""What all our interfaces have in common: their options, and the cookie's manners.

Whether a cookie holds the session or leads to it, the same options make it, and the
same rules say when a response may renew it and how the response must speak of it. The
developer who configures an interface is trusted, after checking what they wrote.
"""

from __future__ import annotations

import logging
import secrets
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from . import keys, timeouts
from .cookies import CookieOptions, find_cookies
from .errors import ConfigError, SessionUnavailable
from .headers import (
    Headers,
    drops_secure_cookies,
    is_shared,
    keep_private,
    set_cookie,
    sets_cookie,
    vary_on_cookie,
)
from .interface import SessionInterface
from .sessions import NullSession, TrackedSession
from .timeouts import Timeouts
from .tokens import Format, accepted
from .tracking import Tracked

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger("cookiesession")

_Session_co = TypeVar("_Session_co", bound=TrackedSession, covariant=True)

# A renewal is worth less than a newer session that it might overwrite.
_SLOW_RESPONSE = 2  # seconds


@dataclass(frozen=True, repr=False)
class Settings:
    """An interface's options, checked."""

    #: The usable keys, the secret key first; where that cannot be used, one that nobody
    #: knows.
    keys: tuple[bytes, ...]
    #: What is wrong with the secret key, and the remedy; empty if it is usable.
    problem: str
    cookie: CookieOptions
    #: The format that writes, then those that are accepted.
    formats: tuple[Format, ...]
    timeouts: Timeouts
    permanent: bool
    clock: Callable[[], float]

    @classmethod
    def check(
        cls,
        subject: str,
        secret_key: str | bytes | None,
        *,
        fallback_keys: Sequence[str | bytes],
        cookie: CookieOptions,
        format: Format,
        accept: Sequence[Format],
        idle_timeout: timedelta | None,
        absolute_timeout: timedelta | None,
        permanent: bool,
        leeway: timedelta,
        clock: Callable[[], float],
        faults: Iterable[str] = (),
    ) -> Settings:
        """The options of an interface; logs what is wrong with its key.

        :param faults: What is wrong with the options that are its own.
        :raises ConfigError: For options of wrong types or that cannot work, and for
            unusable fallback keys; lists every fault.
        """
        fallbacks, key_faults = keys.fallbacks(fallback_keys)
        accepted_formats, accept_faults = accepted(accept)
        faults = [*faults, *key_faults]
        key = keys.to_bytes(secret_key)
        if key is None and secret_key is not None:
            faults.append(
                "secret_key must be a str or bytes, or None; further keys go into"
                " fallback_keys."
            )
        if not isinstance(cookie, CookieOptions):
            faults.append("cookie must be a CookieOptions.")
        if not isinstance(format, Format):
            faults.append("format must be a SignedFormat or an EncryptedFormat.")
        faults += accept_faults
        if isinstance(cookie, CookieOptions):
            faults += _deletion_faults(cookie, accepted_formats)
        faults += timeouts.faults_of(idle_timeout, absolute_timeout, leeway)
        if type(permanent) is not bool:
            faults.append("permanent must be True or False.")
        if not callable(clock):
            faults.append("clock must be callable, as time.time is.")
        if faults:
            raise ConfigError(subject, faults)

        problem = "is missing" if key is None else keys.problem(key)
        if key is None or problem is not None:
            problem = f"secret_key {problem}. {keys.REMEDY}"
            logger.error("sessions are not available: %s", problem)
            usable: tuple[bytes, ...] = (secrets.token_bytes(keys.GOOD_BYTES),)
        else:
            usable = (key, *fallbacks)
            keys.warn_of(usable)
        return cls(
            usable,
            problem or "",
            cookie,
            # Its cookie is named by CookieOptions.
            (replace(format, cookie_name=None), *accepted_formats),
            Timeouts.of(idle_timeout, absolute_timeout, leeway),
            permanent,
            clock,
        )


class Manners:
    """When a response may renew the cookie, and how it must speak of it.

    :param cookie: The cookie's name and attributes.
    :param others: The names of further cookies that the session may come from.
    """

    def __init__(self, cookie: CookieOptions, others: Iterable[str]) -> None:
        self._cookie = cookie
        self._others = tuple(others)
        self._warned: set[str] = set()

    def warn_once(self, message: str) -> None:
        """Log a warning, the first time."""
        if message not in self._warned:
            self._warned.add(message)
            logger.warning(message)

    def warn_of_another(self) -> None:
        """Warn that two interfaces of one request have the same cookie."""
        self.warn_once(
            "two session interfaces of one app have the cookie name"
            f" {self._cookie.name!r}: each overwrites the other's sessions. Give one of"
            " them another name."
        )

    def allows_reissue(self, status: str, headers: Headers, seconds: float) -> bool:
        """Whether a response may carry a session that nothing but time or a key
        changed.

        Best effort: old data must not go over a newer session, which a slow response
        would do, nor over what the app itself says of the cookie, and a shared cache
        must not hand a session to others.

        :param seconds: How long ago the session was read.
        """
        if seconds > _SLOW_RESPONSE or status.startswith("5"):
            return False
        if is_shared(headers):
            self._warn_of_sharing()
            return False
        names = (self._cookie.name, *self._others)
        return not any(sets_cookie(headers, name) for name in names)

    def add_cookie(
        self, environ: WSGIEnvironment, headers: Headers, cookie: str, came: str
    ) -> None:
        """Let a response set the cookie, or delete it.

        :param cookie: The Set-Cookie value.
        :param came: The request's Cookie header.
        """
        name = cookie.partition("=")[0]
        kinds = [key.lower() for key, _ in headers]
        if "set-cookie" in kinds:
            if sets_cookie(headers, name):
                self.warn_once(
                    f"the response sets the cookie {name!r} itself, and so does its"
                    " session: the session's is sent. Give the other one another name."
                )
            set_cookie(headers, name, cookie)
        else:
            headers.append(("Set-Cookie", cookie))
        if self._others:
            self._delete_others(headers, came, name)
        if "cache-control" not in kinds:
            headers.append(("Cache-Control", "private"))
        elif is_shared(headers):
            self._warn_of_sharing()
        else:
            keep_private(headers)
        if self._cookie.secure and drops_secure_cookies(environ):
            self.warn_once(
                "a Secure session cookie is set over http, on a host that is not local:"
                " browsers drop it. Serve the app over https. Behind a proxy that ends"
                " TLS, let the server trust its X-Forwarded-Proto (gunicorn:"
                " --forwarded-allow-ips; any server: werkzeug's ProxyFix). For plain"
                ' http on a LAN: CookieOptions(name="session", secure=False).'
            )

    def _delete_others(self, headers: Headers, came: str, ours: str) -> None:
        """Delete the cookies of other names that the session came from, or that would
        be looked at once ours is gone: no logout may be undone by them."""
        for name in self._others:
            if name == ours or not find_cookies(came, name):
                continue
            if sets_cookie(headers, name):
                self.warn_once(
                    f"the response sets the cookie {name!r}, from which sessions are"
                    " taken over: it is not deleted, and may bring an old session"
                    " back. Take its format out of `accept`, or stop setting it."
                )
            else:
                headers.append(("Set-Cookie", self._cookie.delete_cookie(name)))

    def _warn_of_sharing(self) -> None:
        self.warn_once(
            "a response that sets the session cookie has `public` or `s-maxage` in its"
            " Cache-Control: a shared cache may give one user's session to others."
        )


class CookieInterface(SessionInterface, Generic[_Session_co]):
    """An interface whose sessions a cookie holds, or leads to.

    A kind of session says what its class is, what a Cookie header brings and what the
    response owes it. What does not depend on where it is kept is here.

    :param settings: The options, checked.
    :param others: The names of further cookies that a session may come from.
    """

    #: What the app gets.
    session_class: type[_Session_co]

    def __init__(self, settings: Settings, others: Iterable[str]) -> None:
        #: The cookie's name and attributes.
        self.cookie = settings.cookie
        #: Whether a new session's cookie outlives the browser.
        self.permanent = settings.permanent
        #: Gives the current time in Unix seconds.
        self.clock = settings.clock
        #: What is wrong with the secret key, and the remedy; empty if it is usable.
        self.problem = settings.problem
        #: How long sessions live.
        self.timeouts = settings.timeouts
        #: How responses speak of the cookie.
        self.manners = Manners(settings.cookie, others)
        self._mark = f"cookiesession.open.{settings.cookie.name}"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled, as it holds keys: make it in"
            " every process"
        )

    def __repr__(self) -> str:
        state = "misconfigured" if self.problem else "ready"
        return f"<{type(self).__name__} {self.cookie.name!r} {state}>"

    # -- the interface --------------------------------------------------------------

    @property
    def mark(self) -> str:
        return self._mark

    def open_session(self, environ: WSGIEnvironment) -> _Session_co | None:
        if self.problem:
            return None
        if self._mark in environ:  # one of ours would have been taken up
            self.manners.warn_of_another()
        return self.session_class(self, environ.get("HTTP_COOKIE", ""))

    def make_null_session(self, environ: WSGIEnvironment) -> NullSession:
        if not self.problem:
            return super().make_null_session(environ)
        return NullSession(self.problem)

    def save_session(  # type: ignore[override]  # it opens no other kind
        self,
        environ: WSGIEnvironment,
        session: TrackedSession,
        status: str,
        headers: Headers,
    ) -> None:
        tracked = session.tracked
        if tracked is not None:
            cookie = self.cookie_to_set(tracked, status, headers)
            if cookie is not None:
                self.manners.add_cookie(environ, headers, cookie, session.header)
                session.accessed = True  # by whoever gets the cookie
        if session.accessed:
            vary_on_cookie(headers)
        session.closed = True

    # -- for tests and tools --------------------------------------------------------

    def read_cookie(self, header: str) -> dict[str, Any]:
        """The contents of the session that a cookie holds, or leads to.

        :param header: The value of a Cookie or Set-Cookie header.
        :returns: An empty dict if there is no valid session.
        :raises SessionUnavailable: Without a usable key.
        """
        return self.session_of(header).copy()

    def session_of(self, header: str) -> _Session_co:
        """The session of a Cookie header, outside of any request.

        :raises SessionUnavailable: Without a usable key.
        """
        if self.problem:
            raise SessionUnavailable(f"no session is available: {self.problem}")
        return self.session_class(self, header)

    # -- what a kind of session says --------------------------------------------------

    @abstractmethod
    def load(self, header: str) -> Tracked:
        """What a Cookie header brings: for the sessions that this interface opens."""

    @abstractmethod
    def check(self, key: str, value: Any) -> bool:
        """Refuse what cannot be stored: for the sessions that this interface opens.

        :returns: Whether the value is stored as it is and cannot change inside.
        :raises TypeError: For a value that cannot be stored; names its place.
        :raises ValueError: For a key that bookkeeping needs.
        """

    @abstractmethod
    def differs_inside(self, tracked: Any) -> bool:
        """Whether an equal session differs by its text: for its sessions."""

    @abstractmethod
    def cookie_to_set(self, tracked: Any, status: str, headers: Headers) -> str | None:
        """Save a session that was touched; the Set-Cookie value that the response owes
        it."""

    def set_cookie(
        self, token: str, tracked: Tracked, issued: int, name: str | None = None
    ) -> str:
        """The Set-Cookie value for a token, which the browser keeps as long as the
        session lives if it is permanent.

        :param name: The cookie's, where it is not ours.
        """
        expires = None
        if tracked.permanent:
            expires = self.timeouts.expires(issued, min(tracked.created, issued))
        return self.cookie.set_cookie(token, expires, name)


def log_rejection(reason: str) -> None:
    """Log why a cookie was not used: one line, and nothing that the client sent."""
    log = logger.debug if reason.endswith("_expired") else logger.info
    log("a session cookie was rejected: %s", reason)


def _deletion_faults(cookie: CookieOptions, formats: list[Format]) -> list[str]:
    """Why browsers would keep a cookie of another name that we have to delete."""
    return [
        f"accept, cookie {name!r}: {fault}"
        for name in {each.cookie_name for each in formats if each.cookie_name}
        for fault in cookie.faults_of(name)
    ]
