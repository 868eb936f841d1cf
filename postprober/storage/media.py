"""Stored files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import MediaRecord, record_of
from postprober.storage.tables import media

_FILES = 0x6D65646961  # ours; any number that no other advisory lock has


def add(conn: Connection, *, space: int, now: datetime, **columns: Any) -> int:
    row = conn.execute(insert(media).values(user_id=space, created_at=now, **columns))
    return sql.new_id(row)


def get_many(
    conn: Connection, ids: Iterable[int], space: int | None = None, *, hold: bool = False
) -> list[MediaRecord]:
    """In the order of `ids`. `hold`: nobody changes or removes them before this transaction ends (SQLite has one writer
    anyway). Raises NotFound if one is missing or belongs to somebody else."""
    wanted = list(ids)
    if not wanted:
        return []
    query = select(media).where(media.c.id.in_([i for i in wanted if sql.is_id(i)]))
    if space is not None:
        query = query.where(media.c.user_id == space)
    if hold and conn.dialect.name != "sqlite":
        query = query.order_by(media.c.id).with_for_update(read=True)
    found = {row.id: record_of(MediaRecord, row) for row in conn.execute(query)}
    missing = [str(i) for i in wanted if i not in found]
    if missing:
        raise NotFound(f"There is no file {', '.join(missing)}.")
    return [found[i] for i in wanted]


def remove(conn: Connection, ids: Iterable[int]) -> None:
    """Forget files that no post uses yet."""
    conn.execute(delete(media).where(media.c.id.in_(list(ids))))


def lock(conn: Connection) -> None:
    """Let nobody else take in or delete stored files before this transaction ends. SQLite has one writer anyway."""
    if conn.dialect.name != "sqlite":
        conn.execute(select(func.pg_advisory_xact_lock(_FILES)))


def bytes_of(conn: Connection, space: int, but: str = "") -> int:
    """What the space's files take on disk, without the one at the path `but`; one that was added twice lies there once."""
    mine = (media.c.user_id == space, media.c.path != but)
    each = select(media.c.path, func.max(media.c.size).label("size")).where(*mine)
    files = each.group_by(media.c.path).subquery()
    return int(conn.execute(select(func.coalesce(func.sum(files.c.size), 0))).scalar_one())


def older(conn: Connection, space: int, before: datetime) -> list[MediaRecord]:
    """The space's files from before that moment. No post is planned with one of them before this transaction ends (SQLite
    has one writer anyway)."""
    query = select(media).where(media.c.user_id == space, media.c.created_at < before).order_by(media.c.id)
    if conn.dialect.name != "sqlite":
        query = query.with_for_update()
    return [record_of(MediaRecord, row) for row in conn.execute(query)]


def uses(conn: Connection, path: str) -> bool:
    """Whether any row refers to the stored file."""
    return conn.execute(select(media.c.id).where(media.c.path == path).limit(1)).first() is not None


def describe(conn: Connection, space: int, media_id: int, alt: str) -> None:
    """Give a picture its description. Raises NotFound."""
    done = conn.execute(update(media).where(media.c.id == media_id, media.c.user_id == space).values(alt=alt))
    if done.rowcount != 1:
        raise NotFound(f"There is no file {media_id}.")
