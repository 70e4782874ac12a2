"""The store as the place where a session is kept: nothing lost, nobody revived.

The record in the store is the token that the cookie would have held; the cookie holds a
signed random id. Two requests that change one session at once both succeed: the second
finds that its version is gone and merges, key by key. A session that was ended stays
ended: whoever would still write it is too late, and its change is dropped. Only a login
always succeeds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from .cookies import CookieOptions
from .errors import SessionTooLarge, SessionUnavailable
from .headers import Headers
from .keyring import CookieReader
from .merging import Dropped, Scribe
from .policy import CookieInterface, Settings
from .reading import Reader, SessionInfo, Stored, ask
from .records import Ids, Records, User, is_user, owner_of
from .sealing import NOT_REISSUED, Sealer
from .sessions import SessionMixin, TrackedSession
from .signed import SignedFormat
from .stores.base import SessionStore
from .tokens import Format

logger = logging.getLogger("cookiesession")


class ServerSideSession(TrackedSession):
    """The session of one request, kept in a store; the cookie holds its id.

    Use it as a dict. Values come back as the types that they had. A change deep inside
    a value is seen as well; an assignment of an equal value is no change.

    :param keeper: The interface that opens and saves this session.
    :param header: The request's Cookie header; not looked at before the first touch.
    """

    __slots__ = ()


class ServerSideSessionInterface(CookieInterface[ServerSideSession]):
    """Keeps sessions in a store; the cookie holds a signed random id.

    Takes every option of :class:`SecureCookieSessionInterface`; *format*, *accept* and
    *fallback_keys* hold for records as they do for cookies there. A format in *accept*
    also takes sessions over that cookies hold whole.

    :param secret_key: Signs every cookie and record; 32 random bytes.
    :param store: Where the records are kept.
    :param user_key: The session key that says who is logged in: ``"_user_id"`` for
        Flask-Login, ``"_auth_user_id"`` for Django. When its value changes, the session
        gets a new id.
    :raises ConfigError: For options of wrong types or that cannot work, and for
        unusable fallback keys.
    """

    session_class = ServerSideSession

    #: For how many seconds a save that meets the changes of others is tried again.
    patience: ClassVar[float] = 5

    def __init__(
        self,
        secret_key: str | bytes | None,
        store: SessionStore,
        *,
        user_key: str = "user_id",
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
        faults = []
        if not isinstance(store, SessionStore):
            faults.append('store must be a SessionStore, such as SQLiteStore("s.db").')
        if not isinstance(user_key, str) or not user_key:
            faults.append("user_key must be a non-empty str.")
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
            faults=faults,
        )
        #: Where the records are kept.
        self.store = store
        #: The session key that says who is logged in.
        self.user_key = user_key
        self._ids = Ids(settings.keys, cookie.name)
        self._records = Records(settings.formats, settings.keys, settings.timeouts)
        self._checker = settings.formats[0].bind(settings.keys[0], "record")
        pure = None
        if accepted := settings.formats[1:]:
            pure = CookieReader(
                cookie.name,
                accepted,
                settings.keys,
                settings.timeouts,
                cookie.max_size,
            )
        self._reader = Reader(
            cookie.name, store, self._ids, self._records, pure, permanent, user_key
        )
        super().__init__(settings, pure.others if pure else ())
        self._sealer = Sealer(absolute_timeout is not None, None)
        self._scribe = Scribe(
            store,
            self._records,
            self._sealer,
            self.timeouts,
            clock,
            self.patience,
            self.manners.warn_once,
        )

    # -- the sessions of a user -------------------------------------------------------

    def list_sessions(self, user: User) -> list[SessionInfo]:
        """A user's live sessions, the one written last first.

        :param user: Who, as under ``user_key``: a str, an int or a UUID.
        :raises TypeError: For what is no str, int or UUID.
        :raises SessionUnavailable: If the store fails.
        """
        return self._reader.sessions_of(owner_of(user), int(self.clock()))

    def end_sessions(self, user: User, *, keep: SessionMixin | None = None) -> int:
        """Log a user out everywhere, at once.

        A login that has passed its password check already comes after it.

        :param user: As for :meth:`list_sessions`.
        :param keep: The session to keep: everywhere else.
        :returns: How many sessions were ended.
        :raises TypeError: For a user that is no str, int or UUID, and for a framework's
            own session.
        :raises SessionUnavailable: If the store fails.
        """
        kept = None
        if keep is not None:
            if not isinstance(keep, SessionMixin):
                raise TypeError(
                    "keep must be the session itself: get_session(request.environ)"
                    " (Django: request.META)"
                )
            kept = keep.handle
            tracked = getattr(keep, "tracked", None)
            if isinstance(tracked, Stored):
                kept = tracked.key  # not the new id that it may wait for
        return ask(self.store.end_all, owner_of(user), kept)

    def end_session(self, user: User, handle: str) -> bool:
        """End one session of this user's, and of nobody else's.

        :param user: As for :meth:`list_sessions`.
        :param handle: As :class:`SessionInfo` has it; may come from a form.
        :returns: Whether there was such a session.
        :raises TypeError: For what is no str, int or UUID.
        :raises SessionUnavailable: If the store fails.
        """
        # The store's own spelling goes on, never what a client sent.
        keys = [key for key, _ in ask(self.store.of_owner, owner_of(user))]
        return any(ask(self.store.end, key) for key in keys if key == handle)

    # -- for tests and tools --------------------------------------------------------

    def make_cookie(self, data: dict[str, Any]) -> str:
        """A Cookie header that leads to a new session: ``name=value``.

        :param data: The session's contents.
        :raises TypeError: For a value that cannot be stored.
        :raises SessionTooLarge: If it would be too large.
        :raises SessionUnavailable: Without a usable key, or if the store fails.
        """
        session = self.session_of("")
        session |= data
        tracked = session.tracked
        assert isinstance(tracked, Stored)
        return self._begin(tracked).partition(";")[0]

    # -- what its sessions ask ---------------------------------------------------------

    def check(self, key: str, value: Any) -> bool:
        if key == self.user_key and value is not None and not is_user(value):
            raise TypeError(
                f"{key}: says who is logged in, and must be a str, an int or a UUID,"
                f" not {type(value).__name__}"
            )
        return self._checker.check(key, value)

    def differs_inside(self, tracked: Stored) -> bool:
        return self._look_inside(tracked)[0]

    def load(self, header: str) -> Stored:
        return self._reader.read(header, self.clock())

    # -- saving -----------------------------------------------------------------------

    def cookie_to_set(
        self, tracked: Stored, status: str, headers: Headers
    ) -> str | None:
        if tracked.refusal is not None:
            return None
        if tracked.cleared:
            return self._start_over(tracked, status.startswith("5"))
        if status.startswith("5"):
            return None
        if tracked.came is None:
            return self._save_new(tracked) if tracked.data else None
        changed, text = tracked.changed(), None
        if changed is None:
            changed, text = self._look_inside(tracked)

        def may_reissue() -> bool:
            seconds = self.clock() - tracked.touched_at
            return self.manners.allows_reissue(status, headers, seconds)

        if changed:
            return self._save_changed(tracked, text, may_reissue)
        return self._reissue(tracked, may_reissue)

    def _start_over(self, tracked: Stored, fails: bool) -> str | None:
        """After clear(): end what came, whatever the status, and begin what follows."""
        for id in tracked.ids:
            self._scribe.end(id)
        if tracked.pure_id is not None:
            self._scribe.forestall(tracked.pure_id)
        if tracked.data and not fails:
            return self._begin(tracked)
        came_in = tracked.came is not None or tracked.rejection is not None
        return self.cookie.delete_cookie() if came_in else None

    def _save_new(self, tracked: Stored) -> str | None:
        if tracked.rejection == "ended" and not self._scribe.is_login(tracked):
            # A newer cookie is on its way to that browser.
            logger.info("a change was dropped: its session has just been ended")
            return None
        return self._begin(tracked)

    def _begin(self, tracked: Stored) -> str:
        self._scribe.create(tracked)
        return self._cookie_for(tracked)

    def _save_changed(
        self, tracked: Stored, text: str | None, may_reissue: Callable[[], bool]
    ) -> str | None:
        """Write a session that was changed.

        :param text: Its JSON, if that is rendered already.
        """
        came_as, permanent = tracked.id, tracked.came.permanent
        cookie_due = self._is_cookie_due(tracked)
        try:
            self._scribe.keep(tracked, text)
        except Dropped:
            logger.info("a change was dropped: its session has been ended meanwhile")
            return None
        if tracked.id is None:
            return self.cookie.delete_cookie()
        is_news = tracked.id != came_as or tracked.permanent != permanent
        if is_news or (cookie_due and may_reissue()):
            return self._cookie_for(tracked)
        return None

    def _reissue(self, tracked: Stored, may_reissue: Callable[[], bool]) -> str | None:
        """Write an unchanged session again where its time, its key or its place asks
        for it; best effort."""
        pure = tracked.pure_id is not None
        if pure and not tracked.data:
            return None  # nothing to take over
        due = self.timeouts.is_due(tracked.came.issued, False, tracked.touched_at)
        cookie_due = pure or self._is_cookie_due(tracked)
        if not (due or cookie_due or not tracked.by_writer) or not may_reissue():
            return None
        only_first = not (due or cookie_due)
        try:
            if pure:
                self._scribe.keep(tracked)
            elif not self._scribe.replace(tracked, only_first=only_first):
                return None
        except (SessionTooLarge, TypeError):
            self.manners.warn_once(NOT_REISSUED)
            return None
        except (SessionUnavailable, Dropped):
            return None  # nothing was changed that could be lost
        return self._cookie_for(tracked) if cookie_due else None

    def _is_cookie_due(self, tracked: Stored) -> bool:
        """Whether the cookie's key, or its life in the browser, asks for a new one."""
        return not tracked.cookie_by_first or (
            tracked.came.permanent
            and self.timeouts.is_due(tracked.cookie_issued, True, tracked.touched_at)
        )

    def _cookie_for(self, tracked: Stored) -> str:
        assert tracked.id is not None
        issued = int(self.clock())
        return self.set_cookie(self._ids.seal(tracked.id, issued), tracked, issued)

    def _look_inside(self, tracked: Stored) -> tuple[bool, str | None]:
        writer = self._records.writer(tracked.key, known=tracked.first_codec)
        return self._sealer.look_inside(tracked, writer, int(self.clock()))
