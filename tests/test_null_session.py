"""Without a usable key: a session that reads as empty and explains itself."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from support import KEY
from werkzeug.test import Client

from cookiesession import (
    NullSession,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SessionUnavailable,
    get_session,
)

REMEDY = "python -m cookiesession keygen"

MUTATIONS: dict[str, Callable[[Any], object]] = {
    "__setitem__": lambda s: s.__setitem__("user", "ada"),
    "__delitem__ of a missing key": lambda s: s.__delitem__("user"),
    "__ior__": lambda s: s.__ior__({"user": "ada"}),
    "__ior__ with nothing": lambda s: s.__ior__({}),
    "clear": lambda s: s.clear(),
    "pop of a missing key": lambda s: s.pop("user"),
    "pop with a default": lambda s: s.pop("user", None),
    "popitem": lambda s: s.popitem(),
    "setdefault": lambda s: s.setdefault("user"),
    "setdefault with a value": lambda s: s.setdefault("user", "ada"),
    "update": lambda s: s.update({"user": "ada"}),
    "update by keywords": lambda s: s.update(user="ada"),
    "update with nothing": lambda s: s.update(),
    "regenerate": lambda s: s.regenerate(),
    "permanent": lambda s: setattr(s, "permanent", True),
    "permanent as it is": lambda s: setattr(s, "permanent", False),
    "modified": lambda s: setattr(s, "modified", True),
}


def null_session(key: Any) -> NullSession:
    interface = SecureCookieSessionInterface(key)
    assert interface.open_session({}) is None
    return interface.make_null_session({})


@pytest.mark.parametrize("key", [None, "", b"short", "please-change-me"])
def test_without_a_usable_key_the_app_gets_a_null_session(key: Any) -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(get_session(environ))
        assert seen[-1].get("user", "nobody") == "nobody"
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    interface = SecureCookieSessionInterface(key)
    response = Client(SessionMiddleware(app, interface)).get("/")
    assert isinstance(seen[0], NullSession)
    assert interface.is_null_session(seen[0])
    assert list(response.headers) == [("Content-Type", "text/plain")]


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=list(MUTATIONS))
def test_every_mutation_says_what_is_wrong_and_how_to_mend_it(
    mutate: Callable[[Any], object],
) -> None:
    session = null_session(None)
    with pytest.raises(SessionUnavailable) as caught:
        mutate(session)
    assert "secret_key is missing" in str(caught.value)
    assert REMEDY in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    assert dict(session) == {}


def test_the_mutations_are_all_that_a_dict_has() -> None:
    """A mappingproxy is a dict without its mutating methods."""
    mutators = set(dir(dict)) - set(dir(MappingProxyType)) - {"fromkeys"}
    names = {name.partition(" ")[0] for name in MUTATIONS}
    assert names - {"permanent", "modified", "regenerate"} == mutators | {"__ior__"}


def test_it_reads_as_an_empty_mapping() -> None:
    session = null_session("")
    assert session.get("user") is None
    assert "user" not in session
    assert not session
    assert (len(session), list(session), session.copy()) == (0, [], {})
    assert session == {}
    assert session | {"a": 1} == {"a": 1} | session == {"a": 1}
    assert [*session.keys(), *session.values(), *session.items()] == []
    with pytest.raises(KeyError):
        session["user"]


def test_it_has_every_attribute_of_a_session() -> None:
    session = null_session("")
    assert session.new
    assert not session.permanent
    assert not session.modified
    assert session.rejection is None
    assert session.handle is None
    assert (session.created_at, session.issued_at) == (0, 0)
    assert repr(session) == "<NullSession 0 keys>"


def test_a_session_made_by_hand_without_a_key_refuses_changes_too() -> None:
    cookie = SecureCookieSessionInterface(KEY).make_cookie({"a": 1})
    session = SecureCookieSession(SecureCookieSessionInterface(None), cookie)
    assert dict(session) == {}
    with pytest.raises(SessionUnavailable, match=REMEDY):
        session["a"] = 1


@pytest.mark.parametrize("method", ["make_cookie", "read_cookie"])
def test_the_tools_of_a_misconfigured_interface_explain_too(method: str) -> None:
    interface = SecureCookieSessionInterface(None)
    with pytest.raises(SessionUnavailable, match=REMEDY):
        getattr(interface, method)({} if method == "make_cookie" else "a=b")
