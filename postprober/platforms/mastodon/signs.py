"""What a server of Mastodon's kind's refusals mean (mastodon/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.signs import ALREADY, BAD_LINK, Row, Signs

ROWS = (
    Row(C.ACCESS_REVOKED, 401),
    Row(C.PERMISSION_MISSING, 403),
    Row(C.REPLY_TARGET_GONE, 404),
    Row(C.REPLY_TARGET_GONE, 410),
    Row(C.MEDIA_TOO_LARGE, 413),
    Row(C.MEDIA_FORMAT, 415),
    Row(C.RATE_LIMITED, 429),
    Row(C.LINK_REFUSED, 422, words=BAD_LINK),
    Row(C.TEXT_TOO_LONG, 422, words=r"character limit|too long"),
    Row(C.MEDIA_FORMAT, 422, words=r"file content type|could(?: not|n't) be processed|unsupported"),
    Row(C.DUPLICATE, 422, words=ALREADY),
    Row(C.DUPLICATE, 409, words=ALREADY),
    Row(C.REQUEST_INVALID, 422),
)


SIGNS = Signs(ROWS)
