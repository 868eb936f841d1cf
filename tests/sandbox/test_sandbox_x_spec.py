"""X replies and requests against both official specifications."""

import base64
from typing import Any

import httpx2
import pytest

from postprober.sandbox.control.client import Control
from tests.sandbox.contracts import check, reply_schema, request_schema

DIALECTS = ("new", "legacy")
FIELDS = {"new": "post.fields", "legacy": "tweet.fields"}
COMMON = "created_at,author_id,conversation_id,entities,public_metrics,attachments,lang,reply_settings"
EXTRA = {
    "new": COMMON.replace("author_id,", ""),
    "legacy": COMMON + ",in_reply_to_user_id,referenced_tweets",
}
EXPANSIONS = {
    "new": "author_id,attachments.media_keys,referenced_posts",
    "legacy": "author_id,attachments.media_keys,referenced_tweets.id",
}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest, control: Control) -> str:
    control.settings(x_dialect=request.param)
    return str(request.param)


@pytest.fixture
def alice(control: Control, http: httpx2.Client) -> dict[str, Any]:
    account = control.account("x", "alice")
    http.headers["authorization"] = f"Bearer {account['access_token']}"
    return account


def fields(dialect: str) -> dict[str, str]:
    return {
        FIELDS[dialect]: EXTRA[dialect],
        "expansions": EXPANSIONS[dialect],
        "user.fields": "created_at,verified,protected",
        "media.fields": "alt_text,url,width,height",
    }


