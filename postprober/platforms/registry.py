"""One adapter per platform."""

from __future__ import annotations

from collections.abc import Callable

from postprober.browser import Browser
from postprober.clock import Clock
from postprober.domain.platform import Platform, PlatformConfig
from postprober.http import HttpClient
from postprober.platforms.base import Adapter
from postprober.platforms.bluesky import BlueskyAdapter
from postprober.platforms.instagram import InstagramAdapter
from postprober.platforms.instagram_browser import InstagramBrowserAdapter
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


# Adapters that drive the platform's web pages with a person's own session. An account of theirs has the address of those
# pages as its `instance`; the API's accounts on these platforms have none.
BY_BROWSER: dict[Platform, Callable[[HttpClient, PlatformConfig, Clock, Browser | None], Adapter]] = {
    Platform.INSTAGRAM: InstagramBrowserAdapter,
}


def by_browser(platform: Platform, instance: str) -> bool:
    """Whether an account is used through the platform's web pages."""
    return platform in BY_BROWSER and bool(instance)


def browser_adapter(
    platform: Platform, http: HttpClient, config: PlatformConfig, clock: Clock, browser: Browser | None
) -> Adapter:
    """The adapter by browser; cheap."""
    return BY_BROWSER[platform](http, config, clock, browser)


def adapter_for(platform: Platform, http: HttpClient, config: PlatformConfig, clock: Clock) -> Adapter:
    """A fresh adapter; cheap."""
    return ADAPTERS[platform](http, config, clock)
