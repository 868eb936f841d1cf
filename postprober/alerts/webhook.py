"""Signed webhooks in the form of the Standard Webhooks specification, so that its libraries verify them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification wants 24 to 64


def new_secret() -> str:
    """A signing secret, shown to the person once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA-256 over id, timestamp and body."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def request(
    secret: str, message_id: str, timestamp: int, kind: str, data: dict[str, Any]
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one event. `message_id` is the same for every try, so that the receiver can drop repeats;
    `timestamp` in seconds, of this try."""
    body = json.dumps({"type": kind, "data": data}, ensure_ascii=False, sort_keys=True).encode()
    return body, {
        "Content-Type": "application/json",
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": signature(secret, message_id, timestamp, body),
    }
