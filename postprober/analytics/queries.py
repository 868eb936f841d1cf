"""The numbers of the Analytics page.

Only constants of this file are SQL; what a person chose is a parameter or the key of one of them. A count that the
platform did not tell is NULL all the way and is never taken for zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from postprober.agent.results import ACTS
from postprober.analytics.days import HOUR_US, Shift, day_number, day_of, micros, shift, start_of
from postprober.analytics.figures import Figures
from postprober.analytics.store import SampleStore
from postprober.domain.engagement import AGES, NEAR, NEAR_MOST, POLL_AFTER

# Columns of the store's `samples`. Engagement is what people did with a post; it is known where at least one act is.
METRICS: dict[str, str] = {name: name for name in ("engagement", *ACTS, "views")}
LOOK_BACK = POLL_AFTER[-1] + timedelta(days=2)  # what a post had before the period is in these days
GROWTH_HOURS = 168  # of the growth curves
RANK_HOURS = 24  # the age at which hours of the week are compared
CURVES = 8  # posts whose own curve is drawn
# The hour of a post's age, to the nearest; and at which of the AGES a reading counts (`domain.engagement.near`), NULL
# between two of them.
_AGE = '(epoch_us(s."at") - epoch_us(o.published_at))'
_HOUR = f"(({_AGE} + {HOUR_US // 2}) // {HOUR_US})"


def age_counted(age: str) -> str:
    """SQL: the one of AGES that a reading of `age` (SQL, microseconds) counts for, else NULL. Their reaches never meet."""
    reach = int(NEAR_MOST / timedelta(hours=1) * HOUR_US)
    spans = ((hours, min(int(hours * HOUR_US * NEAR), reach)) for hours in AGES if hours <= GROWTH_HOURS)
    cases = (f"WHEN {age} BETWEEN {h * HOUR_US - s} AND {h * HOUR_US + s} THEN {h}" for h, s in spans)
    return f"CASE {' '.join(cases)} END"


@dataclass(frozen=True)
class Period:
    """The last `days` days of `zone`, today included, seen at `now`; `metric`: a key of METRICS."""

    now: datetime
    zone: ZoneInfo
    days: int
    metric: str

    @property
    def since(self) -> datetime:
        today = self.now.astimezone(self.zone).date()
        return start_of(today - timedelta(days=self.days - 1), self.zone)

    @property
    def look_back(self) -> datetime:
        """From when on samples are needed."""
        return self.since - LOOK_BACK

    @property
    def shift(self) -> Shift:
        return shift(self.zone, self.look_back, self.now)

    @property
    def day_numbers(self) -> tuple[int, int]:
        """First and last day."""
        last = day_number(self.now.astimezone(self.zone).date())
        return last - self.days + 1, last


def prepare(store: SampleStore, period: Period) -> None:
    """Once for the page: the tables `daily`, `out` and `growth`."""
    for step in STEPS.values():
        step(store, period)


def _daily(store: SampleStore, period: Period) -> None:
    """What each delivery had at the end of each day on which something was told."""
    day, shifts = period.shift.sql('epoch_us(s."at")')
    value = METRICS[period.metric]
    store.run(
        f'CREATE TEMP TABLE daily AS SELECT s.delivery_id, {day} // 86400000000 AS day, arg_max({value}, s."at") AS v '  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
        f"FROM samples s SEMI JOIN deliveries d ON d.delivery_id = s.delivery_id WHERE ({value}) IS NOT NULL GROUP BY ALL",
        shifts,
    )


def _out(store: SampleStore, period: Period) -> None:
    """What went out in the period, when that was on the person's clock, and its newest count."""
    local, shifts = period.shift.sql("epoch_us(published_at)")
    store.run(
        f"CREATE TEMP TABLE out AS SELECT d.*, w.v, {local} AS local_us FROM deliveries d "  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
        "LEFT JOIN (SELECT delivery_id, arg_max(v, day) AS v FROM daily GROUP BY delivery_id) w USING (delivery_id) "
        "WHERE epoch_us(published_at) BETWEEN ?::BIGINT AND ?::BIGINT",
        [*shifts, micros(period.since), micros(period.now)],
    )


