"""Accounts, channels and messages in links and ids (discord/facts.md, 1 and 2).

A message is found by its channel and its id, so our id of a post is both: `1105223344556677889/1193847562910384756`. An account
is somebody in a channel of a server: `AUTHOR@SERVER/CHANNEL`, where the author is a bot or a webhook.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from postprober.domain.addresses import split
from postprober.errors import BadInput
from postprober.platforms.common.links import PastedLink

_ID = r"[1-9][0-9]{5,19}"  # 64 bits
_POST = re.compile(rf"({_ID})/({_ID})")
_ACCOUNT = re.compile(rf"({_ID})@({_ID})/({_ID})")
_CHANNEL = re.compile(rf"(?:^|/channels/{_ID}/)({_ID})/?$")
_WEBHOOK = re.compile(rf"/webhooks/({_ID})/([A-Za-z0-9_-]{{20,200}})/?$")
_OWN_HOST = re.compile(r"(?:[a-z0-9-]+\.)?discord(?:app)?\.com")
EPOCH = datetime(2015, 1, 1, tzinfo=UTC)  # facts.md, 5: ids count from then
_TIME_BITS = 22


@dataclass(frozen=True)
class ChannelAuthor:
    """Who posts where: `author` a bot or a webhook, `guild` the server, `channel` in it."""

    author: str
    guild: str
    channel: str

    @property
    def account_id(self) -> str:
        return f"{self.author}@{self.guild}/{self.channel}"

    @classmethod
    def of(cls, account_id: str) -> ChannelAuthor:
        """Empty for what is no id of ours."""
        found = _ACCOUNT.fullmatch(account_id)
        return cls(*found.groups()) if found else cls("", "", "")


def post_id(channel: str, message: str) -> str:
    """Our id of a post."""
    return f"{channel}/{message}"


def parts_of(remote_id: str) -> tuple[str, str]:
    """The channel and the message; "" twice for what is no id of ours."""
    found = _POST.fullmatch(remote_id)
    return (found[1], found[2]) if found else ("", "")


def address(base: str, guild: str, channel: str, message: str) -> str:
    """Where members see it."""
    return f"{base}/channels/{guild}/{channel}/{message}"


def channel_in(typed: str) -> str:
    """The id of a channel, out of its link or the id itself. Raises BadInput."""
    found = _CHANNEL.search(typed.strip().partition("?")[0])
    if found is None:
        text = "Paste the channel's link (right-click the channel, Copy Link), or its id, which is a long number."
        raise BadInput(text, field="channel")
    return found[1]


def webhook_in(typed: str, hosts: Collection[str] = ()) -> str:
    """Id and token out of a webhook's address, as they stand in it. `hosts`: those that the operator named beside Discord's own;
    another service's token is not handed to any of them. Raises BadInput."""
    address = typed.strip().partition("?")[0]
    host = split(address).hostname or ""
    if "://" in address and not (_OWN_HOST.fullmatch(host) or host in hosts):
        raise BadInput("This is no address of Discord's; copy the webhook's URL in Discord.", field="webhook")
    found = _WEBHOOK.search(address)
    if found is None:
        text = "Paste the webhook's whole URL, which has /api/webhooks/ and a long token in it."
        raise BadInput(text, field="webhook")
    return f"{found[1]}/{found[2]}"


def made_at(message: str) -> datetime:
    """When the message with this id was made."""
    return EPOCH + timedelta(milliseconds=int(message) >> _TIME_BITS)


def remote_id(link: PastedLink) -> str:
    """Raises BadInput for a post in another channel. Posts of a forum have channels of their own."""
    own = ChannelAuthor.of(link.account_id).channel
    if not link.parts:
        channel, message = parts_of(link.text)
        if not message and re.fullmatch(_ID, link.text):
            channel, message = own, link.text
    else:
        channel, message = (
            (*link.parts[-2:],) if len(link.parts) > 2 and link.parts[-4:-3] == ("channels",) else ("", "")
        )
    if not parts_of(post_id(channel, message))[1]:
        return ""
    if channel not in (own, message):  # the first message of a forum post has the id of its channel
        raise BadInput(f"This is a post of another channel, and not of {link.handle}.", field="link")
    return post_id(channel, message)
