"""X's posts as records of ours, from either field vocabulary (x/facts.md, 7)."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from postprober.domain.remote import Counts, Ref, RemoteMedia, RemotePost
from postprober.errors import UnexpectedReply
from postprober.platforms.common.replies import count_at, dig, list_at, parse_time, shape, text_at
from postprober.platforms.x.options import told


@dataclass(frozen=True)
class FieldNames:
    """What to ask for. In 2.167 `author_id` and the references are expansions and no fields (OpenAPI
    PostFieldsParameter, PostExpansionsParameter); in 2.166 they are fields."""

    parameter: str
    fields: str
    expansions: str

    @property
    def params(self) -> dict[str, str]:
        return {
            self.parameter: self.fields,
            "expansions": self.expansions,
            "media.fields": "alt_text,media_key,type",
            "poll.fields": "duration_minutes,id,options",
            "user.fields": "username",
        }

    @property
    def with_counts(self) -> dict[str, str]:
        return {**self.params, self.parameter: f"{self.fields},public_metrics"}


DIALECTS = {
    "new": FieldNames(
        "post.fields",
        "attachments,community_id,conversation_id,created_at,entities,geo,id,note_post,paid_partnership,reply_settings,text",
        "attachments.media_keys,attachments.poll_ids,author_id,referenced_posts",
    ),
    "legacy": FieldNames(
        "tweet.fields",
        "attachments,author_id,community_id,conversation_id,created_at,entities,geo,id,note_tweet,paid_partnership,"
        "referenced_tweets,reply_settings,text",
        "attachments.media_keys,attachments.poll_ids,author_id",
    ),
}

_KINDS = {"photo": "image", "animated_gif": "gif", "video": "video"}  # OpenAPI Media.type
_TCO = re.compile(r"https?://t\.co/\w+")
_MEDIA_PAGES = ("pic.twitter.com/", "pic.x.com/")


def read_post(data: object, includes: object) -> RemotePost:
    """One post object as a record, without permalink. Raises UnexpectedReply when it has no id or text."""
    remote_id = text_at(data, "id")
    raw = dig(data, "text")
    if not remote_id or not isinstance(raw, str):
        raise UnexpectedReply("X answered with a post of an unknown form.", shape(data))
    author_id, urls = text_at(data, "author_id"), list_at(data, "entities", "urls")
    note = dig(data, "note_post") or dig(data, "note_tweet")  # a long post: `text` is only its beginning
    if text_at(note, "text"):
        raw, urls = text_at(note, "text"), list_at(note, "entities", "urls")
    names = {text_at(user, "id"): text_at(user, "username") for user in list_at(includes, "users")}
    more = {text_at(url, "url") for url in urls if _target(url).endswith(f"/status/{remote_id}")}
    urls = [url for url in urls if text_at(url, "url") not in more]
    return RemotePost(
        ref=Ref(remote_id),
        text=_plain(_with_mark(raw, more), urls),
        created_at=parse_time(dig(data, "created_at")),
        author_id=author_id,
        author_name=names.get(author_id, ""),
        media=_media(data, includes),
        reply_to=_reply_to(data),
        links=tuple(target for url in urls if (target := _target(url))) or None,
        app=text_at(data, "source"),  # not in every dialect, and never asked for
        options=told(data, includes),
        tells_reply=True,
    )


def read_counts(data: object) -> Counts:
    """The counts of a post object; what it leaves out stays unknown."""
    metrics = dig(data, "public_metrics")
    reposts = count_at(metrics, "repost_count")
    return Counts(
        likes=count_at(metrics, "like_count"),
        reposts=reposts if reposts is not None else count_at(metrics, "retweet_count"),
        replies=count_at(metrics, "reply_count"),
        quotes=count_at(metrics, "quote_count"),
        bookmarks=count_at(metrics, "bookmark_count"),
        views=count_at(metrics, "impression_count"),
    )


def _with_mark(text: str, more: set[str]) -> str:
    """`text` with "…" where X closes a cut text with a link to the whole post."""
    for link in more:
        text = re.sub(rf"(?:…\s*)?{re.escape(link)}", "…", text)
    return text


def _plain(text: str, urls: list[object]) -> str:
    """The text as it was written: HTML entities undone, t.co links put back, X's own link to the media removed."""
    long = {text_at(url, "url"): _target(url) for url in urls}
    return _TCO.sub(lambda match: long.get(match[0], match[0]), html.unescape(text)).rstrip()


def _target(url: object) -> str:
    own_media = text_at(url, "media_key") or text_at(url, "display_url").startswith(_MEDIA_PAGES)
    return "" if own_media else text_at(url, "expanded_url") or text_at(url, "url")


def _reply_to(data: object) -> str:
    for key in ("referenced_posts", "referenced_tweets"):
        for reference in list_at(data, key):
            if text_at(reference, "type") == "replied_to":
                return text_at(reference, "id")
    return ""


def _media(data: object, includes: object) -> tuple[RemoteMedia, ...] | None:
    """Media in order; None when a key is not explained by the reply's `includes`."""
    known = {text_at(media, "media_key"): media for media in list_at(includes, "media")}
    found: list[RemoteMedia] = []
    for key in list_at(data, "attachments", "media_keys"):
        media = known.get(str(key))
        kind = _KINDS.get(text_at(media, "type"))
        if kind is None:
            return None
        found.append(RemoteMedia(kind, text_at(media, "alt_text")))
    return tuple(found)
