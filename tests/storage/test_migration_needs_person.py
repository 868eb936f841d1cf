"""Yesterday's repairs on the way through migration 0026: what only a person can do says so."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from postprober.storage import repairs
from postprober.storage.database import Database
from postprober.storage.tables import repairs as table
from tests.storage.test_migration_whose_post import fill, to_revision

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_repairs_of_before_and_of_an_older_process_need_a_person(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0015")
    fill(db)
    to_revision(db, "0025")
    with db.write() as conn:
        for number, state in ((1, "told"), (2, "proposed"), (3, "refused")):
            conn.execute(
                insert(table).values(
                    delivery_id=number,
                    post_id=1,
                    user_id=1,
                    transition_id=number,
                    state=state,
                    cited=[],
                    plan={},
                    made_at=NOW,
                )
            )
    db.migrate()
    with db.write() as conn:
        stored = conn.execute(select(table.c.state).order_by(table.c.id)).scalars().all()
        assert stored == ["needs_person", "proposed", "refused"]
        conn.execute(update(table).where(table.c.id == 1).values(state="told"))  # as an older process writes it
        assert [one.state for one in repairs.of_post(conn, 1)] == ["needs_person", "proposed", "refused"]
    db.close()
