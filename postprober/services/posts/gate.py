"""The one gate before words are planned for an account, whichever way they come: each platform would take them, the
review passes them or a person has approved exactly them, and nothing of theirs may still appear from an earlier try.

What is new passes it in `posts.create` and `drafts.submit`, where a post that the review holds waits with status
`review`. Words of a delivery that was tried already cannot wait like that, because its post is out in part; there the
caller is told why, and a person may approve these very words by their digest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.errors import Conflict
from postprober.services.core import Core
from postprober.services.media import media as media_service
from postprober.services.people import permits
from postprober.services.posts import cards, options, posts, review_gate
from postprober.services.posts.posts import NewPost
from postprober.services.posts.review_gate import NOT_APPROVED, Approval
from postprober.storage import attempts
from postprober.storage.records import Account, Delivery


class ReviewNeeded(Conflict):
    """The review holds these words. `digest`: of exactly what was reviewed; a person who approves it hands it back."""

    def __init__(self, reasons: tuple[str, ...], digest: str) -> None:
        super().__init__(f"Held for review, nothing was sent: {' '.join(reasons)} Change the text or approve it.")
        self.reasons = reasons
        self.digest = digest


def alone(wish: NewPost, delivery: Delivery, texts: tuple[str, ...]) -> NewPost:
    """What a post says on the account of one of its deliveries, to be sent now."""
    account = delivery.account_id
    variants = {**(wish.variants or {}), account: texts}
    asked = options.of_account(wish.options, account, delivery.platform)
    return replace(wish, account_ids=(account,), variants=variants, at=None, options=asked)


def passed(
    core: Core, actor: Actor, new: NewPost, approved: str = "", *, but: Collection[int] = ()
) -> tuple[list[Account], NewPost]:
    """The accounts of `new`, and `new` with the pages of its cards as they were reviewed, when it may be sent so. `but`: as in `posts.check`. `approved`: digest of what a person has approved. May ask a
    platform for its limits and a model for its opinion, so never inside a transaction.

    Raises PreflightFailed, BadInput, NotFound, ReviewNeeded, or Forbidden (a token approves nothing).
    """
    if approved:
        permits.need_of_token(actor, "posts:approve")
    chosen = posts.passed(core, actor, new, but=but)
    new = cards.pinned(core, new, chosen)
    files = media_service.files(core, actor, list(new.media_ids))  # those of a delivery keep their alt texts
    told = NOT_APPROVED
    if approved and approved in (review_gate.digest(new), review_gate.whole_digest(new)):
        card = review_gate.card_digest(new) if approved == review_gate.whole_digest(new) else ""
        told = Approval(review_gate.digest(new), actor.user, card)
    advice = review_gate.judged(core, actor, new, chosen, files, told)
    if not advice.review.passes:
        raise ReviewNeeded(advice.review.reasons, review_gate.whole_digest(new))
    return chosen, new


def refuse_doubt(conn: Connection, delivery: Delivery) -> None:
    """Other words beside a send that may still arrive are a second post, which a person has to want. Raises Conflict."""
    doubtful = attempts.doubtful_parts(conn, delivery.id)
    if any(part.index in doubtful for part in delivery.parts if part.ref is None):
        raise Conflict(
            "An earlier try of this post got no answer and may still appear, so its words cannot be changed. Try it again "
            "as it is, or write a new post; then both may become visible."
        )
