"""What reading posts as their owners came to, by account and UTC month."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from postprober.domain.read_budget import Used
from postprober.storage import sql
from postprober.storage.tables import accounts, reads


def of_account(conn: Connection, account_id: int, now: datetime) -> Used:
    """This month."""
    row = conn.execute(
        select(reads).where(reads.c.account_id == account_id, reads.c.month == month_of(now))
    ).one_or_none()
    return Used() if row is None else Used(row.calls, row.micros, row.posts, row.posted_micros)


def of_space(conn: Connection, user_id: int, now: datetime) -> dict[int, Used]:
    """This month, by account id; accounts of which nothing is known are left out."""
    rows = conn.execute(
        select(reads)
        .join(accounts, accounts.c.id == reads.c.account_id)
        .where(accounts.c.user_id == user_id, reads.c.month == month_of(now))
    )
    return {int(row.account_id): Used(row.calls, row.micros, row.posts, row.posted_micros) for row in rows}


def add(conn: Connection, account_id: int, now: datetime, more: Used) -> None:
    """Count `more` to this month."""
    values = {"calls": more.calls, "micros": more.micros, "posts": more.posts, "posted_micros": more.posted_micros}
    conn.execute(
        sql.upsert(conn, reads)
        .values(account_id=account_id, month=month_of(now), **values)
        .on_conflict_do_update(
            index_elements=["account_id", "month"], set_={name: reads.c[name] + value for name, value in values.items()}
        )
    )


def month_of(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m")
