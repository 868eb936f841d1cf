"""What models have cost: one row a question, reserved before it and settled after it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select, update

from postprober.storage import sql
from postprober.storage.tables import ai_usage


def today(conn: Connection, now: datetime) -> tuple[int, int]:
    """(tokens, cost in millionths) of the UTC day, what is reserved included."""
    tokens, cost = conn.execute(
        select(
            func.coalesce(func.sum(ai_usage.c.input_tokens + ai_usage.c.output_tokens), 0),
            func.coalesce(func.sum(ai_usage.c.cost_micros), 0),
        ).where(ai_usage.c.day == _day(now))
    ).one()
    return int(tokens), int(cost)


def reserve(conn: Connection, *, purpose: str, model: str, tokens: int, cost_micros: int, now: datetime) -> int:
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
