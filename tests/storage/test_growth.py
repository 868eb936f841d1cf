"""Each table is bounded by a rule that exists, or named as one that is not; sizes and forecasts are what is there."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from postprober.storage import growth, retention
from postprober.storage.database import Database
from postprober.storage.growth import BOUNDS, FOLDERS, Size
from postprober.storage.retention import Keep
from postprober.storage.tables import metadata, outbox
from postprober.wiring import build_scheduler
from tests.installed import Installation

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVERYTHING = Keep(**{one.name: 1 for one in fields(Keep)})


def test_every_table_is_bounded_by_a_rule_or_named_as_one_that_is_not(
    installation: Installation, tmp_path: Path
) -> None:
    assert set(BOUNDS) == set(metadata.tables)
    parts = {name for name, _ in retention._parts(installation.core.db, EVERYTHING, NOW, tmp_path)}
    jobs = {name for name, _, _ in build_scheduler(installation.core, 1)._more}
    for table, bound in BOUNDS.items():
        assert bound.rule in parts | jobs or (not bound.rule and bound.why), table
        assert not isinstance(bound.days, str) or hasattr(EVERYTHING, bound.days), table
        assert not (bound.rule and bound.once), table
    assert all(not isinstance(days, str) or hasattr(EVERYTHING, days) for days in FOLDERS.values())


def test_every_wish_bounds_something() -> None:
    named = {bound.days for bound in BOUNDS.values()} | set(FOLDERS.values())
    assert {one.name for one in fields(Keep)} - named == {"replies"}, "replies are emptied, and their rows stay"


def _letters(db: Database, count: int, days: float) -> None:
    with db.write() as conn:
        for number in range(count):
            conn.execute(
                insert(outbox).values(
                    user_id=1,
                    kind="mail",
                    dedupe_key=f"{days}-{number}",
                    payload={"text": "x" * 500},
                    created_at=NOW - timedelta(days=days * (number + 1) / count),
                )
            )


@pytest.mark.parametrize("told", [True, False])
def test_a_table_is_as_large_and_grows_as_fast_as_it_does(
    database: Database, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not told:
        monkeypatch.setattr(growth, "_told", lambda _conn: None)
    _letters(database, 1_000, 10)
    with database.read() as conn:
        found = {one.name: one for one in growth.of_tables(conn, Keep(), NOW)}
    letters = found["outbox"]
    assert letters.rows == 1_000 and 500_000 < letters.bytes < 1_500_000
    assert letters.per_day is not None and letters.bytes / 11 < letters.per_day < letters.bytes / 9
    assert letters.days_kept == 30 and letters.in_days(365) == letters.per_day * 30
    assert found["posts"].per_day == 0 and found["users"].per_day is None
    assert found["evidence"].days_kept == Keep().evidence and found["samples"].days_kept == 2
    assert found["archives"].days_kept is None, "0 days are for ever"


def test_a_folder_is_as_large_as_its_files(tmp_path: Path) -> None:
    (tmp_path / "media" / "ab").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "media" / "ab" / str(number)).write_bytes(b"x" * 1_000)
    found = {one.name: one for one in growth.of_folders(tmp_path, Keep(), datetime.now(UTC))}
    assert set(found) == {*FOLDERS, *growth.OTHER_FOLDERS} and found["logs"].per_day is None
    assert (found["media"].rows, found["media"].bytes, found["media"].per_day) == (3, 3_000, 3_000)
    assert found["evidence"].bytes == 0 and found["evidence"].per_day == 0


def test_forecasts_add_up_what_stays_and_cut_what_goes() -> None:
    assert Size("a", 1, 100, None, 10.0).in_days(365) == 100 + 3_650, "for ever"
    assert Size("a", 1, 100, 30, 10.0).in_days(365) == 300, "what came in the last 30 days"
    assert Size("a", 1, 5_000, 30, 10.0).in_days(365) == 300, "what is too much now goes"
    assert Size("a", 1, 100, 1_000, 10.0).in_days(365) == 100 + 3_650, "the year ends before anything goes"
    assert Size("a", 1, 100, 30, 10.0, 0.5).in_days(365) == 300 / 2 + 3_750 / 2, "half of it stays"
    assert Size("a", 1, 100, None, None).in_days(365) == 100
