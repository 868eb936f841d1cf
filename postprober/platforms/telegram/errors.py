"""What Telegram's refusals mean. Facts and their evidence: telegram/facts.md, 6.

Telegram gives no codes, only a status and a sentence (`description`), in which some of its inner codes stand.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from postprober.errors import OutcomeUnknown, PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable
from postprober.http import Reply
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
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
_A_PART = "Telegram refused a file of the album and does not say whether the others were published."
_SEND = (RequestKind.PUBLISH,)
NOT_THERE = ("message to delete not found", "message_id_invalid")  # facts.md, 8

TABLE: tuple[ErrorRow, ...] = (
    # An album is several messages, and the sentence is about one of them: the others may stand there.
    ErrorRow(OutcomeUnknown, _A_PART, text="failed to send message #", acts=_SEND),
    ErrorRow(ReconnectNeeded, _TOKEN, 401),
    # With Telegram's own sentence: these two statuses are also a gateway's, which says nothing about the post.
    ErrorRow(ReconnectNeeded, _TOKEN, 404, text="not found"),  # a malformed token; facts.md, 6
    ErrorRow(ReconnectNeeded, _OUT, 403, text="forbidden"),  # not a member, kicked
    ErrorRow(ReconnectNeeded, _GONE, 400, text="chat not found"),
    ErrorRow(ReconnectNeeded, _GONE, 400, code="CHANNEL_PRIVATE"),
    ErrorRow(ReconnectNeeded, _GONE, 400, code="PEER_ID_INVALID"),
    ErrorRow(ReconnectNeeded, _RIGHTS, 400, text="need administrator rights"),
    ErrorRow(ReconnectNeeded, _RIGHTS, 400, text="not enough rights"),
    ErrorRow(ReconnectNeeded, _RIGHTS, 400, text="have no rights"),
    ErrorRow(ReconnectNeeded, _RIGHTS, 400, code="CHAT_WRITE_FORBIDDEN"),
    ErrorRow(ReconnectNeeded, _RIGHTS, 400, code="CHAT_ADMIN_REQUIRED"),
    ErrorRow(ReconnectNeeded, _MOVED, 400, text="upgraded to a supergroup"),
    ErrorRow(PostRejected, _CAPTION, 400, text="caption is too long"),
    ErrorRow(PostRejected, _CAPTION, 400, code="MEDIA_CAPTION_TOO_LONG"),
    ErrorRow(PostRejected, _TOO_LONG, 400, text="message is too long"),
    ErrorRow(PostRejected, _TOO_LONG, 400, text="text is too long"),
    ErrorRow(PostRejected, "Telegram could not read the text's markup.", 400, text="can't parse entities"),
    ErrorRow(PostRejected, "Telegram takes no empty post.", 400, text="text is empty"),
    ErrorRow(PostRejected, "The post that this one answers is gone.", 400, text="message to be replied not found"),
    ErrorRow(PostRejected, "The post that this one answers is gone.", 400, text="message to reply not found"),
    ErrorRow(PostRejected, _FILE, 400, text="http url"),  # "Wrong HTTP URL specified", "Failed to get HTTP URL content"
    ErrorRow(PostRejected, _FILE, 400, text="type of the web page content"),
    ErrorRow(PostRejected, _FILE, 400, code="IMAGE_PROCESS_FAILED"),
    ErrorRow(PostRejected, _FILE, 400, code="PHOTO_INVALID_DIMENSIONS"),
    ErrorRow(PostRejected, _LATE, 400, text="message can't be deleted"),
    ErrorRow(PostRejected, "The file is too large for Telegram.", 413, acts=_SEND),
    ErrorRow(Throttled, "Telegram asks to wait.", 429, wait=timedelta(minutes=1)),
    ErrorRow(Unavailable, "Telegram is busy with another call of this bot; it will be tried again.", 409),
)

_INNER = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")


def description_of(reply: Reply) -> str:
    """The sentence of a refusal, "" where there is none."""
    return text_at(reply.json_or_none(), "description")


def inner_codes(text: str) -> tuple[str, ...]:
    """The inner codes that stand in Telegram's sentence."""
    return tuple(_INNER.findall(text))


def refused(reply: Reply, act: RequestKind, now: datetime) -> PlatformError:
    """The error for a reply that is no success. How long to wait stands in the body, and in a header."""
    said = description_of(reply)
    wait = count_at(dig(reply.json_or_none(), "parameters"), "retry_after")
    moment = now + min(timedelta(seconds=wait), MAX_WAIT) if wait else retry_at(reply.headers, now)
    return judge(TABLE, Refusal("Telegram", reply, act, inner_codes(said), said, now, moment))
