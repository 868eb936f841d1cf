"""What the operator may set for Instagram, and what it is called."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.domain.platform_settings import PlatformSettings
from postprober.platforms.instagram.options import InstagramOptions

VERSION = "v26.0"  # facts.md, 2: latest since 2026-07-29


class InstagramSettings(PlatformSettings):
    """`version`: of the Graph API."""

    version: str = VERSION


ABOUT = Description(
    platform=Platform("instagram"),
    title="Instagram",
    api_url="https://graph.instagram.com",  # facts.md, 2
    auth_url="https://www.instagram.com",  # facts.md, 1
    settings=InstagramSettings,
    sandbox={"settle_seconds": "3", "poll_seconds": "0.5"},
    options=InstagramOptions,
)
