"""After the proof: counts, and whether the posts are still there. Posts of one account are looked at together.

A visit takes what is due and what may go along (a tenth of its age early), asks as owner once for all whose counts are to be
read or whom strangers cannot see, looks as a stranger at each whose time has come, and writes all results in one
transaction, each in a part of its own, so that one that fails spoils no other.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from postprober.domain.account import Credentials
from postprober.domain.delivery import DUE_TO_FOLLOW, DeliveryState, Proof, Step, StepStatus
from postprober.domain.drift import SOON, News, Watched, judge, soon_again
from postprober.domain.read_budget import Purse, Used, is_of_the_two, kept_for, purse
from postprober.domain.remote import Counts, Ref
from postprober.errors import Conflict, Throttled
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, as_shown, asked_of, card_of, open_tokens
from postprober.pipeline.core.context import Context
from postprober.pipeline.verification import browser_checks, success_criteria
from postprober.pipeline.verification.completing import complete
from postprober.pipeline.verification.drift import kind_of_loss, watch_over, words_for
from postprober.pipeline.verification.owner import Desk
from postprober.pipeline.verification.polling import (
    appointment,
    begin,
    count_at_latest,
    counted,
    first_poll,
    goal_hours,
    looked,
    out_since,
)
from postprober.pipeline.verification.verify import (
    Finding,
    Writer,
    again_later,
    billed_now,
    examine,
    ghost,
    proof_look,
    withhold,
)
from postprober.platforms.registry import SPECS
from postprober.probe.compare import compare
from postprober.storage import accounts, deliveries, evidence_log, reads, sample_log, watches

log = logging.getLogger("postprober.follow")
S = DeliveryState
DOUBTS = (
    3  # ours: looks at a verified post after which another one counts that only a stranger's page says to be not public
)
MOST = 50  # ours: deliveries of one visit; its strangers' looks are taken one after another


@dataclass
class Seat:
    """One delivery of a visit. `looks`: a stranger's look is due; `counts`: engagement may be read now, `must` if it can
    wait no longer; `kept`: how much should be left for that reading; `free`: that reading costs nothing further."""

    work: ClaimedDelivery
    known: Watched
    looks: bool
    counts: bool
    must: bool
    kept: int
    free: bool
    may_ask: bool = True
    left_out: bool = False

    @property
    def settled(self) -> bool:
        return is_polled(self.work)

    @property
    def asks(self) -> bool:
        """Whether it is reason enough for a call: its counts can wait no longer, or only its owner can look."""
        return self.must or (self.looks and self.known.blind)

    @property
    def suspected(self) -> bool:
        return bool(self.known.pending or self.work.delivery.absences)

    @property
    def refs(self) -> list[Ref]:
        return [part.ref for part in self.work.delivery.parts if part.ref is not None]


def is_polled(work: ClaimedDelivery) -> bool:
    """Whether its proof has come to an end, so that it is watched and counted."""
    state, readings = work.delivery.state, work.delivery.readings
    given_up = state is S.PUBLISHED and readings >= len(work.ctx.timing.verify_after)
    return given_up or state in (S.VERIFIED, S.PARTIAL)


def follow(ctx: Context, delivery_id: int) -> None:
    """The next look at a delivery that is out, and at what may go along with it."""
    until, deadline = ctx.keeper.until()
    with ctx.db.write() as conn:
        now = ctx.clock.now()
        first = deliveries.take(conn, delivery_id, worker=ctx.worker, now=now, until=until, only=DUE_TO_FOLLOW)
        if first is None:
            return
        account = accounts.get(conn, first.account_id)
        taken = [first]
        if ctx.together and first.state is not S.GHOST:
            size = max(1, min(MOST, ctx.adapter(account, ctx.http).traits.batch))
            taken += deliveries.take_beside(conn, first, worker=ctx.worker, now=now, until=until, most=size - 1)
        known = watches.of_many(conn, [one.id for one in taken])
        used = reads.of_account(conn, account.id, now)
        alone = len(taken) == 1 and not deliveries.has_company(conn, first)
        seats = [
            _seat(ClaimedDelivery(ctx, one, account, Credentials("")), known[one.id], conn, alone) for one in taken
        ]
    for one in taken:
        ctx.keeper.hold(one.id, deadline)
    try:
        opened = [open_tokens(seat.work) for seat in seats]
        if all(opened):
            _visit(ctx, seats, purse(used, ctx.prices(account.platform), now, ctx.read_budget))
    except Conflict:
        return
    finally:
        for one in taken:
            ctx.keeper.drop(one.id)


def _seat(work: ClaimedDelivery, known: Watched, conn: Connection, alone: bool) -> Seat:
    """What is due of it. `alone`: no other post of the account is followed, so that nothing is to be waited for."""
    now, since, scale = work.now(), out_since(work), work.ctx.timing.engagement_scale
    planned = known.count_planned(since)
    latest = planned if alone else count_at_latest(work, conn, known)
    polled = is_polled(work)
    must = polled and latest is not None and latest <= now
    came = work.delivery.next_at is not None and work.delivery.next_at <= now
    return Seat(
        work=work,
        known=known,
        looks=known.may_look(now) or (came and not must),
        counts=must or (polled and work.ctx.together and known.may_count(now)),
        must=must,
        kept=kept_for(now - since, scale, goal=planned is not None and planned - since in goal_hours(work, conn)),
        free=known.read_on == now.astimezone(UTC).date().isoformat(),
    )


def _share_out(ctx: Context, seats: Sequence[Seat], left: Purse) -> None:
    """Decide whose engagement is read and who may be asked about what strangers cannot see: what can wait no longer, as
    far as the month's allowance goes, and with it what costs nothing further. The rest waits, or is left out."""
    if not ctx.together:
        return
    billed, scale = left.readings is not None, ctx.timing.engagement_scale
    calls = not billed and any(not seat.settled for seat in seats)
    for seat in sorted((one for one in seats if one.settled), key=lambda one: (not one.asks, one.kept)):
        price = len(seat.refs) if billed and not seat.free else 0
        of_the_two = seat.known.blind and is_of_the_two(seat.work.now() - out_since(seat.work), scale)
        seat.may_ask = (calls and not price) or left.allows(seat.kept, price) or of_the_two
        seat.left_out = seat.must and not seat.may_ask
        seat.counts = seat.counts and seat.may_ask and (seat.must or calls)
        if seat.may_ask and (seat.counts or seat.asks):
            left, calls = left.less(price), True


