"""Alerts travel with the change they tell of; a restored database publishes nothing it may have published already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import update

from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import ProgressState
from postprober.pipeline.core import transitions as watch
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.recovery import BACKUP, HighWater, guard_against_restore
from postprober.storage import processes
from postprober.storage.database import Database
from postprober.storage.tables import alerts, deliveries, outbox, posts, transitions
from tests.pipeline.fake import FakePlatform, Way, progress, rejected
from tests.pipeline.stage import Stage

S = DeliveryState


class Boom(RuntimeError):
    """A failure after the change, inside the same transaction."""


def _failed(stage: Stage, ctx: Context) -> int:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=rejected()))
    stage.settle(ctx, delivery)
    return delivery


def test_alert_outbox_and_post_status_are_one_transaction_with_the_change(stage: Stage) -> None:
    delivery = stage.get(stage.plan(stage.link()))
    before = {t.name: len(stage.rows(t)) for t in (transitions, alerts, outbox)}

    def fail_after_the_change() -> None:
        with stage.db.write() as conn:
            watch.move(conn, delivery, S.FAILED, reason="refused", now=stage.clock.now())
            raise Boom

    with pytest.raises(Boom):
        fail_after_the_change()
    assert {t.name: len(stage.rows(t)) for t in (transitions, alerts, outbox)} == before
    assert stage.rows(posts)[0]["status"] == "scheduled"
    with stage.db.write() as conn:
        watch.move(conn, delivery, S.FAILED, reason="refused", now=stage.clock.now())
    assert {t.name: len(stage.rows(t)) for t in (transitions, alerts, outbox)} == {k: v + 1 for k, v in before.items()}
    assert stage.rows(posts)[0]["status"] == "failed"


def test_the_outbox_row_has_the_key_of_its_alert(stage: Stage, ctx: Context) -> None:
    _failed(stage, ctx)
    assert [row["dedupe_key"] for row in stage.outbox()] == [row["dedupe_key"] for row in stage.rows(alerts)]


# A restored database


def _note(stage: Stage, ctx: Context) -> HighWater:
    """What the scheduler's heartbeat writes."""
    note = HighWater(stage.data_dir)
    guard_against_restore(ctx, note)
    with stage.db.read() as conn:
        note.write(str(processes.get_fact(conn, "installation")), processes.newest_transition(conn))
    with stage.db.write() as conn:
        note.remember(conn)
    return note


