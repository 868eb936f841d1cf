"""Linking Instagram by browser: opt-in with the terms accepted, refused where there is no browser, proved like others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postprober.browser import Browser
from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Proof
from postprober.domain.platform import Platform
from postprober.errors import BadInput, NotFound
from postprober.pipeline.core.context import Context
from postprober.pipeline.core.tokens import open_credentials
from postprober.sandbox.instagram.web_html import session
from postprober.services.accounts import accounts as account_service
from postprober.services.accounts import browser_accounts
from postprober.services.core import Core
from postprober.services.media import media as media_service
from postprober.services.operations import doctor
from postprober.services.posts import delivery_actions, posts
from postprober.storage import accounts, alert_log, deliveries, users
from postprober.storage.records import Account, Delivery
from tests.api.rest_kit import png
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive

pytestmark = pytest.mark.slow

IG = Platform("instagram")


@pytest.fixture
def core(installation: Installation) -> Iterator[Core]:
    browser = Browser(installation.core.settings)
    if browser.trouble():
        pytest.skip("there is no Chromium on this machine")
    yield replace(installation.core, browser=browser)
    browser.close()


def stored(inst: Installation, made: dict[str, Any]) -> str:
    return json.dumps(session(f"{inst.sandbox.url}/instagram-web", made))


def linked(inst: Installation, core: Core) -> Account:
    return browser_accounts.link(
        core, acting(core, inst.owner), IG, stored(inst, inst.made("instagram")), accepted=True
    )


def test_it_is_linked_only_with_the_terms_accepted_and_that_is_kept_with_the_time(
    installation: Installation, core: Core
) -> None:
    made = installation.made("instagram")
    with pytest.raises(BadInput, match="terms forbid"):
        browser_accounts.link(core, acting(core, installation.owner), IG, stored(installation, made), accepted=False)
    assert account_service.listing(core, acting(core, installation.owner)) == []
    account = browser_accounts.link(
        core, acting(core, installation.owner), IG, stored(installation, made), accepted=True
    )
    agreed = account.settings["browser_terms"]
    assert agreed["accepted_at"].startswith("20") and agreed["by"] == installation.owner
    assert browser_accounts.called(account) == f"{made['name']} (by browser, experimental)"
    changed = account_service.set_up(core, acting(core, installation.owner), account.id, label="Ours", language="en")
    assert changed.settings["browser_terms"] == agreed, "changing settings forgets nothing that was accepted"


def test_the_terms_are_accepted_by_the_person_and_not_by_the_owner_of_the_space(
    installation: Installation, core: Core
) -> None:
    with core.db.write() as conn:
        users.write(conn, installation.teammate, core.clock.now(), owner_id=installation.owner, role="editor")
    editor = acting(core, installation.teammate)
    account = browser_accounts.link(
        core, editor, IG, stored(installation, installation.made("instagram")), accepted=True
    )
    assert account.user_id == installation.owner
    assert account.settings["browser_terms"]["by"] == installation.teammate


def test_the_session_is_sealed_and_only_the_owner_has_the_account(installation: Installation, core: Core) -> None:
    made = installation.made("instagram")
    account = browser_accounts.link(
        core, acting(core, installation.owner), IG, stored(installation, made), accepted=True
    )
    core.db.checkpoint_wal()
    raw = (core.settings.data_dir / "postprober.sqlite").read_bytes()
    assert made["access_token"].encode() not in raw
    assert open_credentials(core.vault, account).access_token == made["access_token"]
    with pytest.raises(NotFound):
        account_service.get(core, acting(core, installation.stranger), account.id)


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '{"cookies": []}', "[" * 100_000, "x" * 1_000_001])
def test_what_is_no_session_is_refused(installation: Installation, core: Core, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        browser_accounts.link(core, acting(core, installation.owner), IG, text, accepted=True)
    assert caught.value.field == "session"


def test_a_session_that_instagram_does_not_accept_is_refused(installation: Installation, core: Core) -> None:
    made = installation.made("instagram")
    with pytest.raises(BadInput, match="only you may answer"):
        browser_accounts.link(
            core,
            acting(core, installation.owner),
            IG,
            stored(installation, {**made, "access_token": "ended"}),
            accepted=True,
        )


def test_another_platform_has_no_such_way(installation: Installation, core: Core) -> None:
    with pytest.raises(BadInput, match="cannot be used by browser"):
        browser_accounts.link(core, acting(core, installation.owner), Platform("x"), "{}", accepted=True)


def test_without_a_browser_it_is_refused_in_one_sentence_and_doctor_says_so(
    installation: Installation, core: Core, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    linked(installation, core)
    missing = core.settings.model_copy(update={"browser_path": str(tmp_path / "none")})
    bare = replace(core, browser=Browser(missing))
    with pytest.raises(BadInput, match=r"would need a browser\. There is no program"):
        browser_accounts.link(bare, acting(bare, installation.owner), IG, "{}", accepted=True)
    said = {finding.name: finding for finding in doctor.examine(bare)}["Instagram by browser"]
    assert not said.ok and "1 accounts need it" in said.message
    well = {finding.name: finding for finding in doctor.examine(core)}["Instagram by browser"]
    assert well.ok and "experimental" in well.message


def plan(inst: Installation, core: Core, account: Account, text: str) -> int:
    file = media_service.add_bytes(core, acting(core, inst.owner), "sea.png", png(), "The sea")
    post = posts.create(core, acting(core, inst.owner), posts.NewPost((text,), (account.id,), (file,)))
    with core.db.read() as conn:
        return deliveries.of_post(conn, post.id)[0].id


def tools(inst: Installation, core: Core) -> Context:
    """The pipeline's tools with short waits."""
    ctx = context(replace(inst, core=core))
    found = core.settings.platform(IG)
    quick = replace(found, settings={"settle_seconds": "0.3", "browser_seconds": "10"})
    return replace(ctx, config_for=lambda platform: quick if platform is IG else core.settings.platform(platform))


