"""Small pictures of stored files, as data that a page can show without asking another server."""

from __future__ import annotations

import base64
import io

import streamlit as st
from PIL import Image, UnidentifiedImageError

from postprober.domain.post import MediaKind
from postprober.services import media
from postprober.services.core import Core
from postprober.ui.guard import Visit
from postprober.ui.text import safe

SIDE = 480  # pixels of the longer side; the widest preview is about as wide
KEPT = 200  # thumbnails in memory, about 30 kB each


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _data_url(sha256: str, _path: str) -> str:
    """JPEG as a data URL, "" when the file is no picture that can be read."""
    try:
        with Image.open(_path) as image:
            image.thumbnail((SIDE, SIDE))
            out = io.BytesIO()
            image.convert("RGB").save(out, "JPEG", quality=80)
    except (OSError, UnidentifiedImageError, ValueError):
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def html(core: Core, user_id: int, media_id: int) -> str:
    """An <img>, or a mark for a video. Raises NotFound."""
    record = media.get(core, user_id, media_id)
    if record.kind == MediaKind.VIDEO:
        return f'<span class="pp-video" role="img" aria-label="{safe(record.alt or "Video")}">▶</span>'
    url = _data_url(record.sha256, str(core.settings.data_dir / record.path))
    return f'<img src="{url}" alt="{safe(record.alt)}">' if url else '<span class="pp-video">?</span>'


def draw(visit: Visit, media_id: int) -> None:
    """A small square."""
    st.html(f'<div class="pp-thumb">{html(visit.core, visit.user.id, media_id)}</div>', width="content")
