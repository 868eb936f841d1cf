"""After a failure: collect the evidence, diagnose, and apply what may be applied or propose it.

The order is the promise: everything that looks, asks or computes comes first and leaves nothing behind; then one
transaction writes the diagnosis and applies the fix. A worker that is killed in between has done nothing, and the open
row is found again by the next one.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import Connection

from postprober.agent.diagnose import explain
from postprober.agent.evidence import Evidence, Try, collect, is_unknown
from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.attempt import Act
from postprober.domain.delivery import UNFINISHED, DeliveryState, Step, StepStatus
from postprober.domain.diagnosis import CHANGES_WORDS, ONLY_TELLS, Authority, Diagnosis, Fix, RepairState
from postprober.domain.limits import Limits
from postprober.domain.platform import NAMES
from postprober.domain.post import MediaKind
from postprober.errors import Conflict, PlatformError, VaultError
from postprober.pipeline.core import tokens
from postprober.pipeline.core.context import Context
from postprober.pipeline.repairs import fixes
from postprober.storage import accounts, alert_log, attempts, deliveries, media, repairs, step_log
from postprober.storage.loops import each
from postprober.storage.records import Account, Delivery, replace
from postprober.storage.repairs import Repair

log = logging.getLogger("postprober.repair")
S = DeliveryState
_CLAIM = timedelta(seconds=5)  # until the next one tries, when a worker died at it
_AGAIN, _LONGEST = timedelta(seconds=30), timedelta(minutes=15)  # after a diagnosis that could not be made
# The failure itself has alerted; what else people hear of, because it changes what they have to do.
_TOLD = {"proposed": "a repair needs your approval.", "applied": "a repair is in progress; no action is needed."}
_STEPS = {S.GHOST: Step.VERIFICATION, S.WAITING: Step.AUTHENTICATION}


def tend(ctx: Context) -> int:
    """Diagnose what is open; returns how many. One that cannot be diagnosed now never holds up the others."""
    with ctx.db.read() as conn:
        due = repairs.due(conn, ctx.clock.now())

    def one(repair: Repair) -> None:
        with ctx.db.write() as conn:  # its next time is stored before it is touched
            repairs.postpone(conn, repair, ctx.clock.now() + _CLAIM)
        try:
            _one(ctx, repair)
        except Conflict as error:
            later(repair, error)

    def later(repair: Repair, error: Exception) -> None:
        pause = _AGAIN
        if isinstance(error, VaultError):  # the longer the key is missing, the longer is the pause
            pause = min(_LONGEST, max(_AGAIN, (ctx.clock.now() - repair.made_at) / 2))
        with ctx.db.write() as conn:
            repairs.postpone(conn, repair, ctx.clock.now() + pause)

    return each(due, one, log, "a repair is diagnosed", later)


def _one(ctx: Context, repair: Repair) -> None:
    with ctx.db.read() as conn:
        delivery = deliveries.get(conn, repair.delivery_id)
        account = accounts.get(conn, delivery.account_id)
    over = delivery.state not in UNFINISHED | {S.HELD, S.GHOST} and not _blocked(delivery, account)
    if over or not account.is_active:
        with ctx.db.write() as conn:
            repairs.supersede(conn, delivery.id, ctx.clock.now())
        return
    evidence = gather(ctx, delivery, account)
    diagnosis = ctx.advisor.of(delivery.user_id).diagnose(evidence)
    plan = fixes.plan(ctx, delivery, diagnosis, evidence)
    if plan is None and diagnosis.fix not in ONLY_TELLS:
        told = explain(diagnosis.cause, Fix.ASK_PERSON, evidence)
        diagnosis = replace(diagnosis, fix=Fix.ASK_PERSON, retryable=False, explanation=told)
    if diagnosis.fix is Fix.REFRESH_TOKEN and not _renewed(ctx, delivery, account):
        told = explain(diagnosis.cause, Fix.ASK_RECONNECT, evidence)
        diagnosis = replace(diagnosis, fix=Fix.ASK_RECONNECT, retryable=False, explanation=told)
    ctx.checkpoint("diagnosed")
    _conclude(ctx, repair, delivery, account, diagnosis, plan or {})
    ctx.checkpoint("repaired")


def _blocked(delivery: Delivery, account: Account) -> bool:
    """It waits until the account is linked again."""
    return delivery.state is S.WAITING and account.status != "ok"


def gather(ctx: Context, delivery: Delivery, account: Account) -> Evidence:
    """The stored facts about a delivery, redacted. Reads the platform's limits, so it may use the network."""
    part = delivery.open_part()
    with ctx.db.read() as conn:
        tries = attempts.of_delivery(conn, delivery.id)
        files = media.get_many(conn, part.media) if part else []
        earlier = repairs.of_delivery(conn, delivery.id)
    cred = tokens.open_credentials(ctx.vault, account)
    traits = ctx.adapter(account, ctx.http).traits
    evidence = Evidence(
        platform=delivery.platform,
        state=delivery.state,
        reason=delivery.reason,
        limits=_limits(ctx, account),
        tries=tuple(Try(t.id, t.act, t.outcome, t.http_status, t.reply, t.message) for t in tries),
        texts=tuple(fixes.open_texts(delivery)),
        media=tuple(MediaKind(record.kind) for record in files),
        files=tuple(f"{record.name} ({record.mime.rpartition('/')[2].upper()})" for record in files),
        accounts=tuple(filter(None, (account.account_name, account.remote_id))),
        partly_out=any(p.ref is not None for p in delivery.parts),
        unknown=delivery.unknown_at is not None,
        held=delivery.cause,
        doubted=any(
            t.act == Act.PUBLISH and t.part == (part.index if part else -1) and is_unknown(t.outcome) for t in tries
        ),
        renewable=traits.renewable(has_refresh_token=bool(cred.refresh_token or cred.secret)),
        repaired=tuple(row.fix for row in earlier if row.state == "applied"),
    )
    return collect(evidence, tokens.secrets_of(cred))


