"""Every change of state passes here: the transition, the post's status and the alert are one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postprober.domain.alert import AlertType, alert_for
from postprober.domain.delivery import DeliveryState, alters_post, post_status
from postprober.domain.platform import NAMES
from postprober.storage import accounts, deliveries, logs, posts, processes, repairs
from postprober.storage.records import Account, Delivery

# In trouble: the agent says why, and what can be done (pipeline.repair).
TO_DIAGNOSE = frozenset({DeliveryState.FAILED, DeliveryState.HELD, DeliveryState.GHOST})


def move(
    conn: Connection,
    delivery: Delivery,
    new: DeliveryState,
    *,
    reason: str,
    now: datetime,
    worker: str = "",
    **columns: Any,
) -> Delivery:
    """`deliveries.change` with everything that has to happen in the same transaction. Raises Conflict."""
    moved = deliveries.change(conn, delivery, new, reason=reason, now=now, worker=worker, columns=columns)
    if alters_post(delivery.state, new):
        refresh_post(conn, delivery.post_id, now)
    if new in TO_DIAGNOSE:
        repairs.begin(conn, moved, now)
    elif delivery.state in TO_DIAGNOSE:
        repairs.supersede(conn, delivery.id, now)
    rule = alert_for(delivery.state, new)
    if rule is not None:
        account = accounts.get(conn, delivery.account_id)
        text = rule.text.format(platform=NAMES[delivery.platform], account=account.account_name, reason=reason)
        key = f"delivery:{delivery.id}:{new.value}:{processes.newest_transition(conn)}"
        logs.alert(
            conn, user_id=delivery.user_id, post_id=delivery.post_id, delivery_id=delivery.id, type=rule.type,
            message=text.strip(), dedupe_key=key, now=now,
        )  # fmt: skip
    return moved


def refresh_post(conn: Connection, post_id: int, now: datetime) -> None:
    """Bring `posts.status` in line with the post's deliveries."""
    posts.lock(conn, post_id)
    posts.set_status(conn, post_id, post_status(deliveries.states_of_post(conn, post_id)), now)


def reconnect_needed(conn: Connection, account: Account, reason: str, now: datetime) -> None:
    """Stop the account until a person links it again, and tell them once per token. Does nothing when it was linked
    again meanwhile: the refusal is of the old token."""
    if accounts.get(conn, account.id).token_version != account.token_version:
        return
    accounts.write(conn, account.id, status="reconnect", status_reason=reason)
    logs.alert(
        conn, user_id=account.user_id, post_id=None, delivery_id=None, type=AlertType.ERROR,
        message=f"{NAMES[account.platform]} ({account.account_name}): link the account again. {reason}",
        dedupe_key=f"account:{account.id}:reconnect:{account.token_version}", now=now,
    )  # fmt: skip


def published_twice(conn: Connection, delivery: Delivery, first: str, second: str, now: datetime) -> None:
    """Two ids are known for one part: never hide it."""
    logs.alert(
        conn, user_id=delivery.user_id, post_id=delivery.post_id, delivery_id=delivery.id, type=AlertType.ERROR,
        message=f"{NAMES[delivery.platform]}: two posts are known for one delivery ({first} and {second}). "
        "Please look and delete one.",
        dedupe_key=f"delivery:{delivery.id}:twice:{second}", now=now,
    )  # fmt: skip
