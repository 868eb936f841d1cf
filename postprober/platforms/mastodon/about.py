"""What Mastodon is called. It has no server of its own: accounts bring theirs."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform

ABOUT = Description(platform=Platform("mastodon"), title="Mastodon", sandbox={"settle_seconds": "3"})
