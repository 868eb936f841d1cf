"""What Discord's refusals mean (discord/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ErrorSignals, SignalRow

ROWS = (
    SignalRow(C.ACCESS_REVOKED, code="50027"),
    SignalRow(C.ACCESS_REVOKED, code="10015"),
    SignalRow(C.ACCESS_REVOKED, code="10003"),
    SignalRow(C.PERMISSION_MISSING, code="50001"),
    SignalRow(C.PERMISSION_MISSING, code="50013"),
    SignalRow(C.PERMISSION_MISSING, code="160002"),
    SignalRow(C.ACCESS_REVOKED, 401),
    SignalRow(C.RATE_LIMITED, 429),
    SignalRow(C.RATE_LIMITED, code="20016"),
    SignalRow(C.RATE_LIMITED, code="40004"),
    SignalRow(C.MEDIA_TOO_LARGE, 413),
    SignalRow(C.MEDIA_TOO_LARGE, code="40005"),
    SignalRow(C.MEDIA_TOO_LARGE, code="50045"),
    SignalRow(C.CONTENT_REFUSED, code="200000"),
    SignalRow(C.LINK_REFUSED, code="240000"),
    SignalRow(C.REPLY_TARGET_GONE, code="REPLIES_UNKNOWN_MESSAGE"),
    SignalRow(C.TEXT_TOO_LONG, code="BASE_TYPE_MAX_LENGTH"),
    SignalRow(C.REQUEST_INVALID, 400),
)


ERROR_SIGNALS = ErrorSignals(ROWS)
