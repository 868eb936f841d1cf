"""What Instagram's refusals mean (instagram/facts.md, 6)."""

from __future__ import annotations

from typing import Any

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ErrorSignals, SignalRow

ROWS = (
    SignalRow(C.TOKEN_EXPIRED, code="190/463"),
    SignalRow(C.ACCESS_REVOKED, code="190"),
    SignalRow(C.ACCESS_REVOKED, code="102"),
    SignalRow(C.PERMISSION_MISSING, code="10"),
    SignalRow(C.PERMISSION_MISSING, code="200-299"),
    SignalRow(C.PERMISSION_MISSING, code="24/2207006"),
    SignalRow(C.ACCOUNT_RESTRICTED, code="25/2207050"),
    SignalRow(C.BLOCKED_AS_SPAM, code="4/2207051"),
    SignalRow(C.BLOCKED_AS_SPAM, code="368"),
    SignalRow(C.QUOTA_USED, code="9/2207042"),
    *(SignalRow(C.RATE_LIMITED, code=code) for code in ("4", "17", "32", "613", "80002")),
    SignalRow(C.DUPLICATE, code="506"),
    SignalRow(C.MEDIA_UNREACHABLE, code="9004/2207052"),
    SignalRow(C.MEDIA_UNREACHABLE, code="-2/2207003"),
    SignalRow(C.MEDIA_LOST, code="-2/2207020"),
    SignalRow(C.MEDIA_LOST, code="24/2207008"),
    SignalRow(C.MEDIA_LOST, code="-1/2207032"),
    SignalRow(C.MEDIA_LOST, code="-1/2207053"),
    SignalRow(C.MEDIA_NOT_READY, code="9007/2207027"),
    SignalRow(C.MEDIA_TOO_LARGE, code="36000/2207004"),
    SignalRow(C.MEDIA_FORMAT, code="36001/2207005"),
    SignalRow(C.MEDIA_FORMAT, code="352/2207026"),
    SignalRow(C.MEDIA_RATIO, code="36003/2207009"),
    SignalRow(C.TEXT_TOO_LONG, code="36004/2207010"),
    SignalRow(C.TOO_MANY_TAGS, code="100/2207040"),
    SignalRow(C.OUTCOME_UNKNOWN, code="100/33"),
    SignalRow(C.REQUEST_INVALID, code="100"),
    SignalRow(C.REQUEST_INVALID, code="1/2207057"),
    *(SignalRow(C.PLATFORM_DOWN, code=code) for code in ("-1", "1", "2")),
    SignalRow(C.ACCESS_REVOKED, 401),
    SignalRow(C.RATE_LIMITED, 429),
)


def _graph(_reply: str, body: dict[str, Any]) -> frozenset[str]:
    error = body.get("error")
    code, sub = (error.get("code"), error.get("error_subcode")) if isinstance(error, dict) else (None, None)
    if not isinstance(code, int):
        return frozenset()
    found = {str(code), *([f"{code}/{sub}"] if sub else [])}
    return frozenset(found | ({"200-299"} if 200 <= code <= 299 else set()))


ERROR_SIGNALS = ErrorSignals(ROWS, _graph)
