"""Addresses that strangers wrote: pages, replies and people name anything."""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

NOWHERE = SplitResult("", "", "", "", "")


def split(url: str) -> SplitResult:
    """The parts of `url`; NOWHERE for what is no address. Never raises, also not when host and port are read."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port  # both are read late, and raise then
    except ValueError:
        return NOWHERE
    return parts


def join(base: str, url: str) -> str:
    """Where `url`, seen at `base`, leads; `url` itself where it is no address. Never raises."""
    try:
        return urljoin(base, url)
    except ValueError:
        return url
