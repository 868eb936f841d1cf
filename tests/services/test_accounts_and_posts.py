"""Accounts and posts: who may do what, and what unusable input leaves behind (nothing)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.errors import BadInput, Conflict, NotFound
from postprober.pipeline.core import transitions
from postprober.services.accounts import accounts
from postprober.services.media import media
from postprober.services.monitoring import monitoring
from postprober.services.posts import delivery_actions, posts
from postprober.services.posts.posts import NewPost, PreflightFailed
from postprober.storage import accounts as account_storage
from postprober.storage import deliveries
from postprober.storage.records import Delivery
from tests.installed import Installation
from tests.people import acting

S = DeliveryState


def png(width: int = 20, height: int = 10) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "green").save(out, "PNG")
    return out.getvalue()


def post(inst: Installation, account_id: int, text: str = "Hello", **changes: Any) -> Delivery:
    made = posts.create(inst.core, acting(inst.core, inst.owner), NewPost((text,), (account_id,), **changes))
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, made.id)[0]


def move(inst: Installation, delivery: Delivery, *states: DeliveryState, **columns: Any) -> Delivery:
    for state in states:
        with inst.core.db.write() as conn:
            delivery = transitions.move(
                conn, deliveries.get(conn, delivery.id), state, reason="test", now=inst.core.clock.now(), **columns
            )
    return delivery


# Accounts


@pytest.mark.parametrize(
    ("platform", "data", "options"),
    [
        ("x", {}, {}),
        ("x", [], {}),
        ("x", {"access_token": 5}, {}),
        ("x", {"access_token": "  "}, {}),
        ("x", {"access_token": "tökén"}, {}),
        ("x", {"access_token": "a\nb"}, {}),
        ("x", {"access_token": "not-a-token"}, {}),
        ("x", {"access_token": "t", "expires_at": "soon"}, {}),
        ("x", {"access_token": "t", "expires_at": "2026-01-01T00:00"}, {}),
        ("x", {"access_token": "t", "expires_at": "0001-01-01T00:00+14:00"}, {}),
        ("x", {"access_token": "t"}, {"instance": "https://x.example"}),
        ("mastodon", {"access_token": "t"}, {"instance": "https://["}),
        ("mastodon", {"access_token": "t"}, {"instance": "file:///etc/passwd"}),
        ("bluesky", {"identifier": "a"}, {}),
        ("bluesky", {"identifier": "nobody.test", "password": ""}, {}),
        ("telegram", {"access_token": "1:t"}, {}),
        ("telegram", {"channel": "@town"}, {}),
        ("telegram", {"access_token": "1:t", "channel": "no channel"}, {}),
        ("telegram", {"access_token": "1:t", "channel": "@town"}, {}),
        ("telegram", {"access_token": "1:tökén", "channel": "@town"}, {}),
        ("telegram", {"access_token": "1:t", "channel": "@town"}, {"instance": "https://x.example"}),
        ("wordpress", {"user": "anna"}, {}),
        ("wordpress", {"user": "anna", "password": "wrong"}, {}),
        ("wordpress", {"user": "anna", "password": "pässword"}, {}),
        ("wordpress", {"user": "anna", "password": "x"}, {"instance": "file:///etc/passwd"}),
        ("nostr", {"relays": "/"}, {}),
        ("nostr", {"access_token": "nsec1no", "relays": "/"}, {}),
        (
            "nostr",
            {"access_token": "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6", "relays": "/"},
            {},
        ),
        ("nostr", {"access_token": "22" * 32, "relays": "file:///etc/passwd"}, {}),
        ("nostr", {"access_token": "22" * 32, "relays": "wss://relay.example.org"}, {}),
        ("discord", {}, {}),
        ("discord", {"access_token": "t"}, {}),
        ("discord", {"channel": "1105223344556677889"}, {}),
        ("discord", {"access_token": "t", "channel": "#news"}, {}),
        ("discord", {"access_token": "t", "channel": "1105223344556677889"}, {}),
        ("discord", {"webhook": "https://discord.com/api/webhooks/1105223344556677889"}, {}),
        ("discord", {"webhook": "https://discord.com/api/webhooks/1105223344556677889/no-such-token-is-there"}, {}),
    ],
)
def test_an_account_that_cannot_be_linked_leaves_nothing(
    installation: Installation, platform: str, data: Any, options: dict[str, str]
) -> None:
    before = installation.counts()
    with pytest.raises(BadInput) as caught:
        accounts.add_by_token(
            installation.core, acting(installation.core, installation.owner), Platform(platform), data, **options
        )
    assert "\n" not in str(caught.value)
    assert installation.counts() == before


def test_the_token_of_somebody_else_is_not_stored_under_the_named_account(installation: Installation) -> None:
    made, other = installation.made("x"), installation.made("x")
    before = installation.counts()
    with pytest.raises(BadInput, match="belongs to"):
        accounts.add_by_token(
            installation.core,
            acting(installation.core, installation.owner),
            Platform("x"),
            {"access_token": made["access_token"]},
            remote_id=other["id"],
        )
    assert installation.counts() == before


def test_linking_again_keeps_the_account_and_wakes_what_waited(installation: Installation) -> None:
    core = installation.core
    made = installation.made("x")
    data = {"access_token": made["access_token"]}
    first = accounts.add_by_token(core, acting(core, installation.owner), Platform("x"), data)
    with core.db.write() as conn:
        account_storage.write(conn, first.id, status="reconnect", status_reason="revoked")
    again = accounts.add_by_token(core, acting(core, installation.owner), Platform("x"), data)
    assert (again.id, again.status, again.token_version) == (first.id, "ok", first.token_version + 1)
    assert len(accounts.listing(core, acting(core, installation.owner))) == 1


@pytest.mark.parametrize("who", ["teammate", "stranger"])
def test_nobody_else_sees_uses_or_removes_an_account(installation: Installation, who: str) -> None:
    core, other = installation.core, getattr(installation, who)
    account = installation.link("mastodon")
    before = installation.counts()
    assert accounts.listing(core, acting(core, other)) == []
    with pytest.raises(NotFound):
        accounts.remove(core, acting(core, other), account.id)
    with pytest.raises(NotFound):
        posts.create(core, acting(core, other), NewPost(("Hello",), (account.id,)))
    assert installation.counts() == before
    assert [a.id for a in accounts.listing(core, acting(core, installation.owner))] == [account.id]


def test_a_removed_account_has_no_tokens_left_and_what_waited_is_cancelled(installation: Installation) -> None:
    core = installation.core
    account = installation.link("mastodon")
    delivery = post(installation, account.id)
    accounts.remove(core, acting(core, installation.owner), account.id)
    with core.db.read() as conn:
        found = account_storage.get(conn, account.id)
        state = deliveries.get(conn, delivery.id).state
    assert (found.access_token, found.refresh_token, found.secret, found.is_active) == (None, None, None, False)
    assert state is S.CANCELLED
    with pytest.raises(NotFound):
        accounts.remove(core, acting(core, installation.owner), account.id)


# Posts


@pytest.mark.parametrize(
    "text",
    ["", "   ", "x" * 501, "a\ud800b", "a\x00b"],
    ids=["empty", "blank", "too long", "lone surrogate", "nul"],
)
def test_a_text_that_cannot_go_out_is_refused_and_leaves_nothing(installation: Installation, text: str) -> None:
    account = installation.link("mastodon")
    before = installation.counts()
    with pytest.raises(BadInput) as caught:
        post(installation, account.id, text)
    assert str(caught.value) and "\n" not in str(caught.value)
    assert installation.counts() == before


@pytest.mark.parametrize(
    "new",
    [
        NewPost(("Hello",), ()),
        NewPost((), (1,)),
        NewPost(("Hello",) * 26, (1,)),
        NewPost(("Hello",), (1, 1)),
        NewPost(("Hello",), (999,)),
        NewPost(("Hello",), (-1,)),
        NewPost(("Hello",), (1,), media_ids=(999,)),
    ],
)
def test_a_post_of_an_impossible_form_leaves_nothing(installation: Installation, new: NewPost) -> None:
    installation.link("mastodon")
    before = installation.counts()
    with pytest.raises((BadInput, NotFound)):
        posts.create(installation.core, acting(installation.core, installation.owner), new)
    assert installation.counts() == before


def test_one_platform_that_would_refuse_stops_the_whole_post(installation: Installation) -> None:
    short, long = installation.link("x"), installation.link("mastodon")
    before = installation.counts()
    with pytest.raises(PreflightFailed) as caught:
        posts.create(
            installation.core, acting(installation.core, installation.owner), NewPost(("y" * 400,), (short.id, long.id))
        )
    assert caught.value.results[long.id].ok and not caught.value.results[short.id].ok
    assert caught.value.results[short.id].violations[0].over == 120
    assert installation.counts() == before


def test_the_files_of_somebody_else_cannot_be_used(installation: Installation) -> None:
    account = installation.link("mastodon")
    theirs = media.add_bytes(installation.core, acting(installation.core, installation.stranger), "a.png", png())
    with pytest.raises(NotFound):
        post(installation, account.id, media_ids=(theirs,))


@pytest.mark.parametrize("who", ["teammate", "stranger"])
def test_nobody_else_sees_or_steers_a_post(installation: Installation, who: str) -> None:
    core, other = installation.core, getattr(installation, who)
    delivery = post(installation, installation.link("mastodon").id)
    acts: list[Callable[[int], object]] = [
        lambda u: monitoring.post_view(core, acting(core, u), delivery.post_id),
        lambda u: monitoring.attempts_of(core, acting(core, u), delivery.id),
        lambda u: monitoring.step_rows(core, acting(core, u), delivery.post_id),
        lambda u: delivery_actions.cancel(core, acting(core, u), delivery.post_id),
        lambda u: delivery_actions.retry(core, acting(core, u), delivery.post_id),
        lambda u: delivery_actions.send_held(core, acting(core, u), delivery.id),
        lambda u: delivery_actions.look_again(core, acting(core, u), delivery.id),
    ]
    for act in acts:
        with pytest.raises(NotFound):
            act(other)
    assert (
        posts.listing(core, acting(core, other))[0] == [] and monitoring.recent_views(core, acting(core, other)) == []
    )
    assert monitoring.post_view(core, acting(core, installation.owner), delivery.post_id).post.id == delivery.post_id
    assert delivery_actions.cancel(core, acting(core, installation.owner), delivery.post_id) == 1


def test_only_what_was_not_sent_can_be_cancelled(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    account = installation.link("mastodon").id
    waiting, sent = post(installation, account, "a"), post(installation, account, "b")
    move(installation, sent, S.CLAIMED, S.SUBMITTING)
    assert delivery_actions.cancel(core, acting(core, owner), waiting.post_id) == 1
    for post_id in (waiting.post_id, sent.post_id):
        with pytest.raises(Conflict):
            delivery_actions.cancel(core, acting(core, owner), post_id)


def test_a_held_post_whose_outcome_is_unknown_is_not_cancelled_as_if_it_were_not_out(
    installation: Installation,
) -> None:
    delivery = post(installation, installation.link("mastodon").id)
    move(installation, delivery, S.CLAIMED, S.SUBMITTING)
    move(installation, delivery, S.UNCONFIRMED, S.HELD, unknown_at=installation.core.clock.now())
    with pytest.raises(Conflict):
        delivery_actions.cancel(installation.core, acting(installation.core, installation.owner), delivery.post_id)


def test_only_failed_deliveries_are_tried_again(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    delivery = post(installation, installation.link("mastodon").id)
    with pytest.raises(Conflict):
        delivery_actions.retry(core, acting(core, owner), delivery.post_id)
    move(installation, delivery, S.CLAIMED, S.SUBMITTING, S.FAILED, tries=5)
    assert delivery_actions.retry(core, acting(core, owner), delivery.post_id) == 1
    with core.db.read() as conn:
        found = deliveries.get(conn, delivery.id)
    assert (found.state, found.tries, found.key) == (S.SCHEDULED, 5, delivery.key), "what was used up stays so"


def test_a_person_decides_about_held_deliveries_only(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    delivery = post(installation, installation.link("mastodon").id)
    for act in (delivery_actions.send_held, delivery_actions.look_again):
        with pytest.raises(Conflict):
            act(core, acting(core, owner), delivery.id)
    move(installation, delivery, S.CLAIMED, S.HELD, next_at=None)
    with pytest.raises(Conflict, match="before anything was sent"):
        delivery_actions.look_again(core, acting(core, owner), delivery.id)
    delivery_actions.send_held(core, acting(core, owner), delivery.id)
    with core.db.read() as conn:
        assert deliveries.get(conn, delivery.id).state is S.SCHEDULED
