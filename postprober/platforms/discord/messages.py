"""What goes out as one message, and what a message tells (discord/facts.md, 2, 3 and 7). Pure, but for opening files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, BinaryIO

from postprober.domain.moments import parse_time
from postprober.domain.post import MediaFile
from postprober.domain.remote import Counts, PartJob, Ref, RemoteMedia, RemotePost
from postprober.errors import UnexpectedReply
from postprober.platforms.common.media import upload
from postprober.platforms.common.replies import count_at, dig, list_at, shape, text_at
from postprober.platforms.discord.limits import LIMITS
from postprober.platforms.discord.links import ChannelAuthor, address, parts_of, post_id
from postprober.platforms.discord.options import DiscordOptions, flags, poll, told

_REPLY = 19  # type of a message
_SNOWFLAKE = re.compile(r"[0-9]{1,20}")


def message(job: PartJob, *, webhook: bool) -> dict[str, object]:
    """The one request that makes the post, without its files (facts.md, 2). Nobody is pinged, whatever the text says."""
    options = DiscordOptions.of(job.options)
    body: dict[str, object] = {"allowed_mentions": {"parse": []}}
    if job.text.strip():
        body["content"] = job.text
    if mask := flags(options):
        body["flags"] = mask
    if job.index == 0 and (asked := poll(options)) is not None:
        body["poll"] = asked
    if job.media:
        body["attachments"] = [_attachment(index, file, options) for index, file in enumerate(job.media)]
    if webhook:
        if options.title and job.index == 0:
            body["thread_name"] = options.title
        if options.tags and job.index == 0:
            body["applied_tags"] = list(options.tags)
        return body
    if job.handle:
        body |= {"nonce": job.handle, "enforce_nonce": True}
    if job.parent is not None:
        body["message_reference"] = {"message_id": parts_of(job.parent.remote_id)[1], "fail_if_not_exists": True}
    return body


def _attachment(index: int, file: MediaFile, options: DiscordOptions) -> dict[str, object]:
    told_of: dict[str, object] = {"id": str(index)}
    if file.alt:
        told_of["description"] = file.alt
    if options.sensitive:
        told_of["is_spoiler"] = True
    return told_of


def attached(media: Sequence[MediaFile], opened: ExitStack) -> dict[str, tuple[str, bytes | BinaryIO, str]]:
    """The parts of the form, closed with `opened`. Raises BadInput."""
    files: dict[str, tuple[str, bytes | BinaryIO, str]] = {}
    for index, file in enumerate(media):
        ready = opened.enter_context(upload(file, LIMITS))
        files[f"files[{index}]"] = (f"file{index}.{ready.mime.rpartition('/')[2]}", ready.content, ready.mime)
    return files


def ref_of(author: ChannelAuthor, base: str, channel: str, number: str) -> Ref:
    """A message in a channel of the author's server. `base`: of links."""
    return Ref(post_id(channel, number), address(base, author.guild, channel, number))


def read(found: Mapping[str, Any], reader: ChannelAuthor, base: str) -> RemotePost:
    """A message as `reader` sees it. Raises UnexpectedReply."""
    channel, number, author = id_in(found, "channel_id"), id_in(found, "id"), author_of(found)
    own, text = author == reader.author, text_at(found, "content")
    answered = text_at(found, "message_reference", "message_id") if dig(found, "type") == _REPLY else ""
    bare = not (text or list_at(found, "attachments") or list_at(found, "embeds") or "poll" in found)
    return RemotePost(
        ref=ref_of(reader, base, channel, number),
        text=text,
        created_at=parse_time(dig(found, "timestamp")),
        author_id=reader.account_id if own else replace(reader, author=author, channel=channel).account_id,
        author_name=text_at(found, "author", "username"),
        media=tuple(_medium(one) for one in list_at(found, "attachments")),
        reply_to=post_id(channel, answered) if answered else "",
        options=told(found),
        tells_reply=True,
        worded=own or not bare,  # of others' messages an app without Message Content gets neither (facts.md, 7)
    )


def counts_in(found: Mapping[str, Any]) -> Counts:
    """All reactions as likes; nothing else is told."""
    reactions = [count_at(one, "count") for one in list_at(found, "reactions")]
    return Counts(likes=sum(one for one in reactions if one is not None) if None not in reactions else None)


def author_of(found: object) -> str:
    """Id of the bot, person or webhook."""
    return text_at(found, "webhook_id") or text_at(found, "author", "id")


def _medium(attachment: object) -> RemoteMedia:
    mime = text_at(attachment, "content_type")
    first = mime.partition("/")[0]
    kind = "gif" if mime == "image/gif" else first if first in ("image", "video") else "document"
    size = (count_at(attachment, "width"), count_at(attachment, "height"))
    return RemoteMedia(
        kind,
        text_at(attachment, "description"),
        size=(size[0], size[1]) if size[0] and size[1] else None,
    )


def number_in(body: object, name: str) -> int:
    """A small number. Raises UnexpectedReply."""
    value = dig(body, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnexpectedReply("Discord's reply has an unknown form.", shape(body))
    return value


def id_in(body: object, name: str) -> str:
    """A number of Discord's, as text. Raises UnexpectedReply."""
    value = text_at(body, name)
    if not _SNOWFLAKE.fullmatch(value):  # 64 bits: a longer one would have no time
        raise UnexpectedReply("Discord's reply has an unknown form.", shape(body))
    return value
