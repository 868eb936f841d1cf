"""What repairs came to, and what models cost: small tables, read where they are."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Integer, case, cast, func, select

from postprober.analytics.figures import Figures
from postprober.storage.tables import ai_usage, deliveries, posts, repairs


def repairs_made(conn: Connection, space: int, since: datetime, until: datetime | None = None) -> Figures:
    """By cause: failures (up to `until`) that were diagnosed, what was applied, and after how many of those the post is
    out now."""
    made = repairs.c.made_at >= since if until is None else repairs.c.made_at.between(since, until)
    applied = repairs.c.state == "applied"
    out = applied & deliveries.c.published_at.is_not(None)
    found = func.count()
    rows = conn.execute(
        select(
            repairs.c.cause,
            found,
            *(func.sum(cast(case((one, 1), else_=0), Integer)) for one in (
                applied, out, repairs.c.state.in_(("open", "proposed")), repairs.c.state == "refused"
            )),
        )
        .join(deliveries, deliveries.c.id == repairs.c.delivery_id)
        .join(posts, posts.c.id == repairs.c.post_id)
        .where(repairs.c.user_id == space, made, posts.c.deleted_at.is_(None))
        .group_by(repairs.c.cause)
        .order_by(found.desc(), repairs.c.cause)
    )  # fmt: skip
    return Figures(
        ("cause", "failures", "applied", "out after it", "waiting", "refused", "repair rate"),
        [(cause or "not diagnosed yet", int(n), *map(int, rest), int(rest[1]) / int(n)) for cause, n, *rest in rows],
    )


def costs(conn: Connection, since: datetime) -> Figures:
    """Of the whole installation, by UTC day, purpose and model. A question that is under way counts with its most."""
    tokens_in, tokens_out = func.sum(ai_usage.c.input_tokens), func.sum(ai_usage.c.output_tokens)
    rows = conn.execute(
        select(
            ai_usage.c.day, ai_usage.c.purpose, ai_usage.c.model, func.count(), tokens_in, tokens_out,
            func.sum(ai_usage.c.cost_micros),
        )
        .where(ai_usage.c.at >= since)
        .group_by(ai_usage.c.day, ai_usage.c.purpose, ai_usage.c.model)
        .order_by(ai_usage.c.day, ai_usage.c.purpose, ai_usage.c.model)
    )  # fmt: skip
    return Figures(
        ("day", "purpose", "model", "questions", "input tokens", "output tokens", "cost"),
        [(*row[:3], int(row[3]), int(row[4]), int(row[5]), int(row[6]) / 1e6) for row in rows],
    )
