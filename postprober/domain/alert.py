"""Which changes of state people are told about, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postprober.domain.delivery import DeliveryState


class AlertType(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    SUCCESS = "success"


@dataclass(frozen=True)
class AlertRule:
    type: AlertType
    text: str  # {platform}, {account}, {reason}


RULES: dict[DeliveryState, AlertRule] = {
    DeliveryState.FAILED: AlertRule(AlertType.ERROR, "{platform} ({account}): not published. {reason}"),
    DeliveryState.HELD: AlertRule(AlertType.ERROR, "{platform} ({account}): held, please decide. {reason}"),
    DeliveryState.GHOST: AlertRule(
        AlertType.ERROR, "{platform} ({account}): {reason} The platform had accepted it; it is not sent again."
    ),
}
RECOVERED = AlertRule(AlertType.SUCCESS, "{platform} ({account}): all is well again. {reason}")
# From these states a good ending is worth a message, because something else was told before.
TOLD_BEFORE = frozenset(RULES)


def alert_for(old: DeliveryState | None, new: DeliveryState) -> AlertRule | None:
    """The alert that a transition calls for, or None."""
    if new in RULES:
        return RULES[new]
    if old in TOLD_BEFORE and new in (DeliveryState.VERIFIED, DeliveryState.PUBLISHED):
        return RECOVERED
    return None
