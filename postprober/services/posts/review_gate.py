"""The review that stands between writing and planning: nothing is planned that was not clearly passed, by rules (and a
model, where one is set up) or by a person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from postprober.agent.brief import Brief, Picture, Target
from postprober.agent.review import review as by_rules_only
from postprober.clock import utc_iso
from postprober.domain.actor import Actor
from postprober.domain.advice import Advice, Reason, Review, intended_as
from postprober.domain.platform import known
from postprober.domain.post import MediaFile
from postprober.platforms.registry import LIMITS
from postprober.services.core import Core
from postprober.services.media import media as media_service
from postprober.services.people import permits
from postprober.services.posts import cards, options, repeats
from postprober.storage import preferences, users
from postprober.storage.records import Account, Post

if TYPE_CHECKING:
    from postprober.services.posts.posts import NewPost

__all__ = [
    "NOT_APPROVED",
    "PAUSE",
    "Approval",
    "advice_columns",
    "approval_of",
    "as_proposed",
    "digest",
    "first_word",
    "held_back",
    "judged",
    "known_of",
    "remember_intended",
    "wait_for_model",
    "waits_for_model",
]
_WAITS = "review:waits_for_model"  # in preferences
_INTENDED = "intended"  # in preferences, with the account and the key of the piece
PAUSE = timedelta(seconds=4)  # ours: drafts are kept as one types, and a model is paid for each question


@dataclass(frozen=True)
class Approval:
    """A person's word for what a reader will see. `by`: id of the person, 0 where that was not noted; `card`: what the pages
    of its links said when the review held it (`card_digest`), "" where they were not read then."""

    digest: str = ""
    by: int = 0
    card: str = ""


NOT_APPROVED = Approval()


def approval_of(post: Post) -> Approval:
    """What was approved of a post, which may be another text by now."""
    return Approval(
        post.options.get("approved", ""), post.options.get("approved_by", 0), post.options.get("card_shown", "")
    )


def _approver(core: Core, approved: Approval) -> str:
    if not approved.by:
        return "A person"
    with core.db.read() as conn:
        return permits.called(users.get(conn, approved.by))


def judged(
    core: Core,
    actor: Actor,
    new: NewPost,
    chosen: Sequence[Account],
    files: Sequence[MediaFile],
    approved: Approval = NOT_APPROVED,
) -> Advice:
    """The review of what is about to be planned; the suggestions follow later. `files`: those of the post as they were
    read; the transaction that plans it refuses others. `approved`: what a person has approved. May ask a model
    (time limit), so never call it inside a transaction."""
    brief = _brief(core, actor, new, chosen, files)
    if approved.digest == digest(new) and (held := _unseen(brief, new, approved)) is not None:
        return _pending(core, held, "")
    if approved.digest == digest(new):
        told = Review("appropriate", (f"{_approver(core, approved)} approved it.",), "a person", None)
        return _pending(core, told, "")
    opinion = core.advisor.of(actor.space).review(brief)
    made = replace(_pending(core, opinion.review, opinion.note), incomplete=opinion.incomplete)
    return held_back(core, actor, made)


def _unseen(brief: Brief, new: NewPost, approved: Approval) -> Review | None:
    """What the rules have against the words of pages that nobody has seen who approved the post; None for nothing."""
    if card_digest(new) in ("", approved.card):
        return None
    bare = tuple(
        replace(one, texts=("Text",), repeated="", options={}) for one in brief.targets
    )  # the rest is approved
    found = by_rules_only(replace(brief, targets=bare, pictures=()))
    return None if found.passes else found


def held_back(core: Core, actor: Actor, made: Advice) -> Advice:
    """The same, unless it passes without the model and the space wants to wait for the model: then it passes later."""
    if not (made.incomplete and made.review.passes and waits_for_model(core, actor)):
        return made
    reason = f"Waiting for the model's review. {made.note} It is checked again automatically; or approve it yourself."
    return replace(made, review=Review("unsure", (reason,), made.review.by, None), waits=True)


def as_proposed(review: Review, by: str) -> Review:
    """The same for a post that somebody proposes: it passes by a person's word only, whatever the review says of it."""
    sentence = f"Proposed by {by}. It is published when a person approves it."
    reasons = () if review.passes else tuple(one for one in review.reasons if one != sentence)
    return replace(review, verdict="unsure" if review.passes else review.verdict, reasons=(sentence, *reasons))


def waits_for_model(core: Core, actor: Actor) -> bool:
    """Whether posts of this space wait in review while the model cannot be asked (off unless somebody turned it on)."""
    with core.db.read() as conn:
        return bool(preferences.get(conn, actor.space, _WAITS))


