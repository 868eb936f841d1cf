"""What a server of Mastodon's kind's refusals mean (mastodon/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ALREADY, BAD_LINK, ErrorSignals, SignalRow

ROWS = (
    SignalRow(C.ACCESS_REVOKED, 401),
    SignalRow(C.PERMISSION_MISSING, 403),
    SignalRow(C.REPLY_TARGET_GONE, 404),
    SignalRow(C.REPLY_TARGET_GONE, 410),
    SignalRow(C.MEDIA_TOO_LARGE, 413),
    SignalRow(C.MEDIA_FORMAT, 415),
    SignalRow(C.RATE_LIMITED, 429),
    SignalRow(C.LINK_REFUSED, 422, words=BAD_LINK),
    SignalRow(C.TEXT_TOO_LONG, 422, words=r"character limit|too long"),
    SignalRow(C.MEDIA_FORMAT, 422, words=r"file content type|could(?: not|n't) be processed|unsupported"),
    SignalRow(C.DUPLICATE, 422, words=ALREADY),
    SignalRow(C.DUPLICATE, 409, words=ALREADY),
    SignalRow(C.REQUEST_INVALID, 422),
    SignalRow(C.ACCESS_REVOKED, 500, words=r"unauthenticated"),
    SignalRow(C.TEXT_TOO_LONG, 500, words=r"must not be greater than|may not be greater than"),
    SignalRow(C.TEXT_TOO_LONG, 400, words=r"too long"),
    SignalRow(C.REQUEST_INVALID, 400),
)


ERROR_SIGNALS = ErrorSignals(ROWS)
