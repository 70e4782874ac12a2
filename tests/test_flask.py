"""The format FLASK is Flask's own cookie, both ways, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any
from uuid import UUID

import flask
import pytest
from flask.sessions import SecureCookieSessionInterface as FlaskInterface
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import BadSignature, URLSafeTimedSerializer
from markupsafe import Markup
from support import KEY, OLD_KEY, Clock
from values import assert_same, flask_sessions
from webtest import TestApp
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cookiesession import (
    FLASK,
    CookieOptions,
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NAME = "session"


def flask_app(key: str = KEY, *fallbacks: str) -> flask.Flask:
    app = flask.Flask("shared")
    app.secret_key = key
    app.config["SECRET_KEY_FALLBACKS"] = list(fallbacks)
    return app


def signer_of(app: flask.Flask) -> URLSafeTimedSerializer:
    signer = FlaskInterface().get_signing_serializer(app)
    assert signer is not None
    return signer


def ours(key: str = KEY, **options: Any) -> SecureCookieSessionInterface:
    cookie = CookieOptions(name=NAME, secure=False, max_size=60_000)
    return SecureCookieSessionInterface(key, format=FLASK, cookie=cookie, **options)


APP = flask_app()
SIGNER = signer_of(APP)
OURS = ours()


def flask_writes(data: dict[str, Any]) -> str:
    with APP.app_context():  # where its JSON is sorted
        return str(SIGNER.dumps(data))


# -- the bytes ----------------------------------------------------------------------


@given(flask_sessions())
def test_flask_reads_what_we_write(data: dict[str, Any]) -> None:
    _, _, token = OURS.make_cookie(data).partition("=")

    assert_same(SIGNER.loads(token), data)


@given(flask_sessions())
def test_we_read_what_flask_writes(data: dict[str, Any]) -> None:
    assert_same(OURS.read_cookie(f"{NAME}={flask_writes(data)}"), data)


@given(flask_sessions())
def test_our_cookie_is_never_longer_than_flasks(data: dict[str, Any]) -> None:
    interface = ours(absolute_timeout=None)
    _, _, token = interface.make_cookie(data).partition("=")
    theirs = flask_writes(data)

    assert len(token) <= len(theirs)
    if not token.startswith("."):  # zlib's header tells the window, which is smaller
        assert token.split(".")[0] == theirs.split(".")[0]


@given(st.text("ab", min_size=100, max_size=9000), st.integers(0, 50))
def test_what_compresses_is_never_longer_than_flasks(text: str, count: int) -> None:
    data = {"a": text, "b": list(range(count))}

    _, _, token = ours(absolute_timeout=None).make_cookie(data).partition("=")

    assert token.startswith(".")
    assert len(token) <= len(flask_writes(data))
    assert SIGNER.loads(token) == data


@pytest.mark.parametrize("key", [" t", " di", " b", " m", " u", " d", " x", "_cs_"])
def test_a_session_whose_only_key_looks_like_a_tag(key: str) -> None:
    _, _, token = OURS.make_cookie({key: (1,)}).partition("=")

    assert token.split(".")[0] == flask_writes({key: (1,)}).split(".")[0]
    assert OURS.read_cookie(f"{NAME}={flask_writes({key: (1,)})}") == {key: (1,)}


# -- one session for two programs ---------------------------------------------------

THINGS = {
    "bytes": b"\0\xff",
    "dict": {" t": [(1, (2,))]},
    "markup": Markup("<b>\u2603</b>"),
    "moment": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "none": None,
    "number": 1.5,
    "tuple": (1, ({"a": (UUID(int=5),)},)),
}


def make_flask(key: str, *fallbacks: str) -> flask.Flask:
    """A Flask app that stores, shows, and forgets."""
    app = flask_app(key, *fallbacks)

    @app.get("/login")
    def login() -> str:
        flask.session.update(THINGS, user="ada")
        flask.session.permanent = True
        flask.flash("welcome", "greeting")
        return "in"

    @app.get("/show")
    def show() -> str:
        return repr([sorted(flask.session.items()), flask.session.permanent])

    @app.get("/logout")
    def logout() -> str:
        flask.session.clear()
        return "out"

    return app


def plain_app(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """The same, as a plain WSGI app."""
    session = get_session(environ)
    path = environ["PATH_INFO"]
    if path == "/login":
        session.update(THINGS, user="ada")
        session.permanent = True
    elif path == "/logout":
        session.clear()
    items: list[tuple[str, Any]] = sorted(session.items())
    if session.permanent:
        items = sorted([*items, ("_permanent", True)])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr([items, session.permanent]).encode()]


def browser_of(
    flask_app: flask.Flask,
    interface: SecureCookieSessionInterface,
    cookies: CookieJar | None = None,
) -> TestApp:
    """A browser before one host: Flask at /, a plain WSGI app at /plain."""
    plain = SessionMiddleware(plain_app, interface)
    host = DispatcherMiddleware(flask_app.wsgi_app, {"/plain": plain})
    return TestApp(host, cookiejar=cookies)


def test_a_flask_app_and_a_wsgi_app_share_one_cookie() -> None:
    browser = browser_of(make_flask(KEY), ours(absolute_timeout=None))

    browser.get("/login")
    at_flasks = browser.get("/show").text
    assert "_flashes" in at_flasks
    assert browser.get("/plain/show").text == at_flasks
    browser.get("/plain/logout")
    assert browser.get("/show").text == "[[], False]"

    browser.get("/plain/login")
    at_ours = browser.get("/plain/show").text
    assert browser.get("/show").text == at_ours
    assert "('_permanent', True)" in at_ours
    browser.get("/logout")
    assert browser.get("/plain/show").text == "[[], False]"
    assert browser.cookies == {}


def test_both_rotate_their_keys_and_neither_logs_anybody_out() -> None:
    rotated = ours(fallback_keys=[OLD_KEY], absolute_timeout=None)
    before = ours(OLD_KEY, fallback_keys=[KEY], absolute_timeout=None)
    browser = browser_of(make_flask(OLD_KEY), before)
    browser.get("/login")
    shown = browser.get("/show").text

    for app in (make_flask(KEY, OLD_KEY), make_flask(KEY)):
        browser = browser_of(app, rotated, browser.cookiejar)
        assert browser.get("/plain/show").text == shown
        assert browser.get("/show").text == shown


def test_a_session_that_flask_signed_with_the_old_key_is_signed_anew_by_us() -> None:
    browser = browser_of(make_flask(OLD_KEY), ours(fallback_keys=[OLD_KEY]))
    browser.get("/login")
    with pytest.raises(BadSignature):
        SIGNER.loads(browser.cookies[NAME] or "")

    browser.get("/plain/show")

    assert SIGNER.loads(browser.cookies[NAME] or "")["user"] == "ada"


def test_flask_reads_with_a_fallback_key_what_we_signed_with_the_old_one() -> None:
    browser = browser_of(make_flask(KEY, OLD_KEY), ours(OLD_KEY))
    browser.get("/plain/login")

    assert "('user', 'ada')" in browser.get("/show").text


def test_our_creation_time_goes_through_flask_unharmed() -> None:
    clock = Clock()
    interface = ours(idle_timeout=None, absolute_timeout=timedelta(days=1), clock=clock)
    session = interface.open_session({"HTTP_COOKIE": interface.make_cookie({"a": 1})})
    assert session is not None
    clock.advance(hours=1)
    session["b"] = 2
    headers: list[tuple[str, str]] = []
    interface.save_session({}, session, "200 OK", headers)
    token = dict(headers)["Set-Cookie"].partition(";")[0].partition("=")[2]

    at_flask = SIGNER.loads(token)
    assert at_flask == {"_cs": 1_700_000_000, "a": 1, "b": 2}
    codec = FLASK.bind(KEY.encode(), NAME)
    again = codec.open(flask_writes({**at_flask, "c": 3}).encode())

    assert again is not None
    assert again.data == {"a": 1, "b": 2, "c": 3}
    assert again.created == 1_700_000_000


@pytest.mark.parametrize("lifetime", [60, timedelta(minutes=1)], ids=["int", "delta"])
def test_the_interface_of_an_app_s_own_configuration_shares_its_cookie(
    lifetime: int | timedelta,
) -> None:
    app = make_flask(KEY)
    app.config.update(SESSION_COOKIE_NAME="shared", PERMANENT_SESSION_LIFETIME=lifetime)
    browser = browser_of(
        app, SecureCookieSessionInterface.from_flask_config(app.config)
    )

    browser.get("/login")
    shown = browser.get("/show").text
    assert browser.get("/plain/show").text == shown
    browser.get("/plain/logout")
    response = browser.get("/plain/login")

    assert browser.get("/show").text == browser.get("/plain/show").text != "[[], False]"
    left = parsedate_to_datetime(
        response.headers["Set-Cookie"].split("Expires=")[1][:29]
    )
    assert 0 < (left - datetime.now(timezone.utc)).total_seconds() <= 60
