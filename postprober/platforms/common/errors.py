"""Error tables: from a platform's refusal to our error, the same way for every adapter that has a table.

A table is a tuple of `ErrorRow`, read from the top; the first row that fits decides. Rows match on status and code; on the
platform's wording only where it gives no code (codes are promised, wording is not).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import Reply
from postprober.platforms.common.replies import ambiguous, is_ambiguous, unmapped


class RequestKind(Enum):
    """What the refused request was about."""

    READ = "read"
    STAGE = "stage"  # changes something that nobody can see
    PUBLISH = "publish"  # the visible act


ANY: tuple[RequestKind, ...] = tuple(RequestKind)


@dataclass(frozen=True)
class ErrorRow:
    """One line of a table: refusals with this status and code mean `kind`, said as `says`.

    `status` 0, `code` "" and `text` "" fit everything; `text` is a piece of the platform's wording in lower case.
    `expired`: a refresh may cure it (ReconnectNeeded). `wait`: when the platform names no moment (Throttled).
    `whole_app`: the limit is our app's, not the account's (Throttled). `code_out`: the code our error carries instead of
    the platform's.
    """

    kind: type[PlatformError]
    says: str
    status: int = 0
    code: str = ""
    text: str = ""
    acts: tuple[RequestKind, ...] = ANY
    expired: bool = False
    wait: timedelta | None = None
    whole_app: bool = False
    code_out: str = ""

    def fits(self, status: int, codes: Sequence[str], text: str, act: RequestKind) -> bool:
        return (
            act in self.acts
            and self.status in (0, status)
            and (not self.code or self.code in codes)
            and self.text in text
        )


@dataclass(frozen=True)
class Refusal:
    """A reply that is no success, taken apart by its adapter.

    `codes`: the platform's codes, most exact first; `text`: its wording; `retry_at`: what its headers say;
    `earlier_id`: the post it names as the one this would double.
    """

    platform: str
    reply: Reply
    act: RequestKind
    codes: tuple[str, ...]
    text: str
    now: datetime
    retry_at: datetime | None = None
    earlier_id: str | None = None


def judge(table: Iterable[ErrorRow], refusal: Refusal) -> PlatformError:
    """The error for `refusal`.

    Of the visible act, everything that does not prove that nothing was published is OutcomeUnknown; of anything else,
    an unknown outcome is Unavailable. A read has no post to reject: there, a rejection is UnexpectedReply.
    """
    reply, act = refusal.reply, refusal.act
    if act is RequestKind.PUBLISH and is_ambiguous(reply.status):
        return ambiguous(reply)
    text = refusal.text.lower()
    for row in table:
        if row.fits(reply.status, refusal.codes, text, act):
            return _in_context(_error(row, refusal), act)
    code = refusal.codes[0] if refusal.codes else ""
    if act is RequestKind.PUBLISH and not (refusal.codes or refusal.text):
        return ambiguous(reply)
    if act is not RequestKind.READ and reply.status < 500:
        # The platform's words are shown only if redaction left them alone (the excerpt is redacted).
        words = f": {refusal.text}" if refusal.text and refusal.text in reply.excerpt else ""
        message = f"{refusal.platform} refused the post{words}"
        return PostRejected(message.rstrip(".") + ".", reply.excerpt, http_status=reply.status, code=code)
    return unmapped(refusal.platform, reply, code)


def _error(row: ErrorRow, refusal: Refusal) -> PlatformError:
    status, detail = refusal.reply.status, refusal.reply.excerpt
    code = row.code_out or row.code or (refusal.codes[0] if refusal.codes else "")
    if issubclass(row.kind, ReconnectNeeded):
        return row.kind(row.says, detail, http_status=status, code=code, expired=row.expired)
    if issubclass(row.kind, DuplicateRefused):
        return row.kind(row.says, detail, http_status=status, code=code, earlier_id=refusal.earlier_id)
    if issubclass(row.kind, Throttled):
        moment = refusal.retry_at or (refusal.now + row.wait if row.wait else None)
        return Throttled(row.says, detail, http_status=status, code=code, retry_at=moment, whole_app=row.whole_app)
    return row.kind(row.says, detail, http_status=status, code=code)


def _in_context(error: PlatformError, act: RequestKind) -> PlatformError:
    if isinstance(error, OutcomeUnknown) and act is not RequestKind.PUBLISH:
        return Unavailable(error.message, error.detail, http_status=error.http_status, code=error.code)
    if isinstance(error, PostRejected) and act is RequestKind.READ:
        return UnexpectedReply(error.message, error.detail, http_status=error.http_status, code=error.code)
    return error
