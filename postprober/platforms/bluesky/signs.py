"""What Bluesky's refusals mean (bluesky/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.signs import ALREADY, Row, Signs

ROWS = (
    Row(C.TOKEN_EXPIRED, code="ExpiredToken"),
    *(Row(C.ACCOUNT_RESTRICTED, code=c) for c in ("AccountTakedown", "RepoTakendown", "RepoSuspended")),
    *(Row(C.ACCOUNT_RESTRICTED, code=c) for c in ("AccountDeactivated", "RepoDeactivated")),
    *(Row(C.ACCESS_REVOKED, code=c) for c in ("InvalidToken", "AuthenticationRequired", "AuthMissing")),
    Row(C.ACCESS_REVOKED, code="AuthFactorTokenRequired"),
    Row(C.RATE_LIMITED, code="RateLimitExceeded"),
    Row(C.RATE_LIMITED, 429),
    Row(C.REPLY_TARGET_GONE, code="RecordNotFound"),
    Row(C.CONFLICT, code="InvalidSwap"),
    Row(C.MEDIA_TOO_LARGE, code="BlobTooLarge"),
    Row(C.MEDIA_FORMAT, code="InvalidMimeType"),
    Row(C.TEXT_TOO_LONG, 400, words=r"graphemes|too (?:big|long)|must not be longer"),
    Row(C.ACCESS_REVOKED, 401),
    Row(C.DUPLICATE, 400, words=ALREADY),
    Row(C.REQUEST_INVALID, 400),
)


SIGNS = Signs(ROWS)
