"""What the application holds, whatever keeps it: a mapping that knows its use.

A session is loaded on the first touch, so a request that does not use it pays nothing.
Single keys change through ``__setitem__`` and ``__delitem__`` alone; every other method
and operator is built on these two, so none can be forgotten. ``clear()`` is more than a
change of every key: it ends one session and starts another.

Two threads of one request may touch, or change, a session first at the same moment.
The first one's load, and its copy of what came, is then the other's as well.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import (
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    ValuesView,
)
from copy import deepcopy
from decimal import Decimal
from threading import Lock
from types import NoneType
from typing import Any, NoReturn
from uuid import UUID

from markupsafe import Markup

from .errors import SessionCommitted, SessionUnavailable
from .tracking import Keeper, Tracked

logger = logging.getLogger("cookiesession")

# Held for one copy, never while a session is loaded: one serves all.
_first = Lock()
# Handed out as often as you like, a value of these types cannot have changed inside.
_UNCHANGING = {
    *(str, int, float, bool, NoneType, bytes, Markup, UUID, Decimal),
    *(dt.datetime, dt.date, dt.time, dt.timedelta),
}


class SessionMixin(MutableMapping[str, Any]):
    """What any session has beyond a mapping; ``class MySession(dict, SessionMixin)``.

    The defaults suit a session that does not track its use: it counts as read and
    changed, so that it is always saved.
    """

    __slots__ = ()

    #: Whether the client keeps the session after the browser was closed.
    permanent: bool = False
    #: Whether the client brought no usable session.
    new: bool = False
    #: Whether there is a change to save; ``True`` forces a save.
    modified: bool = True
    #: Whether the response depends on the session.
    accessed: bool = True
    #: When the session was created, in Unix seconds; 0 where that is not known.
    created_at: int = 0
    #: When what came with the request was made, in Unix seconds; 0 if not known.
    issued_at: int = 0
    #: Why the cookie that came was not used, a word of
    #: :data:`cookiesession.errors.Rejection`, or ``None``.
    rejection: str | None = None
    #: What names the session in a list and opens nothing; ``None`` in a cookie.
    handle: str | None = None

    def regenerate(self) -> None:
        """Go on with the same contents as a new session, where sessions have an id.

        For login and changes of privilege. Here as ``clear()`` and the contents again.
        """
        contents = dict(self)
        self.clear()
        self.update(contents)


class TrackedSession(SessionMixin):
    """A session that is loaded on the first touch and knows its use and its changes.

    Use it as a dict. A change deep inside a value is seen as well; an assignment of an
    equal value is no change.

    :param keeper: The interface that opens and saves this session.
    :param header: The request's Cookie header; not looked at before the first touch.
    """

    __slots__ = ("_loads", "accessed", "closed", "header", "keeper", "tracked")

    #: Whether the response depends on the session: every touch counts.
    accessed: bool
    #: Whether the headers have left. Set by the interface; a change then raises.
    closed: bool
    #: The request's Cookie header, as it came: an app may change its environ.
    header: str
    #: The interface that opened it and saves it.
    keeper: Keeper
    #: What is known since the first touch, for the interface; ``None`` before.
    tracked: Tracked | None

    def __init__(self, keeper: Keeper, header: str) -> None:
        self.keeper = keeper
        self.header = header
        self.tracked = None
        self._loads: list[Tracked] = []
        self.accessed = self.closed = False

    # -- reading: every touch counts as access ------------------------------------

    def _read(self) -> Tracked:
        self.accessed = True
        return self.tracked or self._load()

    def _load(self) -> Tracked:
        if self.closed:
            logger.warning(
                "a session was first read after the response's headers had been sent:"
                " they could not say `Vary: Cookie`. Read it before."
            )
        # Appending is atomic: the first to come is the one for all.
        self._loads.append(self.keeper.load(self.header))
        tracked = self.tracked = self._loads[0]
        return tracked

    def __getitem__(self, key: str) -> Any:
        tracked = self._read()
        value = tracked.data[key]
        if type(value) not in _UNCHANGING:
            tracked.exposed = True
        return value

    def get(self, key: str, default: Any = None) -> Any:
        tracked = self._read()
        value = tracked.data.get(key, default)
        if type(value) not in _UNCHANGING:
            tracked.exposed = True
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._read().data

    def __iter__(self) -> Iterator[str]:
        return iter(self._read().data)

    def __len__(self) -> int:
        return len(self._read().data)

    def keys(self) -> KeysView[str]:
        self._read()
        return super().keys()

    def values(self) -> ValuesView[Any]:
        self._read()
        return super().values()

    def items(self) -> ItemsView[str, Any]:
        self._read()
        return super().items()

    def copy(self) -> dict[str, Any]:
        """The contents as a plain dict."""
        tracked = self._read()
        tracked.exposed = True
        return tracked.data.copy()

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return deepcopy(self.copy(), memo)

    def __eq__(self, other: object) -> bool:
        return self.copy() == other

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(other, Mapping):
            return NotImplemented
        return {**self.copy(), **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(other, Mapping):
            return NotImplemented
        return {**other, **self.copy()}

    def __reduce__(self) -> NoReturn:
        raise TypeError("a session cannot be pickled: pickle dict(session)")

    def __repr__(self) -> str:
        tracked = self.tracked
        state = "not loaded" if tracked is None else f"{len(tracked.data)} keys"
        return f"<{type(self).__name__} {state}>"

    # -- what is known of it besides its contents ----------------------------------

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether no usable session came with the request."""
        return self._read().came is None

    @property
    def rejection(self) -> str | None:  # type: ignore[override]
        """Why the cookie that came was not used, or ``None``."""
        return self._read().rejection

    @property
    def handle(self) -> str | None:  # type: ignore[override]
        """What names the session in a list and opens nothing; ``None`` in a cookie."""
        return self._read().handle

    @property
    def created_at(self) -> int:  # type: ignore[override]
        """When the session was created, in Unix seconds."""
        return self._read().created

    @property
    def issued_at(self) -> int:  # type: ignore[override]
        """When what came was made, in Unix seconds; now, if nothing came."""
        tracked = self._read()
        if tracked.came is None:
            return int(tracked.touched_at)
        issued: int = tracked.came.issued
        return issued

    # -- changing -----------------------------------------------------------------

    def _write(self) -> Tracked:
        if self.closed:
            raise SessionCommitted(
                "the session cannot be changed any more: its response's headers have"
                " been sent. Change it before the first part of the body is produced."
            )
        tracked = self._read()
        if tracked.refusal is not None:
            raise _unavailable(tracked)
        came = tracked.came
        if came is not None and tracked.data is came.data:
            with _first:
                if tracked.data is came.data:
                    # What came stays as it was, to be compared with.
                    tracked.data = came.data.copy()
        return tracked

    def __setitem__(self, key: str, value: Any) -> None:
        tracked = self._write()
        if not self.keeper.check(key, value):
            tracked.exposed = True
        tracked.data[key] = value

    def __delitem__(self, key: str) -> None:
        del self._write().data[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the pair that was added last, as a dict does."""
        data = self._write().data
        if not data:
            raise KeyError("popitem(): the session is empty")
        key = next(reversed(data))
        return key, self.pop(key)

    def clear(self) -> None:
        """Start a new session: empty, with a new creation time.

        It is what one calls at login and at logout: nothing of the old session
        survives, even if the same data follows.
        """
        tracked = self._write()
        tracked.cleared = True
        tracked.regenerated = False
        tracked.data = {}
        tracked.permanent = self.keeper.permanent
        tracked.created = int(self.keeper.clock())

    def regenerate(self) -> None:
        """Go on with the same contents as a new session, with a new creation time.

        With a store it also gets a new id, and the old one is ended. For login and
        changes of privilege; calling it twice is calling it once.
        """
        tracked = self._write()
        if tracked.came is not None and not tracked.cleared:
            tracked.regenerated = True
            tracked.created = int(self.keeper.clock())

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self._write()  # also where there is nothing to add
        self.update(other)
        return self

    @property
    def permanent(self) -> bool:
        """Whether the browser keeps the cookie after it was closed."""
        return self._read().permanent

    @permanent.setter
    def permanent(self, value: bool) -> None:  # pyright: ignore
        self._write().permanent = bool(value)

    @property
    def modified(self) -> bool:
        """Whether the session differs from what came; ``True`` forces a save."""
        tracked = self.tracked
        changed = tracked is not None and tracked.changed()
        return self.keeper.differs_inside(tracked) if changed is None else changed

    @modified.setter
    def modified(self, value: bool) -> None:  # pyright: ignore
        self._write().forced = bool(value)


def _unavailable(tracked: Tracked) -> SessionUnavailable:
    return SessionUnavailable(f"no session is available: {tracked.refusal}")


class NullSession(TrackedSession):
    """What the application gets where a session cannot work: empty, and unchangeable.

    :param reason: What is wrong and how to mend it, said on every try to change it.
    """

    __slots__ = ()

    def __init__(
        self, reason: str = "the session interface opened no session."
    ) -> None:
        self.tracked = Tracked(None, 0, False, refusal=reason)
        self.header = ""
        self.accessed = self.closed = False

    def _write(self, *_: Any, **__: Any) -> NoReturn:
        raise _unavailable(self._read())

    # These would do nothing, without a word, where there is nothing to change.
    pop = setdefault = update = _write  # pyright: ignore[reportAssignmentType]
