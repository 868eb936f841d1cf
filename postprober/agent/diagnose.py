"""The rules' diagnosis: from evidence to a cause, and from a cause to one fix of the closed set."""

from __future__ import annotations

from postprober.agent.evidence import Evidence, Try, is_unknown
from postprober.agent.signals import BY_CODE, BY_STATUS, BY_WORDING, GUESS, Sign, read
from postprober.domain.advice import RULES
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import CHANGES_WORDS, MAX_REPAIRS, Cause, Diagnosis, Fix
from postprober.domain.platform import NAMES, Platform
from postprober.domain.post import MediaKind

C, F, S = Cause, Fix, DeliveryState

# cause: (what it is, in words for a person; {platform} is filled in)
SENTENCES: dict[Cause, str] = {
    C.TOKEN_EXPIRED: "The sign-in at {platform} ran out.",
    C.ACCESS_REVOKED: "{platform} no longer accepts the account's sign-in: it was withdrawn or is not valid.",
    C.PERMISSION_MISSING: "The link to {platform} lacks a permission that publishing needs.",
    C.ACCOUNT_RESTRICTED: "{platform} has restricted or suspended the account.",
    C.RATE_LIMITED: "{platform} asked for fewer requests; this passes by itself.",
    C.QUOTA_USED: "The number of posts that {platform} allows in a period is used up.",
    C.BILLING: "The developer account at {platform} has no credits left.",
    C.TEXT_TOO_LONG: "The text is longer than {platform} takes here.",
    C.TOO_MANY_TAGS: "The post tags more people or words than {platform} allows.",
    C.LINK_REFUSED: "{platform} does not accept a link in the post.",
    C.CONTENT_REFUSED: "{platform} refused the post and does not say why: the text, or whom it answers.",
    C.BLOCKED_AS_SPAM: "{platform} took the activity for spam and blocked it for a while.",
    C.DUPLICATE: "{platform} says that the account has posted the same before.",
    C.REPLY_TARGET_GONE: "What the post answers is not there on {platform} any more.",
    C.MEDIA_FORMAT: "{platform} could not use a file of the post.",
    C.MEDIA_TOO_LARGE: "A file of the post is larger than {platform} takes.",
    C.MEDIA_RATIO: "A picture is wider or higher than {platform} shows, so it has to be cropped.",
    C.MEDIA_UNREACHABLE: "{platform} could not fetch a file from this installation.",
    C.MEDIA_LOST: "{platform} no longer has the files that were handed over.",
    C.MEDIA_NOT_READY: "{platform} is still working on a file.",
    C.PLATFORM_DOWN: "{platform} could not be reached or had a fault; nothing was published.",
    C.OUTCOME_UNKNOWN: "It is not known whether the post is out: the answer of {platform} got lost or proved nothing.",
    C.CONFLICT: "Something else was being written to the account on {platform} at the same moment.",
    C.REQUEST_INVALID: "{platform} did not accept a part of the request; that lies in the post's options or settings.",
    C.NOT_OWNER: "Only the account that wrote a post may do that on {platform}.",
    C.LINKING_BROKEN_OFF: "Linking the account to {platform} was not finished.",
    C.INVISIBLE: "{platform} accepted the post, but nobody can see it.",
    C.ONLY_AUTHOR_SEES: "Only the author can see the post on {platform}; strangers cannot.",
    C.REMOVED: "The post was live on {platform} and is gone now: somebody removed or hid it.",
    C.TOO_LATE: "The time of the post has passed by more than you allow.",
    C.CRASHED: "Working on this post ended the program three times, so it was set apart.",
    C.UNKNOWN: "The reason is not among those that PostProber knows.",
}
CURES: dict[Fix, str] = {
    F.REFRESH_TOKEN: "The sign-in is renewed and the post goes out.",
    F.WAIT_UNTIL: "It is tried again later.",
    F.SHORTEN: "A shorter text would fit.",
    F.SPLIT_THREAD: "As a thread of several posts it would fit, word for word.",
    F.CUT_LINK: "Without the link, or without its tracking part, it may go out.",
    F.REENCODE_MEDIA: "The picture is written anew in a form that the platform takes.",
    F.REUPLOAD: "The files are handed over anew.",
    F.CHANGE_TIME: "A later time is proposed; until then please post by hand as usual.",
    F.ASK_RECONNECT: "Please link the account again; then this goes on by itself.",
    F.ASK_PERSON: "Please look at it and decide.",
}
# Tells of what a person can do where the general sentence is too thin.
ADVICE: dict[Cause, str] = {
    C.BILLING: "Please add credits there; then it goes on by itself.",
    C.ACCOUNT_RESTRICTED: "Please open its app, follow the notice there, and link the account again.",
    C.MEDIA_RATIO: "Please crop it and try again.",
    C.DUPLICATE: "Please change the text, or cancel this one.",
    C.OUTCOME_UNKNOWN: "Please look on the platform and say whether it is there; nothing is sent before that.",
    C.TOO_LATE: "Please send it now or cancel it.",
    C.INVISIBLE: "It is not sent again, because it may appear; please ask the platform.",
    C.ONLY_AUTHOR_SEES: "Please check the account's visibility; it is not sent again.",
    C.REMOVED: "It is not sent again; please look why.",
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


def told(evidence: Evidence, sign: Sign, fix: Fix, by: str = RULES, note: str = "") -> Diagnosis:
    """The diagnosis in words."""
    retryable = fix not in (F.ASK_PERSON, F.ASK_RECONNECT) and sign.cause is not C.OUTCOME_UNKNOWN
    cited = tuple(t.id for t in evidence.tries if t is evidence.last or is_unknown(t.outcome))
    words = explain(sign.cause, fix, evidence.platform)
    return Diagnosis(sign.cause, sign.confidence, cited, retryable, fix, words, by, note)


def explain(cause: Cause, fix: Fix, platform: Platform) -> str:
    """Two sentences for a person."""
    if cause is C.OUTCOME_UNKNOWN and fix is F.WAIT_UNTIL:
        cure = "PostProber looks for it before anything else is done."
    else:
        cure = ADVICE.get(cause, CURES[fix]) if fix is F.ASK_PERSON else CURES[fix]
    return f"{SENTENCES[cause].format(platform=NAMES[platform])} {cure}"


def _of_state(evidence: Evidence) -> Sign | None:
    """What the state itself says, before any answer is read."""
    reason = evidence.reason.lower()
    if evidence.state is S.GHOST:
        if "gone" in reason:
            return Sign(C.REMOVED, BY_CODE)
        return Sign(C.ONLY_AUTHOR_SEES if "only its author" in reason else C.INVISIBLE, BY_CODE)
    if evidence.state is S.HELD and not evidence.unknown:
        if "took its worker down" in reason:
            return Sign(C.CRASHED, BY_CODE)
        if "minutes late" in reason:
            return Sign(C.TOO_LATE, BY_CODE)
    if evidence.unknown or evidence.state in (S.UNCONFIRMED, S.SUBMITTING, S.HELD):
        return Sign(C.OUTCOME_UNKNOWN, BY_CODE)
    return None


def _of_tries(evidence: Evidence) -> Sign:
    last = evidence.last
    if last is None:
        return _of_words(evidence.reason) or Sign(C.UNKNOWN, GUESS)
    if last.act == Act.REFRESH:  # a token endpoint's reply is never kept; what became of it says enough
        return Sign(C.ACCESS_REVOKED if last.outcome == Outcome.RECONNECT else C.PLATFORM_DOWN, BY_STATUS)
    sign = read(evidence.platform, last.http_status, last.reply)
    if last.act == Act.PUBLISH and is_unknown(last.outcome):
        # Proved absent since, or the state would say so: what remains is that the platform failed again and again.
        return Sign(C.PLATFORM_DOWN, BY_STATUS) if evidence.state is S.FAILED else Sign(C.OUTCOME_UNKNOWN, BY_CODE)
    spoken = _of_words(f"{last.message} {evidence.reason}")
    if sign is None or (sign.confidence <= BY_STATUS and spoken is not None and spoken.cause is C.MEDIA_FORMAT):
        return spoken or _of_outcome(last)
    return sign


def _of_words(text: str) -> Sign | None:
    """Our own sentences, where there was no answer to read."""
    lower = text.lower()
    for words, cause in (
        ("media could not be processed", C.MEDIA_FORMAT),
        ("not there", C.PLATFORM_DOWN),
        ("link the account again", C.ACCESS_REVOKED),
        ("could not be reached", C.PLATFORM_DOWN),
    ):
        if words in lower:
            return Sign(cause, BY_WORDING)
    return None


def _of_outcome(last: Try) -> Sign:
    by_outcome = {
        Outcome.UNAVAILABLE: C.PLATFORM_DOWN,
        Outcome.THROTTLED: C.RATE_LIMITED,
        Outcome.RECONNECT: C.ACCESS_REVOKED,
        Outcome.REJECTED: C.CONTENT_REFUSED,
    }
    for outcome, cause in by_outcome.items():
        if last.outcome == outcome:
            return Sign(cause, BY_WORDING)
    return Sign(C.UNKNOWN, GUESS)


def fix_for(cause: Cause, evidence: Evidence) -> Fix:
    """The one fix that the rules see for a cause."""
    fix = _first_choice(cause, evidence)
    return fix if may(fix, evidence) else F.ASK_PERSON


def may(fix: Fix, evidence: Evidence) -> bool:
    """Whether a fix can be thought of at all, whoever proposes it: never on an unknown outcome, never a third party's
    way around the number of repairs, never the same cure again where it did not help."""
    if fix in (F.ASK_PERSON, F.ASK_RECONNECT):
        return True
    if evidence.state in (S.UNCONFIRMED, S.SUBMITTING):
        return fix is F.WAIT_UNTIL  # for what looking brings
    if evidence.unknown or evidence.state not in (S.FAILED, S.WAITING):
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
        # An Instagram token that ran out cannot be exchanged any more (CONTRACTS 3.3).
        renewable = evidence.renewable and evidence.platform is not Platform.INSTAGRAM
        return F.REFRESH_TOKEN if renewable else F.ASK_RECONNECT
    if cause is C.TEXT_TOO_LONG:
        return F.SPLIT_THREAD if evidence.limits.threads else F.SHORTEN
    if cause in (C.MEDIA_FORMAT, C.MEDIA_TOO_LARGE):
        return F.ASK_PERSON if MediaKind.VIDEO in evidence.media else F.REENCODE_MEDIA
    return _FIXES.get(cause, F.ASK_PERSON)
