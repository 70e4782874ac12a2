"""Tokens: signed as itsdangerous does, spelled in one way, and a hostile payload under
the right key is an empty session."""

from __future__ import annotations

import hashlib
import string
import subprocess
import sys
import zlib
from typing import Any

import pytest
from forge import FLASKS_SALT, Signer, b64u, bound, deflated, stamp, unb64u
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from support import (
    ENCRYPTED,
    FORMATS,
    KEY,
    needs_extras,
    params_of,
    save_session,
    values_of,
)
from values import assert_same, sessions

from cookiesession import (
    FLASK,
    ConfigError,
    CookieOptions,
    EncryptedFormat,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SignedFormat,
)

NAME = "__Host-session"
NOW = 1_700_000_000
ALPHABET = string.ascii_letters + string.digits + "-_"
every_format = pytest.mark.parametrize(
    "format", params_of({**FORMATS, "sha512": SignedFormat(digest="sha512")})
)


def made(format: Any = SignedFormat(), **options: Any) -> SecureCookieSessionInterface:
    cookie = options.pop("cookie", CookieOptions(max_size=70_000))
    return SecureCookieSessionInterface(
        KEY, format=format, cookie=cookie, clock=lambda: NOW, **options
    )


def session_from(interface: SecureCookieSessionInterface, token: str) -> Any:
    session = interface.open_session({"HTTP_COOKIE": f"{NAME}={token}"})
    assert isinstance(session, SecureCookieSession)
    return session


def token_of(format: Any, data: dict[str, Any]) -> str:
    return made(format).make_cookie(data).partition("=")[2]


# -- the untouched library ------------------------------------------------------------

secrets = st.binary(min_size=1, max_size=100)
salts = st.text(string.ascii_letters + " .:\u00fc", min_size=1, max_size=20)
digests = st.sampled_from(["sha1", "sha256", "sha384", "sha512"])
times = st.integers(0, 2**33)


class FixedTime(TimestampSigner):
    now = NOW

    def get_timestamp(self) -> int:
        return self.now


class JSONText:
    """Our serializer's place in itsdangerous': what it signs is text already."""

    @staticmethod
    def dumps(text: object) -> str:
        return str(text)

    loads = dumps


def untouched(secret: bytes, salt: str, digest: str, now: int) -> Any:
    signer = type("At", (FixedTime,), {"now": now})
    return URLSafeTimedSerializer(
        secret,
        salt=salt,
        serializer=JSONText,
        signer=signer,
        signer_kwargs={
            "key_derivation": "hmac",
            "digest_method": getattr(hashlib, digest),
        },
    )


@given(sessions(), secrets, salts, digests, times)
def test_itsdangerous_reads_what_we_write(
    data: dict[str, Any], secret: bytes, salt: str, digest: str, now: int
) -> None:
    codec = SignedFormat(salt=salt, digest=digest, bind_name=False).bind(secret, NAME)
    text = codec.render(data, False, None)

    token = codec.seal(text, now, now)

    theirs = untouched(secret, salt, digest, now)
    assert theirs.loads(token, return_timestamp=True)[0] == text
    if not token.startswith("."):  # they compress from the first byte on, as Flask
        signer = theirs.make_signer(theirs.salt)
        assert signer.sign(b64u(text.encode())).decode() == token


@given(sessions(), secrets, salts, digests, times)
def test_we_read_what_itsdangerous_writes(
    data: dict[str, Any], secret: bytes, salt: str, digest: str, now: int
) -> None:
    codec = SignedFormat(salt=salt, digest=digest, bind_name=False).bind(secret, NAME)
    text = codec.render(data, True, 0)

    opened = codec.open(untouched(secret, salt, digest, now).dumps(text).encode())

    assert opened is not None
    assert opened.text == text
    assert_same(opened.data, data)
    assert (opened.issued, opened.created, opened.permanent) == (now, 0, True)


