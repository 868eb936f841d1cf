"""What an operator watches: numbers over all users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from postprober.services.core import Core
from postprober.storage import measures, processes

QUANTILES = (0.5, 0.99, 1.0)
LATEST = 500  # deliveries that lateness is measured on: enough for the 99th percentile, cheap at every look


@dataclass(frozen=True)
class Measures:
    """`deliveries`: (platform, state) -> how many; `lateness`: quantile -> seconds; `overdue`, `outbox_age`: seconds, 0
    when nothing waits; `heartbeat_age`: seconds, None when no scheduler ever ran."""

    deliveries: dict[tuple[str, str], int]
    lateness: dict[float, float]
    overdue: float
    outbox_depth: int
    outbox_age: float
    heartbeat_age: float | None


def take(core: Core) -> Measures:
    """One consistent look at the database."""
    now = core.clock.now()
    with core.db.read() as conn:
        depth, oldest = measures.outbox_depth(conn)
        beat = processes.newest_beat(conn, "scheduler", now)
        return Measures(
            deliveries=measures.deliveries_by_state(conn),
            lateness=_quantiles(measures.newest_lateness(conn, LATEST)),
            overdue=_age(measures.oldest_due(conn, now), now),
            outbox_depth=depth,
            outbox_age=_age(oldest, now),
            heartbeat_age=_age(beat, now) if beat else None,
        )


def _age(since: datetime | None, now: datetime) -> float:
    return max(timedelta(0), now - since).total_seconds() if since else 0.0


def _quantiles(values: list[float]) -> dict[float, float]:
    """Nearest rank; empty without values."""
    ranked = sorted(values)
    return {q: ranked[max(0, ceil(q * len(ranked)) - 1)] for q in QUANTILES} if ranked else {}
