"""How the platforms stand: written from signs, told to people, and obeyed before anything new is sent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.delivery import DeliveryState, StateCause, Step, StepStatus
from postprober.domain.health import (
    READ,
    HealthSign,
    HealthVerdict,
    ServerHealth,
    assess,
    delay_look,
    freshness,
    pace,
    sign_of,
)
from postprober.domain.platform import NAMES, described
from postprober.domain.retry import JITTER
from postprober.errors import Conflict, PlatformError
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.pipeline.core.context import Context, ExchangeRecorder
from postprober.storage import alert_log, deliveries, quotas
from postprober.storage import health as store
from postprober.storage.health import Kept, NewSign, Server
from postprober.storage.loops import each
from postprober.storage.records import Account

log = logging.getLogger("postprober.health")
S = DeliveryState
BATCH = 100  # waiting deliveries woken in one transaction
REPEAT = timedelta(minutes=1)  # a well platform is not noted as well more often than this


def server_of(account: Account) -> Server:
    return account.platform, account.instance


def called(server: Server) -> str:
    """The platform's name, with the server where there are many."""
    platform, instance = server
    host = instance.partition("://")[2]
    return f"{NAMES[platform]} ({host})" if host else NAMES[platform]


def sign_about(account: Account, error: PlatformError | None, took: timedelta) -> HealthSign | None:
    """What the end of one exchange of the account says about its platform; None when it says nothing."""
    sign = sign_of(error, took)
    own = described(account.platform).own_servers and sign in (HealthSign.AWAY, HealthSign.SLOW)
    return None if own else sign


def note(work: ClaimedDelivery, recorder: ExchangeRecorder, error: PlatformError | None) -> None:
    """What a real delivery has just seen: a success says more than any account check."""
    latency = max((exchange.latency_ms for exchange in recorder.exchanges), default=0)
    sign = sign_about(work.account, error, timedelta(milliseconds=latency))
    if sign is not None:
        message = error.message if error else ""
        work.ctx.health_cache.note(
            NewSign(work.account.id, server_of(work.account), work.now(), "delivery", sign, latency, message)
        )


def share(ctx: Context) -> None:
    """Write what this process's deliveries saw, and copy the blocks: once a second in every process that publishes."""
    with ctx.db.read() as conn:
        known = store.standings(conn)
    if left := ctx.health_cache.left(ctx.clock.now()):
        with ctx.db.write() as conn:
            quotas.put(conn, left, ctx.clock.now())
    noted = _telling(ctx.health_cache.take(), known)
    each(
        {one.server for one in noted},
        lambda server: record(ctx, server, [one for one in noted if one.server == server]),
        log,
        "the signs of a platform are noted",
    )
    reload(ctx)


def tick(ctx: Context) -> None:
    """The leader's round: share, let verdicts age, and wake what waited for a platform that is back."""
    share(ctx)
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        known = store.standings(conn)
    old = [
        s for s, kept in known.items() if kept.standing.verdict is not HealthVerdict.UNKNOWN and _stale(ctx, kept, now)
    ]
    each(old, lambda server: record(ctx, server, []), log, "the verdict about a platform ages")
    reload(ctx)
    _release(ctx)


def _telling(notes: Sequence[NewSign], known: dict[Server, Kept]) -> list[NewSign]:
    """The newest of each account and sign; what only repeats that a platform is well is left out."""
    newest = {(one.account_id, one.sign): one for one in notes}.values()

    def repeats(one: NewSign) -> bool:
        kept = known.get(one.server)
        calm = kept is not None and kept.standing.verdict is HealthVerdict.WELL and one.at - kept.checked_at < REPEAT
        return calm and one.sign is HealthSign.WELL

    return [one for one in newest if not repeats(one)]


def record(ctx: Context, server: Server, notes: Sequence[NewSign]) -> ServerHealth:
    """Signs, the standing that follows and what people are told: one transaction."""
    now = ctx.clock.now()
    fresh = _fresh(ctx, server)
    with ctx.db.write() as conn:
        store.add_signs(conn, notes)
        kept = store.standing(conn, server)
        before = kept.standing if kept else None
        seen = store.newest_signs(conn, server, now - fresh, READ)
        after = assess(seen, before, now, fresh=fresh, span=_soon(ctx, server))
        checked = max((one.at for one in notes), default=kept.checked_at if kept else now)
        store.put_standing(conn, server, after, checked)
        _tell(conn, server, before, after, now)
    if after.blocking != (before is not None and before.blocking):
        reload(ctx)
    return after


