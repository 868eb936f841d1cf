"""What of each picture goes out on a platform."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import streamlit as st

from postprober.domain import crops
from postprober.domain.crops import PRESETS, Rect
from postprober.domain.post import MediaKind
from postprober.errors import NotFound
from postprober.services.media import media
from postprober.storage.records import MediaRecord
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.components.shared import thumbnails
from postprober.ui.guard import Visit
from postprober.ui.words import plain

_WHOLE, _OWN = "whole", "own"
_ALL: Rect = (0.0, 0.0, 1.0, 1.0)
_TITLES = {
    _WHOLE: "Whole picture",
    "square": "Square (1:1)",
    "4:5": "Portrait (4:5)",
    "3:4": "Portrait (3:4)",
    "9:16": "Portrait (9:16)",
    "16:9": "Landscape (16:9)",
    "1.91:1": "Landscape (1.91:1)",
    _OWN: "Choose a part …",
}


def pictures(visit: Visit, draft: ComposerDraft) -> list[tuple[int, MediaRecord]]:
    """The draft's pictures with their places among its files."""
    there = []
    for media_id in draft.kept:
        with suppress(NotFound):
            there.append(media.get(visit.core, visit.actor, media_id))
    return [(place, record) for place, record in crops.placed(there) if record.kind == MediaKind.IMAGE]


def draw(visit: Visit, there: list[tuple[int, MediaRecord]], value: list[str], key: str) -> list[str]:
    """A choice for each picture, with the part that it leaves. Returns the option's value."""
    wishes: dict[int, str | Rect] = {}
    kept = []
    for entry in value:
        read = crops.wish(entry)
        if read is None or read[0] not in {place for place, _ in there}:
            kept.append(entry)  # written by another way, or of a file that is gone; the checks say so
        else:
            wishes[read[0]] = read[1]
    for entry in dict.fromkeys(kept):
        if st.button(f"Remove the crop {plain(entry)}", key=f"{key}-off-{entry}", type="tertiary"):
            kept, value = ([one for one in some if one != entry] for some in (kept, value))
    chosen = {place: _one(visit, place, record, wishes.get(place), key) for place, record in there}
    if chosen == {place: wishes.get(place) for place, _ in there}:
        return value  # as it was written
    return [*(crops.written(place, told) for place, told in chosen.items() if told is not None), *kept]


def _one(visit: Visit, place: int, record: MediaRecord, wanted: str | Rect | None, key: str) -> str | Rect | None:
    """What goes out of one picture, None for the whole of it. The key names the file: its place changes."""
    key = f"{key}-{record.id}"
    now = _WHOLE if wanted is None else wanted if isinstance(wanted, str) else _OWN
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen: Any = st.selectbox(
            f"Crop picture {place}",
            list(_TITLES),
            index=list(_TITLES).index(now),
            format_func=_TITLES.__getitem__,
            key=key,
            width=220,
        )
        told: str | Rect | None = chosen if chosen in PRESETS else None
        if chosen == _OWN:
            told = _edges(wanted if isinstance(wanted, tuple) else _ALL, key)
        rect = crops.rectangle(told, record.width, record.height) if told is not None else _ALL
        thumbnails.draw(visit, record.id, rect)
    return told


def _edges(rect: Rect, key: str) -> Rect:
    left, right = _range("From left to right (%)", rect[0], rect[2], f"{key}-x")
    top, bottom = _range("From top to bottom (%)", rect[1], rect[3], f"{key}-y")
    return left, top, right, bottom


def _range(label: str, low: float, high: float, key: str) -> tuple[float, float]:
    """A program may have written parts of a percent, or what no slider shows; either stays until a person moves that end."""
    shown = [min(max(round(edge * 100), 0), 100) for edge in sorted((low, high))]
    chosen = st.slider(label, 0, 100, (shown[0], shown[1]), key=key, width=220)
    if list(chosen) == shown:
        return low, high
    if low > high:
        return chosen[0] / 100, chosen[1] / 100
    ends = [edge if at == was else at / 100 for edge, at, was in zip((low, high), chosen, shown, strict=True)]
    return ends[0], ends[1]
