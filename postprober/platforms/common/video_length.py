"""The length of videos whose header does not state it, because it was written before the recording ended: fragmented MP4
(ISO 14496-12, 8.8) and WebM as browsers record it (RFC 9559). Only headers are read; frames are passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

MAX_FRAGMENTS = 200_000  # of an MP4: 55 hours in fragments of a second
MAX_MOOF = 4 * 1024 * 1024  # bytes; a fragment of a minute has some 50 kB
MAX_BLOCKS = 3_000_000  # of a WebM: ten hours of pictures and sound

_CLUSTER, _TIMESTAMP, _SIMPLE, _GROUP, _BLOCK = 0x1F43B675, 0xE7, 0xA3, 0xA0, 0xA1
_INSIDE = frozenset({0x18538067, _CLUSTER, _GROUP})  # the segment and what holds blocks: gone into, not over


def fragmented(
    stream: BinaryIO,
    size: int,
    track: int,
    default: int,
    heads: Callable[[BinaryIO, int], Iterator[tuple[bytes, int, int]]],
    boxes: Callable[[bytes], Iterator[tuple[bytes, bytes]]],
) -> int:
    """The end of `track` in units of its own time scale, 0 when no fragment has any of it. `default`: duration of a
    sample by the track's `trex` box; `heads`: kind, start and length of the payload of the boxes of the file."""
    end = 0
    for count, (kind, start, length) in enumerate(heads(stream, size)):
        if count > MAX_FRAGMENTS:
            return 0
        if kind != b"moof" or length > MAX_MOOF:
            continue
        stream.seek(start)
        for inner, traf in boxes(stream.read(length)):
            if inner == b"traf":
                end = max(end, _fragment_end(list(boxes(traf)), track, default, end))
    return end


def _fragment_end(traf: list[tuple[bytes, bytes]], track: int, default: int, before: int) -> int:
    first: Mapping[bytes, bytes] = dict(reversed(traf))
    head = first.get(b"tfhd", b"")
    if len(head) < 8 or int.from_bytes(head[4:8], "big") != track:
        return 0
    flags = int.from_bytes(head[1:4], "big")
    at = 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    if flags & 8:
        default = int.from_bytes(head[at : at + 4], "big")
    told = first.get(b"tfdt", b"")
    begin = int.from_bytes(told[4:12] if told[:1] == b"\1" else told[4:8], "big") if len(told) >= 8 else before
    return begin + sum(_run(body, default) for kind, body in traf if kind == b"trun")


def _run(trun: bytes, default: int) -> int:
    """How long the samples of a run take together."""
    flags, count = int.from_bytes(trun[1:4], "big"), int.from_bytes(trun[4:8], "big")
    if not flags & 0x100:
        return count * default
    at = 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    width = 4 * bin(flags & 0xF00).count("1")
    count = min(count, max(0, len(trun) - at) // width)
    return sum(int.from_bytes(trun[p : p + 4], "big") for p in range(at, at + count * width, width))


def webm_ticks(stream: BinaryIO, size: int, video: int) -> float:
    """The end of track `video` in ticks of the segment's time scale, 0.0 when there are no blocks of it."""
    cluster = last = gap = 0
    seen = False
    for ident, start, length in _elements(stream, size):
        if ident == _TIMESTAMP and length <= 8:
            stream.seek(start)
            cluster = int.from_bytes(stream.read(length), "big")
        elif ident in (_SIMPLE, _BLOCK) and length >= 4:
            stream.seek(start)
            head = stream.read(11)
            number, used = _number(head)
            if number != video:
                continue
            at = cluster + int.from_bytes(head[used : used + 2], "big", signed=True)
            gap = at - last if seen and at > last else gap
            last, seen = max(last, at), True
    return float(last + gap) if seen else 0.0


def _elements(stream: BinaryIO, size: int) -> Iterator[tuple[int, int, int]]:
    """Id, start and length of the payload of every element, going into what holds others."""
    at = 0
    for _ in range(MAX_BLOCKS):
        stream.seek(at)
        raw = stream.read(12)
        ident_length = 9 - raw[0].bit_length() if raw and raw[0] else 9
        if ident_length > 4 or len(raw) <= ident_length:
            return
        ident = int.from_bytes(raw[:ident_length], "big")
        length, used = _number(raw[ident_length:])
        if not used:
            return
        start = at + ident_length + used
        yield ident, start, min(length, size - start) if length >= 0 else size - start
        at = start if ident in _INSIDE else start + length
        if at >= size or (length < 0 and ident not in _INSIDE):
            return


def _number(raw: bytes) -> tuple[int, int]:
    """A number of variable length and its bytes; -1 for “unknown”, 0 bytes where there is none."""
    if not raw or not raw[0]:
        return 0, 0
    used = 9 - raw[0].bit_length()
    if len(raw) < used:
        return 0, 0
    mask = (1 << (7 * used)) - 1
    value = int.from_bytes(raw[:used], "big") & mask
    return (-1 if value == mask else value), used
