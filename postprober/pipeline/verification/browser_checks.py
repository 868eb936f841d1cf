"""Looks in a browser: asked for when something is proved or suspected, done by one job on the side.

What asks writes a row in its own transaction, so a kill loses no look; who looks holds no lease, so nothing that is to be
published waits. A look that ends twice (killed before its row went) is one more piece of evidence and no harm.
"""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from postprober.domain.delivery import DeliveryState, Proof, Step, StepStatus
from postprober.domain.engagement import next_poll
from postprober.domain.meters import OUTCOMES
from postprober.domain.public_look import Look, Verdict
from postprober.errors import Conflict
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, as_shown, asked_of, card_of
from postprober.pipeline.core.context import Context
from postprober.probe.browser_check import look_in_browser
from postprober.probe.compare import Comparison, compare
from postprober.storage import accounts, deliveries, evidence_log, looks, pictures, step_log
from postprober.storage.looks import Wanted
from postprober.storage.records import Account, Delivery

log = logging.getLogger("postprober.browser_checks")
S = DeliveryState
TRIES = 3
_MINUTE = timedelta(minutes=1)


def can_look(ctx: Context) -> bool:
    """Whether there is a browser at all; without one everything else goes on."""
    return ctx.browser is not None and ctx.looks_a_minute > 0 and not ctx.browser.trouble()


def ask(work: ClaimedDelivery, conn: Connection, why: str) -> None:
    """Have the delivery looked at soon, if somebody can. `why`: proof, ghost, gone or drift."""
    asked = asked_of(work.delivery, work.delivery.parts[0])
    if can_look(work.ctx) and work.delivery.url and asked.options.of(asked.stored).is_public:
        looks.ask(conn, work.delivery.id, why, work.now())


class BrowserChecks:
    """The job: one look a call, and no more than the context allows a minute."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._taken: deque[datetime] = deque()

    def look(self) -> bool:
        """Take the next look that is due; returns whether there was one."""
        ctx, now = self._ctx, self._ctx.clock.now()
        while self._taken and self._taken[0] <= now - _MINUTE:
            self._taken.popleft()
        if not can_look(ctx) or len(self._taken) >= ctx.looks_a_minute:
            return False
        with ctx.db.read() as conn:
            wanted = looks.next_due(conn, now)
            if wanted is None:
                return False
            delivery = deliveries.get(conn, wanted.delivery_id)
            account = accounts.get(conn, delivery.account_id)
        with ctx.db.write() as conn:
            if not looks.claim(conn, wanted, now + _MINUTE * (wanted.tries + 1)):
                return False
        self._taken.append(now)
        try:  # nosemgrep: every-error-caught # logged whole
            if wanted.tries >= TRIES:
                _give_up(ctx, wanted, delivery)
            else:
                _take(ctx, wanted, delivery, account)
        except SQLAlchemyError:
            raise  # nothing can be noted; the claim holds
        except Exception:  # strangers write the pages: one that meets a mistake of ours is not the next one's
            log.exception("the look %s at delivery %s failed", wanted.id, delivery.id)
            if wanted.tries + 1 >= TRIES:
                _give_up(ctx, wanted, delivery)
        return True

    def close(self) -> None:
        """The look at hand ends within seconds; the next process takes it."""
        if self._ctx.browser is not None:
            self._ctx.browser.close()


def _take(ctx: Context, wanted: Wanted, delivery: Delivery, account: Account) -> None:
    ref = delivery.parts[0].ref
    if ctx.browser is None or ref is None or not delivery.url:
        with ctx.db.write() as conn:
            looks.done(conn, wanted.id)
        return
    seen, png = look_in_browser(
        ctx.browser, delivery.platform, url=delivery.url, remote_id=ref.remote_id, author=account.account_name
    )
    now = ctx.clock.now()
    if png is None and ctx.browser.closed:
        with ctx.db.write() as conn:
            looks.unclaim(conn, wanted, now)
        return  # it was not the page's fault, and no try
    if png is None and seen.verdict is Verdict.UNSURE and wanted.tries + 1 < TRIES:
        return  # its next time is stored already
    compared = None
    if seen.verdict is Verdict.FOUND:
        first, files = as_shown(ctx, delivery, delivery.parts[0])
        compared = compare(first.text, files, seen, card=card_of(first))
    picture = pictures.keep(pictures.folder(ctx.data_dir), png) if png is not None else None
    with ctx.db.write() as conn:
        if looks.done(conn, wanted.id):
            _note(ctx, conn, wanted, delivery, seen, compared, picture, now)


def _give_up(ctx: Context, wanted: Wanted, delivery: Delivery) -> None:
    seen = Look(Verdict.UNSURE, url=delivery.url or "", reason=f"The browser could not show it in {TRIES} tries.")
    with ctx.db.write() as conn:
        if looks.done(conn, wanted.id):
            _note(ctx, conn, wanted, delivery, seen, None, None, ctx.clock.now())


def _note(
    ctx: Context,
    conn: Connection,
    wanted: Wanted,
    delivery: Delivery,
    seen: Look,
    compared: Comparison | None,
    picture: str | None,
    now: datetime,
) -> None:
    body = {
        "why": wanted.why,
        "verdict": seen.verdict.value,
        "message": seen.reason,
        "url": seen.url,
        "text": seen.text,
        "author": seen.author,
        "media": [{"kind": item.kind, "alt": item.alt} for item in seen.media or ()],
        "differences": list(compared.differences) if compared else [],
        "picture": picture,
    }
    evidence_log.keep(conn, delivery.id, "browser", body, now, picture)
    if compared is None:
        return
    proof = Proof.MATCHES if compared.matches else Proof.PUBLIC
    if _raise_proof(ctx, conn, delivery.id, proof, now):
        status = StepStatus.WARNING if compared.differences else StepStatus.SUCCESS
        step_log.add(
            conn,
            delivery,
            Step.VERIFICATION,
            status,
            now,
            message=f"Seen in a browser: {seen.reason}",
            proof=proof.value,
            differences=body["differences"],
        )


def _raise_proof(ctx: Context, conn: Connection, delivery_id: int, proof: Proof, now: datetime) -> bool:
    """A stranger saw it where the plain look could not tell; returns whether that proves more than was known. Leaves a
    delivery alone that a worker has in hand, and a thread, of which only the beginning was looked at."""
    found = deliveries.get(conn, delivery_id)
    if len(found.parts) != 1 or (found.lease_until is not None and found.lease_until > now):
        return False
    try:
        if found.state is S.VERIFIED and found.proof in (Proof.EXISTS, Proof.WITNESSED):
            deliveries.touch(conn, found, now, proof=proof)
        elif found.state is S.PUBLISHED and found.readings >= len(ctx.timing.verify_after):
            base = found.published_at or now
            transitions.move(
                conn,
                found,
                S.VERIFIED,
                reason=f"proof: {proof.value}, seen in a browser",
                now=now,
                worker=ctx.worker,
                proof=proof,
                verified_at=now,
                readings=0,
                absences=0,
                next_at=next_poll(base, now, ctx.timing.engagement_scale) or now,
            )
            ctx.tally.count(OUTCOMES, found.platform.value, S.VERIFIED.value)
        else:
            return False
    except Conflict:
        return False  # a worker was faster; its own reading counts
    return True
