"""Stored files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import MediaRecord, record_of
from postprober.storage.tables import media


def add(conn: Connection, *, user_id: int, now: datetime, **columns: Any) -> int:
    row = conn.execute(insert(media).values(user_id=user_id, created_at=now, **columns))
    return sql.new_id(row)


def get_many(conn: Connection, ids: Iterable[int], user_id: int | None = None) -> list[MediaRecord]:
    """In the order of `ids`. Raises NotFound if one is missing or belongs to somebody else."""
    wanted = list(ids)
    if not wanted:
        return []
    query = select(media).where(media.c.id.in_([i for i in wanted if sql.is_id(i)]))
    if user_id is not None:
        query = query.where(media.c.user_id == user_id)
    found = {row.id: record_of(MediaRecord, row) for row in conn.execute(query)}
    missing = [str(i) for i in wanted if i not in found]
    if missing:
        raise NotFound(f"There is no file {', '.join(missing)}.")
    return [found[i] for i in wanted]


def remove(conn: Connection, ids: Iterable[int]) -> None:
    """Forget files that no post uses yet."""
    conn.execute(delete(media).where(media.c.id.in_(list(ids))))


def uses(conn: Connection, path: str) -> bool:
    """Whether any row refers to the stored file."""
    return conn.execute(select(media.c.id).where(media.c.path == path).limit(1)).first() is not None


def describe(conn: Connection, user_id: int, media_id: int, alt: str) -> None:
    """Give a picture its description. Raises NotFound."""
    done = conn.execute(update(media).where(media.c.id == media_id, media.c.user_id == user_id).values(alt=alt))
    if done.rowcount != 1:
        raise NotFound(f"There is no file {media_id}.")
