"""What LinkedIn's refusals mean (linkedin/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ALREADY, ErrorSignals, SignalRow

ROWS = (
    SignalRow(C.LINKING_BROKEN_OFF, 401, words="authorization code not found"),
    SignalRow(C.LINKING_BROKEN_OFF, 400, code="invalid_redirect_uri"),
    SignalRow(C.TOKEN_EXPIRED, code="EXPIRED_ACCESS_TOKEN"),
    SignalRow(C.TOKEN_EXPIRED, code="65602"),
    SignalRow(C.ACCESS_REVOKED, 401),
    SignalRow(C.PERMISSION_MISSING, 403),
    SignalRow(C.DUPLICATE, code="DUPLICATE_POST"),
    SignalRow(C.TEXT_TOO_LONG, code="FIELD_LENGTH_TOO_LONG"),
    SignalRow(C.RATE_LIMITED, 429),
    SignalRow(C.REPLY_TARGET_GONE, 404),
    SignalRow(C.DUPLICATE, 422, words=ALREADY),
    SignalRow(C.REQUEST_INVALID, 400),
    SignalRow(C.REQUEST_INVALID, 422),
    SignalRow(C.REQUEST_INVALID, 426),
)


ERROR_SIGNALS = ErrorSignals(ROWS)
