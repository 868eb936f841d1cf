"""From what a platform answered to a cause. Codes first, wording last (DESIGN 3.3).

Facts: CONTRACTS.md 1.5 (X), 2.6 (LinkedIn), 3.4 (Instagram), 4 (Mastodon), 5 (Bluesky); bodies: specs/errors. The
adapters have tables of their own, for what to do at once; these say why, for people.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from postprober.domain.diagnosis import Cause
from postprober.domain.platform import Platform

BY_CODE, BY_STATUS, BY_WORDING, GUESS = 0.95, 0.85, 0.75, 0.3  # ours: how much each kind of sign is worth

C = Cause


@dataclass(frozen=True)
class Sign:
    cause: Cause
    confidence: float


@dataclass(frozen=True)
class Row:
    """`status` 0, `code` "" and `words` "" fit everything; `words` is a regular expression over wording in lower case."""

    cause: Cause
    status: int = 0
    code: str = ""
    words: str = ""

    def fits(self, status: int, codes: frozenset[str], text: str) -> bool:
        return (
            self.status in (0, status)
            and (not self.code or self.code in codes)
            and (not self.words or re.search(self.words, text) is not None)
        )

    @property
    def confidence(self) -> float:
        return BY_CODE if self.code else BY_WORDING if self.words else BY_STATUS


_BAD_LINK = r"(?:url|link)\b.{0,60}\b(?:malicious|harmful|unsafe|blocked|not allowed|spam)|(?:malicious|harmful|unsafe|blocked) (?:url|link)"

_X = (
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
    Row(C.LINK_REFUSED, 403, words=_BAD_LINK),
    Row(C.CONTENT_REFUSED, 403, words="not permitted to perform"),
    Row(C.PERMISSION_MISSING, 403, words=r'"detail":\s*"forbidden"'),
    Row(C.TEXT_TOO_LONG, 400, words="too long"),
    Row(C.REQUEST_INVALID, 400),
)
_LINKEDIN = (
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
    Row(C.REQUEST_INVALID, 400),
    Row(C.REQUEST_INVALID, 422),
    Row(C.REQUEST_INVALID, 426),
)
_INSTAGRAM = (
    Row(C.TOKEN_EXPIRED, code="190/463"),
    Row(C.ACCESS_REVOKED, code="190"),
    Row(C.ACCESS_REVOKED, code="102"),
    Row(C.PERMISSION_MISSING, code="10"),
    Row(C.PERMISSION_MISSING, code="200-299"),
    Row(C.PERMISSION_MISSING, code="24/2207006"),
    Row(C.ACCOUNT_RESTRICTED, code="25/2207050"),
    Row(C.BLOCKED_AS_SPAM, code="4/2207051"),
    Row(C.BLOCKED_AS_SPAM, code="368"),
    Row(C.QUOTA_USED, code="9/2207042"),
    *(Row(C.RATE_LIMITED, code=code) for code in ("4", "17", "32", "613", "80002")),
    Row(C.DUPLICATE, code="506"),
    Row(C.MEDIA_UNREACHABLE, code="9004/2207052"),
    Row(C.MEDIA_UNREACHABLE, code="-2/2207003"),
    Row(C.MEDIA_LOST, code="-2/2207020"),
    Row(C.MEDIA_LOST, code="24/2207008"),
    Row(C.MEDIA_LOST, code="-1/2207032"),
    Row(C.MEDIA_LOST, code="-1/2207053"),
    Row(C.MEDIA_NOT_READY, code="9007/2207027"),
    Row(C.MEDIA_TOO_LARGE, code="36000/2207004"),
    Row(C.MEDIA_FORMAT, code="36001/2207005"),
    Row(C.MEDIA_FORMAT, code="352/2207026"),
    Row(C.MEDIA_RATIO, code="36003/2207009"),
    Row(C.TEXT_TOO_LONG, code="36004/2207010"),
    Row(C.TOO_MANY_TAGS, code="100/2207040"),
    Row(C.OUTCOME_UNKNOWN, code="100/33"),
    Row(C.REQUEST_INVALID, code="100"),
    Row(C.REQUEST_INVALID, code="1/2207057"),
    *(Row(C.PLATFORM_DOWN, code=code) for code in ("-1", "1", "2")),
    Row(C.ACCESS_REVOKED, 401),
    Row(C.RATE_LIMITED, 429),
)
_MASTODON = (
    Row(C.ACCESS_REVOKED, 401),
    Row(C.PERMISSION_MISSING, 403),
    Row(C.REPLY_TARGET_GONE, 404),
    Row(C.REPLY_TARGET_GONE, 410),
    Row(C.MEDIA_TOO_LARGE, 413),
    Row(C.MEDIA_FORMAT, 415),
    Row(C.RATE_LIMITED, 429),
    Row(C.LINK_REFUSED, 422, words=_BAD_LINK),
    Row(C.TEXT_TOO_LONG, 422, words=r"character limit|too long"),
    Row(C.MEDIA_FORMAT, 422, words=r"file content type|could(?: not|n't) be processed|unsupported"),
    Row(C.REQUEST_INVALID, 422),
)
_BLUESKY = (
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
    Row(C.REQUEST_INVALID, 400),
)
TABLES: dict[Platform, tuple[Row, ...]] = {
    Platform.X: _X, Platform.LINKEDIN: _LINKEDIN, Platform.INSTAGRAM: _INSTAGRAM, Platform.MASTODON: _MASTODON,
    Platform.BLUESKY: _BLUESKY,
}  # fmt: skip


def read(platform: Platform, status: int | None, reply: str) -> Sign | None:
    """What a refusal says; None when there was no answer or it says nothing that we know."""
    if status is None:
        return None
    found, text = codes(platform, reply), reply.lower()
    row = next((row for row in TABLES[platform] if row.fits(status, found, text)), None)
    if row is None:
        return Sign(C.PLATFORM_DOWN, BY_STATUS) if status >= 500 else None
    return Sign(row.cause, row.confidence)


def codes(platform: Platform, reply: str) -> frozenset[str]:
    """The platform's codes in a reply, also in one that was cut short and so is no JSON any more."""
    try:
        body = json.loads(reply)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return frozenset(re.findall(r'"(?:code|error|serviceErrorCode)":\s*"?([\w.-]+)', reply)) | _slugs(reply)
    if platform is Platform.INSTAGRAM:
        return _graph(body)
    if platform is Platform.X:
        return _slugs(reply)
    return frozenset(_named(body))


def _slugs(reply: str) -> frozenset[str]:
    """The last segments of X's problem types."""
    return frozenset(re.findall(r'"type":\s*"[^"]*/([\w-]+)/?"', reply))


def _graph(body: dict[str, Any]) -> frozenset[str]:
    error = body.get("error")
    code, sub = (error.get("code"), error.get("error_subcode")) if isinstance(error, dict) else (None, None)
    if not isinstance(code, int):
        return frozenset()
    found = {str(code), *([f"{code}/{sub}"] if sub else [])}
    return frozenset(found | ({"200-299"} if 200 <= code <= 299 else set()))


def _named(body: Any) -> set[str]:
    """Every `code`, `error` and `serviceErrorCode`, at any depth that platforms use."""
    if isinstance(body, list):
        return {code for item in body[:10] for code in _named(item)}
    if not isinstance(body, dict):
        return set()
    own = {str(body[key]) for key in ("code", "error", "serviceErrorCode") if isinstance(body.get(key), str | int)}
    return own | {code for value in body.values() if isinstance(value, dict | list) for code in _named(value)}
