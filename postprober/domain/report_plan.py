"""When a report is due, and which days it is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from postprober.errors import BadInput

LAST_DAY = 28  # of a month: the last one that every month has


class Every(StrEnum):
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Plan:
    """`day`: 1 (Monday) to 7 of a week, or 1 to LAST_DAY of a month; `hour`: 0 to 23 on the person's clock. Raises
    BadInput."""

    every: Every
    day: int
    hour: int

    def __post_init__(self) -> None:
        most = 7 if self.every is Every.WEEK else LAST_DAY
        if not 1 <= self.day <= most:
            raise BadInput(f"The day must be 1 to {most}.", field="day")
        if not 0 <= self.hour <= 23:
            raise BadInput("The hour must be 0 to 23.", field="hour")

    def next(self, zone: ZoneInfo, after: datetime) -> datetime:
        """The first time after `after` (aware), in UTC."""
        here = after.astimezone(zone).date()
        return next(at for day in _days(here, 1) if self._fits(day) and (at := self._at(day, zone)) > after)

    def last(self, zone: ZoneInfo, now: datetime) -> date:
        """The day of the newest time that is not after `now`."""
        here = now.astimezone(zone).date()
        return next(day for day in _days(here, -1) if self._fits(day) and self._at(day, zone) <= now)

    def covers(self, day: date) -> tuple[date, date]:
        """First and last day of what a report made on `day` is about: the seven days before it, or the month before."""
        if self.every is Every.WEEK:
            return day - timedelta(days=7), day - timedelta(days=1)
        last = day.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last

    def _fits(self, day: date) -> bool:
        return (day.isoweekday() if self.every is Every.WEEK else day.day) == self.day

    def _at(self, day: date, zone: ZoneInfo) -> datetime:
        """An hour that a clock change skips is the one after it; of an hour that comes twice it is the first."""
        return datetime.combine(day, time(self.hour), zone).astimezone(UTC)


def _days(start: date, step: int) -> Iterator[date]:
    for number in range(63):  # more than two months: every plan has a time in it
        yield start + timedelta(days=step * number)
