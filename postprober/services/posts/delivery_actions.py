"""What people decide about deliveries: stop them, send them again, or say what became of a held one."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.domain.delivery import UNFINISHED, DeliveryState
from postprober.domain.retry import one_more
from postprober.errors import Conflict, NotFound
from postprober.pipeline.core import transitions
from postprober.pipeline.publishing.adopt_by_link import adopt_pointed
from postprober.platforms.common.links import MAX_LINK
from postprober.services.accounts.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits, token_limits
from postprober.services.pipeline_context import context_of
from postprober.storage import accounts, deliveries, health, posts
from postprober.storage.records import Delivery

S = DeliveryState
__all__ = ["MAX_LINK", "adopt_held", "cancel", "cancel_one", "look_again", "retry", "retry_one", "send_held"]


@permits.needs("posts:publish")
def cancel(core: Core, actor: Actor, post_id: int) -> int:
    """Stop what has not been sent; returns how many deliveries were cancelled. Raises NotFound or Conflict."""
    stopped = 0
    with core.db.write() as conn:
        posts.get(conn, post_id, actor.space)
        reason = f"cancelled by {permits.name_of(conn, actor)}"
        for delivery in deliveries.of_post(conn, post_id):
            if delivery.state in _STOPPABLE and delivery.unknown_at is None:
                token_limits.refuse_accounts(conn, actor, [delivery.account_id], core.clock.now())
                _stop(conn, delivery, core.clock.now(), reason)
                stopped += 1
    if not stopped:
        raise Conflict("This post can no longer be cancelled: it was sent, or is being sent.")
    return stopped


@permits.needs("posts:publish")
def cancel_one(core: Core, actor: Actor, delivery_id: int, *, not_there: bool = False, mark: Mark = no_mark) -> None:
    """Stop one delivery. `not_there`: the person has looked on the platform, which one whose outcome is unknown needs.
    Raises NotFound or Conflict."""
    with core.db.write() as conn:
        delivery = _one_of(core, conn, actor, delivery_id)
        if delivery.state is S.PARTIAL:
            raise Conflict(
                "The first parts of this thread are published. Publish the rest, or delete them on the platform."
            )
        if delivery.state not in _STOPPABLE:
            raise Conflict(f"Delivery {delivery_id} is {delivery.state.value}; it can no longer be cancelled.")
        if delivery.unknown_at is not None and not (not_there and delivery.state is S.HELD):
            raise Conflict("This may be published already. Check on the platform first, then say whether it is there.")
        reason = f"cancelled by {permits.name_of(conn, actor)}"
        if delivery.unknown_at is not None:
            reason += ", who checked that it was not published"
        _stop(conn, delivery, core.clock.now(), reason)
        mark(conn, delivery_id)


_STOPPABLE = frozenset({S.SCHEDULED, S.WAITING, S.FAILED, S.HELD})


def _stop(conn: Connection, delivery: Delivery, now: datetime, reason: str) -> None:
    transitions.move(conn, delivery, S.CANCELLED, reason=reason, now=now, next_at=None, unknown_at=None)


@permits.needs("posts:publish")
def retry(core: Core, actor: Actor, post_id: int, mark: Mark = no_mark) -> int:
    """Send the failed deliveries again, and what is missing of threads, and only those; returns how many. Those whose
    account is disconnected stay as they are. Raises NotFound or Conflict, also when that is all of them."""
    with core.db.write() as conn:
        posts.get(conn, post_id, actor.space)
        failed = [delivery for delivery in deliveries.of_post(conn, post_id) if delivery.state in UNFINISHED]
        if not failed:
            raise Conflict("Nothing of this post has failed.")
        ready = [delivery for delivery in failed if accounts.get(conn, delivery.account_id).is_active]
        now = core.clock.now()
        token_limits.refuse_accounts(conn, actor, [delivery.account_id for delivery in ready or failed], now)
        for delivery in ready or failed:
            _try_again(conn, actor, delivery, now)
        mark(conn, post_id)
    return len(ready)


@permits.needs("posts:publish")
def retry_one(core: Core, actor: Actor, delivery_id: int, mark: Mark = no_mark) -> None:
    """Send one failed delivery again. Raises NotFound or Conflict."""
    with core.db.write() as conn:
        delivery = _one_of(core, conn, actor, delivery_id)
        if delivery.state not in UNFINISHED:
            raise Conflict(f"Delivery {delivery_id} has not failed; it is {delivery.state.value}.")
        _try_again(conn, actor, delivery, core.clock.now())
        mark(conn, delivery_id)


def _try_again(conn: Connection, actor: Actor, delivery: Delivery, now: datetime) -> None:
    _must_be_linked(conn, delivery)
    transitions.move(
        conn,
        delivery,
        S.SCHEDULED,
        reason=f"retried by {permits.name_of(conn, actor)}",
        now=now,
        next_at=now,
        due_at=now,
        tries=one_more(delivery.tries),
        crashes=0,
    )


@permits.needs("posts:publish")
def send_held(core: Core, actor: Actor, delivery_id: int, mark: Mark = no_mark) -> None:
    """A person says that a held one is not there: send it. Or one that waits for its failing platform: do not wait.
    Raises NotFound or Conflict."""
    now = core.clock.now()
    with core.db.write() as conn:
        waiting = _one_of(core, conn, actor, delivery_id)
        if waiting.state is S.WAITING and health.send_anyway(conn, delivery_id):
            deliveries.touch(conn, waiting, now, next_at=now)
            mark(conn, delivery_id)
            return
        delivery = _held(core, conn, actor, delivery_id)
        _must_be_linked(conn, delivery)
        transitions.move(
            conn,
            delivery,
            S.SCHEDULED,
            reason=f"{permits.name_of(conn, actor)} decided to publish it",
            now=now,
            next_at=now,
            due_at=now,
            unknown_at=None,
            tries=one_more(delivery.tries),
            crashes=0,
            readings=0,
            absences=0,
        )
        mark(conn, delivery_id)


@permits.needs("posts:publish")
def look_again(core: Core, actor: Actor, delivery_id: int, mark: Mark = no_mark) -> None:
    """Look once more whether a held delivery is there. Raises NotFound or Conflict."""
    now = core.clock.now()
    with core.db.write() as conn:
        delivery = _held(core, conn, actor, delivery_id)
        if delivery.unknown_at is None:
            raise Conflict("This one was held before anything was sent; send it or cancel it.")
        _must_be_linked(conn, delivery)
        transitions.move(
            conn,
            delivery,
            S.UNCONFIRMED,
            reason=f"{permits.name_of(conn, actor)} asked to check again",
            now=now,
            next_at=now,
            readings=0,
            absences=0,
        )
        mark(conn, delivery_id)


@permits.needs("posts:publish")
def adopt_held(core: Core, actor: Actor, delivery_id: int, link: str, *, request_id: str = "") -> None:
    """A person says where a held delivery is; `link`: of the post on the platform, or its id there. It is read first,
    and taken only if it is the account's and says what was to be sent.

    Raises NotFound, Conflict (not held), BadInput (not that post) or a PlatformError (it cannot be read now).
    """
    with core.db.read() as conn:
        delivery = _held(core, conn, actor, delivery_id)
        owned(conn, actor.space, delivery.account_id)
        by = permits.name_of(conn, actor)
    adopt_pointed(context_of(core), delivery, link, request_id or uuid.uuid4().hex, by)


def _one_of(core: Core, conn: Connection, actor: Actor, delivery_id: int) -> Delivery:
    delivery = deliveries.get(conn, delivery_id)
    if delivery.user_id != actor.space:
        raise NotFound(f"There is no delivery {delivery_id}.")
    token_limits.refuse_accounts(conn, actor, [delivery.account_id], core.clock.now())
    return delivery


def _must_be_linked(conn: Connection, delivery: Delivery) -> None:
    """Nothing is ordered that could only wait for ever."""
    if not accounts.get(conn, delivery.account_id).is_active:
        raise Conflict("The account is disconnected. Reconnect it first.")


def _held(core: Core, conn: Connection, actor: Actor, delivery_id: int) -> Delivery:
    delivery = _one_of(core, conn, actor, delivery_id)
    if delivery.state is not S.HELD:
        raise Conflict(f"Delivery {delivery_id} is not held; it is {delivery.state.value}.")
    return delivery
