"""What Bluesky is called, and where most of its accounts are."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.domain.platform_settings import PlatformSettings
from postprober.platforms.bluesky.options import BlueskyOptions


class BlueskySettings(PlatformSettings):
    """`plc_url`: the directory of accounts (`did:plc`); a path is one of the server's own."""

    plc_url: str = "https://plc.directory"  # facts.md, 1


ABOUT = Description(
    platform=Platform("bluesky"),
    title="Bluesky",
    api_url="https://bsky.social",  # facts.md, 2
    auth_url="https://bsky.app",
    settings=BlueskySettings,
    sandbox={"settle_seconds": "1", "plc_url": "/_plc"},
    options=BlueskyOptions,
    one_network=True,  # a DID, and with it every `at://` address, means the same on each server
)