def _ids_to_read(ctx: Context, seat: Seat, for_all: bool) -> list[str]:
    """Which of its posts are read together with others. What is suspected is read by itself."""
    refs = [ref.remote_id for ref in seat.refs]
    if seat.work.delivery.state is S.GHOST or not refs:
        return []
    if not seat.settled:
        return [] if ctx.prices(seat.work.account.platform).read else refs
    if seat.counts and not for_all:
        return refs if seat.looks and not seat.suspected else refs[:1]
    return refs if seat.looks and seat.known.blind and seat.may_ask and not seat.suspected else []


def _visit(ctx: Context, seats: Sequence[Seat], left: Purse) -> None:
    desk = Desk([seat.work for seat in seats])
    _share_out(ctx, seats, left)
    for_all = ctx.together and SPECS[seats[0].work.account.platform].counts_for_all
    ids = [one for seat in seats for one in _ids_to_read(ctx, seat, for_all)]
    if len(ids) > 1 or any(seat.counts for seat in seats):  # a proof alone reads its post in the surest way
        desk.read(ids)
    writers, failed = [], None
    for seat in seats:
        try:  # nosemgrep: every-error-caught # logged whole
            writers.append((seat, _look(seat, desk, for_all)))
        except (SQLAlchemyError, Conflict):
            raise
        except Exception as error:  # strangers write the pages: one that meets a mistake of ours is not the others'
            failed = failed or error
            log.exception("the look at delivery %s failed", seat.work.delivery.id)
    with ctx.db.write() as conn:
        total = Used(calls=desk.calls)
        for seat, write in writers:
            try:
                with ctx.db.part(conn):
                    more = write(conn)
            except Conflict:
                continue  # it belongs to somebody else now
            except (IntegrityError, DataError):  # of this row; what the whole transaction met goes on
                log.exception("the look at delivery %s could not be written", seat.work.delivery.id)
                continue
            total = Used(
                total.calls,
                total.micros + more.micros,
                total.posts + more.posts,
                total.posted_micros + more.posted_micros,
            )
        if total != Used():
            reads.add(conn, seats[0].work.account.id, ctx.clock.now(), total)
    if failed is not None and len(seats) == 1:
        raise failed


def _look(seat: Seat, desk: Desk, for_all: bool) -> Writer:
    if _is_over(seat.work):
        return _let_go(seat)
    if seat.work.delivery.state is S.GHOST:
        return _ghost_again(seat.work, desk)
    if not seat.settled:
        return proof_look(seat.work, desk)
    return _poll(seat, desk, for_all)


def _is_over(work: ClaimedDelivery) -> bool:
    """Whether the platform may have taken it away by now, as it does with every post of its kind. Its day began when it was
    sent, which can be long before we knew that it is out."""
    first = work.delivery.parts[0]
    asked = asked_of(work.delivery, first)
    lasts = asked.options.of(asked.stored).lasts
    since = out_since(work)
    if first.intent_at:
        since = min(since, datetime.fromisoformat(first.intent_at))
    return lasts is not None and work.now() >= since + lasts


