"""What the agent says about posts, and what people decide about it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from postprober.agent.brief import Brief, PastPost, Picture, Target
from postprober.domain.actor import Actor, job
from postprober.domain.advice import Advice, Suggestion, cautious
from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.limits import Limits
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict, Forbidden, NotFound, PostProberError
from postprober.services.accounts.accounts import current_limits, owned
from postprober.services.core import Core
from postprober.services.media import media as media_service
from postprober.services.people import permits, token_limits
from postprober.services.posts import cards, drafts, options, review_gate
from postprober.services.posts.posts import NewPost
from postprober.storage import alert_log, history, media, posts
from postprober.storage.loops import each
from postprober.storage.records import Account, Post

log = logging.getLogger("postprober.advice")
_AGAIN = timedelta(minutes=1)
_CLAIM = timedelta(minutes=3)  # ours: longer than the longest time limit of a model; then its process has ended
SIDE_BY_SIDE = 4  # ours: posts that wait for a model at the same time, for each of the scheduler's two jobs
JOB = job("advice")
BEFORE_IT_GOES = timedelta(seconds=30)  # ours: of the last time; longer than a model may usually take
ASK_AGAIN = timedelta(minutes=2)  # ours: a model that was away for one post is asked about it again
_WANTED = frozenset({PostStatus.DRAFT, PostStatus.REVIEW, PostStatus.SCHEDULED})  # what can still be changed


@permits.needs("posts:read")
def of(core: Core, actor: Actor, post_id: int) -> Advice | None:
    """What was said about the post so far; None when nothing was. Raises NotFound."""
    return Advice.from_json(drafts.get(core, actor, post_id).ai_suggestions)


@permits.needs("posts:draft")
def ask(core: Core, actor: Actor, post_id: int) -> Advice:
    """Ask the agent now, and keep its answer; what was decided about earlier suggestions stays decided.

    May ask a model over the network (within its time limit), never inside a transaction. Raises NotFound, Forbidden, or
    Conflict when the post was changed meanwhile.
    """
    post = drafts.get(core, actor, post_id)
    _refuse_token(core, actor, post)
    earlier = Advice.from_json(post.ai_suggestions)
    wish = drafts.wish_of(post)

    def wanted() -> bool:
        with core.db.read() as conn:
            return posts.version(conn, post_id) == post.version

    known = earlier.suggestions if earlier else ()
    brief = brief_of(core, actor, wish)
    if (
        post.status == PostStatus.SCHEDULED
    ):  # judged when it was planned; of two with the same words the first may be out by now
        brief = replace(brief, targets=tuple(replace(one, repeated="") for one in brief.targets))
    made = core.advisor.of(actor.space).advise(brief, wanted, known).after(earlier)
    if earlier is not None and post.options.get("approved") == review_gate.digest(wish):
        made = replace(made, review=earlier.review)  # a person's word stands
    elif post.status == PostStatus.REVIEW and (proposed := post.options.get("proposed")):
        made = replace(made, review=review_gate.as_proposed(made.review, proposed["by"]), waits=False)
    elif post.status != PostStatus.DRAFT:
        made = _as_planned(core, actor, post, earlier, made)
    holds = post.status == PostStatus.SCHEDULED and not made.review.passes
    ends = post.status == PostStatus.REVIEW and earlier is not None and earlier.waits and not made.waits
    again = _next_look(post, core.clock.now()) if made.incomplete and post.status != PostStatus.DRAFT else None
    # Until what follows from it has happened, it is looked at again: this process may end between the two.
    stored, due = (replace(made, waits=ends), core.clock.now() + _AGAIN) if holds or ends else (made, again)
    with core.db.write() as conn:
        if not posts.advise(conn, post_id, post.version, stored.to_json(), advice_at=due):
            raise Conflict("The post was changed while the suggestions were made; ask again.")
    if holds and drafts.hold_for_review(core, post, made.review.reasons, again):
        return made
    if ends:
        _waited(core, post, made)
    if holds or ends:
        with core.db.write() as conn:  # unless it has moved on
            posts.advise(conn, post_id, post.version, made.to_json(), advice_at=again)
    return made


def _refuse_token(core: Core, actor: Actor, post: Post) -> None:
    """Raises Forbidden for a token that may not be used for the post's accounts, or that only drafts where the answer could
    hold up what is planned."""
    if not actor.via.is_token:
        return
    with core.db.read() as conn:
        token_limits.refuse_accounts(conn, actor, drafts.wish_of(post).account_ids, core.clock.now())
    if post.status not in drafts.UNSENT:
        permits.need_of_token(actor, "posts:publish")


def _next_look(post: Post, now: datetime) -> datetime:
    """When a model that was away is asked about a planned post again: soon, and once more before it goes out."""
    again = now + ASK_AGAIN
    last = post.scheduled_at - BEFORE_IT_GOES if post.scheduled_at else again
    return last if now < last < again else again


def _as_planned(core: Core, actor: Actor, post: Post, earlier: Advice | None, made: Advice) -> Advice:
    """What a new look means for a post that is planned, or waits to be.

    A look at which not everybody answered never lifts an objection. Nor does it take back what is planned already only
    because the model is away just now: waiting for it is asked before a post is planned.
    """
    if post.status == PostStatus.REVIEW and earlier is not None and earlier.waits:
        return review_gate.held_back(core, actor, made)  # whether it still waits is the space's to say
    if made.incomplete and earlier is not None and not earlier.review.passes:
        return replace(made, review=cautious([earlier.review, made.review]))
    return review_gate.held_back(core, actor, made) if post.status == PostStatus.REVIEW else made


def _waited(core: Core, post: Post, made: Advice) -> None:
    """The model has answered about a post that waited for it. One that passes is planned as its author asked, whoever asked
    the model again, so their token neither bounds nor pays for it; where that cannot be (it does not pass, its time is over,
    an account is gone) the author is told."""
    if not made.review.passes or post.options.get("proposed"):
        _tell(core, post, f"Post {post.id} waits for your review. {' '.join(made.review.reasons)}")
        return
    try:
        drafts.submit(core, permits.actor(core, post.user_id, JOB), post.id, frozenset({post.version}))
    except Conflict:
        return  # somebody else was faster
    except PostProberError as error:
        _tell(core, post, f"Post {post.id} passed the review, but could not be scheduled: {error.message}")


def _tell(core: Core, post: Post, message: str) -> None:
    with core.db.write() as conn:
        alert_log.add(
            conn,
            user_id=post.user_id,
            post_id=post.id,
            delivery_id=None,
            type=AlertType.WARNING,
            message=message,
            dedupe_key=f"post:{post.id}:waited:{post.version}",
            now=core.clock.now(),
            kind=AlertKind.REVIEW,
            subject=drafts.review_subject(post.id),
        )


@permits.needs("posts:read")
def waits_for_model(core: Core, actor: Actor) -> bool:
    """Whether posts of the person's space wait in review while the model cannot be asked."""
    return review_gate.waits_for_model(core, actor)


