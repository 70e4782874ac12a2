"""The middleware to the letter of PEP 3333, before a server that plays its part."""

from __future__ import annotations

import io
import logging
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from support import KEY, name_of, values_of
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.test import create_environ

from cookiesession import (
    ConfigError,
    CookieOptions,
    NullSession,
    SecureCookieSessionInterface,
    SessionCommitted,
    SessionInterface,
    SessionMiddleware,
    SessionTooLarge,
    SessionUnavailable,
    get_session,
)

App = Callable[..., Any]
Check = Callable[[App], App]

OK = "200 OK"
ERROR = "500 Internal Server Error"
PLAIN = [("Content-Type", "text/plain")]
INTERFACE = SecureCookieSessionInterface(KEY)


class Server:
    """Plays the server's part of PEP 3333 for one request, and records it."""

    def __init__(self, app: App, cookie: str = "") -> None:
        self.app = app
        self.environ = create_environ(
            base_url="https://example.org", headers={"Cookie": cookie}
        )
        self.started: list[tuple[Any, Any]] = []  # (status, headers)
        self.further: list[tuple[Any, ...]] = []  # the arguments after these
        self.chunks: list[bytes] = []

    def start_response(
        self, status: Any, headers: Any, /, *further: Any
    ) -> Callable[[bytes], object]:
        exc_info = further[0] if further else None
        # "if exc_info is provided, and the HTTP headers have already been sent,
        # start_response must raise an error, and should re-raise using the exc_info
        # tuple."
        if exc_info and any(self.chunks):
            raise exc_info[1]
        # "it is a fatal error to call start_response without the exc_info argument if
        # start_response has already been called"
        assert exc_info or not self.started
        self.started.append((status, headers))
        self.further.append(further)
        return self.write

    def write(self, data: bytes) -> None:
        assert self.started, "a body without headers"
        self.chunks.append(data)

    def run(self) -> Server:
        """The whole request; what the app raises is raised here."""
        body = self.app(self.environ, self.start_response)
        try:
            for chunk in body:
                assert self.started or not chunk, "a body without headers"
                self.chunks.append(chunk)
        finally:
            # "If the iterable returned by the application has a close() method, the
            # server or gateway must call that method upon completion".
            if hasattr(body, "close"):
                body.close()
        return self

    @property
    def status(self) -> str:
        return str(self.started[-1][0])

    @property
    def headers(self) -> list[tuple[str, str]]:
        return list(self.started[-1][1])

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def saved(self) -> dict[str, Any]:
        """The session that the one Set-Cookie of the response holds."""
        [cookie] = values_of(self.headers, "Set-Cookie")
        return INTERFACE.read_cookie(cookie)


class Body:
    """A body that counts how often it is closed, and may fail when it is iterated."""

    def __init__(
        self, *chunks: bytes, start: Callable[[], object] | None = None
    ) -> None:
        self.chunks = chunks
        self.start = start
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        if self.start:
            self.start()
        for chunk in self.chunks:
            if chunk == b"fail":
                raise ZeroDivisionError
            yield chunk

    def close(self) -> None:
        self.closed += 1


def wrap(app: App, check: Check = lambda app: app) -> App:
    """*app* in the middleware, with a check on either side of it."""
    return check(SessionMiddleware(check(app), INTERFACE))


def serve(app: App, check: Check = lambda app: app, cookie: str = "") -> Server:
    return Server(wrap(app, check), cookie).run()


def session_of(environ: dict[str, Any]) -> Any:
    return get_session(environ)


def fail() -> None:
    raise ZeroDivisionError


def failure() -> tuple[Any, ...]:
    """An exc_info."""
    try:
        fail()
    except ZeroDivisionError as error:
        return type(error), error, None
    raise AssertionError


@pytest.fixture(
    params=[lambda app: app, validator, LintMiddleware],
    ids=["bare", "wsgiref.validate", "LintMiddleware"],
)
def check(request: pytest.FixtureRequest) -> Check:
    """What watches the app's and the server's side of the middleware."""
    return request.param  # type: ignore[no-any-return]


# -- when the session is saved ------------------------------------------------------


def test_a_session_changed_before_start_response_is_saved(check: Check) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["user"] = "ada"
        start_response(OK, PLAIN)
        return [b"hello"]

    server = serve(app, check)
    assert (server.status, server.body, server.saved) == (OK, b"hello", {"user": "ada"})


def test_a_session_changed_after_start_response_is_saved(check: Check) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)
        session_of(environ)["user"] = "ada"
        return [b"hello"]

    server = serve(app, check)
    assert (server.status, server.body, server.saved) == (OK, b"hello", {"user": "ada"})


def test_a_generator_app_may_change_the_session_up_to_its_first_chunk(
    check: Check,
) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        session_of(environ)["before"] = 1
        start_response(OK, PLAIN)
        session_of(environ)["after"] = 2
        yield b"hello"
        yield b" world"

    server = serve(app, check)
    assert server.body == b"hello world"
    assert server.saved == {"before": 1, "after": 2}