def _let_go(seat: Seat) -> Writer:
    """Nothing more is to be seen of it, and that is no news: it was to last so long."""
    work = seat.work

    def write(conn: Connection) -> Used:
        work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, message="It has ended, as posts of this kind do.")
        watches.put(conn, work.delivery.id, replace(seat.known, next_look="", next_count=""), work.now())
        work.touch(conn, absences=0, lease_until=None, next_at=None, early_at=None)
        return Used()

    return write


def _poll(seat: Seat, desk: Desk, for_all: bool) -> Writer:
    """Counts and drift in one visit."""
    work, known, by_owner = seat.work, seat.known, seat.counts and not for_all
    if by_owner and desk.throttled is not None:
        return again_later(work, desk.throttled)
    finding = None
    if seat.looks:
        complete(work)
    try:
        if seat.looks or (seat.counts and for_all) or (by_owner and _is_odd(seat, desk)):
            glance = not by_owner and not known.pending
            finding = examine(
                work, desk, glance=glance, surely=seat.suspected, may_ask=seat.may_ask, told=known.outside
            )
    except Throttled as error:
        return again_later(work, error)
    counts = _counts(seat, desk, finding) if seat.counts else None
    if finding is not None and finding.missing and work.delivery.state in (S.VERIFIED, S.PUBLISHED, S.PARTIAL):
        return _vanished(seat, desk, finding)

    def write(conn: Connection) -> Used:
        _keep(seat, conn, counts, finding)
        return billed_now(work, conn, desk)

    return write


def _is_odd(seat: Seat, desk: Desk) -> bool:
    """Whether what was told of it among others needs a look of its own: it is missing, or another than it was."""
    part = seat.work.delivery.parts[0]
    if part.ref is None or seat.known.base:
        return False  # it was another from the start: only the watch's own looks can tell
    post = desk.shared(part.ref)
    if post is None:
        return not desk.unread(part.ref)
    asked = asked_of(seat.work.delivery, part)
    part, files = as_shown(seat.work.ctx, seat.work.delivery, part)
    return bool(compare(part.text, files, post, asked=asked, card=card_of(part)).differences)


def _counts(seat: Seat, desk: Desk, finding: Finding | None) -> Counts | None:
    """Of the first part; None when they could not be read."""
    if finding is not None and finding.counts is not None:
        return finding.counts
    first = seat.refs[0] if seat.refs else None
    if first is None:
        return None
    if seat.may_ask and first.remote_id not in desk.asked and not desk.unread(first):
        desk.read([first.remote_id])
    return desk.counts(first)


def _keep(seat: Seat, conn: Connection, counts: Counts | None, finding: Finding | None) -> None:
    """Write down what a visit brought, and tell what is new."""
    work, known, now, news = seat.work, seat.known, seat.work.now(), News.NOTHING
    doubted = False
    if counts is not None:
        _sample(work, conn, counts)
    if finding is not None:
        if finding.withheld is not None and work.delivery.state in (S.PUBLISHED, S.VERIFIED):
            needed = 1 if finding.surely_withheld else DOUBTS
            doubted = work.delivery.state is S.VERIFIED and work.delivery.absences < needed
            if not doubted:
                withhold(work, conn, finding)
        elif work.delivery.state is S.PUBLISHED and finding.proof is not Proof.ACCEPTED and not finding.missing:
            work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, proof=finding.proof.value, **finding.detail)
            work.move(
                conn,
                S.VERIFIED,
                f"proof: {finding.proof.value}",
                proof=finding.proof,
                verified_at=now,
                lease_until=None,
                next_at=first_poll(work, conn),
                readings=0,
                absences=0,
            )
            known = judge(replace(known, base=None), finding.seen)[0]
        elif work.delivery.state is S.VERIFIED and not finding.as_before:
            known, news = watch_over(work, conn, known, finding)
        elif work.delivery.state is S.PARTIAL and not finding.as_before:
            known, news = _keep_partial(work, conn, known, finding)
        settled = finding.outside if news is News.NOTHING and not known.pending else known.outside
        known = looked(work, conn, replace(known, blind=finding.blind, outside=settled))
    if seat.counts or seat.left_out:
        known = counted(work, conn, known)
    watches.put(conn, work.delivery.id, known, now)
    # A look that could not tell takes no suspicion back.
    seen_so = work.delivery.absences + 1 if doubted else 0
    absences = seen_so if finding is not None and finding.readable else work.delivery.absences
    suspected = news is News.LOOK_AGAIN or bool(known.pending or absences)
    when = appointment(work, conn, known)
    soon = soon_again(known, now, when["next_at"], suspected)
    if soon != when["next_at"]:
        when = {"next_at": soon, "early_at": None}
    work.touch(conn, absences=absences, lease_until=None, **when)


