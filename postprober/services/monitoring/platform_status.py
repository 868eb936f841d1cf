"""How the platforms stand, for the Overview and the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postprober.domain.actor import Actor
from postprober.domain.health import HealthSign, HealthVerdict, account_verdict, freshness, of_span
from postprober.domain.platform import Platform, position
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import accounts
from postprober.storage import health as store
from postprober.storage.health import Kept, Server
from postprober.storage.records import Account

DAY = timedelta(hours=24)
SPAN = timedelta(minutes=30)
MARKS = DAY // SPAN


@dataclass(frozen=True)
class AccountHealth:
    """One account's access. `looked_at` None: not in the last day."""

    id: int
    name: str
    verdict: HealthVerdict
    looked_at: datetime | None


@dataclass(frozen=True)
class PlatformHealth:
    """One server that the person has accounts on.

    `since`: of the verdict, None when nothing was seen yet; `blocking`: new posts wait for it, `waiting` of them the
    person's own; `history`: 48 marks of half an hour each, the oldest first, from the person's own accounts.
    """

    platform: Platform
    instance: str
    verdict: HealthVerdict
    reason: str
    since: datetime | None
    checked_at: datetime | None
    blocking: bool
    waiting: int
    accounts: list[AccountHealth] = field(default_factory=list)
    history: list[HealthVerdict] = field(default_factory=list)


@permits.needs("monitoring:read")
def take(core: Core, actor: Actor) -> list[PlatformHealth]:
    """Every server that the person has accounts on, by platform; four queries, none of them by row."""
    now = core.clock.now()
    with core.db.read() as conn:
        mine = accounts.of_user(conn, actor.space)
        known = store.standings(conn)
        signs = store.signs_since(conn, [a.id for a in mine], now - DAY)
        waiting = store.how_many_wait(conn, actor.space)
    servers: dict[Server, list[Account]] = {}
    for account in mine:
        servers.setdefault((account.platform, account.instance), []).append(account)
    return [
        _of(core, server, servers[server], known.get(server), signs, waiting.get(server, 0), now)
        for server in sorted(servers, key=lambda one: (position(one[0]), one[1]))
    ]


def _of(
    core: Core,
    server: Server,
    mine: list[Account],
    kept: Kept | None,
    signs: list[tuple[int, datetime, HealthSign]],
    waiting: int,
    now: datetime,
) -> PlatformHealth:
    ids = {account.id for account in mine}
    here = [one for one in signs if one[0] in ids]
    stale = kept is None or now - kept.checked_at > freshness(server[0], core.settings.timing.account_check_every)
    verdict = HealthVerdict.UNKNOWN if stale or kept is None else kept.standing.verdict
    return PlatformHealth(
        platform=server[0],
        instance=server[1],
        verdict=verdict,
        reason=kept.standing.reason if kept and not stale else "No recent checks.",
        since=kept.standing.since if kept and not stale else None,
        checked_at=kept.checked_at if kept else None,
        blocking=bool(kept and kept.standing.blocking and not stale),
        waiting=waiting,
        accounts=[_account(account, here) for account in mine],
        history=_history(here, now),
    )


def _account(account: Account, here: list[tuple[int, datetime, HealthSign]]) -> AccountHealth:
    own = [(at, sign) for account_id, at, sign in here if account_id == account.id]
    verdict = account_verdict([sign for _, sign in reversed(own)])
    if account.status != "ok":
        verdict = HealthVerdict.FAILING
    return AccountHealth(account.id, account.account_name, verdict, own[-1][0] if own else None)


def _history(here: list[tuple[int, datetime, HealthSign]], now: datetime) -> list[HealthVerdict]:
    spans: list[list[HealthSign]] = [[] for _ in range(MARKS)]
    for _, at, sign in here:
        spans[min(MARKS - 1, max(0, MARKS - 1 - (now - at) // SPAN))].append(sign)
    return [of_span(signs) for signs in spans]
