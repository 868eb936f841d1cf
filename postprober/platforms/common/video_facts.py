"""Size and length of a video, read from its container: MP4 and MOV (ISO 14496-12 boxes) and WebM (EBML, RFC 8794).

Only headers are read, never frames, so that a file of 500 MB costs a few small reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from postprober.platforms.common import video_length
from postprober.platforms.common.video_codec import codec_of, webm_codec

MAX_MOOV = 64 * 1024 * 1024  # bytes; an hour of video has an index of about 10 MB
MAX_BOXES = 4096  # per level; a file with more is not a video that any platform takes
_EBML_ID = 0x1A45DFA3
_WEBM_SEGMENT = 0x18538067
_WEBM_INFO, _WEBM_TRACKS, _WEBM_CLUSTER = 0x1549A966, 0x1654AE6B, 0x1F43B675


@dataclass(frozen=True)
class VideoFacts:
    """`width`, `height` in pixels as shown (rotation applied), `duration` in seconds; `codec` as in `video_codec`, ""
    when the file does not say."""

    mime: str
    width: int
    height: int
    duration: float
    codec: str = ""


class NotAVideo(ValueError):
    """The bytes are no readable video; the message is a plain half sentence that says why."""


def read_video(stream: BinaryIO, size: int) -> VideoFacts | None:
    """Facts of the video in `stream` of `size` bytes, None when it is no MP4, MOV or WebM. Raises NotAVideo."""
    stream.seek(0)
    head = stream.read(12)
    if len(head) == 12 and head[4:8] == b"ftyp":
        if head[8:12] in STILL_BRANDS:
            return None
        return _read_iso(stream, size, head[8:12])
    if int.from_bytes(head[:4], "big") == _EBML_ID:
        return _read_webm(stream, size)
    return None


# ISO base media: boxes of 32-bit size, 4 letters, payload (ISO 14496-12, section 4.2).

STILL_BRANDS = frozenset({b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"hevc", b"heim"})  # pictures
_AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P "})


def _read_iso(stream: BinaryIO, size: int, brand: bytes) -> VideoFacts:
    if brand in _AUDIO_BRANDS:
        raise NotAVideo("it holds sound only")
    moov = _find_moov(stream, size)
    boxes = dict_of(moov)
    if b"mvhd" not in boxes:
        raise NotAVideo("its header is missing")
    for kind, trak in _boxes(moov):
        if kind == b"trak":
            shown = _video_size(trak)
            if shown is not None:
                mime = "video/quicktime" if brand == b"qt  " else "video/mp4"
                seconds = _movie_seconds(boxes) or _fragments_seconds(stream, size, boxes, trak)
                if seconds <= 0:
                    raise NotAVideo("its length cannot be read")
                return VideoFacts(mime, shown[0], shown[1], seconds, _codec(trak))
    raise NotAVideo("it has no picture track")


def _fragments_seconds(stream: BinaryIO, size: int, moov: dict[bytes, bytes], trak: bytes) -> float:
    """Of a file whose index was written before its end: as long as its fragments."""
    tkhd, mdia = dict_of(trak).get(b"tkhd", b""), dict_of(dict_of(trak).get(b"mdia", b""))
    track = int.from_bytes(tkhd[20:24] if tkhd[:1] == b"\1" else tkhd[12:16], "big")
    timescale, _ = _scale_and_duration(mdia.get(b"mdhd", b""))
    trex = (body for kind, body in _boxes(moov.get(b"mvex", b"")) if kind == b"trex" and len(body) >= 20)
    default = next((int.from_bytes(b[12:16], "big") for b in trex if int.from_bytes(b[4:8], "big") == track), 0)
    return video_length.fragmented(stream, size, track, default, _heads, _boxes) / (timescale or 1)


def _codec(trak: bytes) -> str:
    stbl = dict_of(dict_of(dict_of(dict_of(trak).get(b"mdia", b"")).get(b"minf", b"")).get(b"stbl", b""))
    for kind, entry in _boxes(stbl.get(b"stsd", b"")[8:]):
        return codec_of(kind, entry, dict_of)
    return ""


def _heads(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of the payload of each box of the file."""
    at = 0
    while at + 8 <= size:
        stream.seek(at)
        length, kind, header = _box_head(stream.read(16), size - at)
        if length < header or at + length > size:
            return
        yield kind, at + header, length - header
        at += length


def _find_moov(stream: BinaryIO, size: int) -> bytes:
    for count, (kind, start, length) in enumerate(_heads(stream, size)):
        if kind == b"moov":
            if length > MAX_MOOV:
                raise NotAVideo("its index is too large")
            stream.seek(start)
            return stream.read(length)
        if count >= MAX_BOXES:
            break
    raise NotAVideo("it is damaged or cut off")


def _box_head(raw: bytes, rest: int) -> tuple[int, bytes, int]:
    """Length of the whole box, its kind, and the length of its header."""
    length, kind = struct.unpack(">I4s", raw[:8])
    if length == 1 and len(raw) >= 16:
        return struct.unpack(">Q", raw[8:16])[0], kind, 16
    return (rest if length == 0 else length), kind, 8


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(data):
            return
        length, kind, header = _box_head(data[at : at + 16], len(data) - at)
        if length < header or at + length > len(data):
            return
        yield kind, data[at + header : at + length]
        at += length


