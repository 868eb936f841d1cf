"""Is it there? The only way on from an unknown outcome.

Found: adopted. Proved absent twice, on a platform whose bounds are known: a new attempt. Everything else: held, and a
person is told. Nothing in this module sends.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from postprober.clock import utc_iso
from postprober.domain.account import Credentials
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DUE_TO_RECONCILE, DeliveryState, Step, StepStatus
from postprober.domain.platform import ReconcileMode
from postprober.domain.remote import Search, Sighting, SightingState
from postprober.domain.retry import MAX_CRASHES, MAX_TRIES
from postprober.errors import Conflict, PlatformError, ReconnectNeeded
from postprober.pipeline import late, watch
from postprober.pipeline.adopt import adopt
from postprober.pipeline.context import Context, Wiretap
from postprober.pipeline.credentials import ensure_valid, renew
from postprober.pipeline.work import Work, composed, job_for, new_request_id, open_tokens, search_for
from postprober.platforms.base import Adapter, sighting_in
from postprober.storage import accounts, deliveries
from postprober.storage.records import PartRecord

S = DeliveryState
READINGS_FOR_ABSENCE = 2
_HELD_LOOKS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 360))  # a held one is still looked for, then daily
_OUTCOMES = {
    SightingState.FOUND: Outcome.FOUND,
    SightingState.ABSENT: Outcome.ABSENT,
    SightingState.OPEN: Outcome.ABSENT,
    SightingState.UNSURE: Outcome.UNSURE,
}


def reconcile(ctx: Context, delivery_id: int) -> None:
    """One reading for a delivery whose outcome is unknown, and its consequence."""
    until, deadline = ctx.keeper.until()
    with ctx.db.write() as conn:
        delivery = deliveries.take(
            conn, delivery_id, worker=ctx.worker, now=ctx.clock.now(), until=until, only=DUE_TO_RECONCILE
        )
        if delivery is None:
            return
        account = accounts.get(conn, delivery.account_id)
    part = delivery.open_part()
    ctx.keeper.hold(delivery.id, deadline)
    try:
        work = Work(ctx, delivery, account, Credentials(""))
        if not open_tokens(work):
            return
        if part is not None:
            _look(work, part)
    except Conflict:
        return
    finally:
        ctx.keeper.drop(delivery.id)


def _look(work: Work, part: PartRecord) -> None:
    tap, request_id = Wiretap(), new_request_id()
    with work.ctx.db.write() as conn:
        attempt = work.begin(conn, Act.RECONCILE, part.index, request_id)
    adapter = work.adapter(work.http(tap, request_id))
    try:
        work.account, work.cred = ensure_valid(work.ctx, work.delivery, work.account)
        job = job_for(work.ctx, work.delivery, composed(work, part))
        with work.ctx.db.read() as conn:
            search = search_for(work, conn, part, job)
        sighting = _sight(work, part, search, tap, request_id)
    except PlatformError as error:
        if isinstance(error, ReconnectNeeded):
            with work.ctx.db.write() as conn:
                watch.reconnect_needed(conn, work.account, error.message, work.now())
        sighting = Sighting(SightingState.UNSURE, None, error.message)
    if sighting.state is SightingState.FOUND:
        work.ctx.checkpoint("reconcile_matched")
    try:
        _conclude(work, part, attempt, tap, adapter, sighting)
    except Conflict:
        if sighting.post is not None:  # somebody decided meanwhile, not knowing what we have just seen
            late.note(work, part, sighting.post.ref.remote_id, sighting.post.ref)
        raise


def _conclude(work: Work, part: PartRecord, attempt: int, tap: Wiretap, adapter: Adapter, sighting: Sighting) -> None:
    with work.ctx.db.write() as conn:
        work.close(conn, attempt, _OUTCOMES[sighting.state], tap, sighting.reason)
        if sighting.state is SightingState.FOUND and sighting.post is not None:
            adopt(work, conn, part, sighting.post.ref, f"found on the account: {sighting.reason}")
        elif work.delivery.state is S.HELD:
            looks = _HELD_LOOKS[min(work.delivery.readings, len(_HELD_LOOKS) - 1)]
            work.touch(conn, readings=work.delivery.readings + 1, next_at=work.now() + looks, lease_until=None)
        elif sighting.state is SightingState.UNSURE:
            _unsure(work, conn, adapter, sighting)
        else:
            _absent(work, conn, adapter, part, sighting)


def _sight(work: Work, part: PartRecord, search: Search, tap: Wiretap, request_id: str) -> Sighting:
    """One reading; a token that is refused is renewed once and the reading repeated."""
    try:
        return _read(work, part, search, tap, request_id)
    except ReconnectNeeded:
        adapter = work.adapter(work.ctx.http)
        if not (adapter.traits.refreshes and (work.cred.refresh_token or work.cred.secret)):
            raise
        work.account, work.cred = renew(work.ctx, work.delivery, work.account)
        return _read(work, part, search, tap, request_id)


def _read(work: Work, part: PartRecord, search: Search, tap: Wiretap, request_id: str) -> Sighting:
    """By the platform's own handle, or, when none was stored (a restored database), by the list of own posts."""
    adapter = work.adapter(work.http(tap, request_id))  # bound to the tokens of now, so that they are redacted
    if part.composed_at:
        return adapter.locate(work.cred, search)
    return sighting_in(adapter.recent(work.cred, search.since), search)


