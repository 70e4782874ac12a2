"""Every known attack on a cookie session, by its identifier, and what we do instead.

These concern sessions on a server and their ids, of which a cookie session has none:

- CVE-2019-16782, CVE-2019-25025 (Rack, Active Record): an id's lookup leaks it by time.
- CVE-2015-3982 (Django): a flushed session's id was empty and shared.
- CVE-2015-8314 (Devise): one remembered id for all devices of a user.
- CVE-2020-5224 (django-user-sessions): ids shown in the list of a user's sessions.
- tower-sessions 0.12: a new id that collides takes over another session.
- CVE-2017-1000248 (redis-store), CVE-2021-33026 (Flask-Caching), CVE-2020-8165 (Rails):
  a store's records deserialized by a format that executes; our one record, the
  cookie, is tested below.
- CVE-2011-4136 (Django), CVE-2026-25480 (Litestar), CVE-2008-0252 (CherryPy),
  gorilla/sessions 274, CVE-2022-4064 (dalli): ids that escape the store's namespace.
- CVE-2025-32441 (Rack's pool): a store revives a deleted session; what is left of it
  for a cookie is tested below, with CVE-2025-46336.

These need revocation, which is not part of the design yet; what bounds the damage until
then is tested with CVE-2024-31999 below:

- CVE-2023-40273 (Airflow), CVE-2021-25970 (Camaleon): a changed password leaves the
  user's other sessions alive.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import dataclasses
import hashlib
import itertools
import json
import logging
import pickle
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode
from support import KEY, OLD_KEY, Clock, values_of
from werkzeug.test import create_environ, run_wsgi_app

import cookiesession
from cookiesession import (
    FLASK,
    ConfigError,
    CookieOptions,
    EncryptedFormat,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SessionTooLarge,
    SessionUnavailable,
    SignedFormat,
    get_session,
)
from cookiesession.cookies import find_cookies
from cookiesession.signed import encode_payload

NAME = "__Host-session"
PLAIN = CookieOptions(name="session")
FORMATS = {
    "signed": SignedFormat(),
    "flask": FLASK,
    "encrypted": EncryptedFormat(),
}
#: Two keys are reserved for our bookkeeping.
keys = st.text(max_size=5).filter(lambda key: key not in ("_cs", "_permanent"))
View = Callable[[SecureCookieSession], object]
every_format = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)


@dataclasses.dataclass
class Answer:
    """A response, and what the app made of its session."""

    status: str
    headers: list[tuple[str, str]]
    result: Any

    @property
    def set_cookies(self) -> list[str]:
        return values_of(self.headers, "Set-Cookie")


def request(
    interface: SecureCookieSessionInterface,
    cookie: str | None = None,
    view: View = dict,
    *,
    status: str = "200 OK",
    headers: Iterable[tuple[str, str]] = (),
    url: str = "https://app.example/",
    **environ: Any,
) -> Answer:
    """One request through the middleware; *view* is the app's use of its session."""
    results = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        results.append(view(get_session(environ)))  # type: ignore[arg-type]
        start_response(status, [*headers])
        return [b"ok"]

    whole = create_environ(base_url=url, environ_overrides=environ)
    if cookie is not None:
        whole["HTTP_COOKIE"] = cookie
    body, answered, answer_headers = run_wsgi_app(
        SessionMiddleware(app, interface), whole, buffered=True
    )
    assert list(body) == [b"ok"]
    return Answer(answered, list(answer_headers), results[0])


def rejection(session: SecureCookieSession) -> tuple[dict[str, Any], str | None]:
    return dict(session), session.rejection


def put(**data: Any) -> View:
    return lambda session: session.update(data)


def cookie_of(answer: Answer) -> str:
    """The Cookie header that a browser sends after a response with one Set-Cookie."""
    [set_cookie] = answer.set_cookies
    return set_cookie.partition(";")[0]


def signed(payload: bytes, issued: int = 1_700_000_000, name: str = NAME) -> str:
    """A cookie whose signature is right, as a leaked key would make it."""
    key = b"cookiesession.v1\0" + name.encode()
    signer = Signer(KEY, key, key_derivation="hmac", digest_method=hashlib.sha256)
    stamp = base64_encode(issued.to_bytes(4, "big"))
    return f"{name}={signer.sign(payload + b'.' + stamp).decode()}"


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(Path(cookiesession.__file__).parent.glob("*.py")):
        yield path.name, ast.parse(path.read_text())


def imported() -> set[str]:
    """The top-level names of all modules that the package imports."""
    found = set()
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    return found


# -- forgery, keys, cryptography ------------------------------------------------------


@pytest.mark.parametrize("fallback_keys", [(), (OLD_KEY,)], ids=["one key", "two"])
@every_format
def test_cve_2026_39324_no_unsigned_fallback(
    format: SignedFormat, fallback_keys: tuple[str, ...]
) -> None:
    """rack-session: what no key opened went to an unauthenticated decoder."""
    interface = SecureCookieSessionInterface(
        KEY, format=format, fallback_keys=fallback_keys, cookie=PLAIN
    )
    text = b'{"admin":true}'
    for content in (text, zlib.compress(text), pickle.dumps({"admin": True})):
        plain = base64_encode(content).decode()
        standard = base64.b64encode(content).decode()
        for token in (plain, f".{plain}", f"{plain}.", f"{plain}..", standard):
            answer = request(interface, f"session={token}", rejection)
            assert answer.result[0] == {}
            assert answer.result[1] in ("bad_signature", "malformed")


