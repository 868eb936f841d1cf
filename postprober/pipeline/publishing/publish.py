"""From claim to the platform's word.

The order is the promise: the intent is committed before the first byte leaves; whatever happens after that and is not
a clear yes or no becomes `unconfirmed`, and only `reconcile` leads on from there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from postprober.clock import utc_iso
from postprober.domain.attempt import Act, Outcome, payload_hash
from postprober.domain.delivery import DUE_TO_PUBLISH, DeliveryState, Proof, StateCause, Step, StepStatus
from postprober.domain.meters import LATENESS
from postprober.domain.platform import described
from postprober.domain.remote import PartJob, ProgressState, Receipt, SightingState, Staged
from postprober.domain.retry import MAX_CRASHES
from postprober.domain.text import normalise
from postprober.errors import (
    HERE,
    BadInput,
    Conflict,
    LeaseLost,
    PlatformError,
    PostRejected,
    Unavailable,
    VaultError,
)
from postprober.pipeline.core import unlinked
from postprober.pipeline.core.adopt import Taken, adopt, why_not
from postprober.pipeline.core.claimed_delivery import (
    ClaimedDelivery,
    await_key,
    claimed,
    composed,
    job_for,
    new_request_id,
    search_for,
    with_what_is_left,
)
from postprober.pipeline.core.context import Context, ExchangeRecorder
from postprober.pipeline.core.platform_time import key_of
from postprober.pipeline.core.tokens import ensure_valid
from postprober.pipeline.health import platform_health
from postprober.pipeline.publishing import late_replies, locate, repeats
from postprober.pipeline.publishing.conversions import UNFIT, fitted
from postprober.pipeline.publishing.failures import fail, note_stage, refused
from postprober.pipeline.verification.verify import verify
from postprober.platforms.common.adapter import Adapter
from postprober.storage import accounts, attempts, deliveries, evidence_log, posts, step_log
from postprober.storage.records import PartRecord, replace

S = DeliveryState


def publish(ctx: Context, delivery_id: int) -> None:
    """Take a due delivery and carry it as far as it goes: published, or a state that says what comes next.

    Does nothing if somebody else has it or it is not due.
    """
    with claimed(ctx, delivery_id, only=DUE_TO_PUBLISH) as work:
        if work is None:
            return
        # The tokens are opened by `_authenticate`: doubt, quarantine and lateness come first.
        if _may_go(work) and _authenticate(work):
            while (part := work.delivery.open_part()) is not None and work.delivery.state is S.CLAIMED:
                _publish_part(work, part)
        if work.stays and work.delivery.state is S.PUBLISHED:
            verify(work)


def _may_go(work: ClaimedDelivery) -> bool:
    """False: doubt, quarantine or lateness come first, then a platform that is known to be failing. Quarantine and
    lateness end in `held`, with a question to a person; for the platform it waits."""
    delivery, now = work.delivery, work.now()
    if delivery.unknown_at is not None:
        part = delivery.open_part()
        if part is not None and part.repeats and repeats.is_safe(work, work.adapter(work.ctx.http), part):
            work.repeats = True
            return True
        _look_first(work, _TOO_LATE if part is not None and part.repeats else _RESTORED)
        return False
    if unlinked.is_stale(delivery, work.account):
        with work.ctx.db.write() as conn:
            unlinked.settle(conn, delivery, now, work.ctx.worker)
        return False
    if work.account.same_as is not None and not any(part.ref for part in delivery.parts) and _goes_already(work):
        return False
    # Not how often it was tried: as long as nothing may be visible, nobody is surprised by being asked.
    started = any(part.ref for part in delivery.parts)
    reason, cause = "", StateCause.LATE
    if delivery.crashes >= MAX_CRASHES:
        reason, cause = f"It took its worker down {delivery.crashes} times.", StateCause.CRASHED
    elif not started and now - delivery.due_at > _late_limit(work) and not _waited_for_a_limit(work):
        minutes = int((now - delivery.due_at) / timedelta(minutes=1))
        reason = f"It is {minutes} minutes late, more than you allow."
    if not reason:
        return not platform_health.holds_back(work)
    with work.ctx.db.write() as conn:
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=reason)
        work.move(conn, S.HELD, reason, cause=cause, next_at=None, lease_until=None, crashes=0)
    return False


def _goes_already(work: ClaimedDelivery) -> bool:
    """The account has a second row from before servers were asked, and the post goes there, too: once is enough."""
    with work.ctx.db.write() as conn:
        same = accounts.same(conn, work.account)
        twins = [
            one
            for one in deliveries.of_post(conn, work.delivery.post_id)
            if one.id != work.delivery.id and one.account_id in same and one.state not in (S.CANCELLED, S.FAILED)
        ]
        if twins:
            reason = f"Delivery {twins[0].id} sends this post to the same account."
            work.log(conn, Step.POSTING, StepStatus.WARNING, message=reason)
            work.move(conn, S.CANCELLED, reason, next_at=None, lease_until=None)
    return bool(twins)


# Why a delivery that may be out is looked for before anything is sent.
_RESTORED = "the database was restored and may not know that this was sent"  # recovery.guard_against_restore
_TOO_LATE = "it can no longer be repeated safely"


def _look_first(work: ClaimedDelivery, reason: str) -> None:
    settle = work.adapter(work.ctx.http).traits.settle
    parts = tuple(replace(part, repeats=False) for part in work.delivery.parts)
    with work.ctx.db.write() as conn:
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=reason, next="looking whether it is there")
        work.move(
            conn,
            S.UNCONFIRMED,
            reason,
            next_at=work.now() + settle,
            readings=0,
            absences=0,
            lease_until=None,
            unknown_at=work.delivery.unknown_at or work.now(),
            parts=parts,
        )
    work.ctx.patience.wait(work.delivery.id, settle)


def _late_limit(work: ClaimedDelivery) -> timedelta:
    """What the person allowed for this post, else the installation's setting."""
    if work.now() - work.delivery.due_at < timedelta(minutes=1):  # the least that can be allowed: spare the reading
        return work.ctx.late_limit
    with work.ctx.db.read() as conn:
        allowed = posts.get(conn, work.delivery.post_id).options.get("late_minutes")
    return timedelta(minutes=allowed) if allowed else work.ctx.late_limit


