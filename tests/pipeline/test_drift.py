"""After the proof: edits, new names and disappearances are told once each; bad pages never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.drift import MOST_DOUBTS, News, Observation, Watched, judge, next_look, soon_again
from postprober.domain.timing import Timing
from postprober.errors import Unavailable
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.pipeline.core.context import Context
from postprober.pipeline.core.tokens import open_credentials
from postprober.pipeline.verification.verify import examine
from postprober.storage.tables import alerts
from tests.pipeline.stage import Killed, MortalDatabase, Stage

S = DeliveryState
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def proved(stage: Stage, ctx: Context, *texts: str) -> int:
    delivery = stage.plan(stage.link(), *texts)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    return delivery


def looks(stage: Stage, ctx: Context, count: int = 4) -> None:
    """Let that many looks happen."""
    done = 0
    while done < count:
        if stage.ring(ctx):
            done += 1
        else:
            stage.manual.advance(stage._pause())


def told(stage: Stage) -> list[tuple[str, str, bool]]:
    return [(row["kind"], row["type"], row["closed_at"] is not None) for row in stage.rows(alerts)]


def test_an_edit_is_told_once_with_what_was_there_before_and_after(stage: Stage, ctx: Context) -> None:
    delivery = proved(stage, ctx)
    stage.platform.posts[-1].text = "Something else"
    looks(stage, ctx, 8)
    assert told(stage) == [("drifted", "warning", False)]
    assert stage.state(delivery) is S.VERIFIED
    (body,) = stage.evidence(delivery, "drift")
    assert body["before"][0]["text"] == "Hello world" and body["after"][0]["text"] == "Something else"
    assert len(stage.platform.sends) == 1


def test_a_second_edit_is_told_too_and_putting_it_back_closes_everything(stage: Stage, ctx: Context) -> None:
    proved(stage, ctx)
    for text in ("First edit", "Second edit"):
        stage.platform.posts[-1].text = text
        looks(stage, ctx, 6)
    assert told(stage) == [("drifted", "warning", True), ("drifted", "warning", False)]
    stage.platform.posts[-1].text = "Hello world"
    looks(stage, ctx, 6)
    assert told(stage)[1:] == [("drifted", "warning", True), ("recovered", "success", False)]


def test_an_edit_that_is_seen_only_once_alarms_nobody(stage: Stage, ctx: Context) -> None:
    proved(stage, ctx)
    looks(stage, ctx, 1)
    stage.platform.posts[-1].text = "A broken page"
    looks(stage, ctx, 1)
    stage.platform.posts[-1].text = "Hello world"
    looks(stage, ctx, 6)
    assert told(stage) == [] and stage.evidence(1, "drift") == []


def test_a_change_of_one_part_of_a_thread_names_the_part(stage: Stage, ctx: Context) -> None:
    delivery = proved(stage, ctx, "One", "Two", "Three")
    stage.platform.posts[-1].text = "Four"
    looks(stage, ctx, 4)
    (body,) = stage.evidence(delivery, "drift")
    assert body["differences"] == ["Part 3: The text differs from what was sent."]


def test_a_part_that_hangs_elsewhere_is_a_difference(stage: Stage, ctx: Context) -> None:
    delivery = proved(stage, ctx, "One", "Two", "Three")
    assert stage.evidence(delivery, "proof")[0]["differences"] == []
    other = proved(stage, ctx, "Uno", "Dos", "Tres")
    last = stage.platform.posts[-1]
    last.reply_to = stage.platform.posts[-3].id
    account = stage.account(stage.get(other).account_id)
    found = examine(ClaimedDelivery(ctx, stage.get(other), account, open_credentials(ctx.vault, account)))
    assert found.differences == ("Part 3: It does not follow part 2 in the thread.",)
    assert found.proof.value == "public"


@pytest.mark.parametrize("how", ["deleted", "hidden", "suspended"])
def test_how_it_went_is_said(stage: Stage, ctx: Context, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = proved(stage, ctx)
    truth = stage.platform.public

    def public(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/@owner":
            return httpx2.Response(404 if how == "suspended" else 200, html="<html></html>")
        return httpx2.Response(404, json={"error": "Record not found"}) if how != "deleted" else truth(request)

    monkeypatch.setattr(stage.pools, "reads", httpx2.Client(transport=httpx2.MockTransport(public)))
    if how == "deleted":
        stage.platform.posts[-1].deleted = True
    if how == "suspended":
        stage.platform.reads.extend([Unavailable("suspended")] * 9)
        stage.platform.listings.extend([Unavailable("suspended")] * 9)
    stage.settle(ctx, delivery, until=lambda d: d.state is S.GHOST)
    (body,) = stage.evidence(delivery, "gone")
    assert body["drift"] == how
    assert told(stage) == [("drifted", "error", False)]


def test_what_comes_back_is_told_and_watched_again(stage: Stage, ctx: Context) -> None:
    delivery = proved(stage, ctx)
    stage.platform.posts[-1].hidden = True
    stage.settle(ctx, delivery, until=lambda d: d.state is S.GHOST)
    stage.platform.posts[-1].hidden = False
    stage.settle(ctx, delivery, until=lambda d: d.state is S.VERIFIED)
    assert told(stage) == [("drifted", "error", True), ("recovered", "success", False)]
    stage.platform.posts[-1].text = "And now edited"
    looks(stage, ctx, 6)
    assert told(stage)[-1] == ("drifted", "warning", False)


def test_pages_in_trouble_alarm_nobody_however_long(stage: Stage, ctx: Context) -> None:
    delivery = proved(stage, ctx)
    truth = stage.platform.public
    bad: list[Any] = [
        httpx2.Response(503),
        httpx2.Response(429),
        httpx2.Response(200, html="<html>Accept our cookies?</html>"),
        httpx2.Response(200, text='{"id": "2", "content": "<p>Hel'),
        httpx2.Response(302, headers={"Location": "/login"}),
    ]
    turn = iter(range(10_000))

    def public(request: httpx2.Request) -> httpx2.Response:
        number = next(turn)
        if number % 3 == 0:
            return truth(request)
        if number % 3 == 1:
            raise httpx2.ReadTimeout("slow")
        return httpx2.Response(**_copy(bad[number % len(bad)]))

    stage.pools.reads = httpx2.Client(transport=httpx2.MockTransport(public))
    looks(stage, ctx, 60)
    assert told(stage) == [] and stage.state(delivery) is S.VERIFIED


def _copy(one: httpx2.Response) -> dict[str, Any]:
    return {"status_code": one.status_code, "content": one.content, "headers": dict(one.headers)}


@pytest.mark.parametrize("committed", [True, False])
def test_killed_while_a_change_is_told_it_is_told_once(stage: Stage, ctx: Context, committed: bool) -> None:
    for at in range(1, 7):
        name = f"a{at}"
        delivery = stage.plan(stage.link(name))
        stage.settle(ctx, delivery)
        stage.platform.posts[-1].text = "Edited"
        mortal = stage.worker(f"m{at}", db=MortalDatabase(stage.db, at, committed=committed))
        try:
            looks(stage, mortal, 3)
        except Killed:
            stage.manual.advance(30)
        looks(stage, ctx, 12)
        assert [r["delivery_id"] for r in stage.rows(alerts)].count(delivery) == 1


def test_a_new_name_is_told(stage: Stage, ctx: Context) -> None:
    proved(stage, ctx)
    truth = stage.platform.public

    def public(request: httpx2.Request) -> httpx2.Response:
        answer = truth(request)
        body = answer.json() if "/api/" in request.url.path else None
        return httpx2.Response(200, json=body | {"account": {"acct": "renamed"}}) if body else answer

    stage.pools.reads = httpx2.Client(transport=httpx2.MockTransport(public))
    looks(stage, ctx, 6)
    assert told(stage) == [("drifted", "warning", False)]
    assert "another name: renamed" in stage.alerts()[0]


def test_a_new_name_is_told_of_a_post_that_is_known_to_be_edited_too(stage: Stage, ctx: Context) -> None:
    """What is known already is no news, and must hide none: its owner is not asked about it again, the name still counts."""
    proved(stage, ctx)
    stage.platform.posts[-1].text = "Something else"
    looks(stage, ctx, 8)
    assert told(stage) == [("drifted", "warning", False)]
    truth = stage.platform.public

    def public(request: httpx2.Request) -> httpx2.Response:
        answer = truth(request)
        body = answer.json() if "/api/" in request.url.path else None
        return httpx2.Response(200, json=body | {"account": {"acct": "renamed"}}) if body else answer

    stage.pools.reads = httpx2.Client(transport=httpx2.MockTransport(public))
    looks(stage, ctx, 8)
    assert told(stage)[-1] == ("drifted", "warning", False) and len(told(stage)) == 2
    assert any("another name: renamed" in one for one in stage.alerts())


# The rules alone

OK = Observation(True, (), (), "ann")
EDITED = Observation(True, ("The text differs from what was sent.",), ("x",), "ann")


def run(*looks_taken: Observation) -> list[News]:
    known, news = Watched(), []
    for one in looks_taken:
        known, said = judge(known, one)
        news.append(said)
    return news


def test_two_looks_in_a_row_must_agree() -> None:
    other = Observation(True, EDITED.differences, ("y",), "ann")
    assert run(OK, EDITED, EDITED, EDITED)[1:] == [News.LOOK_AGAIN, News.CHANGED, News.NOTHING]
    assert News.CHANGED not in run(OK, EDITED, other, EDITED, other, OK, EDITED)
    assert run(OK, EDITED, Observation(False), EDITED)[-1] is News.CHANGED  # what could not be read says nothing
    assert run(OK, EDITED, EDITED, OK, OK)[-2:] == [News.LOOK_AGAIN, News.BACK]


def test_what_differed_at_the_proof_is_no_change() -> None:
    assert run(EDITED, EDITED, EDITED) == [News.NOTHING] * 3
    other = Observation(True, EDITED.differences, ("y",), "ann")
    assert run(EDITED, other, other)[-1] is News.CHANGED


def test_a_look_without_an_author_takes_no_name_back() -> None:
    renamed = Observation(True, (), (), "bob")
    nameless = Observation(True, (), (), "")
    assert run(OK, renamed, renamed)[-1] is News.CHANGED
    assert run(OK, renamed, renamed, nameless, nameless)[-2:] == [News.NOTHING, News.NOTHING]
    assert run(OK, renamed, renamed, OK, OK)[-1] is News.BACK


def test_where_strangers_stood_before_a_closed_door_is_looked_at_again_soon_and_not_for_ever() -> None:
    """Hidden or renamed, its owner reads it as before: an unreadable page says nothing about that."""
    now, planned = START, START + timedelta(hours=6)
    known, _ = judge(Watched(), Observation(True, author="ann"))
    assert soon_again(known, now, planned, False) == planned
    waits = []
    for _ in range(MOST_DOUBTS + 2):
        known, news = judge(known, Observation(True))
        assert news is News.NOTHING
        waits.append(soon_again(known, now, planned, False) - now)
    assert waits[:3] == [timedelta(seconds=s) for s in (10, 20, 40)]
    assert waits[MOST_DOUBTS:] == [planned - now] * 2
    again, _ = judge(known, Observation(True, author="ann"))
    assert again.doubts == 0
    walled, _ = judge(Watched(), Observation(True))  # this platform never showed strangers anything
    assert judge(walled, Observation(True))[0].doubts == 0


def test_a_name_that_the_proof_did_not_show_is_learnt_later() -> None:
    nameless, renamed = Observation(True), Observation(True, (), (), "bob")
    assert run(nameless, OK, renamed, renamed)[1:] == [News.NOTHING, News.LOOK_AGAIN, News.CHANGED]


def test_the_looks_grow_rarer_and_end(stage: Stage) -> None:
    timing, now = Timing(), stage.clock.now()
    moments = [now]
    while (
        moment := next_look(
            now,
            moments[-1],
            scale=1.0,
            shortest=timing.watch_shortest,
            longest=timing.watch_longest,
            until=timing.watch_for,
        )
    ) is not None:
        moments.append(moment)
    gaps = [b - a for a, b in pairwise(moments)]
    assert max(gaps) <= timing.watch_longest and moments[-1] - now <= timing.watch_for
    assert 100 < len(moments) < 220
