"""The rules' diagnosis: from evidence to a cause, and from a cause to one fix of the closed set."""

from __future__ import annotations

from postprober.agent.evidence import Evidence, Try, is_unknown
from postprober.domain.advice import RULES
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import UNFINISHED, DeliveryState
from postprober.domain.delivery import StateCause as HeldCause
from postprober.domain.diagnosis import CHANGES_WORDS, MAX_REPAIRS, Cause, Diagnosis, Fix
from postprober.domain.limits import MB
from postprober.domain.platform import NAMES
from postprober.domain.post import MediaKind
from postprober.platforms.common.error_signals import BY_CODE, BY_STATUS, BY_WORDING, GUESS, ErrorSignal
from postprober.platforms.registry import SPECS

C, F, S = Cause, Fix, DeliveryState

# cause: (what it is, in words for a person; {platform} is filled in)
SENTENCES: dict[Cause, str] = {
    C.TOKEN_EXPIRED: "The connection to {platform} expired.",
    C.ACCESS_REVOKED: "{platform} no longer accepts the connection: it was revoked or is invalid.",
    C.PERMISSION_MISSING: "The connection to {platform} lacks a permission needed for publishing.",
    C.ACCOUNT_RESTRICTED: "{platform} has restricted or suspended the account.",
    C.RATE_LIMITED: "Rate limited by {platform}. This passes by itself.",
    C.QUOTA_USED: "The number of posts that {platform} allows in this period is used up.",
    C.BILLING: "The developer account at {platform} has no credits left.",
    C.TEXT_TOO_LONG: "The text is longer than {platform} allows here.",
    C.TOO_MANY_TAGS: "The post tags more people or words than {platform} allows.",
    C.LINK_REFUSED: "{platform} does not accept a link in the post.",
    C.CONTENT_REFUSED: "{platform} refused the post and does not say why: the text, or whom it answers.",
    C.BLOCKED_AS_SPAM: "{platform} flagged the activity as spam and blocked it for a while.",
    C.DUPLICATE: "{platform} says that this account has posted the same text before.",
    C.REPLY_TARGET_GONE: "The post it replies to no longer exists on {platform}.",
    C.MEDIA_FORMAT: "{platform} could not process {files}.",
    C.MEDIA_TOO_LARGE: "{platform} does not accept files as large as {files}.",
    C.MEDIA_RATIO: "{platform} does not accept pictures as wide or as tall as {files}.",
    C.MEDIA_UNREACHABLE: "{platform} could not fetch {files} from this installation.",
    C.MEDIA_LOST: "{platform} no longer has {files}, which had been uploaded.",
    C.MEDIA_NOT_READY: "{platform} is still processing {files}.",
    C.MEDIA_UNUSABLE: "PostProber could not prepare {files} for {platform}.",
    C.PLATFORM_DOWN: "{platform} could not be reached or had a fault.",
    C.OUTCOME_UNKNOWN: "We cannot tell whether the post was published: the response from {platform} was lost or inconclusive.",
    C.CONFLICT: "The account on {platform} was being changed by something else at the same time.",
    C.REQUEST_INVALID: "{platform} did not accept a part of the request; that lies in the post's options or settings.",
    C.NOT_OWNER: "Only the account that wrote a post may do that on {platform}.",
    C.LINKING_BROKEN_OFF: "Connecting the account to {platform} was not finished.",
    C.INVISIBLE: "{platform} accepted the post, but nobody can see it.",
    C.ONLY_AUTHOR_SEES: "Only the author can see the post on {platform}; the public cannot.",
    C.REMOVED: "The post was live on {platform} and is gone now: it was removed or hidden.",
    C.TOO_LATE: "The time of the post has passed by more than you allow.",
    C.CRASHED: "Quarantined after crashing the worker three times.",
    C.UNKNOWN: "The cause is unknown.",
}
CURES: dict[Fix, str] = {
    F.REFRESH_TOKEN: "We renew the connection and retry.",
    F.WAIT_UNTIL: "It will be retried later.",
    F.SHORTEN: "A shorter text would fit.",
    F.SPLIT_THREAD: "It would fit as a thread, with the text unchanged.",
    F.CUT_LINK: "It may be accepted without the link or its tracking part.",
    F.REENCODE_MEDIA: "Converting {files} to JPEG would fix it.",
    F.REUPLOAD: "Uploading {files} again would fix it.",
    F.CHANGE_TIME: "A later time is suggested. Until then, please post manually.",
    F.ASK_RECONNECT: "Reconnect the account; then this continues automatically.",
    F.ASK_PERSON: "Please check it and decide.",
}
# Tells of what a person can do where the general sentence is too thin.
ADVICE: dict[Cause, str] = {
    C.BILLING: "Please add credits there. It then continues automatically.",
    C.ACCOUNT_RESTRICTED: "Please open its app, follow the notice there, and reconnect the account.",
    C.MEDIA_RATIO: "Please crop it and try again.",
    C.MEDIA_FORMAT: "Please convert {files} to {formats} and add it again.",
    C.MEDIA_UNUSABLE: "Please save {files} as {formats} and add it again.",
    C.MEDIA_TOO_LARGE: "Please make {files} smaller than {size} and add it again.",
    C.DUPLICATE: "Please change the text, or cancel this one.",
    C.OUTCOME_UNKNOWN: "Please check on the platform and say whether it is there. Nothing is sent until then.",
    C.TOO_LATE: "Please send it now or cancel it.",
    C.INVISIBLE: "It is not sent again because it may still appear. Please contact the platform.",
    C.ONLY_AUTHOR_SEES: "Please check the account's visibility. It is not sent again.",
    C.REMOVED: "It is not sent again. Please check why.",
}
_FIXES: dict[Cause, Fix] = {
    **dict.fromkeys((C.ACCESS_REVOKED, C.PERMISSION_MISSING, C.LINKING_BROKEN_OFF), F.ASK_RECONNECT),
    **dict.fromkeys((C.RATE_LIMITED, C.QUOTA_USED, C.MEDIA_NOT_READY, C.PLATFORM_DOWN, C.CONFLICT), F.WAIT_UNTIL),
    C.LINK_REFUSED: F.CUT_LINK,
    C.BLOCKED_AS_SPAM: F.CHANGE_TIME,
    C.MEDIA_UNREACHABLE: F.REUPLOAD,
    C.MEDIA_LOST: F.REUPLOAD,
}


