"""A person says where a held post is: it is read there first, and taken only if it is that post."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from postprober.domain.attempt import Act
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import Platform, known
from postprober.domain.remote import PartJob, Ref, RemoteMedia, RemotePost, Timeline
from postprober.errors import BadInput, Conflict, NotFound, PostProberError
from postprober.pipeline.core import transitions
from postprober.pipeline.core.tokens import open_credentials
from postprober.pipeline.publishing import adopt_by_link
from postprober.platforms.registry import remote_id_in
from postprober.services.media import media
from postprober.services.pipeline_context import context_of
from postprober.services.posts import delivery_actions, posts
from postprober.storage import attempts, deliveries
from postprober.storage.records import Account, Delivery
from tests.installed import Installation
from tests.people import acting
from tests.services.test_accounts_and_posts import png

S = DeliveryState
TEXT_ONLY = ("x", "linkedin", "mastodon", "bluesky", "telegram", "discord", "nostr", "wordpress")


def held(inst: Installation, account: Account, *texts: str, unknown: bool = True) -> Delivery:
    """A delivery whose answer got lost and that could not be found."""
    now = inst.core.clock.now()
    made = posts.create(
        inst.core, acting(inst.core, account.user_id), posts.NewPost(texts, (account.id,), at=now + timedelta(days=1))
    )
    states = (S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD) if unknown else (S.HELD,)
    for state in states:
        with inst.core.db.write() as conn:
            (delivery,) = deliveries.of_post(conn, made.id)
            transitions.move(
                conn, delivery, state, reason="test", now=now, unknown_at=now if unknown else None, next_at=None
            )
    return read(inst, delivery.id)


def read(inst: Installation, delivery_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def post_by_hand(inst: Installation, account: Account, text: str) -> Ref:
    """What is there, without PostProber knowing of it."""
    cred = open_credentials(inst.core.vault, account)
    adapter = inst.core.adapter(account.platform, cred)
    now = inst.core.clock.now()
    now, key = now.replace(microsecond=now.microsecond // 1000 * 1000), str(uuid.uuid4())
    job = PartJob(key, 0, text, now, handle=adapter.new_handle(key, 0, now))
    return adapter.finalize(cred, job, adapter.submit(cred, job)).ref


def adopt(inst: Installation, delivery: Delivery, link: str) -> Delivery:
    delivery_actions.adopt_held(inst.core, acting(inst.core, inst.owner), delivery.id, link)
    return read(inst, delivery.id)


def refused(inst: Installation, delivery: Delivery, link: str, sentence: str) -> None:
    """Nothing but a try is written."""
    with pytest.raises(BadInput, match=sentence):
        delivery_actions.adopt_held(inst.core, acting(inst.core, inst.owner), delivery.id, link)
    assert read(inst, delivery.id) == delivery


@pytest.mark.parametrize("platform", TEXT_ONLY)
@pytest.mark.parametrize("form", ["link", "id"])
def test_what_is_really_there_is_adopted(installation: Installation, platform: str, form: str) -> None:
    """On LinkedIn the app may not read back; there a stranger's look decides."""
    account = installation.link(platform)
    delivery = held(installation, account, f"Said by {account.account_name} https://www.iana.org/a?b=c&d")
    ref = post_by_hand(installation, account, delivery.parts[0].text)
    found = adopt(installation, delivery, ref.url if form == "link" else ref.remote_id)
    assert (found.state, found.remote_id, found.unknown_at) == (S.PUBLISHED, ref.remote_id, None)
    assert found.proof is Proof.ACCEPTED and found.next_at is not None, "and it is proved like any other"
    with installation.core.db.read() as conn:
        (row,) = attempts.of_delivery(conn, delivery.id)
    assert (row.act, row.outcome, row.message) == (Act.RECONCILE, "found", "owner said where it is")


@pytest.mark.parametrize("platform", TEXT_ONLY)
def test_another_text_another_author_and_nothing_at_all_are_refused(installation: Installation, platform: str) -> None:
    account, other = installation.link(platform), installation.link(platform, installation.stranger)
    delivery = held(installation, account, "This was to be sent")
    different = post_by_hand(installation, account, "This was not to be sent")
    refused(installation, delivery, different.remote_id, "not what this delivery was to send")
    theirs = post_by_hand(installation, other, "This was to be sent")
    refused(installation, delivery, theirs.url, "not what this delivery was to send|is a post of|no such post")
    nothing = different.remote_id[:-4] + "9999"
    refused(installation, delivery, nothing, "no such post|not what this delivery")


