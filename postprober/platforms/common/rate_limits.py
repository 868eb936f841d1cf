"""How many calls a platform says are left, where it says so in the usual headers (NAME/facts.md, 4)."""

from __future__ import annotations

from datetime import datetime

from postprober.domain.health import Quota, Unit
from postprober.http import Exchange
from postprober.platforms.common.replies import MAX_WAIT, parse_reset

_FAMILIES = ("x-rate-limit-", "x-ratelimit-", "ratelimit-")


def quota_in(exchange: Exchange, now: datetime) -> Quota | None:
    """What a reply tells; None when it tells nothing that can be used."""
    headers = exchange.limits
    for family in _FAMILIES:
        limit, left = _number(headers.get(f"{family}limit")), _number(headers.get(f"{family}remaining"))
        resets = parse_reset(headers.get(f"{family}reset", ""), now)
        if limit is not None and left is not None and resets is not None:
            unit = Unit.SENDS if exchange.visible else Unit.CALLS
            return Quota(limit, left, min(resets, now + MAX_WAIT), unit)
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None
