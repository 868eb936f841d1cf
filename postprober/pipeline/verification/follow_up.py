"""After the proof: counts, and whether the post is still there."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from postprober.domain.account import Credentials
from postprober.domain.delivery import DUE_TO_FOLLOW, DeliveryState, Proof, Step, StepStatus
from postprober.domain.drift import SOON, News, Watched, judge, soon_again
from postprober.domain.remote import Counts
from postprober.errors import Conflict, PlatformError, ReconnectNeeded, Throttled
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import Work, new_request_id, open_tokens
from postprober.pipeline.core.context import Context, Wiretap
from postprober.pipeline.core.tokens import ensure_valid, reading_refused
from postprober.pipeline.verification import browser_looks, success_criteria
from postprober.pipeline.verification.drift import kind_of_loss, watch_over, words_for
from postprober.pipeline.verification.polling import first_poll, next_count
from postprober.pipeline.verification.verify import Finding, examine, ghost, verify
from postprober.storage import accounts, deliveries, evidence_log, sample_log, watches

S = DeliveryState


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
        work = Work(ctx, delivery, account, Credentials(""))
        if not open_tokens(work):
            return
        if delivery.state is S.GHOST:
            _ghost_again(work)
        elif delivery.state in (S.VERIFIED, S.PARTIAL) or delivery.readings >= len(ctx.timing.verify_after):
            _poll(work)
        else:
            verify(work)
    except Conflict:
        return
    finally:
        ctx.keeper.drop(delivery.id)


def _poll(work: Work) -> None:
    """Counts and drift in one visit."""
    with work.ctx.db.read() as conn:
        known = watches.get(conn, work.delivery.id)
    counting = known.counts_due(work.now())
    try:
        counts = _count(work) if counting else None
        finding = examine(work, glance=not counting and not known.pending)
    except Throttled as error:
        pause = work.now() + work.ctx.timing.unsure_retries[-1]
        with work.ctx.db.write() as conn:
            work.touch(conn, lease_until=None, next_at=max(error.retry_at or pause, pause))
        return
    if finding.missing and work.delivery.state in (S.VERIFIED, S.PUBLISHED, S.PARTIAL):
        _vanished(work, finding, known)
        return
    _keep(work, known, counting, counts, finding)


def _keep(work: Work, known: Watched, counting: bool, counts: Counts | None, finding: Finding) -> None:
    """Write down what a visit brought, and tell what is new."""
    now = work.now()
    with work.ctx.db.write() as conn:
        if counts is not None:
            _sample(work, conn, counts)
        if work.delivery.state is S.PUBLISHED and finding.proof is not Proof.ACCEPTED and not finding.missing:
            work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, proof=finding.proof.value, **finding.detail)
            work.move(
                conn, S.VERIFIED, f"proof: {finding.proof.value}", proof=finding.proof, verified_at=now,
                lease_until=None, next_at=first_poll(work, conn), readings=0, absences=0,
            )  # fmt: skip
            news = News.NOTHING
            known = judge(replace(known, base=None), finding.seen)[0]
        elif work.delivery.state is S.VERIFIED:
            known, news = watch_over(work, conn, known, finding)
        elif work.delivery.state is S.PARTIAL:
            known, news = _keep_partial(work, conn, known, finding)
        else:
            news = News.NOTHING
        if counting:
            known = replace(known, next_count=next_count(work, conn))
        watches.put(conn, work.delivery.id, known, now)
        # A look that could not tell takes no suspicion back.
        absences = 0 if finding.readable else work.delivery.absences
        suspected = news is News.LOOK_AGAIN or bool(known.pending or absences)
        work.touch(
            conn, absences=absences, lease_until=None, next_at=soon_again(known, now, first_poll(work, conn), suspected)
        )


def _keep_partial(work: Work, conn: Connection, known: Watched, finding: Finding) -> tuple[Watched, News]:
    """What is out of a thread is proved and watched as a whole post is; only its state says that the rest is missing."""
    if finding.proof is not work.delivery.proof and finding.readable:
        work.log(conn, Step.VERIFICATION, StepStatus.WARNING, proof=finding.proof.value, **finding.detail)
        work.touch(conn, proof=finding.proof, url=work.delivery.url or finding.url or None)
    if finding.proof is Proof.ACCEPTED:
        return known, News.NOTHING
    return watch_over(work, conn, known, finding)


def _sample(work: Work, conn: Connection, counts: Counts) -> None:
    before = sample_log.of_delivery(conn, work.delivery.id)
    sample_log.add(conn, work.delivery.id, counts, work.now())
    success_criteria.remember(work, conn, counts)
    success_criteria.comment(work, conn, counts, before)
    shown = {name: value for name, value in vars(counts).items() if value is not None}
    if not before or any(before[-1].count(name) != value for name, value in shown.items()):
        status = StepStatus.SUCCESS if shown else StepStatus.WARNING
        told = shown or {"message": "The platform gives this app no counts."}
        work.log(conn, Step.ENGAGEMENT, status, **told)


def _count(work: Work) -> Counts | None:
    """The counts of the first part; None when they could not be read at all. Raises Throttled."""
    first = work.delivery.parts[0].ref
    try:
        work.account, work.cred = ensure_valid(work.ctx, work.delivery, work.account)
        adapter = work.adapter(work.http(Wiretap(), new_request_id()))
        return adapter.engagement(work.cred, first.remote_id) if first else None
    except Throttled:
        raise
    except ReconnectNeeded:
        work.account = reading_refused(work.ctx, work.delivery, work.account)
        return None
    except PlatformError:
        return None


def _vanished(work: Work, finding: Finding, known: Watched) -> None:
    """It is out and now seems gone: once is an accident, twice is news."""
    if work.delivery.absences == 0:
        with work.ctx.db.write() as conn:
            work.touch(conn, absences=1, lease_until=None, next_at=work.now() + SOON)
        return
    if work.delivery.state is S.PUBLISHED:  # it never was proved: the looks of the proof could not tell
        ghost(work, finding)
        return
    if work.delivery.state is S.PARTIAL and work.delivery.absences > 1:  # told already
        with work.ctx.db.write() as conn:
            work.touch(conn, lease_until=None, next_at=work.now() + work.ctx.timing.ghost_recheck)
        return
    kind = kind_of_loss(work, finding)
    reason = words_for(kind)
    body = {"proof": finding.proof.value, "drift": kind, **finding.detail}
    with work.ctx.db.write() as conn:
        evidence_log.keep(conn, work.delivery.id, "gone", body, work.now())
        work.log(conn, Step.VERIFICATION, StepStatus.FAILED, message=reason, drift=kind, **finding.detail)
        again = work.now() + work.ctx.timing.ghost_recheck
        if work.delivery.state is S.PARTIAL:
            transitions.drifted(conn, work.delivery, reason, known.changes + 1, work.now())
            watches.put(conn, work.delivery.id, replace(known, changes=known.changes + 1), work.now())
            work.touch(conn, absences=2, lease_until=None, next_at=again)
            return
        work.move(conn, S.GHOST, reason, absences=0, lease_until=None, next_at=again)
        browser_looks.ask(work, conn, "gone")


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
            conn, S.VERIFIED, "It is visible now.", proof=finding.proof, verified_at=work.delivery.verified_at or now, readings=0, absences=0,
            lease_until=None, next_at=first_poll(work, conn),
        )  # fmt: skip
