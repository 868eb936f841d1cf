"""Bluesky records and replies against the official lexicons, and the validator against the official vectors."""

from typing import Any

import httpx2
import pytest

from postprober.sandbox.bluesky.cid import record_cid
from postprober.sandbox.serve import SandboxServer
from tests.sandbox.lexicon import FORMATS, Lexicons
from tests.sandbox.posters import BlueskyPoster
from tests.specifications import SPECS


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    return Lexicons(SPECS / "atproto" / "lexicons")


@pytest.fixture
def alice(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> BlueskyPoster:
    return BlueskyPoster(sandbox, http, picture)


def vectors(name: str) -> list[str]:
    text = (SPECS / "atproto" / "interop-test-files" / "syntax" / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


FILES = {
    "tid": "tid",
    "at-uri": "aturi",
    "datetime": "datetime",
    "did": "did",
    "handle": "handle",
    "nsid": "nsid",
    "record-key": "recordkey",
}


@pytest.mark.parametrize(("form", "name"), sorted(FILES.items()))
def test_the_validator_knows_every_valid_vector(form: str, name: str) -> None:
    assert [v for v in vectors(f"{name}_syntax_valid.txt") if not FORMATS[form](v)] == []


@pytest.mark.parametrize(("form", "name"), sorted(FILES.items()))
def test_the_validator_refuses_every_invalid_vector(form: str, name: str) -> None:
    assert [v for v in vectors(f"{name}_syntax_invalid.txt") if FORMATS[form](v)] == []


@pytest.mark.parametrize("key", ["3jzfcijpj2z2a", "7777777777777", "3zzzzzzzzzzzz"])
def test_the_sandbox_takes_valid_record_keys(alice: BlueskyPoster, key: str) -> None:
    assert alice.create("hello", key).status_code == 200


def test_the_sandbox_refuses_the_invalid_record_keys_of_the_vectors(alice: BlueskyPoster) -> None:
    statuses = {key: alice.create("hello", key).status_code for key in vectors("tid_syntax_invalid.txt")}
    assert set(statuses.values()) == {400}


def test_an_empty_map_has_the_cid_every_implementation_gives_it() -> None:
    assert record_cid({}) == "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"


def test_a_full_record_and_every_reply_follow_the_lexicons(
    alice: BlueskyPoster, lexicons: Lexicons, http: httpx2.Client
) -> None:
    headers = alice.headers | {"content-type": "image/jpeg"}
    sent = http.post("/bluesky/xrpc/com.atproto.repo.uploadBlob", headers=headers, content=alice.picture)
    assert lexicons.check_output("com.atproto.repo.uploadBlob", sent.json()) == []
    text = "see example.com #tag"
    facets = [
        {
            "index": {"byteStart": 4, "byteEnd": 15},
            "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://example.com/a"}],
        },
        {
            "index": {"byteStart": 16, "byteEnd": 20},
            "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "tag"}],
        },
    ]
    images = [{"image": sent.json()["blob"], "alt": "a blue square"}]
    embed = {"$type": "app.bsky.embed.images", "images": images}
    record = alice.record(text, facets=facets, embed=embed, langs=["en"], tags=["release"])
    assert lexicons.check_record(record) == []

    created = alice.write("createRecord", record=record).json()
    assert lexicons.check_output("com.atproto.repo.createRecord", created) == []
    reference = {"uri": created["uri"], "cid": created["cid"]}
    answer = alice.record("indeed", reply={"root": reference, "parent": reference})
    replied = alice.write("putRecord", rkey="3jzfcijpj2z2a", record=answer).json()
    assert lexicons.check_output("com.atproto.repo.putRecord", replied) == []

    replies: dict[str, Any] = {
        "com.atproto.repo.getRecord": alice.read(created["uri"]).json(),
        "com.atproto.repo.listRecords": alice.listing().json(),
        "app.bsky.feed.getPosts": alice.get("app.bsky.feed.getPosts", uris=[created["uri"], replied["uri"]]).json(),
        "app.bsky.feed.getAuthorFeed": alice.get("app.bsky.feed.getAuthorFeed", actor=alice.did).json(),
        "com.atproto.server.getSession": alice.get("com.atproto.server.getSession").json(),
        "com.atproto.identity.resolveHandle": alice.get(
            "com.atproto.identity.resolveHandle", handle="alice.bsky.test"
        ).json(),
    }
    deleted = alice.write("deleteRecord", rkey="3jzfcijpj2z2a").json()
    replies["com.atproto.repo.deleteRecord"] = deleted
    assert {name: lexicons.check_output(name, body) for name, body in replies.items()} == {name: [] for name in replies}
    assert replies["com.atproto.repo.getRecord"]["value"] == record
    assert len(replies["app.bsky.feed.getPosts"]["posts"]) == 2
    assert replies["app.bsky.feed.getPosts"]["posts"][0]["embed"]["images"][0]["alt"] == "a blue square"


