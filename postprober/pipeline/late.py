"""A reply that arrives after the delivery was given to somebody else is never thrown away (DESIGN 3.1, point 10)."""

from __future__ import annotations

from postprober.domain.attempt import Outcome
from postprober.domain.delivery import ADOPTABLE
from postprober.domain.remote import Ref
from postprober.errors import Conflict
from postprober.pipeline import watch
from postprober.pipeline.adopt import adopt
from postprober.pipeline.context import Wiretap
from postprober.pipeline.work import Work
from postprober.storage import deliveries, logs
from postprober.storage.records import PartRecord

_TRIES = 3  # the delivery may move between our reading and our writing; three times in a row means a busy second


def keep(work: Work, attempt: int, tap: Wiretap, part: PartRecord, ref: Ref) -> None:
    """Store the late answer, and adopt it if the delivery is waiting; else tell a person about two posts."""
    with work.ctx.db.write() as conn:
        work.close(conn, attempt, Outcome.LATE, tap, "the answer came after the delivery was given to another worker")
    note(work, part, ref.remote_id, ref)


def note(work: Work, part: PartRecord, remote_id: str, ref: Ref | None = None) -> None:
    """The id of a late answer, kept as evidence and adopted where that is right."""
    known = ref or Ref(remote_id)
    for _ in range(_TRIES):
        try:
            _settle(work, part, known)
            return
        except Conflict:
            continue


def _settle(work: Work, part: PartRecord, ref: Ref) -> None:
    now = work.now()
    with work.ctx.db.write() as conn:
        current = deliveries.get(conn, work.delivery.id)
        logs.keep_evidence(conn, current.id, "late_reply", {"part": part.index, "remote_id": ref.remote_id}, now)
        stored = current.parts[part.index].ref
        if stored is not None:
            if stored.remote_id != ref.remote_id:
                watch.published_twice(conn, current, stored.remote_id, ref.remote_id, now)
            return
        if current.state in ADOPTABLE:
            # The state changes with it, so that the intent of whoever claimed it meanwhile is refused.
            work.delivery = current
            adopt(work, conn, part, ref, "the platform's answer came late")
            return
        watch.published_twice(conn, current, ref.remote_id, "a new try that is on the wire", now)
