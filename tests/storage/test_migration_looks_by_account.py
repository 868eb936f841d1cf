"""Yesterday's posts on the way through migration 0020: they are looked at when they were to be, and nothing is counted yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from postprober.domain.read_budget import Used
from postprober.storage import deliveries, reads, watches
from postprober.storage.database import Database
from tests.storage.test_migration_whose_post import to_revision

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_what_is_followed_goes_on_at_its_time(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0019")
    with db.write() as conn:
        for statement in (
            "INSERT INTO users (id, email, password_hash) VALUES (1, 'a@example.org', 'x')",
            "INSERT INTO accounts (id, user_id, platform, account_name, remote_id, server, scopes, settings) "
            "VALUES (1, 1, 'mastodon', 'a', '5', 'https://social.example', '[]', '{}')",
            "INSERT INTO posts (id, user_id, content, platforms, options) VALUES (1, 1, 'one', '[]', '{}')",
            "INSERT INTO deliveries (id, post_id, account_id, user_id, platform, key, state, due_at, next_at, parts) VALUES "
            "(1, 1, 1, 1, 'mastodon', 'k', 'verified', '2026-03-02 08:00:00.000000', '2026-03-02 09:00:00.000000', '[]')",
            """INSERT INTO watches (delivery_id, state, updated_at) VALUES
            (1, '{"base": "", "next_count": "2026-03-02T09:00:00+00:00"}', '2026-03-02 08:00:00.000000')""",
        ):
            conn.execute(text(statement))
    db.migrate()
    until = NOW + timedelta(seconds=10)
    with db.write() as conn:
        assert not deliveries.has_company(conn, deliveries.get(conn, 1))
        taken = deliveries.take(conn, 1, worker="w", now=NOW, until=until)
        assert taken is not None and taken.early_at is None
        known = watches.get(conn, 1)
        assert known.may_look(NOW) and known.may_count(NOW) and not known.blind
        assert reads.of_account(conn, 1, NOW) == Used()
        reads.add(conn, 1, NOW, Used(calls=2, posts=1))
        reads.add(conn, 1, NOW, Used(calls=1, micros=5))
        assert reads.of_account(conn, 1, NOW) == Used(3, 5, 1, 0)
        assert reads.of_space(conn, 1, NOW) == {1: Used(3, 5, 1, 0)}
    db.close()