def test_a_profile_follows_the_lexicon(alice: BlueskyPoster, lexicons: Lexicons) -> None:
    profile = alice.get("app.bsky.actor.getProfile", actor="alice.bsky.test").json()
    assert lexicons.check_output("app.bsky.actor.getProfile", profile) == []
    assert profile["did"] == alice.did


def test_sessions_follow_the_lexicons(alice: BlueskyPoster, lexicons: Lexicons, http: httpx2.Client) -> None:
    credentials = {"identifier": "alice.bsky.test", "password": alice.account["password"]}
    begun = http.post("/bluesky/xrpc/com.atproto.server.createSession", json=credentials).json()
    headers = {"authorization": f"Bearer {begun['refreshJwt']}"}
    renewed = http.post("/bluesky/xrpc/com.atproto.server.refreshSession", headers=headers).json()
    assert lexicons.check_output("com.atproto.server.createSession", begun) == []
    assert lexicons.check_output("com.atproto.server.refreshSession", renewed) == []
    assert renewed["accessJwt"] != begun["accessJwt"]


@pytest.mark.parametrize(
    "change",
    [
        {"text": "a" * 301},
        {"text": "👩‍👩‍👧" * 170},
        {"langs": ["en", "de", "fr", "it"]},
        {"createdAt": "yesterday"},
        {"facets": [{"index": {"byteStart": 0, "byteEnd": 99}, "features": []}]},
        {"embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "no image"}]}},
    ],
)
def test_what_breaks_the_lexicon_is_refused(alice: BlueskyPoster, change: dict[str, Any]) -> None:
    response = alice.write("putRecord", rkey="3jzfcijpj2z2a", record=alice.record("fine") | change)
    assert (response.status_code, response.json()["error"]) == (400, "InvalidRequest")
    assert alice.truth() == []


def test_creating_on_a_used_key_fails_and_putting_updates(alice: BlueskyPoster) -> None:
    first = alice.create("one", "3jzfcijpj2z2a").json()
    clash = alice.write("createRecord", rkey="3jzfcijpj2z2a", record=alice.record("two"))
    same = alice.create("one", "3jzfcijpj2z2a").json()
    changed = alice.create("two", "3jzfcijpj2z2a").json()
    assert (clash.status_code, clash.json()["error"]) == (500, "InternalServerError")
    assert same["cid"] == first["cid"]
    assert "commit" not in same
    assert changed["cid"] != first["cid"]
    assert [(p["text"], p["edited"]) for p in alice.truth()] == [("two", True)]


def test_swapping_with_a_wrong_cid_is_refused(alice: BlueskyPoster) -> None:
    alice.create("one", "3jzfcijpj2z2a")
    record = alice.record("two")
    refused = alice.write("putRecord", rkey="3jzfcijpj2z2a", record=record, swapRecord=record_cid(record))
    absent = alice.write("putRecord", rkey="3jzfcijpj2z2b", record=record, swapRecord=None)
    assert (refused.status_code, refused.json()["error"]) == (400, "InvalidSwap")
    assert absent.status_code == 200


def test_records_are_read_without_a_token_and_paged_by_key(alice: BlueskyPoster, http: httpx2.Client) -> None:
    keys = ["3jzfcijpj2z2a", "3jzfcijpj2z2b", "3jzfcijpj2z2c"]
    for key in keys:
        alice.create(key, key)
    query: dict[str, Any] = {"repo": "alice.bsky.test", "collection": alice.collection, "limit": 2}
    first = http.get("/bluesky/xrpc/com.atproto.repo.listRecords", params=query).json()
    query["cursor"] = first["cursor"]
    second = http.get("/bluesky/xrpc/com.atproto.repo.listRecords", params=query).json()
    texts = [r["value"]["text"] for r in first["records"] + second["records"]]
    assert texts == keys[::-1]
    assert "cursor" not in second
