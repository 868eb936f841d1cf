"""Words, times and numbers as people read them. What comes from outside is escaped here and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import NamedTuple
from zoneinfo import ZoneInfo

from postprober import errors as e
from postprober.domain.addresses import split
from postprober.domain.delivery import PROOF_ORDER, Proof, Step, StepStatus

PROOF_WORDS: dict[Proof, str] = {
    Proof.NONE: "No proof yet",
    Proof.ACCEPTED: "Accepted: the platform returned an ID for the post",
    Proof.NOT_PUBLIC: "Accepted, not public: the platform says why",
    Proof.EXISTS: "Exists: the account can read it",
    Proof.WITNESSED: "Seen: another linked account can read it",
    Proof.PUBLIC: "Public: visible without signing in",
    Proof.MATCHES: "Verified: the public sees exactly what you sent",
}
STEP_WORDS: dict[str, str] = {
    Step.AUTHENTICATION: "Authentication",
    Step.POSTING: "Posting",
    Step.VERIFICATION: "Verification",
    Step.ENGAGEMENT: "Engagement",
}
STATUS_WORDS: dict[str, str] = {
    "": "not started",
    StepStatus.PENDING: "in progress",
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
    "posting": ("Publishing", "blue"),
    "posted": ("Published", "green"),
    "partial": ("Partially published", "orange"),
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
    "owner": "Owner: full access and team management",
    "editor": "Editor: writes, publishes, links accounts",
    "viewer": "Viewer: sees everything, changes nothing",
}
HEALTH_WORDS: dict[str, tuple[str, str]] = {  # verdict -> label, colour
    "well": ("Healthy", "green"),
    "degraded": ("Degraded", "orange"),
    "failing": ("Failing", "red"),
    "unknown": ("No data", "grey"),
}
ALERT_WORDS: dict[str, tuple[str, str, str]] = {  # type -> mark, colour, label
    "error": ("✕", "red", "Error"),
    "warning": ("!", "orange", "Warning"),
    "success": ("✓", "green", "Success"),
}
REPAIR_WORDS: dict[str, tuple[str, str]] = {  # state of a repair -> label, colour
    "proposed": ("Proposed", "orange"),
    "applied": ("Applied", "green"),
    "refused": ("Dismissed", "grey"),
    "superseded": ("Superseded", "grey"),
    "needs_person": ("Needs attention", "red"),
}
FIX_WORDS: dict[str, str] = {
    "refresh_token": "Renew the connection and retry",
    "wait_until": "Wait, then retry",
    "shorten": "Shorten the text",
    "split_thread": "Split the text into a thread",
    "cut_link": "Shorten or drop the link",
    "reencode_media": "Convert the file and retry",
    "reupload": "Upload the file again",
    "change_time": "Send it at another time",
    "ask_reconnect": "Reconnect the account",
    "ask_person": "Check it yourself",
}
KIND_WORDS: dict[str, str] = {  # of a suggestion
    "variant": "A text that fits",
    "hook": "A better first line",
    "hashtags": "Hashtags",
    "alt_text": "Alt text",
    "thread": "As a thread",
    "time": "A better time",
}
REVIEW_WORDS: dict[str, tuple[str, str]] = {  # verdict -> label, colour
    "appropriate": ("No issues found", "green"),
    "flagged": ("Flagged", "red"),
    "unsure": ("Unsure", "orange"),
}


ACT_WORDS: dict[str, str] = {
    "publish": "Publish",
    "stage": "Upload media",
    "reconcile": "Check whether it was published",
    "refresh": "Renew the connection",
    "verify": "Read it back",
    "engagement": "Read engagement",
}
OUTCOME_WORDS: dict[str, str] = {
    "intended": "started",
    "success": "done",
    "rejected": "rejected",
    "throttled": "rate limit",
    "unavailable": "not available",
    "unknown": "outcome unknown",
    "reconnect": "reconnect needed",
    "abandoned": "stopped before sending",
    "found": "found",
    "absent": "not found",
    "unsure": "cannot tell",
    "late": "late response",
}
EVIDENCE_WORDS: dict[str, str] = {
    "proof": "Verification: as the author and as the public",
    "ghost": "Not visible: what we got instead",
    "not_public": "Accepted, not public: what the platform says",
    "gone": "No longer visible: what we got",
    "browser": "Seen in a browser, not signed in",
    "drift": "Changed after verification: before and after",
    "found": "Found after the response was lost",
    "named": "Named by the platform before the connection broke",
    "late_reply": "Late response",
    "pointed": "Linked by a user",
}


class ErrorWords(NamedTuple):
    """`icon`: Material symbol; `next`: what helps, "" where the error's own sentence says it all."""

    icon: str
    next: str = ""


