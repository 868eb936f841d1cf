"""The fault plan: which requests go wrong, how, and how often.

A fault is consumed where it acts. Those in `BEFORE` replace the work, those in
`AFTER` spoil the reply of work that was done, the others are asked for by the
handler at the place they change (a post being stored, a list being read).
"""

from dataclasses import dataclass, field
from typing import Any

from postprober.sandbox.engine.emulator import emulators

BEFORE = (
    "error_before_accept",
    "html_error",
    "rate_limited",
    "unauthorized",
    "revoked",
    "timeline_down",
    "refresh_refused",
)
AFTER = ("cut_after_accept", "timeout_after_accept", "error_after_accept", "malformed_2xx", "refresh_cut")
INSIDE = (
    "late_create",
    "ghost",
    "shadow",
    "deleted_later",
    "hidden_later",
    "duplicate",
    "stale_timeline",
    "truncated_timeline",
    "dropped_fields",
    "slow_media",
    "media_failed",
    "slow",
    "card_dropped",
    "mention_dropped",
    "captions_dropped",
    "card_without_picture",
    "quote_state",
    "challenge",
    "sticky_share",
    "model_refuses",
    "model_malformed",
    "model_quota",
)
KINDS = BEFORE + AFTER + INSIDE
OPERATIONS = (
    "create",
    "timeline",
    "read",
    "media",
    "container",
    "token",
    "public",
    "engagement",
    "delete",
    "me",
    "model",
    "moderation",
    "any",
)

# The operation a fault means when none is named: a stale timeline on `create` would make no sense.
_DEFAULT_OPERATION = {
    "revoked": "any",
    "challenge": "any",
    "sticky_share": "me",
    "stale_timeline": "timeline",
    "truncated_timeline": "timeline",
    "timeline_down": "timeline",
    "slow_media": "media",
    "media_failed": "media",
    "refresh_cut": "token",
    "refresh_refused": "token",
}
# Kinds that also act on neighbouring operations: a stale or dead timeline is the read side as a whole,
# and media processing may be called a container.
_WIDER = {
    "stale_timeline": {"timeline": ("timeline", "read")},
    "timeline_down": {"timeline": ("timeline", "read")},
    "slow_media": {"media": ("media", "container")},
    "media_failed": {"media": ("media", "container")},
}


def _counts_in_reads(platform: str) -> bool:
    """Whether it has no route of its own for counts: they come with the post."""
    one = emulators().get(platform)
    return one is not None and one.counts_in_reads


class BadFault(ValueError):
    """The fault was described wrongly; the message says what to write instead."""


@dataclass
class Fault:
    """`times` 0 lasts until removed; the first `after` matches pass untouched. `params` depend on the kind."""

    id: int
    platform: str
    kind: str
    operation: str
    account: str | None = None
    times: int = 1
    after: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    used: int = 0

    @property
    def active(self) -> bool:
        return self.times == 0 or self.used < self.times

    def matches(self, platform: str, account: str | None, operation: str) -> bool:
        if not self.active or self.platform not in (platform, "any"):
            return False
        if self.account is not None and self.account != account:
            return False
        wanted = _WIDER.get(self.kind, {}).get(self.operation, (self.operation,))
        if self.operation == "engagement" and _counts_in_reads(platform):
            wanted = ("engagement", "read")
        return self.operation == "any" or operation in wanted

    def seconds(self, default: float) -> float:
        return float(self.params.get("seconds", default))


_FIELDS = {"platform", "kind", "operation", "account", "times", "after", "params"}


class FaultPlan:
    """All faults, oldest first. `save` is called with every fault that changed."""

    def __init__(self) -> None:
        self.faults: dict[int, Fault] = {}

    def add(self, body: dict[str, Any], platforms: tuple[str, ...]) -> Fault:
        """Add the fault described by a JSON body. Raises BadFault."""
        if unknown := sorted(body.keys() - _FIELDS):
            raise BadFault(
                f"{unknown[0]} is none of {', '.join(sorted(_FIELDS))}; what shapes a fault goes into params"
            )
        kind, platform = body.get("kind"), body.get("platform")
        if kind not in KINDS:
            raise BadFault(f"kind must be one of {', '.join(sorted(KINDS))}")
        if platform not in (*platforms, "any"):
            raise BadFault(f"platform must be one of {', '.join(platforms)} or any")
        usual = "model" if platform == "openai" else "create"
        operation = body.get("operation") or _DEFAULT_OPERATION.get(kind, usual)
        if operation not in OPERATIONS:
            raise BadFault(f"operation must be one of {', '.join(OPERATIONS)}")
        times = body.get("times")
        fault = Fault(
            id=max(self.faults, default=0) + 1,
            platform=platform,
            kind=kind,
            operation=operation,
            account=body.get("account") or None,
            times=(0 if kind == "revoked" else 1) if times is None else int(times),
            after=int(body.get("after") or 0),
            params=dict(body.get("params") or {}),
        )
        self.faults[fault.id] = fault
        return fault

    def take(self, kinds: tuple[str, ...], platform: str, account: str | None, operation: str) -> Fault | None:
        """Consume the oldest active fault of these kinds that matches, or None."""
        for fault in self.faults.values():
            if fault.kind in kinds and fault.matches(platform, account, operation):
                fault.seen += 1
                if fault.seen > fault.after:
                    fault.used += 1
                    return fault
        return None
