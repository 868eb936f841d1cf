"""Large files: how much memory they take on their way in and out, what a picture of 64 megapixels costs, and whether a file that
was cut on its way is the same in the end.

Each process is read from /proc ten times a second. `bench.sending` and `bench.decoding` are processes that are measured beside
the sidecar; what is sent goes to a receiver that keeps nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import numpy
from PIL import Image
from sqlalchemy import select

from bench.abuse import SIDE, Meter
from bench.stage import ROOT, Stage, stage
from postprober.client import RestClient
from postprober.domain.access import GRANTABLE
from postprober.domain.platform import Platform
from postprober.services.people import api_tokens, sessions
from postprober.storage import users
from postprober.storage.tables import media as media_rows
from tests.platforms.test_media import box, mp4

AIM_MB = 300
AT_ONCE = 12
SIZE = 500_000_000  # bytes
CONTROL = 2  # files that the old way takes at once: each is whole in memory
CUT_SIZE = 100_000_000
CUTS = 10
PLATFORM = Platform("x")  # the one that takes files of this size


def media() -> None:
    """Print the table."""
    free = shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free
    if free < 2 * AT_ONCE * SIZE:
        print(f"media: needs {2 * AT_ONCE * SIZE // 10**9} GB of disk (TMPDIR); {free // 10**9} GB are free")
        return
    print(
        f"media: {AT_ONCE} files of {SIZE // 10**6} MB in and {AT_ONCE} out at once (aim: under {AIM_MB} MB a process)"
    )
    with stage(1, POSTPROBER_UPLOADS=str(2 * AT_ONCE)) as made, _receiver() as receiver:
        api = f"http://127.0.0.1:{made.env['POSTPROBER_API_PORT']}"
        sidecar = made.start("sidecar", "-m", "postprober.api", ready=f"{api}/healthz").pid
        films = [_film(made.folder / f"film-{number}.mp4", number) for number in range(AT_ONCE)]
        _in_and_out(made, api, sidecar, receiver, films)
        for film in films:
            film.unlink()
        _cut(made, api)
        _picture(made.folder)


def _film(path: Path, number: int) -> Path:
    """A video with a hole of `SIZE` bytes behind it, which takes no disk here; each is another one."""
    head = mp4()
    with path.open("wb") as file:
        file.write(head + (SIZE - len(head)).to_bytes(4, "big") + b"free")
        file.seek(SIZE // 2)
        file.write(f"film {number}".encode())
        file.truncate(SIZE)
    return path


def _in_and_out(made: Stage, api: str, sidecar: int, receiver: str, films: list[Path]) -> None:
    secret = _token(made)
    running = made.folder / "running"
    running.touch()
    sender = _sender("blocks", running, receiver, films)
    began = time.monotonic()
    with Meter(sidecar) as taking, Meter(sender.pid) as sending, ThreadPoolExecutor(AT_ONCE) as many:
        sums = list(many.map(lambda film: _upload(api, secret, film), films))
        took = time.monotonic() - began
        running.unlink()
        said = sender.communicate()[0].strip()
    same = sum(_stored(made, one) for one in sums)
    _row("in: the sidecar", taking.own, taking.family, f"{took:.0f} s, {same} of {len(films)} with equal bytes")
    _row("out: a process that sends", sending.own, sending.family, f"{said} at the same time")
    control = _sender("whole", running, receiver, films[:CONTROL])
    with Meter(control.pid) as whole:
        control.communicate()
    _row(f"control: {CONTROL} sent whole in memory", whole.own, whole.family, "", aim=False)


def _sender(way: str, running: Path, receiver: str, films: list[Path]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.sending", way, str(running), PLATFORM.value, receiver, *map(str, films)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _row(name: str, own: float, family: float, said: str, *, aim: bool = True) -> None:
    mark = "" if not aim or own < AIM_MB else "  OVER THE AIM"
    print(f"  {name:36} {own:6.0f} MB, with helpers {family:6.0f} MB{mark}  {said}", flush=True)


def _token(made: Stage) -> str:
    assert made.core
    with made.core.db.read() as conn:
        owner = users.get(conn, 1)
    caller = sessions.Caller(owner, GRANTABLE, "0", "login")
    return api_tokens.create(made.core, caller, name="media", scopes=sorted(GRANTABLE), days=1)[1]


def _upload(api: str, secret: str, film: Path) -> tuple[int, str]:
    """(id of the file, SHA-256 of what was sent)."""
    client = RestClient(api, secret)
    try:
        made = client.upload(film)["id"]
    finally:
        client.close()
    return made, _digest(film)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored(made: Stage, sent: tuple[int, str]) -> bool:
    """Whether the bytes on the server's disk are those that were sent."""
    assert made.core
    with made.core.db.read() as conn:
        path = conn.execute(select(media_rows.c.path).where(media_rows.c.id == sent[0])).scalar_one()
    return _digest(made.folder / path) == sent[1]


