"""What Instagram's refusals mean. Facts and their evidence: instagram/facts.md, 6.

Codes are `code/error_subcode`, then `code`. Publishing errors come with status 400 whatever happened, so it says
little: the code decides, and a server fault (-1, 1, 2) on the visible act leaves the outcome open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
)
from postprober.http import Reply
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
from postprober.platforms.common.replies import MAX_WAIT, dig, retry_at, text_at

MISSING_OR_OUTAGE = "100/33"  # missing, not permitted, or merely unreadable during an outage (instagram/facts.md, 10)

_RECONNECT = "Instagram no longer accepts this account's sign-in; reconnect the account."
_SCOPES = "The link to Instagram lacks a permission; reconnect the account and allow everything it asks for."
_NOTICE = (
    "Instagram has restricted this account; open the Instagram app, follow its notice, then reconnect the account."
)
_BLOCKED = "Instagram blocked this as unusual activity; change the post, or wait a day before trying again."
_FAULT = "Instagram has a fault at the moment."
_AGAIN = "Instagram could not prepare the media; it will be prepared anew."
_FETCH = "Instagram could not fetch the media from this installation's public address; check POSTPROBER_PUBLIC_URL."
_UNREADABLE = "Instagram cannot show this at the moment, which does not mean that it is gone."
_QUOTA_WAIT = timedelta(hours=1)  # ours: the quota is a sliding 24 hours, so a place may come free at any time
_PUBLISH = (RequestKind.PUBLISH,)

TABLE: tuple[ErrorRow, ...] = (
    ErrorRow(ReconnectNeeded, _RECONNECT, code="190/463", expired=True),  # session expired
    ErrorRow(ReconnectNeeded, _RECONNECT, code="190"),  # 460, 467, 458, 459, 464, 492
    ErrorRow(ReconnectNeeded, _RECONNECT, code="102"),  # Graph API error handling: session invalid
    ErrorRow(ReconnectNeeded, _SCOPES, code="10"),
    ErrorRow(ReconnectNeeded, _SCOPES, code="200-299"),  # any of that range, see _codes
    ErrorRow(ReconnectNeeded, _SCOPES, code="24/2207006"),  # media not found or permission lost
    ErrorRow(ReconnectNeeded, _NOTICE, code="25/2207050"),  # restricted, inactive or checkpointed
    ErrorRow(PostRejected, _BLOCKED, code="4/2207051"),  # spam block; before plain 4
    ErrorRow(PostRejected, _BLOCKED, code="368"),  # temporarily blocked for policies
    ErrorRow(
        Throttled, "This account has used up Instagram's daily number of posts.", code="9/2207042", wait=_QUOTA_WAIT
    ),
    # https://developers.facebook.com/docs/graph-api/overview/rate-limiting#error-codes: 4 is the app's limit
    ErrorRow(Throttled, "Instagram asks to wait: this app has sent too many requests.", code="4", whole_app=True),
    ErrorRow(Throttled, "Instagram asks to wait: too many requests.", code="17"),
    ErrorRow(Throttled, "Instagram asks to wait: too many requests.", code="32"),
    ErrorRow(Throttled, "Instagram asks to wait: too many requests.", code="613"),
    ErrorRow(Throttled, "Instagram asks to wait: too many requests.", code="80002"),
    ErrorRow(Throttled, "Instagram asks to wait: too many requests.", 429),
    ErrorRow(DuplicateRefused, "Instagram says that this account has posted the same before.", code="506"),
    ErrorRow(Unavailable, _FETCH, code="9004/2207052"),
    ErrorRow(Unavailable, _FETCH, code="-2/2207003"),
    ErrorRow(Unavailable, _AGAIN, code="-2/2207020"),  # container older than 24 h
    ErrorRow(Unavailable, "Instagram is still processing the media.", code="9007/2207027"),
    # Missing or expired, and also the answer for a container that is published already: only looking can tell.
    ErrorRow(OutcomeUnknown, "Instagram no longer has the prepared media, or has published it.", code="24/2207008"),
    ErrorRow(OutcomeUnknown, _AGAIN, code="-1/2207032"),  # on media_publish: cautious, see the module's docstring
    ErrorRow(OutcomeUnknown, _AGAIN, code="-1/2207053"),
    ErrorRow(OutcomeUnknown, _FAULT, code="-1"),  # 2207001
    ErrorRow(PostRejected, "The thumbnail's moment lies outside the video; choose another.", code="1/2207057"),
    ErrorRow(OutcomeUnknown, _FAULT, code="1"),
    ErrorRow(OutcomeUnknown, _FAULT, code="2"),
    ErrorRow(OutcomeUnknown, _UNREADABLE, code=MISSING_OR_OUTAGE, acts=_PUBLISH),
    ErrorRow(Unavailable, _UNREADABLE, code=MISSING_OR_OUTAGE),
    ErrorRow(
        PostRejected, "The text is too long for Instagram, or has too many hashtags or mentions.", code="36004/2207010"
    ),
    ErrorRow(PostRejected, "The picture is too large for Instagram; use one under 8 MB.", code="36000/2207004"),
    ErrorRow(PostRejected, "Instagram does not take this kind of picture; save it as JPEG.", code="36001/2207005"),
    ErrorRow(PostRejected, "Crop the picture: Instagram takes 4:5 to 1.91:1.", code="36003/2207009"),
    ErrorRow(
        PostRejected, "Instagram does not take this kind of video; save it as MP4 (H.264, AAC).", code="352/2207026"
    ),
    ErrorRow(PostRejected, "Instagram does not know this kind of media.", code="100/2207023"),
    ErrorRow(PostRejected, "A carousel needs 2 to 10 pictures.", code="100/2207028"),
    ErrorRow(PostRejected, "Instagram refused a tag in this post; remove it.", code="100/2207035"),
    ErrorRow(PostRejected, "Instagram refused the place of a tag; remove it.", code="100/2207036"),
    ErrorRow(PostRejected, "Instagram refused a product tag; remove it.", code="100/2207037"),
    ErrorRow(PostRejected, "Instagram allows at most 20 tagged people; remove some.", code="100/2207040"),
    ErrorRow(ReconnectNeeded, _RECONNECT, 401),
)


def refused(reply: Reply, act: RequestKind, now: datetime) -> PlatformError:
    """The error for a reply that is no success."""
    body = reply.json_or_none()
    text = text_at(body, "error", "error_user_msg") or text_at(body, "error", "message")
    moment = wait_until(reply.headers, now)
    return judge(TABLE, Refusal("Instagram", reply, act, _codes(body), text, now, moment))


def _codes(body: object) -> tuple[str, ...]:
    code, sub = dig(body, "error", "code"), text_at(body, "error", "error_subcode")
    if not isinstance(code, int):
        return ()
    codes = [f"{code}/{sub}"] if sub else []
    codes.append(str(code))
    if 200 <= code <= 299:
        codes.append("200-299")
    return tuple(codes)


def wait_until(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the business use case limit ends (minutes in a JSON header: instagram/facts.md, 4), else what the usual
    headers say; None when neither does. Never before `now`, never more than 24 hours after it."""
    try:
        usage = json.loads(headers.get("x-business-use-case-usage", ""))
    except (ValueError, RecursionError):
        usage = None
    minutes = [
        told
        for entries in (usage.values() if isinstance(usage, dict) else ())
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(told := dig(entry, "estimated_time_to_regain_access"), int | float)
        and (told > 0 or told < 0)  # 0: there is no limit; NaN is neither
    ]
    if not minutes:
        return retry_at(headers, now)
    return now + timedelta(minutes=min(max(*minutes, 0), MAX_WAIT.total_seconds() / 60))


def is_unreadable(error: PlatformError) -> bool:
    """Whether Instagram answered 100/33, which does not tell a missing object from one it cannot show."""
    return isinstance(error, Unavailable) and error.code == MISSING_OR_OUTAGE
