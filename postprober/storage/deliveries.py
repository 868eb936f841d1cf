"""Deliveries: claims, leases and the one function that changes a state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, and_, bindparam, func, insert, literal_column, not_, or_, select, update

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import (
    DUE_TO_FOLLOW,
    DUE_TO_PUBLISH,
    DUE_TO_RECONCILE,
    OCCUPIES_ACCOUNT,
    TRANSITIONS,
    DeliveryState,
    alters_post,
    post_status,
)
from postprober.errors import Conflict, NotFound
from postprober.storage import posts, sql
from postprober.storage.records import NEWEST_KNOWN_POST, Delivery, PartRecord, delivery_of, replace
from postprober.storage.tables import accounts, attempts, deliveries, transitions
from postprober.storage.types import UtcDateTime

S = DeliveryState


def add(
    conn: Connection,
    *,
    post_id: int,
    account_id: int,
    space: int,
    platform: str,
    key: str,
    due_at: datetime,
    parts: Sequence[PartRecord],
    now: datetime,
    reason: str = "",
) -> int:
    """A new scheduled delivery; returns its id."""
    row = conn.execute(
        insert(deliveries).values(
            post_id=post_id,
            account_id=account_id,
            user_id=space,
            platform=platform,
            key=key,
            state=S.SCHEDULED,
            due_at=due_at,
            next_at=due_at,
            parts=[part.to_json() for part in parts],
            created_at=now,
            updated_at=now,
        )
    )
    new_id = sql.new_id(row)
    _record(conn, new_id, post_id, space, None, S.SCHEDULED, reason or "planned", "", now)
    return new_id


def get(conn: Connection, delivery_id: int) -> Delivery:
    """Raises NotFound."""
    row = (
        conn.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
        if sql.is_id(delivery_id)
        else None
    )
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return delivery_of(row)


def of_post(conn: Connection, post_id: int) -> list[Delivery]:
    rows = conn.execute(select(deliveries).where(deliveries.c.post_id == post_id).order_by(deliveries.c.id))
    return [delivery_of(row) for row in rows]


def change(
    conn: Connection,
    delivery: Delivery,
    new: DeliveryState,
    *,
    reason: str,
    now: datetime,
    worker: str = "",
    columns: dict[str, Any] | None = None,
) -> Delivery:
    """Move `delivery` from the state and fence in which it was read to `new`: the only way a state changes.

    Keeps the account occupied exactly while the state says so, appends the transition, and keeps the post's status. `columns`: further columns
    to write. Raises Conflict if the transition is not allowed, or if the delivery moved since it was read (its fence or
    state differs): then nothing was written.
    """
    old = delivery.state
    if new not in TRANSITIONS[old]:
        raise Conflict(f"A delivery that is {old.value} cannot become {new.value}.")
    # A cause, and that a person has taken note, belong to the state that they were written with.
    fresh = {"cause": "", "acknowledged_at": None}
    values = {"state": new, "reason": reason[:2000], "updated_at": now, **fresh, **_planned(columns or {})}
    if "parts" in values:
        values["parts"] = [part.to_json() for part in values["parts"]]
    if not _write(conn, delivery, values):
        raise Conflict(f"Delivery {delivery.id} is no longer {old.value}; read it again.")
    if old in OCCUPIES_ACCOUNT and new not in OCCUPIES_ACCOUNT:
        _release(conn, delivery)
    elif new in OCCUPIES_ACCOUNT and old not in OCCUPIES_ACCOUNT:
        _occupy(conn, delivery)
    _record(conn, delivery.id, delivery.post_id, delivery.user_id, old, new, reason, worker, now)
    if alters_post(old, new):
        refresh_post(conn, delivery.post_id, now)
    return _with(delivery, values | {"parts": (columns or {}).get("parts", delivery.parts)})


def refresh_post(conn: Connection, post_id: int, now: datetime) -> None:
    """Bring `posts.status` in line with the post's deliveries."""
    posts.lock(conn, post_id)
    posts.set_status(conn, post_id, post_status(states_of_post(conn, post_id)), now)


def touch(conn: Connection, delivery: Delivery, now: datetime, **columns: Any) -> Delivery:
    """Write columns without changing the state, under the same condition as `change`. Raises Conflict."""
    columns = _planned(columns)
    parts = columns.get("parts", delivery.parts)
    if "parts" in columns:
        columns["parts"] = [part.to_json() for part in parts]
    if not _write(conn, delivery, {"updated_at": now, **columns}):
        raise Conflict(f"Delivery {delivery.id} moved meanwhile; read it again.")
    return _with(delivery, {**columns, "updated_at": now, "parts": parts})


