"""A pytest plugin: Pyramid's tests of its cookie sessions, and its dummy, have ours."""

from __future__ import annotations

import os
import time
import unittest
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pyramid.testing
import pytest

from cookiesession import (
    CookieOptions,
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionInterface,
)
from cookiesession.bridges.pyramid import PyramidSession, PyramidSessions
from cookiesession.stores import MemoryStore

MODE = os.environ["FOREIGN_MODE"]
KEY = "tests-only-key-0123456789-ABCDEF"
STORE = MemoryStore()


def make_interface(
    *,
    timeout: int | str | None = 1200,
    clock: Callable[[], float] = time.time,
    **options: Any,
) -> SessionInterface:
    """From the arguments of Pyramid's SignedCookieSessionFactory."""
    for not_ours in ("set_on_exception", "reissue_time"):
        options.pop(not_ours, None)
    name = options.pop("cookie_name", "session")
    arguments: dict[str, Any] = {
        "cookie": CookieOptions(name=name, **{"secure": False, **options}),
        "idle_timeout": None if timeout is None else timedelta(seconds=int(timeout)),
        "absolute_timeout": None,
        "clock": clock,
    }
    if MODE == "store":
        return ServerSideSessionInterface(KEY, STORE, **arguments)
    return SecureCookieSessionInterface(KEY, **arguments)


class TestedSession(PyramidSession):
    """Has what the tests look at beneath the surface of Pyramid's own."""

    request: Any
    _cookie_on_exception = True

    @property
    def _dirty(self) -> bool:
        return self._session.modified

    def _set_cookie(self, response: Any) -> bool:
        for callback in self.request.response_callbacks:
            callback(self.request, response)
        return any(name == "Set-Cookie" for name, _ in response.headerlist)


class OnOurs:
    """How the tests make a session, and a cookie."""

    def _makeOne(self, request: Any, **options: Any) -> TestedSession:
        cookies = [
            f"{name}={value.decode() if isinstance(value, bytes) else value}"
            for name, value in request.cookies.items()
        ]
        request.environ["HTTP_COOKIE"] = "; ".join(cookies)
        view = PyramidSessions(make_interface(**options))(request)
        session = TestedSession(view._session)
        session.request = request
        return session

    def _serialize(self, value: Any) -> bytes:
        if not isinstance(value, tuple):
            return b"nothing.of.ours"
        renewed, _, state = value
        interface: Any = make_interface(timeout=None, clock=lambda: renewed)
        cookie: str = interface.make_cookie(state)
        return cookie.partition("=")[2].encode()


class DummySession(PyramidSession):
    """What ``pyramid.testing.DummyRequest`` has as its session."""

    def __init__(self) -> None:
        session = make_interface().open_session({})
        assert session is not None
        super().__init__(session)


def pytest_configure(config: pytest.Config) -> None:
    theirs: Any = import_module("tests.test_session")
    if MODE == "baseline":
        theirs.TestOnOurs = theirs.TestSignedCookieSession
        return
    bases = (OnOurs, theirs.SharedCookieSessionTests, unittest.TestCase)
    theirs.TestOnOurs = type("TestOnOurs", bases, {})
    pyramid.testing.DummySession = DummySession
