"""X: what we send, what we read, and what we believe after a broken answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile
from postprober.domain.remote import Counts, PartJob, ProgressState, Ref, RemoteMedia, SightingState, Staged
from postprober.domain.text import same_text
from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.platforms.x_posts import DIALECTS
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted

Photo = Callable[..., MediaFile]
TEXT = "Grüße & <b> 東京 🎉👨‍👩‍👧 https://example.com/a?b=1&copy=2 @someone #news"


@pytest.fixture
def account(link: Link) -> Linked:
    return link(Platform.X)


@pytest.fixture(params=["new", "legacy"])
def either(request: pytest.FixtureRequest, link: Link) -> Linked:
    return link(Platform.X).with_settings(x_dialect=request.param)


def test_it_publishes_text_with_a_link_and_reads_the_same_text_back(either: Linked) -> None:
    job = either.job(TEXT)
    receipt = either.publish(job)
    found = either.adapter.fetch(either.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.text == TEXT
    assert found.author_name == either.name
    assert found.author_id == either.cred.remote_id
    assert found.media == ()
    assert found.created_at is not None
    assert abs(found.created_at - job.composed_at) < timedelta(seconds=30)
    assert receipt.ref.url == f"{either.config.auth_url}/{either.name}/status/{receipt.ref.remote_id}" == found.ref.url
    assert [post["id"] for post in either.truth()] == [receipt.ref.remote_id]
    assert either.visible == ["sent"]


def test_it_publishes_pictures_with_their_descriptions(either: Linked, photo: Photo) -> None:
    job = either.job("two pictures", photo("a red field"), photo("", shade=10))
    receipt = either.publish(job)
    found = either.adapter.fetch(either.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.text == "two pictures"
    assert found.media == (RemoteMedia("image", "a red field"), RemoteMedia("image", ""))


def test_it_uploads_a_video_in_pieces(account: Linked, video: MediaFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postprober.platforms.x_media.CHUNK", 40_000)
    receipt = account.publish(account.job("a clip", video))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.media == (RemoteMedia("video", ""),)
    pieces = [row for row in account.control.log(account=account.name) if row["path"].endswith("/append")]
    assert len(pieces) == 3


def test_it_waits_while_x_processes_and_gives_up_when_x_does(account: Linked, video: MediaFile) -> None:
    account.fault("slow_media", operation="media", params={"seconds": 3600})
    staged = account.adapter.submit(account.cred, account.job("slow", video))
    progress = account.adapter.check(account.cred, staged)
    assert progress.state is ProgressState.PROCESSING
    assert progress.wait_seconds > 0
    account.fault("media_failed", operation="media")
    failed = account.adapter.submit(account.cred, account.job("broken", video))
    assert account.adapter.check(account.cred, failed).state is ProgressState.FAILED


def test_an_upload_that_x_no_longer_has_is_gone(account: Linked) -> None:
    staged = Staged(data={"media_ids": ["123"], "processing": ["123"]})
    assert account.adapter.check(account.cred, staged).state is ProgressState.GONE


def test_a_thread_is_a_chain_of_replies(either: Linked) -> None:
    first = either.publish(either.job("one of two")).ref
    second = either.publish(either.job("two of two", parent=first)).ref
    found = either.adapter.fetch(either.cred, second.remote_id)
    assert found is not None
    assert found.reply_to == first.remote_id
    first_found = either.adapter.fetch(either.cred, first.remote_id)
    assert first_found is not None
    assert first_found.reply_to == ""


def test_identify_names_the_account_and_its_newest_post(account: Linked) -> None:
    assert account.adapter.identify(account.cred).canary is None
    account.publish(account.job("first"))
    newest = account.publish(account.job("second")).ref.remote_id
    identity = account.adapter.identify(replace(account.cred, remote_id=""))
    assert (identity.remote_id, identity.name, identity.canary) == (account.cred.remote_id, account.name, newest)


def test_a_deleted_post_is_none_and_deleting_it_again_is_no_error(either: Linked) -> None:
    ref = either.publish(either.job("short lived")).ref
    assert either.adapter.fetch(either.cred, ref.remote_id) is not None
    either.adapter.delete(either.cred, ref.remote_id)
    assert either.adapter.fetch(either.cred, ref.remote_id) is None
    either.adapter.delete(either.cred, ref.remote_id)
    assert either.truth()[0]["deleted_at"] is not None


def test_a_stranger_cannot_delete(link: Link) -> None:
    owner, stranger = link(Platform.X), link(Platform.X)
    ref = owner.publish(owner.job("mine")).ref
    with pytest.raises(PostRejected):
        stranger.adapter.delete(stranger.cred, ref.remote_id)
    assert owner.truth()[0]["deleted_at"] is None


def test_engagement_is_read_in_either_dialect(either: Linked) -> None:
    ref = either.publish(either.job("count me")).ref
    counts = either.adapter.engagement(either.cred, ref.remote_id)
    assert None not in (counts.likes, counts.reposts, counts.replies, counts.quotes, counts.bookmarks, counts.views)


def test_counts_that_x_does_not_give_are_none_and_not_zero(scripted: Scripted) -> None:
    metrics = {"like_count": 0, "retweet_count": 4}
    adapter, _ = scripted(Platform.X, Answer(body={"data": {"id": "1", "text": "", "public_metrics": metrics}}))
    assert adapter.engagement(Credentials("t"), "1") == Counts(likes=0, reposts=4)


def test_a_refreshed_token_works_and_the_old_refresh_token_is_spent(account: Linked) -> None:
    account.control.expire("x", account.name)
    with pytest.raises(ReconnectNeeded) as caught:
        account.adapter.identify(account.cred)
    assert caught.value.expired
    fresh = account.adapter.refresh(account.cred)
    assert account.adapter.identify(fresh).name == account.name
    assert fresh.refresh_token != account.cred.refresh_token
    with pytest.raises(ReconnectNeeded):
        account.adapter.refresh(account.cred)


def test_a_cut_refresh_is_an_unknown_outcome(account: Linked) -> None:
    account.fault("refresh_cut", operation="token")
    with pytest.raises(OutcomeUnknown):
        account.adapter.refresh(account.cred)


def test_a_revoked_token_needs_a_new_link(account: Linked) -> None:
    assert account.adapter.revoke(account.cred)
    with pytest.raises(ReconnectNeeded):
        account.adapter.identify(account.cred)


BROKEN = [
    ("cut_after_accept", {"stage": "headers"}),
    ("cut_after_accept", {"stage": "nothing"}),
    ("timeout_after_accept", {"seconds": 30}),
    ("error_after_accept", {}),
    ("malformed_2xx", {"form": "html"}),
    ("malformed_2xx", {"form": "empty"}),
    ("malformed_2xx", {"form": "no_id"}),
]


@pytest.mark.parametrize(("kind", "params"), BROKEN)
def test_a_broken_answer_to_a_publication_that_happened_is_unknown_and_then_found(
    account: Linked, kind: str, params: dict[str, Any]
) -> None:
    canary = account.publish(account.job("earlier post")).ref.remote_id
    account.pools = type(account.pools)(allow_private=True, timeout=1.0)
    job = account.job(TEXT)
    account.fault(kind, params=params)
    with pytest.raises(OutcomeUnknown):
        account.publish(job)
    sighting = account.adapter.locate(account.cred, account.search(job, canary=canary))
    assert sighting.state is SightingState.FOUND
    assert sighting.post is not None
    assert same_text(sighting.post.text, TEXT)
    assert [post["id"] for post in account.truth()].count(sighting.post.ref.remote_id) == 1
    account.pools.close()


@pytest.mark.parametrize("kind", ["error_before_accept", "html_error"])
def test_a_server_fault_before_the_publication_is_unknown_and_then_absent(account: Linked, kind: str) -> None:
    canary = account.publish(account.job("earlier post")).ref.remote_id
    job = account.job("never landed")
    account.fault(kind)
    with pytest.raises(OutcomeUnknown):
        account.publish(job)
    sighting = account.adapter.locate(account.cred, account.search(job, canary=canary))
    assert sighting.state is SightingState.ABSENT
    assert len(account.truth()) == 1


def test_a_server_that_cannot_be_reached_has_published_nothing(account: Linked) -> None:
    account.config = replace(account.config, api_url="http://127.0.0.1:1/x")
    with pytest.raises(Unavailable):
        account.adapter.finalize(account.cred, account.job("hello"), Staged())
    assert account.visible == []


@pytest.mark.parametrize("form", ["platform", "seconds", "date", "epoch", "iso", "past", "ten_years"])
def test_a_rate_limit_says_when_in_every_form(account: Linked, form: str) -> None:
    account.fault("rate_limited", params={"form": form, "seconds": 600})
    before = datetime.now(UTC)
    with pytest.raises(Throttled) as caught:
        account.publish(account.job("too fast"))
    moment = caught.value.retry_at
    assert moment is not None
    wait = (moment - before).total_seconds()
    expected = {"past": (0, 30), "ten_years": (86_000, 86_500)}.get(form, (500, 700))
    assert expected[0] <= wait <= expected[1]
    assert account.truth() == []


def test_a_rate_limit_without_a_moment_says_none(account: Linked) -> None:
    account.fault("rate_limited", params={"form": "missing"})
    with pytest.raises(Throttled) as caught:
        account.publish(account.job("too fast"))
    assert caught.value.retry_at is None


def test_the_refusal_of_a_duplicate_is_no_unknown_outcome(account: Linked) -> None:
    account.publish(account.job("once is enough"))
    with pytest.raises(DuplicateRefused):
        account.publish(account.job("once is enough"))
    assert len(account.truth()) == 1


@pytest.mark.parametrize(
    ("kind", "params"),
    [("stale_timeline", {"seconds": 3600}), ("truncated_timeline", {"keep": 0}), ("timeline_down", {})],
)
def test_a_list_that_cannot_be_trusted_proves_no_absence(account: Linked, kind: str, params: dict[str, Any]) -> None:
    canary = account.publish(account.job("earlier post")).ref.remote_id
    job = account.job("never sent")
    search = account.search(job, canary=canary)
    assert account.adapter.locate(account.cred, search).state is SightingState.ABSENT
    account.fault(kind, operation="timeline", times=2, params=params)
    sighting = account.adapter.locate(account.cred, search)
    assert sighting.state is SightingState.UNSURE
    assert sighting.reason


def test_two_posts_with_the_same_text_are_unsure_and_an_excluded_one_does_not_count(account: Linked) -> None:
    first = account.publish(account.job("twin")).ref.remote_id
    account.control.settings()  # the sandbox refuses duplicates, so the second becomes one by an edit
    second = account.publish(account.job("other")).ref.remote_id
    account.control.edit_post("x", second, "twin")
    search = account.search(account.job("twin"), canary=first)
    assert account.adapter.locate(account.cred, search).state is SightingState.UNSURE
    sighting = account.adapter.locate(account.cred, replace(search, exclude=frozenset({first})))
    assert sighting.post is not None
    assert sighting.post.ref.remote_id == second


def test_a_post_with_the_same_text_from_before_the_intent_is_not_taken_for_ours(account: Linked) -> None:
    earlier = account.publish(account.job("weekly reminder")).ref.remote_id
    job = replace(account.job("weekly reminder"), composed_at=datetime.now(UTC) + timedelta(minutes=10))
    assert account.adapter.locate(account.cred, account.search(job, canary=earlier)).state is SightingState.ABSENT


def test_a_reply_elsewhere_with_the_same_text_is_not_taken_for_ours(account: Linked) -> None:
    root = account.publish(account.job("root")).ref
    other = account.publish(account.job("another root")).ref
    account.publish(account.job("same words", parent=other))
    search = account.search(account.job("same words", parent=root), canary=root.remote_id)
    assert account.adapter.locate(account.cred, search).state is SightingState.ABSENT


def _timeline(pages: list[list[tuple[str, str]]]) -> Callable[[Any], Any]:
    """A timeline of pages of (id, created_at); the last page has no next_token."""
    import httpx2

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
    adapter, answer = scripted(Platform.X, Answer(script=_timeline(PAGES)))
    timeline = adapter.recent(Credentials("t", remote_id="7"), SINCE)
    assert [post.ref.remote_id for post in timeline.posts] == ["50", "40", "30"]
    assert timeline.complete
    assert len(answer.requests) == 2


def test_it_pages_on_to_a_canary_that_is_older_than_the_intent(scripted: Scripted) -> None:
    adapter, answer = scripted(Platform.X, Answer(script=_timeline(PAGES)))
    job = PartJob("k", 0, "mine", SINCE)
    linked = Credentials("t", remote_id="7")
    from postprober.domain.remote import Search

    assert adapter.locate(linked, Search(job, SINCE, canary="20")).state is SightingState.ABSENT
    assert len(answer.requests) == 3
    assert adapter.locate(linked, Search(job, SINCE, canary="15")).state is SightingState.UNSURE


def test_a_list_shorter_than_it_says_is_incomplete(scripted: Scripted) -> None:
    body = {"data": [{"id": "50", "text": "x", "created_at": "2026-03-02T09:00:00Z"}], "meta": {"result_count": 3}}
    adapter, _ = scripted(Platform.X, Answer(body=body))
    assert not adapter.recent(Credentials("t", remote_id="7"), SINCE).complete


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", {"data": {"id": "2", "text": ""}}, {"data": {"id": "1"}}])
def test_an_unknown_form_of_a_reading_is_neither_there_nor_gone(scripted: Scripted, body: object) -> None:
    adapter, _ = scripted(Platform.X, Answer(body=body))
    with pytest.raises(UnexpectedReply):
        adapter.fetch(Credentials("t"), "1")


def test_the_link_to_its_own_media_is_taken_out_of_the_text(scripted: Scripted) -> None:
    urls = [
        {"url": "https://t.co/aaa", "expanded_url": "https://example.com/?a=1&lt=2"},
        {"url": "https://t.co/aaab", "expanded_url": "https://x.com/me/status/1/photo/1", "media_key": "3_1"},
    ]
    data = {"id": "1", "text": "see https://t.co/aaa &amp; https://t.co/aaab", "entities": {"urls": urls}}
    adapter, _ = scripted(Platform.X, Answer(body={"data": data}))
    found = adapter.fetch(Credentials("t"), "1")
    assert found is not None
    assert found.text == "see https://example.com/?a=1&lt=2 &"


def _schema(specs: Path, file: str, name: str) -> dict[str, Any]:
    document = json.loads((specs / file).read_text())
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


SPEC_FILES = [
    ("x_openapi_2.167.json", "CreatePostsRequest", "CreateMediaMetadataRequest", "InitializeMediaUploadRequest"),
    ("x_openapi_2.166_legacy_names.json", "TweetCreateRequest", "MetadataCreateRequest", "MediaUploadConfigRequest"),
]


@pytest.mark.parametrize(("file", "create", "metadata", "initialize"), SPEC_FILES)
def test_the_bodies_we_send_are_valid_by_both_specifications(
    specs: Path,
    scripted: Scripted,
    photo: Photo,
    video: MediaFile,
    file: str,
    create: str,
    metadata: str,
    initialize: str,
) -> None:
    adapter, answer = scripted(Platform.X, Answer(status=201, body={"data": {"id": "77", "text": "x"}}))
    cred = Credentials("t", name="me")
    job = PartJob("k", 0, TEXT, SINCE, (photo("alt"), photo()), parent=Ref("12"))
    adapter.finalize(cred, job, adapter.submit(cred, job))
    adapter.submit(cred, replace(job, media=(video,)))
    adapter.finalize(cred, PartJob("k", 0, "plain", SINCE), Staged())
    checked = []
    for request in answer.requests:
        name = {
            "/2/tweets": create, "/2/media/metadata": metadata, "/2/media/upload/initialize": initialize,
        }.get(request.url.path)  # fmt: skip
        if name is not None:
            jsonschema.validate(json.loads(request.content), _schema(specs, file, name))
            checked.append(request.url.path)
    assert sorted(set(checked)) == ["/2/media/metadata", "/2/media/upload/initialize", "/2/tweets"]
    assert checked.count("/2/tweets") == 2


@pytest.mark.parametrize(
    ("file", "prefix"), [("x_openapi_2.167.json", "Post"), ("x_openapi_2.166_legacy_names.json", "Tweet")]
)
def test_the_fields_we_ask_for_exist_in_the_dialect(specs: Path, file: str, prefix: str) -> None:
    parameters = json.loads((specs / file).read_text())["components"]["parameters"]
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
    adapter, _ = scripted(Platform.X, Answer(status=400, body=body))
    with pytest.raises(UnexpectedReply, match="x_dialect"):
        adapter.fetch(Credentials("t"), "1")
