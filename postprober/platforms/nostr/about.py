"""What Nostr is called, and where its posts are for people who use none of its programs."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.domain.platform_settings import PlatformSettings
from postprober.platforms.nostr.options import NostrOptions


class NostrSettings(PlatformSettings):
    """Of Nostr. `relays`: of accounts that name none, with blanks between them; `media_server`: a Blossom server, in the same way;
    `needed`: how many of an account's relays must have a post for it to count as published, 0: half of them."""

    relays: str = ""
    media_server: str = ""
    needed: int = 0


ABOUT = Description(
    platform=Platform("nostr"),
    title="Nostr",
    api_url="",  # there is no server of Nostr: each account has relays of its own
    auth_url="https://njump.me",  # facts.md, 9
    settings=NostrSettings,
    sandbox={"settle_seconds": "1"},
    one_network=True,  # an event has the same id on every relay
    own_servers=True,
    options=NostrOptions,
    not_yet=("poll", "long-form article", "edit"),  # facts.md, 2 and 8
)
