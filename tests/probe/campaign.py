"""Thousands of posts on the sandbox: ghosts, and posts that change after their proof, among healthy ones whose pages are
slow and flaky. Each loss must be told within its deadline, nothing may be sent twice, and no healthy post may be alarmed
about. What really happened is asked of the sandbox.

    python -m tests.probe --healthy 10000 --ghosts 1000 --changed 1000
"""

from __future__ import annotations

import io
import itertools
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import select

from postprober.clock import ManualClock
from postprober.domain.delivery import DUE_TO_RECONCILE, DeliveryState
from postprober.domain.drift import MOST_DOUBTS, SOON
from postprober.domain.platform import Platform, known
from postprober.domain.post import PostStatus
from postprober.domain.timing import Timing
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.verification import follow_up
from postprober.pipeline.verification.follow_up import follow
from postprober.sandbox.engine.emulator import DAY, emulator, faulty
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World
from postprober.sandbox.instagram import fetch as instagram_fetch
from postprober.services.accounts.accounts import add_by_token
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.pipeline_context import context_of
from postprober.settings import load_settings
from postprober.storage import deliveries, posts, users
from postprober.storage.records import PartRecord
from postprober.storage.tables import alerts, transitions
from postprober.wiring import build_core, close_core
from tests.people import acting
from tests.probe.inprocess import InProcess

S = DeliveryState
PLATFORMS = tuple(p.value for p in known())
# Looks at 0, 20 and 60 s decide about a ghost; after that every 10 to 15 minutes for as long as the campaign lasts.
TIMING = Timing(
    verify_after=tuple(timedelta(seconds=s) for s in (0, 20, 60)),
    ghost_recheck=timedelta(hours=3),
    watch_longest=timedelta(minutes=10),
    watch_for=timedelta(minutes=50),
    processing_poll=timedelta(seconds=1),
)
CHANGED_AT = timedelta(minutes=7)
LASTS = timedelta(minutes=50)
# What the plan allows: a ghost is decided at its last look; one whose looks could not tell, at the next polls. A change is
# seen at the next look and told after a second one; each look that meets a bad page is repeated, 10 s later and then ever
# later, so a post's own deadline has a pause for each of those.
GHOST_DEADLINE = timedelta(minutes=26)
STEP = 5.0  # seconds of the clock between two rounds
NEXT_LOOK = TIMING.watch_longest + timedelta(seconds=STEP)
# What strangers cannot tell: a public record has no handle; a page has no descriptions, and its channel, when it was renamed
# or taken away, has one of many sentences that say nothing clear. Where no stranger looks at all, only its author's reading tells.
# An event cannot be changed: a changed one is another, so its place is empty, which is told as a deletion.
UNSEEN = {
    "bluesky": ("rename",),
    "telegram": ("alt", "rename", "suspend"),
    "discord": ("hide", "rename", "suspend"),
    "nostr": ("edit", "alt", "rename", "suspend"),
}
KINDS = ("delete", "hide", "edit", "alt", "rename", "suspend")
PER_ACCOUNT = 50
MEMORY = Path("/dev/shm")  # the disk's speed is not what is measured


@dataclass
class Result:
    """All counted by the sandbox's own truth. `naive`: healthy posts that a detector which believes every page at once
    would have alarmed about."""

    posts: int = 0
    ghosts: int = 0
    ghosts_told: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    changes_told: dict[str, int] = field(default_factory=dict)
    late: int = 0
    slowest: float = 0.0
    twice: int = 0
    missing: int = 0
    false_alarms: int = 0
    naive: int = 0
    untold: list[str] = field(default_factory=list)
    looks: int = 0
    requests: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        told = self.ghosts_told == self.ghosts and self.changes_told == self.changes
        return told and not (self.late or self.twice or self.false_alarms or self.missing)


@contextmanager
def scene(folder: Path, seed: int) -> Iterator[tuple[Core, World, Context, ManualClock, InProcess]]:
    """An installation on a sandbox in this process, on a clock that is moved by hand."""
    clock = ManualClock()
    world = World(clock=lambda: clock.now().timestamp(), seed=seed)
    transport = InProcess(world)
    world.change_settings({"flaky_public": 0.0, "instagram_quota": 10**6, "container_seconds": 0.0})
    settings = load_settings(data_dir=folder, browser="off", _env_file=None)
    core = build_core(settings, clock=clock)
    core.http.pools.close()
    core = replace(core, http=HttpClient(Pools(allow_private=True, transport=transport)))
    ctx = context_of(core, worker="w", timing=TIMING)
    real = instagram_fetch._get
    instagram_fetch._get = lambda _url, _most: jpeg()
    try:
        yield core, world, ctx, clock, transport
    finally:
        instagram_fetch._get = real
        close_core(core)
        transport.end()


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 400), "teal").save(out, "JPEG")
    return out.getvalue()