def _waited_for_a_limit(work: ClaimedDelivery) -> bool:
    """It was tried in time, the platform said when to come again, and that is what it waited for."""
    delivery = work.delivery
    if delivery.next_at is None or work.now() - delivery.next_at > _late_limit(work):
        return False
    with work.ctx.db.read() as conn:
        tries = [one for one in attempts.of_delivery(conn, delivery.id) if one.act in (Act.PUBLISH, Act.STAGE)]
    return bool(tries) and tries[-1].outcome == Outcome.THROTTLED


def _authenticate(work: ClaimedDelivery) -> bool:
    try:
        work.account, work.cred = ensure_valid(work.ctx, work.delivery, work.account)
    except PlatformError as error:
        fail(work, error, Step.AUTHENTICATION)
        return False
    except VaultError as error:
        await_key(work, error)
        return False
    return True


def _publish_part(work: ClaimedDelivery, part: PartRecord) -> None:
    """Stage, write the intent, send, write the result. Leaves `work.delivery` in the state that follows."""
    if unknown := described(work.delivery.platform).options.unreadable(part.options):
        told = f"This version of PostProber cannot do what the post asks for ({', '.join(unknown)}); update it or edit the post."
        fail(work, Unavailable(told, code=HERE), Step.POSTING)  # while a rollout lasts, a newer process sends it
        return
    fit = fitted(work, composed(work, part))
    if fit is None:
        return
    part = with_what_is_left(work, fit)
    job = job_for(work.ctx, work.delivery, part)
    staged = _stage(work, part, job)
    if staged is None:
        return
    part = replace(part, staged=staged, handle=staged.handle or part.handle)
    job = replace(job, handle=part.handle)
    request_id = new_request_id()
    locate.ask(work)
    if work.repeats and not repeats.is_safe(work, work.adapter(work.ctx.http), part):
        _look_first(work, _TOO_LATE)
        return
    work.ctx.checkpoint("before_intent")
    attempt = _write_intent(work, part, job, request_id)
    work.ctx.checkpoint("intent_committed")
    recorder = ExchangeRecorder()
    # A repeat that begins within the handle's life must not arrive long after it, however slow the line is.
    within = work.adapter(work.ctx.http).traits.handle_life if work.repeats else None
    adapter = work.adapter(work.http(recorder, request_id, publishing=True, arrives_within=within))
    try:
        receipt = adapter.finalize(work.cred, job, staged)
    except LeaseLost as error:
        _abandon(work, attempt, recorder, error)
        return
    except PlatformError as error:
        refused(work, attempt, recorder, part, error, adapter)
        return
    work.ctx.checkpoint("before_commit")
    _write_result(work, attempt, recorder, part, receipt)
    work.repeats = False  # of the parts that follow nothing is out
    work.ctx.checkpoint("committed")