def _planned(columns: dict[str, Any]) -> dict[str, Any]:
    """A new time without a word about going along is meant exactly."""
    return {"early_at": None, **columns} if "next_at" in columns else columns


def take_beside(
    conn: Connection, delivery: Delivery, *, worker: str, now: datetime, until: datetime, most: int
) -> list[Delivery]:
    """Take the leases of further deliveries of the same account that may be looked at now, those that are due first; none
    that somebody holds. As in `take`, whoever held one before can no longer write."""
    rows = conn.execute(
        _BESIDE, {"b_account": delivery.account_id, "b_id": delivery.id, "now": now, "most": most}
    ).all()
    if not rows:
        return []
    found = [delivery_of(row) for row in rows]
    conn.execute(
        update(deliveries)
        .where(deliveries.c.id.in_([one.id for one in found]))
        .values(lease_owner=worker, lease_until=until, fence=deliveries.c.fence + 1)
    )
    return [_with(one, {"lease_owner": worker, "lease_until": until, "fence": one.fence + 1}) for one in found]


def has_company(conn: Connection, delivery: Delivery) -> bool:
    """Whether further deliveries of its account are followed."""
    others = (deliveries.c.account_id == delivery.account_id, deliveries.c.early_at.is_not(None))
    one = select(deliveries.c.id).where(*others, deliveries.c.id != delivery.id).limit(1)
    return conn.execute(one).first() is not None


def take(
    conn: Connection,
    delivery_id: int,
    *,
    worker: str,
    now: datetime,
    until: datetime,
    only: frozenset[DeliveryState] = DUE_TO_PUBLISH | DUE_TO_RECONCILE | DUE_TO_FOLLOW,
) -> Delivery | None:
    """Take the lease of a due delivery that is in one of the states `only`; None if somebody else was faster or it is
    not due. A delivery due to publish becomes `claimed` and occupies its account; the others keep their state. The
    fence grows by one, so that whoever held the delivery before can no longer write."""
    row = conn.execute(_DUE_BY_ID, {"b_id": delivery_id, "now": now}).one_or_none()
    if row is None:
        return None
    found = delivery_of(row)
    if found.state not in only:
        return None
    lease = {"lease_owner": worker, "lease_until": until, "fence": found.fence + 1}
    if found.state in DUE_TO_PUBLISH:
        if not _free(conn, found, now):
            return None
        return change(conn, found, S.CLAIMED, reason="due", now=now, worker=worker, columns=lease)
    return _with(found, lease) if _write(conn, found, lease) else None


def due(
    conn: Connection, now: datetime, *, publish: int, follow: int
) -> tuple[list[tuple[int, DeliveryState]], list[int]]:
    """What is due, oldest first: (ids and states to publish or reconcile, ids to verify or poll), at most so many
    of each, and only the oldest of an account where something is to be published."""
    publishing = _one_an_account(conn.execute(_DUE_TO_SEND, {"now": now, "most": publish})) if publish else []
    following = [int(row[0]) for row in conn.execute(_DUE_TO_SEE, {"now": now, "most": follow})] if follow else []
    return publishing, following


def _one_an_account(rows: Iterable[Any]) -> list[tuple[int, DeliveryState]]:
    """The second one of an account could not be claimed while the first is on its way. One that is only looked for does
    not keep the account: while that must be, the account is busy and nothing of it is in `rows`."""
    seen: set[int] = set()
    chosen = []
    for delivery_id, state, account_id in rows:
        if state in DUE_TO_PUBLISH:
            if account_id in seen:
                continue
            seen.add(account_id)
        chosen.append((int(delivery_id), DeliveryState(state)))
    return chosen


def next_due(conn: Connection, after: datetime) -> datetime | None:
    """The earliest `next_at` later than `after`, None when nothing is planned."""
    value: datetime | None = conn.execute(
        select(func.min(deliveries.c.next_at)).where(deliveries.c.next_at > after)
    ).scalar()
    return value


def renew(conn: Connection, worker: str, ids: Iterable[int], until: datetime) -> set[int]:
    """Extend the leases that `worker` still holds among `ids`; returns those."""
    wanted = list(ids)
    if not wanted:
        return set()
    # A lease that was given back (None) stays so: the delivery may be on its way out of our hands at this moment.
    mine = and_(deliveries.c.id.in_(wanted), deliveries.c.lease_owner == worker, deliveries.c.lease_until.is_not(None))
    conn.execute(update(deliveries).where(mine).values(lease_until=until))
    return {int(row[0]) for row in conn.execute(select(deliveries.c.id).where(mine))}


