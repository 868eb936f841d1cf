"""Where logged-out visitors find an author (instagram/facts.md, 9)."""

from __future__ import annotations

from postprober.domain.platform import PlatformConfig


def author_page(config: PlatformConfig, _url: str, handle: str) -> str:
    return f"{config.auth_url}/{handle}/" if config.auth_url and handle else ""
