"""A SQLite installation moves to PostgreSQL row by row; killed anywhere it can be run again, and never are both in use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DatabaseError, OperationalError

from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState as S
from postprober.errors import BadInput, ConfigurationError
from postprober.storage import move as moving
from postprober.storage import processes
from postprober.storage.database import Database
from postprober.storage.tables import accounts, attempts, deliveries, metadata, posts, transitions, users
from postprober.wiring import build_core, close_core
from tests.conftest import _TEMPLATE, _admin
from tests.installed import Installation
from tests.pipeline.fake import FakePlatform, Way, cut
from tests.pipeline.stage import Stage

POSTS = 7
MOST_WRITTEN = 200  # posts beside the move; on a busy machine it would never catch up with a writer that never ends


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
            table.name: [
                moving._clean(dict(row)) for row in conn.execute(select(table).order_by(moving._key(table))).mappings()
            ]
            for table in metadata.sorted_tables
            if table.name not in ("leases", "processes")
        }
    found["meta"] = [row for row in found["meta"] if row["name"] not in moving._MARKS]
    return found


def _notes(db: Database) -> list[str]:
    with db.read() as conn:
        return list(conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE name LIKE 'moving%'").scalars())


def test_every_row_is_there_and_the_old_database_takes_nothing_any_more(stage: Stage, target: Database) -> None:
    before = contents(stage.db)
    report = moving.move(stage.db, target)
    assert contents(target) == before == contents(stage.db)
    assert report.rows["deliveries"] == POSTS + 1 and report.rows["users"] > 0 and report.late == report.locked == 0
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
    last = 2 * len(moving._tables()) + 6  # one pass over the tables, clearing and copying, and six steps beside
    for at in sorted({*range(1, last, 5), *range(last - 6, last + 1)}):
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
    assert len(killed) > 15 and {"marked", "caught up", "closing", "closed"} <= killed
    assert contents(target) == before and _usable(target) and not _usable(stage.db)


def _usable(db: Database) -> bool:
    try:
        moving.refuse_moved(db)
    except ConfigurationError:
        return False
    return True


MOST_WRITTEN = 300  # posts; where they are written many times faster than copied, the move takes as many times as long


def test_what_is_written_during_the_copy_comes_along_too(
    stage: Stage, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "CHUNK", 20)
    going, stop = threading.Event(), threading.Event()
    written = []

    def write() -> None:
        while not stop.is_set() and len(written) < MOST_WRITTEN:
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

    try:
        report = moving.move(stage.db, target, checkpoint)
    finally:  # or the tests would never end
        stop.set()
        writer.join(30)
    assert report.late > 20
    with target.read() as conn:
        assert set(written) <= set(conn.execute(select(deliveries.c.id)).scalars()), "nothing that was taken is lost"
    assert contents(target) == contents(stage.db)


@pytest.mark.parametrize(("times", "rounds"), [(0.99, 1), (1.5, 1), (0.4, 6)])
def test_who_writes_as_fast_as_it_is_copied_does_not_keep_the_move_from_its_end(
    stage: Stage, target: Database, monkeypatch: pytest.MonkeyPatch, times: float, rounds: int
) -> None:
    """`times`: how many rows are written while one is copied. The control: where it gets less, it goes on."""
    counts = [10_000]

    def noted(_conn: object, _run: str, after: int) -> tuple[dict[str, list[int]], int]:
        assert len(counts) < 100, "it would go on for ever"
        counts.append(int(counts[-1] * times))
        return {"deliveries": list(range(counts[-2]))}, after + 1

    monkeypatch.setattr(moving, "_noted", noted)
    monkeypatch.setattr(moving, "_copy_rows", lambda _conn, _target, rows: len(rows["deliveries"]))
    _, seen = moving._catch_up(stage.db, moving._Target(target, "run", ""), 0)
    assert seen == rounds


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


def test_nobody_waits_for_the_copy_only_for_the_last_few_rows(
    stage: Stage, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While everything is copied and compared others write; what is left for the time under the lock is what they wrote
    since the last round."""
    compared: list[str] = []
    whole = moving._compare

    def compare(conn: Any, to: Database) -> dict[str, int]:
        rows = whole(conn, to)
        stage.plan(stage.link(f"late{len(compared)}"), "written while all is compared")  # waits for no lock
        compared.append("")
        return rows

    def checkpoint(step: str) -> None:
        if step == "copied users":
            for number in range(50):
                stage.plan(stage.link(f"early{number}"), "written while all is copied")
        if step == "caught up":
            stage.plan(stage.link("last"), "written at the end")

    monkeypatch.setattr(moving, "_compare", compare)
    report = moving.move(stage.db, target, checkpoint)
    assert compared and contents(target) == contents(stage.db)
    assert sum(report.rows.values()) > 300 and report.late > 200
    assert 0 < report.locked < 15, "the post planned at the end, no more"
    assert _notes(stage.db) == []