def wait_for_model(core: Core, actor: Actor, wait: bool) -> None:
    """Turn that on or off for a space."""
    with core.db.write() as conn:
        preferences.put(conn, actor.space, _WAITS, wait)


def remember_intended(conn: Connection, actor: Actor, account_id: int, reason: Reason, now: datetime) -> None:
    """A piece of this kind is meant on this account: from now on it raises no doubt there."""
    key = intended_as(reason.kind, reason.piece)
    told = {"kind": reason.kind, "piece": reason.piece, "by": actor.user, "at": utc_iso(now)}
    preferences.put(conn, actor.space, f"{_INTENDED}:{account_id}:{key}", told)


def known_of(
    conn: Connection, actor: Actor, account_id: int, texts: Sequence[str], now: datetime
) -> tuple[str, frozenset[str]]:
    """(where these texts went out lately, as the end of a sentence; what is intended on the account)"""
    prefix = f"{_INTENDED}:{account_id}:"
    marked = preferences.named(conn, actor.space, prefix)
    repeated = repeats.held(texts, repeats.earlier(conn, account_id, now), now, actor.zone)
    return repeated, frozenset(name.removeprefix(prefix) for name in marked)


def first_word(core: Core, actor: Actor, new: NewPost, chosen: Sequence[Account]) -> Advice:
    """What the rules say about a draft, at once; the model is asked later."""
    files = media_service.files(core, actor, list(new.media_ids))
    return _pending(core, by_rules_only(_brief(core, actor, new, chosen, files)), "")


def advice_columns(core: Core, advice: Advice, earlier: Any = None) -> dict[str, Any]:
    """Columns of `posts`: what is said now, and that the suggestions are still to be made."""
    kept = replace(advice.after(Advice.from_json(earlier)), pending=True)
    pause = timedelta() if core.advisor.language_model is None else PAUSE
    return {"ai_suggestions": kept.to_json(), "advice_at": core.clock.now() + pause}


def digest(new: NewPost) -> str:
    """SHA-256 of everything that a reader will see."""
    variants = {str(account): list(texts) for account, texts in sorted((new.variants or {}).items())}
    seen: list[Any] = [list(new.parts), variants, list(new.media_ids), sorted(new.account_ids)]
    if new.options:  # what was approved before there were any stays approved
        seen.append({target: dict(sorted(values.items())) for target, values in sorted(new.options.items())})
    if new.card:
        seen.append({"card": new.card.to_json()})
    return hashlib.sha256(json.dumps(seen, ensure_ascii=True).encode()).hexdigest()


def card_digest(new: NewPost) -> str:
    """SHA-256 of what the pages of its cards say, "" where they say nothing, or have not been asked."""
    said = [[url, page.title, page.description] for url, page in sorted((new.pages or {}).items()) if not page.problem]
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest() if said else ""


def card_shown(new: NewPost) -> dict[str, str]:
    """The option of a post that waits for a person: which words of pages the review has read, for `Approval.card`."""
    told = card_digest(new)
    return {"card_shown": told} if told else {}


def whole_digest(new: NewPost) -> str:
    """`digest` with what the pages of its cards say."""
    told = card_digest(new)
    return hashlib.sha256(f"{digest(new)} {told}".encode()).hexdigest() if told else digest(new)


def no_account(new: NewPost) -> Target:
    """What stands for the account while none is chosen: the review needs a text, and the widest limits refuse nothing."""
    widest = max(known(), key=lambda platform: LIMITS[platform].max_length)
    return Target(None, widest, LIMITS[widest], new.parts)


def _pending(core: Core, review: Review, note: str) -> Advice:
    return Advice(review, (), review.by, note, utc_iso(core.clock.now()), pending=True)


def _brief(core: Core, actor: Actor, new: NewPost, chosen: Sequence[Account], files: Sequence[MediaFile]) -> Brief:
    """Enough to review: texts, files, and what was published lately. Nothing is read over the network."""
    now = core.clock.now()
    targets = []
    with core.db.read() as conn:
        for one in chosen:
            texts = new.texts_for(one.id)
            repeated, intended = known_of(conn, actor, one.id, texts, now)
            limits, asked = LIMITS[one.platform], options.stored_for(one, new.options)
            targets.append(Target(one.id, one.platform, limits, texts, (), repeated, intended, asked))
    if not targets:
        targets = [no_account(new)]
    pictures = tuple(Picture(f, "") for f in files)
    with core.db.read() as conn:
        card = cards.words(conn, new, chosen, now)
    return Brief(tuple(targets), pictures, now, language=new.language, card=card)
