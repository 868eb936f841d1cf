"""Linked accounts; secrets go in and out sealed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, insert, or_, select, update

from postprober.domain.identity import AccountIdentity, server_name
from postprober.domain.platform import Platform
from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import Account, account_of
from postprober.storage.tables import accounts

# Built once: these are part of every delivery's way.
_BY_ID = select(accounts).where(accounts.c.id == bindparam("b_id"))
_WRITE = update(accounts).where(accounts.c.id == bindparam("b_id"))


def add(conn: Connection, *, space: int, platform: str, account_name: str, now: datetime, **columns: Any) -> int:
    """A new account without tokens (they are sealed for its id, so they follow by `write`); returns the id."""
    server = server_name(Platform(platform), columns.get("instance", ""))
    values: dict[str, Any] = {"scopes": [], "settings": {}, "server": server, **columns}
    row = conn.execute(
        insert(accounts).values(user_id=space, platform=platform, account_name=account_name, created_at=now, **values)
    )
    return sql.new_id(row)


def get(conn: Connection, account_id: int) -> Account:
    """Raises NotFound."""
    row = conn.execute(_BY_ID, {"b_id": account_id}).one_or_none() if sql.is_id(account_id) else None
    if row is None:
        raise NotFound(f"There is no account {account_id}.")
    return account_of(row)


def locked(conn: Connection, account_id: int) -> Account:
    """The account as it is now; nobody else writes it before this transaction ends. Raises NotFound."""
    conn.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
    return get(conn, account_id)


def find(conn: Connection, *, space: int, remote: AccountIdentity) -> Account | None:
    """The space's row of a remote account; of several (they are as old as the time when servers were not asked) one that
    is in use."""
    row = conn.execute(
        select(accounts)
        .where(
            accounts.c.user_id == space,
            accounts.c.platform == remote.platform.value,
            accounts.c.server == remote.server,
            accounts.c.remote_id == remote.remote_id,
        )
        .order_by(accounts.c.is_active.desc(), accounts.c.same_as.is_not(None), accounts.c.id)
        .limit(1)
    ).one_or_none()
    return account_of(row) if row else None


def same(conn: Connection, account: Account) -> frozenset[int]:
    """Ids of the space's rows that are linked to the same account as this one."""
    one = account.same_as or account.id
    rows = conn.execute(select(accounts.c.id).where(or_(accounts.c.id == one, accounts.c.same_as == one)))
    return frozenset(int(row[0]) for row in rows)


def of_user(conn: Connection, space: int, *, active_only: bool = True) -> list[Account]:
    query = select(accounts).where(accounts.c.user_id == space).order_by(accounts.c.id)
    if active_only:
        query = query.where(accounts.c.is_active)
    return [account_of(row) for row in conn.execute(query)]


def write(conn: Connection, account_id: int, **columns: Any) -> None:
    conn.execute(_WRITE, {"b_id": account_id, **columns})


def found_out(conn: Connection, account_id: int, **settings: Any) -> None:
    """Keep what a platform has said about an account beside its other settings."""
    write(conn, account_id, settings={**locked(conn, account_id).settings, **settings})


def write_tokens(conn: Connection, account: Account, version: int, **columns: Any) -> bool:
    """Store a new token set if nobody stored one since `version`; ends the refresh. Returns whether it was stored."""
    done = conn.execute(
        update(accounts)
        .where(accounts.c.id == account.id, accounts.c.token_version == version)
        .values(token_version=version + 1, refresh_until=None, **columns)
    )
    return done.rowcount == 1


def begin_refresh(conn: Connection, account: Account, *, now: datetime, until: datetime) -> bool:
    """Become the one refresher of this account and token version. A claim that ends later than two whole ones from now was
    written by a clock that ran ahead, and holds nobody off."""
    too_far = now + (until - now) * 2
    done = conn.execute(
        update(accounts)
        .where(
            accounts.c.id == account.id,
            accounts.c.token_version == account.token_version,
            or_(accounts.c.refresh_until.is_(None), accounts.c.refresh_until < now, accounts.c.refresh_until > too_far),
        )
        .values(refresh_until=until)
    )
    return done.rowcount == 1


def end_refresh(conn: Connection, account: Account) -> None:
    """Give up a refresh without new tokens."""
    conn.execute(
        update(accounts)
        .where(accounts.c.id == account.id, accounts.c.token_version == account.token_version)
        .values(refresh_until=None)
    )


def throttle(conn: Connection, account_id: int, until: datetime) -> None:
    """Nothing is published on the account before `until`; never shortens an earlier, longer pause."""
    _pause(conn, accounts.c.id == account_id, until)


def throttle_all(conn: Connection, account: Account, until: datetime) -> None:
    """The same for all accounts, of anybody, that are linked through the same app as this one."""
    _pause(conn, and_(accounts.c.platform == account.platform, accounts.c.instance == account.instance), until)


def paused_beyond(conn: Connection, moment: datetime) -> bool:
    """Whether a pause ends later than that."""
    return conn.execute(select(accounts.c.id).where(accounts.c.throttled_until > moment).limit(1)).first() is not None


def end_pauses_beyond(conn: Connection, moment: datetime) -> None:
    """End them."""
    conn.execute(update(accounts).where(accounts.c.throttled_until > moment).values(throttled_until=None))


def _pause(conn: Connection, which: ColumnElement[bool], until: datetime) -> None:
    conn.execute(
        update(accounts)
        .where(which, or_(accounts.c.throttled_until.is_(None), accounts.c.throttled_until < until))
        .values(throttled_until=until)
    )


def locked_out(conn: Connection, envelopes: Collection[str]) -> tuple[int, int]:
    """(linked accounts whose token begins with none of `envelopes`, linked accounts with a token)."""
    opens = or_(*(accounts.c.access_token.startswith(one, autoescape=True) for one in envelopes))
    linked = and_(accounts.c.is_active, accounts.c.access_token.is_not(None))
    count, open_ = conn.execute(
        select(func.count(), func.coalesce(func.sum(case((opens, 1), else_=0)), 0)).where(linked)
    ).one()
    return int(count) - int(open_), int(count)
