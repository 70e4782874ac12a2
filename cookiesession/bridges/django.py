"""Django's ``request.session``, kept by cookiesession.

In the settings, with Django's own ``SessionMiddleware`` replaced by ours::

    SESSION_ENGINE = "cookiesession.bridges.django"
    MIDDLEWARE = [..., "cookiesession.bridges.django.SessionMiddleware", ...]

Without more, sessions are made of Django's own settings: SECRET_KEY, its fallbacks, and
SESSION_COOKIE_*. For any other interface, an object or the dotted path to one::

    SESSION_INTERFACE = SecureCookieSessionInterface(key)
    SESSION_COOKIE_NAME = SESSION_INTERFACE.cookie.name

Its words mean what ours do: ``flush()`` is ``clear()``, ``cycle_key()`` is
``regenerate()``, and an assignment of an equal value is no change. For whatever knows
our sessions, the session itself is ``get_session(request.META)``.
"""

# What sync_to_async gives is a Coroutine; of Django's own a CoroutineType is inferred.
# pyright: reportAssignmentType=false

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from http.cookies import Morsel, SimpleCookie
from threading import Lock
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions import middleware
from django.contrib.sessions.backends.base import SessionBase
from django.core.signals import setting_changed
from django.core.signing import JSONSerializer
from django.utils.module_loading import import_string

from ..cookies import CookieOptions
from ..errors import ConfigError, SessionCommitted
from ..headers import Headers
from ..interface import SessionInterface
from ..reading import ask
from ..securecookie import SecureCookieSessionInterface
from ..serializer import TaggedJSONSerializer
from ..sessions import NullSession, SessionMixin
from ..signed import SignedFormat
from ..stores.base import SessionStore as Store
from . import checked, open_session, release, speak

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

_EXPIRY = "_session_expiry"  # Django's own key
_KEY = "_session_key"  # ours: names a session that has no handle
_HANDLE = re.compile("[0-9a-f]{64}")