def test_a_generator_app_that_changes_the_session_after_its_first_chunk_raises(
    check: Check,
) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(OK, PLAIN)
        session_of(environ)["kept"] = 1
        yield b"hello"
        session_of(environ)["lost"] = 2

    server = Server(wrap(app, check))
    with pytest.raises(SessionCommitted):
        server.run()
    assert (server.body, server.saved) == (b"hello", {"kept": 1})


def test_a_started_app_whose_generator_changes_the_session_raises(
    check: Check,
) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        session = session_of(environ)
        start_response(OK, PLAIN)

        def body() -> Iterator[bytes]:
            yield b"hello"
            session["lost"] = 1

        return body()

    server = Server(wrap(app, check))
    with pytest.raises(SessionCommitted, match="headers have been sent"):
        server.run()
    assert server.headers == PLAIN


def test_write_saves_the_session_first(check: Check) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response(OK, PLAIN)
        session_of(environ)["user"] = "ada"
        write(b"one ")
        write(b"two ")
        return [b"three"]

    server = serve(app, check)
    assert (server.body, server.saved) == (b"one two three", {"user": "ada"})


def test_a_change_after_write_raises() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)(b"hello")
        session_of(environ)["lost"] = 1
        return []

    with pytest.raises(SessionCommitted):
        serve(app)


def test_a_generator_app_may_use_write(
    check: Check, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        session_of(environ)["user"] = "ada"
        write = start_response(OK, PLAIN)
        write(b"one ")
        yield b"two"

    server = serve(app, check)
    assert (server.body, server.saved) == (b"one two", {"user": "ada"})
    assert caplog.records == []


def test_an_empty_iterable_gets_its_session(check: Check) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)
        session_of(environ)["user"] = "ada"
        return []

    server = serve(app, check)
    assert (server.body, server.saved) == (b"", {"user": "ada"})


def test_a_generator_app_without_a_chunk_gets_its_session() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(OK, PLAIN)
        session_of(environ)["user"] = "ada"
        yield from ()

    server = serve(app)
    assert (server.body, server.saved) == (b"", {"user": "ada"})


def test_a_class_with_iter_is_an_app(check: Check) -> None:
    """PEP 3333's own example, AppClass: the instance is the iterable."""

    class AppClass:
        def __init__(self, environ: Any, start_response: Any) -> None:
            self.environ = environ
            self.start = start_response

        def __iter__(self) -> Iterator[bytes]:
            session_of(self.environ)["user"] = "ada"
            self.start(OK, PLAIN)
            yield b"Hello world!\n"

    server = serve(AppClass, check)
    assert (server.body, server.saved) == (b"Hello world!\n", {"user": "ada"})


def test_an_untouched_session_leaves_the_response_as_it_is(check: Check) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", PLAIN)
        return [b"nothing"]

    server = serve(app, check, INTERFACE.make_cookie({"user": "ada"}))
    assert server.started == [("404 Not Found", PLAIN)]
    assert server.chunks == [b"nothing"]


# -- what the server sees -----------------------------------------------------------


@pytest.mark.parametrize("extra", [(), (None,)], ids=["two", "None as exc_info"])
def test_the_server_s_start_response_is_called_once_with_two_arguments(
    extra: tuple[None, ...],
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN, *extra)
        session_of(environ)["user"] = "ada"
        return [b"hello"]

    server = serve(app)
    [(status, headers)] = server.started
    assert server.further == [()]
    assert type(status) is str
    # "response_headers is a list of (header_name, header_value) tuples. It must be a
    # Python list; i.e. type(response_headers) is ListType".
    assert type(headers) is list
    assert {type(header) for header in headers} == {tuple}
    assert {type(text) for header in headers for text in header} == {str}


def test_start_response_is_called_before_the_iterable_is_returned() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(OK, PLAIN)
        yield b"hello"

    server = Server(wrap(app))
    server.app(server.environ, server.start_response)
    assert server.started == [(OK, PLAIN)]


def test_header_order_duplicates_and_other_cookies_are_kept(check: Check) -> None:
    headers = [
        ("Set-Cookie", "theme=dark"),
        ("Link", "</a>; rel=preload"),
        ("Content-Type", "text/plain"),
        ("Link", "</b>; rel=preload"),
        ("set-cookie", "lang=en"),
        ("Set-Cookie", "theme=light; Path=/admin"),
    ]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["user"] = "ada"
        start_response(OK, list(headers))
        return []

    assert serve(app, check).headers[: len(headers)] == headers


def test_a_header_list_shared_between_requests_is_never_changed() -> None:
    shared = [("Content-Type", "text/plain"), ("Vary", "Accept")]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if name := environ["HTTP_COOKIE"]:
            session_of(environ)["user"] = name
        start_response(OK, shared)
        return []

    assert serve(app, cookie="ada").saved == {"user": "ada"}
    assert serve(app).headers == [("Content-Type", "text/plain"), ("Vary", "Accept")]
    assert len(shared) == 2