def wait_for_model(core: Core, actor: Actor, wait: bool) -> None:
    """An owner decides that for the space. Raises Forbidden."""
    if not permits.as_now(core, actor).owns:
        raise Forbidden("Only an owner decides whether posts wait for the model.")
    review_gate.wait_for_model(core, actor, wait)


def make_pending(core: Core, most: int = 10) -> int:
    """The scheduler's part: suggestions for posts that were written or changed since; returns how many were made. A post
    that cannot be looked at now is tried again in a minute and holds up no other. Several wait for a model side by side,
    and each is claimed first, so that it is asked about once however many do this at the same time."""
    with core.db.read() as conn:
        waiting = posts.without_advice(conn, core.clock.now(), most)
    if core.advisor.language_model is None or len(waiting) < 2:
        return _make(core, waiting)
    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(waiting)), "advice") as threads:
        return sum(threads.map(lambda post: _make(core, [post]), waiting))


def _make(core: Core, waiting: list[Post]) -> int:
    def one(post: Post) -> bool:
        if post.status not in _WANTED:
            _no_more(core, post)
            return False
        if core.advisor.language_model is None:  # quick, and the same however often it is done
            ask(core, permits.actor(core, post.user_id, JOB), post.id)
            return True
        return _claimed(core, post)

    def later(post: Post, error: Exception) -> None:
        gone = isinstance(error, NotFound)  # what is gone stays gone
        _postpone(core, post, None if gone else core.clock.now() + _AGAIN)

    return each(waiting, one, log, "suggestions for a post are made", later)


