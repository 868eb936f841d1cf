"""A delivery that failed is edited by a user."""

from __future__ import annotations

from collections.abc import Sequence

from postprober.domain.actor import Actor
from postprober.domain.delivery import UNFINISHED, DeliveryState
from postprober.domain.retry import one_more
from postprober.errors import BadInput, Conflict, NotFound
from postprober.pipeline.core import transitions
from postprober.services.accounts.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits, token_limits
from postprober.services.posts import drafts, gate, posts
from postprober.services.posts.posts import with_handles
from postprober.storage import deliveries
from postprober.storage import posts as post_storage
from postprober.storage.records import Delivery

S = DeliveryState


@permits.needs("posts:publish")
def rewrite(
    core: Core, actor: Actor, delivery_id: int, texts: Sequence[str], approved: str = "", mark: Mark = no_mark
) -> None:
    """Send a failed delivery again with other words. Parts of a thread that are out already must stay as they are.
    `approved`: the digest of a ReviewNeeded, when a person approves the words that it was about.

    Raises NotFound, Forbidden, Conflict (it is no longer failed), ReviewNeeded, BadInput or PreflightFailed; then
    nothing was written.
    """
    delivery = _failed(core, actor, delivery_id)
    out = [part.text for part in delivery.parts if part.ref is not None]
    if list(texts[: len(out)]) != out:
        raise BadInput("Parts that are published already cannot be changed here.", field="text")
    with core.db.read() as conn:
        post = post_storage.get(conn, delivery.post_id, actor.space)
        account = owned(conn, actor.space, delivery.account_id)
        token_limits.refuse_accounts(conn, actor, [account.id], core.clock.now())
        gate.refuse_doubt(conn, delivery)
    alone = gate.alone(drafts.wish_of(post), delivery, tuple(texts))
    _, alone = gate.passed(core, actor, alone, approved, but=(post.id,))
    with core.db.read() as conn:
        new = posts.parts_for(conn, account, alone, core.clock.now())
    new = with_handles(core, account, delivery.key, new, delivery.due_at, before=delivery.parts)
    kept = tuple(part for part in delivery.parts if part.ref is not None)
    now = core.clock.now()
    with core.db.write() as conn:
        post_storage.lock(conn, post.id)
        gate.refuse_doubt(conn, delivery)
        transitions.move(
            conn,
            delivery,
            S.SCHEDULED,
            reason=f"edited by {permits.name_of(conn, actor)}",
            now=now,
            next_at=now,
            due_at=now,
            tries=one_more(delivery.tries),
            crashes=0,
            parts=(*kept, *new[len(kept) :]),
        )
        options = {**post.options, "variants": {str(a): list(t) for a, t in (alone.variants or {}).items()}}
        if not post_storage.edit(conn, post.id, post.version, now, options=options):
            raise Conflict("This post was changed meanwhile; look at it again.")
        mark(conn, delivery_id)


def _failed(core: Core, actor: Actor, delivery_id: int) -> Delivery:
    with core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
    if delivery.user_id != actor.space:
        raise NotFound(f"There is no delivery {delivery_id}.")
    if delivery.state not in UNFINISHED:
        raise Conflict(f"This one is no longer failed; it is {delivery.state.value}.")
    return delivery
