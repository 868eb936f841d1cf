"""Attempts: written before the act, closed after it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, bindparam, func, insert, select, update

from postprober.domain.attempt import Act, Outcome
from postprober.storage import sql
from postprober.storage.records import Attempt, Delivery, record_of
from postprober.storage.tables import attempts

# Built once: these are part of every delivery's way.
_OPEN = insert(attempts)
_CLOSE = update(attempts).where(attempts.c.id == bindparam("b_id"))
_COUNT = select(func.count()).where(
    attempts.c.delivery_id == bindparam("b_id"), attempts.c.act == bindparam("b_act", type_=String())
)


def open_attempt(
    conn: Connection,
    delivery: Delivery,
    *,
    part: int,
    act: Act,
    request_id: str,
    worker: str,
    now: datetime,
    payload_hash: str = "",
    intent: dict[str, Any] | None = None,
) -> int:
    """The intent of one act; returns the attempt's id."""
    number = conn.execute(_COUNT, {"b_id": delivery.id, "b_act": act}).scalar_one()
    row = {
        "delivery_id": delivery.id,
        "part": part,
        "act": act,
        "number": number + 1,
        "fence": delivery.fence,
        "worker": worker,
        "request_id": request_id,
        "started_at": now,
        "outcome": Outcome.INTENDED,
        "payload_hash": payload_hash,
        "intent": intent or {},
        "reply": "",
        "message": "",
    }
    return sql.new_id(conn.execute(_OPEN, row))


def close_attempt(
    conn: Connection,
    attempt_id: int,
    outcome: Outcome,
    *,
    now: datetime,
    http_status: int | None = None,
    latency_ms: int | None = None,
    reply: str = "",
    message: str = "",
) -> None:
    row = {
        "b_id": attempt_id,
        "outcome": outcome,
        "ended_at": now,
        "http_status": http_status,
        "latency_ms": latency_ms,
        "reply": reply,
        "message": message[:1000],
    }
    conn.execute(_CLOSE, row)


def of_delivery(conn: Connection, delivery_id: int) -> list[Attempt]:
    """All attempts, oldest first."""
    rows = conn.execute(select(attempts).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.id))
    return [record_of(Attempt, row) for row in rows]


def had_unknown(conn: Connection, delivery_id: int, part: int, *, but: int) -> bool:
    """Whether a try of this part other than `but` ended without an answer."""
    return (
        conn.execute(
            select(attempts.c.id)
            .where(
                attempts.c.delivery_id == delivery_id,
                attempts.c.part == part,
                attempts.c.id != but,
                attempts.c.act == Act.PUBLISH,
                attempts.c.outcome.in_([Outcome.UNKNOWN, Outcome.INTENDED, Outcome.LATE]),
            )
            .limit(1)
        ).first()
        is not None
    )


def sends(conn: Connection, delivery_id: int, part: int) -> int:
    """How often this part was sent, or may have been: every publish that was not stopped before its first byte."""
    query = select(func.count()).where(
        attempts.c.delivery_id == delivery_id,
        attempts.c.part == part,
        attempts.c.act == Act.PUBLISH,
        attempts.c.outcome != Outcome.ABANDONED,
    )
    return int(conn.execute(query).scalar_one())


def doubtful_parts(conn: Connection, delivery_id: int) -> set[int]:
    """Parts of which a send may still arrive, or may have arrived: one ended without an answer."""
    rows = conn.execute(
        select(attempts.c.part)
        .where(
            attempts.c.delivery_id == delivery_id,
            attempts.c.act == Act.PUBLISH,
            attempts.c.outcome.in_([Outcome.UNKNOWN, Outcome.INTENDED, Outcome.LATE]),
        )
        .distinct()
    )
    return {int(row[0]) for row in rows}


def close_lost(conn: Connection, delivery_id: int, now: datetime) -> None:
    """The worker of every still open attempt of this delivery is gone: what became of them is unknown."""
    conn.execute(
        update(attempts)
        .where(attempts.c.delivery_id == delivery_id, attempts.c.outcome == Outcome.INTENDED)
        .values(outcome=Outcome.UNKNOWN, ended_at=now, message="the worker was lost before it could write the answer")
    )


def any_sent(conn: Connection) -> bool:
    """Whether anything was ever sent from this database."""
    return conn.execute(select(attempts.c.id).limit(1)).first() is not None
