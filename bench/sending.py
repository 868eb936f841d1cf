"""A process that sends files to a platform, all at once and on a thread each, as the scheduler does: `python -m bench.sending
blocks|whole RUNNING PLATFORM ADDRESS FILE …`. It begins again for as long as the file RUNNING is there, and prints how many
rounds it took. `whole`: each file out of memory, as it was before."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import PartJob
from postprober.http import HttpClient, Pools
from postprober.platforms.registry import SPECS


def main(way: str, running: str, platform: str, address: str, *films: str) -> None:
    """Send, and print rounds and seconds."""
    pools, config = Pools(allow_private=True), PlatformConfig(Platform(platform), address, address, "client", "secret")

    def one(path: str) -> None:
        http = HttpClient(pools)
        if way == "whole":
            http.send("POST", address, content=Path(path).read_bytes(), timeout=600)
            return
        size = Path(path).stat().st_size
        film = MediaFile(1, MediaKind.VIDEO, "video/mp4", size, 640, 360, "1" * 64, path, "A film", 60.0)
        job = PartJob("00000000-0000-4000-8000-000000000001", 0, "A film", datetime.now(UTC), handle="h", media=(film,))
        adapter = SPECS[Platform(platform)].adapter(http, config, SystemClock())
        adapter.submit(Credentials("1:token", name="me"), job)

    began, rounds = time.perf_counter(), 0
    with ThreadPoolExecutor(len(films)) as many:
        while not rounds or Path(running).exists():
            list(many.map(one, films))
            rounds += 1
    pools.close()
    print(f"{rounds * len(films)} files in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
