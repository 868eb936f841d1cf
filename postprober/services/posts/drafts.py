"""Posts before they are sent: kept as drafts, changed, submitted, deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from postprober.domain.actor import Actor, Door
from postprober.domain.advice import Advice
from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.card import CardChoice
from postprober.domain.criteria import Criteria
from postprober.domain.delivery import DeliveryState
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict, Forbidden, Stale
from postprober.pipeline.core import transitions
from postprober.services.accounts.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.services.media import media as media_service
from postprober.services.people import permits, token_limits
from postprober.services.posts import cards, options, review_gate
from postprober.services.posts.posts import (
    MAX_PARTS,
    NewPost,
    as_read,
    check_size,
    columns_of,
    known_by,
    parts_for,
    passed,
    plan,
    plan_all,
    set_goal,
    with_handles,
)
from postprober.services.posts.review_gate import NOT_APPROVED, Approval
from postprober.services.posts.times import check_time
from postprober.storage import alert_log, deliveries, posts, users
from postprober.storage.records import Account, Delivery, Post

S = DeliveryState
UNSENT = (PostStatus.DRAFT, PostStatus.REVIEW)
_STOPPABLE = frozenset({S.SCHEDULED, S.WAITING, S.HELD, S.FAILED})
WITHDRAWN = "held for review"  # why a delivery was taken off when an edit of it has to be looked at by a person

Versions = Collection[int] | None  # the versions that a caller accepts; None: whichever is the newest


@permits.needs("posts:draft")
def save(core: Core, actor: Actor, new: NewPost, mark: Mark = no_mark, *, key: str = "") -> Post:
    """Keep a draft; limits are checked when it is submitted. `key`: under which a page finds it again; there is never
    a second post with it. Raises BadInput, NotFound, or Stale when there is a post with this key already."""
    new = as_read(core, actor.space, new)
    chosen = _usable(core, actor, new)
    advice = review_gate.first_word(core, actor, new, chosen)
    now = core.clock.now()
    try:
        with core.db.write() as conn:
            token_limits.refuse_accounts(conn, actor, new.account_ids, now)
            check_room(core, conn, actor.space)
            if key and posts.by_draft_key(conn, actor.space, key) is None:
                posts.free_key(conn, actor.space, key)
            columns = columns_of(new, chosen)
            if actor.via.is_token:
                columns["options"]["drafted"] = {"user": actor.user}
            post_id = posts.add(
                conn,
                space=actor.space,
                status=PostStatus.DRAFT,
                scheduled_at=new.at,
                now=now,
                draft_key=key or None,
                **columns,
                **review_gate.advice_columns(core, advice),
            )
            mark(conn, post_id)
            return posts.get(conn, post_id)
    except IntegrityError:
        with core.db.read() as conn:
            if not key or posts.by_draft_key(conn, actor.space, key) is None:
                raise  # the caller's mark, or an account that went meanwhile
        raise Stale("This draft was saved by another page meanwhile; read it again.") from None


@permits.needs("posts:draft")
def save_once(core: Core, actor: Actor, new: NewPost, named: str, mark: Mark = no_mark) -> tuple[Post, bool]:
    """The draft under a program's own name for it (`posts.client_key`), and whether it is new: where there is a post with the
    name, whatever became of it, that is the answer. Raises as `save`."""
    if (known := known_by(core, actor, named)) is not None:
        return known, False
    try:
        return save(core, actor, new, mark, key=named), True
    except Stale:  # somebody made it at the same moment
        if (known := known_by(core, actor, named)) is None:
            raise
        return known, False


@permits.needs("posts:read")
def by_key(core: Core, actor: Actor, key: str) -> Post | None:
    """What became of the draft that a page keeps under `key`: a draft still, or planned, or sent. None: never stored,
    or deleted."""
    with core.db.read() as conn:
        return posts.by_draft_key(conn, actor.space, key)


def check_room(core: Core, conn: Connection, space: int) -> None:
    """Raises BadInput when the space has as many unsent posts as it may."""
    most = core.settings.drafts_per_space
    users.lock(conn, space)
    if posts.unsent(conn, space, UNSENT) >= most:
        raise BadInput(f"There are {most:,} drafts, which is the limit. Delete drafts that you no longer need.")


@permits.needs("posts:read")
def listing(core: Core, actor: Actor, limit: int = 20) -> list[Post]:
    """The user's drafts and what waits for review, the one written last first."""
    with core.db.read() as conn:
        return posts.in_status(conn, actor.space, UNSENT, limit)


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
        options=told.get("asked", {}),
        card=CardChoice.from_json(told.get("card")),
    )


