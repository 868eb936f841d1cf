"""A database that a test used is for the next one as if it had just been made, or it is not used again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import func, make_url, select, text

from postprober.clock import SystemClock
from postprober.storage import users
from postprober.storage.database import Database
from postprober.storage.tables import metadata
from tests.fresh import FreshDatabases
from tests.profile import TEMPLATE

NOW = SystemClock().now()


@pytest.fixture
def fresh(postgres: str) -> Iterator[FreshDatabases]:
    made = FreshDatabases(postgres, TEMPLATE, prefix="fresh")
    yield made
    made.close()


def opened(fresh: FreshDatabases, name: str, stack: ExitStack) -> Database:
    db = Database(make_url(fresh.base).set(database=name).render_as_string(False))
    stack.callback(db.close)
    return db


def add(db: Database, email: str = "owner@example.org") -> int:
    with db.write() as conn:
        return users.add(conn, email=email, password_hash="x", now=NOW)


def test_it_is_used_again_without_a_row_and_counts_from_one(fresh: FreshDatabases) -> None:
    first = fresh.take(TEMPLATE)
    with ExitStack() as stack:
        db = opened(fresh, first, stack)
        assert [add(db), add(db, "teammate@example.org")] == [1, 2]
        with db.engine.connect() as conn:
            users.add(conn, email="nobody@example.org", password_hash="x", now=NOW)
            conn.rollback()  # a row that never was has its number, and its page in the file
    fresh.give_back(first)
    assert fresh.take(TEMPLATE) == first
    with ExitStack() as stack:
        db = opened(fresh, first, stack)
        with db.read() as conn:
            counts = {
                t.name: conn.execute(select(func.count()).select_from(t)).scalar_one() for t in metadata.sorted_tables
            }
            seen = conn.execute(
                text("SELECT relpages, reltuples, pg_relation_size(oid) FROM pg_class WHERE relname = 'users'")
            )
            assert tuple(seen.one()) == (0, -1, 0), "for the planner, too, it was never filled"
        assert not any(counts.values())
        assert db.is_current() and add(db) == 1
    fresh.give_back(first)


def test_who_is_still_in_a_transaction_neither_stops_it_nor_writes_later(fresh: FreshDatabases) -> None:
    first = fresh.take(TEMPLATE)
    with ExitStack() as stack:
        db = opened(fresh, first, stack)
        forgotten = db.engine.connect()
        stack.callback(forgotten.invalidate)
        users.add(forgotten, email="late@example.org", password_hash="x", now=NOW)
        fresh.give_back(first)
    assert fresh.take(TEMPLATE) == first
    with ExitStack() as stack:
        assert add(opened(fresh, first, stack)) == 1
    fresh.give_back(first)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE users ADD COLUMN more integer",
        "ALTER TABLE users ALTER COLUMN email DROP NOT NULL",
        "ALTER TABLE users SET (fillfactor = 50)",
        "CREATE TABLE more (id integer)",
        "DROP TABLE watches",
        "CREATE INDEX more ON users (name)",
        "ALTER TABLE users ADD CONSTRAINT more CHECK (id > 0)",
        "CREATE FUNCTION more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE SEQUENCE more",
        "CREATE TYPE more AS ENUM ('a')",
        "CREATE SCHEMA more",
        "UPDATE alembic_version SET version_num = '0001'",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
        "ANALYZE users",
        "DO 'BEGIN EXECUTE ''ALTER DATABASE '' || current_database() || '' SET work_mem = 64''; END'",
    ],
)
def test_it_is_not_used_again_after_a_change_of_the_schema(fresh: FreshDatabases, change: str) -> None:
    first = fresh.take(TEMPLATE)
    with ExitStack() as stack:
        db = opened(fresh, first, stack)
        add(db)
        with db.engine.begin() as conn:
            conn.exec_driver_sql(change)
    fresh.give_back(first)
    second = fresh.take(TEMPLATE)
    assert second != first
    with ExitStack() as stack:
        db = opened(fresh, second, stack)
        with db.read() as conn:
            assert not conn.execute(
                text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": first}
            ).scalar()
    fresh.give_back(second)


def test_a_template_with_rows_is_refused(fresh: FreshDatabases) -> None:
    name = fresh.take(TEMPLATE)
    with ExitStack() as stack:
        add(opened(fresh, name, stack))
    with pytest.raises(AssertionError, match="holds rows"):
        FreshDatabases(fresh.base, name)
    fresh.give_back(name)
