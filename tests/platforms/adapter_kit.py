"""Adapters on the sandbox: one server for all tests here, a fresh account for each."""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from postprober.clock import ManualClock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import Counts, PartJob, ProgressState, Receipt, Ref, Search, Staged
from postprober.http import HttpClient, Pools
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.registry import SPECS
from postprober.sandbox.control.client import Control
from postprober.sandbox.serve import SandboxServer

_numbers = itertools.count(1)


def counts_of(adapter: Adapter, cred: Credentials, remote_id: str) -> Counts:
    """The counts of one post."""
    return adapter.read_many(cred, [remote_id])[remote_id].counts


@pytest.fixture(scope="session")
def emulator() -> Iterator[SandboxServer]:
    """One sandbox for the session, with media processing that takes no time."""
    with SandboxServer() as server:
        server.control.settings(container_seconds=0, video_container_seconds=0, media_seconds=0)
        yield server


@pytest.fixture(scope="session")
def pools() -> Iterator[Pools]:
    shared = Pools(allow_private=True, timeout=5.0)
    yield shared
    shared.close()


def wait_until(holds: Callable[[], bool], limit: float = 30.0) -> None:
    """Ask again and again, `limit` seconds long. Raises AssertionError when it never holds."""
    end, pause = time.monotonic() + limit, threading.Event()
    while not holds():
        assert time.monotonic() < end, f"it did not come about within {limit:.0f} s"
        pause.wait(0.02)


@dataclass
class Linked:
    """One sandbox account, linked."""

    platform: Platform
    control: Control
    config: PlatformConfig
    cred: Credentials
    pools: Pools
    visible: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.cred.name

    @property
    def adapter(self) -> Adapter:
        http = HttpClient(self.pools).bound(gate=lambda: self.visible.append("sent"))
        return SPECS[self.platform].adapter(http, self.config, SystemClock())

    def with_settings(self, **settings: str) -> Linked:
        return replace(self, config=replace(self.config, settings=settings), visible=[])

    def job(self, text: str, *media: MediaFile, parent: Ref | None = None) -> PartJob:
        number = next(_numbers)
        now = datetime.now(UTC)
        return PartJob(f"00000000-0000-4000-8000-{number:012d}", 0, text, now, media, parent=parent, root=parent)

    def stage(self, job: PartJob) -> Staged:
        staged = self.adapter.submit(self.cred, job)
        assert self.adapter.check(self.cred, staged).state is ProgressState.READY
        return staged

    def publish(self, job: PartJob) -> Receipt:
        return self.adapter.finalize(self.cred, job, self.stage(job))

    def search(self, job: PartJob, staged: Staged | None = None, newest_known_post: str | None = None) -> Search:
        return Search(job, job.composed_at, staged, newest_known_post)

    def truth(self) -> list[dict[str, Any]]:
        return self.control.posts(self.platform.value, self.name)

    def fault(self, kind: str, **options: Any) -> None:
        self.control.fault(self.platform.value, kind, account=self.name, **options)


Link = Callable[..., Linked]


@pytest.fixture
def link(emulator: SandboxServer, pools: Pools) -> Link:
    """`link(platform, **account options)`: a fresh account with credentials and configuration."""

    def make(platform: Platform, **options: Any) -> Linked:
        name = f"{platform.value}{next(_numbers)}"
        account = emulator.control.account(platform.value, name, **options)
        base = f"{emulator.url}/{platform.value}"
        config = PlatformConfig(platform, base, base, "sandbox-client", "sandbox-secret")
        cred = Credentials(
            access_token=account["access_token"],
            refresh_token=account["refresh_token"] or "",
            expires_at=datetime.now(UTC) + timedelta(hours=2),
            remote_id=account["id"],
            name=account["name"],
            scopes=tuple(options.get("scopes", ())),
        )
        return Linked(platform, emulator.control, config, cred, pools)

    return make


@dataclass
class Answer:
    """What the scripted platform answers to everything, and what it was asked."""

    status: int = 200
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    script: Callable[[httpx2.Request], httpx2.Response] | None = None
    requests: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        if self.script is not None:
            return self.script(request)
        if isinstance(self.body, bytes | str):
            return httpx2.Response(self.status, headers=self.headers, content=self.body)
        return httpx2.Response(self.status, headers=self.headers, json=self.body)


Scripted = Callable[..., tuple[Adapter, Answer]]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """`scripted(platform, answer)`: an adapter whose platform answers as told; its clock stands still."""
    opened: list[Pools] = []

    def make(platform: Platform, answer: Answer | None = None, **settings: str) -> tuple[Adapter, Answer]:
        answer = answer or Answer()
        opened.append(Pools(allow_private=True, transport=httpx2.MockTransport(answer)))
        base = f"https://{platform.value}.example"
        config = PlatformConfig(platform, base, base, "client", "secret", settings)
        return SPECS[platform].adapter(HttpClient(opened[-1]), config, ManualClock()), answer

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., MediaFile]:
    """`photo(alt=…, size=…)`: a real JPEG on disk, its public address unset."""

    def make(alt: str = "", size: tuple[int, int] = (640, 480), shade: int = 90) -> MediaFile:
        path = tmp_path / f"photo{next(_numbers)}.jpg"
        buffer = io.BytesIO()
        Image.new("RGB", size, (shade, 120, 60)).save(buffer, "JPEG")
        path.write_bytes(buffer.getvalue())
        return MediaFile(1, MediaKind.IMAGE, "image/jpeg", path.stat().st_size, *size, "0" * 64, str(path), alt)

    return make


@pytest.fixture
def video(tmp_path: Path) -> MediaFile:
    """The smallest file that is recognised as MP4; no decoder will play it."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00" * 100_000)
    size = path.stat().st_size
    return MediaFile(2, MediaKind.VIDEO, "video/mp4", size, 640, 480, "1" * 64, str(path), "", 4.0)


class _Files(BaseHTTPRequestHandler):
    served: dict[str, bytes] = {}

    def do_GET(self) -> None:
        data = self.served.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Type", "image/jpeg" if not self.path.endswith(".mp4") else "video/mp4")
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="session")
def file_server() -> Iterator[str]:
    for port in range(21_500, 21_600):
        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), _Files)
            break
        except OSError:
            continue
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def public(file_server: str) -> Callable[[MediaFile], MediaFile]:
    """`public(file)`: the same file with an address under which a platform can fetch it."""

    def make(file: MediaFile) -> MediaFile:
        path = f"/{next(_numbers)}{Path(file.path).suffix}"
        _Files.served[path] = Path(file.path).read_bytes()
        return replace(file, public_url=file_server + path)

    return make
