"""Yesterday's posts on the way through migration 0019: what was answered is ours, what was found may be anybody's."""

from __future__ import annotations

from sqlalchemy import text

from postprober.domain.identity import AccountIdentity
from postprober.domain.platform import Platform
from postprober.storage import remote_posts
from postprober.storage.database import Database
from tests.storage.test_migration_whose_post import to_revision


def test_only_what_was_answered_tells_what_our_program_is_called(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0018")
    with db.write() as conn:
        for statement in (
            "INSERT INTO users (id, email, password_hash) VALUES (1, 'a@example.org', 'x')",
            "INSERT INTO accounts (id, user_id, platform, account_name, remote_id, server, scopes, settings) "
            "VALUES (1, 1, 'mastodon', 'a', '5', 'https://social.example', '[]', '{}')",
            "INSERT INTO posts (id, user_id, content, platforms, options) VALUES (1, 1, 'one', '[]', '{}')",
        ):
            conn.execute(text(statement))
        for number, kind in ((1, ""), (2, "found"), (3, "late_reply"), (4, "alert")):
            conn.execute(
                text(
                    "INSERT INTO deliveries (id, post_id, account_id, user_id, platform, key, state, due_at, parts) "
                    "VALUES (:i, 1, 1, 1, 'mastodon', :k, 'verified', '2026-03-02 09:00:00.000000', '[]')"
                ),
                {"i": number, "k": f"k{number}"},
            )
            conn.execute(
                text(
                    "INSERT INTO remote_posts (platform, server, remote_id, author, delivery_id, part, claimed_at) VALUES "
                    "('mastodon', 'https://social.example', :r, '5', :i, 0, '2026-03-02 09:00:00.000000')"
                ),
                {"i": number, "r": f"r{number}"},
            )
            if kind:
                conn.execute(
                    text(
                        "INSERT INTO evidence (delivery_id, kind, at, sha256, body) "
                        "VALUES (:i, :k, '2026-03-02 09:00:00.000000', 'x', '{}')"
                    ),
                    {"i": number, "k": kind},
                )
    db.migrate()
    account = AccountIdentity(Platform("mastodon"), "https://social.example", "5")
    with db.read() as conn:
        assert remote_posts.sent_by_us(conn, account) == {"r1", "r4"}
        assert remote_posts.known(conn, account, but=1) == {"r2", "r3", "r4"}
    db.close()
