"""Tokens that nobody uses any more do not live on; damaged ones stop neither disconnecting nor other accounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from postprober.clock import utc_iso
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.errors import BadInput, ReconnectNeeded
from postprober.http import HttpClient
from postprober.pipeline.core import transitions
from postprober.platforms.common import oauth
from postprober.platforms.mastodon.adapter import register_app
from postprober.platforms.registry import SPECS
from postprober.platforms.x.adapter import XAdapter
from postprober.services.accounts import accounts, linking
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost, PreflightFailed
from postprober.storage import accounts as account_storage
from postprober.storage import alert_log
from tests.installed import Installation
from tests.people import acting


def alive(inst: Installation, platform: Platform, token: str) -> bool:
    try:
        inst.core.adapter(platform, Credentials(token)).identify(Credentials(token))
    except ReconnectNeeded:
        return False
    return True


def chain(made: dict[str, Any]) -> dict[str, Any]:
    return {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}


def damage(inst: Installation, account_id: int) -> None:
    with inst.core.db.write() as conn:
        account_storage.write(conn, account_id, access_token="v1.spoiled.AAAA")


def test_linking_again_ends_the_tokens_from_before(installation: Installation) -> None:
    core, owner, first = installation.core, installation.owner, installation.made("x")
    account = accounts.add_by_token(core, acting(core, owner), Platform("x"), chain(first))
    second = installation.sandbox.control.account("x", first["name"], fresh=True)
    assert alive(installation, Platform("x"), first["access_token"]), "the platform lets both live"
    assert accounts.add_by_token(core, acting(core, owner), Platform("x"), chain(second)).id == account.id
    assert not alive(installation, Platform("x"), first["access_token"])
    assert alive(installation, Platform("x"), second["access_token"])
    assert accounts.remove(core, acting(core, owner), account.id) is True
    assert not alive(installation, Platform("x"), second["access_token"])


def test_the_same_token_once_more_stays_alive(installation: Installation) -> None:
    made = installation.made("x")
    for _ in range(2):
        accounts.add_by_token(
            installation.core, acting(installation.core, installation.owner), Platform("x"), chain(made)
        )
    assert alive(installation, Platform("x"), made["access_token"])


def test_tokens_that_could_not_be_ended_are_not_called_withdrawn(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, owner, first = installation.core, installation.owner, installation.made("x")
    account = accounts.add_by_token(core, acting(core, owner), Platform("x"), chain(first))
    with monkeypatch.context() as away:
        away.setattr(XAdapter, "revoke", lambda *_: False)
        second = installation.sandbox.control.account("x", first["name"], fresh=True)
        accounts.add_by_token(core, acting(core, owner), Platform("x"), chain(second))
    kept = accounts.set_up(core, acting(core, owner), account.id, label="a", language="")
    assert kept.settings["older_tokens"] is True
    assert accounts.remove(core, acting(core, owner), account.id) is False
    again = installation.sandbox.control.account("x", first["name"], fresh=True)
    assert "older_tokens" not in accounts.add_by_token(core, acting(core, owner), Platform("x"), chain(again)).settings


def test_an_account_with_damaged_tokens_can_be_disconnected(installation: Installation) -> None:
    core, account = installation.core, installation.link("x")
    damage(installation, account.id)
    assert accounts.remove(core, acting(core, installation.owner), account.id) is False
    assert accounts.listing(core, acting(core, installation.owner)) == []


def test_an_account_with_damaged_tokens_is_named_and_the_others_are_checked(installation: Installation) -> None:
    core, bad, good = installation.core, installation.link("x"), installation.link("mastodon")
    damage(installation, bad.id)
    both = NewPost(("Hello",), (bad.id, good.id))
    results = posts.check(core, acting(core, installation.owner), both)
    assert results[good.id].ok and [v.code for v in results[bad.id].violations] == ["key_missing"]
    with pytest.raises(PreflightFailed, match="cannot be read"):
        posts.create(core, acting(core, installation.owner), both)
    assert posts.create(core, acting(core, installation.owner), NewPost(("Hello",), (good.id,))).id
    assert accounts.current_limits(core, accounts.get(core, acting(core, installation.owner), bad.id)) is not None


def test_a_damaged_registration_is_made_anew(installation: Installation) -> None:
    core, url = installation.core, f"{installation.sandbox.url}/mastodon"
    linking.start(core, acting(core, installation.owner), Platform("mastodon"), url)
    with core.db.write() as conn:
        conn.execute(text("UPDATE oauth_apps SET client_secret = 'v1.spoiled.AAAA'"))
    for _ in range(2):
        assert "client_id=" in linking.start(core, acting(core, installation.owner), Platform("mastodon"), url)
    with core.db.read() as conn:
        assert conn.execute(text("SELECT client_secret FROM oauth_apps")).scalar() != "v1.spoiled.AAAA"


def test_a_registration_of_an_earlier_version_is_made_anew_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It notes no scopes: the server would refuse to consent to those that are asked for by now."""
    core, url = installation.core, f"{installation.sandbox.url}/mastodon"
    spec, made = SPECS[Platform("mastodon")], []

    def earlier(http: HttpClient, instance: str, callback: str) -> dict[str, str]:
        app = register_app(http, instance, callback)
        made.append(app["client_id"])
        return app if len(made) > 1 else {name: app[name] for name in ("client_id", "client_secret")}

    monkeypatch.setitem(SPECS, Platform("mastodon"), replace(spec, register_app=earlier))
    actor = acting(core, installation.owner)
    asked = [linking.start(core, actor, Platform("mastodon"), url) for _ in range(3)]
    assert len(made) == 2 and [made[0] in asked[0], made[1] in asked[1], made[1] in asked[2]] == [True] * 3
    assert "read%3Asearch" in asked[1]