def test_what_is_unique_may_change_hands_meanwhile(stage: Stage, target: Database) -> None:
    """A name that one row gives up and another takes, in both directions."""
    with stage.db.write() as conn:
        conn.execute(users.update().where(users.c.id == 1).values(email="first@example.org"))
        conn.execute(posts.update().where(posts.c.id == 1).values(user_id=1, draft_key="one"))
        conn.execute(posts.update().where(posts.c.id == 2).values(user_id=1, draft_key="two"))

    def checkpoint(step: str) -> None:
        if step != "caught up":
            return
        with stage.db.write() as conn:
            for table, column, names in (
                (users, users.c.email, ("first@example.org", "x")),
                (posts, posts.c.draft_key, ("one", "two")),
            ):
                conn.execute(table.update().where(table.c.id == 1).values({column.name: "between"}))
                conn.execute(table.update().where(table.c.id == 2).values({column.name: names[0]}))
                conn.execute(table.update().where(table.c.id == 1).values({column.name: names[1]}))

    moving.move(stage.db, target, checkpoint)
    assert contents(target) == contents(stage.db)
    with target.read() as conn:
        assert conn.execute(select(users.c.email).where(users.c.id == 2)).scalar_one() == "first@example.org"
        assert conn.execute(select(posts.c.draft_key).where(posts.c.id == 1)).scalar_one() == "two"


@pytest.mark.parametrize("at", ["copied remote_posts", "caught up"])
def test_a_second_row_of_an_account_takes_nothing_from_the_first(stage: Stage, target: Database, at: str) -> None:
    """Both name the same account, which only one of them has as its own (`same_as`)."""
    identity = {"server": "same", "remote_id": "same"}
    ids = [stage.link(name, user_id=1).id for name in ("one", "two", "three", "four")]
    with stage.db.write() as conn:
        conn.execute(accounts.update().where(accounts.c.id == ids[0]).values(identity))
        conn.execute(accounts.update().where(accounts.c.id == ids[1]).values(**identity, same_as=ids[0]))

    def checkpoint(step: str) -> None:
        if step != at:
            return
        with stage.db.write() as conn:
            conn.execute(accounts.update().where(accounts.c.id == ids[1]).values(account_name="touched"))
            for account, remote_id in ((ids[2], "between"), (ids[3], "three"), (ids[2], "four")):
                conn.execute(accounts.update().where(accounts.c.id == account).values(remote_id=remote_id))

    moving.move(stage.db, target, checkpoint)
    assert contents(target) == contents(stage.db)


