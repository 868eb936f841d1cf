"""What Telegram tells everybody: the page that other sites embed (telegram/facts.md, 9)."""

from __future__ import annotations

from dataclasses import replace

from postprober.domain.addresses import split
from postprober.domain.platform import PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.domain.withheld import Withheld
from postprober.http import HttpClient, Reply
from postprober.platforms.common.public import GONE, ask, refused, seen
from postprober.platforms.telegram.links import USERNAME, parts_of, post_id
from postprober.platforms.telegram.page import ChannelPage, read_page

EMBEDDED = {"embed": "1", "mode": "tme"}
_NOT_FOUND = "post not found"


def read(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    """Final, because the page behind the link shows this one in a frame, and of a private channel nothing."""
    return replace(_read(http, config, url, remote_id), final=True)


def _read(http: HttpClient, config: PlatformConfig, url: str, remote_id: str) -> Look:
    chat, number = parts_of(remote_id)
    username = username_in(url)
    if not number:
        return Look(Verdict.UNSURE, url=url, reason="the post's id is no id of a channel's post.")
    if not username:
        told = "Telegram shows posts of private channels to members only."
        return Look(Verdict.LOGIN_WALL, url=url, reason=told, withheld=Withheld.MEMBERS)
    address = f"{config.auth_url}/{username}/{number}"
    reply = ask(http, address, EMBEDDED)
    if isinstance(reply, Look):
        return reply
    page = read_page(reply.text) if reply.ok else ChannelPage(())
    message = page.message(username, number)
    if message is None:
        if says_not_found(reply, page):
            return refused(reply, address, "Telegram", gone=True)
        if reply.ok:
            return seen(reply, address, Verdict.UNSURE, f"Telegram's page does not show the post{_said(page)}")
        return refused(reply, address, "Telegram", gone=False)
    found = seen(reply, address, Verdict.FOUND, "Telegram shows the post to everybody")
    return replace(
        found,
        text=message.text,
        author=message.username,
        media=message.media if page.whole else None,
        partial=not page.whole,
        reply_to=post_id(chat, message.reply_to) if message.reply_to else "",
        links=message.links if page.whole else None,
    )


def says_not_found(reply: Reply, page: ChannelPage) -> bool:
    """Whether the page clearly says that there is no such post. Any other sentence of its says nothing about the post."""
    return reply.status in GONE or (reply.ok and page.error.casefold().startswith(_NOT_FOUND))


def username_in(url: str) -> str:
    """The channel's public name in the address of a post, "" in that of a private one."""
    pieces = [piece for piece in split(url).path.split("/") if piece]
    name = pieces[-2] if len(pieces) > 1 else ""
    return name if USERNAME.fullmatch(name) else ""  # a private channel has its number there


def preview_text(_told: str) -> str:
    """The page that people open speaks of the channel where it does not have the post, so its preview proves nothing."""
    return ""


def author_page(config: PlatformConfig, url: str, _handle: str) -> str:
    name = username_in(url)
    return f"{config.auth_url}/{name}" if name else ""


def _said(page: ChannelPage) -> str:
    return f" and says: {page.error[:100]}" if page.error else ""
