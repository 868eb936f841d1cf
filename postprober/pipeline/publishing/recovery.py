"""What lost workers and restored databases leave behind."""

from __future__ import annotations

import json
import logging
import os
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.delivery import DeliveryState, Step, StepStatus
from postprober.domain.meters import FAILURES, OUTCOMES
from postprober.domain.retry import LONGEST_WAIT
from postprober.errors import Conflict
from postprober.pipeline.core import transitions, unlinked
from postprober.pipeline.core.context import Context
from postprober.storage import accounts, alert_log, attempts, deliveries, processes, step_log, users
from postprober.storage.loops import each
from postprober.storage.records import Delivery
from postprober.storage.tables import deliveries as table

log = logging.getLogger("postprober.recovery")
S = DeliveryState


# Ours: workers' clocks may be that far apart. A lease or a pause that ends later than they ever do was written by a clock
# that ran ahead, and would hold everybody off until then.
_CLOCKS_APART = timedelta(minutes=2)


def recover_lost(ctx: Context) -> int:
    """Take deliveries away from workers whose lease ran out; returns how many. Settles those of disconnected accounts.

    `claimed`: nothing was sent, so it is scheduled again. `submitting`: unknown; the settle time counts from now,
    because the lost worker's request may still be on its way. The fence moves, so a worker that was only frozen can
    no longer write, nor pass its last check.
    """
    now, longest = ctx.clock.now(), max(ctx.timing.lease * 2, _CLOCKS_APART)
    pause = now + LONGEST_WAIT + _CLOCKS_APART
    with ctx.db.read() as conn:
        ahead = deliveries.leased_beyond(conn, now + longest)
        waits = accounts.paused_beyond(conn, pause) or deliveries.waits_beyond(conn, pause)
    if ahead or waits:
        with ctx.db.write() as conn:
            deliveries.end_leases_beyond(conn, now + longest, now)
            accounts.end_pauses_beyond(conn, pause)
            deliveries.end_waits_beyond(conn, pause, now)
    with ctx.db.read() as conn:
        lost = deliveries.lost(conn, now)
    done = each(lost, lambda delivery: _take_back(ctx, delivery), log, "a lost delivery is taken back")
    unlinked.settle_all(ctx)
    return done


def _take_back(ctx: Context, delivery: Delivery) -> None:
    now = ctx.clock.now()
    columns = {"fence": delivery.fence + 1, "lease_until": None, "lease_owner": None, "crashes": delivery.crashes + 1}
    with ctx.db.write() as conn:
        if not deliveries.still_lost(conn, delivery, now):
            raise Conflict("its worker renewed the lease in time")
        attempts.close_lost(conn, delivery.id, now)
        if delivery.state is S.CLAIMED:
            transitions.move(
                conn,
                delivery,
                S.SCHEDULED,
                reason="its worker was lost before sending",
                now=now,
                worker=ctx.worker,
                next_at=now,
                **columns,
            )
            return
        settle = ctx.adapter(accounts.get(conn, delivery.account_id), ctx.http).traits.settle
        step_log.add(
            conn,
            delivery,
            Step.POSTING,
            StepStatus.WARNING,
            now,
            message="Its worker was lost while sending.",
            next="looking whether it is there",
        )
        transitions.move(
            conn,
            delivery,
            S.UNCONFIRMED,
            reason="its worker was lost while sending",
            now=now,
            worker=ctx.worker,
            next_at=now + settle,
            unknown_at=now,
            readings=0,
            absences=0,
            **columns,
        )
    ctx.tally.count(OUTCOMES, delivery.platform.value, S.UNCONFIRMED.value)
    ctx.tally.count(FAILURES, delivery.platform.value, "worker_lost")
    ctx.patience.wait(delivery.id, settle)


