"""Which part of a picture goes out: an option of every platform that takes pictures. Pure.

A post says it by the place of the file among its own: `1: square`, `2: 4:5`, or `3: 0.1,0,0.9,1`, the left, top, right and bottom
edge as parts of the picture as people see it (turned as its EXIF says). The stored file stays whole. Subtitles have no place: they
go to some platforms and not to others, and the same wish means the same picture on each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from postprober.domain.post import MediaFile, MediaKind, Violation

Rect = tuple[float, float, float, float]  # left, top, right, bottom, from 0 to 1
OPTION = "crop"  # its name on every platform
# Ratios by name, as wide as high; the rectangle then is the largest one in the middle.
PRESETS: Mapping[str, float] = {
    "square": 1.0,
    "4:5": 4 / 5,
    "3:4": 3 / 4,
    "16:9": 16 / 9,
    "1.91:1": 1.91,
    "9:16": 9 / 16,
}
LEAST = 0.05  # of a side that somebody chose; less is no picture any more
_ROUNDING = 1e-9  # 0.15 - 0.1 is a little less than 0.05


class _OfAKind(Protocol):
    @property
    def kind(self) -> str: ...


HasKind = TypeVar("HasKind", bound=_OfAKind)
_ENTRY = re.compile(r"\s*([0-9]{1,3})\s*:\s*(.{1,60}?)\s*")
_NUMBER = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")
_HOW = f"1: {', 1: '.join(PRESETS)} or 1: left,top,right,bottom from 0 to 1"


def wish(entry: str) -> tuple[int, str | Rect] | None:
    """The place of the file, and a preset's name or the rectangle; None for what cannot be read."""
    found = _ENTRY.fullmatch(entry)
    if found is None:
        return None
    if found[2] in PRESETS:
        return int(found[1]), found[2]
    pieces = [piece.strip() for piece in found[2].split(",")]
    if len(pieces) != 4 or not all(_NUMBER.fullmatch(piece) for piece in pieces):
        return None
    left, top, right, bottom = map(float, pieces)
    return int(found[1]), (left, top, right, bottom)


def rectangle(wanted: str | Rect, width: int, height: int) -> Rect:
    """What of a picture of that size goes out."""
    if not isinstance(wanted, str):
        return wanted
    ratio, have = PRESETS[wanted], width / height if height else 1.0
    wide, high = min(1.0, ratio / have), min(1.0, have / ratio)
    return (1 - wide) / 2, (1 - high) / 2, (1 + wide) / 2, (1 + high) / 2


def told(value: Any) -> Rect | None:
    """A rectangle out of JSON; None for none."""
    if not value:
        return None
    left, top, right, bottom = map(float, value)
    return left, top, right, bottom


def box(rect: Rect, width: int, height: int) -> tuple[int, int, int, int]:
    """The rectangle in pixels of a picture of that size; at least one pixel each way."""
    left, top = min(round(rect[0] * width), width - 1), min(round(rect[1] * height), height - 1)
    return left, top, max(left + 1, round(rect[2] * width)), max(top + 1, round(rect[3] * height))


def applied(files: Sequence[MediaFile], stored: Mapping[str, Any]) -> tuple[MediaFile, ...]:
    """The files of a post as they go out: cropped pictures with the size that they then have. What cannot be read is left
    out; `problems` says it."""
    wishes = dict(one for entry in _entries(stored) if (one := wish(str(entry))) is not None)
    return tuple(_cropped(file, wishes.get(place)) for place, file in placed(files))


def placed(files: Iterable[HasKind]) -> Iterator[tuple[int, HasKind]]:
    """Each file with its place; that of subtitles is 0."""
    place = 0
    for file in files:
        beside = file.kind == MediaKind.SUBTITLES
        place += not beside
        yield 0 if beside else place, file


def _entries(stored: Mapping[str, Any]) -> Sequence[Any]:
    """The wishes; none of a row that something else wrote into."""
    found = stored.get(OPTION)
    return found if isinstance(found, list | tuple) else ()


def _cropped(file: MediaFile, wanted: str | Rect | None) -> MediaFile:
    if wanted is None or file.kind is not MediaKind.IMAGE or file.width < 1 or file.height < 1:
        return file
    rect = rectangle(wanted, file.width, file.height)
    if rect == (0, 0, 1, 1) or not (isinstance(wanted, str) or _possible(rect)):
        return file
    left, top, right, bottom = box(rect, file.width, file.height)
    return replace(file, crop=rect, width=right - left, height=bottom - top)


def _possible(rect: Rect) -> bool:
    left, top, right, bottom = rect
    least = LEAST - _ROUNDING
    return 0 <= left < right <= 1 and 0 <= top < bottom <= 1 and right - left >= least and bottom - top >= least


def problems(files: Sequence[MediaFile], stored: Mapping[str, Any]) -> Iterator[Violation]:
    """What of the wishes is none for these files, a sentence each."""
    seen: set[int] = set()
    pictures = {place for place, file in placed(files) if file.kind is MediaKind.IMAGE}
    for entry in _entries(stored):
        read = wish(str(entry))
        if read is None:
            yield Violation("crop_unreadable", f"Write the crop {str(entry)[:60]!r} as {_HOW}.")
            continue
        place, wanted = read
        if place not in pictures:
            yield Violation("crop_of_nothing", f"Remove the crop of file {place}: the post has no picture there.")
        elif place in seen:
            yield Violation("crop_twice", f"Remove one crop of file {place}: it has two.")
        elif not isinstance(wanted, str) and not _possible(wanted):
            yield Violation(
                "crop_impossible",
                f"Choose another crop of file {place}: left and top come before right and bottom, all from 0 to 1, and "
                f"at least {LEAST:g} lies between them.",
            )
        seen.add(place)


def without(entries: Iterable[str], place: int) -> list[str]:
    """The wishes once the file at `place` is gone: those of later files move up."""
    kept = []
    for entry in entries:
        read = wish(str(entry))
        if read is None or read[0] < place:
            kept.append(str(entry))
        elif read[0] > place:
            kept.append(f"{read[0] - 1}:{str(entry).partition(':')[2]}")
    return kept


def written(place: int, wanted: str | Rect) -> str:
    """A wish as it is stored."""
    told = wanted if isinstance(wanted, str) else ",".join(f"{edge:.4g}" for edge in wanted)
    return f"{place}: {told}"
