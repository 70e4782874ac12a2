"""Settings of Django's own tests that put our bridge in the place of its sessions."""

from __future__ import annotations

import atexit
import os
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions import middleware
from django.test import client
from test_sqlite import *  # type: ignore  # noqa: F403  # Django's, of its tests

from cookiesession import (
    CookieOptions,
    ServerSideSessionInterface,
    SessionMiddleware,
    SignedFormat,
    TaggedJSONSerializer,
)
from cookiesession.bridges import django as bridge
from cookiesession.stores import MemoryStore

MODE = os.environ["FOREIGN_MODE"]
ENGINE = "cookiesession.bridges.django"
STORE = MemoryStore()
SECRET_KEY = "the-key-of-djangos-own-tests-made-longer"
served = 0


def __getattr__(name: str) -> Any:
    """``interface``: a store's, made of Django's settings as they are now."""
    if name != "interface":
        raise AttributeError(name)
    cookie = CookieOptions(
        name=settings.SESSION_COOKIE_NAME,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=settings.SESSION_COOKIE_HTTPONLY,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )
    return ServerSideSessionInterface(
        settings.SECRET_KEY,
        STORE,
        user_key="_auth_user_id",
        fallback_keys=settings.SECRET_KEY_FALLBACKS,
        cookie=cookie,
        format=SignedFormat(serializer=TaggedJSONSerializer(subclasses=True)),
        idle_timeout=timedelta(seconds=settings.SESSION_COOKIE_AGE),
        permanent=not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE,
    )


class Swapped(middleware.SessionMiddleware):  # type: ignore[misc]
    """Ours, unless a test has chosen an engine of its own."""

    def __new__(cls, get_response: Any) -> Any:
        global served
        if settings.SESSION_ENGINE == ENGINE and cls is Swapped:
            served += 1
            return bridge.SessionMiddleware(get_response)
        return super().__new__(cls)


def saving(self: client.ClientMixin) -> Any:
    """What ``ClientSessionMixin`` does, for all test clients."""
    session = djangos_session(self)
    session.jar = self.cookies
    return session


async def asaving(self: client.ClientMixin) -> Any:
    session = await djangos_asession(self)
    session.jar = self.cookies
    return session


def below(self: client.ClientHandler, environ: Any) -> Any:
    """The handler of a test client, with our middleware around it."""
    sent: Any = []

    def app(environ: Any, start_response: Any) -> Any:
        response = djangos_handler(self, environ)
        cookies = [("Set-Cookie", c.OutputString()) for c in response.cookies.values()]
        sent.extend([response, [*response.items(), *cookies]])
        start_response(f"{response.status_code} {response.reason_phrase}", sent[1])
        return []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        sent.append(headers)
        return lambda data: None

    SessionMiddleware(app, bridge.session_interface())(environ, start_response)
    response, before, after = sent
    for name, value in after:
        if name == "Set-Cookie" and (name, value) not in before:
            response.cookies.load(value)
        elif name != "Set-Cookie":
            response.headers[name] = value
    return response


@atexit.register
def prove() -> None:
    """A suite that did not meet our sessions proves nothing."""
    if MODE != "baseline" and not served:
        print("Our sessions were not met.", flush=True)
        os._exit(3)


if MODE != "baseline":
    SESSION_ENGINE = ENGINE
    middleware.SessionMiddleware = Swapped
    djangos_session = client.ClientMixin.session.fget
    djangos_asession = client.ClientMixin.asession
    client.ClientMixin.session = property(saving)
    client.ClientMixin.asession = asaving
if MODE == "store":
    SESSION_INTERFACE = f"{__name__}.interface"
if MODE == "middleware":
    djangos_handler = client.ClientHandler.__call__
    client.ClientHandler.__call__ = below
