"""Where pipeline tests are played: one database, one fake platform, and as many workers as wanted."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Connection, select

from postprober.clock import Clock, ManualClock
from postprober.domain.account import Credentials
from postprober.domain.delivery import DUE_TO_RECONCILE, TRAITS, DeliveryState
from postprober.domain.platform import PlatformConfig
from postprober.domain.post import PostStatus
from postprober.domain.timing import Timing
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.context import Context, LeaseKeeper, no_checkpoint
from postprober.pipeline.core.tokens import seal
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.verification.follow_up import follow
from postprober.security.vault import Vault
from postprober.storage import accounts, attempts, deliveries, posts, users
from postprober.storage.database import Database
from postprober.storage.records import Account, Attempt, Delivery, PartRecord
from postprober.storage.tables import alerts, evidence, monitoring_logs, outbox, transitions
from tests.pipeline.fake import BASE, FakeAdapter, FakePlatform

KEY = b"k" * 32
CANARY = "An earlier post"
# One short look after publishing and a last one, so that a ghost is decided after a minute.
TIMING = Timing(verify_after=tuple(timedelta(seconds=s) for s in (0, 20, 60)))
S = DeliveryState


@dataclass
class Stage:
    """`platform` is the truth. Times are the fake clock's."""

    db: Database
    clock: Clock
    platform: FakePlatform
    data_dir: Path
    timing: Timing = TIMING
    pools: Pools = field(init=False)
    vault: Vault = field(default_factory=lambda: Vault({"k1": KEY}))
    _users: int = 0

    def __post_init__(self) -> None:
        self.pools = Pools(allow_private=True, transport=httpx2.MockTransport(self.platform.public))

    @property
    def manual(self) -> ManualClock:
        assert isinstance(self.clock, ManualClock)
        return self.clock

    def worker(self, name: str = "w1", **changes: Any) -> Context:
        """Another process's tools: its own leases and name on the same database."""
        timing = changes.pop("timing", self.timing)
        db = changes.pop("db", self.db)
        base = Context(
            db=db,
            vault=self.vault,
            http=HttpClient(self.pools),
            clock=self.clock,
            timing=timing,
            keeper=LeaseKeeper(db, self.clock, name, timing.lease, timing.lease_margin),
            adapter_for=lambda _platform, http: FakeAdapter(self.platform, http),
            config_for=lambda platform: PlatformConfig(platform, BASE, BASE),
            media_url=lambda record, _platform: f"{BASE}/media/{record.id}",
            data_dir=self.data_dir,
            late_limit=timedelta(hours=1),
            checkpoint=no_checkpoint,
            rng=random.Random(7),
        )
        return replace(base, **changes)

    def user(self, email: str = "") -> int:
        self._users += 1
        address = email or f"user{self._users}@example.org"
        with self.db.write() as conn:
            return users.add(conn, email=address, password_hash="x", now=self.clock.now())

    def link(
        self,
        name: str = "owner",
        *,
        user_id: int | None = None,
        expires_in: float | None = None,
        newest_known_post: bool = True,
    ) -> Account:
        """An account, with an earlier post on it unless told otherwise."""
        owner = user_id or self.user()
        earlier = self.platform.post(name, CANARY, age=7200).id if newest_known_post else None
        ends = self.clock.now() + timedelta(seconds=expires_in) if expires_in is not None else None
        cred = Credentials(f"access-{name}", f"refresh-{name}", ends, remote_id=name, name=name, instance=BASE)
        self.platform.tokens[name] = cred.access_token
        with self.db.write() as conn:
            account_id = accounts.add(
                conn,
                space=owner,
                platform=self.platform.traits.platform.value,
                account_name=name,
                now=self.clock.now(),
                instance=BASE,
                remote_id=name,
                newest_known_post=earlier,
            )
            accounts.write(conn, account_id, **seal(self.vault, account_id, cred))
            return accounts.get(conn, account_id)

    def plan(self, account: Account, *texts: str, due_in: float = 0.0, post_id: int | None = None) -> int:
        """A delivery of one or more parts; returns its id."""
        now = self.clock.now()
        parts = texts or ("Hello world",)
        with self.db.write() as conn:
            chosen = post_id or posts.add(
                conn,
                space=account.user_id,
                content=parts[0],
                platforms=[account.platform.value],
                status=PostStatus.SCHEDULED,
                scheduled_at=now,
                options={},
                now=now,
            )
            return deliveries.add(
                conn,
                post_id=chosen,
                account_id=account.id,
                space=account.user_id,
                platform=account.platform.value,
                key=str(uuid.uuid4()),
                due_at=now + timedelta(seconds=due_in),
                parts=[PartRecord(i, text) for i, text in enumerate(parts)],
                now=now,
            )

    def get(self, delivery_id: int) -> Delivery:
        with self.db.read() as conn:
            return deliveries.get(conn, delivery_id)

    def state(self, delivery_id: int) -> DeliveryState:
        return self.get(delivery_id).state

    def account(self, account_id: int) -> Account:
        with self.db.read() as conn:
            return accounts.get(conn, account_id)

    def set_account(self, account_id: int, **columns: Any) -> None:
        with self.db.write() as conn:
            accounts.write(conn, account_id, **columns)

    def attempts(self, delivery_id: int, act: str = "") -> list[Attempt]:
        with self.db.read() as conn:
            return [a for a in attempts.of_delivery(conn, delivery_id) if act in ("", a.act)]

    def path(self, delivery_id: int) -> list[str]:
        """The states the delivery went through."""
        return [row["new"] for row in self.rows(transitions) if row["delivery_id"] == delivery_id]

    def steps(self, delivery_id: int) -> list[tuple[str, str]]:
        rows = self.rows(monitoring_logs)
        return [(row["step"], row["status"]) for row in rows if row["delivery_id"] == delivery_id]

    def alerts(self) -> list[str]:
        return [row["message"] for row in self.rows(alerts)]

    def outbox(self) -> list[dict[str, Any]]:
        return self.rows(outbox)

    def evidence(self, delivery_id: int, kind: str) -> list[dict[str, Any]]:
        rows = self.rows(evidence)
        return [row["body"] for row in rows if row["delivery_id"] == delivery_id and row["kind"] == kind]

    def rows(self, table: Any) -> list[dict[str, Any]]:
        with self.db.read() as conn:
            return [dict(row._mapping) for row in conn.execute(select(table).order_by(table.c.id))]

    def rows_of(self, table: Any) -> list[dict[str, Any]]:
        """Rows of a table that has no id of its own."""
        with self.db.read() as conn:
            return [dict(row._mapping) for row in conn.execute(select(table))]

    def act(self, ctx: Context, delivery_id: int) -> None:
        """What the engine does with one due delivery, in this thread."""
        state = self.state(delivery_id)
        if state in deliveries.DUE_TO_FOLLOW:
            follow(ctx, delivery_id)
        elif state in DUE_TO_RECONCILE:
            reconcile(ctx, delivery_id)
        else:
            publish(ctx, delivery_id)

    def ring(self, ctx: Context) -> int:
        """Everything that is due now, once; returns how much that was."""
        recover_lost(ctx)
        with ctx.db.read() as conn:
            first, second = deliveries.due(conn, ctx.clock.now(), publish=50, follow=50)
        ids = [delivery_id for delivery_id, _ in first] + second
        for delivery_id in ids:
            self.act(ctx, delivery_id)
        return len(ids)

    def settle(
        self, ctx: Context, *ids: int, until: Callable[[Delivery], bool] | None = None, limit: int = 300
    ) -> None:
        """Let time pass until each of `ids` has ended (or `until` holds for it)."""
        over = until or (lambda d: TRAITS[d.state].at_rest)
        for _ in range(limit):
            if all(over(self.get(i)) for i in ids):
                return
            if not self.ring(ctx):
                self.manual.advance(self._pause())
        raise AssertionError(f"not settled: {[(self.get(i).state, self.get(i).reason) for i in ids]}")

    def _pause(self) -> float:
        """Seconds until something can happen: a due time or the end of a lease."""
        now = self.clock.now()
        columns = deliveries.deliveries.c
        with self.db.read() as conn:
            found = conn.execute(select(columns.next_at, columns.lease_until)).all()
        ends = [moment for row in found for moment in row if moment is not None and moment >= now]
        return max(0.05, (min(ends) - now).total_seconds() + 0.01) if ends else 1.0


class Killed(BaseException):
    """The process is gone: no handler of the program may see it as an error."""


class MortalDatabase(Database):
    """Dies around its `at`-th write: before the commit (which then never happens) or just after it."""

    def __init__(self, real: Database, at: int, *, committed: bool) -> None:
        self.__dict__.update(real.__dict__)  # the same engine and locks, as threads of one process have them
        self._at = at
        self._committed = committed
        self.writes = 0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.writes += 1
        mine = self.writes
        with super().write() as conn:
            yield conn
            if mine == self._at and not self._committed:
                raise Killed
        if mine == self._at:
            raise Killed


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