@every_format
def test_cve_2026_40372_every_changed_byte_is_noticed(format: SignedFormat) -> None:
    """ASP.NET Data Protection: the MAC was computed, and its outcome discarded."""
    interface = SecureCookieSessionInterface(KEY, format=format, cookie=PLAIN)
    cookie = interface.make_cookie({"user": 42})
    start = len("session=")
    assert interface.read_cookie(cookie) == {"user": 42}
    for index in range(start, len(cookie)):
        for other in "A", "B", "-", ".", "~":
            changed = cookie[:index] + other + cookie[index + 1 :]
            if changed != cookie:
                assert interface.read_cookie(changed) == {}
        assert interface.read_cookie(cookie[:index] + cookie[index + 1 :]) == {}
        assert interface.read_cookie(cookie[:index]) == {}


@every_format
def test_cve_2025_47278_the_newest_key_signs(format: SignedFormat) -> None:
    """Flask 3.1.0 signed with the oldest of its fallback keys."""
    rotated = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], format=format)
    cookie = rotated.make_cookie({"a": 1})
    new = SecureCookieSessionInterface(KEY, format=format)
    old = SecureCookieSessionInterface(OLD_KEY, format=format)
    assert new.read_cookie(cookie) == {"a": 1}
    assert old.read_cookie(cookie) == {}
    reissued = cookie_of(request(rotated, old.make_cookie({"a": 1})))
    assert new.read_cookie(reissued) == {"a": 1}


@pytest.mark.parametrize("bad", [None, "", "short", "changeme" * 4, "a" * 32])
def test_gorilla_encode_multi_no_fallback_key_ever_signs(bad: str | None) -> None:
    """gorilla/securecookie signed with an older key where the newest one failed.

    A bad secret_key is no error of ours at construction: the design gives a null
    session instead, in which nothing can be stored.
    """
    interface = SecureCookieSessionInterface(bad, fallback_keys=[OLD_KEY])
    assert interface.open_session({}) is None
    with pytest.raises(SessionUnavailable):
        interface.make_cookie({"a": 1})
    with pytest.raises(SessionUnavailable):
        request(interface, None, put(a=1))


