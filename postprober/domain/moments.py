"""Moments that strangers wrote, as aware UTC; None for whatever is none or lies at an end of the calendar.

The years 1 and 9999 are no moments: programs write them for "unset" (Go's zero time, `datetime.max`), and arithmetic with
them fails.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def parse_time(value: object) -> datetime | None:
    """An ISO 8601 moment (without offset: UTC)."""
    if not isinstance(value, str) or len(value) < len("2026-01-01T00:00"):
        return None
    try:
        return _inside(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return None


def parse_http_date(value: str) -> datetime | None:
    """A date as in HTTP headers (RFC 9110, 5.6.7; without zone: UTC)."""
    try:
        return _inside(parsedate_to_datetime(value))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def from_epoch(number: object, *, per_second: int = 1) -> datetime | None:
    """`number` of seconds (or of parts of them, `per_second` to each) since 1970."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    try:
        return _inside(datetime.fromtimestamp(number / per_second, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def seconds_after(now: datetime, seconds: object) -> datetime | None:
    """`seconds`, a number, after `now`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return _inside(now + timedelta(seconds=seconds))
    except (ValueError, OverflowError):
        return None


def _inside(moment: datetime) -> datetime | None:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment if datetime.min.year < moment.year < datetime.max.year else None