@pytest.mark.parametrize(
    "body",
    [
        [b"one", b"two"],
        (b"one", b"two"),
        iter([b"one", b"two"]),
        (chunk for chunk in [b"one", b"two"]),
        io.BytesIO(b"one\ntwo"),
        FileWrapper(io.BytesIO(b"one two")),
        Body(b"one", b"two"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_a_started_app_s_body_is_returned_as_the_very_same_object(body: Any) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(OK, PLAIN)
        session_of(environ)["user"] = "ada"
        return body

    server = Server(wrap(app))
    assert server.app(server.environ, server.start_response) is body
    assert server.saved == {"user": "ada"}


@pytest.mark.parametrize("starts", ["first", "late"])
def test_no_chunk_is_held_back(starts: str) -> None:
    pulled = []

    def chunks(start: Callable[[], object]) -> Iterator[bytes]:
        start()
        for number in range(1, 4):
            pulled.append(number)
            yield b"chunk"

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        def start() -> None:
            start_response(OK, PLAIN)

        if starts == "late":
            return chunks(start)
        start()
        return chunks(lambda: None)

    server = Server(wrap(app))
    body = iter(server.app(server.environ, server.start_response))
    for number in range(1, 4):
        assert next(body) == b"chunk"
        assert pulled[-1] == number
    assert list(body) == []


def test_a_stopiteration_of_the_app_stays_one() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise StopIteration

    server = Server(wrap(app))
    with pytest.raises(StopIteration):
        server.app(server.environ, server.start_response)


# -- apps that start no response, or late -------------------------------------------


def test_an_app_that_never_starts_a_response_passes_through(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        return [b"", b""]

    server = serve(app)
    assert (server.started, server.chunks) == ([], [b"", b""])
    assert caplog.records == []


@pytest.mark.parametrize("starts", [True, False], ids=["started", "not started"])
def test_what_is_no_iterable_passes_through(starts: bool) -> None:
    hijacked = object()

    def app(environ: Any, start_response: Any) -> object:
        if starts:
            start_response(OK, PLAIN)
        return hijacked

    server = Server(wrap(app))
    assert server.app(server.environ, server.start_response) is hijacked
    assert bool(server.started) is starts


@pytest.mark.parametrize("body", [[], None], ids=["empty body", "no iterable"])
def test_a_change_without_a_response_logs_a_warning(
    body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        session_of(environ)["user"] = "ada"
        return body

    server = Server(wrap(app))
    server.app(server.environ, server.start_response)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("cookiesession", logging.WARNING)
    assert "has not called start_response" in record.message
    assert "ada" not in record.message


def test_a_response_started_after_an_empty_first_chunk_gets_its_session() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield b""
        session_of(environ)["user"] = "ada"
        write = start_response(OK, PLAIN)
        write(b"hello")
        yield b" world"

    server = serve(app)
    assert (server.saved, server.chunks) == (
        {"user": "ada"},
        [b"", b"hello", b" world"],
    )


def test_a_change_after_a_late_start_raises() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response(OK, PLAIN)
        session_of(environ)["lost"] = 1
        yield b"hello"

    with pytest.raises(SessionCommitted):
        serve(app)


# -- start_response called twice ----------------------------------------------------


@pytest.mark.parametrize("generator", [False, True], ids=["function", "generator"])
def test_exc_info_before_the_headers_are_out_starts_over_from_clean_headers(
    generator: bool, check: Check
) -> None:
    def respond(environ: Any, start_response: Any) -> Iterator[bytes]:
        session_of(environ)["user"] = "ada"
        start_response(OK, [*PLAIN, ("Set-Cookie", "first=1"), ("X-First", "1")])
        try:
            fail()
        except ZeroDivisionError as error:
            info = (type(error), error, error.__traceback__)
            start_response("404 Not Found", PLAIN, info)
            del info
        yield b"sorry"

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        body = respond(environ, start_response)
        return body if generator else list(body)

    server = serve(app, check)
    [(status, headers)] = server.started
    assert not any(map(any, server.further))  # no exc_info
    assert (status, server.body) == ("404 Not Found", b"sorry")
    assert {name for name, _ in headers} == {
        *("Content-Type", "Vary", "Set-Cookie", "Cache-Control")
    }
    assert server.saved == {"user": "ada"}


def test_exc_info_after_the_headers_are_out_goes_to_the_server(check: Check) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(OK, PLAIN)
        yield b"hello"
        try:
            fail()
        except ZeroDivisionError as error:
            start_response(ERROR, PLAIN, (type(error), error, error.__traceback__))

    server = Server(wrap(app, check))
    with pytest.raises(ZeroDivisionError):
        server.run()
    assert (server.started, server.body) == ([(OK, PLAIN)], b"hello")


def test_exc_info_between_the_save_and_the_first_byte_goes_to_the_server() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(OK, PLAIN)
        yield b""
        try:
            fail()
        except ZeroDivisionError as error:
            start_response(ERROR, PLAIN, (type(error), error, None))
        yield b"sorry"

    server = serve(app)
    assert server.started[0] == (OK, PLAIN)
    assert server.started[1] == (ERROR, PLAIN)
    assert server.further[1][0][0] is ZeroDivisionError


Use = Callable[[Any], object]


def restarted(
    use: Use,
    status: str = ERROR,
    headers: Iterable[tuple[str, str]] = (),
    first: Iterable[tuple[str, str]] = (),
    times: int = 1,
) -> list[tuple[str, str]]:
    """The headers of a response that is started again after its session was saved.

    An error page around a generator that fails at once does so.
    """
    again = list(headers)

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        use(session_of(environ))
        start_response(OK, list(first))
        yield b""
        for _ in range(times):
            start_response(status, again, failure())
        yield b"sorry"

    server = serve(app, cookie=INTERFACE.make_cookie({"user": "ada"}))
    assert (server.status, len(server.started)) == (status, 1 + times)
    assert again == list(headers)  # the app's own list
    return server.headers


def log_out(session: Any) -> None:
    session.clear()


def log_in(session: Any) -> None:
    session["user"] = "bob"


@pytest.mark.parametrize("status", [ERROR, "404 Not Found", OK])
@pytest.mark.parametrize("times", [1, 2])
def test_a_logout_holds_though_the_response_is_started_again(
    status: str, times: int
) -> None:
    headers = restarted(log_out, status, PLAIN, times=times)

    [cookie] = values_of(headers, "Set-Cookie")
    assert cookie.startswith("__Host-session=; ")
    assert "Max-Age=0" in cookie
    assert headers[:1] == PLAIN
    assert values_of(headers, "Vary") == ["Cookie"]
    assert values_of(headers, "Cache-Control") == ["private"]


def test_what_was_saved_is_saved_though_the_response_is_started_again() -> None:
    headers = restarted(log_in)

    [cookie] = values_of(headers, "Set-Cookie")
    assert INTERFACE.read_cookie(cookie) == {"user": "bob"}


def test_what_was_only_read_is_said_to_caches_when_the_response_is_started_again() -> (
    None
):
    assert restarted(dict, headers=PLAIN) == [*PLAIN, ("Vary", "Cookie")]


def test_an_untouched_session_leaves_a_response_that_is_started_again_alone() -> None:
    def untouched(session: Any) -> None:
        """Does not look at it."""

    first = [("Vary", "Accept"), ("Set-Cookie", "a=1"), ("Cache-Control", "no-cache")]
    assert restarted(untouched, headers=PLAIN, first=first) == PLAIN


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("Vary", "Accept", ["Accept, Cookie"]),
        ("vary", "*", ["*"]),
        ("Cache-Control", "max-age=60", ["max-age=60, private"]),
        ("cache-control", "no-store", ["no-store"]),
        ("Set-Cookie", "theme=dark", ["theme=dark", "__Host-session"]),
        ("Set-Cookie", "__Host-session=theirs; Path=/", ["__Host-session"]),
    ],
    ids=lambda value: str(value),
)
def test_what_was_saved_is_merged_into_the_headers_that_a_second_start_brings(
    name: str, before: str, after: list[str]
) -> None:
    headers = restarted(
        log_out, headers=[(name, before)], first=[("Vary", "Origin"), ("X-First", "1")]
    )

    values = values_of(headers, name)
    if name == "Set-Cookie":
        values = [value.partition("=; ")[0] for value in values]
    assert values == after
    assert len(values_of(headers, "Vary")) == 1
    assert values_of(headers, "X-First") == []  # the app's own go


def test_what_an_interface_of_one_s_own_adds_is_said_again_as_well() -> None:
    class Header(SecureCookieSessionInterface):
        """Keeps its session in a header, say."""

        def save_session(self, *arguments: Any) -> None:  # pyright: ignore
            arguments[3].append(("X-Session", "token"))

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(OK, PLAIN)
        yield b""
        for headers in ([], [("X-Session", "token")]):
            start_response(ERROR, headers, failure())
        yield b"sorry"

    server = Server(SessionMiddleware(app, Header(KEY))).run()
    assert [headers for _, headers in server.started[1:]] == 2 * [
        [("X-Session", "token")]
    ]


@pytest.mark.parametrize("extra", [(), (None,)], ids=["none", "None"])
def test_a_second_start_without_exc_info_raises(extra: tuple[None, ...]) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)
        start_response(OK, PLAIN, *extra)
        return []

    server = Server(wrap(app))
    with pytest.raises(AssertionError, match="PEP 3333"):
        server.run()
    assert server.started == []


def test_a_second_start_without_exc_info_after_the_headers_is_the_server_s() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)(b"hello")
        start_response(OK, PLAIN)
        return []

    server = Server(wrap(app))
    with pytest.raises(AssertionError):
        server.run()
    assert server.started == [(OK, PLAIN)]


def test_a_start_after_the_headers_reaches_the_server_with_its_own_arguments() -> None:
    calls: list[tuple[Any, ...]] = []

    def lenient(*arguments: Any) -> Callable[[bytes], object]:
        calls.append(arguments)
        return bytes

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)(b"hello")
        start_response(OK, PLAIN)
        return []

    wrap(app)(create_environ(), lenient)
    assert calls == [(OK, PLAIN), (OK, PLAIN)]


