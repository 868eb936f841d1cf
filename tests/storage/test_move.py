"""A SQLite installation moves to PostgreSQL row by row; killed anywhere it can be run again, and never are both in use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.exc import DatabaseError

from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState as S
from postprober.errors import BadInput, ConfigurationError
from postprober.storage import move as moving
from postprober.storage import processes
from postprober.storage.database import Database
from postprober.storage.tables import attempts, deliveries, metadata, transitions
from tests.conftest import _TEMPLATE, _admin
from tests.pipeline.fake import FakePlatform, Way, cut
from tests.pipeline.stage import Stage

POSTS = 7


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


@pytest.fixture
def stage(sqlite_template: Path, tmp_path: Path) -> Iterator[Stage]:
    """Some posts that are out, one of which nobody knows whether it is, and one that waits."""
    path = tmp_path / "old.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    clock = ManualClock()
    made = Stage(Database(f"sqlite:///{path}"), clock, FakePlatform(clock), tmp_path)
    with made.db.write() as conn:
        processes.set_fact(conn, "installation", "this one")
    for number in range(POSTS - 1):
        made.act(made.worker(), made.plan(made.link(f"a{number}"), f"post {number} \x00 ☀"))
    made.platform.ways.append(Way(lose=cut()))
    made.act(made.worker(), made.plan(made.link("lost"), "lost"))
    made.plan(made.link("later"), "later", due_in=3600)
    yield made
    made.pools.close()
    made.db.close()


@pytest.fixture
def target(postgres: str) -> Iterator[Database]:
    _admin(postgres, f"CREATE DATABASE moved TEMPLATE {_TEMPLATE}")
    db = Database(make_url(postgres).set(database="moved").render_as_string(False))
    yield db
    db.close()
    _admin(postgres, "DROP DATABASE moved WITH (FORCE)")


def contents(db: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows, without what belongs to one of the two; NUL is the one thing that PostgreSQL cannot keep."""
    with db.read() as conn:
        found = {
            table.name: [moving._clean(dict(row)) for row in conn.execute(select(table).order_by(moving._key(table))).mappings()]
            for table in metadata.sorted_tables
            if table.name not in ("leases", "processes")
        }  # fmt: skip
    found["meta"] = [row for row in found["meta"] if row["name"] not in (moving.MOVED, moving.MOVING)]
    return found


def test_every_row_is_there_and_the_old_database_takes_nothing_any_more(stage: Stage, target: Database) -> None:
    before = contents(stage.db)
    report = moving.move(stage.db, target)
    assert contents(target) == before == contents(stage.db)
    assert report.rows["deliveries"] == POSTS + 1 and report.rows["users"] > 0 and report.late == 0
    moving.refuse_moved(target)
    with pytest.raises(ConfigurationError, match="was moved to postgresql"):
        moving.refuse_moved(stage.db)
    for table in metadata.sorted_tables:
        with pytest.raises(DatabaseError, match="was moved"), stage.db.write() as conn:
            conn.execute(table.insert().values({moving._key(table).name: None}))
    with pytest.raises(DatabaseError, match="was moved"), stage.db.write() as conn:
        conn.execute(deliveries.update().values(reason="written by a process that knows nothing of the move"))


def test_work_goes_on_in_the_new_one_and_looks_before_it_sends(stage: Stage, target: Database) -> None:
    lost = stage.plan(stage.link("again"), "sent a moment before")
    stage.platform.ways.append(Way(lose=cut()))
    stage.act(stage.worker(), lost)
    assert stage.state(lost) is S.UNCONFIRMED
    moving.move(stage.db, target)
    new = Stage(target, stage.clock, stage.platform, stage.data_dir)
    stage.manual.advance(timedelta(minutes=5).total_seconds())
    sends = len(stage.platform.sends)
    new.settle(new.worker("new"), lost)
    assert new.state(lost) in (S.VERIFIED, S.PUBLISHED) and len(stage.platform.sends) == sends
    fresh = new.plan(new.link("fresh", user_id=1), "fresh")
    with target.read() as conn:
        assert fresh == max(conn.execute(select(deliveries.c.id)).scalars()) > lost
    new.pools.close()


@pytest.mark.slow
def test_killed_at_every_step_it_can_be_run_again(stage: Stage, target: Database) -> None:
    before, killed = contents(stage.db), set()
    last = 4 * len(moving._tables()) + 4  # two passes over the tables, clearing and copying, and four steps beside
    for at in sorted({*range(1, last, 5), *range(last - 4, last + 1)}):
        steps: list[str] = []

        def checkpoint(step: str, steps: list[str] = steps, at: int = at) -> None:
            steps.append(step)
            if len(steps) == at:
                raise Killed

        try:
            moving.move(stage.db, target, checkpoint)
            break
        except Killed:
            killed.add(steps[-1])
        old, new = _usable(stage.db), _usable(target)
        assert not (old and new), f"both can be worked with after {steps[-1]}"
    assert len(killed) > 20 and {"marked", "closing", "closed"} <= killed
    assert contents(target) == before and _usable(target) and not _usable(stage.db)


def _usable(db: Database) -> bool:
    try:
        moving.refuse_moved(db)
    except ConfigurationError:
        return False
    return True


def test_what_is_written_during_the_copy_comes_along_too(
    stage: Stage, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "CHUNK", 3)
    going, stop = threading.Event(), threading.Event()
    written = []

    def write() -> None:
        while not stop.is_set():
            try:
                written.append(stage.plan(stage.link(f"w{len(written)}"), f"while it is moved {len(written)}"))
            except DatabaseError:
                return  # moved
            if len(written) == 20:
                going.set()

    writer = threading.Thread(target=write)

    def checkpoint(step: str) -> None:
        if step == "copied deliveries" and not going.is_set():
            writer.start()
            assert going.wait(30)

    report = moving.move(stage.db, target, checkpoint)
    stop.set()
    writer.join(30)
    assert report.late > 20
    with target.read() as conn:
        assert set(written) <= set(conn.execute(select(deliveries.c.id)).scalars()), "nothing that was taken is lost"
    assert contents(target) == contents(stage.db)


def test_a_row_that_changed_or_went_after_a_first_run_is_put_right(stage: Stage, target: Database) -> None:
    def stop(step: str) -> None:
        if step == "closing":
            raise Killed

    with pytest.raises(Killed):
        moving.move(stage.db, target, stop)
    with stage.db.write() as conn:
        conn.execute(attempts.delete().where(attempts.c.id == 1))
        conn.execute(transitions.update().where(transitions.c.id == 2).values(reason="put right"))
    moving.move(stage.db, target)
    assert contents(target) == contents(stage.db)


def test_a_database_in_use_is_left_alone(stage: Stage, target: Database) -> None:
    other = Stage(target, stage.clock, stage.platform, stage.data_dir)
    other.link()  # a user of its own
    before = contents(target)
    with pytest.raises(BadInput, match="already"):
        moving.move(stage.db, target)
    assert contents(target) == before and _usable(stage.db)
    with pytest.raises(BadInput, match="SQLite"):
        moving.move(target, target)
    other.pools.close()


def test_a_difference_that_stays_switches_nothing_over(
    stage: Stage, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the comparison: a copy that leaves rows out is found."""
    whole = moving._write
    monkeypatch.setattr(moving, "_write", lambda to, table, rows: whole(to, table, rows[:-1]))
    with pytest.raises((ConfigurationError, DatabaseError)):
        moving.move(stage.db, target)
    assert _usable(stage.db) and not _usable(target)
