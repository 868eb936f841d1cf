"""From the schema of every version, with data in each of its tables, to this one: nothing is lost, and the app reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import text

from postprober.clock import ManualClock
from postprober.services.accounts import accounts
from postprober.services.monitoring import details, monitoring
from postprober.services.operations import doctor
from postprober.settings import load_settings
from postprober.storage import repairs
from postprober.storage.database import Database, _alembic_config, newest_schema
from postprober.wiring import build_core, close_core
from tests.people import acting
from tests.storage import every_table
from tests.storage.every_table import EACH, NOW
from tests.storage.test_migration_whose_post import to_revision

REVISIONS = sorted(script.revision for script in ScriptDirectory.from_config(_alembic_config()).walk_revisions())
# What a migration changes on purpose: its table and column, and why.
MEANT = {
    ("accounts", "server"): "0018 writes what the server is called by its address",
    ("remote_posts", "server"): "0018 writes what the server is called by its address",
}


@pytest.fixture
def db(empty_database_url: str) -> Iterator[Database]:
    with closing(Database(empty_database_url)) as db:
        yield db


def _lost(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What was there and is not, or not as it was. Rows that came are no loss."""
    found = []
    for table, rows in before.items():
        now = {
            str(row.get("id", row.get("name", row.get("delivery_id", row.get("account_id", row.get("day")))))): row
            for row in after[table]
        }
        for old in rows:
            key = str(old.get("id", old.get("name", old.get("delivery_id", old.get("account_id", old.get("day"))))))
            new = now.get(key)
            if new is None:
                found.append(f"{table} {key} is gone")
                continue
            found += [
                f"{table} {key}: {column} was {value!r}, is {new[column]!r}"
                for column, value in old.items()
                if new[column] != value and (table, column) not in MEANT
            ]
    return found


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_a_version_has_written_is_kept_and_read(db: Database, revision: str, tmp_path: Path) -> None:
    to_revision(db, revision)
    with db.write() as conn:
        every_table.fill(conn)
        shape = every_table.as_it_is(conn)
    with db.read() as conn:
        before = every_table.read(conn, shape)
    assert len(before) >= 18 and all(len(rows) == EACH for rows in before.values())
    url = "" if db.is_sqlite else db.url.render_as_string(False)
    place = {"database_url": SecretStr(url or f"sqlite:///{db.url.database}"), "data_dir": tmp_path / "data"}
    core = build_core(load_settings(_env_file=None, backup_before_upgrade="off", **place), clock=ManualClock(NOW))
    try:
        assert db.is_current()
        with db.read() as conn:
            after = every_table.read(conn, shape)
        assert _lost(before, after) == []
        for number, state in ((1, "verified"), (2, "failed"), (3, "scheduled")):
            actor = acting(core, number)
            (view,) = monitoring.recent_views(core, actor)
            (delivery,) = view.deliveries
            assert (view.post.id, delivery.delivery.state) == (number, state)
            assert delivery.delivery.parts[0].text == f"Words {number}"
            assert len(details.of(core, actor, delivery.delivery.id).tries) == 1
            assert len(monitoring.step_rows(core, actor, view.post.id)) == 1
            assert [one.id for one in accounts.listing(core, actor)] == [number]
            assert number in [one.id for one in monitoring.alerts(core, actor)]
            if revision >= "0004":
                with db.read() as conn:
                    assert len(repairs.of_post(conn, view.post.id)) == 1
        assert {one.name: one.ok for one in doctor.examine(core)}["database"]
    finally:
        close_core(core)


def test_the_comparison_sees_what_is_lost(db: Database) -> None:
    """The control: one row less and one word other, and both are named."""
    to_revision(db, newest_schema())
    with db.write() as conn:
        every_table.fill(conn)
        shape = every_table.as_it_is(conn)
        before = every_table.read(conn, shape)
        conn.execute(text("DELETE FROM preferences WHERE id = 2"))
        conn.execute(text("UPDATE posts SET content = 'other' WHERE id = 3"))
        after = every_table.read(conn, shape)
    assert _lost(before, before) == []
    assert _lost(before, after) == [
        "posts 3: content was 'content-3', is 'other'",
        "preferences 2 is gone",
    ]
