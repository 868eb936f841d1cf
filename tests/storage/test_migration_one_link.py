"""Yesterday's accounts on the way through migration 0018: no row is lost, one stands for each account, people are told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from postprober.domain.identity import AccountIdentity
from postprober.domain.platform import Platform
from postprober.storage import accounts
from postprober.storage.database import Database
from tests.storage.test_migration_whose_post import to_revision

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# id, space, platform, instance, remote id, in use; then what becomes of it: server, remote id, the same as
ROWS = [
    (1, 1, "mastodon", "https://Social.example:443", "5", False, "social.example", "5", 2),
    (2, 1, "mastodon", "https://social.example/.", "5", True, "social.example", "5", None),
    (3, 1, "mastodon", "http://SOCIAL.example", "5", True, "social.example", "5", 2),
    (4, 2, "mastodon", "https://social.example", "5", True, "social.example", "5", None),
    (5, 1, "mastodon", "https://social.example", "6", True, "social.example", "6", None),
    (6, 1, "bluesky", "https://a.example", "did:plc:1", True, "", "did:plc:1", None),
    (7, 1, "bluesky", "https://b.example", "did:plc:1", True, "", "did:plc:1", 6),
    (8, 1, "linkedin", "", "7", True, "", "7", None),
    (9, 1, "linkedin", "", "urn:li:person:7", True, "", "7", 8),
    (10, 1, "mastodon", "http://[spoiled", "", True, "http://[spoiled", "", None),
    (11, 1, "forgotten", "nowhere", "1", True, "nowhere", "1", None),
]


def fill(db: Database) -> None:
    with db.write() as conn:
        for number in (1, 2):
            conn.execute(
                text("INSERT INTO users (id, email, password_hash) VALUES (:i, :e, 'x')"),
                {"i": number, "e": f"u{number}@example.org"},
            )
        for number, space, platform, instance, remote_id, active, *_ in ROWS:
            conn.execute(
                text(
                    "INSERT INTO accounts (id, user_id, platform, account_name, remote_id, instance, is_active, scopes, "
                    "settings) VALUES (:i, :u, :p, :n, :r, :w, :a, '[]', '{}')"
                ),
                {
                    "i": number,
                    "u": space,
                    "p": platform,
                    "n": f"a{number}",
                    "r": remote_id,
                    "w": instance,
                    "a": active,
                },
            )


def test_every_account_is_named_by_its_server_and_linked_once(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0016")
    fill(db)
    db.migrate()
    assert db.is_current()
    with db.read() as conn:
        found = conn.execute(text("SELECT id, server, remote_id, same_as FROM accounts ORDER BY id")).all()
        assert [tuple(row) for row in found] == [(row[0], *row[6:]) for row in ROWS]
        told = conn.execute(text("SELECT user_id, kind, message FROM alerts ORDER BY id")).all()
        assert [(row.user_id, row.kind) for row in told] == [(1, "twice")] * 3
        assert "https://social.example/." in told[0].message and "http://SOCIAL.example" in told[0].message
        assert conn.execute(text("SELECT count(*) FROM outbox")).scalar() == 3
        known = accounts.find(conn, space=1, remote=AccountIdentity(Platform("mastodon"), "social.example", "5"))
        assert known is not None and known.id == 2
        assert accounts.get(conn, 3).remote == known.remote
    db.close()


def test_the_database_takes_an_account_once_in_a_space(database: Database) -> None:
    with database.write() as conn:
        conn.execute(text("INSERT INTO users (id, email, password_hash) VALUES (1, 'a@example.org', 'x')"))

    def add(instance: str, **more: int) -> int:
        with database.write() as conn:
            return accounts.add(
                conn,
                space=1,
                platform="mastodon",
                account_name="a",
                now=NOW,
                instance=instance,
                remote_id="5",
                **more,
            )

    first = add("https://social.example")
    with pytest.raises(IntegrityError):
        add("https://SOCIAL.example/")
    assert add("https://SOCIAL.example/", same_as=first) != first
