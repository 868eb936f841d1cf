"""What went wrong with a delivery, and the closed set of what may be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from postprober.domain.delivery import UNFINISHED

MAX_REPAIRS = 3  # applied repairs of one delivery; after that only a person (issue D)


class Cause(StrEnum):
    """Why. `unknown` is an answer too: then a person is asked."""

    TOKEN_EXPIRED = "token_expired"
    ACCESS_REVOKED = "access_revoked"
    PERMISSION_MISSING = "permission_missing"
    ACCOUNT_RESTRICTED = "account_restricted"
    RATE_LIMITED = "rate_limited"
    QUOTA_USED = "quota_used"
    BILLING = "billing"
    TEXT_TOO_LONG = "text_too_long"
    TOO_MANY_TAGS = "too_many_tags"
    LINK_REFUSED = "link_refused"
    CONTENT_REFUSED = "content_refused"
    BLOCKED_AS_SPAM = "blocked_as_spam"
    DUPLICATE = "duplicate"
    REPLY_TARGET_GONE = "reply_target_gone"
    MEDIA_FORMAT = "media_format"
    MEDIA_TOO_LARGE = "media_too_large"
    MEDIA_RATIO = "media_ratio"
    MEDIA_UNREACHABLE = "media_unreachable"
    MEDIA_LOST = "media_lost"
    MEDIA_NOT_READY = "media_not_ready"
    MEDIA_UNUSABLE = "media_unusable"  # here: no platform was asked
    PLATFORM_DOWN = "platform_down"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CONFLICT = "conflict"
    REQUEST_INVALID = "request_invalid"
    NOT_OWNER = "not_owner"
    LINKING_BROKEN_OFF = "linking_broken_off"
    INVISIBLE = "invisible"
    ONLY_AUTHOR_SEES = "only_author_sees"
    REMOVED = "removed"
    TOO_LATE = "too_late"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


class Fix(StrEnum):
    """Everything that the agent can do; nothing else can be asked of it."""

    REFRESH_TOKEN = "refresh_token"
    WAIT_UNTIL = "wait_until"
    SHORTEN = "shorten"
    SPLIT_THREAD = "split_thread"
    CUT_LINK = "cut_link"  # take tracking parameters off a link, or the link out
    REENCODE_MEDIA = "reencode_media"
    REUPLOAD = "reupload"
    CHANGE_TIME = "change_time"
    ASK_RECONNECT = "ask_reconnect"
    ASK_PERSON = "ask_person"


class Authority(StrEnum):
    """Whose word a fix needs. `automatic`: nobody's; `standing_permission`: the account's setting `repair_words`, else
    a click; `person`: always a click, or an act that only a person can do."""

    AUTOMATIC = "automatic"
    STANDING_PERMISSION = "standing_permission"
    PERSON = "person"


AUTHORITY: dict[Fix, Authority] = {
    Fix.REFRESH_TOKEN: Authority.AUTOMATIC,
    Fix.WAIT_UNTIL: Authority.AUTOMATIC,
    Fix.SHORTEN: Authority.STANDING_PERMISSION,
    Fix.SPLIT_THREAD: Authority.STANDING_PERMISSION,
    Fix.CUT_LINK: Authority.STANDING_PERMISSION,
    Fix.REENCODE_MEDIA: Authority.AUTOMATIC,
    Fix.REUPLOAD: Authority.AUTOMATIC,
    Fix.CHANGE_TIME: Authority.PERSON,
    Fix.ASK_RECONNECT: Authority.PERSON,
    Fix.ASK_PERSON: Authority.PERSON,
}
CHANGES_WORDS = frozenset(fix for fix, authority in AUTHORITY.items() if authority is Authority.STANDING_PERMISSION)
ONLY_TELLS = frozenset({Fix.ASK_RECONNECT, Fix.ASK_PERSON})
# States from which a repair may lead on. Never from an unknown outcome (`unconfirmed`, `held` with one, `submitting`),
# and never for a post that the platform has accepted (`ghost`): a second one would be visible beside it.
REPAIRABLE = UNFINISHED

# From the least to the most cautious; between two answers the later one holds.
CAUTION = (Authority.AUTOMATIC, Authority.STANDING_PERMISSION, Authority.PERSON)

RepairState = Literal["open", "proposed", "applied", "refused", "superseded", "needs_person"]


@dataclass(frozen=True)
class Diagnosis:
    """`cited`: ids of the attempts it rests on; `retryable`: whether sending again can help once the fix is in;
    `explanation`: two or three sentences for a person; `by`: "rules" or "model NAME"; `note`: why rules answered
    instead of the model."""

    cause: Cause
    confidence: float
    cited: tuple[int, ...]
    retryable: bool
    fix: Fix
    explanation: str
    by: str
    note: str = ""

    @property
    def authority(self) -> Authority:
        return AUTHORITY[self.fix]
