"""The seam between the middleware and a kind of session, and nothing else.

Whoever keeps sessions in another way, in a header, a database or memory, implements the
two methods of :class:`SessionInterface` and leaves the rest as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from .sessions import NullSession, SessionMixin

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class SessionInterface(ABC):
    """How a kind of session is opened and saved.

    One interface serves all requests, in all threads at once: what belongs to a request
    is kept in its session. Two requests of one client may run at the same time and know
    nothing of each other; with a cookie, the response that arrives last decides.
    """

    @abstractmethod
    def open_session(self, environ: WSGIEnvironment) -> SessionMixin | None:
        """The session of a request; called once, before the app.

        :param environ: The request; not to be kept in the session, which it holds.
        :returns: Any mapping with :class:`SessionMixin`, or ``None`` where the
            interface is misconfigured: the app then gets the null session.
        """

    @abstractmethod
    def save_session(
        self,
        environ: WSGIEnvironment,
        session: SessionMixin,
        status: str,
        headers: list[tuple[str, str]],
    ) -> None:
        """Save a session; called once, also if it raises, before the headers leave.

        Called for every session but a null one, used or not. Afterwards a change to the
        session is lost: it should raise :exc:`SessionCommitted`.

        :param session: What :meth:`open_session` returned.
        :param status: The response's status, such as ``"200 OK"``.
        :param headers: The response's headers, which are the interface's own to change.
        """

    @property
    def mark(self) -> str:
        """Where in the environ a session that is open is noted until it is saved.

        Interfaces that would be in each other's way have the same.
        """
        return f"cookiesession.open.{id(self)}"

    def make_null_session(self, environ: WSGIEnvironment) -> NullSession:
        """The session where there can be none: empty, and it refuses changes."""
        return NullSession()

    def is_null_session(self, obj: object) -> bool:
        """Whether *obj* is a session that must not be saved: a matter of its class."""
        # isinstance(), without the detour that it takes for abstract classes.
        return type.__instancecheck__(NullSession, obj)
