"""Signing (BIP-340) by libsecp256k1, in the package coincurve, which is an extra: `postprober[nostr]`."""

from __future__ import annotations

from typing import Any

from postprober import extras
from postprober.errors import HERE, BadInput, ReconnectNeeded, Unavailable
from postprober.platforms.nostr.codes import secret_in


def need() -> None:
    """Raises Unavailable, with what to install, where the extra is not there; a newer or complete process can do it."""
    if not extras.has("nostr"):
        raise Unavailable(extras.sentence("nostr"), code=HERE)


class Signer:
    """One private key. Its representation tells the public key only."""

    def __init__(self, typed: str) -> None:
        """`typed`: `nsec1…` or hexadecimal. Raises Unavailable or ReconnectNeeded."""
        need()
        try:
            self._key = _key(secret_in(typed))
        except (BadInput, ValueError) as error:
            message = "The stored private key is none; reconnect the account."
            raise ReconnectNeeded(message, type(error).__name__) from None
        self.public: str = self._key.public_key.format(compressed=True)[1:].hex()

    def __repr__(self) -> str:
        return f"Signer({self.public})"

    def sign(self, digest: bytes) -> str:
        """The signature of 32 bytes, always the same for the same bytes (no auxiliary randomness): a repeat is byte for byte
        what was sent before."""
        return bytes(self._key.sign_schnorr(digest, None)).hex()


def signed_by(public: str, digest: bytes, signature: str) -> bool:
    """Whether the signature of 32 bytes is of the public key. True where nothing is there to check it with."""
    if not extras.has("nostr"):
        return True
    from coincurve import PublicKeyXOnly

    try:
        return bool(PublicKeyXOnly(bytes.fromhex(public)).verify(bytes.fromhex(signature), digest))
    except ValueError:
        return False


def _key(secret: str) -> Any:
    from coincurve import PrivateKey

    return PrivateKey(bytes.fromhex(secret))
