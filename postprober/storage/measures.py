"""Counts over all users, for operators: how many, how late, how deep. Nothing here names a person or a post."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from postprober.domain.delivery import DUE_TO_PUBLISH, DeliveryState
from postprober.storage.tables import deliveries, outbox


def deliveries_by_state(conn: Connection) -> dict[tuple[str, str], int]:
    """(platform, state) -> how many."""
    rows = conn.execute(
        select(deliveries.c.platform, deliveries.c.state, func.count()).group_by(
            deliveries.c.platform, deliveries.c.state
        )
    )
    return {(str(platform), str(state)): int(count) for platform, state, count in rows}


def due_by_platform(conn: Connection, now: datetime) -> dict[str, int]:
    """How many deliveries should be worked on now and wait for a worker."""
    rows = conn.execute(
        select(deliveries.c.platform, func.count())
        .where(deliveries.c.state.in_([state.value for state in DUE_TO_PUBLISH]), deliveries.c.next_at <= now)
        .group_by(deliveries.c.platform)
    )
    return {str(platform): int(count) for platform, count in rows}


def oldest_due(conn: Connection, now: datetime) -> datetime | None:
    """Since when the delivery that waits longest should have been worked on; None when nothing is overdue."""
    value: datetime | None = conn.execute(
        select(func.min(deliveries.c.next_at)).where(
            deliveries.c.state.in_([state.value for state in DUE_TO_PUBLISH | {DeliveryState.UNCONFIRMED}]),
            deliveries.c.next_at <= now,
        )
    ).scalar()
    return value


def outbox_depth(conn: Connection) -> tuple[int, datetime | None]:
    """How many messages wait to be sent, and since when the oldest one does."""
    count, oldest = conn.execute(
        select(func.count(), func.min(outbox.c.created_at)).where(outbox.c.next_at.is_not(None))
    ).one()
    return int(count), oldest
