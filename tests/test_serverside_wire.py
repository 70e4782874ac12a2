"""What is on the wire and at rest: nothing there opens anything elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from itsdangerous import TimestampSigner
from storing import Client, Spy, clear, id_in, made, rejection
from support import (
    ENCRYPTED,
    FLASK_IN_OURS,
    FORMATS,
    KEY,
    OLD_KEY,
    Clock,
    every_format,
    needs_extras,
    params_of,
)

from cookiesession import (
    FLASK,
    CookieOptions,
    EncryptedFormat,
    SecureCookieSessionInterface,
    SignedFormat,
)

NAME = "__Host-session"
SALT = b"cookiesession.id.v1\0" + NAME.encode()


@pytest.fixture
def client(store: Spy, clock: Clock) -> Client:
    """A browser that has logged in."""
    client = Client(made(store, clock))
    client.write(user_id="ada", a="a value")
    return client


def signed(payload: bytes, key: str = KEY, salt: bytes = SALT) -> str:
    """A token of the cookie's envelope, by the library that defines it."""
    signer = TimestampSigner(
        key, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256
    )
    encoded = urlsafe_b64encode(payload).rstrip(b"=")
    return signer.sign(encoded).decode()


def data_of(store: Spy, key: str) -> bytes:
    record = store.load(key)
    assert record is not None
    return record.data


# -- the cookie ------------------------------------------------------------------------


def test_the_cookie_is_a_signed_random_id_of_256_bits(client: Client) -> None:
    signer = TimestampSigner(
        KEY, salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256
    )
    token = client.cookies[NAME]
    encoded, issued = signer.unsign(token, return_timestamp=True)
    assert id_in(encoded.decode()) == client.id
    assert len(client.id) == 32
    assert issued.timestamp() == 1_700_000_000
    assert len(NAME) + 1 + len(token) < 120


def test_no_id_is_given_twice(store: Spy, clock: Clock) -> None:
    interface = made(store, clock)
    ids = {Client(interface, interface.make_cookie({"a": 1})).id for _ in range(200)}
    assert len(ids) == 200


def test_an_id_that_was_signed_elsewhere_with_the_key_is_ours(
    client: Client, store: Spy
) -> None:
    client.cookies[NAME] = signed(client.id)
    assert client.visit() == {"user_id": "ada", "a": "a value"}


FORGED = {
    "no token": "x",
    "empty": "",
    "of another key": signed(b"\1" * 32, OLD_KEY),
    "of another salt": signed(b"\1" * 32, salt=b"cookiesession.v1\0" + NAME.encode()),
    "of another cookie": signed(b"\1" * 32, salt=b"cookiesession.id.v1\0session"),
    "of no cookie": signed(b"\1" * 32, salt=b"cookiesession.id.v1"),
    "a short id": signed(b"\1" * 31),
    "a long id": signed(b"\1" * 33),
    "no id": signed(b""),
    "another spelling": signed(b"\1" * 32).replace(".", "=.", 1),
    "a signature cut": signed(b"\1" * 32)[:-1],
    "without a signature": signed(b"\1" * 32).rpartition(".")[0],
    "an id alone": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    "not ASCII": "\xe9" * 43,
    "long": "A" * 8000,
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("accept", [[], [SignedFormat()]], ids=["", "accepting"])
def test_a_forged_cookie_makes_no_call_to_the_store(
    accept: list[SignedFormat], token: str, store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, accept=accept), f"{NAME}={token}")
    client.visit(lambda session: (dict(session), session.handle))
    assert store.names == []
    client.visit(clear)
    assert store.names == []


def test_a_payload_in_no_proper_spelling_is_refused_though_it_is_signed(
    store: Spy, clock: Clock
) -> None:
    signer = TimestampSigner(
        KEY, salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256
    )
    for payload in (b"A" * 42 + b"B", b"A" * 43 + b"=", b"AA AA" * 9):
        client = Client(made(store, clock), f"{NAME}={signer.sign(payload).decode()}")
        assert client.visit(rejection) == "bad_signature"
    assert store.names == []


