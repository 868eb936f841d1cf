"""What Bluesky's refusals mean (bluesky/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ALREADY, ErrorSignals, SignalRow

ROWS = (
    SignalRow(C.TOKEN_EXPIRED, code="ExpiredToken"),
    *(SignalRow(C.ACCOUNT_RESTRICTED, code=c) for c in ("AccountTakedown", "RepoTakendown", "RepoSuspended")),
    *(SignalRow(C.ACCOUNT_RESTRICTED, code=c) for c in ("AccountDeactivated", "RepoDeactivated")),
    *(SignalRow(C.ACCESS_REVOKED, code=c) for c in ("InvalidToken", "AuthenticationRequired", "AuthMissing")),
    SignalRow(C.ACCESS_REVOKED, code="AuthFactorTokenRequired"),
    SignalRow(C.RATE_LIMITED, code="RateLimitExceeded"),
    SignalRow(C.RATE_LIMITED, 429),
    SignalRow(C.REPLY_TARGET_GONE, code="RecordNotFound"),
    SignalRow(C.CONFLICT, code="InvalidSwap"),
    SignalRow(C.MEDIA_TOO_LARGE, code="BlobTooLarge"),
    SignalRow(C.MEDIA_FORMAT, code="InvalidMimeType"),
    SignalRow(C.TEXT_TOO_LONG, 400, words=r"graphemes|too (?:big|long)|must not be longer"),
    SignalRow(C.ACCESS_REVOKED, 401),
    SignalRow(C.DUPLICATE, 400, words=ALREADY),
    SignalRow(C.REQUEST_INVALID, 400),
)


ERROR_SIGNALS = ErrorSignals(ROWS)
