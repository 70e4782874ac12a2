"""What browsers do with our cookies: keep, hide, delete, refuse."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from support import KEY
from werkzeug import Request, Response
from werkzeug.serving import make_server

from cookiesession import (
    CookieOptions,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SessionTooLarge,
    get_session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST_PREFIXED = CookieOptions()
IN_FRAMES = CookieOptions(samesite="None", partitioned=True)


@Request.application
def counter(request: Request) -> Response:
    if request.path == "/favicon.ico":
        return Response(status=404)
    session = get_session(request.environ)
    if request.path.endswith("/forget"):
        session.clear()
        return Response("forgotten")
    session.permanent = request.path.endswith("/permanent")
    session["count"] = session.get("count", 0) + 1
    return Response(str(session["count"]))


def counting(cookie: CookieOptions) -> WSGIApplication:
    return SessionMiddleware(counter, SecureCookieSessionInterface(KEY, cookie=cookie))


Site = Callable[["WSGIApplication"], str]


@pytest.fixture
def site() -> Iterator[Site]:
    """Serves an app on http://localhost, where browsers keep Secure cookies."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serve_in_thread(app))


@contextmanager
def serve_in_thread(app: WSGIApplication) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def visit(driver: WebDriver, url: str) -> str:
    driver.get(url)
    return driver.find_element(By.TAG_NAME, "body").text


def kept(driver: WebDriver) -> list[dict[str, Any]]:
    """The cookies that the browser would send to where it is."""
    cookies: list[dict[str, Any]] = driver.get_cookies()
    return cookies


def test_the_default_cookie_is_kept_and_sent(driver: WebDriver, site: Site) -> None:
    url = site(counting(HOST_PREFIXED))
    assert [visit(driver, url) for _ in range(3)] == ["1", "2", "3"]
    (cookie,) = kept(driver)
    assert cookie["name"] == "__Host-session"


@pytest.mark.parametrize("httponly", [True, False])
def test_httponly_hides_the_cookie_from_scripts(
    driver: WebDriver, site: Site, httponly: bool
) -> None:
    visit(driver, site(counting(CookieOptions(httponly=httponly))))
    seen: str = driver.execute_script("return document.cookie")
    assert seen.startswith("__Host-session=") is not httponly


DELETED = {
    "the default": (HOST_PREFIXED, "/"),
    "partitioned": (IN_FRAMES, "/"),
    "of a path": (CookieOptions(name="__Secure-session", path="/shop"), "/shop/"),
    "of a domain": (CookieOptions(name="session", domain="shop.localhost"), "/"),
    "permanent": (HOST_PREFIXED, "/permanent"),
    "without a prefix": (CookieOptions(name="session", secure=False), "/"),
}


@pytest.mark.parametrize(("options", "path"), DELETED.values(), ids=DELETED)
def test_a_logout_deletes_the_cookie(
    driver: WebDriver, site: Site, options: CookieOptions, path: str
) -> None:
    url = site(counting(options))
    if options.domain:
        url = url.replace("localhost", options.domain)
    assert visit(driver, url + path) == "1"
    assert len(kept(driver)) == 1
    assert visit(driver, url + path.rpartition("/")[0] + "/forget") == "forgotten"
    assert kept(driver) == []
    assert visit(driver, url + path) == "1"


ATTRIBUTES = {
    "the default": (
        HOST_PREFIXED,
        {"secure": True, "httpOnly": True, "sameSite": "Lax", "path": "/"},
    ),
    "SameSite=Strict": (CookieOptions(samesite="Strict"), {"sameSite": "Strict"}),
    "SameSite=None": (CookieOptions(samesite="None"), {"sameSite": "None"}),
    "Partitioned": (IN_FRAMES, {"sameSite": "None", "secure": True}),
    "not Secure": (CookieOptions(name="session", secure=False), {"secure": False}),
    "not HttpOnly": (CookieOptions(httponly=False), {"httpOnly": False}),
}


@pytest.mark.parametrize(("options", "wanted"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_attributes_arrive_as_configured(
    driver: WebDriver, site: Site, options: CookieOptions, wanted: dict[str, Any]
) -> None:
    visit(driver, site(counting(options)))
    (cookie,) = kept(driver)
    assert cookie["name"] == options.name
    assert {name: cookie.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("options", [HOST_PREFIXED, IN_FRAMES], ids=["whole", "parts"])
def test_a_partitioned_cookie_is_one_in_chromium(
    browser: Chrome, site: Site, options: CookieOptions
) -> None:
    url = site(counting(options))
    visit(browser, url)
    found = browser.execute_cdp_cmd("Network.getCookies", {"urls": [url]})
    partition = {
        "topLevelSite": "http://localhost",
        "hasCrossSiteAncestor": False,
    }
    keys = [cookie.get("partitionKey") for cookie in found["cookies"]]
    assert keys == [partition if options.partitioned else None]


def test_a_permanent_session_outlives_the_browser(
    driver: WebDriver, site: Site
) -> None:
    url = site(counting(HOST_PREFIXED))
    visit(driver, url)
    assert "expiry" not in kept(driver)[0]
    visit(driver, f"{url}/permanent")
    assert kept(driver)[0]["expiry"] > time.time() + 24 * 3600


# -- the limit -------------------------------------------------------------------------


def filler(size: int) -> str:
    """What makes a session of a name and value of *size* bytes together.

    Compression decides the size, so letters are added to one that is a bit too small,
    until it fits; some sizes are jumped over, and other letters get there.
    """
    interface = SecureCookieSessionInterface(KEY, cookie=CookieOptions(max_size=8192))
    for seed in range(20):
        letters = random.Random(seed).choices(string.ascii_letters + "-_", k=size)
        for length in range(size - 250, size):
            text = "".join(letters[:length])
            found = len(interface.make_cookie({"filler": text})) - len("=")
            if found == size:
                return text
            if found > size:
                break
    raise AssertionError(f"no session of {size} bytes found")


def storing(text: str, max_size: int) -> WSGIApplication:
    @Request.application
    def store(request: Request) -> Response:
        session = get_session(request.environ)
        if request.path == "/store":
            session["filler"] = text
        return Response(str(len(session.get("filler", ""))))

    options = CookieOptions(max_size=max_size)
    return SessionMiddleware(store, SecureCookieSessionInterface(KEY, cookie=options))


def test_a_cookie_of_4096_bytes_is_kept(driver: WebDriver, site: Site) -> None:
    text = filler(4096)
    url = site(storing(text, max_size=4096))
    visit(driver, f"{url}/store")
    (cookie,) = kept(driver)
    assert len(cookie["name"] + cookie["value"]) == 4096
    assert visit(driver, url) == str(len(text))


def test_a_cookie_of_4097_bytes_would_be_dropped(driver: WebDriver, site: Site) -> None:
    url = site(storing(filler(4097), max_size=8192))
    visit(driver, f"{url}/store")
    assert kept(driver) == []


def test_so_4097_bytes_raise_instead(driver: WebDriver, site: Site) -> None:
    text = filler(4097)
    with pytest.raises(SessionTooLarge, match="4097 bytes, the limit is 4096"):
        SecureCookieSessionInterface(KEY).make_cookie({"filler": text})
    url = site(storing(text, max_size=4096))
    visit(driver, f"{url}/store")
    assert driver.title == "500 Internal Server Error"
    assert kept(driver) == []
