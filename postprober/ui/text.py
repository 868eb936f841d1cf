"""Words, times and numbers as people read them. What comes from outside is escaped here and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from postprober import errors as e
from postprober.domain.delivery import PROOF_ORDER, Proof, Step, StepStatus

PROOF_WORDS: dict[Proof, str] = {
    Proof.NONE: "No proof yet",
    Proof.ACCEPTED: "Accepted: the platform said yes and named the post",
    Proof.EXISTS: "Exists: the account itself reads it back",
    Proof.PUBLIC: "Public: a stranger sees it without signing in",
    Proof.MATCHES: "Matches: a stranger sees exactly what was sent",
}
STEP_WORDS: dict[str, str] = {
    Step.AUTHENTICATION: "Authentication",
    Step.POSTING: "Posting",
    Step.VERIFICATION: "Verification",
    Step.ENGAGEMENT: "Engagement",
}
STATUS_WORDS: dict[str, str] = {
    "": "not begun",
    StepStatus.PENDING: "under way",
    StepStatus.SUCCESS: "done",
    StepStatus.WARNING: "done with a warning",
    StepStatus.FAILED: "failed",
}
MARKS: dict[str, str] = {
    "": "·",
    StepStatus.PENDING: "…",
    StepStatus.SUCCESS: "✓",
    StepStatus.WARNING: "!",
    StepStatus.FAILED: "✕",
}
POST_WORDS: dict[str, tuple[str, str]] = {  # status -> label, colour
    "draft": ("Draft", "grey"),
    "review": ("In review", "blue"),
    "scheduled": ("Scheduled", "grey"),
    "posting": ("On its way", "blue"),
    "posted": ("Posted", "green"),
    "partial": ("Partly posted", "orange"),
    "failed": ("Failed", "red"),
    "cancelled": ("Cancelled", "grey"),
}
COUNT_WORDS: dict[str, str] = {
    "likes": "Likes",
    "reposts": "Reposts",
    "replies": "Replies",
    "quotes": "Quotes",
    "bookmarks": "Bookmarks",
    "views": "Views",
}
ROLE_WORDS: dict[str, str] = {
    "owner": "Owner: may do everything.",
    "editor": "Editor: may write, publish and decide.",
    "viewer": "Viewer: may look at everything and change nothing.",
}
HEALTH_WORDS: dict[str, tuple[str, str]] = {  # verdict -> label, colour
    "well": ("Well", "green"),
    "degraded": ("Degraded", "orange"),
    "failing": ("Failing", "red"),
    "unknown": ("No news", "grey"),
}
ALERT_WORDS: dict[str, tuple[str, str, str]] = {  # type -> mark, colour, label
    "error": ("✕", "red", "Error"),
    "warning": ("!", "orange", "Warning"),
    "success": ("✓", "green", "Good news"),
}
REPAIR_WORDS: dict[str, tuple[str, str]] = {  # state of a repair -> label, colour
    "proposed": ("Proposed", "orange"),
    "applied": ("Applied", "green"),
    "refused": ("Refused", "grey"),
    "superseded": ("Overtaken", "grey"),
    "told": ("For you to do", "red"),
}
FIX_WORDS: dict[str, str] = {
    "refresh_token": "Renew the access and send it again",
    "wait_until": "Wait, then send it again",
    "shorten": "Shorten the text",
    "split_thread": "Split the text into a thread",
    "cut_link": "Shorten or drop the link",
    "reencode_media": "Convert the file and send it again",
    "reupload": "Hand the file over once more",
    "change_time": "Send it at another time",
    "ask_reconnect": "Link the account again",
    "ask_person": "Look at it yourself",
}
KIND_WORDS: dict[str, str] = {  # of a suggestion
    "variant": "A text that fits",
    "hook": "A stronger beginning",
    "hashtags": "Hashtags",
    "alt_text": "A description for those who cannot see it",
    "thread": "As a thread",
    "time": "A better time",
}
REVIEW_WORDS: dict[str, tuple[str, str]] = {  # verdict -> label, colour
    "appropriate": ("Passed the review", "green"),
    "flagged": ("Flagged", "red"),
    "unsure": ("Unsure", "orange"),
}


ACT_WORDS: dict[str, str] = {
    "publish": "Publish",
    "stage": "Hand over media",
    "reconcile": "Look whether it is there",
    "refresh": "Renew the access",
    "verify": "Read it back",
    "engagement": "Read engagement",
}
OUTCOME_WORDS: dict[str, str] = {
    "intended": "begun",
    "success": "done",
    "rejected": "refused",
    "throttled": "rate limit",
    "unavailable": "not available",
    "unknown": "outcome unknown",
    "reconnect": "access lost",
    "abandoned": "stopped before sending",
    "found": "found",
    "absent": "not there",
    "unsure": "cannot tell",
    "late": "late answer",
}
EVIDENCE_WORDS: dict[str, str] = {
    "proof": "The proof: what the owner and a stranger read",
    "ghost": "Not visible: what was read instead",
    "gone": "No longer visible: what was read",
    "browser": "Seen in a browser, not signed in",
    "drift": "Changed after the proof: before and after",
    "found": "Found again after the answer got lost",
    "named": "The platform named it before the answer broke off",
    "late_reply": "An answer that came late",
    "pointed": "Where a person found it",
}


class ErrorWords(NamedTuple):
    """`icon`: Material symbol; `next`: what helps, "" where the error's own sentence says it all."""

    icon: str
    next: str = ""


