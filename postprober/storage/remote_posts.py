"""Whose a remote post is: each belongs to one delivery of the whole installation, and the database says so."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, update

from postprober.domain.delivery import DeliveryState
from postprober.domain.identity import AccountIdentity, PostIdentity
from postprober.domain.text import same_text
from postprober.storage import sql
from postprober.storage.records import Account, Delivery, account_of, delivery_of
from postprober.storage.tables import accounts, deliveries, remote_posts

S = DeliveryState
_OWNER = select(remote_posts.c.delivery_id).where(
    remote_posts.c.platform == bindparam("b_platform"),
    remote_posts.c.server == bindparam("b_server"),
    remote_posts.c.remote_id == bindparam("b_remote_id"),
)


def claim(
    conn: Connection, post: PostIdentity, author: str, delivery_id: int, part: int, now: datetime, *, sent_by_us: bool
) -> bool:
    """Make the post the delivery's; False when it belongs to another one. `author`: remote id of the account;
    `sent_by_us`: an answer to our own request, or our own handle, says whose it is, not its words or a person."""
    conn.execute(
        sql.upsert(conn, remote_posts)
        .values(
            platform=post.platform.value,
            server=post.server,
            remote_id=post.remote_id,
            author=author,
            delivery_id=delivery_id,
            part=part,
            claimed_at=now,
            sent_by_us=sent_by_us,
        )
        .on_conflict_do_nothing(index_elements=["platform", "server", "remote_id"])
    )
    return owner(conn, post) == delivery_id


def owner(conn: Connection, post: PostIdentity) -> int | None:
    """The delivery that the post belongs to, None when nobody claimed it."""
    key = {"b_platform": post.platform.value, "b_server": post.server, "b_remote_id": post.remote_id}
    found = conn.execute(_OWNER, key).scalar()
    return int(found) if found is not None else None


def known(conn: Connection, account: AccountIdentity, but: int) -> frozenset[str]:
    """Ids of posts on this remote account that belong to other deliveries than `but`, in whatever space."""
    rows = conn.execute(
        select(remote_posts.c.remote_id).where(
            remote_posts.c.platform == account.platform.value,
            remote_posts.c.server == account.server,
            remote_posts.c.author == account.remote_id,
            remote_posts.c.delivery_id != but,
        )
    )
    return frozenset(str(row[0]) for row in rows)


def sent_by_us(conn: Connection, account: AccountIdentity) -> frozenset[str]:
    """Ids of posts on this remote account that were surely made by PostProber, in whatever space: what they are made with
    is our own program. A post that a person pointed at may have been made with any."""
    rows = conn.execute(
        select(remote_posts.c.remote_id).where(
            remote_posts.c.platform == account.platform.value,
            remote_posts.c.server == account.server,
            remote_posts.c.author == account.remote_id,
            remote_posts.c.sent_by_us,
        )
    )
    return frozenset(str(row[0]) for row in rows)


def rename(conn: Connection, account: Account, server: str) -> None:
    """The account's server turned out to be called `server`: its posts go along, but for those that are known there."""
    there = remote_posts.alias()
    theirs = select(deliveries.c.id).where(deliveries.c.account_id == account.id)
    known = select(there.c.id).where(
        there.c.platform == remote_posts.c.platform,
        there.c.server == server,
        there.c.remote_id == remote_posts.c.remote_id,
    )
    conn.execute(
        update(remote_posts)
        .where(remote_posts.c.server == account.server, remote_posts.c.delivery_id.in_(theirs), ~known.exists())
        .values(server=server)
    )


def undecided(conn: Connection, account: AccountIdentity, text: str, but: int) -> list[Delivery]:
    """Other deliveries to this remote account, in whatever space, that carry the same words and of which nobody knows
    yet whether they are out: one of them may be what a list of own posts shows."""
    same = [one for one in _named(conn, account) if one.remote == account]
    rows = conn.execute(
        select(deliveries)
        .where(deliveries.c.account_id.in_([one.id for one in same]), deliveries.c.id != but, _in_doubt())
        .order_by(deliveries.c.id)
    )
    found = [delivery_of(row) for row in rows]
    return [one for one in found if (part := one.open_part()) is not None and same_text(part.text, text)]


def _named(conn: Connection, account: AccountIdentity) -> list[Account]:
    """Rows that may be linked to it; how their server is spelled is compared afterwards."""
    rows = conn.execute(
        select(accounts).where(accounts.c.platform == account.platform.value, accounts.c.remote_id == account.remote_id)
    )
    return [account_of(row) for row in rows]


def _in_doubt() -> ColumnElement[bool]:
    """In flight or unknown."""
    return or_(deliveries.c.state.in_([S.SUBMITTING, S.UNCONFIRMED]), deliveries.c.unknown_at.is_not(None))