def _absent(work: Work, conn: Connection, adapter: Adapter, part: PartRecord, sighting: Sighting) -> None:
    absences = work.delivery.absences + 1
    if adapter.traits.mode is ReconcileMode.STRICT:
        _hold(work, conn, f"{sighting.reason}, but a late arrival cannot be ruled out")
    elif part.refused_as_duplicate:
        _hold(work, conn, "the platform says that this text is there already, but it cannot be found")
    elif absences < READINGS_FOR_ABSENCE:
        work.touch(
            conn, absences=absences, readings=work.delivery.readings + 1,
            next_at=work.now() + work.ctx.timing.reread, lease_until=None,
        )  # fmt: skip
    elif work.delivery.crashes >= MAX_CRASHES:
        _hold(work, conn, "it is not there, and it took its worker down three times", resend_needs_person=True)
    elif work.delivery.tries >= MAX_TRIES:
        reason = f"It was tried {work.delivery.tries} times and is not there."
        work.log(conn, Step.POSTING, StepStatus.FAILED, message=reason)
        work.move(conn, S.FAILED, reason, next_at=None, lease_until=None, unknown_at=None)
    else:
        work.log(conn, Step.POSTING, StepStatus.WARNING, message="It is not there; it is sent again.")
        work.move(
            conn, S.SCHEDULED, f"proved absent twice: {sighting.reason}", next_at=work.now(), lease_until=None,
            unknown_at=None, readings=0, absences=0,
        )  # fmt: skip


def _unsure(work: Work, conn: Connection, adapter: Adapter, sighting: Sighting) -> None:
    pauses = work.ctx.timing.unsure_retries
    readings = work.delivery.readings
    # In strict mode no later reading could free it for sending, so a person hears of it at once.
    if readings < len(pauses) and adapter.traits.mode is not ReconcileMode.STRICT:
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=sighting.reason, next="looked for again")
        work.touch(conn, readings=readings + 1, absences=0, next_at=work.now() + pauses[readings], lease_until=None)
    else:
        _hold(work, conn, sighting.reason)


def _hold(work: Work, conn: Connection, reason: str, *, resend_needs_person: bool = False) -> None:
    """Only a person decides from here; we go on looking, so that a post that turns up late is still adopted."""
    reason = f"{reason[:1].upper()}{reason[1:].rstrip('.')}."
    again = None if resend_needs_person else work.now() + _HELD_LOOKS[0]
    work.log(conn, Step.POSTING, StepStatus.WARNING, message=reason, next_look=utc_iso(again) if again else None)
    work.move(conn, S.HELD, reason, next_at=again, lease_until=None, readings=0, absences=0)
