"""Content identifiers of records and blobs: CIDv1, SHA-256, base32. https://github.com/multiformats/cid

Records are encoded as DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec), so the
same record has the same CID here as on a real server.
"""

import base64
import hashlib
import struct
from typing import Any

_RAW, _DAG_CBOR = 0x55, 0x71


def blob_cid(data: bytes) -> str:
    return _cid(_RAW, data)


def record_cid(record: Any) -> str:
    """Raises ValueError for a record that has no DAG-CBOR form in AT Protocol (floats)."""
    return _cid(_DAG_CBOR, encode(record))


def _cid(codec: int, data: bytes) -> str:
    raw = bytes([1, codec, 0x12, 0x20]) + hashlib.sha256(data).digest()
    return "b" + base64.b32encode(raw).decode().rstrip("=").lower()


def _head(major: int, value: int) -> bytes:
    for info, limit, layout in ((24, 2**8, ">B"), (25, 2**16, ">H"), (26, 2**32, ">I"), (27, 2**64, ">Q")):
        if value < 24:
            return bytes([major << 5 | value])
        if value < limit:
            return bytes([major << 5 | info]) + struct.pack(layout, value)
    raise ValueError("a number does not fit into 64 bits")


def encode(value: Any) -> bytes:
    """DAG-CBOR of a JSON value. Map keys are ordered by length, then by bytes; {"$link"} is a CID."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, str):
        data = value.encode()
        return _head(3, len(data)) + data
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        return _encode_link(value["$link"]) if set(value) == {"$link"} else _encode_map(value)
    raise ValueError(f"records have no {type(value).__name__} values")


def _encode_map(value: dict[str, Any]) -> bytes:
    keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
    return _head(5, len(keys)) + b"".join(encode(key) + encode(value[key]) for key in keys)


def _encode_link(cid: str) -> bytes:
    text = cid[1:].upper()
    # Tag 42, then the CID's bytes with the identity multibase prefix 0.
    raw = b"\x00" + base64.b32decode(text + "=" * (-len(text) % 8))
    return b"\xd8\x2a" + _head(2, len(raw)) + raw
