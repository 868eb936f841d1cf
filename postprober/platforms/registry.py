"""One adapter per platform."""

from __future__ import annotations

from collections.abc import Callable

from postprober.clock import Clock
from postprober.domain.platform import Platform, PlatformConfig
from postprober.http import HttpClient
from postprober.platforms.base import Adapter
from postprober.platforms.bluesky import BlueskyAdapter
from postprober.platforms.instagram import InstagramAdapter
from postprober.platforms.linkedin import LinkedInAdapter
from postprober.platforms.mastodon import MastodonAdapter
from postprober.platforms.x import XAdapter

ADAPTERS: dict[Platform, Callable[[HttpClient, PlatformConfig, Clock], Adapter]] = {
    Platform.X: XAdapter,
    Platform.LINKEDIN: LinkedInAdapter,
    Platform.INSTAGRAM: InstagramAdapter,
    Platform.MASTODON: MastodonAdapter,
    Platform.BLUESKY: BlueskyAdapter,
}


def adapter_for(platform: Platform, http: HttpClient, config: PlatformConfig, clock: Clock) -> Adapter:
    """A fresh adapter; cheap."""
    return ADAPTERS[platform](http, config, clock)