def _limits(ctx: Context, account: Account) -> Limits:
    cred = tokens.open_credentials(ctx.vault, account)
    adapter = ctx.adapter(account, ctx.http.bound(secrets=tokens.secrets_of(cred)))
    try:
        return adapter.limits(cred)
    except PlatformError:
        return adapter.limits(None)


def _renewed(ctx: Context, delivery: Delivery, account: Account) -> bool:
    """Renew the tokens of an account that was set apart; False when a person has to link it."""
    try:
        tokens.renew(ctx, delivery, account)
    except PlatformError:
        return False
    return True


def _conclude(
    ctx: Context, repair: Repair, delivery: Delivery, account: Account, diagnosis: Diagnosis, plan: fixes.Plan
) -> None:
    """One transaction: the diagnosis, its row in the step log, and the fix, applied or waiting for a person."""
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        current = deliveries.get(conn, delivery.id)
        if (current.state, current.fence, current.parts) != (delivery.state, delivery.fence, delivery.parts):
            raise Conflict("The delivery moved while it was diagnosed.")
        state = _state(conn, delivery, diagnosis)
        done = replace(repair, plan=plan, fix=diagnosis.fix.value)
        if state == "applied" and diagnosis.fix is not Fix.REFRESH_TOKEN:
            fixes.check_still_right(conn, done, current)
        if not repairs.diagnosed(conn, repair, diagnosis, state, plan, now):
            return  # somebody else was faster
        _tell(conn, ctx, current, account, repair, diagnosis, state)
        if state != "applied":
            return
        if diagnosis.fix is Fix.REFRESH_TOKEN:
            accounts.write(conn, account.id, status="ok", status_reason="")
            alert_log.close(conn, repairs.subject(delivery.id), now)  # it is done, and no change of state follows
            return
        fixes.apply(conn, done, current, f"repaired: {diagnosis.fix.value.replace('_', ' ')}", now)


def _state(conn: Connection, delivery: Delivery, diagnosis: Diagnosis) -> RepairState:
    """What follows from the fix's authority."""
    if diagnosis.fix in ONLY_TELLS or (diagnosis.fix is Fix.WAIT_UNTIL and delivery.state not in UNFINISHED):
        return "needs_person"
    if diagnosis.authority is Authority.AUTOMATIC:
        return "applied"
    if diagnosis.fix in CHANGES_WORDS and fixes.words_permitted(conn, delivery.account_id):
        return "applied"
    return "proposed"


def _tell(
    conn: Connection,
    ctx: Context,
    delivery: Delivery,
    account: Account,
    repair: Repair,
    diagnosis: Diagnosis,
    state: RepairState,
) -> None:
    status = StepStatus.WARNING if state == "applied" or delivery.state is S.HELD else StepStatus.FAILED
    step_log.add_analysis(
        conn,
        delivery,
        _STEPS.get(delivery.state, Step.POSTING),
        status,
        ctx.clock.now(),
        diagnosis.explanation,
        cause=diagnosis.cause,
        fix=diagnosis.fix,
        repair=state,
        by=diagnosis.by,
        confidence=diagnosis.confidence,
        cited=list(diagnosis.cited),
        note=diagnosis.note,
        message=delivery.reason,
    )
    if state in _TOLD:
        alert_log.add(
            conn,
            user_id=delivery.user_id,
            post_id=delivery.post_id,
            delivery_id=delivery.id,
            type=AlertType.WARNING,
            message=f"{NAMES[delivery.platform]} ({account.account_name}): {_TOLD[state]} {diagnosis.explanation}",
            dedupe_key=f"repair:{repair.id}",
            now=ctx.clock.now(),
            kind=AlertKind.REPAIR,
            subject=repairs.subject(delivery.id),
        )
