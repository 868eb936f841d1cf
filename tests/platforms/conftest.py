"""Fixtures of the adapter tests; see adapter_kit and browser_kit."""

from tests.platforms.adapter_kit import emulator, file_server, link, photo, pools, public, scripted, video
from tests.platforms.browser_kit import browser, by_browser

__all__ = [
    "browser",
    "by_browser",
    "emulator",
    "file_server",
    "link",
    "photo",
    "pools",
    "public",
    "scripted",
    "video",
]
