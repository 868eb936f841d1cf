"""What X's refusals mean. Facts and their evidence: x/facts.md, 6.

A problem is matched by the last segment of its `type` (the host changed from api.twitter.com to api.x.com), then by its
title; its detail only where type and title say nothing (`about:blank`, `Forbidden`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from postprober.errors import (
    DuplicateRefused,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Suspended,
    Throttled,
    UnexpectedReply,
)
from postprober.http import Reply
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
from postprober.platforms.common.replies import list_at, retry_at, text_at

_RECONNECT = "X no longer accepts this account's sign-in; reconnect the account."
_SCOPES = "The link to X lacks a permission; reconnect the account and allow everything it asks for."
_CREDITS = "The X developer account has no credits left; add credits, and this goes on by itself."
_CAP = "The X developer account has used up its monthly allowance; raise it or wait, and this goes on by itself."
_CREDITS_WAIT = timedelta(hours=1)  # ours: how soon a top-up is noticed
_CAP_WAIT = timedelta(hours=24)  # ours: a monthly cap is not worth asking more often

TABLE: tuple[ErrorRow, ...] = (
    ErrorRow(ReconnectNeeded, _RECONNECT, 401, expired=True),  # invalid or expired: a refresh tells which
    ErrorRow(
        Throttled, _CREDITS, 402, wait=_CREDITS_WAIT, whole_app=True
    ),  # CreditsDepleted, credits, credits-depleted
    ErrorRow(Throttled, _CAP, 429, code="usage-capped", wait=_CAP_WAIT, whole_app=True),  # xdk issue 25
    ErrorRow(Throttled, "X asks to wait: too many requests.", 429),  # code 88 or about:blank
    ErrorRow(Suspended, "X has suspended this account. Settle that with X first.", 403, text="account is suspended"),
    ErrorRow(ReconnectNeeded, _SCOPES, 403, code="unsupported-authentication"),  # playground auth.go
    ErrorRow(ReconnectNeeded, _SCOPES, 403, code="client-forbidden"),  # OpenAPI 2.159
    ErrorRow(
        DuplicateRefused, "X says that this account has posted the same text before.", 403, text="duplicate content"
    ),
    ErrorRow(
        PostRejected, "Only the account that wrote a post can delete it on X.", 403, text="not authorized to delete"
    ),
    # Policy, length, or a restriction on replies; X does not say which
    ErrorRow(
        PostRejected, "X does not permit this post; change the text or the reply.", 403, text="not permitted to perform"
    ),
    ErrorRow(ReconnectNeeded, _SCOPES, 403, code="missing-scope"),  # detail is only "Forbidden", see _codes
    ErrorRow(PostRejected, "The text is too long for X; shorten it.", 400, text="too long"),  # older wording
    ErrorRow(
        UnexpectedReply,
        "X does not know what was asked; if that persists, set POSTPROBER_X_DIALECT to the other value.",
        400,
        code="invalid-request",
        acts=(RequestKind.READ,),
    ),
)


def refused(reply: Reply, act: RequestKind, now: datetime) -> PlatformError:
    """The error for a reply that is no success."""
    body = reply.json_or_none()
    moment = retry_at(reply.headers, now) if reply.status == 429 else None
    return judge(TABLE, Refusal("X", reply, act, _codes(body), _text(body), now, moment))


def _codes(body: object) -> tuple[str, ...]:
    """Last segment of `type`, title, and numeric v1 code of the first error."""
    title, detail = text_at(body, "title"), text_at(body, "detail")
    codes = [slug(body), title, text_at(body, "errors", 0, "code")]
    if slug(body) == "" and title == detail == "Forbidden":
        codes.insert(0, "missing-scope")  # observed: the flat problem of a token without the scope says nothing else
    return tuple(code for code in codes if code)


def slug(problem: object) -> str:
    """The last segment of a problem's type, "" for about:blank."""
    return text_at(problem, "type").rstrip("/").rpartition("/")[2].removeprefix("about:blank")


def _text(body: object) -> str:
    return text_at(body, "errors", 0, "message") or text_at(body, "detail") or text_at(body, "title")


def is_missing(body: object) -> bool:
    """Whether X says clearly that the object is not there (status 200 with errors and no data)."""
    problems = [body, *list_at(body, "errors")]
    return text_at(body, "data", "id") == "" and any(slug(problem) == "resource-not-found" for problem in problems)


def missing_ids(body: object) -> frozenset[str]:
    """Of a reading of many posts: those of which X says clearly that they are not there."""
    problems = (one for one in list_at(body, "errors") if slug(one) == "resource-not-found")
    return frozenset(text_at(one, "resource_id") or text_at(one, "value") for one in problems)
