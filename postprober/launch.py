"""Starts the processes side by side, watches them, and seeds the demonstration."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw

from postprober.demo import seed_agent
from postprober.domain.platform import Platform
from postprober.errors import BadInput, ConfigurationError
from postprober.sandbox.client import Control
from postprober.services import accounts, media, posts, users
from postprober.services.core import Core
from postprober.settings import Settings
from postprober.storage import users as user_storage

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT = 60.0  # seconds for a process to answer
STOP_LIMIT = 45.0  # the scheduler finishes the item at hand, whose slowest call takes 30 s


@dataclass
class Family:
    """Child processes that live and die together."""

    settings: Settings
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self, name: str, *command: str, ready: str = "") -> None:
        """Start `command` and wait until `ready` answers. Raises ConfigurationError if it does not."""
        log_dir = self.settings.data_dir / "logs"
        log_dir.mkdir(parents=True, exist_ok=True)
        with (log_dir / f"{name}.log").open("ab") as out:
            # A group of its own: Ctrl-C reaches this process only, which then stops the others in order.
            self.children[name] = subprocess.Popen(
                [sys.executable, *command], stdout=out, stderr=out, cwd=ROOT, env=self._environment(),
                start_new_session=True,
            )  # fmt: skip
        if ready and not _answers(ready, self.children[name]):
            raise ConfigurationError(f"The {name} did not start; its log is {log_dir / f'{name}.log'}.")

    def _environment(self) -> dict[str, str]:
        """What this process has read from its settings holds for the children too, wherever they are started."""
        s = self.settings
        return {
            **os.environ,
            "POSTPROBER_MODE": s.mode,
            "POSTPROBER_DATA_DIR": str(s.data_dir.resolve()),
            "POSTPROBER_APP_PORT": str(s.app_port),
            "POSTPROBER_API_PORT": str(s.api_port),
            "POSTPROBER_SANDBOX_PORT": str(s.sandbox_port),
        }

    def watch(self) -> int:
        """Until a signal or the end of a child; returns the exit code."""
        while not self.stopping.wait(0.5):
            for name, child in self.children.items():
                if child.poll() is not None:
                    print(f"The {name} ended with code {child.returncode}; stopping the others.", file=sys.stderr)  # noqa: T201
                    return 3
        return 0

    def stop(self) -> None:
        """In reverse order, politely first."""
        for child in reversed(self.children.values()):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_LIMIT
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _answers(url: str, child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_LIMIT
    pause = threading.Event()
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 # nosec B310 # own loopback address
                if reply.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            pause.wait(0.1)
    return False


def _need_free(name: str, port: int) -> None:
    """Raises BadInput when somebody else listens there: we would take their answers for our own."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise BadInput(f"Port {port} is in use; set POSTPROBER_{name} to a free one.", field="port") from None


def start_all(family: Family, *, app: bool = True) -> None:
    """Sandbox (in sandbox mode), sidecar, scheduler, app; each answers before the next starts."""
    s = family.settings
    ports = {"APP_PORT": s.app_port, "API_PORT": s.api_port}
    if s.sandbox:
        ports["SANDBOX_PORT"] = s.sandbox_port
    for name, port in ports.items():
        _need_free(name, port)
    if s.sandbox:
        family.start(
            "sandbox", "-m", "postprober.sandbox", "--port", str(s.sandbox_port), "--data-dir", str(s.data_dir.resolve()),
            ready=f"{s.sandbox_url}/_sandbox/settings",
        )  # fmt: skip
    family.start("sidecar", "-m", "postprober.api", ready=f"http://127.0.0.1:{s.api_port}/healthz")
    family.start("scheduler", "scheduler.py", ready=f"http://127.0.0.1:{s.api_port}/readyz")
    if s.redis_url:
        family.start("worker", "-m", "dramatiq", "postprober.worker", "--processes", "1", "--threads", str(s.workers),
                     "--worker-shutdown-timeout", str(round(STOP_LIMIT * 1000)))  # fmt: skip
    if app:
        family.start(
            "app", "-m", "streamlit", "run", "app.py", "--server.port", str(s.app_port), "--server.address",
            "127.0.0.1", "--server.headless", "true", ready=f"http://127.0.0.1:{s.app_port}/_stcore/health",
        )  # fmt: skip


DEMO_EMAIL = "demo@postprober.example"
_DEMO_TEXT = "Hello from PostProber 👋 This post was sent once, found again and proved live. https://example.com/proof"
_FAULT_TEXT = (
    "This one met a fault on the way: the answer got lost, so PostProber looked before it sent anything again."
)


def seed(core: Core) -> tuple[str, str]:
    """A user with five linked accounts and posts, some of which meet faults; returns e-mail and password.

    Run again it makes new posts for the same user.
    """
    password_file = core.settings.data_dir / "demo-password.txt"
    with core.db.read() as conn:
        known = user_storage.by_email(conn, DEMO_EMAIL)
    if known is None:
        password = secrets.token_urlsafe(12)
        user_id = users.create(core, email=DEMO_EMAIL, password=password, name="Demo")
        password_file.write_text(password)
        password_file.chmod(0o600)
    else:
        user_id, password = known.id, password_file.read_text().strip() if password_file.exists() else "(as before)"
    ids = link_sandbox_accounts(core, user_id, "demo")
    picture = media.add_bytes(core, user_id, "proof.png", demo_picture(), "A green tick on a dark blue ground")
    stamp = secrets.token_hex(2)
    first = posts.NewPost((f"{_DEMO_TEXT} #{stamp}",), tuple(ids.values()), (picture,))
    control = Control(core.settings.sandbox_url)
    control.settings(max_characters=500)
    control.fault("x", "cut_after_accept", account="demo", after=1)
    control.fault("mastodon", "error_before_accept", account="demo", after=1)
    posts.create(core, user_id, first)
    both = (ids[Platform.X], ids[Platform.MASTODON])
    posts.create(core, user_id, posts.NewPost((f"{_FAULT_TEXT} #{stamp}",), both))
    seed_agent(core, control, user_id, ids, demo_picture(), stamp)
    return DEMO_EMAIL, password


def link_sandbox_accounts(core: Core, user_id: int, name: str) -> dict[Platform, int]:
    """One account on each emulated platform; returns their ids."""
    control = Control(core.settings.sandbox_url)
    ids: dict[Platform, int] = {}
    for platform in Platform:
        made = control.account(platform.value, name, fresh=True)
        if platform is Platform.BLUESKY:
            data = {"identifier": made["id"], "password": made["password"]}
        else:
            data = {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
        ids[platform] = accounts.add_by_token(core, user_id, platform, data, name=name).id
    return ids


def demo_picture() -> bytes:
    """A small picture made here, so that nothing has to be shipped: PNG, 1080 x 1080."""
    image = Image.new("RGB", (1080, 1080), "#14304f")
    draw = ImageDraw.Draw(image)
    draw.ellipse((190, 190, 890, 890), fill="#1f9d61")
    draw.line([(360, 560), (500, 700), (740, 400)], fill="white", width=70, joint="curve")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
