"""What LinkedIn's refusals mean. Facts and their evidence: linkedin/facts.md, 6.

LinkedIn promises its codes (`code`, `errorDetails.inputErrors[].code`, `serviceErrorCode`); the wording may change.
Without a code, the status decides.
"""

from __future__ import annotations

import re
from datetime import datetime

from postprober.errors import (
    NOT_PERMITTED,
    DuplicateRefused,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import Reply
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
from postprober.platforms.common.replies import list_at, next_utc_midnight, retry_at, text_at

NOT_FOUND = 404

_RECONNECT = "LinkedIn no longer accepts this account's sign-in; reconnect the account."
_SCOPES = "The link to LinkedIn lacks a permission; reconnect the account and allow everything it asks for."
_NO_READING = "LinkedIn does not let this app read the account's posts (permission r_member_social)."
_VERSION = "LinkedIn no longer serves this API version; set POSTPROBER_LINKEDIN_VERSION to a current month."
_WRITE = (RequestKind.STAGE, RequestKind.PUBLISH)
_READ = (RequestKind.READ,)

TABLE: tuple[ErrorRow, ...] = (
    ErrorRow(ReconnectNeeded, _RECONNECT, 401, code="EXPIRED_ACCESS_TOKEN", expired=True),  # also 65602
    ErrorRow(ReconnectNeeded, _RECONNECT, 401, code="65602", expired=True),
    ErrorRow(ReconnectNeeded, _RECONNECT, 401),  # 65600 invalid, 65601 revoked, 401 empty token
    ErrorRow(Unavailable, _NO_READING, 403, acts=_READ, code_out=NOT_PERMITTED),  # r_member_social is closed
    ErrorRow(ReconnectNeeded, _SCOPES, 403, acts=_WRITE),  # ACCESS_DENIED (100) or bare {"status":403}
    ErrorRow(
        DuplicateRefused, "LinkedIn says that this account has posted the same text before.", code="DUPLICATE_POST"
    ),
    ErrorRow(PostRejected, "The text is too long for LinkedIn; shorten it.", code="FIELD_LENGTH_TOO_LONG"),
    ErrorRow(UnexpectedReply, _VERSION, 400, code="VERSION_MISSING"),  # our fault or a setting, not the post's
    ErrorRow(UnexpectedReply, _VERSION, 426),  # sunset version, NONEXISTENT_VERSION
    ErrorRow(UnexpectedReply, "LinkedIn did not understand the request.", 400, code="ILLEGAL_ARGUMENT"),
    ErrorRow(Throttled, "The daily number of calls that LinkedIn allows is used up.", 429),  # linkedin/facts.md, 4
    ErrorRow(Unavailable, "LinkedIn is busy with another change of this; it will be tried again.", 409),
    ErrorRow(Unavailable, "LinkedIn did not wait for the whole request; it will be tried again.", 408),
)

_URN = re.compile(r"urn:li:(?:share|ugcPost|activity):\d+")


def refused(reply: Reply, act: RequestKind, now: datetime) -> PlatformError:
    """The error for a reply that is no success. LinkedIn names no moment with 429: daily quotas end at midnight UTC."""
    body = reply.json_or_none()
    moment = (retry_at(reply.headers, now) or next_utc_midnight(now)) if reply.status == 429 else None
    text = text_at(body, "message").strip()
    urn = _URN.search(text)
    refusal = Refusal("LinkedIn", reply, act, _codes(body), text, now, moment, urn[0] if urn else None)
    return judge(TABLE, refusal)


def _codes(body: object) -> tuple[str, ...]:
    inner = [text_at(error, "code") for error in list_at(body, "errorDetails", "inputErrors")]
    codes = [*inner, text_at(body, "code"), text_at(body, "serviceErrorCode")]
    return tuple(code for code in codes if code)


def is_not_permitted(error: PlatformError) -> bool:
    """Whether a reading failed because LinkedIn forbids it (and will go on doing so)."""
    return isinstance(error, Unavailable) and error.code == NOT_PERMITTED