@pytest.fixture
def copying(sqlite_template: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A stage whose database can be set back: `back()` after `keep()`. Of SQLite only, because it copies the file."""
    path = tmp_path / "pp.sqlite"
    shutil.copy(sqlite_template, path)
    clock = ManualClock()
    stage = Stage(Database(f"sqlite:///{path}"), clock, FakePlatform(clock), tmp_path)
    yield stage, path
    stage.db.close()
    stage.pools.close()


def _set_back(stage: Stage, path: Path, kept: Path) -> None:
    stage.db.close()
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    shutil.copy(kept, path)
    stage.db = Database(f"sqlite:///{path}")


def _keep(stage: Stage, path: Path) -> Path:
    stage.db.checkpoint_wal()
    kept = path.with_name("kept.sqlite")
    shutil.copy(path, kept)
    return kept


def test_a_restored_database_sends_nothing_it_may_have_sent_already(copying) -> None:  # type: ignore[no-untyped-def]
    stage, path = copying
    ids = [stage.plan(stage.link("a"), "one"), stage.plan(stage.link("b"), "two", due_in=5)]
    _note(stage, stage.worker())
    kept = _keep(stage, path)
    stage.settle(stage.worker(), *ids)
    _note(stage, stage.worker())
    _set_back(stage, path, kept)
    ctx = stage.worker("after")
    assert {stage.state(i) for i in ids} == {S.SCHEDULED}
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == 2
    stage.settle(ctx, *ids)
    assert {stage.state(i) for i in ids} == {S.VERIFIED}
    assert len(stage.platform.sends) == 2, "found, not sent again"


def test_two_posts_on_one_account_survive_a_restore(copying) -> None:  # type: ignore[no-untyped-def]
    stage, path = copying
    account = stage.link()
    ids = [stage.plan(account, text) for text in ("one", "two", "three")]
    _note(stage, stage.worker())
    kept = _keep(stage, path)
    stage.settle(stage.worker(), *ids[:2])
    with stage.db.write() as conn:
        conn.execute(update(deliveries).where(deliveries.c.id == ids[2]).values(next_at=None))
    sent = len(stage.platform.sends)
    _note(stage, stage.worker())
    _set_back(stage, path, kept)
    ctx = stage.worker("after")
    guard_against_restore(ctx, HighWater(stage.data_dir))
    stage.settle(ctx, *ids)
    assert {stage.state(i) for i in ids} == {S.VERIFIED}
    assert sorted(stage.platform.texts("owner")[1:]) == ["one", "three", "two"]
    assert len(stage.platform.sends) == sent + (3 - sent)


def test_a_claim_in_a_restored_database_is_looked_for_too(copying) -> None:  # type: ignore[no-untyped-def]
    """The copy was made in the moment between the claim and the intent; the post went out right after."""
    stage, path = copying
    delivery = stage.plan(stage.link())
    _note(stage, stage.worker())
    kept: list[Path] = []

    def copy(where: str) -> None:
        if where == "before_intent":
            kept.append(_keep(stage, path))

    stage.act(stage.worker(checkpoint=copy), delivery)
    stage.settle(stage.worker(), delivery)
    _note(stage, stage.worker())
    _set_back(stage, path, kept[0])
    assert stage.state(delivery) is S.CLAIMED
    ctx = stage.worker("after")
    guard_against_restore(ctx, HighWater(stage.data_dir))
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), len(stage.platform.sends)) == (S.VERIFIED, 1)


def test_a_delivery_in_processing_in_a_restored_database_is_looked_for_too(copying) -> None:  # type: ignore[no-untyped-def]
    stage, path = copying
    stage.platform.stages = True
    stage.platform.checks.append(progress(ProgressState.PROCESSING, 5.0))
    delivery = stage.plan(stage.link())
    stage.ring(stage.worker())
    _note(stage, stage.worker())
    kept = _keep(stage, path)
    stage.settle(stage.worker(), delivery)
    _note(stage, stage.worker())
    _set_back(stage, path, kept)
    ctx = stage.worker("after")
    guard_against_restore(ctx, HighWater(stage.data_dir))
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), len(stage.platform.sends)) == (S.VERIFIED, 1)


def test_what_was_never_sent_goes_out_after_a_restore(copying) -> None:  # type: ignore[no-untyped-def]
    stage, path = copying
    first, never = stage.plan(stage.link("a"), "one"), stage.plan(stage.link("b"), "two")
    kept_note = _note(stage, stage.worker())
    kept = _keep(stage, path)
    stage.act(stage.worker(), first)
    stage.settle(stage.worker(), first, until=lambda d: d.state is S.PUBLISHED)
    with stage.db.read() as conn:
        kept_note.write(str(processes.get_fact(conn, "installation")), processes.newest_transition(conn))
    _set_back(stage, path, kept)
    ctx = stage.worker("after")
    guard_against_restore(ctx, HighWater(stage.data_dir))
    stage.settle(ctx, first, never)
    assert {stage.state(first), stage.state(never)} == {S.VERIFIED}
    assert sorted(text for _, text in stage.platform.sends) == ["one", "two"]


def test_an_ordinary_restart_doubts_nothing(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    note = _note(stage, ctx)
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == 0
    assert guard_against_restore(ctx, note) == 0
    assert stage.state(delivery) is S.SCHEDULED


def _sent(stage: Stage, name: str = "a") -> tuple[int, int]:
    """Something that went out since the first start, and something that is due."""
    _note(stage, stage.worker())
    out = stage.plan(stage.link(name), f"out {name}")
    stage.act(stage.worker(), out)
    stage.settle(stage.worker(), out, until=lambda d: d.state is S.PUBLISHED)
    return out, stage.plan(stage.link(f"{name}2"), f"due {name}")


def _by_note(stage: Stage) -> int:
    """How many are in doubt when the note says so: on PostgreSQL none, because a new host that takes over has no note, and
    the cluster itself tells there whether it is the same."""
    return 1 if stage.db.is_sqlite else 0


def _doubted(stage: Stage) -> list[str]:
    return [text for text in stage.alerts() if text.startswith("The database was restored or moved")]


def test_the_note_of_another_installation_makes_it_look_first(stage: Stage, ctx: Context) -> None:
    _sent(stage)
    _note(stage, ctx)
    HighWater(stage.data_dir).write("another", 10_000)
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == _by_note(stage)
    assert not _by_note(stage) or "another installation's" in _doubted(stage)[0]


def test_a_database_without_its_note_looks_before_it_sends(stage: Stage, ctx: Context, tmp_path: Path) -> None:
    """As after a restore onto a new disk."""
    _sent(stage)
    _note(stage, ctx)
    (stage.data_dir / "high-water.json").unlink()
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == _by_note(stage)
    assert not _by_note(stage) or ("no note beside it" in _doubted(stage)[0] and "1 post that" in _doubted(stage)[0])


def test_a_new_installation_without_a_note_doubts_nothing(stage: Stage, ctx: Context) -> None:
    stage.plan(stage.link())
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == 0
    assert _doubted(stage) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"installation": 1}', "\x00"])
def test_a_damaged_note_is_as_good_as_none(stage: Stage, ctx: Context, content: str) -> None:
    _sent(stage)
    _note(stage, ctx)
    (stage.data_dir / "high-water.json").write_text(content)
    assert HighWater(stage.data_dir).read() == ("", 0)
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == _by_note(stage)


def test_a_copy_is_known_by_its_mark_once(stage: Stage, ctx: Context) -> None:
    _sent(stage)
    note = _note(stage, ctx)
    with stage.db.write() as conn:
        processes.set_fact(conn, BACKUP, "2026-03-02T08:00:00Z")
    assert guard_against_restore(ctx, note) == 1
    assert "it is a copy of 2026-03-02T08:00:00Z" in _doubted(stage)[0]
    with stage.db.read() as conn:
        assert processes.get_fact(conn, BACKUP) is None
    again = HighWater(stage.data_dir)
    with stage.db.read() as conn:
        again.write(str(processes.get_fact(conn, "installation")), processes.newest_transition(conn))
    assert guard_against_restore(ctx, again) == 0


def test_another_postgresql_cluster_is_another_place(stage: Stage, ctx: Context) -> None:
    _sent(stage)
    note = _note(stage, ctx)
    with stage.db.write() as conn:
        here = processes.birthplace(conn)
        if here:
            assert here.count("/") == 2
            processes.set_fact(conn, "birthplace", "1/1/1")
    assert guard_against_restore(ctx, note) == (1 if here else 0)
    assert guard_against_restore(ctx, note) == 0, "once"
