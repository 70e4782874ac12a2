"""The command line: making a key, and looking into a cookie."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from forge import FLASKS_SALT, Signer, b64u, bound, stamp
from support import KEY, OLD_KEY, Clock, needs_extras, save_session, values_of

from cookiesession import (
    FLASK,
    CookieOptions,
    EncryptedFormat,
    JSONTag,
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SignedFormat,
    TaggedJSONSerializer,
)
from cookiesession.__main__ import main
from cookiesession.stores import MemoryStore

NAME = CookieOptions.name
SESSION = CookieOptions(name="session")
CONTENTS = {"user_id": 1, "cart": [{"sku": "a", "count": 2}]}


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)


def make(contents: dict[str, Any] | None = None, **options: Any) -> str:
    """A cookie, ``name=value``."""
    interface = SecureCookieSessionInterface(options.pop("key", KEY), **options)
    return interface.make_cookie(CONTENTS if contents is None else contents)


def inspect(
    capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0
) -> dict[str, Any]:
    assert main(["inspect", "--json", *argv]) == status
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def forge(json: str, issued: float | None = None, key: str = KEY) -> str:
    """A cookie, ``name=value``, of any JSON under the right key."""
    issued = time.time() if issued is None else issued
    token = Signer(key, bound(NAME)).token(b64u(json.encode()), int(issued))
    return f"{NAME}={token}"


def usage_error(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as exit:
        main([*argv])
    assert exit.value.code == 2
    return capsys.readouterr().err


# -- keygen --------------------------------------------------------------------


def test_keygen_prints_a_key_that_works(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["keygen"]) == 0
    key = capsys.readouterr().out.strip()
    SecureCookieSessionInterface(key)
    assert not caplog.records  # no error, and no warning that it is short
    assert main(["keygen"]) == 0
    assert capsys.readouterr().out.strip() != key


# -- what the cookie can be wrapped in -----------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("{token}", id="bare token"),
        pytest.param("{cookie}", id="name=value"),
        pytest.param("  {cookie}\n", id="white space around"),
        pytest.param("a=b; {cookie}; theme=dark", id="Cookie header's value"),
        pytest.param("cookie: a=b; {cookie}", id="Cookie header"),
        pytest.param("{cookie}; Path=/; Max-Age=60; Secure", id="Set-Cookie value"),
        pytest.param("Cookie: {cookie}\nCookie: a=b", id="two Cookie headers"),
        pytest.param("a=b ; __Host-session = {token} ; c=d", id="spaces around ="),
        pytest.param("Set-Cookie: {cookie}; Path=/", id="Set-Cookie header"),
        pytest.param(
            "HTTP/1.1 200 OK\r\nServer: x; y=z\r\nSet-Cookie: a=b; Path=/\r\n"
            "Set-Cookie: {cookie}; Path=/; SameSite=Lax\r\n\r\nhello",
            id="response of curl -i",
        ),
        pytest.param("> Accept: */*\n> Cookie: {cookie}\n", id="curl -v, sent"),
        pytest.param("< set-cookie: {cookie}; Path=/\r\n", id="curl -v, received"),
        pytest.param("'{cookie}'", id="quoted for a shell"),
        pytest.param('"{token}"', id="token of a JSON file"),
        pytest.param("__Host-session={token}\ntheme=dark\n", id="a line each"),
        pytest.param('a="b"; __Host-session="{token}"', id="quoted value"),
        pytest.param(
            "__Host-session\t{token}\tlocalhost\t/\tSession\t75\t✓\t✓\tLax",
            id="row of DevTools",
        ),
        pytest.param(
            "Name\tValue\tDomain\r\ntheme\tdark\ta.example\r\n"
            '__Host-session\t"{token}"\ta.example\r\n',
            id="table of DevTools",
        ),
        pytest.param(
            "# Netscape HTTP Cookie File\n# https://curl.se/docs/http-cookies.html\n\n"
            "localhost\tFALSE\t/\tTRUE\t0\ttheme\tdark\n"
            "localhost\tFALSE\t/\tTRUE\t0\t__Host-session\t{token}\n",
            id="cookie jar of curl",
        ),
        pytest.param(
            "#HttpOnly_localhost\tFALSE\t/\tTRUE\t1893456000\t__Host-session\t{token}",
            id="cookie jar, HttpOnly",
        ),
    ],
)
@pytest.mark.usefixtures("with_key")
def test_a_cookie_is_found_in_what_people_paste(
    capsys: pytest.CaptureFixture[str], given: str
) -> None:
    cookie = make()
    text = given.format(cookie=cookie, token=cookie.partition("=")[2])
    report = inspect(capsys, text)
    assert (report["cookie"], report["verdict"]) == ("__Host-session", "valid")
    assert report["contents"] == CONTENTS


@pytest.mark.usefixtures("with_key")
def test_quotes_that_an_app_would_reject_are_left_out_with_a_note(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, _, token = make().partition("=")
    for given, noted in (
        (f'{name}="{token}"', True),
        (f'"{name}={token}"', False),
        (f'a="b"; {name}={token}', False),
    ):
        main(["inspect", given])
        assert ("note: quotes" in capsys.readouterr().err) == noted


@pytest.mark.usefixtures("with_key")
def test_a_cookie_is_read_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = b"other=\xff\xfe; "
    stdin = io.TextIOWrapper(io.BytesIO(neighbour + make().encode()), "utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    assert inspect(capsys)["verdict"] == "valid"


@pytest.mark.usefixtures("with_key")
def test_ours_is_preferred_to_another_cookie_that_looks_like_a_token(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = make({"theirs": True}, cookie=CookieOptions(name="A-first"))
    for header in (f"{other}; {make()}", f"{make()}; {other}"):
        assert inspect(capsys, header)["contents"] == CONTENTS
    report = inspect(capsys, f"{other}; {make()}", "--name", "A-first")
    assert report["contents"] == {"theirs": True}


@pytest.mark.parametrize(
    "format", [SignedFormat(), pytest.param("encrypted", marks=needs_extras)]
)
def test_a_cookie_of_another_name_is_found_by_its_looks(
    capsys: pytest.CaptureFixture[str], format: Any
) -> None:
    format = EncryptedFormat() if format == "encrypted" else format
    cookie = make(format=format, cookie=CookieOptions(name="mine"))
    jwt = "e30.e30.c2ln"
    report = inspect(capsys, f"theme=dark; id=AQID; jwt={jwt}; {cookie}; z=a.b")
    assert (report["cookie"], report["verdict"]) == ("mine", "not_checked")


def test_a_cookie_that_is_no_token_is_told_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    signature = "c" * 43
    for given in (
        "garbage",
        "session=garbage",
        "session=",
        "session=AQID",
        "session=a.b.c",
        "sess\xefon.\u20ac.x",
        f"session=a!.b.{signature}",
        f"session=.AAAA.{signature}",
    ):
        report = inspect(capsys, given, status=1)
        assert (report["verdict"], report["contents"]) == ("no_token", None)


def test_the_cookie_of_the_name_that_was_given_is_told_of_whatever_it_looks_like(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = inspect(capsys, "a=b; mine=garbage", "--name", "mine", status=1)
    assert (report["cookie"], report["verdict"]) == ("mine", "no_token")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["a=b; c=d"], "no session cookie", id="none"),
        pytest.param([""], "no session cookie", id="nothing"),
        pytest.param([" \r\n"], "no session cookie", id="an empty line"),
        pytest.param(["; ;"], "no session cookie", id="a header without cookies"),
        pytest.param(["Cookie:"], "no session cookie", id="an empty header"),
        pytest.param(["a=b; c=d", "--name", "e"], "no cookie 'e'", id="not this one"),
        pytest.param(["", "--name", "a;b"], "no cookie 'a;b'", id="no name"),
        pytest.param(["x", "--key-env", "UNSET"], "no key", id="no key in variable"),
        pytest.param(["x", "--key-file", "/does/not/exist"], "exist", id="no key file"),
        pytest.param(["x", "--key-file", os.devnull], "no key", id="empty key file"),
        pytest.param(["x", "--key-env", "BLANK"], "no key", id="blank key"),
        pytest.param(["x", "--key-env", "WEAK"], "refuses this key", id="weak key"),
        pytest.param(["x", "--salt", ""], "salt must be", id="no salt"),
        pytest.param(["__host-a=b"], "spell its prefix", id="no cookie of ours"),
        pytest.param(["x", "--idle-timeout", "1d"], "invalid int", id="no seconds"),
        pytest.param(["x", "--idle-timeout", "9" * 30], "too large", id="too many"),
        pytest.param(["x", "--idle-timeout", "-1"], "at least a second", id="negative"),
        pytest.param(["x", "--secret-key", "k"], "unrecognized", id="key as argument"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("BLANK", " \n")
    monkeypatch.setenv("WEAK", "a weak key")
    if argv[0] == "x":
        argv = [make(), *argv[1:]]
    assert message in usage_error(capsys, "inspect", *argv)


# -- formats -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({}, "signed.v1 (sha256)", id="signed"),
        pytest.param(
            {"format": SignedFormat(digest="sha512")}, "signed.v1 (sha512)", id="sha512"
        ),
        pytest.param(
            {"format": SignedFormat(digest="sha384")}, "signed.v1 (sha384)", id="sha384"
        ),
        pytest.param(
            {"format": SignedFormat(bind_name=False)},
            "signed.v1 (sha256), name not bound",
            id="unbound",
        ),
        pytest.param(
            {"format": SignedFormat(digest="sha1")}, "signed.v1 (sha1)", id="sha1"
        ),
        pytest.param({"format": FLASK, "cookie": SESSION}, "flask (sha1)", id="Flask"),
        pytest.param(
            {"format": replace(FLASK, digest="sha256")},
            "flask (sha256)",
            id="Flask with another digest",
        ),
    ],
)
@pytest.mark.usefixtures("with_key")
def test_every_signed_format_is_recognised_and_verified(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], name: str
) -> None:
    cookie = make(**options)
    report = inspect(capsys, cookie)
    assert (report["format"], report["verdict"]) == (name, "valid")
    assert report["contents"] == CONTENTS
    report = inspect(capsys, make(clock=lambda: 1e9, **options), status=1)
    assert (report["format"], report["verdict"]) == (name, "idle_expired")
    main(["inspect", cookie])
    out = capsys.readouterr().out
    assert f"format:    {name}\n" in out
    if options:
        assert "valid:     yes, where the app has this format as `format` or in" in out
        assert "the default is signed.v1 (sha256)\n" in out
    else:
        assert "valid:     yes\n" in out


def test_without_a_key_a_sha1_signature_is_taken_for_flasks_and_others_for_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = inspect(capsys, make(format=FLASK, cookie=SESSION))
    assert (report["format"], report["verdict"]) == ("flask (sha1)", "not_checked")
    report = inspect(capsys, make())
    assert report["format"] == "signed.v1 (sha256)"
    moment = datetime(2023, 11, 14, tzinfo=timezone.utc)
    flask = replace(FLASK, digest="sha256")
    report = inspect(capsys, make({"at": moment}, format=flask))
    assert report["format"] == "signed.v1 (sha256)"
    assert report["contents"] == {"at": {" d": "Tue, 14 Nov 2023 00:00:00 GMT"}}


def test_without_a_key_nothing_is_valid_not_even_what_an_empty_key_signed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = Signer("", FLASKS_SALT, "sha1").token(b64u(b"{}"), 1)
    assert inspect(capsys, token)["verdict"] == "not_checked"


@needs_extras
def test_an_encrypted_cookie_is_recognised_and_read_with_its_key_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = make(format=EncryptedFormat())
    report = inspect(capsys, cookie)
    assert (report["format"], report["verdict"]) == ("encrypted.v1", "not_checked")
    assert report["contents"] is report["issued_at"] is None
    main(["inspect", cookie])
    assert "contents" not in capsys.readouterr().out
    monkeypatch.setenv("SECRET_KEY", KEY)
    report = inspect(capsys, cookie)
    assert (report["verdict"], report["contents"]) == ("valid", CONTENTS)
    old = make(format=EncryptedFormat(), clock=lambda: 1e9)
    report = inspect(capsys, old, status=1)
    assert (report["verdict"], report["contents"]) == ("idle_expired", CONTENTS)
    monkeypatch.setenv("SECRET_KEY", OLD_KEY)
    assert inspect(capsys, cookie, status=1)["verdict"] == "bad_signature"


def test_without_cryptography_an_encrypted_cookie_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)  # as if not installed
    token = b64u(b"\1" + bytes(150))
    assert inspect(capsys, token)["format"] == "encrypted.v1"
    monkeypatch.setenv("SECRET_KEY", KEY)
    error = usage_error(capsys, "inspect", token)
    assert 'pip install "cookiesession[encryption]"' in error


def test_the_id_of_a_session_in_a_store_is_called_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = ServerSideSessionInterface(KEY, MemoryStore()).make_cookie(CONTENTS)
    for key, verdict in (
        (None, "not_checked"),
        (KEY, "valid"),
        (f"{KEY}\n", "valid"),
        (OLD_KEY, "bad_signature"),
    ):
        if key:
            monkeypatch.setenv("SECRET_KEY", key)
        report = inspect(capsys, cookie, status=int(verdict == "bad_signature"))
        assert report["format"] == "signed.v1, an id of a session in a store"
        assert (report["verdict"], report["contents"]) == (verdict, None)
    monkeypatch.setenv("SECRET_KEY", KEY)
    main(["inspect", cookie])
    assert "valid:     yes, as an id: only its store" in capsys.readouterr().out


either_kind = pytest.mark.parametrize(
    "kind", [SignedFormat, pytest.param(EncryptedFormat, marks=needs_extras)]
)


@either_kind
@pytest.mark.usefixtures("with_key")
def test_a_salt_of_the_app_is_an_option(
    capsys: pytest.CaptureFixture[str], kind: type[SignedFormat | EncryptedFormat]
) -> None:
    cookie = make(format=kind(salt="my-app"))
    assert inspect(capsys, cookie, status=1)["verdict"] == "bad_signature"
    assert inspect(capsys, cookie, "--salt", "my-app")["verdict"] == "valid"


@either_kind
@pytest.mark.usefixtures("with_key")
def test_types_are_shown_as_they_are_stored(
    capsys: pytest.CaptureFixture[str], kind: type[SignedFormat | EncryptedFormat]
) -> None:
    contents = {"id": UUID(int=1), "each": {(1, 2)}, "odd": {" u": "mine"}}
    report = inspect(capsys, make(contents, format=kind()))
    assert report["verdict"] == "valid"
    assert report["contents"] == {
        "id": {" u": UUID(int=1).hex},
        "each": {" s": [{" t": [1, 2]}]},
        "odd": {" di": [" u", "mine"]},
    }


class PathTag(JSONTag):
    key = " path"

    def check(self, value: Any) -> bool:
        return isinstance(value, Path)

    def to_json(self, value: Any) -> Any:
        return str(value)

    def to_python(self, stored: Any) -> Any:
        return Path(stored)


@either_kind
def test_a_tag_of_the_apps_own_is_shown_and_only_the_app_can_say_more(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: type[SignedFormat | EncryptedFormat],
) -> None:
    serializer = TaggedJSONSerializer(tags=[PathTag()])
    cookie = make({"p": Path("x")}, format=kind(serializer=serializer))
    if kind is SignedFormat:
        report = inspect(capsys, cookie)
        assert report["verdict"] == "not_checked"
        assert report["contents"] == {"p": {" path": "x"}}
    monkeypatch.setenv("SECRET_KEY", KEY)
    report = inspect(capsys, cookie, status=1)
    assert (report["verdict"], report["contents"]) == (
        "malformed",
        {"p": {" path": "x"}},
    )
    main(["inspect", cookie])
    assert "unless the app has a JSONTag" in capsys.readouterr().out


def test_flasks_types_are_shown_as_they_are_stored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cookie = make({"id": UUID(int=1)}, format=FLASK, cookie=SESSION)
    assert inspect(capsys, cookie)["contents"] == {"id": {" u": UUID(int=1).hex}}


# -- the app says the same -----------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = ()
    for _ in range(depth):
        value = (value,)
    return value


GOOD, LATER = (
    make(CONTENTS, clock=lambda ago=ago: time.time() - ago) for ago in (9, 5)
)
OLD, FORGED = make(clock=lambda: 1_700_000_000), make({"no": 1}, key=OLD_KEY)
LARGE = f"{NAME}={'x' * 5000}"


@pytest.mark.parametrize(
    ("cookie", "verdict"),
    [
        pytest.param(make({"deep": nested(40)}), "valid", id="40 nested tuples"),
        pytest.param(forge('{"id":{" u":"zz"}}'), "malformed", id="no UUID"),
        pytest.param(forge('{" t":["a"]}'), "malformed", id="a tag at the top"),
        pytest.param(forge('["a"]'), "malformed", id="no object"),
        pytest.param(forge('[{" path":"x"}]'), "malformed", id="unknown, no object"),
        pytest.param(forge('{"a":' * 300 + "1" + "}" * 300), "malformed", id="deep"),
        pytest.param(forge('{"_cs":"now"}'), "malformed", id="creation in words"),
        pytest.param(
            f"{NAME}={Signer(KEY, bound(NAME)).sign('a!.' + stamp(1))}",
            "malformed",
            id="no base64, signed",
        ),
        pytest.param(f"{FORGED}; {GOOD}", "valid", id="forged, good"),
        pytest.param(f"{GOOD}; {FORGED}", "valid", id="good, forged"),
        pytest.param(f"{OLD}; {GOOD}", "valid", id="old, good"),
        pytest.param(f"{GOOD}; {LATER}", "valid", id="good, later"),
        pytest.param(f"{FORGED}; {OLD}", "idle_expired", id="forged, old"),
        pytest.param(f"{FORGED}; {FORGED}", "bad_signature", id="forged twice"),
        pytest.param(f"{FORGED}; {NAME}=é", "bad_signature", id="forged, no ASCII"),
        pytest.param(f"{NAME}=a; {LARGE}", "too_large", id="no token, too large"),
        pytest.param(f"{LARGE}; {GOOD}", "valid", id="too large, good"),
        pytest.param(f'{NAME}=""; {GOOD}', "valid", id="empty, good"),
        pytest.param(
            "; ".join([FORGED] * 8 + [GOOD]), "bad_signature", id="one too many"
        ),
    ],
)
@pytest.mark.usefixtures("with_key")
def test_the_verdict_is_the_apps(
    capsys: pytest.CaptureFixture[str], cookie: str, verdict: str
) -> None:
    session = SecureCookieSessionInterface(KEY).open_session({"HTTP_COOKIE": cookie})
    assert session is not None
    assert (session.rejection or "valid") == verdict
    report = inspect(capsys, cookie, status=0 if verdict == "valid" else 1)
    assert report["verdict"] == verdict
    if verdict == "valid":
        assert report["issued_at"] == session.issued_at
        assert report["created_at"] == session.created_at
        assert list(report["contents"]) == list(session)


@pytest.mark.usefixtures("with_key")
def test_of_several_cookies_of_one_name_the_one_that_counts_is_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    large = make({"of": "old"} | {str(n): n for n in range(9)}, clock=lambda: 1e9)
    report = inspect(capsys, f"{FORGED}; {LATER}; {GOOD}; {large}")
    assert report["contents"] == CONTENTS
    assert report["issued_at"] == inspect(capsys, LATER)["issued_at"]
    assert report["size"] == len(LATER) - len("=")
    ahead = make({"of": "tomorrow"}, clock=lambda: time.time() + 86_400)
    flask = make({"of": "Flask"}, format=FLASK)
    report = inspect(capsys, f"{ahead}; {flask}; {GOOD}")
    assert (report["format"], report["contents"]) == ("signed.v1 (sha256)", CONTENTS)
    report = inspect(capsys, f"{FORGED}; {large}", status=1)
    assert (report["verdict"], report["contents"]["of"]) == ("idle_expired", "old")
    assert report["size"] == len(large) - len("=")


def test_without_a_key_the_first_that_is_a_token_is_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = inspect(capsys, f"{NAME}=a; {GOOD}; {FORGED}")
    assert (report["verdict"], report["contents"]) == ("not_checked", CONTENTS)
    assert report["size"] == len(GOOD) - len("=")


# -- what is said --------------------------------------------------------------


def test_without_a_key_the_contents_are_shown_and_called_unverified(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inspect", make(key=OLD_KEY)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "anyone may have written this" in out
    assert '"user_id": 1' in out


def test_times_bookkeeping_and_size_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = time.time()
    cookie = make(permanent=True, clock=lambda: now)
    report = inspect(capsys, cookie)
    assert report["issued_at"] == report["created_at"] == int(now)
    assert report["permanent"] is True
    assert report["size"] == len(cookie) - len("=")
    assert report["contents"] == CONTENTS  # and nothing of the bookkeeping


def test_the_text_says_the_same_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    long_ago = time.time() - timedelta(days=2, hours=3).total_seconds()
    main(["inspect", make(clock=lambda: long_ago)])
    out = capsys.readouterr().out
    assert "2 days, 3:00:0" in out
    assert "of 4096 bytes" in out
    assert "permanent: no" in out
    main(["inspect", make(clock=lambda: time.time() + 1000)])
    assert "UTC, in 0:16:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        pytest.param({"key": OLD_KEY}, "bad_signature", id="another key"),
        pytest.param({"clock": -32}, "idle_expired", id="unused for 32 days"),
        pytest.param({"clock": 1}, "not_yet_valid", id="from tomorrow"),
    ],
)
@pytest.mark.usefixtures("with_key")
def test_a_cookie_that_is_not_valid_exits_with_1_and_says_why(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], verdict: str
) -> None:
    if days := options.pop("clock", None):
        options["clock"] = lambda: time.time() + days * 24 * 60 * 60
    cookie = make(**options)
    report = inspect(capsys, cookie, status=1)
    assert (report["verdict"], report["contents"]) == (verdict, CONTENTS)
    assert report["format"] == "signed.v1 (sha256)"
    assert main(["inspect", cookie]) == 1
    assert f"NO, {verdict}: " in capsys.readouterr().out


@pytest.mark.usefixtures("with_key")
def test_the_apps_timeouts_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    cookie = make(clock=lambda: time.time() - 40 * 24 * 60 * 60)
    valid = inspect(capsys, cookie, "--idle-timeout", "0")
    assert valid["verdict"] == "valid"
    options = ("--idle-timeout", "0", "--absolute-timeout", "3600")
    expired = inspect(capsys, cookie, *options, status=1)
    assert expired["verdict"] == "absolute_expired"
    main(["inspect", cookie, *options])
    assert "NO, absolute_expired: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "days", "verdict"),
    [
        pytest.param([], 30.9, "valid", id="idle"),
        pytest.param([], 31.1, "idle_expired", id="idle for too long"),
        pytest.param(["--idle-timeout", "0"], 89.9, "valid", id="old"),
        pytest.param(["--idle-timeout", "0"], 90.1, "absolute_expired", id="too old"),
        pytest.param(
            ["--idle-timeout", "0", "--absolute-timeout", "0"], 999, "valid", id="any"
        ),
    ],
)
@pytest.mark.usefixtures("with_key")
def test_the_timeouts_are_31_and_90_days_unless_others_are_given(
    capsys: pytest.CaptureFixture[str], options: list[str], days: float, verdict: str
) -> None:
    cookie = make(clock=lambda: time.time() - days * 24 * 60 * 60)
    report = inspect(capsys, cookie, *options, status=int(verdict != "valid"))
    assert report["verdict"] == verdict


@pytest.mark.usefixtures("with_key")
def test_a_timeout_counts_whole_seconds_as_the_app_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    cookie = make(clock=clock)
    monkeypatch.setattr(time, "time", clock)
    clock.advance(seconds=60.5)
    assert inspect(capsys, cookie, "--idle-timeout", "60")["verdict"] == "valid"
    clock.advance(seconds=0.5)
    late = inspect(capsys, cookie, "--idle-timeout", "60", status=1)
    assert late["verdict"] == "idle_expired"


@pytest.mark.usefixtures("with_key")
def test_a_clock_may_be_a_minute_ahead_of_this_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Clock().now
    monkeypatch.setattr(time, "time", lambda: now)
    assert inspect(capsys, make(clock=lambda: now + 60))["verdict"] == "valid"
    ahead = inspect(capsys, make(clock=lambda: now + 61), status=1)
    assert ahead["verdict"] == "not_yet_valid"


@pytest.mark.usefixtures("with_key")
def test_a_token_of_another_cookies_name_does_not_verify(
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = make(cookie=SESSION).partition("=")[2]
    assert inspect(capsys, token, status=1)["verdict"] == "bad_signature"
    assert inspect(capsys, token, "--name", "session")["verdict"] == "valid"


def test_an_oversized_token_is_not_looked_into(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cookie = make({"a": os.urandom(4000)}, cookie=CookieOptions(max_size=9000))
    assert inspect(capsys, cookie, status=1)["verdict"] == "too_large"
    assert inspect(capsys, "x" * 4097, status=1)["verdict"] == "too_large"
    assert inspect(capsys, "x" * 4096, status=1)["verdict"] == "no_token"


def test_what_cannot_be_read_is_told_in_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for given, words in (
        ("x" * 5000, "valid:     NO, too_large: no browser keeps such a cookie\n"),
        ("garbage", "format:    unknown\n"),
        ("garbage", "valid:     NO: this looks like no token at all"),
    ):
        assert main(["inspect", given]) == 1
        assert words in capsys.readouterr().out


def test_a_forged_payload_that_is_no_session_is_told_as_the_app_would(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, token = make().partition("=")
    forged = f"{name}=W10.{token.partition('.')[2]}"  # []
    report = inspect(capsys, forged)
    assert (report["verdict"], report["contents"]) == ("not_checked", None)
    monkeypatch.setenv("SECRET_KEY", KEY)
    assert inspect(capsys, forged, status=1)["verdict"] == "bad_signature"


def test_a_signed_payload_that_is_no_session_is_malformed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    token = Signer(KEY, FLASKS_SALT, "sha1").token(b64u(b'["no","dict"]'), 1)
    report = inspect(capsys, f"session={token}", status=1)
    assert (report["format"], report["verdict"]) == ("flask (sha1)", "malformed")
    main(["inspect", f"session={token}"])
    assert "valid:     NO, malformed: " in capsys.readouterr().out


@pytest.mark.parametrize("bits", [40, 60, 63])
def test_an_issue_time_that_is_no_date_is_shown_as_a_number(
    capsys: pytest.CaptureFixture[str], bits: int
) -> None:
    main(["inspect", make(clock=lambda: 2.0**bits)])
    assert f"{2**bits}, which is no date" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="cannot change the time zone")
def test_times_are_told_in_utc_wherever_one_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-9")
        time.tzset()
        main(["inspect", make(clock=Clock())])
    time.tzset()
    assert "issued:    2023-11-14 22:13:20 UTC" in capsys.readouterr().out


def test_a_cookie_of_this_second_is_told_as_past(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Clock().now
    monkeypatch.setattr(time, "time", lambda: now + 0.5)
    main(["inspect", make(clock=lambda: now)])
    assert "UTC, 0:00:00 ago" in capsys.readouterr().out


# -- secrets, and terminals ----------------------------------------------------


@pytest.mark.parametrize(
    "argv", [["s=x.y.z", "\x1b]0;pwn\x07"], ["-xSECRET.ZVPxAA.sig"]], ids=ascii
)
def test_an_error_shows_neither_control_characters_nor_the_cookie(
    capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["inspect", *argv])
    error = capsys.readouterr().err
    assert error.replace("\n", "").isprintable()
    assert "SECRET" not in error


def test_what_is_no_ascii_is_no_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(capsys, "a.\udcff.b", status=1)["verdict"] == "no_token"


def test_what_a_forged_cookie_nests_is_printed_in_few_bytes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    deep = '{"a":' + "[" * 400 + ",".join("0" * 30_000) + "]" * 400 + "}"
    packed = b64u(zlib.compress(deep.encode()))
    main(["inspect", f"{NAME}=.{packed}.ZVPxAA.{'A' * 43}"])
    assert 30_000 < len(capsys.readouterr().out) < 200_000


def test_control_characters_never_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = "\x1b]0;title\x07\x9b31m\x7f\r\n\u202e\u2028"
    for argv in ([], ["--json"]):
        main(["inspect", make({hostile: [hostile]}), *argv])
        out = capsys.readouterr().out
        assert out.isascii()
        assert out.replace("\n", "").isprintable()
    token = make().partition("=")[2]
    for argv in (
        [f"{hostile}={token}"],
        [f"session={hostile}"],
        [hostile],
        [token, "--name", hostile],
    ):
        with pytest.raises(SystemExit):
            sys.exit(main(["inspect", *argv]))
        printed = "".join(capsys.readouterr())
        assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize("key", [KEY, "a weak key"])
def test_the_key_comes_from_a_file_or_a_variable_and_is_never_printed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    key: str,
) -> None:
    file = tmp_path / "key"
    file.write_bytes(key.encode() + b"\r\n")
    monkeypatch.setenv("MY_KEY", key)
    for option in (["--key-file", str(file)], ["--key-env", "MY_KEY"]):
        with pytest.raises(SystemExit) as exit:
            sys.exit(main(["inspect", make(), *option]))
        assert exit.value.code == (0 if key == KEY else 2)
        assert key not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("made_with", "held", "verdict", "note"),
    [
        pytest.param(KEY, f"{KEY}\n", "valid", "without the white", id="stripped"),
        pytest.param(
            KEY, f" {KEY}\r\n", "valid", "without the white", id="at both ends"
        ),
        pytest.param(f"{KEY}\n", f"{KEY}\n", "valid", "with the white", id="as it is"),
        pytest.param(f"{KEY}\n", KEY, "bad_signature", "", id="not added"),
        pytest.param(OLD_KEY, f"{KEY}\n", "bad_signature", "", id="neither"),
        pytest.param(KEY, KEY, "valid", "", id="no white space"),
    ],
)
@pytest.mark.parametrize("source", ["file", "variable"])
def test_white_space_around_a_key_is_part_of_it_or_not_and_which_is_said(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    made_with: str,
    held: str,
    verdict: str,
    note: str,
    source: str,
) -> None:
    (tmp_path / "key").write_bytes(held.encode())
    monkeypatch.setenv("SECRET_KEY", held)
    option = ["--key-file", str(tmp_path / "key")] if source == "file" else []
    main(["inspect", "--json", make(key=made_with), *option])
    out, err = capsys.readouterr()
    assert json.loads(out)["verdict"] == verdict
    assert err.count("\n") == bool(note)
    assert f"the right one {note}" in err or not note


def test_two_sources_of_a_key_are_wrong_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["inspect", "x", "--key-env", "A", "--key-file", "b"]
    assert "not allowed with" in usage_error(capsys, *argv)


# -- help ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        pytest.param(
            ["--help"],
            [
                "usage: python -m cookiesession ",
                "Make keys and look into cookies.",
                "keygen print a new, good secret key",
                "inspect say what a session cookie holds",
            ],
            id="all",
        ),
        pytest.param(
            ["inspect", "--help"],
            [
                "usage: python -m cookiesession inspect ",
                "Say what a session cookie holds and whether it is valid.",
                "cookie default: read from standard input",
                "--name NAME the cookie's name (default: found, or __Host-session)",
                "--key-env VARIABLE the environment variable with the key",
                "--key-file FILE a file with the key instead",
                f"--salt SALT default: {SignedFormat.salt}",
                "--idle-timeout SECONDS as the app has it; 0 for no limit",
                "--absolute-timeout SECONDS as the app has it; 0 for no limit",
                "--json print one JSON object",
                "exit status: 0 the cookie is valid",
            ],
            id="inspect",
        ),
    ],
)
def test_the_help_says_what_each_argument_is(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    wanted: list[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as exit:
        main(argv)
    assert exit.value.code == 0
    out = capsys.readouterr().out
    said = " ".join(out.split())
    assert [each for each in wanted if each not in said] == []
    assert ("\n  1  it is not: " in out) == (argv[0] == "inspect")  # lines are kept


def test_a_command_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required: command" in usage_error(capsys)


# -- as a program --------------------------------------------------------------


def run(
    *argv: str, stdin: str = "", key: str = KEY
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cookiesession", *argv],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, "SECRET_KEY": key},
    )


def test_it_runs_as_a_program() -> None:
    assert run("inspect", stdin=make()).returncode == 0
    forged = run("inspect", "--json", stdin=make(key=OLD_KEY))
    assert forged.returncode == 1
    assert json.loads(forged.stdout)["verdict"] == "bad_signature"
    assert run().returncode == 2
    assert run("inspect", stdin="\n").returncode == 2
    help = run("inspect", "--help")
    assert help.returncode == 0
    assert "exit status:" in help.stdout


def test_nothing_is_logged_on_top_of_what_is_said() -> None:
    short = KEY[:20]  # of which an interface warns
    done = run("inspect", stdin=make(key=short), key=short)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_report_says_all_there_is_to_say_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    interface = SecureCookieSessionInterface(KEY, clock=clock, permanent=True)
    first = interface.open_session({})
    assert first is not None
    first["user"] = "ada"
    [cookie] = values_of(save_session(interface, first), "Set-Cookie")
    clock.advance(days=20)
    renewed = interface.open_session({"HTTP_COOKIE": cookie})
    assert renewed is not None
    renewed["cart"] = [1]
    [cookie] = values_of(save_session(interface, renewed), "Set-Cookie")
    monkeypatch.setattr(time, "time", lambda: clock.now + 90_061)
    monkeypatch.setenv("SECRET_KEY", KEY)

    assert main(["inspect", cookie]) == 0

    assert (
        capsys.readouterr().out
        == """\
cookie:    __Host-session
format:    signed.v1 (sha256)
size:      145 of 4096 bytes, name included
valid:     yes
issued:    2023-12-04 22:13:20 UTC, 1 day, 1:01:01 ago
created:   2023-11-14 22:13:20 UTC, 21 days, 1:01:01 ago
permanent: yes
contents:  {
  "user": "ada",
  "cart": [
    1
  ]
}
"""
    )