@pytest.mark.parametrize("demoted", [False, True])
def test_a_consent_without_the_right_to_publish_changes_nothing_and_its_tokens_end(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, demoted: bool
) -> None:
    core, owner, made = installation.core, installation.owner, installation.made("x")
    account = accounts.add_by_token(core, acting(core, owner), Platform("x"), chain(made))
    other = installation.sandbox.control.account("x", made["name"], fresh=True)
    asked: list[str] = []

    def exchange(*_args: Any, **_named: Any) -> Credentials:
        asked.append("x")
        return Credentials(
            other["access_token"], other["refresh_token"], scopes=("tweet.read", "users.read", "offline.access")
        )

    monkeypatch.setattr(oauth, "exchange", exchange)
    url = linking.start(core, acting(core, owner), Platform("x"))
    if demoted:
        with core.db.write() as conn:
            conn.execute(text("UPDATE users SET role = 'viewer' WHERE id = :i"), {"i": owner})
    state = url.partition("state=")[2].partition("&")[0]
    with pytest.raises(Exception) as caught:
        linking.finish(core, acting(core, owner), Platform("x"), {"code": "c", "state": state})
    if demoted:
        assert asked == [], "no code becomes a token for who may not link"
        return
    assert isinstance(caught.value, BadInput) and "right to publish" in caught.value.message
    assert not alive(installation, Platform("x"), other["access_token"])
    assert alive(installation, Platform("x"), made["access_token"])
    assert accounts.get(core, acting(core, owner), account.id).token_version == account.token_version


def test_a_refused_consent_that_brought_the_token_in_use_leaves_it_alive(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers give out the same token again."""
    core, owner, made = installation.core, installation.owner, installation.made("x")
    accounts.add_by_token(core, acting(core, owner), Platform("x"), chain(made))
    same = Credentials(made["access_token"], made["refresh_token"], scopes=("tweet.read",))
    monkeypatch.setattr(oauth, "exchange", lambda *_args, **_named: same)
    state = linking.start(core, acting(core, owner), Platform("x")).partition("state=")[2].partition("&")[0]
    with pytest.raises(BadInput):
        linking.finish(core, acting(core, owner), Platform("x"), {"code": "c", "state": state})
    assert alive(installation, Platform("x"), made["access_token"])


def test_what_was_told_about_an_account_ends_with_it(installation: Installation) -> None:
    core, account = installation.core, installation.link("x")
    now = core.clock.now()
    with core.db.write() as conn:
        transitions.reconnect_needed(conn, account, ReconnectNeeded("The access was withdrawn."), now)
        transitions.tokens_locked(conn, account, "The key is gone.", now)
    accounts.remove(core, acting(core, installation.owner), account.id)
    with core.db.read() as conn:
        assert not alert_log.has_open(conn, f"account:{account.id}") and not alert_log.has_open(
            conn, f"tokens:{account.id}"
        )
        before = account_storage.get(conn, account.id)
    with core.db.write() as conn:
        transitions.reconnect_needed(conn, before, ReconnectNeeded("The access was withdrawn."), now)
        assert account_storage.get(conn, account.id).status == "ok"
        assert not alert_log.has_open(conn, f"account:{account.id}")


def test_a_token_that_has_expired_is_refused(installation: Installation) -> None:
    core, made = installation.core, installation.made("mastodon")
    past = utc_iso(core.clock.now() - timedelta(seconds=1))
    data = {"access_token": made["access_token"], "expires_at": past}
    with pytest.raises(BadInput, match="has expired"):
        accounts.add_by_token(core, acting(core, installation.owner), Platform("mastodon"), data)
    assert accounts.listing(core, acting(core, installation.owner)) == []


def test_only_a_result_of_our_own_is_shown_to_its_person(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    made = linking.result_for_app(core, acting(core, owner), "linked", "X: anna")
    assert linking.result_from_app(core, acting(core, owner), made) == ("linked", "X: anna")
    for query in (
        {"linked": "X: anna"},
        {**made, "linked": "Call 555"},
        {"link_error": "X: anna", **made, "linked": ""},
        {**made, "seal": "é"},
        {**made, "seal": "\udcff"},
    ):
        assert linking.result_from_app(core, acting(core, owner), query) is None
    assert linking.result_from_app(core, acting(core, installation.stranger), made) is None
