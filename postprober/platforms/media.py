"""Look at media by content, and fit images to what a platform takes.

A file's name and the mime type somebody declared are never believed. Images are always decoded and written anew, which
removes EXIF (with its GPS position), comments, and anything appended to the picture; only an animated GIF that fits
goes out as it is, because writing it anew would spoil it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageCms, ImageOps

from postprober.domain.limits import ImageRule, Limits
from postprober.domain.post import MediaFile, MediaKind
from postprober.errors import BadInput
from postprober.platforms.video_facts import NotAVideo, read_video

MAX_PIXELS = 64_000_000  # a decoded picture of this size takes 256 MB; phones make up to 50 megapixels
MAX_IMAGE_BYTES = 64 * 1024 * 1024  # twice the largest image that any of our platforms takes
MAX_FRAMES = 2000  # of an animation; X allows 350 (CONTRACTS.md 1.2), LinkedIn 250 (2.2)
MIMES = {
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp",
    "BMP": "image/bmp", "TIFF": "image/tiff",
}  # fmt: skip
_FORMATS = tuple(name for name in MIMES if name != "MPO")  # Pillow opens MPO (several JPEGs in one) as JPEG
QUALITIES = (92, 85, 78, 70, 60)  # 92 looks like the original, below 60 blocks become visible
SHRINK = 0.8  # when the lowest quality is still too large: four fifths of each side, then again
MIN_SIDE = 64  # pixels; smaller is no picture any more
_PILLOW_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, struct.error, IndexError, KeyError, OverflowError, MemoryError,
)  # fmt: skip  # what Pillow's decoders raise on damaged files
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # the second only where warnings are errors


@dataclass(frozen=True)
class FittedImage:
    """Bytes ready to upload. `width`, `height` in pixels."""

    data: bytes
    mime: str
    width: int
    height: int


@dataclass(frozen=True)
class MediaFacts:
    """What a file really is. `width`, `height` in pixels as shown; `duration` in seconds, None for still images."""

    kind: MediaKind
    mime: str
    width: int
    height: int
    duration: float | None = None


def inspect(source: str | Path | bytes) -> MediaFacts:
    """What the file (path, or its bytes) is, by content. Raises BadInput with one sentence."""
    with _opened(source) as (stream, size):
        if size == 0:
            raise _bad("is empty; choose another file")
        head = stream.read(1024)
        _refuse_polyglot(stream, size, head)
        try:
            video = read_video(stream, size)
        except NotAVideo as error:
            raise _bad(f"cannot be used: {error}; choose an MP4, MOV or WebM video") from None
        if video is not None:
            return MediaFacts(MediaKind.VIDEO, video.mime, video.width, video.height, video.duration)
        return _inspect_image(stream, size)


def fit_image(path: str, rule: ImageRule) -> FittedImage:
    """The image at `path` as `rule` allows it: right type, small enough, upright, without metadata. Raises BadInput.

    Steps: 1. an animated GIF that fits stays as it is; 2. turn upright, to sRGB; 3. shrink to the pixel limits;
    4. lower the quality, then the size, until the bytes fit.
    """
    with _opened(path) as (stream, size):
        facts = _inspect_image(stream, size)
        if facts.kind is MediaKind.GIF and "image/gif" in rule.mimes:
            return _animation_as_is(stream, size, facts, rule)
        with _decoding():
            stream.seek(0)
            with Image.open(stream, formats=_FORMATS) as opened:
                picture = _upright_srgb(opened)
    picture = _shrink_to(picture, rule)
    return _encode(picture, facts.mime, rule)


def payload(media: MediaFile, limits: Limits) -> FittedImage:
    """The bytes to upload for `media`: images fitted, videos and animated GIFs as they are. Raises BadInput."""
    as_is = media.kind is MediaKind.VIDEO or (media.kind is MediaKind.GIF and limits.gif is not None)
    if not as_is:
        return fit_image(media.path, limits.images)
    with _opened(media.path) as (stream, _):
        return FittedImage(stream.read(), media.mime, media.width, media.height)


def _bad(rest: str) -> BadInput:
    return BadInput(f"The file {rest}.", field="media")


def _too_many_pixels() -> BadInput:
    return _bad(f"has more than {MAX_PIXELS // 1_000_000} million pixels; make the image smaller")


@contextmanager
def _opened(source: str | Path | bytes) -> Iterator[tuple[BinaryIO, int]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    try:
        stream = Path(source).open("rb")  # noqa: SIM115 - closed by the `with` below, outside of this try
    except (OSError, ValueError):
        raise _bad("cannot be opened; choose it again") from None
    with stream:
        try:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
        except OSError:
            raise _bad("cannot be read; choose it again") from None
        yield stream, size


@contextmanager
def _decoding() -> Iterator[None]:
    """Turn whatever Pillow raises on a damaged file into one sentence."""
    try:
        yield
    except _PILLOW_ERRORS as error:
        raise BadInput(
            "The image is damaged or cut off; choose another file.", detail=repr(error)[:200], field="media"
        ) from None


_ACTIVE_HEADS = (b"%pdf-", b"<script", b"<html", b"<!doctype", b"<?php", b"<svg", b"#!/")


def _refuse_polyglot(stream: BinaryIO, size: int, head: bytes) -> None:
    """Refuse a picture or video that is at the same time a document or an archive.

    Such a file is harmless as a picture, but somebody else may open it as the other thing after we served it.
    """
    low = head.lower()
    if any(mark in low for mark in _ACTIVE_HEADS):
        raise _bad("holds a document or program inside; choose a plain image or video")
    tail = min(
        size, 22 + 65535
    )  # a ZIP ends with a record of 22 bytes and a comment of at most 65,535 (APPNOTE 4.3.16)
    stream.seek(size - tail)
    end = stream.read(tail)
    at = end.rfind(b"PK\x05\x06")
    if at >= 0 and len(end) - at >= 22 and int.from_bytes(end[at + 20 : at + 22], "little") == len(end) - at - 22:
        raise _bad("holds an archive inside; choose a plain image or video")


def _inspect_image(stream: BinaryIO, size: int) -> MediaFacts:
    if size > MAX_IMAGE_BYTES:
        raise _bad(f"is larger than {MAX_IMAGE_BYTES // 1024 // 1024} MB; choose a smaller image")
    stream.seek(0)
    try:
        opened = Image.open(stream, formats=_FORMATS)
    except _BOMBS:
        raise _too_many_pixels() from None
    except _PILLOW_ERRORS:
        raise _bad(
            "is neither an image (JPEG, PNG, GIF, WebP, BMP, TIFF) nor a video (MP4, MOV, WebM); choose another one"
        ) from None
    with opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise _too_many_pixels()
        with _decoding():
            frames = int(getattr(opened, "n_frames", 1)) if opened.format in ("GIF", "WEBP", "PNG") else 1
            if frames > MAX_FRAMES:
                raise _bad(f"has more than {MAX_FRAMES} frames; make the animation shorter")
            opened.seek(0)
            turned = opened.getexif().get(0x0112) in (5, 6, 7, 8)  # EXIF 2.3, tag Orientation: a quarter turn
            opened.load()
        width, height = (opened.height, opened.width) if turned else opened.size
        kind = MediaKind.GIF if opened.format == "GIF" and frames > 1 else MediaKind.IMAGE
        return MediaFacts(kind, MIMES[str(opened.format)], width, height)


def _animation_as_is(stream: BinaryIO, size: int, facts: MediaFacts, rule: ImageRule) -> FittedImage:
    if rule.max_bytes and size > rule.max_bytes:
        raise BadInput(
            f"The animated GIF has {size:,} bytes and {rule.max_bytes:,} are allowed; make it shorter or smaller.",
            field="media",
        )
    if _scale(facts.width, facts.height, rule) < 1:
        raise BadInput(
            f"The animated GIF is {facts.width} by {facts.height} pixels, which is too large; make it smaller.",
            field="media",
        )
    stream.seek(0)
    return FittedImage(stream.read(), facts.mime, facts.width, facts.height)


def _upright_srgb(opened: Image.Image) -> Image.Image:
    """The first frame, upright, as RGB or RGBA in sRGB, without any metadata."""
    picture = ImageOps.exif_transpose(opened)
    profile = picture.info.get("icc_profile")
    alpha = "A" in picture.getbands() or "transparency" in picture.info
    if profile and picture.mode in ("RGB", "RGBA", "CMYK", "L"):
        picture = _to_srgb(picture, bytes(profile))
    if picture.mode.startswith("I;16") or picture.mode == "I":
        picture = picture.point(lambda value: value / 256).convert("L")  # 16-bit grey: keep the upper byte
    clean = picture.convert("RGBA" if alpha else "RGB")
    clean.info.clear()
    return clean


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Colours as they were meant: once the profile is stripped, everybody reads the numbers as sRGB."""
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # a broken profile: the numbers are the best we have
    return converted or picture


