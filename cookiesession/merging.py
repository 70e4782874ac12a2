"""How a record is written when others write it too: compare and set, and merge.

1. A record is replaced in the version that was loaded, never in another, and ended in
   that version when its session goes on under a new id.
2. Where that fails, the record is loaded again. Ended or gone: the change is too late
   and is dropped. Changed: theirs goes on, with every top-level key that this request
   changed; of one key the later write wins. Then it is decided again.
3. A login always succeeds: where the session that it found is gone, it begins another.

No loop is endless: after some seconds of conflicts the request fails loudly.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Any

from .encoding import Malformed
from .errors import SessionTooLarge, SessionUnavailable
from .reading import Stored, ask
from .records import Records, is_user, key_of, owner_of
from .sealing import GOES_ON, Sealer, goes_on
from .stores.base import TOMBSTONE, SessionStore
from .timeouts import Timeouts
from .tokens import Codec, Opened

_NO_LIMIT = 10 * 365 * 24 * 60 * 60  # seconds
_LONGEST_PAUSE = 0.05  # seconds


class Dropped(Exception):
    """The session was ended meanwhile: the change is too late."""


class _Delta:
    """What a request changed: top-level keys, and whether the session is permanent."""

    def __init__(self, tracked: Stored) -> None:
        came: Opened = tracked.came
        try:
            # What was loaded may have changed inside, so it is read once more.
            before = came.codec.parse(came.text.encode(), came.issued).data
        except Malformed:
            before = {}  # a tag of the application's own that fails now
        #: The contents as they came.
        self.before = before
        self.set = {
            key: value
            for key, value in tracked.data.items()
            if key not in before or _differ(came.codec, value, before[key])
        }
        self.deleted = before.keys() - tracked.data.keys()
        self.permanent = (
            None if tracked.permanent == came.permanent else tracked.permanent
        )

    def onto(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """Their contents with what was changed here."""
        kept = {k: value for k, value in theirs.items() if k not in self.deleted}
        return {**kept, **self.set}


def _differ(codec: Codec, value: Any, before: Any) -> bool:
    try:
        return codec.text_of(value) != codec.text_of(before)
    except TypeError:
        return True  # something new, as what came could be stored


class Scribe:
    """Writes the records of sessions.

    :param patience: For how many seconds a change that meets others is tried again.
    :param warn_once: Logs a warning, the first time.
    """

    def __init__(
        self,
        store: SessionStore,
        records: Records,
        sealer: Sealer,
        timeouts: Timeouts,
        clock: Callable[[], float],
        patience: float,
        warn_once: Callable[[str], None],
    ) -> None:
        self._store = store
        self._records = records
        self._sealer = sealer
        self._timeouts = timeouts
        self._clock = clock
        self._patience = patience
        self._warn_once = warn_once

    def end(self, id: bytes) -> bool:
        """End a session, whatever its version."""
        return ask(self._store.end, key_of(id))

    def forestall(self, id: bytes) -> None:
        """End a session that a cookie holds, also if nobody has taken it over yet.

        What is left keeps a request that is under way from doing it afterwards.
        """
        key = key_of(id)
        times = {"ttl": TOMBSTONE, "life": TOMBSTONE}
        ask(self._store.create, key, b"-", owner=None, **times)  # never read
        ask(self._store.end, key)

    def is_login(self, tracked: Stored) -> bool:
        """Whether the request sets a user where the session that came had none."""
        return tracked.user_of(tracked.data) is not None and (
            tracked.came is None or tracked.user_of(tracked.came.data) is None
        )

    def create(self, tracked: Stored, text: str | None = None) -> None:
        """Keep the session as a new one, under a new id."""
        for _ in range(3):
            if self._create(tracked, tracked.next_id, text):
                tracked.id = tracked.next_id
                return
            tracked.forget_next_id()
        raise SessionUnavailable("the session store takes no new session.")

    def replace(
        self, tracked: Stored, text: str | None = None, *, only_first: bool = False
    ) -> bool:
        """Keep the session under its id, if nobody else has changed it.

        :param only_first: In the first format or not at all.
        """
        assert tracked.id is not None
        key = key_of(tracked.id)
        issued = int(self._clock())
        token = self._seal(key, tracked, issued, text, only_first=only_first)
        ttl, _ = self._times(tracked, issued)
        version = tracked.version
        return ask(self._store.replace, key, token, ttl=ttl, version=version)

    def keep(self, tracked: Stored, text: str | None = None) -> None:
        """Keep a session that was changed, or that is taken over from a cookie.

        Afterwards it has its id, or none if it is empty now, and ended.

        :param text: Its JSON, if that is rendered already.
        :raises Dropped: If it was ended meanwhile.
        :raises SessionUnavailable: If the store fails, or patience ends.
        """
        is_login = self.is_login(tracked)
        delta = None
        if tracked.pure_id is not None:
            delta = _Delta(tracked)
            self._take_over(tracked, delta.before)
        elif self._try(tracked, text):
            return
        delta = delta or _Delta(tracked)
        until = time.monotonic() + self._patience
        pause = 0.001
        while self._merge(tracked, delta):
            if not self._differs(tracked) or self._try(tracked, None):
                return
            if time.monotonic() >= until:
                raise SessionUnavailable(
                    "the session is changed by so many requests at once that this one"
                    " could not be saved."
                )
            time.sleep(random.uniform(0, pause))  # noqa: S311
            pause = min(2 * pause, _LONGEST_PAUSE)
        if not is_login:
            raise Dropped
        tracked.data = delta.set
        tracked.came = None
        tracked.created = int(self._clock())
        self.create(tracked)

    # -- one try, one look -----------------------------------------------------------

    def _try(self, tracked: Stored, text: str | None) -> bool:
        """Write the session once; ``False`` for a conflict."""
        came_as, version = tracked.id, tracked.version
        assert came_as is not None
        if not tracked.data:
            tracked.id = None
        elif tracked.moves:
            # First: a crash between the two leaves the old one for its time-outs.
            self.create(tracked, text)
        else:
            return self.replace(tracked, text)
        if ask(self._store.end, key_of(came_as), version):
            return True
        if tracked.id is not None:
            self.end(tracked.id)
            tracked.forget_next_id()
        tracked.id = came_as
        return False

    def _merge(self, tracked: Stored, delta: _Delta) -> bool:
        """Put the change onto what the store holds now; ``False`` if it was ended."""
        assert tracked.id is not None
        key = key_of(tracked.id)
        record = ask(self._store.load, key)
        if record is None or record.version is None:
            return False
        # Its times are not looked at, so that clocks that differ drop nothing.
        theirs, by_writer = self._records.open(key, record.data)
        if not isinstance(theirs, Opened):
            return False  # somebody wrote over it
        tracked.came, tracked.version = theirs, record.version
        tracked.by_writer = by_writer
        tracked.data = delta.onto(theirs.data)
        tracked.permanent = (
            theirs.permanent if delta.permanent is None else delta.permanent
        )
        tracked.exposed = True
        return True

    def _differs(self, tracked: Stored) -> bool:
        """Whether, after a merge, anything is left to be written."""
        changed = tracked.changed()
        if changed is None:
            writer = tracked.came.codec  # for the comparison, any will do
            issued = int(self._clock())
            changed, _ = self._sealer.look_inside(tracked, writer, issued)
        return changed

    def _take_over(self, tracked: Stored, before: dict[str, Any]) -> None:
        """Bring a cookie's session into the store, as it came.

        Under an id that follows from its token, so that two requests that take it over
        at once meet there, and merge.
        """
        tracked.id = tracked.pure_id
        assert tracked.id is not None
        came: Opened = tracked.came
        as_it_came = Stored(came, tracked.touched_at, came.permanent)
        as_it_came.data, as_it_came.user_key = before, tracked.user_key
        self._put(as_it_came, tracked.id, None)

    def _create(self, tracked: Stored, id: bytes, text: str | None) -> bool:
        token = self._put(tracked, id, text)
        if token is None:
            return True
        # An engine's client may have tried twice: then it is ours that is there.
        record = ask(self._store.load, key_of(id))
        return record is not None and record.data == token

    def _put(self, tracked: Stored, id: bytes, text: str | None) -> bytes | None:
        """Create a record; the token that could not be stored, as the key is taken."""
        key = key_of(id)
        issued = int(self._clock())
        token = self._seal(key, tracked, issued, text)
        ttl, life = self._times(tracked, issued)
        user = tracked.data.get(tracked.user_key)
        owner = owner_of(user) if is_user(user) else None
        create = self._store.create
        created = ask(create, key, token, ttl=ttl, life=life, owner=owner)
        return None if created else token

    def _seal(
        self,
        key: str,
        tracked: Stored,
        issued: int,
        text: str | None,
        *,
        only_first: bool = False,
    ) -> bytes:
        codec = self._records.writer(key, known=tracked.first_codec)
        try:
            token = self._sealer.seal(codec, tracked, issued, text)
        except (SessionTooLarge, TypeError):
            came: Opened | None = tracked.came
            if only_first or came is None or not goes_on(came.codec, codec):
                raise
            codec = self._records.writer(key, like=came.codec)
            token = self._sealer.seal(codec, tracked, issued)
            self._warn_once(GOES_ON)
        return token.encode("ascii")

    def _times(self, tracked: Stored, issued: int) -> tuple[int, int]:
        """For how many seconds a record is kept unless it is replaced, and at most."""
        end = min(tracked.created, issued) + self._timeouts.absolute
        life = max(0, min(end - issued, _NO_LIMIT))
        return math.ceil(min(self._timeouts.idle, life)), math.ceil(life)
