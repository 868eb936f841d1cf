"""Is it there? The only way on from an unknown outcome.

Found: adopted. Proved absent twice, on a platform whose bounds are known: a new attempt; nothing could be read, and the handle
lives: the same with it. Everything else: held, and a person is told. Nothing in this module sends.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from postprober.clock import utc_iso
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DUE_TO_RECONCILE, DeliveryState, StateCause, Step, StepStatus
from postprober.domain.platform import ReconcileMode
from postprober.domain.remote import Search, Sighting, SightingState
from postprober.domain.retry import MAX_CRASHES, MAX_TRIES, backoff
from postprober.errors import Conflict, PlatformError, ReconnectNeeded
from postprober.pipeline.core import transitions, unlinked
from postprober.pipeline.core.adopt import Taken, adopt, why_not
from postprober.pipeline.core.claimed_delivery import (
    ClaimedDelivery,
    claimed,
    composed,
    job_for,
    new_request_id,
    open_tokens,
    search_for,
)
from postprober.pipeline.core.context import Context, ExchangeRecorder
from postprober.pipeline.core.tokens import ensure_valid, renew
from postprober.pipeline.publishing import late_replies, repeats
from postprober.pipeline.publishing.locate import locate, too_early
from postprober.platforms.common.adapter import Adapter
from postprober.storage import attempts
from postprober.storage.records import PartRecord, replace

S = DeliveryState
READINGS_FOR_ABSENCE = 2
_HELD_LOOKS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 360))  # a held one is still looked for, then daily
_NOTHING = timedelta(milliseconds=50)
_OUTCOMES = {
    SightingState.FOUND: Outcome.FOUND,
    SightingState.ABSENT: Outcome.ABSENT,
    SightingState.OPEN: Outcome.ABSENT,
    SightingState.UNSURE: Outcome.UNSURE,
}


def reconcile(ctx: Context, delivery_id: int) -> None:
    """One reading for a delivery whose outcome is unknown, and its consequence."""
    with claimed(ctx, delivery_id, only=DUE_TO_RECONCILE) as work:
        if work is None:
            return
        part = work.delivery.open_part()
        if not work.account.is_active:
            with ctx.db.write() as conn:
                unlinked.settle(conn, work.delivery, ctx.clock.now(), ctx.worker)
            return
        if _settling(work) or not open_tokens(work):
            return
        if part is not None:
            _look(work, part)


def _settling(work: ClaimedDelivery) -> bool:
    """The wall clock jumped, and by the monotonic one the settle time is not over."""
    left = work.ctx.patience.left(work.delivery.id)
    if left <= _NOTHING or work.delivery.state is not S.UNCONFIRMED:
        return False
    with work.ctx.db.write() as conn:
        work.touch(conn, next_at=work.now() + left, lease_until=None)
    return True


def _look(work: ClaimedDelivery, part: PartRecord) -> None:
    recorder, request_id = ExchangeRecorder(), new_request_id()
    with work.ctx.db.write() as conn:
        attempt = work.begin(conn, Act.RECONCILE, part.index, request_id)
    adapter = work.adapter(work.http(recorder, request_id))
    try:
        work.account, work.cred = ensure_valid(work.ctx, work.delivery, work.account)
        job = job_for(work.ctx, work.delivery, composed(work, part))
        with work.ctx.db.read() as conn:
            search = search_for(work, conn, part, job)
        sighting = _sight(work, part, search, recorder, request_id)
    except PlatformError as error:
        if isinstance(error, ReconnectNeeded):
            with work.ctx.db.write() as conn:
                transitions.reconnect_needed(conn, work.account, error, work.now())
        sighting = Sighting(SightingState.UNSURE, None, error.message)
    if sighting.state is SightingState.FOUND:
        work.ctx.checkpoint("reconcile_matched")
    try:
        _conclude(work, part, attempt, recorder, adapter, sighting)
    except Conflict:
        late_replies.note_found(work, part, sighting)  # somebody decided meanwhile, not knowing what we have just seen
        raise


def _conclude(
    work: ClaimedDelivery,
    part: PartRecord,
    attempt: int,
    recorder: ExchangeRecorder,
    adapter: Adapter,
    sighting: Sighting,
) -> None:
    try:
        with work.ctx.db.write() as conn:
            if sighting.state is SightingState.FOUND and (reason := why_not(work, conn, part, sighting)):
                sighting = Sighting(SightingState.UNSURE, None, reason)
                cause = StateCause.TIE
            else:
                cause = StateCause.UNKNOWN
            _write(work, conn, part, attempt, recorder, adapter, sighting, cause)
    except Taken:  # by somebody who looked at the same moment
        sighting = Sighting(SightingState.UNSURE, None, "the post with this text belongs to another delivery")
        with work.ctx.db.write() as conn:
            _write(work, conn, part, attempt, recorder, adapter, sighting, StateCause.TAKEN)


def _write(
    work: ClaimedDelivery,
    conn: Connection,
    part: PartRecord,
    attempt: int,
    recorder: ExchangeRecorder,
    adapter: Adapter,
    sighting: Sighting,
    cause: StateCause,
) -> None:
    work.close(conn, attempt, _OUTCOMES[sighting.state], recorder, sighting.reason)
    if sighting.state is SightingState.FOUND and sighting.post is not None:
        found = f"found on the account: {sighting.reason}"
        adopt(work, conn, part, sighting.post.ref, found, sent_by_us=not sighting.by_words)
    elif work.delivery.state is S.HELD and not _may_prove_absence(work, adapter, part, sighting):
        looks = _HELD_LOOKS[min(work.delivery.readings, len(_HELD_LOOKS) - 1)]
        work.touch(conn, readings=work.delivery.readings + 1, absences=0, next_at=work.now() + looks, lease_until=None)
    elif part.removed:
        _hold(work, conn, "the platform says that it was published and then deleted", StateCause.REMOVED)
    elif sighting.state is SightingState.UNSURE:
        _unsure(work, conn, adapter, part, sighting, cause)
    else:
        _absent(work, conn, adapter, part, sighting)


def _may_prove_absence(work: ClaimedDelivery, adapter: Adapter, part: PartRecord, sighting: Sighting) -> bool:
    """Whether a held one may still be proved absent: it was held only because nothing could be read (an outage after a lost
    answer), and now there is a complete, fresh list. Ties, refusals as duplicate and crashes stay a person's."""
    return (
        sighting.state in (SightingState.ABSENT, SightingState.OPEN)
        and work.delivery.cause == StateCause.UNKNOWN
        and adapter.traits.mode is not ReconcileMode.STRICT
        and not part.refused_as_duplicate
        and work.delivery.crashes < MAX_CRASHES
        and not (sighting.partly and work.delivery.tries >= MAX_TRIES)
    )


