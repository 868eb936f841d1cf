"""How much memory sidecar, app and scheduler take while somebody tries to fill it.

Each attack runs against a process that was started for it and is read from /proc: the process itself at its peak, and
with it the programs that it starts (a browser that prints, a helper that decodes a large picture). The aim is for the
process itself; a helper ends after its piece of work.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from bench import processes
from bench.acting import acting
from bench.stage import Stage, stage
from postprober.domain.access import GRANTABLE
from postprober.domain.platform import Platform, known
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.notifications import channels
from postprober.services.people import api_tokens, sessions, users
from postprober.services.posts import drafts, posts
from postprober.storage import alert_log
from postprober.storage import media as media_rows
from postprober.storage.records import User
from postprober.ui.state import COOKIE
from tests.receivers import Receiver

AIM_MB = 400
CALLS = 60  # of one kind; the gates let few of them work at the same time
SIDE = 8000  # pixels: 64 million, the most that is opened
WHOLE = ForwardMsg.ScriptFinishedStatus.Value("FINISHED_SUCCESSFULLY")
PAGES = 12  # open pages of one person
LONGEST = 200.0  # seconds for one attack


@dataclass
class Target:
    """`call` asks the sidecar as the owner."""

    made: Stage
    core: Core
    owner: User
    secret: str
    cookie: str
    accounts: dict[Platform, int]
    receiver: Receiver
    pictures: list[int] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.made.env['POSTPROBER_API_PORT']}"

    @property
    def app(self) -> str:
        return f"http://127.0.0.1:{self.made.env['POSTPROBER_APP_PORT']}"

    def call(self, path: str, *, body: bytes | None = None, kind: str = "", method: str = "") -> int:
        headers = {"Authorization": f"Bearer {self.secret}"} | ({"Content-Type": kind} if kind else {})
        request = urllib.request.Request(f"{self.api}{path}", body, headers, method=method or None)
        try:
            with urllib.request.urlopen(request, timeout=LONGEST) as reply:
                while reply.read(1 << 20):
                    pass
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


class Meter:
    """The largest memory, in MB, of the process itself and of it with its children, read ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stop = pid, threading.Event()
        self.own = self.family = 0.0
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            own = processes.resident_mb(self._pid)
            self.own = max(self.own, own)
            with contextlib.suppress(OSError):
                self.family = max(self.family, processes.memory_mb(self._pid))


def abuse() -> None:
    """Each attack with the peak of the process that it is aimed at."""
    print(f"abuse: peak memory of each process under attack (aim: under {AIM_MB} MB)")
    with _target() as target:
        sidecar: dict[str, Callable[[Target], str]] = {
            "idle": _nothing,
            f"{CALLS} PDF reports of one token": _reports,
            f"{CALLS} pages of 100 long posts": _listings,
            f"{CALLS} fetches of 64-megapixel pictures": _fetches,
            "64-megapixel uploads": _uploads,
            "bodies of 1 GB": _bodies,
            "500 WebSockets": _sockets,
        }
        app: dict[str, Callable[[Target], str]] = {
            "idle": _page,
            "files without signing in": _files_of_nobody,
            f"files of {PAGES} pages of one person": _files,
            "composers with 64-megapixel pictures": _composers,
        }
        scheduler: dict[str, Callable[[Target], str]] = {
            "idle": _rest,
            "20 silent webhooks": _webhooks,
            "64-megapixel pictures to publish": _publish,
        }
        for name, attacks in (("sidecar", sidecar), ("app", app), ("scheduler", scheduler)):
            for attack, run in attacks.items():
                _measure(target, name, attack, run)


def _measure(target: Target, name: str, attack: str, run: Callable[[Target], str]) -> None:
    made = target.made
    if name != "sidecar" and "sidecar" not in made.children:
        _start(target, "sidecar")
    pid = _start(target, name)
    with Meter(pid) as meter:
        said = run(target)
    alive = made.children[name].poll() is None
    mark = "" if meter.own < AIM_MB else "  OVER THE AIM"
    print(
        f"  {name:10} {attack:42} {meter.own:5.0f} MB, with helpers {meter.family:5.0f} MB{mark}"
        f"{'' if alive else '  THE PROCESS DIED'}  {said}",
        flush=True,
    )
    for child in ("scheduler", "app", "sidecar"):
        if child in made.children:
            made.kill(child)


def _start(target: Target, name: str) -> int:
    made, port = target.made, target.made.env["POSTPROBER_APP_PORT"]
    if name == "sidecar":
        return made.start("sidecar", "-m", "postprober.api", ready=f"{target.api}/healthz").pid
    if name == "app":
        return made.start(
            "app",
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.port",
            port,
            "--server.address",
            "127.0.0.1",
            ready=f"{target.app}/_stcore/health",
        ).pid
    return made.scheduler().pid


