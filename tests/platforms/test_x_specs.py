"""X: paging, odd answers, and the official specifications."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import jsonschema
import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile
from postprober.domain.remote import PartJob, Ref, Search, SightingState, Staged
from postprober.errors import UnexpectedReply
from postprober.platforms.x.posts import DIALECTS
from tests.platforms.adapter_kit import Answer, Scripted
from tests.specifications import elsewhere

Photo = Callable[..., MediaFile]
TEXT = "Grüße & <b> 東京 🎉 https://example.com/a?b=1&copy=2 @someone #news"


def _timeline(pages: list[list[tuple[str, str]]]) -> Callable[[Any], Any]:
    """A timeline of pages of (id, created_at); the last page has no next_token."""

    def answer(request: Any) -> Any:
        index = int(request.url.params.get("pagination_token", "0"))
        rows = [{"id": i, "text": f"post {i}", "created_at": at} for i, at in pages[index]]
        meta: dict[str, Any] = {"result_count": len(rows)}
        if index + 1 < len(pages):
            meta["next_token"] = str(index + 1)
        return httpx2.Response(200, json={"data": rows, "meta": meta})

    return answer


PAGES = [
    [("50", "2026-03-02T09:00:00Z"), ("40", "2026-03-02T08:00:00Z")],
    [("30", "2026-03-01T09:00:00Z")],
    [("20", "2026-02-01T09:00:00Z"), ("10", "2026-01-01T09:00:00Z")],
    [("5", "2025-01-01T09:00:00Z")],
]
SINCE = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)


def test_it_pages_back_until_a_post_older_than_the_intent(scripted: Scripted) -> None:
    adapter, answer = scripted(Platform("x"), Answer(script=_timeline(PAGES)))
    timeline = adapter.recent(Credentials("t", remote_id="7"), SINCE)
    assert [post.ref.remote_id for post in timeline.posts] == ["50", "40", "30"]
    assert timeline.complete
    assert len(answer.requests) == 2


def test_it_pages_on_to_a_canary_that_is_older_than_the_intent(scripted: Scripted) -> None:
    adapter, answer = scripted(Platform("x"), Answer(script=_timeline(PAGES)))
    job = PartJob("k", 0, "mine", SINCE)
    linked = Credentials("t", remote_id="7")
    assert adapter.locate(linked, Search(job, SINCE, newest_known_post="20")).state is SightingState.ABSENT
    assert len(answer.requests) == 3
    assert adapter.locate(linked, Search(job, SINCE, newest_known_post="15")).state is SightingState.UNSURE


def test_a_list_shorter_than_it_says_is_incomplete(scripted: Scripted) -> None:
    body = {"data": [{"id": "50", "text": "x", "created_at": "2026-03-02T09:00:00Z"}], "meta": {"result_count": 3}}
    adapter, _ = scripted(Platform("x"), Answer(body=body))
    assert not adapter.recent(Credentials("t", remote_id="7"), SINCE).complete


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", {"data": {"id": "2", "text": ""}}, {"data": {"id": "1"}}])
def test_an_unknown_form_of_a_reading_is_neither_there_nor_gone(scripted: Scripted, body: object) -> None:
    adapter, _ = scripted(Platform("x"), Answer(body=body))
    with pytest.raises(UnexpectedReply):
        adapter.fetch(Credentials("t"), "1")


def test_the_link_to_its_own_media_is_taken_out_of_the_text(scripted: Scripted) -> None:
    urls = [
        {"url": "https://t.co/aaa", "expanded_url": "https://example.com/?a=1&lt=2"},
        {"url": "https://t.co/aaab", "expanded_url": "https://x.com/me/status/1/photo/1", "media_key": "3_1"},
    ]
    data = {"id": "1", "text": "see https://t.co/aaa &amp; https://t.co/aaab", "entities": {"urls": urls}}
    adapter, _ = scripted(Platform("x"), Answer(body={"data": data}))
    found = adapter.fetch(Credentials("t"), "1")
    assert found is not None
    assert found.text == "see https://example.com/?a=1&lt=2 &"


def _schema(file: str, name: str) -> dict[str, Any]:
    document = json.loads(elsewhere(file).read_text())
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


SPEC_FILES = [
    ("x_openapi_2.167.json", "CreatePostsRequest", "CreateMediaMetadataRequest", "InitializeMediaUploadRequest"),
    ("x_openapi_2.166_legacy_names.json", "TweetCreateRequest", "MetadataCreateRequest", "MediaUploadConfigRequest"),
]


@pytest.mark.parametrize(("file", "create", "metadata", "initialize"), SPEC_FILES)
def test_the_bodies_we_send_are_valid_by_both_specifications(
    scripted: Scripted,
    photo: Photo,
    video: MediaFile,
    file: str,
    create: str,
    metadata: str,
    initialize: str,
) -> None:
    adapter, answer = scripted(Platform("x"), Answer(status=201, body={"data": {"id": "77", "text": "x"}}))
    cred = Credentials("t", name="me")
    job = PartJob("k", 0, TEXT, SINCE, (photo("alt"), photo()), parent=Ref("12"))
    adapter.finalize(cred, job, adapter.submit(cred, job))
    adapter.submit(cred, replace(job, media=(video,)))
    adapter.finalize(cred, PartJob("k", 0, "plain", SINCE), Staged())
    checked = []
    for request in answer.requests:
        name = {
            "/2/tweets": create,
            "/2/media/metadata": metadata,
            "/2/media/upload/initialize": initialize,
        }.get(request.url.path)
        if name is not None:
            jsonschema.validate(json.loads(request.content), _schema(file, name))
            checked.append(request.url.path)
    assert sorted(set(checked)) == ["/2/media/metadata", "/2/media/upload/initialize", "/2/tweets"]
    assert checked.count("/2/tweets") == 2


@pytest.mark.parametrize(
    ("file", "prefix"), [("x_openapi_2.167.json", "Post"), ("x_openapi_2.166_legacy_names.json", "Tweet")]
)
def test_the_fields_we_ask_for_exist_in_the_dialect(file: str, prefix: str) -> None:
    parameters = json.loads(elsewhere(file).read_text())["components"]["parameters"]
    dialect = DIALECTS["new" if prefix == "Post" else "legacy"]

    def allowed(name: str) -> set[str]:
        return set(parameters[name]["schema"]["items"]["enum"])

    assert parameters[f"{prefix}FieldsParameter"]["name"] == dialect.parameter
    assert set(dialect.fields.split(",")) <= allowed(f"{prefix}FieldsParameter")
    assert "public_metrics" in allowed(f"{prefix}FieldsParameter")
    assert set(dialect.expansions.split(",")) <= allowed(f"{prefix}ExpansionsParameter")
    assert set(dialect.params["media.fields"].split(",")) <= allowed("MediaFieldsParameter")


def test_a_reading_in_the_wrong_dialect_says_which_setting_to_change(scripted: Scripted) -> None:
    body = {"title": "Invalid Request", "detail": "bad", "type": "https://api.x.com/2/problems/invalid-request"}
    adapter, _ = scripted(Platform("x"), Answer(status=400, body=body))
    with pytest.raises(UnexpectedReply, match="POSTPROBER_X_DIALECT"):
        adapter.fetch(Credentials("t"), "1")
