"""Posts before they are sent: kept as drafts, changed, submitted, deleted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from postprober.domain.delivery import DeliveryState
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict, Stale
from postprober.pipeline import watch
from postprober.services import media as media_service
from postprober.services.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.services.posts import MAX_PARTS, NewPost, columns_of, parts_for, passed, plan
from postprober.services.times import check_time
from postprober.storage import deliveries, posts
from postprober.storage.records import Account, Delivery, Post

S = DeliveryState
UNSENT = (PostStatus.DRAFT, PostStatus.REVIEW)
_STOPPABLE = frozenset({S.SCHEDULED, S.WAITING, S.HELD, S.FAILED})

Versions = Collection[int] | None  # the versions that a caller accepts; None: whichever is the newest


def save(core: Core, user_id: int, new: NewPost, mark: Mark = no_mark) -> Post:
    """Keep a draft; limits are checked when it is submitted. Raises BadInput or NotFound."""
    chosen = _usable(core, user_id, new)
    now = core.clock.now()
    with core.db.write() as conn:
        post_id = posts.add(
            conn, user_id=user_id, status=PostStatus.DRAFT, scheduled_at=new.at, now=now, **columns_of(new, chosen)
        )
        mark(conn, post_id)
        return posts.get(conn, post_id)


def wish_of(post: Post) -> NewPost:
    """What was asked for, from what `posts.columns_of` wrote."""
    told = post.options
    return NewPost(
        parts=tuple(told.get("parts") or (post.content,)),
        account_ids=tuple(told.get("accounts", ())),
        media_ids=tuple(told.get("media", ())),
        at=post.scheduled_at,
        variants={int(account): tuple(texts) for account, texts in told.get("variants", {}).items()},
        language=told.get("language", ""),
        late_minutes=told.get("late_minutes"),
    )


def change(core: Core, user_id: int, post_id: int, new: NewPost, versions: Versions = None) -> Post:
    """Replace the whole of a draft, or of a planned post that no worker has touched yet.

    Raises NotFound, Stale, Conflict (too late), BadInput or PreflightFailed; then nothing was written.
    """
    post = get(core, user_id, post_id, versions)
    if post.status in UNSENT:
        chosen = _usable(core, user_id, new)
        with core.db.write() as conn:
            return _write(core, conn, post, new, chosen, scheduled_at=new.at)
    if post.status != PostStatus.SCHEDULED:
        raise Conflict(f"This post can no longer be changed: it is {post.status}.")
    chosen = passed(core, user_id, new)
    now = core.clock.now()
    with core.db.write() as conn:
        posts.lock(conn, post_id)
        _write(core, conn, post, new, chosen, scheduled_at=new.at or now)
        _replan(conn, post, new, chosen, now)
        watch.refresh_post(conn, post_id, now)
        return posts.get(conn, post_id)


def submit(core: Core, user_id: int, post_id: int, versions: Versions = None, mark: Mark = no_mark) -> Post:
    """Check a draft and plan its deliveries. Raises NotFound, Stale, Conflict, BadInput or PreflightFailed."""
    post = get(core, user_id, post_id, versions)
    if post.status not in UNSENT:
        raise Conflict(f"This post was submitted already: it is {post.status}.")
    wish = wish_of(post)
    if wish.at is not None:
        wish = replace(wish, at=check_time(wish.at, core.clock.now()))
    chosen = passed(core, user_id, wish)
    now = core.clock.now()
    with core.db.write() as conn:
        _write(core, conn, post, wish, chosen, status=PostStatus.SCHEDULED, scheduled_at=wish.at or now)
        for account in chosen:
            plan(conn, post_id, account, wish, now)
        mark(conn, post_id)
        return posts.get(conn, post_id)


def delete(core: Core, user_id: int, post_id: int, versions: Versions = None) -> None:
    """Delete a post of which nothing was ever sent. What was planned is cancelled, and its history stays in the
    database, because others count on it (ids of transitions only grow). Raises NotFound, Stale or Conflict."""
    post = get(core, user_id, post_id, versions)
    now = core.clock.now()
    with core.db.write() as conn:
        posts.lock(conn, post_id)
        planned = deliveries.of_post(conn, post_id)
        if not planned:
            if not posts.edit(conn, post_id, post.version, now):
                raise Stale("This post was changed meanwhile; read it again.")
            posts.remove(conn, post_id)
            return
        for delivery in planned:
            _refuse_sent(delivery)
            if delivery.state in _STOPPABLE:
                watch.move(conn, delivery, S.CANCELLED, reason="deleted by a person", now=now, next_at=None)
        if not posts.edit(conn, post_id, post.version, now, deleted_at=now):
            raise Stale("This post was changed meanwhile; read it again.")


def get(core: Core, user_id: int, post_id: int, versions: Versions = None) -> Post:
    """The user's post. Raises NotFound, or Stale when its version is not one of `versions`."""
    with core.db.read() as conn:
        post = posts.get(conn, post_id, user_id)
    if versions is not None and post.version not in versions:
        raise Stale(f"This post has version {post.version} by now; read it again before you change it.")
    return post


def _usable(core: Core, user_id: int, new: NewPost) -> list[Account]:
    """A draft may be unfinished, but what it names must be the user's."""
    if not 1 <= len(new.parts) <= MAX_PARTS:
        raise BadInput(f"A post has 1 to {MAX_PARTS} parts.", field="content")
    if len(set(new.account_ids)) != len(new.account_ids):
        raise BadInput("An account was named twice.", field="account_ids")
    media_service.files(core, user_id, list(new.media_ids))
    with core.db.read() as conn:
        return [owned(conn, user_id, account_id) for account_id in new.account_ids]


def _write(core: Core, conn: Connection, post: Post, new: NewPost, chosen: list[Account], **columns: object) -> Post:
    if not posts.edit(conn, post.id, post.version, core.clock.now(), **columns_of(new, chosen), **columns):
        raise Stale("This post was changed meanwhile; read it again.")
    return posts.get(conn, post.id)


def _replan(conn: Connection, post: Post, new: NewPost, chosen: list[Account], now: datetime) -> None:
    """Bring the deliveries in line with the changed post: those that stay keep their key, the others are cancelled,
    and new accounts get theirs."""
    wanted = {account.id: account for account in chosen}
    for delivery in deliveries.of_post(conn, post.id):
        if delivery.state is S.CANCELLED:
            continue
        if delivery.state is not S.SCHEDULED or delivery.fence > 0:  # a worker may have prepared something by then
            raise Conflict("This post can no longer be changed: it is on its way.")
        account = wanted.pop(delivery.account_id, None)
        if account is None:
            watch.move(conn, delivery, S.CANCELLED, reason="the account was taken off", now=now, next_at=None)
            continue
        due = new.at or now
        deliveries.touch(conn, delivery, now, parts=tuple(parts_for(account, new)), due_at=due, next_at=due)
    for account in wanted.values():
        plan(conn, post.id, account, new, now)


def _refuse_sent(delivery: Delivery) -> None:
    sent = delivery.first_byte_at is not None or delivery.unknown_at is not None or any(p.ref for p in delivery.parts)
    if sent or delivery.state not in _STOPPABLE | {S.CANCELLED}:
        raise Conflict("This post was sent already, or is being sent; what is out there is deleted on the platform.")
