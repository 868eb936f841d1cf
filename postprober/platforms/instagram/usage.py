"""What replies tell about limits (facts.md, 4): percent of the calls of an hour, and posts of a sliding day."""

from __future__ import annotations

from datetime import datetime, timedelta

from postprober.domain.health import Quota, Unit
from postprober.http import Exchange
from postprober.platforms.common.replies import count_at, tolerant_json

_USAGE = "x-app-usage"
_USAGE_WINDOW = timedelta(hours=1)
_POSTS_LEFT = "/content_publishing_limit"
_POSTS_WINDOW = timedelta(hours=24)


def quota_in(exchange: Exchange, now: datetime) -> Quota | None:
    """None when the reply tells nothing that can be used."""
    if exchange.url.split("?")[0].endswith(_POSTS_LEFT):
        return _posts_left(exchange.reply, now)
    usage = tolerant_json(exchange.limits.get(_USAGE, ""))
    used = [n for name in ("call_count", "total_cputime", "total_time") if (n := count_at(usage, name)) is not None]
    return Quota(100, max(0, 100 - max(used)), now + _USAGE_WINDOW, Unit.SHARE) if used else None


def _posts_left(reply: str, now: datetime) -> Quota | None:
    told = tolerant_json(reply)
    used, total = count_at(told, "data", 0, "quota_usage"), count_at(told, "data", 0, "config", "quota_total")
    if used is None or total is None:
        return None
    return Quota(total, max(0, total - used), now + _POSTS_WINDOW, Unit.POSTS)
