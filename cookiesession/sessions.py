"""What the application holds: a mapping that knows whether it was read or changed.

A session opens its cookie on the first touch, so a request that does not use it pays
nothing. Single keys change through ``__setitem__`` and ``__delitem__`` alone; every
other method and operator is built on these two, so none can be forgotten. ``clear()``
is more than a change of every key: it ends one session and starts another. What is
underscored here is for securecookie, which keeps it, and for nobody else.
"""

from __future__ import annotations

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
from typing import Any, NoReturn, Protocol

from .errors import SessionCommitted, SessionUnavailable
from .serializer import SCALARS, may_be_tagged
from .tokens import RESERVED, Codec, Opened, Rejection

logger = logging.getLogger("cookiesession")

_ABSENT = object()
# Of these types, unequal values surely differ as JSON; a NaN is unequal to itself.
_UNEQUAL_DIFFERS = frozenset((str, int, bool))


class SessionMixin(MutableMapping[str, Any]):
    """What any session has beyond a mapping; ``class MySession(dict, SessionMixin)``.

    The defaults suit a session that does not track its use: it counts as read and
    changed, so that it is always saved.
    """

    #: Whether the client keeps the session after the browser was closed.
    permanent: bool = False
    #: Whether the client brought no session.
    new: bool = False
    #: Whether there is a change to save.
    modified: bool = True
    #: Whether the response depends on the session.
    accessed: bool = True


class Keeper(Protocol):
    """What a session asks of the interface that keeps it."""

    @property
    def writer(self) -> Codec: ...
    @property
    def permanent(self) -> bool: ...
    def load(self, header: str) -> tuple[Opened | Rejection | None, float]: ...