# Cut


def _cut(made: Stage, api: str) -> None:
    """A file whose connection is cut at ten random places, in one go each from where the server says that it is."""
    dice, secret = random.Random(), _token(made)
    content = mp4() + box(b"free", random.randbytes(CUT_SIZE))
    places = sorted(dice.sample(range(1, len(content)), CUTS))
    with httpx2.Client(base_url=api, trust_env=False, timeout=120) as client:
        told = {"Authorization": f"Bearer {secret}", "Upload-Length": str(len(content))}
        path = client.post("/api/media/resumable", headers=told).headers["location"].partition("/api/")
        address = f"/api/{path[2]}"
        sent, at = 0, 0
        for place in places:
            _broken(api, address, at, content[at:place], len(content) - at)
            sent += place - at
            at = _offset(client, address)
        sent += len(content) - at
        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(at)}
        last = client.patch(address, content=content[at:], headers=kind)
        while last.status_code == 409:  # the server has not noticed the last cut yet
            last = client.patch(
                address, content=content[at:], headers=kind | {"Upload-Offset": str(_offset(client, address))}
            )
    made_id = int(last.headers["location"].rpartition("/")[2])
    equal = _stored(made, (made_id, hashlib.sha256(content).hexdigest()))
    old = (sum(places) + len(content)) / len(content)
    print(
        f"  cut at {CUTS} random places: bytes {'equal' if equal else 'NOT EQUAL'}, {sent / len(content):.2f} times the file was "
        f"sent (begun anew each time, as before: {old:.2f})",
        flush=True,
    )


def _broken(api: str, path: str, at: int, content: bytes, claimed: int) -> None:
    host, _, port = api.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(
            f"PATCH {path} HTTP/1.1\r\nHost: {host}\r\nUpload-Offset: {at}\r\nContent-Length: {claimed}\r\n"
            "Content-Type: application/offset+octet-stream\r\n\r\n".encode()
            + content
        )


def _offset(client: httpx2.Client, path: str) -> int:
    """How much has come, once the server has noticed that the connection is gone: an empty piece is taken then."""
    while True:
        at = int(client.head(path).headers["upload-offset"])
        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(at)}
        if client.patch(path, headers=kind).status_code == 204:
            return at
        time.sleep(0.05)


# A picture


def _picture(folder: Path) -> None:
    """Sky with grain, as a camera makes it: nothing that packs well."""
    rows = numpy.linspace(60, 200, SIDE, dtype=numpy.float32)[:, None, None]
    grain = numpy.random.default_rng(4).integers(0, 24, (SIDE, SIDE, 3), dtype=numpy.uint8)
    for kind, coarse in (("jpeg", 1), ("png", 12)):  # a PNG of all the grain is larger than what is opened
        path = folder / f"large.{kind}"
        Image.fromarray((rows + grain // coarse).astype(numpy.uint8)).save(path, quality=90)
        for way in ("ours", "plain"):
            command = [sys.executable, "-m", "bench.decoding", way, PLATFORM.value, str(path)]
            seconds, own, helper = map(
                float, subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
            )
            name = f"64-megapixel {kind.upper()}" if way == "ours" else "  control: decoded whole here"
            print(f"  {name:36} {own:6.0f} MB, its helper {helper:6.0f} MB  {seconds:.1f} s", flush=True)


# Out


class _Keeps(BaseHTTPRequestHandler):
    """Reads every request to its end and keeps nothing; answers as the platform does."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = int(self.headers.get("Content-Length", "0"))
        while left and (block := self.rfile.read(min(left, 1 << 20))):
            left -= len(block)
        body = b'{"data": {"id": "12"}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Keeps)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
