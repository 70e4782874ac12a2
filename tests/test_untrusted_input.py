"""Whatever a client sends, the app sees a session, and its own answer is sent."""

from __future__ import annotations

import json
import string
from typing import Any, get_args

import pytest
from forge import FLASKS_SALT, Signer, b64u, bound, deflated, stamp
from hypothesis import example, given
from hypothesis import strategies as st
from support import ENCRYPTED, FLASK_IN_OURS, FORMATS, KEY, OLD_KEY, Clock, params_of
from werkzeug.test import create_environ, run_wsgi_app

from cookiesession import (
    CookieOptions,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SignedFormat,
    get_session,
)
from cookiesession.errors import Rejection

NAME = "session"
DATA = {"user": 42, "cart": [1, {"price": 2}], "name": "Zo\xeb"}
CLOCK = Clock()


def made(format: Any, *accept: Any) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(
        KEY,
        fallback_keys=[OLD_KEY],
        format=format,
        cookie=CookieOptions(name=NAME, secure=False),
        accept=accept,
        clock=CLOCK,
    )


INTERFACES = {
    "signed": made(SignedFormat(), FLASK_IN_OURS, ENCRYPTED),
    "encrypted": made(ENCRYPTED, FLASK_IN_OURS, SignedFormat()),
    "flask": made(FLASK_IN_OURS),  # it could not hold what the others did
}
TOKENS = {
    name: interface.make_cookie(DATA).partition("=")[2]
    for name, interface in INTERFACES.items()
}
SIGNERS = {
    "signed": Signer(KEY, bound(NAME)),
    "flask": Signer(KEY, FLASKS_SALT, "sha1"),
}
every_interface = pytest.mark.parametrize("name", params_of({n: n for n in INTERFACES}))
BASE64 = string.ascii_letters + string.digits + "-_"
REJECTIONS = {None, *get_args(Rejection)}


def visit(interface: SecureCookieSessionInterface, header: str) -> dict[str, Any]:
    """What an app reads that looks at all of its session and changes it, too."""
    seen: list[dict[str, Any]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        session = get_session(environ)
        assert isinstance(session, SecureCookieSession)
        assert session.rejection in REJECTIONS
        assert session.rejection is None or session.new
        seen.append(session.copy())
        session["n"] = session.get("n") != 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    environ = create_environ("/", "http://localhost")
    environ["HTTP_COOKIE"] = header
    body, status, headers = run_wsgi_app(SessionMiddleware(app, interface), environ)
    assert b"".join(body) == b"ok"
    assert status == "200 OK"
    assert len(headers.getlist("Set-Cookie")) == 1
    assert interface.read_cookie(header) == seen[0]
    return seen[0]


@st.composite
def mutated(draw: st.DrawFn, token: str) -> str:
    """A token after a few insertions, deletions, exchanges and repetitions."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(token)))
        end = draw(st.integers(start, min(start + 8, len(token))))
        put = draw(st.text(st.sampled_from(BASE64 + "..=~ "), max_size=8))
        token = token[:start] + put + token[end:]
    return token


names = st.sampled_from(
    [NAME, NAME, NAME, "Session", "session ", "\tsession", "\xa0session", "other", ""]
)
separators = st.sampled_from([";", "; ", ";;", " ;\t", ",", "\x00", ""])


@st.composite
def cookie_headers(draw: st.DrawFn) -> str:
    """A header as the grammar has it, more or less: tokens of ours, whole and hurt."""
    token = st.sampled_from(sorted(TOKENS.values()))
    values = st.one_of(
        token,
        token.flatmap(mutated),
        st.text(st.sampled_from(BASE64 + "."), max_size=60),
        st.text(st.characters(codec="latin-1"), max_size=20),
    )
    header = draw(separators)
    for name, value in draw(st.lists(st.tuples(names, values), max_size=6)):
        header += f"{name}={value}{draw(separators)}"
    return header


keys = st.text(max_size=5).filter(lambda key: key not in ("_cs", "_permanent"))
latin_1 = st.text(st.characters(codec="latin-1"))


@every_interface
@given(header=latin_1)
@example(header="session=")
@example(header="session=\xff")
@example(header="session=.")
@example(header="session=..")
@example(header="session=...")
@example(header="session=" + "." * 5000)
@example(header="session=a" * 1000)
def test_any_header_is_answered(name: str, header: str) -> None:
    assert visit(INTERFACES[name], header) == {}


@every_interface
@given(value=latin_1)
def test_any_value_is_answered(name: str, value: str) -> None:
    assert visit(INTERFACES[name], f"{NAME}={value}") == {}


@every_interface
@given(header=st.text())
def test_a_header_that_no_server_should_give_is_answered(
    name: str, header: str
) -> None:
    """PEP 3333 has code points up to U+00FF only; a test client may not care."""
    for cookie in (header, f"{NAME}={header}", f"{NAME}={TOKENS[name]}{header}"):
        INTERFACES[name].read_cookie(cookie)


@every_interface
@given(header=cookie_headers())
def test_what_is_read_was_signed_by_us(name: str, header: str) -> None:
    assert visit(INTERFACES[name], header) in ({}, DATA)


@every_interface
@given(data=st.data())
def test_no_changed_token_is_read(name: str, data: st.DataObject) -> None:
    token = data.draw(mutated(TOKENS[name]))
    read = visit(INTERFACES[name], f"{NAME}={token}")
    # SP and HTAB around a value are no part of it; a ``;`` is never put in.
    assert read == (DATA if token.strip(" ") == TOKENS[name] else {})


@every_interface
@given(data=st.dictionaries(keys, st.booleans() | latin_1, max_size=3))
def test_what_was_made_is_read(name: str, data: dict[str, Any]) -> None:
    interface = INTERFACES[name]
    assert visit(interface, interface.make_cookie(data)) == data


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([" t", " b", " m", " u", " d", " di", " date", " time",
                         " delta", " n", " s", " fs", " x", "a", "_cs", "_permanent"]),
        inner,
        max_size=2,
    ),
    max_leaves=8,
)  # fmt: skip
payloads = st.one_of(
    st.binary(max_size=60),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.text(max_size=5), json_values, max_size=3).map(
        lambda value: json.dumps(value).encode()
    ),
)


@pytest.mark.parametrize("name", ["signed", "flask"])
@given(payload=payloads, compress=st.booleans(), stamp_bytes=st.binary(max_size=9))
def test_a_leaked_key_can_lie_but_not_break(
    name: str, payload: bytes, compress: bool, stamp_bytes: bytes
) -> None:
    """The payload's signature is right, so that everything behind it is reached."""
    interface = INTERFACES[name]
    codec = FORMATS[name].bind(KEY.encode(), NAME)
    encoded = deflated(payload) if compress else b64u(payload)
    for issued in (stamp(int(CLOCK())), b64u(stamp_bytes)):
        token = SIGNERS[name].sign(f"{encoded}.{issued}")
        session = interface.read_cookie(f"{NAME}={token}")
        # What was read can be written, and is the same again; NaN has no equal.
        again = interface.read_cookie(interface.make_cookie(session))
        assert codec.render(again, False, None) == codec.render(session, False, None)
