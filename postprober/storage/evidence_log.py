"""What was seen of a post: redacted replies and pages, their hashes, the names of pictures."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import EvidenceRecord, record_of
from postprober.storage.tables import evidence

_KEEP = insert(evidence)  # built once: it is written on every delivery's way


def keep(
    conn: Connection, delivery_id: int, kind: str, body: dict[str, Any], now: datetime, picture: str | None = None
) -> None:
    """`body` must be redacted. The hash covers its canonical JSON. `picture`: name of one (storage.pictures)."""
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=False, default=str)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    row = {"delivery_id": delivery_id, "kind": kind, "at": now, "sha256": digest, "body": json.loads(canonical)}
    conn.execute(_KEEP, row | {"picture": picture})


def of_delivery(conn: Connection, delivery_id: int) -> list[EvidenceRecord]:
    """Oldest first."""
    rows = conn.execute(select(evidence).where(evidence.c.delivery_id == delivery_id).order_by(evidence.c.id))
    return [record_of(EvidenceRecord, row) for row in rows]


def one(conn: Connection, evidence_id: int) -> EvidenceRecord:
    """Raises NotFound."""
    row = conn.execute(select(evidence).where(evidence.c.id == evidence_id)).first() if sql.is_id(evidence_id) else None
    if row is None:
        raise NotFound(f"There is no evidence {evidence_id}.")
    found: EvidenceRecord = record_of(EvidenceRecord, row)
    return found
