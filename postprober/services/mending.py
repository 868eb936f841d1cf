"""A delivery that failed is written anew by a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postprober.domain.delivery import DeliveryState
from postprober.errors import BadInput, Conflict, NotFound
from postprober.pipeline import watch
from postprober.services import drafts, permits, posts
from postprober.services.accounts import owned
from postprober.services.core import Core
from postprober.storage import deliveries
from postprober.storage import posts as post_storage
from postprober.storage.records import Delivery

S = DeliveryState


@permits.asks("posts:write")
def rewrite(core: Core, user_id: int, delivery_id: int, texts: Sequence[str]) -> None:
    """Send a failed delivery again with other words. Parts of a thread that are out already must stay as they are.

    Raises NotFound, Forbidden, Conflict (it is no longer failed), BadInput or PreflightFailed; then nothing was written.
    """
    delivery = _failed(core, user_id, delivery_id)
    out = [part.text for part in delivery.parts if part.ref is not None]
    if list(texts[: len(out)]) != out:
        raise BadInput("Parts that are published already cannot be changed here.", field="text")
    with core.db.read() as conn:
        post = post_storage.get(conn, delivery.post_id, user_id)
        account = owned(conn, user_id, delivery.account_id)
    wish = drafts.wish_of(post)
    variants = {**(wish.variants or {}), account.id: tuple(texts)}
    alone = replace(wish, account_ids=(account.id,), variants=variants, at=None)
    posts.passed(core, user_id, alone)
    new = posts.parts_for(account, alone)
    parts = tuple(old if old.ref is not None else None for old in delivery.parts)
    kept = tuple(part for part in parts if part is not None)
    now = core.clock.now()
    with core.db.write() as conn:
        post_storage.lock(conn, post.id)
        watch.move(
            conn, delivery, S.SCHEDULED, reason="written anew by a person", now=now, next_at=now, due_at=now, tries=0,
            crashes=0, parts=(*kept, *new[len(kept) :]),
        )  # fmt: skip
        options = {**post.options, "variants": {str(a): list(t) for a, t in variants.items()}}
        if not post_storage.edit(conn, post.id, post.version, now, options=options):
            raise Conflict("This post was changed meanwhile; look at it again.")


def _failed(core: Core, user_id: int, delivery_id: int) -> Delivery:
    with core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
    if delivery.user_id != user_id:
        raise NotFound(f"There is no delivery {delivery_id}.")
    if delivery.state is not S.FAILED:
        raise Conflict(f"This one is no longer failed; it is {delivery.state.value}.")
    return delivery
