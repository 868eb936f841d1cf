"""A reply that arrives after the delivery was given to somebody else is never thrown away."""

from __future__ import annotations

from sqlalchemy import Connection

from postprober.domain.attempt import Outcome
from postprober.domain.delivery import ADOPTABLE, DeliveryState
from postprober.domain.remote import Ref, Sighting
from postprober.errors import Conflict
from postprober.pipeline.core import transitions
from postprober.pipeline.core.adopt import Taken, adopt, claim, why_not
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.pipeline.core.context import ExchangeRecorder
from postprober.storage import deliveries, evidence_log
from postprober.storage.records import PartRecord

_TRIES = 3  # the delivery may move between our reading and our writing; three times in a row means a busy second


def keep(work: ClaimedDelivery, attempt: int, recorder: ExchangeRecorder, part: PartRecord, ref: Ref) -> None:
    """Store the late answer, and adopt it if the delivery is waiting; else tell a person about two posts."""
    with work.ctx.db.write() as conn:
        work.close(
            conn, attempt, Outcome.LATE, recorder, "the answer came after the delivery was given to another worker"
        )
    note(work, part, ref.remote_id, ref)


def _keep_from_others(work: ClaimedDelivery, conn: Connection, part: PartRecord, ref: Ref, *, sent_by_us: bool) -> None:
    """A second post of this delivery is this delivery's: no other one may take it for its own."""
    try:
        claim(work, conn, part.index, ref.remote_id, sent_by_us=sent_by_us)
    except Taken as error:
        transitions.belongs_elsewhere(conn, work.delivery, ref.remote_id, error.owner, work.now())


def note(work: ClaimedDelivery, part: PartRecord, remote_id: str, ref: Ref | None = None) -> None:
    """The id of a late answer, kept as evidence and adopted where that is right."""
    _noted(work, part, ref or Ref(remote_id), None)


def note_found(work: ClaimedDelivery, part: PartRecord, sighting: Sighting) -> None:
    """The same for a post that was found. What was found by its words alone is nobody's yet where another delivery with the
    same words is in doubt: whoever looks next sees it, too."""
    if sighting.post is not None:
        _noted(work, part, sighting.post.ref, sighting)


def _noted(work: ClaimedDelivery, part: PartRecord, ref: Ref, sighting: Sighting | None) -> None:
    for _ in range(_TRIES):
        try:
            _settle(work, part, ref, sighting)
            return
        except Taken as error:
            with work.ctx.db.write() as conn:
                transitions.belongs_elsewhere(conn, work.delivery, ref.remote_id, error.owner, work.now())
            return
        except Conflict:
            continue


def _settle(work: ClaimedDelivery, part: PartRecord, ref: Ref, sighting: Sighting | None) -> None:
    now, sent_by_us = work.now(), sighting is None or not sighting.by_words
    with work.ctx.db.write() as conn:
        if sighting is not None and why_not(work, conn, part, sighting):
            return
        current = deliveries.get(conn, work.delivery.id)
        evidence_log.keep(conn, current.id, "late_reply", {"part": part.index, "remote_id": ref.remote_id}, now)
        stored = current.parts[part.index].ref
        if stored is not None:
            if stored.remote_id != ref.remote_id:
                work.delivery = current
                _keep_from_others(work, conn, part, ref, sent_by_us=sent_by_us)
                transitions.published_twice(conn, current, stored.remote_id, ref.remote_id, now)
            return
        if current.state in ADOPTABLE:
            # The state changes with it, so that the intent of whoever claimed it meanwhile is refused.
            work.delivery = current
            adopt(work, conn, part, ref, "the platform's answer came late", sent_by_us=sent_by_us)
            return
        work.delivery = current
        _keep_from_others(work, conn, part, ref, sent_by_us=sent_by_us)
        if current.state is DeliveryState.CANCELLED:
            transitions.appeared(conn, current, ref.remote_id, now)
            return
        transitions.published_twice(conn, current, ref.remote_id, "a new try that is on the wire", now)
