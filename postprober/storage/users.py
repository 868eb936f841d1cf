"""People and their sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import User, record_of
from postprober.storage.tables import sessions, users


def add(conn: Connection, *, email: str, password_hash: str, now: datetime, **columns: Any) -> int:
    row = conn.execute(
        insert(users).values(email=email, password_hash=password_hash, created_at=now, updated_at=now, **columns)
    )
    return sql.new_id(row)


def get(conn: Connection, user_id: int) -> User:
    """Raises NotFound."""
    row = conn.execute(select(users).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no user {user_id}.")
    found: User = record_of(User, row)
    return found


def hold(conn: Connection, user: User) -> bool:
    """Keep the person's row as it is until the transaction ends. False when their password is not the one in `user` any
    more, or they are deactivated: a sign-in that began before that must not end after it."""
    row = conn.execute(
        select(users.c.password_hash, users.c.is_active).where(users.c.id == user.id).with_for_update()
    ).one_or_none()
    return row is not None and bool(row.is_active) and row.password_hash == user.password_hash


def by_email(conn: Connection, email: str) -> User | None:
    row = conn.execute(select(users).where(users.c.email == email)).one_or_none()
    return record_of(User, row) if row else None


def count(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(users)).scalar_one())


def first(conn: Connection) -> User | None:
    row = conn.execute(select(users).where(users.c.is_active).order_by(users.c.id).limit(1)).one_or_none()
    return record_of(User, row) if row else None


def lock(conn: Connection, space: int) -> None:
    """Let nobody else count what the space has before this transaction ends. SQLite has one writer anyway."""
    if conn.dialect.name != "sqlite":
        conn.execute(select(users.c.id).where(users.c.id == space).with_for_update(key_share=True))


def write(conn: Connection, user_id: int, now: datetime, **columns: Any) -> None:
    """Change these columns of one user."""
    conn.execute(update(users).where(users.c.id == user_id).values(updated_at=now, **columns))


def use_step(conn: Connection, user_id: int, step: int) -> bool:
    """Note that the one-time password of this time step was used; False when it, or a newer one, was used before."""
    done = conn.execute(update(users).where(users.c.id == user_id, users.c.totp_last < step).values(totp_last=step))
    return done.rowcount == 1


def members(conn: Connection, owner_id: int) -> list[User]:
    """The people of a space, its owner first."""
    rows = conn.execute(
        select(users).where((users.c.id == owner_id) | (users.c.owner_id == owner_id)).order_by(users.c.id)
    )
    return sorted((record_of(User, row) for row in rows), key=lambda user: (user.id != owner_id, user.id))


def owners(conn: Connection) -> list[User]:
    """Everybody with a space of their own who may sign in."""
    rows = conn.execute(select(users).where(users.c.owner_id.is_(None), users.c.is_active).order_by(users.c.id))
    return [record_of(User, row) for row in rows]


def with_wishes(conn: Connection) -> list[User]:
    """Owners of spaces who said when they want to be told of alerts."""
    rows = conn.execute(
        select(users).where(users.c.owner_id.is_(None), users.c.notify.is_not(None)).order_by(users.c.id)
    )
    return [found for row in rows if (found := record_of(User, row)).notify]


def add_session(
    conn: Connection,
    *,
    user_id: int,
    kind: str,
    token_hash: str,
    now: datetime,
    expires_at: datetime,
    data: dict[str, Any] | None = None,
) -> int:
    """A new row; returns its id."""
    row = conn.execute(
        insert(sessions).values(
            user_id=user_id, kind=kind, token_hash=token_hash, created_at=now, expires_at=expires_at, data=data or {}
        )
    )
    return sql.new_id(row)


def find_session(conn: Connection, kind: str, token_hash: str, now: datetime) -> dict[str, Any] | None:
    """The live session (not expired, not revoked) with this token, None otherwise."""
    row = conn.execute(
        select(sessions).where(
            sessions.c.kind == kind,
            sessions.c.token_hash == token_hash,
            sessions.c.expires_at > now,
            sessions.c.revoked_at.is_(None),
        )
    ).one_or_none()
    return dict(row._mapping) if row else None


def use_once(conn: Connection, kind: str, token_hash: str, now: datetime) -> dict[str, Any] | None:
    """Consume a single-use token; None if it is unknown, expired or was used."""
    done = conn.execute(
        update(sessions)
        .where(
            sessions.c.kind == kind,
            sessions.c.token_hash == token_hash,
            sessions.c.expires_at > now,
            sessions.c.used_at.is_(None),
            sessions.c.revoked_at.is_(None),
        )
        .values(used_at=now)
    )
    return find_session(conn, kind, token_hash, now) if done.rowcount == 1 else None


def revoke_session(conn: Connection, token_hash: str, now: datetime) -> None:
    conn.execute(update(sessions).where(sessions.c.token_hash == token_hash).values(revoked_at=now))


def session_by_id(conn: Connection, session_id: int, now: datetime, *, hold: bool = False) -> dict[str, Any] | None:
    """The live session (not expired, not revoked), None otherwise. `hold`: nobody else changes it before this transaction
    ends."""
    query = select(sessions).where(
        sessions.c.id == session_id, sessions.c.expires_at > now, sessions.c.revoked_at.is_(None)
    )
    row = conn.execute(query.with_for_update() if hold else query).one_or_none()
    return dict(row._mapping) if row else None


def put_session_data(conn: Connection, session_id: int, data: dict[str, Any]) -> None:
    conn.execute(update(sessions).where(sessions.c.id == session_id).values(data=data))


def was_used(conn: Connection, kind: str, token_hash: str) -> dict[str, Any] | None:
    """The single-use token if it was consumed before, expired or not; None otherwise."""
    row = conn.execute(
        select(sessions).where(
            sessions.c.kind == kind, sessions.c.token_hash == token_hash, sessions.c.used_at.is_not(None)
        )
    ).one_or_none()
    return dict(row._mapping) if row else None


def sessions_of(conn: Connection, user_id: int, kind: str, now: datetime) -> list[dict[str, Any]]:
    """A user's live sessions of one kind, oldest first."""
    rows = conn.execute(
        select(sessions)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.kind == kind,
            sessions.c.expires_at > now,
            sessions.c.revoked_at.is_(None),
        )
        .order_by(sessions.c.id)
    )
    return [dict(row._mapping) for row in rows]


