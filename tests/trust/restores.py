"""I18: a database restored from an older copy sends nothing that it may have sent already before it has looked."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.pipeline.publishing.recovery import HighWater, guard_against_restore
from postprober.storage import processes
from postprober.storage.database import Database
from tests.pipeline.fake import Way, cut
from tests.pipeline.stage import Stage
from tests.trust.base import Found, Turns, some
from tests.trust.scenes import stage

S = DeliveryState
POSTS = 4


def looked(turns: Turns) -> Found:
    sent_before = [0]
    failures = [text for number in turns for text in _round(number, True, sent_before)]
    control = some(turns.asked)
    seen = sum(bool(_round(number, False, [0])) for number in control)
    note = f"{sent_before[0]} posts were sent after the copy was made"
    return Found(failures, "nobody asks whether the database is the newest", seen, control.done, note)


def _round(number: int, guarded: bool, sent_before: list[int]) -> list[str]:
    dice = random.Random(number)
    with stage() as on:
        accounts = [on.link(f"a{i}") for i in range(POSTS - 1)]
        ids = [on.plan(accounts[i % len(accounts)], f"Post {i}", due_in=dice.uniform(0, 30)) for i in range(POSTS)]
        on.platform.ways.extend(Way(lose=cut()) if dice.random() < 0.3 else Way() for _ in range(POSTS))
        ctx = on.worker("before")
        _beat(on)
        _play(on, dice.randrange(8))
        kept = _keep(on)
        copied = len(on.platform.sends)
        _play(on, dice.randrange(4, 40))
        _beat(on)
        sent_before[0] += len(on.platform.sends) - copied
        _set_back(on, kept)
        on.manual.advance(11)  # a lease: the old process is gone
        ctx = on.worker("after")
        if number % 2:  # the note was lost with the disk
            (on.data_dir / "high-water.json").unlink()
        if guarded:
            guard_against_restore(ctx, HighWater(on.data_dir))
        on.settle(ctx, *ids, until=lambda d: TRAITS[d.state].at_rest or d.state is S.HELD, limit=600)
        failures = []
        for delivery in ids:
            found = on.get(delivery)
            copies = on.platform.texts().count(found.parts[0].text)
            if copies != 1 or found.state not in (S.VERIFIED, S.HELD):
                failures.append(f"round {number}, {delivery}: {found.state.value}, {copies} copies")
        return failures


def _play(on: Stage, steps: int) -> None:
    ctx = on.worker("old")
    for _ in range(steps):
        on.ring(ctx)
        on.manual.advance(2)


def _beat(on: Stage) -> None:
    """What the scheduler's heartbeat writes beside the database."""
    note = HighWater(on.data_dir)
    guard_against_restore(on.worker(), note)
    with on.db.read() as conn:
        note.write(str(processes.get_fact(conn, "installation")), processes.newest_transition(conn))
    with on.db.write() as conn:
        note.remember(conn)


def _file(on: Stage) -> Path:
    return Path(str(on.db.url.database))


def _keep(on: Stage) -> Path:
    on.db.checkpoint_wal()
    return Path(shutil.copy(_file(on), _file(on).with_name("kept.sqlite")))


def _set_back(on: Stage, kept: Path) -> None:
    path = _file(on)
    on.db.close()
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    shutil.copy(kept, path)
    on.db = Database(f"sqlite:///{path}")
