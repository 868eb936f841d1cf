"""Posts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from postprober.domain.post import PostStatus
from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import Post, record_of
from postprober.storage.tables import posts
from postprober.storage.types import UtcDateTime


def add(
    conn: Connection,
    *,
    user_id: int,
    content: str,
    platforms: list[str],
    status: PostStatus,
    scheduled_at: datetime | None,
    options: dict[str, Any],
    now: datetime,
    **columns: Any,
) -> int:
    row = conn.execute(
        insert(posts).values(
            user_id=user_id, content=content, platforms=platforms, status=status, scheduled_at=scheduled_at,
            options=options, created_at=now, updated_at=now, **columns,
        )
    )  # fmt: skip
    return sql.new_id(row)


def get(conn: Connection, post_id: int, user_id: int | None = None) -> Post:
    """Raises NotFound; for a given user also when the post belongs to somebody else or was deleted."""
    query = select(posts).where(posts.c.id == post_id)
    if user_id is not None:
        query = query.where(posts.c.user_id == user_id, posts.c.deleted_at.is_(None))
    row = conn.execute(query).one_or_none() if sql.is_id(post_id) else None
    if row is None:
        raise NotFound(f"There is no post {post_id}.")
    found: Post = record_of(Post, row)
    return found


def of_user(conn: Connection, user_id: int, *, limit: int = 50, before: int | None = None) -> list[Post]:
    """Newest first; `before`: only ids smaller than this (cursor)."""
    mine = (posts.c.user_id == user_id, posts.c.deleted_at.is_(None))
    query = select(posts).where(*mine).order_by(posts.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(posts.c.id < before)
    return [record_of(Post, row) for row in conn.execute(query)]


def newest(conn: Connection, user_id: int, statuses: Iterable[str], *, limit: int) -> list[tuple[int, list[str]]]:
    """(id, platforms) of the user's posts, newest first; only those with one of `statuses` where some are given."""
    query = select(posts.c.id, posts.c.platforms).where(posts.c.user_id == user_id, posts.c.deleted_at.is_(None))
    if wanted := list(statuses):
        query = query.where(posts.c.status.in_(wanted))
    return [(int(row[0]), list(row[1])) for row in conn.execute(query.order_by(posts.c.id.desc()).limit(limit))]


def in_status(conn: Connection, user_id: int, statuses: Iterable[PostStatus], limit: int) -> list[Post]:
    """The user's posts in one of `statuses`, the one changed last first."""
    query = select(posts).where(
        posts.c.user_id == user_id, posts.c.deleted_at.is_(None), posts.c.status.in_([s.value for s in statuses])
    )
    rows = conn.execute(query.order_by(posts.c.updated_at.desc(), posts.c.id.desc()).limit(limit))
    return [record_of(Post, row) for row in rows]


def planned(conn: Connection, user_id: int, start: datetime, end: datetime, limit: int) -> list[Post]:
    """The user's posts with a time in [start, end), soonest first."""
    query = select(posts).where(
        posts.c.user_id == user_id, posts.c.deleted_at.is_(None), posts.c.scheduled_at >= start,
        posts.c.scheduled_at < end,
    )  # fmt: skip
    rows = conn.execute(query.order_by(posts.c.scheduled_at, posts.c.id).limit(limit))
    return [record_of(Post, row) for row in rows]


def edit(conn: Connection, post_id: int, version: int, now: datetime, **columns: Any) -> bool:
    """Write columns if the post still has the `version` that was read, and give it the next one; False otherwise."""
    done = conn.execute(
        update(posts)
        .where(posts.c.id == post_id, posts.c.version == version)
        .values(version=version + 1, updated_at=now, **columns)
    )
    return done.rowcount == 1


def remove(conn: Connection, post_id: int) -> None:
    """Forget a post that never had a delivery."""
    conn.execute(delete(posts).where(posts.c.id == post_id))


_LOCK = select(posts.c.id).where(posts.c.id == bindparam("b_id")).with_for_update(key_share=True)
_STATUS = update(posts).where(posts.c.id == bindparam("b_id"), posts.c.status != bindparam("b_status"))
_POSTED = _STATUS.values(posted_at=func.coalesce(posts.c.posted_at, bindparam("b_now", type_=UtcDateTime())))


def lock(conn: Connection, post_id: int) -> None:
    """Let nobody else change the post's deliveries before this transaction ends, so that its status, which follows from
    all of them, is right also when two end at the same moment. SQLite has one writer anyway. The weaker kind of lock
    (NO KEY UPDATE) does not meet with the share locks of log rows just inserted for the post, so nobody deadlocks."""
    if conn.dialect.name != "sqlite":
        conn.execute(_LOCK, {"b_id": post_id})


def set_status(conn: Connection, post_id: int, status: PostStatus, now: datetime) -> None:
    """`posted_at` is set once, when the post is first completely out."""
    row = {"b_id": post_id, "b_status": status, "status": status, "updated_at": now}
    if status is PostStatus.POSTED:
        conn.execute(_POSTED, {**row, "b_now": now})
    else:
        conn.execute(_STATUS, row)


def advise(
    conn: Connection, post_id: int, version: int, advice: dict[str, Any] | None, again: datetime | None = None
) -> bool:
    """Store what the agent says about the post, if it still has the `version` that was looked at. The version stays:
    nobody's edit is lost by it. `again`: when the agent looks next. Returns whether it was stored."""
    done = conn.execute(
        update(posts)
        .where(posts.c.id == post_id, posts.c.version == version)
        .values(ai_suggestions=advice, advice_at=again)
    )
    return done.rowcount == 1


def postpone_advice(conn: Connection, post_id: int, until: datetime | None) -> None:
    """The suggestions could not be made; they are tried again then (None: never)."""
    conn.execute(update(posts).where(posts.c.id == post_id, posts.c.advice_at.is_not(None)).values(advice_at=until))


def without_advice(conn: Connection, now: datetime, most: int) -> list[Post]:
    """Posts whose suggestions are to be made, the longest waiting first."""
    query = select(posts).where(posts.c.advice_at <= now).order_by(posts.c.advice_at).limit(most)
    return [record_of(Post, row) for row in conn.execute(query)]
