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
from tests.scaled.house import PLATFORMS, House, RedisServer, wait_until
from tests.scaled.postgres import PostgresServer

S = DeliveryState
IN_HAND = (S.CLAIMED, S.SUBMITTING, S.PROCESSING)
PAUSE = 0.3  # seconds between two posts, on three accounts each
ACCOUNTS = 6
LOST = float("inf")  # seconds until something moved that never did


@dataclass(frozen=True)
class Strike:
    """`held`: deliveries that somebody had in hand in this moment; `newest`: the post accepted last; `alone`: no other
    fault came before all had moved."""

    kind: str
    at: datetime
    held: frozenset[int]
    newest: int
    alone: bool


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

    def strike(self, kind: str, *, alone: bool = False, limit: float = 60.0) -> None:
        """One of KINDS. `alone`: return when all that was in hand has moved, a post that was accepted after the fault is
        being sent, and a living scheduler leads, so that what the next fault costs is its own. Raises AssertionError when
        that does not come about within `limit` seconds."""
        with self.house.core.db.read() as conn:
            held = conn.execute(select(deliveries.c.id).where(deliveries.c.state.in_(IN_HAND))).scalars().all()
        struck = Strike(kind, datetime.now(UTC), frozenset(held), max(self.house.texts, default=0), alone)
        self.strikes.append(struck)
        getattr(self, KINDS[kind])()
        if alone:
            wait_until(lambda: None not in self._waited(struck) and self._leading() != "", limit)

    def _replace(self, part: str, victim: str = "") -> None:
        """Kill the oldest of a kind, or `victim`, and start another one."""
        house = self.house
        house.kill(victim or next(name for name in house.processes if name.startswith(part)))
        house.start(f"{part}-{next(self._names)}")

    def kill_worker(self) -> None:
        self._replace("worker")

    def kill_scheduler(self) -> None:
        """The one that leads: the standby takes over and gets a standby of its own."""
        self._replace("scheduler", self._leading())

    def _leading(self) -> str:
        """Which of the living schedulers leads; empty while none does."""
        parts = self.house.leader().split("-")
        return next((name for name, one in self.house.processes.items() if str(one.pid) in parts), "")

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

    def moved_on(self, *, alone: bool) -> dict[str, tuple[float, float]]:
        """By kind of fault, the slowest, in seconds: until anything moved; until all that was in hand had moved, and a post
        that was accepted afterwards was being sent. Of the faults that came alone, or of the others."""
        found: dict[str, tuple[float, float]] = {}
        for one in self.strikes:
            waited = [LOST if seconds is None else seconds for seconds in self._waited(one)]
            # No post came after the last of those that came upon each other.
            if one.alone is alone and (alone or LOST not in waited):
                before = found.get(one.kind, (0.0, 0.0))
                found[one.kind] = (max(before[0], waited[0]), max(before[1], waited[1]))
        return found

    def _waited(self, one: Strike) -> tuple[float | None, float | None]:
        """As `moved_on`, of one fault; None: not yet."""
        after = transitions.c.at > one.at
        with self.house.core.db.read() as conn:
            first = conn.execute(select(func.min(transitions.c.at)).where(after)).scalar_one()
            query = select(func.min(transitions.c.at)).where(after, transitions.c.delivery_id.in_(one.held))
            theirs = list(conn.execute(query.group_by(transitions.c.delivery_id)).scalars())
            # Not the first: that may have been accepted in the moment before.
            later = sorted(post for post in list(self.house.texts) if post > one.newest)[1:2]
            query = select(func.min(transitions.c.at)).where(
                transitions.c.post_id.in_(later), transitions.c.new == S.SUBMITTING.value
            )
            theirs += conn.execute(query.group_by(transitions.c.delivery_id)).scalars()
        last = max(theirs) if len(theirs) == len(one.held) + len(PLATFORMS) else None
        return _seconds(one.at, first), _seconds(one.at, last)


def _seconds(since: datetime, moment: datetime | None) -> float | None:
    return None if moment is None else (moment - since).total_seconds()


KINDS = {
    "a worker killed": "kill_worker",
    "the leading scheduler killed": "kill_scheduler",
    "FLUSHALL": "empty_redis",
    "Redis killed and started": "restart_redis",
    "PostgreSQL crashed and recovered": "crash_postgres",
}


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
