"""Django's ``request.session`` as ours: in a cookie or a store, alone or below the
middleware; what Django's own applications make of it, and its test client."""

from __future__ import annotations

import asyncio
import io
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from wsgiref.validate import validator

import pytest
from frameworks import django_site
from support import KEY, OLD_KEY, Clock
from werkzeug.test import Client, TestResponse

from cookiesession import (
    ConfigError,
    CookieOptions,
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionInterface,
    SessionMiddleware,
    SessionMixin,
    SessionUnavailable,
    SignedFormat,
    TaggedJSONSerializer,
)
from cookiesession.stores import MemoryStore

django_site.configure()

import django.test  # noqa: E402
from django.contrib.admin.checks import check_dependencies  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import override_settings  # noqa: E402

from cookiesession.bridges.django import (  # noqa: E402
    ClientSessionMixin,
    SessionStore,
    session_interface,
)
from cookiesession.bridges.django import (  # noqa: E402
    SessionMiddleware as DjangoMiddleware,
)

COOKIE = CookieOptions().name
SERIALIZER = TaggedJSONSerializer(subclasses=True)


def in_cookie(clock: Clock) -> SecureCookieSessionInterface:
    format = SignedFormat(serializer=SERIALIZER)
    return SecureCookieSessionInterface(KEY, clock=clock, format=format)


def in_store(clock: Clock) -> ServerSideSessionInterface:
    return ServerSideSessionInterface(
        KEY,
        MemoryStore(clock=clock),
        user_key="_auth_user_id",
        clock=clock,
        format=SignedFormat(serializer=SERIALIZER),
    )


class MySession(dict[str, Any], SessionMixin):
    """Tracks nothing, and is kept nowhere."""


class MyInterface(SessionInterface):
    def open_session(self, environ: Any) -> MySession:
        return MySession(name="ada", _session_expiry=60)

    def save_session(
        self, environ: Any, session: Any, status: str, headers: Any
    ) -> None:
        headers.append(("Set-Cookie", f"mine={len(session)}; Path=/"))


@dataclass
class Site:
    """Django with a session interface, and its visitors."""

    interface: SessionInterface
    below: bool
    app: Any = field(init=False)

    def __post_init__(self) -> None:
        app = WSGIHandler()
        self.app = SessionMiddleware(app, self.interface) if self.below else app

    def visitor(self) -> Visitor:
        return Visitor(validator(self.app))

    @property
    def has_store(self) -> bool:
        return isinstance(self.interface, ServerSideSessionInterface)


class Visitor(Client):
    def visit(self, path: str, **form: str) -> TestResponse:
        """A page; with a form it is a POST. Its body is read, and it is closed."""
        method = "POST" if form else "GET"
        response = self.open(path, method=method, data=form)
        response.get_data()
        response.close()
        return response

    def see(self, path: str, **form: str) -> str:
        response = self.visit(path, **form)
        assert response.status_code == 200, response.text
        return response.text

    @property
    def cookie(self) -> str | None:
        cookie = self.get_cookie(COOKIE)
        return None if cookie is None else cookie.value

    def with_cookie(self, value: str | None) -> Visitor:
        """Another browser, which sends a copy of the cookie."""
        copy = Visitor(self.application)
        copy.set_cookie(COOKIE, value or "")
        return copy


KEPT = {"cookie": in_cookie, "store": in_store}
PLACES = {"alone": False, "below the middleware": True}


@pytest.fixture(scope="module", autouse=True)
def database() -> Iterator[None]:
    call_command("migrate", verbosity=0)
    yield
    connection.inc_thread_sharing()
    connection.connection.close()
    connection.connection = None


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    """Our views and middleware, and two users."""
    for name in ("ada", "bob"):
        User.objects.create_superuser(name, password="secret")
    with override_settings(
        ROOT_URLCONF="frameworks.django_site", MIDDLEWARE=django_site.MIDDLEWARE
    ):
        yield
    User.objects.all().delete()


@pytest.fixture(
    params=[(kept, place) for kept in KEPT for place in PLACES], ids=", ".join
)
def site(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Site]:
    kept, place = request.param
    with given(KEPT[kept](clock)):
        yield Site(session_interface(), PLACES[place])


@pytest.fixture(params=KEPT)
def interface(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Any]:
    interface = KEPT[request.param](clock)
    with given(interface):
        yield interface