def diagnose(evidence: Evidence) -> Diagnosis:
    """Always answers; what it does not know becomes a question to a person. Pure."""
    sign = _of_state(evidence) or _of_tries(evidence)
    fix = fix_for(sign.cause, evidence)
    return told(evidence, sign, fix)


def told(evidence: Evidence, sign: ErrorSignal, fix: Fix, by: str = RULES, note: str = "") -> Diagnosis:
    """The diagnosis in words."""
    retryable = fix not in (F.ASK_PERSON, F.ASK_RECONNECT) and sign.cause is not C.OUTCOME_UNKNOWN
    cited = tuple(t.id for t in evidence.tries if t is evidence.last or is_unknown(t.outcome))
    words = explain(sign.cause, fix, evidence)
    return Diagnosis(sign.cause, sign.confidence, cited, retryable, fix, words, by, note)


def explain(cause: Cause, fix: Fix, evidence: Evidence) -> str:
    """Two or three sentences for a person: what it is, and what to do. The files are named, and "nothing was published"
    is said only where that is known."""
    culprits = _culprits(evidence)
    named = {
        "platform": NAMES[evidence.platform],
        "files": _listed(tuple(name for _, name in culprits)),
        "formats": _formats(evidence, culprits),
        "size": _size(evidence, culprits),
    }
    told = SENTENCES[cause].format(**named)
    if cause is C.PLATFORM_DOWN and not evidence.unknown and not evidence.doubted and not evidence.partly_out:
        told += " Nothing was published."
    if cause is C.OUTCOME_UNKNOWN and fix is F.WAIT_UNTIL:
        cure = "We look for it before doing anything else."
    else:
        cure = ADVICE.get(cause, CURES[fix]) if fix is F.ASK_PERSON else CURES[fix]
    return f"{told} {cure.format(**named)}"


