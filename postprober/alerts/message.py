"""What an alert says to a person: the same facts for a chat, a mail and a program."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any
from urllib.parse import urlencode

from postprober.domain.alert import KIND_WORDS
from postprober.domain.platform import NAMES, Platform

SUMMARY = "summary"  # kind of a message that is no alert: a report in short
MOST_WORDS = 140  # characters of the post that are quoted; ours: enough to recognise it, short in a chat

Row = Mapping[str, Any]
"""A notification with its alert, as `storage.notifications.claim` returns it."""


def title(rows: Sequence[Row]) -> str:
    """Subject of the mail, heading in a chat."""
    suffix = _still(rows[0])
    if len(rows) > 1:
        return f"PostProber: {len(rows)} alerts{suffix}"
    kind = rows[0]["alert_kind"]
    return f"PostProber: {'Report' if kind == SUMMARY else KIND_WORDS.get(kind, 'Alert')}{suffix}"


def _still(row: Row) -> str:
    if row["why"] == "again":
        return " (still open)"
    if row["why"] == "escalation":
        return " (could not be delivered elsewhere)" if row.get("undelivered") else " (nobody has read it)"
    return ""


def text(rows: Sequence[Row], app_url: str) -> str:
    """One block for each alert: what happened, to which post, and where to look."""
    return "\n\n".join("\n".join(_block(row, app_url, row["alert_message"], words(row))) for row in rows)


def chat(rows: Sequence[Row], app_url: str) -> str:
    """`text` for services that call people by name: nothing that others wrote (the post, names, what a server said) calls
    anybody."""
    blocks = [_block(_uncalling(row), app_url, _uncalled(row["alert_message"]), _uncalled(words(row))) for row in rows]
    return "\n\n".join("\n".join(lines) for lines in blocks)


def data(row: Row, app_url: str) -> dict[str, Any]:
    """What programs get besides the alert itself."""
    return {"post_text": words(row), "url": row.get("delivery_url"), "app_url": link(row, app_url)}


def words(row: Row) -> str:
    """The beginning of the post, on one line; "" for an alert about no post."""
    return shorten(row.get("post_content") or "", MOST_WORDS, placeholder="…")


def link(row: Row, app_url: str) -> str:
    """The page of the app that shows what the alert is about."""
    if row["alert_post_id"]:
        return f"{app_url}/monitor?{urlencode({'post': row['alert_post_id']})}"
    if str(row.get("alert_subject") or "").startswith("account:"):
        return f"{app_url}/accounts"
    return f"{app_url}/alerts" if row["alert_kind"] != SUMMARY else f"{app_url}/analytics"


def _block(row: Row, app_url: str, message: str, quoted: str) -> list[str]:
    # A reason may quote a server: a line of its own would be made a link under whatever label it likes.
    lines = [message if row["alert_kind"] == SUMMARY else " ".join(message.split())]
    if row["alert_post_id"]:
        lines.append(f"Post {row['alert_post_id']}: “{quoted}”" if quoted else f"Post {row['alert_post_id']}")
    if row.get("delivery_url"):
        lines.append(f"See it on {NAMES[Platform(row['delivery_platform'])]}: {row['delivery_url']}")
    lines.append(f"Open in PostProber: {link(row, app_url)}")
    return lines


def _uncalling(row: Row) -> Row:
    """The row with an address that calls nobody and still leads there: an account may be called `everyone`."""
    url = row.get("delivery_url")
    return {**row, "delivery_url": re.sub(r"@(?=everyone|here|channel)", "%40", url, flags=re.I)} if url else row


def _uncalled(quoted: str) -> str:
    """With a zero-width space after each sign that would notify somebody (`@everyone`, `<!channel>`)."""
    return re.sub(r"([@<])(?=\S)", "\\1\u200b", quoted)


_LABELLED = re.compile(r"^(?:(?P<label>[^:<>]{1,80}): )?(?P<url>https?://[^\s<>\"]+)$")
_STYLE = "font:16px/1.5 system-ui,-apple-system,Segoe UI,Roboto,sans-serif;max-width:600px;margin:0 auto;padding:24px"


def as_html(subject: str, plain: str) -> str:
    """The same mail as HTML: paragraphs where the text has empty lines, and its addresses as links. Nothing in it is
    fetched from anywhere, and nothing that the text quotes is read as HTML."""
    paragraphs = "".join(
        f"<p>{'<br>'.join(_line(line) for line in block.splitlines())}</p>"
        for block in re.split(r"\n{2,}", plain.strip())
    )
    return (
        '<!doctype html><html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(subject)}</title></head>"
        f'<body style="{_STYLE}"><h1 style="font-size:20px">{html.escape(subject)}</h1>{paragraphs}</body></html>'
    )


def _line(line: str) -> str:
    found = _LABELLED.match(line.strip())
    if found is None:
        return html.escape(line)
    url = html.escape(found["url"], quote=True)
    return f'<a href="{url}">{html.escape(found["label"] or found["url"])}</a>'
