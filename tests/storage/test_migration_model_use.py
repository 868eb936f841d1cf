"""What a model was asked yesterday, on the way through migration 0021: it counts for the installation, and for no space."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from postprober.storage import usage
from postprober.storage.database import Database
from tests.storage.test_migration_whose_post import to_revision

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_what_was_asked_before_counts_for_no_space(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0020")
    with db.write() as conn:
        conn.execute(
            text(
                "INSERT INTO ai_usage (at, day, purpose, model, input_tokens, output_tokens, cost_micros, outcome) "
                "VALUES ('2026-03-02 08:00:00.000000', '2026-03-02', 'review', 'm', 100, 20, 72, 'answered')"
            )
        )
    db.migrate()
    with db.write() as conn:
        assert usage.today(conn, NOW) == (120, 72)
        assert usage.today(conn, NOW, 1) == usage.this_month(conn, NOW, 1) == (0, 0)
        row = usage.reserve(conn, purpose="review", model="m", tokens=50, cost_micros=5, now=NOW, space=1)
        usage.settle(conn, row, input_tokens=30, output_tokens=10, cost_micros=4, outcome="answered")
        assert usage.today(conn, NOW) == (160, 76)
        assert usage.today(conn, NOW, 1) == usage.this_month(conn, NOW, 1) == (40, 4)
        assert usage.today(conn, NOW, 2) == (0, 0)
    db.close()
