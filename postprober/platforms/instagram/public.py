"""Where logged-out visitors find an author (instagram/facts.md, 9)."""

from __future__ import annotations

import re

from postprober.domain.platform import PlatformConfig

# og:description: `12 likes, 3 comments - name on March 2, 2026: "caption". `; og:title: `Name on Instagram: "caption"`
# (seen on public pages).
_CAPTION = re.compile(r"(?:on Instagram|\d{4})\s*:\s*[\"“](?P<text>.*)[\"”]\.?\s*$", re.DOTALL)
SIGN_IN_PATHS = ("/accounts/login",)


def preview_text(told: str) -> str:
    """The caption out of a preview tag."""
    match = _CAPTION.search(told)
    return match["text"] if match else told


def author_page(config: PlatformConfig, _url: str, handle: str) -> str:
    return f"{config.auth_url}/{handle}/" if config.auth_url and handle else ""
