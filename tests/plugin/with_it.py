"""What a person does with a platform from a package of its own. Run where that package is installed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from postprober.cli.main import app as commands
from postprober.domain.delivery import DeliveryState, Proof
from postprober.platforms.registry import BROKEN, SPECS
from postprober.services.operations import doctor
from postprober.services.posts import posts
from postprober.storage import accounts, attempts, deliveries
from postprober.storage.records import Account, Delivery
from postprober.storage.tables import samples
from tests.pages.conftest import everything
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import drive
from tests.plugin.stage import BOARD, Stage, press, stage

__all__ = ["stage"]
S = DeliveryState
FIRST, CUT = "The cat is back", "The dog is back"


def _account(stage: Stage) -> Account:
    with stage.core.db.read() as conn:
        (found,) = accounts.of_user(conn, stage.owner)
    return found


def _deliveries(stage: Stage, text: str) -> list[Delivery]:
    with stage.core.db.read() as conn:
        ids = [
            post.id for post in posts.listing(stage.core, acting(stage.core, stage.owner))[0] if post.content == text
        ]
        return [one for post_id in ids for one in deliveries.of_post(conn, post_id)]


def test_it_is_known(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BOARD in SPECS and not BROKEN
    said = CliRunner().invoke(commands, ["platforms", "--json"])
    rows = {row["key"]: row for row in map(json.loads, said.stdout.splitlines())}
    assert rows["noticeboard"]["title"] == "Noticeboard" and rows["noticeboard"]["linking"] == ["token"]
    assert rows["noticeboard"]["limits"]["length"] == 300
    assert any("Noticeboard" in one.name for one in doctor.examine(stage.core))
    monkeypatch.setenv("POSTPROBER_NOTICEBOARD_TOWN", "shelbyville")
    from postprober.settings import load_settings

    assert load_settings(_env_file=None).platform(BOARD).settings["town"] == "shelbyville"


def test_it_is_linked_in_the_page(stage: Stage) -> None:
    made = stage.sandbox.control.account("noticeboard", "ann", fresh=True)
    app = stage.show("accounts")
    next(one for one in app.selectbox if one.label == "Platform").set_value(BOARD)
    next(one for one in app.text_input if one.label == "Access token").set_value(made["access_token"])
    app = press(app, "Import the token")
    assert not app.error, app.error
    assert "Linked. Noticeboard: ann" in everything(app)
    assert (_account(stage).platform, _account(stage).account_name) == (BOARD, "ann")


def test_it_is_composed_for_previewed_and_checked(stage: Stage) -> None:
    app = stage.show("compose")
    app.text_area[0].set_value("n" * 301).run()
    assert "Shorten the text by 1 character" in everything(app)
    app.text_area[0].set_value(FIRST).run()
    seen = everything(app)
    assert "Noticeboard" in seen and "Thank" in seen and ">Ready<" in seen
    app = press(app, "Publish now")
    assert "Publishing on Noticeboard" in everything(app)


def test_it_is_published_and_proved(stage: Stage) -> None:
    (one,) = _deliveries(stage, FIRST)
    drive(stage.context(), [one.id])
    (one,) = _deliveries(stage, FIRST)
    assert (one.state, one.proof) == (S.VERIFIED, Proof.MATCHES)
    assert [p["text"] for p in stage.sandbox.control.posts("noticeboard") if p["visible"]] == [FIRST]
    assert one.url in everything(stage.show("monitor"))


@pytest.mark.parametrize("fault", ["cut_after_accept", "error_after_accept", "late_create"])
def test_it_is_reconciled_after_a_cut(stage: Stage, fault: str) -> None:
    text = f"{CUT} ({fault})"
    params = {"seconds": 0.2} if fault == "late_create" else {}
    stage.sandbox.control.fault("noticeboard", fault, account="ann", params=params)
    posts.create(stage.core, acting(stage.core, stage.owner), posts.NewPost((text,), (_account(stage).id,)))
    (one,) = _deliveries(stage, text)
    drive(stage.context(), [one.id])
    (one,) = _deliveries(stage, text)
    assert one.state is S.VERIFIED
    assert sum(p["text"] == text for p in stage.sandbox.control.posts("noticeboard")) == 1
    if fault != "late_create":
        with stage.core.db.read() as conn:
            acts = {row.act: row.outcome for row in attempts.of_delivery(conn, one.id)}
        assert acts["publish"] == "unknown" and acts["reconcile"] == "found"


def test_its_refusal_is_told_in_words(stage: Stage) -> None:
    stage.sandbox.control.fault("noticeboard", "revoked", account="ann")
    text = "Nobody reads this"
    posts.create(stage.core, acting(stage.core, stage.owner), posts.NewPost((text,), (_account(stage).id,)))
    (one,) = _deliveries(stage, text)
    drive(stage.context(), [one.id], over=lambda: _account(stage).status != "ok")
    assert "The board does not accept this token" in _account(stage).status_reason
    stage.sandbox.control.clear_faults()


def test_it_is_charted(stage: Stage) -> None:
    (one,) = _deliveries(stage, FIRST)
    with stage.core.db.write() as conn:
        conn.execute(insert(samples).values(delivery_id=one.id, at=stage.core.clock.now(), likes=3))
    charts: list[Any] = [json.loads(chart.proto.spec) for chart in stage.show("analytics").get("vega_lite_chart")]
    colours = {
        name: colour
        for chart in charts
        if "scale" in (field := chart.get("encoding", {}).get("color", {}))
        for name, colour in zip(field["scale"].get("domain", []), field["scale"].get("range", []), strict=True)
    }
    assert colours["Noticeboard"] == SPECS[BOARD].habits.colour
