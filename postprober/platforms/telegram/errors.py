"""What Telegram's refusals mean. Facts and their evidence: telegram/facts.md, 6.

Telegram gives no codes, only a status and a sentence (`description`), in which some of its inner codes stand.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from postprober.errors import PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable
from postprober.http import Reply
from postprober.platforms.common.errors import Act, Refusal, Row, judge
from postprober.platforms.common.replies import MAX_WAIT, count_at, dig, retry_at, text_at

_TOKEN = "Telegram no longer accepts the bot's token; reconnect the channel with a new one."
_OUT = "The bot is not in the channel any more; make it an administrator again and reconnect the channel."
_GONE = "Telegram does not find the channel; check its name, add the bot and reconnect the channel."
_RIGHTS = "The bot may not post in the channel; let it post messages there and reconnect the channel."
_MOVED = "Telegram has moved this chat to another id; reconnect it."
_TOO_LONG = "The text is too long for Telegram; shorten it."
_CAPTION = "The text is too long for a post with media on Telegram (1,024 characters); shorten it."
_FILE = "Telegram could not use the file; choose another one."
_LATE = "Telegram lets bots delete only what is younger than 48 hours; delete this post in Telegram itself."
_SEND = (Act.PUBLISH,)
NOT_THERE = ("message to delete not found", "message_id_invalid")  # facts.md, 8

TABLE: tuple[Row, ...] = (
    Row(ReconnectNeeded, _TOKEN, 401),
    # With Telegram's own sentence: these two statuses are also a gateway's, which says nothing about the post.
    Row(ReconnectNeeded, _TOKEN, 404, text="not found"),  # a malformed token; facts.md, 6
    Row(ReconnectNeeded, _OUT, 403, text="forbidden"),  # not a member, kicked
    Row(ReconnectNeeded, _GONE, 400, text="chat not found"),
    Row(ReconnectNeeded, _GONE, 400, code="CHANNEL_PRIVATE"),
    Row(ReconnectNeeded, _GONE, 400, code="PEER_ID_INVALID"),
    Row(ReconnectNeeded, _RIGHTS, 400, text="need administrator rights"),
    Row(ReconnectNeeded, _RIGHTS, 400, text="not enough rights"),
    Row(ReconnectNeeded, _RIGHTS, 400, text="have no rights"),
    Row(ReconnectNeeded, _RIGHTS, 400, code="CHAT_WRITE_FORBIDDEN"),
    Row(ReconnectNeeded, _RIGHTS, 400, code="CHAT_ADMIN_REQUIRED"),
    Row(ReconnectNeeded, _MOVED, 400, text="upgraded to a supergroup"),
    Row(PostRejected, _CAPTION, 400, text="caption is too long"),
    Row(PostRejected, _CAPTION, 400, code="MEDIA_CAPTION_TOO_LONG"),
    Row(PostRejected, _TOO_LONG, 400, text="message is too long"),
    Row(PostRejected, _TOO_LONG, 400, text="text is too long"),
    Row(PostRejected, "Telegram could not read the text's markup.", 400, text="can't parse entities"),
    Row(PostRejected, "Telegram takes no empty post.", 400, text="text is empty"),
    Row(PostRejected, "The post that this one answers is gone.", 400, text="message to be replied not found"),
    Row(PostRejected, "The post that this one answers is gone.", 400, text="message to reply not found"),
    Row(PostRejected, _FILE, 400, text="http url"),  # "Wrong HTTP URL specified", "Failed to get HTTP URL content"
    Row(PostRejected, _FILE, 400, text="type of the web page content"),
    Row(PostRejected, _FILE, 400, code="IMAGE_PROCESS_FAILED"),
    Row(PostRejected, _FILE, 400, code="PHOTO_INVALID_DIMENSIONS"),
    Row(PostRejected, _LATE, 400, text="message can't be deleted"),
    Row(PostRejected, "The file is too large for Telegram.", 413, acts=_SEND),
    Row(Throttled, "Telegram asks to wait.", 429, wait=timedelta(minutes=1)),
    Row(Unavailable, "Telegram is busy with another call of this bot; it will be tried again.", 409),
)

_INNER = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")


def description_of(reply: Reply) -> str:
    """The sentence of a refusal, "" where there is none."""
    return text_at(reply.json_or_none(), "description")


def inner_codes(text: str) -> tuple[str, ...]:
    """The inner codes that stand in Telegram's sentence."""
    return tuple(_INNER.findall(text))


def refused(reply: Reply, act: Act, now: datetime) -> PlatformError:
    """The error for a reply that is no success. How long to wait stands in the body, and in a header."""
    said = description_of(reply)
    wait = count_at(dig(reply.json_or_none(), "parameters"), "retry_after")
    moment = now + min(timedelta(seconds=wait), MAX_WAIT) if wait else retry_at(reply.headers, now)
    return judge(TABLE, Refusal("Telegram", reply, act, inner_codes(said), said, now, moment))
