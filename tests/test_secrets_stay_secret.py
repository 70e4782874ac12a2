"""No key, token or value in a log line, warning, error, traceback or repr.

What the whole suite logs is looked through by a fixture in conftest.py; here is every
situation that we know in which something is said.
"""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support import (
    KEY,
    OLD_KEY,
    Clock,
    every_format,
    open_session,
    save_session,
)
from werkzeug.test import create_environ, run_wsgi_app

from cookiesession import (
    FLASK,
    ConfigError,
    CookieOptions,
    JSONTag,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SignedFormat,
    TaggedJSONSerializer,
    get_session,
)

VALUE = "correct-horse-battery-staple"
PRICE = Decimal("1234567.89")
NAME = "__Host-session"


class Talkative:
    """A value whose own words are its content."""

    def __repr__(self) -> str:
        return VALUE

    __str__ = __repr__


class RaisingTag(JSONTag):
    """A tag that quotes what it could not read."""

    key = " talk"

    def check(self, value: Any) -> bool:
        return isinstance(value, Talkative)

    def to_json(self, value: Any) -> Any:
        return VALUE

    def to_python(self, stored: Any) -> Any:
        raise LookupError(f"cannot read {stored}")


def make(**options: Any) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(
        KEY, fallback_keys=[OLD_KEY], **{"clock": Clock(), **options}
    )