def _culprits(evidence: Evidence) -> tuple[tuple[MediaKind, str], ...]:
    """(kind, name) of the files that can be meant: those of a format that the platform does not list, else all."""
    files = tuple(zip(evidence.media, evidence.files, strict=False))
    unlisted = tuple(one for one in files if not any(f"({form})" in one[1] for form in _taken(evidence, one[0])))
    return unlisted or files


def _taken(evidence: Evidence, kind: MediaKind) -> tuple[str, ...]:
    """Formats that the platform takes of that kind, as people write them."""
    limits = evidence.limits
    if kind is MediaKind.DOCUMENT:
        return ("PDF",) if limits.document else ()
    mimes = (limits.video.mimes if limits.video else ()) if kind is MediaKind.VIDEO else limits.images.mimes
    also = ("GIF",) if kind is MediaKind.GIF and limits.gif else ()
    return tuple(mime.rpartition("/")[2].upper() for mime in mimes) + also


def _formats(evidence: Evidence, culprits: tuple[tuple[MediaKind, str], ...]) -> str:
    """Into what to convert: the first formats that the platform takes of the files' kinds."""
    kinds = dict.fromkeys(kind for kind, _ in culprits) or {MediaKind.IMAGE: None}
    found = [(_taken(evidence, kind) or _taken(evidence, MediaKind.IMAGE))[0] for kind in kinds]
    codecs = evidence.limits.video.codecs if evidence.limits.video and MediaKind.VIDEO in kinds else ()
    named = [f"{one} (H.264)" if one == "MP4" and "h264" in codecs else one for one in found]
    return " or ".join(dict.fromkeys(named))


def _size(evidence: Evidence, culprits: tuple[tuple[MediaKind, str], ...]) -> str:
    rule = evidence.limits.video if any(kind is MediaKind.VIDEO for kind, _ in culprits) else evidence.limits.images
    return f"{(rule or evidence.limits.images).max_bytes // MB} MB"


def _listed(files: tuple[str, ...]) -> str:
    if not files:
        return "a file of this post"
    return files[0] if len(files) == 1 else f"{', '.join(files[:-1])} or {files[-1]}"


def _of_state(evidence: Evidence) -> ErrorSignal | None:
    """What the state itself says, before any answer is read."""
    reason = evidence.reason.lower()
    if evidence.state is S.GHOST:
        if "gone" in reason:
            return ErrorSignal(C.REMOVED, BY_CODE)
        return ErrorSignal(C.ONLY_AUTHOR_SEES if "only its author" in reason else C.INVISIBLE, BY_CODE)
    if evidence.state is S.HELD and not evidence.unknown:
        if evidence.held == HeldCause.CRASHED:
            return ErrorSignal(C.CRASHED, BY_CODE)
        if evidence.held == HeldCause.LATE:
            return ErrorSignal(C.TOO_LATE, BY_CODE)
    if evidence.unknown or evidence.state in (S.UNCONFIRMED, S.SUBMITTING, S.HELD):
        return ErrorSignal(C.OUTCOME_UNKNOWN, BY_CODE)
    return None


def _of_tries(evidence: Evidence) -> ErrorSignal:
    last = evidence.last
    if last is None:
        return _of_words(evidence.reason) or ErrorSignal(C.UNKNOWN, GUESS)
    if last.act == Act.STAGE and last.outcome == Outcome.REJECTED and last.http_status is None and evidence.files:
        return ErrorSignal(C.MEDIA_UNUSABLE, BY_CODE)  # refused before anybody was asked
    if last.act == Act.REFRESH:  # a token endpoint's reply is never kept; what became of it says enough
        return ErrorSignal(C.ACCESS_REVOKED if last.outcome == Outcome.RECONNECT else C.PLATFORM_DOWN, BY_STATUS)
    sign = SPECS[evidence.platform].error_signals.read(last.http_status, last.reply)
    if last.act == Act.PUBLISH and is_unknown(last.outcome):
        # Proved absent since, or the state would say so: what remains is that the platform failed again and again.
        return (
            ErrorSignal(C.PLATFORM_DOWN, BY_STATUS)
            if evidence.state in UNFINISHED
            else ErrorSignal(C.OUTCOME_UNKNOWN, BY_CODE)
        )
    spoken = _of_words(f"{last.message} {evidence.reason}")
    if sign is None or (sign.confidence <= BY_STATUS and spoken is not None and spoken.cause is C.MEDIA_FORMAT):
        return spoken or _of_outcome(last)
    return sign


