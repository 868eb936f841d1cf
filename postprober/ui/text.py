"""Words, times and numbers as people read them. What comes from outside is escaped here and nowhere else."""

from __future__ import annotations

from datetime import datetime
from html import escape
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

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
