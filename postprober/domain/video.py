"""What of a video a platform would refuse, and what it is converted to. Pure.

The container, codecs, frame rate, size and ratio can be converted; how long it is can not, because what is cut away or
added is for a person to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, floor

from postprober.domain.limits import VideoRule
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.target import VideoTarget

MOST_BITS = 12_000_000  # a second, of 1080p with 60 pictures a second: more is not seen on a phone
LEAST_BITS = 250_000  # a second; below that, faces and letters cannot be made out
SOUND_BITS = 160_000  # a second: AAC with 128 kbit/s, and what the container takes
SMALL = 20  # times a platform's least size: a file of fewer bytes may fall below that when it is converted
SPARE = 0.94  # of the bytes that are allowed; the encoder's buffer may go over the rate by one second
BITS_PER_PIXEL = 0.045  # of one picture, for H.264 that still looks whole
LONG_SIDE, MOST_PIXELS = 1920, 1920 * 1088  # of what we make: what every platform shows whole
MOST_RATE = 60.0
_KHZ = re.compile(r" ([0-9.]+) kHz$")  # how the reader says that a sound has more samples than usual
RATE_SLACK = 0.01  # 59.94 counts as 60000/1001, and measured rates are off by the last picture
RATIO_SLACK = 0.005


@dataclass(frozen=True)
class VideoFault:
    """One thing that `rule` does not allow. `message`: what to change, a sentence without its end; `clause`: what is
    allowed and what it is; `over`: by how much; `curable`: converting mends it."""

    code: str
    message: str
    clause: str
    over: int = 0
    curable: bool = True


def faults(file: MediaFile, label: str, rule: VideoRule, name: str) -> list[VideoFault]:
    """Everything of `file` that `rule` of the platform called `name` does not allow. What is not known is no fault."""
    return [
        *_kind(file, label, rule, name),
        *_sides(file, label, rule, name),
        *_bytes(file, label, rule, name),
        *_seconds(file, label, rule, name),
    ]


def _kind(file: MediaFile, label: str, rule: VideoRule, name: str) -> Iterator[VideoFault]:
    if file.mime not in rule.mimes:
        taken = " or ".join(_container(mime) for mime in rule.mimes)
        yield VideoFault(
            "video_type",
            f"Save {label} as {taken}: {name} does not take {file.mime}",
            f"{name} takes {taken} and this is {_container(file.mime)}",
        )
    if rule.codecs and file.codec and file.codec not in rule.codecs:
        taken = " or ".join(_TAKEN.get(codec, codec_name(codec)) for codec in rule.codecs if " " not in codec)
        yield VideoFault(
            "video_codec",
            f"Save {label} as {taken}: {name} does not take {codec_name(file.codec)}",
            f"{name} takes {taken} and this is {codec_name(file.codec)}",
        )
    heard, khz = _sound(file.audio or "")
    if rule.audio and heard and heard not in rule.audio:
        taken = " or ".join(map(codec_name, rule.audio))
        sound = codec_name(heard)
        yield VideoFault(
            "video_audio",
            f"Save {label} with {taken} sound: {name} does not take {sound}",
            f"{name} takes {taken} sound and this has {sound}",
        )
    elif rule.max_khz is not None and khz > rule.max_khz:
        taken = f"sound of at most {rule.max_khz:g} kHz"
        yield VideoFault(
            "video_audio",
            f"Save {label} with {taken}: {name} takes no other, and it has {khz:g}",
            f"{name} takes {taken} and this has {khz:g}",
            ceil(khz - rule.max_khz),
        )
    if file.rate is None:
        return
    if rule.max_rate is not None and file.rate > rule.max_rate + RATE_SLACK:
        yield _rate(file.rate, label, "at most", rule.max_rate, name)
    if rule.min_rate is not None and file.rate < rule.min_rate - RATE_SLACK:
        yield _rate(file.rate, label, "at least", rule.min_rate, name)


def _sound(told: str) -> tuple[str, float]:
    """Name and thousands of samples a second of a sound, 0 where these are not said, because they are usual."""
    found = _KHZ.search(told)
    return (told[: found.start()], float(found[1])) if found else (told, 0.0)


def _rate(rate: float, label: str, bound: str, limit: float, name: str) -> VideoFault:
    taken = f"{bound} {limit:g} pictures a second"
    return VideoFault(
        "video_rate",
        f"Save {label} with {taken}: {name} takes no other, and it has {rate:g}",
        f"{name} takes {taken} and this has {rate:g}",
        ceil(abs(rate - limit)),
    )


def _sides(file: MediaFile, label: str, rule: VideoRule, name: str) -> Iterator[VideoFault]:
    short, long = sorted((file.width, file.height))
    pixels, size = file.width * file.height, f"{file.width} by {file.height}"
    if rule.max_pixels is not None and pixels > rule.max_pixels:
        taken = f"videos of up to {rule.max_pixels / 1e6:.1f} megapixels"
        yield VideoFault(
            "video_dimensions",
            f"Make {label} smaller: {name} takes {taken} and it is {size}, {pixels / 1e6:.1f} megapixels",
            f"{name} takes {taken} and this is {size}",
            pixels - rule.max_pixels,
        )
    over = max(
        file.width - (rule.max_width or file.width), long - (rule.max_long or long), short - (rule.max_short or short)
    )
    if over > 0:
        taken = (
            f"videos up to {rule.max_width:,} pixels wide"
            if rule.max_width and not rule.max_long
            else f"videos up to {rule.max_long or long:,} by {rule.max_short or short:,} pixels"
        )
        yield VideoFault(
            "video_dimensions",
            f"Make {label} smaller: {name} takes {taken} and it is {size}",
            f"{name} takes {taken} and this is {size}",
            over,
        )
    if short < rule.min_side:
        taken = f"videos of at least {rule.min_side} by {rule.min_side} pixels"
        yield VideoFault(
            "video_dimensions",
            f"Use a larger video for {label}: {name} takes {taken} and it is {size}",
            f"{name} takes {taken} and this is {size}",
            rule.min_side - short,
        )
    ratio = file.width / file.height if file.height else 0.0
    low, high = rule.min_ratio, rule.max_ratio
    if (low is not None and ratio < low - RATIO_SLACK) or (high is not None and ratio > high + RATIO_SLACK):
        taken = f"videos from {low or 0:.3g} to {high or 0:.3g} times as wide as high"
        yield VideoFault(
            "video_ratio",
            f"Crop {label}: {name} takes {taken} and it is {size}",
            f"{name} takes {taken} and this is {size}",
        )


def _bytes(file: MediaFile, label: str, rule: VideoRule, name: str) -> Iterator[VideoFault]:
    if file.size > rule.max_bytes:
        over = file.size - rule.max_bytes
        most, has = f"{rule.max_bytes / 1e6:.0f} MB", f"{file.size / 1e6:.1f} MB"
        message = f"Make {label} smaller by {over / 1e6:.1f} MB: {name} takes {most} and it has {has}"
        yield VideoFault("video_too_large", message, f"{name} takes {most} and this has {has}", over)
    if file.size < rule.min_bytes:
        message = (
            f"Use a larger video for {label}: {name} wants at least {rule.min_bytes:,} bytes and it has {file.size:,}"
        )
        clause = f"{name} takes at least {rule.min_bytes:,} bytes and this has {file.size:,}"
        yield VideoFault("video_too_small", message, clause, rule.min_bytes - file.size)


def _seconds(file: MediaFile, label: str, rule: VideoRule, name: str) -> Iterator[VideoFault]:
    if file.duration is None:
        return
    if file.duration < rule.min_seconds:
        message = f"Use a longer video for {label}: {name} wants at least {rule.min_seconds:g} seconds"
        short = ceil(rule.min_seconds - file.duration)
        yield VideoFault("video_too_short", f"{message} and it has {file.duration:g}", "", short, curable=False)
    if rule.max_seconds is not None and file.duration > rule.max_seconds:
        over = ceil(file.duration - rule.max_seconds)
        words = f"{over:,} second{'' if over == 1 else 's'}"
        message = f"Cut {label} by {words}: {name} takes {rule.max_seconds:g} seconds and it has {file.duration:g}"
        yield VideoFault("video_too_long", message, "", over, curable=False)


def target(file: MediaFile, rule: VideoRule) -> VideoTarget | None:
    """What `file` is made so that `rule` allows it; None when no file of its length is small enough for it."""
    seconds = file.duration or 0.0
    bits = _bits(rule.max_bytes, seconds)
    if bits < LEAST_BITS:
        return None
    low, high = rule.min_ratio or 0.0, rule.max_ratio or float("inf")
    width, height = float(max(1, file.width)), float(max(1, file.height))
    frame_width, frame_height = max(width, height * low), max(height, width / high)  # what is missing is padded
    rate = min(file.rate or 30.0, rule.max_rate or MOST_RATE, MOST_RATE)
    most = min(rule.max_pixels or MOST_PIXELS, MOST_PIXELS, max(1.0, bits / (BITS_PER_PIXEL * max(rate, 10.0))))
    long, short = max(frame_width, frame_height), min(frame_width, frame_height)
    scale = min(
        1.0,
        (rule.max_width or frame_width) / frame_width,
        min(rule.max_long or LONG_SIDE, LONG_SIDE) / long,
        (rule.max_short or short) / short,
        (most / (frame_width * frame_height)) ** 0.5,
    )
    wide, high_ = _even_up_to(frame_width * scale, rule.min_side), _even_up_to(frame_height * scale, rule.min_side)
    wide, high_ = _within(wide, high_, low, high)
    inner_wide, inner_high = min(wide, _even(width * scale)), min(high_, _even(height * scale))
    bits = min(bits, MOST_BITS)
    slow = rule.min_rate is not None and (file.rate is None or file.rate < rule.min_rate)
    return VideoTarget(
        wide,
        high_,
        inner_wide,
        inner_high,
        # Nothing more of the rule than matters for this file, so that what does for several platforms is made once.
        float(rule.min_rate or 0) if slow else 0.0,
        float(min(rule.max_rate or MOST_RATE, MOST_RATE)),
        bits,
        int((bits + SOUND_BITS) * max(seconds, 1.0) / 8 / SPARE),
        round(seconds, 3),
        rule.min_bytes if file.size < SMALL * rule.min_bytes else 0,
    )


def longest(rule: VideoRule) -> int:
    """Seconds of the longest video that can be made small enough for `rule`."""
    return floor(rule.max_bytes * SPARE * 8 / (LEAST_BITS + SOUND_BITS))


def _bits(max_bytes: int, seconds: float) -> int:
    """Of the pictures a second, so that the file fits."""
    return int(max_bytes * SPARE * 8 / max(seconds, 1.0) - SOUND_BITS)


def _even(side: float) -> int:
    """4:2:0 has one colour for two pixels in both directions."""
    return max(2, floor(side + 1e-6) // 2 * 2)


def _even_up_to(side: float, least: int) -> int:
    return max(_even(side), least + least % 2)


def _within(width: int, height: int, low: float, high: float) -> tuple[int, int]:
    """Rounding to even numbers never leaves the ratio: the longer side gives way."""
    while width / height > high and width > 2:
        width -= 2
    while width / height < low and height > 2:
        height -= 2
    return width, height


def as_video(file: MediaFile) -> MediaFile:
    """An animation as the silent video that it becomes; what it is now is no fault, because it is converted anyway."""
    return replace(file, kind=MediaKind.VIDEO, mime="video/mp4", codec="", audio="")


_CONTAINERS: dict[str, str] = {"video/quicktime": "MOV", "video/webm": "WebM", "video/x-matroska": "Matroska"}
_CODECS = {
    "h264": "H.264",
    "hevc": "HEVC",
    "vp8": "VP8",
    "vp9": "VP9",
    "av1": "AV1",
    "prores": "ProRes",
    "mpeg4": "MPEG-4 Visual",
    "mjpeg": "Motion JPEG",
    "h263": "H.263",
    "dnxhd": "DNxHD",
    "aac": "AAC",
    "mp3": "MP3",
    "opus": "Opus",
    "vorbis": "Vorbis",
    "flac": "FLAC",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
    "alac": "ALAC",
}
_TAKEN = {"h264": "H.264 (8 bit, 4:2:0)"}


def _container(mime: str) -> str:
    return _CONTAINERS.get(mime, mime.removeprefix("video/").upper())


def codec_name(codec: str) -> str:
    """`h264 10-bit` as people write it."""
    name, _, rest = codec.partition(" ")
    shown = "PCM" if name.startswith("pcm_") else _CODECS.get(name, name)
    return f"{shown} {rest}".strip()
