"""The emulators take link cards, refuse what the platform would refuse, show them to everybody, and lose them on demand."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from postprober.sandbox.serve import SandboxServer
from tests.sandbox.conftest import MovableClock
from tests.sandbox.lexicon import Lexicons
from tests.sandbox.posters import BlueskyPoster, LinkedInPoster
from tests.sandbox.test_sandbox_platforms import upload_image
from tests.specifications import SPECS

URL = "https://example.com/story?a=1&b=2"
CARD = {"uri": URL, "title": "A <b>story</b>", "description": "About 世界"}
ARTICLE = {"source": URL, "title": CARD["title"], "description": CARD["description"]}


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    return Lexicons(SPECS / "atproto" / "lexicons")


@pytest.fixture
def alice(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> BlueskyPoster:
    return BlueskyPoster(sandbox, http, picture)


@pytest.fixture
def bob(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> LinkedInPoster:
    return LinkedInPoster(sandbox, http, picture)


def blob(alice: BlueskyPoster, content: bytes = b"", kind: str = "image/jpeg") -> dict[str, Any]:
    sent = alice.http.post(
        "/bluesky/xrpc/com.atproto.repo.uploadBlob",
        headers=alice.headers | {"content-type": kind},
        content=content or alice.picture,
    )
    found: dict[str, Any] = sent.json()["blob"]
    return found


def with_card(alice: BlueskyPoster, **external: Any) -> dict[str, Any]:
    return alice.record("see it", embed={"$type": "app.bsky.embed.external", "external": external})


def page_of(alice: BlueskyPoster | LinkedInPoster) -> str:
    (post,) = alice.truth()
    return alice.http.get(post["url"]).text


def test_a_record_with_a_card_and_what_is_told_of_it_follow_the_lexicons(
    alice: BlueskyPoster, lexicons: Lexicons
) -> None:
    record = with_card(alice, **CARD, thumb=blob(alice))
    assert lexicons.check_record(record) == []
    created = alice.write("createRecord", record=record).json()
    assert alice.read(created["uri"]).json()["value"] == record
    found = alice.get("app.bsky.feed.getPosts", uris=[created["uri"]]).json()
    assert lexicons.check_output("app.bsky.feed.getPosts", found) == []
    shown = found["posts"][0]["embed"]["external"]
    assert alice.http.get(shown.pop("thumb")).content == alice.picture and shown == CARD


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"uri": URL, "title": "T"}, "must have the properties"),
        ({**CARD, "title": None}, "external/title must be a string"),
        ({**CARD, "uri": "no address"}, "external/uri must be a uri"),
        ({**CARD, "thumb": "https://example.com/p.png"}, "must reference a blob"),
        (None, "must have the properties"),
    ],
)
def test_a_record_that_breaks_the_lexicon_is_refused(alice: BlueskyPoster, card: Any, said: str) -> None:
    embed = {"$type": "app.bsky.embed.external", "external": card}
    refused = alice.write("createRecord", record=alice.record("see it", embed=embed))
    assert refused.status_code == 400 and said in refused.json()["message"]
    assert not alice.truth()


def test_a_picture_over_a_million_bytes_or_of_another_kind_is_refused(alice: BlueskyPoster) -> None:
    for content, kind in ((alice.picture + b"\0" * 1_000_000, "image/jpeg"), (b"words", "text/plain")):
        record = with_card(alice, **CARD, thumb=blob(alice, content, kind))
        assert alice.write("createRecord", record=record).status_code == 400
    exact = alice.picture + b"\0" * (1_000_000 - len(alice.picture))
    assert alice.write("createRecord", record=with_card(alice, **CARD, thumb=blob(alice, exact))).status_code == 200


def test_everybody_sees_the_card_with_its_words_escaped(alice: BlueskyPoster, bob: LinkedInPoster) -> None:
    alice.write("createRecord", record=with_card(alice, **CARD, thumb=blob(alice)))
    bob.http.post(
        "/linkedin/rest/posts", headers=bob.headers, json=bob.body("see it") | {"content": {"article": ARTICLE}}
    )
    for who, picture in ((alice, True), (bob, False)):
        page = page_of(who)
        assert 'href="https://example.com/story?a=1&amp;b=2"' in page and "<b>A &lt;b&gt;story&lt;/b&gt;</b>" in page
        assert ("<img" in page) is picture


def posted(bob: LinkedInPoster, **article: Any) -> httpx2.Response:
    body = bob.body("see it") | {"content": {"article": article}}
    return bob.http.post("/linkedin/rest/posts", headers=bob.headers, json=body)


def test_an_article_is_taken_with_a_picture_that_was_uploaded(bob: LinkedInPoster, clock: MovableClock) -> None:
    urn = upload_image(bob)
    clock.advance(60)
    assert posted(bob, **ARTICLE, thumbnail=urn).status_code == 201
    (post,) = bob.truth()
    assert post["card"]["uri"] == URL and post["card"]["sha256"]


@pytest.mark.parametrize(
    "article",
    [
        {"title": "T"},
        {"source": URL},
        {**ARTICLE, "source": "example.com"},
        {**ARTICLE, "title": "x" * 401},
        {**ARTICLE, "thumbnail": "urn:li:image:nobodys"},
        {**ARTICLE, "description": 5},
        {**ARTICLE, "picture": "x"},
    ],
)
def test_an_article_that_is_none_is_refused(bob: LinkedInPoster, article: dict[str, Any]) -> None:
    assert posted(bob, **article).status_code in (400, 422) and not bob.truth()


def test_an_article_and_a_picture_exclude_each_other(bob: LinkedInPoster, clock: MovableClock) -> None:
    urn = upload_image(bob)
    clock.advance(60)
    body = bob.body("both") | {"content": {"article": ARTICLE, "media": {"id": urn}}}
    assert bob.http.post("/linkedin/rest/posts", headers=bob.headers, json=body).status_code == 422


@pytest.mark.parametrize("fault", ["card_dropped", "card_without_picture"])
def test_a_fault_takes_the_card_or_its_picture_from_everybody_who_reads(
    alice: BlueskyPoster, sandbox: SandboxServer, fault: str
) -> None:
    sandbox.control.fault("bluesky", fault, account=alice.account["name"])
    created = alice.write("createRecord", record=with_card(alice, **CARD, thumb=blob(alice))).json()
    embed = alice.read(created["uri"]).json()["value"].get("embed")
    (post,) = alice.truth()
    if fault == "card_dropped":
        assert embed is None and post["card"] is None and 'link-card"' not in page_of(alice)
    else:
        assert embed["external"] == CARD and not post["card"]["sha256"] and "<img" not in page_of(alice)


def test_a_fault_for_cards_leaves_posts_without_one_alone(alice: BlueskyPoster, sandbox: SandboxServer) -> None:
    sandbox.control.fault("bluesky", "card_dropped", account=alice.account["name"])
    assert alice.create("no card").status_code == 200
    created = alice.write("createRecord", record=with_card(alice, **CARD)).json()
    assert "embed" not in alice.read(created["uri"]).json()["value"], "it waited for the first post with a card"
