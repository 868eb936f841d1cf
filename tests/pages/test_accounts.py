"""The Accounts page: what is linked, how to link, and how it went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.actor import Actor
from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Proof
from postprober.domain.health import Quota, Unit
from postprober.domain.platform import Platform
from postprober.errors import BadInput, Forbidden
from postprober.services.accounts import accounts as account_service
from postprober.services.accounts import linking, pages
from postprober.storage import accounts, quotas, tables
from postprober.ui import browser
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


def _press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_without_accounts_it_says_where_to_begin(owner: House, show: Show) -> None:
    app = show("accounts")
    assert app.title[0].value == "Accounts"
    assert "No account is linked yet" in app.info[0].value
    labels = [button.label for button in app.button]
    assert {
        "Link X",
        "Link LinkedIn",
        "Link Instagram",
        "Link Mastodon",
        "Link Bluesky",
        "Link Telegram",
        "Link WordPress",
        "Link Discord",
        "Link Nostr",
    } <= set(labels)


def test_linked_accounts_show_their_state_and_never_their_tokens(owner: House, show: Show) -> None:
    healthy, broken = owner.account(Platform("x")), owner.account(Platform("linkedin"), name="<b>broken</b>")
    ends = owner.core.clock.now() + timedelta(days=3)
    with owner.core.db.write() as conn:
        accounts.write(conn, healthy, token_expires_at=ends)
        accounts.write(conn, broken, status="reconnect", status_reason="The access was withdrawn.")
    seen = everything(show("accounts"))
    assert "The connection is renewed automatically, next before" in seen
    assert "Reconnect" in seen and "The access was withdrawn." in seen
    assert "&lt;b&gt;broken&lt;/b&gt;" in seen and "POISON" not in seen


def test_an_access_that_cannot_renew_itself_warns_before_it_ends(owner: House, show: Show) -> None:
    account = owner.account(Platform("mastodon"))
    with owner.core.db.write() as conn:
        accounts.write(conn, account, token_expires_at=owner.core.clock.now() + timedelta(days=3))
    assert "Reconnect it before that." in everything(show("accounts"))


def test_nobody_sees_or_removes_the_accounts_of_others(owner: House, show: Show) -> None:
    owner.account(Platform("x"), name="mine_alone")
    for other in (owner.teammate, owner.stranger):
        owner.sign_in(other)
        app = show("accounts")
        assert "mine_alone" not in everything(app)
        assert "Disconnect this account" not in [button.label for button in app.button]


def test_removing_forgets_the_tokens(owner: House, show: Show) -> None:
    account_id = owner.account(Platform("bluesky"))
    app = _press(show("accounts"), "Disconnect this account")
    assert "was disconnected" in app.success[0].value
    with owner.core.db.read() as conn:
        account = accounts.get(conn, account_id)
    assert not account.is_active and account.access_token is None and account.refresh_token is None


def test_linking_sends_the_browser_to_the_consent_page(owner: House, show: Show) -> None:
    app = _press(show("accounts"), "Link X")
    script = next(e.proto for e in app.get("html") if "window.location.href" in e.proto.body)
    assert script.unsafe_allow_javascript
    assert owner.core.settings.platform(Platform("x")).auth_url in script.body and "state=" in script.body


def test_a_page_that_is_only_looked_at_starts_no_linking(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(linking, "start", lambda *arguments: begun.append(arguments))
    show("accounts")
    assert not begun


def test_a_linking_that_cannot_start_says_why(owner: House, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> str:
        raise BadInput("Set POSTPROBER_X_CLIENT_ID and its secret before linking X.")

    monkeypatch.setattr(linking, "start", refuse)
    app = _press(show("accounts"), "Link X")
    assert app.error[0].value.replace("\\", "") == "Set POSTPROBER_X_CLIENT_ID and its secret before linking X."
    assert "window.location" not in everything(app)


@pytest.mark.parametrize(
    ("typed", "asked"),
    [("mastodon.example", "https://mastodon.example"), ("https://mastodon.example/", "https://mastodon.example")],
)
def test_a_mastodon_server_may_be_typed_without_its_scheme(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch, typed: str, asked: str
) -> None:
    begun: list[object] = []

    def start(_core: object, _user: int, _platform: Platform, instance: str) -> str:
        begun.append(instance)
        return "https://mastodon.example/oauth/authorize"

    monkeypatch.setattr(linking, "start", start)
    app = show("accounts")
    next(field for field in app.text_input if field.label == "Server").set_value(typed)
    _press(app, "Link Mastodon")
    assert begun == [asked]


def test_bluesky_is_linked_with_an_app_password(owner: House, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def add(core: object, actor: Actor, platform: Platform, data: object) -> object:
        given.append((actor.user, platform, data))
        account_id = owner.account(Platform("bluesky"), name="me.bsky.social")
        with owner.core.db.read() as conn:
            return accounts.get(conn, account_id)

    monkeypatch.setattr(account_service, "add_by_token", add)
    app = show("accounts")
    fields = {field.label: field for field in app.text_input}
    fields["Handle or e-mail address"].set_value("@me.bsky.social")
    fields["App password"].set_value("abcd-efgh")
    app = _press(app, "Link with this password")
    assert given == [(owner.owner, Platform("bluesky"), {"identifier": "me.bsky.social", "password": "abcd-efgh"})]
    assert "Linked. Bluesky" in app.success[0].value


def test_a_platform_is_linked_with_the_fields_that_it_declares(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def add(core: object, actor: Actor, platform: Platform, data: object, **options: object) -> object:
        given.append((actor.user, platform, data))
        account_id = owner.account(Platform("telegram"), name="town_news")
        with owner.core.db.read() as conn:
            return accounts.get(conn, account_id)

    monkeypatch.setattr(account_service, "add_by_token", add)
    app = show("accounts")
    assert "@BotFather" in everything(app)
    fields = {field.label: field for field in app.text_input}
    fields["Channel"].set_value("@town_news")
    assert fields["Bot token"].proto.type == fields["Bot token"].proto.PASSWORD
    app = _press(app, "Link Telegram")
    assert app.error[0].value == "Fill in: Bot token." and given == []
    fields = {field.label: field for field in app.text_input}
    fields["Channel"].set_value("@town_news")
    fields["Bot token"].set_value("123456789:AAx")
    app = _press(app, "Link Telegram")
    assert given == [(owner.owner, Platform("telegram"), {"access_token": "123456789:AAx", "channel": "@town_news"})]
    assert "Linked. Telegram" in app.success[0].value
    assert "Telegram" not in [str(option) for one in app.selectbox if one.label == "Platform" for option in one.options]


@pytest.mark.parametrize(("name", "kind"), [("linked", "success"), ("link_error", "error")])
def test_the_result_of_a_linking_is_shown_once_and_as_plain_text(
    owner: House, show: Show, name: str, kind: str
) -> None:
    app = show("monitor")
    text = "X: **demo** [click](https://evil.example)" + "x" * 1000
    for key, value in linking.result_for_app(owner.core, acting(owner.core, owner.owner), name, text).items():
        app.query_params[key] = value
    app.run()
    assert app.title[0].value == "Accounts"
    message = app.get(kind)[0].value
    assert r"\*\*demo\*\* \[click\]" in message and len(message) < 500
    assert name not in app.query_params
    assert not app.run().get(kind)


@pytest.mark.parametrize("name", ["linked", "link_error"])
def test_a_sentence_that_somebody_else_put_into_the_address_is_not_shown(owner: House, show: Show, name: str) -> None:
    app = show("monitor")
    app.query_params[name] = "Call 555 to unlock your account"
    app.query_params["seal"] = linking.result_for_app(owner.core, acting(owner.core, owner.owner), name, "X: demo")[
        "seal"
    ]
    app.run()
    assert (list(app.success), list(app.error), app.title[0].value) == ([], [], "Monitor")
    assert name not in app.query_params


def test_an_account_that_is_linked_twice_or_suspended_says_what_to_do(owner: House, show: Show) -> None:
    first, second = owner.account(Platform("mastodon"), name="anna"), owner.account(Platform("x"), name="bert")
    third = owner.account(Platform("mastodon"), name="anna again")
    with owner.core.db.write() as conn:
        accounts.write(conn, third, same_as=first)
        accounts.write(conn, second, status="suspended", status_reason="X has suspended it. Settle that with X first.")
    shown = everything(show("accounts"))
    assert "Disconnect one of them." in shown and shown.count("Linked twice") == 1
    assert "Settle that with X first. Then reconnect it below" in shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", ""])
def test_the_browser_is_never_sent_to_anything_but_a_web_address(url: str) -> None:
    with pytest.raises(BadInput):
        browser.go(url)


def test_every_account_tells_its_permissions_quota_and_last_proof(owner: House, show: Show) -> None:
    account = owner.account(Platform("x"))
    now = owner.core.clock.now()
    owner.move(
        owner.post("Out", account),
        S.CLAIMED,
        S.SUBMITTING,
        S.PUBLISHED,
        S.VERIFIED,
        proof=Proof.MATCHES,
        verified_at=now,
        published_at=now,
        url="https://x.com/demo/status/1",
    )
    owner.post("Waits", account)
    with owner.core.db.write() as conn:
        accounts.write(conn, account, scopes=["tweet.write", "<b>odd</b>"])
    seen = everything(show("accounts"))
    assert "tweet.write, &lt;b&gt;odd&lt;/b&gt;" in seen and "X has not reported it" in seen
    assert 'href="https://x.com/demo/status/1"' in seen and "1 published, 1 waiting" in seen
    with owner.core.db.write() as conn:
        accounts.write(conn, account, throttled_until=now + timedelta(hours=2))
    assert "Nothing can be sent until" in everything(show("accounts"))


def test_what_the_platform_said_is_left_is_shown_until_it_begins_anew(owner: House, show: Show) -> None:
    account, now = owner.account(Platform("instagram")), owner.core.clock.now()
    told = {
        Unit.SHARE: Quota(100, 98, now + timedelta(hours=1), Unit.SHARE),
        Unit.POSTS: Quota(50, 12, now + timedelta(hours=24), Unit.POSTS),
        Unit.SENDS: Quota(300, 299, now - timedelta(seconds=1), Unit.SENDS),
    }
    with owner.core.db.write() as conn:
        quotas.put(conn, {account: told}, now)
    assert "12 of 50 posts left in 24 hours; 98% of hourly calls left<" in everything(show("accounts"))


def test_settings_of_an_account_are_kept(owner: House, show: Show) -> None:
    account = owner.account(Platform("x"))
    app = show("accounts")
    next(field for field in app.text_input if field.label == "Display name").set_value("Company")
    app.toggle[0].set_value(True)
    _press(app, "Save")
    told = account_service.get(owner.core, acting(owner.core, owner.owner), account).settings
    assert told["label"] == "Company" and told["repair_words"] is True


def test_a_token_that_the_platform_refuses_is_not_imported(owner: House, show: Show) -> None:
    app = show("accounts")
    next(field for field in app.text_input if field.label == "Access token").set_value("nonsense")
    app = _press(app, "Import the token")
    assert app.error and not account_service.listing(owner.core, acting(owner.core, owner.owner))
    assert "nonsense" not in everything(app)


def test_a_viewer_sees_the_accounts_and_links_none(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    owner.become("viewer")
    app = show("accounts")
    offered = [b for b in app.button if b.label.startswith(("Link", "Disconnect", "Import the", "Save"))]
    assert len(offered) >= 7
    assert all(b.disabled for b in offered if b.label != "Save")
    with pytest.raises(Forbidden):
        account_service.set_up(owner.core, acting(owner.core, owner.owner), 1, label="x", language="")


def test_instagram_by_browser_warns_first_and_is_marked_experimental(owner: House, show: Show) -> None:
    account = owner.account(Platform("instagram"), name="ann")
    with owner.core.db.write() as conn:
        accounts.write(conn, account, instance="https://www.instagram.com")
    app = show("accounts")
    seen = everything(app)
    assert "terms forbid using it in an automated way" in seen
    assert "ann (by browser, experimental)" in seen
    assert "import the session again below" in seen
    labels = [button.label for button in app.button]
    assert "Import the session" in labels or "There is no Chromium" in seen
    if "Import the session" in labels:
        assert "Choose the file" in _press(app, "Import the session").error[0].value


def test_pages_are_asked_for_when_somebody_wants_to_see_them_and_not_with_each_run(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = owner.account(Platform("linkedin"))
    asked: list[int] = []

    def listing(_core: object, _actor: object, account_id: int) -> list[pages.LinkablePage]:
        asked.append(account_id)
        return [pages.LinkablePage("urn:li:organization:7", "Our <b>firm</b>", None)]

    monkeypatch.setattr(pages, "listing", listing)
    app = _press(show("accounts"), "Show my pages")
    assert asked == [person]
    app.run()
    assert asked == [person], "another run of the page asks nobody"
    assert any(button.label.startswith("Link Our") for button in app.button)
    owner.account(Platform("linkedin"), name="firm")
    with owner.core.db.write() as conn:
        (made,) = [one.id for one in accounts.of_user(conn, owner.owner) if one.account_name == "firm"]
        conn.execute(
            tables.accounts.update().where(tables.accounts.c.id == made).values(remote_id="urn:li:organization:7")
        )
    app.run()
    assert not any(button.label.startswith("Link Our") for button in app.button), "it is linked by now"