def _keep_partial(work: ClaimedDelivery, conn: Connection, known: Watched, finding: Finding) -> tuple[Watched, News]:
    """What is out of a thread is proved and watched as a whole post is; only its state says that the rest is missing."""
    if finding.proof is not work.delivery.proof and finding.readable:
        work.log(conn, Step.VERIFICATION, StepStatus.WARNING, proof=finding.proof.value, **finding.detail)
        work.touch(conn, proof=finding.proof, url=work.delivery.url or finding.url or None)
    if finding.proof in (Proof.ACCEPTED, Proof.NOT_PUBLIC):
        return known, News.NOTHING
    return watch_over(work, conn, known, finding)


def _sample(work: ClaimedDelivery, conn: Connection, counts: Counts) -> None:
    before = sample_log.of_delivery(conn, work.delivery.id)
    sample_log.add(conn, work.delivery.id, counts, work.now())
    success_criteria.remember(work, conn, counts)
    success_criteria.comment(work, conn, counts, before)
    shown = {name: value for name, value in vars(counts).items() if value is not None}
    if not before or any(before[-1].count(name) != value for name, value in shown.items()):
        status = StepStatus.SUCCESS if shown else StepStatus.WARNING
        told = shown or {"message": "The platform gives this app no counts."}
        work.log(conn, Step.ENGAGEMENT, status, **told)


def _vanished(seat: Seat, desk: Desk, finding: Finding) -> Writer:
    """It is out and now seems gone: once is an accident, twice is news."""
    work, known = seat.work, seat.known
    first = work.delivery.absences == 0
    told = work.delivery.state is S.PARTIAL and work.delivery.absences > 1
    kind = "" if first or told or work.delivery.state is S.PUBLISHED else kind_of_loss(work, finding)

    def write(conn: Connection) -> Used:
        again = work.now() + work.ctx.timing.ghost_recheck
        if first:
            work.touch(conn, absences=1, lease_until=None, next_at=work.now() + SOON)
        elif work.delivery.state is S.PUBLISHED:  # it never was proved: the looks of the proof could not tell
            ghost(work, conn, finding)
        elif told:
            work.touch(conn, lease_until=None, next_at=again)
        else:
            _tell_loss(work, conn, known, finding, kind)
        return billed_now(work, conn, desk)

    return write


def _tell_loss(work: ClaimedDelivery, conn: Connection, known: Watched, finding: Finding, kind: str) -> None:
    reason, again = words_for(kind), work.now() + work.ctx.timing.ghost_recheck
    body = {"proof": finding.proof.value, "drift": kind, **finding.detail}
    evidence_log.keep(conn, work.delivery.id, "gone", body, work.now())
    work.log(conn, Step.VERIFICATION, StepStatus.FAILED, message=reason, drift=kind, **finding.detail)
    if work.delivery.state is S.PARTIAL:
        transitions.drifted(conn, work.delivery, reason, known.changes + 1, work.now())
        watches.put(conn, work.delivery.id, replace(known, changes=known.changes + 1), work.now())
        work.touch(conn, absences=2, lease_until=None, next_at=again)
        return
    work.move(conn, S.GHOST, reason, absences=0, lease_until=None, next_at=again)
    browser_checks.ask(work, conn, "gone")


def _ghost_again(work: ClaimedDelivery, desk: Desk) -> Writer:
    """A ghost is never sent again, but it may appear."""
    finding, retry = None, None
    try:
        finding = examine(work, desk, glance=True, gone=True)
    except Throttled as error:
        retry = error.retry_at

    def write(conn: Connection) -> Used:
        now = work.now()
        pause = now + work.ctx.timing.ghost_recheck * (2 ** min(work.delivery.readings, 6))
        if finding is not None and finding.withheld is not None:
            withhold(work, conn, finding)
            known = begin(work, conn, replace(watches.get(conn, work.delivery.id), blind=finding.blind))
            work.touch(conn, lease_until=None, **appointment(work, conn, known))
            return billed_now(work, conn, desk)
        if finding is None or finding.missing or finding.proof is Proof.ACCEPTED:
            next_at = max(retry or pause, pause)
            work.touch(conn, readings=work.delivery.readings + 1, lease_until=None, next_at=next_at)
            return billed_now(work, conn, desk)
        work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, proof=finding.proof.value, **finding.detail)
        known = begin(work, conn, replace(watches.get(conn, work.delivery.id), blind=finding.blind))
        work.move(
            conn,
            S.VERIFIED,
            "It is visible now.",
            proof=finding.proof,
            verified_at=work.delivery.verified_at or now,
            readings=0,
            absences=0,
            lease_until=None,
            **appointment(work, conn, known),
        )
        return billed_now(work, conn, desk)

    return write