class HighWater:
    """A note beside the database of how far its history reached. A database that is behind the note was restored from
    an older copy, and what it calls 'scheduled' may have been sent in the meantime."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "high-water.json"
        self._written = -1

    def read(self) -> tuple[str, int]:
        """(installation id, highest transition id); ("", 0) when there is no note."""
        try:
            data = json.loads(self._path.read_text())
            return str(data["installation"]), int(data["transition"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", 0

    @property
    def written(self) -> bool:
        """Whether this process has written it."""
        return self._written >= 0

    def remember(self, conn: Connection) -> None:
        """Note in the database that there is a note beside it: one that lacks it was moved or restored."""
        processes.set_fact(conn, _NOTED, "yes")

    def write(self, installation: str, transition: int) -> None:
        """Atomic; skipped when nothing changed."""
        if transition == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"installation": installation, "transition": transition}))
        temporary.replace(self._path)
        self._written = transition


BACKUP = "backup"  # fact of a copy: when it was made. Whoever starts on one works with a restored database
_NOTED = "noted"  # fact: a note was written beside the database, so one that lacks it was moved or restored
_BORN = "birthplace"  # fact: the PostgreSQL cluster, its timeline and the database in it
# May have been sent since the copy was made.
DOUBTFUL = frozenset({S.SCHEDULED, S.WAITING, S.CLAIMED, S.PROCESSING})


def guard_against_restore(ctx: Context, note: HighWater) -> int:
    """On start: if the database cannot show that it is the newest, everything that may have been sent since must first
    be looked for. Returns how many deliveries are in doubt: marked by `unknown_at`, so that each becomes `unconfirmed`
    instead of being sent as soon as its account is free for it. Call before the first claim.

    It counts as restored when it is marked as a copy, when the note beside it has seen more, is another database's or is
    missing although there was one, and on PostgreSQL when it lies in another cluster, timeline or database than before.
    A note is no help there: each host has a data folder of its own.
    """
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        installation = processes.get_fact(conn, "installation")
        if installation is None:
            installation = os.urandom(8).hex()
            processes.set_fact(conn, "installation", installation)
        why = _restored(conn, installation, note)
        if not why:
            return 0
        done = conn.execute(
            table.update()
            .where(table.c.state.in_(DOUBTFUL), table.c.due_at <= now)
            .values(unknown_at=now, fence=table.c.fence + 1, updated_at=now)
        )
        for owner in users.owners(conn):
            alert_log.add(
                conn,
                user_id=owner.id,
                post_id=None,
                delivery_id=None,
                type=AlertType.WARNING,
                kind=AlertKind.OTHER,
                message=f"The database was restored or moved ({why}). {_doubted(done.rowcount)}",
                dedupe_key=f"restored:{now:%Y%m%dT%H%M%S}:{owner.id}",
                now=now,
            )
        return done.rowcount


def _doubted(count: int) -> str:
    if not count:
        return "No post that it knows was due since, so nothing has to be looked for."
    told = (
        "1 post that may have been published since is"
        if count == 1
        else f"{count} posts that may have been published since are"
    )
    return f"{told} looked for on the platforms before anything is sent."


def _restored(conn: Connection, installation: str, note: HighWater) -> str:
    """Why the database counts as restored, "" when it is the newest. In the transaction that marks what is in doubt."""
    marked = processes.get_fact(conn, BACKUP)
    processes.drop_fact(conn, BACKUP)
    elsewhere = _moved_cluster(conn)
    noted, reached = note.read()
    if marked is not None:
        return f"it is a copy of {marked}"
    if elsewhere:
        return elsewhere
    if noted == installation:
        return "it is older than the note beside it" if processes.newest_transition(conn) < reached else ""
    if conn.dialect.name != "sqlite":
        return ""
    if noted:
        return "the note beside it is another installation's"
    lived = processes.get_fact(conn, _NOTED) is not None or attempts.any_sent(conn)
    return "there is no note beside it that says how far it had come" if lived else ""


def _moved_cluster(conn: Connection) -> str:
    here = processes.birthplace(conn)
    if not here:
        return ""
    before = processes.get_fact(conn, _BORN)
    processes.set_fact(conn, _BORN, here)
    return (
        "it lies in another PostgreSQL server, timeline or database than before" if before not in (None, here) else ""
    )
