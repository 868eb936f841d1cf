"""The id of a post in its link (x/facts.md, 2)."""

from __future__ import annotations

from postprober.platforms.common.links import NUMBER, PastedLink, matching


def remote_id(link: PastedLink) -> str:
    return matching(NUMBER, link.after("status") if link.parts else link.text)
