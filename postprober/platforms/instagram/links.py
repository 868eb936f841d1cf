"""The id of a post in its link (instagram/facts.md, 2)."""

from __future__ import annotations

import re

from postprober.platforms.common.links import NUMBER, PastedLink, matching

_SHORTCODE = re.compile(r"[A-Za-z0-9_-]{5,40}")


def remote_id(link: PastedLink) -> str:
    """The shortcode of a link, to be looked up in the list of own posts; or a bare id."""
    code = next((link.after(word) for word in ("p", "reel", "tv") if link.after(word)), "")
    return matching(_SHORTCODE, code) if link.parts else matching(NUMBER, link.text)
