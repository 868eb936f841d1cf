"""A planned post is edited in a working copy: what is planned stays as it is until the changes are saved, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.domain.post import PostStatus
from postprober.errors import Conflict, NotFound
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.posts import drafts, review_gate
from postprober.services.posts.posts import NewPost
from postprober.storage import posts
from postprober.storage.records import Post

_EVERY_DRAFT = 100_000  # more than a space can have (Settings.drafts_per_space)


@dataclass(frozen=True)
class Changes:
    """`what`: the things that differ, in plain words; `reviewed`: whether readers will see another post than before;
    `approval_ends`: whether a person's approval no longer covers it."""

    what: tuple[str, ...]
    reviewed: bool = False
    approval_ends: bool = False


class CopyState(StrEnum):
    """Whether a working copy can still go into its post, else what happened."""

    OPEN = "open"
    SAVED = "saved"  # the copy went in, from another page
    DISCARDED = "discarded"  # the copy is gone, the post is as it was
    CHANGED = "changed"  # the post was changed since the copy was made
    ENDED = "ended"  # the post went out, was cancelled or waits for a review
    DELETED = "deleted"  # the post is gone


@permits.needs("posts:read")
def standing(core: Core, actor: Actor, copy: Post) -> tuple[CopyState, Post | None]:
    """How a working copy, as it was read once, stands now, and the post that it was made of (None: deleted)."""
    told = copy.options["edits"]
    with core.db.read() as conn:
        try:
            post = posts.get(conn, told["post"], actor.space)
        except NotFound:
            return CopyState.DELETED, None
        try:
            posts.get(conn, copy.id, actor.space)
        except NotFound:
            return (CopyState.SAVED if posts.is_deleted(conn, copy.id) else CopyState.DISCARDED), post
    if post.status != PostStatus.SCHEDULED:
        return CopyState.ENDED, post
    return (CopyState.OPEN if post.version == told["version"] else CopyState.CHANGED), post


@permits.needs("posts:read")
def changes(core: Core, actor: Actor, post_id: int, new: NewPost) -> Changes:
    """What would change if the planned post became `new`. Raises NotFound."""
    with core.db.read() as conn:
        post = posts.get(conn, post_id, actor.space)
    old = drafts.wish_of(post)
    same = (
        ("text", old.parts == new.parts and _used(old) == _used(new)),
        ("accounts", set(old.account_ids) == set(new.account_ids)),
        ("files", old.media_ids == new.media_ids),
        ("time", old.at == new.at),
        ("goal", old.criteria == new.criteria),
        ("language", old.language == new.language),
        ("options", old.options == new.options),
        ("link card", old.card == new.card),
    )
    what = tuple(name for name, equal in same if not equal)
    seen = review_gate.digest(old) != review_gate.digest(new)
    return Changes(what, seen, seen and bool(post.options.get("approved")))


def _used(wish: NewPost) -> dict[int, tuple[str, ...]]:
    return {a: wish.texts_for(a) for a in wish.account_ids}


@permits.needs("posts:draft")
def begin(core: Core, actor: Actor, post_id: int, key: str) -> Post:
    """A working copy of a planned post, the one that is there already or a new one under `key`. Raises NotFound or
    Conflict (it is on its way)."""
    with core.db.read() as conn:
        post = posts.get(conn, post_id, actor.space)
        copy = _copy_of(conn, actor.space, post_id)
    if post.status != PostStatus.SCHEDULED:
        raise Conflict(f"This post can no longer be changed: it is {post.status}.")
    if copy is not None:
        return copy
    wish = drafts.wish_of(post)

    def mark(conn: Connection, made: int) -> None:
        posts.lock(conn, post_id)
        if (other := _copy_of(conn, actor.space, post_id)) is not None:
            raise _Begun(other)
        posts.set_edits(conn, made, post_id, post.version)

    try:
        return drafts.save(core, actor, wish, mark, key=key)
    except _Begun as meanwhile:
        return meanwhile.copy


class _Begun(Exception):
    """Somebody began at the same moment; theirs is the working copy."""

    def __init__(self, copy: Post) -> None:
        super().__init__()
        self.copy = copy


def _copy_of(conn: Connection, space: int, post_id: int) -> Post | None:
    drafts_now = posts.in_status(conn, space, (PostStatus.DRAFT,), _EVERY_DRAFT)
    return next((one for one in drafts_now if drafts.edited_by(one) == post_id), None)
