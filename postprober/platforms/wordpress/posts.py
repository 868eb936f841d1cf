"""Posts as the REST API gives them (wordpress/facts.md, 2 and 7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from postprober.domain.moments import parse_time
from postprober.domain.remote import Ref, RemoteMedia, RemotePost
from postprober.domain.withheld import Withheld
from postprober.platforms.common.replies import dig, text_at
from postprober.platforms.wordpress.options import told
from postprober.platforms.wordpress.text import read_content, read_plain

# facts.md, 2. The public ones, and those that are out and not public; then with all that is not out.
OUT = "publish,future,private,pending"
LISTED: Mapping[str, str] = {"status": OUT, "context": "edit", "orderby": "date", "order": "desc"}
# By number: one that is planned for years to come stays at the head of every list by date.
NEWEST: Mapping[str, str] = {"status": "publish,private", "context": "edit", "orderby": "id", "order": "desc"}
ANY: Mapping[str, str] = {"status": f"{OUT},draft,trash", "context": "edit"}
EMBEDDED: Mapping[str, str] = {"_embed": "author,wp:term,wp:featuredmedia"}
_WITHHELD = {
    "future": Withheld.NOT_YET,
    "pending": Withheld.REVIEW,
    "draft": Withheld.UNPUBLISHED,
    "auto-draft": Withheld.UNPUBLISHED,
    "private": Withheld.PRIVATE,
}


def withheld(row: object) -> Withheld | None:
    """Why the public does not see it, by the site's own word."""
    if found := _WITHHELD.get(text_at(row, "status")):
        return found
    return Withheld.PASSWORD if text_at(row, "password") or dig(row, "content", "protected") is True else None


def is_public_by_now(row: object) -> bool:
    return text_at(row, "status") == "publish"


def media_of(row: object, inside: list[RemoteMedia]) -> tuple[RemoteMedia, ...] | None:
    """The featured picture first, which stands beside the text. None where the site names one and does not show it."""
    if text_at(row, "featured_media") in ("", "0"):
        return tuple(inside)
    shown = dig(row, "_embedded", "wp:featuredmedia", 0)
    if not text_at(shown, "id"):
        return None
    kind = "gif" if text_at(shown, "mime_type") == "image/gif" else text_at(shown, "media_type") or "image"
    return (RemoteMedia(kind, read_plain(text_at(shown, "alt_text"))), *inside)


def author_of(row: object) -> str:
    """The short name of the author, "" where the site does not tell strangers of its users."""
    return text_at(row, "_embedded", "author", 0, "slug")


def moment_of(row: object) -> datetime | None:
    said = parse_time(f"{text_at(row, 'date_gmt')}Z")
    return said.astimezone(UTC) if said else None


def as_post(row: object) -> RemotePost:
    """As its author reads it, with `context=edit`."""
    content = read_content(text_at(row, "content", "raw") or text_at(row, "content", "rendered"))
    return RemotePost(
        Ref(text_at(row, "id"), text_at(row, "link")),
        content.text,
        moment_of(row),
        author_id=text_at(row, "author"),
        author_name=author_of(row),
        media=media_of(row, content.media),
        public=is_public_by_now(row) and withheld(row) is None,
        links=tuple(content.links) or None,
        options=told(row, owner=True),
        withheld=withheld(row),
    )
