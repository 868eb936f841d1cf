"""The worker dies at every write of a diagnosis and its repair: the repair is applied once, and every post is there once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import cast

import pytest

from postprober.agent.advisor import Advisor
from postprober.agent.evidence import Evidence
from postprober.domain.card import LinkCard
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import Cause, Diagnosis, Fix
from postprober.errors import PlatformError, PostRejected, Unavailable
from postprober.pipeline.repairs import diagnosis_job as repair
from postprober.pipeline.repairs import fixes
from postprober.storage import deliveries as delivery_storage
from postprober.storage import repairs
from postprober.storage.repairs import Repair
from postprober.storage.tables import deliveries
from tests.pipeline.fake import Way
from tests.pipeline.stage import Killed, MortalDatabase, Stage

S = DeliveryState
LONG = "The bridge of Oslo is open. " * 40 + "See https://www.iana.org/bridge and thank @bob."
AWAY = Unavailable("away")
REFUSED = PostRejected("The platform does not take this text; edit it.", http_status=422)


@dataclass(frozen=True)
class Sure(Advisor):
    """Finds what the test wants it to find; the pipeline's own checks still hold."""

    cause: Cause = Cause.PLATFORM_DOWN
    fix: Fix = Fix.WAIT_UNTIL

    def diagnose(self, evidence: Evidence) -> Diagnosis:
        return Diagnosis(self.cause, 0.9, (), True, self.fix, "A test.", "rules")


@dataclass(frozen=True)
class Scene:
    advisor: Advisor
    error: PlatformError
    times: int
    text: str


SCENES = {
    "wait": Scene(Sure(), AWAY, 8, "Hello world"),
    "hand over anew": Scene(Sure(fix=Fix.REUPLOAD), AWAY, 8, "Hello world"),
    "split": Scene(Sure(cause=Cause.TEXT_TOO_LONG, fix=Fix.SPLIT_THREAD), REFUSED, 1, LONG),
}


def _failed(stage: Stage, scene: Scene, name: str) -> int:
    account = stage.link(name)
    stage.set_account(account.id, settings={"repair_words": True})
    stage.platform.ways.clear()
    stage.platform.ways.extend(Way(refuse=scene.error) for _ in range(scene.times))
    mine = stage.plan(account, scene.text)
    stage.settle(stage.worker(f"first-{name}"), mine, until=lambda d: d.state is S.FAILED)
    return mine


def _tended(stage: Stage, scene: Scene, name: str, at: int, committed: bool) -> tuple[int, int]:
    """(the delivery, writes of the mortal worker)."""
    mine = _failed(stage, scene, name)
    mortal = MortalDatabase(stage.db, at, committed=committed)
    try:
        repair.tend(stage.worker(f"mortal-{name}", db=mortal, advisor=scene.advisor))
    except Killed:
        stage.manual.advance(31)  # the claim of who died
        repair.tend(stage.worker(f"heir-{name}", advisor=scene.advisor))
    stage.settle(stage.worker(f"last-{name}"), mine, until=lambda d: d.state is S.VERIFIED)
    return mine, mortal.writes


@pytest.mark.parametrize("name", SCENES)
def test_dying_at_any_write_of_a_repair_applies_it_once(stage: Stage, name: str) -> None:
    scene = SCENES[name]
    _, writes = _tended(stage, scene, f"{name}-whole", 0, False)
    assert writes >= 1, "the run without a death is the control, and it writes"
    for at in range(1, writes + 1):
        for committed in (False, True):
            account = f"{name}-{at}-{committed}"
            mine, _ = _tended(stage, scene, account, at, committed)
            with stage.db.read() as conn:
                rows = repairs.of_delivery(conn, mine)
            assert [row.state for row in rows] == ["applied"], (at, committed)
            assert stage.path(mine).count("failed") == 1
            parts = [part.text for part in stage.get(mine).parts]
            assert stage.platform.texts(account)[1:] == parts, "each part is there, once, in order"
            assert "".join("".join(parts).split()) == "".join(scene.text.split())
            with stage.db.write() as conn:
                conn.execute(deliveries.update().where(deliveries.c.id == mine).values(next_at=None))


@pytest.mark.parametrize("fix", [Fix.SPLIT_THREAD, Fix.REENCODE_MEDIA, Fix.CUT_LINK, Fix.SHORTEN])
def test_a_fix_that_its_validator_does_not_pass_becomes_a_question(stage: Stage, fix: Fix) -> None:
    mine = _failed(stage, Scene(Sure(), REFUSED, 1, "Short"), f"q-{fix.value}")
    repair.tend(stage.worker("w", advisor=Sure(fix=fix)))
    with stage.db.read() as conn:
        (row,) = repairs.of_delivery(conn, mine)
    assert (row.state, row.fix) == ("needs_person", "ask_person")
    assert stage.state(mine) is S.FAILED


@pytest.mark.parametrize("error", [Unavailable("not now"), KeyError("a mistake of ours")])
def test_a_diagnosis_that_cannot_be_made_now_is_made_later_and_holds_up_no_other(
    stage: Stage, error: Exception
) -> None:
    first, second = (_failed(stage, SCENES["wait"], name) for name in ("a", "b"))

    @dataclass(frozen=True)
    class Stubborn(Sure):
        def diagnose(self, evidence: Evidence) -> Diagnosis:
            if not made:
                made.append(1)
                raise error
            return super().diagnose(evidence)

    made: list[int] = []
    ctx = stage.worker("w", advisor=Stubborn())
    assert repair.tend(ctx) == 1
    assert (stage.state(first), stage.state(second)) == (S.FAILED, S.SCHEDULED)
    stage.manual.advance(31)
    assert repair.tend(ctx) == 1
    assert stage.state(first) is S.SCHEDULED


LINK = "https://example.com/a?utm_source=b"


@pytest.mark.parametrize(
    ("before", "after", "url"),
    [
        (f"Read {LINK}", ("Read https://example.com/a",), "https://example.com/a"),
        (f"Read {LINK}", ("Read",), None),
        (f"Long. Read {LINK}", ("Long.", f"Read {LINK}"), LINK),
        (f"Read {LINK} and https://example.org/", (f"Read {LINK} and",), LINK),
    ],
)
def test_a_link_that_a_repair_cuts_off_does_not_go_out_in_the_card(
    stage: Stage, before: str, after: tuple[str, ...], url: str | None
) -> None:
    mine = _failed(stage, Scene(Sure(), REFUSED, 1, before), "cut")
    with stage.db.write() as conn:
        failed = delivery_storage.get(conn, mine)
        part = replace(failed.parts[0], card=LinkCard(LINK, "A page"))
        failed = delivery_storage.touch(conn, failed, stage.clock.now(), parts=(part,))
        plan = cast(Repair, SimpleNamespace(plan={"after": list(after)}, fix=Fix.CUT_LINK))
        fixes.apply(conn, plan, failed, "test", stage.clock.now())
    cards = [one.card.url if one.card else None for one in stage.get(mine).parts]
    assert cards == [url, *[None] * (len(after) - 1)]