def _stage(work: ClaimedDelivery, part: PartRecord, job: PartJob) -> Staged | None:
    """Hand over what nobody sees yet and wait until the platform is ready; None when the delivery moved on."""
    recorder = ExchangeRecorder()
    adapter = work.adapter(work.http(recorder, new_request_id()))
    try:
        staged = part.staged
        if staged is None:
            staged = _submitted(work, adapter, job)
            if staged.handle or staged.data:  # worth keeping: a restart goes on with the same container
                part = replace(part, staged=staged, staged_at=utc_iso(work.now()))
                with work.ctx.db.write() as conn:
                    work.touch(conn, parts=work.delivery.with_part(part))
        if not staged.handle and not staged.data:
            return staged
        progress = adapter.check(work.cred, staged)
    except PlatformError as error:
        here = error.code in (HERE, UNFIT)  # then what the platform said before has nothing to do with it
        note_stage(work, part, ExchangeRecorder() if here else recorder, error)
        fail(work, error, Step.POSTING)
        return None
    if progress.state is ProgressState.READY:
        return staged
    if progress.state is ProgressState.PROCESSING and not _processing_too_long(work, part):
        pause = max(timedelta(seconds=progress.wait_seconds), work.ctx.timing.processing_poll)
        with work.ctx.db.write() as conn:
            work.log(conn, Step.POSTING, StepStatus.PENDING, message="The platform is processing the media.")
            work.move(conn, S.PROCESSING, "media is being processed", next_at=work.now() + pause, lease_until=None)
    elif progress.state is ProgressState.PUBLISHED:
        _already_there(work, part, job, adapter)
    else:
        # Failed, forgotten or never ending: nothing is visible, so the next try hands everything over anew.
        with work.ctx.db.write() as conn:
            work.touch(conn, parts=work.delivery.with_part(replace(part, staged=None, staged_at="")))
        fail(
            work,
            Unavailable(f"The media could not be processed: {progress.reason or 'it took too long'}."),
            Step.POSTING,
        )
    return None


def _submitted(work: ClaimedDelivery, adapter: Adapter, job: PartJob) -> Staged:
    """What the adapter handed over. A file that cannot be made fit, or not be read, is an answer like a platform's: raises
    PostRejected or Unavailable then."""
    try:
        return adapter.submit(work.cred, job)
    except BadInput as error:
        raise PostRejected(error.message, error.detail, code=UNFIT) from error
    except OSError as error:  # of the file: the client turns those of the network into errors of ours
        raise Unavailable("A file of this post cannot be read.", repr(error)[:200], code=HERE) from error


def _processing_too_long(work: ClaimedDelivery, part: PartRecord) -> bool:
    return bool(part.staged_at) and (
        work.now() - datetime.fromisoformat(part.staged_at) > work.ctx.timing.processing_limit
    )


def _already_there(work: ClaimedDelivery, part: PartRecord, job: PartJob, adapter: Adapter) -> None:
    """The container says that it was published though we have no such record: adopt it, or let a person look."""
    with work.ctx.db.read() as conn:
        search = search_for(work, conn, part, job)
    try:
        sighting = locate.locate(work, adapter, part, search)
    except PlatformError as error:
        fail(work, error, Step.POSTING)
        return
    reason, cause = "The platform says it is published, but it cannot be found.", StateCause.UNKNOWN
    try:
        with work.ctx.db.write() as conn:
            tie = why_not(work, conn, part, sighting)
            if sighting.state is SightingState.FOUND and sighting.post is not None and not tie:
                reason = "the platform had published it already"
                adopt(work, conn, part, sighting.post.ref, reason, sent_by_us=not sighting.by_words)
                return
        if tie:
            reason, cause = f"{tie[:1].upper()}{tie[1:]}.", StateCause.TIE
    except Taken:
        reason, cause = (
            "The platform says it is published, and the post found belongs to another delivery.",
            StateCause.TAKEN,
        )
    with work.ctx.db.write() as conn:
        work.move(conn, S.HELD, reason, cause=cause, unknown_at=work.now(), next_at=None, lease_until=None)


