"""What WordPress's refusals mean. Facts and their evidence: wordpress/facts.md, 6.

Codes are words that WordPress promises in `code`; the same code comes with 401 for a wrong password and with 403 for a missing
right, so the status decides. A 500 may be a refusal of the file: codes are read before statuses.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from postprober.errors import PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable
from postprober.http import Reply
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
from postprober.platforms.common.replies import ambiguous, retry_at, text_at

GONE = "rest_post_invalid_id"
TRASHED = "rest_already_trashed"
NO_TRASH = "rest_trash_not_supported"

SIGN_IN = (
    "WordPress does not accept the user name or the application password; make a new one and reconnect the account."
)
_RIGHT = (
    "WordPress does not let this user do that; give it the role of an author or editor, then reconnect the account."
)
_FILE = "WordPress does not take this kind of file; the site's owner can allow it, or choose another."
_LARGE = "The file is too large for this site; use a smaller one, or ask its host to raise the limit for uploads."
_FIELD = (
    "WordPress does not take a value of this post; check its options, above all the title, the slug and the format."
)
_FORM = "WordPress could not read what was sent; nothing was published."
_AWAY = "The draft of the post is no longer on the site; it is made anew."
_GUARD = "The site's host or a security plugin keeps programs out; have its owner let this installation through."
_WAIT = timedelta(minutes=5)  # ours, where a host names no moment

# (status, code) -> as the specification of errors lists them, then those of WordPress's source (facts.md, 6).
TABLE: tuple[ErrorRow, ...] = (
    *(
        ErrorRow(PostRejected, _FILE, code=code)
        for code in (
            "rest_upload_sideload_error",
            "rest_upload_invalid_disposition",
        )
    ),
    *(
        ErrorRow(PostRejected, _LARGE, code=code)
        for code in (
            "rest_upload_file_too_big",
            "rest_upload_limited_space",
            "rest_upload_unknown_error",
            "rest_upload_no_data",
        )
    ),
    ErrorRow(
        PostRejected, "Write something, or give the post a title: WordPress takes no empty post.", code="empty_content"
    ),
    ErrorRow(PostRejected, _FIELD, code="rest_invalid_param"),
    ErrorRow(PostRejected, _FORM, code="rest_invalid_json"),
    ErrorRow(Unavailable, _AWAY, code=GONE),
    *(
        ErrorRow(ReconnectNeeded, SIGN_IN, code=code)
        for code in (
            "incorrect_password",
            "invalid_username",
            "invalid_email",
            "application_passwords_disabled",
            "application_passwords_disabled_for_user",
            "rest_not_logged_in",
        )
    ),
    ErrorRow(ReconnectNeeded, SIGN_IN, 401),
    ErrorRow(ReconnectNeeded, _RIGHT, 403),
    ErrorRow(PostRejected, _LARGE, 413),
    ErrorRow(Throttled, "The site's host asks to wait: too many requests.", 429, wait=_WAIT),
    ErrorRow(Unavailable, "The site is down for maintenance; nothing was published.", 503),
)


def refused(reply: Reply, act: RequestKind, now: datetime) -> PlatformError:
    """The error for a reply that is no success."""
    body = reply.json_or_none()
    code = text_at(body, "code")
    if not code and reply.status in (401, 403):  # not WordPress itself: nothing follows for the account
        if act is RequestKind.PUBLISH:
            return ambiguous(reply)
        return Unavailable(_GUARD, reply.excerpt, http_status=reply.status)
    codes = (code,) if code else ()
    text = text_at(body, "message")
    return judge(TABLE, Refusal("WordPress", reply, act, codes, text, now, retry_at(reply.headers, now)))


def is_code(reply: Reply, *codes: str) -> bool:
    """Whether WordPress itself says this, and not a server before it."""
    return text_at(reply.json_or_none(), "code") in codes
