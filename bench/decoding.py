"""A process that looks at one picture and makes a platform's of it: `python -m bench.decoding ours|plain PLATFORM FILE`. Prints
the seconds, its own peak of memory and that of its helpers in MB. `plain`: decoded whole in this process, the control."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from PIL import Image

from postprober.domain.platform import Platform
from postprober.platforms.common.media import fit_image, inspect
from postprober.platforms.registry import LIMITS


def main(way: str, platform: str, path: str) -> None:
    """Decode, and print what it took."""
    began, rule = time.perf_counter(), LIMITS[Platform(platform)].images
    if way == "ours":
        inspect(path)
        fit_image(path, rule)
    else:
        with Image.open(path) as opened:
            opened.load()
        with Image.open(path) as opened:
            small = opened.convert("RGB").resize((4096, 4096), Image.Resampling.LANCZOS)
        small.save(Path(path).with_suffix(".small"), "JPEG", quality=92)
    peaks = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(time.perf_counter() - began, *peaks)


if __name__ == "__main__":
    main(*sys.argv[1:])
