"""What is old goes, what is young or unread stays, and a kill in between loses nothing but time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Table, func, insert, select, update

from postprober.storage import retention
from postprober.storage.database import Database
from postprober.storage.retention import Keep, tidy
from postprober.storage.tables import (
    accounts,
    alerts,
    attempts,
    channels,
    deliveries,
    evidence,
    health_signs,
    link_cards,
    metadata,
    notifications,
    outbox,
    posts,
    proof_pages,
    samples,
    users,
)
from postprober.storage.types import UtcDateTime

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=40), NOW - timedelta(days=20)
KEEP = Keep(evidence=30, replies=30, alerts=30, samples=30)


def _add(database: Database, table: Table, **columns: Any) -> int:
    with database.write() as conn:
        return int(conn.execute(insert(table).values(**columns)).inserted_primary_key[0])


def _count(database: Database, table: Table) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def delivery(database: Database) -> int:
    user = _add(database, users, email="a@example.org", password_hash="x")
    account = _add(
        database, accounts, user_id=user, platform="x", account_name="a", remote_id="1", scopes=[], settings={}
    )
    post = _add(database, posts, user_id=user, content="t", platforms=["x"], options={})
    made = _add(
        database,
        deliveries,
        post_id=post,
        account_id=account,
        user_id=user,
        platform="x",
        key="k",
        state="verified",
        due_at=OLD,
        parts=[],
    )
    for at in (OLD, YOUNG):
        _add(database, evidence, delivery_id=made, kind="proof", at=at, sha256="0", body={})
        _add(database, samples, delivery_id=made, at=at, likes=1)
        _add(
            database,
            attempts,
            delivery_id=made,
            act="publish",
            number=1,
            fence=1,
            request_id="r",
            started_at=at,
            outcome="success",
            intent={},
            reply="what the platform said",
        )
        for read in (True, False):
            _add(
                database,
                alerts,
                user_id=user,
                type="error",
                message="m",
                is_read=read,
                created_at=at,
                dedupe_key=f"{at}{read}",
            )
        _add(database, outbox, user_id=user, kind="alert", dedupe_key=f"{at}", payload={}, created_at=at)
    _add(database, outbox, user_id=user, kind="alert", dedupe_key="waits", payload={}, created_at=OLD, next_at=NOW)
    return made


def _choose(database: Database, keep: Keep) -> None:
    with database.write() as conn:
        retention.put(conn, keep)


def test_what_is_older_than_it_is_kept_goes_and_the_rest_stays(database: Database, delivery: int) -> None:
    _choose(database, KEEP)
    tidy(database, NOW)
    counts = {table.name: _count(database, table) for table in (evidence, samples, alerts, outbox, attempts)}
    assert counts == {"evidence": 1, "samples": 1, "alerts": 3, "outbox": 2, "attempts": 2}
    with database.read() as conn:
        replies = conn.execute(select(attempts.c.reply).order_by(attempts.c.id)).scalars().all()
    assert list(replies) == ["", "what the platform said"]
    assert tidy(database, NOW) == 0


def test_zero_days_keep_for_ever(database: Database, delivery: int) -> None:
    _choose(database, Keep(0, 0, 0, 0))
    assert tidy(database, NOW) == 1, "only the letter that was sent long ago"
    assert _count(database, evidence) == 2 and _count(database, samples) == 2 and _count(database, alerts) == 4


def test_more_than_one_batch_goes_in_one_call(database: Database, delivery: int) -> None:
    _choose(database, KEEP)
    with database.write() as conn:
        rows = [{"delivery_id": delivery, "at": OLD, "likes": n} for n in range(retention.BATCH * 2 + 3)]
        conn.execute(insert(samples), rows)
    tidy(database, NOW)
    assert _count(database, samples) == 1


def test_without_a_choice_the_defaults_hold(database: Database) -> None:
    with database.read() as conn:
        assert retention.get(conn) == Keep()


def _referring(table: Table) -> set[str]:
    return {
        f"{child.name}.{key.parent.name}"
        for child in metadata.tables.values()
        for key in child.foreign_keys
        if key.column.table is table
    }


def test_whatever_hangs_on_a_row_that_goes_is_known_to_go_with_it() -> None:
    """Else the first such row keeps its whole kind for ever."""
    for table in (alerts, evidence, samples, outbox, health_signs, link_cards, attempts):
        known = {f"{c.table.name}.{c.name}" for c in retention.CHILDREN.get(table, ())}
        if table is not attempts:  # only its reply goes
            assert _referring(table) == known, table.name


@pytest.fixture
def full(database: Database, delivery: int) -> dict[str, int]:
    """Every table has at least one row, old ones with rows that hang on them."""
    with database.write() as conn:
        for table in metadata.sorted_tables:
            if conn.execute(select(func.count()).select_from(table)).scalar_one():
                continue
            conn.execute(insert(table).values(**_row(conn, table)))
        for alert in conn.execute(select(alerts.c.id)).scalars().all():
            channel = conn.execute(select(channels.c.id)).scalars().first()
            for why in ("new", "again"):
                conn.execute(
                    insert(notifications).values(
                        alert_id=alert, channel_id=channel, dedupe_key=f"{alert}{why}", why=why, created_at=OLD
                    )
                )
    with database.read() as conn:
        return {t.name: conn.execute(select(func.count()).select_from(t)).scalar_one() for t in metadata.sorted_tables}


def _row(conn: Connection, table: Table) -> dict[str, Any]:
    """Values for every column that needs one; old, and hanging on what is there."""
    made: dict[str, Any] = {}
    for column in table.columns:
        if column.foreign_keys:
            (key,) = column.foreign_keys
            made[column.name] = conn.execute(select(key.column)).scalars().first()
        elif column.autoincrement is True or (column.primary_key and column.name == "id"):
            continue
        elif isinstance(column.type, UtcDateTime):
            made[column.name] = OLD
        elif not column.nullable and column.server_default is None:
            kind = column.type.python_type
            made[column.name] = {} if kind is dict else {str: "x", int: 1, bool: False, float: 1.0}.get(kind, {})
    return made


def test_a_house_with_something_in_every_table_is_tidied_and_stays_sound(
    database: Database, full: dict[str, int]
) -> None:
    assert all(full.values()), [name for name, count in full.items() if not count]
    _choose(database, KEEP)
    assert tidy(database, NOW) > 0
    with database.read() as conn:
        old = conn.execute(
            select(func.count()).where(alerts.c.is_read.is_(True), alerts.c.created_at < YOUNG)
        ).scalar_one()
        left = conn.execute(select(func.count()).select_from(notifications)).scalar_one()
        told = conn.execute(select(func.count(func.distinct(notifications.c.alert_id)))).scalar_one()
    assert old == 0 and told == _count(database, alerts) and left > 0
    assert _count(database, samples) == _count(database, evidence) == 1
    assert tidy(database, NOW) == 0


def test_one_kind_that_cannot_go_keeps_no_other(
    database: Database, delivery: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on the day on which somebody adds a table that hangs on alerts."""
    monkeypatch.setattr(retention, "CHILDREN", {})
    with database.write() as conn:
        user = conn.execute(select(users.c.id)).scalars().first()
        channel = conn.execute(
            insert(channels).values(user_id=user, name="c", kind="webhook", url="", created_at=OLD, is_active=True)
        ).inserted_primary_key[0]
        for alert in conn.execute(select(alerts.c.id)).scalars().all():
            conn.execute(
                insert(notifications).values(
                    alert_id=alert, channel_id=channel, dedupe_key=f"{alert}", why="new", created_at=OLD
                )
            )
    _choose(database, KEEP)
    assert tidy(database, NOW) > 0
    assert _count(database, alerts) == 4 and _count(database, samples) == 1
    assert "old alerts could not be deleted" in caplog.text


def test_the_evidence_of_a_shared_proof_stays_as_long_as_its_link(database: Database, delivery: int) -> None:
    _choose(database, KEEP)
    with database.write() as conn:
        post, user = conn.execute(select(deliveries.c.post_id, deliveries.c.user_id)).one()
        conn.execute(insert(proof_pages).values(post_id=post, user_id=user, nonce="n", shared_at=OLD))
    tidy(database, NOW)
    assert _count(database, evidence) == 2
    with database.write() as conn:
        conn.execute(update(proof_pages).values(withdrawn_at=NOW))
    tidy(database, NOW)
    assert _count(database, evidence) == 1
