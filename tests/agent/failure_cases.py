"""What each documented failure means, written from what they mean and not from our rules: cause, fix, authority.

A row names the act that was refused: `publish` (the visible one), `stage` (nobody sees it), `read`, `token`. What a
platform answers is in postprober/platforms/NAME/facts.md, 6; here stands only what a careful person would conclude.
"""

from __future__ import annotations

from typing import NamedTuple

from postprober.domain.diagnosis import Authority, Cause, Fix

C, F = Cause, Fix
AUTO, WORDS, PERSON = Authority.AUTOMATIC, Authority.STANDING_PERMISSION, Authority.PERSON


class Expected(NamedTuple):
    act: str
    cause: Cause
    fix: Fix
    authority: Authority


def _e(act: str, cause: Cause, fix: Fix, authority: Authority) -> Expected:
    return Expected(act, cause, fix, authority)


# The visible act was answered in a way that proves nothing: only looking may follow.
OPEN = _e("publish", C.OUTCOME_UNKNOWN, F.WAIT_UNTIL, AUTO)
RELINK = _e("publish", C.ACCESS_REVOKED, F.ASK_RECONNECT, PERSON)
SCOPE = _e("publish", C.PERMISSION_MISSING, F.ASK_RECONNECT, PERSON)
RATE = _e("publish", C.RATE_LIMITED, F.WAIT_UNTIL, AUTO)
REQUEST = _e("publish", C.REQUEST_INVALID, F.ASK_PERSON, PERSON)
SAME = _e("publish", C.DUPLICATE, F.ASK_PERSON, PERSON)
RESTART = _e("token", C.LINKING_BROKEN_OFF, F.ASK_RECONNECT, PERSON)

