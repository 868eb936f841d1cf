"""Channels and posts in links (telegram/facts.md, 2 and 9).

A message's number counts within its channel, so our id of a post is both: `-1001234567890/42`.
"""

from __future__ import annotations

import re

from postprober.errors import BadInput
from postprober.platforms.common.links import PastedLink

USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_CHAT = re.compile(r"-[0-9]{1,20}")
_MESSAGE = re.compile(r"[1-9][0-9]{0,15}")
_HOSTS = re.compile(r"^(?:https?://)?(?:www\.)?(?:t|telegram)\.me/", re.IGNORECASE)
PRIVATE = "-100"  # before the number of a channel in its id; its links have the number alone


def post_id(chat: str, message: int | str) -> str:
    """Our id of a post."""
    return f"{chat}/{message}"


def parts_of(remote_id: str) -> tuple[str, str]:
    """The channel's id and the message's number; "" twice for what is no id of ours."""
    chat, _, message = remote_id.partition("/")
    return (chat, message) if _CHAT.fullmatch(chat) and _MESSAGE.fullmatch(message) else ("", "")


def address(base: str, chat: str, username: str, message: int | str) -> str:
    """Where the post is: for everybody, or for members where the channel has no public name."""
    return f"{base}/{username}/{message}" if username else f"{base}/c/{chat.removeprefix(PRIVATE)}/{message}"


def channel_in(typed: str) -> str:
    """What `chat_id` takes, out of a name, an id or a link that a person typed. Raises BadInput."""
    text = _HOSTS.sub("", typed.strip()).removeprefix("@").removeprefix("s/").strip("/")
    if text.startswith("c/"):
        text = PRIVATE + text.removeprefix("c/").partition("/")[0]
    text = text.partition("/")[0].partition("?")[0]
    if _CHAT.fullmatch(text):
        return text
    if USERNAME.fullmatch(text):
        return f"@{text}"
    raise BadInput("Name the channel as @name, or by its id, which begins with -100.", field="channel")


def remote_id(link: PastedLink) -> str:
    """Raises BadInput for a post of another channel."""
    if not link.parts:
        chat, message = parts_of(link.text)
        if not message and _MESSAGE.fullmatch(link.text):
            chat, message = link.account_id, link.text
    elif "c" in link.parts[:-2]:
        at = link.parts.index("c")
        chat, message = PRIVATE + link.parts[at + 1], link.parts[-1]
    else:
        chat, message = _named(link)
    if not _MESSAGE.fullmatch(message):
        return ""
    if chat != link.account_id:
        raise BadInput(f"This is a post of {chat[:80]}, and not of {link.handle}.", field="link")
    return post_id(chat, message)


def _named(link: PastedLink) -> tuple[str, str]:
    """Of a public link: t.me/name/42, t.me/s/name/42, name/42."""
    if len(link.parts) < 2:
        return "", ""
    name, message = link.parts[-2:]
    return (link.account_id if name.casefold() == link.handle.lstrip("@").casefold() else name), message
