"""Mail to be sent, as rows of the outbox. The body is sealed: it may hold a link that signs somebody in."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from postprober.security.vault import Place, Vault
from postprober.storage.records import OutboxRecord
from postprober.storage.tables import outbox

KIND = "mail"


def add(conn: Connection, vault: Vault, body: dict[str, Any], now: datetime) -> None:
    """One mail to be made from `body` and sent by the scheduler."""
    key = f"mail:{uuid.uuid4()}"
    conn.execute(
        insert(outbox).values(
            user_id=0,
            kind=KIND,
            dedupe_key=key,
            payload={"sealed": vault.seal(json.dumps(body), _place(key))},
            created_at=now,
            next_at=now,
        )
    )


def read(vault: Vault, row: OutboxRecord) -> dict[str, Any]:
    """The body of an outbox row. Raises VaultError."""
    body: dict[str, Any] = json.loads(vault.open(row.payload["sealed"], _place(row.dedupe_key)))
    return body


def _place(key: str) -> Place:
    return Place("outbox", "payload", key)
