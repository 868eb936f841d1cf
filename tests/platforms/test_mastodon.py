"""Mastodon's adapter: against the sandbox, against written replies, and its HTML."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.remote import PartJob, ProgressState, Ref, RemoteMedia, Search, SightingState, Staged
from postprober.domain.text import same_text
from postprober.errors import (
    OutcomeUnknown,
    ReconnectNeeded,
    Throttled,
    UnexpectedReply,
)
from postprober.http import HttpClient, Pools
from postprober.platforms.common.oauth import at_instance
from postprober.platforms.mastodon import oauth
from postprober.platforms.mastodon.adapter import MastodonAdapter, register_app
from postprober.sandbox.serve import SandboxServer
from tests.platforms.adapter_kit import wait_until

TEXT = "Grüße 日本語 🎉 <b> & see https://example.com/a?b=1&c=2 #launch\n\nand @bob too"


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
def adapter(sandbox: SandboxServer, http: HttpClient) -> MastodonAdapter:
    base = f"{sandbox.url}/mastodon"
    return MastodonAdapter(http, PlatformConfig(Platform("mastodon"), base, base))


@pytest.fixture
def cred(sandbox: SandboxServer) -> Credentials:
    sandbox.control.account("mastodon", "bob")
    name = f"u{uuid.uuid4().hex[:10]}"
    account = sandbox.control.account("mastodon", name)
    return Credentials(
        str(account["access_token"]), remote_id=str(account["id"]), name=name, instance=f"{sandbox.url}/mastodon"
    )


def a_job(adapter: MastodonAdapter, text: str = TEXT, *, index: int = 0, **more: object) -> PartJob:
    key, now = str(uuid.uuid4()), datetime.now(UTC)
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


def publish(adapter: MastodonAdapter, cred: Credentials, job: PartJob) -> Ref:
    return adapter.finalize(cred, job, adapter.submit(cred, job)).ref


# End to end on the sandbox


def test_a_text_reads_back_the_same_and_a_repeat_with_its_key_makes_no_second(
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials
) -> None:
    job = a_job(adapter)
    ref = publish(adapter, cred, job)
    post = adapter.fetch(cred, ref.remote_id)
    assert post is not None and same_text(post.text, TEXT)
    assert post.ref.url == ref.url != ""
    assert publish(adapter, cred, job).remote_id == ref.remote_id
    assert adapter.identify(cred).newest_known_post == ref.remote_id
    assert len(sandbox.control.posts("mastodon", cred.name)) == 1


def test_an_image_is_awaited_and_keeps_its_description(
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials, tmp_path: Path
) -> None:
    sandbox.control.fault("mastodon", "slow_media", account=cred.name, operation="media", params={"seconds": 0.3})
    job = a_job(adapter, "with a picture", media=(an_image(tmp_path),))
    staged = adapter.submit(cred, job)
    staged = Staged(staged.handle, json.loads(json.dumps(staged.data)))  # it is stored in between
    assert adapter.check(cred, staged).state is ProgressState.PROCESSING
    wait_until(lambda: adapter.check(cred, staged).state is ProgressState.READY)
    post = adapter.fetch(cred, adapter.finalize(cred, job, staged).ref.remote_id)
    assert post is not None and post.media == (RemoteMedia("image", "Ein Bild 🎉"),)


def test_a_thread_hangs_together(adapter: MastodonAdapter, cred: Credentials) -> None:
    root = publish(adapter, cred, a_job(adapter, "one"))
    second = publish(adapter, cred, a_job(adapter, "two", index=1, parent=root, root=root))
    post = adapter.fetch(cred, second.remote_id)
    assert post is not None and post.reply_to == root.remote_id


def test_deleting_twice_is_no_error_and_leaves_nothing(adapter: MastodonAdapter, cred: Credentials) -> None:
    ref = publish(adapter, cred, a_job(adapter, "short-lived"))
    adapter.delete(cred, ref.remote_id)
    adapter.delete(cred, ref.remote_id)
    assert adapter.fetch(cred, ref.remote_id) is None


def test_limits_are_the_instances_own(sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials) -> None:
    sandbox.control.settings(max_characters=77)
    try:
        limits = adapter.limits(cred)
    finally:
        sandbox.control.settings(max_characters=500)
    assert limits.max_length == 77 and limits.url_length == 23
    assert not adapter.preflight(Draft((Part("x" * 78),)), limits).ok
    assert adapter.preflight(Draft((Part("x" * 77),)), limits).ok


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
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials, name: str
) -> None:
    kind, params = UNKNOWN_FAULTS[name]
    before = publish(adapter, cred, a_job(adapter, "an earlier post"))
    sandbox.control.fault("mastodon", kind, account=cred.name, params=params)
    job = a_job(adapter, f"{TEXT} {name}")
    with pytest.raises(OutcomeUnknown):
        publish(adapter, cred, job)
    sighting = adapter.locate(cred, a_search(job, newest_known_post=before.remote_id))
    assert sighting.state is SightingState.FOUND and sighting.post is not None
    assert sighting.post.ref.remote_id != before.remote_id


@pytest.mark.parametrize("kind", ["error_before_accept", "html_error"])
def test_a_fault_without_effect_is_unknown_too_and_looking_proves_absence(
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials, kind: str
) -> None:
    before = publish(adapter, cred, a_job(adapter, "an earlier post"))
    sandbox.control.fault("mastodon", kind, account=cred.name)
    job = a_job(adapter, "absent")
    with pytest.raises(OutcomeUnknown):
        publish(adapter, cred, job)
    assert adapter.locate(cred, a_search(job, newest_known_post=before.remote_id)).state is SightingState.ABSENT


@pytest.mark.parametrize("kind", ["stale_timeline", "truncated_timeline", "timeline_down"])
def test_a_listing_that_lies_is_never_proof_of_absence(
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials, kind: str
) -> None:
    before = publish(adapter, cred, a_job(adapter, "an earlier post"))
    job = a_job(adapter, "it is there")
    publish(adapter, cred, job)
    publish(adapter, cred, a_job(adapter, "a later post"))
    assert adapter.locate(cred, a_search(job, newest_known_post=before.remote_id)).state is SightingState.FOUND
    sandbox.control.fault("mastodon", kind, account=cred.name, operation="any", times=0)
    try:
        sighting = adapter.locate(cred, a_search(job, newest_known_post=before.remote_id))
    finally:
        sandbox.control.clear_faults()
    # One post a page is no obstacle: the adapter asks for the page before it, whatever the reply says.
    expected = SightingState.FOUND if kind == "truncated_timeline" else SightingState.UNSURE
    assert sighting.state is expected and sighting.reason


def test_a_rate_limit_says_when_to_come_back(
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials
) -> None:
    sandbox.control.fault("mastodon", "rate_limited", account=cred.name, params={"seconds": 60})
    with pytest.raises(Throttled) as caught:
        publish(adapter, cred, a_job(adapter))
    assert caught.value.retry_at is not None and caught.value.retry_at > datetime.now(UTC) + timedelta(seconds=30)


def test_a_revoked_token_needs_a_person(sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials) -> None:
    sandbox.control.revoke("mastodon", cred.name)
    with pytest.raises(ReconnectNeeded) as caught:
        publish(adapter, cred, a_job(adapter))
    assert not caught.value.expired
    with pytest.raises(ReconnectNeeded):
        adapter.identify(cred)


def test_a_client_is_registered_at_the_instance(sandbox: SandboxServer, http: HttpClient) -> None:
    app = register_app(http, f"{sandbox.url}/mastodon", "http://127.0.0.1:8000/api/callback")
    assert app["client_id"] and app["client_secret"] and "profile" in app["scopes"]
    with pytest.raises(UnexpectedReply):
        register_app(http, f"{sandbox.url}/nothing", "http://127.0.0.1:8000/api/callback")


def test_an_older_server_is_asked_for_scopes_that_it_knows(sandbox: SandboxServer, http: HttpClient) -> None:
    sandbox.control.settings(mastodon_api_version=1)
    try:
        app = register_app(http, f"{sandbox.url}/mastodon", "http://127.0.0.1:8000/api/callback")
    finally:
        sandbox.control.settings(mastodon_api_version=7)
    assert app["scopes"] == "read:accounts write:statuses write:media read:statuses read:search"
    config = PlatformConfig(Platform("mastodon"), "https://old.example", "https://old.example")
    assert oauth.spec(at_instance(config, "https://old.example", app)).scopes == tuple(app["scopes"].split())
    assert oauth.spec(config).scopes == oauth.SCOPES