def edited_by(post: Post) -> int | None:
    """Id of the planned post whose working copy this draft is; None for an ordinary one."""
    told = post.options.get("edits")
    return int(told["post"]) if told else None


def is_unavailable(error: BaseException) -> bool:
    """Whether the database is busy or away, so that the same may work in a moment."""
    return isinstance(error, OperationalError)


@permits.needs("posts:draft")
def change(
    core: Core, actor: Actor, post_id: int, new: NewPost, versions: Versions = None, mark: Mark = no_mark
) -> Post:
    """Replace the whole of a draft, or of a planned post that no worker has touched yet.

    Raises NotFound, Stale, Conflict (too late), BadInput or PreflightFailed; then nothing was written.
    """
    post, new = get(core, actor, post_id, versions), as_read(core, actor.space, new)
    _refuse_token(core, actor, post, new.account_ids)
    if not actor.via.is_token and new != wish_of(post):
        post = replace(post, options=_of_a_person(post.options))
    if post.status in UNSENT:
        chosen = _usable(core, actor, new)
        advice = review_gate.first_word(core, actor, new, chosen)
        told = review_gate.advice_columns(core, advice, post.ai_suggestions)
        with core.db.write() as conn:
            written = _write(core, conn, post, new, chosen, scheduled_at=new.at, **told)
            mark(conn, post_id)
            return written
    if post.status != PostStatus.SCHEDULED:
        raise Conflict(f"This post can no longer be changed: it is {post.status}.")
    files = media_service.files(core, actor, list(new.media_ids))
    chosen = passed(core, actor, new, but=(post_id,))
    new = cards.pinned(core, new, chosen)
    advice = review_gate.judged(core, actor, new, chosen, files, review_gate.approval_of(post))
    told = review_gate.advice_columns(core, advice, post.ai_suggestions)
    now = core.clock.now()
    with core.db.write() as conn:
        users.lock(conn, actor.space)  # before the post, as everywhere: planning looks at what the space has
        posts.lock(conn, post_id)
        media_service.refuse_described(conn, actor.space, files)
        _write(core, conn, post, new, chosen, held=not advice.review.passes, scheduled_at=new.at or now, **told)
        if advice.review.passes:
            _replan(core, conn, post, new, chosen, now, by=permits.name_of(conn, actor), planned_by=actor)
            set_goal(conn, post_id, new, now)
            deliveries.refresh_post(conn, post_id, now)
        else:
            if advice.waits:  # it is planned when the model is back, and counts for whoever asked for it now
                token_limits.spend(conn, actor, set(new.account_ids) - set(wish_of(post).account_ids), now)
            _withdraw(core, conn, post, now, by=permits.name_of(conn, actor))
        mark(conn, post_id)
        return posts.get(conn, post_id)


