"""Account checks: each account is asked now and then, which changes nothing and never spends what is left for posts.

A check tries the token (and renews one that has run out, as a post would have to), asks who it belongs to, and reads
the newest own post. Its next look is stored before the network is asked: a kill in between costs one look.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from postprober.domain.account import Credentials
from postprober.domain.health import GOOD, HealthSign, HealthVerdict, account_verdict, pace, sign_of
from postprober.errors import NotFound, PlatformError, ReconnectNeeded, UnexpectedReply, VaultError
from postprober.http import Exchange
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import new_request_id
from postprober.pipeline.core.context import Context, ExchangeRecorder
from postprober.pipeline.core.tokens import IN_FLIGHT, ensure_valid, renew, secrets_of
from postprober.pipeline.health import platform_health
from postprober.storage import accounts
from postprober.storage import health as store
from postprober.storage.health import Candidate, Kept, NewSign, Server
from postprober.storage.records import Account

log = logging.getLogger("postprober.account_checks")

THREADS = 4  # at the same time; one that hangs holds up no other server's
JITTER = 0.2  # of the pace, so that accounts linked together do not ask together for ever
FIRST = timedelta(minutes=2)  # within this, a new account is looked at for the first time
UNEASY = frozenset({HealthVerdict.DEGRADED, HealthVerdict.FAILING})


class AccountChecks:
    """Looks at what is due, one account of a server at a time."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="account-check")
        self._busy: set[Server] = set()
        self._lock = threading.Lock()

    def check_due(self) -> None:
        """Start what is due; returns at once."""
        for one in due(self._ctx):
            with self._lock:
                if one.server in self._busy or len(self._busy) >= THREADS:
                    continue
                self._busy.add(one.server)
            future = self._pool.submit(look, self._ctx, one.account_id)
            future.add_done_callback(lambda done, server=one.server: self._done(server, done))  # type: ignore[misc]

    def _done(self, server: Server, future: Future[None]) -> None:
        with self._lock:
            self._busy.discard(server)
        error = None if future.cancelled() else future.exception()
        if error is not None:
            log.error("an account check on %s failed: %s", platform_health.called(server), error, exc_info=error)

    def busy(self) -> int:
        """How many are looking."""
        with self._lock:
            return len(self._busy)

    def stop(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def due(ctx: Context) -> list[Candidate]:
    """At most one account of each server; those that were never planned get a plan."""
    timing, now = ctx.timing, ctx.clock.now()
    if not timing.account_check_every:
        return []
    with ctx.db.read() as conn:
        found, known = store.candidates(conn, now), store.standings(conn)
    new = [one for one in found if one.next_at is None]
    if new:
        with ctx.db.write() as conn:
            for one in new:
                store.plan(conn, one.account_id, now + min(FIRST, timing.account_check_every) * ctx.rng.random())
    planned = [one for one in found if one.next_at and ctx.health_cache.spent_until(one.account_id, now) is None]
    servers = sorted({one.server for one in planned})
    chosen = (_of_server(ctx, [one for one in planned if one.server == s], known.get(s), now) for s in servers)
    return [one for one in chosen if one is not None]


def _of_server(ctx: Context, found: Sequence[Candidate], kept: Kept | None, now: datetime) -> Candidate | None:
    """The one whose time has come; on a server in trouble the one that was not looked at for longest, and soon."""
    if kept is not None and kept.standing.verdict in UNEASY:
        looked = [one.looked_at for one in found if one.looked_at]
        if looked and now - max(looked) < pace(kept.server[0], ctx.timing.account_check_soon):
            return None
        return min(found, key=lambda one: (one.looked_at is not None, one.looked_at or now))
    first = min(found, key=lambda one: one.next_at or now)
    return first if first.next_at and first.next_at <= now else None


def look(ctx: Context, account_id: int) -> None:
    """One check of one account, and what follows from it."""
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        try:
            account = accounts.get(conn, account_id)
        except NotFound:
            return
        if not account.is_active or account.status != "ok":
            return
        again = pace(account.platform, ctx.timing.account_check_every) * (1 + JITTER * (2 * ctx.rng.random() - 1))
        store.plan(conn, account_id, now + again, looked_at=now)
    try:
        error, recorder = _try(ctx, account)
    except VaultError as locked:
        with ctx.db.write() as conn:
            transitions.tokens_locked(conn, account, locked.message, ctx.clock.now())
        return
    if error is not None and sign_of(error, timedelta(0)) is HealthSign.AWAY and error.code != IN_FLIGHT:
        error, recorder = _try(ctx, account)  # reading is free of effect, and one hiccup in five calls is no outage
    if error is not None and error.code == IN_FLIGHT:
        return  # a delivery renews the token at this moment; it will tell
    _conclude(ctx, account, recorder, error)


def _try(ctx: Context, account: Account) -> tuple[PlatformError | None, ExchangeRecorder]:
    recorder = ExchangeRecorder()
    try:
        _look(ctx, account, recorder)
    except PlatformError as error:
        return error, recorder
    return None, recorder


def _look(ctx: Context, account: Account, recorder: ExchangeRecorder) -> None:
    account, cred = ensure_valid(ctx, None, account)
    try:
        _read(ctx, account, cred, recorder)
    except ReconnectNeeded:
        adapter = ctx.adapter(account, ctx.http)
        if not adapter.traits.renewable(has_refresh_token=bool(cred.refresh_token or cred.secret)):
            raise
        account, cred = renew(ctx, None, account)
        _read(ctx, account, cred, recorder)


def _read(ctx: Context, account: Account, cred: Credentials, recorder: ExchangeRecorder) -> None:
    """Whose token it is, what it may write by now, and the newest own post where it can be listed and a limit leaves room for it."""

    def seen(exchange: Exchange) -> None:
        recorder(exchange)
        ctx.saw(account, exchange)

    http = ctx.http.bound(request_id=new_request_id(), secrets=secrets_of(cred), observer=seen)
    adapter = ctx.adapter(account, http)
    who = adapter.identify(cred)
    if account.remote_id and who.remote_id and who.remote_id != account.remote_id:
        raise UnexpectedReply("The platform names another account as the owner of this access.", who.remote_id)
    if who.long_posts is not None and who.long_posts != account.settings.get("long_posts"):
        with ctx.db.write() as conn:
            accounts.found_out(conn, account.id, long_posts=who.long_posts)
    if who.newest_known_post and ctx.health_cache.spent_until(account.id, ctx.clock.now()) is None:
        adapter.fetch(cred, who.newest_known_post)


def _conclude(ctx: Context, account: Account, recorder: ExchangeRecorder, error: PlatformError | None) -> None:
    latency = max((exchange.latency_ms for exchange in recorder.exchanges), default=0)
    sign = platform_health.sign_about(account, error, timedelta(milliseconds=latency))
    if sign is None:
        return
    now = ctx.clock.now()
    message = error.message if error else ""
    server = platform_health.server_of(account)
    platform_health.record(ctx, server, [NewSign(account.id, server, now, store.CHECK, sign, latency, message)])
    if sign in GOOD or sign is HealthSign.THROTTLED:
        transitions.tokens_open(ctx.db, account, now)
        return
    with ctx.db.write() as conn:
        store.plan(conn, account.id, now + pace(account.platform, ctx.timing.account_check_soon))
        if (
            error is not None
            and sign is HealthSign.REFUSED
            and account_verdict(store.signs_of_account(conn, account.id, 10)) is HealthVerdict.FAILING
        ):
            transitions.reconnect_needed(conn, account, error, now)