def _claimed(core: Core, post: Post) -> bool:
    """Ask about a post that nobody else is asking about. Returns whether it was done."""
    now = core.clock.now()
    with core.db.write() as conn:
        if not posts.claim_advice(conn, post, now, now + _CLAIM):
            return False  # somebody else has it, or it was changed
    try:
        ask(core, permits.actor(core, post.user_id, JOB), post.id)
    except Conflict:  # it was changed: the new text has a time of its own, or is due at once
        with core.db.write() as conn:
            posts.free_advice(conn, post, now + _CLAIM, core.clock.now())
        raise
    return True


def _postpone(core: Core, post: Post, until: datetime | None) -> None:
    with core.db.write() as conn:
        posts.postpone_advice(conn, post.id, until)


def _no_more(core: Core, post: Post) -> None:
    """It is on its way or over: the review stays, suggestions would come too late."""
    told = Advice.from_json(post.ai_suggestions)
    stored = replace(told, pending=False).to_json() if told else None
    with core.db.write() as conn:
        posts.advise(conn, post.id, post.version, stored, advice_at=None)


@permits.needs("posts:read")
def preview(core: Core, actor: Actor, new: NewPost) -> Advice:
    """The same for a text that is not stored; nothing is written. Raises NotFound for what is not the user's."""
    return core.advisor.of(actor.space).advise(brief_of(core, actor, new))


@permits.needs("posts:draft")
def accept(core: Core, actor: Actor, post_id: int, suggestion_id: str) -> Post:
    """Put one suggestion into the post. Raises NotFound, Conflict (the text is another by now, or it is too late),
    BadInput (there is nothing to put in) or PreflightFailed."""
    post, advice, chosen = _found(core, actor, post_id, suggestion_id)
    if not chosen.acceptable:
        raise BadInput(chosen.reason, field="suggestion")
    wish = drafts.wish_of(post)
    wish = _described(core, actor, wish, chosen) if chosen.kind == "alt_text" else _with(wish, chosen, core.clock.now())
    changed = drafts.change(core, actor, post_id, wish, frozenset({post.version}))
    fresh = Advice.from_json(changed.ai_suggestions) or advice
    done = replace(fresh, suggestions=tuple(s for s in fresh.suggestions if s.id != chosen.id and not s.decision))
    told = tuple(replace(s, decision="accepted") if s.id == chosen.id else s for s in advice.suggestions)
    kept = tuple(s for s in told if s.decision)
    with core.db.write() as conn:
        done = replace(done, suggestions=(*_still_true(core, done, changed), *kept))
        if not posts.advise(conn, post_id, changed.version, done.to_json()):
            raise Conflict("The post was changed meanwhile; look at it again.")
        return posts.get(conn, post_id)


@permits.needs("posts:draft")
def refuse(core: Core, actor: Actor, post_id: int, suggestion_id: str) -> Advice:
    """Remember that a person does not want it; it is not proposed again. Raises NotFound, Forbidden or Conflict."""
    post, advice, chosen = _found(core, actor, post_id, suggestion_id)
    _refuse_token(core, actor, post)
    done = advice.decided(chosen.id, "refused")
    with core.db.write() as conn:
        if not posts.advise(conn, post_id, post.version, done.to_json()):
            raise Conflict("The post was changed meanwhile; look at it again.")
    return done


@permits.needs("posts:approve")
def intend(core: Core, actor: Actor, post_id: int, kind: str, piece: str) -> Advice:
    """A person says that what the review found is meant: on the accounts of this post the same piece raises no doubt from
    now on, in no post. Returns the review without it; the post stays where it is.

    Raises NotFound, BadInput (a secret or a card cannot be meant; no account is chosen), or Conflict as `ask` does.
    """
    post = drafts.get(core, actor, post_id)
    told = Advice.from_json(post.ai_suggestions)
    found = [one for one in (told.review.details if told else ()) if (one.kind, one.piece) == (kind, piece)]
    if not found:
        raise NotFound("The review has no such reason; read it again.")
    if not found[0].can_be_intended:
        raise BadInput("This cannot be marked as intended. Take it out, or approve the post.", field="kind")
    accounts = drafts.wish_of(post).account_ids
    if not accounts:
        raise BadInput(
            "Choose the accounts first: what is intended is remembered for each account.", field="account_ids"
        )
    with core.db.write() as conn:
        for account_id in accounts:
            review_gate.remember_intended(conn, actor, account_id, found[0], core.clock.now())
    return ask(core, actor, post_id)


