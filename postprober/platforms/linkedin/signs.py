"""What LinkedIn's refusals mean (linkedin/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.signs import ALREADY, Row, Signs

ROWS = (
    Row(C.LINKING_BROKEN_OFF, 401, words="authorization code not found"),
    Row(C.LINKING_BROKEN_OFF, 400, code="invalid_redirect_uri"),
    Row(C.TOKEN_EXPIRED, code="EXPIRED_ACCESS_TOKEN"),
    Row(C.TOKEN_EXPIRED, code="65602"),
    Row(C.ACCESS_REVOKED, 401),
    Row(C.PERMISSION_MISSING, 403),
    Row(C.DUPLICATE, code="DUPLICATE_POST"),
    Row(C.TEXT_TOO_LONG, code="FIELD_LENGTH_TOO_LONG"),
    Row(C.RATE_LIMITED, 429),
    Row(C.REPLY_TARGET_GONE, 404),
    Row(C.DUPLICATE, 422, words=ALREADY),
    Row(C.REQUEST_INVALID, 400),
    Row(C.REQUEST_INVALID, 422),
    Row(C.REQUEST_INVALID, 426),
)


SIGNS = Signs(ROWS)