def _of_a_person(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a post whose words a person has written by now: no token that only drafts may delete it, and it is
    called published without asking no more."""
    kept = {name: told for name, told in options.items() if name not in ("drafted", "unasked")}
    if proposed := kept.get("proposed"):
        kept["proposed"] = {**proposed, "rewritten": True}
    return kept


def _refuse_token(core: Core, actor: Actor, post: Post, accounts: Collection[int]) -> None:
    """A token that may only write drafts changes nothing that is planned, no working copy that a person is about to save
    into it, and nothing that a person is reading. One for some accounts touches no post of others, whatever it makes of it.
    Raises Forbidden or Conflict."""
    if not actor.via.is_token:
        return
    with core.db.read() as conn:
        token_limits.refuse_accounts(conn, actor, {*accounts, *wish_of(post).account_ids}, core.clock.now())
    if post.status not in UNSENT or edited_by(post) is not None:
        permits.need_of_token(actor, "posts:publish")
    elif post.status == PostStatus.REVIEW and not actor.via.allows("posts:publish"):
        raise Conflict("A person is reading this proposal, so it cannot be changed; cancel it and propose it anew.")


def review_subject(post_id: int) -> str:
    """What the alerts about a post are about that waits for a person."""
    return f"review:{post_id}"


def _made_by(actor: Actor, post: Post) -> bool:
    """Whether a token of the same person wrote or proposed it, and no person has planned or rewritten it since."""
    by = post.options.get("proposed") or post.options.get("drafted") or {}
    return post.status in UNSENT and by.get("user") == actor.user and not by.get("rewritten")


def hold_for_review(core: Core, post: Post, reasons: Sequence[str], again: datetime | None) -> bool:
    """A closer look found something after the post was planned: it waits for a person, who is told, unless it is on its
    way already. Returns whether it waits. `again`: when the agent looks next."""
    now = core.clock.now()
    try:
        with core.db.write() as conn:
            posts.lock(conn, post.id)
            if not posts.edit(conn, post.id, post.version, now, advice_at=again):
                return False
            _withdraw(core, conn, post, now, by=permits.US)
            alert_log.add(
                conn,
                user_id=post.user_id,
                post_id=post.id,
                delivery_id=None,
                type=AlertType.WARNING,
                message=f"Post {post.id} waits for your review. {' '.join(reasons)}",
                dedupe_key=f"post:{post.id}:review:{post.version}",
                now=now,
                kind=AlertKind.REVIEW,
                subject=review_subject(post.id),
            )
    except Conflict:
        return False
    return True


def _withdraw(core: Core, conn: Connection, post: Post, now: datetime, *, by: str) -> None:
    """The new text has to be reviewed by a person: nothing of it stays planned."""
    _replan(core, conn, post, NewPost(("",), ()), [], now, by=by, left_out=f"{WITHDRAWN} by {by}")
    posts.set_status(conn, post.id, PostStatus.REVIEW, now)


@permits.needs("posts:publish")
def submit(
    core: Core,
    actor: Actor,
    post_id: int,
    versions: Versions = None,
    mark: Mark = no_mark,
    *,
    approved: bool = False,
    judged: tuple[Advice, NewPost] | None = None,
) -> Post:
    """Check and review a draft, and plan its deliveries; one that the review does not pass gets status `review` and
    waits for a person. `approved`: a person has passed it as it stands. `judged`: what the review has just said of this
    version, and the version as it was read, so that no model is asked twice.

    Raises NotFound, Stale, Conflict, BadInput or PreflightFailed.
    """
    post = get(core, actor, post_id, versions)
    if post.status not in UNSENT:
        raise Conflict(f"This post was submitted already: it is {post.status}.")
    if edited_by(post) is not None:
        return _apply_edit(core, actor, post, mark)
    wish = wish_of(post)
    if wish.at is not None:
        wish = replace(wish, at=check_time(wish.at, core.clock.now()))
    with core.db.read() as conn:
        token_limits.refuse_accounts(conn, actor, wish.account_ids, core.clock.now())
    files = media_service.files(core, actor, list(wish.media_ids))
    chosen = passed(core, actor, wish, but=(post_id,))
    wish = cards.pinned(core, wish, chosen)
    known = review_gate.approval_of(post)
    if approved:
        known = replace(known, digest=review_gate.digest(wish), by=actor.user)
    if judged is not None:
        advice, said = judged
        wish = replace(wish, pages=said.pages)
    else:
        advice = review_gate.judged(core, actor, wish, chosen, files, known)
    told = review_gate.advice_columns(core, advice, post.ai_suggestions)
    now = core.clock.now()
    with core.db.write() as conn:
        users.lock(conn, actor.space)  # before the post and the token, as everywhere
        media_service.refuse_described(conn, actor.space, files)
        by, unasked = token_limits.planner(conn, actor, now)
        planned = advice.review.passes or advice.waits  # the latter when the model is back, in the name of nobody new
        if actor.via.door is not Door.PROGRAM:
            post = replace(post, options={**post.options, "unasked": unasked if planned else ""})
        if planned:
            token_limits.spend(conn, actor, wish.account_ids, now)
        if not advice.review.passes:
            _write(core, conn, post, wish, chosen, held=True, status=PostStatus.REVIEW, scheduled_at=wish.at, **told)
        else:
            _write(
                core,
                conn,
                post,
                wish,
                chosen,
                approved=known,
                status=PostStatus.SCHEDULED,
                scheduled_at=wish.at or now,
                **told,
            )
            alert_log.close(conn, review_subject(post_id), now)
            plan_all(core, conn, post_id, chosen, wish, now, by=_as_proposed(by, post))
        mark(conn, post_id)
        return posts.get(conn, post_id)


def _as_proposed(by: str, post: Post) -> str:
    """Who plans a post that was kept until now, and who proposed it."""
    proposed = post.options.get("proposed")
    return f"{by}, as {proposed['by']} had proposed" if proposed else by


def put_in_review(
    core: Core,
    conn: Connection,
    post: Post,
    wish: NewPost,
    chosen: list[Account],
    proposed: dict[str, Any],
    **columns: object,
) -> Post:
    """A draft that somebody proposes waits for a person from now on. Raises Stale."""
    columns |= {"status": PostStatus.REVIEW, "scheduled_at": wish.at}
    return _write(core, conn, post, wish, chosen, NOT_APPROVED, proposed, held=True, **columns)


class _CopyChanged(Stale):
    """The working copy, not the post that it was made of, has another version by now."""


def _apply_edit(core: Core, actor: Actor, copy: Post, mark: Mark) -> Post:
    """Put a working copy into the planned post that it was made of, in one transaction."""
    told, wish = copy.options["edits"], wish_of(copy)
    if wish.at is not None:
        wish = replace(wish, at=check_time(wish.at, core.clock.now()))

    def done(conn: Connection, post_id: int) -> None:
        if not posts.edit(conn, copy.id, copy.version, core.clock.now()):
            raise _CopyChanged("This edit was changed meanwhile; read it again.")
        posts.went_in(conn, copy.id, core.clock.now())
        mark(conn, post_id)

    try:
        return change(core, actor, told["post"], wish, [told["version"]], done)
    except _CopyChanged:
        raise
    except Stale:
        raise Stale(
            "The scheduled post was changed on another page since you began. Save your text as a new draft or discard it."
        ) from None


def back_to_draft(core: Core, post: Post) -> Post:
    """A person refused it in the review: it can be changed and submitted again, and is a proposal no more. Raises Stale."""
    options = {name: told for name, told in post.options.items() if name not in ("proposed", "unasked")}
    proposed = post.options.get("proposed")
    if proposed and not proposed.get("rewritten"):
        options["drafted"] = {"user": proposed["user"]}
    with core.db.write() as conn:
        now = core.clock.now()
        if not posts.edit(conn, post.id, post.version, now, status=PostStatus.DRAFT, options=options):
            raise Stale("This post was changed meanwhile; read it again.")
        alert_log.close(conn, review_subject(post.id), now)
        return posts.get(conn, post.id)


@permits.needs("posts:draft")
def delete(core: Core, actor: Actor, post_id: int, versions: Versions = None) -> None:
    """Delete a post of which nothing was ever sent. What was planned is cancelled, and its history stays in the
    database, because others count on it (ids of transitions only grow). Raises NotFound, Stale, Forbidden or Conflict."""
    post = get(core, actor, post_id, versions)
    if actor.via.is_token and not actor.via.allows("posts:publish") and not _made_by(actor, post):
        raise Forbidden("This token may delete only what its owner's tokens wrote; ask a person to delete this post.")
    now = core.clock.now()
    with core.db.write() as conn:
        token_limits.refuse_accounts(conn, actor, wish_of(post).account_ids, now)
        posts.lock(conn, post_id)
        planned = deliveries.of_post(conn, post_id)
        alert_log.close(conn, review_subject(post_id), now)
        if not planned:
            told = alert_log.names(
                conn, post_id
            )  # an alert leads here; its row stays, empty, and nobody sees it any more
            emptied = {"deleted_at": now, "content": "", "options": {}, "ai_suggestions": None, "advice_at": None}
            if not posts.edit(conn, post_id, post.version, now, **(emptied if told else {})):
                raise Stale("This post was changed meanwhile; read it again.")
            if not told:
                posts.remove(conn, post_id)
            return
        by = permits.name_of(conn, actor)
        for delivery in planned:
            _refuse_sent(delivery)
            if delivery.state in _STOPPABLE:
                transitions.move(conn, delivery, S.CANCELLED, reason=f"deleted by {by}", now=now, next_at=None)
        if not posts.edit(conn, post_id, post.version, now, deleted_at=now):
            raise Stale("This post was changed meanwhile; read it again.")


@permits.needs("posts:read")
def get(core: Core, actor: Actor, post_id: int, versions: Versions = None) -> Post:
    """The user's post. Raises NotFound, or Stale when its version is not one of `versions`."""
    with core.db.read() as conn:
        post = posts.get(conn, post_id, actor.space)
    if versions is not None and post.version not in versions:
        raise Stale(f"This post has version {post.version} by now; read it again before you change it.")
    return post


def _usable(core: Core, actor: Actor, new: NewPost) -> list[Account]:
    """A draft may be unfinished, but what it names must be the user's."""
    if not 1 <= len(new.parts) <= MAX_PARTS:
        raise BadInput(f"A post has 1 to {MAX_PARTS} parts.", field="content")
    if len(set(new.account_ids)) != len(new.account_ids):
        raise BadInput("An account was named twice.", field="account_ids")
    new.card.check()
    check_size(new)
    media_service.files(core, actor, list(new.media_ids))
    with core.db.read() as conn:
        chosen = [owned(conn, actor.space, account_id) for account_id in new.account_ids]
    options.check(new.options, chosen)
    return chosen


def _write(
    core: Core,
    conn: Connection,
    post: Post,
    new: NewPost,
    chosen: list[Account],
    approved: Approval = NOT_APPROVED,
    proposed: dict[str, Any] | None = None,
    *,
    held: bool = False,
    **columns: object,
) -> Post:
    """`approved`: what a person has approved; what was approved before stays so while nothing of it changes. `held`: it waits
    for a person, who approves what the pages of its cards say now."""
    written = columns_of(new, chosen)
    known = approved if approved.digest else review_gate.approval_of(post)
    if known.digest == review_gate.digest(new):
        written["options"] |= {"approved": known.digest, "approved_by": known.by}
    if held or new.pages is not None:
        written["options"] |= review_gate.card_shown(new)
    elif told := post.options.get("card_shown"):
        written["options"]["card_shown"] = told
    for kept in ("edits", "drafted", "proposed", "unasked"):
        if post.options.get(kept):
            written["options"][kept] = post.options[kept]
    if proposed is not None:
        written["options"]["proposed"] = proposed
    if not posts.edit(conn, post.id, post.version, core.clock.now(), **written, **columns):
        raise Stale("This post was changed meanwhile; read it again.")
    return posts.get(conn, post.id)


def _replan(
    core: Core,
    conn: Connection,
    post: Post,
    new: NewPost,
    chosen: list[Account],
    now: datetime,
    *,
    by: str,
    planned_by: Actor | None = None,
    left_out: str = "",
) -> None:
    """Bring the deliveries in line with the changed post: those that stay keep their key, the others are cancelled,
    and new accounts get theirs. `by`: whose change it is, for the history; `planned_by`: whom new ones count for; `left_out`:
    why the others are cancelled, where it is not that their account was taken off."""
    wanted = {account.id: account for account in chosen}
    for delivery in deliveries.of_post(conn, post.id):
        if delivery.state is S.CANCELLED:
            continue
        if delivery.state is not S.SCHEDULED or delivery.fence > 0:  # a worker may have prepared something by then
            raise Conflict("This post can no longer be changed: it is on its way.")
        account = wanted.pop(delivery.account_id, None)
        if account is None:
            reason = left_out or f"the account was taken off by {by}"
            transitions.move(conn, delivery, S.CANCELLED, reason=reason, now=now, next_at=None)
            continue
        due = new.at or now
        parts = with_handles(
            core, account, delivery.key, parts_for(conn, account, new, now), due, before=delivery.parts
        )
        deliveries.touch(conn, delivery, now, parts=tuple(parts), due_at=due, next_at=due)
    if planned_by is not None:
        token_limits.spend(conn, planned_by, list(wanted), now)
    for account in wanted.values():
        plan(core, conn, post.id, account, new, now, by=by)


def _refuse_sent(delivery: Delivery) -> None:
    sent = delivery.first_byte_at is not None or delivery.unknown_at is not None or any(p.ref for p in delivery.parts)
    if sent or delivery.state not in _STOPPABLE | {S.CANCELLED}:
        raise Conflict("This post was sent already, or is being sent; what is out there is deleted on the platform.")
