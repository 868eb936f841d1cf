"""Yesterday's rows on the way through migration 0017: they have no key and nobody has taken note; two posts without a key
never meet in the index."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from postprober.domain.post import PostStatus
from postprober.storage import deliveries, posts, tables
from postprober.storage.database import Database, _alembic_config

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_posts_of_yesterday_keep_their_place_and_a_key_is_used_once(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    config = _alembic_config()
    with db.engine.connect() as connection:
        db._begin(connection, "BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
        connection.commit()
    with db.write() as conn:
        for statement in (
            "INSERT INTO users (id, email, password_hash) VALUES (1, 'a@example.org', 'x'), (2, 'b@example.org', 'x')",
            "INSERT INTO accounts (id, user_id, platform, account_name, scopes, settings) "
            "VALUES (1, 1, 'x', 'a', '[]', '{}')",
            "INSERT INTO posts (id, user_id, content, platforms, options) VALUES (1001, 1, 'one', '[]', '{}'), "
            "(1002, 1, 'two', '[]', '{}')",
            "INSERT INTO deliveries (id, post_id, account_id, user_id, platform, key, state, due_at, parts) "
            "VALUES (1, 1001, 1, 1, 'x', 'k', 'ghost', '2026-03-02 09:00:00.000000', '[]')",
        ):
            conn.execute(text(statement))
    db.migrate()
    with db.read() as conn:
        assert [posts.get(conn, number).draft_key for number in (1001, 1002)] == [None, None]
        assert deliveries.get(conn, 1).acknowledged_at is None

    def add(user_id: int) -> None:
        with db.write() as conn:
            conn.execute(
                insert(tables.posts).values(
                    user_id=user_id,
                    content="t",
                    platforms=[],
                    status=PostStatus.DRAFT,
                    options={},
                    created_at=NOW,
                    updated_at=NOW,
                    draft_key="the-key",
                )
            )

    add(2)
    with db.write() as conn:
        conn.execute(tables.posts.update().where(tables.posts.c.id == 1001).values(draft_key="the-key"))
    with pytest.raises(IntegrityError):
        add(1)
    db.close()