def test_the_own_one_of_two_rows_may_change(stage: Stage, target: Database) -> None:
    """The control of the one above: here something has to be given up."""
    ids = [stage.link(name, user_id=1).id for name in ("one", "two")]
    with stage.db.write() as conn:
        conn.execute(accounts.update().where(accounts.c.id.in_(ids)).values(same_as=ids[0], remote_id="same"))
        conn.execute(accounts.update().where(accounts.c.id == ids[0]).values(same_as=None))

    def checkpoint(step: str) -> None:
        if step != "caught up":
            return
        with stage.db.write() as conn:
            conn.execute(accounts.update().where(accounts.c.id == ids[0]).values(same_as=ids[1]))
            conn.execute(accounts.update().where(accounts.c.id == ids[1]).values(same_as=None))

    moving.move(stage.db, target, checkpoint)
    assert contents(target) == contents(stage.db)


def test_what_postgresql_cannot_keep_is_replaced_and_said(stage: Stage, target: Database) -> None:
    with stage.db.write() as conn:
        conn.execute(posts.update().values(content="plain"))
        conn.execute(attempts.update().values(intent={"text": "plain"}))
        conn.execute(deliveries.update().values(parts=[]))
        conn.execute(posts.update().where(posts.c.id == 2).values(options={"half \ud83d": ["\udc00 and ☀ \U0001f600"]}))
        conn.execute(posts.update().where(posts.c.id == 3).values(content="a NUL \x00"))
        conn.exec_driver_sql("UPDATE posts SET platforms = '[NaN, -Infinity, 1.5]' WHERE id = 4")
    report = moving.move(stage.db, target)
    assert report.changed == {"posts": [2, 3, 4]}
    with target.read() as conn:
        rows = {row.id: row for row in conn.execute(select(posts))}
    assert rows[2].options == {"half \ufffd": ["\ufffd and ☀ \U0001f600"]}
    assert rows[3].content == "a NUL \ufffd" and rows[4].platforms == [None, None, 1.5]
    assert contents(target) == contents(stage.db)


def test_a_text_that_is_longer_than_its_column_is_cut_and_said(stage: Stage, target: Database) -> None:
    """SQLite takes it; a server of a platform says how its accounts are called."""
    with stage.db.write() as conn:
        conn.execute(accounts.update().where(accounts.c.id == 2).values(account_name="☀" * 300))
        conn.execute(accounts.update().where(accounts.c.id == 3).values(account_name="☀" * 255))
        conn.execute(posts.update().values(content="plain"))
        conn.execute(attempts.update().values(intent={"text": "plain"}))
        conn.execute(deliveries.update().values(parts=[]))
    assert moving.move(stage.db, target).changed == {"accounts": [2]}
    with target.read() as conn:
        names = {row.id: row.account_name for row in conn.execute(select(accounts))}
    assert names[2] == names[3] == "☀" * 255


def test_a_database_that_fails_is_said_in_one_sentence(
    stage: Stage, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("server closed the connection unexpectedly"))

    with monkeypatch.context() as broken:
        broken.setattr(moving, "_write", lost)
        with pytest.raises(ConfigurationError, match=r"not finished \(.*server closed.*\); run migrate-to again"):
            moving.move(stage.db, target)
    assert _usable(stage.db) and not _usable(target)
    moving.move(stage.db, target)
    assert contents(target) == contents(stage.db)


def test_what_an_abandoned_move_left_behind_goes_even_of_tables_that_are_no_longer_known(
    stage: Stage, target: Database
) -> None:
    with stage.db.write() as conn:
        moving._take_notes(conn, "abandoned")
        conn.exec_driver_sql("CREATE TABLE of_yesterday (id INTEGER PRIMARY KEY)")
        note = "INSERT INTO moving_changes (tbl, key) VALUES ('of_yesterday', NEW.id)"
        conn.exec_driver_sql(
            f"CREATE TRIGGER moving_of_yesterday_insert AFTER INSERT ON of_yesterday BEGIN {note}; END"
        )
        conn.exec_driver_sql("CREATE TRIGGER movingly AFTER INSERT ON of_yesterday BEGIN SELECT 1; END")
    moving.move(stage.db, target)
    assert _notes(stage.db) == ["movingly"]
    assert contents(target) == contents(stage.db)


