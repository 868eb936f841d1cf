"""What an operator watches: numbers over all users."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from postprober.domain.meters import Entry
from postprober.services.core import Core
from postprober.services.monitoring.monitoring import HEARTBEAT_LIMIT
from postprober.services.operations import backup_set
from postprober.storage import measures, meters, processes, quotas

KINDS = ("scheduler", "worker")  # of processes that beat


@dataclass(frozen=True)
class Measures:
    """`deliveries`: (platform, state) -> how many; `due`: platform -> how many wait for a worker now; `overdue`, `outbox_age`:
    seconds, 0 when nothing waits; `heartbeat_age`: seconds, None when no scheduler ever ran; `processes`: kind -> how many beat;
    `lease_left`: seconds until the scheduler's lease ends, below 0 when it has, None when nobody ever had it; `limits`:
    platform -> the smallest share left of a rate limit; `counted`: the stored counters and histograms."""

    deliveries: dict[tuple[str, str], int]
    due: dict[str, int]
    overdue: float
    outbox_depth: int
    outbox_age: float
    heartbeat_age: float | None
    processes: dict[str, int]
    lease_left: float | None
    limits: dict[str, float]
    counted: dict[Entry, float]


@dataclass(frozen=True)
class HostMeasures:
    """What needs no database. `disk_free`, `disk_size`: bytes of the data folder's disk, None where it cannot be asked; `redis`:
    whether it answers, None where none is used; `backup_age`: seconds, None where there is no backup; `backup_every`: seconds,
    None where none is scheduled."""

    disk_free: int | None
    disk_size: int | None
    redis: bool | None
    backup_age: float | None
    backup_every: float | None


def take(core: Core) -> Measures:
    """One consistent look at the database. Raises SQLAlchemyError."""
    now = core.clock.now()
    with core.db.read() as conn:
        depth, oldest = measures.outbox_depth(conn)
        beat = processes.newest_beat(conn, "scheduler", now)
        lease = processes.lease_end(conn, "scheduler")
        return Measures(
            deliveries=measures.deliveries_by_state(conn),
            due=measures.due_by_platform(conn, now),
            overdue=_age(measures.oldest_due(conn, now), now),
            outbox_depth=depth,
            outbox_age=_age(oldest, now),
            heartbeat_age=_age(beat, now) if beat else None,
            processes={kind: processes.beating(conn, kind, now - HEARTBEAT_LIMIT, now) for kind in KINDS},
            lease_left=(lease - now).total_seconds() if lease else None,
            limits=quotas.lowest(conn, now),
            counted=meters.read(conn),
        )


def take_host(core: Core) -> HostMeasures:
    """Never raises for something that is away."""
    settings = core.settings
    try:
        disk = shutil.disk_usage(settings.data_dir)
    except OSError:
        disk = None
    age = every = None
    if settings.backup_dir:
        every = settings.backup_hours * 3600.0
        try:
            last = backup_set.newest(Path(settings.backup_dir), core.clock.now())
            age = _age(last, core.clock.now()) if last is not None else None
        except OSError:  # a folder that only the scheduler may read
            age = None
    return HostMeasures(
        disk_free=disk.free if disk else None,
        disk_size=disk.total if disk else None,
        redis=redis_answers(core),
        backup_age=age,
        backup_every=every,
    )


def redis_answers(core: Core) -> bool | None:
    """None where none is used."""
    if not core.settings.redis_url:
        return None
    from postprober import wakeup  # loads Redis' library, which an installation without it has not

    return wakeup.answers(core.settings.redis_url.get_secret_value())


def _age(since: datetime | None, now: datetime) -> float:
    return max(timedelta(0), now - since).total_seconds() if since else 0.0
