"""What the agent says about posts, and what people decide about it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from postprober.agent.brief import Brief, PastPost, Picture, Target
from postprober.domain.advice import Advice, Suggestion
from postprober.domain.limits import LIMITS, Limits
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict, NotFound, PlatformError, PostProberError
from postprober.pipeline.credentials import open_credentials
from postprober.services import drafts, permits, reviewing
from postprober.services import media as media_service
from postprober.services.accounts import owned
from postprober.services.core import Core
from postprober.services.posts import NewPost
from postprober.storage import history, media, posts, users
from postprober.storage.records import Account, Post

log = logging.getLogger("postprober.advice")
_AGAIN = timedelta(minutes=1)
_WANTED = frozenset({PostStatus.DRAFT, PostStatus.REVIEW, PostStatus.SCHEDULED})  # what can still be changed


@permits.asks("posts:read")
def of(core: Core, user_id: int, post_id: int) -> Advice | None:
    """What was said about the post so far; None when nothing was. Raises NotFound."""
    return Advice.from_json(drafts.get(core, user_id, post_id).ai_suggestions)


@permits.asks("posts:write")
def ask(core: Core, user_id: int, post_id: int) -> Advice:
    """Ask the agent now, and keep its answer; what was decided about earlier suggestions stays decided.

    May ask a model over the network (within its time limit), never inside a transaction. Raises NotFound, or Conflict
    when the post was changed meanwhile.
    """
    post = drafts.get(core, user_id, post_id)
    earlier = Advice.from_json(post.ai_suggestions)
    wish = drafts.wish_of(post)
    made = core.advisor.advise(brief_of(core, user_id, wish)).after(earlier)
    if earlier is not None and post.options.get("approved") == reviewing.digest(wish):
        made = replace(made, review=earlier.review)  # a person's word stands
    with core.db.write() as conn:
        if not posts.advise(conn, post_id, post.version, made.to_json()):
            raise Conflict("The post was changed while the suggestions were made; ask again.")
    if post.status == PostStatus.SCHEDULED and not made.review.passes:
        drafts.hold_for_review(core, post, made.review.reasons)
    return made


def make_pending(core: Core, most: int = 10) -> int:
    """The scheduler's part: suggestions for posts that were written or changed since; returns how many were made. A post
    that cannot be looked at now is tried again in a minute and holds up no other."""
    with core.db.read() as conn:
        waiting = posts.without_advice(conn, core.clock.now(), most)
    made = 0
    for post in waiting:
        try:
            if post.status not in _WANTED:
                _no_more(core, post)
                continue
            ask(core, post.user_id, post.id)
            made += 1
        except Conflict:
            continue  # changed meanwhile: the next round looks at the new text
        except PostProberError as error:
            log.warning("no suggestions for post %s: %s", post.id, error)
            again = None if isinstance(error, NotFound) else core.clock.now() + _AGAIN  # what is gone stays gone
            with core.db.write() as conn:
                posts.postpone_advice(conn, post.id, again)
    return made


def _no_more(core: Core, post: Post) -> None:
    """It is on its way or over: the review stays, suggestions would come too late."""
    told = Advice.from_json(post.ai_suggestions)
    stored = replace(told, pending=False).to_json() if told else None
    with core.db.write() as conn:
        posts.advise(conn, post.id, post.version, stored)


@permits.asks("posts:read")
def preview(core: Core, user_id: int, new: NewPost) -> Advice:
    """The same for a text that is not stored; nothing is written. Raises NotFound for what is not the user's."""
    return core.advisor.advise(brief_of(core, user_id, new))


@permits.asks("posts:write")
def accept(core: Core, user_id: int, post_id: int, suggestion_id: str) -> Post:
    """Put one suggestion into the post. Raises NotFound, Conflict (the text is another by now, or it is too late),
    BadInput (there is nothing to put in) or PreflightFailed."""
    post, advice, chosen = _found(core, user_id, post_id, suggestion_id)
    if not chosen.acceptable:
        raise BadInput(chosen.reason, field="suggestion")
    if chosen.kind == "alt_text":
        _describe(core, user_id, post, chosen)
        changed = post
    else:
        wish = _with(drafts.wish_of(post), chosen)
        changed = drafts.change(core, user_id, post_id, wish, frozenset({post.version}))
    fresh = Advice.from_json(changed.ai_suggestions) or advice
    done = replace(fresh, suggestions=tuple(s for s in fresh.suggestions if s.id != chosen.id and not s.decision))
    told = tuple(replace(s, decision="accepted") if s.id == chosen.id else s for s in advice.suggestions)
    kept = tuple(s for s in told if s.decision)
    with core.db.write() as conn:
        done = replace(done, suggestions=(*_still_true(core, done, changed), *kept))
        if not posts.advise(conn, post_id, changed.version, done.to_json()):
            raise Conflict("The post was changed meanwhile; look at it again.")
        return posts.get(conn, post_id)