@contextlib.contextmanager
def _target() -> Iterator[Target]:
    with contextlib.closing(Receiver()) as receiver, stage(1, POSTPROBER_BROWSER="on") as made:
        core = made.core
        assert core
        with core.db.read() as conn:
            owner = users.users.get(conn, 1)
        caller = sessions.Caller(owner, GRANTABLE, "0", "login")
        _, secret = api_tokens.create(core, caller, name="abuse", scopes=sorted(GRANTABLE), days=1)
        cookie = users.redeem_ticket(core, users.issue_ticket(core, owner))
        target = Target(made, core, owner, secret, cookie, made.accounts[0], receiver)
        _furnish(target)
        yield target


def _furnish(target: Target) -> None:
    """What a hostile person prepares: long drafts and pictures of the largest size, in several forms."""
    core = target.core
    for number in range(100):
        text = f"{number} " + "a long word and another " * 2000
        drafts.save(core, acting(core, 1), posts.NewPost((text[:49_000],) * 5, (target.accounts[Platform("x")],)))
    for number, (mode, kind) in enumerate((("RGBA", "PNG"), ("RGB", "JPEG"), ("RGB", "PNG"), ("RGBA", "TIFF"))):
        target.pictures.append(
            media.add_bytes(core, acting(core, 1), f"{number}.{kind.lower()}", picture(mode, kind, number))
        )


def picture(mode: str, kind: str, number: int) -> bytes:
    """Sixty-four megapixels in some hundred kilobytes."""
    flat = numpy.zeros((SIDE, SIDE, len(mode)), dtype=numpy.uint8)
    flat[:: number + 7, :, 0] = 40 + number
    buffer = io.BytesIO()
    Image.fromarray(flat, mode).save(buffer, kind, **({"compression": "tiff_deflate"} if kind == "TIFF" else {}))
    return buffer.getvalue()


def _at_once(work: Callable[[int], int], count: int = CALLS) -> str:
    """How the calls ended, by status."""
    with ThreadPoolExecutor(count) as many:
        answers = list(many.map(work, range(count)))
    return ", ".join(f"{status or 'cut'}: {answers.count(status)}" for status in sorted(set(answers)))


def _nothing(target: Target) -> str:
    return _at_once(lambda _: target.call("/healthz"), 10)


def _reports(target: Target) -> str:
    path = "/api/reports/period?from=2026-01-01&to=2026-03-31&format=pdf"
    return _at_once(lambda _: target.call(path))


def _listings(target: Target) -> str:
    return _at_once(lambda _: target.call("/api/posts?limit=100"))


def _addresses(target: Target) -> list[str]:
    """Signed addresses of every picture for every platform: each is a rendition of its own."""
    now = target.core.clock.now().timestamp()
    with target.core.db.read() as conn:
        records = media_rows.get_many(conn, target.pictures, 1)
    return [media.public_url(target.core.settings, now, record, one) for record in records for one in known()]


def _fetches(target: Target) -> str:
    found = [address.removeprefix(target.core.settings.public_base) for address in _addresses(target)]
    return _at_once(lambda number: target.call(found[number % len(found)]))


def _form(content: bytes, name: str) -> tuple[bytes, str]:
    frame = uuid.uuid4().hex
    head = f'--{frame}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{frame}--\r\n".encode(), f"multipart/form-data; boundary={frame}"


def _uploads(target: Target) -> str:
    made = [
        _form(picture(mode, kind, 20 + n), "a.bin")
        for n, (mode, kind) in enumerate((("RGBA", "PNG"), ("RGB", "JPEG"), ("RGBA", "TIFF")))
    ]
    return _at_once(lambda n: target.call("/api/media", body=made[n % 3][0], kind=made[n % 3][1], method="POST"), 12)


def _bodies(target: Target) -> str:
    body = b" " * (1 << 30)

    def send(number: int) -> int:
        path, kind = (("/api/posts", "application/json"), ("/api/media", "multipart/form-data; boundary=x"))[number % 2]
        return target.call(path, body=body, kind=kind, method="POST")

    return _at_once(send, 4)


def _sockets(target: Target) -> str:
    async def one() -> int:
        address = f"{target.api.replace('http', 'ws')}/api/ws"
        headers = {"Authorization": f"Bearer {target.secret}"}
        try:
            async with connect(address, additional_headers=headers, open_timeout=LONGEST) as socket:
                await socket.send('{"event": "join_alerts", "data": {}}')
                await socket.recv()
                await asyncio.sleep(5)
                return 101
        except Exception:  # noqa: BLE001  # refused in whatever way: that is an answer here
            return 0

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(500)))

    answers = asyncio.run(all_of_them())
    return f"open: {answers.count(101)}, refused: {answers.count(0)}"