@given(st.binary(min_size=1, max_size=100), salts, digests, st.binary(max_size=300))
def test_the_kept_signer_signs_as_the_untouched_one(
    secret: bytes, salt: str, digest: str, value: bytes
) -> None:
    """Several times, as its HMAC object is kept and copied."""
    codec = SignedFormat(salt=salt, digest=digest, bind_name=False).bind(secret, "n")
    signer = TimestampSigner(
        secret, salt, key_derivation="hmac", digest_method=getattr(hashlib, digest)
    )

    for _ in range(2):
        written, _, signature = codec.seal(value.hex(), NOW, NOW).rpartition(".")
        assert signer.get_signature(written).decode() == signature


NOISE = "".join(b64u(hashlib.sha512(bytes([n])).digest()) for n in range(8))
FLASKS = FLASK.bind(KEY.encode(), NAME)


def payload_of(text: str) -> str:
    return FLASKS.seal(text, NOW, NOW).rsplit(".", 2)[0]


def test_a_payload_is_compressed_where_itsdangerous_would() -> None:
    texts = [NOISE[:size] + "x" * more for size in range(1, 60) for more in range(30)]
    gains = {text: len(text) - len(zlib.compress(text.encode())) for text in texts}

    assert {0, 1, 2} <= set(gains.values())
    for text, gain in gains.items():
        assert payload_of(text).startswith(".") == (gain > 1), text


@pytest.mark.parametrize("gap", [1, 200, 5_000, 20_000, 31_000])
def test_what_repeats_far_away_is_compressed_as_well(gap: int) -> None:
    text = NOISE + "x" * gap + NOISE

    assert len(payload_of(text)) == 1 + len(b64u(zlib.compress(text.encode())))


# -- one spelling ---------------------------------------------------------------------


@every_format
@pytest.mark.parametrize("size", [1, 2, 3, 400])
def test_of_all_tokens_of_one_changed_character_only_the_token_is_accepted(
    format: Any, size: int
) -> None:
    interface = made(format)
    token = token_of(format, {"a": "b" * size})
    letters = ALPHABET + ".+/= %\u00e9" if size < 400 else ALPHABET[::7] + "."

    accepted = {
        changed
        for place in range(len(token))
        for letter in letters
        if session_from(
            interface, changed := token[:place] + letter + token[place + 1 :]
        )
    }

    assert accepted <= {token}
    assert session_from(interface, token)["a"] == "b" * size


@every_format
@pytest.mark.parametrize("size", range(4))
def test_padding_space_and_other_additions_are_refused(format: Any, size: int) -> None:
    interface = made(format)
    token = token_of(format, {"a": "b" * size, "n": 1})
    parts = token.split(".")
    additions = [
        "=",
        "==",
        "===",
        ".",
        "A",
        "AAAA",
        "\n",
        "\0",
        "%3D",
        '"',
        "\u00a0",
        "+",
    ]
    changed = [
        ".".join([*parts[:index], place, *parts[index + 1 :]])
        for index, part in enumerate(parts)
        for more in additions
        for place in (part + more, more + part)
    ]

    assert not any(session_from(interface, each) for each in changed)
    assert not session_from(interface, f'"{token}"')
    assert session_from(interface, f"\t {token} \t")  # the cookie's, not the token's


@every_format
@given(text=st.text(ALPHABET + "._=+/ ", max_size=120))
def test_no_text_at_all_is_a_session(format: Any, text: str) -> None:
    assert not session_from(made(format), text)


SIGNER = Signer(KEY, bound(NAME))


