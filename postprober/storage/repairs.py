"""Diagnoses and repairs. A row is opened in the transaction of the failure, and each of its changes is conditional."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from postprober.domain.diagnosis import Diagnosis, RepairState
from postprober.errors import NotFound
from postprober.storage import alert_log, sql
from postprober.storage.records import Delivery, record_of
from postprober.storage.tables import repairs, transitions


@dataclass(frozen=True)
class Repair:
    """`plan` is what applying does: `{"before": [texts], "after": [texts], …}` as `pipeline.fixes` made it."""

    id: int
    delivery_id: int
    post_id: int
    user_id: int
    transition_id: int
    state: str
    cause: str
    confidence: float
    cited: list[int]
    retryable: bool
    fix: str
    explanation: str
    by: str
    note: str
    plan: dict[str, Any]
    made_at: datetime
    next_at: datetime | None
    decided_at: datetime | None


def begin(conn: Connection, delivery: Delivery, now: datetime) -> None:
    """Ask for a diagnosis of the delivery's newest transition; earlier proposals are over. Does nothing when it was
    asked for before."""
    newest = select(func.max(transitions.c.id)).where(transitions.c.delivery_id == delivery.id).scalar_subquery()
    transition = conn.execute(select(newest)).scalar_one()
    supersede(conn, delivery.id, now)
    conn.execute(
        sql.upsert(conn, repairs)
        .values(
            delivery_id=delivery.id,
            post_id=delivery.post_id,
            user_id=delivery.user_id,
            transition_id=transition,
            state="open",
            cited=[],
            plan={},
            made_at=now,
            next_at=now,
        )
        .on_conflict_do_nothing(index_elements=["transition_id"])
    )


def supersede(conn: Connection, delivery_id: int, now: datetime) -> None:
    """The delivery has moved on without them; what was told about them is over."""
    conn.execute(
        update(repairs)
        .where(repairs.c.delivery_id == delivery_id, repairs.c.state.in_(["open", "proposed"]))
        .values(state="superseded", next_at=None, decided_at=now)
    )
    alert_log.close(conn, subject(delivery_id), now)


def subject(delivery_id: int) -> str:
    """What an alert about a repair of the delivery is about. Not the delivery itself: who says no to a repair still has
    to hear that it failed."""
    return f"repair:{delivery_id}"


def due(conn: Connection, now: datetime, most: int = 20) -> list[Repair]:
    """Open rows whose diagnosis is to be made, oldest first."""
    rows = conn.execute(
        select(repairs).where(repairs.c.state == "open", repairs.c.next_at <= now).order_by(repairs.c.id).limit(most)
    )
    return [_record(row) for row in rows]


def postpone(conn: Connection, repair: Repair, until: datetime) -> None:
    conn.execute(update(repairs).where(repairs.c.id == repair.id, repairs.c.state == "open").values(next_at=until))


def diagnosed(
    conn: Connection, repair: Repair, diagnosis: Diagnosis, state: RepairState, plan: dict[str, Any], now: datetime
) -> bool:
    """Write the diagnosis and what follows from it, once; returns whether this call did."""
    done = conn.execute(
        update(repairs)
        .where(repairs.c.id == repair.id, repairs.c.state == "open")
        .values(
            state=state,
            cause=diagnosis.cause,
            confidence=diagnosis.confidence,
            cited=list(diagnosis.cited),
            retryable=diagnosis.retryable,
            fix=diagnosis.fix,
            explanation=diagnosis.explanation,
            by=diagnosis.by,
            note=diagnosis.note,
            plan=plan,
            next_at=None,
            decided_at=None if state == "proposed" else now,
        )
    )
    return done.rowcount == 1


def decide(conn: Connection, repair_id: int, state: RepairState, now: datetime) -> bool:
    """A repair that waits is applied or refused, once; returns whether this call did."""
    done = conn.execute(
        update(repairs)
        .where(repairs.c.id == repair_id, repairs.c.state == "proposed")
        .values(state=state, decided_at=now)
        .returning(repairs.c.delivery_id)
    ).first()
    if done is None:
        return False
    alert_log.close(conn, subject(done.delivery_id), now)
    return True


def _record(row: Row[Any]) -> Repair:
    """A process of an older version that still runs writes `told`."""
    found: Repair = record_of(Repair, row)
    return replace(found, state="needs_person") if found.state == "told" else found


def get(conn: Connection, repair_id: int, space: int) -> Repair:
    """Raises NotFound, also for somebody else's."""
    query = select(repairs).where(repairs.c.id == repair_id, repairs.c.user_id == space)
    row = conn.execute(query).one_or_none() if sql.is_id(repair_id) else None
    if row is None:
        raise NotFound(f"There is no repair {repair_id}.")
    return _record(row)


def of_post(conn: Connection, post_id: int) -> list[Repair]:
    """Oldest first."""
    rows = conn.execute(select(repairs).where(repairs.c.post_id == post_id).order_by(repairs.c.id))
    return [_record(row) for row in rows]


def of_posts(conn: Connection, space: int, post_ids: Sequence[int]) -> list[Repair]:
    """Oldest first; only the user's."""
    query = select(repairs).where(repairs.c.post_id.in_(list(post_ids)), repairs.c.user_id == space)
    return [_record(row) for row in conn.execute(query.order_by(repairs.c.id))]


def of_delivery(conn: Connection, delivery_id: int) -> list[Repair]:
    """Oldest first."""
    rows = conn.execute(select(repairs).where(repairs.c.delivery_id == delivery_id).order_by(repairs.c.id))
    return [_record(row) for row in rows]


def open_of(conn: Connection, post_ids: Sequence[int]) -> set[int]:
    """Ids of the posts' deliveries whose diagnosis is still to be made."""
    rows = conn.execute(select(repairs.c.delivery_id).where(repairs.c.post_id.in_(post_ids), repairs.c.state == "open"))
    return {int(row[0]) for row in rows}


def applied(conn: Connection, delivery_id: int) -> int:
    """How many repairs of the delivery were applied."""
    count = select(func.count()).where(repairs.c.delivery_id == delivery_id, repairs.c.state == "applied")
    return int(conn.execute(count).scalar_one())