def end_session(conn: Connection, session_id: int, now: datetime, *, user_id: int, kind: str) -> bool:
    """Revoke one live session of this user and kind; False when there is none."""
    done = conn.execute(
        update(sessions)
        .where(
            sessions.c.id == session_id,
            sessions.c.user_id == user_id,
            sessions.c.kind == kind,
            sessions.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return done.rowcount == 1


def end_sessions(
    conn: Connection, user_id: int, kinds: Sequence[str], now: datetime, *, keep: Sequence[int] = ()
) -> int:
    """Revoke a user's live sessions of these kinds, except those with the ids in `keep`; returns how many."""
    done = conn.execute(
        update(sessions)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.kind.in_(kinds),
            sessions.c.id.not_in(keep),
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > now,
        )
        .values(revoked_at=now)
    )
    return done.rowcount


def extend_session(conn: Connection, session_id: int, until: datetime) -> None:
    conn.execute(update(sessions).where(sessions.c.id == session_id).values(expires_at=until))


def mark_used(conn: Connection, session_id: int, now: datetime) -> None:
    conn.execute(update(sessions).where(sessions.c.id == session_id).values(used_at=now))


def live_sessions(conn: Connection, ids: Sequence[int], now: datetime) -> set[int]:
    """Those of `ids` whose session is live and whose user is active."""
    rows = conn.execute(
        select(sessions.c.id)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.id.in_(ids), sessions.c.expires_at > now, sessions.c.revoked_at.is_(None), users.c.is_active)
    )
    return {row[0] for row in rows}


def forget_sessions(conn: Connection, before: datetime) -> None:
    """Delete what expired before then."""
    conn.execute(delete(sessions).where(sessions.c.expires_at < before))
