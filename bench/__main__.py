"""`python -m bench [name …]`: throughput, lateness, recovery, memory, live events, live pages, analytics, memory under attack, what
following posts costs, large files, the database's growth, and (when it is named) whether anything grows in hours."""

from __future__ import annotations

import os
import platform
import sys

from bench import pipeline
from bench.abuse import abuse
from bench.analytics import analytics
from bench.following import following
from bench.growth import growth
from bench.media import media
from bench.sessions import sessions
from bench.soak import soak
from bench.websocket import websocket

BENCHES = {
    "throughput": pipeline.throughput,
    "lateness": pipeline.lateness,
    "recovery": pipeline.recovery,
    "memory": pipeline.memory,
    "websocket": websocket,
    "sessions": sessions,
    "analytics": analytics,
    "abuse": abuse,
    "following": following,
    "media": media,
    "growth": growth,
}
LONG = {"soak": soak}  # hours: only when it is named


def main(names: list[str]) -> int:
    """Run the named benchmarks, all when none is named."""
    unknown = [name for name in names if name not in BENCHES | LONG]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHES | LONG)}")
        return 2
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name in names or BENCHES:
        (BENCHES | LONG)[name]()
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
