"""What the bridges have in common: whose the session of a request is, and who saves it.

A bridge makes a framework's own session ours. Where a :class:`~cookiesession.
SessionMiddleware` with the same interface is around the framework, it hands that one's
session out and lets it save; elsewhere it opens and saves by itself. Either way the
framework's response says what the session means for caches. A cache that keeps what a
view returned, before it is a response, does not see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..headers import Headers, keep_private, vary_on_cookie
from ..interface import SessionInterface
from ..middleware import ENVIRON_KEY, session_under_way
from ..sessions import SessionMixin

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def checked(bridge: str, interface: object) -> SessionInterface:
    """The interface that a bridge is given.

    :raises ConfigError: If it is none.
    """
    if not isinstance(interface, SessionInterface):
        fault = (
            "interface must be a SessionInterface, such as"
            " SecureCookieSessionInterface(secret_key)."
        )
        raise ConfigError(bridge, [fault])
    return interface


def open_session(
    environ: WSGIEnvironment, interface: SessionInterface
) -> tuple[SessionMixin, bool]:
    """The session of a request; from here on it is in the environ as well.

    :returns: The session, and whether it was opened here: then the interface has to
        save it on the framework's response, and :func:`release` to be called when the
        request is over, whatever came of it. Else :func:`speak`.
    """
    session = session_under_way(environ, interface)
    if session is not None:
        environ[ENVIRON_KEY] = session
        return session, False
    session = interface.open_session(environ)
    if session is None:
        session = interface.make_null_session(environ)
    environ[ENVIRON_KEY] = session
    if interface.is_null_session(session):
        return session, False
    # What is within, a middleware or another bridge, leaves the saving to us.
    environ.setdefault(interface.mark, session)
    return session, True


def release(environ: WSGIEnvironment, interface: SessionInterface) -> None:
    """Forget that a session was opened here and is going to be saved.

    An environ may live longer than its request, where a request is tried again, say.
    """
    if session_under_way(environ, interface) is not None:
        del environ[interface.mark]


def speak(headers: Headers, session: SessionMixin) -> None:
    """Let a response say what a session means for caches that see it before the
    middleware that saves the session does.

    :param headers: The response's headers, which are changed in place.
    """
    if session.accessed:
        vary_on_cookie(headers)
    if session.modified:
        keep_private(headers)
