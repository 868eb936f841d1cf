"""What a platform takes, as one record; the numbers are in `platforms/NAME/limits.py`."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from postprober.domain.platform import Platform
from postprober.domain.text import find_hashtags, find_mentions, graphemes

Unit = Literal["weighted", "graphemes", "characters"]

MB = 1_000_000
MIB = 1024 * 1024
H264 = ("h264",)  # 8 bits, 4:2:0
AAC = ("aac",)  # mono or stereo


@dataclass(frozen=True)
class ImageRule:
    """Still images as the platform stores them. `max_width` in pixels of the wider accepted image; larger ones are made
    smaller. `min_side`, `max_side`: pixels that each side must then have; `max_pixels` width times height, ratios
    width / height; None: no limit."""

    max_count: int
    mimes: tuple[str, ...]
    max_bytes: int
    min_width: int = 1
    max_width: int | None = None
    max_pixels: int | None = None
    min_ratio: float | None = None
    max_ratio: float | None = None
    min_side: int = 1
    max_side: int | None = None


@dataclass(frozen=True)
class GifRule:
    """Animated GIFs, one per post, never with other media; sent as they are. `max_pixels`: width times height."""

    max_bytes: int
    max_width: int | None = None
    max_height: int | None = None
    max_frames: int | None = None
    max_pixels: int | None = None


@dataclass(frozen=True)
class VideoRule:
    """One video per post. Sizes in bytes, durations in seconds, sides and `max_pixels` (width times height) in pixels as
    shown, ratios width / height, rates in pictures a second; None: no limit.

    `codecs`: names of `platforms.video_codec`, which say depth and chroma (`h264` is 8 bits and 4:2:0); `audio`: names of
    sound, such as `aac` for at most two channels; `max_khz`: its samples a second, in thousands; both empty where the platform re-encodes whatever it can read.
    `max_long`, `max_short`: of the longer and the shorter side."""

    mimes: tuple[str, ...]
    min_bytes: int
    max_bytes: int
    min_seconds: float
    max_seconds: float | None
    codecs: tuple[str, ...] = ()
    max_pixels: int | None = None
    audio: tuple[str, ...] = ()
    max_khz: float | None = None
    min_rate: float | None = None
    max_rate: float | None = None
    min_side: int = 1
    max_width: int | None = None
    max_long: int | None = None
    max_short: int | None = None
    min_ratio: float | None = None
    max_ratio: float | None = None


@dataclass(frozen=True)
class DocumentRule:
    """One document per post, never with other media; sent as it is. `max_bytes`, `max_pages`: of one."""

    mimes: tuple[str, ...]
    max_bytes: int
    max_pages: int


@dataclass(frozen=True)
class SubtitleRule:
    """Subtitles of a video, as WebVTT: at most `max_files`, a language each, of `max_bytes`."""

    max_files: int
    max_bytes: int


@dataclass(frozen=True)
class PollRule:
    """A poll beside a text: so many choices of so many characters each, open for so many minutes."""

    least_choices: int
    most_choices: int
    most_characters: int
    least_minutes: int
    most_minutes: int


@dataclass(frozen=True)
class CardRule:
    """What a link card that is sent may be. `max_title`, `max_description` in characters; `max_bytes` of its picture, a
    JPEG."""

    max_title: int
    max_description: int
    max_bytes: int


@dataclass(frozen=True)
class Limits:
    """What one account may publish.

    `max_length` is counted by `unit`; `max_with_media`: what a text with media may count, None: the same. Links count as `url_length` where that is not None; `max_bytes` is in UTF-8. `count`: the
    platform's own way, None: graphemes or, for characters, units of UTF-16. `find_mentions`, `find_hashtags`: the people
    that a text mentions and its tags. `max_alt`: characters of one alternative text. `gif`/`video`/`document`/`subtitles` None: not taken.
    `threads`: chains of replies; `mixed`: pictures and videos go together, as many as pictures alone.
    `card` None: no link card is sent.
    """

    platform: Platform
    max_length: int
    unit: Unit
    images: ImageRule
    video: VideoRule | None = None
    gif: GifRule | None = None
    document: DocumentRule | None = None
    subtitles: SubtitleRule | None = None
    max_bytes: int | None = None
    url_length: int | None = None
    max_hashtags: int | None = None
    max_mentions: int | None = None
    max_cashtags: int | None = None
    max_alt: int | None = None
    media_required: bool = False
    threads: bool = False
    mixed: bool = False
    card: CardRule | None = None
    lacks: frozenset[str] = frozenset()  # names of options that this account has not
    count: Callable[[Limits, str], int] | None = None
    find_mentions: Callable[[str], Sized] = find_mentions
    find_hashtags: Callable[[str], Sized] = find_hashtags
    max_with_media: int | None = None
    poll: PollRule | None = None  # None: none is taken
    longer: str = ""  # who may write more, as a sentence behind the one that says that a text is too long
    server: str = ""  # the software of the account's server, where that is another than the platform is named after

    @property
    def largest_file(self) -> int:
        """Bytes of the largest file that is taken as it is."""
        return max(rule.max_bytes for rule in (self.images, self.gif, self.video) if rule is not None)

    def of_part(self, *, with_media: bool) -> Limits:
        """What holds for a text, which may be shorter where media go with it."""
        if not with_media or self.max_with_media is None:
            return self
        return replace(self, max_length=self.max_with_media, max_with_media=None)

    def length(self, text: str) -> int:
        """What `text` counts on this platform, in `unit`."""
        return self.counter()(text)

    def mentions(self, text: str) -> int:
        """How many people `text` mentions by the platform's kind of names."""
        return len(self.find_mentions(text))

    def hashtags(self, text: str) -> int:
        """How many tags `text` has by the platform's rules."""
        return len(self.find_hashtags(text))

    def counter(self) -> Callable[[str], int]:
        """The platform's way of counting, for `split_thread`."""
        if self.count is not None:
            return partial(self.count, self)
        return graphemes if self.unit == "graphemes" else utf16_length


def utf16_length(text: str) -> int:
    """What Java and JavaScript count: units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
