"""What the operator may set for X, and what X is called."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from postprober.domain.platform import Description, Platform
from postprober.domain.platform_settings import PlatformSettings
from postprober.domain.prices import Prices
from postprober.platforms.x.options import XOptions


class XSettings(PlatformSettings):
    """`dialect`: field names that are sent to X (facts.md, 7). The prices are X's own, in dollars (facts.md, 4)."""

    dialect: Literal["new", "legacy"] = "new"
    price_post: float = Field(0.015, ge=0)
    price_post_with_link: float = Field(0.2, ge=0)
    price_alt_text: float = Field(0.005, ge=0)
    price_read: float = Field(0.005, ge=0)

    def prices(self) -> Prices:
        return Prices(self.price_post, self.price_post_with_link, self.price_alt_text, self.price_read)


ABOUT = Description(
    platform=Platform("x"),
    title="X",
    aliases=("twitter",),
    api_url="https://api.x.com",  # facts.md, 2
    auth_url="https://x.com",  # facts.md, 1
    settings=XSettings,
    sandbox={"settle_seconds": "4"},
    slower=4,  # X bills reads (facts.md, 4)
    options=XOptions,
    shorteners=("t.co",),  # facts.md, 3
    media_hosts=("t.co", "pic.x.com", "pic.twitter.com"),  # what stands behind the text in oEmbed and timelines
)
