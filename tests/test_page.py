"""The example page, walked through button by button, without a browser."""

from __future__ import annotations

import re
import secrets
import sys
import time
from base64 import urlsafe_b64decode
from datetime import timedelta
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from clients import Browser
from forge import Signer, b64u, bound
from support import EXAMPLES, KEY, OLD_KEY, Clock, needs_extras
from webtest import TestApp

from cookiesession import CookieOptions, SecureCookieSessionInterface
from cookiesession.stores import MemoryStore

NAME = CookieOptions().name
HOSTILE = "<script>alert('x')</script>\"&amp;"
ACTIONS = (
    *("count", "cart", "login", "logout"),
    *("rotate", "encryption", "store", "tamper", "end"),
)


def load_page() -> ModuleType:
    """A page of its own: what its buttons do to the server ends with the test."""
    spec = spec_from_file_location("page", EXAMPLES / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("SECRET_KEY", KEY)
    return load_page()


@pytest.fixture
def client(page: ModuleType) -> Any:
    return open_client(page)


def open_client(page: ModuleType) -> Any:
    """A client that comes over https, as WebTest keeps Secure cookies only there."""
    environ = {"wsgi.url_scheme": "https", "HTTP_HOST": "localhost"}
    return TestApp(page.app, extra_environ=environ)


def press(client: Any, action: str, **fields: str) -> Any:
    """Press a button of the page; the page that comes after the redirects."""
    forms = client.get("/").forms.values()
    form = next(each for each in forms if each.action == f"/{action}")
    for name, value in fields.items():
        form[name] = value
    response = form.submit("press")
    assert response.status_int == 303
    while response.status_int == 303:
        response = response.follow()
    return response


def text(response: Any, selector: str) -> str:
    """The words in one element of the page."""
    return " ".join(response.html.select_one(selector).get_text(" ").split())


def verdict(response: Any) -> str:
    return text(response, ".verdict")


def contents(response: Any) -> str:
    return text(response, "#contents")


def button(response: Any, action: str) -> Any:
    return response.html.select_one(f"button[value={action}]")


# -- every button ----------------------------------------------------------------------


def test_who_only_looks_gets_no_cookie(client: Any) -> None:
    response = client.get("/")
    assert "Set-Cookie" not in response.headers
    assert verdict(response) == "No cookie came The app has stored nothing."
    assert button(response, "logout").has_attr("disabled")
    assert button(response, "tamper").has_attr("disabled")


def test_count_counts(client: Any) -> None:
    press(client, "count")
    response = press(client, "count")
    assert contents(response) == "dict count 2 int"
    assert button(response, "count").has_attr("autofocus")
    assert verdict(response) == "Accepted Key 1 made it."
    assert response.html.select_one(".payload").get_text().startswith("eyJjb3VudCI6M")


def test_the_code_that_ran_is_shown(client: Any) -> None:
    shown = press(client, "count").html.pre.get_text()
    assert shown.startswith("def count(")
    assert 'session["count"] = session.get("count", 0) + 1' in shown


def test_the_cart_grows_deep_inside_and_keeps_its_types(client: Any) -> None:
    press(client, "cart")
    shown = contents(press(client, "cart"))
    assert "price 4.20 Decimal" in shown
    assert "price 6.50 Decimal" in shown
    assert shown.count("datetime") == 2


def test_login_begins_a_new_session(client: Any) -> None:
    press(client, "count")
    response = press(client, "login", name="Grace")
    assert contents(response) == "dict user 'Grace' str"


def test_a_login_without_a_name_is_adas(client: Any) -> None:
    assert contents(press(client, "login", name="  ")) == "dict user 'Ada' str"


def test_logout_deletes_the_cookie(client: Any) -> None:
    press(client, "login")
    response = press(client, "logout")
    assert NAME not in client.cookies
    assert contents(response) == "An empty session."


def test_a_cookie_is_issued_again_under_the_new_key(client: Any) -> None:
    press(client, "count")
    before = client.cookies[NAME]
    response = press(client, "rotate")
    assert client.cookies[NAME] != before
    assert verdict(response) == "Accepted Key 2 made it."
    assert contents(response) == "dict count 1 int"
    assert "Key 2 signs Key 1 is still accepted" in text(response, "#server")


def test_a_cookie_of_a_fallback_key_is_issued_again_by_any_page(
    page: ModuleType, client: Any
) -> None:
    press(client, "count")
    page.setup.rotate_key()
    assert "again under key 2" in verdict(client.get("/"))
    assert verdict(client.get("/")) == "Accepted Key 2 made it."


def test_a_retired_key_is_accepted_no_more(page: ModuleType, client: Any) -> None:
    press(client, "count")
    for _ in range(3):
        page.setup.rotate_key()
    assert verdict(client.get("/")).startswith("Refused bad_signature")


def test_a_changed_cookie_is_refused_and_then_replaced(client: Any) -> None:
    press(client, "login", name="Grace")
    response = press(client, "tamper")
    assert verdict(response).startswith("Refused bad_signature : no key of this server")
    assert contents(response) == "An empty session."
    response = press(client, "count")
    assert verdict(response).startswith("Accepted")
    assert contents(response) == "dict count 1 int"


def test_there_need_be_no_cookie_to_tamper_with(client: Any) -> None:
    response = client.post("/tamper")
    assert "; Secure; HttpOnly; Path=/" in response.headers["Set-Cookie"]
    response = response.follow()
    assert verdict(response).startswith("Refused")


@needs_extras
def test_encryption_is_switched_on_and_off_with_nobody_logged_out(client: Any) -> None:
    press(client, "login", name="Grace")
    encrypted = press(client, "encryption")
    assert "." not in client.cookies[NAME]
    assert text(encrypted, ".token") == client.cookies[NAME]
    assert contents(encrypted) == "dict user 'Grace' str"
    assert press(client, "tamper").html.select_one(".verdict.bad")
    press(client, "login", name="Grace")
    signed = press(client, "encryption")
    assert contents(signed) == "dict user 'Grace' str"
    assert client.cookies[NAME].count(".") == 2


def test_without_cryptography_encryption_is_off_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    client = open_client(load_page())
    response = client.get("/")
    assert button(response, "encryption").has_attr("disabled")
    assert "pip install 'cookiesession[encryption]'" in text(response, "nav")
    response = client.post("/encryption").follow().follow()
    assert "New cookies are signed" in text(response, "#server")
    assert contents(press(client, "count")) == "dict count 1 int"


# -- with a store ----------------------------------------------------------------------


@pytest.fixture
def stored(page: ModuleType, client: Any) -> Any:
    """A client who has logged in as Grace, and whose session was taken over."""
    press(client, "login", name="Grace")
    press(client, "store")
    return client


def test_a_session_moves_from_the_cookie_into_the_store(
    page: ModuleType, client: Any
) -> None:
    press(client, "count")
    response = press(client, "store")
    assert contents(response) == "dict count 1 int"
    assert verdict(response) == "Accepted Key 1 made it."
    assert "256 random bits" in text(response, "#cookie")
    assert '{"count":1' in text(response, "#store")
    handle = text(response, "#handle")
    id = client.cookies[NAME].partition(".")[0]
    assert handle == sha256(urlsafe_b64decode(f"{id}=")).hexdigest()
    assert page.setup.store.load(handle) is not None


def test_the_response_that_takes_a_session_over_says_so(
    page: ModuleType, client: Any
) -> None:
    press(client, "count")
    page.setup.switch_store()
    assert "this response puts it there" in text(client.get("/"), "#store")
    assert '{"count":1' in text(client.get("/"), "#store")


def test_a_change_is_in_the_record_and_the_cookie_stays(stored: Any) -> None:
    before = stored.cookies[NAME]
    response = press(stored, "count")
    assert stored.cookies[NAME] == before
    assert contents(response) == "dict user 'Grace' str count 1 int"
    assert "The cookie stays as it is" in text(response, ".note")


def test_a_login_gets_another_id(stored: Any) -> None:
    before = stored.cookies[NAME]
    response = press(stored, "login", name="Ada")
    assert stored.cookies[NAME] != before
    assert contents(response) == "dict user 'Ada' str"
    stored.cookies.clear()
    response = stored.get("/", headers={"Cookie": f"{NAME}={before}"})
    assert verdict(response).startswith("Refused ended")


def test_a_session_that_is_ended_elsewhere_opens_nothing(stored: Any) -> None:
    cookie = stored.cookies[NAME]
    response = press(stored, "end")
    assert stored.cookies[NAME] == cookie
    assert verdict(response).startswith("Refused ended : it was ended in the store")
    assert contents(response) == "An empty session."
    assert "Nothing under an id of yours" in text(response, "#store")
    assert button(response, "end").has_attr("disabled")
    response = press(stored, "count")
    assert "This change was dropped" in text(response, ".note")
    assert contents(response) == "An empty session."
    response = press(stored, "login", name="Ada")
    assert contents(response) == "dict user 'Ada' str"


def test_a_session_that_the_store_does_not_have_is_gone(
    page: ModuleType, stored: Any
) -> None:
    page.setup.store = MemoryStore()
    page.setup.rotate_key()
    assert verdict(stored.get("/")).startswith("Refused gone : the store has no")


def test_only_a_login_in_a_store_can_be_ended_elsewhere(client: Any) -> None:
    assert button(press(client, "login"), "end").has_attr("disabled")
    assert "Nothing was ended" in text(client.post("/end").follow(), ".note")
    assert not button(press(client, "store"), "end").has_attr("disabled")
    press(client, "logout")
    assert button(press(client, "count"), "end").has_attr("disabled")
    assert contents(client.post("/end").follow()) == "dict count 1 int"


def test_the_key_is_rotated_for_cookie_and_record(stored: Any) -> None:
    response = press(stored, "rotate")
    assert verdict(response) == "Accepted Key 2 made it."
    assert contents(response) == "dict user 'Grace' str"


@needs_extras
def test_records_are_encrypted_as_well(stored: Any) -> None:
    response = press(stored, "encryption")
    assert response.html.select_one("#store .opaque")
    assert response.html.select_one("#cookie .signature")
    assert contents(response) == "dict user 'Grace' str"
    assert "New records are encrypted" in text(response, "#server")


def test_the_way_back_into_the_cookie_begins_anew(
    page: ModuleType, stored: Any
) -> None:
    handle = text(stored.get("/"), "#handle")
    response = press(stored, "store")
    assert verdict(response).startswith("No cookie came")
    assert response.html.select_one("#store") is None
    assert not page.setup.store.load(handle).data
    assert contents(press(stored, "count")) == "dict count 1 int"


def test_a_changed_id_is_refused_and_shown(stored: Any) -> None:
    response = press(stored, "tamper")
    assert verdict(response).startswith("Refused bad_signature")
    assert "256 random bits" in text(response, "#cookie")


# -- what is shown ---------------------------------------------------------------------


def test_size_and_times_are_shown(client: Any) -> None:
    response = press(client, "count")
    size = len(NAME) + len(client.cookies[NAME])
    assert response.html.meter["value"] == str(size)
    assert f"{size} of 4096 bytes" in response.text
    shown = text(response, "#times")
    assert "Ends if not used" in shown
    assert "in 30 minutes" in shown
    assert "in 8 hours" in shown


def test_what_would_not_fit_is_explained_and_changes_nothing(page: ModuleType) -> None:
    interface = SecureCookieSessionInterface(KEY)
    # 3,900 random letters: a cookie of about 4,070 bytes.
    full = interface.make_cookie({"noise": secrets.token_urlsafe(2925)})
    response = open_client(page).post("/cart", headers={"Cookie": full})
    assert "Set-Cookie" not in response.headers
    assert "SessionTooLarge was raised" in text(response.follow(), ".note")


def test_a_browser_that_keeps_no_cookie_is_told_why(client: Any) -> None:
    assert "did not keep the cookie" in client.get("/?done=count").text


def cookie_of(clock: Clock, data: dict[str, Any]) -> str:
    return SecureCookieSessionInterface(KEY, clock=clock).make_cookie(data)


def old_cookie_in_use() -> str:
    """One of a session that was begun nine hours ago and used a minute ago."""
    clock = Clock(time.time())
    clock.advance(hours=-9)
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    browser = Browser(interface.make_cookie({"count": 1}))
    clock.advance(hours=9, minutes=-1)
    browser.visit(interface, lambda session: session.update(count=2))
    return browser.header


def no_session() -> str:
    """An authentic token of something else."""
    return f"{NAME}={Signer(KEY, bound(NAME)).token(b64u(b'[1]'), int(time.time()))}"


REFUSED = {
    "bad_signature": SecureCookieSessionInterface(OLD_KEY).make_cookie({"n": 1}),
    "idle_expired": cookie_of(Clock(time.time() - 3600), {"n": 1}),
    "absolute_expired": old_cookie_in_use(),
    "not_yet_valid": cookie_of(Clock(time.time() + 3600), {"n": 1}),
    "malformed": no_session(),
    "too_large": f"{NAME}={'x' * 5000}",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_cookie_says_why(page: ModuleType, reason: str) -> None:
    response = open_client(page).get("/", headers={"Cookie": REFUSED[reason]})
    assert verdict(response) == f"Refused {reason} : {page.REJECTIONS[reason]}"


def test_every_refusal_is_explained(page: ModuleType) -> None:
    of_a_store = {"ended", "gone"}
    assert set(page.REJECTIONS) == set(REFUSED) | of_a_store


@pytest.mark.parametrize(
    "token", ["a.b.c", ".eJw.AA.x", "é.é.é", "x.__________8.x", '"<b>.<i>.<u>"']
)
def test_a_token_that_is_none_is_drawn_all_the_same(
    page: ModuleType, token: str
) -> None:
    cookie = f"{NAME}={token}".encode().decode("latin-1")
    response = open_client(page).get("/", headers={"Cookie": cookie})
    assert verdict(response).startswith("Refused")
    assert response.html.find(["i", "u"]) is None


def test_hostile_values_are_shown_and_not_obeyed(page: ModuleType) -> None:
    data = {HOSTILE: {HOSTILE: [HOSTILE]}, "user": HOSTILE}
    cookie = SecureCookieSessionInterface(KEY).make_cookie(data)
    response = open_client(page).get("/", headers={"Cookie": cookie})
    assert response.html.script is None
    assert contents(response).count("alert(") == 4


@pytest.mark.parametrize("done", [HOSTILE, "nothing", "setup"])
def test_an_unknown_note_is_the_first_one(client: Any, done: str) -> None:
    assert text(client.get("/", {"done": done}), ".note") == text(
        client.get("/"), ".note"
    )
    assert client.get("/touch", {"done": done}).location == "/"


# -- HTTP ------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://attacker.test"},
        {"Origin": "null"},
    ],
    ids=lambda headers: " ".join(*headers.items()),
)
def test_another_sites_form_changes_nothing(
    client: Any, action: str, headers: dict[str, str]
) -> None:
    press(client, "count")
    response = client.post(f"/{action}", headers=headers, status=403)
    assert "Set-Cookie" not in response.headers
    assert "Key 1 made it" in verdict(client.get("/"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://localhost"},
        {},
    ],
    ids=lambda headers: " ".join(sum(headers.items(), ())) or "no browser",
)
def test_the_pages_own_form_changes_something(
    client: Any, headers: dict[str, str]
) -> None:
    assert client.post("/count", headers=headers).status_int == 303


