"""What replies of Mastodon's client API mean: errors, statuses, limits (mastodon/facts.md, 3, 6 and 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from postprober.domain.limits import GifRule, Limits, PollRule
from postprober.domain.remote import Counts, Ref, RemotePost
from postprober.domain.status_html import html_to_text, links_in
from postprober.errors import PlatformError, PostRejected, ReconnectNeeded, Suspended, Throttled, Unavailable
from postprober.http import Reply
from postprober.platforms.common.replies import (
    ambiguous,
    count_at,
    dig,
    is_ambiguous,
    list_at,
    parse_time,
    retry_at,
    text_at,
    unmapped,
)
from postprober.platforms.mastodon import records
from postprober.platforms.mastodon.options import told
from postprober.platforms.mastodon.software import limited, software_of

QUOTES_SINCE = 7  # api_versions.mastodon of 4.5 (mastodon/facts.md, 3)
# Status → sentence. Sources: docs.joinmastodon.org/api/guidelines and the method pages (401, 403, 404, 422, 429); see
# mastodon/facts.md, 6. Mastodon has no error codes, only statuses; its texts are translated.
_RECONNECT: dict[int, str] = {
    401: "The server no longer accepts this token; reconnect the account.",
    403: "The server does not permit this to the linked app; reconnect the account and allow all that is asked.",
}
# "… is currently disabled", "… is currently pending approval", "… is missing a confirmed e-mail address"
# (app/controllers/api/base_controller.rb, require_user!).
_CLOSED = "your login is"
_REJECTED: dict[int, str] = {
    400: "The server refused this post.",
    404: "The post that this one answers is not there any more.",
    410: "The post that this one answers is not there any more.",
    413: "The file is too large for this server.",
    415: "The server does not take this kind of file.",
    422: "The server refused this post",
}


# Of Pixelfed and the framework that it is made with (mastodon/facts.md, 10), all said before anything is made.
_SIGNED_OUT = "unauthenticated"
_KEY_TAKEN = "duplicate idempotency key"
_REFUSALS = ("empty statuses", "account size limit", "invalid or unsupported mime type", "invalid media id")


def words_of(body: object) -> str:
    """What an error says; some servers call it a message."""
    return text_at(body, "error") or text_at(body, "message")


def _is_refusal(body: object, said: str) -> bool:
    """A list of what is wrong by field, or one of the sentences that are no matter of rights."""
    return isinstance(dig(body, "errors"), dict) or said.lower().startswith(_REFUSALS)


def failure(reply: Reply, now: datetime, *, visible: bool = False, reading: bool = False) -> PlatformError:
    """The error for a reply that is not 2xx. `visible`: it answers the act that makes the post appear; `reading`: it
    answers a GET, where snac says 422 for a bad token."""
    status, said = reply.status, words_of(reply.json_or_none())
    if said.lower().startswith(_SIGNED_OUT):
        return ReconnectNeeded(_RECONNECT[401], reply.excerpt, http_status=status)
    if visible and status == 400 and said.lower().startswith(_KEY_TAKEN):
        return ambiguous(reply)  # an earlier try has used the key, whatever became of it
    if not reading and status in (403, 500) and _is_refusal(reply.json_or_none(), said):
        text = f"The server refused this post: {said[:200].rstrip('.')}."
        return PostRejected(text, reply.excerpt, http_status=status)
    if status == 429:
        moment = retry_at(reply.headers, now)
        return Throttled("The server asks to wait.", reply.excerpt, http_status=status, retry_at=moment)
    if visible and is_ambiguous(status):
        return ambiguous(reply)
    if status == 403 and said.lower().startswith(_CLOSED):
        text = f"The server has closed this account: {said[:200].rstrip('.')}. Settle that with the server first."
        return Suspended(text, reply.excerpt, http_status=status)
    if status == 401 or (status == 403 and said) or (status == 422 and reading):
        return ReconnectNeeded(_RECONNECT.get(status, _RECONNECT[401]), reply.excerpt, http_status=status)
    if status in _REJECTED and not reading:
        text = f"{_REJECTED[422]}: {said[:200].rstrip('.')}" if status in (400, 422) and said else _REJECTED[status]
        return PostRejected(f"{text.rstrip('.')}.", reply.excerpt, http_status=status)
    if visible:
        return ambiguous(reply)  # a 403 page of a gateway, a 4xx nobody has described: neither proves a refusal
    if status == 403:
        return Unavailable("A gateway before the server refused the request.", reply.excerpt, http_status=status)
    return unmapped("The server", reply)


def counts_from(status: object) -> Counts:
    """A status's counts; owner and strangers read the same."""
    return Counts(
        likes=count_at(status, "favourites_count"),
        reposts=count_at(status, "reblogs_count"),
        replies=count_at(status, "replies_count"),
        quotes=count_at(status, "quotes_count"),
    )


