"""Where a person chooses pictures and videos: their browser sends them to the sidecar, and the draft gets them from there.

The script beside this file does the sending. It is handed a grant for this draft and no more (`sessions.grant_uploads`);
what has arrived is read from the database, so nothing that a browser says puts a file into a draft.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from postprober.domain.subtitles import SUFFIXES
from postprober.services.media import media
from postprober.services.media.media import DOCUMENTS
from postprober.services.people import sessions
from postprober.ui import state
from postprober.ui.components.compose.draft import MAX_FILES, ComposerDraft
from postprober.ui.guard import Visit

TYPES = ",".join(
    [
        ".jpg,.jpeg,.png,.webp,.gif,.heic,.heif,.avif,.bmp,.tif,.tiff,.mp4,.mov,.webm,.mkv",
        *(f".{suffix}" for suffix in (*DOCUMENTS, *SUFFIXES)),
    ]
)
_HTML = f"""<div class="uploader" role="group" aria-label="Pictures, videos with subtitles, or a document">
  <span class="label">Pictures, videos with subtitles, or a document (up to {MAX_FILES})</span>
  <div class="zone">
    <button type="button" class="choose">Choose files</button><span class="hint"></span>
    <input type="file" multiple tabindex="-1" aria-label="Pictures, videos with subtitles, or a document">
  </div>
  <ul aria-label="Uploads"></ul>
  <div class="status" role="status"></div>
</div>"""


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


_component: Callable[..., Any] = st.components.v2.component(
    "postprober.uploader", html=_HTML, css=_read("uploader.css"), js=_read("uploader.js")
)


def draw(visit: Visit, draft: ComposerDraft) -> None:
    """The field; a run of the page begins when a file has arrived, and when the grant has to be made anew."""
    may = visit.may("media:write")
    _component(
        key=key_of(draft),
        data={
            "address": visit.core.settings.browser_base,
            "grant": sessions.grant_uploads(visit.core, state.session_token(), draft.key) if may else "",
            "draft": draft.key,
            "most": media.largest(visit.core, visit.actor.space),
            "most_files": MAX_FILES,
            "room": MAX_FILES - len(draft.kept),
            "types": TYPES,
            "may": may,
            "why": visit.why_not("media:write") or "",
        },
        on_arrived_change=_noted,
        on_renew_change=_noted,
    )


def key_of(draft: ComposerDraft) -> str:
    """Streamlit takes no key of a component with two `_` side by side, and the key of a draft may have them."""
    return f"uploader-{hashlib.sha256(draft.name('uploader').encode()).hexdigest()[:24]}"


def _noted() -> None:
    """That it was called begins a run; what is new is read there."""
