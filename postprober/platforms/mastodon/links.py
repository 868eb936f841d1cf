"""The id of a post in its link (mastodon/facts.md, 2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postprober.platforms.common.links import PastedLink, matching

_LISTS = frozenset({"statuses", "p", "notice", "posts"})
_STATUS = re.compile(r"[A-Za-z0-9._-]{1,80}")  # snac's ids are no numbers


def remote_id(link: PastedLink) -> str:
    """/@name/1, /users/name/statuses/1, and of servers of other kinds /name/p/1 (snac), /p/name/1 (Pixelfed), /notice/1 and
    /@name/posts/1 (Akkoma)."""
    parts = link.parts
    if parts and not _leads_to_post(parts):
        return ""
    return matching(_STATUS, parts[-1] if parts else link.text)


def _leads_to_post(parts: Sequence[str]) -> bool:
    if len(parts) < 2:
        return False
    before = parts[-2]
    if parts[-1] in _LISTS:
        return False
    pixelfed = len(parts) > 2 and parts[-3] == "p" and parts[-1].isdigit()
    return before in _LISTS or before.startswith("@") or pixelfed
