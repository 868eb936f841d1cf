"""What the platforms said is left of their limits, by account and sort of limit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, func, select

from postprober.domain.health import Quota, Unit
from postprober.storage import sql
from postprober.storage.tables import accounts, quotas


def put(conn: Connection, told: Mapping[int, Mapping[Unit, Quota]], now: datetime) -> None:
    """By account id. What was told before of the same sort is replaced."""
    rows = [
        {
            "account_id": account_id,
            "unit": unit.value,
            "most": quota.limit,
            "remaining": quota.left,
            "resets_at": quota.resets_at,
            "seen_at": now,
        }
        for account_id, units in sorted(told.items())
        for unit, quota in sorted(units.items())
    ]
    if not rows:
        return
    new = sql.upsert(conn, quotas)
    changed = {name: new.excluded[name] for name in ("most", "remaining", "resets_at", "seen_at")}
    conn.execute(new.on_conflict_do_update(index_elements=["account_id", "unit"], set_=changed), rows)


def lowest(conn: Connection, now: datetime) -> dict[str, float]:
    """By platform, the smallest share (0 to 1) left of a limit that has not begun anew since."""
    rows = conn.execute(
        select(accounts.c.platform, func.min(quotas.c.remaining * 1.0 / quotas.c.most))
        .join(accounts, accounts.c.id == quotas.c.account_id)
        .where(quotas.c.resets_at > now, quotas.c.most > 0, accounts.c.is_active)
        .group_by(accounts.c.platform)
    )
    return {str(platform): float(share) for platform, share in rows}


def of_user(conn: Connection, space: int, now: datetime) -> dict[int, tuple[Quota, ...]]:
    """By account id, those that have not begun anew since; what says most about the next post comes first."""
    rows = conn.execute(
        select(quotas)
        .join(accounts, accounts.c.id == quotas.c.account_id)
        .where(accounts.c.user_id == space, quotas.c.resets_at > now)
    )
    found: dict[int, list[Quota]] = {}
    for row in rows:
        quota = Quota(row.most, row.remaining, row.resets_at, Unit(row.unit))
        found.setdefault(row.account_id, []).append(quota)
    order = list(Unit)
    return {one: tuple(sorted(told, key=lambda quota: order.index(quota.unit))) for one, told in found.items()}
