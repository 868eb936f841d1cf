"""The step log: rows of `monitoring_logs`, written with each change of state and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from postprober.domain.delivery import Step, StepStatus
from postprober.storage.records import Delivery, StepRecord, record_of
from postprober.storage.tables import monitoring_logs

_ADD = insert(monitoring_logs)  # built once: it is written on every delivery's way


def add(conn: Connection, delivery: Delivery, which: Step, status: StepStatus, now: datetime, **details: Any) -> None:
    """One row of `monitoring_logs`."""
    add_all(conn, delivery, [(which, status, details)], now)


def add_all(
    conn: Connection, delivery: Delivery, rows: Sequence[tuple[Step, StepStatus, dict[str, Any]]], now: datetime
) -> None:
    """Rows of `monitoring_logs`, in order."""
    conn.execute(_ADD, [_row(delivery, which, status, now, details) for which, status, details in rows])


def add_analysis(
    conn: Connection, delivery: Delivery, which: Step, status: StepStatus, now: datetime, text: str, **details: Any
) -> None:
    """A row of `monitoring_logs` that says in plain language what the agent thinks of it."""
    conn.execute(_ADD, _row(delivery, which, status, now, details) | {"ai_analysis": text})


def of_post(conn: Connection, post_id: int, *, after: int = 0, limit: int | None = None) -> list[StepRecord]:
    """Oldest first, with ids greater than `after`; at most `limit` of them."""
    rows = conn.execute(
        select(monitoring_logs)
        .where(monitoring_logs.c.post_id == post_id, monitoring_logs.c.id > after)
        .order_by(monitoring_logs.c.id)
        .limit(limit)
    )
    return [record_of(StepRecord, row) for row in rows]


def _row(delivery: Delivery, which: Step, status: StepStatus, now: datetime, details: dict[str, Any]) -> dict[str, Any]:
    return {
        "post_id": delivery.post_id,
        "platform": delivery.platform.value,
        "step": which.value,
        "status": status.value,
        "details": details,
        "timestamp": now,
        "delivery_id": delivery.id,
    }