def _growth(store: SampleStore, period: Period) -> None:
    """What each of them had at the AGES up to a week: of the readings that count for an age the nearest."""
    value = METRICS[period.metric]
    store.run(
        f"CREATE TEMP TABLE growth AS SELECT delivery_id, hour, arg_min(v, abs(age - hour * {HOUR_US})) AS v FROM ("  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
        f"SELECT s.delivery_id, {_AGE} AS age, {age_counted('age')} AS hour, {value} AS v "
        f"FROM samples s JOIN out o USING (delivery_id) WHERE ({value}) IS NOT NULL "
        f"AND age BETWEEN 0 AND {GROWTH_HOURS * HOUR_US + int(NEAR_MOST / timedelta(hours=1) * HOUR_US)}"
        ") WHERE hour IS NOT NULL GROUP BY ALL",
        [],
    )


STEPS: dict[str, Callable[[SampleStore, Period], None]] = {"daily": _daily, "out": _out, "growth": _growth}


def over_time(store: SampleStore, period: Period) -> Figures:
    """What came in on each day, by platform: the day's last count less the one known before. A new post begins at
    zero. A day on which nothing was told is None."""
    first, last = period.day_numbers
    rows = store.rows(
        """
        WITH steps AS (
            SELECT w.delivery_id, w.day, d.platform,
                   w.v - coalesce(lag(w.v) OVER (PARTITION BY w.delivery_id ORDER BY w.day),
                                  CASE WHEN epoch_us(d.published_at) >= ?::BIGINT THEN 0 END) AS gain
            FROM daily w JOIN deliveries d USING (delivery_id)
        )
        SELECT p.platform, n.day, sum(s.gain)::BIGINT, count(DISTINCT s.delivery_id)
        FROM (SELECT DISTINCT platform FROM deliveries WHERE published_at IS NOT NULL) p
        CROSS JOIN (SELECT unnest(generate_series(?::BIGINT, ?::BIGINT)) AS day) n
        LEFT JOIN steps s ON s.platform = p.platform AND s.day = n.day
        GROUP BY ALL ORDER BY n.day, p.platform
        """,
        [micros(period.look_back), first, last],
    )
    return Figures(
        ("day", "platform", "gained", "posts counted"), [(day_of(day), name, gain, n) for name, day, gain, n in rows]
    )


def by_post(store: SampleStore) -> Figures:
    """What went out in the period, most first; what is unknown comes last. `unknown`: platforms without a count."""
    rows = store.rows(
        """
        SELECT post_id, sum(v)::BIGINT AS total, count(*), count(*) - count(v), min(local_us),
               string_agg(platform, ' ' ORDER BY platform)
        FROM out GROUP BY post_id ORDER BY total DESC NULLS LAST, post_id
        """
    )
    return Figures(
        ("post", "count", "deliveries", "unknown", "published", "platforms"),
        [(post, total, n, unknown, _local(us), names) for post, total, n, unknown, us, names in rows],
    )


def by_account(store: SampleStore, names: dict[int, str]) -> Figures:
    """Sum and median over what went out in the period."""
    rows = store.rows(
        """
        SELECT platform, account_id, sum(v)::BIGINT, median(v), count(*), count(*) - count(v)
        FROM out GROUP BY ALL ORDER BY 3 DESC NULLS LAST, account_id
        """
    )
    return Figures(
        ("platform", "account", "count", "median", "deliveries", "unknown"),
        [(platform, names.get(account, str(account)), *rest) for platform, account, *rest in rows],
    )


def by_platform(store: SampleStore) -> Figures:
    """The same by platform."""
    rows = store.rows(
        "SELECT platform, sum(v)::BIGINT, median(v), count(*), count(*) - count(v) FROM out GROUP BY ALL ORDER BY platform"
    )
    return Figures(("platform", "count", "median", "deliveries", "unknown"), rows)