# -- apps that raise, and close() ---------------------------------------------------


@pytest.mark.parametrize("starts", [True, False], ids=["started", "not started"])
def test_an_app_that_raises_sends_and_saves_nothing(starts: bool, check: Check) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["user"] = "ada"
        if starts:
            start_response(OK, PLAIN)
        raise ZeroDivisionError

    server = Server(wrap(app, check))
    with pytest.raises(ZeroDivisionError):
        server.run()
    assert server.started == []


def test_a_generator_app_that_raises_before_its_first_chunk_sends_nothing() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        session_of(environ)["user"] = "ada"
        start_response(OK, PLAIN)
        fail()
        yield b"never"

    server = Server(wrap(app))
    with pytest.raises(ZeroDivisionError):
        server.run()
    assert server.started == []


def test_an_app_that_raises_in_the_middle_of_the_body_keeps_what_was_sent(
    check: Check,
) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        session_of(environ)["user"] = "ada"
        start_response(OK, PLAIN)
        yield b"hello"
        fail()

    server = Server(wrap(app, check))
    with pytest.raises(ZeroDivisionError):
        server.run()
    assert (server.body, server.saved) == (b"hello", {"user": "ada"})


class _BrokenInterface(SecureCookieSessionInterface):
    """A custom interface whose database is down."""

    def save_session(self, *_: Any) -> None:  # pyright: ignore
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "chunks",
    [(), (b"one",), (b"one", b"two"), (b"", b"one"), (b"fail",), (b"one", b"fail")],
    ids=["empty", "one", "two", "empty first", "fails at once", "fails later"],
)
@pytest.mark.parametrize("starts", ["before", "inside", "never"])
@pytest.mark.parametrize("saves", [True, False], ids=["saves", "save fails"])
def test_close_is_called_exactly_once(
    chunks: tuple[bytes, ...], starts: str, saves: bool
) -> None:
    bodies = []

    def app(environ: Any, start_response: Any) -> Body:
        def start() -> None:
            start_response(OK, PLAIN)

        if starts == "before":
            start()
        body = Body(*chunks, start=start if starts == "inside" else None)
        bodies.append(body)
        return body

    interface = INTERFACE if saves else _BrokenInterface(KEY)
    server = Server(SessionMiddleware(app, interface))
    try:
        server.run()
    except (ZeroDivisionError, AssertionError):
        assert not saves or starts == "never" or b"fail" in chunks
    [body] = bodies
    assert body.closed == 1


