"""What repairs came to, and what models and the platforms' APIs cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, Integer, case, cast, func, select

from postprober.analytics.days import micros
from postprober.analytics.figures import Figures
from postprober.analytics.queries import Period
from postprober.analytics.store import SampleStore
from postprober.domain.platform import Platform
from postprober.domain.prices import Prices
from postprober.domain.text import find_urls
from postprober.storage.health import CHECK
from postprober.storage.tables import accounts, ai_usage, deliveries, health_signs, media, posts, repairs


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
            *(
                func.sum(cast(case((one, 1), else_=0), Integer))
                for one in (applied, out, repairs.c.state.in_(("open", "proposed")), repairs.c.state == "refused")
            ),
        )
        .join(deliveries, deliveries.c.id == repairs.c.delivery_id)
        .join(posts, posts.c.id == repairs.c.post_id)
        .where(repairs.c.user_id == space, made, posts.c.deleted_at.is_(None))
        .group_by(repairs.c.cause)
        .order_by(found.desc(), repairs.c.cause)
    )
    return Figures(
        ("cause", "failures", "applied", "out after it", "waiting", "refused", "repair rate"),
        [(cause or "not diagnosed yet", int(n), *map(int, rest), int(rest[1]) / int(n)) for cause, n, *rest in rows],
    )


def calls_made(
    conn: Connection, store: SampleStore, space: int, period: Period, prices: Mapping[Platform, Prices]
) -> Figures:
    """What the platforms' APIs cost in the period by their price lists: posts that came out, descriptions of their
    images, readings of counts (each post of a thread once a UTC day) and looks at an account's health (its newest post
    once a UTC day; their history is kept for two weeks). At least that much: searches for lost answers are not in it."""
    if not prices:
        return Figures(_CALLS, [])
    rows = [
        (platform.value, what, count, price, count * price)
        for platform, made in _made(conn, space, period, prices).items()
        for what, count, price in (
            ("posts without a link", made["plain"], prices[platform].post),
            ("posts with a link", made["linked"], prices[platform].post_with_link),
            ("image descriptions", made["alt"], prices[platform].alt_text),
            ("readings", _readings(conn, store, period, platform), prices[platform].read),
            ("health looks", _health_looks(conn, space, period, platform), prices[platform].read),
        )
        if count
    ]
    return Figures(_CALLS, rows)


_CALLS = ("platform", "what", "count", "price", "cost")


def _made(
    conn: Connection, space: int, period: Period, prices: Mapping[Platform, Prices]
) -> dict[Platform, Counter[str]]:
    """By platform: parts that came out without and with a link, and descriptions of their images."""
    rows = conn.execute(
        select(deliveries.c.platform, deliveries.c.parts).where(
            deliveries.c.user_id == space,
            deliveries.c.platform.in_([p.value for p in prices]),
            deliveries.c.published_at >= period.since,
            deliveries.c.published_at <= period.now,
        )
    ).all()
    described = set(conn.execute(select(media.c.id).where(media.c.user_id == space, media.c.alt != "")).scalars())
    made: dict[Platform, Counter[str]] = {platform: Counter() for platform in prices}
    for platform, parts in rows:
        for part in parts:
            if part.get("ref"):
                made[Platform(platform)]["linked" if find_urls(part["text"]) else "plain"] += 1
                made[Platform(platform)]["alt"] += len(described.intersection(part["media"]))
    return made


def _readings(conn: Connection, store: SampleStore, period: Period, platform: Platform) -> int:
    """Posts read: at a visit every part of a thread that is out is read back, and each counts once a UTC day."""
    rows = store.rows(
        """
        SELECT delivery_id, count(DISTINCT epoch_us(s."at") // 86400000000)
        FROM samples s JOIN deliveries d USING (delivery_id)
        WHERE d.platform = ? AND epoch_us(s."at") BETWEEN ?::BIGINT AND ?::BIGINT GROUP BY delivery_id
        """,
        [platform.value, micros(period.since), micros(period.now)],
    )
    parts = _parts_out(conn, [row[0] for row in rows])
    return sum(int(days) * parts.get(delivery, 1) for delivery, days in rows)


def _parts_out(conn: Connection, ids: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(ids), 500):
        query = select(deliveries.c.id, deliveries.c.parts).where(deliveries.c.id.in_(ids[start : start + 500]))
        found |= {row.id: max(1, sum(bool(part.get("ref")) for part in row.parts)) for row in conn.execute(query)}
    return found


def _health_looks(conn: Connection, space: int, period: Period, platform: Platform) -> int:
    """Accounts by UTC day on which they were checked."""
    query = (
        select(health_signs.c.account_id, health_signs.c.at)
        .join(accounts, accounts.c.id == health_signs.c.account_id)
        .where(
            accounts.c.user_id == space,
            health_signs.c.platform == platform.value,
            health_signs.c.source == CHECK,
            health_signs.c.at >= period.since,
            health_signs.c.at <= period.now,
        )
    )
    return len({(row.account_id, row.at.astimezone(UTC).date()) for row in conn.execute(query)})


def costs(conn: Connection, since: datetime) -> Figures:
    """Of the whole installation, by UTC day, purpose and model. A question that is under way counts with its most."""
    tokens_in, tokens_out = func.sum(ai_usage.c.input_tokens), func.sum(ai_usage.c.output_tokens)
    rows = conn.execute(
        select(
            ai_usage.c.day,
            ai_usage.c.purpose,
            ai_usage.c.model,
            func.count(),
            tokens_in,
            tokens_out,
            func.sum(ai_usage.c.cost_micros),
        )
        .where(ai_usage.c.at >= since)
        .group_by(ai_usage.c.day, ai_usage.c.purpose, ai_usage.c.model)
        .order_by(ai_usage.c.day, ai_usage.c.purpose, ai_usage.c.model)
    )
    return Figures(
        ("day", "purpose", "model", "questions", "input tokens", "output tokens", "cost"),
        [(*row[:3], int(row[3]), int(row[4]), int(row[5]), int(row[6]) / 1e6) for row in rows],
    )