def expect(dialect: str, method: str, path: str, response: httpx2.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    # Only the new document names every property; the old one composes with allOf, where a closed part refuses the rest.
    check(dialect, reply_schema(dialect, method, path), body, strict=dialect == "new")
    return body


def full_post(http: httpx2.Client, picture: bytes, dialect: str) -> dict[str, Any]:
    upload = {"media": base64.b64encode(picture).decode(), "media_category": "tweet_image"}
    check(dialect, request_schema(dialect, "post", "/2/media/upload"), upload)
    media = expect(dialect, "post", "/2/media/upload", http.post("/x/2/media/upload", json=upload))
    alt = {"id": media["data"]["id"], "metadata": {"alt_text": {"text": "a blue square"}}}
    check(dialect, request_schema(dialect, "post", "/2/media/metadata"), alt)
    expect(dialect, "post", "/2/media/metadata", http.post("/x/2/media/metadata", json=alt))
    draft = {"text": "see https://example.com/a?b=1&c=2 #tag", "media": {"media_ids": [media["data"]["id"]]}}
    check(dialect, request_schema(dialect, "post", "/2/tweets"), draft)
    return expect(dialect, "post", "/2/tweets", http.post("/x/2/tweets", json=draft), 201)


def test_creating_and_reading_a_full_post_follow_the_specification(
    dialect: str, alice: dict[str, Any], http: httpx2.Client, picture: bytes
) -> None:
    post_id = full_post(http, picture, dialect)["data"]["id"]
    answer = {"text": "yes & no", "reply": {"in_reply_to_tweet_id": post_id}}
    check(dialect, request_schema(dialect, "post", "/2/tweets"), answer)
    reply_id = http.post("/x/2/tweets", json=answer).json()["data"]["id"]

    one = http.get(f"/x/2/tweets/{post_id}", params=fields(dialect))
    body = expect(dialect, "get", "/2/tweets/{id}", one)
    both = http.get("/x/2/tweets", params={"ids": f"{post_id},{reply_id},1", **fields(dialect)})
    several = expect(dialect, "get", "/2/tweets", both)

    reposts = {"new": "repost_count", "legacy": "retweet_count"}[dialect]
    assert reposts in body["data"]["public_metrics"]
    assert body["includes"]["media"][0]["alt_text"] == "a blue square"
    assert [p["id"] for p in several["data"]] == [post_id, reply_id]
    assert several["errors"][0]["resource_id"] == "1"
    referenced = {"new": "referenced_posts", "legacy": "referenced_tweets"}[dialect]
    assert several["data"][1][referenced] == [{"type": "replied_to", "id": post_id}]


def test_timelines_follow_the_specification_when_full_and_when_empty(
    dialect: str, alice: dict[str, Any], http: httpx2.Client
) -> None:
    path = f"/x/2/users/{alice['id']}/tweets"
    empty = expect(dialect, "get", "/2/users/{id}/tweets", http.get(path))
    for number in range(7):
        http.post("/x/2/tweets", json={"text": f"number {number}"})
    page = expect(dialect, "get", "/2/users/{id}/tweets", http.get(path, params={"max_results": 5, **fields(dialect)}))
    assert empty == {"meta": {"result_count": 0}}
    assert page["meta"]["result_count"] == 5
    assert "next_token" in page["meta"]


def test_users_deletions_and_missing_posts_follow_the_specification(
    dialect: str, alice: dict[str, Any], http: httpx2.Client
) -> None:
    me = expect(dialect, "get", "/2/users/me", http.get("/x/2/users/me", params={"user.fields": "created_at"}))
    same = expect(dialect, "get", "/2/users/{id}", http.get(f"/x/2/users/{alice['id']}"))
    post_id = http.post("/x/2/tweets", json={"text": "short"}).json()["data"]["id"]
    deleted = expect(dialect, "delete", "/2/tweets/{id}", http.delete(f"/x/2/tweets/{post_id}"))
    missing = expect(dialect, "get", "/2/tweets/{id}", http.get(f"/x/2/tweets/{post_id}"))
    assert me["data"]["id"] == same["data"]["id"] == alice["id"]
    assert deleted == {"data": {"deleted": True}}
    assert "data" not in missing
    assert missing["errors"][0]["resource_id"] == post_id


def test_chunked_upload_follows_the_specification(
    dialect: str, alice: dict[str, Any], http: httpx2.Client, control: Control
) -> None:
    control.settings(media_seconds=60)
    video = b"\x00\x00\x00\x18ftypmp42" + b"v" * 100
    start = {"media_category": "tweet_video", "media_type": "video/mp4", "total_bytes": len(video)}
    check(dialect, request_schema(dialect, "post", "/2/media/upload/initialize"), start)
    begun = http.post("/x/2/media/upload/initialize", json=start)
    media_id = expect(dialect, "post", "/2/media/upload/initialize", begun)["data"]["id"]
    for index, part in enumerate((video[:50], video[50:])):
        sent = http.post(
            f"/x/2/media/upload/{media_id}/append", files={"media": part}, data={"segment_index": str(index)}
        )
        expect(dialect, "post", "/2/media/upload/{id}/append", sent)
    done = http.post(f"/x/2/media/upload/{media_id}/finalize")
    body = expect(dialect, "post", "/2/media/upload/{id}/finalize", done)
    status = http.get("/x/2/media/upload", params={"command": "STATUS", "media_id": media_id})
    expect(dialect, "get", "/2/media/upload", status)
    assert body["data"]["processing_info"]["state"] == "in_progress"
    assert body["data"]["size"] == len(video)


def test_a_body_with_a_field_the_specification_does_not_know_is_refused(
    alice: dict[str, Any], http: httpx2.Client
) -> None:
    response = http.post("/x/2/tweets", json={"text": "a", "reply_to": "1"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameters"] == {"reply_to": ["1"]}
    check("new", {"$ref": "#/components/schemas/InvalidRequestProblem"}, response.json())


def test_a_dialect_can_be_excluded(alice: dict[str, Any], http: httpx2.Client, control: Control) -> None:
    control.settings(x_dialect="legacy")
    refused = http.get(f"/x/2/users/{alice['id']}/tweets", params={"post.fields": "created_at"})
    taken = http.get(f"/x/2/users/{alice['id']}/tweets", params={"tweet.fields": "created_at"})
    assert (refused.status_code, taken.status_code) == (400, 200)
    assert refused.json()["title"] == "Invalid Request"
