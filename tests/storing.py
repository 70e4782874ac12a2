"""Server-side sessions in tests: a store that remembers and breaks, and a browser."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from typing import Any

from support import KEY, Clock, values_of

from cookiesession import SecureCookieSession, ServerSideSessionInterface
from cookiesession.serverside import ServerSideSession
from cookiesession.stores import MemoryStore, Record


class EngineError(Exception):
    """What an engine raises; it tells all that it knows."""


class Killed(BaseException):
    """The process ends here."""


class Spy(MemoryStore):
    """A store in memory that remembers its calls, and breaks where it is told to."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        #: Operations that raise before they have done anything,
        self.down: set[str] = set()
        #: that raise after they have done it,
        self.lost: set[str] = set()
        #: that do it and say False, as an engine's client that has tried twice may,
        self.denied: set[str] = set()
        #: and before which the process is killed.
        self.kills: set[str] = set()
        #: What happens before the next call of an operation, once.
        self.meanwhile: dict[str, Callable[[], object]] = {}

    @property
    def names(self) -> list[str]:
        """The operations so far, which are forgotten then."""
        names = [name for name, _, _ in self.calls]
        self.calls.clear()
        return names

    def load(self, key: str) -> Record | None:
        found: Record | None = self._do("load", key)
        return found

    def create(self, key: str, data: bytes, **how: Any) -> bool:
        return bool(self._do("create", key, data, **how))

    def replace(self, key: str, data: bytes, **how: Any) -> bool:
        return bool(self._do("replace", key, data, **how))

    def end(self, key: str, version: object = None) -> bool:
        return bool(self._do("end", key, version))

    def of_owner(self, owner: str) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = self._do("of_owner", owner)
        return found

    def _do(self, name: str, *args: Any, **how: Any) -> Any:
        self.calls.append((name, args, how))
        self.meanwhile.pop(name, lambda: None)()
        if name in self.kills:
            raise Killed
        if name in self.down:
            raise EngineError(args, how) from ValueError(args, how)
        result = getattr(MemoryStore, name)(self, *args, **how)
        if name in self.lost:
            raise EngineError(args, how, result)
        return False if name in self.denied else result


def made(
    store: Spy, clock: Clock, key: str | bytes = KEY, **options: Any
) -> ServerSideSessionInterface:
    """An interface on a store; its clock is the store's unless another is given."""
    return ServerSideSessionInterface(key, store, clock=clock, **options)


class Client:
    """One browser's cookies; its requests may overlap."""

    def __init__(self, interface: ServerSideSessionInterface, *cookies: str) -> None:
        self.interface = interface
        self.cookies = dict(cookie.split("=", 1) for cookie in cookies)
        self.set_cookies: list[str] = []  # of the last response
        self.headers: list[tuple[str, str]] = []  # of the last response

    @property
    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    @property
    def id(self) -> bytes:
        """What the cookie holds."""
        return id_in(self.cookies[self.interface.cookie.name])

    @property
    def key(self) -> str:
        """What the store knows the session by."""
        return hashlib.sha256(self.id).hexdigest()

    def open(self) -> ServerSideSession:
        """The session of a request that has begun, and has read it."""
        environ = {"HTTP_COOKIE": self.header, "wsgi.url_scheme": "https"}
        session = self.interface.open_session(environ)
        assert isinstance(session, ServerSideSession)
        len(session)
        return session

    def save(
        self,
        session: ServerSideSession,
        status: str = "200 OK",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """The request's response; the browser does what it says of cookies."""
        environ = {"wsgi.url_scheme": "https"}
        self.headers = list(headers)
        self.set_cookies = []
        self.interface.save_session(environ, session, status, self.headers)
        self.set_cookies = values_of(self.headers, "Set-Cookie")
        for cookie in self.set_cookies:
            name, value = cookie.partition(";")[0].split("=", 1)
            self.cookies[name] = value
            if "Max-Age=0" in cookie:
                del self.cookies[name]

    def visit(
        self, view: Callable[[Any], Any] = dict, status: str = "200 OK", **how: Any
    ) -> Any:
        """One request; what *view* makes of its session, ``dict`` just reads it."""
        session = self.open()
        result = view(session)
        self.save(session, status, **how)
        return result

    def write(self, status: str = "200 OK", /, **values: Any) -> None:
        """One request that sets these keys."""
        self.visit(lambda session: session.update(values), status)


def id_in(token: str) -> bytes:
    """The id in a cookie, read without its key."""
    encoded = token.partition(".")[0]
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def clear(session: ServerSideSession | SecureCookieSession) -> None:
    session.clear()


def rejection(session: ServerSideSession) -> str | None:
    return session.rejection
