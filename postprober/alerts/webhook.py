"""Signed webhooks in the form of the Standard Webhooks specification, so that its libraries verify them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification wants 24 to 64


def new_secret() -> str:
    """A signing secret, shown to the person once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def request(
    secret: str, message_id: str, timestamp: int, kind: str, data: dict[str, Any]
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one event. `message_id` is the same for every try, so that the receiver can drop repeats;
    `timestamp` in seconds, of this try."""
    body = json.dumps({"type": kind, "data": data}, ensure_ascii=False, sort_keys=True)
    return body.encode(), {
        "Content-Type": "application/json",
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": Webhook(secret).sign(message_id, datetime.fromtimestamp(timestamp, UTC), body),
    }
