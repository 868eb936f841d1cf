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
            kept.append(entry)  # written by another way; the checks say what is wrong with it
        else:
            wishes[read[0]] = read[1]
    made = [entry for place, record in there if (entry := _one(visit, place, record, wishes.get(place), key))]
    return [*made, *kept]


def _one(visit: Visit, place: int, record: MediaRecord, wanted: str | Rect | None, key: str) -> str:
    """The entry of one picture, "" for the whole of it. The key names the file: its place changes."""
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
    return crops.written(place, told) if told is not None else ""


def _edges(rect: Rect, key: str) -> Rect:
    left, right = st.slider(
        "From left to right (%)", 0, 100, (round(rect[0] * 100), round(rect[2] * 100)), key=f"{key}-x", width=220
    )
    top, bottom = st.slider(
        "From top to bottom (%)", 0, 100, (round(rect[1] * 100), round(rect[3] * 100)), key=f"{key}-y", width=220
    )
    return left / 100, top / 100, right / 100, bottom / 100
