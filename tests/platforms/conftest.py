"""Fixtures of the adapter tests; see adapter_kit."""

from tests.platforms.adapter_kit import emulator, file_server, link, photo, pools, public, scripted, specs, video

__all__ = ["emulator", "file_server", "link", "photo", "pools", "public", "scripted", "specs", "video"]
