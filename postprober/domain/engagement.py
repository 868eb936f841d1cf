"""When engagement is read."""

from __future__ import annotations

from datetime import datetime, timedelta

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
# After publishing: dense while a post is young, daily to the end of the month.
POLL_AFTER: tuple[timedelta, ...] = (
    _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR,
    *(timedelta(days=day) for day in range(2, 31)),
)  # fmt: skip


def next_poll(published_at: datetime, now: datetime, scale: float = 1.0) -> datetime | None:
    """The next moment of the plan after `now`, None when the plan is over. `scale` shortens the plan (sandbox)."""
    for after in POLL_AFTER:
        moment = published_at + after * scale
        if moment > now:
            return moment
    return None