class GreenletExit(BaseException):
    """As greenlet's: it ends a request that took too long."""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GreenletExit])
@pytest.mark.parametrize("when", ["the first chunk", "the save"])
def test_close_is_called_also_when_the_worker_is_to_end(
    error: type[BaseException], when: str
) -> None:
    def stop() -> None:
        raise error

    class Stopped(SecureCookieSessionInterface):
        """Its store waits, and the worker is told to end."""

        def save_session(self, *_: Any) -> None:  # pyright: ignore
            stop()

    in_save = when == "the save"
    body = Body(b"never", start=None if in_save else stop)

    def app(environ: Any, start_response: Any) -> Body:
        if in_save:
            start_response(OK, PLAIN)
        return body

    server = Server(SessionMiddleware(app, Stopped(KEY) if in_save else INTERFACE))
    with pytest.raises(error):
        server.run()
    assert (server.started, body.closed) == ([], 1)


@pytest.mark.parametrize("starts", ["before", "inside"])
def test_close_is_called_when_the_client_goes_away(starts: str) -> None:
    """ "or terminated early due to ... the browser disconnecting" (PEP 3333)."""
    bodies = []

    def app(environ: Any, start_response: Any) -> Body:
        def start() -> None:
            start_response(OK, PLAIN)

        if starts == "before":
            start()
        bodies.append(Body(b"1", b"2", start=start if starts == "inside" else None))
        return bodies[0]

    server = Server(wrap(app))
    body = server.app(server.environ, server.start_response)
    assert next(iter(body)) == b"1"
    body.close()
    assert bodies[0].closed == 1


@pytest.mark.parametrize("saves", [True, False], ids=["saves", "save fails"])
def test_close_is_not_looked_for_where_there_is_none(saves: bool) -> None:
    class Plain:
        def __init__(self, start: Callable[[], object]) -> None:
            self.start = start

        def __iter__(self) -> Iterator[bytes]:
            self.start()
            return iter([b"hello"])

    def app(environ: Any, start_response: Any) -> Plain:
        return Plain(lambda: start_response(OK, PLAIN))

    server = Server(
        SessionMiddleware(app, INTERFACE if saves else _BrokenInterface(KEY))
    )
    if saves:
        assert server.run().body == b"hello"
    else:
        with pytest.raises(ZeroDivisionError):
            server.run()


# -- a save that raises -------------------------------------------------------------


@pytest.mark.parametrize("way", ["function", "generator", "write"])
def test_a_save_that_raises_sends_nothing(way: str, check: Check) -> None:
    def generator(environ: Any, start_response: Any) -> Iterator[bytes]:
        session_of(environ)["essay"] = [*range(5000)]
        write = start_response(OK, PLAIN)
        if way == "write":
            write(b"never")
        yield b"never"

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        body = generator(environ, start_response)
        return [*body] if way == "function" else body

    server = Server(wrap(app, check))
    with pytest.raises(SessionTooLarge):
        server.run()
    assert (server.started, server.chunks) == ([], [])


