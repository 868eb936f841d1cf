"""Threads that write at once share a transaction: each block stays atomic, and durable when `write` returns."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from postprober.storage import database, processes
from postprober.storage.database import Database

pytestmark = pytest.mark.embedded("the group commit is SQLite's")


@pytest.fixture
def db(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "pp.sqlite"
    shutil.copy(sqlite_template, path)
    made = Database(f"sqlite:///{path}")
    yield made
    made.close()


def facts(db: Database) -> dict[str, str]:
    """What another process sees."""
    with sqlite3.connect(str(db.url.database)) as other:
        found = dict(other.execute("SELECT name, value FROM meta"))
    other.close()
    return found


class Refused(RuntimeError):
    """A block that fails."""


def test_a_block_is_on_disk_when_write_returns(db: Database) -> None:
    barrier = threading.Barrier(8)

    def work(number: int) -> bool:
        barrier.wait(60)
        seen = True
        for turn in range(10):
            with db.write() as conn:
                processes.set_fact(conn, f"{number}", f"{turn}")
            seen = seen and facts(db).get(f"{number}") == f"{turn}"
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_a_block_that_fails_is_undone_alone(db: Database) -> None:
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait(60)
        for turn in range(10):
            try:
                with db.write() as conn:
                    processes.set_fact(conn, f"{number}-{turn}", "x")
                    if number % 2:
                        raise Refused
            except Refused:
                continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert set(facts(db)) == {f"{n}-{t}" for n in (0, 2, 4, 6) for t in range(10)}


def test_a_commit_that_fails_is_told_to_everybody_in_the_group_and_keeps_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    told: list[str] = []

    def first() -> None:
        try:
            with db.write() as conn:
                processes.set_fact(conn, "first", "x")
                monkeypatch.setattr(type(conn), "commit", fail)
                inside.set()
                assert go_on.wait(60)
        except Refused:
            told.append("first")

    def second() -> None:
        try:
            with db.write() as conn:
                processes.set_fact(conn, "second", "x")
        except Refused:
            told.append("second")

    def fail(_: object) -> None:
        raise Refused("the disk is full")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    threading.Event().wait(0.1)
    go_on.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    monkeypatch.undo()
    assert sorted(told) == ["first", "second"]
    assert facts(db) == {}
    with db.write() as conn:
        processes.set_fact(conn, "afterwards", "x")
    assert facts(db) == {"afterwards": "x"}


def test_a_thread_that_waits_its_turn_does_not_keep_others_from_their_end(db: Database) -> None:
    def work(number: int) -> None:
        with db.write() as conn:
            processes.set_fact(conn, f"{number}", "x")

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(work, n) for n in range(200)]:
            future.result(20)
    assert len(facts(db)) == 200


def test_a_lock_that_another_process_holds_is_an_error_that_the_others_know(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API answers 503 to SQLAlchemy's errors; the driver's own became a 500, and ended the scheduler's jobs."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    other = sqlite3.connect(str(db.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"), db.write() as conn:
        processes.set_fact(conn, "name", "locked out")
    other.execute("ROLLBACK")
    other.close()
    with db.write() as conn:
        processes.set_fact(conn, "name", "let in")
    assert facts(db)["name"] == "let in"


def test_who_fails_because_of_another_block_finds_it_afterwards(db: Database) -> None:
    """Of many that make the same thing, one makes it, and each of the others reads it after its refusal."""
    with db.write() as conn:
        conn.exec_driver_sql("CREATE TABLE named (name TEXT UNIQUE)")
    barrier = threading.Barrier(8)

    def make(turn: int) -> int:
        barrier.wait(60)
        try:
            with db.write() as conn:
                conn.exec_driver_sql("INSERT INTO named VALUES (?)", (str(turn),))
        except IntegrityError:
            with db.read() as conn:
                return int(conn.exec_driver_sql("SELECT count(*) FROM named WHERE name = ?", (str(turn),)).scalar_one())
        return 1

    with ThreadPoolExecutor(8) as pool:
        for turn in range(20):
            assert list(pool.map(make, [turn] * 8)) == [1] * 8
