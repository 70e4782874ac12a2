"""Django's tests of any session engine, run on ours."""

from __future__ import annotations

import os

from django.test import TestCase
from sessions_tests import tests as theirs  # type: ignore[import-not-found]

from cookiesession.bridges.django import SessionStore

MODE = os.environ["FOREIGN_MODE"]

if MODE != "baseline":
    # As Django's own engine in a cookie, ours keeps nothing that could be asked for.
    Tests = theirs.SessionTestsMixin if MODE == "store" else theirs.CookieSessionTests

    class TestOnOurs(Tests, TestCase):  # type: ignore[misc,valid-type]
        backend = SessionStore
        # Which Django's engine in a cookie does not keep, and ours does.
        test_actual_expiry = theirs.SessionTestsMixin.test_actual_expiry
        test_actual_expiry_async = theirs.SessionTestsMixin.test_actual_expiry_async

    del Tests
