"""Keys and ids as people copy them: bech32 (BIP-173) with what NIP-19 puts into it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from postprober.errors import BadInput

HEX = re.compile(r"[0-9a-f]{64}")
_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # BIP-173
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
MOST_CODE = 5000  # signs; NIP-19 lifts BIP-173's 90 and names no other end
_ID, _RELAY, _AUTHOR, _KIND = 0, 1, 2, 3  # types of NIP-19


@dataclass(frozen=True)
class Pointer:
    """What a code names: `kind` is its prefix, `value` 32 bytes as hexadecimal; `relays`: where it may be found; `author`: public
    key, "" where the code does not say."""

    kind: str
    value: str
    relays: tuple[str, ...] = ()
    author: str = ""


def encode(prefix: str, data: bytes) -> str:
    """bech32 of `data`."""
    words = _regroup(data, 8, 5, pad=True) or []
    check = _polymod([*_expand(prefix), *words, 0, 0, 0, 0, 0, 0]) ^ 1
    return f"{prefix}1" + "".join(_CHARSET[one] for one in [*words, *(check >> 5 * (5 - i) & 31 for i in range(6))])


def decode(text: str) -> tuple[str, bytes]:
    """Prefix and data of a bech32 code; ("", b"") for what is none."""
    prefix, one, tail = text.lower().rpartition("1")
    if not one or len(text) > MOST_CODE or len(tail) < 6 or (text.lower() != text and text.upper() != text):
        return "", b""
    words = [_CHARSET.find(sign) for sign in tail]
    if min(words) < 0 or not prefix.isascii() or _polymod([*_expand(prefix), *words]) != 1:
        return "", b""
    data = _regroup(words[:-6], 5, 8, pad=False)
    return ("", b"") if data is None else (prefix, bytes(data))


def npub(public: str) -> str:
    return encode("npub", bytes.fromhex(public))


def nevent(event_id: str, relays: Iterable[str], author: str) -> str:
    """A code of a text note (kind 1) with where it is."""
    data = _item(_ID, bytes.fromhex(event_id))
    for relay in relays:
        data += _item(_RELAY, relay.encode("ascii", "ignore")[:255])
    if author:
        data += _item(_AUTHOR, bytes.fromhex(author))
    return encode("nevent", data + _item(_KIND, (1).to_bytes(4, "big")))


def pointer(text: str) -> Pointer | None:
    """What a code of people or events names, with or without `nostr:` (NIP-21); None for anything else."""
    prefix, data = decode(text.removeprefix("nostr:"))
    if prefix in ("npub", "note") and len(data) == 32:
        return Pointer(prefix, data.hex())
    if prefix not in ("nprofile", "nevent"):
        return None
    value, author, relays = "", "", []
    while len(data) >= 2:
        kind, size, item = data[0], data[1], data[2 : 2 + data[1]]
        data = data[2 + size :]
        if len(item) != size:
            return None
        if kind == _ID and size == 32 and not value:
            value = item.hex()
        elif kind == _RELAY:
            relays.append(item.decode("ascii", "ignore"))
        elif kind == _AUTHOR and size == 32:
            author = item.hex()
    return Pointer(prefix, value, tuple(relays), author) if value else None


def secret_in(typed: str) -> str:
    """A private key as hexadecimal, out of `nsec1…` or hexadecimal. Raises BadInput."""
    text = typed.strip().lower()
    prefix, data = decode(text)
    if prefix == "nsec" and len(data) == 32:
        return data.hex()
    if prefix == "npub":
        raise BadInput("This is your public key; the private key begins with nsec1.", field="access_token")
    if HEX.fullmatch(text):
        return text
    raise BadInput("This is no private key: it begins with nsec1, or has 64 hexadecimal digits.", field="access_token")


def _item(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value))) + value


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for index, generator in enumerate(_GENERATOR):
            check ^= generator if top >> index & 1 else 0
    return check


def _expand(prefix: str) -> list[int]:
    return [ord(sign) >> 5 for sign in prefix] + [0] + [ord(sign) & 31 for sign in prefix]


def _regroup(data: Iterable[int], old: int, new: int, *, pad: bool) -> list[int] | None:
    """The same bits in groups of another size; None where what is left over is no padding."""
    buffer = bits = 0
    out: list[int] = []
    for value in data:
        buffer = (buffer << old | value) & 0xFFFF
        bits += old
        while bits >= new:
            bits -= new
            out.append(buffer >> bits & (1 << new) - 1)
    left = buffer & (1 << bits) - 1
    if pad:
        return [*out, left << new - bits] if bits else out
    return None if bits >= old or left else out
