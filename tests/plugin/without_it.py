"""What is left of a platform whose package was removed. Run where it is not installed, on the data of `with_it`."""

from __future__ import annotations

import json

from postprober.domain.delivery import DeliveryState
from postprober.platforms.registry import SPECS
from postprober.services.operations import doctor
from postprober.services.posts import posts
from postprober.storage import accounts, deliveries
from tests.pages.conftest import everything
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import drive
from tests.plugin.stage import BOARD, Stage, press, stage
from tests.plugin.with_it import FIRST, _account

__all__ = ["stage"]


def test_its_old_posts_stay_readable_on_every_page(stage: Stage) -> None:
    assert BOARD not in SPECS
    for page in ("overview", "compose", "calendar", "monitor", "accounts", "analytics", "settings"):
        seen = everything(stage.show(page))
        assert page in ("compose", "settings", "calendar", "analytics") or "Noticeboard" in seen, page
    assert FIRST in everything(stage.show("monitor"))
    charts = [json.loads(chart.proto.spec) for chart in stage.show("analytics").get("vega_lite_chart")]
    assert any("Noticeboard" in json.dumps(chart) for chart in charts)


def test_it_cannot_be_linked_and_the_others_can(stage: Stage) -> None:
    app = stage.show("accounts")
    assert "Noticeboard" not in next(one for one in app.selectbox if one.label == "Platform").options
    assert "Link Mastodon" in {button.label for button in app.button}
    assert doctor.examine(stage.core)


def test_a_new_post_for_it_is_refused_in_words_and_nothing_is_sent(stage: Stage) -> None:
    account = _account(stage)
    app = stage.show("compose")
    app.pills[0].set_value([account.id])
    app.text_area[0].set_value("To nobody").run()
    assert "is not installed here any more" in everything(app)
    assert next(button for button in app.button if button.label == "Publish now").disabled


def test_what_was_planned_waits_and_says_why(stage: Stage) -> None:
    account = _account(stage)
    with stage.core.db.write() as conn:
        accounts.write(conn, account.id, status="ok", status_reason="")
    (planned,) = [
        post
        for post in posts.listing(stage.core, acting(stage.core, stage.owner))[0]
        if post.content == "Nobody reads this"
    ]
    with stage.core.db.read() as conn:
        (one,) = deliveries.of_post(conn, planned.id)

    def tried() -> bool:
        with stage.core.db.read() as conn:
            return "not installed" in deliveries.get(conn, one.id).reason

    with stage.core.db.write() as conn:
        deliveries.touch(conn, one, stage.core.clock.now(), next_at=stage.core.clock.now())
    drive(stage.context(), [one.id], over=tried)
    with stage.core.db.read() as conn:
        assert deliveries.get(conn, one.id).state not in (DeliveryState.VERIFIED, DeliveryState.PUBLISHED)
    assert "is not installed here any more" in everything(stage.show("monitor"))


def test_its_account_can_be_disconnected(stage: Stage) -> None:
    app = press(stage.show("accounts"), "Disconnect this account")
    assert not app.error and "was disconnected" in everything(app)