def post_from(status: Mapping[str, object]) -> RemotePost:
    """A Status entity as a post. Some servers add the source, which is exact; Mastodon gives HTML only."""
    source = text_at(status, "text") or text_at(status, "akkoma", "source", "content")
    mentions = [one for one in list_at(status, "mentions") if isinstance(one, dict)]
    return RemotePost(
        ref=Ref(text_at(status, "id"), text_at(status, "url")),
        text=source or html_to_text(text_at(status, "content"), mentions),
        created_at=parse_time(dig(status, "created_at")),
        author_id=text_at(status, "account", "id"),
        author_name=text_at(status, "account", "acct"),
        media=tuple(records.media(item) for item in list_at(status, "media_attachments")),
        reply_to=text_at(status, "in_reply_to_id"),
        public=_public(status),
        links=links_in(text_at(status, "content")),
        app=text_at(status, "application", "name"),
        options=told(status),
    )


# What a server formats as Markdown; Mastodon's own posts have none of it.
_FORMATTED = re.compile(
    r"<(?:em|strong|b|i|code|pre|ul|ol|blockquote|h[1-6]|del|s|u|hr|table|sub|sup)\b", re.IGNORECASE
)


def is_formatted(status: Mapping[str, object]) -> bool:
    """Whether the words of the post are not what was sent, because its server made formatting of marks in them."""
    return not text_at(status, "text") and _FORMATTED.search(text_at(status, "content")) is not None


def _public(status: Mapping[str, object]) -> bool | None:
    """GoToSocial, which alone tells an `interaction_policy`, shows strangers nothing that is unlisted."""
    seen = text_at(status, "visibility")
    hidden = seen in ("private", "direct") or (seen == "unlisted" and "interaction_policy" in status)
    return False if hidden else None


def number_at(value: object, *path: str | int) -> int | None:
    """A number, which some servers write as a text."""
    told = dig(value, *path)
    return int(told) if isinstance(told, str) and re.fullmatch(r"[0-9]{1,15}", told) else count_at(value, *path)


def _poll(instance: object, conf: object, default: PollRule | None) -> PollRule | None:
    """The server's numbers. One that tells its limits and none of polls takes none."""
    told = dig(conf, "polls")
    if not isinstance(told, dict):
        told = dig(instance, "poll_limits")
    if default is None or not isinstance(conf, dict | None) or (conf is None and told is None):
        return default
    if not isinstance(told, dict) or number_at(told, "max_options") == 0:
        return None
    least, most = number_at(told, "min_expiration"), number_at(told, "max_expiration")
    return replace(
        default,
        most_choices=number_at(told, "max_options") or default.most_choices,
        most_characters=number_at(told, "max_characters_per_option")
        or number_at(told, "max_option_chars")
        or default.most_characters,
        least_minutes=-(-least // 60) if least else default.least_minutes,
        most_minutes=most // 60 if most else default.most_minutes,
    )


def limits_from(instance: object, default: Limits) -> Limits:
    """`default` with the numbers of an Instance entity (v1 and v2 have the same `configuration`), or those that servers of other
    kinds give at its top (mastodon/facts.md, 3)."""
    conf = dig(instance, "configuration")
    statuses, media = dig(conf, "statuses"), dig(conf, "media_attachments")
    mimes = {text for item in list_at(media, "supported_mime_types") if isinstance(item, str) and (text := item)}
    every = number_at(instance, "upload_limit")
    size = number_at(media, "image_size_limit") or every or default.images.max_bytes
    images = replace(
        default.images,
        max_count=number_at(statuses, "max_media_attachments")
        or number_at(instance, "max_media_attachments")
        or default.images.max_count,
        max_bytes=size,
        max_pixels=number_at(media, "image_matrix_limit") or default.images.max_pixels,
        mimes=tuple(m for m in default.images.mimes if m in mimes) if mimes else default.images.mimes,
    )
    video = default.video
    if video is not None:
        kept = tuple(m for m in video.mimes if m in mimes) if mimes else video.mimes
        limit = number_at(media, "video_size_limit") or every or video.max_bytes
        matrix = number_at(media, "video_matrix_limit") or video.max_pixels
        rate = number_at(media, "video_frame_rate_limit") or number_at(media, "video_frame_limit") or video.max_rate
        video = replace(video, max_bytes=limit, mimes=kept, max_pixels=matrix, max_rate=rate) if kept else None
    quotes = (number_at(instance, "api_versions", "mastodon") or 0) >= QUOTES_SINCE
    told = replace(
        default,
        lacks=default.lacks if quotes else default.lacks | {"quote", "who_can_quote"},
        max_length=number_at(statuses, "max_characters") or number_at(instance, "max_toot_chars") or default.max_length,
        url_length=number_at(statuses, "characters_reserved_per_url") or default.url_length,
        max_alt=number_at(media, "description_limit") or number_at(instance, "description_limit") or default.max_alt,
        images=images,
        poll=_poll(instance, conf, default.poll),
        gif=replace(default.gif or GifRule(size), max_bytes=size) if not mimes or "image/gif" in mimes else None,
        video=video,
    )
    return limited(told, software_of(instance))