class Campaign:
    """`quiet`: the control, nobody looks after publishing. `seed`: which pages go wrong, and when; the same one plays the
    same campaign."""

    def __init__(
        self, healthy: int, ghosts: int, changed: int, flaky: float, quiet: bool = False, seed: int = 7
    ) -> None:
        self.counts = {"healthy": healthy, "ghost": ghosts, "changed": changed}
        self.flaky, self.quiet, self.seed = flaky, quiet, seed
        self.result = Result()
        self.role: dict[int, str] = {}  # delivery -> healthy, ghost or the kind of change
        self.changed_at: dict[int, datetime] = {}
        self.alarmed: set[int] = set()
        self.doubts = Counter[int]()  # by delivery: looks in a row that could not tell
        self.pauses: defaultdict[int, timedelta] = defaultdict(timedelta)  # after such looks since the change
        self._numbers = itertools.count(1)

    def run(self) -> Result:
        began = time.monotonic()
        with (
            tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
            scene(Path(folder), self.seed) as made,
        ):
            self.core, self.world, self.ctx, self.clock, transport = made
            with self.core.db.write() as conn:
                self.user = users.add(conn, email="a@example.org", password_hash="x", now=self.clock.now())
            self.picture = media.add_bytes(self.core, acting(self.core, self.user), "teal.jpg", jpeg(), "a teal square")
            self._plan_all()
            self._watch_looks()
            self.began = self.clock.now()
            self.world.change_settings({"flaky_public": self.flaky})
            self._play()
            self._count()
            self.result.requests = transport.requests
        self.result.seconds = round(time.monotonic() - began, 1)
        return self.result

    # the scene

    def _plan_all(self) -> None:
        for role, count in self.counts.items():
            for index, platform in enumerate(PLATFORMS):
                share = count // len(PLATFORMS) + (index < count % len(PLATFORMS))
                self._plan(role, platform, share)

    def _plan(self, role: str, platform: str, count: int) -> None:
        kinds = [k for k in KINDS if k not in UNSEEN.get(platform, ())]
        for start in range(0, count, PER_ACCOUNT):
            size = min(PER_ACCOUNT, count - start)
            if role != "changed":
                self._posts(self._account(platform, role == "ghost"), platform, [role] * size)
                continue
            chosen = [kinds[(start + n) % len(kinds)] for n in range(size)]
            alone = [k for k in chosen if k in ("rename", "suspend")]
            self._posts(self._account(platform, False), platform, [k for k in chosen if k not in alone])
            for kind in sorted(set(alone)):  # these befall all posts of an account
                self._posts(self._account(platform, False), platform, [kind] * alone.count(kind))

    def _account(self, platform: str, ghost: bool) -> Any:
        name = f"a{next(self._numbers)}"
        account = self.world.add_account(platform, name, None, False, "")
        if ghost:
            body = {"platform": platform, "kind": "ghost", "account": name, "times": 0}
            fault: Fault = self.world.plan.add(body, faulty())
            self.world.save_fault(fault)
        issue(self.world, account, account.scopes, age=2 * DAY)
        usual = {"access_token": account.access_token, "refresh_token": account.refresh_token}
        data = dict(emulator(platform).typed(account)) or usual
        return add_by_token(self.core, acting(self.core, self.user), Platform(platform), data, name=name)

    def _posts(self, account: Any, platform: str, roles: list[str]) -> None:
        now = self.clock.now()
        with self.core.db.write() as conn:
            for role in roles:
                number = next(self._numbers)
                text = f"Post number {number} of a long campaign, in its own words"
                pictured = platform == "instagram" or role == "alt"
                post_id = posts.add(
                    conn,
                    space=self.user,
                    content=text,
                    platforms=[platform],
                    status=PostStatus.SCHEDULED,
                    scheduled_at=now,
                    options={},
                    now=now,
                )
                made = deliveries.add(
                    conn,
                    post_id=post_id,
                    account_id=account.id,
                    space=self.user,
                    platform=platform,
                    key=str(uuid.UUID(int=number)),
                    due_at=now,
                    parts=[PartRecord(0, text, media=(self.picture,) if pictured else ())],
                    now=now,
                )
                self.role[made] = role

    def _watch_looks(self) -> None:
        """What a detector would say that believes the first page it gets."""
        real = follow_up.examine

        def examined(work: Any, *args: Any, **named: Any) -> Any:
            found = real(work, *args, **named)
            told = found.seen.author or found.seen.differences or found.missing
            self._allow(work.delivery.id, bool(found.seen.sure and told))
            self.result.looks += 1
            if found.detail.get("public") != "found" or found.differences:
                self.alarmed.add(work.delivery.id)
            return found

        self._real_examine = real
        follow_up.examine = examined  # type: ignore[assignment]

    def _allow(self, delivery: int, sure: bool) -> None:
        """A look that could not tell gives the post the pause until the next one."""
        self.doubts[delivery] = 0 if sure else self.doubts[delivery] + 1
        if not sure and delivery in self.changed_at:
            soon = SOON * (1 << self.doubts[delivery]) if self.doubts[delivery] <= MOST_DOUBTS else TIMING.watch_longest
            self.pauses[delivery] += min(soon, TIMING.watch_longest) + timedelta(seconds=STEP)

    # the play

    def _play(self) -> None:
        try:
            changed = False
            while self.clock.now() - self.began < LASTS:
                if not changed and self.clock.now() - self.began >= CHANGED_AT:
                    changed = True
                    self._change()
                if not self._round():
                    self._advance()
        finally:
            follow_up.examine = self._real_examine  # type: ignore[assignment]

    def _round(self) -> int:
        recover_lost(self.ctx)
        with self.core.db.read() as conn:
            first, second = deliveries.due(conn, self.clock.now(), publish=5000, follow=0 if self.quiet else 2000)
        for delivery_id, state in first:
            (reconcile if state in DUE_TO_RECONCILE else publish)(self.ctx, delivery_id)
        for delivery_id in second:
            follow(self.ctx, delivery_id)
        return len(first) + len(second)

    def _advance(self) -> None:
        with self.core.db.read() as conn:
            upcoming = deliveries.next_due(conn, self.clock.now())
        gap = (upcoming - self.clock.now()).total_seconds() if upcoming is not None else 60.0
        if self.clock.now() - self.began < CHANGED_AT:
            gap = min(gap, 60.0)
        self.clock.advance(min(max(gap, STEP), 300.0))

    def _change(self) -> None:
        now = self.clock.now()
        with self.core.db.read() as conn:
            found = {i: deliveries.get(conn, i) for i, role in self.role.items() if role in KINDS}
        for delivery_id, delivery in found.items():
            post = self.world.post(delivery.platform.value, delivery.remote_id or "")
            assert post is not None, delivery
            self._do(self.role[delivery_id], post)
            self.changed_at[delivery_id] = now

    def _do(self, kind: str, post: Post) -> None:
        account = self.world.account(post.platform, post.account)
        assert account is not None
        if kind == "delete":
            self.world.delete_post(post)
        elif kind == "hide":
            post.hidden_at = self.world.now()
        elif kind == "edit":
            self.world.edit_post(post, "Buy now, " + post.text[::-1])
        elif kind == "alt":
            self.world.edit_post(post, post.text, alt="something else", media=None if post.media else 0)
        elif kind == "rename":
            account.shown = f"{account.name}new"
        else:
            self.world.suspend(account, True)

    # the count

    def _count(self) -> None:
        with self.core.db.read() as conn:
            told = list(conn.execute(select(alerts).where(alerts.c.delivery_id.is_not(None))))
            ghosted = {
                row.delivery_id: row.at for row in conn.execute(select(transitions).where(transitions.c.new == "ghost"))
            }
            rows = {i: deliveries.get(conn, i) for i in self.role}
        first: dict[int, datetime] = {}
        for row in told:
            if row.kind in ("drifted", "ghost"):
                first.setdefault(row.delivery_id, row.created_at)
        real = [p for p in self.world.posts.values() if "number" in p.extra.get("first_text", p.text)]
        texts = Counter((p.platform, p.account, p.extra.get("first_text", p.text)) for p in real)
        self.result.twice = sum(1 for count in texts.values() if count > 1)
        self.result.posts = len(real)
        self.result.missing = len(self.role) - len(texts)
        self.result.false_alarms = len({row.delivery_id for row in told if self.role[row.delivery_id] == "healthy"})
        self.result.naive = sum(1 for i in self.alarmed if self.role[i] == "healthy")
        changes, changes_told = Counter[str](), Counter[str]()
        for delivery_id, role in self.role.items():
            if role == "healthy":
                continue
            since = rows[delivery_id].published_at if role == "ghost" else self.changed_at[delivery_id]
            at = ghosted.get(delivery_id) if role == "ghost" else first.get(delivery_id)
            slack = self.pauses[delivery_id] + SOON + timedelta(seconds=2 * STEP)
            deadline = GHOST_DEADLINE if role == "ghost" else NEXT_LOOK + slack
            self._one(role, at, since, deadline, changes, changes_told)
            if at is None:
                row = rows[delivery_id]
                self.result.untold.append(f"{role} {row.platform.value} {row.id} {row.state.value}: {row.reason}")
        self.result.changes, self.result.changes_told = dict(changes), dict(changes_told)

    def _one(
        self,
        role: str,
        at: datetime | None,
        since: datetime | None,
        deadline: timedelta,
        changes: Counter[str],
        told: Counter[str],
    ) -> None:
        if role == "ghost":
            self.result.ghosts += 1
            self.result.ghosts_told += at is not None
        else:
            changes[role] += 1
            told[role] += at is not None
        if at is not None and since is not None:
            took = at - since
            self.result.slowest = max(self.result.slowest, took.total_seconds())
            self.result.late += took > deadline
            if took > deadline:
                self.result.untold.append(f"{role}: told after {took}, due within {deadline}")
