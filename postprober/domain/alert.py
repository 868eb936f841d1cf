"""Which changes people are told about, in which words, and when they want to hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from postprober.domain.delivery import DeliveryState


class AlertType(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    SUCCESS = "success"


class AlertKind(StrEnum):
    """What happened. Channels choose by it."""

    FAILED = "failed"
    HELD = "held"
    GHOST = "ghost"
    DRIFTED = "drifted"
    LATE = "late"
    RECONNECT = "reconnect"
    CRITERIA = "criteria"
    REPAIR = "repair"
    REVIEW = "review"
    REACH = "reach"
    TWICE = "twice"
    HEARTBEAT = "heartbeat"
    CHANNEL = "channel"
    PLATFORM = "platform"
    REPORT = "report"
    RECOVERED = "recovered"
    OTHER = "other"


KIND_WORDS: dict[AlertKind, str] = {
    AlertKind.FAILED: "Not published",
    AlertKind.HELD: "Held, needs a decision",
    AlertKind.GHOST: "Accepted, but not visible",
    AlertKind.DRIFTED: "Changed or gone after the proof",
    AlertKind.LATE: "Went out late",
    AlertKind.RECONNECT: "Account needs linking again",
    AlertKind.CRITERIA: "Success criteria",
    AlertKind.REPAIR: "A repair",
    AlertKind.REVIEW: "Waits for a review",
    AlertKind.REACH: "Reaches hardly anybody",
    AlertKind.TWICE: "Two posts for one delivery",
    AlertKind.HEARTBEAT: "The scheduler does not run",
    AlertKind.CHANNEL: "A channel was switched off",
    AlertKind.PLATFORM: "A platform is failing",
    AlertKind.REPORT: "A report was not sent",
    AlertKind.RECOVERED: "All is well again",
    AlertKind.OTHER: "Something else",
}


@dataclass(frozen=True)
class AlertRule:
    kind: AlertKind
    type: AlertType
    text: str  # {platform}, {account}, {reason}


RULES: dict[DeliveryState, AlertRule] = {
    DeliveryState.FAILED: AlertRule(
        AlertKind.FAILED, AlertType.ERROR, "{platform} ({account}): not published. {reason}"
    ),
    DeliveryState.HELD: AlertRule(
        AlertKind.HELD, AlertType.ERROR, "{platform} ({account}): held, please decide. {reason}"
    ),
    DeliveryState.GHOST: AlertRule(
        AlertKind.GHOST,
        AlertType.ERROR,
        "{platform} ({account}): {reason} The platform had accepted it; it is not sent again.",
    ),
}
DRIFTED = AlertRule(
    AlertKind.DRIFTED,
    AlertType.ERROR,
    "{platform} ({account}): {reason} It had been proved live; it is not sent again.",
)
CHANGED = AlertRule(AlertKind.DRIFTED, AlertType.WARNING, "{platform} ({account}): {reason}")
RECOVERED = AlertRule(AlertKind.RECOVERED, AlertType.SUCCESS, "{platform} ({account}): all is well again. {reason}")
LATE = AlertRule(AlertKind.LATE, AlertType.WARNING, "{platform} ({account}): it went out late. {reason}")
LATE_AFTER = timedelta(minutes=10)  # ours: what a person who planned a minute would call late


def alert_for(old: DeliveryState | None, new: DeliveryState) -> AlertRule | None:
    """The alert that a transition calls for by itself, or None. Whether something has recovered depends on what was
    told before, which only the database knows."""
    if new is DeliveryState.GHOST and old is DeliveryState.VERIFIED:
        return DRIFTED
    return RULES.get(new)


@dataclass(frozen=True)
class Preferences:
    """When somebody wants to be told. `quiet_from`, `quiet_to`: "22:00" in their zone, "" for never; `urgent` lets
    errors through the quiet hours; `again_minutes` and `escalate_minutes` count for errors that nobody has read, 0 is
    never; `again_times` at most."""

    quiet_from: str = ""
    quiet_to: str = ""
    urgent: bool = True
    again_minutes: int = 0
    again_times: int = 3
    escalate_minutes: int = 0


def clock_time(text: str) -> time:
    """`22:00` as a time. Raises ValueError."""
    return datetime.strptime(text, "%H:%M").time()


def quiet_until(now: datetime, zone: str, wishes: Preferences) -> datetime | None:
    """The end of the quiet hours that `now` (aware UTC) lies in, aware UTC; None when it lies in none."""
    if not wishes.quiet_from or not wishes.quiet_to or wishes.quiet_from == wishes.quiet_to:
        return None
    place = ZoneInfo(zone)
    begin, end = clock_time(wishes.quiet_from), clock_time(wishes.quiet_to)
    there = now.astimezone(place)
    clock = there.time().replace(tzinfo=None)
    overnight = begin > end
    inside = (clock >= begin or clock < end) if overnight else begin <= clock < end
    if not inside:
        return None
    day = there.date() + timedelta(days=1 if overnight and clock >= begin else 0)
    until = datetime.combine(day, end, place).astimezone(now.tzinfo)
    # In the night of a clock change the end may be read as a moment that has passed.
    return until if until > now else None


def wants(kinds: tuple[str, ...], kind: str) -> bool:
    """Whether a channel that chose `kinds` takes this one; no choice takes all."""
    return not kinds or kind in kinds
