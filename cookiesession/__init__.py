"""One session for any WSGI app, in a signed cookie or in a store.

Flask's session component, freed from Flask: a middleware wraps the app, a pluggable
interface opens the session before the request and saves it on the response::

    Cookie header ─ cookies ─> token ─ tokens ─> dict ─ sessions ─> the app
                                                                       │
    Set-Cookie    <─ cookies ─ token <─ tokens ─ dict <─ sessions <────┘

In the order in which each room needs only those before it: ``errors``, ``keys``,
``tags``, ``encoding``, ``timeouts`` (the ground); ``serializer`` (values), ``cookies``
and ``headers`` (HTTP); ``tracking``, ``sessions`` (what the app holds), ``interface``
(the seam); ``tokens``, ``signed``, ``encryption``, ``keyring`` (formats and keys);
``policy``, ``sealing``, ``securecookie`` (the cookie as the place of a session);
``middleware`` (PEP 3333); ``stores``, ``records``, ``reading``, ``merging``,
``serverside`` (a store as that place); ``bridges`` (the frameworks' own sessions).
"""

from .cookies import CookieOptions
from .encryption import EncryptedFormat
from .errors import ConfigError, SessionCommitted, SessionTooLarge, SessionUnavailable
from .interface import SessionInterface
from .middleware import SessionMiddleware, get_session
from .reading import SessionInfo
from .securecookie import SecureCookieSession, SecureCookieSessionInterface
from .serializer import TaggedJSONSerializer
from .serverside import ServerSideSessionInterface
from .sessions import NullSession, SessionMixin
from .signed import FLASK, SignedFormat
from .tags import JSONTag

__all__ = [
    "FLASK",
    "ConfigError",
    "CookieOptions",
    "EncryptedFormat",
    "JSONTag",
    "NullSession",
    "SecureCookieSession",
    "SecureCookieSessionInterface",
    "ServerSideSessionInterface",
    "SessionCommitted",
    "SessionInfo",
    "SessionInterface",
    "SessionMiddleware",
    "SessionMixin",
    "SessionTooLarge",
    "SessionUnavailable",
    "SignedFormat",
    "TaggedJSONSerializer",
    "get_session",
]