@permits.asks("posts:write")
def refuse(core: Core, user_id: int, post_id: int, suggestion_id: str) -> Advice:
    """Remember that a person does not want it; it is not proposed again. Raises NotFound or Conflict."""
    post, advice, chosen = _found(core, user_id, post_id, suggestion_id)
    done = advice.decided(chosen.id, "refused")
    with core.db.write() as conn:
        if not posts.advise(conn, post_id, post.version, done.to_json()):
            raise Conflict("The post was changed meanwhile; look at it again.")
    return done


@permits.asks("posts:write")
def decide_review(core: Core, user_id: int, post_id: int, approve: bool) -> Post:
    """A person decides about a post in review: approved, it is checked and planned; otherwise it is a draft again.

    Raises NotFound, Conflict (it is not in review) or PreflightFailed.
    """
    post = drafts.get(core, user_id, post_id)
    if post.status != PostStatus.REVIEW:
        raise Conflict(f"This post does not wait for a review; it is {post.status}.")
    if approve:
        return drafts.submit(core, user_id, post_id, frozenset({post.version}), approved=True)
    return drafts.back_to_draft(core, post)


@permits.asks("posts:read")
def brief_of(core: Core, user_id: int, new: NewPost) -> Brief:
    """The facts about a post for the agent. Reads the platforms' limits, so it may use the network."""
    files = media_service.files(core, user_id, list(new.media_ids))
    with core.db.read() as conn:
        chosen = [owned(conn, user_id, account_id) for account_id in new.account_ids]
        names = {record.id: record.name for record in media.get_many(conn, new.media_ids, user_id)}
        zone = users.get(conn, user_id).zone
    limits = {account.id: _limits(core, account) for account in chosen}
    with core.db.read() as conn:
        targets = tuple(_target(conn, account, limits[account.id], new) for account in chosen)
    pictures = tuple(Picture(file, names[file.id]) for file in files)
    return Brief(targets or _anywhere(new), pictures, core.clock.now(), zone, new.language)


def _anywhere(new: NewPost) -> tuple[Target, ...]:
    """No account was chosen yet: the review needs a text, and the strictest limits harm nobody."""
    return (Target(None, Platform.LINKEDIN, LIMITS[Platform.LINKEDIN], new.parts),)


def _limits(core: Core, account: Account) -> Limits:
    cred = open_credentials(core.vault, account)
    adapter = core.adapter(account.platform, cred)
    try:
        return adapter.limits(cred)
    except PlatformError:
        return adapter.limits(None)


def _target(conn: Connection, account: Account, limits: Limits, new: NewPost) -> Target:
    past = tuple(PastPost(row.published_at, row.total) for row in history.reached(conn, account.id))
    return Target(account.id, account.platform, limits, new.texts_for(account.id), past)


def _found(core: Core, user_id: int, post_id: int, suggestion_id: str) -> tuple[Post, Advice, Suggestion]:
    post = drafts.get(core, user_id, post_id)
    advice = Advice.from_json(post.ai_suggestions)
    chosen = advice.find(suggestion_id) if advice else None
    if advice is None or chosen is None:
        raise NotFound(f"There is no suggestion {suggestion_id} for post {post_id}.")
    if chosen.decision:
        raise Conflict(f"This suggestion was {chosen.decision} already.")
    return post, advice, chosen


def _with(wish: NewPost, chosen: Suggestion) -> NewPost:
    """The post with the suggestion in it. Raises Conflict when its text is not the one that was looked at."""
    if chosen.kind == "time":
        return replace(wish, at=datetime.fromisoformat(chosen.at or ""))
    before = wish.texts_for(chosen.account_id) if chosen.account_id is not None else wish.parts
    if tuple(before) != chosen.before:
        raise Conflict("The text was changed since this was suggested; ask for new suggestions.")
    if chosen.account_id is None:
        return replace(wish, parts=chosen.after)
    return replace(wish, variants={**(wish.variants or {}), chosen.account_id: chosen.after})


def _describe(core: Core, user_id: int, post: Post, chosen: Suggestion) -> None:
    ids = drafts.wish_of(post).media_ids
    if post.status not in (*drafts.UNSENT, PostStatus.SCHEDULED) or chosen.media_id not in ids:
        raise Conflict("This post is on its way, so its pictures can no longer be described.")
    with core.db.write() as conn:
        media.describe(conn, user_id, chosen.media_id, chosen.after[0])


def _still_true(core: Core, advice: Advice, post: Post) -> tuple[Suggestion, ...]:
    """Suggestions that still rest on the texts and files that the post has now."""
    wish = drafts.wish_of(post)
    kept: list[Any] = []
    for item in advice.suggestions:
        if item.kind in ("alt_text", "time"):
            kept.append(item)
            continue
        now = wish.texts_for(item.account_id) if item.account_id is not None else wish.parts
        if tuple(now) == item.before:
            kept.append(item)
    return tuple(kept)
