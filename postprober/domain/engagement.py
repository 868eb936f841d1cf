"""When engagement is read, and which reading tells what a post had at an age.

Readings come seconds after their planned moment, or minutes on a busy day. So "at 24 hours" is never the newest reading
that is not older than 24 hours (that one was planned for 12), but the one nearest to 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
# After publishing: dense while a post is young, daily to the end of the month.
POLL_AFTER: tuple[timedelta, ...] = (
    _MINUTE,
    5 * _MINUTE,
    15 * _MINUTE,
    _HOUR,
    3 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    24 * _HOUR,
    *(timedelta(days=day) for day in range(2, 31)),
)


# Hours of age at which posts are compared: those at which each is read.
AGES: tuple[int, ...] = tuple(after // _HOUR for after in POLL_AFTER if after >= _HOUR)
NEAR = 0.1  # ours: a reading counts for an age from which it is no further than a tenth of it, and
NEAR_MOST = 12 * _HOUR  # no further than this, so that one reading never counts for two days


def leeway(at: timedelta, scale: float = 1.0) -> timedelta:
    """How far from the age `at` a reading may be to tell of it, and so how far one that is planned for it may move."""
    return min(at * NEAR, NEAR_MOST * scale)


def near(age: timedelta, at: timedelta, scale: float = 1.0) -> bool:
    """Whether a reading of a post of `age` tells what it had at the age `at` (in real time, `scale` included)."""
    return abs(age - at) <= leeway(at, scale)


def nearest(ages: Iterable[timedelta], at: timedelta, scale: float = 1.0) -> timedelta | None:
    """Of the ages of a post's readings the one that tells what it had at the age `at`; None where none is near."""
    return min((age for age in ages if near(age, at, scale)), key=lambda age: abs(age - at), default=None)


def next_poll(
    published_at: datetime, now: datetime, scale: float = 1.0, also: Iterable[timedelta] = ()
) -> datetime | None:
    """The next moment of the plan after `now`, None when the plan is over. `scale` shortens the plan (sandbox). `also`:
    further ages at which this post is read."""
    moments = (published_at + after * scale for after in (*POLL_AFTER, *also))
    return min((moment for moment in moments if moment > now), default=None)