@permits.needs("posts:approve")
def decide_review(core: Core, actor: Actor, post_id: int, approve: bool, version: int | None = None) -> Post:
    """A person decides about a post in review: approved, it is checked and planned; otherwise it is a draft again.
    `version`: of the post as the person has read it, None for whichever it is.

    Raises NotFound, Stale, Conflict (it is not in review) or PreflightFailed.
    """
    post = drafts.get(core, actor, post_id, None if version is None else [version])
    if post.status != PostStatus.REVIEW:
        raise Conflict(f"This post does not wait for a review; it is {post.status}.")
    if approve:
        return drafts.submit(core, actor, post_id, frozenset({post.version}), approved=True)
    return drafts.back_to_draft(core, post)


@permits.needs("posts:read")
def brief_of(core: Core, actor: Actor, new: NewPost) -> Brief:
    """The facts about a post for the agent, times in the zone of whoever asks. Reads the platforms' limits, so it may
    use the network."""
    files = media_service.files(core, actor, list(new.media_ids))
    with core.db.read() as conn:
        chosen = [owned(conn, actor.space, account_id) for account_id in new.account_ids]
        names = {record.id: record.name for record in media.get_many(conn, new.media_ids, actor.space)}
    limits = {account.id: current_limits(core, account) for account in chosen}
    with core.db.read() as conn:
        now = core.clock.now()
        targets = tuple(_target(conn, actor, account, limits[account.id], new, now) for account in chosen)
        card = cards.words(conn, new, chosen, now)
    pictures = tuple(Picture(file, names[file.id]) for file in files)
    return Brief(targets or _anywhere(new), pictures, now, actor.zone, new.language, card)


def _anywhere(new: NewPost) -> tuple[Target, ...]:
    """No account was chosen yet."""
    return (review_gate.no_account(new),)


def _target(conn: Connection, actor: Actor, account: Account, limits: Limits, new: NewPost, now: datetime) -> Target:
    past = tuple(PastPost(row.published_at, row.total) for row in history.at_a_day(conn, account.id))
    texts, asked = new.texts_for(account.id), options.stored_for(account, new.options)
    repeated, intended = review_gate.known_of(conn, actor, account.id, texts, now)
    return Target(account.id, account.platform, limits, texts, past, repeated, intended, asked)


def _found(core: Core, actor: Actor, post_id: int, suggestion_id: str) -> tuple[Post, Advice, Suggestion]:
    post = drafts.get(core, actor, post_id)
    advice = Advice.from_json(post.ai_suggestions)
    chosen = advice.find(suggestion_id) if advice else None
    if advice is None or chosen is None:
        raise NotFound(f"There is no suggestion {suggestion_id} for post {post_id}.")
    if chosen.decision:
        raise Conflict(f"This suggestion was {chosen.decision} already.")
    return post, advice, chosen


def _with(wish: NewPost, chosen: Suggestion, now: datetime) -> NewPost:
    """The post with the suggestion in it. Raises Conflict when its text is not the one that was looked at, or its time
    has passed."""
    if chosen.kind == "time":
        if not chosen.in_time(now):
            raise Conflict("This time has passed; get new suggestions.")
        return replace(wish, at=datetime.fromisoformat(chosen.at or ""))
    before = wish.texts_for(chosen.account_id) if chosen.account_id is not None else wish.parts
    if tuple(before) != chosen.before:
        raise Conflict("The text was changed since this was suggested; ask for new suggestions.")
    if chosen.account_id is None:
        return replace(wish, parts=chosen.after)
    return replace(wish, variants={**(wish.variants or {}), chosen.account_id: chosen.after})


def _described(core: Core, actor: Actor, wish: NewPost, chosen: Suggestion) -> NewPost:
    """The post with the picture described: a copy of it, so that no other post changes and a planned one is reviewed
    again like any other change of what readers get."""
    if chosen.media_id not in wish.media_ids:
        raise Conflict("This picture is no longer part of the post.")
    fresh = media_service.copy(core, actor, chosen.media_id, chosen.after[0])
    return replace(wish, media_ids=tuple(fresh if one == chosen.media_id else one for one in wish.media_ids))


def _still_true(core: Core, advice: Advice, post: Post) -> tuple[Suggestion, ...]:
    """Suggestions that still rest on the texts and files that the post has now."""
    wish = drafts.wish_of(post)
    kept: list[Any] = []
    for item in advice.suggestions:
        if item.kind in ("alt_text", "time"):
            if item.in_time(core.clock.now()):
                kept.append(item)
            continue
        now = wish.texts_for(item.account_id) if item.account_id is not None else wish.parts
        if tuple(now) == item.before:
            kept.append(item)
    return tuple(kept)