def ended(core: Core, delivery_id: int) -> Delivery:
    with core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def visible(inst: Installation, text: str) -> int:
    return sum(p["visible"] and p["text"] == text for p in inst.sandbox.control.posts("instagram"))


def test_a_post_goes_out_and_is_proved_through_the_same_pipeline(installation: Installation, core: Core) -> None:
    account = linked(installation, core)
    delivery = plan(installation, core, account, "By hand, almost #sea")
    drive(tools(installation, core), [delivery], limit=60)
    found = ended(core, delivery)
    assert found.state is S.VERIFIED
    assert found.proof in (Proof.PUBLIC, Proof.MATCHES), "a stranger's look, by HTTP, agrees"
    assert visible(installation, "By hand, almost #sea") == 1


def test_a_lost_answer_is_looked_for_and_found(installation: Installation, core: Core) -> None:
    account = linked(installation, core)
    installation.sandbox.control.fault("instagram", "cut_after_accept", account=account.account_name)
    delivery = plan(installation, core, account, "Lost and found")
    drive(tools(installation, core), [delivery], limit=60)
    assert ended(core, delivery).state is S.VERIFIED
    assert visible(installation, "Lost and found") == 1


def test_a_lost_request_is_held_for_a_person_and_not_sent_again(installation: Installation, core: Core) -> None:
    account = linked(installation, core)
    installation.sandbox.control.fault("instagram", "error_before_accept", account=account.account_name)
    delivery = plan(installation, core, account, "Lost for good")
    drive(tools(installation, core), [delivery], limit=60)
    found = ended(core, delivery)
    assert found.state is S.HELD and "late arrival cannot be ruled out" in found.reason
    assert visible(installation, "Lost for good") == 0
    delivery_actions.send_held(core, acting(core, installation.owner), delivery)
    drive(tools(installation, core), [delivery], limit=60)
    assert (ended(core, delivery).state, visible(installation, "Lost for good")) == (S.VERIFIED, 1)


def test_a_person_can_say_where_a_held_one_is(installation: Installation, core: Core) -> None:
    account = linked(installation, core)
    control = installation.sandbox.control
    control.fault("instagram", "cut_after_accept", account=account.account_name)
    control.fault("instagram", "stale_timeline", account=account.account_name, times=0, params={"seconds": 3600})
    delivery = plan(installation, core, account, "Here it is")
    drive(tools(installation, core), [delivery], limit=60)
    assert ended(core, delivery).state is S.HELD
    control.clear_faults()
    (truth,) = control.posts("instagram", account.account_name)
    delivery_actions.adopt_held(core, acting(core, installation.owner), delivery, truth["url"])
    assert ended(core, delivery).state is S.PUBLISHED
    assert visible(installation, "Here it is") == 1


def test_a_challenge_asks_for_the_person_and_sends_nothing(installation: Installation, core: Core) -> None:
    account = linked(installation, core)
    installation.sandbox.control.fault("instagram", "challenge", account=account.account_name, times=0)
    delivery = plan(installation, core, account, "AskedFor first")
    ctx = tools(installation, core)

    def asked() -> bool:
        with core.db.read() as conn:
            return accounts.get(conn, account.id).status == "reconnect"

    drive(ctx, [delivery], asked, limit=60)
    with core.db.read() as conn:
        told = [row.message for row in alert_log.of_user(conn, installation.owner)]
    assert any("only you may answer" in text for text in told)
    assert (ended(core, delivery).state, visible(installation, "AskedFor first")) == (S.WAITING, 0)
