"""Fixtures that most tests use."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from storing import Spy
from support import KEY, OLD_KEY, Clock

from cookiesession import SecureCookieSessionInterface

# Busy machines are no defect; a thorough run sets the number of examples.
settings.register_profile(
    "cookiesession",
    deadline=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "50")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cookiesession")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def interface(clock: Clock) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(KEY, clock=clock)


@pytest.fixture
def store(clock: Clock) -> Spy:
    """A store that knows what it was asked."""
    return Spy(clock)


@pytest.fixture(scope="session", autouse=True)
def nothing_secret_is_logged() -> Iterator[None]:
    """Whatever the suite makes us log: no key of the tests, nothing like a token."""
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger("cookiesession").addHandler(handler)
    yield
    logging.getLogger("cookiesession").removeHandler(handler)
    for secret in (KEY, OLD_KEY, "[A-Za-z0-9_-]+[.][A-Za-z0-9_-]{6}[.]", "[\\w-]{43}"):
        assert not re.search(secret, logged.getvalue())
