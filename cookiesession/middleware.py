"""The WSGI side: when the headers of a response may still change (PEP 3333).

The app's ``start_response`` is held back until the session has been saved: when the app
has returned, if it has called it by then; for a generator, which calls it later, when
its first chunk is in hand; at ``write()``, if that comes first. So an app may start its
response first and change the session after, and still nothing is waited for that the
bare app would not wait for. The server's ``start_response`` is always called before the
iterable is returned; servers exist (granian) that read the headers right then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, cast

from werkzeug.wsgi import ClosingIterator

from .errors import ConfigError, SessionUnavailable
from .headers import repeat
from .interface import SessionInterface
from .sessions import SessionMixin, TrackedSession

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("cookiesession")

ENVIRON_KEY = "cookiesession.session"


class SessionMiddleware:
    """Gives every request of a WSGI app a session, in its environ.

    ::

        app = SessionMiddleware(app, SecureCookieSessionInterface(secret_key))

    :param app: Any WSGI app.
    :param interface: How sessions are kept.
    :param environ_key: Where in the environ the session is put; another one for each,
        if an app has more than one session.
    :raises ConfigError: For arguments of wrong types.
    """

    def __init__(
        self,
        app: WSGIApplication,
        interface: SessionInterface,
        *,
        environ_key: str = ENVIRON_KEY,
    ) -> None:
        faults = []
        if not callable(app):
            faults.append("app must be a WSGI app, a callable.")
        if not isinstance(interface, SessionInterface):
            faults.append(
                "interface must be a SessionInterface, such as"
                " SecureCookieSessionInterface(secret_key)."
            )
        if not isinstance(environ_key, str) or not environ_key:
            faults.append("environ_key must be a non-empty str.")
        if faults:
            raise ConfigError("SessionMiddleware", faults)
        #: The app that is wrapped.
        self.app = app
        #: How sessions are kept.
        self.interface = interface
        #: Where in the environ the session is put.
        self.environ_key = environ_key
        self._mark = interface.mark
        # The class of the last session that was to be saved: so are all of that class.
        self._saves: type | None = None

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        interface = self.interface
        is_first = self._mark not in environ  # another interface's mark stays
        if not is_first:
            under_way = session_under_way(environ, interface)
            if under_way is not None:
                # A middleware around this one saves it; two would lose changes.
                environ[self.environ_key] = under_way
                return self.app(environ, start_response)
        session = interface.open_session(environ)
        if session is None:
            session = interface.make_null_session(environ)
        environ[self.environ_key] = session
        if type(session) is not self._saves and not self._is_to_be_saved(session):
            return self.app(environ, start_response)

        # The response keeps its own reference to the session: an app may replace what
        # is in the environ, and CherryPy hands its handlers a copy.
        response = _Response(interface, environ, session, start_response)
        if is_first:
            environ[self._mark] = session
        body = None
        try:
            body = self.app(environ, response.start)
            if response.state is STARTED:
                response.commit()
            elif response.state is WAITING:
                return response.wait(body)
            return body
        except BaseException:
            # "the server or gateway must call that method upon completion of the
            # current request, whether the request was completed normally, or terminated
            # early due to an application error": the server never gets this body.
            close = getattr(body, "close", None)
            if close:
                close()
            raise
        finally:
            if is_first:
                environ.pop(self._mark, None)

    def _is_to_be_saved(self, session: object) -> bool:
        if self.interface.is_null_session(session):
            return False
        if not isinstance(session, SessionMixin):
            raise TypeError(
                f"{type(self.interface).__name__}.open_session returned a"
                f" {type(session).__name__}: it must return a mapping with"
                " SessionMixin, `class MySession(dict, SessionMixin)`, or None."
            )
        self._saves = type(session)
        return True


def get_session(
    environ: WSGIEnvironment, environ_key: str = ENVIRON_KEY
) -> SessionMixin:
    """The session of a request.

    :param environ: The WSGI environ: ``request.environ`` of most frameworks.
    :param environ_key: As given to :class:`SessionMiddleware`.
    :raises SessionUnavailable: If no middleware has put a session into the environ.
    :raises TypeError: For what is no environ.
    """
    if not isinstance(environ, dict):
        raise TypeError(
            f"get_session() needs the WSGI environ, not a {type(environ).__name__}:"
            " pass request.environ (Falcon: req.env)."
        )
    try:
        return cast("SessionMixin", environ[environ_key])
    except KeyError:
        pass  # and raise below, so that no KeyError is in the chain
    raise SessionUnavailable(
        f"there is no session in environ[{environ_key!r}]: wrap the app,"
        " `app = SessionMiddleware(app, SecureCookieSessionInterface(secret_key))`,"
        " and reach for the session during a request."
    )


def session_under_way(
    environ: WSGIEnvironment, interface: SessionInterface
) -> SessionMixin | None:
    """The session that somebody opened through this interface and will save."""
    session = environ.get(interface.mark)
    ours = session is not None and getattr(session, "keeper", interface) is interface
    return cast("SessionMixin", session) if ours else None


# What a response has come to: a word each, compared by identity.
WAITING = "waiting"  # for the app to call start_response
STARTED = "started"  # by the app; the server does not know yet
COMMITTED = "committed"  # the session is saved, the server knows
PASSED = "passed"  # through to the server without a start


class _Response:
    """The response of one request, held back until its session has been saved."""

    __slots__ = (
        *("_environ", "_headers", "_interface", "_sent", "_session"),
        *("_start_response", "_status", "_write", "state"),
    )
    _headers: list[tuple[str, str]]
    _status: str

    def __init__(
        self,
        interface: SessionInterface,
        environ: WSGIEnvironment,
        session: SessionMixin,
        start_response: StartResponse,
    ) -> None:
        self._interface = interface
        self._environ = environ
        self._session = session
        self._start_response = start_response
        self.state = WAITING
        self._sent: Sequence[tuple[str, str]] | None = None
        self._write: Callable[[bytes], object] | None = None

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: OptExcInfo | None = None,
    ) -> Callable[[bytes], object]:
        """The ``start_response`` that the app gets."""
        state = self.state
        if state is WAITING:
            self.state = STARTED
        elif state is COMMITTED:
            # "if exc_info is provided, and the HTTP headers have already been sent,
            # start_response must raise an error": the server knows. If they have not,
            # these replace them, and what was saved is saved, whatever the status.
            if not exc_info:
                return self._start_response(status, headers)
            headers = list(headers)
            repeat(
                [each for each in self._sent or () if each not in self._headers],
                headers,
            )
            return self._start_response(status, headers, exc_info)
        if state is STARTED and not exc_info:
            raise AssertionError(
                "start_response was called a second time without exc_info (PEP 3333)"
            )
        self._status = status
        self._headers = headers
        if state is PASSED:
            self.commit()
        return self.write

    def write(self, data: bytes) -> object:
        """The ``write`` that the app gets, which new apps should not need."""
        if self.state is not COMMITTED:
            self.commit()
        if self._write is None:
            raise RuntimeError(
                "this server offers no write() (PEP 3333 asks for one), or could not"
                " start the response: return an iterable of byte strings instead."
            )
        return self._write(data)

    def commit(self) -> None:
        """Save the session, and start the response at the server."""
        headers = list(self._headers)  # the app's list may be shared between requests
        if self._sent is None:
            self._sent = headers
            try:
                self._interface.save_session(
                    self._environ, self._session, self._status, headers
                )
            except BaseException:
                self._sent = ()  # once, also where the save raises
                if isinstance(self._session, TrackedSession):
                    # A later change would be lost: nobody saves it any more.
                    self._session.closed = True
                raise
        # From here on the server decides, even where its start_response raises.
        self.state = COMMITTED
        self._write = self._start_response(self._status, headers)

    def wait(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Pull the first chunk of a body whose app has not started its response yet.

        "The application must invoke the start_response() callable before the iterable
        yields its first body bytestring": then the session can be saved.
        """
        try:
            iterator = iter(body)
        except TypeError:
            self._pass_through()
            return body  # a hijacked socket, say: the server knows what to do
        first = list(islice(iterator, 1))
        if self.state is STARTED:
            self.commit()
        elif self.state is WAITING:
            self._pass_through()
            if not first and iterator is body:
                return body  # what servers know by its identity, such as eventlet's
        rest = chain(first, iterator)
        return ClosingIterator(rest, getattr(body, "close", None))

    def _pass_through(self) -> None:
        """No response was started: it is as on the bare server, now or later."""
        self.state = PASSED
        # A session that does not track its use says always that it was changed.
        if self._session.modified and type(self._session).modified is not True:
            logger.warning(
                "the session was changed, but the app has not called start_response:"
                " unless it still does, the change is lost."
            )
