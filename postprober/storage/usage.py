"""What models have cost: one row a question, reserved before it and settled after it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from postprober.storage import sql
from postprober.storage.tables import ai_usage


def today(conn: Connection, now: datetime, space: int | None = None) -> tuple[int, int]:
    """(tokens, cost in millionths) of the UTC day, what is reserved included; of one space, or of all that was asked."""
    return _sum(conn, ai_usage.c.day == _day(now), space)


def this_month(conn: Connection, now: datetime, space: int) -> tuple[int, int]:
    """The same of a space since the first of the UTC month."""
    return _sum(conn, ai_usage.c.day.between(_day(now)[:8] + "01", _day(now)), space)


def last_outcome(conn: Connection) -> str:
    """What came of the newest question that is settled, of whatever space; "" when none was asked."""
    query = select(ai_usage.c.outcome).where(ai_usage.c.outcome != "asked").order_by(ai_usage.c.id.desc()).limit(1)
    return conn.execute(query).scalar_one_or_none() or ""


def _sum(conn: Connection, when: ColumnElement[bool], space: int | None) -> tuple[int, int]:
    query = select(
        func.coalesce(func.sum(ai_usage.c.input_tokens + ai_usage.c.output_tokens), 0),
        func.coalesce(func.sum(ai_usage.c.cost_micros), 0),
    ).where(when)
    tokens, cost = conn.execute(query if space is None else query.where(ai_usage.c.space == space)).one()
    return int(tokens), int(cost)


def reserve(
    conn: Connection,
    *,
    purpose: str,
    model: str,
    tokens: int,
    cost_micros: int,
    now: datetime,
    space: int | None = None,
) -> int:
    """A row that counts with its most until it is settled; returns its id."""
    row = conn.execute(
        insert(ai_usage).values(
            at=now,
            day=_day(now),
            purpose=purpose,
            model=model[:120],
            input_tokens=tokens,
            output_tokens=0,
            cost_micros=cost_micros,
            outcome="asked",
            space=space,
        )
    )
    return sql.new_id(row)


def settle(
    conn: Connection, row: int, *, input_tokens: int, output_tokens: int, cost_micros: int, outcome: str
) -> None:
    conn.execute(
        update(ai_usage)
        .where(ai_usage.c.id == row)
        .values(input_tokens=input_tokens, output_tokens=output_tokens, cost_micros=cost_micros, outcome=outcome[:40])
    )


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