def _sight(
    work: ClaimedDelivery, part: PartRecord, search: Search, recorder: ExchangeRecorder, request_id: str
) -> Sighting:
    """One reading; a token that is refused is renewed once and the reading repeated."""
    try:
        return _read(work, part, search, recorder, request_id)
    except ReconnectNeeded:
        adapter = work.adapter(work.ctx.http)
        if not (adapter.traits.refreshes and (work.cred.refresh_token or work.cred.secret)):
            raise
        work.account, work.cred = renew(work.ctx, work.delivery, work.account)
        return _read(work, part, search, recorder, request_id)


def _read(
    work: ClaimedDelivery, part: PartRecord, search: Search, recorder: ExchangeRecorder, request_id: str
) -> Sighting:
    adapter = work.adapter(work.http(recorder, request_id))  # bound to the tokens of now, so that they are redacted
    return locate(work, adapter, part, search)


def _absent(work: ClaimedDelivery, conn: Connection, adapter: Adapter, part: PartRecord, sighting: Sighting) -> None:
    absences = work.delivery.absences + 1
    if early := too_early(work, part, adapter.traits.settle):  # our clock ran ahead: it may still arrive
        work.touch(conn, next_at=work.now() + early, lease_until=None)
        return
    if adapter.traits.mode is ReconcileMode.STRICT:
        _hold(work, conn, f"{sighting.reason}, but a late arrival cannot be ruled out")
    elif part.refused_as_duplicate:
        reason = "the platform says that this text is there already, but it cannot be found"
        _hold(work, conn, reason, StateCause.DUPLICATE)
    elif absences < READINGS_FOR_ABSENCE:
        work.touch(
            conn,
            absences=absences,
            readings=work.delivery.readings + 1,
            next_at=work.now() + work.ctx.timing.reread,
            lease_until=None,
        )
    elif work.delivery.crashes >= MAX_CRASHES:
        _hold(work, conn, "it is not there, and it took its worker down three times", StateCause.CRASHED)
    elif work.delivery.tries >= MAX_TRIES and sighting.partly:
        _hold(work, conn, f"it was sent {attempts.sends(conn, work.delivery.id, part.index)} times: {sighting.reason}")
    elif work.delivery.tries >= MAX_TRIES:
        sent = attempts.sends(conn, work.delivery.id, part.index)
        reason = f"It was sent {sent} times and is not there."
        work.log(conn, Step.POSTING, StepStatus.FAILED, message=reason)
        work.move(conn, S.FAILED, reason, next_at=None, lease_until=None, unknown_at=None)
    else:
        again = work.now() + backoff(max(1, work.delivery.tries), work.ctx.rng)
        message = "It is not there; it is sent again."
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=message, retry_at=utc_iso(again))
        work.move(
            conn,
            S.SCHEDULED,
            f"proved absent twice: {sighting.reason}",
            next_at=again,
            lease_until=None,
            unknown_at=None,
            readings=0,
            absences=0,
            parts=work.delivery.with_part(replace(part, repeats=False)),
        )


def _unsure(
    work: ClaimedDelivery,
    conn: Connection,
    adapter: Adapter,
    part: PartRecord,
    sighting: Sighting,
    cause: StateCause,
) -> None:
    pauses = work.ctx.timing.unsure_retries
    readings = work.delivery.readings
    if cause is StateCause.UNKNOWN and repeats.is_safe(work, adapter, part):
        told = "it is sent again, and the platform makes no second post of it"
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=sighting.reason, next=told)
        again = work.delivery.with_part(replace(part, repeats=True))
        work.move(conn, S.WAITING, f"{sighting.reason}; {told}", next_at=work.now(), lease_until=None, parts=again)
        return
    # In strict mode no later reading could free it for sending, so a person hears of it at once.
    if readings < len(pauses) and adapter.traits.mode is not ReconcileMode.STRICT:
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=sighting.reason, next="looked for again")
        work.touch(conn, readings=readings + 1, absences=0, next_at=work.now() + pauses[readings], lease_until=None)
    else:
        _hold(work, conn, sighting.reason, cause)


def _hold(work: ClaimedDelivery, conn: Connection, reason: str, cause: StateCause = StateCause.UNKNOWN) -> None:
    """Only a person decides from here; we go on looking, so that a post that turns up late is still adopted."""
    reason = f"{reason[:1].upper()}{reason[1:].rstrip('.')}."
    again = None if cause is StateCause.CRASHED else work.now() + _HELD_LOOKS[0]
    work.log(conn, Step.POSTING, StepStatus.WARNING, message=reason, next_look=utc_iso(again) if again else None)
    work.move(conn, S.HELD, reason, next_at=again, lease_until=None, readings=0, absences=0, cause=cause)
