"""Files that only who has a key can read: encrypted and authenticated in pieces, so that no file has to fit into memory.

    magic (8 bytes) | id of the key (8) | salt (32) | pieces of 1 MiB, each AES-256-GCM with a tag of 16 bytes

The key of a file is derived (HKDF-SHA-256) from the operator's key, the salt and what the file is (`purpose`), so that one file
does not pass for another. The nonce of a piece is its number and whether it is the last: pieces that are swapped, repeated,
cut off or added do not open (the STREAM construction; Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from postprober.errors import ConfigurationError, VaultError
from postprober.security.vault import KEY_BYTES

MAGIC = b"PPSEAL1\n"
PIECE = 1 << 20
_ID, _SALT, _TAG = 8, 32, 16
_HEAD = len(MAGIC) + _ID + _SALT


@dataclass(frozen=True)
class FileKeys:
    """Seals with the first key, opens with any. `keys`: 32 bytes each, at least one."""

    keys: tuple[bytes, ...] = field(repr=False)

    def seal(self, source: BinaryIO, target: BinaryIO, purpose: str) -> None:
        """Write what `source` has to `target`, sealed."""
        key, salt = self.keys[0], os.urandom(_SALT)
        head = MAGIC + _derived(key, b"id", _ID) + salt
        target.write(head)
        cipher, number, piece = _cipher(key, head, purpose), 0, source.read(PIECE)
        while True:
            following = source.read(PIECE)
            target.write(cipher.encrypt(_nonce(number, last=not following), piece, None))
            if not following:
                return
            number, piece = number + 1, following

    def open(self, source: BinaryIO, purpose: str) -> Iterator[bytes]:
        """What was sealed, in pieces. Raises VaultError: no key for it, cut off, changed, or sealed as something else."""
        head = source.read(_HEAD)
        if len(head) < _HEAD or not head.startswith(MAGIC):
            raise VaultError("It is not a sealed file of PostProber.")
        wanted = head[len(MAGIC) : len(MAGIC) + _ID]
        key = next((one for one in self.keys if _derived(one, b"id", _ID) == wanted), None)
        if key is None:
            raise VaultError("It was sealed with another key.")
        cipher, number, piece = _cipher(key, head, purpose), 0, source.read(PIECE + _TAG)
        while True:
            following = source.read(PIECE + _TAG)
            try:
                yield cipher.decrypt(_nonce(number, last=not following), piece, None)
            except InvalidTag:
                raise VaultError("It is not as it was written.") from None
            if not following:
                return
            number, piece = number + 1, following

    def fits(self, source: BinaryIO) -> bool:
        """Whether the sealed file at the beginning of `source` was sealed with one of the keys."""
        head = source.read(_HEAD)
        return any(head[len(MAGIC) : len(MAGIC) + _ID] == _derived(one, b"id", _ID) for one in self.keys)

    def names(self, sha256: str) -> list[str]:
        """Names for a file that do not tell what is in it, always the same: one for each key, the first key's first."""
        return [
            hmac.new(_derived(key, b"names", KEY_BYTES), sha256.encode(), "sha256").hexdigest() for key in self.keys
        ]


def parse_file_keys(text: SecretStr) -> FileKeys | None:
    """Base64 of 32 bytes, several with commas; None: there is none. Raises ConfigurationError, without showing the keys."""
    if (keys := _parsed(text)) is None:
        raise ConfigurationError(  # from here: the frame that has the keys in its variables is none of the traceback
            "POSTPROBER_BACKUP_KEY wants base64 of 32 bytes; make one with: "
            'python -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"'
        )
    return FileKeys(keys) if keys else None


def _parsed(text: SecretStr) -> tuple[bytes, ...] | None:
    try:
        keys = tuple(
            base64.b64decode(piece.strip(), validate=True)
            for piece in text.get_secret_value().split(",")
            if piece.strip()
        )
    except binascii.Error:
        return None
    return keys if all(len(key) == KEY_BYTES for key in keys) else None


def _derived(key: bytes, what: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, None, b"postprober file " + what).derive(key)


def _cipher(key: bytes, head: bytes, purpose: str) -> AESGCM:
    salt = head[-_SALT:]
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, head + purpose.encode()).derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
