"""Testing an app with sessions: any client, one line to put one in, one to read it."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from support import KEY, Clock
from webtest import TestApp
from werkzeug.test import Client

from cookiesession import (
    CookieOptions,
    SecureCookieSessionInterface,
    SessionMiddleware,
    get_session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HTTPS = {"wsgi.url_scheme": "https"}

interface = SecureCookieSessionInterface(KEY)


def visits(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    session = get_session(environ)
    session["visits"] = session.get("visits", 0) + 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(session["visits"]).encode()]


app = SessionMiddleware(visits, interface)


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The app on a real server, as http://localhost."""
    with make_server("127.0.0.1", 0, app, handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


# -- one line each ---------------------------------------------------------------


def by_webtest(url: str, cookie: str) -> tuple[str, str]:
    response = TestApp(app).get("/", headers={"Cookie": cookie})
    return response.text, response.headers["Set-Cookie"]


def by_werkzeug(url: str, cookie: str) -> tuple[str, str]:
    client = Client(app)
    client.set_cookie(*cookie.split("="))
    response = client.get("/")
    return response.text, response.headers["Set-Cookie"]


def by_urllib(url: str, cookie: str) -> tuple[str, str]:
    request = urllib.request.Request(url, headers={"Cookie": cookie})
    with urllib.request.urlopen(request) as response:
        return response.read().decode(), response.headers["Set-Cookie"]


def by_requests(url: str, cookie: str) -> tuple[str, str]:
    requests = pytest.importorskip("requests")
    response = requests.get(url, headers={"Cookie": cookie})
    return response.text, response.headers["Set-Cookie"]


def by_httpx(url: str, cookie: str) -> tuple[str, str]:
    response = pytest.importorskip("httpx").get(url, headers={"Cookie": cookie})
    return response.text, response.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "get", [by_webtest, by_werkzeug, by_urllib, by_requests, by_httpx]
)
def test_a_session_is_put_in_place_and_read_out_with_any_client(
    url: str, get: Callable[[str, str], tuple[str, str]]
) -> None:
    text, set_cookie = get(url, interface.make_cookie({"visits": 6}))
    assert text == "7"
    assert interface.read_cookie(set_cookie) == {"visits": 7}


def test_an_old_session_is_made_with_a_clock_of_ones_own() -> None:
    clock = Clock()
    interface = SecureCookieSessionInterface(
        KEY, idle_timeout=timedelta(minutes=30), clock=clock
    )
    client = TestApp(SessionMiddleware(visits, interface))
    headers = {"Cookie": interface.make_cookie({"visits": 6})}
    clock.advance(minutes=30)
    assert client.get("/", headers=headers).text == "7"
    clock.advance(seconds=1)
    assert client.get("/", headers=headers).text == "1"


def test_a_forged_session_reads_as_empty() -> None:
    forged = SecureCookieSessionInterface(KEY[::-1]).make_cookie({"visits": 6})
    assert interface.read_cookie(forged) == {}


# -- Django's client bypasses WSGI middlewares -----------------------------------


@pytest.fixture(scope="module")
def django_app() -> Iterator[Any]:
    """The same view in a Django project."""
    pytest.importorskip("django")
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.test import override_settings
    from django.urls import path

    def view(request: HttpRequest) -> HttpResponse:
        session = get_session(request.environ)
        session["visits"] = session.get("visits", 0) + 1
        return HttpResponse(str(session["visits"]))

    if not settings.configured:
        settings.configure()
    with override_settings(ALLOWED_HOSTS=["*"], ROOT_URLCONF=(path("", view),)):
        yield get_wsgi_application()


def test_djangos_client_takes_a_plain_dict_in_the_environ(django_app: Any) -> None:
    from django.test import Client

    session = {"visits": 6}
    response = Client().get("/", **{"cookiesession.session": session})
    assert (response.content, session) == (b"7", {"visits": 7})


def test_the_other_clients_take_a_django_project_as_any_app(django_app: Any) -> None:
    client = TestApp(SessionMiddleware(django_app, interface))
    response = client.get("/", headers={"Cookie": interface.make_cookie({"visits": 6})})
    assert response.text == "7"


# -- what surprises people first ---------------------------------------------------


def two_visits(client: Any, url: str = "/") -> list[str]:
    return [client.get(url).text, client.get(url).text]


def test_webtest_returns_secure_cookies_over_https_only() -> None:
    assert two_visits(TestApp(app)) == ["1", "1"]
    assert two_visits(TestApp(app, extra_environ=HTTPS)) == ["1", "2"]


def test_webtests_set_cookie_quotes_the_value_and_quotes_are_part_of_it() -> None:
    client = TestApp(app, extra_environ=HTTPS)
    name, _, value = interface.make_cookie({"visits": 6}).partition("=")
    client.set_cookie(name, value)
    assert client.get("/").text == "1"


def test_werkzeugs_client_sends_its_own_jar_instead_of_a_cookie_header() -> None:
    headers = {"Cookie": interface.make_cookie({"visits": 6})}
    assert Client(app).get("/", headers=headers).text == "1"
    assert Client(app, use_cookies=False).get("/", headers=headers).text == "7"


def test_werkzeugs_client_returns_secure_cookies_over_http() -> None:
    assert two_visits(Client(app)) == ["1", "2"]


def test_pythons_own_cookie_jar_does_not_return_them_to_http_localhost(
    url: str,
) -> None:
    processor = urllib.request.HTTPCookieProcessor(CookieJar())
    get = urllib.request.build_opener(processor).open
    assert [get(url).read(), get(url).read()] == [b"1", b"1"]


def test_requests_does_not_return_them_to_http_localhost(url: str) -> None:
    assert two_visits(pytest.importorskip("requests").Session(), url) == ["1", "1"]


def test_httpx_returns_secure_cookies_over_https_only(url: str) -> None:
    httpx = pytest.importorskip("httpx")
    with httpx.Client() as client:
        assert two_visits(client, url) == ["1", "1"]
    transport = httpx.WSGITransport(app=app)
    with httpx.Client(transport=transport, base_url="https://localhost") as client:
        assert two_visits(client) == ["1", "2"]


def test_an_app_under_test_can_do_without_secure() -> None:
    cookie = CookieOptions(name="session", secure=False)
    insecure = SecureCookieSessionInterface(KEY, cookie=cookie)
    assert two_visits(TestApp(SessionMiddleware(visits, insecure))) == ["1", "2"]
