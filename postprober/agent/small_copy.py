"""The copy of a picture that a model is shown: small, and without anything but pixels."""

from __future__ import annotations

from postprober.errors import BadInput, Unavailable
from postprober.platforms.common.media import thumbnail

SIDES = (512, 256)  # ours: pixels of the longer side; `detail: low` is a look at 512 (agent/facts.md, 1)
MOST_BYTES = 300_000  # ours; a photograph of 512 pixels has about 60,000


def small_copy(path: str) -> bytes | None:
    """The picture at `path` as a JPEG that is drawn anew, so that no EXIF with its place and time is left; None when it
    cannot be read or made small enough."""
    try:
        copies = (thumbnail(path, side) for side in SIDES)
        return next((jpeg for jpeg in copies if len(jpeg) <= MOST_BYTES), None)
    except (BadInput, Unavailable):
        return None