def given(interface: SessionInterface) -> Any:
    return override_settings(SESSION_INTERFACE=interface, SESSION_COOKIE_NAME=COOKIE)


def json_of(visitor: Visitor) -> Any:
    return visitor.visit("/show").json


def set_cookies(response: TestResponse, name: str = COOKIE) -> list[str]:
    # Django puts a space before each.
    cookies = [each.strip() for each in response.headers.getlist("Set-Cookie")]
    return [cookie for cookie in cookies if cookie.startswith(f"{name}=")]


# -- what a view does ----------------------------------------------------------------


def test_what_a_view_stores_comes_back(site: Site) -> None:
    visitor = site.visitor()
    response = visitor.visit("/store/key/value")
    assert len(set_cookies(response)) == 1
    assert len(set_cookies(response, "theirs")) == 1
    assert response.headers["Vary"] == "Cookie"
    assert json_of(visitor) == {"key": "value"}


def test_the_cookie_is_the_interfaces_own_to_the_letter(site: Site) -> None:
    (cookie,) = set_cookies(site.visitor().visit("/store/key/value"))
    assert set(cookie.split("; ")[1:]) == {
        "HttpOnly",
        "Path=/",
        "SameSite=Lax",
        "Secure",
    }


def test_values_keep_their_types(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/types")
    assert visitor.see("/check_types") == "[True, (1, 2)]"


def test_a_page_that_looks_at_no_session_says_nothing_of_it(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/store/key/value")
    headers = visitor.visit("/nothing").headers
    assert {"Vary", "Cache-Control", "Set-Cookie"}.isdisjoint(headers.keys())


def test_a_page_that_reads_the_session_varies_on_the_cookie(site: Site) -> None:
    headers = site.visitor().visit("/hello").headers
    assert headers["Vary"] == "Cookie"
    assert {"Cache-Control", "Set-Cookie"}.isdisjoint(headers.keys())


def test_a_change_inside_a_value_is_kept(site: Site) -> None:
    visitor = site.visitor()
    for count in (1, 2, 3):
        visitor.see("/append")
        assert json_of(visitor) == {"list": [1] * count}


@pytest.mark.parametrize("path", ["/store/key/value", "/types", "/expire/minute"])
def test_an_equal_value_is_no_change(path: str, clock: Clock) -> None:
    with given(in_cookie(clock)):
        visitor = Site(session_interface(), False).visitor()
        visitor.see(path)
        clock.advance(seconds=10)
        assert set_cookies(visitor.visit(path)) == []


def test_popping_nothing_is_no_change(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/store/key/value")
    response = visitor.visit("/drop/other")
    assert (response.text, set_cookies(response)) == ("nothing", [])
    assert visitor.see("/drop/key") == "value"
    assert visitor.cookie is None


@pytest.mark.parametrize(
    ("path", "every_request"),
    [("/force", False), ("/save", False), ("/nothing", True)],
)
def test_an_unchanged_session_is_saved_where_it_is_asked_for(
    path: str, every_request: bool, site: Site, clock: Clock
) -> None:
    def issued_at() -> Any:
        assert isinstance(
            site.interface, (SecureCookieSessionInterface, ServerSideSessionInterface)
        )
        header = {"HTTP_COOKIE": f"{COOKIE}={visitor.cookie}"}
        session = site.interface.open_session(header)
        assert session is not None
        return session.issued_at

    visitor = site.visitor()
    visitor.see("/store/key/value")
    before = issued_at()
    clock.advance(seconds=10)
    visitor.see("/nothing")
    assert issued_at() == before
    with override_settings(SESSION_SAVE_EVERY_REQUEST=every_request):
        visitor.see(path)
    assert issued_at() == before + 10


def test_every_request_saves_no_empty_session(site: Site) -> None:
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        assert set_cookies(site.visitor().visit("/nothing")) == []


def test_a_response_that_fails_saves_nothing(site: Site) -> None:
    visitor = site.visitor()
    assert visitor.visit("/broken").status_code == 500
    assert visitor.cookie is None


def test_a_logout_holds_in_a_response_that_fails(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/login", user="ada")
    assert visitor.visit("/broken_logout").status_code == 500
    assert (visitor.cookie, visitor.see("/who")) == (None, "")


def test_a_change_after_the_headers_is_refused(site: Site) -> None:
    # Above a stream, Django has returned before its first chunk is made.
    assert site.visitor().see("/late") == "SessionCommitted"


def test_popping_nothing_after_the_headers_is_no_change(site: Site) -> None:
    assert site.visitor().see("/late_pop") == "nothing"


def test_the_environ_holds_the_session_itself(site: Site) -> None:
    assert site.visitor().see("/same") == "True"


def test_a_renewal_leaves_the_views_own_cookie_alone(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    visitor.see("/store/key/value")
    clock.advance(days=20)
    assert len(set_cookies(visitor.visit("/show"))) == (0 if site.has_store else 1)
    clock.advance(days=20)
    (cookie,) = set_cookies(visitor.visit("/own_cookie"))
    assert cookie.startswith(f"{COOKIE}=theirs;")


def test_a_view_is_given_no_cookie_that_only_django_reads(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/store/key/value")
    for lookalike in (f"\xa0{COOKIE}={visitor.cookie}", f'{COOKIE}="{visitor.cookie}"'):
        with Visitor(site.app).get("/show", headers={"Cookie": lookalike}) as response:
            assert response.json == {}


def test_a_session_is_cleared(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/store/key/value")
    old = visitor.cookie
    visitor.see("/clear")
    assert visitor.cookie is None
    assert bool(json_of(visitor.with_cookie(old))) != site.has_store


def test_a_page_may_say_that_it_did_not_use_the_session(interface: Any) -> None:
    response = Site(interface, False).visitor().visit("/unused")
    assert "Vary" not in response.headers


# -- django.contrib ------------------------------------------------------------------


def test_a_user_logs_in_and_out(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/store/key/value")
    before = visitor.cookie
    visitor.see("/login", user="ada")
    assert visitor.see("/who") == "ada"
    assert json_of(visitor)["key"] == "value"
    # Whoever planted the session before is not logged in with it.
    assert visitor.with_cookie(before).see("/who") == ""
    visitor.see("/logout")
    assert (visitor.cookie, visitor.see("/who"), json_of(visitor)) == (None, "", {})


def test_another_user_finds_nothing_of_the_one_before(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/login", user="ada")
    visitor.see("/store/key/value")
    visitor.see("/login", user="bob")
    assert visitor.see("/who") == "bob"
    assert "key" not in json_of(visitor)


def test_a_new_password_ends_the_other_sessions(site: Site) -> None:
    here, there, bob = site.visitor(), site.visitor(), site.visitor()
    for visitor in (here, there):
        visitor.see("/login", user="ada")
    bob.see("/login", user="bob")
    old = here.cookie
    here.see("/password")
    assert [each.see("/who") for each in (here, there, bob)] == ["ada", "", "bob"]
    assert here.with_cookie(old).see("/who") == ""


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("path", ["/end_others", "/password_and_end_others"])
def test_the_other_sessions_are_ended_in_the_store(
    path: str, place: bool, clock: Clock
) -> None:
    interface = in_store(clock)
    with given(interface):
        site = Site(interface, place)
        here, there = site.visitor(), site.visitor()
        for visitor in (here, there):
            visitor.see("/login", user="ada")
        assert len(interface.list_sessions(User.objects.get(username="ada").pk)) == 2
        assert here.see(path) == "1"
        assert [each.see("/who") for each in (here, there)] == ["ada", ""]
        assert len(interface.list_sessions(User.objects.get(username="ada").pk)) == 1


def test_without_djangos_user_key_no_session_of_a_user_is_found(clock: Clock) -> None:
    interface = ServerSideSessionInterface(KEY, MemoryStore(clock=clock), clock=clock)
    with given(interface):
        visitor = Site(interface, False).visitor()
        visitor.see("/login", user="ada")
        user = User.objects.get(username="ada").pk
        assert (interface.list_sessions(user), interface.end_sessions(user)) == ([], 0)
        assert visitor.see("/who") == "ada"


def test_messages_are_seen_once(site: Site) -> None:
    visitor = site.visitor()
    for text in ("one", "two"):
        visitor.see(f"/say/{text}")
    assert visitor.see("/said") == "one, two"
    assert visitor.see("/said") == ""
    assert visitor.cookie is None


def test_csrf_tokens_are_kept_in_the_session(site: Site) -> None:
    with override_settings(CSRF_USE_SESSIONS=True):
        visitor = site.visitor()
        assert visitor.visit("/form", csrfmiddlewaretoken="x").status_code == 403
        token = visitor.see("/form")
        assert "_csrftoken" in json_of(visitor)
        assert visitor.see("/form", csrfmiddlewaretoken=token) == "accepted"
        assert (
            site.visitor().visit("/form", csrfmiddlewaretoken=token).status_code == 403
        )


def test_the_admin_lets_in_and_out(site: Site) -> None:
    visitor = site.visitor()
    assert visitor.visit("/admin/").status_code == 302
    visitor.visit("/admin/login/")
    token = visitor.get_cookie("csrftoken")
    assert token is not None
    fields = {"csrfmiddlewaretoken": token.value}
    login = {"username": "ada", "password": "secret", "next": "/admin/"}
    assert visitor.visit("/admin/login/", **login, **fields).status_code == 302
    page = visitor.see("/admin/")
    assert "Site administration" in page
    token = visitor.get_cookie("csrftoken")
    assert token is not None
    visitor.see("/admin/logout/", csrfmiddlewaretoken=token.value)
    assert visitor.visit("/admin/").status_code == 302


def test_the_admin_is_content_with_the_middleware() -> None:
    assert [error.id for error in check_dependencies()] == []


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("path", ["/hello", "/store/name/eve"])
def test_a_response_cache_leaks_nothing(place: bool, path: str, interface: Any) -> None:
    cached = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *django_site.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    with override_settings(MIDDLEWARE=cached):
        site = Site(interface, place)
        ada, bob, eve = site.visitor(), site.visitor(), site.visitor()
        ada.see("/store/name/ada")
        bob.see("/store/name/bob")
        for _ in range(2):
            seen = [each.see("/hello") for each in (ada, bob, eve)]
            assert seen == ["hello ada", "hello bob", "hello stranger"]
        # What sets a session's cookie is not kept for the next one without a cookie.
        eve.see("/store/name/eve")
        late = site.visitor()
        late.see("/store/name/eve")
        assert late.cookie is not None


@pytest.mark.parametrize(
    ("below", "view", "leaks"),
    [
        ("nothing", "hello", True),
        ("nothing", "number", True),
        ("vary_on_cookie", "hello", False),
        ("vary_on_cookie", "number", True),
        ("private", "hello", False),
        ("private", "number", False),
    ],
)
def test_a_cache_of_one_view_has_to_be_told_of_the_session(
    below: str, view: str, leaks: bool, interface: Any
) -> None:
    cache.clear()
    site = Site(interface, False)
    visitors = [site.visitor() for _ in range(3)]
    if view == "hello":
        for visitor, name in zip(visitors, ("ada", "bob", "eve"), strict=True):
            visitor.see(f"/store/name/{name}")
    for _ in range(2):
        pages = {visitor.see(f"/cached/{below}/{view}") for visitor in visitors}
        assert (len(pages) < len(visitors)) == leaks


# -- how long it lives ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("expiry", "lives", "at_close"),
    [("close", 86400, True), ("minute", 59, False), ("none", 86400, True)],
)
def test_set_expiry_says_how_long_it_lives(
    expiry: str, lives: int, at_close: bool, site: Site, clock: Clock
) -> None:
    visitor = site.visitor()
    visitor.see("/store/name/ada")
    assert visitor.see(f"/expire/{expiry}") == str(at_close)
    cookie = visitor.get_cookie(COOKIE)
    assert cookie is not None
    assert (cookie.expires is None) == at_close
    clock.advance(seconds=lives)
    assert visitor.see("/hello") == "hello ada"


def test_a_session_ends_when_set_expiry_said(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    visitor.see("/store/name/ada")
    visitor.see("/expire/minute")
    old = visitor.cookie
    clock.advance(seconds=30)
    visitor.see("/force")  # a minute from now
    clock.advance(seconds=45)
    assert visitor.see("/hello") == "hello ada"
    clock.advance(seconds=15)
    assert visitor.see("/hello") == "hello stranger"
    assert visitor.cookie is None
    assert json_of(visitor.with_cookie(old)) == {}


def test_no_expiry_takes_one_back(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    visitor.see("/store/name/ada")
    visitor.see("/expire/minute")
    visitor.see("/expire/none")
    clock.advance(seconds=61)
    assert visitor.see("/hello") == "hello ada"


@pytest.mark.parametrize("use_tz", [True, False], ids=["aware", "naive"])
def test_a_point_in_time_ends_a_session(use_tz: bool, site: Site, clock: Clock) -> None:
    with override_settings(USE_TZ=use_tz):
        visitor = site.visitor()
        visitor.see("/store/name/ada")
        visitor.see("/expire/delta")
        assert visitor.see("/hello") == "hello ada"
        # Django counts from the system's time, which is years ahead of the test's.
        clock.advance(days=3650)
        clock.now = max(clock.now, 4_000_000_000)
        assert visitor.see("/hello") == "hello stranger"
        visitor.see("/store/name/ada")
        visitor.see("/expire/past")
        assert visitor.see("/hello") == "hello stranger"


def test_a_first_look_at_an_expired_session_in_a_stream_sees_none(
    interface: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = Site(interface, False).visitor()
    visitor.see("/store/key/value")
    visitor.see("/expire/minute")
    assert visitor.see("/late_read") == "value"
    clock.advance(seconds=61)
    assert visitor.see("/late_read") == "None"
    assert "could not say `Vary: Cookie`" in caplog.text


# -- its key -------------------------------------------------------------------------


def test_a_session_keeps_its_key_until_login(site: Site) -> None:
    visitor = site.visitor()
    assert visitor.see("/key") == "None"
    visitor.see("/store/key/value")
    key = visitor.see("/key")
    assert len(key) >= 32
    assert key not in (visitor.cookie or "")
    visitor.see("/store/key/other")
    assert visitor.see("/key") == key
    visitor.see("/login", user="ada")
    new = visitor.see("/key")
    assert new not in (key, "None")
    visitor.see("/logout")
    assert visitor.see("/key") == "None"


def test_an_empty_session_that_is_created_is_kept(site: Site) -> None:
    visitor = site.visitor()
    key = visitor.see("/create")
    assert key != "None"
    assert [visitor.see("/create"), visitor.see("/key")] == [key, key]
    assert site.visitor().see("/create") != key


def test_a_first_look_at_the_key_in_a_stream_changes_nothing(site: Site) -> None:
    visitor = site.visitor()
    visitor.see("/store/key/value")
    old = visitor.cookie
    assert (visitor.see("/late_key") == "None") != site.has_store
    assert visitor.cookie == old


def test_no_two_sessions_have_one_key(site: Site) -> None:
    one, other = site.visitor(), site.visitor()
    for visitor in (one, other):
        visitor.see("/store/key/value")
    assert one.see("/key") != other.see("/key")


def test_the_key_is_the_handle_in_a_store(clock: Clock) -> None:
    interface = in_store(clock)
    with given(interface):
        visitor = Site(interface, False).visitor()
        visitor.see("/login", user="ada")
        user = User.objects.get(username="ada").pk
        (info,) = interface.list_sessions(user)
        assert visitor.see("/key") == info.handle


def test_another_session_is_deleted_by_its_key_in_a_store(site: Site) -> None:
    here, there = site.visitor(), site.visitor()
    for visitor in (here, there):
        visitor.see("/login", user="ada")
    key = there.see("/key")
    there_lives = "" if site.has_store else "ada"
    assert here.see(f"/end/{key}") == f"{site.has_store} False"
    assert [here.see("/who"), there.see("/who")] == ["ada", there_lives]
    here.see(f"/end/{here.see('/key')}")  # with the response
    assert (here.cookie, here.see("/who")) == (None, "")


def test_clearsessions_clears_or_says_that_it_need_not(interface: Any) -> None:
    with redirect_stdout(io.StringIO()) as printed:
        call_command("clearsessions")
    assert (
        printed.getvalue() == "Nothing to clear: expired sessions go by themselves.\n"
    )


def test_clearsessions_asks_the_store_that_has_a_way(clock: Clock) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from cookiesession.stores import SQLStore

    engine = sqlalchemy.create_engine("sqlite://")
    store = SQLStore(engine)
    store.create_table()
    interface = ServerSideSessionInterface(KEY, store, cookie=CookieOptions())
    store.create("0" * 64, b"", ttl=0, life=0, owner=None)
    with given(interface), redirect_stdout(io.StringIO()) as printed:
        call_command("clearsessions")
    with engine.connect() as link:
        count = link.exec_driver_sql("SELECT count(*) FROM cookiesession").scalar()
    engine.dispose()
    assert (printed.getvalue(), count) == ("", 0)


# -- asynchronous views --------------------------------------------------------------


def test_asynchronous_views_use_it_as_others_do(site: Site) -> None:
    visitor = site.visitor()
    assert visitor.see("/aset") == "[1, True, 1, False]"
    assert json_of(visitor) == {"key": "value", "more": 1}
    assert visitor.see("/acycle") == "True"
    assert visitor.see("/aexpire") == "False"
    visitor.see("/alogin")
    assert [visitor.see("/awho"), visitor.see("/who")] == ["ada", "ada"]
    visitor.see("/aflush")
    assert (visitor.cookie, visitor.see("/awho")) == (None, "")
    visitor.see("/aset")
    visitor.see("/adelete")
    assert visitor.cookie is None


def test_it_works_under_asgi(interface: Any) -> None:
    class AsyncClient(ClientSessionMixin, django.test.AsyncClient):  # type: ignore[misc]
        pass

    async def visit() -> None:
        client = AsyncClient()
        await client.get("/aset", secure=True)
        session = await client.asession()
        assert await session.aget("key") == "value"
        session["key"] = "other"
        await session.asave()
        assert (await client.get("/show")).json()["key"] == "other"
        user = await User.objects.aget(username="ada")
        await client.aforce_login(user)
        assert (await client.get("/awho")).content == b"ada"
        await client.alogout()
        assert (await client.get("/awho")).content == b""

    asyncio.run(visit())


class Store(MemoryStore):
    """Knows whether an event loop had to wait for it, and what it was asked for."""

    waits = False

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def load(self, key: str) -> Any:
        with suppress(RuntimeError):
            self.waits = bool(asyncio.get_running_loop())
        self.asked.append(key)
        return super().load(key)

    def end(self, key: str, version: object = None) -> bool:
        self.asked.append(key)
        return super().end(key, version)


def test_no_event_loop_waits_for_a_store() -> None:
    store = Store()
    with given(ServerSideSessionInterface(KEY, store)):
        client = django.test.AsyncClient()
        for path in (
            "/aset",
            "/aset",
            "/aexpire",
            "/awho",
            "/aflush",
            "/aset",
            "/adelete",
        ):
            asyncio.run(client.get(path))
    assert store.asked
    assert not store.waits


@pytest.mark.parametrize("key", ["", "x", "*", "A" * 64, "0" * 64 + "\n", 7])
def test_a_store_is_asked_for_handles_only(key: Any) -> None:
    store = Store()
    with given(ServerSideSessionInterface(KEY, store)):
        assert not SessionStore().exists(key)
        SessionStore().delete(key)
        assert store.asked == []


def test_of_two_parallel_reads_none_sees_a_session_that_has_expired(
    clock: Clock,
) -> None:
    first_asks, second_is_done = Event(), Event()

    class Slow(MemoryStore):
        def load(self, key: str) -> Any:
            if not first_asks.is_set():
                first_asks.set()
                second_is_done.wait(0.2)  # in vain: it waits for the first
            return super().load(key)

    interface = ServerSideSessionInterface(KEY, Slow(clock=clock), clock=clock)
    with given(interface):
        expiring = SessionStore()
        expiring["user"] = "ada"
        expiring.set_expiry(60)
        expiring.save()
        later = SessionStore(expiring.session_key)
        clock.advance(hours=2)
        first_asks.clear()

        def second() -> Any:
            seen = later.get("user")
            second_is_done.set()
            return seen

        with ThreadPoolExecutor() as threads:
            one = threads.submit(later.get, "user")
            assert first_asks.wait(10)
            two = threads.submit(second)
            assert (one.result(10), two.result(10)) == (None, None)


def test_a_store_that_is_down_says_so_without_its_own_words() -> None:
    class Down(Store):
        def load(self, key: str) -> Any:
            raise OSError(f"no answer for {key}")

        def end(self, key: str, version: object = None) -> bool:
            raise OSError(f"no answer for {key}")

    key = "a" * 64
    with given(ServerSideSessionInterface(KEY, Down())):
        for ask in (SessionStore().exists, SessionStore().delete):
            with pytest.raises(
                SessionUnavailable, match=r"failed \(OSError\)"
            ) as error:
                ask(key)
            assert key not in str(error.value)


# -- tests and scripts -----------------------------------------------------------------


class SavingClient(ClientSessionMixin, django.test.Client):  # type: ignore[misc]
    """As the docs have it."""


def test_djangos_test_client_logs_in_and_out(interface: Any) -> None:
    client = django.test.Client()
    assert client.login(username="ada", password="secret")
    assert client.get("/who").content == b"ada"
    assert client.session["_auth_user_id"] == str(User.objects.get(username="ada").pk)
    old = client.cookies[COOKIE].value
    client.logout()
    assert client.get("/who").content == b""
    client.force_login(User.objects.get(username="bob"))
    assert client.get("/who").content == b"bob"
    client.cookies[COOKIE] = old
    # In a store the session has ended; a copy of a cookie lives on.
    ended = isinstance(interface, ServerSideSessionInterface)
    assert client.get("/who").content == (b"" if ended else b"ada")


def test_the_test_client_sees_what_a_view_stored(interface: Any) -> None:
    client = django.test.Client()
    client.get("/store/key/value")
    session = client.session
    assert (session["key"], session.get("other"), "key" in session) == (
        "value",
        None,
        True,
    )
    assert client.session.session_key == client.cookies[COOKIE].value


def test_what_a_test_saves_a_view_sees(interface: Any) -> None:
    client = SavingClient()
    for value in ("first", "second"):
        session = client.session
        session["key"] = value
        session.save()
        assert session["key"] == value
        assert client.get("/show").json()["key"] == value
    session = client.session
    session.flush()
    assert client.get("/show").json() == {}


def test_a_session_is_opened_and_saved_in_a_script(interface: Any) -> None:
    session = SessionStore()
    assert (session.session_key, session.is_empty(), session.accessed) == (
        None,
        True,
        True,
    )
    session["key"] = "value"
    key = session.session_key
    assert key is not None
    again = SessionStore(key)
    assert (again["key"], again.modified, again.load()) == (
        "value",
        False,
        {"key": "value"},
    )
    again["key"] = "other"
    assert again.load() == {"key": "value"}
    assert again.exists(again.session_key or "")
    again.cycle_key()
    assert SessionStore(again.session_key)["key"] == "other"
    again.delete()
    assert (again.session_key, again.is_empty()) == (None, True)


def test_a_request_of_a_factory_is_served_by_the_middleware(interface: Any) -> None:
    middleware = DjangoMiddleware(django_site.show)
    request = django.test.RequestFactory().get("/")
    assert middleware(request).content == b"{}"
    request.session = SessionStore()
    request.session["key"] = "value"
    response = middleware.process_response(request, HttpResponse())
    assert COOKIE in response.cookies
    plain = HttpResponse()
    del request.session
    assert middleware.process_response(request, plain) is plain


def test_a_request_may_be_served_again(interface: Any) -> None:
    request = django.test.RequestFactory().get("/")
    for _ in range(2):
        response = DjangoMiddleware(django_site.append)(request)
        assert COOKIE in response.cookies


# -- settings --------------------------------------------------------------------------


def morsel_of(**settings: Any) -> Any:
    with override_settings(**settings):
        name = settings.get("SESSION_COOKIE_NAME", "sessionid")
        return django.test.Client().get("/store/key/value").cookies[name]


@pytest.mark.parametrize(
    ("settings", "attribute", "value"),
    [
        ({}, "path", "/"),
        ({}, "httponly", True),
        ({}, "samesite", "Lax"),
        ({}, "secure", ""),
        ({"SESSION_COOKIE_NAME": "mine"}, "path", "/"),
        ({"SESSION_COOKIE_PATH": "/app/"}, "path", "/app/"),
        ({"SESSION_COOKIE_DOMAIN": ".example.com"}, "domain", "example.com"),
        ({"SESSION_COOKIE_DOMAIN": "example.com"}, "domain", "example.com"),
        ({"SESSION_COOKIE_SECURE": True}, "secure", True),
        ({"SESSION_COOKIE_HTTPONLY": False}, "httponly", ""),
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, "samesite", "Strict"),
        ({"SESSION_EXPIRE_AT_BROWSER_CLOSE": True}, "expires", ""),
    ],
)
def test_without_an_interface_djangos_settings_make_one(
    settings: dict[str, Any], attribute: str, value: Any
) -> None:
    assert morsel_of(**settings)[attribute] == value


@pytest.mark.parametrize(
    ("age", "lives"),
    [(3600, 3600), (365 * 86400, 365 * 86400), (10**9, 400 * 86400)],
    ids=["an hour", "a year", "for ever"],
)
def test_the_cookies_age_is_the_idle_timeout(age: int, lives: int) -> None:
    with override_settings(SESSION_COOKIE_AGE=age):
        interface: Any = session_interface()
    clock = interface.clock = Clock()
    token = interface.make_cookie({"key": "value"})
    clock.advance(seconds=lives)
    assert interface.read_cookie(token) == {"key": "value"}
    clock.advance(seconds=1)
    assert interface.read_cookie(token) == {}


def test_a_fallback_of_djangos_key_is_accepted() -> None:
    client = django.test.Client()
    with override_settings(SECRET_KEY=OLD_KEY):
        client.get("/store/key/value")
    with override_settings(SECRET_KEY=KEY):
        assert client.get("/show").json() == {}
    with override_settings(SECRET_KEY=KEY, SECRET_KEY_FALLBACKS=[OLD_KEY]):
        assert client.get("/show").json() == {"key": "value"}


def test_without_an_interface_no_expiry_is_the_settings_own() -> None:
    client = django.test.Client()
    for expiry, at_close in (("close", True), ("none", False)):
        response = client.get(f"/expire/{expiry}")
        assert response.content.decode() == str(at_close)
        assert (client.cookies["sessionid"]["expires"] == "") == at_close


def test_without_an_interface_subclasses_of_str_are_stored() -> None:
    client = django.test.Client()
    client.get("/types")
    assert client.session["safe"] == "<b>"


def test_without_a_usable_key_a_change_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with override_settings(SECRET_KEY="secret", SESSION_SAVE_EVERY_REQUEST=True):
        client = django.test.Client()
        assert client.get("/hello").content == b"hello stranger"
        with pytest.raises(SessionUnavailable, match="secret_key has fewer than 16"):
            client.get("/store/key/value")
    assert "sessions are not available" in caplog.text


PARTITIONED = SecureCookieSessionInterface(
    KEY, cookie=CookieOptions(samesite="None", partitioned=True)
)


def test_an_interface_is_found_by_its_path_and_its_cookie_is_kept_whole() -> None:
    path = f"{__name__}.PARTITIONED"
    morsel = morsel_of(SESSION_INTERFACE=path, SESSION_COOKIE_NAME=COOKIE)
    assert morsel.OutputString().count("; Partitioned") == 1
    assert pickle.loads(pickle.dumps(morsel)) == morsel == morsel.copy()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SESSION_INTERFACE": object()}, "SESSION_INTERFACE: interface must be a"),
        ({"SESSION_INTERFACE": PARTITIONED}, "SESSION_COOKIE_NAME: must be '__Host-se"),
        (
            {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"},
            'SESSION_ENGINE: must be "cookiesession.bridges.django"',
        ),
    ],
    ids=["no interface", "another name", "another engine"],
)
def test_a_mistake_in_the_settings_is_told_at_the_start(
    settings: dict[str, Any], message: str
) -> None:
    wrong = pytest.raises(ConfigError, match=message)
    with override_settings(**settings), wrong:
        DjangoMiddleware(django_site.show)


def test_any_interface_will_do() -> None:
    with override_settings(SESSION_INTERFACE=MyInterface()):
        client = django.test.Client()
        response = client.get("/hello")
        assert (response.content, response.cookies["mine"].value) == (b"hello ada", "2")
        assert client.session.load() == {}
        response = client.get("/expire/close")
        assert (response.content, response.cookies["mine"].value) == (b"True", "2")


def test_a_proxys_word_for_tls_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    interface = SecureCookieSessionInterface(KEY)
    header = ("HTTP_X_FORWARDED_PROTO", "https")
    with given(interface), override_settings(SECURE_PROXY_SSL_HEADER=header):
        django.test.Client(headers={"X-Forwarded-Proto": "https"}).get("/store/a/b")
        assert not caplog.records
        django.test.Client().get("/store/a/b")
    assert "over http, on a host that is not local" in caplog.text


@pytest.mark.parametrize(
    ("age", "days"), [(14, 90), (365, 365)], ids=["two weeks", "a year"]
)
def test_a_session_in_use_lives_90_days_or_its_age(age: int, days: int) -> None:
    with override_settings(SESSION_COOKIE_AGE=age * 86400):
        interface: Any = session_interface()
        clock = interface.clock = Clock()
        client = django.test.Client()
        client.get("/store/key/value")
        for _ in range(8, days, 8):
            clock.advance(days=8)
            assert client.get("/show").json() == {"key": "value"}
        clock.advance(days=8)
        assert client.get("/show").json() == {}
