"""Days and hours as a person's clock shows them, as numbers that DuckDB can count with.

A zone's distance from UTC is the same for months at a time. So its few changes in the period are looked up in the
zone's own table, and the query adds the right distance to each moment: exact on both days of a clock change, and much
faster than asking the zone for each of millions of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def micros(moment: datetime) -> int:
    """Since 1970, as DuckDB's `epoch_us`."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH.date()).days


def day_of(number: int) -> date:
    return _EPOCH.date() + timedelta(days=number)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The day's first moment there, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


@dataclass(frozen=True)
class Shift:
    """A zone's distances from UTC over a period: `first`, then from each moment of `changes` on another one
    (microseconds)."""

    first: int
    changes: tuple[tuple[int, int], ...]

    def sql(self, column: str) -> tuple[str, list[int]]:
        """`column` (a constant of ours, microseconds in UTC) as the clock there shows it: SQL and its parameters."""
        if not self.changes:
            return f"({column} + ?::BIGINT)", [self.first]
        words, values, distance = [], list[int](), self.first
        for moment, after in self.changes:
            words.append(f"WHEN {column} < ?::BIGINT THEN ?::BIGINT")
            values += [moment, distance]
            distance = after
        return f"({column} + CASE {' '.join(words)} ELSE ?::BIGINT END)", [*values, distance]


def shift(zone: ZoneInfo, since: datetime, until: datetime) -> Shift:
    """The distances between two moments (aware)."""
    changes = []
    at, distance = since.astimezone(UTC).replace(microsecond=0), _distance(zone, since)
    while at < until:
        following = at + timedelta(days=1)
        if (after := _distance(zone, following)) != distance:
            changes.append((micros(_change(zone, at, following)), after))
            distance = after
        at = following
    return Shift(_distance(zone, since), tuple(changes))


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second between two moments (a day apart) at which the distance is that of `high`."""
    wanted = _distance(zone, high)
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        low, high = (low, middle) if _distance(zone, middle) == wanted else (middle, high)
    return high


def _distance(zone: ZoneInfo, moment: datetime) -> int:
    return (moment.astimezone(zone).utcoffset() or timedelta()) // timedelta(microseconds=1)
