"""Without a usable key: a session that reads as empty and explains itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from support import KEY, OLD_KEY
from werkzeug.test import Client

from cookiesession import (
    ConfigError,
    NullSession,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SessionUnavailable,
    get_session,
)

BAD_KEYS = {
    "None": (None, "is missing"),
    "empty": ("", "is empty"),
    "empty bytes": (b"", "is empty"),
    "blank": (" \t\n" * 20, "is empty"),
    "15 bytes": ("0aB-4cD_8eF.2gH", "fewer than 16 bytes"),
    "15 bytes of UTF-8": ("é" * 7 + "x", "fewer than 16 bytes"),
    "one letter": ("x" * 64, "fewer than 8 different bytes"),
    "seven letters": ("abcdefg" * 9, "fewer than 8 different bytes"),
    "placeholder": ("please-change-me", "well-known"),
    "placeholder in another spelling": ("CHANGE ME! In Production.", "well-known"),
    "Flask's documentation": (
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "well-known",
    ),
    "Flask's tutorial": (b'_5#y2L"F4Q8z\n\xec]/', "well-known"),
    "Superset": ("\2\1thisismyscretkey\1\2\\e\\y\\y\\h", "well-known"),
    "Redash": ("c292a0a3aa32397cdb050e233733900f", "well-known"),
}
REMEDY = "python -m cookiesession keygen"

bad_keys = pytest.mark.parametrize(
    ("key", "problem"), BAD_KEYS.values(), ids=list(BAD_KEYS)
)

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
    "permanent": lambda s: setattr(s, "permanent", True),
    "permanent as it is": lambda s: setattr(s, "permanent", False),
    "modified": lambda s: setattr(s, "modified", True),
}


def null_session(key: Any) -> NullSession:
    interface = SecureCookieSessionInterface(key)
    assert interface.open_session({}) is None
    return interface.make_null_session({})


@bad_keys
def test_without_a_usable_key_the_app_gets_a_null_session(
    key: Any, problem: str
) -> None:
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
    with pytest.raises(SessionUnavailable, match=problem) as caught:
        seen[0]["user"] = "ada"
    assert REMEDY in str(caught.value)


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
    """What a dict has beyond a frozenset's and a tuple's kind of methods."""
    """A mappingproxy is a dict without its mutating methods."""
    mutators = set(dir(dict)) - set(dir(MappingProxyType)) - {"fromkeys"}
    names = {name.partition(" ")[0] for name in MUTATIONS}
    assert names - {"permanent", "modified"} == mutators | {"__ior__"}


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
    assert (session.created_at, session.issued_at) == (0, 0)
    assert repr(session) == "<NullSession 0 keys>"


@bad_keys
def test_one_error_is_logged_when_the_interface_is_made_and_none_per_request(
    key: Any, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(key)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("cookiesession", logging.ERROR)
    assert problem in record.message
    assert REMEDY in record.message
    caplog.clear()
    for _ in range(3):
        assert interface.open_session({}) is None
        interface.make_null_session({}).get("user")
    assert caplog.records == []


@bad_keys
def test_no_message_tells_the_key(
    key: Any, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(key)
    with pytest.raises(SessionUnavailable) as caught:
        interface.make_null_session({})["a"] = 1
    told = f"{caplog.text} {caught.value!r} {interface!r} {vars(interface)}"
    text = key.decode("latin-1") if isinstance(key, bytes) else key or ""
    assert not text.strip() or text not in told
    assert "misconfigured" in repr(interface)


@pytest.mark.parametrize("method", ["make_cookie", "read_cookie"])
def test_the_tools_of_a_misconfigured_interface_explain_too(method: str) -> None:
    interface = SecureCookieSessionInterface(None)
    with pytest.raises(SessionUnavailable, match=REMEDY):
        getattr(interface, method)({} if method == "make_cookie" else "a=b")


@pytest.mark.parametrize(
    "key", [1, 32 * ["k"], bytearray(KEY.encode()), object()], ids=repr
)
def test_a_key_of_a_wrong_type_is_a_config_error(key: Any) -> None:
    with pytest.raises(ConfigError, match="secret_key must be a str or bytes"):
        SecureCookieSessionInterface(key)


@bad_keys
def test_an_unusable_fallback_key_is_a_config_error(key: Any, problem: str) -> None:
    problem = "is not a str or bytes" if key is None else problem
    with pytest.raises(ConfigError, match=rf"fallback_keys\[1\].*{problem}") as caught:
        SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY, key])  # pyright: ignore
    assert len(caught.value.faults) == 1
    assert OLD_KEY not in str(caught.value)


@pytest.mark.parametrize("keys", [OLD_KEY, OLD_KEY.encode(), None, 1], ids=repr)
def test_fallback_keys_that_are_no_list_are_a_config_error(keys: Any) -> None:
    with pytest.raises(ConfigError, match="fallback_keys must be a list"):
        SecureCookieSessionInterface(KEY, fallback_keys=keys)


@pytest.mark.parametrize(
    ("key", "fallbacks"),
    [(KEY[:31], []), (KEY[:16], []), (KEY, [OLD_KEY[:31]])],
    ids=["31 bytes", "16 bytes", "a fallback key of 31"],
)
def test_a_key_under_32_bytes_works_with_a_warning(
    key: str, fallbacks: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(key, fallback_keys=fallbacks)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "fewer than 32 bytes" in record.message
    assert REMEDY in record.message
    assert interface.read_cookie(interface.make_cookie({"a": 1})) == {"a": 1}


@pytest.mark.parametrize("key", [KEY, KEY.encode(), "é" * 8 + KEY[:16]])
def test_a_good_key_is_silent(key: Any, caplog: pytest.LogCaptureFixture) -> None:
    interface = SecureCookieSessionInterface(key, fallback_keys=[OLD_KEY])
    assert caplog.records == []
    assert "ready" in repr(interface)
