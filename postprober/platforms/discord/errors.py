"""What Discord's refusals mean. Facts and their evidence: discord/facts.md, 6."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from postprober.errors import (
    MadeAndRemoved,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
)
from postprober.http import Reply
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
from postprober.platforms.common.replies import MAX_WAIT, dig, retry_at, text_at

UNKNOWN_MESSAGE = "10008"
_TOKEN = "Discord no longer accepts the bot's token; reconnect the channel with a new one."
_HOOK = "Discord no longer knows this webhook; make a new one in the channel and reconnect it."
_CHANNEL = "Discord does not find the channel; reconnect one that exists."
_ACCESS = "The bot may not see the channel; let it view the channel and read its message history, then reconnect it."
_RIGHTS = "A permission is missing in the channel; let the bot send messages, attach files and read the history, then reconnect it."
_LARGE = "The files are too large for Discord, which takes 10 MiB each; choose smaller ones."
_FORUM = "This is a forum channel, where each post needs a title; give it one in the options for Discord."
_SEND = (RequestKind.PUBLISH,)

# The message of this very nonce was made and deleted since: Discord answers so on purpose and makes no new one (facts.md, 5).
_REMOVED = ErrorRow(
    MadeAndRemoved,
    "Discord says that this post was published before and then deleted; nothing new was published.",
    code=UNKNOWN_MESSAGE,
    acts=_SEND,
)
TABLE: tuple[ErrorRow, ...] = (
    ErrorRow(ReconnectNeeded, _HOOK, code="50027"),
    ErrorRow(ReconnectNeeded, _HOOK, code="10015"),
    ErrorRow(ReconnectNeeded, _CHANNEL, code="10003"),
    ErrorRow(ReconnectNeeded, _ACCESS, code="50001"),
    ErrorRow(ReconnectNeeded, _RIGHTS, code="50013"),
    ErrorRow(ReconnectNeeded, _RIGHTS, code="160002"),
    ErrorRow(ReconnectNeeded, _TOKEN, 401),
    ErrorRow(Throttled, "Discord asks to wait.", 429, wait=timedelta(minutes=1)),
    ErrorRow(
        Throttled, "The channel is in slow mode; it will be tried again.", code="20016", wait=timedelta(minutes=1)
    ),
    ErrorRow(Throttled, "Discord lets nobody send messages for the moment.", code="40004", wait=timedelta(minutes=10)),
    ErrorRow(Throttled, "Discord takes no more edits of old messages now.", code="30046", wait=timedelta(hours=1)),
    ErrorRow(Unavailable, "Discord is overloaded; it will be tried again.", code="130000"),
    ErrorRow(PostRejected, "The post that this one answers is gone.", code="REPLIES_UNKNOWN_MESSAGE"),
    ErrorRow(PostRejected, "The text is too long for Discord; shorten it.", code="BASE_TYPE_MAX_LENGTH"),
    ErrorRow(PostRejected, "Discord takes no empty post.", code="50006"),
    ErrorRow(PostRejected, _LARGE, code="40005"),
    ErrorRow(PostRejected, _LARGE, code="50045"),
    ErrorRow(PostRejected, _LARGE, 413, acts=_SEND),
    ErrorRow(PostRejected, _FORUM, code="220001"),
    ErrorRow(PostRejected, "The forum wants a tag with each post; name one in the options for Discord.", code="40067"),
    ErrorRow(PostRejected, "The server's automatic moderation blocked the post; change its words.", code="200000"),
    ErrorRow(PostRejected, "Discord takes a link of the post for harmful; take it out.", code="240000"),
    ErrorRow(PostRejected, "Discord has passed this post on already.", code="40033"),
    ErrorRow(PostRejected, "Discord does not accept a part of the post; edit it.", code="50035"),
)


def code_of(reply: Reply) -> str:
    """Discord's own number of the error, "" where there is none. 0 stands for the status alone."""
    code = dig(reply.json_or_none(), "code")
    return str(code) if isinstance(code, int) and not isinstance(code, bool) and code else ""


def refused(reply: Reply, act: RequestKind, now: datetime, *, nonce: bool = False) -> PlatformError:
    """The error for a reply that is no success. `nonce`: the request had one that Discord was to enforce."""
    body = reply.json_or_none()
    codes = tuple(filter(None, (*_inner_codes(dig(body, "errors")), code_of(reply))))
    moment = retry_at(reply.headers, now)
    wait = dig(body, "retry_after")
    if isinstance(wait, int | float) and not isinstance(wait, bool) and wait >= 0:
        moment = now + timedelta(seconds=min(wait, MAX_WAIT.total_seconds()))
    told = Refusal("Discord", reply, act, codes, text_at(body, "message"), now, moment)
    error = judge((_REMOVED, *TABLE) if nonce else TABLE, told)
    if isinstance(error, Throttled) and dig(body, "global") is True:
        error.whole_app = True  # 50 requests a second of the bot, whatever the channel
    return error


def _inner_codes(errors: object, depth: int = 0) -> Iterator[str]:
    """The codes of the fields that an invalid form names."""
    if depth > 8:
        return
    if isinstance(errors, list):
        for one in errors:
            if code := text_at(one, "code"):
                yield code
    elif isinstance(errors, dict):
        for one in errors.values():
            yield from _inner_codes(one, depth + 1)
