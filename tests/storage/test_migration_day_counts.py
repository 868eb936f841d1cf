"""Yesterday's samples on the way through the migration: what a post had at 24 hours is kept beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alembic import command
from sqlalchemy import insert, text

from postprober.storage import history
from postprober.storage.database import Database, _alembic_config
from postprober.storage.tables import samples

OUT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_the_reading_nearest_to_a_day_is_taken_over(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    config = _alembic_config()
    with db.engine.connect() as connection:
        db._begin(connection, "BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "0013")
        connection.commit()
    with db.write() as conn:
        for statement in (
            "INSERT INTO users (id, email, password_hash) VALUES (1, 'a@example.org', 'x')",
            "INSERT INTO accounts (id, user_id, platform, account_name, scopes, settings) "
            "VALUES (1, 1, 'x', 'a', '[]', '{}')",
            "INSERT INTO posts (id, user_id, content, platforms, options) VALUES (1, 1, 't', '[]', '{}')",
        ):
            conn.execute(text(statement))
        for number in (1, 2, 3):
            published = None if number == 3 else OUT.strftime("%Y-%m-%d %H:%M:%S.000000")
            conn.execute(
                text(
                    "INSERT INTO deliveries (id, post_id, account_id, user_id, platform, key, state, due_at, parts, "
                    "published_at) VALUES (:n, 1, 1, 1, 'x', :k, 'verified', '2026-03-02 09:00:00.000000', '[]', :p)"
                ),
                {"n": number, "k": f"k{number}", "p": published},
            )
        for delivery, hours, likes in ((1, 12, 1), (1, 23, 2), (1, 24.002, 3), (1, 48, 4), (2, 30, 9), (3, 24, 9)):
            conn.execute(
                insert(samples).values(delivery_id=delivery, at=OUT + timedelta(hours=hours), likes=likes, views=None)
            )
    db.migrate()
    with db.read() as conn:
        (row,) = history.at_a_day(conn, 1)
        assert (row.delivery_id, row.counts["likes"], row.counts["views"]) == (1, 3, None)
        assert conn.execute(text("SELECT count(*) FROM samples")).scalar() == 6
    db.close()
