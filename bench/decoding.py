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
    print(time.perf_counter() - began, _peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def _peak() -> float:
    """Of this program alone: what `getrusage` says of it begins with what its parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
