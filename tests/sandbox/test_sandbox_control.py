"""The control API, the log, the public pages, and what survives a restart."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from postprober.sandbox.app import create_app
from postprober.sandbox.control.client import Control, ControlError
from postprober.sandbox.engine.emulator import emulators
from postprober.sandbox.engine.store import WorldStore
from postprober.sandbox.engine.world import World
from postprober.sandbox.serve import SandboxServer, free_socket
from tests.sandbox.conftest import MovableClock
from tests.sandbox.posters import Poster, XPoster


def test_an_account_is_the_same_until_fresh_tokens_are_asked_for(control: Control) -> None:
    first = control.account("x", "alice")
    same = control.account("x", "alice")
    fresh = control.account("x", "alice", fresh=True)
    assert same == first
    assert fresh["access_token"] != first["access_token"]
    assert fresh["id"] == first["id"]


def test_every_reply_is_dated_by_the_clock_of_the_world(sandbox: SandboxServer, clock: MovableClock) -> None:
    """Once and no more: a server whose clock jumps says so, and nothing waits for real time to pass."""
    for path in ("/", "/x/2/users/me", "/nowhere", "/mastodon/api/v2/instance"):
        clock.added = 0.0
        first = _dates(sandbox.url + path)
        clock.added = 7200.0
        later = _dates(sandbox.url + path)
        assert len(first) == len(later) == 1
        assert timedelta(hours=2) <= later[0] - first[0] <= timedelta(hours=2, seconds=20), path


def _dates(url: str) -> list[datetime]:
    return [parsedate_to_datetime(value) for value in httpx2.get(url).headers.get_list("date")]


@pytest.mark.parametrize("platform", list(emulators()))
def test_accounts_have_what_their_platform_gives(control: Control, platform: str) -> None:
    account = control.account(platform, "alice")
    assert (account["refresh_token"] is not None) == (platform in ("x", "bluesky"))
    assert (account["expires_at"] is None) == (platform in ("mastodon", "telegram", "discord", "nostr", "wordpress"))
    assert (account["password"] is not None) == (platform in ("bluesky", "wordpress"))


def test_accounts_with_unusable_names_are_refused(control: Control) -> None:
    with pytest.raises(ControlError, match="name must be"):
        control.account("x", "<script>")
    with pytest.raises(ControlError, match="platform must be"):
        control.account("myspace", "alice")


def test_an_expired_token_is_refused_and_a_fresh_one_works(poster: Poster) -> None:
    poster.control.expire(poster.platform, "alice")
    assert poster.listing().status_code in (400, 401)
    poster.account = poster.control.account(poster.platform, "alice", fresh=True)
    poster.headers["authorization"] = f"Bearer {poster.account['access_token']}"
    assert poster.listing().status_code == 200


def test_a_withdrawn_account_can_do_nothing(poster: Poster) -> None:
    poster.control.revoke(poster.platform, "alice")
    assert poster.listing().status_code in (400, 401)


def test_behind_the_author_s_back_posts_are_hidden_edited_and_deleted(poster: Poster) -> None:
    post_id = poster.id_of(poster.create("mine"))
    platform, control = poster.platform, poster.control
    control.hide_post(platform, post_id)
    hidden = (poster.public(post_id), poster.listed())
    control.unhide_post(platform, post_id)
    shown = poster.public(post_id)
    control.edit_post(platform, post_id, "not mine")
    edited = poster.truth()[0]
    control.delete_post(platform, post_id)
    assert hidden == (False, [post_id])
    assert shown
    assert (edited["text"], edited["edited"]) == ("not mine", True)
    assert (poster.listed(), poster.public(post_id)) == ([], False)
    assert poster.truth()[0]["deleted_at"] is not None


def test_posts_are_also_reached_by_their_id_in_the_path(poster: Poster) -> None:
    post_id = poster.id_of(poster.create("mine"))
    done = poster.http.post(f"/_sandbox/posts/{poster.platform}/{post_id}/delete")
    assert done.status_code == 200
    assert poster.listed() == []


def test_an_unknown_post_account_setting_or_action_is_told(control: Control, http: httpx2.Client) -> None:
    with pytest.raises(ControlError, match="404"):
        control.delete_post("x", "1")
    with pytest.raises(ControlError, match="404"):
        control.expire("x", "nobody")
    with pytest.raises(ControlError, match="no such setting"):
        control.settings(speed=3)
    assert http.post("/_sandbox/faults", content=b"{").status_code == 400


def test_the_log_tells_who_did_what_in_order(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> None:
    poster = XPoster(sandbox, http, picture)
    poster.headers["x-request-id"] = "attempt-1"
    poster.create("one")
    post_id = poster.truth()[0]["id"]
    http.delete(f"/x/2/tweets/{post_id}", headers=poster.headers)
    rows = sandbox.control.log(platform="x", account="alice")
    assert [(r["operation"], r["method"], r["status"]) for r in rows] == [
        ("create", "POST", 201),
        ("delete", "DELETE", 200),
    ]
    assert rows[1]["effect"] == {"deleted": post_id}
    assert rows[0]["request_id"] == "attempt-1"
    assert rows[0]["at"] <= rows[1]["at"]
    assert sandbox.control.log(since=rows[0]["seq"], platform="x") == rows[1:]


def test_the_log_keeps_the_platform_s_own_handle(poster: Poster) -> None:
    poster.create("once", "3lbkw2jayek2a")
    handle = poster.creations()[-1]["idempotency"]
    if poster.platform in ("mastodon", "bluesky"):
        assert handle == "3lbkw2jayek2a"
    elif poster.platform == "instagram":
        assert handle is not None
    else:
        assert handle is None


def test_the_log_keeps_no_tokens(poster: Poster) -> None:
    poster.create("one")
    poster.listing()
    assert poster.account["access_token"] not in str(poster.control.log())


def test_a_public_page_shows_text_author_time_and_picture(poster: Poster) -> None:
    post_id = poster.id_of(poster.create("5 &lt; 6 https://example.com/x"))
    url = poster.truth()[0]["url"]
    page = poster.http.get(url)
    assert page.status_code == 200
    assert f'data-post-id="{post_id}"' in page.text
    assert '<p class="text">5 &amp;lt; 6 <a href="https://example.com/x"' in page.text
    assert 'property="og:description" content="5 &amp;lt; 6 https://example.com/x"' in page.text
    assert "<script" not in page.text
    assert ("<img" in page.text) == (poster.platform == "instagram")


def test_the_public_pages_look_different(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> None:
    from tests.sandbox.posters import MAKERS

    titles = set()
    for make in MAKERS.values():
        poster = make(sandbox, http, picture)
        poster.create("hello")
        page = http.get(poster.truth()[0]["url"]).text
        titles.add(page[page.index("<header>") : page.index("</header>")])
    assert len(titles) == len(MAKERS)


def test_x_embeds_a_post_until_it_is_gone(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> None:
    poster = XPoster(sandbox, http, picture)
    post_id = poster.id_of(poster.create("embed me"))
    query = {"url": poster.truth()[0]["url"]}
    embedded = http.get("/x/oembed", params=query).json()
    sandbox.control.delete_post("x", post_id)
    assert "embed me" in embedded["html"]
    assert (embedded["author_name"], embedded["author_url"]) == ("alice", f"{sandbox.url}/x/alice")
    assert http.get("/x/oembed", params=query).status_code == 404


def test_the_start_page_shows_everything_and_takes_faults_and_accounts(
    poster: Poster, http: httpx2.Client, control: Control
) -> None:
    poster.create("bread & butter")
    form = {"platform": poster.platform, "kind": "slow", "params": '{"seconds": 0}', "times": "3"}
    added = http.post("/_form/fault", data=form)
    http.post("/_form/account", data={"platform": "x", "name": "carol"})
    page = http.get("/").text
    wrong = http.post("/_form/fault", data=form | {"params": "{"})
    assert (added.status_code, wrong.status_code) == (303, 400)
    assert "bread &amp; butter" in page
    assert "bread & butter" not in page
    assert "3 more" in page
    assert "carol" in page
    http.post(f"/_form/fault/{control.faults()[0]['id']}/remove")
    assert control.faults() == []


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with SandboxServer(World(tmp_path)) as first, httpx2.Client(base_url=first.url, trust_env=False) as http:
        account = first.control.account("mastodon", "alice")
        headers = {"authorization": f"Bearer {account['access_token']}", "idempotency-key": "k"}
        created = http.post("/mastodon/api/v1/statuses", headers=headers, json={"status": "still here"}).json()
        first.control.fault("mastodon", "late_create", params={"seconds": 0.2, "reply": "503"})
        late = http.post(
            "/mastodon/api/v1/statuses", headers=headers | {"idempotency-key": "l"}, json={"status": "late"}
        )
        first.control.fault("mastodon", "error_before_accept", times=2)
        first.control.settings(max_characters=99)
        rows = first.control.log()
    later = World(tmp_path).now() + 60
    with SandboxServer(World(tmp_path, clock=lambda: later)) as second:
        with httpx2.Client(base_url=second.url, trust_env=False) as http:
            faulty = [
                http.post("/mastodon/api/v1/statuses", headers=headers, json={"status": "still here"}) for _ in range(3)
            ]
            page = http.get(urlsplit(created["url"]).path)
        assert late.status_code == 503
        assert second.control.account("mastodon", "alice") == account
        assert [r.status_code for r in faulty] == [500, 500, 200]
        assert faulty[-1].json()["id"] == created["id"]
        assert page.status_code == 200
        assert [p["text"] for p in second.control.posts()] == ["still here", "late"]
        assert second.control.settings()["max_characters"] == 99
        assert second.control.log()[: len(rows)] == rows


def test_a_reset_forgets_everything(poster: Poster) -> None:
    poster.create("gone")
    poster.fault("ghost")
    poster.control.reset()
    assert (poster.control.posts(), poster.control.faults(), poster.control.log()) == ([], [], [])
    assert poster.listing().status_code in (400, 401)


def test_ids_do_not_repeat_after_a_restart_with_a_standing_clock(tmp_path: Path) -> None:
    ids: list[str] = []
    for _ in range(2):
        world = World(tmp_path, clock=lambda: 1_795_000_000.0)
        with TestClient(create_app(world), raise_server_exceptions=True) as client:
            account = client.post("/_sandbox/accounts", json={"platform": "x", "name": "alice"}).json()
            headers = {"authorization": f"Bearer {account['access_token']}"}
            text = f"number {len(ids)}"
            ids.append(client.post("/x/2/tweets", headers=headers, json={"text": text}).json()["data"]["id"])
        world.store.close()
    assert len(set(ids)) == 2


def test_the_log_refuses_columns_that_must_not_change(tmp_path: Path) -> None:
    store = WorldStore(tmp_path / "s.sqlite")
    with pytest.raises(ValueError, match="at"):
        store.update_log(1, at=2.0)
    store.close()


def test_a_taken_port_is_an_error() -> None:
    with free_socket() as taken, pytest.raises(OSError, match="in use"):
        free_socket(int(taken.getsockname()[1]))
