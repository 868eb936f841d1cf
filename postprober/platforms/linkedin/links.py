"""The id of a post in its link (linkedin/facts.md, 2), and the link of a post."""

from __future__ import annotations

import re

from postprober.domain.platform import PlatformConfig
from postprober.platforms.common.links import PastedLink, matching

_URN = re.compile(r"urn:li:(?:share|ugcPost):[0-9]{1,25}")


def remote_id(link: PastedLink) -> str:
    return matching(_URN, link.after("update") if link.parts else link.text)


def public_url(config: PlatformConfig, remote_id: str) -> str:
    """Where everybody can read the post: most apps are not given it back."""
    return f"{config.auth_url}/feed/update/{remote_id}"
