"""What stops publishing at this moment, as far as one process can see; and what only slows it down."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from postprober.services.core import Core
from postprober.services.monitoring.measures import redis_answers
from postprober.services.monitoring.monitoring import HEARTBEAT_LIMIT
from postprober.storage import accounts, processes

Part = Literal["all", "sidecar", "scheduler"]
FULL = 16 * 2**20  # bytes; with less no database writes reliably
NEARLY_FULL = 512 * 2**20


@dataclass(frozen=True)
class NotReady:
    """One cause, by its code, in a sentence. `stops`: nothing is published while it lasts."""

    code: str
    detail: str
    stops: bool = True


@dataclass(frozen=True)
class Readiness:
    """`heartbeat_age`: seconds, None when no scheduler ever ran or the database is away."""

    found: tuple[NotReady, ...]
    heartbeat_age: float | None = None

    @property
    def causes(self) -> tuple[NotReady, ...]:
        return tuple(one for one in self.found if one.stops)

    @property
    def warnings(self) -> tuple[NotReady, ...]:
        return tuple(one for one in self.found if not one.stops)


def look(core: Core, part: Part) -> Readiness:
    """`sidecar`: only what this process needs to take requests; `scheduler`: and whether one runs. Never raises for something
    that is away."""
    now = core.clock.now()
    try:
        with core.db.read() as conn:
            beat = processes.newest_beat(conn, "scheduler", now)
            if part == "sidecar":
                found = []
            elif part == "scheduler":
                found = _heartbeat(core, conn)
            else:
                found = [*_heartbeat(core, conn), *_lease(core, conn), *_vault(core, conn)]
    except SQLAlchemyError:
        return Readiness((NotReady("database", "the database does not answer"), *_host(core, part)))
    age = max(timedelta(0), now - beat).total_seconds() if beat else None
    return Readiness((*found, *_host(core, part)), age)


def _heartbeat(core: Core, conn: Connection) -> list[NotReady]:
    now = core.clock.now()
    beat = processes.newest_beat(conn, "scheduler", now)
    if beat is not None and now - beat <= HEARTBEAT_LIMIT:
        return []
    ahead = processes.beat_ahead(conn, "scheduler", now)
    if ahead is not None:
        seconds = (ahead - now).total_seconds()
        detail = f"the scheduler's heartbeat is {seconds:.0f} s ahead of this machine's clock; correct the clocks"
        return [NotReady("heartbeat_ahead", detail)]
    return [NotReady("scheduler", "the scheduler is not running")]


def _lease(core: Core, conn: Connection) -> list[NotReady]:
    """Who publishes holds it; while it lasts, a standby waits."""
    now, end = core.clock.now(), processes.lease_end(conn, "scheduler")
    if end is None or end < now:
        return [NotReady("lease", "no scheduler holds the lease, so none publishes")]
    if end - now > 2 * core.settings.timing.lease:
        detail = "the scheduler's lease ends too far in the future; correct the clocks and restart the scheduler"
        return [NotReady("lease", detail)]
    return []


def _vault(core: Core, conn: Connection) -> list[NotReady]:
    locked, linked = accounts.locked_out(conn, core.vault.beginnings())
    if not locked:
        return []
    detail = (
        f"the tokens of {locked} of {linked} accounts were sealed with a key that is missing; "
        "put it back into POSTPROBER_VAULT_KEYS"
    )
    return [NotReady("vault", detail, stops=locked == linked)]


def _host(core: Core, part: Part) -> list[NotReady]:
    if part != "all":
        return []
    found = []
    try:
        free = shutil.disk_usage(core.settings.data_dir).free
    except OSError:
        found.append(NotReady("disk", "the data folder cannot be read"))
    else:
        if free < NEARLY_FULL:
            detail = f"the disk of the data folder has {free // 2**20} MB left"
            found.append(NotReady("disk", detail, stops=free < FULL))
    if redis_answers(core) is False:
        detail = "Redis does not answer; the scheduler publishes by itself, more slowly"
        found.append(NotReady("redis", detail, stops=False))
    return found