# By the cure, as the errors are named; the nearest class of an error counts.
ERROR_WORDS: dict[type[BaseException], ErrorWords] = {
    e.PostProberError: ErrorWords(":material/error:"),
    e.BadInput: ErrorWords(":material/edit:"),
    e.NotFound: ErrorWords(":material/search_off:", "It may have been removed meanwhile; reload the page."),
    e.NotSignedIn: ErrorWords(":material/login:", "Sign in again."),
    e.Forbidden: ErrorWords(":material/lock:"),
    e.Conflict: ErrorWords(":material/sync_problem:", "Reload the page to see the current state."),
    e.VaultError: ErrorWords(":material/key_off:", "Reconnect the account."),
    e.ConfigurationError: ErrorWords(":material/settings_alert:"),
    e.ReconnectNeeded: ErrorWords(":material/link_off:", "Reconnect the account under Accounts."),
    e.Suspended: ErrorWords(":material/block:", "Then reconnect the account under Accounts."),
    e.PostRejected: ErrorWords(":material/edit:", "Change the post, then try again."),
    e.Throttled: ErrorWords(":material/hourglass_top:", "Try again later."),
    e.Unavailable: ErrorWords(":material/cloud_off:", "Nothing was published. Try again in a minute."),
    e.OutcomeUnknown: ErrorWords(":material/help:", "Check on the platform before you try again."),
    e.UnexpectedReply: ErrorWords(":material/question_mark:", "Try again. If it keeps happening, update PostProber."),
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
    """0 for no proof to 5 for a match; what is not public is no more than accepted."""
    return [one for one in PROOF_ORDER if one is not Proof.NOT_PUBLIC].index(
        Proof.ACCEPTED if proof is Proof.NOT_PUBLIC else proof
    )


def moment(value: datetime, zone: str) -> str:
    """With date, to the second, in the person's zone: `22 Nov 2026, 14:03:22`."""
    return value.astimezone(ZoneInfo(zone)).strftime("%-d %b %Y, %H:%M:%S")


def weekday_moment(value: datetime, zone: str) -> str:
    """For checking a typed time: `Tue 2 Mar 2027, 09:00`."""
    return value.astimezone(ZoneInfo(zone)).strftime("%a %-d %b %Y, %H:%M")


def city(zone: str) -> str:
    """The short name of a time zone: `Berlin`, `New York`."""
    return zone.rpartition("/")[2].replace("_", " ")


def clock_name(value: datetime, zone: str) -> str:
    """Which of two equal times of a clock change: `02:30 CEST (UTC+02:00)`."""
    there = value.astimezone(ZoneInfo(zone))
    offset = there.strftime("%z")
    return f"{there:%H:%M} {there.tzname()} (UTC{offset[:3]}:{offset[3:5]})"


def due_words(value: datetime, zone: str, now: datetime) -> str:
    """When something is scheduled, with the place of the clock: `Mon 30 Nov, 09:00 (Berlin)`."""
    there, today = value.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    return (
        f"{there.strftime('%a %-d %b' if there.year == today.year else '%a %-d %b %Y')}, {there:%H:%M} ({city(zone)})"
    )


def short_moment(value: datetime, zone: str, now: datetime) -> str:
    """The time today, the day otherwise: `14:03:22` or `22 Nov 14:03`."""
    there, today = value.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    return there.strftime("%H:%M:%S" if there.date() == today else "%-d %b %H:%M")


def link(url: str | None, label: str) -> str:
    """A link that opens in a new tab, or nothing: a platform could send a URL of any scheme."""
    if not url or split(url).scheme not in ("http", "https"):
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
