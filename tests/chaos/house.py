"""Our side: one database, two processes that publish and one that a person works with, each of which can be stopped in
the middle and go on later, or die."""

from __future__ import annotations

import gc
import random
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import greenlet
from sqlalchemy import Connection, select

from postprober.domain.account import Credentials
from postprober.domain.delivery import DUE_TO_RECONCILE
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.timing import Timing
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.context import Context, LeaseKeeper
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.repairs import diagnosis_job
from postprober.pipeline.verification.follow_up import follow
from postprober.platforms.common.adapter import Adapter
from postprober.security.vault import Vault
from postprober.services.accounts import accounts as account_service
from postprober.services.core import Core
from postprober.settings import Settings
from postprober.storage import accounts, deliveries, users
from postprober.storage.database import Database
from postprober.storage.records import Account, Delivery, delivery_of
from postprober.storage.tables import deliveries as table
from tests.chaos.world import BASE, EPOCH, ChaosAdapter, Nature, World, transport
from tests.people import acting

TIMING = Timing(
    verify_after=tuple(timedelta(seconds=s) for s in (0, 20, 60)),
    watch_shortest=timedelta(hours=1),
    unsure_retries=tuple(timedelta(seconds=s) for s in (5, 10)),
)
LEASE = TIMING.lease.total_seconds()


_ALL = select(table).order_by(table.c.id)


class Killed(BaseException):
    """The process is gone: no handler of the program may see it as an error."""


@dataclass
class OwnClock:
    """What one process reads: the wall clock is `apart` seconds off and can be set, the monotonic one never jumps."""

    world: Callable[[], World]
    apart: float = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.world().time + self.apart)

    def monotonic(self) -> float:
        return 1000.0 + self.world().time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.is_set()


@dataclass
class Hand:
    """One thing that a process has in hand. `stop`: the number or the name of the place where it is stopped next; `at`:
    where it stands; `delivery`: which one it works on, 0 for none."""

    what: str
    delivery: int
    glet: Any = None
    stop: int | str = 0
    dies: bool = False
    steps: int = 0
    at: str = ""
    stood: float = 0.0  # seconds it has stood there
    result: Any = None
    error: BaseException | None = None

    @property
    def over(self) -> bool:
        return bool(self.glet.dead)


@dataclass
class Process:
    """`alive` False: nothing of it runs any more, and what it knew is gone."""

    name: str
    house: House
    clock: OwnClock
    frozen: bool = False
    alive: bool = True
    hands: list[Hand] = field(default_factory=list)
    inside: int = 0  # transactions that are open

    def pause(self, place: str) -> None:
        """A place where the process may be stopped, or die."""
        if not self.alive:
            raise Killed
        if self.inside:
            self.house.wrong(f"{self.name} was at {place!r} inside a transaction")
        hand = next((h for h in self.hands if h.glet is greenlet.getcurrent()), None)
        if hand is None:
            return
        hand.steps += 1
        if hand.stop != place and hand.stop != hand.steps:
            return
        if hand.dies:
            self.alive = False
            raise Killed
        hand.at, hand.stood = place, 0.0
        hand.glet.parent.switch()
        if not self.alive:
            raise Killed

    def begin(
        self, what: str, act: Callable[[], Any], *, delivery: int = 0, stop: int | str = 0, dies: bool = False
    ) -> Hand:
        """Start something; returns when it is over, stopped or dead."""
        hand = Hand(what, delivery, stop=stop, dies=dies)

        def body() -> None:
            try:
                hand.result = act()
            except Killed:
                return
            except BaseException as error:  # noqa: BLE001 (judged by whoever began it)
                hand.error = error

        hand.glet = greenlet.greenlet(body)
        self.hands.append(hand)
        self._run(hand)
        return hand

    def go_on(self, hand: Hand, *, stop: int | str = 0, dies: bool = False) -> None:
        """What was stopped goes on."""
        hand.stop, hand.dies, hand.at, hand.steps = stop, dies, "", 0
        self._run(hand)

    def _run(self, hand: Hand) -> None:
        hand.glet.switch()
        if not self.alive:
            self.die()
        elif hand.over:
            self.hands.remove(hand)

    def die(self) -> None:
        """SIGKILL."""
        self.alive = False
        for hand in self.hands:
            while not hand.over:
                hand.glet.switch()
        self.hands.clear()