def test_an_app_may_answer_a_save_that_raised_with_an_error_page() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        session_of(environ)["essay"] = [*range(5000)]
        write = start_response(OK, PLAIN)
        try:
            write(b"never")
        except SessionTooLarge as error:
            start_response(ERROR, PLAIN, (type(error), error, None))
        yield b"sorry"

    server = serve(app)
    assert (server.status, server.body) == (ERROR, b"sorry")
    assert len(server.started) == 1
    assert values_of(server.headers, "Set-Cookie") == []


@pytest.mark.parametrize("way", ["write", "a late start"])
@pytest.mark.parametrize(
    "change", [log_in, log_out, lambda s: s.pop("essay")], ids=["in", "out", "pop"]
)
def test_a_change_after_a_save_that_raised_is_not_lost_in_silence(
    change: Use, way: str
) -> None:
    """A session is saved once; an error page that logs out has to be told so."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        session = session_of(environ)
        session["essay"] = [*range(5000)]
        if way == "a late start":
            yield b""
        try:
            write = start_response(OK, PLAIN)
            if way == "write":
                write(b"never")
        except SessionTooLarge as error:
            with pytest.raises(SessionCommitted):
                change(session)
            assert len(session["essay"]) == 5000  # it may be read
            start_response(ERROR, PLAIN, (type(error), error, None))
        yield b"sorry"

    server = serve(app)
    assert (server.status, server.body) == (ERROR, b"sorry")


class CountingInterface(SecureCookieSessionInterface):
    """Counts its saves; all fail, or none."""

    def __init__(self, fails: bool) -> None:
        super().__init__(KEY)
        self.fails = fails
        self.saves = 0

    def save_session(self, *arguments: Any) -> None:  # pyright: ignore
        self.saves += 1
        if self.fails:
            fail()
        super().save_session(*arguments)


@pytest.mark.parametrize("way", ["write", "a late start"])
@pytest.mark.parametrize("fails", [True, False], ids=["save fails", "saves"])
def test_a_session_is_saved_once_though_the_response_is_started_again(
    way: str, fails: bool
) -> None:
    interface = CountingInterface(fails)

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        if way == "a late start":
            yield b""
        try:
            write = start_response(OK, PLAIN)
            if way == "write":
                write(b"")
            fail()
        except ZeroDivisionError as error:
            write = start_response(ERROR, PLAIN, (type(error), error, None))
            write(b"so")
        yield b"rry"

    server = Server(SessionMiddleware(app, interface)).run()
    assert (server.status, server.body) == (ERROR, b"sorry")
    assert interface.saves == 1


@pytest.mark.parametrize("way", ["write", "a late start"])
def test_a_server_that_refuses_a_start_gets_the_next_one_as_it_is(way: str) -> None:
    """It may have noted the first: another without exc_info would be an error."""
    interface = CountingInterface(fails=False)
    calls: list[tuple[Any, ...]] = []

    def refusing(*arguments: Any) -> Callable[[bytes], object]:
        calls.append(arguments)
        if len(calls) == 1:
            raise ValueError("a header that this server does not like")
        return bytes

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        if way == "a late start":
            yield b""
        try:
            write = start_response(OK, [("X-Bad", "\n")])
            if way == "write":
                write(b"never")
        except ValueError as error:
            info = (type(error), error, None)
            start_response(ERROR, PLAIN, info)(b"sorry")
        yield b""

    list(SessionMiddleware(app, interface)(create_environ(), refusing))
    assert [status for status, *_ in calls] == [OK, ERROR]
    assert [len(call) for call in calls] == [2, 3]
    assert interface.saves == 1


# -- odd servers and apps -----------------------------------------------------------


def test_a_server_without_write_is_served() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["user"] = "ada"
        start_response(OK, PLAIN)
        return [b"hello"]

    started: list[Any] = []
    body = wrap(app)(create_environ(), lambda *args: started.append(args))
    assert (list(body), len(started)) == ([b"hello"], 1)


def test_write_on_a_server_without_it_says_what_to_do() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)(b"hello")
        return []

    with pytest.raises(RuntimeError, match=r"no write\(\).* return an iterable"):
        wrap(app)(create_environ(), lambda *args: None)


def test_write_returns_what_the_server_s_write_returns() -> None:
    written = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        written.append(start_response(OK, PLAIN)(b"hello"))
        return []

    wrap(app)(create_environ(), lambda *args: len)
    assert written == [5]


def test_a_session_replaced_in_the_environ_is_saved_all_the_same() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["user"] = "ada"
        environ["cookiesession.session"] = {}
        start_response(OK, PLAIN)
        return []

    assert serve(app).saved == {"user": "ada"}


def test_a_session_reached_through_a_copied_environ_is_saved() -> None:
    """CherryPy hands its handlers a copy of the environ."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        copied = environ.copy()
        environ.clear()
        session_of(copied)["user"] = "ada"
        start_response(OK, PLAIN)
        return []

    assert serve(app).saved == {"user": "ada"}


