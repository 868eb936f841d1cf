"""A worker that can be killed, a sandbox that keeps the truth, and a database for each experiment."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from PIL import Image
from sqlalchemy import Connection

from bench.ports import free_port
from postprober.browser import Browser
from postprober.cli.demo import demo_picture
from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.delivery import DUE_TO_RECONCILE, TRAITS, DeliveryState
from postprober.domain.platform import Platform, PlatformConfig, known
from postprober.domain.post import PostStatus
from postprober.domain.timing import Timing
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.context import Context, LeaseKeeper
from postprober.pipeline.core.tokens import seal
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.verification.follow_up import follow
from postprober.platforms.bluesky.adapter import login
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.common.media import fit_image
from postprober.platforms.instagram.browser_adapter import session_of
from postprober.platforms.registry import SPECS, adapter_for, browser_adapter
from postprober.sandbox.control.client import Control
from postprober.sandbox.instagram.web_html import session
from postprober.security.vault import Vault
from postprober.settings import Settings
from postprober.storage import accounts, deliveries, media, posts, users
from postprober.storage.database import Database
from postprober.storage.records import Delivery, PartRecord

BROWSER = "instagram-browser"  # the adapter that drives Instagram's web pages
LEASE = 1.2
SETTLE = 0.7
TIMING = Timing(
    lease=timedelta(seconds=LEASE),
    lease_margin=timedelta(seconds=0.05),
    reread=timedelta(seconds=0.1),
    unsure_retries=tuple(timedelta(seconds=s) for s in (0.2, 0.3, 0.5)),
    verify_after=tuple(timedelta(seconds=s) for s in (0, 0.05, 0.2, 0.5, 1.0)),
    processing_poll=timedelta(seconds=0.1),
    http_timeout=0.8,  # shorter than the lease, as in production
)
QUICK = {"settle_seconds": str(SETTLE), "poll_seconds": "0.1", "browser_seconds": "20", "throttle_seconds": "1"}
KEY = b"k" * 32


@dataclass(frozen=True)
class Target:
    """One adapter: of a platform, by its API or by its web pages. `value` is the sandbox's name of the platform."""

    platform: Platform
    by_browser: bool = False
    form: str = ""  # of FORMS: what goes out is more than a text

    @property
    def value(self) -> str:
        return self.platform.value

    @property
    def name(self) -> str:
        return BROWSER if self.by_browser else f"{self.value} {self.form}".strip()

    @classmethod
    def named(cls, name: str) -> Self:
        if name == BROWSER:
            return cls(Platform("instagram"), True)
        platform, _, form = name.partition(" ")
        return cls(Platform(platform), form=form)


ALBUM = 10
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(80_000)  # as much of one as the sandbox looks at
DOCUMENT = b"%PDF-1.4\n3 0 obj<</Type /Page>>endobj\n%%EOF"
# Forms of a post: what is asked for, on which platform.
FORMS: dict[str, dict[Platform, dict[str, Any]]] = {
    "poll": {
        Platform("x"): {"poll_choices": ["Yes", "No"]},
        Platform("linkedin"): {"poll_question": "Well?", "poll_choices": ["Yes", "No"]},
        Platform("mastodon"): {"poll_choices": ["Yes", "No"], "content_warning": "A question"},
    },
    "gates": {Platform("bluesky"): {"who_can_reply": "nobody", "no_quotes": True}},
    "album": {Platform("instagram"): {}},
    "reel": {Platform("instagram"): {}},
    "document": {Platform("linkedin"): {"document_title": "The plan"}},
}
TARGETS = (
    *(Target(p) for p in known()),
    Target(Platform("instagram"), True),
    *(Target(p, form=form) for form, there in FORMS.items() for p in there),
)
RECONNECT = "reconnect"


class HarnessSettings(Settings):
    """Settings with the harness's short times."""

    @property
    def timing(self) -> Timing:
        return TIMING

    def platform(self, platform: Platform) -> PlatformConfig:
        config = super().platform(platform)
        return replace(config, settings=config.settings | QUICK)