def test_whoever_starts_after_a_killed_move_takes_no_notes_for_it(stage: Stage, target: Database) -> None:
    kept: list[int] = []

    def kill(step: str) -> None:
        if step in ("noting", "copied posts", "caught up"):  # others start meanwhile
            moving.forget_abandoned(stage.db)
            kept.append(len(_notes(stage.db)))
        if step == "caught up":
            raise Killed

    with pytest.raises(Killed):
        moving.move(stage.db, target, kill)
    assert kept == [kept[0]] * 3 and kept[0] > 90
    moving.forget_abandoned(stage.db)
    assert _notes(stage.db) == []
    stage.plan(stage.link("then"), "written without a note")
    moving.move(stage.db, target)
    assert contents(target) == contents(stage.db)
    moving.forget_abandoned(target)


@pytest.mark.embedded("a move begins on SQLite")
def test_every_start_looks_for_what_a_killed_move_left(installation: Installation) -> None:
    with installation.core.db.write() as conn:
        moving._take_notes(conn, "killed")
    again = build_core(installation.core.settings)
    try:
        assert _notes(again.db) == [] == _notes(installation.core.db)
    finally:
        close_core(again)


def test_two_moves_at_once_do_not_take_each_others_notes(stage: Stage, target: Database) -> None:
    def checkpoint(step: str) -> None:
        if step == "caught up":
            with stage.db.write() as conn:
                moving._take_notes(conn, "of another run")

    with pytest.raises(BadInput, match="Another migrate-to"):
        moving.move(stage.db, target, checkpoint)
    assert _usable(stage.db)
    moving.move(stage.db, target)
    assert contents(target) == contents(stage.db)


@pytest.fixture
def second(target: Database) -> Iterator[Database]:
    """The target as another process opens it."""
    db = Database(target.url)
    yield db
    db.close()


def test_of_two_moves_into_one_database_the_second_is_refused(stage: Stage, target: Database, second: Database) -> None:
    refused = []

    def checkpoint(step: str) -> None:
        if step in ("marked", "copied posts", "closing", "closed"):
            with pytest.raises(BadInput, match="into that database is running"):
                moving.move(stage.db, second)
            refused.append(step)

    moving.move(stage.db, target, checkpoint)
    assert refused == ["marked", "copied posts", "closing", "closed"]
    assert contents(target) == contents(stage.db) and _usable(target)
    with pytest.raises(BadInput, match="already"):  # the lock is free again
        moving.move(stage.db, second)


@pytest.mark.parametrize(
    ("at", "writes"),
    [("marked", True), ("noting", False), ("copied users", True), ("caught up", True), ("closed", True)],
)
def test_a_run_whose_connection_broke_writes_nothing_more_once_another_took_over(
    stage: Stage, target: Database, second: Database, at: str, writes: bool
) -> None:
    """What the new installation has written by then is kept."""
    before: list[dict[str, list[dict[str, Any]]]] = []

    def checkpoint(step: str) -> None:
        if step != at:
            return
        with second.write() as conn:
            killed = conn.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock"
                ),
                {"lock": moving.LOCK},
            ).scalars()
            assert list(killed) == [True]
        moving.move(stage.db, second)
        assert _usable(second)
        if writes:
            with second.write() as conn:
                conn.execute(posts.update().where(posts.c.id == 1).values(content="written in the new one"))
                conn.execute(users.insert().values(email="new@example.org", password_hash="x"))
        before.append(contents(second))

    with pytest.raises(BadInput, match=r"took over|was started"):
        moving.move(stage.db, target, checkpoint)
    assert contents(target) == before[0] and _usable(target) and not _usable(stage.db)


def test_a_move_that_failed_leaves_nothing_that_takes_notes(
    stage: Stage, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise ConfigurationError("differs")

    monkeypatch.setattr(moving, "_compare", fail)
    with pytest.raises(ConfigurationError, match="differs"):
        moving.move(stage.db, target)
    assert _notes(stage.db) == []