def growth(store: SampleStore, period: Period) -> Figures:
    """The best posts of the period by the hours since posting, to the nearest: the last count known in each."""
    value = METRICS[period.metric]
    rows = store.rows(
        f"""
        SELECT {_HOUR} AS hours, o.post_id, o.platform, arg_max({value}, s."at")
        FROM samples s
        JOIN (FROM out WHERE v IS NOT NULL ORDER BY v DESC, delivery_id LIMIT ?) o USING (delivery_id)
        WHERE ({value}) IS NOT NULL AND epoch_us(s."at") - epoch_us(o.published_at) BETWEEN 0 AND ?::BIGINT
        GROUP BY ALL ORDER BY o.post_id, o.platform, hours
        """,  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
        [CURVES, GROWTH_HOURS * HOUR_US - 1],
    )
    return Figures(("hours", "post", "platform", "count"), rows)


def typical_growth(store: SampleStore) -> Figures:
    """The median of the posts of the period at the age of so many hours, and of how many: those read at that age."""
    rows = store.rows(
        """
        SELECT g.hour AS hours, o.platform, median(g.v), count(*)
        FROM growth g JOIN out o USING (delivery_id) GROUP BY ALL ORDER BY platform, hours
        """
    )
    return Figures(("hours", "platform", "median", "posts"), rows)


def best_hours(store: SampleStore, period: Period) -> Figures:
    """By weekday (1 = Monday) and hour of posting, on the person's clock: the mean count of posts when they were 24
    hours old, and how many of them are known: read at that age. Younger posts are left out."""
    rows = store.rows(
        """
        WITH reached AS (SELECT delivery_id, v FROM growth WHERE hour = ?)
        SELECT (local_us // 86400000000 + 3) % 7 + 1 AS weekday, local_us // 3600000000 % 24 AS hour,
               avg(r.v), count(r.v), count(*)
        FROM out o LEFT JOIN reached r USING (delivery_id)
        WHERE epoch_us(published_at) <= ?::BIGINT GROUP BY ALL ORDER BY ALL
        """,
        [RANK_HOURS, micros(period.now) - RANK_HOURS * HOUR_US],
    )
    return Figures(("weekday", "hour", "mean", "posts counted", "posts"), rows)


def reliability(store: SampleStore, period: Period) -> Figures:
    """Of what was due in the period: what went out, what failed, what waits for a person; what of it was proved; how
    late the first byte left (seconds, never less than 0). Rates are None where there is nothing to divide by."""
    rows = store.rows(
        """
        SELECT platform, count(*),
               count(*) FILTER (published_at IS NOT NULL) AS went, count(*) FILTER (state IN ('failed', 'partial')) AS failed,
               count(*) FILTER (state = 'held') AS held, count(*) FILTER (state = 'ghost') AS ghosts,
               count(*) FILTER (state = 'verified') AS proved,
               went / nullif(went + failed, 0), proved / nullif(went, 0),
               quantile_cont(greatest(0, (epoch_us(first_byte_at) - epoch_us(due_at)) / 1e6), [0.5, 0.9, 0.99])
                   FILTER (first_byte_at IS NOT NULL AND published_at IS NOT NULL) AS late
        FROM deliveries WHERE epoch_us(due_at) BETWEEN ?::BIGINT AND ?::BIGINT AND state <> 'cancelled'
        GROUP BY platform ORDER BY platform
        """,
        [micros(period.since), micros(period.now)],
    )
    columns = ("platform", "due", "went out", "failed", "held", "ghosts", "proved", "success rate", "proof rate")
    late = ("late p50 (s)", "late p90 (s)", "late p99 (s)")
    return Figures((*columns, *late), [(*row[:-1], *(row[-1] or (None, None, None))) for row in rows])


def _local(us: int) -> datetime:
    """The person's wall clock, without a zone."""
    return datetime(1970, 1, 1) + timedelta(microseconds=us)