class SessionStore(SessionBase):  # type: ignore[misc]
    """Django's words for a session of ours.

    In a request it is ``request.session``, and the middleware saves it. Elsewhere, in
    tests and scripts, it is opened with the cookie's value, as Django's test client
    does; there ``save()`` saves, and ``session_key`` is the cookie's value.

    :param session_key: The cookie's value.
    :param request: The request whose session it is, instead.
    """

    serializer = JSONSerializer  # for encode() and decode(), which nothing here calls
    #: A test client's cookies, where a save is to reach them.
    jar: SimpleCookie | None = None

    def __init__(
        self, session_key: str | None = None, *, request: HttpRequest | None = None
    ) -> None:
        self._interface = session_interface()
        self._name = settings.SESSION_COOKIE_NAME
        self._request = request
        self._judging = Lock()
        self._open(session_key)

    def _open(self, token: str | None) -> None:
        self._token = token
        self._judged = False
        alone = {"HTTP_COOKIE": f"{self._name}={token}" if token else ""}
        environ = alone if self._request is None else self._request.META
        self._ours, self._opened = open_session(environ, self._interface)

    # -- what SessionBase works on ----------------------------------------------------

    @property
    def _session(self) -> SessionMixin:
        if not self._judged:
            with self._judging:  # a parallel read waits for the verdict
                if not self._judged and _has_expired(self._ours):
                    try:
                        self._ours.clear()
                    except SessionCommitted:  # read so late that it cannot be deleted
                        self._ours = NullSession("it has expired.")
                self._judged = True
        return self._ours

    async def _aget_session(self, no_load: bool = False) -> SessionMixin:
        if not self._judged:  # off the event loop, as a store may have to be asked
            await sync_to_async(lambda: self._session)()
        return self._session

    @property
    def accessed(self) -> bool:
        return self._ours.accessed

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self._ours.accessed = value

    @property
    def modified(self) -> bool:
        return self._ours.modified

    @modified.setter
    def modified(self, value: bool) -> None:
        if value or self.modified:  # pop() of nothing says that there is no change
            self._ours.modified = value

    def is_empty(self) -> bool:
        return not self._session

    # -- changes: SessionBase would mark an equal value as one ------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        self._session[key] = value

    def update(self, dict_: Mapping[str, Any]) -> None:
        self._session.update(dict_)

    def clear(self) -> None:
        self._session.clear()

    def set_expiry(self, value: datetime | timedelta | int | None) -> None:
        """Let the session end before its interface would end it.

        :param value: Seconds since it was last written, changed or renewed; when, or in
            how long; 0 for the end of the browser's session; ``None`` for the
            interface's own rule.
        """
        super().set_expiry(value)
        # Settings may have changed under the session, as Django's own tests do.
        default = getattr(session_interface(), "permanent", False)
        self._session.permanent = default if value is None else value != 0

    def get_expire_at_browser_close(self) -> bool:
        return not self._session.permanent

    @property
    def session_key(self) -> str | None:
        """What names the session; ``None`` as long as it is empty.

        In a request it opens nothing: the handle, or in a cookie a random id that the
        session carries from the first look on. Elsewhere it is the cookie's value.
        """
        session = self._session
        if self._request is None:
            if session.modified:
                self._commit()
            return None if self._session.new else self._token
        if not session:
            return None
        if session.handle is None and _KEY not in session:
            try:
                session[_KEY] = secrets.token_hex(16)
            except SessionCommitted:
                return None
        return session.handle or session[_KEY]

    def save(self, must_create: bool = False) -> None:
        """Save the session, also if it is empty; in a request, with the response."""
        if not self._session:
            self._session[_KEY] = secrets.token_hex(16)
        self.modified = True
        self._commit()

    def cycle_key(self) -> None:
        self._session.regenerate()
        self._session.pop(_KEY, None)
        self._commit()

    def create(self) -> None:
        self.cycle_key()
        self.save()

    def flush(self) -> None:
        self._session.clear()
        self._commit()

    # Off the event loop, as a store may have to be asked.
    aset = sync_to_async(__setitem__)
    aupdate = sync_to_async(update)
    aset_expiry = sync_to_async(set_expiry)
    aget_expire_at_browser_close = sync_to_async(get_expire_at_browser_close)
    acycle_key = sync_to_async(cycle_key)
    aflush = sync_to_async(flush)

    def delete(self, session_key: str | None = None) -> None:
        """End this session, or the one of that handle."""
        if session_key is None or session_key == self.session_key:
            self.flush()
        elif store := self._store_of(session_key):
            ask(store.end, session_key)

    def exists(self, session_key: str) -> bool:
        """Whether this is the session's key, or a store has one of that handle."""
        if session_key == self.session_key:
            return not self._session.new
        store = self._store_of(session_key)
        record = store and ask(store.load, session_key)
        return bool(record and record.version is not None)

    def load(self) -> dict[str, Any]:
        """What the session held when it came."""
        tracked = getattr(self._session, "tracked", None)
        return dict(tracked.came.data) if tracked and tracked.came else {}

    @classmethod
    def clear_expired(cls) -> None:
        store: Any = getattr(session_interface(), "store", None)
        if hasattr(store, "delete_expired"):
            store.delete_expired()
        else:
            print("Nothing to clear: expired sessions go by themselves.")

    def _store_of(self, handle: str) -> Store | None:
        store: Store | None = getattr(self._interface, "store", None)
        is_handle = isinstance(handle, str) and _HANDLE.fullmatch(handle)
        return store if is_handle else None

    def _commit(self) -> None:
        """Save the session, where no response will."""
        if self._request is not None:
            return
        headers: Headers = []
        environ = {"wsgi.url_scheme": "https"}
        self._interface.save_session(environ, self._ours, "200 OK", headers)
        token = self._token
        for _, value in headers:
            if value.startswith(f"{self._name}="):
                token = value.partition(";")[0].partition("=")[2]
        self._open(token)
        if self.jar is not None:
            self.jar[self._name] = token or ""

    def finish(self, request: HttpRequest, status: str, headers: Headers) -> None:
        """Save the session of a request, and let the response say what it means."""
        if self._opened:
            release(request.META, self._interface)
            environ = {**request.META, "wsgi.url_scheme": request.scheme}
            self._interface.save_session(environ, self._ours, status, headers)
        else:
            speak(headers, self._ours)


