"""Mastodon's adapter: against the sandbox, against written replies, and its HTML."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.mentions import without_hosts
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.remote import PartJob, ProgressState, Ref, RemoteMedia, Search, SightingState, Staged
from postprober.domain.status_html import html_to_text
from postprober.domain.text import same_text
from postprober.errors import (
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient, Pools
from postprober.platforms.mastodon import MastodonAdapter, register_app
from postprober.platforms.mastodon_replies import failure
from postprober.sandbox.serve import SandboxServer

CONTRACTS = Path(os.environ.get("POSTPROBER_CONTRACTS", str(Path(__file__).parents[3] / "shared" / "contracts")))
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
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
    return MastodonAdapter(http, PlatformConfig(Platform.MASTODON, base, base))


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
    assert adapter.identify(cred).canary == ref.remote_id
    assert len(sandbox.control.posts("mastodon", cred.name)) == 1


def test_an_image_is_awaited_and_keeps_its_description(
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials, tmp_path: Path
) -> None:
    sandbox.control.fault("mastodon", "slow_media", account=cred.name, operation="media", params={"seconds": 0.3})
    job = a_job(adapter, "with a picture", media=(an_image(tmp_path),))
    staged = adapter.submit(cred, job)
    staged = Staged(staged.handle, json.loads(json.dumps(staged.data)))  # it is stored in between
    states = [adapter.check(cred, staged).state for _ in range(1)]
    while states[-1] is ProgressState.PROCESSING and len(states) < 500:
        states.append(adapter.check(cred, staged).state)
    assert states[-1] is ProgressState.READY
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
    sighting = adapter.locate(cred, a_search(job, canary=before.remote_id))
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
    assert adapter.locate(cred, a_search(job, canary=before.remote_id)).state is SightingState.ABSENT


@pytest.mark.parametrize("kind", ["stale_timeline", "truncated_timeline", "timeline_down"])
def test_a_listing_that_lies_is_never_proof_of_absence(
    sandbox: SandboxServer, adapter: MastodonAdapter, cred: Credentials, kind: str
) -> None:
    before = publish(adapter, cred, a_job(adapter, "an earlier post"))
    job = a_job(adapter, "it is there")
    publish(adapter, cred, job)
    publish(adapter, cred, a_job(adapter, "a later post"))
    assert adapter.locate(cred, a_search(job, canary=before.remote_id)).state is SightingState.FOUND
    sandbox.control.fault("mastodon", kind, account=cred.name, operation="any", times=0)
    try:
        sighting = adapter.locate(cred, a_search(job, canary=before.remote_id))
    finally:
        sandbox.control.clear_faults()
    assert sighting.state is SightingState.UNSURE and sighting.reason


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
    assert app["client_id"] and app["client_secret"]
    with pytest.raises(UnexpectedReply):
        register_app(http, f"{sandbox.url}/nothing", "http://127.0.0.1:8000/api/callback")


# Against written replies


def answering(answer: httpx2.Response | dict[str, httpx2.Response]) -> tuple[HttpClient, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        if isinstance(answer, httpx2.Response):
            return answer
        return answer.get(
            f"{request.method} {request.url.path}", httpx2.Response(404, json={"error": "Record not found"})
        )

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle))), seen


CONFIG = PlatformConfig(
    Platform.MASTODON, "https://m.example", "https://m.example", settings={"mastodon_settle_seconds": "3"}
)
CRED = Credentials("token", remote_id="1", name="alice")
JOB = PartJob("k", 0, "hi", NOW, handle="k-0")


def test_the_key_is_sent_as_a_header_and_the_post_is_public() -> None:
    http, seen = answering(httpx2.Response(200, json={"id": "5", "url": "https://m.example/@alice/5"}))
    job = PartJob("k", 2, "hi", NOW, handle="k-2", language="de-CH", parent=Ref("4"))
    adapter = MastodonAdapter(http, CONFIG)
    assert adapter.finalize(CRED, job, Staged()).ref == Ref("5", "https://m.example/@alice/5")
    assert seen[0].headers["idempotency-key"] == "k-2"
    assert json.loads(seen[0].content) == {
        "status": "hi", "visibility": "public", "in_reply_to_id": "4", "language": "de",
    }  # fmt: skip
    assert adapter.traits.settle == timedelta(seconds=3)
    assert adapter.new_handle("k", 2, NOW) == "k-2"


def test_a_server_without_delete_is_told_from_a_post_that_is_gone() -> None:
    there = httpx2.Response(200, json={"id": "5", "content": "x"})
    http, _ = answering(
        {"DELETE /api/v1/statuses/5": httpx2.Response(404, text="<h1>"), "GET /api/v1/statuses/5": there}
    )
    with pytest.raises(PostRejected, match="does not let programs delete"):
        MastodonAdapter(http, CONFIG).delete(CRED, "5")
    http, _ = answering({})
    MastodonAdapter(http, CONFIG).delete(CRED, "5")


def test_limits_fall_back_to_version_1_and_then_to_the_defaults() -> None:
    old = httpx2.Response(200, json={"configuration": {
        "statuses": {"max_characters": 100000, "characters_reserved_per_url": 32, "max_media_attachments": 2},
        "media_attachments": {"supported_mime_types": ["image/jpeg"], "image_size_limit": 5000},
    }})  # fmt: skip
    http, seen = answering({"GET /api/v1/instance": old})
    limits = MastodonAdapter(http, CONFIG).limits(CRED)
    assert (limits.max_length, limits.url_length, limits.images.max_count) == (100000, 32, 2)
    assert limits.images.mimes == ("image/jpeg",) and limits.images.max_bytes == 5000
    assert limits.video is None and limits.gif is None
    http, _ = answering({})
    assert MastodonAdapter(http, CONFIG).limits(CRED).max_length == 500
    http, seen = answering({})
    assert MastodonAdapter(http, CONFIG).limits(None).max_length == 500 and seen == []


def test_a_bad_token_that_is_answered_with_422_needs_a_person() -> None:
    http, _ = answering(httpx2.Response(422, text=""))
    with pytest.raises(ReconnectNeeded):
        MastodonAdapter(http, CONFIG).identify(CRED)


def a_status(number: int, at: datetime) -> dict[str, object]:
    return {"id": str(number), "content": f"<p>post {number}</p>", "created_at": at.isoformat(), "account": {"id": "1"}}


def paging(statuses: list[dict[str, object]], *, honours_max_id: bool = True) -> HttpClient:
    def handle(request: httpx2.Request) -> httpx2.Response:
        limit, max_id = int(request.url.params["limit"]), request.url.params.get("max_id")
        found = [s for s in statuses if not (max_id and honours_max_id) or int(str(s["id"])) < int(max_id)]
        return httpx2.Response(200, json=found[: limit if honours_max_id else None])

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle)))


def test_the_own_posts_are_read_back_to_the_moment_and_one_further() -> None:
    statuses = [a_status(n, NOW - timedelta(minutes=200 - n)) for n in range(200, 0, -1)]
    timeline = MastodonAdapter(paging(statuses), CONFIG).recent(CRED, NOW - timedelta(minutes=90))
    assert timeline.complete and len(timeline.posts) == 120, "three pages of 40: the third is beyond the moment"
    everything = MastodonAdapter(paging(statuses), CONFIG).recent(CRED, NOW - timedelta(days=9))
    assert everything.complete and len(everything.posts) == 200


def test_a_server_that_ignores_paging_is_complete_only_when_its_list_is_short() -> None:
    short = [a_status(n, NOW) for n in range(10, 0, -1)]
    assert MastodonAdapter(paging(short, honours_max_id=False), CONFIG).recent(CRED, NOW - timedelta(1)).complete
    long = [a_status(n, NOW) for n in range(90, 0, -1)]
    assert not MastodonAdapter(paging(long, honours_max_id=False), CONFIG).recent(CRED, NOW - timedelta(1)).complete


def test_looking_back_goes_on_until_the_canary_is_seen() -> None:
    statuses = [a_status(n, NOW - timedelta(hours=200 - n)) for n in range(200, 0, -1)]
    adapter = MastodonAdapter(paging(statuses), CONFIG)
    job = PartJob("k", 0, "something else", NOW, handle="k-0")
    assert adapter.locate(CRED, Search(job, NOW, canary="60")).state is SightingState.ABSENT
    assert adapter.locate(CRED, Search(job, NOW, canary="9999")).state is SightingState.UNSURE


# Every row of the contracts' table: for the visible act, and for a read.
EXPECTED: dict[tuple[int, str], tuple[type[PlatformError], type[PlatformError]]] = {
    (401, "reauth_required"): (ReconnectNeeded, ReconnectNeeded),
    (403, "insufficient_scope"): (ReconnectNeeded, ReconnectNeeded),
    (404, "missing"): (PostRejected, UnexpectedReply),
    (422, "validation_too_long"): (PostRejected, ReconnectNeeded),
    (422, "validation"): (PostRejected, ReconnectNeeded),
    (429, "rate_limited"): (Throttled, Throttled),
    (503, "ambiguous_on_write"): (OutcomeUnknown, Unavailable),
}


def test_every_row_of_the_error_table_has_its_cure() -> None:
    path = CONTRACTS / "specs" / "errors" / "other_errors.json"
    if not path.exists():
        pytest.skip(f"the contracts are not at {CONTRACTS}")
    rows = json.loads(path.read_text())["mastodon"]
    assert {(row["status"], row["classify"]) for row in rows} == set(EXPECTED)
    for row in rows:
        http, _ = answering(httpx2.Response(row["status"], json=row["body"], headers=row.get("headers", {})))
        visible, reading = EXPECTED[row["status"], row["classify"]]
        now = datetime(2026, 11, 22, 11, 58, tzinfo=UTC)
        with pytest.raises(visible) as caught:
            MastodonAdapter(http, CONFIG, ManualClock(now)).finalize(CRED, JOB, Staged())
        if isinstance(caught.value, Throttled):
            assert caught.value.retry_at == now + timedelta(minutes=2)
        assert type(failure(http.read("GET", "https://m.example/x"), now, reading=True)) is reading
        if row["classify"] == "missing":
            assert MastodonAdapter(http, CONFIG).fetch(CRED, "5") is None


@pytest.mark.parametrize(("status", "body"), [(403, "<html>"), (408, "{}"), (409, "{}"), (302, ""), (418, "teapot")])
def test_a_refusal_that_proves_nothing_leaves_the_outcome_unknown(status: int, body: str) -> None:
    http, _ = answering(httpx2.Response(status, text=body))
    with pytest.raises(OutcomeUnknown):
        MastodonAdapter(http, CONFIG).finalize(CRED, JOB, Staged())


# HTML


MASTODON_LINK = (
    '<a href="https://example.com/a/very/long/path?x=1&amp;y=2" target="_blank" rel="nofollow noopener">'
    '<span class="invisible">https://</span><span class="ellipsis">example.com/a/very/long</span>'
    '<span class="invisible">/path?x=1&amp;y=2</span></a>'
)
MASTODON_MENTION = (
    '<span class="h-card"><a href="https://o.example/@bob" class="u-url mention">@<span>bob</span></a></span>'
)
HTML_CASES = [
    ("<p>one<br />two</p><p>three</p>", "one\ntwo\n\nthree"),
    ("<p>1 &lt; 2 &amp; 3</p>", "1 < 2 & 3"),
    (f"<p>see {MASTODON_LINK}</p>", "see https://example.com/a/very/long/path?x=1&y=2"),
    (f"<p>hi {MASTODON_MENTION}!</p>", "hi @bob@o.example!"),
    ('<p><a href="https://m.example/tags/x" class="mention hashtag">#<span>x</span></a></p>', "#x"),
    ('<p><a href="https://evil.example/">https://good.example/</a></p>', "https://evil.example/"),
    (
        '<p><a href="https://xn--bcher-kva.example/a%20b">https://bücher.example/a b</a></p>',
        "https://bücher.example/a b",
    ),
    ("plain text\nwith a line", "plain text\nwith a line"),
    ('<p>open <a href="https://example.org">https://example.org', "open https://example.org"),
]


@pytest.mark.parametrize(("html", "text"), HTML_CASES)
def test_the_html_of_a_status_becomes_its_text(html: str, text: str) -> None:
    mentions = [{"url": "https://o.example/@bob", "acct": "bob@o.example"}]
    assert html_to_text(html, mentions) == text


@given(st.text(max_size=200))
def test_any_html_is_read_without_an_error(html: str) -> None:
    assert isinstance(html_to_text("<p>" + html), str)


@pytest.mark.parametrize(
    ("with_host", "without"),
    [
        ("hi @bob@example.social!", "hi @bob!"),
        ("@bob@127.0.0.1:8011 x", "@bob x"),
        ("mail bob@example.com", "mail bob@example.com"),
        ("https://m.example/@bob@o.example", "https://m.example/@bob@o.example"),
        ("@bob", "@bob"),
    ],
)
def test_mentions_lose_their_server_and_nothing_else_does(with_host: str, without: str) -> None:
    assert without_hosts(with_host) == without
