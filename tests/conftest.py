"""Fixtures that most tests use."""

from __future__ import annotations

import pytest
from support import KEY, Clock

from cookiesession import SecureCookieSessionInterface


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def interface(clock: Clock) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(KEY, clock=clock)
