"""How the linked accounts stand: what they did last, and how much the platform still allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from postprober.domain.actor import Actor
from postprober.domain.delivery import DUE_TO_PUBLISH, DeliveryState
from postprober.domain.health import Quota
from postprober.domain.prices import Prices
from postprober.domain.read_budget import Outlook, outlook
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import accounts, quotas, reads
from postprober.storage.tables import deliveries

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class AccountActivity:
    """Of one account. `proved_at`, `url`: of the newest post that was proved live, None when none was yet. `waiting`:
    deliveries planned or under way; `sent_today`: published in the last 24 h; `quotas`: what the platform said is left,
    the first one says most about the next post; `reading`: how much its posts were read as their owner this month, None when
    nothing was."""

    proved_at: datetime | None = None
    url: str | None = None
    waiting: int = 0
    sent_today: int = 0
    quotas: tuple[Quota, ...] = ()
    reading: Outlook | None = None


@permits.needs("accounts:read")
def of_accounts(core: Core, actor: Actor) -> dict[int, AccountActivity]:
    """By account id; accounts of which nothing is known are left out. Five queries, whatever their number."""
    d = deliveries.c
    since = core.clock.now() - DAY
    waiting = [state.value for state in DUE_TO_PUBLISH | {DeliveryState.CLAIMED, DeliveryState.SUBMITTING}]
    counts = select(
        d.account_id,
        func.count().filter(d.state.in_(waiting)),
        func.count().filter(d.published_at >= since),
        func.max(d.verified_at),
    )
    with core.db.read() as conn:
        rows = conn.execute(counts.where(d.user_id == actor.space).group_by(d.account_id)).all()
        newest = (
            select(func.max(d.id)).where(d.user_id == actor.space, d.verified_at.is_not(None)).group_by(d.account_id)
        )
        links: dict[Any, Any] = {
            row.account_id: row.url for row in conn.execute(select(d.account_id, d.url).where(d.id.in_(newest)))
        }
        left = quotas.of_user(conn, actor.space, core.clock.now())
    reading = of_month(core, actor)
    found = {
        account_id: AccountActivity(proved_at, links.get(account_id), int(waits), int(sent))
        for account_id, waits, sent, proved_at in rows
    }
    found |= {one: replace(found.get(one, AccountActivity()), quotas=told) for one, told in left.items()}
    return found | {one: replace(found.get(one, AccountActivity()), reading=told) for one, told in reading.items()}


@permits.needs("accounts:read")
def of_month(core: Core, actor: Actor) -> dict[int, Outlook]:
    """How much was read as owner this month, and what it comes to, by account id."""
    now, prices = core.clock.now(), core.settings.api_prices
    with core.db.read() as conn:
        used = reads.of_space(conn, actor.space, now)
        platforms = {one.id: one.platform for one in accounts.of_user(conn, actor.space)}
    return {
        one: outlook(told, prices.get(platforms[one], Prices()), now, core.settings.read_budget)
        for one, told in used.items()
        if one in platforms
    }
