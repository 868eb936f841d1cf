"""Look at media by content, and fit images to what a platform takes.

A file's name and the mime type somebody declared are never believed. Images are always decoded and written anew, which
removes EXIF (with its GPS position), comments, and anything appended to the picture; only an animated GIF that fits
goes out as it is, because writing it anew would spoil it. Other moving pictures are made a GIF when they are taken in
(`as_gif`), because no platform of ours shows them moving.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import tempfile
import threading
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

from pi_heif import register_heif_opener  # type: ignore[import-untyped,unused-ignore]
from PIL import Image, ImageCms, ImageSequence, PngImagePlugin

from postprober import extras
from postprober.domain import subtitles
from postprober.domain.crops import Rect, box
from postprober.domain.limits import ImageRule, Limits
from postprober.domain.post import MediaFile, MediaKind
from postprober.errors import HERE, BadInput, Unavailable
from postprober.platforms.common import documents, picture_process, video_process
from postprober.platforms.common.video_facts import NotAVideo, VideoFacts, read_video

MAX_PIXELS = 64_000_000  # a decoded picture of this size takes 256 MB; phones make up to 50 megapixels
MAX_IMAGE_BYTES = 64 * 1024 * 1024  # twice the largest image that any of our platforms takes
MAX_FRAMES = 2000  # of an animation; the most that a platform allows is 350 (NAME/facts.md, 3)
MIMES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
MAX_SCANS = 100  # of a JPEG, each of which goes over the whole picture; progressive ones have about 10
_MAX_SEGMENTS = 10_000  # of a JPEG; 64 MB are about 1,000 full ones
_MAX_PROFILES = 4  # of a PNG, which may have one (W3C PNG, 5.6): each is unpacked, and what comes of it may be large
_MAX_CHUNKS = 200_000  # of a PNG; the smallest that libpng writes pixels in, by default, has 8 KB
_MOVING = ("GIF", "WEBP", "PNG", "AVIF")  # formats in which several frames are an animation
MAX_MOVING_PIXELS = 60_000_000  # of all frames together, which lie in memory while the GIF is made: 240 MB
MOST_SENT = 4096 * 4096  # pixels; no platform shows more than 4096 by 4096
MOST_AT_ONCE = 2  # pictures decoded at the same time in a process
ROOM_SECONDS = 120.0  # that a picture waits for its turn; as long as the longest before it may take in the helper
LARGE = 16_000_000  # pixels; more are decoded by a helper, which ends and gives the memory back (64 MB here at most)
_STRIP = 4_000_000  # pixels converted at a time when a large picture is made small
_MADE = 3  # grows when fitting changes, so that renditions are made anew
_FORMATS = tuple(name for name in MIMES if name != "MPO")  # Pillow opens MPO (several JPEGs in one) as JPEG
QUALITIES = (92, 85, 78, 70, 60)  # 92 looks like the original, below 60 blocks become visible
SHRINK = 0.8  # when the lowest quality is still too large: four fifths of each side, then again
MIN_SIDE = 64  # pixels; smaller is no picture any more
_PILLOW_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    LookupError,
    ArithmeticError,
    MemoryError,
    TypeError,
    AttributeError,
    RuntimeError,
    zlib.error,
)  # what Pillow's decoders raise on damaged files
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # the second only where warnings are errors

# Bytes of an unpacked text or profile of a PNG. Pillow's own 1 MB is less than drawing programs leave there, and it then
# takes the file for no picture; all texts together stay below Pillow's 64 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024

register_heif_opener()  # HEIC, as phones take it; decoded only, by libheif


@dataclass(frozen=True)
class FittedImage:
    """Bytes ready to upload. `width`, `height` in pixels."""

    data: bytes
    mime: str
    width: int
    height: int


@dataclass(frozen=True)
class MediaFacts:
    """What a file really is. `width`, `height` in pixels as shown; `duration` in seconds, None for still pictures; `frames` of
    a moving picture, 1 for a still; `codec` of a video (`video_codec`), "" when it does not say. What only the video extra
    tells: `pixel_format` as FFmpeg names it, `rate` pictures a second, `audio` ("" for none), `damage` half a sentence that
    says why it can be sent nowhere ("" for none); None, of the first "", where it did not look. `pages` of a document, None
    where it does not say."""

    kind: MediaKind
    mime: str
    width: int
    height: int
    duration: float | None = None
    frames: int | None = None
    codec: str = ""
    pixel_format: str = ""
    rate: float | None = None
    audio: str | None = None
    damage: str | None = None
    pages: int | None = None


def inspect(source: str | Path | bytes) -> MediaFacts:
    """What the file (path, or its bytes) is, by content. Raises BadInput with one sentence."""
    with _opened(source) as (stream, size):
        if size == 0:
            raise _bad("is empty; choose another file")
        head = stream.read(1024)
        if subtitles.is_one(head):
            return _inspect_subtitles(stream)
        if documents.is_one(head):
            if not head.startswith(b"PK"):
                _refuse_archive(stream, size)
            return _inspect_document(source)
        _refuse_polyglot(stream, size, head)
        video, trouble = _video_header(stream, size)
        if video is not None or trouble:
            return _inspect_video(source, head, video, trouble)
        if head[4:8] == b"ftyp":
            return _inspect_phone_picture(stream, size, source)
        return _with_times(_whole_image(stream, size, source), source)


def _inspect_subtitles(stream: BinaryIO) -> MediaFacts:
    stream.seek(0)
    try:
        found = subtitles.read(stream.read(subtitles.MOST_BYTES + 1))
    except subtitles.Unreadable as error:
        raise BadInput(f"The subtitles {error}.", field="media") from None
    return MediaFacts(MediaKind.SUBTITLES, subtitles.MIME, 0, 0, found.seconds)


def _inspect_document(source: str | Path | bytes) -> MediaFacts:
    """Read by a helper that is ended when the document makes it work too long or take too much memory."""
    with _on_disk(source) as path, room.taken(LARGE):
        told = picture_process.run("document", path)[0]
    return MediaFacts(MediaKind.DOCUMENT, told["mime"], 0, 0, pages=told["pages"])


def _video_header(stream: BinaryIO, size: int) -> tuple[VideoFacts | None, str]:
    """What the header of a video says, and why it says nothing; neither for what is no video."""
    try:
        return read_video(stream, size), ""
    except NotAVideo as error:
        return None, str(error)


def _inspect_video(source: str | Path | bytes, head: bytes, video: VideoFacts | None, trouble: str) -> MediaFacts:
    """What FFmpeg's libraries find, where they are installed; of what they cannot read, what its header says."""
    found: dict[str, Any] = {}
    if extras.has("video"):
        try:
            with _on_disk(source) as path, room.taken(LARGE):
                found = video_process.probe(path)
        except BadInput as error:
            if video is None:
                raise _no_video(trouble, error.detail) from None
            found = {"damage": "no picture of it can be decoded"}
    if "cut" in found:
        end, duration = found["cut"]
        raise _bad(f"is cut off: it ends after {end:g} of {duration:g} seconds; copy or export it again")
    if found.get("damage") or not found.get("duration"):
        if video is None:
            raise _no_video(trouble or found.get("no") or found.get("damage", ""), "")
        if "no" in found:
            found["damage"] = "no picture of it can be decoded"
        return MediaFacts(
            MediaKind.VIDEO,
            video.mime,
            video.width,
            video.height,
            video.duration,
            codec=video.codec,
            damage=found.get("damage"),
        )
    told = {name: found[name] for name in ("codec", "pixel_format", "rate", "audio", "damage", "frames", "duration")}
    return MediaFacts(MediaKind.VIDEO, _video_mime(head), found["width"], found["height"], **told)