def test_the_post_of_another_delivery_and_an_older_one_are_refused(installation: Installation) -> None:
    account = installation.link("mastodon")
    first, second = (held(installation, account, "The same text twice") for _ in range(2))
    ref = post_by_hand(installation, account, "The same text twice")
    assert adopt(installation, first, ref.url).state is S.PUBLISHED
    refused(installation, second, ref.url, "belongs to another delivery")
    with installation.core.db.write() as conn:
        later = installation.core.clock.now() + timedelta(hours=1)
        part = replace(second.parts[0], intent_at=later.isoformat())
        deliveries.touch(conn, second, second.updated_at, parts=(part,))
    refused(
        installation,
        read(installation, second.id),
        post_by_hand(installation, account, "The same text twice").url,
        "older",
    )


def test_a_thread_goes_on_after_the_part_that_was_found(installation: Installation) -> None:
    account = installation.link("x")
    delivery = held(installation, account, "One of two", "Two of two")
    found = adopt(installation, delivery, post_by_hand(installation, account, "One of two").url)
    assert found.state is S.SCHEDULED and found.parts[0].ref is not None and found.parts[1].ref is None
    assert found.next_at is not None


def test_what_was_held_before_it_was_sent_may_have_been_posted_by_hand(installation: Installation) -> None:
    account = installation.link("bluesky")
    delivery = held(installation, account, "By hand", unknown=False)
    assert adopt(installation, delivery, post_by_hand(installation, account, "By hand").url).state is S.PUBLISHED


def test_only_ones_own_held_deliveries_can_be_settled(installation: Installation) -> None:
    account = installation.link("x")
    delivery = held(installation, account, "Mine")
    ref = post_by_hand(installation, account, "Mine")
    with pytest.raises(NotFound):
        delivery_actions.adopt_held(
            installation.core, acting(installation.core, installation.stranger), delivery.id, ref.url
        )
    assert adopt(installation, delivery, ref.url).state is S.PUBLISHED
    with pytest.raises(Conflict, match="not held"):
        delivery_actions.adopt_held(
            installation.core, acting(installation.core, installation.owner), delivery.id, ref.url
        )


def test_who_decided_while_it_was_being_read_is_not_overruled(installation: Installation) -> None:
    account = installation.link("x")
    delivery = held(installation, account, "Mine")
    ref = post_by_hand(installation, account, "Mine")
    ctx = context_of(installation.core)
    real = ctx.adapter_for

    class Slow:
        def __init__(self, inner: Any) -> None:
            self.inner, self.traits = inner, inner.traits

        def fetch(self, *args: Any) -> RemotePost | None:
            delivery_actions.send_held(installation.core, acting(installation.core, installation.owner), delivery.id)
            return self.inner.fetch(*args)  # type: ignore[no-any-return]

    slow = replace(ctx, adapter_for=lambda platform, http: Slow(real(platform, http)))  # type: ignore[arg-type, return-value]
    with pytest.raises(Conflict, match="settled meanwhile"):
        adopt_by_link.adopt_pointed(slow, delivery, ref.url, "request", "Ada")
    assert read(installation, delivery.id).state is S.SCHEDULED


def test_a_platform_that_does_not_answer_changes_nothing(installation: Installation) -> None:
    account = installation.link("x")
    delivery = held(installation, account, "Mine")
    installation.sandbox.control.fault(
        "x", "error_before_accept", account=account.account_name, operation="read", times=9
    )
    with pytest.raises(PostProberError):
        delivery_actions.adopt_held(
            installation.core, acting(installation.core, installation.owner), delivery.id, "123456"
        )
    assert read(installation, delivery.id) == delivery


