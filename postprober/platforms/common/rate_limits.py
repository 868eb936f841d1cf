"""How many calls a platform says are left. Headers: NAME/facts.md, 4."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from postprober.domain.health import Quota, Unit
from postprober.http import Exchange
from postprober.platforms.common.replies import MAX_WAIT, count_at, parse_reset

_FAMILIES = ("x-rate-limit-", "x-ratelimit-", "ratelimit-")  # X, Mastodon, Bluesky
_USAGE = "x-app-usage"  # Instagram: percent used, in a window of one hour (instagram/facts.md, 4)
_USAGE_WINDOW = timedelta(hours=1)
_POSTS_LEFT = "/content_publishing_limit"  # instagram/facts.md, 4: posts in a sliding day
_POSTS_WINDOW = timedelta(hours=24)


def quota_in(exchange: Exchange, now: datetime) -> Quota | None:
    """What a reply tells; None when it tells nothing that can be used."""
    if exchange.url.split("?")[0].endswith(_POSTS_LEFT):
        return _posts_left(exchange.reply, now)
    headers = exchange.limits
    for family in _FAMILIES:
        limit, left = _number(headers.get(f"{family}limit")), _number(headers.get(f"{family}remaining"))
        resets = parse_reset(headers.get(f"{family}reset", ""), now)
        if limit is not None and left is not None and resets is not None:
            unit = Unit.SENDS if exchange.visible else Unit.CALLS
            return Quota(limit, left, min(resets, now + MAX_WAIT), unit)
    usage = _json(headers.get(_USAGE, ""))
    used = [n for name in ("call_count", "total_cputime", "total_time") if (n := count_at(usage, name)) is not None]
    return Quota(100, max(0, 100 - max(used)), now + _USAGE_WINDOW, Unit.SHARE) if used else None


def _posts_left(reply: str, now: datetime) -> Quota | None:
    told = _json(reply)
    used, total = count_at(told, "data", 0, "quota_usage"), count_at(told, "data", 0, "config", "quota_total")
    if used is None or total is None:
        return None
    return Quota(total, max(0, total - used), now + _POSTS_WINDOW, Unit.POSTS)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None
