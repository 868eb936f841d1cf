"""The whole pipeline with its agent on the sandbox, on one clock that jumps to whatever is due next: hours pass in
seconds, and nothing is awaited."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from postprober.agent.advisor import Advisor
from postprober.agent.evidence import Evidence
from postprober.cli.demo import demo_picture
from postprober.domain.account import Credentials
from postprober.domain.delivery import DUE_TO_RECONCILE, TRAITS, DeliveryState
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.domain.timing import Timing
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.context import Context, LeaseKeeper
from postprober.pipeline.core.tokens import seal
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.repairs import diagnosis_job
from postprober.pipeline.verification.follow_up import follow
from postprober.platforms.bluesky.adapter import login
from postprober.platforms.registry import adapter_for
from postprober.sandbox.control.client import Control
from postprober.sandbox.engine.world import World
from postprober.sandbox.serve import SandboxServer
from postprober.security.vault import Vault
from postprober.settings import Settings
from postprober.storage import accounts, deliveries, media, posts, repairs, users
from postprober.storage.database import Database
from postprober.storage.records import Delivery, PartRecord
from postprober.storage.repairs import Repair
from tests.profile import database_url

S = DeliveryState
TIMING = Timing(
    http_timeout=2.0,
)


@dataclass
class JumpingClock:
    """The real clock plus what was skipped; the sandbox and PostProber read the same one."""

    added: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.added

    def now(self) -> datetime:
        return datetime.fromtimestamp(self(), UTC)

    def monotonic(self) -> float:
        return time.monotonic() + self.added

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.added += max(0.0, seconds)
        return event.is_set()


@dataclass
class Scene:
    """One user on one database, beside one sandbox."""

    ctx: Context
    control: Control
    clock: JumpingClock
    picture: int
    names: dict[int, str] = field(default_factory=dict)

    def link(self, platform: Platform, *, repair_words: bool = False, scopes: list[str] | None = None) -> int:
        """A fresh account, linked, with an earlier post on it that went the ordinary way."""
        name = f"a{uuid.uuid4().hex[:10]}"
        options = {"scopes": scopes} if scopes else {}
        made = self.control.account(platform.value, name, **options)
        cred = self._credentials(platform, made)
        ctx = self.ctx
        identity = ctx.adapter_for(platform, ctx.http).identify(cred)
        with ctx.db.write() as conn:
            account_id = accounts.add(
                conn,
                space=1,
                platform=platform.value,
                account_name=identity.name,
                now=ctx.clock.now(),
                instance=cred.instance,
                remote_id=identity.remote_id,
            )
            settings = {"repair_words": repair_words}
            accounts.write(conn, account_id, settings=settings, **seal(ctx.vault, account_id, cred))
        self.names[account_id] = made["name"]
        newest_known_post = self.plan(account_id, platform, f"An earlier post of {name}")
        assert self.run(newest_known_post).state in (S.VERIFIED, S.PUBLISHED)
        self.rest(newest_known_post)
        return account_id

    def _credentials(self, platform: Platform, made: dict[str, Any]) -> Credentials:
        base = f"{self.control.url}/{platform.value}"
        if platform is Platform("bluesky"):
            return login(self.ctx.http, base, made["id"], made["password"])
        ends = made.get("expires_at")
        return Credentials(
            made["access_token"],
            made.get("refresh_token") or "",
            datetime.fromisoformat(ends) if ends else None,
            remote_id=made["id"],
            name=made["name"],
            instance=base if platform is Platform("mastodon") else "",
        )

    def plan(self, account_id: int, platform: Platform, *texts: str, with_picture: bool | None = None) -> int:
        """One delivery, due now, past every check of ours (as if the platform's limits had changed since)."""
        now = self.ctx.clock.now()
        shown = platform is Platform("instagram") if with_picture is None else with_picture
        parts = [
            PartRecord(index, text, (self.picture,) if shown and index == 0 else ()) for index, text in enumerate(texts)
        ]
        with self.ctx.db.write() as conn:
            post_id = posts.add(
                conn,
                space=1,
                content=texts[0],
                platforms=[platform.value],
                status=PostStatus.SCHEDULED,
                scheduled_at=now,
                options={},
                now=now,
            )
            return deliveries.add(
                conn,
                post_id=post_id,
                account_id=account_id,
                space=1,
                platform=platform.value,
                key=str(uuid.uuid4()),
                due_at=now,
                parts=parts,
                now=now,
            )

    def fault(self, account_id: int, platform: Platform, kind: str, **options: Any) -> None:
        self.control.fault(platform.value, kind, account=self.names[account_id], **options)

    def get(self, delivery_id: int) -> Delivery:
        with self.ctx.db.read() as conn:
            return deliveries.get(conn, delivery_id)

    def repairs(self, delivery_id: int) -> list[Repair]:
        with self.ctx.db.read() as conn:
            return repairs.of_delivery(conn, delivery_id)

    def step(self) -> bool:
        """Do what is due; when nothing is, jump to what comes next. False: nothing is planned any more."""
        ctx = self.ctx
        recover_lost(ctx)
        if diagnosis_job.tend(ctx):
            return True
        with ctx.db.read() as conn:
            first, second = deliveries.due(conn, ctx.clock.now(), publish=4, follow=4)
            upcoming = deliveries.next_due(conn, ctx.clock.now())
        for delivery_id, state in first:
            (reconcile if state in DUE_TO_RECONCILE else publish)(ctx, delivery_id)
        for delivery_id in second:
            follow(ctx, delivery_id)
        if first or second:
            return True
        if upcoming is None:
            return False
        self.clock.added += max(0.0, (upcoming - ctx.clock.now()).total_seconds()) + 0.001
        return True

    def run(self, delivery_id: int, *, until: Callable[[Delivery], bool] | None = None, steps: int = 200) -> Delivery:
        """Work until the delivery has ended and nothing is left to diagnose (or `until` says so)."""
        for _ in range(steps):
            found = self.get(delivery_id)
            if until is not None and until(found):
                return found
            if until is None and self._ended(found):
                return found
            if not self.step():
                return self.get(delivery_id)
        return self.get(delivery_id)

    def rest(self, delivery_id: int) -> None:
        """Look at it no more: its month of counts would fill every jump of the clock."""
        with self.ctx.db.write() as conn:
            conn.exec_driver_sql(f"UPDATE deliveries SET next_at = NULL WHERE id = {int(delivery_id)}")

    def _ended(self, delivery: Delivery) -> bool:
        if any(row.state == "open" for row in self.repairs(delivery.id)):
            return False
        if delivery.state is S.GHOST:  # it may yet appear
            return delivery.readings > 4
        given_up = delivery.state is S.PUBLISHED and delivery.readings >= len(self.ctx.timing.verify_after)
        with self.ctx.db.read() as conn:
            blocked = accounts.get(conn, delivery.account_id).status != "ok"
        return TRAITS[delivery.state].at_rest or given_up or (delivery.state is S.WAITING and blocked)

    def evidence(self, delivery_id: int) -> Evidence:
        delivery = self.get(delivery_id)
        with self.ctx.db.read() as conn:
            account = accounts.get(conn, delivery.account_id)
        return diagnosis_job.gather(self.ctx, delivery, account)

    def visible(self, account_id: int, platform: Platform) -> list[dict[str, Any]]:
        """The truth: what a stranger sees of the account, without the earlier post."""
        found = self.control.posts(platform.value, self.names[account_id])
        return [p for p in found if p["visible"] and not p["text"].startswith("An earlier post")]


@contextmanager
def scene(folder: Path, database: str = "", advisor: Advisor | None = None) -> Iterator[Scene]:
    """A fresh scene; `database`: URL of a migrated, empty one."""
    clock = JumpingClock()
    with SandboxServer(World(clock=clock)) as sandbox:
        sandbox.control.settings(container_seconds=0, video_container_seconds=0, media_seconds=0)
        db = Database(database or database_url(folder / "agent.sqlite"), pool_size=4)
        db.migrate()
        settings = Settings(data_dir=folder, sandbox_port=sandbox.port, secret_key="s" * 40, _env_file=None)  # type: ignore[call-arg]
        pools = Pools(allow_private=True, timeout=TIMING.http_timeout)
        extra = {"settle_seconds": "4", "poll_seconds": "1"}
        ctx = Context(
            db=db,
            vault=Vault({"k1": b"k" * 32}),
            http=HttpClient(pools),
            clock=clock,
            timing=TIMING,
            keeper=LeaseKeeper(db, clock, "w1", TIMING.lease, TIMING.lease_margin),
            adapter_for=lambda p, http: adapter_for(p, http, _config(settings, p, extra), clock),
            config_for=lambda p: _config(settings, p, extra),
            media_url=lambda record, _: f"{sandbox.url}/files/{record.id}",
            data_dir=folder,
            late_limit=timedelta(hours=1),
            advisor=advisor or Advisor(),
        )
        with db.write() as conn:
            users.add(conn, email="a@example.org", password_hash="x", now=clock.now())
            picture = _picture(conn, folder, clock.now())
        with _files(ctx, folder) as base:
            ctx.media_url = lambda record, _: f"{base}/{record.path}"
            yield Scene(ctx, sandbox.control, clock, picture)
        pools.close()
        db.close()


def _config(settings: Settings, platform: Platform, extra: Any) -> Any:
    config = settings.platform(platform)
    return replace(config, settings={**config.settings, **extra})


def _picture(conn: Any, folder: Path, now: datetime) -> int:
    from postprober.platforms.common.media import fit_image
    from postprober.platforms.registry import LIMITS

    path = folder / "media" / "p.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(demo_picture())
    path.write_bytes(fit_image(str(path), LIMITS[Platform("instagram")].images).data)
    return media.add(
        conn,
        space=1,
        now=now,
        name="p.jpg",
        kind="image",
        mime="image/jpeg",
        size=path.stat().st_size,
        width=1080,
        height=1080,
        sha256="0" * 64,
        path="media/p.jpg",
        alt="A green tick",
    )


@contextmanager
def _files(ctx: Context, folder: Path) -> Iterator[str]:
    """Serves the data folder to the emulated Instagram."""
    import functools
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from postprober.sandbox.serve import free_socket

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    sock = free_socket()
    server = ThreadingHTTPServer(sock.getsockname(), functools.partial(Quiet, directory=str(folder)), False)
    server.socket.close()
    server.socket = sock
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
