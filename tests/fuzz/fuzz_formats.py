"""Fuzz each format's loader: ``python tests/fuzz/fuzz_formats.py -max_total_time=600``.

Needs ``pip install atheris cryptography``. The fuzzed payloads are signed or encrypted
with the right key, as an attacker with a leaked key would do, so that the parsers are
reached. Whatever is read can be written again, and reads as the same.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]  # tox leaves it empty

from forge import (  # noqa: E402
    FLASKS_SALT,
    Signer,
    b64u,
    bound,
    deflated,
    encrypted,
    plaintext,
    stamp,
)

atheris: Any = import_module("atheris")

with atheris.instrument_imports(include=["cookiesession"]):
    from cookiesession import (
        FLASK,
        CookieOptions,
        EncryptedFormat,
        SecureCookieSessionInterface,
        SessionTooLarge,
        SignedFormat,
    )

KEY = "fuzz-only-key-0123456789-ABCDEFG"
NAME = "session"
NOW = 1_700_000_000
FORMATS = (SignedFormat(), FLASK, EncryptedFormat())
SIGNERS = (Signer(KEY, bound(NAME)), Signer(KEY, FLASKS_SALT, "sha1"))
CODECS = [format.bind(KEY.encode(), NAME) for format in FORMATS]
INTERFACES = [
    SecureCookieSessionInterface(
        KEY,
        format=format,
        cookie=CookieOptions(name=NAME, secure=False),
        clock=lambda: NOW,
    )
    for format in FORMATS
]
KEYS = [
    " t", " b", " m", " u", " d", " di", " date", " time", " delta", " n", " s", " fs",
    " x", " t__", "a", "", "_cs", "_permanent", " ",
]  # fmt: skip
TEXTS = ["", "AP8=", "1e5", "NaN", "2024-01-02T03:04:05+00:00", "03:04", "\ud800", " t"]


def value_from(fuzz: Any, depth: int) -> Any:
    """A JSON value, rich in tags."""
    kind = fuzz.ConsumeIntInRange(0, 8 if depth else 5)
    if kind == 0:
        return fuzz.ConsumeUnicode(8)
    if kind == 1:
        return fuzz.PickValueInList(TEXTS)
    if kind == 2:
        return fuzz.ConsumeInt(10)
    if kind == 3:
        return fuzz.ConsumeFloat()
    if kind == 4:
        return fuzz.PickValueInList([None, True, False, 0, -1, 10**18, 10**30])
    if kind == 5:
        return fuzz.ConsumeUnicode(40)
    items = [value_from(fuzz, depth - 1) for _ in range(fuzz.ConsumeIntInRange(0, 3))]
    if kind == 6:
        return items
    return {fuzz.PickValueInList(KEYS): item for item in items}


def json_from(fuzz: Any) -> bytes:
    """A payload: any bytes, or JSON."""
    if fuzz.ConsumeBool():
        return bytes(fuzz.ConsumeBytes(4096))
    pairs = range(fuzz.ConsumeIntInRange(0, 3))
    data = {fuzz.PickValueInList(KEYS): value_from(fuzz, 4) for _ in pairs}
    return json.dumps(data, ensure_ascii=fuzz.ConsumeBool()).encode(
        "utf-8", "surrogatepass"
    )


def signed_token(signer: Signer, fuzz: Any) -> str:
    """A token whose signature is right, whatever it signs."""
    shape = fuzz.ConsumeIntInRange(0, 4)
    issued = stamp(NOW)
    if shape == 3:
        issued = b64u(fuzz.ConsumeBytes(9))
    if shape == 4:
        return signer.sign(fuzz.ConsumeBytes(100).decode("latin-1"))
    text = json_from(fuzz)
    if shape == 0:
        payload = b64u(text)
    elif shape == 1:
        payload = deflated(text)
    else:
        payload = "." + b64u(text)
    return signer.sign(f"{payload}.{issued}")


def encrypted_token(fuzz: Any) -> str:
    """A token whose authentication tag is right, whatever it encrypts."""
    if fuzz.ConsumeBool():
        return encrypted(fuzz.ConsumeBytes(1000), KEY, NAME)
    created = int.from_bytes(fuzz.ConsumeBytes(8), "big")
    return encrypted(plaintext(json_from(fuzz), NOW, created), KEY, NAME)


def test_one_input(data: bytes) -> None:
    fuzz = atheris.FuzzedDataProvider(data)
    index = fuzz.ConsumeIntInRange(0, len(FORMATS) - 1)
    interface = INTERFACES[index]
    if index < len(SIGNERS):
        token = signed_token(SIGNERS[index], fuzz)
    else:
        token = encrypted_token(fuzz)
    session = interface.read_cookie(f"{NAME}={token}")
    try:
        again = interface.read_cookie(interface.make_cookie(session))
    except SessionTooLarge:
        return  # what came compressed well may not do so in our spelling
    codec = CODECS[index]  # compares NaN as equal, too
    assert codec.render(again, False, None) == codec.render(session, False, None)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
