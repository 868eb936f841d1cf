"""The app itself (Streamlit) attacked on loopback: uploads without signing in, and pages of another port at its
WebSocket. The control is the same app without our door."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.typing import Subprotocol

from postprober.services.people import users
from postprober.wiring import build_core, close_core

ROOT = Path(__file__).resolve().parents[2]
COUNT, SIZE = 6, 4 * 1024 * 1024  # files of an attack, and bytes of each
_BARE = """from postprober.ui import frame
page = frame.navigation()
with frame.framed():
    page.run()
"""


@dataclass
class App:
    """`token`: of a signed-in person's cookie; `log`: what the process says."""

    port: int
    token: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resident(self) -> int:
        """Bytes of memory in use."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def app_running(*, guarded: bool) -> Iterator[App]:
    """The app as it is started everywhere; `guarded` False: the pages without the door, as Streamlit alone serves them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as kept:
            port = kept.getsockname()[1]
        core = build_core(data_dir=folder / "data", sandbox_port=1, app_port=port, _env_file=None)
        made = users.create(core, email="door@example.org", password=secrets.token_hex(12))
        with core.db.read() as conn:
            user = users.users.get(conn, made)
        token = users.redeem_ticket(core, users.issue_ticket(core, user))
        close_core(core)
        script = ROOT / "app.py"
        if not guarded:
            script = folder / "bare.py"
            script.write_text(_BARE)
        env = {key: value for key, value in os.environ.items() if not key.startswith("POSTPROBER_")} | {
            "POSTPROBER_DATA_DIR": str(folder / "data"),
            "POSTPROBER_APP_PORT": str(port),
            "POSTPROBER_SANDBOX_PORT": "1",
            "PYTHONPATH": str(ROOT),
        }
        log = folder / "app.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "streamlit",
                    "run",
                    str(script),
                    "--server.port",
                    str(port),
                    "--server.address",
                    "127.0.0.1",
                    "--server.headless",
                    "true",
                ],
                cwd=ROOT,
                env=env,
                stdout=stream,
                stderr=stream,
            )
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield App(port, token, process, log)
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    pause = Event()
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            pause.wait(0.1)
    raise RuntimeError("the app did not start")


async def _knock(app: App, origin: str, cookie: str, use: object = None) -> tuple[str, int]:
    """(Streamlit's session id or "", bytes read) of a WebSocket that a page of `origin` opens."""
    headers = {"Cookie": f"postprober_session={cookie}"} if cookie else {}
    address = app.url.replace("http", "ws") + "/_stcore/stream"
    try:
        async with websockets.connect(
            address, additional_headers=headers, origin=origin, subprotocols=[Subprotocol("streamlit")], max_size=None
        ) as socket_:
            message = BackMsg()
            message.rerun_script.query_string = ""
            await socket_.send(message.SerializeToString())
            size, session = 0, ""
            with contextlib.suppress(TimeoutError):
                while size < 3000 or not session:
                    data = await asyncio.wait_for(socket_.recv(), 15)
                    raw = data if isinstance(data, bytes) else data.encode()
                    size += len(raw)
                    session = session or _session_in(raw)
            if callable(use):
                await asyncio.to_thread(use, session)
            return session, size
    except (websockets.exceptions.InvalidStatus, websockets.exceptions.ConnectionClosed):
        return "", 0


def _session_in(raw: bytes) -> str:
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    message = ForwardMsg.FromString(raw)
    return message.new_session.initialize.session_id if message.WhichOneof("type") == "new_session" else ""


def knock(app: App, origin: str, cookie: str) -> int:
    """How many bytes of the page a page of `origin` reads."""
    return asyncio.run(_knock(app, origin, cookie))[1]


def upload(app: App, session: str, *, cookie: str = "", size: int = SIZE) -> int:
    """Leave a file in the app's memory; the status of the answer."""
    frame = uuid.uuid4().hex
    body = b"".join(
        (
            f'--{frame}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'.encode(),
            b"x" * size,
            f"\r\n--{frame}--\r\n".encode(),
        )
    )
    with urllib.request.urlopen(f"{app.url}/_stcore/health", timeout=10) as reply:  # anybody is given this cookie
        given = reply.headers.get("Set-Cookie", "").partition(";")[0]
    headers = {
        "Content-Type": f"multipart/form-data; boundary={frame}",
        "X-Xsrftoken": given.partition("=")[2].strip('"'),
        "Cookie": given,
    }
    if cookie:
        headers["Cookie"] += f"; postprober_session={cookie}"
    asked = urllib.request.Request(
        f"{app.url}/_stcore/upload_file/{session}/{uuid.uuid4()}", body, headers, method="PUT"
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0  # the connection was closed while the body was being sent


def fill(app: App, *, cookie: str = "", count: int = COUNT) -> tuple[list[int], int]:
    """(answers, bytes by which the app has grown) for `count` files of somebody who is shown a page (the sign-in form,
    if there is no cookie)."""
    answers: list[int] = []
    grown = [0]

    def use(session: str) -> None:
        before = app.resident()
        answers.extend(upload(app, session, cookie=cookie) for _ in range(count))
        grown[0] = app.resident() - before

    asyncio.run(_knock(app, app.url, cookie, use))
    return answers, grown[0]


def door() -> list[str]:
    """For `make test-attack`."""
    found = []
    with app_running(guarded=False) as bare:
        answers, grown = fill(bare)
        read = knock(bare, "http://127.0.0.1:9", bare.token)
        print(
            f"door: without it {answers.count(204)} of {len(answers)} files stay ({grown >> 20} MB), a page reads {read}"
        )
        if 204 not in answers or not read:
            found.append("the control did not get in")
    with app_running(guarded=True) as app:
        answers, grown = fill(app)
        if set(answers) - {401, 0} or grown > COUNT * SIZE // 2:
            found.append(f"files were left without signing in: {answers}, {grown} bytes")
        for origin in ("http://127.0.0.1:9", "http://localhost:9", "https://evil.example", "null"):
            if knock(app, origin, app.token):
                found.append(f"a page of {origin} read the signed-in page")
        if not knock(app, app.url, app.token) or 204 not in fill(app, cookie=app.token, count=1)[0]:
            found.append("the app's own page does not get in")
    return found
