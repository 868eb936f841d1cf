"""Bluesky's adapter: against the sandbox, and the tables behind it."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import PartJob, Ref, RemoteMedia, Search, SightingState
from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    ReconnectNeeded,
    Throttled,
    Unavailable,
)
from postprober.http import HttpClient, Pools
from postprober.platforms.bluesky.adapter import BlueskyAdapter, login
from postprober.sandbox.serve import SandboxServer
from tests.platforms.adapter_kit import counts_of

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
    return PlatformConfig(Platform("bluesky"), f"{sandbox.url}/bluesky", f"{sandbox.url}/bluesky")


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
    assert adapter.identify(cred).newest_known_post == ref.remote_id
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
    counts = counts_of(adapter, cred, publish(adapter, cred, a_job(adapter, "count me")).remote_id)
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