def test_cve_2013_0263_signatures_are_compared_in_constant_time() -> None:
    """Also CVE-2018-1000119 (Rack): ``==`` tells how many bytes were right."""
    compared = [
        ast.unparse(node)
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(op, (ast.Eq, ast.NotEq, ast.In)) for op in node.ops)
    ]
    assert compared  # the search finds something
    secret = ("sign", "mac", "digest(", "tag[", "secret")
    assert [text for text in compared if any(word in text for word in secret)] == []
    calls = [
        ast.unparse(node.func)
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
    assert calls.count("hmac.compare_digest") == 1  # the encrypted format's is in C


def test_cve_2012_3458_equal_sessions_give_unequal_cookies() -> None:
    """Beaker encrypted in ECB mode: equal blocks were equal in the cookie."""
    interface = SecureCookieSessionInterface(KEY, format=EncryptedFormat())
    data = {"a": "0123456789abcdef" * 64}
    tokens = [interface.make_cookie(data).partition("=")[2] for _ in range(2)]
    blocks = [
        raw[start : start + 16]
        for raw in map(base64_decode, tokens)
        for offset in range(1, 17)
        for start in range(offset, len(raw) - 16, 16)
    ]
    assert tokens[0] != tokens[1]
    assert len(set(blocks)) == len(blocks)


@given(st.dictionaries(keys, st.integers(), max_size=3), st.data())
def test_bmsa_2010_01_no_byte_slides_between_fields(
    data: dict[str, int], draw: st.DataObject
) -> None:
    """Tornado 1.0 signed ``value + timestamp``: digits slid over, and so the expiry."""
    interface = SecureCookieSessionInterface(KEY)
    token = interface.make_cookie(data).partition("=")[2]
    letters = token.replace(".", "")
    dots = sorted(
        draw.draw(
            st.lists(st.integers(0, len(letters)), min_size=1, max_size=4, unique=True)
        )
    )
    parts = [letters[i:j] for i, j in itertools.pairwise([0, *dots, len(letters)])]
    moved = ".".join(parts)
    if moved != token:
        assert interface.read_cookie(f"{NAME}={moved}") == {}


@pytest.mark.parametrize("format", [SignedFormat, EncryptedFormat])
def test_bmsa_2010_01_salt_and_cookie_name_do_not_slide(
    format: type[SignedFormat],
) -> None:
    """The same between the two words that a key is bound to."""
    names = [("salt-a", "b"), ("salt-", "ab"), ("salt", "-ab"), ("salt-ab", "x")]
    interfaces = [
        SecureCookieSessionInterface(
            KEY, format=format(salt=salt), cookie=CookieOptions(name=name)
        )
        for salt, name in names
    ]
    for writer, reader in itertools.permutations(interfaces, 2):
        token = writer.make_cookie({"a": 1}).partition("=")[2]
        assert reader.read_cookie(f"{reader.cookie.name}={token}") == {}
    with pytest.raises(ConfigError, match="NUL"):
        format(salt="salt\0b")


@pytest.mark.parametrize(
    "key",
    [
        "temporary_key",
        "cccccccccccccccccccc",
        "\2\1thisismyscretkey\1\2\\e\\y\\y\\h",
        "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
        "your-secret-key-here",
        "secret",
        "changeme",
        "dev",
    ],
    ids=ascii,
)
def test_cve_2020_17526_a_shipped_key_opens_no_session(key: str) -> None:
    """Airflow; also CVE-2023-27524 (Superset), CVE-2008-7311, CVE-2013-7222: thousands
    of servers ran with the key of the documentation. More keys are in test_keys.py."""
    forged = URLSafeTimedSerializer(key, "cookie-session").dumps({"user_id": 1})
    interface = SecureCookieSessionInterface(
        key, format=FLASK, cookie=CookieOptions(name="s")
    )
    assert request(interface, f"s={forged}").result == {}
    with pytest.raises(SessionUnavailable, match="keygen"):
        request(interface, None, put(a=1))


@pytest.mark.parametrize("key", ["", b"", " ", "\t\n"], ids=repr)
def test_gorilla_b009e17_an_empty_key_signs_nothing(key: str | bytes) -> None:
    """itsdangerous signs with it, too."""
    assert SecureCookieSessionInterface(key).open_session({}) is None
    for fallback_keys in ([key], [OLD_KEY, key], [None]):
        with pytest.raises(ConfigError):
            SecureCookieSessionInterface(
                KEY,
                fallback_keys=fallback_keys,  # type: ignore[arg-type]
            )


@pytest.mark.parametrize(
    "format", [SignedFormat(), EncryptedFormat()], ids=["signed", "encrypted"]
)
def test_cve_2021_41263_a_cookie_is_worthless_under_another_name(
    format: SignedFormat,
) -> None:
    """rails_multisite, and Laravel in 2020: one site's cookie was good for another.

    Flask's format cannot bind the name, or Flask could not read it.
    """
    one, two = (
        SecureCookieSessionInterface(
            KEY, format=format, cookie=CookieOptions(name=name)
        )
        for name in ("one", "two")
    )
    token = one.make_cookie({"a": 1}).partition("=")[2]
    assert one.read_cookie(f"one={token}") == {"a": 1}
    assert request(two, f"two={token}", rejection).result == ({}, "bad_signature")


def test_iron_session_the_version_is_authenticated() -> None:
    """iron-session's version stood outside of the MAC and could be taken away."""
    interface = SecureCookieSessionInterface(KEY, format=EncryptedFormat())
    raw = base64_decode(interface.make_cookie({"a": 1}).partition("=")[2])
    versions = [bytes([version]) + raw[1:] for version in range(256) if version != 1]
    for changed in (*versions, raw[1:], b"\1" + raw):
        token = base64_encode(changed).decode()
        assert interface.read_cookie(f"{NAME}={token}") == {}


def test_itsdangerous_a_signature_has_one_spelling() -> None:
    """itsdangerous takes eleven other strings for the same signature."""
    cookie = SecureCookieSessionInterface(KEY).make_cookie({"a": 1})
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [cookie[:-1] + last for last in alphabet if last != cookie[-1]]
    others += [each + pad for each in (*others, cookie) for pad in ("=", "==", ".")]
    interface = SecureCookieSessionInterface(KEY)
    assert interface.read_cookie(cookie) == {"a": 1}
    assert [each for each in others if interface.read_cookie(each)] == []


def test_a_bare_string_is_no_list_of_fallback_keys() -> None:
    """Flask takes the letters of ``SECRET_KEY_FALLBACKS = "..."`` for keys."""
    with pytest.raises(ConfigError, match="must be a list"):
        SecureCookieSessionInterface(KEY, fallback_keys=OLD_KEY)


# -- deserialization ------------------------------------------------------------------


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("a payload was executed",)


def test_cve_2013_7489_nothing_that_executes_is_imported() -> None:
    """Beaker reads its sessions with pickle."""
    assert not imported() & {"pickle", "marshal", "shelve", "yaml", "dill", "ctypes"}
    calls = [
        ast.unparse(node.func)
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
    assert not set(calls) & {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize(
    "payload",
    [
        pickle.dumps(Bomb()),
        pickle.dumps({"a": Bomb()}),
        b"!!python/object/apply:pytest.fail ['a payload was executed']",
        b'{"py/object": "pytest.fail"}',
        b'{" p": "pytest.fail"}',
        b'O:8:"stdClass":0:{}',
    ],
    ids=["pickle", "pickle in a dict", "yaml", "jsonpickle", "a tag", "php"],
)
def test_cve_2018_15133_a_leaked_key_gives_data_never_code(payload: bytes) -> None:
    """Also CVE-2024-55556 (Laravel), CVE-2023-26153 (geokit): the key was known, and
    what it signed was run."""
    interface = SecureCookieSessionInterface(KEY, clock=Clock())
    inflated = b"." + base64_encode(zlib.compress(payload))
    for encoded in (base64_encode(payload), inflated):
        data, why = request(interface, signed(encoded), rejection).result
        # jsonpickle's is a plain dict to us.
        assert (data, why) == ({}, "malformed") or data == json.loads(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"null",
        b"1",
        b'"a"',
        b"[[1,2]]",
        b"",
        b"{",
        b"{}{}",
        b'{"a":1} ',
        b"\xff",
    ],
    ids=repr,
)
def test_cve_2021_33026_a_payload_is_a_dict_or_nothing(payload: bytes) -> None:
    """Flask answers 500 to a signed payload that is no dict, and to one of no JSON."""
    interface = SecureCookieSessionInterface(KEY, clock=Clock())
    cookie = signed(base64_encode(payload))
    answer = request(interface, cookie, rejection)
    assert answer.result == ({}, "malformed")
    assert answer.status == "200 OK"


@pytest.mark.parametrize("opener", [b"[", b'{"a":', b'{" t":[', b'{" di":{" t__":['])
def test_cve_2017_1000053_depth_is_limited(opener: bytes) -> None:
    """Plug: a term in a session can be hostile by its shape alone."""
    interface = SecureCookieSessionInterface(KEY, clock=Clock())
    deep = zlib.compress(b'{"a":' + opener * (60_000 // len(opener)))
    closed = b'{"a":' + b"[" * 80 + b"]" * 80 + b"}"
    for payload in (b"." + base64_encode(deep), base64_encode(closed)):
        result = request(interface, signed(payload), rejection).result
        assert result == ({}, "malformed")


# -- fixation and lifecycle -----------------------------------------------------------


def test_cve_2024_38513_what_a_client_chose_is_not_adopted() -> None:
    """Fiber; also CVE-2018-1000519 (aiohttp-session), CVE-2022-38054 (Airflow): the id
    that a client chose became the session's."""
    interface = SecureCookieSessionInterface(KEY)
    planted = f"{NAME}=QUFB.QUFB.{'A' * 43}"
    answer = request(interface, planted, put(user=1))
    assert cookie_of(answer) != planted
    assert interface.read_cookie(cookie_of(answer)) == {"user": 1}


def test_cve_2007_5380_a_session_comes_from_the_cookie_alone() -> None:
    """Also CVE-2007-6077 (Rails): the id was taken from the URL."""
    interface = SecureCookieSessionInterface(KEY)
    cookie = interface.make_cookie({"a": 1})
    answer = request(
        interface,
        None,
        QUERY_STRING=cookie,
        PATH_INFO=f"/;{cookie}",
        HTTP_COOKIE2=cookie,
        HTTP_AUTHORIZATION=cookie,
        HTTP_X_COOKIE=cookie,
        HTTP_SET_COOKIE=cookie,
    )
    assert answer.result == {}


def test_cve_2007_6077_options_are_frozen() -> None:
    interface = SecureCookieSessionInterface(KEY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        interface.cookie.name = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        FLASK.salt = "other"  # type: ignore[misc]


def test_cve_2022_25896_a_login_starts_a_new_session(clock: Clock) -> None:
    """passport; also CVE-2023-29019 (@fastify/passport), CVE-2023-46733 (Symfony): what
    was planted before the login survived it. At login one calls ``clear()``."""
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    before = interface.make_cookie({"csrf": "planted", "cart": [1]})
    clock.advance(minutes=5)

    def login(session: SecureCookieSession) -> None:
        session.permanent = True
        session.clear()
        session["user"] = 7

    answer = request(interface, before, login)
    now = int(clock())
    read = request(interface, cookie_of(answer), lambda s: (dict(s), s.created_at))
    assert read.result == ({"user": 7}, now)
    assert "Expires" not in answer.set_cookies[0]  # nor is it permanent any more


def test_cve_2022_25896_a_login_is_written_even_if_nothing_differs(
    clock: Clock,
) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    cookie = interface.make_cookie({"user": 7})
    clock.advance(minutes=5)

    def login(session: SecureCookieSession) -> None:
        session.clear()
        session["user"] = 7

    assert cookie_of(request(interface, cookie, login)) != cookie


def test_cve_2025_46336_a_slow_request_revives_no_session(clock: Clock) -> None:
    """Also rack-session's pool, express-session 632, nextjs-auth0 2530.

    A cookie has no store to ask. What can be kept: a request that changed nothing does
    not write when it was slow, so it cannot put the session back after a logout.
    """
    interface = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], clock=clock)
    cookie = SecureCookieSessionInterface(OLD_KEY, clock=clock).make_cookie({"user": 7})
    assert request(interface, cookie).set_cookies  # to be written again, if at once

    def slow(session: SecureCookieSession) -> None:
        assert session["user"] == 7
        clock.advance(seconds=3)  # meanwhile, another request logs out

    assert request(interface, cookie, slow).set_cookies == []


@every_format
def test_cve_2024_31999_a_replayed_cookie_ends_with_its_timeouts(
    format: SignedFormat, clock: Clock
) -> None:
    """@fastify/secure-session; also CVE-2026-44511 (koi): a copied cookie outlives the
    logout.

    Revocation is for later, by design; until then the timeouts bound the replay, and
    use cannot push the absolute one.
    """
    interface = SecureCookieSessionInterface(
        KEY,
        format=format,
        clock=clock,
        idle_timeout=timedelta(days=7),
        absolute_timeout=timedelta(days=30),
    )
    copied = interface.make_cookie({"user": 7})
    for _ in range(6):
        clock.advance(days=5)
        answer = request(interface, copied)
        assert answer.result == {"user": 7}
        copied = cookie_of(answer)
    clock.advance(seconds=1)
    assert request(interface, copied, rejection).result == ({}, "absolute_expired")


@every_format
def test_cve_2018_1000814_expiry_is_the_servers(
    format: SignedFormat, clock: Clock
) -> None:
    """Also CVE-2024-35220 (@fastify/session): it was only the browser that forgot, or
    loading a session prolonged it."""
    interface = SecureCookieSessionInterface(KEY, format=format, clock=clock)
    cookie = interface.make_cookie({"user": 7})
    for _ in range(3):
        clock.advance(days=10)
        assert interface.read_cookie(cookie) == {"user": 7}
    clock.advance(days=1, seconds=1)
    assert request(interface, cookie, rejection).result == ({}, "idle_expired")


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 -", "500 -", "503 -"])
def test_cve_2023_20862_a_logout_is_always_kept(status: str) -> None:
    """Spring Security: an empty state could not be saved, so no logout lasted."""
    interface = SecureCookieSessionInterface(KEY)
    cookie = interface.make_cookie({"user": 7})
    answer = request(interface, cookie, SecureCookieSession.clear, status=status)
    [deletion] = answer.set_cookies
    assert deletion.startswith(f"{NAME}=; ")
    assert "Max-Age=0" in deletion


def test_cve_2026_56016_nothing_is_guessable() -> None:
    """CGI::Session made ids that could be guessed. Our randomness is the system's."""
    assert not imported() & {"random", "numpy"}
    uses = {
        (name, ast.unparse(node))
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("uuid.")
    }
    assert uses == set()  # UUIDs are values that an app stores, never secrets


# -- denial of service ----------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [dict, len, SecureCookieSession.clear, lambda s: s.pop("a", None)],
    ids=["read", "len", "logout", "pop"],
)
def test_cve_2015_5143_nothing_is_made_for_who_has_nothing(view: View) -> None:
    """Django, also CVE-2015-5963 and -5964: reading or logging out made records."""
    interface = SecureCookieSessionInterface(KEY)
    assert request(interface, None, view).set_cookies == []


def test_cve_2016_4423_a_megabyte_is_refused_with_its_key() -> None:
    """Symfony kept user names of any size. Nothing is cut, and nothing is sent."""
    interface = SecureCookieSessionInterface(KEY)
    with pytest.raises(SessionTooLarge) as caught:
        request(interface, None, put(small=1, name="x" * 1_000_000))
    assert caught.value.biggest[0][0] == "name"
    assert caught.value.limit == 65_536


@contextlib.contextmanager
def counted_calls() -> Iterator[list[int]]:
    """How many functions were called, of Python or C, in the block."""
    counts = [0]

    def count(frame: Any, event: str, arg: Any) -> None:
        if event in ("call", "c_call"):
            counts[0] += 1

    sys.setprofile(count)
    try:
        yield counts
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(
    "unit",
    [";", "=", '"', "\\", " ", "; ", NAME, f"{NAME}=", f"{NAME}=;", f"{NAME};", "a=b; ",
     f"{NAME}=a.b.c; ", f"{NAME}\xa0=a; ", '"\\', "\xff"],
    ids=ascii,
)  # fmt: skip
def test_cve_2024_7592_the_work_grows_as_the_header(unit: str) -> None:
    """http.cookies; CVE-2024-52804 (Tornado), CVE-2025-27219 (cgi): quadratic parsing.

    Calls are counted, and each is to a method of str that is linear by itself; times
    are measured by tests/fuzz/linear_time.py.
    """
    calls = []
    for size in (10_000, 40_000):
        header = unit * (size // len(unit))
        with counted_calls() as counts:
            find_cookies(header, NAME)
        calls.append(counts[0])
    assert calls[1] <= 4.1 * calls[0] + 20


def test_cve_2023_22792_no_pattern_sees_the_host() -> None:
    """Rails: a regular expression over Host and cookie took forever.

    Ours is looked at once, for a warning, by splitting.
    """
    [headers] = [tree for name, tree in sources() if name == "headers.py"]
    modules = [
        alias.name
        for node in ast.walk(headers)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    assert "re" not in modules
    interface = SecureCookieSessionInterface(KEY)
    for host in (
        "a." * 30_000,
        "1" * 60_000,
        "[" * 60_000,
        "[::1" * 9_000,
        ":" * 60_000,
    ):
        answer = request(interface, None, put(a=1), HTTP_HOST=host)
        assert len(answer.set_cookies) == 1


@pytest.mark.parametrize("number", ["2147483647", "-1", "99999999999999999999", "1"])
def test_chunk_counts_are_not_believed(number: str) -> None:
    """ASP.NET, traefik-oidc-auth 291, h3 1469: two thousand million Set-Cookie headers,
    because the client said so. A session is one cookie here."""
    interface = SecureCookieSessionInterface(KEY)
    header = f"{NAME}=chunks-{number}; {NAME}C1=a; {NAME}.0=b; {NAME}_1=c"
    assert request(interface, header).set_cookies == []
    assert len(request(interface, header, put(a=1)).set_cookies) == 1


@pytest.mark.parametrize("size", [65_537, 1_000_000, 2_900_000])
def test_a_decompression_bomb_is_not_inflated(size: int) -> None:
    """itsdangerous inflates 339 bytes to 200,000, and more, whatever it costs."""
    interface = SecureCookieSessionInterface(KEY, clock=Clock())
    text = b'{"a":"' + b"x" * (size - 8) + b'"}'
    cookie = signed(b"." + base64_encode(zlib.compress(text, 9)))
    assert len(cookie) < 4096  # else it is refused before anything is computed
    assert request(interface, cookie, rejection).result == ({}, "malformed")
    tracemalloc.start()
    interface.read_cookie(cookie)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400_000


# -- cookie parsing and tossing: the whole rule is in test_cookies.py -----------------


def victim() -> tuple[SecureCookieSessionInterface, str, str]:
    """An interface, the user's own cookie, and the token of an attacker's account."""
    interface = SecureCookieSessionInterface(KEY)
    evil = interface.make_cookie({"user": "attacker"}).partition("=")[2]
    return interface, interface.make_cookie({"user": "victim"}), evil


@pytest.mark.parametrize(
    "prefix",
    ["=", "= ", "\xa0", "\x85", "\x1c", "\xe2\x80\x80", "\xc2\xa0", "\xef\xbb\xbf",
     "\0", "\v", "\f", "\r", "\n", '"', ",", "a,"],
    ids=ascii,
)  # fmt: skip
def test_cve_2026_39410_a_name_is_not_trimmed_into_ours(prefix: str) -> None:
    """Hono, Werkzeug up to 3.1.8 and others ("Cookie Chaos", PortSwigger 2025), and
    CVE-2023-23934 (Werkzeug): a cookie that a neighbouring site may set, as its name
    has no ``__Host-`` for the browser, has it for the server."""
    interface, own, evil = victim()
    for header in (f"{prefix}{NAME}={evil}; {own}", f"{own}; {prefix}{NAME}={evil}"):
        assert request(interface, header).result == {"user": "victim"}
    assert request(interface, f"{prefix}{NAME}={evil}").result == {}


@pytest.mark.parametrize(
    "name", ["__%48ost-session", "..Host-session", "__host-session", "__Host[session"]
)
def test_cve_2020_8184_a_name_is_not_decoded_into_ours(name: str) -> None:
    """Rack; CVE-2021-41819 (cgi), CVE-2020-1045 (ASP.NET), CVE-2022-31629 (PHP)."""
    interface, own, evil = victim()
    assert request(interface, f"{name}={evil}; {own}").result == {"user": "victim"}
    assert request(interface, f"{name}={evil}").result == {}


@pytest.mark.parametrize("separator", [",", "[", "]", '"', ", ", " "])
def test_cve_2016_7401_a_value_holds_no_cookie(separator: str) -> None:
    """Django, Tornado: an analytics cookie's value was split into cookies."""
    interface, own, evil = victim()
    planted = f"ga=1{separator}{NAME}={evil}"
    assert request(interface, f"{planted}; {own}").result == {"user": "victim"}
    assert request(interface, planted).result == {}


def test_cve_2023_26049_quotes_hide_no_cookie() -> None:
    """Jetty and Werkzeug: the cookie sandwich steals or hides what quotes enclose."""
    interface, own, _ = victim()
    for header in (f'a="x; {own}; b=y"', f'$Version=1; a="x; {own}; b=y"'):
        assert request(interface, header).result == {"user": "victim"}


@pytest.mark.parametrize("byte", range(0x80, 0x100), ids="{:02X}".format)
def test_a_byte_that_is_not_utf_8_is_no_error(byte: int) -> None:
    """werkzeug.http.parse_cookie raises UnicodeDecodeError for ``session=\\xff``."""
    interface, own, _ = victim()
    for header in (f"a={chr(byte)}; {own}", f"{NAME}={chr(byte)}; {own}"):
        answer = request(interface, header)
        assert answer.status == "200 OK"
        assert answer.result == {"user": "victim"}


def test_cookie_crumbles_a_tossed_cookie_does_not_shadow_ours(clock: Clock) -> None:
    """USENIX Security 2023, twelve CVEs; RFC 6265bis, section 8.6: a sibling domain
    sets another cookie of our name.

    Junk hides nothing. Of two that verify, the design takes the one of the newest key,
    then the latest; the name's prefix keeps such cookies away in the first place.
    """
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    tossed = interface.make_cookie({"user": "attacker"})
    clock.advance(seconds=1)
    own = interface.make_cookie({"user": "victim"})
    for junk in (f"{NAME}=junk", f"{NAME}=a.b.c", tossed, tossed[:-1]):
        for header in (f"{junk}; {own}", f"{own}; {junk}"):
            assert request(interface, header).result == {"user": "victim"}


# -- caching and headers --------------------------------------------------------------

READS: dict[str, View] = {
    "[]": lambda s: s["a"],
    "get": lambda s: s.get("a"),
    "get of a missing key": lambda s: s.get("b"),
    "in": lambda s: "a" in s,
    "not in": lambda s: "b" not in s,
    "len": len,
    "bool": bool,
    "iter": iter,
    "list": list,
    "reversed keys": lambda s: list(s.keys()),
    "keys": lambda s: s.keys(),
    "values": lambda s: s.values(),
    "items": lambda s: s.items(),
    "==": lambda s: s == {},
    "!=": lambda s: s != {},
    "copy": lambda s: s.copy(),
    "|": lambda s: s | {},
    "| from the right": lambda s: {} | s,
    "**": lambda s: dict(**s),
    "dict": dict,
    "permanent": lambda s: s.permanent,
    "new": lambda s: s.new,
    "created_at": lambda s: s.created_at,
    "issued_at": lambda s: s.issued_at,
    "rejection": lambda s: s.rejection,
    "setdefault": lambda s: s.setdefault("a", 1),
    "pop": lambda s: s.pop("b", None),
}


@pytest.mark.parametrize("cookie", [True, False], ids=["a cookie", "no cookie"])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_cve_2026_27205_every_read_is_said_to_caches(read: View, cookie: bool) -> None:
    """Flask up to 3.1.2: ``in`` and ``len`` did not say ``Vary: Cookie``; also
    CVE-2023-30861 (Flask), CVE-2026-35192, CVE-2014-1418 (Django)."""
    interface = SecureCookieSessionInterface(KEY)
    header = interface.make_cookie({"a": 1}) if cookie else None

    def view(session: SecureCookieSession) -> None:
        with contextlib.suppress(KeyError):
            read(session)

    answer = request(interface, header, view)
    assert values_of(answer.headers, "Vary") == ["Cookie"]


def test_cve_2023_30861_a_renewal_is_said_to_caches(clock: Clock) -> None:
    """Flask refreshed the cookie of a session that the app had not touched, without a
    word to caches. Ours is renewed only when it is touched, and never silently."""
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    cookie = interface.make_cookie({"a": 1})
    clock.advance(days=20)
    untouched = request(interface, cookie, lambda session: None)
    assert untouched.headers == []
    touched = request(interface, cookie, len)
    assert len(touched.set_cookies) == 1
    assert values_of(touched.headers, "Vary") == ["Cookie"]
    assert values_of(touched.headers, "Cache-Control") == ["private"]


@pytest.mark.parametrize(
    "view", [put(a=2), SecureCookieSession.clear], ids=["set", "delete"]
)
def test_cve_2012_2671_no_cache_stores_a_set_cookie(view: View) -> None:
    """rack-cache handed out one user's Set-Cookie to the next."""
    interface = SecureCookieSessionInterface(KEY)
    answer = request(interface, interface.make_cookie({"a": 1}), view)
    assert len(answer.set_cookies) == 1
    assert values_of(answer.headers, "Vary") == ["Cookie"]
    assert values_of(answer.headers, "Cache-Control") == ["private"]


@pytest.mark.parametrize("character", ";\r\n\0\x7f\xe9\u2028", ids=ascii)
@pytest.mark.parametrize("option", ["name", "path", "domain", "samesite"])
def test_cve_2026_0672_no_option_writes_another_attribute(
    option: str, character: str
) -> None:
    """http.cookies; also CVE-2026-3644, CVE-2024-47764 (cookie of npm),
    GHSA-78cv-mqj4-43f7 (Tornado), CVE-2026-47675 (Hono), CVE-2021-33621 (cgi)."""
    good = {"name": "s", "path": "/a", "domain": "a.example", "samesite": "Lax"}
    options: dict[str, Any] = {**good, option: f"{good[option]}{character}"}
    with pytest.raises(ConfigError, match=option):
        CookieOptions(**options)
    with pytest.raises(ConfigError, match=option):
        dataclasses.replace(CookieOptions(name="s"), **{option: options[option]})


@every_format
@given(data=st.dictionaries(keys, st.text(), max_size=3))
def test_cve_2026_0672_no_value_writes_another_attribute(
    format: SignedFormat, data: dict[str, str]
) -> None:
    interface = SecureCookieSessionInterface(KEY, format=format, cookie=PLAIN)
    token = interface.make_cookie(data).partition("=")[2]
    assert set(token) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


def test_cve_2025_7339_headers_keep_their_order_and_their_doubles() -> None:
    """on-headers mangled the headers that it was to watch."""
    interface = SecureCookieSessionInterface(KEY)
    own = [("X-B", "1"), ("X-A", "2"), ("X-B", "3"), ("Set-Cookie", "a=1"),
           ("Set-Cookie", "a=2")]  # fmt: skip
    answer = request(interface, None, put(a=1), headers=own)
    assert answer.headers[: len(own)] == own


def test_cve_2025_7339_a_second_start_begins_anew() -> None:
    started = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        get_session(environ)["a"] = 1
        start_response("200 OK", [("X-First", "1")])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oops", [("X-Second", "1")], sys.exc_info())
        return [b"oops"]

    def start_response(status: str, headers: Any, *exc_info: Any) -> Any:
        started.append((status, headers, exc_info))

    environ = create_environ(base_url="https://app.example")
    middleware = SessionMiddleware(app, SecureCookieSessionInterface(KEY))
    assert list(middleware(environ, start_response)) == [b"oops"]
    [(status, headers, exc_info)] = started
    assert status == "500 Oops"
    assert headers[0] == ("X-Second", "1")
    assert exc_info == ()


def test_a_header_list_shared_between_requests_carries_no_cookie() -> None:
    """Beaker and secure-cookie append to the app's own list: where it is a constant,
    one user's cookie goes to the next."""
    shared = [("Content-Type", "text/plain")]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/login":
            get_session(environ)["user"] = 1
        start_response("200 OK", shared)
        return [b"ok"]

    middleware = SessionMiddleware(app, SecureCookieSessionInterface(KEY))
    answers = [
        run_wsgi_app(middleware, create_environ(path, "https://app.example"))[2]
        for path in ("/login", "/")
    ]
    assert "Set-Cookie" in answers[0]
    assert "Set-Cookie" not in answers[1]
    assert shared == [("Content-Type", "text/plain")]


# -- disclosure -----------------------------------------------------------------------


def test_cve_2023_20866_no_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Spring Session printed ids; more is in test_secrets_stay_secret.py."""
    caplog.set_level(logging.DEBUG)
    interface = SecureCookieSessionInterface(KEY)
    cookie = interface.make_cookie({"user": 7})
    token = cookie.partition("=")[2]
    assert request(interface, cookie[:-1], rejection).result == ({}, "bad_signature")
    assert [record.getMessage() for record in caplog.records] == [
        "a session cookie was rejected: bad_signature"
    ]
    assert token[:10] not in repr([vars(record) for record in caplog.records])


def test_cve_2020_15105_an_encrypted_cookie_shows_no_value() -> None:
    """django-two-factor-auth kept a password in a session that anyone could read."""
    interface = SecureCookieSessionInterface(KEY, format=EncryptedFormat())
    cookies = [
        interface.make_cookie({"password": password})
        for password in ("correct horse battery", "x", "")
    ]
    for cookie in cookies:
        raw = base64_decode(cookie.partition("=")[2])
        assert b"password" not in raw
        assert b"correct" not in raw
    assert len(set(map(len, cookies))) == 1  # nor does the length tell


def test_cve_2022_3174_a_cookie_is_secure_unless_told_otherwise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """rdiffweb sent its session over http. Ours is Secure by default, and over http one
    warning says why the browser does not keep it."""
    interface = SecureCookieSessionInterface(KEY)
    for _ in range(2):
        answer = request(interface, None, put(a=1), url="http://app.example/")
        assert "Secure" in answer.set_cookies[0].split("; ")
    [message] = [record.getMessage() for record in caplog.records]
    assert "Secure" in message
    assert "https" in message


# -- what other libraries do to their own users ---------------------------------------


@pytest.mark.parametrize("ahead", [1, 2, 5, 60])
def test_a_clock_that_is_ahead_logs_nobody_out(ahead: int, clock: Clock) -> None:
    """itsdangerous takes two seconds in the future for an expired signature."""
    cookie = SecureCookieSessionInterface(
        KEY, clock=lambda: clock() + ahead
    ).make_cookie({"a": 1})
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    assert request(interface, cookie).result == {"a": 1}


def test_a_renewal_that_no_longer_fits_is_skipped(clock: Clock) -> None:
    """A session that just fits grows by its creation time when it is renewed: a request
    that changes nothing must not fail for that."""
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    noise = hashlib.shake_256(b"noise").hexdigest(4096)
    size = next(n for n in range(8000, 0, -1) if fits(interface, noise[:n]))
    cookie = interface.make_cookie({"a": noise[:size]})
    clock.advance(days=20)
    answer = request(interface, cookie, lambda session: session["a"])
    assert answer.result == noise[:size]
    assert answer.set_cookies == []


def fits(interface: SecureCookieSessionInterface, value: str) -> bool:
    try:
        interface.make_cookie({"a": value})
    except SessionTooLarge:
        return False
    return True


@pytest.mark.parametrize("created", ["-1", "1.5", "null", '"a"', "[]", "true", "1e3"])
def test_a_creation_time_that_cannot_be_is_malformed(created: str) -> None:
    """A leaked key must not make the server fail, only lie. Found by fuzzing."""
    interface = SecureCookieSessionInterface(
        KEY,
        format=EncryptedFormat(),
        accept=[SignedFormat()],
        absolute_timeout=None,
        clock=Clock(),
    )
    text = f'{{"a":1,"_cs":{created}}}'.encode()
    answer = request(interface, signed(base64_encode(text)), rejection)
    assert answer.result == ({}, "malformed")


@pytest.mark.parametrize("created", [1_700_000_001, 2**63, 2**64, 10**30])
def test_a_creation_after_the_issue_buys_no_time(created: int, clock: Clock) -> None:
    """Found by fuzzing: it was an OverflowError where the session was written again."""
    interface = SecureCookieSessionInterface(
        KEY,
        format=EncryptedFormat(),
        accept=[SignedFormat()],
        absolute_timeout=timedelta(days=20),
        clock=clock,
    )
    text = f'{{"a":1,"_cs":{created}}}'.encode()
    answer = request(interface, signed(base64_encode(text)), put(b=2))
    cookie = cookie_of(answer)
    clock.advance(days=20)
    assert interface.read_cookie(cookie) == {"a": 1, "b": 2}
    clock.advance(seconds=1)
    assert interface.read_cookie(f"{NAME}={cookie}") == {}


# -- found by review ---------------------------------------------------------------


def rejection_of(interface: SecureCookieSessionInterface, cookie: str) -> str | None:
    session = interface.open_session({"HTTP_COOKIE": cookie})
    assert session is not None
    return session.rejection


SLOW_TO_COMPARE = [
    *(f"{2**61 - 1}{'0' * (4200 - k)}" for k in range(7)),
    *(f'{{" n":"{2**61 - 1}E{k}"}}' for k in range(1000)),
]


def test_numbers_that_share_a_hash_are_not_compared_with_each_other(
    interface: SecureCookieSessionInterface,
) -> None:
    # The same 1,007 numbers take milliseconds in a list, and took seconds in a set.
    numbers = ",".join(SLOW_TO_COMPARE)
    text = f'{{"a":{{" s":[{numbers}]}}}}'.encode()

    assert rejection_of(interface, signed(encode_payload(text, 0))) == "malformed"
    few = signed(
        encode_payload(b'{"a":{" s":[-1,-2]}}', 99)
    )  # their hash is the same, too
    assert interface.read_cookie(few) == {"a": {-1, -2}}


@pytest.mark.parametrize(
    "value",
    [
        '{" d":"2020-01-01T00:00:00+01:00:00.000001"}',
        '{" time":"00:00:00+01:00:00.5"}',
    ],
)
def test_what_could_not_be_written_again_is_not_read(
    value: str, interface: SecureCookieSessionInterface
) -> None:
    cookie = signed(encode_payload(f'{{"a":{value}}}'.encode(), 99))

    assert rejection_of(interface, cookie) == "malformed"


@pytest.mark.parametrize(
    ("options", "old_name"),
    [
        (CookieOptions(name="session", domain="example.com"), "__Host-session"),
        (CookieOptions(name="session", secure=False), "__Secure-session"),
        (CookieOptions(name="session", path="/app"), "__Host-session"),
        (CookieOptions(name="session", httponly=False), "__Http-session"),
    ],
    ids=["domain", "secure", "path", "httponly"],
)
def test_an_old_cookie_that_could_not_be_deleted_is_not_accepted(
    options: CookieOptions, old_name: str
) -> None:
    with pytest.raises(ConfigError, match=f"accept, cookie '{old_name}'"):
        SecureCookieSessionInterface(
            KEY, cookie=options, accept=[SignedFormat(cookie_name=old_name)]
        )
