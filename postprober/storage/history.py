"""What an account's earlier posts had at 24 hours: the ground that comparisons stand on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import Counts
from postprober.domain.repeats import Earlier
from postprober.storage import sql
from postprober.storage.tables import day_counts, deliveries

COUNTS = ("likes", "reposts", "replies", "quotes", "bookmarks")


@dataclass(frozen=True)
class CountsAtADay:
    """One published delivery with its counts at 24 hours. `total` adds up what people did (views are not an act)."""

    delivery_id: int
    published_at: datetime
    counts: dict[str, int | None]

    @property
    def total(self) -> int:
        return sum(self.counts.get(name) or 0 for name in COUNTS)


def at_a_day(conn: Connection, account_id: int, *, most: int = 100, but: int = 0) -> list[CountsAtADay]:
    """The account's newest `most` published deliveries whose counts at 24 hours are known, newest first; without `but`.
    Posts that are younger, or were not read at that age, are not among them."""
    mine = (deliveries.c.account_id == account_id, deliveries.c.published_at.is_not(None), deliveries.c.id != but)
    rows = conn.execute(
        select(deliveries.c.id, deliveries.c.published_at, day_counts)
        .join(day_counts, day_counts.c.delivery_id == deliveries.c.id)
        .where(*mine)
        .order_by(deliveries.c.id.desc())
        .limit(most)
    )
    found = []
    for row in rows:
        data: dict[str, Any] = dict(row._mapping)
        counts = {name: data[name] for name in (*COUNTS, "views")}
        found.append(CountsAtADay(row[0], data["published_at"], counts))
    return found


_LIVE = (DeliveryState.PUBLISHED, DeliveryState.VERIFIED)
_COMING = (
    DeliveryState.SCHEDULED,
    DeliveryState.WAITING,
    DeliveryState.CLAIMED,
    DeliveryState.SUBMITTING,
    DeliveryState.PROCESSING,
    DeliveryState.UNCONFIRMED,
    DeliveryState.HELD,
)


def said_since(conn: Connection, account_id: int, since: datetime, *, most: int = 500) -> list[Earlier]:
    """What the account has published since then and still shows (of a thread that stopped midway the parts that are out), and
    everything that is planned for it, newest first."""
    live = deliveries.c.state.in_([state.value for state in _LIVE]) & (deliveries.c.published_at >= since)
    coming = deliveries.c.state.in_([state.value for state in _COMING])
    midway = (deliveries.c.state == DeliveryState.PARTIAL.value) & (deliveries.c.due_at >= since)
    rows = conn.execute(
        select(
            deliveries.c.post_id,
            deliveries.c.parts,
            deliveries.c.state,
            deliveries.c.due_at,
            deliveries.c.published_at,
        )
        .where(deliveries.c.account_id == account_id, live | coming | midway)
        .order_by(deliveries.c.id.desc())
        .limit(most)
    )
    states = frozenset(state.value for state in (*_LIVE, DeliveryState.PARTIAL))
    return [
        Earlier(
            row.post_id,
            tuple(part["text"] for part in row.parts if row.state != DeliveryState.PARTIAL or part.get("ref")),
            (row.published_at if row.state in states else None) or row.due_at,
            row.state in states,
            any(part.get("media") for part in row.parts),
        )
        for row in rows
    ]


def day_reading(conn: Connection, delivery_id: int) -> datetime | None:
    """When the counts that stand for 24 hours were read; None while there are none."""
    found: datetime | None = conn.execute(
        select(day_counts.c.at).where(day_counts.c.delivery_id == delivery_id)
    ).scalar_one_or_none()
    return found


def put_at_a_day(conn: Connection, delivery_id: int, counts: Counts, at: datetime) -> None:
    """These stand for 24 hours from now on."""
    values = {"at": at, **vars(counts)}
    conn.execute(
        sql.upsert(conn, day_counts)
        .values(delivery_id=delivery_id, **values)
        .on_conflict_do_update(index_elements=["delivery_id"], set_=values)
    )