def _scale(width: int, height: int, rule: ImageRule) -> float:
    scale = 1.0
    if rule.max_width:
        scale = min(scale, rule.max_width / width)
    if rule.max_pixels:
        scale = min(scale, (rule.max_pixels / (width * height)) ** 0.5)
    return scale


def _shrink_to(picture: Image.Image, rule: ImageRule) -> Image.Image:
    scale = _scale(picture.width, picture.height, rule)
    return picture if scale >= 1 else _resized(picture, scale)


def _resized(picture: Image.Image, scale: float) -> Image.Image:
    size = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _encode(picture: Image.Image, source_mime: str, rule: ImageRule) -> FittedImage:
    """The best encoding within `rule.max_bytes`: the first that fits of ever smaller ones."""
    kinds = _target_mimes(picture, source_mime, rule)
    if not kinds:
        raise BadInput("This platform takes no image type that can be made here; choose another target.", field="media")
    while True:
        for mime in kinds:
            for data in _tries(picture, mime):
                if not rule.max_bytes or len(data) <= rule.max_bytes:
                    return FittedImage(data, mime, picture.width, picture.height)
        if min(picture.size) * SHRINK < MIN_SIDE:
            raise BadInput(
                f"The image cannot be made smaller than {rule.max_bytes:,} bytes; choose another one.", field="media"
            )
        picture = _resized(picture, SHRINK)


def _target_mimes(picture: Image.Image, source_mime: str, rule: ImageRule) -> list[str]:
    """Types to try, best first: transparency is kept where the platform takes it, and drawings stay PNG."""
    allowed = [mime for mime in ("image/jpeg", "image/png", "image/webp") if mime in rule.mimes]
    if picture.mode == "RGBA":
        order = ["image/png", "image/webp", "image/jpeg"]
    elif source_mime in ("image/png", "image/gif"):
        order = ["image/png", "image/jpeg", "image/webp"]
    else:
        order = ["image/jpeg", "image/webp", "image/png"]
    return [mime for mime in order if mime in allowed]


def _tries(picture: Image.Image, mime: str) -> Iterator[bytes]:
    if mime == "image/png":
        small = picture.width * picture.height <= 4_000_000  # optimising takes seconds above that
        yield _saved(picture, "PNG", optimize=small)
        return
    if mime == "image/jpeg":
        picture = _on_white(picture)
    for quality in QUALITIES:
        yield _saved(picture, "JPEG" if mime == "image/jpeg" else "WEBP", quality=quality)


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, mask=picture.getchannel("A"))
    return page


def _saved(picture: Image.Image, kind: str, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
