"""Closed days leave the table for files, and wherever the process is killed each sample counts exactly once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, select

from postprober.analytics import compaction, history
from postprober.analytics.store import SampleStore
from postprober.errors import Conflict, PostProberError
from postprober.storage import retention, sample_days
from postprober.storage.database import Database
from postprober.storage.retention import Keep, tidy
from postprober.storage.tables import accounts, deliveries, posts, samples, users

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAYS = tuple(date(2026, 11, day) for day in (17, 18, 19))  # closed; 20 is not yet two days over, 21 and 22 are young
Row = tuple[int, datetime, int | None]


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


class Killer:
    """Kills at the n-th checkpoint."""

    def __init__(self, at: int) -> None:
        self._left = at
        self.seen: list[str] = []

    def __call__(self, step: str) -> None:
        self.seen.append(step)
        self._left -= 1
        if self._left == 0:
            raise Killed


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two deliveries, four samples each on every day from the 17th to the 22nd, every third without likes."""
    monkeypatch.setattr(compaction, "BATCH", 3)
    with database.write() as conn:
        user = _new(conn, users, email="a@example.org", password_hash="x")
        account = _new(
            conn, accounts, user_id=user, platform="x", account_name="a", remote_id="1", scopes=[], settings={}
        )
        post = _new(conn, posts, user_id=user, content="t", platforms=["x"], options={})
        made = [
            _new(
                conn,
                deliveries,
                post_id=post,
                account_id=account,
                user_id=user,
                platform="x",
                key=f"k{i}",
                state="verified",
                due_at=NOW,
                parts=[],
                published_at=NOW - timedelta(days=6),
            )
            for i in range(2)
        ]
        start = datetime(2026, 11, 17, 1, 2, 3, 456789, tzinfo=UTC)
        conn.execute(
            insert(samples),
            [
                {"delivery_id": one, "at": start + timedelta(hours=6 * n), "likes": n if n % 3 else None}
                for n in range(24)
                for one in made
            ],
        )
    return database


def _new(conn: Any, table: Any, **columns: Any) -> int:
    return int(conn.execute(insert(table).values(**columns)).inserted_primary_key[0])


def _hot(database: Database) -> list[Row]:
    with database.read() as conn:
        return [(r.delivery_id, r.at, r.likes) for r in conn.execute(select(samples))]


def _counted(database: Database, folder: Path) -> Counter[Row]:
    """What analytics sees, each row as often as it counts."""
    with SampleStore.open(database, folder, 1) as store:
        rows = store.rows('SELECT delivery_id, epoch_us("at"), likes FROM samples')
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return Counter((row[0], epoch + timedelta(microseconds=row[1]), row[2]) for row in rows)


def test_closed_days_become_files_and_every_row_counts_once(world: Database, tmp_path: Path) -> None:
    before = Counter(_hot(world))
    assert sum(before.values()) == 48 and _counted(world, tmp_path) == before
    assert compaction.run(world, tmp_path, NOW) == 3
    assert sorted(file.name for file in (tmp_path / "samples").iterdir()) == [f"{day}.parquet" for day in DAYS]
    assert _counted(world, tmp_path) == before
    assert len(_hot(world)) == 24, "what is closed left the table"
    assert compaction.run(world, tmp_path, NOW) == 0, "the second run finds nothing to do"


def test_the_newest_sample_of_a_delivery_stays_for_who_reads_the_table(world: Database, tmp_path: Path) -> None:
    before = Counter(_hot(world))
    later = NOW + timedelta(days=10)
    assert compaction.run(world, tmp_path, later) == 6
    assert sorted(_hot(world)) == sorted(row for row in before if row[1] == max(at for _, at, _ in before))
    assert _counted(world, tmp_path) == before


def test_every_step_can_be_killed_at(world: Database, tmp_path: Path) -> None:
    killer = Killer(0)
    compaction.run(world, tmp_path, NOW, killer)
    assert killer.seen == ["written", "named", "noted", "left", "left", "left"] * 3


@pytest.mark.parametrize(
    "at", [*range(1, 8), 12, 18]
)  # one day step by step, then inside the second and at the very end
def test_killed_once_the_next_run_ends_the_work(world: Database, tmp_path: Path, at: int) -> None:
    before, killer = Counter(_hot(world)), Killer(at)
    with pytest.raises(Killed):
        compaction.run(world, tmp_path, NOW, killer)
    assert len(killer.seen) == at and _counted(world, tmp_path) == before
    compaction.run(world, tmp_path, NOW)
    assert _counted(world, tmp_path) == before and len(_hot(world)) == 24
    assert not list((tmp_path / "samples").glob(".*")), "nothing half written is left"