@pytest.mark.parametrize("action", ACTIONS)
def test_a_link_changes_nothing(client: Any, action: str) -> None:
    response = client.get(f"/{action}", status=405)
    assert response.headers["Allow"] == "POST"


def test_what_is_not_there_is_not_found(client: Any) -> None:
    client.get("/elsewhere", status=404)
    client.post("/", status=405)


def test_the_page_is_kept_by_no_cache_and_runs_no_script(client: Any) -> None:
    response = press(client, "count")
    policy = response.headers["Content-Security-Policy"]
    assert "style-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert response.html.find(["script", "style", "img", "iframe"]) is None
    assert response.html.find(style=True) is None
    links = re.findall(r'(?:href|src|action)="([^"]*)"', response.text)
    assert all(re.match("/[a-z]|#|data:,$", link) for link in links)


def test_the_styles_are_a_file_that_belongs_to_nobody(client: Any) -> None:
    press(client, "count")
    response = client.get(client.get("/").html.find(rel="stylesheet")["href"])
    assert response.content_type == "text/css"
    assert {"Set-Cookie", "Vary"}.isdisjoint(response.headers)


def test_the_parts_of_the_page_are_not_sent_and_all_used(
    page: ModuleType, client: Any
) -> None:
    assert "template" not in client.get("/").text
    source = Path(page.__file__ or "").read_text(encoding="utf-8")
    assert [name for name in page.PARTS if f'"{name}"' not in source] == []


def test_a_server_without_a_good_key_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "short")
    client = open_client(load_page())
    assert verdict(client.get("/")).startswith("No cookie came")
    for action in ("count", "rotate"):
        response = client.post(f"/{action}", status=503)
        assert "fewer than 16 bytes" in response.text


def test_two_servers_without_a_configured_key_do_not_share_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    mine, theirs = open_client(load_page()), open_client(load_page())
    press(mine, "count")
    cookie = f"{NAME}={mine.cookies[NAME]}"
    response = theirs.get("/", headers={"Cookie": cookie})
    assert verdict(response).startswith("Refused bad_signature")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (1, "in 1 second"),
        (-59, "59 seconds ago"),
        (90, "in 2 minutes"),
        (-3600, "1 hour ago"),
        (timedelta(hours=8).total_seconds(), "in 8 hours"),
    ],
)
def test_a_moment_is_described_in_its_largest_unit(
    page: ModuleType, seconds: float, words: str
) -> None:
    assert page.describe(int(seconds)) == words
