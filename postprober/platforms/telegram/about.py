"""What Telegram is called, and where its API and its public pages are."""

from __future__ import annotations

from postprober.domain.options import PictureOptions
from postprober.domain.platform import Description, Platform

ABOUT = Description(
    platform=Platform("telegram"),
    title="Telegram",
    api_url="https://api.telegram.org",  # facts.md, 2
    auth_url="https://t.me",  # facts.md, 9
    sandbox={"settle_seconds": "1"},
    options=PictureOptions,
    not_yet=("document", "pictures and videos together", "poll", "sensitive media"),  # facts.md, 2
)
