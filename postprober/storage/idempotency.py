"""Idempotency keys: who works on an answer, what was created, what the answer was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, or_, select, update

from postprober.storage import sql
from postprober.storage.tables import idempotency_keys as t

_CLEANED = 50  # expired keys removed beside each new one; more than one, so that they never pile up


@dataclass(frozen=True)
class KeyRecord:
    """One key. `locked_until` None: answered, and `answer` holds the sealed answer. `made_id`: what an earlier try has
    created already, None when nothing was."""

    id: int
    user_id: int
    key: str
    fingerprint: str
    fence: int
    locked_until: datetime | None
    made_id: int | None
    answer: str | None
    expires_at: datetime


def claim(
    conn: Connection, *, user_id: int, key: str, fingerprint: str, now: datetime, until: datetime, expires_at: datetime
) -> tuple[KeyRecord | None, bool]:
    """The key's row, and whether it is now ours to answer (until `until`).

    The unique row is inserted before any work is done, so that of many at once one works. A row whose worker let its
    time run out is taken over; what it had created stays known. None: the row vanished meanwhile, ask again.
    """
    _clean(conn, user_id, key, now)
    new = conn.execute(
        sql.upsert(conn, t)
        .values(user_id=user_id, key=key, fingerprint=fingerprint, locked_until=until, expires_at=expires_at)
        .on_conflict_do_nothing(index_elements=["user_id", "key"])
        .returning(t.c.id)  # the row count of such an INSERT is not told by psycopg
    ).first()
    row = conn.execute(select(t).where(t.c.user_id == user_id, t.c.key == key)).one_or_none()
    if row is None:
        return None, False
    found = KeyRecord(**row._mapping)
    if new is not None:
        return found, True
    if found.fingerprint != fingerprint or found.locked_until is None or found.locked_until > now:
        return found, False
    taken = conn.execute(
        update(t)
        .where(t.c.id == found.id, t.c.fence == found.fence, t.c.locked_until <= now)
        .values(fence=found.fence + 1, locked_until=until)
    )
    if taken.rowcount != 1:
        return None, False
    return KeyRecord(**{**row._mapping, "fence": found.fence + 1, "locked_until": until}), True


def made(conn: Connection, row: KeyRecord, made_id: int) -> bool:
    """Note what was created, in the transaction that creates it; False: somebody else took over, so it must not be."""
    done = conn.execute(
        update(t).where(t.c.id == row.id, t.c.fence == row.fence, t.c.locked_until.is_not(None)).values(made_id=made_id)
    )
    return done.rowcount == 1


def answered(conn: Connection, row: KeyRecord, answer: str) -> None:
    """Store the sealed answer, unless somebody else took over."""
    conn.execute(update(t).where(t.c.id == row.id, t.c.fence == row.fence).values(answer=answer, locked_until=None))


def give_up(conn: Connection, row: KeyRecord, now: datetime) -> None:
    """The request was refused. Nothing was created: the key is free again. Something was: the next one answers."""
    mine = (t.c.id == row.id, t.c.fence == row.fence, t.c.locked_until.is_not(None))
    conn.execute(delete(t).where(*mine, t.c.made_id.is_(None)))
    conn.execute(update(t).where(*mine).values(locked_until=now))


def _clean(conn: Connection, user_id: int, key: str, now: datetime) -> None:
    """Remove keys that ended: this one first, then some others. Of those, rows that another transaction holds are left
    to it: two that remove the same rows in different order would wait for each other for ever."""
    ended = and_(t.c.expires_at <= now, or_(t.c.locked_until.is_(None), t.c.locked_until <= now))
    conn.execute(delete(t).where(t.c.user_id == user_id, t.c.key == key, ended))
    others = select(t.c.id).where(ended).limit(_CLEANED).with_for_update(skip_locked=True)
    conn.execute(delete(t).where(t.c.id.in_(others)))