def test_the_check_sees_a_compaction_that_forgets_the_note(
    world: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: with the note left out, rows are lost, and the count says so."""
    before = Counter(_hot(world))
    monkeypatch.setattr(sample_days, "note", lambda *_: None)
    compaction.run(world, tmp_path, NOW)
    assert _counted(world, tmp_path) != before


def test_rows_that_turn_up_late_count_at_once_and_move_with_the_next_run(world: Database, tmp_path: Path) -> None:
    compaction.run(world, tmp_path, NOW)
    with world.write() as conn:
        late = [{"delivery_id": 1, "at": datetime(2026, 11, 18, 23, tzinfo=UTC), "likes": n} for n in (7, 8)]
        conn.execute(insert(samples), late)
    before = _counted(world, tmp_path)
    assert sum(before.values()) == 50
    for at in range(1, 4):
        with pytest.raises(Killed):
            compaction.run(world, tmp_path, NOW, Killer(at))
        assert _counted(world, tmp_path) == before
        if at == 3:
            break
    compaction.run(world, tmp_path, NOW)
    assert _counted(world, tmp_path) == before
    assert pq.read_metadata(tmp_path / "samples" / "2026-11-18.parquet").num_rows == 10


def test_a_file_of_a_database_that_was_restored_from_before_it_is_not_counted(world: Database, tmp_path: Path) -> None:
    before = Counter(_hot(world))
    with pytest.raises(Killed):
        compaction.run(world, tmp_path, NOW, Killer(2))
    assert (tmp_path / "samples" / "2026-11-17.parquet").exists(), "there is a file that no note names"
    assert _counted(world, tmp_path) == before


def test_retention_removes_whole_days_of_files_too(world: Database, tmp_path: Path) -> None:
    compaction.run(world, tmp_path, NOW)
    with world.write() as conn:
        retention.put(conn, Keep(samples=4))  # older than the 18th, 12:00
    assert tidy(world, NOW, tmp_path) == 1
    assert sorted(file.name for file in (tmp_path / "samples").iterdir()) == [
        "2026-11-18.parquet",
        "2026-11-19.parquet",
    ]
    assert sum(_counted(world, tmp_path).values()) == 40
    assert tidy(world, NOW, tmp_path) == 0


def test_a_file_that_somebody_removed_is_told_and_the_rest_still_counts(world: Database, tmp_path: Path) -> None:
    compaction.run(world, tmp_path, NOW)
    (tmp_path / "samples" / "2026-11-18.parquet").unlink()
    with SampleStore.open(world, tmp_path, 1) as store:
        assert store.missing == (date(2026, 11, 18),)
    assert sum(_counted(world, tmp_path).values()) == 40


def test_the_growth_of_one_post_is_whole_wherever_its_samples_are(world: Database, tmp_path: Path) -> None:
    def growth() -> list[Row]:
        found = history.of_delivery(world, tmp_path, 1, NOW - timedelta(days=6))
        return [(row.delivery_id, row.at, row.likes) for row in found]

    before = growth()
    assert len(before) == 24 and before == sorted(before, key=lambda row: row[1])
    compaction.run(world, tmp_path, NOW + timedelta(days=10))
    assert growth() == before


def test_a_reading_that_misses_a_row_is_noticed_before_anything_is_deleted(
    world: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, whole = Counter(_hot(world)), compaction.of_day
    monkeypatch.setattr(compaction, "of_day", lambda *given: (table.slice(1) for table in whole(*given)))
    with pytest.raises(PostProberError, match="not whole"):
        compaction.run(world, tmp_path, NOW)
    assert Counter(_hot(world)) == before and _counted(world, tmp_path) == before


@pytest.mark.parametrize("meanwhile", ["replaced", "removed"])
def test_a_look_during_which_a_file_changes_is_taken_once_more(world: Database, tmp_path: Path, meanwhile: str) -> None:
    compaction.run(world, tmp_path, NOW)
    file, looks = tmp_path / "samples" / "2026-11-18.parquet", []

    def look(store: SampleStore) -> int:
        looks.append(store)
        if len(looks) == 1 and meanwhile == "removed":
            file.unlink()
        elif len(looks) == 1:
            shorter = pq.read_table(file).slice(1)
            pq.write_table(shorter, file.with_name("new"))
            file.with_name("new").replace(file)
        return int(store.rows("SELECT count(*) FROM samples")[0][0])

    found = SampleStore.look(world, tmp_path, 1, None, look)
    assert len(looks) == 2
    with SampleStore.open(world, tmp_path, 1) as store:
        assert found == store.rows("SELECT count(*) FROM samples")[0][0]


def test_a_look_that_is_disturbed_each_time_is_given_up_with_a_sentence(world: Database, tmp_path: Path) -> None:
    compaction.run(world, tmp_path, NOW)
    file = tmp_path / "samples" / "2026-11-18.parquet"

    def disturbed(_: SampleStore) -> None:
        pq.write_table(pq.read_table(file), file.with_name("new"))
        file.with_name("new").replace(file)

    with pytest.raises(Conflict, match="tidied"):
        SampleStore.look(world, tmp_path, 1, None, disturbed)


def test_files_hold_the_sum_of_the_acts_and_none_where_nothing_was_told(world: Database, tmp_path: Path) -> None:
    compaction.run(world, tmp_path, NOW)
    rows = [row for file in (tmp_path / "samples").iterdir() for row in pq.read_table(file).to_pylist()]
    acts = ("likes", "reposts", "replies", "quotes", "bookmarks")
    for row in rows:
        known = [row[act] for act in acts if row[act] is not None]
        assert row["engagement"] == (sum(known) if known else None)
    assert {row["engagement"] is None for row in rows} == {True, False}
