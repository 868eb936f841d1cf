"""The review that stands between writing and planning: nothing is planned that was not clearly passed, by rules (and a
model, where one is set up) or by a person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from postprober.agent.brief import Brief, Picture, Target
from postprober.agent.review import review as by_rules_only
from postprober.clock import utc_iso
from postprober.domain.advice import Advice, Review
from postprober.domain.limits import LIMITS
from postprober.domain.platform import Platform
from postprober.services import media as media_service
from postprober.services.core import Core
from postprober.storage.records import Account

if TYPE_CHECKING:
    from postprober.services.posts import NewPost

__all__ = ["PAUSE", "advice_columns", "digest", "first_word", "judged"]
PAUSE = timedelta(seconds=4)  # ours: drafts are kept as one types, and a model is paid for each question


def judged(core: Core, user_id: int, new: NewPost, chosen: Sequence[Account], approved: str = "") -> Advice:
    """The review of what is about to be planned; the suggestions follow later. `approved`: digest of what a person has
    approved. May ask a model (time limit), so never call it inside a transaction."""
    brief = _brief(core, user_id, new, chosen)
    if approved and approved == digest(new):
        told = Review("appropriate", ("A person approved it.",), "a person", 1.0)
        return _pending(core, told, "")
    review, note = core.advisor.review(brief)
    return _pending(core, review, note)


def first_word(core: Core, user_id: int, new: NewPost, chosen: Sequence[Account]) -> Advice:
    """What the rules say about a draft, at once; the model is asked later."""
    return _pending(core, by_rules_only(_brief(core, user_id, new, chosen)), "")


def advice_columns(core: Core, advice: Advice, earlier: Any = None) -> dict[str, Any]:
    """Columns of `posts`: what is said now, and that the suggestions are still to be made."""
    kept = replace(advice.after(Advice.from_json(earlier)), pending=True)
    pause = timedelta() if core.advisor.mind is None else PAUSE
    return {"ai_suggestions": kept.to_json(), "advice_at": core.clock.now() + pause}


def digest(new: NewPost) -> str:
    """SHA-256 of everything that a reader will see."""
    variants = {str(account): list(texts) for account, texts in sorted((new.variants or {}).items())}
    seen = [list(new.parts), variants, list(new.media_ids), sorted(new.account_ids)]
    return hashlib.sha256(json.dumps(seen, ensure_ascii=True).encode()).hexdigest()


def _pending(core: Core, review: Review, note: str) -> Advice:
    return Advice(review, (), review.by, note, utc_iso(core.clock.now()), pending=True)


def _brief(core: Core, user_id: int, new: NewPost, chosen: Sequence[Account]) -> Brief:
    """Enough to review: texts and files. Limits and history are not looked at, so nothing is read over the network."""
    files = media_service.files(core, user_id, list(new.media_ids))
    targets = [Target(a.id, a.platform, LIMITS[a.platform], new.texts_for(a.id)) for a in chosen]
    if not targets:
        targets = [Target(None, Platform.LINKEDIN, LIMITS[Platform.LINKEDIN], new.parts)]
    return Brief(tuple(targets), tuple(Picture(f, "") for f in files), core.clock.now(), language=new.language)
