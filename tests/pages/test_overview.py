"""The Overview: is everything out? Empty, full, in trouble, and only one's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from postprober.domain.actor import APP
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Proof, Step, StepStatus
from postprober.domain.health import Health, HealthSign, HealthVerdict, ServerHealth
from postprober.domain.platform import Platform
from postprober.services.monitoring import overview
from postprober.storage import accounts, attempts, step_log
from postprober.storage import health as store
from postprober.storage.health import CHECK, NewSign
from postprober.ui import frame
from tests.pages.conftest import ROOT, House, everything
from tests.people import acting, asked

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    return house


def _full(house: House) -> None:
    """One delivery in every kind of list."""
    account = house.account(Platform("x"))
    house.post("Waits for its time", account)
    house.move(house.post("Is on its way", account), S.CLAIMED)
    house.move(house.post("Was refused", account), S.FAILED, reason="The platform said no.")
    now = house.core.clock.now()
    live = house.move(
        house.post("Was seen", house.account(Platform("mastodon"))),
        S.CLAIMED,
        S.SUBMITTING,
        S.PUBLISHED,
        S.VERIFIED,
        proof=Proof.MATCHES,
        verified_at=now,
        url="https://example.org/1",
    )
    with house.core.db.write() as conn:
        step_log.add(conn, live, Step.POSTING, StepStatus.SUCCESS, now)


def test_a_fresh_installation_says_where_to_begin(owner: House, show: Show) -> None:
    app = show("overview")
    assert app.title[0].value == "Overview"
    assert "Nothing is scheduled." in everything(app) and "Link an account, then publish" in app.info[0].value


def test_with_accounts_and_no_post_it_leads_to_the_composer(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    assert "Write a post" in show("overview").info[0].value


def test_a_full_one_answers_and_lists_what_is_due_under_way_stuck_and_proved(owner: House, show: Show) -> None:
    _full(owner)
    seen = everything(show("overview"))
    assert "1 item needs attention." in seen
    for text in ("Waits for its time", "Is on its way", "Was refused", "Was seen"):
        assert seen.count(text) >= 1, text
    assert "<b>1</b><span>Needs attention</span>" in seen and "<b>1</b><span>Verified in the last 24 h</span>" in seen
    assert "Platform activity, last 24 h" in seen and 'href="https://example.org/1"' in seen


def test_what_is_gone_meanwhile_is_not_counted_as_proved(owner: House, show: Show) -> None:
    now = owner.core.clock.now()
    for name, then in (("stays", ()), ("goes", (S.GHOST,))):
        made = owner.post(name, owner.account(Platform("x"), name=name))
        one = owner.move(made, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED, proof=Proof.MATCHES, verified_at=now)
        if then:
            owner.move(one, *then)
    assert "<b>1</b><span>Verified in the last 24 h</span>" in everything(show("overview"))


def test_everything_is_out_when_nothing_waits(owner: House, show: Show) -> None:
    now = owner.core.clock.now()
    made = owner.post("Out", owner.account(Platform("x")))
    owner.move(made, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED, proof=Proof.MATCHES, verified_at=now)
    assert "Everything is published." in everything(show("overview"))


def test_without_a_scheduler_it_says_so_before_anything_else(house: House, show: Show) -> None:
    house.sign_in()
    app = show("overview")
    assert "The scheduler is not running" in app.warning[0].value
    assert "Nothing is published: the scheduler is not running." in everything(app)


def test_an_account_that_lost_its_access_needs_a_person(owner: House, show: Show) -> None:
    account = owner.account(Platform("linkedin"), name="<i>mine</i>")
    with owner.core.db.write() as conn:
        accounts.write(conn, account, status="reconnect", status_reason="withdrawn")
    seen = everything(show("overview"))
    assert "1 item needs attention." in seen and "&lt;i&gt;mine&lt;/i&gt;" in seen and "<i>mine" not in seen


def test_nobody_sees_what_belongs_to_others(owner: House, show: Show) -> None:
    owner.move(owner.post("SECRET plan", owner.account(Platform("x"))), S.FAILED, reason="SECRET reason")
    for other in (owner.teammate, owner.stranger):
        owner.sign_in(other)
        seen = everything(show("overview"))
        assert "SECRET" not in seen and "Nothing is scheduled." in seen


def test_a_viewer_sees_it_with_a_note_on_what_they_may_do(owner: House, show: Show) -> None:
    _full(owner)
    owner.become("viewer")
    app = show("overview")
    assert "Was refused" in everything(app) and "Your role is viewer" in everything(app)


@pytest.mark.parametrize(
    ("health", "verdict"),
    [
        (Health(), HealthVerdict.UNKNOWN),
        (Health(good=3, tries=3), HealthVerdict.WELL),
        (Health(good=30, tries=31, bad_tries=1), HealthVerdict.WELL),
        (Health(good=3, tries=4, bad_tries=1), HealthVerdict.DEGRADED),
        (Health(good=9, failed=1, tries=10), HealthVerdict.DEGRADED),
        (Health(good=1, warned=1), HealthVerdict.DEGRADED),
        (Health(good=1, failed=1), HealthVerdict.FAILING),
        (Health(tries=2, bad_tries=2), HealthVerdict.FAILING),
    ],
)
def test_the_verdict_on_a_step_follows_from_its_numbers(health: Health, verdict: HealthVerdict) -> None:
    assert health.verdict is verdict


def test_health_counts_the_newest_word_of_each_delivery_and_the_tries_that_went_wrong(owner: House) -> None:
    made = owner.post("Late", owner.account(Platform("x")))
    now = owner.core.clock.now()
    with owner.core.db.write() as conn:
        step_log.add(conn, made, Step.POSTING, StepStatus.WARNING, now)
        step_log.add(conn, made, Step.POSTING, StepStatus.SUCCESS, now)
        for outcome in (Outcome.UNKNOWN, Outcome.SUCCESS):
            opened = attempts.open_attempt(conn, made, part=0, act=Act.PUBLISH, request_id="r", worker="w", now=now)
            attempts.close_attempt(conn, opened, outcome, now=now)
    found = overview.take(owner.core, acting(owner.core, owner.owner)).health
    assert found[Platform("x"), Step.POSTING] == Health(good=1, tries=2, bad_tries=1)
    assert found[Platform("x"), Step.ENGAGEMENT].verdict is HealthVerdict.UNKNOWN


def test_the_bell_counts_the_alerts_that_nobody_read(owner: House, show: Show) -> None:
    owner.move(owner.post("Was refused", owner.account(Platform("x"))), S.FAILED, reason="no")
    app = show("overview")
    links = [element.proto for element in app.get("page_link")]
    assert any(link.label == ":red-badge[1]" and link.help == "1 unread alert" for link in links)


def test_it_shows_how_the_platforms_stand_with_a_strip_and_a_legend(owner: House, show: Show) -> None:
    account_id = owner.account(Platform("x"), name="mine<b>")
    now = owner.core.clock.now()
    server = (Platform("x"), "")
    with owner.core.db.write() as conn:
        notes = [
            NewSign(account_id, server, now - timedelta(hours=1), CHECK, sign)
            for sign in (HealthSign.AWAY, HealthSign.AWAY)
        ]
        store.add_signs(conn, [*notes, NewSign(account_id, server, now, CHECK, HealthSign.REFUSED)])
        store.add_signs(conn, [NewSign(account_id, server, now, CHECK, HealthSign.REFUSED)])
        store.put_standing(conn, server, ServerHealth(HealthVerdict.FAILING, True, now, "It does not answer."), now)
    seen = everything(show("overview"))
    assert "Platform health, last 24 h" in seen and "Each mark is half an hour" in seen
    assert seen.count('<i class="pp-failing" title=') == 1
    assert "It does not answer." in seen
    assert "mine&lt;b&gt;: access refused. Reconnect the account." in seen


def test_its_address_by_name_leads_to_it(owner: House, tmp_path: Path) -> None:
    main = tmp_path / "app.py"
    shutil.copy(ROOT / "app.py", main)
    app = AppTest.from_file(str(main), default_timeout=60)
    app._page_hash = calc_hash(frame.HOME)  # of the page that has the address /overview
    app.run()
    assert not app.exception and app.title[0].value == "Overview"


def test_the_use_cases_are_told_that_somebody_came_through_the_app(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asked(monkeypatch)
    show("overview")
    assert {(one.user, one.space, one.zone, one.via) for one in seen} == {
        (owner.owner, owner.owner, "Europe/Berlin", APP)
    }
