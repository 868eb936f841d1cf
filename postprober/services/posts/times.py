"""What people type as a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from postprober.domain import typed_time
from postprober.domain.typed_time import Order
from postprober.errors import BadInput

PAST_TOLERANCE = timedelta(minutes=1)  # between typing and pressing the button
FARTHEST = timedelta(days=366 * 2)


def parse_time(text: str, now: datetime, zone: str = "", order: Order = "") -> datetime:
    """`text` (ISO 8601, or as people write a date and an hour) as aware UTC. A time without offset is read in `zone`;
    without a zone it is refused. `order`: whether the day or the month comes first in 02/03/2027.

    Raises BadInput for nonsense, a date without an hour, an unclear date, a missing zone, the past, the far future, and
    local times that a clock change skips or repeats.
    """
    moment = typed_time.parse(text, order)
    if moment.tzinfo is None and not zone:
        raise BadInput("The time has no time zone; add Z or an offset such as +01:00.", field="time")
    try:
        moment = (moment if moment.tzinfo else _in_zone(moment, ZoneInfo(zone))).astimezone(UTC)
    except OverflowError:  # year 1 or 9999 with an offset that leaves the calendar
        raise BadInput(f"{text!r} lies outside the calendar; choose another time.", field="time") from None
    return check_time(moment, now)


def check_time(moment: datetime, now: datetime) -> datetime:
    """`moment` (aware) in UTC, if something can be planned for it. Raises BadInput for the past and the far future."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # year 1 or 9999 with an offset that leaves the calendar
        raise BadInput("The time lies outside the calendar; choose another one.", field="time") from None
    if moment < now - PAST_TOLERANCE:
        raise BadInput("The time is in the past; choose a later one or leave it out to post now.", field="time")
    if moment > now + FARTHEST:
        raise BadInput("The time is more than two years ahead; choose an earlier one.", field="time")
    return moment


def readings(naive: datetime, zone: str) -> tuple[datetime, ...]:
    """The moments (aware UTC, ascending) at which the clocks of `zone` show `naive`: none where a clock change skips it,
    two where it happens twice."""
    there = ZoneInfo(zone)
    found = sorted({naive.replace(tzinfo=there, fold=fold).astimezone(UTC) for fold in (0, 1)})
    return tuple(one for one in found if one.astimezone(there).replace(tzinfo=None) == naive)


def skipped(naive: datetime, zone: str) -> str:
    """What to say of a local time that does not exist."""
    return f"{naive:%Y-%m-%d %H:%M} does not exist in {zone}: the clocks jump over it. Choose another time."


def _in_zone(naive: datetime, zone: ZoneInfo) -> datetime:
    first, second = naive.replace(tzinfo=zone, fold=0), naive.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != naive:
        raise BadInput(skipped(naive, zone.key), field="time")
    raise BadInput(
        f"{naive:%Y-%m-%d %H:%M} happens twice in {zone.key}, because the clocks go back. Add an offset to say which.",
        field="time",
    )
