"""The id of a post in its link (wordpress/facts.md, 2)."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote

from postprober.domain.addresses import split
from postprober.platforms.common.links import NUMBER, PastedLink, matching

_SLUG = re.compile(r"(?=.*[^\d-])[\w-]{1,100}")  # a number alone may be another platform's


def remote_id(link: PastedLink) -> str:
    """The number in `?p=12` or `wp-admin/post.php?post=12`, or a bare one; else the end of the address, to be looked up in the
    list of own posts."""
    if "://" not in link.text[:8]:
        return matching(NUMBER, link.text)
    asked = parse_qs(split(link.text).query)
    for name in ("p", "post"):
        if name in asked:
            return matching(NUMBER, asked[name][0])
    if not link.parts or ".." in link.parts:
        return ""
    return quote(matching(_SLUG, link.parts[-1].lower())).lower()  # as WordPress writes it
