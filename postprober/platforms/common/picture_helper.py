"""The picture helper, a process for one picture that is large or one document (`picture_process` starts it)."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

from postprober.domain import crops
from postprober.domain.limits import ImageRule
from postprober.errors import BadInput
from postprober.platforms.common import documents, media
from postprober.platforms.common.picture_process import BEGUN

# Bytes that the helper may reserve above what it has at its start; 64 megapixels twice, and spare.
MOST_MEMORY = 1 << 30


def main() -> None:
    """One order on stdin; on stdout BEGUN, a line of JSON, then the bytes that were made."""
    order = json.loads(sys.stdin.buffer.read())
    _bound(documents.SECONDS if order["task"] == "document" else None)
    sys.stdout.buffer.write(BEGUN)
    sys.stdout.buffer.flush()
    told: dict[str, Any] = {}
    data = b""
    try:
        if order["task"] == "check":
            media.check_here(order["path"])
        elif order["task"] == "document":
            found = documents.look(order["path"])
            told = {"mime": found.mime, "pages": found.pages}
        elif order["task"] == "gif":
            data = media.as_gif_here(order["path"])
        elif order["task"] == "thumbnail":
            data = media.thumbnail_here(order["path"], order["side"], crops.told(order.get("crop")))
        else:
            values: dict[str, Any] = order["rule"]
            rule = ImageRule(**{**values, "mimes": tuple(values["mimes"])})
            made = media.fit_here(order["path"], rule, crops.told(order.get("crop")))
            data, told = made.data, {"mime": made.mime, "width": made.width, "height": made.height}
    except BadInput as error:
        told = {"error": error.message, "detail": error.detail, "field": error.field}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + data)


def _bound(seconds: int | None = None) -> None:
    """Let a decoder that runs wild fail here, before the machine has no memory left. `seconds` of the processor, which a
    busy machine does not shorten; None: only the clock of who started it."""
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    reserved = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if sys.platform == "linux" else 0
    )
    if reserved:
        resource.setrlimit(resource.RLIMIT_AS, (reserved + MOST_MEMORY,) * 2)


if __name__ == "__main__":
    main()
