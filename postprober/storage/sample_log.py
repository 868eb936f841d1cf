"""Engagement counts of published posts, as they were read. Older days move into files (`sample_days`)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from postprober.domain.remote import Counts
from postprober.storage.records import SampleRecord, record_of
from postprober.storage.tables import samples


def add(conn: Connection, delivery_id: int, counts: Counts, now: datetime) -> None:
    conn.execute(insert(samples).values(delivery_id=delivery_id, at=now, **vars(counts)))


def of_delivery(conn: Connection, delivery_id: int) -> list[SampleRecord]:
    """Oldest first."""
    rows = conn.execute(select(samples).where(samples.c.delivery_id == delivery_id).order_by(samples.c.at))
    return [record_of(SampleRecord, row) for row in rows]
