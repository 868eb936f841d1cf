"""How many calls a platform says are left. Headers: CONTRACTS.md, the table of section 0 and 3.4."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from postprober.domain.health import Quota
from postprober.platforms.replies import MAX_WAIT, count_at, parse_reset

_FAMILIES = ("x-rate-limit-", "x-ratelimit-", "ratelimit-")  # X, Mastodon, Bluesky
_USAGE = "x-app-usage"  # Instagram: percent used, in a window of one hour (CONTRACTS 3.4)
_USAGE_WINDOW = timedelta(hours=1)


def quota_in(headers: Mapping[str, str], now: datetime) -> Quota | None:
    """What `headers` (lower-case names) tell; None when they tell nothing that can be used."""
    for family in _FAMILIES:
        limit, left = _number(headers.get(f"{family}limit")), _number(headers.get(f"{family}remaining"))
        resets = parse_reset(headers.get(f"{family}reset", ""), now)
        if limit is not None and left is not None and resets is not None:
            return Quota(limit, left, min(resets, now + MAX_WAIT))
    try:
        usage = json.loads(headers.get(_USAGE, ""))
    except ValueError:
        return None
    used = [n for name in ("call_count", "total_cputime", "total_time") if (n := count_at(usage, name)) is not None]
    return Quota(100, max(0, 100 - max(used)), now + _USAGE_WINDOW) if used else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None
