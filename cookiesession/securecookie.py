"""The cookie as the place where a session is kept, whole, signed or encrypted.

Nothing that a client sends is trusted: whatever is wrong with a cookie, the app sees an
empty session and a word in ``session.rejection``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from .cookies import CookieOptions
from .errors import SessionTooLarge
from .headers import Headers
from .keyring import CookieReader
from .policy import CookieInterface, Settings, log_rejection
from .sealing import GOES_ON, NOT_REISSUED, Sealer, goes_on
from .sessions import TrackedSession
from .signed import FLASK, SignedFormat
from .tokens import Format, Opened
from .tracking import Tracked


class SecureCookieSession(TrackedSession):
    """The session of one request, kept whole in a signed or encrypted cookie.

    Use it as a dict. Values come back as the types that they had. A change deep inside
    a value is seen as well; an assignment of an equal value is no change.

    :param keeper: The interface that opens and saves this session.
    :param header: The request's Cookie header; not looked at before the first touch.
    """

    __slots__ = ()


class SecureCookieSessionInterface(CookieInterface[SecureCookieSession]):
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

    session_class = SecureCookieSession

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
        settings = Settings.check(
            type(self).__name__,
            secret_key,
            fallback_keys=fallback_keys,
            cookie=cookie,
            format=format,
            accept=accept,
            idle_timeout=idle_timeout,
            absolute_timeout=absolute_timeout,
            permanent=permanent,
            leeway=leeway,
            clock=clock,
        )
        self._reader = CookieReader(
            cookie.name,
            settings.formats,
            settings.keys,
            settings.timeouts,
            cookie.max_size,
        )
        self._writer = self._reader.writer
        super().__init__(settings, self._reader.others)
        self._sealer = Sealer(absolute_timeout is not None, cookie.max_size)

    @classmethod
    def from_flask_config(
        cls, config: Mapping[str, Any]
    ) -> SecureCookieSessionInterface:
        """The interface that shares a Flask app's own cookie.

        Its keys, name, attributes and lifetime are Flask's, and so is the format: what
        one writes the other reads. Two things Flask has no word for: a cookie without
        SameSite is written with ``Lax``, which is what browsers take it for, and there
        is no absolute timeout, because Flask would show its creation time as a key.

        :param config: ``app.config``, or any mapping with some of its keys; what is not
            there is as in Flask.
        :raises ConfigError: For what browsers would refuse, and for unusable keys in
            ``SECRET_KEY_FALLBACKS``.
        """
        lifetime = config.get("PERMANENT_SESSION_LIFETIME", timedelta(days=31))
        if isinstance(lifetime, int):
            lifetime = timedelta(seconds=lifetime)
        partitioned = config.get("SESSION_COOKIE_PARTITIONED", False)
        cookie = CookieOptions(
            name=config.get("SESSION_COOKIE_NAME", "session"),
            path=config.get("SESSION_COOKIE_PATH")
            or config.get("APPLICATION_ROOT")
            or "/",
            # Flask drops the dot as well: it has no meaning since RFC 6265.
            domain=(config.get("SESSION_COOKIE_DOMAIN") or "").lstrip(".") or None,
            secure=config.get("SESSION_COOKIE_SECURE", False) or partitioned,
            httponly=config.get("SESSION_COOKIE_HTTPONLY", True),
            samesite=config.get("SESSION_COOKIE_SAMESITE") or "Lax",
            partitioned=partitioned,
        )
        return cls(
            config.get("SECRET_KEY"),
            fallback_keys=config.get("SECRET_KEY_FALLBACKS") or (),
            cookie=cookie,
            format=FLASK,
            idle_timeout=lifetime,
            absolute_timeout=None,
        )

    # -- for tests and tools --------------------------------------------------------

    def make_cookie(self, data: dict[str, Any]) -> str:
        """A Cookie header that holds a session: ``name=value``.

        :param data: The session's contents.
        :raises TypeError: For a value that cannot be stored.
        :raises SessionTooLarge: If the cookie would be too large.
        :raises SessionUnavailable: Without a usable key.
        """
        session = self.session_of("")
        session |= data
        assert session.tracked is not None
        cookie = self._seal(session.tracked, int(self.clock()))
        return cookie.partition(";")[0]

    # -- what its sessions ask ---------------------------------------------------------

    def load(self, header: str) -> Tracked:
        now = self.clock()
        found = self._reader.read(header, int(now))
        if type(found) is str:
            log_rejection(found)
            return Tracked(None, now, self.permanent, found, self.problem or None)
        return Tracked(found, now, self.permanent, None, self.problem or None)

    def check(self, key: str, value: Any) -> bool:
        return self._writer.check(key, value)

    def differs_inside(self, tracked: Tracked) -> bool:
        return self._sealer.look_inside(tracked, self._writer, int(self.clock()))[0]

    # -- writing ----------------------------------------------------------------------

    def cookie_to_set(
        self, tracked: Tracked, status: str, headers: Headers
    ) -> str | None:
        came: Opened | None = tracked.came
        changed, text = tracked.changed(), None
        issued = 0 if changed is False else int(self.clock())
        if changed is None:
            changed, text = self._sealer.look_inside(tracked, self._writer, issued)
        if changed:
            if tracked.data and not status.startswith("5"):
                return self._seal(tracked, issued, text)
            came_in = came is not None or tracked.rejection is not None
            if came_in and (not tracked.data or tracked.cleared):
                # A logout always holds: also in a response that fails, and also where
                # the new session that clear() began cannot be saved by it.
                return self.cookie.delete_cookie()
            return None
        if came is None or not tracked.data:
            return None
        due = self.timeouts.is_due(came.issued, came.permanent, tracked.touched_at)
        if not due and came.codec is self._writer:
            return None
        now = self.clock()
        issued, seconds = int(now), now - tracked.touched_at
        if not self.manners.allows_reissue(status, headers, seconds):
            return None
        try:
            if due or self._reader.first_of[came.codec] is not came.codec:
                return self._seal(tracked, issued, text)
            token = self._sealer.seal(self._writer, tracked, issued)
            return self.set_cookie(token, tracked, issued)
        except (SessionTooLarge, TypeError):
            self.manners.warn_once(NOT_REISSUED)
        return None

    def _seal(self, tracked: Tracked, issued: int, text: str | None = None) -> str:
        """The Set-Cookie value that stores a session.

        :param text: The session's JSON, if it is rendered already.
        """
        codec = self._writer
        try:
            token = self._sealer.seal(codec, tracked, issued, text)
        except (SessionTooLarge, TypeError):
            came: Opened | None = tracked.came
            if came is None or not goes_on(came.codec, codec):
                raise
            codec = self._reader.first_of[came.codec]
            token = self._sealer.seal(codec, tracked, issued)
            self.manners.warn_once(GOES_ON)
        return self.set_cookie(token, tracked, issued, codec.name)
