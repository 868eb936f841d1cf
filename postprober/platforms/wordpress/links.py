"""The id of a post in its link (wordpress/facts.md, 2)."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from postprober.platforms.common.links import NUMBER, PastedLink, matching

_SLUG = re.compile(r"[A-Za-z0-9%_.~-]{1,200}")


def remote_id(link: PastedLink) -> str:
    """The number in `?p=12` or `wp-admin/post.php?post=12`, or a bare id; else the end of the address, to be looked up in the
    list of own posts."""
    if "://" not in link.text[:8]:
        return matching(NUMBER, link.text)
    try:
        asked = parse_qs(urlsplit(link.text).query)
    except ValueError:  # brackets that are no address
        return ""
    for name in ("p", "post"):
        if name in asked:
            return matching(NUMBER, asked[name][0])
    return matching(_SLUG, quote(link.parts[-1], safe="%").lower()) if link.parts else ""
