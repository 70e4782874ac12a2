"""One session for any WSGI app, in a signed cookie.

Flask's session component, freed from Flask: a middleware wraps the app, a pluggable
interface opens the session before the request and saves it on the response::

    Cookie header ─ cookies ─> token ─ tokens ─> dict ─ sessions ─> the app
                                                                       │
    Set-Cookie    <─ cookies ─ token <─ tokens ─ dict <─ sessions <────┘

Read ``middleware`` (PEP 3333), ``interface`` (the seam), ``securecookie`` (the policy),
``sessions`` (what the app holds), ``tokens`` and ``encryption`` (formats, keys, time),
``serializer`` and ``tags`` (values), ``cookies`` and ``headers`` (HTTP), ``keys``,
``errors``. Imports go the same way, down only.
"""

from .cookies import CookieOptions
from .encryption import EncryptedFormat
from .errors import ConfigError, SessionCommitted, SessionTooLarge, SessionUnavailable
from .interface import SessionInterface
from .middleware import SessionMiddleware, get_session
from .securecookie import SecureCookieSessionInterface
from .serializer import TaggedJSONSerializer
from .sessions import NullSession, SecureCookieSession, SessionMixin
from .tags import JSONTag
from .tokens import FLASK, SignedFormat

__all__ = [
    "FLASK",
    "ConfigError",
    "CookieOptions",
    "EncryptedFormat",
    "JSONTag",
    "NullSession",
    "SecureCookieSession",
    "SecureCookieSessionInterface",
    "SessionCommitted",
    "SessionInterface",
    "SessionMiddleware",
    "SessionMixin",
    "SessionTooLarge",
    "SessionUnavailable",
    "SignedFormat",
    "TaggedJSONSerializer",
    "get_session",
]