def _write_intent(work: ClaimedDelivery, part: PartRecord, job: PartJob, request_id: str) -> int:
    now, first = work.now(), work.delivery.first_byte_at is None
    with work.ctx.db.write() as conn:
        # Nobody else can have published on this account since the claim, so its newest post is the one read then.
        part = _with_intent(work, conn, part)
        card = job.card.to_json() if job.card else None
        parent = job.parent.remote_id if job.parent else ""
        digest = payload_hash(normalise(job.text), [m.sha256 for m in job.media], parent, job.options, card)
        rows: list[tuple[Step, StepStatus, dict[str, Any]]] = [
            (Step.POSTING, StepStatus.PENDING, {"part": part.index, "try_number": work.delivery.tries + 1})
        ]
        if not any(p.ref for p in work.delivery.parts) and work.delivery.tries == 0:
            rows.insert(0, (Step.AUTHENTICATION, StepStatus.SUCCESS, {"account": work.account.account_name}))
        step_log.add_all(conn, work.delivery, rows, now)
        work.move(
            conn,
            S.SUBMITTING,
            f"sending part {part.index + 1} of {len(work.delivery.parts)}",
            parts=work.delivery.with_part(part),
            tries=work.delivery.tries + 1,
            unknown_at=None,
            first_byte_at=work.delivery.first_byte_at or now,
        )
        attempt = work.begin(
            conn,
            Act.PUBLISH,
            part.index,
            request_id,
            payload_hash=digest,
            intent={
                "text": normalise(job.text),
                "media": [m.sha256 for m in job.media],
                "handle": part.handle,
                "parent": parent,
                "newest_known_post": part.newest_known_post,
                **({"options": dict(job.options)} if job.options else {}),
                **({"card": card} if card else {}),
            },
        )
    if first:
        work.ctx.tally.observe(LATENESS, (now - work.delivery.due_at).total_seconds(), work.platform)
    return attempt


def _with_intent(work: ClaimedDelivery, conn: Connection, part: PartRecord) -> PartRecord:
    """`part` with the moment from which on its post may be there: that of the first try that may have arrived."""
    part = replace(part, newest_known_post=work.account.newest_known_post or "")
    if part.intent_at and attempts.had_unknown(conn, work.delivery.id, part.index, but=0):
        return part
    theirs = work.ctx.times.now(key_of(work.account))
    told = utc_iso(theirs) if theirs is not None else ""
    return replace(part, intent_at=utc_iso(work.now()), intent_remote_at=told)


def _write_result(
    work: ClaimedDelivery, attempt: int, recorder: ExchangeRecorder, part: PartRecord, receipt: Receipt
) -> None:
    platform_health.note(work, recorder, None)
    try:
        with work.ctx.db.write() as conn:
            work.stays = work.ctx.spare()
            work.close(conn, attempt, Outcome.SUCCESS, recorder)
            adopt(work, conn, part, receipt.ref, "the platform accepted it", sent_by_us=True, proof=Proof.ACCEPTED)
    except Taken as error:
        _hold_taken(work, attempt, recorder, part, receipt, error.owner)
    except Conflict:
        late_replies.keep(work, attempt, recorder, part, receipt.ref)


def _hold_taken(
    work: ClaimedDelivery,
    attempt: int,
    recorder: ExchangeRecorder,
    part: PartRecord,
    receipt: Receipt,
    owner: int | None,
) -> None:
    """The platform's answer names a post that another delivery has: one of the two is wrong, and a person decides."""
    named = receipt.ref.remote_id
    reason = f"The platform answered with post {named}, which is linked to delivery {owner}."
    now = work.now()
    work.stays = False
    with work.ctx.db.write() as conn:
        work.close(conn, attempt, Outcome.UNKNOWN, recorder, reason)
        evidence_log.keep(conn, work.delivery.id, "named", {"part": part.index, "remote_id": named}, now)
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=reason)
        work.move(
            conn,
            S.HELD,
            reason,
            cause=StateCause.TAKEN,
            unknown_at=now,
            next_at=None,
            lease_until=None,
            readings=0,
            absences=0,
        )


def _abandon(work: ClaimedDelivery, attempt: int, recorder: ExchangeRecorder, error: LeaseLost) -> None:
    """Stopped before the first byte. If the delivery is still ours, it can go again at once, unless an earlier try may be out."""
    with work.ctx.db.write() as conn:
        work.close(conn, attempt, Outcome.ABANDONED, recorder, error.message)
    if work.repeats:
        _look_first(work, error.message)
        return
    with work.ctx.db.write() as conn:
        work.move(conn, S.WAITING, error.message, next_at=work.now(), lease_until=None, tries=work.delivery.tries - 1)
