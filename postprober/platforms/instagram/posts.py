"""Instagram's media objects and insights as records of ours. instagram/facts.md, 7."""

from __future__ import annotations

from postprober.domain.remote import Counts, Ref, RemoteMedia, RemotePost
from postprober.errors import UnexpectedReply
from postprober.platforms.common.replies import count_at, dig, list_at, parse_time, shape, text_at
from postprober.platforms.instagram.options import STORY, told

# codegen IGMediaForIGOnlyAPI fields
FIELDS = (
    "id,caption,permalink,timestamp,media_type,media_product_type,shortcode,username,alt_text,is_shared_to_feed,"
    "children{media_type,alt_text}"
)
# Counts: fields that everybody who may read the post gets, and the insights of it (instagram/facts.md, 7).
COUNTED = "like_count,comments_count"
INSIGHTS = "insights.metric(views,likes,comments,saved,shares){name,values}"
STORY_INSIGHTS = "insights.metric(views,replies,shares){name,values}"
_KINDS = {"IMAGE": "image", "VIDEO": "video"}


def read_post(data: object) -> RemotePost:
    """One media object as a record. Raises UnexpectedReply when it has no id or type."""
    remote_id, kind = text_at(data, "id"), text_at(data, "media_type")
    if not remote_id or not kind:
        raise UnexpectedReply("Instagram answered with a post of an unknown form.", shape(data))
    return RemotePost(
        ref=Ref(remote_id, text_at(data, "permalink")),
        text=text_at(data, "caption"),
        created_at=parse_time(dig(data, "timestamp")),
        author_name=text_at(data, "username"),
        media=_media(data, kind),
        options=told(data),
    )


def _media(data: object, kind: str) -> tuple[RemoteMedia, ...] | None:
    """Media in order; None when the reading does not tell. Videos have no alternative text to read."""
    items = list_at(data, "children", "data") if kind == "CAROUSEL_ALBUM" else [data]
    found = [(_KINDS.get(text_at(item, "media_type")), text_at(item, "alt_text")) for item in items]
    if not found or any(name is None for name, _ in found):
        return None
    return tuple(RemoteMedia(name or "", alt if name == "image" else None) for name, alt in found)


def read_counts(data: object) -> Counts:
    """Counts of a media object. What is missing stays None: insights have empty data, not 0, for what is not known. Of a Story
    there are neither likes nor comments."""
    rows = list_at(data, "insights", "data")
    values = {text_at(row, "name"): count_at(row, "values", 0, "value") for row in rows}
    if text_at(data, "media_product_type") == STORY:
        return Counts(replies=values.get("replies"), reposts=values.get("shares"), views=values.get("views"))
    likes, replies = values.get("likes"), values.get("comments")
    return Counts(
        likes=likes if likes is not None else count_at(data, "like_count"),
        reposts=values.get("shares"),
        replies=replies if replies is not None else count_at(data, "comments_count"),
        bookmarks=values.get("saved"),
        views=values.get("views"),
    )
