"""What is old goes, what is young or unread stays, and a kill in between loses nothing but time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select

from postprober.storage import retention
from postprober.storage.database import Database
from postprober.storage.retention import Keep, tidy
from postprober.storage.tables import accounts, alerts, attempts, deliveries, evidence, outbox, posts, samples, users

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
        database, deliveries, post_id=post, account_id=account, user_id=user, platform="x", key="k", state="verified",
        due_at=OLD, parts=[],
    )  # fmt: skip
    for at in (OLD, YOUNG):
        _add(database, evidence, delivery_id=made, kind="proof", at=at, sha256="0", body={})
        _add(database, samples, delivery_id=made, at=at, likes=1)
        _add(
            database, attempts, delivery_id=made, act="publish", number=1, fence=1, request_id="r", started_at=at,
            outcome="success", intent={}, reply="what the platform said",
        )  # fmt: skip
        for read in (True, False):
            _add(
                database, alerts, user_id=user, type="error", message="m", is_read=read, created_at=at,
                dedupe_key=f"{at}{read}",
            )  # fmt: skip
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
