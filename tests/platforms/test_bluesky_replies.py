"""Bluesky's adapter against written replies, and the table of errors."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import Counts, PartJob, Staged
from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient, Pools
from postprober.platforms.bluesky.adapter import BlueskyAdapter
from postprober.platforms.bluesky.session import failure
from tests.platforms.adapter_kit import counts_of
from tests.specifications import SPECS

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def an_image(folder: Path) -> MediaFile:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), (10, 120, 200)).save(buffer, "PNG")
    path = folder / "image.png"
    path.write_bytes(buffer.getvalue())
    return MediaFile(1, MediaKind.IMAGE, "image/png", path.stat().st_size, 60, 40, "ab" * 32, str(path), alt="Ein Bild")


def answering(*replies: httpx2.Response) -> tuple[HttpClient, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []
    queue = list(replies)

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return queue.pop(0) if len(queue) > 1 else queue[0]

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle))), seen


CONFIG = PlatformConfig(Platform("bluesky"), "https://pds.example", "https://bsky.app")
CRED = Credentials("a.b.c", "r.e.f", remote_id="did:plc:abc", name="alice.test")


@pytest.mark.parametrize("status", [501, 502])
def test_without_an_appview_engagement_is_unknown_and_not_zero(status: int) -> None:
    away = httpx2.Response(status, json={"error": "UpstreamFailure", "message": "x"})
    record = {"uri": "at://did:plc:abc/app.bsky.feed.post/3a", "cid": "b", "value": {"text": "Hello"}}
    http, _ = answering(away, httpx2.Response(200, json=record))
    assert counts_of(BlueskyAdapter(http, CONFIG), CRED, "at://did:plc:abc/app.bsky.feed.post/3a") == Counts()


def test_a_server_in_trouble_is_an_error_in_engagement() -> None:
    http, _ = answering(httpx2.Response(503, text="busy"))
    with pytest.raises(Unavailable):
        counts_of(BlueskyAdapter(http, CONFIG), CRED, "at://did:plc:abc/app.bsky.feed.post/3a")


def test_the_visible_act_forbids_overwriting_and_carries_the_staged_record() -> None:
    uri = "at://did:plc:abc/app.bsky.feed.post/3jzfcijpj2z2a"
    http, seen = answering(httpx2.Response(200, json={"uri": uri, "cid": "bafy"}))
    job = PartJob("k", 0, "hi", NOW, handle="3jzfcijpj2z2a")
    adapter = BlueskyAdapter(http, CONFIG)
    receipt = adapter.finalize(CRED, job, Staged(data={"record": {"text": "hi"}}))
    body = json.loads(seen[0].content)
    assert body["swapRecord"] is None and body["record"] == {"text": "hi"} and body["rkey"] == job.handle
    assert receipt.ref.url == "https://bsky.app/profile/alice.test/post/3jzfcijpj2z2a"


def test_a_video_becomes_a_video_embed(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"moving pictures")
    clip = MediaFile(1, MediaKind.VIDEO, "video/mp4", 15, 640, 360, "ef" * 32, str(path), alt="A clip", duration=2.0)
    blob = {"$type": "blob", "ref": {"$link": "bafk"}, "mimeType": "video/mp4", "size": 15}
    http, seen = answering(httpx2.Response(200, json={"blob": blob}))
    staged = BlueskyAdapter(http, CONFIG).submit(CRED, PartJob("k", 0, "look", NOW, media=(clip,), language="de"))
    assert seen[0].headers["content-type"] == "video/mp4" and seen[0].content == b"moving pictures"
    record = staged.data["record"]
    assert isinstance(record, dict) and record["langs"] == ["de"]
    assert record["embed"] == {
        "$type": "app.bsky.embed.video",
        "video": blob,
        "alt": "A clip",
        "aspectRatio": {"width": 640, "height": 360},
    }
    assert record["createdAt"] == "2026-03-02T09:00:00.000Z"


def test_an_upload_that_breaks_off_has_published_nothing(tmp_path: Path) -> None:
    job = PartJob("k", 0, "look", NOW, media=(an_image(tmp_path),))
    for answer in (httpx2.Response(500, text="x"), httpx2.Response(200, text="x")):
        http, _ = answering(answer)
        with pytest.raises(Unavailable):
            BlueskyAdapter(http, CONFIG).submit(CRED, job)

    def cut(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("cut")

    http = HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(cut)))
    with pytest.raises(Unavailable):
        BlueskyAdapter(http, CONFIG).submit(CRED, job)


def test_records_are_looked_at_without_the_token() -> None:
    http, seen = answering(httpx2.Response(400, json={"error": "RecordNotFound", "message": "x"}))
    assert BlueskyAdapter(http, CONFIG).fetch(CRED, "at://did:plc:abc/app.bsky.feed.post/3a") is None
    assert "authorization" not in seen[0].headers


# Every row of the error bodies (docs/facts.md, 7): for the visible act, and for a read.
EXPECTED: dict[tuple[int, str], tuple[type[PlatformError], type[PlatformError]]] = {
    (400, "ExpiredToken"): (ReconnectNeeded, ReconnectNeeded),
    (400, "InvalidToken"): (ReconnectNeeded, ReconnectNeeded),
    (401, "AuthenticationRequired"): (ReconnectNeeded, ReconnectNeeded),
    (401, "AuthMissing"): (ReconnectNeeded, ReconnectNeeded),
    (400, "InvalidRequest"): (PostRejected, PostRejected),
    (400, "RecordNotFound"): (PostRejected, UnexpectedReply),
    (400, "InvalidSwap"): (PostRejected, UnexpectedReply),
    (429, "RateLimitExceeded"): (Throttled, Throttled),
    (500, "InternalServerError"): (OutcomeUnknown, Unavailable),
    (502, "UpstreamFailure"): (OutcomeUnknown, Unavailable),
}


def test_every_row_of_the_error_table_has_its_cure() -> None:
    rows = json.loads((SPECS / "errors" / "other_errors.json").read_text())["bluesky"]
    assert {(row["status"], row["body"]["error"]) for row in rows} == set(EXPECTED)
    for row in rows:
        headers = {"ratelimit-reset": str(int(NOW.timestamp()) + 90)} if row["status"] == 429 else {}
        missing = httpx2.Response(400, json={"error": "RecordNotFound", "message": "x"})
        answer = httpx2.Response(row["status"], json=row["body"], headers=headers)
        http, _ = answering(answer, missing) if row["classify"] == "conflict" else answering(answer)
        job = PartJob("k", 0, "hi", NOW, handle="3jzfcijpj2z2a")
        adapter = BlueskyAdapter(http, CONFIG, ManualClock(NOW))
        visible, reading = EXPECTED[row["status"], row["body"]["error"]]
        with pytest.raises(visible) as caught:
            adapter.finalize(CRED, job, Staged(data={"record": {}}))
        if row["classify"] == "conflict":
            assert isinstance(caught.value, DuplicateRefused)
        elif visible is Throttled:
            assert isinstance(caught.value, Throttled) and caught.value.retry_at == NOW + timedelta(seconds=90)
        if row["classify"].startswith("auth_expired"):
            assert isinstance(caught.value, ReconnectNeeded) and caught.value.expired
        http, _ = answering(answer)
        reply = http.read("GET", "https://pds.example/xrpc/x")
        assert type(failure(reply, NOW)) is reading
        if row["classify"] == "missing":
            assert BlueskyAdapter(http, CONFIG).fetch(CRED, "at://did:plc:abc/app.bsky.feed.post/3a") is None


def test_the_very_same_record_at_the_key_is_ours_also_where_the_server_refuses_the_swap() -> None:
    uri = "at://did:plc:abc/app.bsky.feed.post/3jzfcijpj2z2a"
    refusal = httpx2.Response(400, json={"error": "InvalidSwap", "message": "Record was at bafy"})
    there = httpx2.Response(200, json={"uri": uri, "cid": "bafy", "value": {"text": "hi"}})
    job, staged = PartJob("k", 0, "hi", NOW, handle="3jzfcijpj2z2a"), Staged(data={"record": {"text": "hi"}})
    http, _ = answering(refusal, there)
    assert BlueskyAdapter(http, CONFIG).finalize(CRED, job, staged).ref.extra == {"cid": "bafy"}
    http, _ = answering(refusal, httpx2.Response(503, text="busy"))
    with pytest.raises(OutcomeUnknown) as caught:
        BlueskyAdapter(http, CONFIG).finalize(CRED, job, staged)
    assert caught.value.remote_id == uri


@pytest.mark.parametrize(("status", "body"), [(403, "<html>"), (408, "{}"), (409, "{}"), (301, ""), (418, "teapot")])
def test_a_refusal_that_proves_nothing_leaves_the_outcome_unknown(status: int, body: str) -> None:
    http, _ = answering(httpx2.Response(status, text=body))
    with pytest.raises(OutcomeUnknown):
        BlueskyAdapter(http, CONFIG).finalize(
            CRED, PartJob("k", 0, "hi", NOW, handle="3a"), Staged(data={"record": {}})
        )