def dict_of(data: bytes) -> dict[bytes, bytes]:
    """The child boxes of `data` by kind; the first of each kind wins."""
    found: dict[bytes, bytes] = {}
    for kind, body in _boxes(data):
        found.setdefault(kind, body)
    return found


def _movie_seconds(moov: dict[bytes, bytes]) -> float:
    """As the header states it, 0.0 when it does not."""
    timescale, duration = _scale_and_duration(moov[b"mvhd"])
    if duration == 0 and b"mvex" in moov:  # a fragmented file states its length in mehd
        mehd = dict_of(moov[b"mvex"]).get(b"mehd", b"")
        if len(mehd) >= 8:
            duration = int.from_bytes(mehd[4:12] if mehd[0] == 1 else mehd[4:8], "big")
    unknown = (0, 2**32 - 1, 2**64 - 1)  # all ones: not known (ISO 14496-12, 8.2.2.3)
    return 0.0 if timescale == 0 or duration in unknown else duration / timescale


def _scale_and_duration(mvhd: bytes) -> tuple[int, int]:
    try:
        if mvhd[0] == 1:
            return struct.unpack(">IQ", mvhd[20:32])
        return struct.unpack(">II", mvhd[12:20])
    except (struct.error, IndexError):
        raise NotAVideo("its header is damaged") from None


def _video_size(trak: bytes) -> tuple[int, int] | None:
    boxes = dict_of(trak)
    handler = dict_of(boxes.get(b"mdia", b"")).get(b"hdlr", b"")
    tkhd = boxes.get(b"tkhd", b"")
    if handler[8:12] != b"vide" or len(tkhd) < 84:
        return None
    at = 96 if tkhd[0] == 1 else 84  # version 1 has 64-bit times: 12 bytes more
    matrix = struct.unpack(">9i", tkhd[at - 44 : at - 8])
    width, height = (value >> 16 for value in struct.unpack(">II", tkhd[at - 8 : at]))
    if not width or not height:
        return None
    turned = matrix[0] == 0 and matrix[4] == 0  # 90 or 270 degrees, as phones record
    return (height, width) if turned else (width, height)


# WebM: elements of variable-length id, variable-length size, payload (RFC 8794; ids from RFC 9559).


def _read_webm(stream: BinaryIO, size: int) -> VideoFacts:
    stream.seek(0)
    data = stream.read(min(size, 4 * 1024 * 1024))  # Info and Tracks come before the first cluster
    info: dict[int, bytes] = {}
    shown: tuple[int, int, int, str] | None = None
    webm = False
    for ident, body in _elements(data):
        if ident == _EBML_ID:
            webm = dict(_elements(body)).get(0x4282, b"").rstrip(b"\0") == b"webm"
        elif ident == _WEBM_SEGMENT:
            for inner, content in _elements(body):
                if inner == _WEBM_INFO:
                    info = dict(_elements(content))
                elif inner == _WEBM_TRACKS:
                    shown = shown or _webm_size(content)
    if not webm:
        raise NotAVideo("it is a Matroska file; save it as MP4")
    scale = int.from_bytes(info.get(0x2AD7B1, b"\x0f\x42\x40"), "big")  # nanoseconds, default 1 ms
    raw = info.get(0x4489, b"")
    ticks = struct.unpack(">d" if len(raw) == 8 else ">f", raw)[0] if len(raw) in (4, 8) else 0.0
    if shown is None:
        raise NotAVideo("it has no picture track")
    width, height, track, codec = shown
    if not ticks > 0:  # a browser wrote it while it recorded
        ticks = video_length.webm_ticks(stream, size, track)
    if not 0 < ticks < float("inf"):
        raise NotAVideo("its length cannot be read")
    return VideoFacts("video/webm", width, height, ticks * scale / 1e9, codec)


def _webm_size(tracks: bytes) -> tuple[int, int, int, str] | None:
    """Width, height, number and codec of the first picture track."""
    for ident, entry in _elements(tracks):
        told = dict(_elements(entry)) if ident == 0xAE else {}
        if 0xE0 in told:
            sizes = dict(_elements(told[0xE0]))
            width, height = (int.from_bytes(sizes.get(key, b""), "big") for key in (0xB0, 0xBA))
            if width and height:
                number = int.from_bytes(told.get(0xD7, b"\1"), "big")
                return width, height, number, webm_codec(told.get(0x86, b""))
    return None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of `data`; one that is cut off or of unknown size runs to the end."""
    at = 0
    for _ in range(MAX_BOXES):
        ident, at = _vint(data, at, keep_marker=True)
        length, at = _vint(data, at, keep_marker=False)
        if ident < 0 or length < 0 or ident == _WEBM_CLUSTER:
            return
        yield ident, data[at : at + length]
        at += length


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """A variable-length number at `at` and the place after it; -1 at the end of the data."""
    if at >= len(data) or data[at] == 0:
        return -1, at
    length = 9 - data[at].bit_length()
    raw = int.from_bytes(data[at : at + length], "big")
    if keep_marker:
        return raw, at + length
    mask = (1 << (7 * length)) - 1
    value = raw & mask
    return (len(data) if value == mask else value), at + length