def leased_beyond(conn: Connection, moment: datetime) -> bool:
    """Whether a lease ends later than that."""
    return conn.execute(select(deliveries.c.id).where(deliveries.c.lease_until > moment).limit(1)).first() is not None


def end_leases_beyond(conn: Connection, moment: datetime, now: datetime) -> None:
    """End them now."""
    ended = now - timedelta(microseconds=1)
    conn.execute(update(deliveries).where(deliveries.c.lease_until > moment).values(lease_until=ended))


# What only waits or is only looked at: going on early with it sends nothing that was not to be sent, and nothing twice.
# When a scheduled one goes on is a person's wish.
_MAY_GO_ON_EARLY = frozenset({S.WAITING, S.PROCESSING, S.HELD, S.GHOST})


def waits_beyond(conn: Connection, moment: datetime) -> bool:
    """Whether a delivery that waits for no person's time waits for a later moment."""
    which = (_one_of(_MAY_GO_ON_EARLY | {S.UNCONFIRMED}), deliveries.c.next_at > moment)
    return conn.execute(select(deliveries.c.id).where(*which).limit(1)).first() is not None


def end_waits_beyond(conn: Connection, moment: datetime, now: datetime) -> None:
    """Let these go on now, and those whose send may still arrive at `moment`: no send takes as long."""
    beyond = update(deliveries).where(deliveries.c.next_at > moment)
    conn.execute(beyond.where(_one_of(_MAY_GO_ON_EARLY)).values(next_at=now))
    conn.execute(beyond.where(deliveries.c.state == S.UNCONFIRMED).values(next_at=moment))


def lost(conn: Connection, now: datetime) -> list[Delivery]:
    """Deliveries whose worker let its lease run out in the middle of publishing."""
    rows = conn.execute(
        select(deliveries).where(deliveries.c.state.in_([S.CLAIMED, S.SUBMITTING]), deliveries.c.lease_until < now)
    )
    return [delivery_of(row) for row in rows]


def still_lost(conn: Connection, delivery: Delivery, now: datetime) -> bool:
    """Whether nobody renewed the lease or moved the delivery since it was found lost; locks the row."""
    row = conn.execute(
        select(deliveries.c.id)
        .where(
            deliveries.c.id == delivery.id,
            deliveries.c.fence == delivery.fence,
            deliveries.c.state == delivery.state,
            deliveries.c.lease_until < now,
        )
        .with_for_update()
    ).one_or_none()
    return row is not None


def ghosts(conn: Connection, account_id: int) -> dict[str, str]:
    """Posts on this account that nobody can see, so that no fresh list has them: id -> the newest own post when it was
    sent ("" where none was known)."""
    rows = conn.execute(
        select(deliveries.c.parts).where(deliveries.c.account_id == account_id, deliveries.c.state == S.GHOST)
    )
    told = (part for (parts,) in rows for part in parts if part.get("ref"))
    return {part["ref"]["remote_id"]: part.get(NEWEST_KNOWN_POST, "") for part in told}


def sent_after(conn: Connection, delivery: Delivery) -> frozenset[str]:
    """Ids of posts of the same account of which every send began after the last one of `delivery`, and whose own answer
    named them: by the order of the attempts, so no clock is asked."""
    of_publish = attempts.c.act == Act.PUBLISH
    last = conn.execute(
        select(func.max(attempts.c.id)).where(attempts.c.delivery_id == delivery.id, of_publish)
    ).scalar()
    if last is None:
        return frozenset()
    earlier = attempts.alias()
    before = select(earlier.c.id).where(
        earlier.c.delivery_id == attempts.c.delivery_id,
        earlier.c.part == attempts.c.part,
        earlier.c.act == Act.PUBLISH,
        earlier.c.id < last,
    )
    rows = conn.execute(
        select(attempts.c.part, deliveries.c.parts)
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(
            deliveries.c.account_id == delivery.account_id,
            attempts.c.id > last,
            of_publish,
            attempts.c.outcome == Outcome.SUCCESS,
            ~before.exists(),
        )
    )
    told = (part for index, parts in rows for part in parts[index : index + 1] if part.get("ref"))
    return frozenset(str(part["ref"]["remote_id"]) for part in told)


