"""What all adapters read the same way from replies: when to try again, dates, nested JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from postprober.domain.moments import from_epoch, parse_http_date, parse_time, seconds_after
from postprober.domain.nested import count_at, dig, is_number, list_at, text_at
from postprober.errors import OutcomeUnknown, PlatformError, Unavailable, UnexpectedReply
from postprober.http import Reply

__all__ = [
    "MAX_WAIT",
    "ambiguous",
    "count_at",
    "dig",
    "invisible",
    "is_ambiguous",
    "is_number",
    "list_at",
    "next_utc_midnight",
    "parse_reset",
    "parse_time",
    "require_object",
    "retry_at",
    "shape",
    "text_at",
    "tolerant_json",
    "unmapped",
]

T = TypeVar("T")
MAX_WAIT = timedelta(hours=24)  # a reset further away than this is a mistake (or an attack) and is cut down to it
_MILLISECONDS = 10**11  # an epoch beyond this is in milliseconds: as seconds it would lie after the year 5138
_EPOCH = 10**9  # a number below this is a count of seconds: as an epoch it would lie before September 2001

# In order of trust: RFC 9110 section 10.2.3, then the platforms' own, as epochs or in ISO 8601: NAME/facts.md, 4.
_RESET_HEADERS = ("retry-after", "x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset")


def retry_at(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the platform says that we may try again (aware UTC), or None when it does not say.

    `headers` with lower-case names. Understands seconds, epochs in s and ms, HTTP dates and ISO 8601. Never before
    `now`, never more than 24 hours after it.
    """
    for name in _RESET_HEADERS:
        moment = parse_reset(headers.get(name, ""), now)
        if moment is not None:
            return min(max(moment, now), now + MAX_WAIT)
    return None


def parse_reset(value: str, now: datetime) -> datetime | None:
    """One reset value in any of the forms platforms use; None when it is in none of them. Not clipped, except that
    what lies beyond the calendar becomes `now` plus a day."""
    value = value.strip()
    if not value:
        return None
    try:
        return _from_number(float(value), now)
    except ValueError:
        return parse_time(value) or parse_http_date(value)


def _from_number(number: float, now: datetime) -> datetime | None:
    if math.isnan(number):
        return None
    if number >= _EPOCH:
        moment = from_epoch(number, per_second=1000 if number >= _MILLISECONDS else 1)
    else:
        moment = seconds_after(now, number)
    return moment or (now + MAX_WAIT if number > 0 else now)


def next_utc_midnight(now: datetime) -> datetime:
    """The coming midnight in UTC: when daily quotas begin anew."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def shape(value: object) -> str:
    """What kind of thing `value` is, for the log: names of keys, never contents, so never a secret."""
    if isinstance(value, dict):
        return "object with " + (", ".join(sorted(map(str, value))[:20]) or "nothing")
    return f"list of {len(value)}" if isinstance(value, list) else type(value).__name__


def tolerant_json(text: str) -> object:
    """The value of `text`, None when it is no JSON or nested too deep."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def require_object(reply: Reply) -> dict[str, object]:
    """The body as a JSON object. Raises UnexpectedReply."""
    body = reply.json()
    if not isinstance(body, dict):
        message = "The platform's reply has an unknown form."
        raise UnexpectedReply(message, reply.excerpt, http_status=reply.status)
    return body


# Statuses of a visible act that prove nothing: the request may have been passed on before they were written. 408: the
# server stopped waiting for a request of which it may have read all; 409: something of this kind exists or is under
# way; 425: a replay might follow. With 429 nothing was done (RFC 6585 section 4).
_PROVES_NOTHING = frozenset({408, 409, 425})


def is_ambiguous(status: int) -> bool:
    """Whether a refusal of the visible act with this status leaves its outcome open."""
    return status >= 500 or status in _PROVES_NOTHING or 300 <= status < 400


def ambiguous(reply: Reply, remote_id: str = "") -> OutcomeUnknown:
    """The error for a reply to the visible act that proves neither success nor refusal."""
    message = "The platform's answer does not say whether the post was published."
    return OutcomeUnknown(message, reply.excerpt, http_status=reply.status, remote_id=remote_id or None)


def invisible(act: Callable[[], T]) -> T:
    """Run a request of which nobody can see the effect: an unknown outcome is merely Unavailable there."""
    try:
        return act()
    except OutcomeUnknown as error:
        message = "The platform could not be reached; nothing was published."
        raise Unavailable(message, error.detail, http_status=error.http_status) from error


def unmapped(platform: str, reply: Reply, code: str = "") -> PlatformError:
    """The error for a refusal that is in no table: a fault of theirs when 5xx, else a change that we must look at."""
    if reply.status >= 500:
        message = f"{platform} has a fault at the moment (status {reply.status}); nothing was published."
        return Unavailable(message, reply.excerpt, http_status=reply.status, code=code)
    message = f"{platform} answered in a way we do not know (status {reply.status})."
    return UnexpectedReply(message, reply.excerpt, http_status=reply.status, code=code)
