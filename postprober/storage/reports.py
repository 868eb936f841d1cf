"""Who is sent reports and when, the reports under way (rows of the outbox), and posts whose proof is shared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from postprober.domain.report_plan import Every, Plan
from postprober.storage import outbox_queue, sql
from postprober.storage.records import OutboxRecord, record_of
from postprober.storage.tables import outbox, proof_pages, report_schedules


@dataclass(frozen=True)
class Schedule:
    """One person's choice. `channel_id` None: by e-mail to the person."""

    id: int
    user_id: int
    every: str
    day: int
    hour: int
    form: str
    channel_id: int | None
    next_at: datetime

    @property
    def plan(self) -> Plan:
        return Plan(Every(self.every), self.day, self.hour)


@dataclass(frozen=True)
class Shared:
    """A post whose proof was shared; `withdrawn_at`: and is no longer."""

    post_id: int
    user_id: int
    nonce: str
    shared_at: datetime
    withdrawn_at: datetime | None


def put(conn: Connection, user_id: int, plan: Plan, *, form: str, channel_id: int | None, next_at: datetime) -> None:
    """The person's choice from now on."""
    values = {
        "every": plan.every.value,
        "day": plan.day,
        "hour": plan.hour,
        "form": form,
        "channel_id": channel_id,
        "next_at": next_at,
    }
    conn.execute(
        sql.upsert(conn, report_schedules)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )


def forget(conn: Connection, user_id: int) -> None:
    """No more reports for this person."""
    conn.execute(delete(report_schedules).where(report_schedules.c.user_id == user_id))


def of_user(conn: Connection, user_id: int) -> Schedule | None:
    row = conn.execute(select(report_schedules).where(report_schedules.c.user_id == user_id)).one_or_none()
    return record_of(Schedule, row) if row else None


def due(conn: Connection, now: datetime) -> list[Schedule]:
    rows = conn.execute(
        select(report_schedules).where(report_schedules.c.next_at <= now).order_by(report_schedules.c.next_at)
    )
    return [record_of(Schedule, row) for row in rows]


def advance(conn: Connection, schedule: Schedule, next_at: datetime) -> bool:
    """Move on to the next time; False when the schedule was changed, or moved on by somebody else."""
    done = conn.execute(
        update(report_schedules)
        .where(report_schedules.c.id == schedule.id, report_schedules.c.next_at == schedule.next_at)
        .values(next_at=next_at)
    )
    return done.rowcount == 1


def order(conn: Connection, *, user_id: int, key: str, payload: dict[str, Any], now: datetime) -> None:
    """One report to be made and sent; once per `key`."""
    conn.execute(
        sql.upsert(conn, outbox)
        .values(user_id=user_id, kind=outbox_queue.REPORT, dedupe_key=key, payload=payload, created_at=now, next_at=now)
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
    )


def claim(conn: Connection, row: OutboxRecord, until: datetime) -> bool:
    """Take an ordered report until `until`, and count the try; False when somebody else was faster."""
    done = conn.execute(
        update(outbox)
        .where(outbox.c.id == row.id, outbox.c.next_at == row.next_at)
        .values(next_at=until, tries=outbox.c.tries + 1)
    )
    return done.rowcount == 1


def close(conn: Connection, row_id: int, sent_at: datetime | None, again: datetime | None = None) -> None:
    """It was sent, or is tried again at `again`, or (both None) given up."""
    conn.execute(update(outbox).where(outbox.c.id == row_id).values(next_at=again, sent_at=sent_at))


def share(conn: Connection, *, post_id: int, space: int, nonce: str, now: datetime) -> None:
    """Everybody with a link made from `nonce` may see the post's proof."""
    values = {"user_id": space, "nonce": nonce, "shared_at": now, "withdrawn_at": None}
    conn.execute(
        sql.upsert(conn, proof_pages)
        .values(post_id=post_id, **values)
        .on_conflict_do_update(index_elements=["post_id"], set_=values)
    )


def withdraw(conn: Connection, post_id: int, now: datetime) -> None:
    """Nobody may see it any more."""
    conn.execute(
        update(proof_pages)
        .where(proof_pages.c.post_id == post_id, proof_pages.c.withdrawn_at.is_(None))
        .values(withdrawn_at=now)
    )


def shared(conn: Connection, post_id: int) -> Shared | None:
    """None while it is not shared."""
    mine = (proof_pages.c.post_id == post_id, proof_pages.c.withdrawn_at.is_(None))
    row = conn.execute(select(proof_pages).where(*mine)).one_or_none() if sql.is_id(post_id) else None
    return record_of(Shared, row) if row else None
