"""What the first page asks: counts and the few newest lines, each by one query along an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.storage.tables import accounts, attempts, deliveries, monitoring_logs, posts

EXCERPT = 160  # characters of a post's text that a line needs


@dataclass(frozen=True)
class DeliveryLine:
    """One delivery in a list. `at`: due, last change or proof, as the list is ordered."""

    post_id: int
    platform: Platform
    account: str
    text: str
    state: DeliveryState
    at: datetime
    url: str | None


def counts(conn: Connection, space: int, since: datetime) -> dict[DeliveryState, int]:
    """Deliveries by state; of the final ones only those that moved since then."""
    moving = [s.value for s in DeliveryState if s not in _FINAL]
    final = [s.value for s in _FINAL]
    mine = deliveries.c.user_id == space
    found: dict[DeliveryState, int] = {}
    for where in (
        (mine, deliveries.c.state.in_(moving)),
        (mine, deliveries.c.state.in_(final), deliveries.c.updated_at >= since),
    ):
        rows = conn.execute(select(deliveries.c.state, func.count()).where(*where).group_by(deliveries.c.state))
        found.update({DeliveryState(state): int(count) for state, count in rows})
    return found


_FINAL = frozenset({DeliveryState.VERIFIED, DeliveryState.CANCELLED})


def proved(conn: Connection, space: int, since: datetime) -> int:
    """Deliveries first proved live since then, and not gone meanwhile."""
    query = select(func.count()).where(
        deliveries.c.user_id == space,
        deliveries.c.updated_at >= since,
        deliveries.c.verified_at >= since,
        deliveries.c.state != DeliveryState.GHOST,
    )
    return int(conn.execute(query).scalar_one())


def next_due(conn: Connection, space: int, limit: int) -> list[DeliveryLine]:
    """What is scheduled, soonest first."""
    query = _lines(deliveries.c.due_at, space, [DeliveryState.SCHEDULED]).order_by(deliveries.c.due_at)
    return _read(conn, query.limit(limit))


def newest(conn: Connection, space: int, states: Iterable[DeliveryState], limit: int) -> list[DeliveryLine]:
    """Deliveries in one of `states`, the one that changed last first."""
    query = _lines(deliveries.c.updated_at, space, states).order_by(deliveries.c.updated_at.desc())
    return _read(conn, query.limit(limit))


def needing(conn: Connection, space: int, states: Iterable[DeliveryState]) -> int:
    """How many deliveries in `states` nobody has taken note of."""
    mine = (deliveries.c.user_id == space, deliveries.c.state.in_([state.value for state in states]))
    query = select(func.count()).where(*mine, deliveries.c.acknowledged_at.is_(None))
    return int(conn.execute(query).scalar_one())


def newest_needing(conn: Connection, space: int, states: Iterable[DeliveryState], limit: int) -> list[DeliveryLine]:
    """Those, the one that changed last first."""
    query = _lines(deliveries.c.updated_at, space, states).where(deliveries.c.acknowledged_at.is_(None))
    return _read(conn, query.order_by(deliveries.c.updated_at.desc()).limit(limit))


def newest_proved(conn: Connection, space: int, since: datetime, limit: int) -> list[DeliveryLine]:
    """What was proved live since then, newest proof first."""
    query = (
        _lines(deliveries.c.verified_at, space, [DeliveryState.VERIFIED])
        .where(deliveries.c.updated_at >= since, deliveries.c.verified_at >= since)
        .order_by(deliveries.c.verified_at.desc())
    )
    return _read(conn, query.limit(limit))


def steps(conn: Connection, space: int, since: datetime) -> list[tuple[str, str, str, int]]:
    """(platform, step, status, deliveries) by the newest word on each step of each delivery since then."""
    last = (
        select(func.max(monitoring_logs.c.id))
        .join(deliveries, deliveries.c.id == monitoring_logs.c.delivery_id)
        .where(deliveries.c.user_id == space, deliveries.c.updated_at >= since, monitoring_logs.c.timestamp >= since)
        .group_by(monitoring_logs.c.delivery_id, monitoring_logs.c.step)
    )
    columns = (monitoring_logs.c.platform, monitoring_logs.c.step, monitoring_logs.c.status)
    rows = conn.execute(select(*columns, func.count()).where(monitoring_logs.c.id.in_(last)).group_by(*columns))
    return [(row[0], row[1], row[2], int(row[3])) for row in rows]


def tries(conn: Connection, space: int, since: datetime) -> list[tuple[str, str, str, int]]:
    """(platform, act, outcome, how many) of the attempts since then."""
    columns = (deliveries.c.platform, attempts.c.act, attempts.c.outcome)
    rows = conn.execute(
        select(*columns, func.count())
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(deliveries.c.user_id == space, deliveries.c.updated_at >= since, attempts.c.started_at >= since)
        .group_by(*columns)
    )
    return [(row[0], row[1], row[2], int(row[3])) for row in rows]


def in_review(conn: Connection, space: int, limit: int) -> list[tuple[int, str]]:
    """(post id, text) of what waits for a person's review, newest first."""
    rows = conn.execute(
        select(posts.c.id, func.substr(posts.c.content, 1, EXCERPT))
        .where(posts.c.user_id == space, posts.c.status == PostStatus.REVIEW, posts.c.deleted_at.is_(None))
        .order_by(posts.c.id.desc())
        .limit(limit)
    )
    return [(int(row[0]), str(row[1])) for row in rows]


def _lines(at: Any, space: int, states: Iterable[DeliveryState]) -> Any:
    columns: tuple[Any, ...] = (
        deliveries.c.post_id,
        deliveries.c.platform,
        accounts.c.account_name,
        func.substr(posts.c.content, 1, EXCERPT),
        deliveries.c.state,
        at,
        deliveries.c.url,
    )
    return (
        select(*columns)
        .join(posts, posts.c.id == deliveries.c.post_id)
        .join(accounts, accounts.c.id == deliveries.c.account_id)
        .where(
            deliveries.c.user_id == space,
            deliveries.c.state.in_([state.value for state in states]),
            posts.c.deleted_at.is_(None),
        )
    )


def _read(conn: Connection, query: Any) -> list[DeliveryLine]:
    return [
        DeliveryLine(post_id, Platform(platform), account, text, DeliveryState(state), at, url)
        for post_id, platform, account, text, state, at, url in conn.execute(query)
    ]
