"""Several posts at a glance: each kind of row by one query, however many posts there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from postprober.errors import NotFound
from postprober.storage import repairs
from postprober.storage.records import Delivery, Post, delivery_of, record_of
from postprober.storage.tables import deliveries, monitoring_logs, posts, samples, transitions


@dataclass(frozen=True)
class Glance:
    """`posts` in the order asked for; `deliveries` by post id, oldest first; the others by delivery id: the newest row
    on each step (by step), all transitions (oldest first), the newest sample."""

    posts: tuple[Post, ...]
    deliveries: Mapping[int, list[Delivery]]
    steps: Mapping[int, dict[str, dict[str, Any]]]
    history: dict[int, list[dict[str, Any]]]
    samples: Mapping[int, dict[str, Any]]
    diagnosing: frozenset[int]  # deliveries that the agent is still looking at


def take(conn: Connection, space: int, post_ids: Sequence[int]) -> Glance:
    """Raises NotFound when one is not the user's or was deleted."""
    wanted = list(post_ids)
    mine = select(posts).where(posts.c.id.in_(wanted), posts.c.user_id == space, posts.c.deleted_at.is_(None))
    found = {row.id: record_of(Post, row) for row in conn.execute(mine)}
    if missing := [str(post_id) for post_id in wanted if post_id not in found]:
        raise NotFound(f"There is no post {', '.join(missing)}.")
    by_post: dict[int, list[Delivery]] = defaultdict(list)
    for row in conn.execute(select(deliveries).where(deliveries.c.post_id.in_(wanted)).order_by(deliveries.c.id)):
        by_post[row.post_id].append(delivery_of(row))
    steps: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    log = monitoring_logs.c
    last = select(func.max(log.id)).where(log.post_id.in_(wanted)).group_by(log.delivery_id, log.step)
    for row in conn.execute(select(monitoring_logs).where(log.id.in_(last))):
        steps[row.delivery_id][row.step] = dict(row._mapping)
    history: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in conn.execute(select(transitions).where(transitions.c.post_id.in_(wanted)).order_by(transitions.c.id)):
        history[row.delivery_id].append(dict(row._mapping))
    ids = [delivery.id for its in by_post.values() for delivery in its]
    newest = select(func.max(samples.c.id)).where(samples.c.delivery_id.in_(ids)).group_by(samples.c.delivery_id)
    counts = {
        row.delivery_id: dict(row._mapping) for row in conn.execute(select(samples).where(samples.c.id.in_(newest)))
    }
    return Glance(
        tuple(found[post_id] for post_id in wanted),
        by_post,
        steps,
        history,
        counts,
        frozenset(repairs.open_of(conn, wanted)),
    )
