"""Codes that begin with nsec1, npub1, note1 and nevent1 (BIP-173, NIP-19)."""

_SIGNS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _check(prefix: str, words: list[int]) -> int:
    value = 1
    for word in [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *words]:
        top, value = value >> 25, (value & 0x1FFFFFF) << 5 ^ word
        for index in range(5):
            value ^= _GENERATOR[index] if top >> index & 1 else 0
    return value


def encode(prefix: str, data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    words = [int(bits[i : i + 5], 2) for i in range(0, len(bits), 5)]
    check = _check(prefix, [*words, 0, 0, 0, 0, 0, 0]) ^ 1
    return f"{prefix}1" + "".join(_SIGNS[one] for one in [*words, *(check >> 5 * (5 - i) & 31 for i in range(6))])


def decode(text: str) -> tuple[str, bytes]:
    """Prefix and data; ("", b"") for what is no code."""
    prefix, _, tail = text.rpartition("1")
    words = [_SIGNS.find(sign) for sign in tail]
    if not prefix or len(words) < 6 or min(words) < 0 or _check(prefix, words) != 1:
        return "", b""
    bits = "".join(f"{word:05b}" for word in words[:-6])
    return prefix, bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8))


def event_id(code: str) -> str:
    """The id that a `note`, a `nevent`, or hexadecimal names; "" for none."""
    if len(code) == 64 and all(sign in "0123456789abcdef" for sign in code):
        return code
    prefix, data = decode(code)
    if prefix == "note":
        return data.hex()
    while prefix == "nevent" and len(data) > 1:
        if data[0] == 0 and data[1] == 32:
            return data[2:34].hex()
        data = data[2 + data[1] :]
    return ""
