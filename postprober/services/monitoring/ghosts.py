"""What a person does about a post that its platform accepted and nobody can see: check again, publish it again as a new
delivery with the risk said, or acknowledge it."""

from __future__ import annotations

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.domain.delivery import DeliveryState
from postprober.errors import BadInput, Conflict, NotFound
from postprober.pipeline.core import transitions
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits, token_limits
from postprober.services.posts import drafts, gate
from postprober.services.posts.posts import plan
from postprober.storage import accounts, deliveries, users
from postprober.storage import posts as post_storage
from postprober.storage.records import Account, Delivery

S = DeliveryState
RISK = "The first post may become visible later. Then both can be seen."


@permits.needs("posts:publish")
def check_again(core: Core, actor: Actor, delivery_id: int, mark: Mark = no_mark) -> None:
    """Read it now instead of at its next time; nothing is sent. Raises NotFound or Conflict."""
    now = core.clock.now()
    with core.db.write() as conn:
        ghost = _ghost(core, conn, actor, delivery_id)
        _linked(conn, ghost)
        deliveries.touch(conn, ghost, now, next_at=now)
        mark(conn, delivery_id)


@permits.needs("posts:publish")
def acknowledge(core: Core, actor: Actor, delivery_id: int, mark: Mark = no_mark) -> None:
    """A person has taken note: it needs nobody any more, until something else happens to it. It is still checked from
    time to time. Raises NotFound or Conflict."""
    with core.db.write() as conn:
        transitions.acknowledge(conn, _ghost(core, conn, actor, delivery_id), core.clock.now())
        mark(conn, delivery_id)


@permits.needs("posts:publish")
def publish_again(
    core: Core, actor: Actor, delivery_id: int, *, risk_accepted: bool, approved: str = "", mark: Mark = no_mark
) -> None:
    """Publish the same words once more, as a new delivery with a key and handles of its own; the invisible one is
    acknowledged and never sent again. `risk_accepted`: the person knows that both may become visible.

    Raises NotFound, BadInput (the risk was not accepted), PreflightFailed, ReviewNeeded or Conflict, also when it was
    published again already.
    """
    if not risk_accepted:
        raise BadInput(f"{RISK} Confirm that you accept this.", field="risk_accepted")
    with core.db.read() as conn:
        ghost = _ghost(core, conn, actor, delivery_id)
        post = post_storage.get(conn, ghost.post_id, actor.space)
    wish = drafts.wish_of(post)
    again = gate.alone(wish, ghost, tuple(part.text for part in ghost.parts))
    (account,), again = gate.passed(core, actor, again, approved, but=(post.id,))
    now = core.clock.now()
    with core.db.write() as conn:
        users.lock(conn, actor.space)
        post_storage.lock(conn, post.id)
        ghost = _ghost(core, conn, actor, delivery_id)
        _linked(conn, ghost)
        if any(_replaces(one, ghost) for one in deliveries.of_post(conn, post.id)):
            raise Conflict("This post was published again already.")
        transitions.acknowledge(conn, ghost, now)
        token_limits.spend(conn, actor, [account.id], now)
        plan(core, conn, post.id, account, again, now, by=permits.name_of(conn, actor))
        deliveries.refresh_post(conn, post.id, now)
        mark(conn, delivery_id)


def _replaces(one: Delivery, ghost: Delivery) -> bool:
    return one.account_id == ghost.account_id and one.id > ghost.id and one.state is not S.CANCELLED


def _ghost(core: Core, conn: Connection, actor: Actor, delivery_id: int) -> Delivery:
    delivery = deliveries.get(conn, delivery_id)
    if delivery.user_id != actor.space:
        raise NotFound(f"There is no delivery {delivery_id}.")
    token_limits.refuse_accounts(conn, actor, [delivery.account_id], core.clock.now())
    if delivery.state is not S.GHOST:
        raise Conflict(f"Delivery {delivery_id} is {delivery.state.value}; this is for posts that are not visible.")
    return delivery


def _linked(conn: Connection, delivery: Delivery) -> None:
    account: Account = accounts.get(conn, delivery.account_id)
    if not account.is_active:
        raise Conflict("The account is disconnected. Reconnect it first.")
