"""What follows from an answer that is not a success: look, wait, ask, or end.

A clear no leads back to a new try or to an end; everything that is not a clear no leads to `unconfirmed`.
"""

from __future__ import annotations

import re
from datetime import timedelta

from postprober.clock import utc_iso
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState, Step, StepStatus
from postprober.domain.remote import Ref, Sighting, SightingState
from postprober.domain.retry import MAX_TRIES, backoff, throttle_until
from postprober.errors import (
    HERE,
    NOT_PERMITTED,
    Conflict,
    DuplicateRefused,
    MadeAndRemoved,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.pipeline.core import transitions
from postprober.pipeline.core.adopt import Taken, adopt, why_not
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, job_for, new_request_id, search_for
from postprober.pipeline.core.context import ExchangeRecorder
from postprober.pipeline.core.tokens import IN_FLIGHT, renew
from postprober.pipeline.health import platform_health
from postprober.pipeline.publishing import late_replies
from postprober.pipeline.publishing.locate import sighting_of
from postprober.platforms.common.adapter import Adapter
from postprober.storage import accounts, attempts, evidence_log, repairs
from postprober.storage.records import PartRecord, replace

S = DeliveryState


def refused(
    work: ClaimedDelivery,
    attempt: int,
    recorder: ExchangeRecorder,
    part: PartRecord,
    error: PlatformError,
    adapter: Adapter,
) -> None:
    """Close the attempt and go where its error leads."""
    outcome = _outcome(error)
    platform_health.note(work, recorder, error)
    with work.ctx.db.write() as conn:
        unknown_before = attempts.had_unknown(conn, work.delivery.id, part.index, but=attempt)
        work.close(conn, attempt, outcome, recorder, error.message)
    if isinstance(error, DuplicateRefused) and unknown_before and _adopted_by_name(work, part, error, adapter):
        return
    if outcome is Outcome.UNKNOWN or (isinstance(error, DuplicateRefused) and unknown_before):
        work.failed_by(cause_of(error))
        try:
            _unconfirmed(work, part, error, adapter)
        except Conflict:
            if isinstance(error, OutcomeUnknown) and error.remote_id:
                late_replies.note(work, part, error.remote_id)
            raise
        return
    if isinstance(error, ReconnectNeeded) and not work.repeats and _second_chance(work, error, adapter):
        return
    fail(work, error, Step.POSTING)


def _pause(work: ClaimedDelivery, error: PlatformError) -> None:
    """What the refusal means for the account."""
    with work.ctx.db.write() as conn:
        if isinstance(error, ReconnectNeeded):
            transitions.reconnect_needed(conn, work.account, error, work.now())
        elif isinstance(error, Throttled):
            until = throttle_until(error.retry_at, max(1, work.delivery.tries), work.now(), work.ctx.rng)
            accounts.throttle(conn, work.account.id, until)


def note_stage(work: ClaimedDelivery, part: PartRecord, recorder: ExchangeRecorder, error: PlatformError) -> None:
    """What the platform said when it refused something that nobody could have seen; a diagnosis needs its words."""
    platform_health.note(work, recorder, error)
    with work.ctx.db.write() as conn:
        attempt = work.begin(conn, Act.STAGE, part.index, recorder.request_id or new_request_id())
        outcome = _outcome(error)
        work.close(
            conn, attempt, Outcome.UNAVAILABLE if outcome is Outcome.UNKNOWN else outcome, recorder, error.message
        )


def _adopted_by_name(work: ClaimedDelivery, part: PartRecord, error: DuplicateRefused, adapter: Adapter) -> bool:
    """The platform names the post that carries this very content: after an unknown outcome, that is ours, unless it is
    known as another delivery's, or was there before (somebody may have posted the same words by hand)."""
    if not error.earlier_id or not error.earlier_url or not _is_new(work, part, error.earlier_id, adapter):
        return False
    ref = Ref(error.earlier_id, error.earlier_url)
    found = Sighting(SightingState.FOUND, reason=error.message, by_words=True)  # the platform compared words, too
    try:
        with work.ctx.db.write() as conn:
            if why_not(work, conn, part, found):
                return False
            adopt(work, conn, part, ref, "the platform named it when it refused a second one", sent_by_us=False)
    except Taken:
        return False
    return True


def _is_new(work: ClaimedDelivery, part: PartRecord, remote_id: str, adapter: Adapter) -> bool:
    """Whether the named post, read back, came into being after our first try that may have arrived, and by nothing else
    than us. What cannot be read just then is not taken: the list of own posts, or a person, has to tell. Where the platform
    never lets us read, its word is all there is, and only a person's decision leads to a second try there."""
    with work.ctx.db.read() as conn:
        current = work.delivery.parts[part.index]
        search = search_for(work, conn, current, job_for(work.ctx, work.delivery, current))
    try:
        post = adapter.fetch(work.cred, remote_id)
    except PlatformError as error:
        return error.code == NOT_PERMITTED
    return post is not None and sighting_of(work, current, search, post).state is SightingState.FOUND


def cause_of(error: PlatformError) -> str:
    """For the operator's counter: the error's class, in small letters with `_`; `here` for a fault of this machine."""
    if error.code == HERE:
        return "here"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def _outcome(error: PlatformError) -> Outcome:
    if isinstance(error, PostRejected):
        return Outcome.REJECTED
    if isinstance(error, Throttled):
        return Outcome.THROTTLED
    if isinstance(error, ReconnectNeeded):
        return Outcome.RECONNECT
    if isinstance(error, Unavailable):
        return Outcome.UNAVAILABLE
    if isinstance(error, UnexpectedReply) and error.http_status is not None and 400 <= error.http_status < 500:
        return Outcome.REJECTED  # refused for a reason that lies in our request or settings
    return Outcome.UNKNOWN  # OutcomeUnknown and whatever may come: the cautious reading


def _unconfirmed(work: ClaimedDelivery, part: PartRecord, error: PlatformError, adapter: Adapter) -> None:
    now = work.now()
    duplicate = isinstance(error, DuplicateRefused)
    current = work.delivery.parts[part.index]
    with work.ctx.db.write() as conn:
        if isinstance(error, OutcomeUnknown) and error.remote_id:
            # The reply named the post before it broke: no proof, but a person who has to decide should know it.
            evidence_log.keep(conn, work.delivery.id, "named", {"part": part.index, "remote_id": error.remote_id}, now)
        work.log(conn, Step.POSTING, StepStatus.WARNING, message=error.message, next="looking whether it is there")
        work.move(
            conn,
            S.UNCONFIRMED,
            error.message,
            unknown_at=now,
            next_at=now + adapter.traits.settle,
            readings=0,
            absences=0,
            lease_until=None,
            parts=work.delivery.with_part(
                replace(
                    current,
                    refused_as_duplicate=duplicate,
                    repeats=False,
                    removed=isinstance(error, MadeAndRemoved),
                )
            ),
        )
    work.ctx.patience.wait(work.delivery.id, adapter.traits.settle)


def _second_chance(work: ClaimedDelivery, error: ReconnectNeeded, adapter: Adapter) -> bool:
    """A token refused in mid-flight: nothing was published. Renew it once per delivery try, or ask the platform
    whether it really is bad; True when that decided what comes next."""
    if work.delivery.tries > 2:
        return False
    try:
        if adapter.traits.renewable(has_refresh_token=bool(work.cred.refresh_token or work.cred.secret)):
            renew(work.ctx, work.delivery, work.account)
        else:
            work.adapter(work.http(ExchangeRecorder(), new_request_id())).identify(work.cred)
    except Unavailable as unavailable:
        fail(work, unavailable, Step.AUTHENTICATION)
        return True
    except PlatformError:
        return False
    with work.ctx.db.write() as conn:
        work.log(conn, Step.AUTHENTICATION, StepStatus.WARNING, message=error.message, next="tried again")
        work.move(conn, S.WAITING, error.message, next_at=work.now(), lease_until=None)
    return True


def fail(work: ClaimedDelivery, error: PlatformError, step: Step) -> None:
    """A clear no: nothing was published. Wait, ask for a new link, or end in `failed`. Of a repeat it says nothing about the
    first try, so that is looked for."""
    work.failed_by(cause_of(error))
    if work.repeats and (open_part := work.delivery.open_part()) is not None:
        _pause(work, error)
        _unconfirmed(work, open_part, error, work.adapter(work.ctx.http))
        return
    now, delivery, ctx = work.now(), work.delivery, work.ctx
    tries = max(1, delivery.tries)
    sent = delivery.state is S.SUBMITTING  # then the intent has counted this try; a limit gives it back
    with ctx.db.write() as conn:
        if isinstance(error, Throttled):
            until = throttle_until(error.retry_at, tries, now, ctx.rng)
            if error.whole_app:
                accounts.throttle_all(conn, work.account, until)
            else:
                accounts.throttle(conn, work.account.id, until)
            work.log(conn, step, StepStatus.WARNING, message=error.message, retry_at=utc_iso(until))
            work.move(
                conn, S.WAITING, error.message, next_at=until, lease_until=None, tries=max(0, delivery.tries - sent)
            )
        elif isinstance(error, ReconnectNeeded):
            transitions.reconnect_needed(conn, work.account, error, now)
            work.log(conn, Step.AUTHENTICATION, StepStatus.FAILED, message=error.message)
            work.move(conn, S.WAITING, error.message, next_at=now, lease_until=None)
            repairs.begin(conn, work.delivery, now)
        elif error.code == IN_FLIGHT:
            # Not a try of this delivery: another worker's renewal may be slow, or dead and its claim running out.
            work.move(
                conn,
                S.WAITING,
                error.message,
                next_at=now + timedelta(seconds=1),
                lease_until=None,
                tries=max(0, delivery.tries - sent),
            )
        elif isinstance(error, (PostRejected, UnexpectedReply)) or _exhausted(work):
            work.log(conn, step, StepStatus.FAILED, message=error.message)
            work.move(conn, S.FAILED, error.message, next_at=None, lease_until=None)
        else:
            again = now + backoff(tries, ctx.rng)
            work.log(conn, step, StepStatus.WARNING, message=error.message, retry_at=utc_iso(again))
            work.move(
                conn,
                S.WAITING,
                error.message,
                next_at=again,
                lease_until=None,
                tries=delivery.tries + (not sent),
            )


def _exhausted(work: ClaimedDelivery) -> bool:
    return work.delivery.tries >= MAX_TRIES