async def _visit(target: Target, use: Callable[[str], int], *, cookie: str, query: str = "", page: str = "") -> int:
    """Open a page of the app, read what it draws, and do something with its session id."""
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    address = target.app.replace("http", "ws") + "/_stcore/stream"
    async with connect(
        address,
        additional_headers=headers,
        origin=target.app,
        subprotocols=["streamlit"],  # type: ignore[arg-type, list-item]
        max_size=None,
        compression=None,
        open_timeout=LONGEST,
    ) as socket:
        back = BackMsg()
        back.rerun_script.query_string, back.rerun_script.page_name = query, page
        await socket.send(back.SerializeToString())
        session, ended = "", False
        with contextlib.suppress(TimeoutError):
            while not ended:
                raw = await asyncio.wait_for(socket.recv(), LONGEST)
                assert isinstance(raw, bytes)
                message = ForwardMsg.FromString(raw)
                if message.WhichOneof("type") == "new_session":
                    session = message.new_session.initialize.session_id
                ended = message.WhichOneof("type") == "script_finished" and message.script_finished == WHOLE
        return await asyncio.to_thread(use, session)


def _visits(target: Target, count: int, use: Callable[[str], int], **how: str) -> str:
    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(_visit(target, use, **how) for _ in range(count)))  # type: ignore[arg-type]

    answers = asyncio.run(all_of_them())
    return ", ".join(f"{status}: {answers.count(status)}" for status in sorted(set(answers)))


def _page(target: Target) -> str:
    return _visits(target, 1, lambda _: 1, cookie=target.cookie)


def _leave_files(target: Target, cookie: str) -> Callable[[str], int]:
    """How many files of 8 MB a page can leave in the app."""
    body, kind = _form(b"x" * (8 << 20), "a.png")
    with urllib.request.urlopen(f"{target.app}/_stcore/health", timeout=10) as reply:
        given = reply.headers.get("Set-Cookie", "").partition(";")[0]

    def leave(session: str) -> int:
        kept = 0
        for _ in range(10):
            cookies = given + (f"; {COOKIE}={cookie}" if cookie else "")
            headers = {"Content-Type": kind, "X-Xsrftoken": given.partition("=")[2].strip('"'), "Cookie": cookies}
            url = f"{target.app}/_stcore/upload_file/{session}/{uuid.uuid4()}"
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=LONGEST),
            ):
                kept += 1
        return kept

    return leave


def _files_of_nobody(target: Target) -> str:
    return f"files kept by page: {_visits(target, PAGES, _leave_files(target, ''), cookie='')}"


def _files(target: Target) -> str:
    return f"files kept by page: {_visits(target, PAGES, _leave_files(target, target.cookie), cookie=target.cookie)}"


def _composers(target: Target) -> str:
    keys = []
    for number, picture_id in enumerate(target.pictures):
        key = f"abuse-{number}-{uuid.uuid4().hex[:8]}"
        new = posts.NewPost((f"with a picture {number}",), (target.accounts[Platform("x")],), media_ids=(picture_id,))
        drafts.save(target.core, acting(target.core, 1), new, key=key)
        keys.append(key)

    async def all_of_them() -> None:
        await asyncio.gather(
            *(_visit(target, lambda _: 1, cookie=target.cookie, query=f"draft={key}", page="compose") for key in keys)
        )

    asyncio.run(all_of_them())
    return f"{len(keys)} pages"


def _rest(target: Target) -> str:
    threading.Event().wait(3)
    return ""


def _webhooks(target: Target) -> str:
    target.receiver.hang = True
    for number in range(20):
        channels.add(
            target.core,
            acting(target.core, target.owner.id),
            kind="webhook",
            name=f"silent {number}",
            url=f"{target.receiver.url}/{number}",
        )
    with target.core.db.write() as conn:
        for number in range(200):
            alert_log.add(
                conn,
                user_id=1,
                post_id=None,
                delivery_id=None,
                type="error",
                message="x" * 5000,
                dedupe_key=f"abuse:{number}",
                now=target.core.clock.now(),
            )
    threading.Event().wait(25)
    held = len(target.receiver.refused)
    target.receiver.hang = False
    return f"{held} requests hung"


def _publish(target: Target) -> str:
    for number, (mode, kind) in enumerate((("RGBA", "PNG"), ("RGB", "JPEG"), ("RGB", "PNG"), ("RGBA", "TIFF"))):
        target.pictures.append(
            media.add_bytes(target.core, acting(target.core, 1), f"n{number}", picture(mode, kind, 40 + number))
        )
    made = [
        posts.create(
            target.core,
            acting(target.core, 1),
            posts.NewPost((f"large {number} {platform.value}",), (target.accounts[platform],), media_ids=(picture_id,)),
        ).id
        for number, picture_id in enumerate(target.pictures[-4:])
        for platform in (Platform("x"), Platform("mastodon"), Platform("bluesky"), Platform("linkedin"))
    ]
    end = threading.Event()
    for _ in range(900):
        with target.core.db.read() as conn:
            out = conn.exec_driver_sql(
                "SELECT count(*) FROM deliveries WHERE state IN ('published', 'verified')"
            ).scalar()
        if out == len(made):
            break
        end.wait(0.1)
    return f"{out} of {len(made)} out"