# -- an id is no session, a session no id ----------------------------------------------


@every_format
@pytest.mark.parametrize("name", [NAME, "session"])
def test_an_id_is_never_read_as_a_session(
    name: str, format: Any, client: Client, clock: Clock
) -> None:
    pure = SecureCookieSessionInterface(
        KEY,
        format=format,
        accept=[*FORMATS.values(), FLASK_IN_OURS],
        cookie=CookieOptions(name=name, secure=name == NAME),
        clock=clock,
    )
    assert pure.read_cookie(f"{name}={client.cookies[NAME]}") == {}


@every_format
def test_a_session_is_never_read_as_an_id(
    format: Any, store: Spy, clock: Clock
) -> None:
    pure = SecureCookieSessionInterface(KEY, format=format, clock=clock)
    # 32 bytes of JSON are as long as an id.
    for data in ({"a": 1}, {"a": "x" * (32 - len('{"a":""}'))}):
        client = Client(made(store, clock, format=format), pure.make_cookie(data))
        assert client.visit(rejection) == "bad_signature"
    assert store.names == []


@pytest.mark.parametrize(
    "format", params_of({**FORMATS, "not bound": SignedFormat(bind_name=False)})
)
def test_a_record_is_no_cookie(format: Any, store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, format=format))
    client.write(user_id=1)
    token = data_of(store, client.key).decode()
    every: list[Any] = [format, *FORMATS.values(), FLASK_IN_OURS]
    for name in (NAME, "session"):
        options: dict[str, Any] = {
            "accept": every,
            "cookie": CookieOptions(name=name, secure=name == NAME),
            "clock": clock,
        }
        pure = SecureCookieSessionInterface(KEY, format=format, **options)
        assert pure.read_cookie(f"{name}={token}") == {}
        there = made(Spy(clock), **options)
        assert there.read_cookie(f"{name}={token}") == {}


@pytest.mark.parametrize(
    "format", params_of({**FORMATS, "not bound": SignedFormat(bind_name=False)})
)
def test_a_record_is_no_other_sessions_record(
    format: Any, store: Spy, clock: Clock
) -> None:
    ada, eve = Client(made(store, clock, format=format)), Client(made(store, clock))
    eve.interface = ada.interface
    ada.write(user_id="ada")
    eve.write(user_id="eve")
    record = store.load(eve.key)
    assert record is not None
    theirs = data_of(store, ada.key)
    assert store.replace(eve.key, theirs, ttl=99, version=record.version)
    assert eve.visit(rejection) == "bad_signature"
    assert [info.handle for info in ada.interface.list_sessions("eve")] == []
    assert ada.visit() == {"user_id": "ada"}


def test_a_record_that_says_nothing_sensible_is_malformed(
    client: Client, store: Spy
) -> None:
    record = store.load(client.key)
    assert record is not None
    salt = b"cookiesession.v1\0record " + client.key.encode()
    token = signed(b"[]", salt=salt).encode()
    assert store.replace(client.key, token, ttl=99, version=record.version)
    assert client.visit(rejection) == "malformed"
    assert client.interface.list_sessions("ada") == []


def test_a_pure_cookie_is_no_record(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, accept=[SignedFormat()]))
    client.write(a=1)
    record = store.load(client.key)
    assert record is not None
    pure = SecureCookieSessionInterface(KEY, clock=clock).make_cookie({"user_id": 1})
    token = pure.partition("=")[2].encode()
    assert store.replace(client.key, token, ttl=99, version=record.version)
    assert client.visit(rejection) == "bad_signature"


# -- at rest ---------------------------------------------------------------------------


def test_the_store_knows_a_session_by_a_hash_and_a_user_by_another(
    client: Client, store: Spy
) -> None:
    [(name, (key, data), how)] = store.calls
    assert name == "create"
    assert key == hashlib.sha256(client.id).hexdigest()
    assert how["owner"] == hashlib.sha256(b"owner\0ada").hexdigest()
    signer = TimestampSigner(
        KEY,
        salt=b"cookiesession.v1\0record " + key.encode(),
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )
    payload = id_in(signer.unsign(data).decode())
    assert json.loads(payload) == {"user_id": "ada", "a": "a value"}


