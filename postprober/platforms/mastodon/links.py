"""The id of a post in its link (mastodon/facts.md, 2)."""

from __future__ import annotations

import re

from postprober.platforms.common.links import PastedLink, matching

_STATUS = re.compile(r"[A-Za-z0-9._-]{1,80}")  # snac's ids are no numbers


def remote_id(link: PastedLink) -> str:
    """/@name/1, /users/name/statuses/1, and snac's /name/p/1."""
    parts = link.parts
    if parts and not (len(parts) > 1 and (parts[-2] in ("statuses", "p") or parts[-2].startswith("@"))):
        return ""
    return matching(_STATUS, parts[-1] if parts else link.text)
