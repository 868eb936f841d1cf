"""A remote account is what the platform says it is: one row in a space, however somebody spelled its server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from postprober.domain.identity import PostIdentity, base_address
from postprober.domain.platform import Platform
from postprober.domain.platform_settings import PlatformSettings
from postprober.errors import BadInput
from postprober.http import HttpClient, Pools
from postprober.platforms.mastodon import adapter as mastodon
from postprober.services.accounts import accounts, linking
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts as account_storage
from postprober.storage import deliveries, remote_posts
from postprober.storage.records import Account
from tests.installed import Installation
from tests.people import acting

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def add(inst: Installation, made: dict[str, Any], instance: str, platform: Platform = Platform("mastodon")) -> Account:
    data = {"access_token": made["access_token"]}
    if platform is Platform("bluesky"):
        data = {"identifier": made["id"], "password": made["password"]}
    return accounts.add_by_token(inst.core, acting(inst.core, inst.owner), platform, data, instance=instance)


SPELLINGS = (
    "http://127.0.0.1:{port}/mastodon",
    "HTTP://127.0.0.1:{port}/mastodon/",
    "http://127.0.0.1:0{port}/mastodon",
    "http://127.0.0.1.:{port}/mastodon",
    "http://LOCALHOST:{port}/mastodon",
    "http://127.0.0.1:{port}/mastodon/.",
    "http://127.0.0.1:{port}//mastodon/x/..",
    "http://127.0.0.1:{port}/mastodon/@somebody",
)


@pytest.mark.parametrize("spelled", SPELLINGS[1:])
def test_another_spelling_of_a_server_is_the_same_account_and_gets_one_post(
    installation: Installation, spelled: str
) -> None:
    port = installation.sandbox.url.rpartition(":")[2]
    made = installation.made("mastodon")
    first = add(installation, made, SPELLINGS[0].format(port=port))
    again = add(installation, made, spelled.format(port=port))
    assert (again.id, again.token_version) == (first.id, first.token_version + 1)
    assert len(accounts.listing(installation.core, acting(installation.core, installation.owner))) == 1


def test_another_host_name_of_the_network_is_the_same_bluesky_account(installation: Installation) -> None:
    port = installation.sandbox.url.rpartition(":")[2]
    made = installation.made("bluesky")
    first = add(installation, made, f"http://127.0.0.1:{port}/bluesky", Platform("bluesky"))
    assert add(installation, made, f"http://localhost:{port}/bluesky", Platform("bluesky")).id == first.id


def test_a_linkedin_id_is_compared_with_what_the_platform_says(installation: Installation) -> None:
    core, owner, made = installation.core, installation.owner, installation.made("linkedin")
    data = {"access_token": made["access_token"]}
    first = accounts.add_by_token(core, acting(core, owner), Platform("linkedin"), data)
    named = accounts.add_by_token(
        core, acting(core, owner), Platform("linkedin"), data, remote_id=f"urn:li:person:{made['id']}"
    )
    assert (named.id, named.remote_id) == (first.id, made["id"])
    for wrong in ("urn:li:person:someone-else", "urn:li:nonsense:5", "urn:li:organization:x", "urn:li:person:"):
        with pytest.raises(BadInput):
            accounts.add_by_token(core, acting(core, owner), Platform("linkedin"), data, remote_id=wrong)
    assert len(accounts.listing(core, acting(core, owner))) == 1


def test_the_second_of_two_that_link_at_once_refreshes_the_first(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = installation.made("mastodon")
    first = add(installation, made, "")
    looked: list[None] = []
    find = account_storage.find

    def blind_once(*args: Any, **names: Any) -> Account | None:
        if not looked:  # the other one commits only now
            looked.append(None)
            return None
        return find(*args, **names)

    monkeypatch.setattr(account_storage, "find", blind_once)
    assert add(installation, made, "").id == first.id
    assert looked


def twice(inst: Installation) -> tuple[Account, Account]:
    """Two rows of one account, as a space may have them since before servers were asked."""
    first = inst.link("mastodon")
    with inst.core.db.write() as conn:
        second = account_storage.add(
            conn,
            space=inst.owner,
            platform="mastodon",
            account_name="the other",
            now=NOW,
            instance=first.instance.upper(),
            remote_id=first.remote_id,
            same_as=first.id,
        )
        sealed = account_storage.get(conn, first.id)
        account_storage.write(conn, second, settings=sealed.settings)
        return first, account_storage.get(conn, second)


def test_one_post_to_an_account_that_is_linked_twice_is_refused(installation: Installation) -> None:
    first, second = twice(installation)
    before = installation.counts()
    with pytest.raises(BadInput, match="the same account"):
        posts.create(
            installation.core, acting(installation.core, installation.owner), NewPost(("Hello",), (first.id, second.id))
        )
    assert installation.counts() == before
    assert posts.create(
        installation.core, acting(installation.core, installation.owner), NewPost(("Hello",), (first.id,))
    ).id


def test_a_row_that_was_linked_under_an_alias_is_found_by_the_servers_own_name_and_keeps_its_posts(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, made = installation.core, installation.made("mastodon")
    account = add(installation, made, "")
    post = posts.create(core, acting(core, installation.owner), NewPost(("Hello",), (account.id,)))
    with core.db.write() as conn:
        delivery = deliveries.of_post(conn, post.id)[0]
        mine = PostIdentity(Platform("mastodon"), account.server, "77")
        assert remote_posts.claim(conn, mine, account.remote_id, delivery.id, 0, NOW, sent_by_us=True)
    monkeypatch.setattr(mastodon, "own_address", lambda *_: "https://canonical.example")
    again = add(installation, made, "")
    assert (again.id, again.server, again.instance) == (account.id, "canonical.example", account.instance)
    with core.db.read() as conn:
        assert remote_posts.owner(conn, PostIdentity(Platform("mastodon"), "canonical.example", "77")) == delivery.id


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("https://Social.Example:443/@anna", "https://social.example"),
        ("social.example", "https://social.example"),
        ("@anna@social.example", "https://social.example"),
        ("social.example/@anna", "https://social.example"),
        ("social.example/@anna@other.example", "https://social.example"),
        ("https://social.example/users/anna", "https://social.example"),
        ("https://social.example./web/home/", "https://social.example"),
        ("https://bücher.example/", "https://xn--bcher-kva.example"),
        ("https://[::1]:08443/sub/./a/../", "https://[::1]:8443/sub"),
        ("https://a:b@social.example/", "https://a:b@social.example"),
        ("https://[", "https://["),
    ],
)
def test_what_people_paste_as_a_server(typed: str, base: str) -> None:
    assert base_address(typed) == base


def test_a_profile_can_be_pasted_where_the_server_is_asked_for(installation: Installation) -> None:
    url = linking.start(
        installation.core,
        acting(installation.core, installation.owner),
        Platform("mastodon"),
        f"{installation.sandbox.url}/mastodon/@anna",
    )
    assert url.startswith(f"{installation.sandbox.url}/mastodon/oauth/authorize")


def test_an_address_without_a_server_says_what_to_give(installation: Installation) -> None:
    with pytest.raises(Exception, match="own address") as caught:
        linking.start(
            installation.core,
            acting(installation.core, installation.owner),
            Platform("mastodon"),
            f"{installation.sandbox.url}/nothing",
        )
    assert "status 404" not in str(caught.value)


def test_in_live_mode_only_a_private_server_that_the_operator_named_for_it_is_taken(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = installation.core
    named = PlatformSettings.model_validate({"api_url": "http://social.internal:3000"})
    monkeypatch.setitem(core.settings._sections, Platform("mastodon"), named)
    monkeypatch.setattr(core.settings, "ai_base_url", "http://model.internal")
    pools = Pools(trusted_hosts=core.settings.trusted_hosts())
    live = replace(core, http=HttpClient(pools))
    for typed in ("http://social.internal:3000", "http://SOCIAL.internal.:3000/@anna"):
        assert accounts.server_address(live, Platform("mastodon"), typed) == "http://social.internal:3000"
    for other in (
        "http://model.internal",
        "https://model.internal",
        "http://social.internal:3001",
        "https://10.0.0.5",
        "http://social.example",
    ):
        with pytest.raises(BadInput):
            accounts.server_address(live, Platform("mastodon"), other)
    with pytest.raises(BadInput):
        accounts.server_address(live, Platform("bluesky"), "http://social.internal:3000")
    assert accounts.server_address(live, Platform("mastodon"), "social.example") == "https://social.example"
    pools.close()


@pytest.mark.parametrize(
    ("platform", "typed", "server"),
    [
        ("wordpress", "https://blog.example/web/", "https://blog.example/web"),
        ("mastodon", "https://social.example/web/", "https://social.example"),
    ],
)
def test_a_site_in_a_folder_is_asked_there_and_a_page_of_a_server_at_its_root(
    installation: Installation, platform: str, typed: str, server: str
) -> None:
    assert accounts.server_address(installation.core, Platform(platform), typed) == server