@pytest.mark.parametrize(
    ("format", "signer"),
    [(SignedFormat(), SIGNER), (FLASK, Signer(KEY, FLASKS_SALT, "sha1"))],
    ids=["signed", "flask"],
)
def test_a_signed_part_in_another_spelling_is_malformed(
    format: SignedFormat, signer: Signer
) -> None:
    """Only who has the key can make these; still a session has one token."""
    good, time = b64u(b'{"a":1}'), stamp(NOW)
    squeezed = deflated(b'{"a":1}')
    spellings = {
        f"{good}=.{time}",
        f"{good[:-1]}R.{time}",  # the last two bits, which mean nothing
        f"{good}.{time}==",
        f"{good}.{time[:-1]}B",
        f"{good}.{b64u(bytes(1) + unb64u(time))}",
        f"{good}.{b64u(bytes([1]) * 9)}",
        f"{good}.A",
        f"{good}",
        f"{time}",
        "",
        f".{time}",
        f"..{time}",
        f"{squeezed}=.{time}",
        f"{squeezed}.{time}.{time}",
        f"{good}.{good}.{time}",
    }

    for value in spellings:
        token = signer.sign(value)
        if set(token) <= set(ALPHABET + "."):
            assert session_from(made(format), token).rejection == "malformed", value
        assert not session_from(made(format), token)


# -- hostile payloads under the right key ---------------------------------------------


def signed_payload(raw: bytes, *, compress: bool = False) -> str:
    return SIGNER.token(deflated(raw) if compress else b64u(raw), NOW)


