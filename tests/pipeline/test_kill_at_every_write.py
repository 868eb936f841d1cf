"""The worker dies at every single write to the database, before its commit and just after it, under every fault.

Whatever happens, the platform has exactly the posts that were asked for, once each, and our verdict agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import ProgressState
from postprober.errors import Throttled, Unavailable
from postprober.storage.tables import accounts, deliveries
from tests.pipeline.fake import Way, cut, progress
from tests.pipeline.stage import Killed, MortalDatabase, Stage

S = DeliveryState


@dataclass(frozen=True)
class Scene:
    """`prepare` sets the knobs; `texts` are the parts; `expires` makes the token need renewing."""

    prepare: Callable[[Stage], None]
    texts: tuple[str, ...] = ("Hello world",)
    expires: float | None = None


def _ways(*ways: Way) -> Callable[[Stage], None]:
    return lambda stage: stage.platform.ways.extend(ways)


def _staging(stage: Stage) -> None:
    stage.platform.stages = True
    stage.platform.checks.append(progress(ProgressState.PROCESSING, 1.0))
    stage.platform.ways.append(Way(lose=cut()))


def _refused_in_flight(stage: Stage) -> None:
    stage.platform.tokens[stage.platform.posts[-1].account] = "rotated elsewhere"


SCENES = {
    "nothing goes wrong": Scene(_ways()),
    "the answer is lost": Scene(_ways(Way(lose=cut()))),
    "the request is lost": Scene(_ways(Way(refuse=cut()))),
    "the platform is away": Scene(_ways(Way(refuse=Unavailable("away")))),
    "too many requests": Scene(_ways(Way(refuse=Throttled("slow down")))),
    "it lands late": Scene(_ways(Way(late=20.0, lose=cut()))),
    "the token ends": Scene(_ways(), expires=60.0),
    "the token is refused": Scene(_refused_in_flight),
    "media": Scene(_staging),
    "a thread": Scene(_ways(Way(), Way(lose=cut())), ("one", "two", "three")),
}


def play(stage: Stage, scene: Scene, number: int, *, die_at: int, committed: bool) -> int:
    """One run on an account of its own; returns how many writes the mortal worker got through."""
    name = f"owner{number}-{die_at}-{committed}"
    account = stage.link(name, expires_in=scene.expires)
    for knob in (stage.platform.ways, stage.platform.checks):
        knob.clear()
    stage.platform.stages = False
    scene.prepare(stage)
    mine = stage.plan(account, *scene.texts)
    before = len(stage.platform.sends)
    mortal = MortalDatabase(stage.db, die_at, committed=committed)
    try:
        stage.settle(stage.worker(f"mortal-{name}", db=mortal), mine)
    except Killed:
        stage.settle(stage.worker(f"heir-{name}"), mine)
    assert stage.state(mine) is S.VERIFIED, (die_at, committed, stage.path(mine), stage.get(mine).reason)
    assert stage.platform.texts(name)[1:] == list(scene.texts), (die_at, committed, stage.path(mine))
    assert stage.get(mine).remote_id == stage.platform.visible(name)[1].id
    assert len(stage.platform.sends) - before <= len(scene.texts) + 2
    row = next(row for row in stage.rows(accounts) if row["id"] == account.id)
    assert row["busy_delivery_id"] is None and row["status"] == "ok"
    with stage.db.write() as conn:  # what follows later is no part of the next run
        conn.execute(deliveries.update().where(deliveries.c.id == mine).values(next_at=None))
    return mortal.writes


@pytest.mark.parametrize("name", SCENES)
def test_dying_at_any_write_leaves_exactly_one_post(stage: Stage, name: str) -> None:
    scene = SCENES[name]
    writes = play(stage, scene, 0, die_at=0, committed=False)
    assert writes >= 4, "the run without a death is the control, and it writes"
    for at in range(1, writes + 1):
        for committed in (False, True):
            play(stage, scene, at, die_at=at, committed=committed)
