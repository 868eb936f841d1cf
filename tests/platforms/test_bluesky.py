"""Bluesky's adapter: against the sandbox, and the tables behind it."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import Counts, PartJob, Ref, RemoteMedia, Search, SightingState, Staged
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
from postprober.platforms.bluesky import BlueskyAdapter, login
from postprober.platforms.bluesky_record import facets, tid
from postprober.platforms.bluesky_session import expiry, failure
from postprober.sandbox.serve import SandboxServer

CONTRACTS = Path(os.environ.get("POSTPROBER_CONTRACTS", str(Path(__file__).parents[3] / "shared" / "contracts")))
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEXT = "Grüße 日本語 🎉 see https://example.com/a?b=1&c=2 #launch\n\nand @bob.bsky.test too"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def http() -> Iterator[HttpClient]:
    pools = Pools(allow_private=True, timeout=5)
    yield HttpClient(pools)
    pools.close()


@pytest.fixture
def config(sandbox: SandboxServer) -> PlatformConfig:
    return PlatformConfig(Platform.BLUESKY, f"{sandbox.url}/bluesky", f"{sandbox.url}/bluesky")


@pytest.fixture
def adapter(http: HttpClient, config: PlatformConfig) -> BlueskyAdapter:
    return BlueskyAdapter(http, config)


@pytest.fixture
def cred(sandbox: SandboxServer, http: HttpClient, config: PlatformConfig) -> Credentials:
    sandbox.control.account("bluesky", "bob")
    name = f"u{uuid.uuid4().hex[:10]}"
    account = sandbox.control.account("bluesky", name)
    return login(http, config.api_url, f"{name}.bsky.test", str(account["password"]))


def a_job(adapter: BlueskyAdapter, text: str = TEXT, *, index: int = 0, key: str = "", **more: object) -> PartJob:
    key, now = key or str(uuid.uuid4()), datetime.now(UTC)
    return PartJob(key, index, text, now, handle=adapter.new_handle(key, index, now), **more)  # type: ignore[arg-type]


def a_search(job: PartJob, **more: object) -> Search:
    return Search(job, datetime.now(UTC) - timedelta(seconds=1), **more)  # type: ignore[arg-type]


def an_image(folder: Path) -> MediaFile:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), (10, 120, 200)).save(buffer, "PNG")
    path = folder / "image.png"
    path.write_bytes(buffer.getvalue())
    return MediaFile(
        1, MediaKind.IMAGE, "image/png", path.stat().st_size, 60, 40, "ab" * 32, str(path), alt="Ein Bild 🎉"
    )


def publish(adapter: BlueskyAdapter, cred: Credentials, job: PartJob) -> Ref:
    return adapter.finalize(cred, job, adapter.submit(cred, job)).ref


# End to end on the sandbox


def test_a_text_is_published_once_and_reads_back_the_same(
    sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials
) -> None:
    job = a_job(adapter)
    ref = publish(adapter, cred, job)
    post = adapter.fetch(cred, ref.remote_id)
    assert post is not None and post.text == TEXT and post.ref.extra["cid"] == ref.extra["cid"]
    assert adapter.identify(cred).canary == ref.remote_id
    assert [one.ref.remote_id for one in adapter.recent(cred, NOW).posts] == [ref.remote_id]
    again = adapter.finalize(cred, job, adapter.submit(cred, job))
    assert again.ref == ref, "the same record at the same key changes nothing"
    truth = sandbox.control.posts("bluesky", cred.name.split(".")[0])
    assert [one["text"] for one in truth] == [TEXT]


def test_a_different_record_at_the_key_is_refused_and_not_overwritten(
    adapter: BlueskyAdapter, cred: Credentials
) -> None:
    job = a_job(adapter, "first")
    ref = publish(adapter, cred, job)
    with pytest.raises(DuplicateRefused) as caught:
        publish(adapter, cred, replace(job, text="second"))
    assert caught.value.earlier_id == ref.remote_id
    post = adapter.fetch(cred, ref.remote_id)
    assert post is not None and post.text == "first"


def test_an_image_keeps_its_alternative_text(adapter: BlueskyAdapter, cred: Credentials, tmp_path: Path) -> None:
    ref = publish(adapter, cred, a_job(adapter, "with a picture", media=(an_image(tmp_path),)))
    post = adapter.fetch(cred, ref.remote_id)
    assert post is not None and post.media == (RemoteMedia("image", "Ein Bild 🎉"),)


def test_a_thread_hangs_together(adapter: BlueskyAdapter, cred: Credentials) -> None:
    key = str(uuid.uuid4())
    root = publish(adapter, cred, a_job(adapter, "one", key=key))
    second = publish(adapter, cred, a_job(adapter, "two", key=key, index=1, parent=root, root=root))
    third = publish(adapter, cred, a_job(adapter, "three", key=key, index=2, parent=second, root=root))
    post = adapter.fetch(cred, third.remote_id)
    assert post is not None and post.reply_to == second.remote_id
    assert [one.text for one in adapter.recent(cred, NOW).posts] == ["three", "two", "one"]


def test_deleting_twice_is_no_error_and_leaves_nothing(adapter: BlueskyAdapter, cred: Credentials) -> None:
    ref = publish(adapter, cred, a_job(adapter, "short-lived"))
    adapter.delete(cred, ref.remote_id)
    adapter.delete(cred, ref.remote_id)
    assert adapter.fetch(cred, ref.remote_id) is None


def test_engagement_is_counted(adapter: BlueskyAdapter, cred: Credentials) -> None:
    counts = adapter.engagement(cred, publish(adapter, cred, a_job(adapter, "count me")).remote_id)
    assert counts.likes is not None and counts.likes >= 0
    assert counts.views is None


UNKNOWN_FAULTS = {
    "cut in the body": ("cut_after_accept", {}),
    "cut before the reply": ("cut_after_accept", {"stage": "nothing"}),
    "accepted, then 500": ("error_after_accept", {}),
    "2xx of HTML": ("malformed_2xx", {"form": "html"}),
    "empty 2xx": ("malformed_2xx", {"form": "empty"}),
    "2xx without id": ("malformed_2xx", {"form": "no_id"}),
}


@pytest.mark.parametrize("name", UNKNOWN_FAULTS)
def test_a_broken_answer_is_unknown_and_looking_finds_the_post(
    sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials, name: str
) -> None:
    kind, params = UNKNOWN_FAULTS[name]
    account = cred.name.split(".")[0]
    sandbox.control.fault("bluesky", kind, account=account, params=params)
    job = a_job(adapter, f"{name} {uuid.uuid4()}")
    staged = adapter.submit(cred, job)
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(cred, job, staged)
    sighting = adapter.locate(cred, a_search(job))
    assert sighting.state is SightingState.FOUND and sighting.post is not None
    again = adapter.finalize(cred, job, staged)
    assert again.ref.remote_id == sighting.post.ref.remote_id
    assert len(sandbox.control.posts("bluesky", account)) == 1


@pytest.mark.parametrize("kind", ["error_before_accept", "html_error"])
def test_a_fault_without_effect_is_unknown_too_and_looking_proves_absence(
    sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials, kind: str
) -> None:
    sandbox.control.fault("bluesky", kind, account=cred.name.split(".")[0])
    job = a_job(adapter, f"absent {uuid.uuid4()}")
    with pytest.raises(OutcomeUnknown):
        publish(adapter, cred, job)
    assert adapter.locate(cred, a_search(job)).state is SightingState.ABSENT
    assert publish(adapter, cred, job).remote_id.endswith(job.handle)


def test_a_reading_that_fails_is_unsure(sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials) -> None:
    fault = sandbox.control.fault("bluesky", "timeline_down", operation="any", times=0)
    try:
        assert adapter.locate(cred, a_search(a_job(adapter))).state is SightingState.UNSURE
    finally:
        sandbox.control.clear_faults(fault["id"])


def test_a_rate_limit_says_when_to_come_back(
    sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials
) -> None:
    sandbox.control.fault("bluesky", "rate_limited", account=cred.name.split(".")[0], params={"seconds": 60})
    with pytest.raises(Throttled) as caught:
        publish(adapter, cred, a_job(adapter))
    assert caught.value.retry_at is not None
    assert timedelta(seconds=30) < caught.value.retry_at - datetime.now(UTC) < timedelta(seconds=90)


def test_an_expired_session_says_that_a_refresh_helps_and_it_does(
    sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials
) -> None:
    sandbox.control.expire("bluesky", cred.name.split(".")[0])
    with pytest.raises(ReconnectNeeded) as caught:
        publish(adapter, cred, a_job(adapter))
    assert caught.value.expired
    fresh = adapter.refresh(cred)
    assert fresh.access_token != cred.access_token and fresh.remote_id == cred.remote_id
    assert fresh.expires_at is not None and fresh.expires_at > datetime.now(UTC)
    assert publish(adapter, fresh, a_job(adapter)).remote_id


def test_a_refused_refresh_signs_in_again_with_the_app_password(
    sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials
) -> None:
    broken = replace(cred, refresh_token="not-a-token")
    assert adapter.refresh(broken).remote_id == cred.remote_id
    with pytest.raises(ReconnectNeeded):
        adapter.refresh(replace(broken, secret={}))
    with pytest.raises(ReconnectNeeded):
        adapter.refresh(replace(broken, secret={"identifier": cred.name, "password": "wrong-password"}))


def test_a_cut_refresh_is_unknown(sandbox: SandboxServer, adapter: BlueskyAdapter, cred: Credentials) -> None:
    sandbox.control.fault("bluesky", "refresh_cut", account=cred.name.split(".")[0])
    with pytest.raises((OutcomeUnknown, Unavailable)) as caught:
        adapter.refresh(cred)
    assert isinstance(caught.value, OutcomeUnknown)


# Against written replies


def answering(*replies: httpx2.Response) -> tuple[HttpClient, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []
    queue = list(replies)

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return queue.pop(0) if len(queue) > 1 else queue[0]

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle))), seen


CONFIG = PlatformConfig(Platform.BLUESKY, "https://pds.example", "https://bsky.app")
CRED = Credentials("a.b.c", "r.e.f", remote_id="did:plc:abc", name="alice.test")


@pytest.mark.parametrize("status", [501, 502])
def test_without_an_appview_engagement_is_unknown_and_not_zero(status: int) -> None:
    http, _ = answering(httpx2.Response(status, json={"error": "UpstreamFailure", "message": "x"}))
    assert BlueskyAdapter(http, CONFIG).engagement(CRED, "at://did:plc:abc/app.bsky.feed.post/3a") == Counts()


def test_a_server_in_trouble_is_an_error_in_engagement() -> None:
    http, _ = answering(httpx2.Response(503, text="busy"))
    with pytest.raises(Unavailable):
        BlueskyAdapter(http, CONFIG).engagement(CRED, "at://did:plc:abc/app.bsky.feed.post/3a")


def test_the_visible_act_forbids_overwriting_and_carries_the_staged_record() -> None:
    uri = "at://did:plc:abc/app.bsky.feed.post/3jzfcijpj2z2a"
    http, seen = answering(httpx2.Response(200, json={"uri": uri, "cid": "bafy"}))
    job = PartJob("k", 0, "hi", NOW, handle="3jzfcijpj2z2a")
    adapter = BlueskyAdapter(http, CONFIG)
    receipt = adapter.finalize(CRED, job, Staged(data={"record": {"text": "hi"}}))
    body = json.loads(seen[0].content)
    assert body["swapRecord"] is None and body["record"] == {"text": "hi"} and body["rkey"] == job.handle
    assert receipt.ref.url == "https://bsky.app/profile/alice.test/post/3jzfcijpj2z2a"


def test_records_are_looked_at_without_the_token() -> None:
    http, seen = answering(httpx2.Response(400, json={"error": "RecordNotFound", "message": "x"}))
    assert BlueskyAdapter(http, CONFIG).fetch(CRED, "at://did:plc:abc/app.bsky.feed.post/3a") is None
    assert "authorization" not in seen[0].headers


# Every row of the contracts' table: for the visible act, and for a read.
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
    path = CONTRACTS / "specs" / "errors" / "other_errors.json"
    if not path.exists():
        pytest.skip(f"the contracts are not at {CONTRACTS}")
    rows = json.loads(path.read_text())["bluesky"]
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


# Keys, facets, tokens


@given(st.uuids(), st.integers(0, 30), st.datetimes(datetime(2024, 1, 1), datetime(2090, 1, 1)))
def test_a_key_is_a_valid_tid_the_same_every_time_and_sorts_by_part(
    key: uuid.UUID, index: int, moment: datetime
) -> None:
    at = moment.replace(tzinfo=UTC)
    made = tid(str(key), index, at)
    assert re.fullmatch("[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}", made)
    assert made == tid(str(key), index, at)
    assert made < tid(str(key), index + 1, at)
    assert made < tid(str(uuid.uuid4()), index, at + timedelta(milliseconds=2))


def test_different_deliveries_get_different_keys_in_the_same_millisecond() -> None:
    assert len({tid(str(uuid.uuid4()), 0, NOW) for _ in range(200)}) >= 199


def test_facets_count_bytes_and_do_not_overlap() -> None:
    text = "é🎉 @alice.test, https://example.com/é?x=#frag #日本 example.org (@bob.test) @nobody.test a@mail.test #1"
    found = facets(text, {"alice.test": "did:plc:a", "bob.test": "did:plc:b"}.get)
    raw = text.encode()
    shown = [(raw[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode(), f["features"][0]) for f in found]  # type: ignore[index]
    kinds = {label: next(v for k, v in feature.items() if k != "$type") for label, feature in shown}
    assert kinds["@alice.test"] == "did:plc:a" and kinds["@bob.test"] == "did:plc:b"
    assert kinds["#日本"] == "日本" and kinds["example.org"] == "https://example.org"
    assert next(uri for label, uri in kinds.items() if label.startswith("https://example.com/"))
    assert not any("nobody" in label or "mail" in label or label == "#1" for label in kinds)
    ends = [f["index"]["byteEnd"] for f in found]  # type: ignore[index]
    starts = [f["index"]["byteStart"] for f in found]  # type: ignore[index]
    assert starts == sorted(starts) and all(end <= start for end, start in zip(ends, starts[1:], strict=False))


@given(st.text(max_size=120))
def test_facets_of_any_text_lie_inside_it(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    for facet in facets(text, lambda handle: "did:plc:x"):
        index = facet["index"]
        assert isinstance(index, dict) and 0 <= index["byteStart"] < index["byteEnd"] <= len(text.encode())
        text.encode()[index["byteStart"] : index["byteEnd"]].decode()


def test_the_end_of_a_session_is_read_from_its_token() -> None:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": 1772442000}).encode()).rstrip(b"=").decode()
    assert expiry(f"x.{payload}.y") == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    for bad in ("", "x.y", "x.%%%.y", "x.e30.y", "x." + base64.urlsafe_b64encode(b'{"exp":1e400}').decode() + ".y"):
        assert expiry(bad) is None
