"""Step logs, samples, evidence, alerts and the outbox: what others read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.delivery import Step, StepStatus
from postprober.domain.remote import Counts
from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import Delivery
from postprober.storage.tables import alerts, evidence, monitoring_logs, outbox, samples

REPORT = "report"  # kind of outbox rows
# Built once: these are written on every delivery's way.
_STEP = insert(monitoring_logs)
_EVIDENCE = insert(evidence)


def step(
    conn: Connection,
    delivery: Delivery,
    which: Step,
    status: StepStatus,
    now: datetime,
    **details: Any,
) -> None:
    """One row of `monitoring_logs`."""
    steps(conn, delivery, [(which, status, details)], now)


def steps(
    conn: Connection, delivery: Delivery, rows: Sequence[tuple[Step, StepStatus, dict[str, Any]]], now: datetime
) -> None:
    """Rows of `monitoring_logs`, in order."""
    conn.execute(
        _STEP,
        [
            {
                "post_id": delivery.post_id, "platform": delivery.platform.value, "step": which.value,
                "status": status.value, "details": details, "timestamp": now, "delivery_id": delivery.id,
            }
            for which, status, details in rows
        ],
    )  # fmt: skip


def analysis(
    conn: Connection, delivery: Delivery, which: Step, status: StepStatus, now: datetime, text: str, **details: Any
) -> None:
    """A row of `monitoring_logs` that says in plain language what the agent thinks of it."""
    row = {
        "post_id": delivery.post_id, "platform": delivery.platform.value, "step": which.value, "status": status.value,
        "details": details, "timestamp": now, "delivery_id": delivery.id, "ai_analysis": text,
    }  # fmt: skip
    conn.execute(_STEP, row)


def steps_of_post(conn: Connection, post_id: int, *, after: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """Step rows, oldest first, with ids greater than `after`; at most `limit` of them."""
    rows = conn.execute(
        select(monitoring_logs)
        .where(monitoring_logs.c.post_id == post_id, monitoring_logs.c.id > after)
        .order_by(monitoring_logs.c.id)
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]


def sample(conn: Connection, delivery_id: int, counts: Counts, now: datetime) -> None:
    conn.execute(insert(samples).values(delivery_id=delivery_id, at=now, **vars(counts)))


def samples_of(conn: Connection, delivery_id: int) -> list[dict[str, Any]]:
    rows = conn.execute(select(samples).where(samples.c.delivery_id == delivery_id).order_by(samples.c.at))
    return [dict(row._mapping) for row in rows]


def keep_evidence(
    conn: Connection, delivery_id: int, kind: str, body: dict[str, Any], now: datetime, picture: str | None = None
) -> None:
    """`body` must be redacted. The hash covers its canonical JSON. `picture`: name of one (storage.pictures)."""
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=False, default=str)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    row = {"delivery_id": delivery_id, "kind": kind, "at": now, "sha256": digest, "body": json.loads(canonical)}
    conn.execute(_EVIDENCE, row | {"picture": picture})


def evidence_of(conn: Connection, delivery_id: int) -> list[dict[str, Any]]:
    rows = conn.execute(select(evidence).where(evidence.c.delivery_id == delivery_id).order_by(evidence.c.id))
    return [dict(row._mapping) for row in rows]


def one_evidence(conn: Connection, evidence_id: int) -> dict[str, Any]:
    """Raises NotFound."""
    row = conn.execute(select(evidence).where(evidence.c.id == evidence_id)).first() if sql.is_id(evidence_id) else None
    if row is None:
        raise NotFound(f"There is no evidence {evidence_id}.")
    return dict(row._mapping)


def alert(
    conn: Connection,
    *,
    user_id: int,
    post_id: int | None,
    delivery_id: int | None,
    type: str,
    message: str,
    dedupe_key: str,
    now: datetime,
    kind: str = AlertKind.OTHER,
    subject: str = "",
) -> bool:
    """One alert and its outbox row, once per `dedupe_key`; returns whether it is new. `subject`: what it is about
    (`delivery:12`), so that a recovery can close it."""
    new = conn.execute(
        sql.upsert(conn, alerts)
        .values(
            user_id=user_id, post_id=post_id, delivery_id=delivery_id, type=type, message=message,
            dedupe_key=dedupe_key, created_at=now, kind=kind, subject=subject,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(alerts.c.id)  # the row count of such an INSERT is not told by psycopg
    ).first()  # fmt: skip
    if new is None:
        return False
    payload = {"type": type, "message": message, "post_id": post_id, "delivery_id": delivery_id}
    conn.execute(
        insert(outbox).values(
            user_id=user_id, kind="alert", dedupe_key=dedupe_key, payload=payload, created_at=now, next_at=now
        )
    )
    return True


_OPEN = (
    select(alerts.c.id)
    .where(alerts.c.subject == bindparam("subject"), alerts.c.closed_at.is_(None), alerts.c.type != AlertType.SUCCESS)
    .limit(1)
)


def has_open(conn: Connection, subject: str) -> bool:
    """Whether something was told about this that is not closed."""
    return conn.execute(_OPEN, {"subject": subject}).first() is not None


_LAST = select(alerts.c.type).where(alerts.c.subject == bindparam("subject")).order_by(alerts.c.id.desc()).limit(1)


def in_trouble(conn: Connection, subject: str) -> bool:
    """Whether the last thing that was told about this, open or closed, was no success."""
    last = conn.execute(_LAST, {"subject": subject}).scalar()
    return last is not None and last != AlertType.SUCCESS


def close(conn: Connection, subject: str, now: datetime) -> None:
    """Nothing is left to do about this."""
    still_open = (alerts.c.subject == subject, alerts.c.closed_at.is_(None), alerts.c.type != AlertType.SUCCESS)
    conn.execute(update(alerts).where(*still_open).values(closed_at=now))


def alerts_of(
    conn: Connection,
    user_id: int,
    *,
    limit: int = 50,
    before: int | None = None,
    unread: bool = False,
    kinds: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Newest first; `before`: only ids smaller than this (cursor); `unread`: only those; `kinds`: only these."""
    query = select(alerts).where(alerts.c.user_id == user_id).order_by(alerts.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(alerts.c.id < before)
    if unread:
        query = query.where(alerts.c.is_read.is_(False))
    if kinds:
        query = query.where(alerts.c.kind.in_(kinds))
    return [dict(row._mapping) for row in conn.execute(query)]


def unread_count(conn: Connection, user_id: int, most: int) -> int:
    """How many alerts the user has not read; counts no further than `most`."""
    some = select(alerts.c.id).where(alerts.c.user_id == user_id, alerts.c.is_read.is_(False)).limit(most).subquery()
    return int(conn.execute(select(func.count()).select_from(some)).scalar_one())


def read_alert(conn: Connection, user_id: int, alert_id: int) -> dict[str, Any]:
    """Mark the user's alert as read; returns it. Raises NotFound."""
    mine = (alerts.c.id == alert_id, alerts.c.user_id == user_id)
    done = conn.execute(update(alerts).where(*mine).values(is_read=True)).rowcount if sql.is_id(alert_id) else 0
    if done != 1:
        raise NotFound(f"There is no alert {alert_id}.")
    return dict(conn.execute(select(alerts).where(*mine)).one()._mapping)


def read_all(conn: Connection, user_id: int, until: int) -> int:
    """Mark the user's alerts up to the id `until` as read; returns how many were not."""
    mine = (alerts.c.user_id == user_id, alerts.c.id <= until, alerts.c.is_read.is_(False))
    return conn.execute(update(alerts).where(*mine).values(is_read=True)).rowcount


_LONGEST_PAUSE = timedelta(days=1)  # ours: well over `domain.retry.CAP`


def outbox_due(conn: Connection, now: datetime, limit: int = 50, *, reports: bool = False) -> list[dict[str, Any]]:
    """What is to be sent, oldest first. Reports take long to make, so who sends alerts does not wait for them. A row that
    waits longer than any pause is was written by a clock that ran ahead, and waits no more."""
    kind = outbox.c.kind == REPORT if reports else outbox.c.kind != REPORT
    due = or_(outbox.c.next_at <= now, outbox.c.next_at > now + _LONGEST_PAUSE)
    rows = conn.execute(select(outbox).where(due, kind).order_by(outbox.c.id).limit(limit))
    return [dict(row._mapping) for row in rows]


def outbox_done(conn: Connection, row_id: int, now: datetime) -> None:
    conn.execute(
        update(outbox).where(outbox.c.id == row_id).values(next_at=None, sent_at=now, tries=outbox.c.tries + 1)
    )


def outbox_again(conn: Connection, row_id: int, at: datetime | None) -> None:
    """Try the row again at `at`; None gives it up."""
    conn.execute(update(outbox).where(outbox.c.id == row_id).values(next_at=at, tries=outbox.c.tries + 1))