def _of_words(text: str) -> ErrorSignal | None:
    """Our own sentences, where there was no answer to read."""
    lower = text.lower()
    for words, cause in (
        ("media could not be processed", C.MEDIA_FORMAT),
        ("could not be prepared", C.MEDIA_UNUSABLE),
        ("are being prepared", C.MEDIA_UNUSABLE),
        ("file of this post cannot be read", C.MEDIA_UNUSABLE),
        ("not there", C.PLATFORM_DOWN),
        ("reconnect the account", C.ACCESS_REVOKED),
        ("link the account again", C.ACCESS_REVOKED),  # how it was said until 2026-11
        ("could not be reached", C.PLATFORM_DOWN),
    ):
        if words in lower:
            return ErrorSignal(cause, BY_WORDING)
    return None


def _of_outcome(last: Try) -> ErrorSignal:
    by_outcome = {
        Outcome.UNAVAILABLE: C.PLATFORM_DOWN,
        Outcome.THROTTLED: C.RATE_LIMITED,
        Outcome.RECONNECT: C.ACCESS_REVOKED,
        Outcome.REJECTED: C.CONTENT_REFUSED,
    }
    for outcome, cause in by_outcome.items():
        if last.outcome == outcome:
            return ErrorSignal(cause, BY_WORDING)
    return ErrorSignal(C.UNKNOWN, GUESS)


def fix_for(cause: Cause, evidence: Evidence) -> Fix:
    """The one fix that the rules see for a cause."""
    fix = _first_choice(cause, evidence)
    if may(fix, evidence):
        return fix
    # A sign-in that a renewal has not mended can only be given anew.
    return F.ASK_RECONNECT if cause is C.TOKEN_EXPIRED else F.ASK_PERSON


def may(fix: Fix, evidence: Evidence) -> bool:
    """Whether a fix can be thought of at all, whoever proposes it: never on an unknown outcome, never a third party's
    way around the number of repairs, never the same cure again where it did not help."""
    if fix in (F.ASK_PERSON, F.ASK_RECONNECT):
        return True
    if evidence.state in (S.UNCONFIRMED, S.SUBMITTING):
        return fix is F.WAIT_UNTIL  # for what looking brings
    if evidence.unknown or evidence.state not in UNFINISHED | {S.WAITING}:
        return False
    if len(evidence.repaired) >= MAX_REPAIRS or (fix is not F.WAIT_UNTIL and fix in evidence.repaired):
        return False
    if fix in CHANGES_WORDS and evidence.doubted:
        return False  # the first wording may still turn up; another one beside it would be a second post
    if fix is F.SPLIT_THREAD:
        return evidence.limits.threads
    if fix is F.REENCODE_MEDIA:
        return MediaKind.IMAGE in evidence.media
    return fix is not F.REFRESH_TOKEN or evidence.renewable


def _first_choice(cause: Cause, evidence: Evidence) -> Fix:
    if cause is C.OUTCOME_UNKNOWN:
        return F.ASK_PERSON if evidence.state is S.HELD else F.WAIT_UNTIL
    if cause is C.TOKEN_EXPIRED:
        renewable = evidence.renewable and SPECS[evidence.platform].expired_renews
        return F.REFRESH_TOKEN if renewable else F.ASK_RECONNECT
    if cause is C.TEXT_TOO_LONG:
        return F.SPLIT_THREAD if evidence.limits.threads else F.SHORTEN
    if cause in (C.MEDIA_FORMAT, C.MEDIA_TOO_LARGE):
        return F.ASK_PERSON if MediaKind.VIDEO in evidence.media else F.REENCODE_MEDIA
    if cause is C.MEDIA_UNUSABLE and evidence.last is not None and evidence.last.outcome == Outcome.UNAVAILABLE:
        return F.WAIT_UNTIL
    return _FIXES.get(cause, F.ASK_PERSON)
