"""Yesterday's marks of imported rows and queue slots, carried into today's schema."""

from __future__ import annotations

from datetime import UTC, datetime

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from postprober.services.posts.imports import identity
from postprober.storage import posts, preferences, users
from postprober.storage.database import Database, _alembic_config

BEFORE = str(ScriptDirectory.from_config(_alembic_config()).get_revision("0015").down_revision)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
AT = datetime(2027, 3, 2, 8, tzinfo=UTC)
WEEK = {str(day): ["09:00"] for day in range(7)}


def test_rows_that_were_imported_yesterday_are_known_by_what_they_said(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    db.migrate()
    with db.write() as conn:
        owner = users.add(conn, email="a@example.org", password_hash="x", now=NOW)
        editor = users.add(conn, email="b@example.org", password_hash="x", now=NOW, owner_id=owner)
        chosen = users.add(conn, email="c@example.org", password_hash="x", now=NOW, owner_id=owner)
        options = {"parts": ["One\r\ntwo"], "accounts": [3, 4]}
        planned = posts.add(
            conn,
            space=owner,
            content="One",
            platforms=["x"],
            status="scheduled",
            scheduled_at=AT,
            options=options,
            now=NOW,
        )
        draft = posts.add(
            conn,
            space=owner,
            content="Old",
            platforms=[],
            status="draft",
            scheduled_at=None,
            options={"accounts": [3]},
            now=NOW,
        )
        for number, post_id in enumerate((planned, draft, 999_999), 1):
            preferences.put(conn, owner, f"import:0123456789abcdef:{number}", post_id)
        preferences.put(conn, owner, "queue", WEEK)
        preferences.put(conn, chosen, "queue", {"0": ["11:00"]})
    _to(db, BEFORE)  # the columns of today are gone
    with db.write() as conn:
        columns = "user_id, name, kind, mime, size, width, height, sha256, path, alt, created_at"
        conn.execute(
            text(f"INSERT INTO media ({columns}) VALUES (:u, 'a', 'gif', 'image/gif', 1, 1, 1, 'x', 'y', '', :at)"),
            {"u": owner, "at": "2026-11-01 00:00:00.000000" if db.is_sqlite else NOW},
        )
    for _ in range(2):  # the second time it finds what it wrote
        _to(db, "0015")
        with db.read() as conn:
            file = conn.execute(text("SELECT kind, frames, codec FROM media")).one()
        assert tuple(file) == ("gif", None, "")
        _to(db, BEFORE)
    _to(db, "0015")
    with db.read() as conn:
        marks = preferences.named(conn, owner, "import:")
        assert [marks[identity("One\ntwo", account, AT) + ":1"] for account in (3, 4)] == [planned, planned]
        assert marks[identity("Old", 3, None) + ":1"] == draft and len(marks) == 6
        assert preferences.get(conn, editor, "queue") == WEEK
        assert preferences.get(conn, chosen, "queue") == {"0": ["11:00"]}
    db.close()


def _to(db: Database, revision: str) -> None:
    config = _alembic_config()
    with db.engine.connect() as connection:
        db._begin(connection, "BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        move = command.downgrade if revision == BEFORE else command.upgrade
        move(config, revision)
        connection.commit()