def newest_seen(conn: Connection, account_id: int, before: datetime) -> str | None:
    """Id of the newest post on this account that was published before that moment and is no ghost."""
    row = conn.execute(
        select(deliveries.c.remote_id)
        .where(
            deliveries.c.account_id == account_id,
            deliveries.c.remote_id.is_not(None),
            deliveries.c.state.in_((S.PUBLISHED, S.VERIFIED)),
            deliveries.c.published_at < before,
        )
        .order_by(deliveries.c.published_at.desc(), deliveries.c.id.desc())
        .limit(1)
    ).one_or_none()
    return row.remote_id if row else None


def free_orphaned_accounts(conn: Connection) -> int:
    """Release accounts whose delivery no longer occupies them; returns how many (0 unless the file was edited)."""
    occupied = select(deliveries.c.id).where(deliveries.c.state.in_(list(OCCUPIES_ACCOUNT)))
    done = conn.execute(
        update(accounts)
        .where(accounts.c.busy_delivery_id.is_not(None), accounts.c.busy_delivery_id.not_in(occupied))
        .values(busy_delivery_id=None)
    )
    return done.rowcount


_UNSETTLED = frozenset({S.SCHEDULED, S.CLAIMED, S.WAITING, S.PROCESSING, S.UNCONFIRMED, S.HELD})


def unsettled(conn: Connection, account_id: int) -> list[Delivery]:
    """What an account has not brought to an end, and what is not on the wire at this moment; locks the rows."""
    rows = conn.execute(
        select(deliveries)
        .where(deliveries.c.account_id == account_id, deliveries.c.state.in_(_UNSETTLED))
        .order_by(deliveries.c.id)
        .with_for_update()
    )
    return [delivery_of(row) for row in rows]


def unlinked(conn: Connection, most: int) -> list[Delivery]:
    """The same of disconnected accounts; held ones only while they would still be looked for."""
    gone = select(accounts.c.id).where(accounts.c.is_active.is_(False))
    waits = or_(deliveries.c.state != S.HELD, deliveries.c.next_at.is_not(None))
    rows = conn.execute(
        select(deliveries)
        .where(deliveries.c.account_id.in_(gone), deliveries.c.state.in_(_UNSETTLED), waits)
        .order_by(deliveries.c.id)
        .limit(most)
    )
    return [delivery_of(row) for row in rows]


def held_unknown(conn: Connection, account_id: int) -> list[Delivery]:
    """What is held on an account because its outcome is unknown."""
    rows = conn.execute(
        select(deliveries)
        .where(
            deliveries.c.account_id == account_id, deliveries.c.state == S.HELD, deliveries.c.unknown_at.is_not(None)
        )
        .order_by(deliveries.c.id)
    )
    return [delivery_of(row) for row in rows]


def states_of_post(conn: Connection, post_id: int) -> list[DeliveryState]:
    rows = conn.execute(_STATES, {"b_id": post_id})
    return [DeliveryState(row[0]) for row in rows]


def history(conn: Connection, post_id: int) -> list[dict[str, Any]]:
    """The transitions of a post's deliveries, oldest first."""
    rows = conn.execute(select(transitions).where(transitions.c.post_id == post_id).order_by(transitions.c.id))
    return [dict(row._mapping) for row in rows]


def _with(delivery: Delivery, written: dict[str, Any]) -> Delivery:
    """The row as it now stands: the write was conditional on the state and fence that we had read."""
    return replace(delivery, **written)


def _one_of(states: frozenset[DeliveryState]) -> Any:
    """`state IN (…)` with the constants written out: a list of parameters is expanded anew at every execution."""
    return or_(*(deliveries.c.state == literal_column(f"'{state.value}'") for state in sorted(states)))


def _due(states: frozenset[DeliveryState]) -> Any:
    now = bindparam("now", type_=UtcDateTime())
    return and_(
        _one_of(states),
        deliveries.c.next_at <= now,
        or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < now),
    )


