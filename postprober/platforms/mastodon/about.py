"""What Mastodon is called. It has no server of its own: accounts bring theirs."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.platforms.mastodon.options import MastodonOptions

ABOUT = Description(
    platform=Platform("mastodon"),
    title="Mastodon",
    sandbox={"settle_seconds": "3"},
    options=MastodonOptions,
)