class Watched(Database):
    """The database as one process has it: it can be stopped before each write and after each commit."""

    def __init__(self, real: Database, process: Process) -> None:
        self.__dict__.update(real.__dict__)
        self._process = process

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._process.pause("before a write")
        with super().write() as conn:
            self._process.inside += 1
            try:
                yield conn
            finally:
                self._process.inside -= 1
        self._process.pause("after a commit")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if not self._process.alive:
            raise Killed
        with super().read() as conn:
            self._process.inside += 1
            try:
                yield conn
            finally:
                self._process.inside -= 1


@dataclass(frozen=True)
class AppCore(Core):
    """A person's side; its adapter speaks to the world."""

    process: Process = field(kw_only=True)

    def adapter(self, platform: Platform, cred: Credentials | None = None, http: HttpClient | None = None) -> Adapter:
        return ChaosAdapter(self.process.house.world, http or self.http, self.process.pause)


class House:
    """One installation for many runs: `reset` empties it. Use as a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="pp-chaos-", dir=memory if memory.is_dir() else None))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.db = Database(f"sqlite:///{self.folder / 'chaos.sqlite'}", pool_size=4)
        self._stack.callback(self.db.close)
        self.db.migrate()
        self._template: sqlite3.Connection | None = None
        self.settings = Settings(data_dir=self.folder, secret_key="s" * 40, _env_file=None)  # type: ignore[call-arg]
        self.vault = Vault({"k1": b"k" * 32})
        self.world = World()
        self.pools = Pools(allow_private=True, transport=transport(lambda: self.world))
        self._stack.callback(self.pools.close)
        self.violations: list[str] = []
        self._stack.enter_context(
            patch("postprober.services.posts.delivery_actions.context_of", lambda _core: self.context(self.app, 1))
        )

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wrong(self, text: str) -> None:
        """Something that may never be."""
        self.violations.append(text)

    def reset(self, nature: Nature, seed: int) -> None:
        """A fresh installation with two spaces, beside a fresh platform."""
        self.db.checkpoint_wal()  # nobody else does, and the log of thousands of runs would fill the memory
        self.world = World(nature)
        self.world.time = 100_000.0
        self.violations = []
        self.trace: BaseException | None = None
        self.seed, self._given = seed, 0
        self.tokens: dict[int, str] = {}  # of each account's row
        self.app = self.process("app")
        self.workers = [self.process("w1"), self.process("w2")]
        self.contexts = [self.context(w, seed) for w in self.workers]
        self.core = self._core(self.app)
        for remote in ("ann", "bob"):
            self.world.make(remote, f"An earlier post of {remote}", age=7200.0)
        self._furnish()

    def _furnish(self) -> None:
        """Two spaces and their accounts; one of these is linked in both. Made once, copied from then on."""
        raw = self.db.engine.raw_connection()
        try:
            live = raw.driver_connection
            assert isinstance(live, sqlite3.Connection)
            if self._template is not None:
                self._template.backup(live)
                self.tokens, self._given = dict(self._first), len(self._first)
                return
            now = self.app.clock.now()
            with self.db.write() as conn:
                owner, other = (users.add(conn, email=f"{n}@example.org", password_hash="x", now=now) for n in "ab")
            self.accounts = [self.link(owner, "ann"), self.link(other, "ann"), self.link(owner, "bob")]
            self._first = dict(self.tokens)
            gc.freeze()  # what stays until the end is not looked through again and again
            self._template = sqlite3.connect(":memory:")
            self._stack.callback(self._template.close)
            live.backup(self._template)
        finally:
            raw.close()

    def link(self, user: int, remote: str, spelled: str = BASE) -> int:
        """Link (again) a remote account; returns the id of its row."""
        self._given += 1
        cred = Credentials(f"token-{self._given}", remote_id=remote, name=remote, instance=spelled)
        account: Account = account_service.link(
            self.core, acting(self.core, user), Platform("mastodon"), cred, self.core.http
        )
        self.tokens[account.id] = cred.access_token
        return account.id

    def process(self, name: str) -> Process:
        return Process(name, self, OwnClock(lambda: self.world))

    def _core(self, process: Process) -> Core:
        http = HttpClient(self.pools)
        return AppCore(self.settings, Watched(self.db, process), self.vault, http, process.clock, process=process)

    def context(self, process: Process, seed: int) -> Context:
        """A process's tools, with nothing in memory."""
        db = Watched(self.db, process)
        return Context(
            db=db,
            vault=self.vault,
            http=HttpClient(self.pools),
            clock=process.clock,
            timing=TIMING,
            keeper=LeaseKeeper(db, process.clock, process.name, TIMING.lease, TIMING.lease_margin),
            adapter_for=lambda _platform, http: ChaosAdapter(self.world, http, process.pause),
            config_for=lambda platform: PlatformConfig(platform, BASE, BASE),
            media_url=lambda record, _platform: f"{BASE}/media/{record.id}",
            data_dir=self.folder,
            late_limit=timedelta(hours=1),
            checkpoint=process.pause,
            rng=random.Random(seed),
            spare=lambda: bool(seed % 2),
        )

    def restart(self, number: int) -> None:
        """A dead process comes back under a new name, and knows nothing."""
        old = self.workers[number]
        name = f"w{number + 1}." + str(int(old.name.partition(".")[2] or 0) + 1)
        fresh = Process(name, self, old.clock)
        self.workers[number] = fresh
        self.contexts[number] = self.context(fresh, self.seed)

    def restart_app(self) -> None:
        self.app = Process("app", self, self.app.clock)
        self.core = self._core(self.app)

    def deliveries(self) -> list[Delivery]:
        with self.db.read() as conn:
            return [delivery_of(row) for row in conn.execute(_ALL)]

    def delivery(self, delivery_id: int) -> Delivery:
        with self.db.read() as conn:
            return deliveries.get(conn, delivery_id)

    def account(self, account_id: int) -> Account:
        with self.db.read() as conn:
            return accounts.get(conn, account_id)

    def due(self, number: int) -> list[tuple[int, str]]:
        """What a worker sees as due, but for what it has in hand: (id, act)."""
        process = self.workers[number]
        mine = {hand.delivery for hand in process.hands}
        with self.db.read() as conn:
            first, second = deliveries.due(conn, process.clock.now(), publish=50, follow=50)
        acts = [(i, "reconcile" if state in DUE_TO_RECONCILE else "publish") for i, state in first]
        return [(i, act) for i, act in (*acts, *((i, "follow") for i in second)) if i not in mine]

    def until_due(self, number: int) -> float:
        """Seconds until a worker has something to do, within bounds."""
        now = self.workers[number].clock.now()
        with self.db.read() as conn:
            upcoming = deliveries.next_due(conn, now)
        return min(60.0, max(1.0, (upcoming - now).total_seconds() + 0.01)) if upcoming else 6.0

    def act(self, number: int, what: str, delivery: int = 0, *, stop: int | str = 0, dies: bool = False) -> Hand:
        """One job of a worker."""
        ctx, process = self.contexts[number], self.workers[number]
        acts: dict[str, Callable[[], Any]] = {
            "publish": lambda: publish(ctx, delivery),
            "reconcile": lambda: reconcile(ctx, delivery),
            "follow": lambda: follow(ctx, delivery),
            "recover": lambda: recover_lost(ctx),
            "tend": lambda: diagnosis_job.tend(ctx),
            "renew": ctx.keeper.renew,
        }
        hand = process.begin(what, acts[what], delivery=delivery, stop=stop, dies=dies)
        self.look_at(hand, process)
        return hand

    def look_at(self, hand: Hand, process: Process) -> None:
        """Nothing may come out of a worker's job."""
        if hand.over and hand.error is not None:
            self.wrong(
                f"{process.name}: {hand.what} of {hand.delivery} raised {type(hand.error).__name__}: {hand.error}"
            )
            self.trace = hand.error

    def advance(self, seconds: float) -> None:
        """Time passes. Processes that are not frozen renew their leases; what stands between its last check and its
        first byte goes on in time."""
        self.world.advance(seconds)
        for number, process in enumerate(self.workers):
            if process.alive and not process.frozen and any(hand.delivery for hand in process.hands):
                self.act(number, "renew")