# The statements of every delivery's way are built once: building them anew each time cost half of the CPU.
_NOW = bindparam("now", type_=UtcDateTime())
_UPDATE = update(deliveries).where(
    deliveries.c.id == bindparam("b_id"),
    deliveries.c.state == bindparam("b_state"),
    deliveries.c.fence == bindparam("b_fence"),
)
_DUE_BY_ID = (
    select(deliveries)
    .where(deliveries.c.id == bindparam("b_id"), _due(DUE_TO_PUBLISH | DUE_TO_RECONCILE | DUE_TO_FOLLOW))
    .with_for_update(skip_locked=True)
)
_BESIDE = (
    select(deliveries)
    .where(
        deliveries.c.account_id == bindparam("b_account"),
        deliveries.c.early_at <= _NOW,
        deliveries.c.id != bindparam("b_id"),
        _one_of(DUE_TO_FOLLOW),
        or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < _NOW),
    )
    .order_by(deliveries.c.next_at)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_DUE_TO_SEND = (
    select(deliveries.c.id, deliveries.c.state, deliveries.c.account_id)
    .join(accounts, accounts.c.id == deliveries.c.account_id)
    .where(_due(DUE_TO_PUBLISH | DUE_TO_RECONCILE))
    .where(
        or_(
            _one_of(DUE_TO_RECONCILE),
            and_(
                accounts.c.is_active,
                accounts.c.status == "ok",
                or_(accounts.c.busy_delivery_id.is_(None), accounts.c.busy_delivery_id == deliveries.c.id),
                or_(accounts.c.throttled_until.is_(None), accounts.c.throttled_until <= _NOW),
            ),
        )
    )
    .order_by(deliveries.c.next_at)
    .limit(bindparam("most", type_=Integer()))
)
_DUE_TO_SEE = (
    select(deliveries.c.id)
    .where(_due(DUE_TO_FOLLOW))
    .order_by(deliveries.c.next_at)
    .limit(bindparam("most", type_=Integer()))
)
_LOCK_ACCOUNT = select(accounts).where(accounts.c.id == bindparam("b_id")).with_for_update(key_share=True)
_OCCUPY = (
    update(accounts)
    .where(
        accounts.c.id == bindparam("b_id"),
        or_(accounts.c.busy_delivery_id.is_(None), accounts.c.busy_delivery_id == bindparam("b_busy")),
    )
    .values(busy_delivery_id=bindparam("b_busy"))
)
_RELEASE = (
    update(accounts)
    .where(accounts.c.id == bindparam("b_id"), accounts.c.busy_delivery_id == bindparam("b_busy"))
    .values(busy_delivery_id=None)
)
# One that nobody can see, was taken note of and was published again does not count for the post: the newer one does.
_newer = deliveries.alias()
_STATES = select(deliveries.c.state).where(
    deliveries.c.post_id == bindparam("b_id"),
    or_(
        deliveries.c.acknowledged_at.is_(None),
        not_(
            select(_newer.c.id)
            .where(
                _newer.c.post_id == deliveries.c.post_id,
                _newer.c.account_id == deliveries.c.account_id,
                _newer.c.id > deliveries.c.id,
            )
            .exists()
        ),
    ),
)
_RECORD = insert(transitions)


def _write(conn: Connection, delivery: Delivery, values: dict[str, Any]) -> bool:
    """Write columns if the row still has the state and fence that were read."""
    key = {"b_id": delivery.id, "b_state": delivery.state, "b_fence": delivery.fence}
    return conn.execute(_UPDATE, {**values, **key}).rowcount == 1


def _free(conn: Connection, delivery: Delivery, now: datetime) -> bool:
    row = conn.execute(_LOCK_ACCOUNT, {"b_id": delivery.account_id}).one()
    return bool(
        row.is_active
        and row.status == "ok"
        and row.busy_delivery_id in (None, delivery.id)
        and (row.throttled_until is None or row.throttled_until <= now)
    )


def _occupy(conn: Connection, delivery: Delivery) -> None:
    done = conn.execute(_OCCUPY, {"b_id": delivery.account_id, "b_busy": delivery.id})
    if done.rowcount != 1:
        raise Conflict(f"Account {delivery.account_id} is publishing something else at this moment.")


def _release(conn: Connection, delivery: Delivery) -> None:
    conn.execute(_RELEASE, {"b_id": delivery.account_id, "b_busy": delivery.id})


def _record(
    conn: Connection,
    delivery_id: int,
    post_id: int,
    space: int,
    old: DeliveryState | None,
    new: DeliveryState,
    reason: str,
    worker: str,
    now: datetime,
) -> None:
    conn.execute(
        _RECORD,
        {
            "delivery_id": delivery_id,
            "post_id": post_id,
            "user_id": space,
            "old": old,
            "new": new,
            "reason": reason[:2000],
            "worker": worker,
            "at": now,
        },
    )


def entered(conn: Connection, delivery_id: int, state: DeliveryState) -> datetime | None:
    """When a delivery last came into a state; None when it never did."""
    mine = (transitions.c.delivery_id == delivery_id, transitions.c.new == state.value)
    found: datetime | None = conn.execute(
        select(transitions.c.at).where(*mine).order_by(transitions.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    return found
