"""What each platform takes: one record per platform, every number with its source.

"C1.2" means section 1.2 of CONTRACTS.md (shared contracts), which names the documents behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from postprober.domain.platform import Platform
from postprober.domain.text import escape_little, graphemes, mastodon_length, weighted_length

Unit = Literal["weighted", "graphemes", "characters"]

MB = 1_000_000
MIB = 1024 * 1024


@dataclass(frozen=True)
class ImageRule:
    """Still images as the platform stores them. `max_width` in pixels of the wider accepted image (a height has no
    limit of its own), `max_pixels` width times height, ratios width / height; None: no limit."""

    max_count: int
    mimes: tuple[str, ...]
    max_bytes: int
    min_width: int = 1
    max_width: int | None = None
    max_pixels: int | None = None
    min_ratio: float | None = None
    max_ratio: float | None = None


@dataclass(frozen=True)
class GifRule:
    """Animated GIFs, one per post, never with other media; sent as they are."""

    max_bytes: int
    max_width: int | None = None
    max_height: int | None = None


@dataclass(frozen=True)
class VideoRule:
    """One video per post, sent as it is. Sizes in bytes, durations in seconds."""

    mimes: tuple[str, ...]
    min_bytes: int
    max_bytes: int
    min_seconds: float
    max_seconds: float | None


@dataclass(frozen=True)
class Limits:
    """What one account may publish.

    `max_length` is counted by `unit`, links as `url_length` where that is not None; `max_bytes` in UTF-8.
    `max_alt`: characters of one alternative text. `gif`/`video` None: not taken. `threads`: chains of replies.
    """

    platform: Platform
    max_length: int
    unit: Unit
    images: ImageRule
    video: VideoRule | None = None
    gif: GifRule | None = None
    max_bytes: int | None = None
    url_length: int | None = None
    max_hashtags: int | None = None
    max_mentions: int | None = None
    max_cashtags: int | None = None
    max_alt: int | None = None
    media_required: bool = False
    threads: bool = False

    def length(self, text: str) -> int:
        """What `text` counts on this platform, in `unit`."""
        return self.counter()(text)

    def counter(self) -> Callable[[str], int]:
        """The platform's way of counting, for `split_thread`."""
        if self.unit == "weighted":
            return weighted_length
        if self.platform is Platform.LINKEDIN:
            return _escaped_length
        if self.platform is Platform.MASTODON:
            return partial(mastodon_length, url_length=self.url_length or 0)
        return graphemes if self.unit == "graphemes" else _utf16_length


def _escaped_length(text: str) -> int:
    """LinkedIn counts what is sent: little text with its escapes (C2.7), in UTF-16 units as its Java services do
    (which no source states; it is the larger and so the safer reading)."""
    return _utf16_length(escape_little(text))


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


X = Limits(
    platform=Platform.X,
    max_length=280,  # C7, twitter-text config/v3.json maxWeightedTweetLength
    unit="weighted",
    url_length=23,  # C7, transformedURLLength
    max_cashtags=1,  # C1.4, changelog: self-serve apps
    max_alt=1000,  # OpenAPI 2.167 CreateMediaMetadataMetadataAltText.text.maxLength
    threads=True,
    # C1.2 best practices: 4 images, 5 MB each
    images=ImageRule(4, ("image/jpeg", "image/png", "image/webp"), max_bytes=5 * MB, max_width=4096),
    gif=GifRule(max_bytes=15 * MB, max_width=1280, max_height=1080),  # C1.2
    video=VideoRule(("video/mp4", "video/quicktime"), 1, 512 * MB, 0.5, 140),  # C1.2
)

LINKEDIN = Limits(
    platform=Platform.LINKEDIN,
    max_length=3000,  # C2.7, help article a528176; after escaping
    unit="characters",
    max_alt=4086,  # C2.2 content.media.altText
    # C2.2: fewer than 36,152,320 pixels; no byte limit is published: 8 MB is ours. multiImage takes 20, we offer 4.
    images=ImageRule(4, ("image/jpeg", "image/png"), max_bytes=8 * MB, max_pixels=36_152_319),
    gif=GifRule(max_bytes=8 * MB),  # C2.2 (at most 250 frames)
    video=VideoRule(("video/mp4",), 75_000, 500 * MB, 3, 1800),  # C2.2: 75 KB to 500 MB, 3 s to 30 min
)

INSTAGRAM = Limits(
    platform=Platform.INSTAGRAM,
    max_length=2200,  # C3.6
    unit="characters",
    max_hashtags=30,  # C3.6
    max_mentions=20,  # C3.6
    max_alt=1000,  # C3.2 alt_text
    media_required=True,  # C3.2: text-only posts are impossible
    # C3.6: JPEG, 8 MB, 320 to 1440 pixels wide, 4:5 to 1.91:1. A carousel takes 10, we offer 4.
    images=ImageRule(
        4, ("image/jpeg",), max_bytes=8 * MB, min_width=320, max_width=1440, min_ratio=0.8, max_ratio=1.91
    ),
    video=VideoRule(("video/mp4", "video/quicktime"), 1, 300 * MB, 3, 900),  # C3.6 Reels: 3 s to 15 min, 300 MB
)

# C4: what an instance allows when it does not say otherwise (Mastodon 4.x, GET /api/v2/instance).
MASTODON = Limits(
    platform=Platform.MASTODON,
    max_length=500,
    unit="characters",
    url_length=23,
    max_alt=1500,
    threads=True,
    images=ImageRule(4, ("image/jpeg", "image/png", "image/webp"), max_bytes=16 * MIB, max_pixels=33_177_600),
    gif=GifRule(max_bytes=16 * MIB),
    video=VideoRule(("video/mp4", "video/webm", "video/quicktime"), 1, 99 * MIB, 0, None),
)

BLUESKY = Limits(
    platform=Platform.BLUESKY,
    max_length=300,  # C5, lexicon app.bsky.feed.post maxGraphemes
    unit="graphemes",
    max_bytes=3000,  # C5, lexicon maxLength
    max_alt=2000,  # the lexicon has no limit; 2,000 is what the official app takes (social-app MAX_ALT_TEXT)
    threads=True,
    # lexicon app.bsky.embed.images: 4 images, 2,000,000 bytes each; 2,000 pixels is what the official app sends
    images=ImageRule(4, ("image/jpeg", "image/png", "image/webp"), max_bytes=2_000_000, max_width=2000),
    video=VideoRule(("video/mp4",), 1, 300 * MB, 0, 180),  # lexicon app.bsky.embed.video; 3 minutes: official app
)

LIMITS: dict[Platform, Limits] = {limits.platform: limits for limits in (X, LINKEDIN, INSTAGRAM, MASTODON, BLUESKY)}
