"""LinkedIn: little text, uploads, what may be read, and strictness after a broken answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, ReconcileMode
from postprober.domain.post import MediaFile
from postprober.domain.remote import PartJob, ProgressState, RemoteMedia, SightingState, Staged
from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.platforms.linkedin.adapter import TRAITS, VERSION
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted, counts_of

Photo = Callable[..., MediaFile]
TEXT = "Grüße (a) [b] {c} <d> @e a_b *x* ~y~ 1|2 \\ #news 東京 🎉 https://example.com/a_b?c=(d)\n\nsecond paragraph"
READS = ["openid", "profile", "w_member_social", "r_member_social", "r_member_postAnalytics"]
WRITES = ["openid", "profile", "w_member_social"]


@pytest.fixture
def reader(link: Link) -> Linked:
    """An account that may read its posts, as almost nobody may."""
    return link(Platform("linkedin"), scopes=READS, partner=True)


@pytest.fixture
def writer(link: Link) -> Linked:
    """An account of a self-serve app."""
    return link(Platform("linkedin"), scopes=WRITES)


def test_every_reserved_character_survives_the_way_there_and_back(reader: Linked) -> None:
    receipt = reader.publish(reader.job(TEXT))
    assert reader.truth()[0]["text"] == TEXT
    found = reader.adapter.fetch(reader.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.text == TEXT
    assert found.author_id == reader.cred.remote_id
    assert found.public is True
    assert found.ref == receipt.ref
    assert receipt.ref.url == f"{reader.config.auth_url}/feed/update/{receipt.ref.remote_id}"
    assert reader.visible == ["sent"]


def test_an_unescaped_text_would_be_cut_off(reader: Linked) -> None:
    headers = {
        "Authorization": f"Bearer {reader.cred.access_token}",
        "Linkedin-Version": VERSION,
        "X-Restli-Protocol-Version": "2.0.0",
    }
    body = {
        "author": f"urn:li:person:{reader.cred.remote_id}",
        "commentary": TEXT,
        "visibility": "PUBLIC",
        "distribution": {"feedDistribution": "MAIN_FEED"},
        "lifecycleState": "PUBLISHED",
    }
    reply = httpx2.post(f"{reader.config.api_url}/rest/posts", headers=headers, json=body)
    assert reply.status_code == 201
    assert reader.truth()[0]["text"] != TEXT


@pytest.mark.parametrize("count", [1, 3])
def test_it_publishes_pictures_with_their_descriptions(reader: Linked, photo: Photo, count: int) -> None:
    files = tuple(photo(f"field {n}", shade=10 * n) for n in range(count))
    receipt = reader.publish(reader.job("pictures", *files))
    found = reader.adapter.fetch(reader.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.media == tuple(RemoteMedia("image", f"field {n}") for n in range(count))


def test_it_uploads_a_video_in_the_pieces_that_linkedin_names(reader: Linked, video: MediaFile) -> None:
    with open(video.path, "ab") as stream:
        stream.write(b"\0" * 5_000_000)
    grown = replace(video, size=video.size + 5_000_000)
    receipt = reader.publish(reader.job("a clip", grown))
    assert [media["kind"] for media in reader.truth()[0]["media"]] == ["video"]
    found = reader.adapter.fetch(reader.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.media is not None
    assert [media.kind for media in found.media] == ["video"]


def test_it_waits_while_linkedin_processes_and_gives_up_when_linkedin_does(reader: Linked, video: MediaFile) -> None:
    reader.fault("slow_media", operation="media", params={"seconds": 3600})
    staged = reader.adapter.submit(reader.cred, reader.job("slow", video))
    progress = reader.adapter.check(reader.cred, staged)
    assert progress.state is ProgressState.PROCESSING
    assert progress.wait_seconds > 0
    reader.fault("media_failed", operation="media")
    failed = reader.adapter.submit(reader.cred, reader.job("broken", video))
    assert reader.adapter.check(reader.cred, failed).state is ProgressState.FAILED
    gone = Staged(data={"images": [{"id": "urn:li:image:none", "altText": ""}]})
    assert reader.adapter.check(reader.cred, gone).state is ProgressState.GONE


def test_the_token_is_not_shown_to_a_foreign_upload_host(scripted: Scripted, photo: Photo) -> None:
    hosts = [
        "https://www.linkedin.com/dms-uploads/1",
        "https://storage.example.net/1",
        "https://linkedin.com.evil.example/1",
    ]
    for url in hosts:
        value = {"value": {"uploadUrl": url, "image": "urn:li:image:1"}}
        adapter, answer = scripted(Platform("linkedin"), Answer(200, value))
        adapter.submit(Credentials("secret-token", remote_id="7"), PartJob("k", 0, "x", datetime.now(UTC), (photo(),)))
        put = next(request for request in answer.requests if request.method == "PUT")
        assert ("authorization" in put.headers) is (put.url.host == "www.linkedin.com")


def test_identify_names_the_member(reader: Linked, writer: Linked) -> None:
    newest = reader.publish(reader.job("hello")).ref.remote_id
    identity = reader.adapter.identify(replace(reader.cred, remote_id=""))
    assert (identity.remote_id, identity.name, identity.newest_known_post) == (
        reader.cred.remote_id,
        reader.name,
        newest,
    )
    assert writer.adapter.identify(writer.cred).newest_known_post is None


def test_a_page_keeps_its_own_name(reader: Linked) -> None:
    page = replace(reader.cred, remote_id="urn:li:organization:5", name="Page", scopes=("w_organization_social",))
    assert reader.adapter.identify(page).remote_id == "urn:li:organization:5"


def test_an_account_that_may_not_read_says_so_and_is_never_sure(writer: Linked) -> None:
    receipt = writer.publish(writer.job("written, not readable"))
    for scopes in ((), tuple(WRITES)):
        cred = replace(writer.cred, scopes=scopes)
        with pytest.raises(Unavailable) as caught:
            writer.adapter.fetch(cred, receipt.ref.remote_id)
        assert caught.value.code == "not_permitted"
        with pytest.raises(Unavailable) as caught:
            writer.adapter.recent(cred, datetime.now(UTC))
        assert caught.value.code == "not_permitted"
        sighting = writer.adapter.locate(cred, writer.search(writer.job("written, not readable")))
        assert sighting.state is SightingState.UNSURE
        assert "r_member_social" in sighting.reason


def test_what_is_not_found_is_no_proof() -> None:
    assert TRAITS.mode is ReconcileMode.STRICT


BROKEN = [
    ("cut_after_accept", {"stage": "nothing"}),
    ("timeout_after_accept", {"seconds": 30}),
    ("error_after_accept", {}),
    ("malformed_2xx", {"form": "no_id"}),
]


@pytest.mark.parametrize(("kind", "params"), BROKEN)
def test_a_broken_answer_to_a_publication_that_happened_is_unknown_and_then_found(
    reader: Linked, kind: str, params: dict[str, Any]
) -> None:
    newest_known_post = reader.publish(reader.job("earlier post")).ref.remote_id
    reader.pools = type(reader.pools)(allow_private=True, timeout=1.0)
    job = reader.job(TEXT)
    reader.fault(kind, params=params)
    with pytest.raises(OutcomeUnknown):
        reader.publish(job)
    sighting = reader.adapter.locate(reader.cred, reader.search(job, newest_known_post=newest_known_post))
    assert sighting.state is SightingState.FOUND
    assert sighting.post is not None
    assert sighting.post.ref.remote_id in {post["id"] for post in reader.truth()} - {newest_known_post}
    reader.pools.close()


def test_a_duplicate_names_the_post_that_is_there(writer: Linked) -> None:
    first = writer.publish(writer.job("once is enough")).ref.remote_id
    with pytest.raises(DuplicateRefused) as caught:
        writer.publish(writer.job("once is enough"))
    assert caught.value.earlier_id == first
    assert len(writer.truth()) == 1


@pytest.mark.parametrize(
    ("kind", "params"),
    [("stale_timeline", {"seconds": 3600}), ("truncated_timeline", {"keep": 0}), ("timeline_down", {})],
)
def test_a_list_that_cannot_be_trusted_proves_no_absence(reader: Linked, kind: str, params: dict[str, Any]) -> None:
    newest_known_post = reader.publish(reader.job("earlier post")).ref.remote_id
    search = reader.search(reader.job("never sent"), newest_known_post=newest_known_post)
    assert reader.adapter.locate(reader.cred, search).state is SightingState.ABSENT
    reader.fault(kind, operation="timeline", times=2, params=params)
    assert reader.adapter.locate(reader.cred, search).state is SightingState.UNSURE


def test_a_rate_limit_ends_at_midnight_utc(writer: Linked) -> None:
    writer.fault("rate_limited")
    with pytest.raises(Throttled) as caught:
        writer.publish(writer.job("too much"))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.date() in (tomorrow, datetime.now(UTC).date())
    assert caught.value.retry_at.time().isoformat() == "00:00:00"


def test_a_deleted_post_is_none_and_deleting_it_again_is_no_error(reader: Linked) -> None:
    ref = reader.publish(reader.job("short lived")).ref
    reader.adapter.delete(reader.cred, ref.remote_id)
    assert reader.adapter.fetch(reader.cred, ref.remote_id) is None
    reader.adapter.delete(reader.cred, ref.remote_id)
    assert reader.truth()[0]["deleted_at"] is not None


def test_engagement_comes_from_analytics_or_is_unknown(reader: Linked, writer: Linked) -> None:
    counts = counts_of(reader.adapter, reader.cred, reader.publish(reader.job("count me")).ref.remote_id)
    assert None not in (counts.likes, counts.reposts, counts.replies, counts.views)
    ref = writer.publish(writer.job("count me not")).ref
    with pytest.raises(Unavailable, match="permission"):
        counts_of(writer.adapter, writer.cred, ref.remote_id)


def test_without_analytics_the_social_summary_says_something(link: Link) -> None:
    account = link(Platform("linkedin"), scopes=[*WRITES, "r_member_social"])
    counts = counts_of(account.adapter, account.cred, account.publish(account.job("count me")).ref.remote_id)
    assert counts.likes is not None
    assert counts.replies is not None
    assert counts.views is None


def test_only_partners_can_renew(reader: Linked, writer: Linked) -> None:
    reader.control.expire("linkedin", reader.name)
    with pytest.raises(ReconnectNeeded) as caught:
        reader.adapter.identify(reader.cred)
    assert caught.value.expired
    assert reader.adapter.identify(reader.adapter.refresh(reader.cred)).name == reader.name
    with pytest.raises(ReconnectNeeded):
        writer.adapter.refresh(writer.cred)


def test_a_sunset_version_names_the_setting(writer: Linked) -> None:
    old = writer.with_settings(version="202501")
    with pytest.raises(UnexpectedReply, match="POSTPROBER_LINKEDIN_VERSION"):
        old.publish(old.job("hello"))
    assert writer.truth() == []


def _row(number: int, at: datetime, **more: object) -> dict[str, object]:
    millis = int(at.timestamp() * 1000)
    return {
        "id": f"urn:li:share:{number}",
        "commentary": f"post {number}",
        "createdAt": millis,
        "lastModifiedAt": millis,
        **more,
    }


def test_the_list_is_paged_until_the_last_change_is_older_than_the_intent(scripted: Scripted) -> None:
    since = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    rows = [_row(n, since + timedelta(minutes=150 - n)) for n in range(300)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert b"author=urn%3Ali%3Aperson%3A7" in request.url.query
        assert request.headers["x-restli-method"] == "FINDER"
        start = int(request.url.params["start"])
        return httpx2.Response(200, json={"elements": rows[start : start + 100], "paging": {"total": 300}})

    adapter, asked = scripted(Platform("linkedin"), Answer(script=answer))
    timeline = adapter.recent(Credentials("t", remote_id="7"), since)
    assert timeline.complete
    assert len(asked.requests) == 2
    assert len(timeline.posts) == 200


def test_a_list_shorter_than_its_total_is_incomplete(scripted: Scripted) -> None:
    body = {"elements": [_row(1, datetime.now(UTC))], "paging": {"total": 9}}
    adapter, _ = scripted(Platform("linkedin"), Answer(body=body))
    assert not adapter.recent(Credentials("t", remote_id="7"), datetime.now(UTC) - timedelta(days=1)).complete


@pytest.mark.parametrize(
    ("state", "expected"),
    [("PUBLISHED", "post"), ("PUBLISH_FAILED", "none"), ("DRAFT", "none"), ("PUBLISH_REQUESTED", "wait")],
)
def test_the_lifecycle_tells_whether_it_is_published(scripted: Scripted, state: str, expected: str) -> None:
    adapter, _ = scripted(Platform("linkedin"), Answer(body=_row(1, datetime.now(UTC), lifecycleState=state)))
    cred = Credentials("t", remote_id="7")
    if expected == "wait":
        with pytest.raises(Unavailable):
            adapter.fetch(cred, "urn:li:share:1")
        return
    found = adapter.fetch(cred, "urn:li:share:1")
    assert (found is None) is (expected == "none")


@pytest.mark.parametrize("version", ["202604", "202605"])
def test_analytics_are_read_before_and_after_the_change_of_form(link: Link, version: str) -> None:
    account = link(Platform("linkedin"), scopes=READS).with_settings(version=version)
    counts = counts_of(account.adapter, account.cred, account.publish(account.job("count me")).ref.remote_id)
    assert counts.likes is not None


def test_the_older_header_for_the_id_is_understood(scripted: Scripted) -> None:
    adapter, answer = scripted(Platform("linkedin"), Answer(201, b"", {"x-linkedin-id": "urn:li:ugcPost:5"}))
    job = PartJob("k", 0, "a_b", datetime.now(UTC))
    assert adapter.finalize(Credentials("t", remote_id="7"), job, Staged()).ref.remote_id == "urn:li:ugcPost:5"
    body = json.loads(answer.requests[0].content)
    assert body["commentary"] == r"a\_b"
    assert "content" not in body
