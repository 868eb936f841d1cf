"""Small pictures of stored files, as data that a page can show without asking another server."""

from __future__ import annotations

import base64
from pathlib import Path

import streamlit as st

from postprober.domain.actor import Actor
from postprober.domain.crops import Rect
from postprober.domain.post import MediaKind
from postprober.domain.subtitles import language_in
from postprober.errors import BadInput, Unavailable
from postprober.services.core import Core
from postprober.services.media import media
from postprober.storage.records import MediaRecord
from postprober.ui.guard import Visit
from postprober.ui.words import safe

SIDE = 480  # pixels of the longer side; the widest preview is about as wide
KEPT = 200  # thumbnails in memory, about 30 kB each


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _data_url(sha256: str, crop: Rect | None, _core: Core, _record: MediaRecord) -> str:
    """JPEG as a data URL, "" when the file is no picture that can be read. Raises Unavailable, which is not kept."""
    try:
        content = media.thumbnail(_core, _record, SIDE, crop)
    except BadInput:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def html(core: Core, actor: Actor, media_id: int, crop: Rect | None = None) -> str:
    """An <img> of what `crop` leaves, a tile with the name of a document, or a mark for a video and for what cannot be shown now. Raises NotFound."""
    record = media.get(core, actor, media_id)
    if record.kind == MediaKind.VIDEO:
        return f'<span class="pp-video" role="img" aria-label="{safe(record.alt or "Video")}">▶</span>'
    if record.kind in (MediaKind.DOCUMENT, MediaKind.SUBTITLES):
        told = f"<b>{safe(record.name)}</b><span>{safe(pages_of(record))}</span>"
        label = safe(f"{record.kind.capitalize()} {record.name}")
        return f'<span class="pp-document" role="img" aria-label="{label}">{told}</span>'
    try:
        url = _data_url(record.sha256, crop, core, record)
    except Unavailable:
        url = ""
    return f'<img src="{url}" alt="{safe(record.alt)}">' if url else '<span class="pp-video">?</span>'


def pages_of(record: MediaRecord) -> str:
    """The language of subtitles, or the kind of a document and how many pages it has, as far as it says."""
    if record.kind == MediaKind.SUBTITLES:
        return f"Subtitles {language_in(record.name)}".strip()
    kind = Path(record.path).suffix.removeprefix(".").upper()
    if record.pages is None:
        return kind
    return f"{kind}, {record.pages} page{'' if record.pages == 1 else 's'}"


def draw(visit: Visit, media_id: int, crop: Rect | None = None) -> None:
    """A small square; of a picture with a crop, that part of it in its own shape."""
    shape = "pp-thumb" if crop is None else "pp-thumb pp-part"
    st.html(f'<div class="{shape}">{html(visit.core, visit.actor, media_id, crop)}</div>', width="content")
