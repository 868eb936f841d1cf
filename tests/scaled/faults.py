"""Posts that arrive all the time, and what is killed, emptied or restarted meanwhile; how long until the work moves on.

House rule of every fault: what it took away is there again when it returns (a supervisor's part), except time.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from postprober.domain.delivery import DeliveryState
from postprober.sandbox.serve import SandboxServer
from postprober.storage.tables import deliveries, transitions
from tests.scaled.house import House, RedisServer, wait_until
from tests.scaled.postgres import PostgresServer

S = DeliveryState
IN_HAND = (S.CLAIMED, S.SUBMITTING, S.PROCESSING)
PAUSE = 0.3  # seconds between two posts, on three accounts each
ACCOUNTS = 6


@dataclass(frozen=True)
class Strike:
    """`held`: deliveries that somebody had in hand in this moment."""

    kind: str
    at: datetime
    held: frozenset[int]


@dataclass
class Scene:
    house: House
    postgres: PostgresServer
    strikes: list[Strike] = field(default_factory=list)
    refused: int = 0
    _names: itertools.count[int] = field(default_factory=lambda: itertools.count(2))
    _stop: threading.Event = field(default_factory=threading.Event)
    _poster: threading.Thread | None = None

    def begin(self) -> None:
        """Posts come from now on, until `rest`."""
        self._stop.clear()
        self._poster = threading.Thread(target=self._post, name="poster", daemon=True)
        self._poster.start()

    def _post(self) -> None:
        for number in itertools.count(len(self.house.texts)):
            if self._stop.wait(PAUSE):
                return
            try:
                self.house.post(number)
            except SQLAlchemyError:
                self.refused += 1  # nothing was accepted, so nothing is owed

    def rest(self, limit: float = 120.0) -> None:
        """No more posts; all that were accepted come to their end. Raises AssertionError when they do not."""
        self._stop.set()
        if self._poster is not None:
            self._poster.join(60)
        wait_until(self.house.ended, limit)

    def strike(self, kind: str) -> None:
        """One of KINDS."""
        with self.house.core.db.read() as conn:
            held = conn.execute(select(deliveries.c.id).where(deliveries.c.state.in_(IN_HAND))).scalars().all()
        self.strikes.append(Strike(kind, datetime.now(UTC), frozenset(held)))
        getattr(self, KINDS[kind])()

    def _replace(self, part: str) -> None:
        """Kill the oldest of a kind and start another one."""
        house = self.house
        oldest = next(name for name in house.processes if name.startswith(part))
        house.kill(oldest)
        house.start(f"{part}-{next(self._names)}")

    def kill_worker(self) -> None:
        self._replace("worker")

    def kill_scheduler(self) -> None:
        """The oldest leads: the standby takes over and gets a standby of its own."""
        self._replace("scheduler")

    def empty_redis(self) -> None:
        self.house.redis.client.flushall()

    def restart_redis(self) -> None:
        self.house.redis.stop()
        self.house.redis.start()

    def crash_postgres(self) -> None:
        self.postgres.crash_and_recover()

    def moved(self, post: int) -> bool:
        """Whether a worker has had it."""
        with self.house.core.db.read() as conn:
            query = select(transitions.c.new).where(transitions.c.post_id == post)
            return S.SUBMITTING.value in set(conn.execute(query).scalars())

    def moved_on(self) -> dict[str, tuple[float, float]]:
        """By kind of fault, the slowest, in seconds: until anything moved; until all that was in hand had moved."""
        found: dict[str, tuple[float, float]] = {}
        with self.house.core.db.read() as conn:
            for one in self.strikes:
                after = transitions.c.at > one.at
                first = conn.execute(select(func.min(transitions.c.at)).where(after)).scalar_one()
                query = select(func.min(transitions.c.at)).where(after, transitions.c.delivery_id.in_(one.held))
                theirs = conn.execute(query.group_by(transitions.c.delivery_id)).scalars().all()
                waited = [(moment - one.at).total_seconds() for moment in (first, max(theirs, default=first))]
                before = found.get(one.kind, (0.0, 0.0))
                found[one.kind] = (max(before[0], waited[0]), max(before[1], waited[1]))
        return found


KINDS = {
    "a worker killed": "kill_worker", "the leading scheduler killed": "kill_scheduler", "FLUSHALL": "empty_redis",
    "Redis killed and started": "restart_redis", "PostgreSQL crashed and recovered": "crash_postgres",
}  # fmt: skip


@contextmanager
def scene(*, schedulers: int = 2, workers: int = 2) -> Iterator[Scene]:
    """PostgreSQL with fsync, Redis, the sandbox, schedulers and workers, each a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="pp-faults-"))
    postgres, redis = PostgresServer(), RedisServer(folder)
    redis.start()
    with SandboxServer() as sandbox:
        sandbox.control.settings(container_seconds=0, video_container_seconds=0, media_seconds=0)
        house = House(folder, postgres.url, redis, sandbox)
        try:
            house.link(ACCOUNTS)
            for number in range(schedulers):
                house.start(f"scheduler-{number}")
            for number in range(workers):
                house.start(f"worker-{number}")
            wait_until(lambda: house.workers_beating() == workers, 90)
            yield Scene(house, postgres)
        finally:
            house.close()
            redis.stop()
            postgres.stop()
            shutil.rmtree(folder, ignore_errors=True)
