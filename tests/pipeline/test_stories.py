"""Stories end by themselves after a day, have no caption and other counts; covers and people go with a post's files."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from postprober.clock import utc_iso
from postprober.domain.delivery import DeliveryState, Proof
from postprober.pipeline.verification.follow_up import follow
from postprober.storage import alert_log, deliveries, step_log
from postprober.storage.records import Delivery
from tests.installed import Installation
from tests.pipeline.forms_kit import Recipe
from tests.pipeline.test_forms import ended, planned, site
from tests.pipeline.test_on_the_sandbox import context
from tests.websites import Site

__all__ = ["site"]
S = DeliveryState
STORY = Recipe({"story": True}, ("tall",), texts=("Nobody reads this there",))
POST = Recipe({}, ("photo",), texts=("Everybody reads this",))


def out(inst: Installation, recipe: Recipe, site: Site, folder: Path) -> Delivery:
    account = inst.link("instagram")
    return ended(inst, planned(inst, account, recipe, site, folder))[0]


def a_day_later(inst: Installation, delivery: Delivery, *, sent: float = 25, known: float = 25) -> Delivery:
    """What its followers find when the post was sent so many hours ago, known to be out since so many, and is gone."""
    inst.sandbox.control.delete_post("instagram", str(delivery.remote_id))
    ctx = context(inst)
    for _ in range(3):
        with inst.core.db.write() as conn:
            now = deliveries.get(conn, delivery.id)
            when = inst.core.clock.now()
            part = replace(now.parts[0], intent_at=utc_iso(when - timedelta(hours=sent)))
            out_since = when - timedelta(hours=known)
            deliveries.touch(conn, now, when, published_at=out_since, next_at=when, parts=now.with_part(part))
        follow(ctx, delivery.id)
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery.id)


def test_a_story_has_no_caption_and_its_owner_proves_it(installation: Installation, site: Site, tmp_path: Path) -> None:
    delivery = out(installation, STORY, site, tmp_path)
    assert (delivery.state, delivery.proof) == (S.VERIFIED, Proof.EXISTS)
    (post,) = [p for p in installation.sandbox.control.posts("instagram") if p["id"] == delivery.remote_id]
    assert post["text"] == "" and post["extra"]["story"]
    with installation.core.db.read() as conn:
        (*_, row) = step_log.of_post(conn, delivery.post_id)
    assert "people who are signed in" in str(row.details) or delivery.url


def test_that_a_story_ends_is_no_news(installation: Installation, site: Site, tmp_path: Path) -> None:
    delivery = a_day_later(installation, out(installation, STORY, site, tmp_path))
    assert (delivery.state, delivery.next_at) == (S.VERIFIED, None)
    with installation.core.db.read() as conn:
        assert "It has ended" in str([row.details for row in step_log.of_post(conn, delivery.post_id)])
        told = alert_log.of_user(conn, installation.owner)
    assert not [one for one in told if "gone" in one.message]


def test_the_day_of_a_story_begins_when_it_was_sent(installation: Installation, site: Site, tmp_path: Path) -> None:
    """Found again hours after its reply was lost, it ends all the same a day after it was sent."""
    delivery = a_day_later(installation, out(installation, STORY, site, tmp_path), sent=24.1, known=20)
    assert (delivery.state, delivery.next_at) == (S.VERIFIED, None)


def test_that_a_story_is_gone_before_its_end_is_news(installation: Installation, site: Site, tmp_path: Path) -> None:
    """The control of the two above."""
    delivery = a_day_later(installation, out(installation, STORY, site, tmp_path), sent=23, known=23)
    assert delivery.state is S.GHOST


def test_that_a_post_is_gone_is_news(installation: Installation, site: Site, tmp_path: Path) -> None:
    """The control of the test above."""
    delivery = a_day_later(installation, out(installation, POST, site, tmp_path))
    assert delivery.state is S.GHOST and "gone" in delivery.reason


@pytest.mark.parametrize(
    ("fault", "params"), [("cut_after_accept", {}), ("error_after_accept", {}), ("late_create", {"seconds": 0.3})]
)
def test_a_story_whose_reply_is_lost_goes_out_once(
    installation: Installation, site: Site, tmp_path: Path, fault: str, params: dict[str, float]
) -> None:
    account = installation.link("instagram")
    delivery = planned(installation, account, STORY, site, tmp_path)
    installation.sandbox.control.fault("instagram", fault, operation="create", params=params)
    end = ended(installation, delivery)[0]
    assert end.state is S.VERIFIED, end.reason
    assert len(installation.sandbox.control.posts("instagram", account.account_name)) == 1


def test_the_cover_and_the_people_are_sent_with_their_files(
    installation: Installation, site: Site, tmp_path: Path
) -> None:
    asked = {"cover_picture": True, "tagged": ["ann.smith", "@bo"]}
    delivery = out(installation, Recipe(asked, ("video", "tall")), site, tmp_path)
    (post,) = [p for p in installation.sandbox.control.posts("instagram") if p["id"] == delivery.remote_id]
    assert post["extra"]["asked"]["cover"] and [m["kind"] for m in post["media"]] == ["video"]
    assert post["media"][0]["tags"] == [{"username": "ann.smith"}, {"username": "bo"}]
    album = {"tagged": ["2: bo 0 1", "ann.smith 0.5 0.25"]}
    delivery = out(installation, Recipe(album, ("photo", "photo")), site, tmp_path)
    (post,) = [p for p in installation.sandbox.control.posts("instagram") if p["id"] == delivery.remote_id]
    assert [m["tags"] for m in post["media"]] == [
        [{"username": "ann.smith", "x": 0.5, "y": 0.25}],
        [{"username": "bo", "x": 0, "y": 1}],
    ]
