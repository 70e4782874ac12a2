"""What a response says of its session: Vary, Cache-Control, Set-Cookie, its size."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from support import KEY, Headers, open_session, save_session, values_of

from cookiesession import (
    CookieOptions,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionTooLarge,
)
from cookiesession.headers import repeat

Use = Callable[[Any], object]

DATA = {"user": "ada", "cart": [1]}


@pytest.fixture
def session(interface: SecureCookieSessionInterface) -> SecureCookieSession:
    """The session of a request that brought DATA."""
    return open_session(interface, DATA)


# -- every read is seen -------------------------------------------------------------


def match(session: Any) -> str:
    match session:
        case {"user": str(name)}:
            return name
    return ""


READS: dict[str, Use] = {
    "__getitem__": lambda s: s["user"],
    "__getitem__ of a missing key": lambda s: s["z"],
    "__contains__": lambda s: "user" in s,
    "__contains__ of no str": lambda s: None in s,
    "__iter__": lambda s: next(iter(s)),
    "__iter__ by tuple": tuple,
    "__len__": len,
    "__len__ by bool": bool,
    "__eq__": lambda s: s == {},
    "__eq__ to itself": lambda s: s.__eq__(s),
    "__ne__": lambda s: s != {},
    "__or__": lambda s: s | {},
    "__ror__": lambda s: {} | s,
    "get": lambda s: s.get("user"),
    "get of a missing key": lambda s: s.get("z"),
    "keys": lambda s: s.keys(),
    "values": lambda s: s.values(),
    "items": lambda s: s.items(),
    "copy": lambda s: s.copy(),
    "copy by dict": dict,
    "copy by unpacking": lambda s: {**s},
    "copy by a match statement": match,
    "pop of a missing key": lambda s: s.pop("z", None),
}
EQUAL_WRITES: dict[str, Use] = {
    "setdefault of what is there": lambda s: s.setdefault("user"),
    "update with what is there": lambda s: s.update({"user": "ada"}),
}


@pytest.mark.parametrize(
    ("read", "data"),
    [
        *(
            pytest.param(read, None, id=f"{way}, no cookie")
            for way, read in READS.items()
        ),
        *(
            pytest.param(read, DATA, id=way)
            for way, read in {**READS, **EQUAL_WRITES}.items()
        ),
    ],
)
def test_every_way_of_reading_gives_vary_cookie(
    read: Use, data: dict[str, Any] | None, interface: SecureCookieSessionInterface
) -> None:
    session = open_session(interface, data)
    assert not session.accessed
    with contextlib.suppress(KeyError, StopIteration):
        read(session)
    assert session.accessed
    assert save_session(interface, session) == [("Vary", "Cookie")]


def test_the_ways_of_reading_are_all_that_a_mapping_has() -> None:
    """A mappingproxy is a dict without its mutating methods."""
    ways = {name.partition(" ")[0] for name in READS}
    inherited = set(dir(object)) - {"__eq__", "__ne__"}
    readers = set(dir(MappingProxyType)) - inherited
    assert readers - {"__class_getitem__", "__ior__", "__reversed__"} <= ways


def test_an_untouched_session_changes_nothing(
    interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    headers = [("Content-Type", "text/plain"), ("Vary", ""), ("Set-Cookie", "a=b")]
    assert save_session(interface, session, headers=[*headers]) == headers
    assert not session.accessed


def test_an_untouched_session_s_cookie_is_not_looked_at() -> None:
    class Unreadable(str):
        """A header that fails whoever looks at it."""

        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"the header's {name} was used")

        __contains__ = __iter__ = __len__ = __eq__ = __hash__ = None  # type: ignore

    interface = SecureCookieSessionInterface(KEY)
    session = interface.open_session({"HTTP_COOKIE": Unreadable("a=b")})
    assert isinstance(session, SecureCookieSession)
    assert save_session(interface, session) == []
    with pytest.raises((AssertionError, TypeError)):
        len(session)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Cookie"]),
        ([""], ["Cookie"]),
        ([" "], ["Cookie"]),
        (["Accept"], ["Accept, Cookie"]),
        (["Accept, Origin"], ["Accept, Origin, Cookie"]),
        (["Accept-Cookie"], ["Accept-Cookie, Cookie"]),
        (["Accept", "Origin"], ["Accept", "Origin, Cookie"]),
        (["Cookie"], ["Cookie"]),
        (["cookie"], ["cookie"]),
        (["Accept,COOKIE ,Origin"], ["Accept,COOKIE ,Origin"]),
        (["Cookie", "Origin"], ["Cookie", "Origin"]),
        (["*"], ["*"]),
        (["Accept, *"], ["Accept, *"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["Vary", "vary"])
def test_vary_is_merged_into_what_is_there(
    name: str,
    before: list[str],
    after: list[str],
    interface: SecureCookieSessionInterface,
    session: SecureCookieSession,
) -> None:
    assert "user" in session
    headers = [(name, value) for value in before]
    headers = [("X", "1"), *headers, ("Y", "2")]
    headers = save_session(interface, session, headers=headers)
    assert values_of(headers, "X") + values_of(headers, "Y") == ["1", "2"]
    assert values_of(headers, "Vary") == after


# -- Cache-Control ------------------------------------------------------------------


caching = pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["private"]),
        ([""], ["private"]),
        ([" "], ["private"]),
        (["max-age=60"], ["max-age=60, private"]),
        (["no-cache, Max-Age=0"], ["no-cache, Max-Age=0, private"]),
        (["x-private"], ["x-private, private"]),
        (["max-age=60", "must-revalidate"], ["max-age=60", "must-revalidate, private"]),
        (["private"], ["private"]),
        (["Private"], ["Private"]),
        (['private="Set-Cookie"'], ['private="Set-Cookie"']),
        (['private="x-user"'], ['private="x-user", private']),
        (
            ['max-age=60, ext="a, private, b"'],
            ['max-age=60, ext="a, private, b", private'],
        ),
        (["no-store"], ["no-store"]),
        (["max-age=60", "NO-STORE,x"], ["max-age=60", "NO-STORE,x"]),
        (["no-store", "max-age=60"], ["no-store", "max-age=60"]),
    ],
    ids=str,
)


@pytest.mark.parametrize("value", ["public", "s-maxage=60"])
def test_a_shared_response_with_our_cookie_is_left_as_it_is(
    value: str, interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    session["user"] = "bob"
    headers = save_session(interface, session, headers=[("Cache-Control", value)])
    assert values_of(headers, "Cache-Control") == [value]


@pytest.mark.parametrize("value", ["public", "s-maxage=60"])
def test_a_shared_response_that_takes_the_place_of_ours_becomes_private(
    value: str,
) -> None:
    """What it carries was saved for another response, and may be a renewal."""
    headers = [("Cache-Control", value)]
    repeat([("Cache-Control", "private")], headers)
    assert values_of(headers, "Cache-Control") == [f"{value}, private"]


@caching
@pytest.mark.parametrize("name", ["Cache-Control", "cache-control"])
def test_a_response_with_our_cookie_is_private_unless_it_speaks_of_shared_caches(
    name: str,
    before: list[str],
    after: list[str],
    interface: SecureCookieSessionInterface,
    session: SecureCookieSession,
) -> None:
    session["user"] = "bob"
    headers = [(name, value) for value in before]
    headers = save_session(interface, session, headers=headers)
    assert values_of(headers, "Cache-Control") == after


@caching
def test_so_is_a_response_that_takes_its_place(
    before: list[str], after: list[str]
) -> None:
    headers = [("Cache-Control", value) for value in before]
    repeat([("Cache-Control", "private")], headers)
    assert values_of(headers, "Cache-Control") == after


def test_a_deletion_is_private_too(
    interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    session.clear()
    headers = save_session(interface, session)
    assert values_of(headers, "Cache-Control") == ["private"]
    assert values_of(headers, "Vary") == ["Cookie"]


@pytest.mark.parametrize(
    ("value", "public"),
    [
        ("public", True),
        ("max-age=60, Public", True),
        ("PUBLIC,max-age=60", True),
        ("private", False),
        ("x-public", False),
        ("s-maxage=60", True),
        ("max-age=60,S-MaxAge = 60", True),
    ],
)
def test_a_public_response_with_our_cookie_warns_once(
    value: str,
    public: bool,
    interface: SecureCookieSessionInterface,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("ada", "bob"):
        session = open_session(interface)
        session["user"] = name
        save_session(interface, session, headers=[("Cache-Control", value)])
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * public
    assert caplog.text.count("a shared cache may give") == public


def test_a_public_response_that_only_reads_is_silent(
    interface: SecureCookieSessionInterface,
    session: SecureCookieSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert "user" in session
    save_session(interface, session, headers=[("Cache-Control", "public")])
    assert caplog.records == []


# -- Set-Cookie ---------------------------------------------------------------------


def test_there_is_one_set_cookie_of_our_name(
    interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    """RFC 6265bis, section 4.1: "Servers SHOULD NOT include more than one"."""
    session["user"] = "bob"
    others = ["a=1", "X__Host-session=1", "__host-session=1", "a=__Host-session=1"]
    others += ["__Host-session2=1", "\xa0__Host-session=1", "__HOST-SESSION"]
    ours = ["__Host-session=old; Path=/", " __Host-session\t=", "__Host-session"]
    headers = [("set-cookie", value) for value in [*others, *ours]]
    headers += [("Set-Cookie", value) for value in ours]
    headers += [("X-Cookie", "__Host-session=1")]
    headers = save_session(interface, session, headers=headers)
    [*kept, last] = values_of(headers, "Set-Cookie")
    assert kept == others
    assert values_of(headers, "X-Cookie") == ["__Host-session=1"]
    assert interface.read_cookie(last) == {**DATA, "user": "bob"}


def test_the_app_s_own_cookie_of_our_name_stays_where_nothing_is_written(
    interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    assert "user" in session
    headers = [("Set-Cookie", "__Host-session=; Path=/; Max-Age=0")]
    headers = save_session(interface, session, headers=headers)
    assert values_of(headers, "Set-Cookie") == ["__Host-session=; Path=/; Max-Age=0"]


OPTIONS = {
    "defaults": CookieOptions(),
    "LAN": CookieOptions(name="session", secure=False),
    "all": CookieOptions(
        name="__Secure-s",
        domain="example.org",
        path="/app",
        httponly=False,
        samesite="None",
        partitioned=True,
    ),
}


@pytest.mark.parametrize("cookie", OPTIONS.values(), ids=list(OPTIONS))
@pytest.mark.parametrize("permanent", [False, True], ids=["", "permanent"])
def test_a_deletion_repeats_every_attribute(
    cookie: CookieOptions, permanent: bool
) -> None:
    interface = SecureCookieSessionInterface(KEY, cookie=cookie, permanent=permanent)
    written, deleted = open_session(interface), open_session(interface, DATA)
    written["user"] = "ada"
    deleted.clear()
    [first] = values_of(save_session(interface, written), "Set-Cookie")
    [second] = values_of(save_session(interface, deleted), "Set-Cookie")
    value, *attributes = second.split("; ")
    lifetime = {"Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=0"}
    assert value == f"{cookie.name}="
    assert lifetime < set(attributes)
    assert {*attributes} - lifetime == {
        text for text in first.split("; ")[1:] if not text.startswith("Expires=")
    }


# -- status -------------------------------------------------------------------------


ERRORS = ["500 Internal Server Error", "503 Service Unavailable", "599 X"]


@pytest.mark.parametrize("status", ERRORS)
def test_a_5xx_saves_no_change(
    status: str, interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    session["user"] = "bob"
    session["cart"].append(2)
    assert save_session(interface, session, status) == [("Vary", "Cookie")]


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 Not Found", "499 5xx"])
def test_any_other_status_saves_a_change(
    status: str, interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    session["user"] = "bob"
    [cookie] = values_of(save_session(interface, session, status), "Set-Cookie")
    assert interface.read_cookie(cookie)["user"] == "bob"


def clear_and_begin_anew(session: SecureCookieSession) -> None:
    session.clear()
    session["user"] = "bob"


LOGOUTS: dict[str, Use] = {
    "clear": lambda s: s.clear(),
    "pop of all": lambda s: [s.pop(key) for key in list(s)],
    "popitem of all": lambda s: [s.popitem() for _ in range(len(s))],
    "clear and new data": clear_and_begin_anew,
    "clear and the same data": lambda s: (s.clear(), s.update(DATA)),
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("logout", LOGOUTS.values(), ids=list(LOGOUTS))
def test_a_logout_holds_also_on_a_5xx(
    logout: Use,
    status: str,
    interface: SecureCookieSessionInterface,
    session: SecureCookieSession,
) -> None:
    logout(session)
    [cookie] = values_of(save_session(interface, session, status), "Set-Cookie")
    assert cookie.startswith("__Host-session=;")


def test_a_5xx_of_a_new_session_sets_nothing(
    interface: SecureCookieSessionInterface,
) -> None:
    session = open_session(interface)
    clear_and_begin_anew(session)
    headers = save_session(interface, session, ERRORS[0])
    assert values_of(headers, "Set-Cookie") == []


@pytest.mark.parametrize("logout", [LOGOUTS["clear"], lambda s: None])
def test_a_cookie_that_was_rejected_goes_only_when_it_is_cleared(
    logout: Use, interface: SecureCookieSessionInterface
) -> None:
    session = SecureCookieSession(interface, "__Host-session=forged")
    assert session.rejection
    logout(session)
    cookies = values_of(save_session(interface, session), "Set-Cookie")
    assert bool(cookies) is (logout is LOGOUTS["clear"])


# -- size ---------------------------------------------------------------------------


NOISE = secrets.token_hex(2300)


def of_size(size: int, max_size: int) -> str:
    """Save a session whose cookie's name and value have *size* bytes together.

    The same session always; the cookie's name makes up the difference.
    """
    data = {"pad": "x" * 200, "m": 1, "noise": NOISE, "n": 10}
    short = SecureCookieSessionInterface(KEY, cookie=CookieOptions(name="s"))
    missing = size - len(short.make_cookie(data).replace("=", "", 1))
    cookie = CookieOptions(name="s" + "s" * missing, max_size=max_size)
    interface = SecureCookieSessionInterface(KEY, cookie=cookie)
    session = open_session(interface)
    session.update(data)
    [value] = values_of(save_session(interface, session), "Set-Cookie")
    return value.partition(";")[0]


def test_the_limit_is_4096_bytes_by_default() -> None:
    assert CookieOptions().max_size == 4096


@pytest.mark.parametrize("limit", [4096, 4000, 5000])
def test_the_limit_is_name_plus_value_to_the_byte(limit: int) -> None:
    """RFC 6265bis, section 5.7: "more than 4096 octets, abort"."""
    assert len(of_size(limit, limit).replace("=", "", 1)) == limit
    with pytest.raises(SessionTooLarge) as caught:
        of_size(limit + 1, limit)
    error = caught.value
    assert (error.size, error.limit) == (limit + 1, limit)
    assert f"would be {limit + 1} bytes, the limit is {limit}." in str(error)


def test_the_error_names_the_three_biggest_keys_and_no_value() -> None:
    with pytest.raises(SessionTooLarge) as caught:
        of_size(4097, 4096)
    error = caught.value
    assert error.biggest == (("noise", 4600 + 12), ("pad", 200 + 10), ("n", 8))
    assert "'noise' (4612 bytes), 'pad' (210 bytes), 'n' (8 bytes)." in str(error)
    assert NOISE[:20] not in str(error)


def test_make_cookie_keeps_the_limit_too(
    interface: SecureCookieSessionInterface,
) -> None:
    with pytest.raises(SessionTooLarge):
        interface.make_cookie({"noise": secrets.token_hex(4096)})


def test_json_beyond_64_kb_is_too_large_however_small_its_cookie(
    interface: SecureCookieSessionInterface,
) -> None:
    fits = 65_536 - len('{"x":""}')
    assert interface.read_cookie(interface.make_cookie({"x": fits * "x"}))
    with pytest.raises(SessionTooLarge, match="JSON of the session") as caught:
        interface.make_cookie({"x": fits * "x" + "x"})
    assert (caught.value.size, caught.value.limit) == (65_537, 65_536)


def test_a_session_that_is_too_large_may_be_made_smaller_and_saved(
    interface: SecureCookieSessionInterface, session: SecureCookieSession
) -> None:
    session["noise"] = secrets.token_hex(4096)
    headers: Headers = []
    with pytest.raises(SessionTooLarge):
        save_session(interface, session, headers=headers)
    assert headers == []
    del session["noise"]
    assert save_session(interface, session) == [("Vary", "Cookie")]


# -- Secure over http ---------------------------------------------------------------


def warnings_for(
    caplog: pytest.LogCaptureFixture, cookie: CookieOptions, environ: dict[str, str]
) -> list[str]:
    interface = SecureCookieSessionInterface(KEY, cookie=cookie)
    for name in ("ada", "bob"):
        session = open_session(interface)
        session["user"] = name
        save_session(interface, session, environ=environ)
    return [record.message for record in caplog.records]


def http(host: str, server: str = "example.org") -> dict[str, str]:
    return {"wsgi.url_scheme": "http", "HTTP_HOST": host, "SERVER_NAME": server}


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:8000", "192.168.1.7:80", "[fe80::1]:80", ""]
)
def test_a_secure_cookie_over_http_warns_once_and_says_what_to_set(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    [message] = warnings_for(caplog, CookieOptions(), http(host))
    for remedy in ("--forwarded-allow-ips", "ProxyFix", "secure=False"):
        assert remedy in message


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "app.localhost:80", "127.0.0.1"),
        *("LocalHost:8000", "127.8.8.8:5000", "[::1]", "[::1]:8000"),
    ],
)
def test_browsers_keep_secure_cookies_of_this_machine_so_there_is_no_warning(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings_for(caplog, CookieOptions(), http(host)) == []


def test_without_a_host_header_the_server_s_name_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert warnings_for(caplog, CookieOptions(), http("", "localhost")) == []
    assert warnings_for(caplog, CookieOptions(), http("", "::1")) == []
    assert warnings_for(caplog, CookieOptions(), http("", "example.org")) != []


@pytest.mark.parametrize(
    ("cookie", "scheme"),
    [(OPTIONS["defaults"], "https"), (OPTIONS["LAN"], "http")],
    ids=["https", "not Secure"],
)
def test_there_is_no_warning_where_browsers_keep_the_cookie(
    cookie: CookieOptions, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {**http("example.org"), "wsgi.url_scheme": scheme}
    assert warnings_for(caplog, cookie, environ) == []


def test_a_response_that_sets_no_cookie_does_not_warn(
    interface: SecureCookieSessionInterface,
    session: SecureCookieSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert "user" in session
    save_session(interface, session, environ=http("example.org"))
    assert caplog.records == []