# By the cure, as the errors are named; the nearest class of an error counts.
ERROR_WORDS: dict[type[BaseException], ErrorWords] = {
    e.PostProberError: ErrorWords(":material/error:"),
    e.BadInput: ErrorWords(":material/edit:"),
    e.NotFound: ErrorWords(":material/search_off:", "It may have been removed meanwhile; load the page again."),
    e.NotSignedIn: ErrorWords(":material/login:", "Sign in again."),
    e.Forbidden: ErrorWords(":material/lock:"),
    e.Conflict: ErrorWords(":material/sync_problem:", "Load the page again to see how it stands now."),
    e.VaultError: ErrorWords(":material/key_off:", "Link the account again."),
    e.ConfigurationError: ErrorWords(":material/settings_alert:"),
    e.ReconnectNeeded: ErrorWords(":material/link_off:", "Link the account again under Accounts."),
    e.PostRejected: ErrorWords(":material/edit:", "Change the post, then try again."),
    e.Throttled: ErrorWords(":material/hourglass_top:", "Try again later."),
    e.Unavailable: ErrorWords(":material/cloud_off:", "Nothing was published. Try again in a minute."),
    e.OutcomeUnknown: ErrorWords(":material/help:", "Look on the platform before you do it again."),
    e.UnexpectedReply: ErrorWords(":material/question_mark:", "Try again; if it stays like this, update PostProber."),
}
MISSING = "–"  # the platform did not say, which is not zero


def safe(text: object) -> str:
    """`text` as HTML that shows exactly these characters."""
    return escape(str(text), quote=True)


def plain(text: str) -> str:
    """`text` for Streamlit's Markdown labels and messages: shown as typed, never interpreted."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]()<>#+-.!|~:$&@^=" else char for char in text.replace("\n", " "))


def number(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def proof_level(proof: Proof) -> int:
    """0 for no proof to 4 for a match."""
    return PROOF_ORDER.index(proof)


def moment(value: datetime, zone: str) -> str:
    """With date, to the second, in the person's zone: `22 Nov 2026, 14:03:22`."""
    return value.astimezone(ZoneInfo(zone)).strftime("%-d %b %Y, %H:%M:%S")


def short_moment(value: datetime, zone: str, now: datetime) -> str:
    """The time today, the day otherwise: `14:03:22` or `22 Nov 14:03`."""
    there, today = value.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    return there.strftime("%H:%M:%S" if there.date() == today else "%-d %b %H:%M")


def link(url: str | None, label: str) -> str:
    """A link that opens in a new tab, or nothing: a platform could send a URL of any scheme."""
    if not url or urlsplit(url).scheme not in ("http", "https"):
        return ""
    return f'<a class="pp-link" href="{safe(url)}" target="_blank">{safe(label)}</a>'


def utc_moment(value: datetime) -> str:
    """In UTC, to the minute: `22 Nov 2026, 13:03 UTC`."""
    return value.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def until(value: datetime, now: datetime) -> str:
    """How far off, in the largest unit that says enough: `in 5 min`, `2 h ago`, `just now`."""
    seconds = (value - now).total_seconds()
    size = abs(seconds)
    if size < 30:
        return "now"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= length:
            return f"in {size / length:.0f} {unit}" if seconds > 0 else f"{size / length:.0f} {unit} ago"
    return "in less than a minute" if seconds > 0 else "just now"


def error_words(error: BaseException) -> tuple[str, str]:
    """Icon and the whole text for a person, unescaped."""
    kind = next(kind for kind in type(error).__mro__ if kind in ERROR_WORDS)
    words = ERROR_WORDS[kind]
    text = str(error)
    return words.icon, f"{text} {words.next}" if words.next and words.next not in text else text
