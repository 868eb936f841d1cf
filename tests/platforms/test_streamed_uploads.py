"""A file goes from the disk to the platform block by block: its size does not show in the memory of the process."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import PartJob
from postprober.errors import OutcomeUnknown, Unavailable
from postprober.http import HttpClient, Pools
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.registry import SPECS

SIZE = 96_000_000  # bytes; far more than a process may hold for one of many uploads
ROOM = 8_000_000  # bytes that may be in use beside the file
JOB = PartJob(
    "00000000-0000-4000-8000-000000000001", 0, "A long film", datetime(2026, 3, 2, tzinfo=UTC), handle="3l6oveex3ii2l"
)
REPLIES: dict[str, Any] = {
    "bluesky": {"blob": {"$type": "blob", "ref": {"$link": "bafk"}, "mimeType": "video/mp4", "size": SIZE}},
    "mastodon": {"id": "1"},
    "telegram": {"ok": True, "result": {"message_id": 7, "chat": {"id": -1001, "type": "channel"}}},
    # The server confirms the file by its hash: that of so many zeros.
    "nostr": {
        "sha256": "0037aa866f12a55584ed5e8119192e8bc2024a2d59ab1db027bd36b2590b7501",
        "url": "https://media.example/a.mp4",
    },
    "x": {"data": {"id": "12"}},
}


class Reader(httpx2.BaseTransport):
    """Reads every request to its end and keeps nothing of it but its length."""

    def __init__(self, reply: Any) -> None:
        self.reply, self.read, self.largest = reply, 0, 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        for block in request.stream:
            self.read += len(block)
            self.largest = max(self.largest, len(block))
        return httpx2.Response(200, json=self.reply)


@pytest.fixture
def film(tmp_path: Path) -> MediaFile:
    path = tmp_path / "film.mp4"
    with path.open("wb") as stream:
        stream.truncate(SIZE)  # sparse: it takes no room on the disk either
    return MediaFile(1, MediaKind.VIDEO, "video/mp4", SIZE, 640, 360, "1" * 64, str(path), "A film", 60.0)


@pytest.fixture
def opened() -> Iterator[list[Pools]]:
    pools: list[Pools] = []
    yield pools
    for one in pools:
        one.close()


def adapter_of(platform: str, transport: httpx2.BaseTransport, opened: list[Pools]) -> Adapter:
    opened.append(Pools(allow_private=True, transport=transport))
    base = f"https://{platform}.example"
    config = PlatformConfig(Platform(platform), base, base, "client", "secret")
    return SPECS[Platform(platform)].adapter(HttpClient(opened[-1]), config, ManualClock())


def send(platform: str, transport: httpx2.BaseTransport, film: MediaFile, opened: list[Pools]) -> None:
    adapter = adapter_of(platform, transport, opened)
    token = "22" * 32 if platform == "nostr" else "1:token"
    cred = Credentials(token, remote_id="did:plc:a" if platform == "bluesky" else "-1001", name="me")
    job = replace(JOB, media=(film,))
    staged = adapter.submit(cred, job)
    if platform == "telegram":  # it has one request only, which takes the file along
        adapter.finalize(cred, job, staged)


@pytest.mark.parametrize("platform", REPLIES)
def test_a_large_file_is_never_whole_in_memory(platform: str, film: MediaFile, opened: list[Pools]) -> None:
    reader = Reader(REPLIES[platform])
    tracemalloc.start()
    try:
        send(platform, reader, film, opened)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.read >= SIZE, "all of it was sent"
    assert peak < ROOM + (5_000_000 if platform == "x" else 0), f"{peak:,} bytes at once"


def test_a_file_that_cannot_be_read_to_its_end_is_an_unknown_outcome_of_the_visible_request(
    film: MediaFile, opened: list[Pools], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Reader):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            raise OSError(5, "Input/output error")

    with pytest.raises(OutcomeUnknown):
        send("telegram", Failing({}), film, opened)
    with pytest.raises(Unavailable):
        send("bluesky", Failing({}), film, opened)