X: dict[str, Expected] = {
    "x.duplicate": SAME,
    "x.not_permitted": _e(
        "publish", C.CONTENT_REFUSED, F.ASK_PERSON, PERSON
    ),  # policy, length or reply: it is not said
    "x.missing_scope": SCOPE,
    "x.app_only_token": SCOPE,
    "x.invalid_token": _e("publish", C.TOKEN_EXPIRED, F.REFRESH_TOKEN, AUTO),  # X tokens live 2 h and are refreshed
    "x.rate_limit_problem": RATE,
    "x.rate_limit_code88": RATE,
    "x.usage_cap": _e("publish", C.QUOTA_USED, F.WAIT_UNTIL, AUTO),
    "x.credits_old": _e("publish", C.BILLING, F.ASK_PERSON, PERSON),  # somebody has to pay
    "x.credits_new": _e("publish", C.BILLING, F.ASK_PERSON, PERSON),
    "x.too_long": _e("publish", C.TEXT_TOO_LONG, F.SPLIT_THREAD, WORDS),  # X has threads, so no word need be lost
    "x.invalid_request": REQUEST,
    "x.not_found_200": _e("read", C.INVISIBLE, F.ASK_PERSON, PERSON),
    "x.delete_not_owner": _e("delete", C.NOT_OWNER, F.ASK_PERSON, PERSON),
    "x.server_error": OPEN,
    "x.service_unavailable": OPEN,
    "x.non_json_gateway": OPEN,
    "x.oauth_bad_refresh": _e("token", C.ACCESS_REVOKED, F.ASK_RECONNECT, PERSON),
    "x.oauth_bad_code": RESTART,
}
LINKEDIN: dict[str, Expected] = {
    "li.empty_token": RELINK,
    "li.invalid_token": RELINK,
    "li.revoked_token": RELINK,
    # Refresh tokens are for approved partners only (postprober/platforms/linkedin/facts.md, 1); this account has none.
    "li.expired_token": _e("publish", C.TOKEN_EXPIRED, F.ASK_RECONNECT, PERSON),
    "li.access_denied": SCOPE,
    "li.forbidden_bare": SCOPE,
    "li.duplicate": SAME,
    "li.schema": REQUEST,
    "li.too_long": _e("publish", C.TEXT_TOO_LONG, F.SHORTEN, WORDS),  # LinkedIn has no threads
    "li.illegal_argument": REQUEST,
    "li.version_missing": REQUEST,
    "li.version_sunset": REQUEST,
    "li.rate_limit": RATE,
    "li.not_found": _e("publish", C.REPLY_TARGET_GONE, F.ASK_PERSON, PERSON),
    "li.conflict": OPEN,  # 409 on a create proves neither
    "li.server": OPEN,
    "li.gateway": OPEN,
    "li.oauth_code": RESTART,
    "li.oauth_redirect": RESTART,
}
_ANEW = _e("stage", C.MEDIA_LOST, F.REUPLOAD, AUTO)
_UNREACHABLE = _e("stage", C.MEDIA_UNREACHABLE, F.REUPLOAD, AUTO)
_BLOCKED = _e("publish", C.BLOCKED_AS_SPAM, F.CHANGE_TIME, PERSON)
_PICTURE = _e("stage", C.MEDIA_FORMAT, F.REENCODE_MEDIA, AUTO)
INSTAGRAM: dict[str, Expected] = {
    "-2/2207003": _UNREACHABLE,  # time-out while it downloaded: a new container fetches again
    "-2/2207020": _ANEW,  # older than 24 h
    "-1/2207001": OPEN,
    "-1/2207032": _ANEW,  # "try to re-create"; of the container, before anything is visible
    "-1/2207053": _ANEW,
    "1/2207057": _e("stage", C.REQUEST_INVALID, F.ASK_PERSON, PERSON),  # the person chooses another moment
    "4/2207051": _BLOCKED,
    "9/2207042": _e("publish", C.QUOTA_USED, F.WAIT_UNTIL, AUTO),
    "24/2207006": SCOPE,
    "24/2207008": OPEN,  # also what a published container answers, so the visible act stays open
    "25/2207050": _e("publish", C.ACCOUNT_RESTRICTED, F.ASK_PERSON, PERSON),
    **{
        f"100/{sub}": _e("stage", C.REQUEST_INVALID, F.ASK_PERSON, PERSON)
        for sub in (2207023, 2207028, 2207035, 2207036, 2207037)
    },
    "100/2207040": _e("stage", C.TOO_MANY_TAGS, F.ASK_PERSON, PERSON),
    "352/2207026": _e("stage", C.MEDIA_FORMAT, F.ASK_PERSON, PERSON),  # a video; we re-encode pictures only
    "9004/2207052": _UNREACHABLE,
    "9007/2207027": _e("publish", C.MEDIA_NOT_READY, F.WAIT_UNTIL, AUTO),
    "36000/2207004": _e("stage", C.MEDIA_TOO_LARGE, F.REENCODE_MEDIA, AUTO),
    "36001/2207005": _PICTURE,
    "36003/2207009": _e("stage", C.MEDIA_RATIO, F.ASK_PERSON, PERSON),  # what to crop is a person's choice
    "36004/2207010": _e("stage", C.TEXT_TOO_LONG, F.SHORTEN, WORDS),
    # Only an unexpired token can be exchanged (postprober/platforms/instagram/facts.md, 1).
    "190/463": _e("publish", C.TOKEN_EXPIRED, F.ASK_RECONNECT, PERSON),
    **{f"190/{sub}": RELINK for sub in (460, 467, 458, 459, 464, 492)},
    "10": SCOPE,
    "200": SCOPE,
    **dict.fromkeys(("4", "17", "32", "613", "80002"), RATE),
    "506": SAME,
    "368": _BLOCKED,
    "1": OPEN,
    "2": OPEN,
    "100/33": OPEN,  # an outage answers the same for what is there
}
# No ids in the file: status and what tells the rows apart.
MASTODON: dict[str, Expected] = {
    "401 access token": RELINK,
    "403 scopes": SCOPE,
    "404 not found": _e("publish", C.REPLY_TARGET_GONE, F.ASK_PERSON, PERSON),
    "422 character limit": _e("publish", C.TEXT_TOO_LONG, F.SPLIT_THREAD, WORDS),
    "422 blank": REQUEST,
    "429 too many": RATE,
    "503 ssl": OPEN,
}
BLUESKY: dict[str, Expected] = {
    "400 ExpiredToken": _e("publish", C.TOKEN_EXPIRED, F.REFRESH_TOKEN, AUTO),
    "400 InvalidToken": RELINK,
    "401 AuthenticationRequired": RELINK,
    "401 AuthMissing": RELINK,
    "400 InvalidRequest": _e("publish", C.TEXT_TOO_LONG, F.SPLIT_THREAD, WORDS),
    "400 RecordNotFound": _e("publish", C.REPLY_TARGET_GONE, F.ASK_PERSON, PERSON),
    "400 InvalidSwap": _e("publish", C.CONFLICT, F.WAIT_UNTIL, AUTO),
    "429 RateLimitExceeded": RATE,
    "500 InternalServerError": OPEN,
    "502 UpstreamFailure": OPEN,
}
