"""Pyramid's ``request.session`` is our session, whatever keeps it.

::

    config.set_session_factory(PyramidSessions(interface))

Flash queues, CSRF tokens and the session's security policies run on it unchanged.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, MutableMapping
from typing import Any

from pyramid.interfaces import ISession, ISessionFactory
from zope.interface import classImplements

from ..interface import SessionInterface
from ..sessions import SessionMixin
from . import checked, open_session, release, speak


class PyramidSession(MutableMapping[str, Any]):
    """A session in Pyramid's terms: ``pyramid.interfaces.ISession``.

    It is a view of the session that is in the environ, where other frameworks find it.

    :param session: What this shows.
    """

    __slots__ = ("_session",)

    def __init__(self, session: SessionMixin) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<PyramidSession of {self._session!r}>"

    # -- a dict -------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return self._session[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._session[key] = value

    def __delitem__(self, key: str) -> None:
        del self._session[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._session)

    def __len__(self) -> int:
        return len(self._session)

    def popitem(self) -> tuple[str, Any]:
        return self._session.popitem()

    def clear(self) -> None:
        self._session.clear()

    # -- a session ----------------------------------------------------------------

    @property
    def created(self) -> int:
        """When the session was created, in Unix seconds."""
        return self._session.created_at

    @property
    def new(self) -> bool:
        """Whether no usable session came with the request."""
        return self._session.new

    def invalidate(self) -> None:
        """Start a new session, as ``clear()`` does: for login and logout."""
        self._session.clear()

    def changed(self) -> None:
        """Force a save. A change deep inside a value is seen without it."""
        self._session.modified = True

    # -- what Pyramid has no word for -----------------------------------------------

    @property
    def permanent(self) -> bool:
        """Whether the browser keeps the cookie after it was closed."""
        return self._session.permanent

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self._session.permanent = value

    @property
    def handle(self) -> str | None:
        """What names the session in a list and opens nothing; ``None`` in a cookie."""
        return self._session.handle

    @property
    def rejection(self) -> str | None:
        """Why the cookie that came was not used, or ``None``."""
        return self._session.rejection

    def regenerate(self) -> None:
        """Go on with the same contents as a new session, with a new creation time."""
        self._session.regenerate()

    # -- messages -----------------------------------------------------------------

    def flash(self, msg: Any, queue: str = "", allow_duplicate: bool = True) -> None:
        """Append a message to a queue."""
        messages = self.peek_flash(queue)
        if allow_duplicate or msg not in messages:
            self[f"_f_{queue}"] = [*messages, msg]

    def pop_flash(self, queue: str = "") -> list[Any]:
        """The messages of a queue, which is empty then."""
        messages: list[Any] = self.pop(f"_f_{queue}", [])
        return messages

    def peek_flash(self, queue: str = "") -> list[Any]:
        """The messages of a queue, which go on waiting there."""
        messages: list[Any] = self.get(f"_f_{queue}", [])
        return messages

    # -- what Pyramid's default CSRF policy asks for ------------------------------

    def new_csrf_token(self) -> str:
        """Make a new token, in the place of any other."""
        self["_csrft_"] = token = secrets.token_hex(20)
        return token

    def get_csrf_token(self) -> str:
        """The session's token, made if there is none."""
        return self.get("_csrft_") or self.new_csrf_token()


class PyramidSessions:
    """Makes ``request.session`` ours.

    With a :class:`~cookiesession.SessionMiddleware` of the same interface around the
    app, that one saves; without one, this does, in a response callback.

    :param interface: How sessions are kept.
    :raises ConfigError: For what is no interface of ours.
    """

    def __init__(self, interface: SessionInterface) -> None:
        #: How sessions are kept.
        self.interface = checked("PyramidSessions", interface)

    def __call__(self, request: Any) -> PyramidSession:
        """The session of a request; Pyramid calls this once."""
        environ, interface = request.environ, self.interface
        session, ours = open_session(environ, interface)

        def respond(_: Any, response: Any) -> None:
            if ours:
                status, headers = response.status, response.headerlist
                interface.save_session(environ, session, status, headers)
            else:
                speak(response.headerlist, session)

        request.add_response_callback(respond)
        if ours:
            request.add_finished_callback(lambda _: release(environ, interface))
        return PyramidSession(session)


classImplements(PyramidSession, ISession)
classImplements(PyramidSessions, ISessionFactory)
