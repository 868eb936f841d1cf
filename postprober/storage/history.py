"""What an account's earlier posts have reached: the ground that comparisons stand on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from postprober.storage.tables import deliveries, samples

COUNTS = ("likes", "reposts", "replies", "quotes", "bookmarks")


@dataclass(frozen=True)
class Reached:
    """One published delivery with its newest counts. `total` adds up what people did (views are not an act)."""

    delivery_id: int
    published_at: datetime
    counts: dict[str, int | None]

    @property
    def total(self) -> int:
        return sum(self.counts.get(name) or 0 for name in COUNTS)


def reached(conn: Connection, account_id: int, *, most: int = 100, but: int = 0) -> list[Reached]:
    """Of the account's newest `most` published deliveries those that have counts, newest first; without `but`."""
    mine = (
        select(deliveries.c.id)
        .where(deliveries.c.account_id == account_id, deliveries.c.published_at.is_not(None), deliveries.c.id != but)
        .order_by(deliveries.c.id.desc())
        .limit(most)
    )
    newest = (
        select(samples.c.delivery_id, func.max(samples.c.id).label("sample"))
        .where(samples.c.delivery_id.in_(mine))
        .group_by(samples.c.delivery_id)
        .subquery()
    )
    rows = conn.execute(
        select(deliveries.c.id, deliveries.c.published_at, samples)
        .join(newest, newest.c.delivery_id == deliveries.c.id)
        .join(samples, samples.c.id == newest.c.sample)
        .order_by(deliveries.c.id.desc())
    )
    found = []
    for row in rows:
        data: dict[str, Any] = dict(row._mapping)
        counts = {name: data[name] for name in (*COUNTS, "views")}
        found.append(Reached(row[0], data["published_at"], counts))
    return found
