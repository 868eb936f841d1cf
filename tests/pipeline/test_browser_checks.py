"""Looks in a browser: asked for with the proof, done on the side, kept with a picture; and nothing stops without one."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import RemoteMedia
from postprober.errors import Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.verification import browser_checks
from postprober.pipeline.verification.browser_checks import BrowserChecks
from postprober.storage import pictures
from postprober.storage.tables import deliveries, evidence, looks
from tests.pipeline.fake import Way
from tests.pipeline.stage import Killed, MortalDatabase, Stage

S = DeliveryState
FOUND = Look(Verdict.FOUND, "Hello world", "owner", (), "https://fake.example/@owner/2", 200, "", "It is there.")


class Program:
    """Stands for the browser: only whether there is one."""

    def __init__(self, trouble: str = "") -> None:
        self.said = trouble
        self.closed = False

    def trouble(self) -> str:
        return self.said


def png(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the browser will say: the last one again and again."""
    answers: list[Any] = [(FOUND, png())]

    def answer(*_args: Any, **_named: Any) -> Any:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(browser_checks, "look_in_browser", answer)
    return answers


@pytest.fixture
def eyed(stage: Stage) -> Context:
    return stage.worker(browser=Program())


def test_after_the_proof_one_look_is_taken_and_its_picture_kept(stage: Stage, eyed: Context, seen: list[Any]) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(eyed, delivery)
    assert [row["why"] for row in stage.rows(looks)] == ["proof"]
    assert BrowserChecks(eyed).look() and stage.rows(looks) == []
    (body,) = stage.evidence(delivery, "browser")
    assert (body["verdict"], body["text"], body["differences"]) == ("found", "Hello world", [])
    assert pictures.read(pictures.folder(stage.data_dir), body["picture"]) == png()
    assert not BrowserChecks(eyed).look()


def test_a_look_that_the_end_of_the_process_cut_short_is_no_try(stage: Stage, seen: list[Any]) -> None:
    browser = Program()
    eyed = stage.worker(browser=browser)
    delivery = stage.plan(stage.link())
    stage.settle(eyed, delivery)
    seen[:] = [(Look(Verdict.UNSURE, reason="The browser is closed."), None)]
    browser.closed = True
    before = stage.rows(looks)
    assert BrowserChecks(eyed).look() and stage.rows(looks) == before != []
    browser.closed = False  # the same answer, and this time it is the page's fault
    assert BrowserChecks(eyed).look() and stage.rows(looks) != before
    assert stage.evidence(delivery, "browser") == []


def test_without_a_browser_everything_goes_on(stage: Stage, seen: list[Any]) -> None:
    for number, browser in enumerate((None, Program("There is no Chromium on this machine."))):
        ctx = stage.worker(browser=browser)
        delivery = stage.plan(stage.link(f"a{number}"))
        stage.settle(ctx, delivery)
        assert stage.state(delivery) is S.VERIFIED
        assert not BrowserChecks(ctx).look()
    assert stage.rows(looks) == []


def test_what_only_its_owner_could_read_is_raised_when_a_browser_shows_it(
    stage: Stage, eyed: Context, seen: list[Any]
) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.down = True  # the plain look cannot tell
    stage.settle(eyed, delivery)
    assert stage.get(delivery).proof is Proof.EXISTS
    BrowserChecks(eyed).look()
    assert stage.get(delivery).proof is Proof.MATCHES


def test_what_nobody_could_read_is_proved_by_the_browser(stage: Stage, eyed: Context, seen: list[Any]) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.down = True
    seen[0] = (replace(FOUND, text="Hello w"), png())
    stage.platform.reads.extend([Unavailable("down")] * 50)
    stage.platform.listings.extend([Unavailable("down")] * 50)
    stage.settle(eyed, delivery, until=lambda d: d.readings >= len(stage.timing.verify_after))
    assert stage.state(delivery) is S.PUBLISHED
    assert BrowserChecks(eyed).look()
    assert (stage.state(delivery), stage.get(delivery).proof) == (S.VERIFIED, Proof.PUBLIC)


def test_a_worker_that_has_the_delivery_in_hand_is_not_disturbed(stage: Stage, eyed: Context, seen: list[Any]) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.down = True
    stage.settle(eyed, delivery)
    held = stage.clock.now() + stage.timing.lease
    with stage.db.write() as conn:
        conn.execute(deliveries.update().values(lease_until=held))
    BrowserChecks(eyed).look()
    assert stage.get(delivery).proof is Proof.EXISTS


def test_a_ghost_is_looked_at_too(stage: Stage, eyed: Context, seen: list[Any]) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(ghost=True))
    seen[0] = (Look(Verdict.GONE, reason="No such page."), png("grey"))
    stage.settle(eyed, delivery)
    assert stage.state(delivery) is S.GHOST
    assert [row["why"] for row in stage.rows(looks)] == ["ghost"]
    BrowserChecks(eyed).look()
    assert stage.evidence(delivery, "browser")[0]["verdict"] == "gone"


