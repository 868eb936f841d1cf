"""Counters of all processes in one table, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import inspect, select

from postprober.storage import meters
from postprober.storage.database import Database
from postprober.storage.tables import posts
from tests.storage.test_migration_whose_post import fill, to_revision

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ONE, TWO = ("postprober_attempts", ("x", "publish", "success")), ("postprober_lateness_seconds_bucket", ("x", "+Inf"))


def test_what_processes_add_is_summed(database: Database) -> None:
    for amounts in ({ONE: 2.0, TWO: 1.0}, {ONE: 0.5}, {}):
        with database.write() as conn:
            meters.add(conn, amounts)
    with database.read() as conn:
        assert meters.read(conn) == {ONE: 2.5, TWO: 1.0}


def test_yesterdays_installation_gets_the_table_and_keeps_its_posts(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0015")
    fill(db)
    to_revision(db, "0027")
    assert "meters" not in inspect(db.engine).get_table_names()
    with db.read() as conn:
        before = conn.execute(select(posts.c.id)).scalars().all()
    db.migrate()
    with db.write() as conn:
        assert meters.read(conn) == {}
        meters.add(conn, {ONE: 1.0})
        assert conn.execute(select(posts.c.id)).scalars().all() == before != []
    db.close()
