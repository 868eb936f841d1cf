"""What Discord is called, and where its API and its channels are."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.platforms.discord.options import DiscordOptions

ABOUT = Description(
    platform=Platform("discord"),
    title="Discord",
    api_url="https://discord.com/api/v10",  # facts.md, 2
    auth_url="https://discord.com",  # facts.md, 2: where links of messages lead
    sandbox={"settle_seconds": "1"},
    options=DiscordOptions,
    not_yet=("crosspost", "document", "pictures and videos together"),  # facts.md, 2
)
