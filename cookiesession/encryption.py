"""The encrypted format: nobody but the servers reads the session.

Only this module touches ``cryptography``, which comes with an extra and is imported
where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any, ClassVar

from .encoding import Malformed, decode_base64, encode_base64
from .signed import keyed_hmac
from .tokens import Codec, Format, Opened


@dataclass(frozen=True, kw_only=True)
class EncryptedFormat(Format):
    """Authenticated encryption: AES-256-GCM, a key per message, padded.

    Never compressed: with compression the length tells the content, padded or not.
    Needs ``cryptography``: ``pip install "cookiesession[encryption]"``.

    :param salt: Separates what is encrypted with one key for different uses.
    :param serializer: What the payload can hold.
    :param cookie_name: In ``accept``: the cookie to read, where it has another name.
    :raises ConfigError: For values that cannot work, or without ``cryptography``.
    """

    hides: ClassVar[bool] = True

    def bind(self, key: bytes, name: str) -> Codec:
        return _EncryptedCodec(self, key, name)

    def faults(self) -> Iterable[str]:
        yield from super().faults()
        try:
            import cryptography  # noqa: F401
        except ImportError:
            yield (
                "EncryptedFormat needs the package cryptography: run `pip install"
                ' "cookiesession[encryption]"`.'
            )


def unpack(token: bytes) -> bytes | None:
    """The bytes of what has an encrypted token's shape: anyone may have made it."""
    try:
        raw = decode_base64(token)
    except Malformed:
        return None
    return raw if raw[:1] == b"\1" and len(raw) >= 1 + 24 + 16 else None


class _EncryptedCodec(Codec):
    """Unpadded base64url of ``01 || r[24] || ciphertext || tag[16]``.

    AES-256-GCM, associated data ``01 || name``. Kn is HKDF-SHA256(secret, no salt, info
    ``cookiesession/enc/1`` 00 salt 00 name); the key is HMAC-SHA256(Kn, r[:12]), the
    nonce r[12:]: a key per message, because one key allows only 2**32 random nonces
    (NIST SP 800-38D, section 8.3). The plaintext is ``issued[8] || created[8] || JSON``
    and a padding ``80 00...``, which makes the JSON a multiple of 64 bytes.
    """

    def __init__(self, format: EncryptedFormat, key: bytes, name: str) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        super().__init__(format, name)
        self._cipher, self._invalid = AESGCM, InvalidTag
        self._associated = b"\1" + name.encode("ascii")
        info = b"\0".join(
            (b"cookiesession/enc/1", format.salt.encode(), name.encode("ascii"))
        )
        named = HKDF(SHA256(), length=32, salt=None, info=info).derive(key)
        self._mac = keyed_hmac(named, "sha256")

    def open(self, token: bytes) -> Opened | None:
        raw = unpack(token)
        if raw is None:
            return None
        key, nonce = self._message_key(raw[1:25])
        try:
            plaintext = self._cipher(key).decrypt(nonce, raw[25:], self._associated)
        except self._invalid:
            return None
        issued = int.from_bytes(plaintext[:8], "big")
        created = int.from_bytes(plaintext[8:16], "big")
        payload = plaintext[16:].rstrip(b"\0")[:-1]
        if plaintext[16:] != _pad(payload):
            raise Malformed
        return self.parse(payload, issued, created)

    def seal(self, text: str, issued: int, created: int) -> str:
        plaintext = (
            issued.to_bytes(8, "big")
            + created.to_bytes(8, "big")
            + _pad(text.encode("ascii"))
        )
        random = token_bytes(24)
        key, nonce = self._message_key(random)
        sealed = self._cipher(key).encrypt(nonce, plaintext, self._associated)
        return encode_base64(b"\1" + random + sealed).decode("ascii")

    def render(
        self,
        data: dict[str, Any],
        permanent: bool,
        created: int | None,
        *,
        plain: bool = False,
    ) -> str:
        # The creation time has a place of its own, before the JSON.
        return super().render(data, permanent, None, plain=plain)

    def _message_key(self, random: bytes) -> tuple[bytes, bytes]:
        return self._mac(random[:12]), random[12:]


def _pad(payload: bytes) -> bytes:
    """80 and zeros up to the next multiple of 64 bytes: the length tells little."""
    return payload + b"\x80" + bytes(-(len(payload) + 1) % 64)
