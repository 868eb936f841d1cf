"""The outbox: what was written in the transaction of a change and is to be sent afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from postprober.storage.records import OutboxRecord, record_of
from postprober.storage.tables import outbox

REPORT = "report"  # kind of rows
_LONGEST_PAUSE = timedelta(days=1)  # ours: well over `domain.retry.CAP`


def due(conn: Connection, now: datetime, limit: int = 50, *, reports: bool = False) -> list[OutboxRecord]:
    """What is to be sent, oldest first. Reports take long to make, so who sends alerts does not wait for them. A row that
    waits longer than any pause is was written by a clock that ran ahead, and waits no more."""
    kind = outbox.c.kind == REPORT if reports else outbox.c.kind != REPORT
    its_turn = or_(outbox.c.next_at <= now, outbox.c.next_at > now + _LONGEST_PAUSE)
    rows = conn.execute(select(outbox).where(its_turn, kind).order_by(outbox.c.id).limit(limit))
    return [record_of(OutboxRecord, row) for row in rows]


def done(conn: Connection, row_id: int, now: datetime) -> None:
    """The row was sent, or handed on."""
    conn.execute(
        update(outbox).where(outbox.c.id == row_id).values(next_at=None, sent_at=now, tries=outbox.c.tries + 1)
    )


def again(conn: Connection, row_id: int, at: datetime | None) -> None:
    """Try the row again at `at`; None gives it up."""
    conn.execute(update(outbox).where(outbox.c.id == row_id).values(next_at=at, tries=outbox.c.tries + 1))
