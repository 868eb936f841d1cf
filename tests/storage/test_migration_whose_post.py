"""Yesterday's rows on the way through migration 0016: duplicates keep their rows, one keeps the post, people are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from alembic import command
from sqlalchemy import text

from postprober.storage.database import Database, _alembic_config

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def to_revision(db: Database, revision: str) -> None:
    config = _alembic_config()
    with db.engine.connect() as connection:
        db._begin(connection, "BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def part(remote_id: str | None, index: int = 0) -> dict[str, object]:
    ref = {"remote_id": remote_id, "url": "", "extra": {}} if remote_id else None
    return {"index": index, "text": "Hello", "media": [], "staged": None, "ref": ref}


def fill(db: Database) -> None:
    """Two spaces with one remote account, spelled in two ways, and deliveries in every kind of old state."""
    rows: list[tuple[int, int, str, str, str | None, list[dict[str, object]]]] = [
        (1, 1, "verified", "", None, [part("77")]),
        (2, 2, "verified", "", None, [part("77")]),
        (3, 1, "waiting", "It waits: Mastodon is failing.", None, [part("78"), part(None, 1)]),
        (4, 1, "held", "It is 90 minutes late, more than you allow; send it now or cancel it.", None, [part(None)]),
        (5, 1, "held", "It took its worker down 3 times and is kept apart; nothing is being sent.", None, [part(None)]),
        (6, 1, "held", "The list of own posts does not reach back far enough.", "2026-03-02", [part(None)]),
        (7, 2, "verified", "", None, [part("79"), part("79", 1)]),
        (8, 2, "failed", "", None, [{"index": 0, "text": "spoiled", "ref": "no object"}, part("9" * 300, 1)]),
    ]
    with db.write() as conn:
        for number in (1, 2):
            conn.execute(
                text("INSERT INTO users (id, email, password_hash) VALUES (:i, :e, 'x')"),
                {"i": number, "e": f"u{number}@example.org"},
            )
            conn.execute(
                text(
                    "INSERT INTO accounts (id, user_id, platform, account_name, remote_id, instance, scopes, settings) "
                    "VALUES (:i, :i, 'mastodon', 'a', '5', :w, '[]', '{}')"
                ),
                {"i": number, "w": ("https://social.example", "https://Social.example:443/")[number - 1]},
            )
            conn.execute(
                text(
                    "INSERT INTO posts (id, user_id, content, platforms, options) "
                    "VALUES (:i, :i, 'Hello', '[\"mastodon\"]', '{}')"
                ),
                {"i": number},
            )
        for number, owner, state, reason, unknown, parts in rows:
            conn.execute(
                text(
                    "INSERT INTO deliveries (id, post_id, account_id, user_id, platform, key, state, reason, due_at, "
                    "unknown_at, parts) VALUES (:i, :o, :o, :o, 'mastodon', :k, :s, :r, :d, :u, :p)"
                ),
                {
                    "i": number,
                    "o": owner,
                    "k": f"key-{number}",
                    "s": state,
                    "r": reason,
                    "d": "2026-03-02 09:00:00.000000",
                    "u": f"{unknown} 09:00:00.000000" if unknown else None,
                    "p": json.dumps(parts),
                },
            )


def test_every_post_gets_one_owner_and_a_person_is_told_of_the_others(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0015")
    fill(db)
    db.migrate()
    assert db.is_current()
    with db.read() as conn:
        owners = conn.execute(text("SELECT server, remote_id, delivery_id FROM remote_posts ORDER BY remote_id")).all()
        assert [tuple(row) for row in owners] == [
            ("social.example", "77", 1),
            ("social.example", "78", 3),
            ("social.example", "79", 7),
        ]
        told = conn.execute(text("SELECT user_id, delivery_id, kind, message FROM alerts")).all()
        assert [(row.user_id, row.delivery_id, row.kind) for row in told] == [(2, 2, "twice")]
        assert "deliveries 1 and 2" in told[0].message
        assert conn.execute(text("SELECT count(*) FROM outbox WHERE next_at IS NOT NULL")).scalar() == 1
        causes = {row.id: row.cause for row in conn.execute(text("SELECT id, cause FROM deliveries"))}
        assert causes == {1: "", 2: "", 3: "platform", 4: "late", 5: "crashed", 6: "unknown", 7: "", 8: ""}
        assert conn.execute(text("SELECT count(*) FROM deliveries")).scalar() == 8
    db.close()
