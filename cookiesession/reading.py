"""What a Cookie header leads to: a signed id, the record under it, its session.

Nothing of a cookie reaches the store before its signature was verified, and then only
as a hash. When a session was made and when it ends is the record's to say: a cookie
that leads to it never expires by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .cookies import find_cookies
from .errors import SessionUnavailable
from .keyring import MOST_TELLING_FIRST, CookieReader, tokens_in
from .policy import log_rejection
from .records import Ids, Records, key_of, new_id
from .stores.base import Record, SessionStore
from .tokens import Codec, Opened
from .tracking import Tracked

logger = logging.getLogger("cookiesession")

_Result = TypeVar("_Result")


def ask(operation: Callable[..., _Result], *args: Any, **how: Any) -> _Result:
    """What a store says. Its errors may name ids and values: they end here.

    :param operation: A method of the store.
    :raises SessionUnavailable: If the store fails.
    """
    try:
        return operation(*args, **how)
    except Exception as error:  # noqa: BLE001  # whatever the engine raises
        failure = type(error).__name__
    logger.error("the session store failed: %s", failure)
    raise SessionUnavailable(
        f"the session store failed ({failure}): nothing was saved. Look at the store,"
        " and answer with a 503."
    )


class Stored(Tracked):
    """What is known of a session that a store keeps."""

    #: The key under which its contents say who is logged in.
    user_key: str
    #: All ids that the request brought, verified.
    ids: tuple[bytes, ...] = ()
    #: The id of the record that came, and the version in which it was loaded; the new
    #: id after the session was saved.
    id: bytes | None = None
    version: object = None
    #: Whether the first key, in the first format, made the record.
    by_writer = True
    #: When the cookie that came was issued, and whether the first key signed it.
    cookie_issued = 0
    cookie_by_first = True
    #: Where the session came in a cookie: the id under which it is taken over.
    pure_id: bytes | None = None
    _next_id: bytes | None = None

    def user_of(self, data: dict[str, Any]) -> str | None:
        """Who is logged in by such contents."""
        user = data.get(self.user_key)
        return None if user is None else str(user)

    @property
    def moves(self) -> bool:
        """Whether it gets a new id: asked to, or because the user changed."""
        if self.came is None or self.regenerated:
            return self.regenerated
        return self.user_of(self.data) != self.user_of(self.came.data)

    @property
    def next_id(self) -> bytes:
        """The id under which this session goes on, if it does under a new one."""
        if self._next_id is None:
            self._next_id = new_id()
        return self._next_id

    def forget_next_id(self) -> None:
        """Choose another: that one has been used up."""
        self._next_id = None

    @property
    def first_codec(self) -> Codec | None:
        """What made the record, if that was the first key in the first format."""
        return self.came.codec if self.came is not None and self.by_writer else None

    @property
    def handle(self) -> str:  # type: ignore[override]
        """What names the session in a list and opens nothing.

        That of the id under which it goes on. Only a save that meets the change of
        another request has to take another.
        """
        if self.cleared or self.moves:
            return key_of(self.next_id)
        return self.key

    @property
    def key(self) -> str:
        """What the store knows it by now, also while it waits to get a new id."""
        return key_of(self.id or self.pure_id or self.next_id)


@dataclass(frozen=True, repr=False)
class SessionInfo:
    """One of the sessions that a user is logged in with.

    :param handle: Names it in :meth:`ServerSideSessionInterface.end_session`; safe to
        show, opens nothing.
    :param created_at: When it was created, in Unix seconds.
    :param issued_at: When it was last written or renewed, in Unix seconds: not when it
        was last seen.
    :param data: Its contents. Never to be rendered whole: it holds CSRF tokens.
    """

    handle: str
    created_at: int
    issued_at: int
    data: dict[str, Any]


class Reader:
    """Finds the session that a Cookie header leads to.

    :param name: The cookie's name.
    :param pure: Finds sessions that cookies hold whole; ``None`` if none are taken
        over, and then no such cookie is looked at.
    :param permanent: Whether a new session's cookie outlives the browser.
    """

    def __init__(
        self,
        name: str,
        store: SessionStore,
        ids: Ids,
        records: Records,
        pure: CookieReader | None,
        permanent: bool,
        user_key: str,
    ) -> None:
        self._name = name
        self._store = store
        self._ids = ids
        self._records = records
        self._pure = pure
        self._permanent = permanent
        self._user_key = user_key

    def read(self, header: str, now: float) -> Stored:
        """What a Cookie header brings: the first live session, or why there is none.

        :param now: The current time in Unix seconds.
        """
        values = find_cookies(header, self._name)
        opened_ids = map(self._ids.open, tokens_in(values))
        verified = [each for each in opened_ids if each is not None]
        if not verified:
            return self._read_pure(header, bool(values), now)
        tracked, reasons = None, []
        for id, issued, by_first in verified:
            key = key_of(id)
            try:
                record = ask(self._store.load, key)
            except SessionUnavailable as error:  # logged
                return self._stored(None, now, "unavailable", str(error))
            found = self._judge(key, record, int(now))
            if isinstance(found, str):
                reasons.append(found)
                continue
            opened, by_writer, version = found
            tracked = self._stored(opened, now)
            tracked.id, tracked.version, tracked.by_writer = id, version, by_writer
            tracked.cookie_issued, tracked.cookie_by_first = issued, by_first
            break
        if tracked is None:
            tracked = self._none(min(reasons, key=MOST_TELLING_FIRST.index), now)
        tracked.ids = tuple(id for id, _, _ in verified)
        return tracked

    def sessions_of(self, owner: str, now: int) -> list[SessionInfo]:
        """An owner's live sessions that can be read, the one written last first."""
        found = []
        for key, data in ask(self._store.of_owner, owner):
            opened, _ = self._records.open(key, data)
            if isinstance(opened, Opened) and not self._records.rejects(opened, now):
                info = SessionInfo(key, opened.created, opened.issued, opened.data)
                found.append(info)
        return sorted(found, key=lambda info: -info.issued_at)

    def _judge(
        self, key: str, record: Record | None, now: int
    ) -> tuple[Opened, bool, object] | str:
        """The session of a record, whether the first key made it, and its version; or
        why there is none."""
        if record is None:
            return "gone"
        if record.version is None:
            return "ended"
        opened, by_writer = self._records.open(key, record.data)
        if isinstance(opened, str):
            return opened
        rejection = self._records.rejects(opened, now)
        return rejection or (opened, by_writer, record.version)

    def _read_pure(self, header: str, came: bool, now: float) -> Stored:
        """A session that a cookie holds whole, where such are taken over.

        :param came: Whether the header has a cookie of our name.
        """
        found = self._pure.read(header, int(now)) if self._pure else None
        if found is None and came:
            found = "bad_signature"
        if not isinstance(found, Opened):
            return self._none(found, now)
        assert self._pure is not None
        tracked = self._stored(found, now)
        key = self._pure.key_of[found.codec]
        tracked.pure_id = self._ids.derived(found.token, key)
        return tracked

    def _none(self, reason: str | None, now: float) -> Stored:
        """A new session, and why nothing else."""
        if reason is not None:
            log_rejection(reason)
        return self._stored(None, now, reason)

    def _stored(
        self,
        came: Opened | None,
        now: float,
        rejection: str | None = None,
        refusal: str | None = None,
    ) -> Stored:
        stored = Stored(came, now, self._permanent, rejection, refusal)
        stored.user_key = self._user_key
        return stored