def test_nobody_has_no_owner(store: Spy, clock: Clock) -> None:
    Client(made(store, clock)).write(a=1, user_id=None)
    [(_, _, how)] = store.calls
    assert how["owner"] is None


@needs_extras
def test_an_encrypted_record_tells_nothing(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, format=EncryptedFormat()))
    client.write(user_id="ada", note="a confidential note")
    data = data_of(store, client.key)
    assert re.fullmatch(rb"[A-Za-z0-9_-]+", data)
    for told in (b"ada", b"confidential"):
        assert told not in id_in(data.decode())
    assert client.visit()["note"] == "a confidential note"


def test_a_record_in_flasks_format_is_bound_all_the_same(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, format=FLASK))
    client.write(user_id=1)
    key = client.key
    signer = TimestampSigner(
        KEY,
        salt=b"cookie-session\0record " + key.encode(),
        key_derivation="hmac",
        digest_method=hashlib.sha1,
    )
    assert signer.unsign(data_of(store, key))
    assert client.visit() == {"user_id": 1}


def test_a_handle_opens_nothing(client: Client, store: Spy, clock: Clock) -> None:
    interface = made(store, clock, accept=[*FORMATS.values(), FLASK_IN_OURS])
    handle = client.visit(lambda session: session.handle)
    encoded = urlsafe_b64encode(bytes.fromhex(handle)).decode().rstrip("=")
    _, stamp, signature = client.cookies[NAME].split(".")
    for token in (handle, encoded, f"{encoded}.{stamp}.{signature}", f"{handle}.a.b"):
        assert interface.read_cookie(f"{NAME}={token}") == {}
    client.cookies = {}
    assert "handle" not in client.visit()


@pytest.mark.parametrize(
    "format", [SignedFormat(), FLASK, ENCRYPTED], ids=["", "f", "e"]
)
def test_a_leaked_store_opens_no_session(format: Any, store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, format=format))
    client.write(user_id=1)
    every = [SignedFormat(), FLASK_IN_OURS, ENCRYPTED]
    interface = made(store, clock, format=format, accept=every)
    leaked = [client.key, data_of(store, client.key).decode()]
    leaked += [how["owner"] for _, _, how in store.calls if "owner" in how]
    leaked += [part for each in leaked for part in each.split(".")]
    for token in (*leaked, *(signed(each.encode()[:32], OLD_KEY) for each in leaked)):
        for name in (NAME, "session"):
            assert interface.read_cookie(f"{name}={token}") == {}


def test_no_call_to_a_store_carries_what_a_cookie_says(
    store: Spy, clock: Clock
) -> None:
    pure = SecureCookieSessionInterface(KEY, clock=clock)
    interface = made(store, clock, accept=[SignedFormat()])
    seen: list[str] = []
    clients = [Client(interface), Client(interface, pure.make_cookie({"user_id": 1}))]
    views: list[Any] = [
        lambda session: session.update(a=secrets.token_hex(4)),
        lambda session: session.update(user_id=1),
        lambda session: session.regenerate(),
        lambda session: interface.list_sessions(1),
        lambda session: interface.end_sessions(1, keep=session),
        lambda session: interface.end_session(1, session.handle or ""),
        dict,
        clear,
    ]
    for client in clients:
        seen.append(client.cookies.get(NAME, ""))
        for view in views:
            slow = client.open()
            slow["b"] = 1
            client.visit(view)
            client.save(slow)
            clock.advance(days=16)
            seen.append(client.cookies.get(NAME, ""))
    tokens = {token for token in seen if token}
    said = repr([(args, how) for _, args, how in store.calls])
    assert len(tokens) > 4
    assert len(store.calls) > 50
    for token in tokens:
        id = id_in(token)
        encoded, _, signature = token.split(".")
        for form in (token, encoded, signature, id.hex(), repr(id)[2:-1]):
            assert form not in said
    for _, args, _ in store.calls:
        assert re.fullmatch("[0-9a-f]{64}", args[0])