def _no_video(why: str, detail: str) -> BadInput:
    message = f"The file cannot be used: {why or 'it is damaged'}; choose an MP4, MOV or WebM video."
    return BadInput(message, detail=detail, field="media")


def _video_mime(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _with_times(facts: MediaFacts, source: str | Path | bytes) -> MediaFacts:
    """An animated GIF with its length, which matters where it is sent as a video."""
    if facts.kind is not MediaKind.GIF or facts.mime != "image/gif" or not extras.has("video"):
        return facts
    with suppress(BadInput), _on_disk(source) as path, room.taken(LARGE):
        found = video_process.probe(path)
        if found.get("duration") and not found.get("damage"):
            return replace(facts, duration=found["duration"], rate=found["rate"], damage="")
    return facts


@contextmanager
def _on_disk(source: str | Path | bytes) -> Iterator[str]:
    if not isinstance(source, bytes):
        yield str(source)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(source)
        file.flush()
        yield file.name


def _whole_image(stream: BinaryIO, size: int, source: str | Path | bytes) -> MediaFacts:
    """What the picture is, after a look at every pixel, so that a damaged one is refused."""
    facts = _inspect_image(stream, size, load=False)
    with room.taken(facts.width * facts.height):
        if facts.width * facts.height > LARGE and not isinstance(source, bytes):
            picture_process.run("check", str(source))
            return facts
        return _inspect_image(stream, size)


def check_here(path: str) -> None:
    """Decode the picture at `path` in this process. Raises BadInput when it is damaged."""
    with _opened(path) as (stream, size):
        _inspect_image(stream, size)


def _inspect_phone_picture(stream: BinaryIO, size: int, source: str | Path | bytes) -> MediaFacts:
    try:
        return _whole_image(stream, size, source)
    except BadInput as error:
        if error.message == _too_many_pixels().message:
            raise
        raise _bad("is a HEIC or AVIF picture that cannot be read; save it as JPEG") from None


class _Room:
    """How much may be decoded at the same time in this process: MOST_AT_ONCE pictures of MAX_PIXELS together."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.pictures = self.pixels = 0

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room. Raises Unavailable when there is none for ROOM_SECONDS."""
        wanted = min(pixels, MAX_PIXELS)
        with self._changed:
            if not self._changed.wait_for(
                lambda: self.pictures < MOST_AT_ONCE and self.pixels + wanted <= MAX_PIXELS, ROOM_SECONDS
            ):
                raise Unavailable("Too many pictures are being prepared. Try again later.", code=HERE)
            self.pictures, self.pixels = self.pictures + 1, self.pixels + wanted
        try:
            yield
        finally:
            with self._changed:
                self.pictures, self.pixels = self.pictures - 1, self.pixels - wanted
                self._changed.notify_all()


room = _Room()


def fit_image(path: str, rule: ImageRule, crop: Rect | None = None) -> FittedImage:
    """The image at `path` as `rule` allows it: right type, small enough, upright, without metadata, of it what `crop` says.
    Raises BadInput.

    What was made of a stored file is kept beside it, for one (file, rule, crop) once.
    """
    kept = _rendition(path, rule, crop)
    if kept is None:
        return _fitted(path, rule, crop)
    with _making(kept):
        found = _read_rendition(kept)
        if found is None:
            found = _fitted(path, rule, crop)
            _keep_rendition(kept, found)
        return found


_STORED = re.compile(r"[0-9a-f]{64}")
RENDITIONS = "renditions"  # folder among the stored files


def renditions_of(path: Path) -> list[Path]:
    """What was made of the stored file and is kept."""
    folder = path.parent.parent / RENDITIONS
    return sorted(folder.glob(f"{path.stem}.*")) if _STORED.fullmatch(path.stem) else []


def _rendition(path: str, rule: ImageRule, crop: Rect | None) -> Path | None:
    """Where the rendition lies; None for a file that is not stored under its hash."""
    stored = Path(path)
    if not _STORED.fullmatch(stored.stem) or stored.parent.name != stored.stem[:2]:
        return None
    what = f"{_MADE} {rule!r}" if crop is None else f"{_MADE} {rule!r} {crop!r}"
    key = hashlib.sha256(what.encode()).hexdigest()[:16]
    return stored.parent.parent / RENDITIONS / f"{stored.stem}.{key}"


_locks: dict[Path, tuple[threading.Lock, int]] = {}  # of renditions being made: the lock and how many want it
_locks_guard = threading.Lock()


@contextmanager
def _making(kept: Path) -> Iterator[None]:
    """One thread at a time makes one rendition; who waited finds it."""
    with _locks_guard:
        lock, waiting = _locks.get(kept, (threading.Lock(), 0))
        _locks[kept] = lock, waiting + 1
    try:
        with lock:
            yield
    finally:
        with _locks_guard:
            waiting = _locks[kept][1] - 1
            if waiting:
                _locks[kept] = lock, waiting
            else:
                del _locks[kept]


def _read_rendition(kept: Path) -> FittedImage | None:
    try:
        head, _, data = kept.read_bytes().partition(b"\n")
        told = json.loads(head)
        return FittedImage(data, told["mime"], told["width"], told["height"]) if told["size"] == len(data) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep_rendition(kept: Path, made: FittedImage) -> None:
    """Whole or not at all. A full disk costs the keeping and not the picture."""
    head = {"mime": made.mime, "width": made.width, "height": made.height, "size": len(made.data)}
    part = kept.with_name(f".{uuid.uuid4().hex}.part")
    with suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        part.write_bytes(json.dumps(head).encode() + b"\n" + made.data)
        part.replace(kept)
    with suppress(OSError):
        part.unlink(missing_ok=True)


def _fitted(path: str, rule: ImageRule, crop: Rect | None) -> FittedImage:
    """Steps: 1. an animated GIF that fits stays as it is; 2. make it about as small as it shall be; 3. turn upright, to
    sRGB, and crop; 4. shrink to the pixel limits; 5. lower the quality, then the size, until the bytes fit."""
    with _opened(path) as (stream, size):
        facts = _inspect_image(stream, size, load=False)
        if facts.kind is MediaKind.GIF and facts.mime != "image/gif":  # it was stored before those were made GIFs
            raise BadInput("The animation would be sent as a still; add the file again.", field="media")
        if facts.mime == "image/gif" and facts.kind is MediaKind.GIF and "image/gif" in rule.mimes:
            return _animation_as_is(stream, size, facts, rule)
    with room.taken(facts.width * facts.height):
        if facts.width * facts.height <= LARGE:
            return fit_here(path, rule, crop)
        told, data = picture_process.run("fit", path, rule=asdict(rule), crop=crop)
        return FittedImage(data, told["mime"], told["width"], told["height"])


def fit_here(path: str, rule: ImageRule, crop: Rect | None = None) -> FittedImage:
    """Decode and fit a still picture in this process. Raises BadInput."""
    with _opened(path) as (stream, size):
        facts = _inspect_image(stream, size, load=False)
        with _decoding():
            stream.seek(0)
            with Image.open(stream, formats=_FORMATS) as opened:
                sides = _sides(facts.width, facts.height, crop)
                picture = _part(_upright_srgb(opened, _scale(*sides, rule)), crop)
        return _encode(_shrink_to(picture, rule), facts.mime, rule)


def _sides(width: int, height: int, crop: Rect | None) -> tuple[int, int]:
    """How large what goes out is, before it is made smaller."""
    if crop is None:
        return width, height
    left, top, right, bottom = box(crop, width, height)
    return right - left, bottom - top


def _part(picture: Image.Image, crop: Rect | None) -> Image.Image:
    return picture if crop is None else picture.crop(box(crop, *picture.size))


def as_gif(source: str | Path) -> bytes:
    """The moving picture in `source` (WebP, PNG, AVIF) as an animated GIF with the same times. Raises BadInput."""
    with _opened(source) as (stream, _), _decoding(), Image.open(stream, formats=_FORMATS) as opened:
        pixels = int(getattr(opened, "n_frames", 1)) * opened.width * opened.height
    if pixels > MAX_MOVING_PIXELS:
        raise _bad("is a large animation in a format that platforms show as a still; save it as GIF or MP4")
    with room.taken(pixels):
        return as_gif_here(str(source)) if pixels <= LARGE else picture_process.run("gif", str(source))[1]


def as_gif_here(source: str) -> bytes:
    """`as_gif` in this process: all its frames lie in memory."""
    with _opened(source) as (stream, _), _decoding(), Image.open(stream, formats=_FORMATS) as opened:
        times: list[int] = []
        pictures: list[Image.Image] = []
        for frame in ImageSequence.Iterator(opened):
            clear = frame.convert("RGBA")  # only a loaded frame knows how long it stands
            times.append(max(20, round(float(frame.info.get("duration", 100)) or 100)))  # players slow down faster ones
            opaque = clear.getchannel("A").getextrema() == (255, 255)
            pictures.append(clear.convert("RGB").quantize(256) if opaque else clear)
        buffer = io.BytesIO()
        pictures[0].save(
            buffer, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0, disposal=2, optimize=False
        )
        return buffer.getvalue()


def thumbnail(source: str | Path, side: int, crop: Rect | None = None) -> bytes:
    """A small JPEG of the first picture in `source`, upright, in the colours that are sent, no side longer than `side`
    pixels, of it what `crop` says. Raises BadInput."""
    with _opened(source) as (stream, size):
        facts = _inspect_image(stream, size, load=False)
    with room.taken(facts.width * facts.height):
        if facts.width * facts.height <= LARGE:
            return thumbnail_here(source, side, crop)
        return picture_process.run("thumbnail", str(source), side=side, crop=crop)[1]


def thumbnail_here(source: str | Path, side: int, crop: Rect | None = None) -> bytes:
    """`thumbnail` in this process."""
    with _opened(source) as (stream, size):
        facts = _inspect_image(stream, size, load=False)
        with _decoding():
            stream.seek(0)
            with Image.open(stream, formats=_FORMATS) as opened:
                longer = max(_sides(facts.width, facts.height, crop))
                picture = _part(_upright_srgb(opened, min(1.0, 2 * side / longer)), crop)
    picture.thumbnail((side, side))
    return _saved(_on_white(picture), "JPEG", quality=80)


@dataclass(frozen=True)
class ReadyFile:
    """What is uploaded for a file, read from its beginning; `width`, `height` in pixels."""

    content: BinaryIO
    mime: str
    width: int
    height: int


@contextmanager
def upload(media: MediaFile, limits: Limits) -> Iterator[ReadyFile]:
    """What is uploaded for `media`, for as long as the block runs: images fitted; videos and animated GIFs as they are, read from
    the disk while they are sent, so that no file is ever whole in memory. Raises BadInput."""
    as_is = media.kind is MediaKind.VIDEO or (media.kind is MediaKind.GIF and limits.gif is not None)
    if as_is:
        with _opened(media.path) as (stream, _):
            yield ReadyFile(stream, media.mime, media.width, media.height)
        return
    fitted = fit_image(media.path, limits.images, media.crop)
    yield ReadyFile(io.BytesIO(fitted.data), fitted.mime, fitted.width, fitted.height)


def _bad(rest: str) -> BadInput:
    return BadInput(f"The file {rest}.", field="media")


def _damaged(detail: str) -> BadInput:
    return BadInput("The image is damaged or cut off; choose another file.", detail=detail, field="media")


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
    """Turn whatever Pillow raises on a damaged file, or on one that is too large, into one sentence."""
    try:
        yield
    except _BOMBS:
        raise _too_many_pixels() from None
    except _PILLOW_ERRORS as error:
        raise _damaged(repr(error)[:200]) from None


_ACTIVE_HEADS = (b"%pdf-", b"<script", b"<html", b"<!doctype", b"<?php", b"<svg")


def _before_pixels(head: bytes) -> bytes:
    """`head` without the pixels of formats that have them plain: a colour may spell anything, such as `<svg`."""
    if head.startswith(b"BM"):
        return head[: int.from_bytes(head[10:14], "little")]
    return head[:8] if head[:4] in (b"II*\0", b"MM\0*") else head


def _refuse_polyglot(stream: BinaryIO, size: int, head: bytes) -> None:
    """Refuse a picture or video that is at the same time a document or an archive.

    Such a file is harmless as a picture, but somebody else may open it as the other thing after we served it.
    """
    low = _before_pixels(head).lower()
    if any(mark in low for mark in _ACTIVE_HEADS):
        raise _bad("holds a document or program inside; choose a plain image or video")
    _refuse_archive(stream, size)


def _refuse_archive(stream: BinaryIO, size: int) -> None:
    tail = min(
        size, 22 + 65535
    )  # a ZIP ends with a record of 22 bytes and a comment of at most 65,535 (APPNOTE 4.3.16)
    stream.seek(size - tail)
    end = stream.read(tail)
    at = end.rfind(b"PK\x05\x06")
    if at >= 0 and len(end) - at >= 22 and int.from_bytes(end[at + 20 : at + 22], "little") == len(end) - at - 22:
        raise _bad("holds an archive inside; choose a plain image or video")


def _inspect_image(stream: BinaryIO, size: int, *, load: bool = True) -> MediaFacts:
    """`load`: look at every pixel, so that a damaged picture is refused; without, who decodes it finds that."""
    if size > MAX_IMAGE_BYTES:
        raise _bad(f"is larger than {MAX_IMAGE_BYTES // 1024 // 1024} MB; choose a smaller image")
    _refuse_many_scans(stream)
    _refuse_many_profiles(stream)
    stream.seek(0)
    try:
        opened = Image.open(stream, formats=_FORMATS)
    except _BOMBS:
        raise _too_many_pixels() from None
    except _PILLOW_ERRORS:
        raise _bad(
            "is neither an image (JPEG, PNG, GIF, WebP, HEIC, AVIF, BMP, TIFF), a video (MP4, MOV, WebM) nor a document "
            "(PDF, DOC, DOCX, PPT, PPTX); choose another one"
        ) from None
    with opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise _too_many_pixels()
        with _decoding():
            frames = int(getattr(opened, "n_frames", 1)) if opened.format in _MOVING else 1
            if frames > MAX_FRAMES:
                raise _bad(f"has more than {MAX_FRAMES} frames; make the animation shorter")
            opened.seek(0)
            turned = _orientation(opened) in (5, 6, 7, 8)  # a quarter turn
            if load:
                opened.load()
        width, height = (opened.height, opened.width) if turned else opened.size
        kind = MediaKind.GIF if frames > 1 else MediaKind.IMAGE
        return MediaFacts(kind, MIMES[str(opened.format)], width, height, frames=frames)


_MARKER = re.compile(
    rb"\xff[^\0\xff\xd0-\xd7]"
)  # ITU-T T.81, B.1.1; not what may stand among pixels: stuffed bytes, restarts
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_PIECE = 65536


def _refuse_many_scans(stream: BinaryIO) -> None:
    """Refuse a JPEG that makes the decoder go over its pixels again and again: a small file would take it for hours."""
    stream.seek(0)
    if stream.read(3) != b"\xff\xd8\xff":
        return
    at = scans = segments = 0
    while True:
        stream.seek(at)
        piece = stream.read(_PIECE)
        found = _MARKER.search(piece)
        if found is None:
            if len(piece) < _PIECE:
                return
            at += _PIECE - 1  # its last byte may begin a marker
            continue
        kind, at, segments = piece[found.end() - 1], at + found.end(), segments + 1
        scans += kind == _SOS
        if scans > MAX_SCANS:
            raise _bad(f"has more than {MAX_SCANS} scans; save it as JPEG again")
        if segments > _MAX_SEGMENTS:
            raise _damaged(f"more than {_MAX_SEGMENTS} segments")
        if kind == _EOI:
            return
        if kind not in (_SOI, _TEM):
            stream.seek(at)
            at += max(2, int.from_bytes(stream.read(2), "big"))


_PNG = b"\x89PNG\r\n\x1a\n"


def _refuse_many_profiles(stream: BinaryIO) -> None:
    """Refuse a PNG that has the decoder unpack one colour profile after the other: a small file would take it minutes."""
    stream.seek(0)
    if stream.read(len(_PNG)) != _PNG:
        return
    at, profiles = len(_PNG), 0
    for _ in range(_MAX_CHUNKS):
        stream.seek(at)
        head = stream.read(8)  # W3C PNG, 5.3: the length, then the name; behind the data stand four bytes more
        if len(head) < 8 or head[4:] == b"IEND":
            return
        profiles += head[4:] == b"iCCP"
        if profiles > _MAX_PROFILES:
            raise _damaged(f"more than {_MAX_PROFILES} colour profiles")
        at += 12 + int.from_bytes(head[:4], "big")
    raise _damaged(f"more than {_MAX_CHUNKS} chunks")


def _animation_as_is(stream: BinaryIO, size: int, facts: MediaFacts, rule: ImageRule) -> FittedImage:
    if rule.max_bytes and size > rule.max_bytes:
        raise BadInput(
            f"The animated GIF has {size:,} bytes and {rule.max_bytes:,} are allowed; make it shorter or smaller.",
            field="media",
        )
    if _scale(facts.width, facts.height, rule, MAX_PIXELS) < 1:
        raise BadInput(
            f"The animated GIF is {facts.width} by {facts.height} pixels, which is too large; make it smaller.",
            field="media",
        )
    stream.seek(0)
    return FittedImage(stream.read(), facts.mime, facts.width, facts.height)


def _orientation(opened: Image.Image) -> int:
    """EXIF 2.3, tag Orientation; 1, upright, for whatever is none of its eight values. Of a PNG only from what stands before
    its pixels, as every camera and phone writes it: for what may stand behind them Pillow decodes the whole picture."""
    if opened.format == "TIFF":  # Pillow itself turns it
        return 1
    try:
        told = (_exif_of_png(opened) if opened.format == "PNG" else opened.getexif()).get(_ORIENTATION)
    except _PILLOW_ERRORS:  # what goes along with the picture is damaged, and not the picture
        return 1
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _exif_of_png(opened: Image.Image) -> Image.Exif:
    """Its EXIF, which programs also write as a text in hexadecimal digits (ImageMagick: "Raw profile type"), or what its XMP
    says of the orientation."""
    for name in _PROFILES:
        text = opened.info.get(name)
        if isinstance(text, str):
            data = bytes.fromhex("".join(text.split("\n")[3:]))  # a line without words, the kind, the length
            kind = "exif" if data.startswith(_EXIF) else "xmp"
            opened.info.setdefault(kind, data)
    return Image.Image.getexif(opened)  # a PNG's own would decode the picture


_PROFILES = ("Raw profile type exif", "Raw profile type APP1", "Raw profile type xmp")
_EXIF = (b"Exif\0\0", b"II*\0", b"MM\0*")  # how EXIF begins, with its name and without
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip  # table: EXIF 2.3, tag Orientation
_IN_STRIPS = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA", "LA": "RGBA", "PA": "RGBA", "CMYK": "CMYK"}


def _made_small(opened: Image.Image, scale: float) -> Image.Image:
    """`opened` in about the size that `scale` asks for, never smaller: a large picture is never converted as a whole."""
    width, height = opened.size
    opened.draft("RGB", (ceil(width * scale), ceil(height * scale)))  # a JPEG is decoded small at once
    scale = min(1.0, scale * width / opened.width)
    factor, (width, height) = int(1 / scale), opened.size
    mode = "RGBA" if "transparency" in opened.info else _IN_STRIPS.get(opened.mode, "")
    if not mode or width * height <= _STRIP:
        return opened
    if factor < 2 and mode == opened.mode:
        return (
            opened
            if scale == 1
            else opened.resize((ceil(width * scale), ceil(height * scale)), Image.Resampling.LANCZOS)
        )
    small = Image.new(mode, (ceil(width / factor), ceil(height / factor)))
    small.info = {name: value for name, value in opened.info.items() if name != "transparency"}
    rows = max(1, _STRIP // width // factor) * factor
    for top in range(0, height, rows):
        strip = opened.crop((0, top, width, min(height, top + rows))).convert(mode)
        small.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return small


def _upright_srgb(opened: Image.Image, scale: float) -> Image.Image:
    """The first frame, upright, as RGB or RGBA in sRGB, without any metadata, in at least the size of `scale`."""
    turn = _TURNS.get(_orientation(opened))
    picture = _made_small(opened, scale)
    if turn is not None:
        picture = picture.transpose(turn)
    profile = picture.info.get("icc_profile")
    alpha = "A" in picture.getbands() or "transparency" in picture.info
    if profile and picture.mode in ("RGB", "RGBA", "CMYK", "L"):
        picture = _to_srgb(picture, bytes(profile))
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _eight_bits(picture)
    mode = "RGBA" if alpha else "RGB"
    clean = picture if picture.mode == mode and picture is not opened else picture.convert(mode)
    clean.info.clear()
    return clean


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits as 8: the upper byte, where the numbers say how many there are; else from dark to light."""
    if picture.mode not in ("I", "F", "I;16"):
        picture = picture.convert("I")
    if picture.mode == "I;16":
        return picture.point(lambda value: value / 256).convert("L")
    low, high = picture.getextrema()
    low, high = float(low), float(high)  # type: ignore[arg-type]
    if picture.mode == "I" and low >= 0 and high < 65536:
        return picture.point(lambda value: value * (1 if high < 256 else 1 / 256)).convert("L")
    scale = 255 / (high - low) if high > low else 0.0
    return picture.point(lambda value: value * scale - low * scale).convert("L")


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Colours as they were meant: once the profile is stripped, everybody reads the numbers as sRGB."""
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # a broken profile: the numbers are the best we have
    return converted or picture


def _scale(width: int, height: int, rule: ImageRule, most: int = MOST_SENT) -> float:
    scale = 1.0
    if rule.max_width:
        scale = min(scale, rule.max_width / width)
    most = min(rule.max_pixels or most, most)
    return min(scale, float((most / (width * height)) ** 0.5))


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
