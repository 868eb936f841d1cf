"""Where threads take turns (on SQLite), one reads at a time, and a read inside a read does not wait for itself."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postprober.errors import PostProberError
from postprober.storage.database import Database


@pytest.mark.parametrize("turns", [True, False])
def test_only_one_thread_reads_at_a_time_where_they_take_turns(database: Database, turns: bool) -> None:
    if turns:
        database.take_turns()
    inside, second, go_on = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with database.read(), database.read() as conn:
            assert conn.exec_driver_sql("SELECT 1").scalar_one() == 1
            inside.set()
            assert go_on.wait(30)

    def other() -> None:
        assert inside.wait(60)
        with database.read():
            second.set()

    threads = [threading.Thread(target=work) for work in (first, other)]
    for thread in threads:
        thread.start()
    assert inside.wait(60), "a read inside a read goes on"
    alone = turns and database.is_sqlite
    assert second.wait(0.3 if alone else 10) is not alone
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert second.is_set()


def test_processes_that_start_at_once_on_an_empty_database_migrate_it_once(empty_database_url: str) -> None:
    ready, failed = threading.Barrier(4), []

    def start() -> None:
        db = Database(empty_database_url)
        ready.wait(60)
        try:
            db.migrate()
        except PostProberError as error:
            failed.append(error.detail)
        db.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    db = Database(empty_database_url)
    assert failed == [] and db.is_current()
    db.close()


def test_who_opens_a_new_file_waits_for_the_one_who_is_turning_it(tmp_path: Path) -> None:
    """SQLite refuses the second one at once there, whatever its time-out for a busy database."""
    path = tmp_path / "new.sqlite"
    first = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    second = sqlite3.connect(path, isolation_level=None, timeout=15)
    with pytest.raises(sqlite3.OperationalError, match="locked"):  # the control
        second.execute("PRAGMA journal_mode = WAL")
    second.close()
    timer = threading.Timer(0.3, lambda: first.execute("ROLLBACK"))
    timer.start()
    db = Database(f"sqlite:///{path}")
    with db.read() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    timer.join()
    first.close()
    db.close()


def _is_open(connection: Any) -> bool:
    """Of a driver's connection."""
    if isinstance(connection, psycopg.Connection):
        return not connection.closed
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


def test_a_thread_that_works_on_after_the_end_leaves_no_connection_open(database_url: str) -> None:
    """A link's page may be read in the background while the process ends."""
    db = Database(database_url)
    with db.read() as before:
        kept = before.connection.driver_connection
    assert _is_open(kept)  # the control: a pool keeps what is given back
    with db.read() as early:
        used = early.connection.driver_connection
        db.close()
        assert _is_open(used)  # nobody's work is cut off
    with db.read() as late:
        opened = late.connection.driver_connection
    assert [_is_open(one) for one in (kept, used, opened)] == [False, False, False]


def test_who_reads_alone_uses_one_connection_however_many_were_needed_before(database: Database) -> None:
    """Each of them keeps pages in memory."""
    together = threading.Barrier(5)
    used: list[int] = []

    def read() -> None:
        with database.read() as conn:
            used.append(id(conn.connection.dbapi_connection))
            together.wait(30)

    threads = [threading.Thread(target=read) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(used)) == 5
    used.clear()
    for _ in range(20):
        with database.read() as conn:
            used.append(id(conn.connection.dbapi_connection))
    assert len(set(used)) == 1
