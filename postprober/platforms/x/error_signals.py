"""What X's refusals mean (x/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ALREADY, BAD_LINK, ErrorSignals, SignalRow, slugs

ROWS = (
    SignalRow(C.LINKING_BROKEN_OFF, 400, words="authorization code was invalid"),
    SignalRow(C.ACCESS_REVOKED, 400, words="passed for the token was invalid"),
    SignalRow(C.TOKEN_EXPIRED, 401),
    SignalRow(C.BILLING, code="credits"),
    SignalRow(C.BILLING, code="credits-depleted"),
    SignalRow(C.BILLING, 402),
    SignalRow(C.QUOTA_USED, code="usage-capped"),
    SignalRow(C.RATE_LIMITED, 429),
    SignalRow(C.PERMISSION_MISSING, code="unsupported-authentication"),
    SignalRow(C.PERMISSION_MISSING, code="client-forbidden"),
    SignalRow(C.INVISIBLE, code="resource-not-found"),
    SignalRow(C.DUPLICATE, 403, words="duplicate content"),
    SignalRow(C.NOT_OWNER, 403, words="not authorized to delete"),
    SignalRow(C.LINK_REFUSED, 403, words=BAD_LINK),
    SignalRow(C.CONTENT_REFUSED, 403, words="not permitted to perform"),
    SignalRow(C.PERMISSION_MISSING, 403, words=r'"detail":\s*"forbidden"'),
    SignalRow(C.TEXT_TOO_LONG, 400, words="too long"),
    SignalRow(C.DUPLICATE, 400, words=ALREADY),
    SignalRow(C.REQUEST_INVALID, 400),
)

ERROR_SIGNALS = ErrorSignals(ROWS, slugs)
