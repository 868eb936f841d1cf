"""Which changes people are told about, in which words, and when they want to hear of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    PARTLY = "partly"
    NOT_PUBLIC = "not_public"
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


KIND_WORDS: dict[str, str] = {
    AlertKind.FAILED: "Not published",
    AlertKind.HELD: "Needs a decision",
    AlertKind.GHOST: "Accepted but not visible",
    AlertKind.NOT_PUBLIC: "Accepted but not public",
    AlertKind.PARTLY: "Partially published",
    AlertKind.DRIFTED: "Changed or removed after verification",
    AlertKind.LATE: "Published late",
    AlertKind.RECONNECT: "Reconnect the account",
    AlertKind.CRITERIA: "Goal",
    AlertKind.REPAIR: "Repair",
    AlertKind.REVIEW: "Waiting for review",
    AlertKind.REACH: "Unusually low reach",
    AlertKind.TWICE: "Two posts for one delivery",
    AlertKind.HEARTBEAT: "Scheduler not running",
    AlertKind.CHANNEL: "Channel turned off",
    AlertKind.PLATFORM: "Platform failing",
    AlertKind.REPORT: "Report not sent",
    AlertKind.RECOVERED: "Resolved",
    AlertKind.OTHER: "Other",
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
        "{platform} ({account}): {reason} The platform accepted it. It is not sent again.",
    ),
    DeliveryState.PARTIAL: AlertRule(
        AlertKind.PARTLY,
        AlertType.ERROR,
        "{platform} ({account}): only the first parts of the thread are published. {reason}",
    ),
}
DRIFTED = AlertRule(
    AlertKind.DRIFTED,
    AlertType.ERROR,
    "{platform} ({account}): {reason} It had been verified. It is not sent again.",
)
NOT_PUBLIC = AlertRule(
    AlertKind.NOT_PUBLIC, AlertType.WARNING, "{platform} ({account}): {reason} It is not sent again."
)
CHANGED = AlertRule(AlertKind.DRIFTED, AlertType.WARNING, "{platform} ({account}): {reason}")
RECOVERED = AlertRule(AlertKind.RECOVERED, AlertType.SUCCESS, "{platform} ({account}): resolved. {reason}")
LATE = AlertRule(AlertKind.LATE, AlertType.WARNING, "{platform} ({account}): published late. {reason}")
LATE_AFTER = timedelta(minutes=10)  # ours: what a person who planned a minute would call late


def alert_for(old: DeliveryState | None, new: DeliveryState) -> AlertRule | None:
    """The alert that a transition calls for by itself, or None. Whether something has recovered depends on what was
    told before, which only the database knows."""
    if new is DeliveryState.GHOST and old is DeliveryState.VERIFIED:
        return DRIFTED
    return RULES.get(new)


@dataclass(frozen=True)
class Preferences:
    """When a space wants to be told. `quiet_from`, `quiet_to`: "22:00", "" for never; `by`: id of the person in whose time
    zone they are, 0 for the owner; `urgent` lets
    errors through the quiet hours; `again_minutes` and `escalate_minutes` count for errors that nobody has read, 0 is
    never; `again_times` at most."""

    quiet_from: str = ""
    quiet_to: str = ""
    urgent: bool = True
    again_minutes: int = 0
    again_times: int = 3
    escalate_minutes: int = 0
    by: int = 0

    def on_clock_of(self, zone: str, own: str, now: datetime) -> Preferences:
        """These, with the quiet hours, which are on the clock of `zone`, as they read today on the clock of `own`."""
        if not self.quiet_from or not self.quiet_to or zone == own:
            return self
        day = now.astimezone(ZoneInfo(zone)).date()
        begin, end = (
            datetime.combine(day, clock_time(text), ZoneInfo(zone)).astimezone(ZoneInfo(own)).strftime("%H:%M")
            for text in (self.quiet_from, self.quiet_to)
        )
        return replace(self, quiet_from=begin, quiet_to=end)


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
