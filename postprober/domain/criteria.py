"""When a post counts as a success: so many of one count within so many hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from postprober.errors import BadInput

METRICS = ("likes", "reposts", "replies", "quotes", "bookmarks", "views")
LONGEST_HOURS = 30 * 24  # engagement is followed for a month (domain.engagement.POLL_AFTER)
MOST = 2**31 - 1


@dataclass(frozen=True)
class Criteria:
    """`target` or more `metric` in all accounts together, `hours` after publishing."""

    metric: str
    target: int
    hours: int

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise BadInput(f"Choose what to count: one of {', '.join(METRICS)}.", field="criteria")
        if not 1 <= self.target <= MOST:
            raise BadInput("The number to reach must be at least 1.", field="criteria")
        if not 1 <= self.hours <= LONGEST_HOURS:
            raise BadInput(f"The time must be 1 to {LONGEST_HOURS} hours.", field="criteria")

    def to_json(self) -> dict[str, Any]:
        return {"metric": self.metric, "target": self.target, "hours": self.hours}

    @classmethod
    def from_json(cls, data: Any) -> Self | None:
        return cls(data["metric"], data["target"], data["hours"]) if isinstance(data, Mapping) else None

    def said(self) -> str:
        """For a person: `20 likes in 24 hours`."""
        return f"{self.target} {self.metric} in {self.hours} hours"
