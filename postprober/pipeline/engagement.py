"""After the proof: counts, and whether the post is still there."""

from __future__ import annotations

from datetime import timedelta

from postprober.domain.delivery import DUE_TO_FOLLOW, DeliveryState, Proof, Step, StepStatus
from postprober.domain.remote import Counts
from postprober.errors import Conflict, PlatformError, Throttled
from postprober.pipeline import results
from postprober.pipeline.context import Context, Wiretap
from postprober.pipeline.credentials import ensure_valid, open_credentials
from postprober.pipeline.plan import first_poll
from postprober.pipeline.verification import Finding, examine, verify
from postprober.pipeline.work import Work, new_request_id
from postprober.storage import accounts, deliveries, logs

S = DeliveryState
_RECHECK = timedelta(seconds=5)  # a post that seems gone is looked at once more before anybody is alarmed


def follow(ctx: Context, delivery_id: int) -> None:
    """The next look at a delivery that is out: proof, counts and drift, or whether a ghost has appeared."""
    until, deadline = ctx.keeper.until()
    with ctx.db.write() as conn:
        delivery = deliveries.take(
            conn, delivery_id, worker=ctx.worker, now=ctx.clock.now(), until=until, only=DUE_TO_FOLLOW
        )
        if delivery is None:
            return
        account = accounts.get(conn, delivery.account_id)
    ctx.keeper.hold(delivery.id, deadline)
    try:
        work = Work(ctx, delivery, account, open_credentials(ctx.vault, account))
        if delivery.state is S.GHOST:
            _ghost_again(work)
        elif delivery.state is S.VERIFIED or delivery.readings >= len(ctx.timing.verify_after):
            _poll(work)
        else:
            verify(work)
    except Conflict:
        return
    finally:
        ctx.keeper.drop(delivery.id)


def _poll(work: Work) -> None:
    """Counts and drift in one visit."""
    try:
        counts = _count(work)
        finding = examine(work)
    except Throttled as error:
        pause = work.now() + work.ctx.timing.unsure_retries[-1]
        with work.ctx.db.write() as conn:
            work.touch(conn, lease_until=None, next_at=max(error.retry_at or pause, pause))
        return
    if finding.missing and work.delivery.state is S.VERIFIED:
        _vanished(work, finding)
        return
    now = work.now()
    with work.ctx.db.write() as conn:
        if counts is not None:
            before = logs.samples_of(conn, work.delivery.id)
            logs.sample(conn, work.delivery.id, counts, now)
            results.comment(work, conn, counts, before)
            shown = {name: value for name, value in vars(counts).items() if value is not None}
            if not before or any(before[-1][name] != value for name, value in shown.items()):
                status = StepStatus.SUCCESS if shown else StepStatus.WARNING
                told = shown or {"message": "The platform gives this app no counts."}
                work.log(conn, Step.ENGAGEMENT, status, **told)
        if work.delivery.state is S.PUBLISHED and finding.proof is not Proof.ACCEPTED and not finding.missing:
            work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, proof=finding.proof.value, **finding.detail)
            work.move(
                conn, S.VERIFIED, f"proof: {finding.proof.value}", proof=finding.proof, verified_at=now,
                lease_until=None, next_at=first_poll(work), readings=0, absences=0,
            )  # fmt: skip
        else:
            work.touch(conn, absences=0, lease_until=None, next_at=first_poll(work))


def _count(work: Work) -> Counts | None:
    """The counts of the first part; None when they could not be read at all. Raises Throttled."""
    first = work.delivery.parts[0].ref
    try:
        work.account, work.cred = ensure_valid(work.ctx, work.delivery, work.account)
        adapter = work.adapter(work.http(Wiretap(), new_request_id()))
        return adapter.engagement(work.cred, first.remote_id) if first else None
    except Throttled:
        raise
    except PlatformError:
        return None


def _vanished(work: Work, finding: Finding) -> None:
    """It was proved live and now seems gone: once is an accident, twice is news."""
    with work.ctx.db.write() as conn:
        if work.delivery.absences == 0:
            work.touch(conn, absences=1, lease_until=None, next_at=work.now() + _RECHECK)
            return
        reason = "It was live and is gone now: somebody removed or hid it."
        logs.keep_evidence(conn, work.delivery.id, "gone", {"proof": finding.proof.value, **finding.detail}, work.now())
        work.log(conn, Step.VERIFICATION, StepStatus.FAILED, message=reason, **finding.detail)
        work.move(
            conn, S.GHOST, reason, absences=0, lease_until=None, next_at=work.now() + work.ctx.timing.ghost_recheck
        )


def _ghost_again(work: Work) -> None:
    """A ghost is never sent again, but it may appear."""
    try:
        finding = examine(work)
    except Throttled as error:
        finding = None
        retry = error.retry_at
    else:
        retry = None
    now = work.now()
    pause = now + work.ctx.timing.ghost_recheck * (2 ** min(work.delivery.readings, 6))
    with work.ctx.db.write() as conn:
        if finding is None or finding.missing or finding.proof is Proof.ACCEPTED:
            work.touch(conn, readings=work.delivery.readings + 1, lease_until=None, next_at=max(retry or pause, pause))
            return
        work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, proof=finding.proof.value, **finding.detail)
        work.move(
            conn, S.VERIFIED, "It is visible now.", proof=finding.proof, verified_at=now, readings=0, absences=0,
            lease_until=None, next_at=first_poll(work),
        )  # fmt: skip
