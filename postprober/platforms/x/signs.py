"""What X's refusals mean (x/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.signs import ALREADY, BAD_LINK, Row, Signs, slugs

ROWS = (
    Row(C.LINKING_BROKEN_OFF, 400, words="authorization code was invalid"),
    Row(C.ACCESS_REVOKED, 400, words="passed for the token was invalid"),
    Row(C.TOKEN_EXPIRED, 401),
    Row(C.BILLING, code="credits"),
    Row(C.BILLING, code="credits-depleted"),
    Row(C.BILLING, 402),
    Row(C.QUOTA_USED, code="usage-capped"),
    Row(C.RATE_LIMITED, 429),
    Row(C.PERMISSION_MISSING, code="unsupported-authentication"),
    Row(C.PERMISSION_MISSING, code="client-forbidden"),
    Row(C.INVISIBLE, code="resource-not-found"),
    Row(C.DUPLICATE, 403, words="duplicate content"),
    Row(C.NOT_OWNER, 403, words="not authorized to delete"),
    Row(C.LINK_REFUSED, 403, words=BAD_LINK),
    Row(C.CONTENT_REFUSED, 403, words="not permitted to perform"),
    Row(C.PERMISSION_MISSING, 403, words=r'"detail":\s*"forbidden"'),
    Row(C.TEXT_TOO_LONG, 400, words="too long"),
    Row(C.DUPLICATE, 400, words=ALREADY),
    Row(C.REQUEST_INVALID, 400),
)

SIGNS = Signs(ROWS, slugs)