def wait_for(url: str, child: subprocess.Popen[bytes], limit: float = 30.0) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            if child.poll() is not None:
                raise RuntimeError(f"{url}: process ended with {child.returncode}") from None
            time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer")


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str]]:
    """The sandbox and a file server with one JPEG, as processes of their own; yields (sandbox URL, picture URL)."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    (pictures / "r.mp4").write_bytes(VIDEO)
    (pictures / "in.png").write_bytes(demo_picture())
    from postprober.platforms.registry import LIMITS

    (pictures / "p.jpg").write_bytes(fit_image(str(pictures / "in.png"), LIMITS[Platform("instagram")].images).data)
    sandbox_port, file_port = free_port(), free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    children = [
        subprocess.Popen([sys.executable, "-m", "postprober.sandbox", "--port", str(sandbox_port)], **quiet),  # type: ignore[call-overload]
        subprocess.Popen(
            [sys.executable, "-m", "http.server", str(file_port), "--bind", "127.0.0.1", "-d", str(pictures)],
            **quiet,  # type: ignore[call-overload]
        ),
    ]
    try:
        wait_for(f"http://127.0.0.1:{sandbox_port}/_sandbox/settings", children[0])
        wait_for(f"http://127.0.0.1:{file_port}/p.jpg", children[1])
        yield f"http://127.0.0.1:{sandbox_port}", f"http://127.0.0.1:{file_port}/p.jpg"
    finally:
        for child in children:
            child.kill()
            child.wait()


@dataclass
class Bench:
    """One database with one user, on one sandbox. `picture` is a public JPEG."""

    folder: Path
    sandbox: str
    picture: str

    @property
    def settings(self) -> HarnessSettings:
        port = int(self.sandbox.rsplit(":", 1)[1])
        return HarnessSettings(
            data_dir=self.folder,
            sandbox_port=port,
            secret_key="s" * 40,
            database_url=self.url,
            vault_keys=f"k1:{base64.b64encode(KEY).decode()}",
            _env_file=None,  # type: ignore[call-arg]  # pydantic takes it
        )

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'crash.sqlite'}"

    def database(self) -> Database:
        return Database(self.url, pool_size=8)

    def context(self, checkpoint: Callable[[str], None] = lambda _: None, worker: str = "") -> Context:
        settings, clock = self.settings, SystemClock()
        db = self.database()
        http = HttpClient(Pools(allow_private=True, timeout=TIMING.http_timeout))
        name = worker or f"w-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        return Context(
            db=db,
            vault=Vault({"k1": KEY}),
            http=http,
            clock=clock,
            timing=TIMING,
            keeper=LeaseKeeper(db, clock, name, TIMING.lease, TIMING.lease_margin),
            adapter_for=lambda platform, h: adapter_for(platform, h, settings.platform(platform), clock),
            config_for=settings.platform,
            media_url=lambda record, _: self.picture.replace("p.jpg", "r.mp4" if record.kind == "video" else "p.jpg"),
            data_dir=self.folder,
            late_limit=timedelta(hours=1),
            checkpoint=checkpoint,
            browser=Browser(settings),
        )


def template(folder: Path) -> Path:
    """A migrated database with one user, to be copied for every experiment."""
    db = Database(f"sqlite:///{folder / 'template.sqlite'}")
    db.migrate()
    with db.write() as conn:
        users.add(conn, email="crash@example.org", password_hash="x", now=datetime.now(UTC))
    db.checkpoint_wal()
    db.close()
    return folder / "template.sqlite"


def fresh_bench(folder: Path, made: Path, sandbox: str, picture: str) -> Bench:
    folder.mkdir(parents=True)
    shutil.copy(made, folder / "crash.sqlite")
    return Bench(folder, sandbox, picture)


def credentials(bench: Bench, target: Target, made: dict[str, Any]) -> Credentials:
    platform = target.platform
    if target.by_browser:
        web = f"{bench.sandbox}/instagram-web"
        return replace(session_of(session(web, made), web), name=made["name"])
    base = f"{bench.sandbox}/{platform.value}"
    instance = base if platform in (Platform("mastodon"), Platform("bluesky")) else ""
    if platform is Platform("bluesky"):
        http = HttpClient(Pools(allow_private=True))
        cred = login(http, base, made["id"], made["password"])
        http.pools.close()
        return cred
    ends = made.get("expires_at")
    scopes = tuple(made["scopes"]) if SPECS[platform].for_scopes is not None else ()
    more = {"relays": "/ /second"} if "second" in made["scopes"] else {}
    return Credentials(
        access_token=made["access_token"],
        refresh_token=made.get("refresh_token") or "",
        expires_at=datetime.fromisoformat(ends) if ends else None,
        remote_id=made["id"],
        name=made["name"],
        instance=instance,
        scopes=scopes,
        secret=more,
    )


def link(bench: Bench, target: Target, name: str, *, expired: bool = False, scopes: list[str] | None = None) -> int:
    """A sandbox account with one earlier post (the canary), linked; returns our account id."""
    control = Control(bench.sandbox)
    options: dict[str, object] = {"fresh": True}
    if scopes:
        options["scopes"] = scopes
    made = control.account(target.value, name, **options)
    cred = credentials(bench, target, made)
    ctx = bench.context()
    identity = _adapter(ctx, target).identify(cred)
    with ctx.db.write() as conn:
        account_id = accounts.add(
            conn,
            space=1,
            platform=target.value,
            account_name=identity.name,
            now=ctx.clock.now(),
            instance=cred.instance,
            remote_id=identity.remote_id,
            newest_known_post=identity.newest_known_post,
        )
        columns = seal(ctx.vault, account_id, cred)
        if expired:
            columns["token_expires_at"] = ctx.clock.now() - timedelta(minutes=1)
        accounts.write(conn, account_id, **columns)
    if expired:
        control.expire(target.value, made["name"])
    close(ctx)
    return account_id


def relink(bench: Bench, account_id: int, target: Target, name: str) -> None:
    """What a person does after a reconnect alert."""
    made = Control(bench.sandbox).account(target.value, name, fresh=True)
    cred = credentials(bench, target, made)
    ctx = bench.context()
    with ctx.db.write() as conn:
        known = accounts.get(conn, account_id)
        accounts.write(
            conn,
            account_id,
            **seal(ctx.vault, account_id, cred),
            status="ok",
            refresh_until=None,
            token_version=known.token_version + 1,
        )
    close(ctx)


def plan(bench: Bench, account_id: int, target: Target, text: str, due_in: float = 0.0) -> int:
    """One delivery, due now; returns its id."""
    db, now = bench.database(), datetime.now(UTC)
    with db.write() as conn:
        ids: tuple[int, ...] = ()
        options = FORMS[target.form][target.platform] if target.form else {}
        if target.platform is Platform("instagram") or target.form == "document":
            ids = _files(bench, conn, target.form, now)
        post_id = posts.add(
            conn,
            space=1,
            content=text,
            platforms=[target.value],
            status=PostStatus.SCHEDULED,
            scheduled_at=now,
            options={},
            now=now,
        )
        delivery_id = deliveries.add(
            conn,
            post_id=post_id,
            account_id=account_id,
            space=1,
            platform=target.value,
            key=str(uuid.uuid4()),
            due_at=now + timedelta(seconds=due_in),
            parts=[PartRecord(0, text, ids, options=options)],
            now=now,
        )
    db.close()
    return delivery_id


def _files(bench: Bench, conn: Connection, form: str, now: datetime) -> tuple[int, ...]:
    """What goes out with a post of that form, stored."""
    kind, mime, name, content = {
        "reel": ("video", "video/mp4", "r.mp4", VIDEO),
        "document": ("document", "application/pdf", "d.pdf", DOCUMENT),
    }.get(form, ("image", "image/jpeg", "p.jpg", _picture()))
    (bench.folder / name).write_bytes(content)
    told = {"name": name, "kind": kind, "mime": mime, "size": len(content), "path": name, "sha256": "0" * 64}
    sides = (0, 0) if kind == "document" else (1080, 1080)
    return tuple(
        media.add(
            conn, space=1, now=now, **told, width=sides[0], height=sides[1], alt="tick" if kind == "image" else ""
        )
        for _ in range(ALBUM if form == "album" else 1)
    )


def _adapter(ctx: Context, target: Target) -> Adapter:
    if target.by_browser:
        return browser_adapter(target.platform, ctx.http, ctx.config_for(target.platform), ctx.clock, ctx.browser)
    return ctx.adapter_for(target.platform, ctx.http)


@functools.cache
def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (320, 320), (30, 90, 160)).save(buffer, "JPEG")
    return buffer.getvalue()


def close(ctx: Context) -> None:
    if ctx.browser is not None:
        ctx.browser.close()
    ctx.http.pools.close()
    ctx.db.close()


def settled(ctx: Context, delivery_id: int) -> tuple[Delivery, str] | None:
    """The delivery and its end, None while it moves. A delivery whose account has to be linked again ends as
    `reconnect`."""
    with ctx.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        account = accounts.get(conn, delivery.account_id)
    if TRAITS[delivery.state].at_rest:
        return delivery, delivery.state.value
    if delivery.state is DeliveryState.WAITING and account.status == RECONNECT:
        return delivery, RECONNECT
    if delivery.state is DeliveryState.PUBLISHED and delivery.readings >= len(TIMING.verify_after):
        return delivery, "accepted"
    return None


def run_one_worker(bench: Bench, delivery_id: int, limit: float, kill_at: str = "") -> int:
    """Work in a child process until the delivery has ended or the child kills itself at a checkpoint.

    Returns the child's exit code, negative for a signal; 7 when the time was over.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _work(bench, delivery_id, limit, kill_at)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _keep_leases(ctx: Context) -> None:
    """As the scheduler does: what takes longer than a lease (a browser) keeps it while the process lives."""
    while True:
        time.sleep(LEASE / 3)
        ctx.keeper.renew()


def _work(bench: Bench, delivery_id: int, limit: float, kill_at: str) -> int:
    def checkpoint(name: str) -> None:
        if name == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    ctx = bench.context(checkpoint)
    threading.Thread(target=_keep_leases, args=(ctx,), daemon=True).start()
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if settled(ctx, delivery_id):
            return 0
        recover_lost(ctx)
        with ctx.db.read() as conn:
            first, second = deliveries.due(conn, ctx.clock.now(), publish=4, follow=4)
        for i, state in first:
            act = reconcile if state in DUE_TO_RECONCILE else publish
            act(ctx, i)
        for i in second:
            follow(ctx, i)
        if not first and not second:
            time.sleep(0.04)
    return 7