def test_an_instagram_link_is_looked_up_in_the_list_of_own_posts(installation: Installation) -> None:
    """Its API knows numbers only; links have a short code."""
    account = installation.link("instagram")
    core = installation.core
    picture = media.add_bytes(core, acting(core, installation.owner), "a.png", png(400, 400), "A square")
    delivery = held_without_check(installation, account, picture)
    posted = RemotePost(
        Ref("178", "https://www.instagram.com/p/Cxyz_12/"),
        "Look",
        core.clock.now(),
        author_name=account.account_name,
        media=(RemoteMedia("image", "A square"),),
    )
    real = context_of(core).adapter_for(Platform("instagram"), core.http)

    class Listed:
        traits = real.traits

        def recent(self, _cred: object, _since: object) -> Timeline:
            return Timeline((replace(posted, ref=Ref("179", "https://www.instagram.com/p/Other_1/")), posted), True)

    ctx = replace(context_of(core), adapter_for=lambda _p, _h: Listed())  # type: ignore[arg-type, return-value]
    with pytest.raises(BadInput, match="no such post"):
        adopt_by_link.adopt_pointed(ctx, delivery, "https://www.instagram.com/p/Nothing1/", "request", "Ada")
    adopt_by_link.adopt_pointed(ctx, delivery, "https://www.instagram.com/p/Cxyz_12/?igsh=x", "request", "Ada")
    assert read(installation, delivery.id).remote_id == "178"


def held_without_check(inst: Installation, account: Account, picture: int) -> Delivery:
    """Preflight would try whether the sidecar serves the picture, and there is none in these tests."""
    now = inst.core.clock.now()
    new = posts.NewPost(("Look",), (account.id,), (picture,), at=now)
    with inst.core.db.write() as conn:
        post_id = posts.posts.add(
            conn,
            space=inst.owner,
            status="scheduled",
            scheduled_at=now,
            now=now,
            **posts.columns_of(new, [account]),  # type: ignore[arg-type]
        )
        posts.plan(inst.core, conn, post_id, account, new, now, by="Ada")
        (delivery,) = deliveries.of_post(conn, post_id)
        transitions.move(conn, delivery, S.HELD, reason="test", now=now, next_at=None)
    return read(inst, delivery.id)


@pytest.mark.parametrize(
    ("platform", "link", "found"),
    [
        ("x", "https://x.com/news/status/1842?s=20", "1842"),
        ("x", " 1842 ", "1842"),
        ("x", "https://twitter.com/i/web/status/1842", "1842"),
        ("linkedin", "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A7/", "urn:li:share:7"),
        ("linkedin", "urn:li:ugcPost:7", "urn:li:ugcPost:7"),
        ("instagram", "https://www.instagram.com/reel/Cx_1-aa/", "Cx_1-aa"),
        ("mastodon", "https://mastodon.social/@news/1125", "1125"),
        ("mastodon", "https://mastodon.social/users/news/statuses/1125", "1125"),
        ("bluesky", "https://bsky.app/profile/news.bsky.social/post/3kabc", "at://did:plc:me/app.bsky.feed.post/3kabc"),
        ("bluesky", "at://did:plc:me/app.bsky.feed.post/3kabc", "at://did:plc:me/app.bsky.feed.post/3kabc"),
        ("telegram", "https://t.me/news.bsky.social/7", "did:plc:me/7"),
        ("wordpress", "https://blog.example/?p=17", "17"),
        ("wordpress", "https://blog.example/2026/launch-day/", "launch-day"),
        ("nostr", f"nostr:{'ab' * 32}", "ab" * 32),
    ],
)
def test_a_link_names_a_post(platform: str, link: str, found: str) -> None:
    account = {"account_id": "did:plc:me", "handle": "news.bsky.social"}
    assert remote_id_in(Platform(platform), link, **account) == found


@pytest.mark.parametrize("platform", list(known()))
@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://x.com/",
        "https://x.com/news/status/../../users/me",
        "https://x.com/news/status/1%2F..%2Fme",
        "../me",
        "1?x=y",
        "https://evil.example/status/1;drop",
        "https://www.linkedin.com/feed/update/urn:li:person:1",
        "https://instagram.com/p/a%2Fb/",
        "https://m.example/@a/b%2Fc",
        "https://bsky.app/profile/other/post/1",
        "a" * 600,
        "https://[::1",
        "javascript:alert(1)",
        "https://m.example/@a/1%0d%0aX",
        "x\x00y",
    ],
)
def test_no_link_leads_a_request_to_another_place(platform: Platform, link: str) -> None:
    with pytest.raises(BadInput):
        remote_id_in(platform, link, account_id="did:plc:me", handle="news.bsky.social")