class SessionMiddleware(middleware.SessionMiddleware):  # type: ignore[misc]
    """Gives every request its session, and saves it with the response.

    Where a :class:`cookiesession.SessionMiddleware` with the same interface is around
    Django, that one's session is handed out, and saved by it.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            fault = f'must be "{__name__}", for its SessionMiddleware.'
            raise ConfigError("SESSION_ENGINE", [fault])
        session_interface()  # says now what is wrong with it

    def process_request(self, request: HttpRequest) -> None:
        request.session = self.SessionStore(request=request)  # pyright: ignore

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return response
        if settings.SESSION_SAVE_EVERY_REQUEST and not session.is_empty():
            session.modified = True
        cookies = [("Set-Cookie", c.OutputString()) for c in response.cookies.values()]
        before = [*response.items(), *cookies]
        headers = before.copy()
        session.finish(request, str(response.status_code), headers)
        for name, value in [each for each in headers if each not in before]:
            if name == "Set-Cookie":
                morsel = _Morsel(value)
                response.cookies[morsel.key] = morsel
            else:
                response.headers[name] = value
        return response


class ClientSessionMixin:
    """``class Client(ClientSessionMixin, django.test.Client)``: a test client whose
    ``client.session`` reaches its cookie when it is saved. Django's own loses it."""

    cookies: SimpleCookie

    @property
    def session(self) -> SessionStore:
        """The session of the client's cookie, or a new one."""
        session: SessionStore = super().session  # type: ignore[misc]
        session.jar = self.cookies
        return session

    async def asession(self) -> SessionStore:
        """The session of the client's cookie, or a new one."""
        session: SessionStore = await super().asession()  # type: ignore[misc]
        session.jar = self.cookies
        return session


@cache
def session_interface() -> SessionInterface:
    """What keeps the sessions: SESSION_INTERFACE, or made of Django's own settings."""
    given = getattr(settings, "SESSION_INTERFACE", None)
    if given is None:
        return _of_settings()
    found = import_string(given) if isinstance(given, str) else given
    interface = checked("SESSION_INTERFACE", found)
    cookie = getattr(interface, "cookie", None)
    if cookie is not None and cookie.name != settings.SESSION_COOKIE_NAME:
        fault = (
            f"must be {cookie.name!r}, as SESSION_INTERFACE names its cookie: that is"
            " the one which Django hides in error reports, and its test client sets."
        )
        raise ConfigError("SESSION_COOKIE_NAME", [fault])
    return interface


setting_changed.connect(lambda **_: session_interface.cache_clear(), weak=False)


def _of_settings() -> SecureCookieSessionInterface:
    domain = settings.SESSION_COOKIE_DOMAIN
    longest = timedelta(days=400)  # no browser keeps a cookie longer
    age = min(timedelta(seconds=settings.SESSION_COOKIE_AGE), longest)
    return SecureCookieSessionInterface(
        settings.SECRET_KEY,
        fallback_keys=settings.SECRET_KEY_FALLBACKS,
        cookie=CookieOptions(
            name=settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=domain.removeprefix(".") if domain else None,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=settings.SESSION_COOKIE_HTTPONLY,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        ),
        # Django's own values are often of a subclass of str.
        format=SignedFormat(serializer=TaggedJSONSerializer(subclasses=True)),
        idle_timeout=age,
        absolute_timeout=max(age, timedelta(days=90)),
        permanent=not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE,
    )


def _has_expired(session: SessionMixin) -> bool:
    """Whether the time that set_expiry() gave the session is over."""
    expiry = session.get(_EXPIRY)
    tracked = getattr(session, "tracked", None)
    now = tracked.touched_at if tracked else time.time()
    if isinstance(expiry, str):
        return datetime.fromisoformat(expiry).timestamp() <= now
    return bool(expiry and 0 < session.issued_at <= now - expiry)


class _Morsel(Morsel[str]):
    """A Set-Cookie value as Django's responses hold it.

    With the attribute that Python before 3.14 does not know: for it, SimpleCookie drops
    the whole cookie.
    """

    _reserved = {**Morsel._reserved, "partitioned": "Partitioned"}  # type: ignore  # noqa: RUF012
    _flags = {*Morsel._flags, "partitioned"}  # type: ignore  # noqa: RUF012

    def __init__(self, set_cookie: str) -> None:
        super().__init__()
        pair, *attributes = set_cookie.split("; ")
        name, _, value = pair.partition("=")
        self.set(name, value, value)
        for attribute in attributes:
            key, _, text = attribute.partition("=")
            self[key] = text or True