def test_two_middlewares_with_two_names_serve_one_app(check: Check) -> None:
    other = SecureCookieSessionInterface(KEY, cookie=CookieOptions(name="admin"))

    def app(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["user"] = "ada"
        get_session(environ, "admin.session")["role"] = "root"
        start_response(OK, PLAIN)
        return []

    inner = SessionMiddleware(check(app), other, environ_key="admin.session")
    server = Server(check(SessionMiddleware(check(inner), INTERFACE))).run()
    header = "; ".join(values_of(server.headers, "Set-Cookie"))
    assert INTERFACE.read_cookie(header) == {"user": "ada"}
    assert other.read_cookie(header) == {"role": "root"}
    assert values_of(server.headers, "Vary") == ["Cookie"]
    assert values_of(server.headers, "Cache-Control") == ["private"]


def test_two_interfaces_of_one_cookie_name_are_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        assert get_session(environ, "admin.session") is not session_of(environ)
        start_response(OK, PLAIN)
        return []

    other = SecureCookieSessionInterface(KEY)
    twice = SessionMiddleware(
        SessionMiddleware(app, other, environ_key="admin.session"), INTERFACE
    )
    for _ in range(2):
        Server(twice).run()
    [message] = caplog.messages
    assert "two session interfaces of one app have the cookie name" in message


@pytest.mark.parametrize("inner_key", ["cookiesession.session", "mine.session"])
@pytest.mark.parametrize("generator", [False, True], ids=["function", "generator"])
def test_of_two_middlewares_with_one_interface_the_inner_one_steps_back(
    inner_key: str, generator: bool, check: Check, caplog: pytest.LogCaptureFixture
) -> None:
    """A framework's plug-in wraps the app, and so does who deploys it."""
    interface = CountingInterface(fails=False)

    def respond(environ: Any, start_response: Any) -> Iterator[bytes]:
        inner, outer = get_session(environ, inner_key), session_of(environ)
        assert inner is outer
        inner["user"] = "ada"
        outer["role"] = "root"
        start_response(OK, PLAIN)
        yield b"hello"

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        body = respond(environ, start_response)
        return body if generator else list(body)

    within = SessionMiddleware(check(app), interface, environ_key=inner_key)
    server = Server(check(SessionMiddleware(check(within), interface))).run()
    assert (server.body, server.saved) == (b"hello", {"user": "ada", "role": "root"})
    assert values_of(server.headers, "Vary") == ["Cookie"]
    assert interface.saves == 1
    assert caplog.records == []


def test_an_interface_of_the_same_cookie_name_hides_no_other() -> None:
    """What is within it, or comes after it, still finds the session that is open."""

    def logout(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ).clear()
        start_response(OK, PLAIN)
        return []

    def unused(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", PLAIN)
        return []

    stranger = SecureCookieSessionInterface(KEY)

    def cascade(environ: Any, start_response: Any) -> Any:
        session_of(environ)["tried"] = 1
        SessionMiddleware(unused, stranger, environ_key="b")(environ, lambda *_: bytes)
        return SessionMiddleware(logout, INTERFACE)(environ, start_response)

    cookie = INTERFACE.make_cookie({"user": "ada"})
    server = Server(SessionMiddleware(cascade, INTERFACE), cookie).run()
    [deleted] = values_of(server.headers, "Set-Cookie")
    assert INTERFACE.read_cookie(deleted) == {}


def test_a_sub_request_that_shares_the_environ_shares_the_session() -> None:
    """What it changes is saved by the request that it belongs to."""
    interface = CountingInterface(fails=False)

    def inner(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["inner"] = 1
        start_response(OK, [("X-Inner", "1")])
        return [b"part"]

    part = SessionMiddleware(inner, interface)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        session = session_of(environ)
        session["before"] = 1
        for shared in (environ, environ.copy()):
            assert list(part(shared, lambda *_: bytes)) == [b"part"]
            assert session_of(shared) is session
        session["after"] = 1
        start_response(OK, PLAIN)
        return [b"whole"]

    server = Server(SessionMiddleware(app, interface)).run()
    assert server.saved == {"before": 1, "inner": 1, "after": 1}
    assert values_of(server.headers, "X-Inner") == []
    assert interface.saves == 1


def test_a_request_in_the_environ_of_one_that_is_over_opens_its_own_session() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["user"] = environ["PATH_INFO"]
        start_response(OK, PLAIN)
        return []

    server = Server(wrap(app))
    for path in ("/one", "/two"):
        server.environ["PATH_INFO"] = path
        server.started.clear()
        assert server.run().saved == {"user": path}


def test_an_app_that_raises_leaves_an_environ_that_can_be_used_again() -> None:
    """An error page of the framework's may be served with it."""
    interface = CountingInterface(fails=False)

    def broken(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["lost"] = 1
        raise ZeroDivisionError

    def page(environ: Any, start_response: Any) -> list[bytes]:
        session_of(environ)["error"] = 1
        start_response(ERROR.replace("500", "404"), PLAIN)
        return []

    server = Server(SessionMiddleware(broken, interface))
    with pytest.raises(ZeroDivisionError):
        server.run()
    server.app = SessionMiddleware(page, interface)
    assert server.run().saved == {"error": 1}


@pytest.mark.parametrize("outer_key", ["cookiesession.session", "outer"])
def test_two_interfaces_with_one_cookie_name_say_so_once(
    outer_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Another environ_key is not enough: each would overwrite the other's cookie."""

    def untouched(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)
        return []

    one, two = (SecureCookieSessionInterface(KEY) for _ in range(2))
    app = SessionMiddleware(
        SessionMiddleware(untouched, one), two, environ_key=outer_key
    )
    for _ in range(3):
        assert Server(app).run().headers == PLAIN
    [record] = caplog.records
    assert (record.name, record.levelno) == ("cookiesession", logging.WARNING)
    assert "the cookie name '__Host-session'" in record.message


def test_two_interfaces_with_two_cookie_names_say_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def untouched(environ: Any, start_response: Any) -> list[bytes]:
        start_response(OK, PLAIN)
        return []

    other = SecureCookieSessionInterface(KEY, cookie=CookieOptions(name="admin"))
    app = SessionMiddleware(wrap(untouched), other, environ_key="admin.session")
    Server(app).run()
    assert caplog.records == []


def test_the_app_gets_the_server_s_own_start_response_with_a_null_session() -> None:
    seen = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((session_of(environ), start_response))
        start_response(OK, PLAIN)
        return []

    misconfigured = SecureCookieSessionInterface(None)
    server = Server(SessionMiddleware(app, misconfigured)).run()
    [(session, start_response)] = seen
    assert isinstance(session, NullSession)
    assert start_response == server.start_response
    assert server.headers == PLAIN


# -- get_session and arguments ------------------------------------------------------


def test_get_session_gives_what_the_middleware_put_there() -> None:
    session = INTERFACE.open_session({})
    assert get_session({"cookiesession.session": session}) is session
    assert get_session({"mine": session}, environ_key="mine") is session


@pytest.mark.parametrize("key", ["cookiesession.session", "mine"])
def test_get_session_without_a_middleware_says_what_is_missing(key: str) -> None:
    with pytest.raises(SessionUnavailable, match="wrap the app") as caught:
        get_session({}, key)
    assert key in str(caught.value)
    assert caught.value.__context__ is None


class Request:
    """A framework's request, which knows its environ."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ


@pytest.mark.parametrize("given", [Request({}), None, "environ"], ids=name_of)
def test_get_session_of_what_is_no_environ_says_what_to_pass(given: Any) -> None:
    with pytest.raises(TypeError, match=r"pass request\.environ") as caught:
        get_session(given)
    assert type(given).__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"app": None}, "app must be"),
        ({"interface": None}, "interface must be"),
        ({"interface": KEY}, "interface must be"),
        ({"interface": SessionInterface}, "interface must be"),
        ({"environ_key": ""}, "environ_key must be"),
        ({"environ_key": b"session"}, "environ_key must be"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], fault: str) -> None:
    right = {"app": lambda *_: [], "interface": INTERFACE, "environ_key": "session"}
    with pytest.raises(ConfigError, match=fault) as caught:
        SessionMiddleware(**{**right, **arguments})
    assert len(caught.value.faults) == 1
    assert KEY not in str(caught.value)


def test_all_wrong_arguments_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(None, None, environ_key="")  # type: ignore[arg-type]
    assert len(caught.value.faults) == 3


def test_environ_key_is_keyword_only() -> None:
    with pytest.raises(TypeError):
        SessionMiddleware(lambda *_: [], INTERFACE, "key")  # type: ignore[call-arg]


def test_a_late_start_whose_save_fails_leaves_room_for_an_error_page() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        get_session(environ)["user"] = secrets.token_hex(5000)
        yield b""
        try:
            start_response("200 OK", [])
        except SessionTooLarge:
            start_response("500 Too Large", [], sys.exc_info())
        yield b"sorry"

    started: list[Any] = []
    server: Any = lambda *args: started.append(args)  # noqa: E731
    body = SessionMiddleware(app, SecureCookieSessionInterface(KEY))(
        {"wsgi.url_scheme": "https"}, server
    )

    assert list(body) == [b"", b"sorry"]
    assert [status for status, *_ in started] == ["500 Too Large"]


class AlreadyHandled:
    """What eventlet returns for a hijacked socket: servers know it by its identity."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        raise StopIteration


def test_an_empty_iterator_without_a_start_is_returned_as_the_very_same_object() -> (
    None
):
    body = AlreadyHandled()
    app = SessionMiddleware(lambda *_: body, SecureCookieSessionInterface(KEY))
    server: Any = None

    assert app({}, server) is body


class Once:
    """An iterable that counts how often it is iterated."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.iterated = 0

    def __iter__(self) -> Iterator[bytes]:
        self.iterated += 1
        return iter(self.chunks)


@pytest.mark.parametrize("chunks", [(), (b"",), (b"", b"")], ids=len)
def test_an_iterable_is_iterated_once_though_its_app_starts_nothing(
    chunks: tuple[bytes, ...],
) -> None:
    body = Once(*chunks)

    assert serve(lambda *_: body).chunks == [*chunks]
    assert body.iterated == 1
