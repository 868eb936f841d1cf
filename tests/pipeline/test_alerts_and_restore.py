"""Alerts travel with the change they tell of; a restored database publishes nothing it may have published already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import update

from postprober.alerts import delivery as sending
from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import ProgressState
from postprober.pipeline import outbox as outbox_module
from postprober.pipeline import watch
from postprober.pipeline.context import Context
from postprober.pipeline.outbox import GIVE_UP_AFTER, send_due
from postprober.pipeline.recovery import HighWater, guard_against_restore
from postprober.security.vault import Place
from postprober.storage import processes
from postprober.storage.database import Database
from postprober.storage.tables import alerts, channels, deliveries, outbox, posts, transitions
from tests.pipeline.fake import FakePlatform, Way, progress, rejected
from tests.pipeline.stage import Killed, Stage

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


def _channel(stage: Stage, url: str = "json://fake.example/hook") -> None:
    user = stage.rows(posts)[0]["user_id"]
    with stage.db.write() as conn:
        row = conn.execute(
            channels.insert().values(user_id=user, name="hook", url="", created_at=stage.clock.now(), is_active=True)
        )
        key = row.inserted_primary_key[0]
        sealed = stage.vault.seal(url, Place("channels", "url", str(key)))
        conn.execute(update(channels).where(channels.c.id == key).values(url=sealed))


def test_a_message_cut_by_a_crash_is_sent_again_under_the_same_key(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failed(stage, ctx)
    _channel(stage)
    sent: list[tuple[tuple[str, ...], str]] = []

    def send(urls: list[str], kind: str, message: str, key: str) -> bool:
        sent.append((tuple(urls), key))
        if len(sent) == 1:
            raise Killed  # after sending, before it could be marked
        return True

    monkeypatch.setattr(outbox_module, "send", send)
    with pytest.raises(Killed):
        send_due(ctx)
    assert send_due(ctx) == 1
    assert send_due(ctx) == 0, "what was marked is not sent again"
    assert len(sent) == 2 and sent[0] == sent[1]
    assert sent[0][0] == ("json://fake.example/hook",)


def test_a_channel_that_refuses_is_tried_again_later_and_given_up_after_days(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failed(stage, ctx)
    monkeypatch.setattr(outbox_module, "send", lambda *a: False)
    assert send_due(ctx) == 0
    row = stage.outbox()[0]
    assert row["tries"] == 1 and row["next_at"] > stage.clock.now() and row["sent_at"] is None
    stage.manual.advance(GIVE_UP_AFTER.total_seconds() + 1)
    send_due(ctx)
    assert stage.outbox()[0]["next_at"] is None


def test_without_a_channel_an_alert_is_done_at_once(stage: Stage, ctx: Context) -> None:
    _failed(stage, ctx)
    assert sending.send([], "error", "text", "key") is True
    assert send_due(ctx) == 1


def test_a_channel_that_cannot_be_opened_does_not_hold_up_the_others(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failed(stage, ctx)
    _channel(stage)
    _channel(stage, "json://second.example")
    with stage.db.write() as conn:
        conn.execute(update(channels).where(channels.c.id == 1).values(url="v1.gone.AAAA"))
    seen: list[list[str]] = []
    monkeypatch.setattr(outbox_module, "send", lambda urls, *_: not seen.append(urls))
    assert send_due(ctx) == 1
    assert seen == [["json://second.example"]]


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
