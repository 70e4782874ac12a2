"""The seam: an interface of one's own works through the same middleware."""

from __future__ import annotations

import runpy
from typing import Any
from wsgiref.validate import validator

import pytest
from support import EXAMPLES, KEY, name_of
from werkzeug.test import Client

from cookiesession import (
    NullSession,
    SecureCookieSessionInterface,
    SessionInterface,
    SessionMiddleware,
    SessionMixin,
    SessionUnavailable,
    get_session,
)


@pytest.fixture
def client() -> Client:
    """A client of the example, whose sessions are in memory, found by a header."""
    app = runpy.run_path(str(EXAMPLES / "custom_interface.py"))["app"]
    return Client(validator(app), use_cookies=False)


def ask(client: Client, path: str = "/", token: str | None = None) -> tuple[str, Any]:
    headers = {} if token is None else {"X-Session-Token": token}
    response = client.get(path, headers=headers, buffered=True)
    assert "Set-Cookie" not in response.headers
    return response.text, response.headers.get("X-Session-Token")


def test_the_example_counts_each_client_s_requests(client: Client) -> None:
    _, token = ask(client)
    _, other = ask(client)
    assert token != other
    assert ask(client, token=token) == ("visits: 2\n", token)
    assert ask(client, token=token) == ("visits: 3\n", token)
    assert ask(client, token=other) == ("visits: 2\n", other)


def test_the_example_forgets_a_session(client: Client) -> None:
    _, token = ask(client)
    assert ask(client, "/forget", token) == ("visits: 0\n", None)
    text, new = ask(client, token=token)
    assert text == "visits: 1\n"
    assert new != token


def test_the_example_takes_no_token_that_it_did_not_make(client: Client) -> None:
    text, token = ask(client, token="chosen-by-an-attacker")
    assert text == "visits: 1\n"
    assert token != "chosen-by-an-attacker"


class DictSession(dict[str, Any], SessionMixin):
    """The least that is a session."""


class RecordingInterface(SessionInterface):
    """Writes down what it is asked."""

    def __init__(self, session: SessionMixin | None) -> None:
        self.session = session
        self.calls: list[tuple[Any, ...]] = []

    def open_session(self, environ: Any) -> SessionMixin | None:
        self.calls.append(("open", environ["PATH_INFO"]))
        return self.session

    def save_session(
        self, environ: Any, session: Any, status: str, headers: Any
    ) -> None:
        self.calls.append(("save", environ["PATH_INFO"], session, status, [*headers]))
        headers.append(("X-Saved", "yes"))


def unused(environ: Any, start_response: Any) -> list[bytes]:
    start_response("204 No Content", [("X-App", "1")])
    return []


def test_a_session_is_opened_and_saved_once_used_or_not() -> None:
    session = DictSession()
    interface = RecordingInterface(session)
    response = Client(SessionMiddleware(unused, interface)).get("/page")
    assert interface.calls == [
        ("open", "/page"),
        ("save", "/page", session, "204 No Content", [("X-App", "1")]),
    ]
    assert interface.calls[1][2] is session
    assert list(response.headers) == [("X-App", "1"), ("X-Saved", "yes")]


def test_an_interface_that_opens_nothing_gives_a_null_session() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        session = get_session(environ)
        assert isinstance(session, NullSession)
        with pytest.raises(SessionUnavailable, match="the session interface opened"):
            session["user"] = "ada"
        return unused(environ, start_response)

    interface = RecordingInterface(None)
    Client(SessionMiddleware(app, interface)).get("/")
    assert interface.calls == [("open", "/")]


def test_an_interface_may_have_null_sessions_of_its_own() -> None:
    class Nothing(DictSession):
        pass

    class Custom(RecordingInterface):
        def make_null_session(self, environ: Any) -> Any:
            return Nothing()

        def is_null_session(self, obj: object) -> bool:
            return isinstance(obj, Nothing)

    interface = Custom(None)
    Client(SessionMiddleware(unused, interface)).get("/")
    assert interface.calls == [("open", "/")]


def test_the_mixin_s_defaults_suit_a_session_that_does_not_track_its_use() -> None:
    session = DictSession(user="ada")
    assert (session.modified, session.accessed) == (True, True)
    assert (session.permanent, session.new) == (False, False)
    assert session == {"user": "ada"}
    assert not SessionInterface.is_null_session(RecordingInterface(session), session)


@pytest.mark.parametrize(
    "session", [{}, {"user": "ada"}, [], "", False, object()], ids=name_of
)
def test_an_interface_that_opens_what_is_no_session_is_told_so(session: Any) -> None:
    """A plain dict would be saved by nobody: it says nothing of its use."""
    interface = RecordingInterface(session)

    with pytest.raises(TypeError, match="must return a mapping with SessionMixin") as e:
        Client(SessionMiddleware(unused, interface)).get("/")
    assert f"RecordingInterface.open_session returned a {type(session).__name__}" in (
        str(e.value)
    )
    assert interface.calls == [("open", "/")]
    assert "ada" not in str(e.value)


def test_a_save_that_fails_raises_its_own_error() -> None:
    class Broken(RecordingInterface):
        def save_session(self, *_: Any) -> None:  # pyright: ignore
            raise ConnectionError("the store is down")

    with pytest.raises(ConnectionError):
        Client(SessionMiddleware(unused, Broken(DictSession()))).get("/")


@pytest.mark.parametrize("missing", ["open_session", "save_session"])
def test_an_interface_without_one_of_its_two_methods_cannot_be_made(
    missing: str,
) -> None:
    [other] = {"open_session", "save_session"} - {missing}
    incomplete = type("Incomplete", (SessionInterface,), {other: lambda *_: None})

    with pytest.raises(TypeError, match=missing):
        incomplete()


def test_a_null_session_of_one_s_own_is_a_null_session() -> None:
    class Nothing(NullSession):
        """Says something else, perhaps."""

    assert SecureCookieSessionInterface(KEY).is_null_session(Nothing())
