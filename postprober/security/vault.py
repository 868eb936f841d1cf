"""Sealed secrets: AES-256-GCM envelopes that fit one place only.

An envelope is text: `v1.<key id>.<base64url of nonce and ciphertext>`. The table, column and row are bound in as
associated data, so a ciphertext copied to another row, column or table does not open.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from postprober.errors import ConfigurationError, VaultError

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bit random nonces
_VERSION = "v1"


@dataclass(frozen=True)
class Place:
    """Where a secret lives. `row` is the row's primary key as text."""

    table: str
    column: str
    row: str

    def aad(self) -> bytes:
        return f"postprober|{self.table}|{self.column}|{self.row}".encode()


@dataclass(frozen=True)
class Vault:
    """Seals with the first key, opens with any. `keys`: id -> 32 bytes, the first one is current."""

    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise ConfigurationError("There is no vault key: set POSTPROBER_VAULT_KEYS.")
        for name, key in self.keys.items():
            if len(key) != KEY_BYTES or not name.isalnum():
                raise ConfigurationError(
                    "A vault key is unusable: POSTPROBER_VAULT_KEYS wants name:base64 of 32 bytes, comma separated."
                )

    @property
    def current(self) -> str:
        return next(iter(self.keys))

    def seal(self, secret: str, place: Place) -> str:
        """The envelope of `secret`, for `place` only."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, secret.encode(), place.aad())
        return f"{_VERSION}.{self.current}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, envelope: str, place: Place) -> str:
        """The secret. Raises VaultError: unknown key, damaged, or sealed for another place."""
        version, _, rest = envelope.partition(".")
        key_id, _, body = rest.partition(".")
        if version != _VERSION or key_id not in self.keys:
            raise VaultError(f"A stored secret was sealed with the key {key_id!r}, which is not at hand.")
        try:
            raw = base64.urlsafe_b64decode(body)
            return AESGCM(self.keys[key_id]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.aad()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise VaultError("A stored secret is damaged or belongs to another place.") from None

    def beginnings(self) -> tuple[str, ...]:
        """How the envelopes that can be opened begin."""
        return tuple(f"{_VERSION}.{key}." for key in self.keys)

    def is_current(self, envelope: str) -> bool:
        """Whether `envelope` was sealed with the current key."""
        return envelope.startswith(f"{_VERSION}.{self.current}.")


def parse_keys(text: SecretStr) -> dict[str, bytes]:
    """`name:base64,name:base64` to keys, the first one current. Raises ConfigurationError, without showing the keys."""
    if (mistake := _parsed(text)[1]) is not None:
        raise mistake  # from here: the frame that has the keys in its variables is none of the traceback
    return _parsed(text)[0]


def _parsed(text: SecretStr) -> tuple[dict[str, bytes], ConfigurationError | None]:
    """The keys as far as they are right, and the first mistake."""
    keys: dict[str, bytes] = {}
    for item in filter(None, (piece.strip() for piece in text.get_secret_value().split(","))):
        name, _, encoded = item.partition(":")
        try:
            keys[name] = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return keys, ConfigurationError(f"The vault key {name!r} is not valid base64.")
        if len(keys[name]) != KEY_BYTES:
            return keys, ConfigurationError(f"The vault key {name!r} has {len(keys[name])} bytes; AES-256 wants 32.")
    return keys, None


def new_key() -> str:
    """A fresh random key as base64."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()
