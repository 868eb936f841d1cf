"""Every change of state passes here: the transition, the post's status and the alert are one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postprober.domain.alert import (
    CHANGED,
    LATE,
    LATE_AFTER,
    NOT_PUBLIC,
    RECOVERED,
    AlertKind,
    AlertRule,
    AlertType,
    alert_for,
)
from postprober.domain.delivery import DeliveryState, Proof, end_of
from postprober.domain.platform import NAMES
from postprober.domain.withheld import WORDS, Withheld, told
from postprober.errors import PlatformError, Suspended
from postprober.storage import accounts, alert_log, deliveries, processes, repairs
from postprober.storage.database import Database
from postprober.storage.records import Account, Delivery, PartRecord

# In trouble: the agent says why, and what can be done (pipeline.repair).
TO_DIAGNOSE = frozenset({DeliveryState.FAILED, DeliveryState.HELD, DeliveryState.GHOST})
UNLOCK = "Put the key back into POSTPROBER_VAULT_KEYS and start PostProber again, or reconnect the account."


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
    """`deliveries.change` with everything that has to happen in the same transaction. Ending a thread of which a part is
    out makes it `partial`, whoever ends it. What was told about the state that is left is settled. Raises Conflict."""
    ordered, parts = new, columns.get("parts", delivery.parts)
    new = end_of(ordered, any(part.ref is not None for part in parts))
    if new is DeliveryState.PARTIAL:
        columns = {**columns, **_partly(delivery, parts, now)}
    moved = deliveries.change(conn, delivery, new, reason=reason, now=now, worker=worker, columns=columns)
    if ordered in TO_DIAGNOSE:
        repairs.begin(conn, moved, now)
    elif delivery.state in TO_DIAGNOSE | {DeliveryState.PARTIAL}:
        repairs.supersede(conn, delivery.id, now)
    alert_log.close(conn, _subject(delivery), now)
    rule = alert_for(delivery.state, new)
    if rule is not None:
        _tell(conn, delivery, rule, reason, f"{new.value}:{processes.newest_transition(conn)}", now)
    elif new in (DeliveryState.PUBLISHED, DeliveryState.VERIFIED) and not columns.get("cause"):
        _went_well(conn, delivery, new, reason, now)
    return moved


def _partly(delivery: Delivery, parts: Sequence[PartRecord], now: datetime) -> dict[str, Any]:
    """What is out is watched from now on, and can be opened."""
    first = next(part.ref for part in parts if part.ref is not None)
    return {
        "next_at": now,
        "lease_until": None,
        "remote_id": first.remote_id,
        "url": first.url or delivery.url,
        "readings": 0,
        "absences": 0,
        "proof": Proof.ACCEPTED,
        "unknown_at": None,
    }


def _went_well(conn: Connection, delivery: Delivery, new: DeliveryState, reason: str, now: datetime) -> None:
    """Say that what was told before is over; and say so when it went out late."""
    if alert_log.in_trouble(conn, _subject(delivery)):
        _tell(conn, delivery, RECOVERED, reason, f"{new.value}:{processes.newest_transition(conn)}", now)
    if new is DeliveryState.PUBLISHED and alert_log.has_open(conn, _lock(delivery.account_id)):
        alert_log.close(conn, _lock(delivery.account_id), now)  # account checks may be switched off
    out = delivery.first_byte_at or now
    if new is DeliveryState.PUBLISHED and out - delivery.due_at > LATE_AFTER:
        late = round((out - delivery.due_at).total_seconds() / 60)
        _tell(conn, delivery, LATE, f"It was due {late} minutes earlier.", "late", now)


def _tell(conn: Connection, delivery: Delivery, rule: AlertRule, reason: str, what: str, now: datetime) -> None:
    account = accounts.get(conn, delivery.account_id)
    text = rule.text.format(platform=NAMES[delivery.platform], account=account.account_name, reason=reason)
    subject = _subject(delivery)
    alert_log.add(
        conn,
        user_id=delivery.user_id,
        post_id=delivery.post_id,
        delivery_id=delivery.id,
        type=rule.type,
        message=text.strip(),
        dedupe_key=f"{subject}:{what}",
        now=now,
        kind=rule.kind,
        # A late post leaves nothing open, and neither does a success, which says only that what was told is over.
        subject=subject if rule is not LATE else "",
    )


def drifted(conn: Connection, delivery: Delivery, reason: str, change: int, now: datetime) -> None:
    """A post that was proved is not any more what it was; `change` counts how often that was told."""
    account = accounts.get(conn, delivery.account_id)
    alert_log.close(conn, _subject(delivery), now)  # the news replace what was told before
    alert_log.add(
        conn,
        user_id=delivery.user_id,
        post_id=delivery.post_id,
        delivery_id=delivery.id,
        type=CHANGED.type,
        message=CHANGED.text.format(platform=NAMES[delivery.platform], account=account.account_name, reason=reason),
        dedupe_key=f"{_subject(delivery)}:drift:{change}",
        now=now,
        kind=CHANGED.kind,
        subject=_subject(delivery),
    )


def drift_over(conn: Connection, delivery: Delivery, reason: str, change: int, now: datetime) -> None:
    """It is again what it was: close what was told, and say so."""
    if alert_log.has_open(conn, _subject(delivery)):
        alert_log.close(conn, _subject(delivery), now)
        _tell(conn, delivery, RECOVERED, reason, f"drift:{change}:back", now)


def not_public(conn: Connection, delivery: Delivery, cause: Withheld, now: datetime) -> None:
    """The platform has it and says why the public does not see it; replaces what was told about it before."""
    alert_log.close(conn, _subject(delivery), now)
    if WORDS[cause].tells:
        _tell(conn, delivery, NOT_PUBLIC, told(cause), f"not_public:{cause}:{now.isoformat()}", now)


def acknowledge(conn: Connection, delivery: Delivery, now: datetime) -> None:
    """A person has taken note of the state that it is in: what was told about it is settled. Raises Conflict."""
    deliveries.touch(conn, delivery, now, acknowledged_at=now)
    alert_log.close(conn, _subject(delivery), now)


def _subject(delivery: Delivery) -> str:
    return f"delivery:{delivery.id}"


def account_well(conn: Connection, account: Account, now: datetime) -> None:
    """The account was linked again: close what was told about it."""
    subject = f"account:{account.id}"
    alert_log.close(conn, _lock(account.id), now)
    if alert_log.has_open(conn, subject):
        alert_log.close(conn, subject, now)
        alert_log.add(
            conn,
            user_id=account.user_id,
            post_id=None,
            delivery_id=None,
            type=AlertType.SUCCESS,
            message=f"{NAMES[account.platform]} ({account.account_name}): the account is reconnected. "
            "Waiting posts continue.",
            dedupe_key=f"{subject}:linked:{account.token_version}",
            now=now,
            kind=AlertKind.RECOVERED,
        )


def account_gone(conn: Connection, account_id: int, now: datetime) -> None:
    """The account was disconnected: nothing that was told about it matters any more."""
    alert_log.close(conn, _lock(account_id), now)
    alert_log.close(conn, f"account:{account_id}", now)


def reconnect_needed(conn: Connection, account: Account, error: PlatformError, now: datetime) -> None:
    """Stop the account until a person links it again, and tell them once per token. Does nothing when it was linked
    again or disconnected meanwhile: the refusal is of the old token."""
    current = accounts.get(conn, account.id)
    if not current.is_active or current.token_version != account.token_version:
        return
    closed = isinstance(error, Suspended)
    accounts.write(conn, account.id, status="suspended" if closed else "reconnect", status_reason=error.message)
    advice = "" if closed else "reconnect the account. "
    alert_log.add(
        conn,
        user_id=account.user_id,
        post_id=None,
        delivery_id=None,
        type=AlertType.ERROR,
        message=f"{NAMES[account.platform]} ({account.account_name}): {advice}{error.message}",
        dedupe_key=f"account:{account.id}:reconnect:{account.token_version}",
        now=now,
        kind=AlertKind.RECONNECT,
        subject=f"account:{account.id}",
    )


def tokens_locked(conn: Connection, account: Account, reason: str, now: datetime) -> bool:
    """Tell the person, once a day, that the stored tokens of the account cannot be opened; returns whether it is news."""
    return alert_log.add(
        conn,
        user_id=account.user_id,
        post_id=None,
        delivery_id=None,
        type=AlertType.ERROR,
        message=f"{NAMES[account.platform]} ({account.account_name}): {reason} {UNLOCK}",
        dedupe_key=f"account:{account.id}:locked:{account.token_version}:{now.date()}",
        now=now,
        kind=AlertKind.RECONNECT,
        subject=_lock(account.id),
    )


def tokens_open(db: Database, account: Account, now: datetime) -> None:
    """The tokens could be opened: close what was told about it."""
    with db.read() as conn:  # nearly always there is nothing, and a look at each account must not cost a write
        told = alert_log.has_open(conn, _lock(account.id))
    if told:
        with db.write() as conn:
            alert_log.close(conn, _lock(account.id), now)


def _lock(account_id: int) -> str:
    return f"tokens:{account_id}"


def published_twice(conn: Connection, delivery: Delivery, first: str, second: str, now: datetime) -> None:
    """Two ids are known for one part: never hide it."""
    alert_log.add(
        conn,
        user_id=delivery.user_id,
        post_id=delivery.post_id,
        delivery_id=delivery.id,
        type=AlertType.ERROR,
        message=f"{NAMES[delivery.platform]}: two posts are known for one delivery ({first} and {second}). "
        "Please look and delete one.",
        dedupe_key=f"delivery:{delivery.id}:twice:{second}",
        now=now,
        kind=AlertKind.TWICE,
    )


def belongs_elsewhere(conn: Connection, delivery: Delivery, remote_id: str, owner: int | None, now: datetime) -> None:
    """The platform's word makes a post this delivery's, and another delivery has it: a person has to look."""
    alert_log.add(
        conn,
        user_id=delivery.user_id,
        post_id=delivery.post_id,
        delivery_id=delivery.id,
        type=AlertType.ERROR,
        message=f"{NAMES[delivery.platform]}: the platform named post {remote_id} for this delivery, but it is linked to "
        f"delivery {owner}. Check on {NAMES[delivery.platform]} how many posts there are.",
        dedupe_key=f"delivery:{delivery.id}:elsewhere:{remote_id}"[:120],
        now=now,
        kind=AlertKind.TWICE,
    )


def appeared(conn: Connection, delivery: Delivery, remote_id: str, now: datetime) -> None:
    """What was cancelled is published after all: its answer came late."""
    name = NAMES[delivery.platform]
    alert_log.add(
        conn,
        user_id=delivery.user_id,
        post_id=delivery.post_id,
        delivery_id=delivery.id,
        type=AlertType.ERROR,
        message=f"{name}: a post that you cancelled is published after all ({remote_id}). Delete it on {name} if you do "
        "not want it.",
        dedupe_key=f"delivery:{delivery.id}:appeared:{remote_id}"[:120],
        now=now,
        kind=AlertKind.TWICE,
    )
