"""In every loop one row that fails is put off, and the rows behind it are served; the database being away is no row's
fault and ends the round."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from postprober.domain.post import PostStatus
from postprober.errors import Conflict, Unavailable
from postprober.pipeline.core import unlinked
from postprober.pipeline.health import platform_health
from postprober.pipeline.notifications import notify, outbox
from postprober.pipeline.publishing import recovery
from postprober.pipeline.repairs import diagnosis_job
from postprober.pipeline.verification import success_criteria
from postprober.services.posts import advice
from postprober.services.reports import report_schedule
from postprober.storage import alert_log, deliveries, goals, loops, outbox_queue, posts, repairs, users
from postprober.storage import health as standings
from postprober.storage import reports as schedules
from postprober.storage.loops import each
from postprober.storage.records import OutboxRecord
from tests.pipeline.stage import Stage

log = logging.getLogger("test")
NONE: Callable[..., list[Any]] = lambda *_a, **_k: []  # noqa: E731


def _row(number: int, stage: Stage) -> Any:
    now = stage.clock.now()
    return SimpleNamespace(
        id=number,
        user_id=1,
        post_id=1,
        made_at=now,
        next_at=now,
        status=PostStatus.SCHEDULED,
        version=1,
        notify={},
        standing=SimpleNamespace(verdict=None),
        state=None,
    )


def _message(number: int, stage: Stage) -> OutboxRecord:
    now = stage.clock.now()
    return OutboxRecord(number, 1, "alert", str(number), {}, now, now, None, 0)


Loop = tuple[ModuleType, str, ModuleType, str, str, Callable[[int, Stage], Any]]
LOOPS: dict[str, Loop] = {
    "goals": (success_criteria, "judge_due", goals, "due", "_judge", _row),
    "lost deliveries": (recovery, "recover_lost", deliveries, "lost", "_take_back", _row),
    "disconnected accounts": (unlinked, "settle_all", deliveries, "unlinked", "settle", _row),
    "outbox": (outbox, "send_due", outbox_queue, "due", "_carry", _message),
    "unread alerts": (notify, "attend", users, "with_wishes", "_attend", _row),
    "repairs": (diagnosis_job, "tend", repairs, "due", "_one", _row),
    "suggestions": (advice, "make_pending", posts, "without_advice", "ask", _row),
    "planned reports": (report_schedule, "tick", schedules, "due", "_order", _row),
    "ordered reports": (report_schedule, "tick", outbox_queue, "due", "_carry_out", _message),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("poison", [ValueError("nobody thought of it"), Unavailable("Not now."), Conflict("Faster.")])
def test_a_row_that_fails_holds_up_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, poison: Exception
) -> None:
    module, loop, source, query, worker, make = LOOPS[name]
    seen: list[int] = []

    def work(*args: Any, **_named: Any) -> bool:
        number = args[2] if worker == "ask" else next(arg.id for arg in args if hasattr(arg, "next_at"))
        seen.append(number)
        if number == 1:
            raise poison
        return True

    stage.user()  # whose rows they are
    rows = [make(number, stage) for number in (1, 2, 3)]
    monkeypatch.setattr(schedules, "due", NONE)
    monkeypatch.setattr(outbox_queue, "due", NONE)
    monkeypatch.setattr(source, query, lambda *_args, **_named: rows)
    monkeypatch.setattr(module, worker, work)
    getattr(module, loop)(stage.worker())
    assert seen == [1, 2, 3]


def test_the_signs_of_one_platform_hold_up_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def record(_ctx: Any, server: str, _notes: Any) -> None:
        seen.append(server)
        if server == "a":
            raise ValueError

    ctx = stage.worker()
    monkeypatch.setattr(standings, "standings", lambda _conn: {})
    notes = [SimpleNamespace(server=server, account_id=1, sign=server, at=ctx.clock.now()) for server in "ab"]
    monkeypatch.setattr(ctx.health_cache, "take", lambda: notes)
    monkeypatch.setattr(platform_health, "_telling", lambda taken, _known: taken)
    monkeypatch.setattr(platform_health, "record", record)
    platform_health.share(ctx)
    assert sorted(seen) == ["a", "b"]


def test_each_puts_off_what_failed_and_ends_the_round_when_the_database_is_away(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "_logged", {})
    late: list[tuple[int, str]] = []

    def work(row: int) -> bool | None:
        if row == 1:
            raise KeyError(row)
        if row == 2:
            raise Conflict("Faster.")
        if row == 5:
            raise OperationalError("SELECT 1", {}, Exception("gone"))
        return row != 3

    def later(row: int, error: Exception) -> None:
        late.append((row, type(error).__name__))

    assert each([1, 2, 3, 4, 1], work, log, "a row is worked on", later) == 1
    assert late == [(1, "KeyError"), (1, "KeyError")]
    said = [one for one in caplog.records if one.exc_info]
    assert len(said) == 1, "the same failure is told once a minute"
    with pytest.raises(OperationalError):
        each([5, 4], work, log, "a row is worked on", later)
    assert len(late) == 2


def test_what_cannot_even_be_put_off_holds_up_no_other() -> None:
    seen: list[int] = []

    def work(row: int) -> None:
        seen.append(row)
        if row == 1:
            raise ValueError(row)

    def later(_row: int, error: Exception) -> None:
        raise TypeError from error

    assert each([1, 2], work, log, "a row that cannot be put off", later) == 1
    assert seen == [1, 2]


def test_what_was_put_off_is_not_the_first_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that nobody can hand on steps back with a growing pause, in the database."""
    user = stage.user()
    with stage.db.write() as conn:
        for key in ("poison", "good"):
            alert_log.add(
                conn,
                user_id=user,
                post_id=None,
                delivery_id=None,
                type="error",
                message=key,
                dedupe_key=key,
                now=stage.clock.now(),
            )
    whole = outbox.fan_out

    def fan_out(ctx: Any, row: OutboxRecord, conn: Any) -> None:
        if row.dedupe_key == "poison":
            raise ValueError
        whole(ctx, row, conn)

    monkeypatch.setattr(outbox, "fan_out", fan_out)
    ctx = stage.worker()
    assert outbox.send_due(ctx) == 1
    with stage.db.read() as conn:
        assert outbox_queue.due(conn, stage.clock.now()) == []
        later = outbox_queue.due(conn, stage.clock.now() + timedelta(hours=1))
    assert [row.dedupe_key for row in later] == ["poison"]
