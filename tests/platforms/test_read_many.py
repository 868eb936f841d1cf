"""Reading many posts at once: text and counts in as few calls as the platform allows, and what it does not tell of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import httpx2
import pytest

from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile
from postprober.domain.remote import Counts, Reading
from postprober.errors import ReconnectNeeded, Unavailable
from postprober.http import Exchange, HttpClient, Pools
from postprober.platforms.bluesky.adapter import BlueskyAdapter
from postprober.platforms.mastodon.adapter import MastodonAdapter
from postprober.platforms.registry import SPECS
from tests.platforms.adapter_kit import Link, Linked
from tests.platforms.test_linkedin_adapter import READS

CALLS = {"x": 1, "mastodon": 1, "bluesky": 1, "linkedin": 2, "instagram": 1}


@dataclass
class Desk:
    """A linked account, and a picture that its platform can fetch."""

    linked: Linked
    picture: MediaFile
    calls: list[Exchange] = field(default_factory=list)

    def publish(self, text: str) -> str:
        job = self.linked.job(text, *((self.picture,) if self.linked.platform == "instagram" else ()))
        handle = self.linked.adapter.new_handle(job.key, 0, job.composed_at)
        return self.linked.publish(replace(job, handle=handle)).ref.remote_id

    def read(self, *ids: str) -> dict[str, Reading]:
        self.calls.clear()
        http = HttpClient(self.linked.pools).bound(observer=self.calls.append)
        adapter = SPECS[self.linked.platform].adapter(http, self.linked.config, SystemClock())
        return adapter.read_many(self.linked.cred, ids)

    def delete(self, remote_id: str) -> None:
        self.linked.control.delete_post(self.linked.platform.value, remote_id)


@pytest.fixture
def desk(
    request: pytest.FixtureRequest,
    link: Link,
    photo: Callable[..., MediaFile],
    public: Callable[[MediaFile], MediaFile],
) -> Desk:
    options = {"scopes": READS} if request.param == "linkedin" else {}
    return Desk(link(Platform(request.param), **options), public(photo()))


@pytest.mark.parametrize("desk", CALLS, indirect=True)
def test_many_posts_and_their_counts_come_in_the_fewest_calls(desk: Desk) -> None:
    ids = [desk.publish(f"Number {number}") for number in range(5)]
    found = desk.read(*ids)
    assert len(desk.calls) == CALLS[desk.linked.platform.value]
    assert [found[one].post.text for one in ids] == [f"Number {number}" for number in range(5)]  # type: ignore[union-attr]
    assert all(found[one].counts.likes is not None and found[one].counts.replies is not None for one in ids)
    for one in ids:  # as a single reading tells it, the address and the media included
        alone = desk.linked.adapter.fetch(desk.linked.cred, one)
        assert alone is not None and found[one].post is not None
        assert (alone.text, alone.media, alone.ref.url) == (
            found[one].post.text,
            found[one].post.media,
            found[one].post.ref.url,  # type: ignore[union-attr]
        )


@pytest.mark.parametrize("desk", ["x", "mastodon", "bluesky", "linkedin"], indirect=True)
def test_one_that_is_missing_spoils_nothing_and_is_never_shown(desk: Desk) -> None:
    ids = [desk.publish(f"Number {number}") for number in range(3)]
    desk.delete(ids[1])
    found = desk.read(*ids)
    assert found[ids[0]].post is not None and found[ids[2]].post is not None
    assert found.get(ids[1], Reading(None)).post is None
    assert desk.read(ids[1])[ids[1]] == Reading(None)  # alone it is said clearly
    desk.delete(ids[0])
    assert all(reading.post is None for reading in desk.read(ids[0], ids[1]).values())


@pytest.mark.parametrize("desk", ["instagram"], indirect=True)
def test_where_one_bad_id_fails_all_each_can_still_be_read_alone(desk: Desk) -> None:
    ids = [desk.publish(f"Number {number}") for number in range(2)]
    with pytest.raises(Unavailable):
        desk.read(*ids, "17999999999999999")
    assert len(desk.calls) == 1
    assert desk.read(ids[0])[ids[0]].post is not None


def test_without_the_permission_for_insights_likes_and_comments_are_read(
    link: Link, photo: Callable[..., MediaFile], public: Callable[[MediaFile], MediaFile]
) -> None:
    scopes = ["instagram_business_basic", "instagram_business_content_publish"]
    desk = Desk(link(Platform("instagram"), scopes=scopes), public(photo()))
    ids = [desk.publish("One"), desk.publish("Two")]
    found = desk.read(*ids)
    assert len(desk.calls) == 2
    assert all(found[one].counts.likes is not None and found[one].counts.views is None for one in ids)


def test_an_app_that_may_only_write_asks_nothing(link: Link, photo: Callable[..., MediaFile]) -> None:
    desk = Desk(link(Platform("linkedin"), scopes=["openid", "profile", "w_member_social"]), photo())
    one = desk.publish("Mine")
    with pytest.raises(Unavailable, match="permission"):
        desk.read(one, "urn:li:share:1")
    assert desk.calls == []


CRED = Credentials("t", remote_id="7", name="ann")


def answering(script: Callable[[httpx2.Request], httpx2.Response]) -> tuple[HttpClient, list[str]]:
    seen: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.path)
        return script(request)

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle))), seen


@pytest.mark.parametrize("status", [400, 404, 405, 422])
def test_a_server_without_the_reading_of_many_is_asked_one_by_one(status: int) -> None:
    def script(request: httpx2.Request) -> httpx2.Response:
        number = request.url.path.rpartition("/")[2]
        if number == "statuses":
            return httpx2.Response(status, json={"error": "?"})
        if number == "3":
            return httpx2.Response(404, json={"error": "Record not found"})
        return httpx2.Response(200, json={"id": number, "content": "<p>Hello</p>", "favourites_count": int(number)})

    http, seen = answering(script)
    config = PlatformConfig(Platform("mastodon"), "https://one.example", "https://one.example")
    found = MastodonAdapter(http, config).read_many(CRED, ["1", "2", "3"])
    assert len(seen) == 4
    assert {one: reading.counts.likes for one, reading in found.items()} == {"1": 1, "2": 2, "3": None}
    assert found["3"].post is None and found["1"].post is not None


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_refusal_of_the_token_and_trouble_are_not_taken_for_that(status: int) -> None:
    http, seen = answering(lambda _: httpx2.Response(status, json={"error": "no"}))
    config = PlatformConfig(Platform("mastodon"), "https://one.example", "https://one.example")
    with pytest.raises(Exception) as caught:
        MastodonAdapter(http, config).read_many(CRED, ["1", "2"])
    assert len(seen) == 1
    assert isinstance(caught.value, ReconnectNeeded) is (status == 401)


def test_what_the_appview_does_not_show_is_asked_of_the_server_that_keeps_it() -> None:
    uri = "at://did:plc:abc/app.bsky.feed.post/3a"

    def script(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("getPosts"):
            return httpx2.Response(200, json={"posts": []})
        return httpx2.Response(200, json={"uri": uri, "cid": "b", "value": {"text": "Hi", "createdAt": "2026-01-01"}})

    http, _ = answering(script)
    config = PlatformConfig(Platform("bluesky"), "https://pds.example", "https://bsky.app")
    adapter = BlueskyAdapter(http, config)
    alone = adapter.read_many(CRED, [uri])[uri]
    assert alone.post is not None and alone.post.text == "Hi" and alone.counts == Counts()
    assert adapter.read_many(CRED, [uri, uri + "b"]) == {}  # of many, it only is left out
