"""Alerts travel with the change they tell of; a restored database publishes nothing it may have published already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import update

from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import ProgressState
from postprober.pipeline import watch
from postprober.pipeline.context import Context
from postprober.pipeline.recovery import HighWater, guard_against_restore
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


def test_the_note_of_another_installation_is_ignored(stage: Stage, ctx: Context) -> None:
    stage.plan(stage.link())
    _note(stage, ctx)
    HighWater(stage.data_dir).write("another", 10_000)
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"installation": 1}', "\x00"])
def test_a_damaged_note_is_as_good_as_none(stage: Stage, ctx: Context, content: str) -> None:
    (stage.data_dir / "high-water.json").write_text(content)
    assert HighWater(stage.data_dir).read() == ("", 0)
    assert guard_against_restore(ctx, HighWater(stage.data_dir)) == 0
