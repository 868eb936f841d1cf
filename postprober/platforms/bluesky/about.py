"""What Bluesky is called, and where most of its accounts are."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.platforms.bluesky.options import BlueskyOptions

ABOUT = Description(
    platform=Platform("bluesky"),
    title="Bluesky",
    api_url="https://bsky.social",  # facts.md, 2
    auth_url="https://bsky.app",
    sandbox={"settle_seconds": "1"},
    options=BlueskyOptions,
    one_network=True,  # a DID, and with it every `at://` address, means the same on each server
)
