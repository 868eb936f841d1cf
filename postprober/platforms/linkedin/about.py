"""What the operator may set for LinkedIn, and what it is called."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.domain.platform_settings import PlatformSettings
from postprober.platforms.linkedin.options import LinkedInOptions
from postprober.platforms.linkedin.text import MENTION

VERSION = "202607"  # facts.md, 2: current at 2026-08-13
_MEMBER = "urn:li:person:"


class LinkedInSettings(PlatformSettings):
    """`version`: LinkedIn's monthly API version; each lives for at least a year (facts.md, 2). `pages`: ask for
    the right to post for pages, which LinkedIn gives to apps that it has reviewed (facts.md, 1)."""

    version: str = VERSION
    pages: bool = False


def account_id(remote_id: str) -> str:
    """LinkedIn writes a member's id with and without `urn:li:person:`."""
    return remote_id.removeprefix(_MEMBER)


ABOUT = Description(
    platform=Platform("linkedin"),
    title="LinkedIn",
    api_url="https://api.linkedin.com",  # facts.md, 2
    auth_url="https://www.linkedin.com",  # facts.md, 1
    settings=LinkedInSettings,
    sandbox={"settle_seconds": "4", "poll_seconds": "0.5"},
    account_id=account_id,
    slower=4,  # every call of a member counts by the day, and nothing tells how many are left (facts.md, 4)
    shorteners=("lnkd.in",),
    options=LinkedInOptions,
    documents=True,
    mention=MENTION,
    not_yet=("subtitles",),
)
