"""The numbers that only reports have. They stand on the tables that `queries.prepare` makes; only constants are SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from postprober.agent.results import ACTS
from postprober.analytics.days import HOUR_US, micros
from postprober.analytics.figures import Figures
from postprober.analytics.queries import METRICS, Period, age_counted
from postprober.analytics.store import SampleStore
from postprober.domain.alert import LATE_AFTER
from postprober.domain.delivery import PROOF_ORDER

COUNTS = (*ACTS, "views")
USUAL_DAYS = 90  # an account's earlier posts that a post is compared with; older ones tell of another audience
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WITHIN = "epoch_us({}) BETWEEN ?::BIGINT AND ?::BIGINT"
_WENT = "published_at IS NOT NULL"
_TIMED = f"{_WENT} AND first_byte_at IS NOT NULL"
_LATE_US = "(epoch_us(first_byte_at) - epoch_us(due_at))"

DELIVERED = (
    "platform",
    "due",
    "went out",
    "failed",
    "held",
    "ghosts",
    "proved",
    "on time",
    "success rate",
    "proof rate",
    "on-time share",
    "late p50 (s)",
    "late p90 (s)",
    "late p99 (s)",
)


def delivered(store: SampleStore, period: Period) -> Figures:
    """Of what was due in the period: what went out, failed or waits for a person, what was proved, what left on time
    (within `domain.alert.LATE_AFTER`), and how late. The last row, with platform None, is all of them together. Rates
    are None where there is nothing to divide by; lateness is never less than 0."""
    rows = store.rows(
        f"""
        SELECT platform, count(*), count(*) FILTER ({_WENT}) AS went, count(*) FILTER (state IN ('failed', 'partial')) AS failed,
               count(*) FILTER (state = 'held'), count(*) FILTER (state = 'ghost'),
               count(*) FILTER (state = 'verified') AS proved,
               count(*) FILTER ({_TIMED} AND {_LATE_US} <= ?::BIGINT) AS punctual,
               went / nullif(went + failed, 0), proved / nullif(went, 0),
               punctual / nullif(count(*) FILTER ({_TIMED}), 0),
               quantile_cont(greatest(0, {_LATE_US} / 1e6), [0.5, 0.9, 0.99]) FILTER ({_TIMED})
        FROM deliveries WHERE {_WITHIN.format("due_at")} AND state <> 'cancelled'
        GROUP BY ROLLUP (platform) ORDER BY platform NULLS LAST
        """,  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
        [LATE_AFTER // timedelta(microseconds=1), micros(period.since), micros(period.now)],
    )
    return Figures(DELIVERED, [(*row[:-1], *(row[-1] or (None, None, None))) for row in rows if row[1]])


def proofs(store: SampleStore, period: Period) -> Figures:
    """How far what went out in the period was proved, by platform: a column for each level."""
    counts = ", ".join(f"count(*) FILTER (proof = '{level.value}')" for level in PROOF_ORDER)
    rows = store.rows(f"SELECT platform, count(*), {counts} FROM out GROUP BY platform ORDER BY platform")  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
    return Figures(("platform", "went out", *(level.value for level in PROOF_ORDER)), rows)


def growing(store: SampleStore) -> int | None:
    """The count of all that went out in the period; None when none is known."""
    value: int | None = store.rows("SELECT sum(v)::BIGINT FROM out")[0][0]
    return value


@dataclass(frozen=True)
class Reached:
    """One delivery's newest known counts (`counts` by name of COUNTS; None: never told), when it was last counted, and
    what people did with it altogether."""

    delivery_id: int
    counts: dict[str, int | None]
    counted_at: datetime | None
    engagement: int | None


def reached(store: SampleStore, period: Period) -> list[Reached]:
    """Everything that was due or went out in the period and was not cancelled."""
    return _reached(
        store,
        f"({_WITHIN.format('due_at')} OR {_WITHIN.format('published_at')}) AND state <> 'cancelled'",
        [micros(period.since), micros(period.now)] * 2,
    )


def reached_by_post(store: SampleStore, post_id: int) -> list[Reached]:
    """The deliveries of one post."""
    return _reached(store, "post_id = ?::BIGINT", [post_id])


def _reached(store: SampleStore, where: str, parameters: Sequence[Any]) -> list[Reached]:
    value = METRICS["engagement"]
    newest = ", ".join(f'arg_max({name}, "at") FILTER ({name} IS NOT NULL)' for name in COUNTS)
    rows = store.rows(
        f"""
        SELECT delivery_id, max(epoch_us("at")), arg_max({value}, "at") FILTER (({value}) IS NOT NULL), {newest}
        FROM deliveries LEFT JOIN samples USING (delivery_id) WHERE {where} GROUP BY delivery_id ORDER BY delivery_id
        """,  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
        parameters,
    )
    return [
        Reached(delivery, dict(zip(COUNTS, counts, strict=True)), _moment(at), engagement)
        for delivery, at, engagement, *counts in rows
    ]


@dataclass(frozen=True)
class Usual:
    """What an account's posts usually have at an age: the median of the `posts` whose count is known."""

    hours: int
    median: float
    posts: int


def usual(store: SampleStore, *, account_id: int, but: int, before: datetime, now: datetime) -> list[Usual]:
    """What the account's other posts of the USUAL_DAYS before `before` had, by age; a post counts at an age only when it
    is that old by `now` and was read at that age. `but`: the delivery that is compared."""
    value = METRICS["engagement"]
    rows = store.rows(
        f"""
        WITH others AS (
            SELECT delivery_id, epoch_us(published_at) AS born FROM deliveries
            WHERE account_id = ? AND delivery_id <> ? AND {_WITHIN.format("published_at")}
        ), readings AS (
            SELECT delivery_id, born, epoch_us("at") - born AS age, {age_counted("age")} AS hour, {value} AS v
            FROM others JOIN samples USING (delivery_id) WHERE ({value}) IS NOT NULL
        ), known AS (
            SELECT delivery_id, hour, arg_min(v, abs(age - hour * {HOUR_US})) AS v FROM readings
            WHERE hour IS NOT NULL AND born + hour * {HOUR_US} <= ?::BIGINT GROUP BY ALL
        )
        SELECT hour, median(v), count(*) FROM known GROUP BY hour ORDER BY hour
        """,  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
        [account_id, but, micros(before - timedelta(days=USUAL_DAYS)), micros(before), micros(now)],
    )
    return [Usual(int(hour), float(value), int(posts)) for hour, value, posts in rows]


def _moment(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)
