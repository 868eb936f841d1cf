"""Posts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, delete, func, insert, select, update

from postprober.domain.post import PostStatus
from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import Post, record_of
from postprober.storage.tables import deliveries, posts
from postprober.storage.types import UtcDateTime


def add(
    conn: Connection,
    *,
    space: int,
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
            user_id=space,
            content=content,
            platforms=platforms,
            status=status,
            scheduled_at=scheduled_at,
            options=options,
            created_at=now,
            updated_at=now,
            **columns,
        )
    )
    return sql.new_id(row)


def get(conn: Connection, post_id: int, space: int | None = None) -> Post:
    """Raises NotFound; for a given user also when the post belongs to somebody else or was deleted."""
    query = select(posts).where(posts.c.id == post_id)
    if space is not None:
        query = query.where(posts.c.user_id == space, posts.c.deleted_at.is_(None))
    row = conn.execute(query).one_or_none() if sql.is_id(post_id) else None
    if row is None:
        raise NotFound(f"There is no post {post_id}.")
    found: Post = record_of(Post, row)
    return found


def is_deleted(conn: Connection, post_id: int) -> bool:
    """Whether a row of the post is still there although people see it no more: it had deliveries, or was a working copy
    that went into its post."""
    query = select(posts.c.id).where(posts.c.id == post_id, posts.c.deleted_at.is_not(None))
    return conn.execute(query).one_or_none() is not None


def by_draft_key(conn: Connection, space: int, key: str) -> Post | None:
    """The post that a page keeps under `key`; also one that was planned since, or the one that an edit went into. None
    when there is none (any more)."""
    query = select(posts).where(posts.c.user_id == space, posts.c.draft_key == key)
    row = conn.execute(query).one_or_none()
    if row is not None and row.deleted_at is not None:
        edited = (row.options.get("edits") or {}).get("post")
        alive = (posts.c.user_id == space, posts.c.id == edited, posts.c.deleted_at.is_(None))
        row = conn.execute(select(posts).where(*alive)).one_or_none() if edited is not None else None
    return record_of(Post, row) if row is not None else None


def free_key(conn: Connection, space: int, key: str) -> None:
    """A page whose post was deleted may write a new one under its key."""
    gone = (posts.c.user_id == space, posts.c.draft_key == key, posts.c.deleted_at.is_not(None))
    conn.execute(update(posts).where(*gone).values(draft_key=None))


def sizes(conn: Connection, space: int, *, limit: int, before: int | None = None) -> list[tuple[int, int]]:
    """(id, characters) of the user's posts, newest first; `before`: only ids smaller than this (cursor)."""
    texts = (posts.c.content, cast(posts.c.options, Text), func.coalesce(cast(posts.c.ai_suggestions, Text), ""))
    size = sum((func.length(text) for text in texts[1:]), func.length(texts[0]))
    mine = (posts.c.user_id == space, posts.c.deleted_at.is_(None))
    query = select(posts.c.id, size).where(*mine).order_by(posts.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(posts.c.id < before)
    return [(int(row[0]), int(row[1])) for row in conn.execute(query)]


def of_user(conn: Connection, space: int, ids: Collection[int]) -> list[Post]:
    """Those of `ids` that are the user's, newest first."""
    mine = (posts.c.user_id == space, posts.c.deleted_at.is_(None), posts.c.id.in_(list(ids)))
    return [record_of(Post, row) for row in conn.execute(select(posts).where(*mine).order_by(posts.c.id.desc()))]


def unsent(conn: Connection, space: int, statuses: Iterable[PostStatus]) -> int:
    """How many posts of the space have one of `statuses`."""
    mine = (posts.c.user_id == space, posts.c.deleted_at.is_(None), posts.c.status.in_([s.value for s in statuses]))
    return int(conn.execute(select(func.count()).where(*mine)).scalar_one())


def media_in_use(conn: Connection, space: int) -> set[int]:
    """Ids of the files that the space's posts name, and its deliveries, which have others where a repair converted one."""
    query = select(posts.c.options).where(posts.c.user_id == space, posts.c.deleted_at.is_(None))
    named = {int(one) for (options,) in conn.execute(query) for one in options.get("media", ())}
    sent = select(deliveries.c.parts).where(deliveries.c.user_id == space)
    return named | {int(one) for (parts,) in conn.execute(sent) for part in parts for one in part.get("media", ())}


def uses_beyond_one_draft(conn: Connection, space: int, media_id: int) -> bool:
    """Whether a file is named by a post that is no plain draft, by a second draft, or by a delivery. A draft that a person
    has approved is no plain one: the approval is of its alt texts, too."""
    digits = f"%{media_id}%"  # leaves few rows to read whole
    mine = (posts.c.user_id == space, posts.c.deleted_at.is_(None), cast(posts.c.options, Text).like(digits))
    drafts = 0
    for status, options in conn.execute(select(posts.c.status, posts.c.options).where(*mine)):
        if media_id in options.get("media", ()):
            drafts += 1
            if status != PostStatus.DRAFT or options.get("approved"):
                return True
    if drafts > 1:
        return True
    sent = (deliveries.c.user_id == space, cast(deliveries.c.parts, Text).like(digits))
    rows = conn.execute(select(deliveries.c.parts).where(*sent))
    return any(media_id in part.get("media", ()) for (parts,) in rows for part in parts)


def newest(conn: Connection, space: int, statuses: Iterable[str], *, limit: int) -> list[tuple[int, list[str]]]:
    """(id, platforms) of the user's posts, newest first; only those with one of `statuses` where some are given."""
    query = select(posts.c.id, posts.c.platforms).where(posts.c.user_id == space, posts.c.deleted_at.is_(None))
    if wanted := list(statuses):
        query = query.where(posts.c.status.in_(wanted))
    return [(int(row[0]), list(row[1])) for row in conn.execute(query.order_by(posts.c.id.desc()).limit(limit))]


def in_status(conn: Connection, space: int, statuses: Iterable[PostStatus], limit: int) -> list[Post]:
    """The user's posts in one of `statuses`, the one changed last first."""
    query = select(posts).where(
        posts.c.user_id == space, posts.c.deleted_at.is_(None), posts.c.status.in_([s.value for s in statuses])
    )
    rows = conn.execute(query.order_by(posts.c.updated_at.desc(), posts.c.id.desc()).limit(limit))
    return [record_of(Post, row) for row in rows]


def planned(conn: Connection, space: int, start: datetime, end: datetime, limit: int) -> list[Post]:
    """The user's posts with a time in [start, end), soonest first."""
    query = select(posts).where(
        posts.c.user_id == space,
        posts.c.deleted_at.is_(None),
        posts.c.scheduled_at >= start,
        posts.c.scheduled_at < end,
    )
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


def set_edits(conn: Connection, post_id: int, edited: int, version: int) -> None:
    """Note of a fresh draft that it is a working copy of the planned post `edited`, as it was at `version`."""
    options = {**get(conn, post_id).options, "edits": {"post": edited, "version": version}}
    conn.execute(update(posts).where(posts.c.id == post_id).values(options=options))


def went_in(conn: Connection, draft_id: int, now: datetime) -> None:
    """A working copy went into its post: its key is all that stays, so that a page which comes back with it finds the
    post. The post keeps its own key, for the page that wrote it."""
    edits = {"edits": get(conn, draft_id).options["edits"]}
    emptied = {"content": "", "options": edits, "ai_suggestions": None, "advice_at": None, "deleted_at": now}
    conn.execute(update(posts).where(posts.c.id == draft_id).values(**emptied))


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


def advise(conn: Connection, post_id: int, version: int, advice: dict[str, Any] | None, **columns: Any) -> bool:
    """Store what the agent says about the post, if it still has the `version` that was looked at. The version stays:
    nobody's edit is lost by it. `advice_at` among the columns: when the agent looks next (None: not again); without it
    that stays as it was. Returns whether it was stored."""
    done = conn.execute(
        update(posts).where(posts.c.id == post_id, posts.c.version == version).values(ai_suggestions=advice, **columns)
    )
    return done.rowcount == 1


def postpone_advice(conn: Connection, post_id: int, until: datetime | None) -> None:
    """The suggestions could not be made; they are tried again then (None: never)."""
    conn.execute(update(posts).where(posts.c.id == post_id, posts.c.advice_at.is_not(None)).values(advice_at=until))


def claim_advice(conn: Connection, post: Post, now: datetime, until: datetime) -> bool:
    """Have the agent look at a post that is due, as it was read, and nobody else before `until`. Returns whether it is
    ours."""
    due = (posts.c.id == post.id, posts.c.version == post.version, posts.c.advice_at <= now)
    return conn.execute(update(posts).where(*due).values(advice_at=until)).rowcount == 1


def free_advice(conn: Connection, post: Post, until: datetime, now: datetime) -> None:
    """End such a claim, unless the post has got another time meanwhile."""
    conn.execute(update(posts).where(posts.c.id == post.id, posts.c.advice_at == until).values(advice_at=now))


def version(conn: Connection, post_id: int) -> int | None:
    """Which version the post has now; None when it is gone."""
    return conn.execute(
        select(posts.c.version).where(posts.c.id == post_id, posts.c.deleted_at.is_(None))
    ).scalar_one_or_none()


def without_advice(conn: Connection, now: datetime, most: int) -> list[Post]:
    """Posts whose suggestions are to be made, the longest waiting first."""
    query = select(posts).where(posts.c.advice_at <= now).order_by(posts.c.advice_at).limit(most)
    return [record_of(Post, row) for row in conn.execute(query)]
