"""Base64url and time stamps: each value in one spelling, and in no other.

A second spelling of a token would be a second token for the same session, which
whoever counts, revokes or compares tokens would not know. So what was decoded must
encode to what came.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from functools import lru_cache

_SWAP = bytes.maketrans(b"+/-_", b"-_+/")  # base64 <-> base64url


class Malformed(Exception):
    """What was signed, or is about to be trusted, says nothing sensible."""


def encode_base64(data: bytes) -> bytes:
    """Unpadded base64url, as itsdangerous' ``base64_encode``."""
    return b2a_base64(data, newline=False).translate(_SWAP, b"=")


def decode_base64(encoded: bytes) -> bytes:
    """Decode unpadded base64url, in the one spelling that encoding gives.

    :raises Malformed: For any other. CPython's decoder ignores spare bits, padding and
        foreign characters.
    """
    standard = encoded.translate(_SWAP)
    try:
        decoded = a2b_base64(standard + b"==")
    except ValueError:
        raise Malformed from None
    if b2a_base64(decoded, newline=False).rstrip(b"=") != standard:
        raise Malformed
    return decoded


@lru_cache(maxsize=1)  # of one second, many
def encode_time(seconds: int) -> bytes:
    """A time stamp: base64url of the big-endian number, no leading zero bytes."""
    return encode_base64(seconds.to_bytes((seconds.bit_length() + 7) // 8, "big"))


def decode_time(stamp: bytes) -> int:
    """The seconds of a time stamp.

    :raises Malformed: For more than eight bytes, or leading zero bytes.
    """
    seconds = decode_base64(stamp)
    if len(seconds) > 8 or seconds[:1] == b"\0":
        raise Malformed
    return int.from_bytes(seconds, "big")
