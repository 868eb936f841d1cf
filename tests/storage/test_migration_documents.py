"""Yesterday's files on the way through migration 0025: none of them is a document."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from postprober.domain.post import MediaKind
from postprober.pipeline.core.files import file_of
from postprober.storage import media, users
from postprober.storage.database import Database
from tests.storage.test_migration_whose_post import to_revision

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_files_from_before_are_read_as_they_were(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0023")
    with db.write() as conn:
        owner = users.add(conn, email="a@example.org", password_hash="x", now=NOW)
        columns = "user_id, name, kind, mime, size, width, height, sha256, path, alt, created_at"
        values = ":u, 'a.png', 'image', 'image/png', 1000, 640, 360, 'x', 'y', 'A cat', :at"
        at = "2026-03-02 08:00:00.000000" if db.is_sqlite else NOW
        conn.execute(text(f"INSERT INTO media ({columns}) VALUES ({values})"), {"u": owner, "at": at})
    db.migrate()
    with db.write() as conn:
        (record,) = media.get_many(conn, [1])
        assert (record.pages, record.alt) == (None, "A cat")
        file = file_of(record, Path("/data"))
        assert (file.kind, file.name, file.pages) == (MediaKind.IMAGE, "a.png", None)
        told = {"name": "plan.pdf", "kind": "document", "mime": "application/pdf", "size": 9, "width": 0, "height": 0}
        made = media.add(conn, space=owner, now=NOW, **told, sha256="z", path="z", pages=12)
        assert media.get_many(conn, [made])[0].pages == 12
    db.close()