class SecureCookieSession(SessionMixin):
    """The session of one request, kept whole in a signed or encrypted cookie.

    Use it as a dict. Values come back as the types that they had. A change deep inside
    a value is seen as well; an assignment of an equal value is no change.

    :param keeper: The interface that opens and saves this session.
    :param header: The request's Cookie header; not looked at before the first touch.
    """

    # State lives in these class attributes until a request sets its own: an untouched
    # session is two assignments.
    _data: dict[str, Any] | None = None
    _opened: Opened | None = None
    _rejection: Rejection | None = None
    _loaded_at = 0.0  # Unix seconds
    _permanent = False
    _created: int | None = None  # None: when it is first issued
    _before: dict[str, Any] | None = None  # what was assigned over or deleted
    _exposed = False  # a value may have changed inside, or may need a tag
    _forced = False  # modified = True
    _cleared = False
    _closed = False
    accessed = False

    def __init__(self, keeper: Keeper, header: str) -> None:
        self._keeper = keeper
        self._header = header

    # -- reading: every touch counts as access ------------------------------------

    def _read(self) -> dict[str, Any]:
        self.accessed = True
        return self._load() if self._data is None else self._data

    def _load(self) -> dict[str, Any]:
        if self._closed:
            logger.warning(
                "a session was first read after the response's headers had been sent:"
                " they could not say `Vary: Cookie`. Read it before."
            )
        found, self._loaded_at = self._keeper.load(self._header)
        if isinstance(found, Opened):
            self._opened = found
            self._data = found.data
            self._permanent = found.permanent
            self._created = found.created
        else:
            self._rejection = found
            self._data = {}
            self._permanent = self._keeper.permanent
        return self._data

    def __getitem__(self, key: str) -> Any:
        value = self._read()[key]
        if type(value) not in SCALARS:
            self._exposed = True
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = self._read().get(key, default)
        if type(value) not in SCALARS:
            self._exposed = True
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

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
        self._exposed = True
        return self._read().copy()

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

    def __repr__(self) -> str:
        state = "not loaded" if self._data is None else f"{len(self._data)} keys"
        return f"<{type(self).__name__} {state}>"

    # -- what the cookie says besides its contents --------------------------------

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether no usable session came with the request."""
        self._read()
        return self._opened is None

    @property
    def rejection(self) -> Rejection | None:
        """Why the cookie that came was not used, or ``None``."""
        self._read()
        return self._rejection

    @property
    def created_at(self) -> int:
        """When the session was created, in Unix seconds."""
        self._read()
        return int(self._loaded_at) if self._created is None else self._created

    @property
    def issued_at(self) -> int:
        """When the token that came was made, in Unix seconds; now, if none came."""
        self._read()
        return int(self._loaded_at) if self._opened is None else self._opened.issued

    # -- changing -----------------------------------------------------------------

    def _write(self) -> dict[str, Any]:
        if self._closed:
            raise SessionCommitted(
                "the session cannot be changed any more: its response's headers have"
                " been sent. Change it before the first part of the body is produced."
            )
        return self._read()

    def __setitem__(self, key: str, value: Any) -> None:
        data = self._write()
        if key in RESERVED:
            raise ValueError(f"the session key {key!r} is reserved for bookkeeping")
        self._keeper.writer.serializer.check(key, value)
        if self._before is None:
            self._before = {}
        self._before.setdefault(key, data.get(key, _ABSENT))
        data[key] = value
        if type(value) not in SCALARS or key[:1] == " ":  # a key that is escaped
            self._exposed = True

    def __delitem__(self, key: str) -> None:
        value = self._write().pop(key)
        if self._before is None:
            self._before = {}
        self._before.setdefault(key, value)

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the pair that was added last, as a dict does."""
        data = self._write()
        if not data:
            raise KeyError("popitem(): the session is empty")
        key = next(reversed(data))
        return key, self.pop(key)

    def clear(self) -> None:
        """Start a new session: empty, with a new creation time.

        It is what one calls at login and at logout: nothing of the old session
        survives, even if the same data follows.
        """
        self._write().clear()
        self._permanent = self._keeper.permanent
        self._created = None
        self._cleared = True

    def __ior__(self, other: Any) -> SecureCookieSession:  # type: ignore[misc]
        self._write()  # also where there is nothing to add
        self.update(other)
        return self

    @property
    def permanent(self) -> bool:
        """Whether the browser keeps the cookie after it was closed."""
        self._read()
        return self._permanent

    @permanent.setter
    def permanent(self, value: bool) -> None:  # pyright: ignore
        self._write()
        self._permanent = bool(value)

    @property
    def modified(self) -> bool:
        """Whether the session differs from what came; ``True`` forces a save."""
        return self._is_modified()

    @modified.setter
    def modified(self, value: bool) -> None:  # pyright: ignore
        self._write()
        self._forced = bool(value)

    def _is_modified(self) -> bool:
        if self._forced or self._cleared:
            return True
        data, opened = self._data, self._opened
        if data is None or opened is None:
            return bool(data)
        if self._permanent != opened.permanent:
            return True
        if self._before is None:
            if not self._exposed:
                return False
        else:
            for key, old in self._before.items():
                new = data.get(key, _ABSENT)
                if type(new) is not type(old):
                    return True
                if type(new) in _UNEQUAL_DIFFERS and new != old:
                    return True
        reader = opened.codec
        created = opened.created if opened.created < opened.issued else None
        try:
            text = reader.render(data, self._permanent, created)
        except TypeError:
            return True  # something new, as what came could be stored
        if text == opened.text:
            return False
        if self._before and reader is self._keeper.writer:
            return True  # assigned to, and spelled by us: no need for a second look
        # Perhaps only another program's spelling of JSON: compare like with like.
        came = reader.parse(opened.text.encode(), opened.issued)
        return text != reader.render(came.data, came.permanent, created)

    def _is_plain(self) -> bool:
        """Whether all values are surely JSON's own, as they came or were checked."""
        opened = self._opened
        return not self._exposed and (opened is None or not may_be_tagged(opened.text))


class NullSession(SecureCookieSession):
    """What the application gets where a session cannot work: empty, and unchangeable.

    :param reason: What is wrong and how to mend it, said on every try to change it.
    """

    def __init__(
        self, reason: str = "the session interface opened no session."
    ) -> None:
        self._reason = reason
        self._data = {}

    def _write(self, *_: Any, **__: Any) -> NoReturn:
        raise SessionUnavailable(f"no session is available: {self._reason}")

    # These would do nothing, without a word, where there is nothing to change.
    pop = setdefault = update = _write  # pyright: ignore[reportAssignmentType]