def deflate(raw: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return compressor.compress(raw) + compressor.flush()


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "not json": b"{'a': 1}",
    "cut off": b'{"a":1',
    "more after it": b'{"a":1}{}',
    "a space before it": b' {"a":1}',
    "a list": b"[1]",
    "an int": b"42",
    "null": b"null",
    "a str": b'"a"',
    "a tag instead of a dict": b'{" t":[1]}',
    "an unknown tag": b'{"a":{" x":1}}',
    "a tag of wrong type": b'{"a":{" t":{"a":1}}}',
    "a tag of wrong content": b'{"a":{" d":"yesterday"}}',
    "a set of lists": b'{"a":{" s":[[1]]}}',
    "an escape of nothing": b'{"a":{" di":[]}}',
    "65 levels": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "65 levels of tags": b'{"a":' + b'{" t":[' * 64 + b"]}" * 64 + b"}",
    "65 levels of dicts": b'{"a":' * 65 + b"1" + b"}" * 65,
    "30,000 levels": b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "100,000 levels": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 levels, never closed": b"[" * 100_000,
    "10,000 levels of tags": b'{" t":[' * 9_000,
    "more than 65,536 bytes": b'{"a":"' + b"a" * 65_536 + b'"}',
    "half a surrogate pair": b'{"a":"\\ud800"}',
    "half a pair as a key": b'{"\\udc00":1}',
    "half a pair in Markup": b'{"a":{" m":"\\uDBFF"}}',
    "an int of 4,301 digits": b'{"a":' + b"9" * 4301 + b"}",
    "an int of 60,000 digits": b'{"a":-' + b"9" * 60_000 + b"}",
    "a creation time of text": b'{"a":1,"_cs":"1"}',
    "a creation time of float": b'{"a":1,"_cs":1.5}',
    "a creation time of null": b'{"a":1,"_cs":null}',
    "a creation time of true": b'{"a":1,"_cs":true}',
    "a creation time of a list": b'{"a":1,"_cs":[1]}',
    "a negative creation time": b'{"a":1,"_cs":-1}',
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "bytes of zero": bytes(1000),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
def test_a_hostile_payload_is_an_empty_session(raw: bytes, compress: bool) -> None:
    token = signed_payload(raw, compress=compress)
    interface = made(cookie=CookieOptions(max_size=300_000))

    session = session_from(interface, token)

    assert session.rejection == "malformed"
    assert dict(session) == {}
    session["user"] = "ada"  # and it works from there
    headers: list[tuple[str, str]] = []
    interface.save_session({"wsgi.url_scheme": "https"}, session, "200 OK", headers)
    assert any(name == "Set-Cookie" for name, _ in headers)


@pytest.mark.parametrize(
    "stream",
    [
        zlib.compress(b'{"a":1}') + b"x",
        zlib.compress(b'{"a":1}') + zlib.compress(b'{"a":1}'),
        zlib.compress(b'{"a":1}')[:-1],
        zlib.compress(b'{"a":1}')[:-4] + bytes(4),
        deflate(b'{"a":1}', wbits=-15),
        deflate(b'{"a":1}', wbits=31),
        b"",
        b"x",
        b'{"a":1}',
    ],
    ids=["a byte after it", "two streams", "cut off", "wrong checksum", "raw deflate",
         "gzip", "nothing", "no stream", "not compressed"],
)  # fmt: skip
def test_what_is_no_whole_zlib_stream_is_malformed(stream: bytes) -> None:
    token = SIGNER.token("." + b64u(stream), NOW)

    assert session_from(made(), token).rejection == "malformed"


@needs_extras
@pytest.mark.parametrize("created", [2**31, 2**63, 2**64, 10**4000])
def test_a_creation_time_after_the_issue_gains_nothing(created: int) -> None:
    token = signed_payload(b'{"a":1,"_cs":%d}' % created)
    interface = made(ENCRYPTED, accept=[SignedFormat()], absolute_timeout=None)

    session = session_from(interface, token)

    assert session.created_at == NOW
    headers: list[tuple[str, str]] = []
    interface.save_session({"wsgi.url_scheme": "https"}, session, "200 OK", headers)
    cookie = dict(headers)["Set-Cookie"].partition(";")[0]
    assert interface.read_cookie(cookie) == {"a": 1}


SPACED = '{"a": [1, 2], "b" : "\u00fc"}'.encode()


SPELLED = {
    "read": (SignedFormat(), dict),
    "changed": (SignedFormat(), lambda s: s["a"].reverse()),
    "encrypted, read": (ENCRYPTED, dict),
    "encrypted, assigned": (ENCRYPTED, lambda s: s.update(b="\u00fc")),
    "encrypted, changed": (ENCRYPTED, lambda s: s["a"].reverse()),
}


@pytest.mark.parametrize(("format", "use"), params_of(SPELLED))
def test_another_program_s_spelling_is_read_and_written_once_in_ours(
    format: Any, use: Any
) -> None:
    """Only the text tells; it costs one needless Set-Cookie, and no more."""
    interface = made(format, accept=[SignedFormat()])
    session = session_from(interface, signed_payload(SPACED))
    use(session)
    contents = dict(session)
    [cookie] = values_of(save_session(interface, session), "Set-Cookie")

    again = interface.open_session({"HTTP_COOKIE": cookie.partition(";")[0]})

    assert dict(again or {}) == contents
    assert not again.modified  # type: ignore[union-attr]


def test_another_program_s_spelling_is_left_alone_where_nothing_can_have_changed() -> (
    None
):
    session = session_from(made(), signed_payload(SPACED))

    assert session["b"] == "\u00fc"
    assert not session.modified


def test_permanent_is_a_bool_whatever_another_program_stored() -> None:
    session = session_from(made(), signed_payload(b'{"a":1,"_permanent":1}'))

    assert session.permanent is True


BOMB = """
import resource, sys, zlib
sys.path[:0] = {path!r}
from test_tokens import NOW, SIGNER, b64u, made, session_from

squeeze = zlib.compressobj(9)
parts = [squeeze.compress(b'{{"a":"')]
parts += [squeeze.compress(b"a" * 2**20) for _ in range(200)]
stream = b"".join([*parts, squeeze.compress(b'"}}'), squeeze.flush()])
token = SIGNER.token("." + b64u(stream), NOW)
interface = made(cookie=__import__("cookiesession").CookieOptions(max_size=10**6))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(session_from(interface, token).rejection, len(token))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_200_mb_are_not_inflated() -> None:
    source = BOMB.format(path=sys.path)
    printed = subprocess.run(
        [sys.executable, "-c", source], check=True, capture_output=True, text=True
    ).stdout

    reason, size, kilobytes = printed.split()
    assert reason == "malformed"
    assert int(size) > 200_000
    assert int(kilobytes) < 4096


# -- which token, and why not ---------------------------------------------------------


DAY = 24 * 60 * 60
#: From the most telling to the least.
REJECTED = [
    SIGNER.token(b64u(b'{"a":1}'), NOW - 32 * DAY),
    SIGNER.token(b64u(b'{"a":1,"_cs":%d}' % (NOW - 91 * DAY)), NOW),
    SIGNER.token(b64u(b'{"a":1}'), NOW + 61),
    signed_payload(b"[]"),
    "A" * 70_001,
]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["x", "A" * 70_001], "too_large"),
        (["x", signed_payload(b"[]")], "malformed"),
        (["x", "y"], "bad_signature"),
        ([*REJECTED, "x"], "idle_expired"),
        ([*REJECTED[1:], "x"], "absolute_expired"),
        ([*REJECTED[2:], "x"], "not_yet_valid"),
        ([*REJECTED[3:], "x"], "malformed"),
        ([*REJECTED[4:], "x"], "too_large"),
        (["", "a b", "a=b"], "bad_signature"),
        ([""], "bad_signature"),
        ([f"{NAME}"], "bad_signature"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_several_reasons_the_most_telling_is_given(
    values: list[str], reason: str
) -> None:
    session: Any = made().open_session(
        {"HTTP_COOKIE": "; ".join(f"{NAME}={value}" for value in values)}
    )

    assert session.rejection == reason


# -- formats ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", params_of({"signed": SignedFormat, "encrypted": EncryptedFormat})
)
@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"salt": ""}, "salt must be"),
        ({"salt": b"a"}, "salt must be"),
        ({"salt": "a\0b"}, "without NUL"),
        ({"salt": "a\nb"}, "salt must be printable"),
        ({"serializer": "json"}, "serializer must be"),
        ({"cookie_name": "a b"}, "cookie_name must be"),
        ({"cookie_name": ""}, "cookie_name must be"),
    ],
    ids=str,
)
def test_a_format_that_cannot_work_is_a_config_error(
    kind: Any, options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        kind(**options)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"digest": "md5"}, "digest must be one of sha1, sha256, sha384, sha512"),
        ({"digest": None}, "digest must be"),
        ({"bind_name": 1}, "bind_name must be True or False"),
    ],
    ids=str,
)
def test_so_is_a_signature_that_cannot_work(
    options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        SignedFormat(**options)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SignedFormat(salt="", digest="md5", bind_name=None)  # type: ignore[arg-type]

    assert len(caught.value.faults) == 3


def test_json_of_exactly_65_536_bytes_is_read(
    interface: SecureCookieSessionInterface,
) -> None:
    text = b'{"a":"' + b"a" * (65_536 - 8) + b'"}'

    cookie = f"{NAME}={signed_payload(text, compress=True)}"

    assert interface.read_cookie(cookie) == {"a": "a" * 65_528}


def test_a_tag_is_a_tag_however_another_program_spells_its_space(
    interface: SecureCookieSessionInterface,
) -> None:
    token = signed_payload(rb'{"a":{"\u0020t":[1]}}')

    assert interface.read_cookie(f"{NAME}={token}") == {"a": (1,)}


@pytest.mark.parametrize(
    ("max_size", "size", "reason"),
    [
        (4096, 4096, "bad_signature"),
        (4096, 4097, "too_large"),
        (20, 4096, "bad_signature"),  # another program may have made it
        (20, 4097, "too_large"),
        (8000, 8000, "bad_signature"),
        (8000, 8001, "too_large"),
    ],
)
def test_a_token_is_looked_at_up_to_4096_bytes_or_the_limit_of_ours(
    max_size: int, size: int, reason: str
) -> None:
    interface = made(cookie=CookieOptions(max_size=max_size))

    assert session_from(interface, "A" * size).rejection == reason


def test_a_session_larger_than_ours_may_be_is_read() -> None:
    small = made(cookie=CookieOptions(max_size=20))

    assert small.read_cookie(made().make_cookie({"a": "!!!"})) == {"a": "!!!"}
