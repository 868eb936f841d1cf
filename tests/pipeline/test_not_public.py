"""Accepted, not public by the platform's own word: neither a ghost nor a failure, with cause and cure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postprober.domain import held
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.public_look import Look, Verdict
from postprober.domain.withheld import WORDS, Withheld, told
from postprober.pipeline.core.context import Context
from postprober.pipeline.verification import verify
from postprober.storage.tables import alerts, evidence, posts
from postprober.ui.words import PROOF_WORDS, proof_level
from tests.pipeline.fake import Way
from tests.pipeline.stage import Stage

S = DeliveryState


def _withheld(stage: Stage, ctx: Context, cause: Withheld) -> int:
    delivery = stage.plan(stage.link())

    def hide() -> None:
        stage.platform.posts[-1].withheld = cause

    stage.platform.ways.append(Way(after=hide))
    stage.settle(ctx, delivery, until=lambda d: d.readings > 0 or d.state is S.VERIFIED)
    return delivery


@pytest.mark.parametrize("cause", list(Withheld))
def test_it_stays_published_with_cause_and_cure_and_is_not_sent_again(
    stage: Stage, ctx: Context, cause: Withheld
) -> None:
    delivery = _withheld(stage, ctx, cause)
    found = stage.get(delivery)
    assert (found.state, found.proof, found.cause) == (S.PUBLISHED, Proof.NOT_PUBLIC, cause)
    assert held.sentence(found.state, found.cause, unknown=False) == told(cause)
    assert ("verification", "warning") in stage.steps(delivery)
    assert stage.evidence(delivery, "not_public")[0]["cause"] == cause.value
    assert stage.rows(posts)[0]["status"] == "posted"
    told_of = [(row["kind"], row["type"]) for row in stage.rows(alerts)]
    assert told_of == ([("not_public", "warning")] if WORDS[cause].tells else [])
    assert len(stage.platform.sends) == 1


def test_without_a_cause_the_same_post_is_a_ghost(stage: Stage, ctx: Context) -> None:
    """The control: only the platform's own word makes the difference."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(ghost=True))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.GHOST


def test_it_is_told_once_and_a_new_cause_is_told_anew(stage: Stage, ctx: Context) -> None:
    delivery = _withheld(stage, ctx, Withheld.NOT_YET)
    before = stage.get(delivery).updated_at
    stage.settle(ctx, delivery, until=lambda d: d.updated_at > before, limit=50)
    assert [row["kind"] for row in stage.rows(alerts)] == ["not_public"]
    stage.platform.posts[-1].withheld = Withheld.PRIVATE
    stage.settle(ctx, delivery, until=lambda d: d.cause is Withheld.PRIVATE)
    assert [row["closed_at"] is None for row in stage.rows(alerts)] == [False, True]
    assert "private" in stage.alerts()[-1]


def test_once_it_is_public_it_is_verified_and_the_alert_is_closed(stage: Stage, ctx: Context) -> None:
    delivery = _withheld(stage, ctx, Withheld.NOT_YET)
    stage.platform.posts[-1].withheld = None
    stage.settle(ctx, delivery, until=lambda d: d.state is S.VERIFIED)
    found = stage.get(delivery)
    assert found.proof is Proof.MATCHES and found.cause == ""
    assert stage.rows(alerts)[0]["closed_at"] is not None
    assert [row["kind"] for row in stage.rows(alerts)] == ["not_public", "recovered"]


def test_a_verified_post_that_is_made_private_is_told_after_two_looks_and_is_no_ghost(
    stage: Stage, ctx: Context
) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    stage.platform.posts[-1].withheld = Withheld.PRIVATE
    stage.settle(ctx, delivery, until=lambda d: d.absences == 1)
    assert stage.state(delivery) is S.VERIFIED and stage.alerts() == []
    stage.settle(ctx, delivery, until=lambda d: d.state is S.PUBLISHED)
    assert stage.get(delivery).proof is Proof.NOT_PUBLIC
    assert [row["kind"] for row in stage.rows(alerts)] == ["not_public"]
    assert "ghost" not in stage.path(delivery)


def test_a_ghost_of_which_the_platform_says_why_is_none_any_more(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(ghost=True))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.GHOST
    stage.platform.posts[-1].hidden = False
    stage.platform.posts[-1].withheld = Withheld.REVIEW
    stage.settle(ctx, delivery, until=lambda d: d.state is S.PUBLISHED)
    assert stage.get(delivery).cause is Withheld.REVIEW
    assert [(row["kind"], row["closed_at"] is None) for row in stage.rows(alerts)] == [
        ("ghost", False),
        ("not_public", True),
    ]


def test_what_the_public_sees_is_public_whatever_the_platform_says_of_it(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    stage.platform.posts[-1].withheld, stage.platform.posts[-1].cached = Withheld.PRIVATE, True
    for _ in range(5):
        stage.manual.advance(3600)
        stage.ring(ctx)
    assert stage.state(delivery) is S.VERIFIED and stage.alerts() == []
    stage.platform.posts[-1].cached = False
    stage.settle(ctx, delivery, until=lambda d: d.state is S.PUBLISHED)


def test_one_odd_page_of_a_stranger_withholds_nothing(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a page says so, once: it may have broken on its way. What its owner is told counts at once."""
    real, odd = verify.look, ["a page"]

    def look(*args: object, **named: object) -> Look:
        seen = real(*args, **named)  # type: ignore[arg-type]
        return replace(seen, verdict=Verdict.LOGIN_WALL, withheld=Withheld.CLOSED) if odd and odd.pop() else seen

    monkeypatch.setattr(verify, "look", look)
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED and stage.alerts() == [] and odd == []
    assert S.PUBLISHED in stage.path(delivery) and "not_public" not in [e["kind"] for e in stage.rows(evidence)]


def test_what_only_pages_say_of_a_verified_post_has_to_last(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    real, odd = verify.look, [True] * 3

    def look(*args: object, **named: object) -> Look:
        seen = real(*args, **named)  # type: ignore[arg-type]
        return replace(seen, verdict=Verdict.LOGIN_WALL, withheld=Withheld.CLOSED) if odd and odd.pop() else seen

    monkeypatch.setattr(verify, "look", look)
    stage.settle(ctx, delivery, until=lambda d: not odd and d.absences == 0, limit=100)
    assert stage.state(delivery) is S.VERIFIED and stage.alerts() == []
    odd.extend([True] * 20)
    stage.settle(ctx, delivery, until=lambda d: d.state is S.PUBLISHED, limit=100)
    assert stage.get(delivery).cause is Withheld.CLOSED


def test_people_read_it_in_words_and_no_more_bars_than_accepted() -> None:
    assert set(PROOF_WORDS) == set(Proof)
    levels = {one: proof_level(one) for one in Proof}
    assert levels[Proof.NOT_PUBLIC] == levels[Proof.ACCEPTED] == 1 and levels[Proof.MATCHES] == 5
