"""Posts that somebody proposes and a person decides about: how programs and agents publish without being able to.

A proposal is a post in review. It says who proposed it, it is never planned by itself (a model that passes it later
changes nothing), and who proposed it can take it back but not change it: what the person reads is what they approve.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.post import PostStatus
from postprober.errors import Conflict
from postprober.services.core import Core, Mark, no_mark
from postprober.services.media import media as media_service
from postprober.services.people import permits, token_limits
from postprober.services.posts import cards, drafts, posts, review_gate
from postprober.services.posts.drafts import Versions
from postprober.services.posts.posts import NewPost, PreflightFailed, client_key
from postprober.services.posts.times import check_time
from postprober.storage import alert_log, users
from postprober.storage import posts as post_storage
from postprober.storage.records import Post

MOST_WAITING = 20  # of one token; ours: about what somebody reads in one go
_LOOKED_AT = 1000  # posts in review of one space


@dataclass(frozen=True)
class Proposal:
    """`is_new`: False when the same was proposed before, and `post` is what became of it."""

    post: Post
    is_new: bool


@permits.needs("posts:propose")
def propose(core: Core, actor: Actor, new: NewPost, mark: Mark = no_mark, *, key: str = "") -> Proposal:
    """Keep a post for a person to decide about; where the token may publish without asking and the review passes it, it
    is planned at once. `key`: the caller's own name for it. The same proposal of one token, or the same key of one person,
    is one post for ever.

    Raises PreflightFailed, BadInput, NotFound, Forbidden or Conflict (too many wait); then nothing was written.
    """
    new = posts.as_read(core, actor.space, new)
    named = client_key(actor, key) if key else _key_of(actor, new)
    if (known := posts.known_by(core, actor, named)) is not None:
        return Proposal(known, False)
    if new.at is not None:
        check_time(new.at, core.clock.now())
    files = media_service.files(core, actor, list(new.media_ids))
    try:
        chosen = posts.passed(core, actor, new)
    except PreflightFailed:  # perhaps because the same proposal was planned at this moment
        if (known := posts.known_by(core, actor, named)) is not None:
            return Proposal(known, False)
        raise
    new = cards.pinned(core, new, chosen)
    advice = review_gate.judged(core, actor, new, chosen, files)
    if _unasked(core, actor) and (advice.review.passes or advice.waits):
        return Proposal(*posts.add_judged(core, actor, new, chosen, files, advice, mark, named=named))
    now = core.clock.now()
    with core.db.read() as conn:
        by = token_limits.called(conn, actor, now)
    advice = replace(advice, review=review_gate.as_proposed(advice.review, by), waits=False)

    def add() -> Post:
        with core.db.write() as conn:
            media_service.refuse_described(conn, actor.space, files)
            token_limits.refuse_accounts(conn, actor, new.account_ids, now)
            drafts.check_room(core, conn, actor.space)
            _refuse_flood(conn, actor)
            post_storage.free_key(conn, actor.space, named)
            columns = posts.columns_of(new, chosen)
            columns["options"] |= {"proposed": _told(actor, by), **review_gate.card_shown(new)}
            post_id = post_storage.add(
                conn,
                space=actor.space,
                status=PostStatus.REVIEW,
                scheduled_at=new.at,
                now=now,
                draft_key=named,
                **columns,
                **review_gate.advice_columns(core, advice),
            )
            kept = post_storage.get(conn, post_id)
            _tell(core, conn, actor, kept, by)
            mark(conn, post_id)
            return kept

    return Proposal(*posts.once(core, actor, named, add))


@permits.needs("posts:propose")
def propose_draft(core: Core, actor: Actor, post_id: int, versions: Versions = None, mark: Mark = no_mark) -> Proposal:
    """The same for a draft that is kept already, as it stands. Raises NotFound, Stale, Conflict (it is no draft),
    PreflightFailed, BadInput or Forbidden."""
    post = drafts.get(core, actor, post_id, versions)
    if post.status == PostStatus.REVIEW and post.options.get("proposed"):
        return Proposal(post, False)
    if post.status != PostStatus.DRAFT or drafts.edited_by(post) is not None:
        raise Conflict(f"Only a draft can be proposed; this post is {post.status}.")
    wish = drafts.wish_of(post)
    files = media_service.files(core, actor, list(wish.media_ids))
    chosen = posts.passed(core, actor, wish, but=(post_id,))
    wish = cards.pinned(core, wish, chosen)
    advice = review_gate.judged(core, actor, wish, chosen, files, review_gate.approval_of(post))
    if _unasked(core, actor) and (advice.review.passes or advice.waits):
        return Proposal(drafts.submit(core, actor, post_id, [post.version], mark, judged=(advice, wish)), True)
    now = core.clock.now()
    with core.db.write() as conn:
        by = token_limits.called(conn, actor, now)
        advice = replace(advice, review=review_gate.as_proposed(advice.review, by), waits=False)
        media_service.refuse_described(conn, actor.space, files)
        token_limits.refuse_accounts(conn, actor, wish.account_ids, now)
        users.lock(conn, actor.space)
        _refuse_flood(conn, actor)
        told = review_gate.advice_columns(core, advice, post.ai_suggestions)
        kept = drafts.put_in_review(core, conn, post, wish, chosen, _told(actor, by), **told)
        _tell(core, conn, actor, kept, by)
        mark(conn, post_id)
        return Proposal(kept, True)


@permits.needs("posts:propose")
def withdraw(core: Core, actor: Actor, post_id: int, versions: Versions = None) -> None:
    """Take back what nobody has decided about yet. Raises NotFound, Stale or Conflict (it is no proposal any more)."""
    post = drafts.get(core, actor, post_id, versions)
    if post.status != PostStatus.REVIEW or not post.options.get("proposed"):
        raise Conflict("This is no proposal that waits for a person; ask a person to cancel it.")
    drafts.delete(core, actor, post_id, [post.version])


def _key_of(actor: Actor, new: NewPost) -> str:
    beside = [new.at.isoformat() if new.at else "", new.language, new.late_minutes, repr(new.criteria)]
    beside += [repr(new.card)] if new.card else []  # without, what was proposed before is still the same
    told = f"{actor.via.id}\x1f{review_gate.digest(new)}\x1f{beside}"
    return "p:" + hashlib.sha256(told.encode()).hexdigest()[:38]


def _unasked(core: Core, actor: Actor) -> bool:
    """Whether a person has switched that on for the token."""
    with core.db.read() as conn:
        limits = token_limits.of(conn, actor, core.clock.now())
    return limits is not None and limits.unasked and actor.via.allows("posts:publish")


def _told(actor: Actor, by: str) -> dict[str, Any]:
    """What is noted of the proposer with the post."""
    return {"by": by, "user": actor.user, "token": actor.via.id if actor.via.is_token else 0}


def _refuse_flood(conn: Connection, actor: Actor) -> None:
    """Nobody can read a hundred proposals. Call it where the space is locked. Raises Conflict."""
    if not actor.via.is_token:
        return
    waiting = post_storage.in_status(conn, actor.space, (PostStatus.REVIEW,), _LOOKED_AT)
    mine = sum((one.options.get("proposed") or {}).get("token") == actor.via.id for one in waiting)
    if mine >= MOST_WAITING:
        raise Conflict(
            f"{MOST_WAITING} proposals of this token wait for a person already; wait until they are decided."
        )


def _tell(core: Core, conn: Connection, actor: Actor, post: Post, by: str) -> None:
    alert_log.add(
        conn,
        user_id=actor.space,
        post_id=post.id,
        delivery_id=None,
        type=AlertType.WARNING,
        message=f"{by} proposes a post. Read it and decide whether it is published.",
        dedupe_key=f"post:{post.id}:proposed:{post.version}",  # a refused one may be proposed again
        now=core.clock.now(),
        kind=AlertKind.REVIEW,
        subject=drafts.review_subject(post.id),
    )
