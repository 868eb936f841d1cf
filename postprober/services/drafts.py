"""Posts before they are sent: kept as drafts, changed, submitted, deleted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.criteria import Criteria
from postprober.domain.delivery import DeliveryState
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict, Stale
from postprober.pipeline import watch
from postprober.services import media as media_service
from postprober.services import permits, reviewing
from postprober.services.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.services.posts import MAX_PARTS, NewPost, columns_of, parts_for, passed, plan, plan_all, set_goal
from postprober.services.times import check_time
from postprober.storage import deliveries, logs, posts
from postprober.storage.records import Account, Delivery, Post

S = DeliveryState
UNSENT = (PostStatus.DRAFT, PostStatus.REVIEW)
_STOPPABLE = frozenset({S.SCHEDULED, S.WAITING, S.HELD, S.FAILED})

Versions = Collection[int] | None  # the versions that a caller accepts; None: whichever is the newest


@permits.asks("posts:write")
def save(core: Core, user_id: int, new: NewPost, mark: Mark = no_mark) -> Post:
    """Keep a draft; limits are checked when it is submitted. Raises BadInput or NotFound."""
    chosen = _usable(core, user_id, new)
    advice = reviewing.first_word(core, user_id, new, chosen)
    now = core.clock.now()
    with core.db.write() as conn:
        post_id = posts.add(
            conn, user_id=user_id, status=PostStatus.DRAFT, scheduled_at=new.at, now=now, **columns_of(new, chosen),
            **reviewing.advice_columns(core, advice),
        )  # fmt: skip
        mark(conn, post_id)
        return posts.get(conn, post_id)


@permits.asks("posts:read")
def listing(core: Core, user_id: int, limit: int = 20) -> list[Post]:
    """The user's drafts and what waits for review, the one written last first."""
    with core.db.read() as conn:
        return posts.in_status(conn, user_id, UNSENT, limit)


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
        criteria=Criteria.from_json(told.get("criteria")),
    )


@permits.asks("posts:write")
def change(core: Core, user_id: int, post_id: int, new: NewPost, versions: Versions = None) -> Post:
    """Replace the whole of a draft, or of a planned post that no worker has touched yet.

    Raises NotFound, Stale, Conflict (too late), BadInput or PreflightFailed; then nothing was written.
    """
    post = get(core, user_id, post_id, versions)
    if post.status in UNSENT:
        chosen = _usable(core, user_id, new)
        advice = reviewing.first_word(core, user_id, new, chosen)
        told = reviewing.advice_columns(core, advice, post.ai_suggestions)
        with core.db.write() as conn:
            return _write(core, conn, post, new, chosen, scheduled_at=new.at, **told)
    if post.status != PostStatus.SCHEDULED:
        raise Conflict(f"This post can no longer be changed: it is {post.status}.")
    chosen = passed(core, user_id, new)
    advice = reviewing.judged(core, user_id, new, chosen, post.options.get("approved", ""))
    told = reviewing.advice_columns(core, advice, post.ai_suggestions)
    now = core.clock.now()
    with core.db.write() as conn:
        posts.lock(conn, post_id)
        _write(core, conn, post, new, chosen, scheduled_at=new.at or now, **told)
        if advice.review.passes:
            _replan(conn, post, new, chosen, now)
            set_goal(conn, post_id, new, now)
            watch.refresh_post(conn, post_id, now)
        else:
            _withdraw(conn, post, now)
        return posts.get(conn, post_id)


def hold_for_review(core: Core, post: Post, reasons: Sequence[str]) -> bool:
    """A closer look found something after the post was planned: it waits for a person, who is told, unless it is on its
    way already. Returns whether it waits."""
    now = core.clock.now()
    try:
        with core.db.write() as conn:
            posts.lock(conn, post.id)
            if not posts.edit(conn, post.id, post.version, now):
                return False
            _withdraw(conn, post, now)
            logs.alert(
                conn, user_id=post.user_id, post_id=post.id, delivery_id=None, type=AlertType.WARNING,
                message=f"Post {post.id} waits for your review. {' '.join(reasons)}",
                dedupe_key=f"post:{post.id}:review:{post.version}", now=now, kind=AlertKind.REVIEW,
            )  # fmt: skip
    except Conflict:
        return False
    return True


def _withdraw(conn: Connection, post: Post, now: datetime) -> None:
    """The new text has to be reviewed by a person: nothing of it stays planned."""
    _replan(conn, post, NewPost(("",), ()), [], now)
    posts.set_status(conn, post.id, PostStatus.REVIEW, now)


@permits.asks("posts:write")
def submit(
    core: Core, user_id: int, post_id: int, versions: Versions = None, mark: Mark = no_mark, *, approved: bool = False
) -> Post:
    """Check and review a draft, and plan its deliveries; one that the review does not pass gets status `review` and
    waits for a person. `approved`: a person has passed it as it stands.

    Raises NotFound, Stale, Conflict, BadInput or PreflightFailed.
    """
    post = get(core, user_id, post_id, versions)
    if post.status not in UNSENT:
        raise Conflict(f"This post was submitted already: it is {post.status}.")
    wish = wish_of(post)
    if wish.at is not None:
        wish = replace(wish, at=check_time(wish.at, core.clock.now()))
    chosen = passed(core, user_id, wish)
    known = reviewing.digest(wish) if approved else post.options.get("approved", "")
    advice = reviewing.judged(core, user_id, wish, chosen, known)
    told = reviewing.advice_columns(core, advice, post.ai_suggestions)
    now = core.clock.now()
    with core.db.write() as conn:
        if not advice.review.passes:
            _write(core, conn, post, wish, chosen, status=PostStatus.REVIEW, scheduled_at=wish.at, **told)
        else:
            _write(
                core, conn, post, wish, chosen, approved=known, status=PostStatus.SCHEDULED,
                scheduled_at=wish.at or now, **told,
            )  # fmt: skip
            plan_all(conn, post_id, chosen, wish, now)
        mark(conn, post_id)
        return posts.get(conn, post_id)


def back_to_draft(core: Core, post: Post) -> Post:
    """A person refused it in the review: it can be changed and submitted again. Raises Stale."""
    with core.db.write() as conn:
        if not posts.edit(conn, post.id, post.version, core.clock.now(), status=PostStatus.DRAFT):
            raise Stale("This post was changed meanwhile; read it again.")
        return posts.get(conn, post.id)


@permits.asks("posts:write")
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


@permits.asks("posts:read")
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


def _write(
    core: Core, conn: Connection, post: Post, new: NewPost, chosen: list[Account], approved: str = "", **columns: object
) -> Post:
    """`approved`: digest of what a person has approved; what was approved before stays so while nothing of it changes."""
    written = columns_of(new, chosen)
    earlier = approved or post.options.get("approved", "")
    if earlier and earlier == reviewing.digest(new):
        written["options"]["approved"] = earlier
    if not posts.edit(conn, post.id, post.version, core.clock.now(), **written, **columns):
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
