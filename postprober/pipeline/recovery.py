"""What lost workers and restored databases leave behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

from postprober.domain.delivery import DeliveryState, Step, StepStatus
from postprober.errors import Conflict
from postprober.pipeline import watch
from postprober.pipeline.context import Context
from postprober.storage import accounts, attempts, deliveries, logs, processes
from postprober.storage.records import Delivery
from postprober.storage.tables import deliveries as table

S = DeliveryState


def recover_lost(ctx: Context) -> int:
    """Take deliveries away from workers whose lease ran out; returns how many.

    `claimed`: nothing was sent, so it is scheduled again. `submitting`: unknown; the settle time counts from now,
    because the lost worker's request may still be on its way. The fence moves, so a worker that was only frozen can
    no longer write, nor pass its last check.
    """
    with ctx.db.read() as conn:
        lost = deliveries.lost(conn, ctx.clock.now())
    done = 0
    for delivery in lost:
        try:
            _take_back(ctx, delivery)
            done += 1
        except Conflict:
            continue  # its worker came back in this very moment
    return done


def _take_back(ctx: Context, delivery: Delivery) -> None:
    now = ctx.clock.now()
    columns = {"fence": delivery.fence + 1, "lease_until": None, "lease_owner": None, "crashes": delivery.crashes + 1}
    with ctx.db.write() as conn:
        if not deliveries.still_lost(conn, delivery, now):
            raise Conflict("its worker renewed the lease in time")
        attempts.close_lost(conn, delivery.id, now)
        if delivery.state is S.CLAIMED:
            watch.move(
                conn, delivery, S.SCHEDULED, reason="its worker was lost before sending", now=now, worker=ctx.worker,
                next_at=now, **columns,
            )  # fmt: skip
            return
        settle = ctx.adapter(accounts.get(conn, delivery.account_id), ctx.http).traits.settle
        logs.step(
            conn, delivery, Step.POSTING, StepStatus.WARNING, now,
            message="Its worker was lost while sending.", next="looking whether it is there",
        )  # fmt: skip
        watch.move(
            conn, delivery, S.UNCONFIRMED, reason="its worker was lost while sending", now=now, worker=ctx.worker,
            next_at=now + settle, unknown_at=now, readings=0, absences=0, **columns,
        )  # fmt: skip


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

    def write(self, installation: str, transition: int) -> None:
        """Atomic; skipped when nothing changed."""
        if transition == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"installation": installation, "transition": transition}))
        temporary.replace(self._path)
        self._written = transition


def guard_against_restore(ctx: Context, note: HighWater) -> int:
    """On start: if the database is older than the note, everything that may have been sent since must first be looked
    for. Returns how many deliveries are in doubt: marked by `unknown_at`, so that each becomes `unconfirmed` instead of
    being sent as soon as its account is free for it. Call before the first claim."""
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        installation = processes.get_fact(conn, "installation")
        if installation is None:
            installation = os.urandom(8).hex()
            processes.set_fact(conn, "installation", installation)
        newest = processes.newest_transition(conn)
        noted, reached = note.read()
        if noted != installation or newest >= reached:
            return 0
        doubtful = [S.SCHEDULED, S.WAITING, S.CLAIMED, S.PROCESSING]
        done = conn.execute(
            table.update()
            .where(table.c.state.in_(doubtful), table.c.due_at <= now)
            .values(unknown_at=now, fence=table.c.fence + 1, updated_at=now)
        )
        return done.rowcount