def _tell(conn: Connection, server: Server, before: ServerHealth | None, after: ServerHealth, now: datetime) -> None:
    """Once when it begins to fail, and once when that is over, to everybody with an account there."""
    failed = before is not None and before.verdict is HealthVerdict.FAILING
    fails = after.verdict is HealthVerdict.FAILING
    if failed == fails:
        return
    number = store.number(conn, server)
    for user_id in store.owners_on(conn, server):
        subject = f"platform:{number}:{user_id}"
        if fails:
            _alert(
                conn,
                user_id,
                AlertType.ERROR,
                AlertKind.PLATFORM,
                subject,
                f"failing:{after.since:%Y%m%dT%H%M%S}",
                f"{called(server)} is failing. {after.reason} New posts wait and are published when it is available again.",
                now,
            )
        elif alert_log.has_open(conn, subject):
            alert_log.close(conn, subject, now)
            if after.verdict is HealthVerdict.UNKNOWN:
                continue  # nobody looked any more: that is no recovery
            _alert(
                conn,
                user_id,
                AlertType.SUCCESS,
                AlertKind.RECOVERED,
                "",
                f"{subject}:{after.since:%Y%m%dT%H%M%S}",
                f"{called(server)} is available again. Waiting posts are published now.",
                now,
            )


def _alert(
    conn: Connection, user_id: int, type: AlertType, kind: AlertKind, subject: str, what: str, text: str, now: datetime
) -> None:
    alert_log.add(
        conn,
        user_id=user_id,
        post_id=None,
        delivery_id=None,
        type=type,
        message=text,
        kind=kind,
        subject=subject,
        dedupe_key=f"{subject}:{what}:{user_id}"[:120],
        now=now,
    )


def reload(ctx: Context) -> None:
    """Copy from the database where nothing new may be sent. What is stale blocks nothing: an account check that is switched
    off or broken must not keep posts back for ever."""
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        known = store.standings(conn)
    ctx.health_cache.set_blocked(
        {
            server: kept.standing
            for server, kept in known.items()
            if kept.standing.blocking and not _stale(ctx, kept, now)
        }
    )


def holds_back(work: ClaimedDelivery) -> bool:
    """Let a claimed delivery wait when its platform is known to be failing, unless a person wants it sent anyway."""
    server = server_of(work.account)
    standing = work.ctx.health_cache.blocks(server)
    if standing is None:
        return False
    now = work.now()
    shortest, longest = work.ctx.timing.delay_looks
    pause = delay_look(now - standing.since, shortest, longest) * (1 + JITTER * (work.ctx.rng.random() - 0.5))
    reason = f"{called(server)} is failing. {standing.reason}"
    with work.ctx.db.write() as conn:
        if store.goes_anyway(conn, work.delivery.id):
            return False
        if store.delay(conn, work.delivery.id, server, now):
            work.log(
                conn, Step.POSTING, StepStatus.WARNING, message=reason, next="sent when the platform is available again"
            )
        work.move(conn, S.WAITING, reason, cause=StateCause.PLATFORM, next_at=now + pause, lease_until=None)
    return True


def _release(ctx: Context) -> None:
    """Wake what waited for a server that blocks no more. Killed anywhere, the next tick goes on; and every waiting
    delivery has a next look of its own."""
    with ctx.db.read() as conn:
        servers = store.servers_waited_for(conn)
    for server in servers:
        while ctx.health_cache.blocks(server) is None:
            with ctx.db.write() as conn:
                ids = store.waiting_for(conn, server, BATCH)
                for delivery_id in ids:
                    _wake(ctx, conn, delivery_id)
                store.end_delays(conn, ids)
            if len(ids) < BATCH:
                break


def _wake(ctx: Context, conn: Connection, delivery_id: int) -> None:
    found = deliveries.get(conn, delivery_id)
    if found.state is S.WAITING and found.cause is StateCause.PLATFORM:
        try:
            deliveries.touch(conn, found, ctx.clock.now(), next_at=ctx.clock.now())
        except Conflict:
            return  # it is on its way already


def _fresh(ctx: Context, server: Server) -> timedelta:
    return freshness(server[0], ctx.timing.account_check_every)


def _soon(ctx: Context, server: Server) -> timedelta:
    return pace(server[0], ctx.timing.account_check_soon)


def _stale(ctx: Context, kept: Kept, now: datetime) -> bool:
    return now - kept.checked_at > _fresh(ctx, kept.server)