def request(interface: SecureCookieSessionInterface, cookie: str, **data: Any) -> None:
    """A request over plain http, that reads and writes its session."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        session: Any = get_session(environ)
        repr((session, session.rejection, session.keys(), session.values()))
        session.update(data)
        start_response("200 OK", [("Cache-Control", "public")])
        return [b"ok"]

    environ = create_environ(base_url="http://app.example")
    environ["HTTP_COOKIE"] = cookie
    run_wsgi_app(SessionMiddleware(app, interface), environ)


# -- the situations: each is given a cookie that holds VALUE --------------------------

Situation = Callable[[SecureCookieSessionInterface, str], object]
SITUATIONS: dict[str, Situation] = {}


def situation(function: Situation) -> Situation:
    SITUATIONS[function.__name__.replace("_", " ")] = function
    return function


@situation
def a_valid_cookie(interface: SecureCookieSessionInterface, cookie: str) -> None:
    request(interface, cookie, a=VALUE * 2)


@situation
def a_changed_cookie(interface: SecureCookieSessionInterface, cookie: str) -> None:
    request(interface, cookie[:-1])
    request(interface, f"{cookie}; {cookie[:-2]}; {cookie}A")


@situation
def an_expired_cookie(interface: SecureCookieSessionInterface, cookie: str) -> None:
    request(make(clock=Clock(1_800_000_000)), cookie)


@situation
def an_absolutely_expired_cookie(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    late = make(clock=Clock(1_800_000_000), idle_timeout=None)
    request(late, cookie)


@situation
def a_cookie_from_the_future(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    request(make(clock=Clock(1_600_000_000)), cookie)


@situation
def a_cookie_that_is_too_large(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    request(interface, cookie * 100)
    request(interface, cookie + "A" * 5000)


@situation
def a_payload_that_a_tag_cannot_read(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    format = SignedFormat(serializer=TaggedJSONSerializer(tags=[RaisingTag()]))
    talking = make(format=format)
    request(talking, talking.make_cookie({"a": Talkative()}))


@situation
def a_cookie_in_the_wrong_place(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    CookieOptions(name=cookie)


@situation
def a_cookie_for_every_option(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    options: dict[str, Any] = dict.fromkeys(
        ("path", "domain", "samesite", "secure", "max_size"), f"{cookie};{VALUE}"
    )
    CookieOptions(name="s", **options)


@situation
def a_format_of_nonsense(interface: SecureCookieSessionInterface, cookie: str) -> None:
    anything: Any = cookie
    SignedFormat(salt=f"{KEY}\0", digest=anything, cookie_name=f"{cookie};")


@situation
def a_session_key_that_is_reserved(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    open_session(interface)["_cs"] = VALUE


@situation
def a_missing_key(interface: SecureCookieSessionInterface, cookie: str) -> None:
    session = open_session(interface, {"a": VALUE})
    del session["missing"]


@situation
def a_session_too_large(interface: SecureCookieSessionInterface, cookie: str) -> None:
    request(interface, cookie, a=[VALUE, *map(str, range(5000))])


@situation
def a_payload_too_large(interface: SecureCookieSessionInterface, cookie: str) -> None:
    interface.make_cookie({"a": VALUE * 5000})


@situation
def a_renewal_that_does_not_fit(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    clock = Clock()
    size = len(cookie) - len("=")
    small = make(clock=clock, cookie=CookieOptions(max_size=size))
    session: Any = small.open_session({"HTTP_COOKIE": small.make_cookie({"a": VALUE})})
    clock.advance(days=20)
    assert session["a"] == VALUE
    save_session(small, session)


@situation
def a_null_session(interface: SecureCookieSessionInterface, cookie: str) -> None:
    request(SecureCookieSessionInterface("short" + VALUE[:3]), cookie, a=VALUE)


@situation
def a_null_session_without_a_key(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    SecureCookieSessionInterface(None).read_cookie(cookie)


@situation
def a_change_after_the_headers(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    session = open_session(interface, {"a": VALUE})
    save_session(interface, session)
    session["b"] = VALUE


@situation
def a_first_read_after_the_headers(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    session = open_session(interface, {"a": VALUE})
    save_session(interface, session)
    assert len(session) == 1


@situation
def an_app_that_starts_no_response(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        get_session(environ)["a"] = VALUE * 2
        return []

    environ = create_environ(base_url="https://app.example")
    environ["HTTP_COOKIE"] = cookie
    list(SessionMiddleware(app, interface)(environ, lambda *args: lambda data: None))


@situation
def an_app_that_starts_twice(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        get_session(environ)["a"] = VALUE
        start_response("200 OK", [("Set-Cookie", cookie)])
        start_response("200 OK", [("Set-Cookie", cookie)])
        return []

    environ = create_environ(base_url="https://app.example")
    run_wsgi_app(SessionMiddleware(app, interface), environ)


@situation
def no_middleware(interface: SecureCookieSessionInterface, cookie: str) -> None:
    get_session({"HTTP_COOKIE": cookie, "SECRET_KEY": KEY})


@situation
def a_short_key(interface: SecureCookieSessionInterface, cookie: str) -> None:
    SecureCookieSessionInterface(KEY[:20])


@situation
def a_domain_without_a_dot(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    request(make(cookie=CookieOptions(name="s", domain="intranet")), "", a=VALUE)


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


UNSTORABLE: dict[str, Any] = {
    "an object": Talkative(),
    "a class": type(VALUE, (), {}),
    "an object in a list": [{"b": (Talkative(),)}],
    "a function": lambda: VALUE,
    "half of a surrogate pair": VALUE + "\ud800",
    "a number too long": 10**5000,
    "a key that is no str": {"a": {(VALUE, 1): 1}},
    "bytes as a key": {"a": {VALUE.encode(): 1}},
    "nested too deep": nested(VALUE, 70),
    "a subclass": type("Sub", (bytes,), {})(VALUE.encode()),
    "an exception": ValueError(VALUE),
}


@contextlib.contextmanager
def everything_said() -> Iterator[list[str]]:
    """All that is logged, warned of, printed or raised in the block, as text."""
    said: list[str] = []
    stream, printed = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(args)r"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("always")
        try:
            yield said
        except Exception as error:  # noqa: BLE001
            said.append("".join(traceback.format_exception(error)))
            said.extend(f"{each!r} {vars(each)}" for each in chain(error))
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
    said += [stream.getvalue(), printed.getvalue(), *map(str, warned)]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from or during."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def secrets_in(said: list[str], *tokens: str) -> list[str]:
    """Which secrets can be read there; of a token, any part of it is one."""
    parts = [part for token in tokens for part in (token[:16], token[-16:])]
    text = "\n".join(said)
    return [secret for secret in (KEY[:20], OLD_KEY, VALUE, *parts) if secret in text]


@every_format
@pytest.mark.parametrize("happens", SITUATIONS.values(), ids=SITUATIONS)
def test_nothing_secret_is_said(happens: Situation, format: SignedFormat) -> None:
    interface = make(format=format, idle_timeout=timedelta(days=31))
    cookie = interface.make_cookie({"a": VALUE})
    with everything_said() as said:
        happens(interface, cookie)
    assert secrets_in(said, cookie.partition("=")[2]) == []


def test_the_situations_say_something() -> None:
    """Else the test above would look through nothing."""
    silent = set()
    for name, happens in SITUATIONS.items():
        interface = make()
        with everything_said() as said:
            happens(interface, interface.make_cookie({"a": VALUE}))
        if not "".join(said):
            silent.add(name)
    assert silent == set()


def test_a_secret_would_be_found() -> None:
    for secret in (KEY, OLD_KEY, VALUE):
        with everything_said() as said:
            logging.getLogger("elsewhere").debug("%s", secret)
        assert secrets_in(said)
        with everything_said() as said:
            raise ConfigError("x", [secret])
        assert secrets_in(said)
        with everything_said() as said:
            warnings.warn(secret, stacklevel=1)
        assert secrets_in(said)


@every_format
@pytest.mark.parametrize("value", UNSTORABLE.values(), ids=UNSTORABLE)
def test_what_cannot_be_stored_is_named_by_path_and_type_alone(
    value: Any, format: SignedFormat
) -> None:
    interface = make(format=format)
    session = open_session(interface)
    session["nested"] = []
    session["nested"].append(value)
    with everything_said() as assigned:
        open_session(interface)["a"] = value
    with everything_said() as saved:
        save_session(interface, session)
    assert "TypeError" in assigned[0]
    assert "TypeError" in saved[0]
    assert secrets_in(assigned + saved) == []


def test_flask_refuses_a_decimal_without_telling_it() -> None:
    with everything_said() as said:
        open_session(make(format=FLASK))["price"] = PRICE
    assert "price" in said[0]
    assert "1234567" not in said[0]


@every_format
def test_the_repr_of_no_object_tells_anything(format: SignedFormat) -> None:
    interface = make(format=format)
    codec = format.bind(KEY.encode(), NAME)
    cookie = interface.make_cookie({"a": VALUE})
    environ = {"HTTP_COOKIE": cookie}
    session: Any = interface.open_session(environ)
    before = [repr(session), str(session)]
    assert session["a"] == VALUE
    shown = [
        session,
        session.keys(),
        session.values(),
        session.items(),
        iter(session),
        interface,
        interface.open_session,
        interface.cookie,
        codec,
        codec.open,
        interface.make_null_session(environ),
        SessionMiddleware(lambda environ, start_response: [], interface),
        format,
        format.serializer,
    ]
    said = [f"{each!r} {each!s}" for each in shown]
    assert secrets_in(before + said, cookie.partition("=")[2]) == []