def test_a_look_that_failed_is_tried_again_and_then_kept_without_a_picture(
    stage: Stage, eyed: Context, seen: list[Any]
) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(eyed, delivery)
    seen[0] = (Look(Verdict.UNSURE, reason="It died."), None)
    checks = BrowserChecks(eyed)
    for _ in range(browser_checks.TRIES):
        assert checks.look()
        stage.manual.advance(200)
    assert [body["picture"] for body in stage.evidence(delivery, "browser")] == [None]
    assert stage.rows(looks) == []


def test_no_more_looks_are_taken_than_allowed_in_a_minute(stage: Stage, seen: list[Any]) -> None:
    ctx = stage.worker(browser=Program(), looks_a_minute=2)
    for number in range(4):
        stage.settle(ctx, stage.plan(stage.link(f"a{number}")))
    checks = BrowserChecks(ctx)
    assert [checks.look() for _ in range(4)] == [True, True, False, False]
    stage.manual.advance(61)
    assert [checks.look() for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize("committed", [True, False])
def test_killed_while_it_notes_a_look_nothing_is_lost(
    stage: Stage, eyed: Context, seen: list[Any], committed: bool
) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(eyed, delivery)
    for write in (1, 2):  # the claim, and what was seen
        mortal = replace(eyed, db=MortalDatabase(stage.db, write, committed=committed))
        with pytest.raises(Killed):
            BrowserChecks(mortal).look()
        stage.clock.advance(300)
        if not stage.rows(looks):
            break
    while BrowserChecks(eyed).look():
        pass
    assert len(stage.evidence(delivery, "browser")) == 1
    assert stage.rows(looks) == []


def test_a_picture_without_a_row_is_swept_once_it_is_old(stage: Stage, eyed: Context, seen: list[Any]) -> None:
    where = pictures.folder(stage.data_dir)
    stage.settle(eyed, stage.plan(stage.link()))
    BrowserChecks(eyed).look()
    kept = {row["picture"] for row in stage.rows(evidence) if row["picture"]}
    pictures.keep(where, png("blue"))
    (where / ".half.part").write_bytes(b"half")
    soon = datetime.now(UTC)  # of the files
    later = soon + pictures.YOUNG * 2
    assert pictures.sweep(stage.db, where, soon) == 0
    assert pictures.sweep(stage.db, where, later) == 2
    assert {file.stem for file in where.iterdir()} == kept


def test_a_picture_that_was_altered_is_not_shown(stage: Stage) -> None:
    where = pictures.folder(stage.data_dir)
    name = pictures.keep(where, png())
    assert pictures.read(where, name) == png()
    (where / f"{name}.png").write_bytes(png("blue"))
    assert pictures.read(where, name) is None
    assert pictures.read(where, "0" * 64) is None


def test_media_and_author_are_part_of_the_evidence(stage: Stage, eyed: Context, seen: list[Any]) -> None:
    delivery = stage.plan(stage.link())
    seen[0] = (replace(FOUND, media=(RemoteMedia("image", "a cat"),)), png())
    stage.settle(eyed, delivery)
    BrowserChecks(eyed).look()
    (body,) = stage.evidence(delivery, "browser")
    assert body["media"] == [{"kind": "image", "alt": "a cat"}] and body["author"] == "owner"
    assert body["differences"] == ["1 media are shown and 0 were sent."]


def test_one_hostile_page_ends_no_look_but_its_own(
    stage: Stage, eyed: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = stage.link()
    hostile, well = stage.plan(account), stage.plan(stage.link())
    stage.settle(eyed, hostile)
    stage.settle(eyed, well)
    opened: list[str] = []
    bad = next(row["url"] for row in stage.rows(deliveries) if row["id"] == hostile)

    def answer(*_args: Any, url: str, **_named: Any) -> Any:
        opened.append(url)
        if url == bad:
            raise ValueError("Invalid IPv6 URL")
        return FOUND, png()

    monkeypatch.setattr(browser_checks, "look_in_browser", answer)
    for _ in range(browser_checks.TRIES + 2):
        while BrowserChecks(eyed).look():
            pass
        stage.clock.advance(300)
    assert opened.count(bad) == browser_checks.TRIES and len(opened) == browser_checks.TRIES + 1
    assert stage.rows(looks) == []
    (body,) = stage.evidence(hostile, "browser")
    assert (
        body["verdict"] == "unsure"
        and body["message"] == f"The browser could not show it in {browser_checks.TRIES} tries."
    )
    assert [one["verdict"] for one in stage.evidence(well, "browser")] == ["found"]


def test_a_page_that_takes_the_process_down_is_left_after_some_tries(
    stage: Stage, eyed: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.settle(eyed, stage.plan(stage.link()))

    def die(*_args: Any, **_named: Any) -> Any:
        raise Killed

    monkeypatch.setattr(browser_checks, "look_in_browser", die)
    for _ in range(browser_checks.TRIES):
        with pytest.raises(Killed):
            BrowserChecks(eyed).look()
        assert not BrowserChecks(eyed).look(), "its next time is stored before it is opened"
        stage.clock.advance(300)
    assert BrowserChecks(eyed).look() and stage.rows(looks) == []
