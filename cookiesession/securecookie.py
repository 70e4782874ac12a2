"""The cookie as the place where a session is kept, whole, signed or encrypted.

Nothing that a client sends is trusted: whatever is wrong with a cookie, the app sees an
empty session and a word in ``session.rejection``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .cookies import CookieOptions
from .errors import SessionTooLarge, SessionUnavailable
from .headers import Headers, vary_on_cookie
from .interface import SessionInterface
from .keyring import CookieReader
from .policy import Manners, Settings, log_rejection
from .serializer import MAX_JSON, may_be_tagged
from .sessions import NullSession, Tracked, TrackedSession
from .signed import SignedFormat
from .tokens import Codec, Format, Opened

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class SecureCookieSession(TrackedSession):
    """The session of one request, kept whole in a signed or encrypted cookie.

    Use it as a dict. Values come back as the types that they had. A change deep inside
    a value is seen as well; an assignment of an equal value is no change.

    :param keeper: The interface that opens and saves this session.
    :param header: The request's Cookie header; not looked at before the first touch.
    """

    __slots__ = ()


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

    #: The cookie's name and attributes.
    cookie: CookieOptions
    #: Whether a new session's cookie outlives the browser.
    permanent: bool
    #: Gives the current time in Unix seconds.
    clock: Callable[[], float]

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
            fallback_keys,
            cookie,
            format,
            accept,
            idle_timeout,
            absolute_timeout,
            permanent,
            leeway,
            clock,
        )
        self.cookie = cookie
        self.permanent = permanent
        self.clock = clock
        self._problem = settings.problem
        self._timeouts = settings.timeouts
        self._reader = CookieReader(
            cookie.name,
            settings.formats,
            settings.keys,
            settings.timeouts,
            cookie.max_size,
        )
        self._writer = self._reader.writer
        self._manners = Manners(cookie, self._reader.others)
        self._carries_creation = (
            absolute_timeout is not None or self._writer.format.keeps_creation
        )

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
        tracked = session.tracked
        if tracked is not None:
            cookie = self._cookie_to_set(tracked, status, headers)
            if cookie is not None:
                self._manners.add_cookie(environ, headers, cookie)
                vary_on_cookie(headers)
                session.closed = True
                return
        if session.accessed:
            vary_on_cookie(headers)
        session.closed = True

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
        assert session.tracked is not None
        cookie = self._seal(session.tracked, int(self.clock()))
        return cookie.partition(";")[0]

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

    # -- what its sessions ask ----------------------------------------------------------

    def load(self, header: str) -> Tracked:
        """What a Cookie header brings: for the sessions that this interface opens."""
        now = self.clock()
        found = self._reader.read(header, int(now))
        if type(found) is str:
            log_rejection(found)
            return Tracked(None, now, self.permanent, found, self._problem)
        return Tracked(found, now, self.permanent, refusal=self._problem)

    def check(self, key: str, value: Any) -> bool:
        """Refuse what cannot be stored: for the sessions that this interface opens.

        :returns: Whether the value is stored as it is and cannot change inside.
        :raises TypeError: For a value that cannot be stored; names its place.
        :raises ValueError: For a key that bookkeeping needs.
        """
        return self._writer.check(key, value)

    def differs_inside(self, tracked: Tracked) -> bool:
        """Whether an equal session differs by its text: for its sessions."""
        return self._look_inside(tracked, int(self.clock()))[0]

    # -- writing ----------------------------------------------------------------------

    def _cookie_to_set(
        self, tracked: Tracked, status: str, headers: Headers
    ) -> str | None:
        """The Set-Cookie value that this response owes the session."""
        came: Opened | None = tracked.came
        issued = int(self.clock())
        changed, text = tracked.changed(), None
        if changed is None:
            changed, text = self._look_inside(tracked, issued)
        fails = status.startswith("5")
        if changed:
            if tracked.data and not fails:
                return self._seal(tracked, issued, text)
            came_in = came is not None or tracked.rejection is not None
            if came_in and (not tracked.data or tracked.cleared):
                # A logout always holds: also in a response that fails, and also where
                # the new session that clear() began cannot be saved by it.
                return self.cookie.delete_cookie()
            return None
        if came is None or not tracked.data:
            return None
        due = self._timeouts.is_due(came.issued, came.permanent, tracked.touched_at)
        if not due and came.codec is self._writer:
            return None
        seconds = self.clock() - tracked.touched_at
        if not self._manners.allows_reissue(status, headers, seconds):
            return None
        try:
            if due or self._reader.first_of[came.codec] is not came.codec:
                return self._seal(tracked, issued, text)
            return self._seal_with(self._writer, tracked, issued)
        except (SessionTooLarge, TypeError):
            self._manners.warn_once(
                "a session could not be issued again: it has become too large, or the"
                " format cannot store all of it. The old cookie is kept."
            )
        return None

    def _look_inside(self, tracked: Tracked, issued: int) -> tuple[bool, str | None]:
        """Whether an equal session differs by its text, and that text.

        The text is rendered as it is going to be sealed; ``None`` where another codec
        reads than writes.
        """
        came: Opened = tracked.came
        try:
            text = self._render(came.codec, tracked, issued)
        except TypeError:
            return True, None  # something new, as what came could be stored
        return not came.says(text), text if came.codec is self._writer else None

    def _seal(self, tracked: Tracked, issued: int, text: str | None = None) -> str:
        """The Set-Cookie value that stores a session.

        :param text: The session's JSON, if it is rendered already.
        """
        try:
            return self._seal_with(self._writer, tracked, issued, text)
        except (SessionTooLarge, TypeError):
            codec = self._codec_to_go_on_with(tracked.came)
            if codec is None:
                raise
            cookie = self._seal_with(codec, tracked, issued)
        self._manners.warn_once(
            "a session goes on in an accepted format, because the first one cannot hold"
            " it: it is too large for it, or of types that it does not know. Keep that"
            " format in `accept` until such sessions have expired."
        )
        return cookie

    def _codec_to_go_on_with(self, came: Opened | None) -> Codec | None:
        """What may write a session that the first format cannot hold: nobody is stuck.

        The format that it came in, under the first key; never one that hides less.
        """
        if came is None or came.codec.format is self._writer.format:
            return None
        codec = self._reader.first_of[came.codec]
        return codec if codec.format.hides >= self._writer.format.hides else None

    def _seal_with(
        self, codec: Codec, tracked: Tracked, issued: int, text: str | None = None
    ) -> str:
        if text is None:
            text = self._render(codec, tracked, issued)
        if len(text) > MAX_JSON:
            raise self._too_large("JSON of the session", len(text), MAX_JSON, tracked)
        created = min(tracked.created, issued)
        token = codec.seal(text, issued, created)
        size = len(codec.name) + len(token)
        limit = self.cookie.max_size
        if size > limit:
            what = "session cookie's name and value"
            raise self._too_large(what, size, limit, tracked)
        expires = self._timeouts.expires(issued, created) if tracked.permanent else None
        return self.cookie.set_cookie(token, expires, codec.name)

    def _render(self, codec: Codec, tracked: Tracked, issued: int) -> str:
        carried = tracked.created if self._carries_creation else issued
        came: Opened | None = tracked.came
        return codec.render(
            tracked.data,
            tracked.permanent,
            carried if carried < issued else None,
            plain=not tracked.exposed
            and (came is None or not may_be_tagged(came.text)),
        )

    def _too_large(
        self, what: str, size: int, limit: int, tracked: Tracked
    ) -> SessionTooLarge:
        return SessionTooLarge(what, size, limit, self._writer.biggest(tracked.data))
