"""What a logged-out reader sees: on the sandbox's pages, and on written replies of walls, blocks and shells."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import RemoteMedia
from postprober.http import HttpClient, Pools
from postprober.probe.base import Look, Verdict
from postprober.probe.compare import compare
from postprober.probe.page import read_page, text_from_metas
from postprober.probe.public import look
from postprober.sandbox.serve import SandboxServer

TEXT = "Grüße 日本語 🎉 <b> & see https://example.com/a?b=1&c=2 #launch\n\nsecond line"
ON_SANDBOX = [Platform.X, Platform.LINKEDIN, Platform.MASTODON, Platform.BLUESKY]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def http() -> Iterator[HttpClient]:
    pools = Pools(allow_private=True, timeout=5)
    yield HttpClient(pools)
    pools.close()


def post_to(sandbox: SandboxServer, platform: Platform, text: str = TEXT) -> dict[str, str]:
    """Publish straight over the platform's own API; the sandbox's truth about the post comes back."""
    name = f"u{uuid.uuid4().hex[:10]}"
    account = sandbox.control.account(platform.value, name)
    base = f"{sandbox.url}/{platform.value}"
    headers = {"Authorization": f"Bearer {account['access_token']}"}
    record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-03-02T09:00:00.000Z"}
    linkedin = {
        "author": f"urn:li:person:{account['id']}", "commentary": text.replace("<", "\\<").replace(">", "\\>"),
        "visibility": "PUBLIC", "lifecycleState": "PUBLISHED",
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
    }  # fmt: skip
    path, body = {
        Platform.X: ("/2/tweets", {"text": text}),
        Platform.LINKEDIN: ("/rest/posts", linkedin),
        Platform.MASTODON: ("/api/v1/statuses", {"status": text, "visibility": "public"}),
        Platform.BLUESKY: ("/xrpc/com.atproto.repo.createRecord", {
            "repo": account["id"], "collection": "app.bsky.feed.post", "record": record,
        }),
    }[platform]  # fmt: skip
    headers |= {"Linkedin-Version": "202607", "X-Restli-Protocol-Version": "2.0.0"}
    answer = httpx2.post(base + path, json=body, headers=headers, trust_env=False)
    assert answer.status_code in (200, 201), answer.text
    (truth,) = sandbox.control.posts(platform.value, name)
    return truth | {"author": name}


def looked_at(sandbox: SandboxServer, http: HttpClient, platform: Platform, truth: dict[str, str]) -> Look:
    base = f"{sandbox.url}/{platform.value}"
    return look(
        http, platform, PlatformConfig(platform, base, base), url=truth["url"], remote_id=truth["id"],
        instance=base, author=truth["author"],
    )  # fmt: skip


@pytest.mark.parametrize("platform", ON_SANDBOX)
def test_a_public_post_is_found_and_reads_as_sent(sandbox: SandboxServer, http: HttpClient, platform: Platform) -> None:
    seen = looked_at(sandbox, http, platform, post_to(sandbox, platform))
    assert seen.verdict is Verdict.FOUND, seen
    assert compare(TEXT, (), seen).matches is True, seen
    assert compare(TEXT.replace("second", "third"), (), seen).matches is False
    assert seen.media == () and seen.http_status == 200 and seen.reason


@pytest.mark.parametrize("platform", ON_SANDBOX)
def test_a_deleted_or_hidden_post_is_gone(sandbox: SandboxServer, http: HttpClient, platform: Platform) -> None:
    truth = post_to(sandbox, platform)
    sandbox.control.hide_post(platform.value, truth["id"])
    assert looked_at(sandbox, http, platform, truth).verdict is Verdict.GONE
    sandbox.control.unhide_post(platform.value, truth["id"])
    assert looked_at(sandbox, http, platform, truth).verdict is Verdict.FOUND
    sandbox.control.delete_post(platform.value, truth["id"])
    assert looked_at(sandbox, http, platform, truth).verdict is Verdict.GONE


@pytest.mark.parametrize("platform", ON_SANDBOX)
def test_an_edit_behind_the_authors_back_is_seen(sandbox: SandboxServer, http: HttpClient, platform: Platform) -> None:
    truth = post_to(sandbox, platform)
    sandbox.control.edit_post(platform.value, truth["id"], "Something else entirely")
    assert compare(TEXT, (), looked_at(sandbox, http, platform, truth)).matches is False


@pytest.mark.parametrize("kind", ["error_before_accept", "html_error", "rate_limited"])
@pytest.mark.parametrize("platform", ON_SANDBOX)
def test_a_page_in_trouble_never_reads_as_gone(
    sandbox: SandboxServer, http: HttpClient, platform: Platform, kind: str
) -> None:
    truth = post_to(sandbox, platform)
    sandbox.control.fault(platform.value, kind, operation="any", times=0)
    try:
        verdict = looked_at(sandbox, http, platform, truth).verdict
    finally:
        sandbox.control.clear_faults()
    assert verdict in (Verdict.UNSURE, Verdict.BLOCKED)


def test_the_pictures_of_a_page_come_with_their_descriptions(sandbox: SandboxServer, http: HttpClient) -> None:
    account = sandbox.control.account("mastodon", "painter")
    base, headers = f"{sandbox.url}/mastodon", {"Authorization": f"Bearer {account['access_token']}"}
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "blue").save(buffer, "PNG")
    files = {"file": ("a.png", buffer.getvalue(), "image/png")}
    sent = httpx2.post(
        f"{base}/api/v2/media", headers=headers, files=files, data={"description": "Blue"}, trust_env=False
    )
    status = {"status": "paint", "media_ids": [sent.json()["id"]], "visibility": "public"}
    assert httpx2.post(f"{base}/api/v1/statuses", headers=headers, json=status, trust_env=False).status_code == 200
    (truth,) = sandbox.control.posts("mastodon", "painter")
    page = read_page(httpx2.get(truth["url"], trust_env=False).text)
    assert page.articles[0].media == [RemoteMedia("image", "Blue")]
    assert looked_at(sandbox, http, Platform.MASTODON, truth | {"author": "painter"}).media == (
        RemoteMedia("image", "Blue"),
    )


# Written replies


def answering(*answers: httpx2.Response) -> HttpClient:
    queue = list(answers)

    def handle(request: httpx2.Request) -> httpx2.Response:
        return queue.pop(0) if len(queue) > 1 else queue[0]

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle)))


LINKEDIN = PlatformConfig(Platform.LINKEDIN, "https://api.linkedin.com", "https://www.linkedin.com")
URL = "https://www.linkedin.com/feed/update/urn:li:share:1"


def linkedin(*answers: httpx2.Response, author: str = "Ann") -> Look:
    return look(answering(*answers), Platform.LINKEDIN, LINKEDIN, url=URL, remote_id="urn:li:share:1", author=author)


def page(html: str, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, text=html, headers={"content-type": "text/html"})


def moved(target: str) -> httpx2.Response:
    return httpx2.Response(302, headers={"location": target})


PREVIEW = (
    f'<head><meta property="og:url" content="{URL}"><meta property="og:title" content="Ann on LinkedIn">'
    '<meta property="og:description" content="We are happy to announce &amp; so on, and…"></head>'
)
ARTICLE = '<article data-post-id="{}"><p class="text">hello</p></article>'
VERDICTS = [
    ("not found", [page("", 404)], Verdict.GONE),
    ("gone", [page("", 410)], Verdict.GONE),
    ("wall by redirect", [moved("https://www.linkedin.com/authwall?trk=x")], Verdict.LOGIN_WALL),
    ("login by redirect", [moved("/uas/login?session_redirect=x")], Verdict.LOGIN_WALL),
    ("401", [page("", 401)], Verdict.LOGIN_WALL),
    ("password field", [page('<form><input type="password"></form>')], Verdict.LOGIN_WALL),
    ("999", [page("", 999)], Verdict.BLOCKED),
    ("403", [page("", 403)], Verdict.BLOCKED),
    ("429", [page("", 429)], Verdict.BLOCKED),
    ("503", [page("", 503)], Verdict.UNSURE),
    ("a shell of scripts", [page("<div id=app></div><script>x</script>")], Verdict.UNSURE),
    ("the site's own preview", [page('<meta property="og:description" content="1 billion members">')], Verdict.UNSURE),
    ("home by redirect", [moved("https://www.linkedin.com/")], Verdict.UNSURE),
    ("another host", [moved("https://elsewhere.example/feed")], Verdict.UNSURE),
    ("a circle", [moved("/a"), moved("/b")], Verdict.UNSURE),
    ("another post", [page(ARTICLE.format("urn:li:share:2"))], Verdict.UNSURE),
    ("the post", [page(ARTICLE.format("urn:li:share:1"))], Verdict.FOUND),
    ("the post after a redirect", [moved("/posts/x"), page(ARTICLE.format("urn:li:share:1"))], Verdict.FOUND),
    ("a preview", [page(PREVIEW)], Verdict.FOUND),
]


@pytest.mark.parametrize(("name", "answers", "verdict"), VERDICTS, ids=[row[0] for row in VERDICTS])
def test_only_a_clear_answer_counts(name: str, answers: list[httpx2.Response], verdict: Verdict) -> None:
    seen = linkedin(*answers)
    assert seen.verdict is verdict, seen
    assert (seen.text is not None) == (verdict is Verdict.FOUND)
    assert seen.reason and seen.url


def test_a_preview_counts_as_a_beginning() -> None:
    seen = linkedin(page(PREVIEW))
    assert seen.partial
    whole = "We are happy to announce & so on, and much more of that"
    assert compare(whole, (), seen).matches is True
    assert compare("We are sorry to announce & so on, and more", (), seen).matches is False


def test_an_unreachable_page_is_unsure() -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route")

    http = HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle)))
    for platform in Platform:
        config = PlatformConfig(platform, "https://a.example", "https://a.example")
        seen = look(
            http, platform, config, url="https://a.example/p/1", remote_id="at://did:plc:a/app.bsky.feed.post/3a"
        )
        assert seen.verdict is Verdict.UNSURE


def test_a_page_behind_a_guarded_address_is_unsure_and_not_opened() -> None:
    pools = Pools(allow_private=False)
    seen = look(HttpClient(pools), Platform.LINKEDIN, LINKEDIN, url="http://127.0.0.1:1/x", remote_id="urn:li:share:1")
    pools.close()
    assert seen.verdict is Verdict.UNSURE


def test_without_an_address_there_is_nothing_to_say() -> None:
    seen = look(answering(page("")), Platform.INSTAGRAM, LINKEDIN, url="", remote_id="1")
    assert seen.verdict is Verdict.UNSURE and seen.reason


X = PlatformConfig(Platform.X, "https://api.x.com", "https://x.com")
OEMBED = {
    "author_url": "https://x.com/ann",
    "html": '<blockquote class="twitter-tweet"><p lang="en" dir="ltr">Hello <a href="https://t.co/abc">https://t.co/abc</a>'
    '<br>more</p>&mdash; Ann (@ann) <a href="https://x.com/ann/status/5">March 2, 2026</a></blockquote>',
}


def test_x_is_read_by_oembed_when_its_page_is_a_shell() -> None:
    seen = look(
        answering(httpx2.Response(200, json=OEMBED), page("<noscript>JavaScript is not available.</noscript>")),
        Platform.X, X, url="https://x.com/ann/status/5", remote_id="5", author="ann",
    )  # fmt: skip
    assert seen.verdict is Verdict.FOUND and seen.author == "ann"
    assert compare("Hello https://example.com/long\nmore", (), seen, author="ann").matches is True
    assert compare("Hello https://example.com/long\nless", (), seen).matches is False


def test_x_says_gone_by_oembed() -> None:
    seen = look(
        answering(httpx2.Response(404, json={"errors": []})),
        Platform.X,
        X,
        url="https://x.com/a/status/5",
        remote_id="5",
    )
    assert seen.verdict is Verdict.GONE


def test_a_fediverse_server_that_asks_for_a_token_is_read_by_its_page() -> None:
    html = (
        '<meta property="og:description" content="Hello @bob &amp; all"><div class="e-content"><div>Hello '
        '<a>@bob@m.example</a> &amp; all<br><p><div><img src="x" alt="A box"></div></div></div>'
    )
    config = PlatformConfig(Platform.MASTODON, "https://m.example", "https://m.example")
    seen = look(
        answering(httpx2.Response(401), page(html)),
        Platform.MASTODON,
        config,
        url="https://m.example/a/p/1",
        remote_id="1",
    )
    assert seen.verdict is Verdict.FOUND and seen.media == (RemoteMedia("image", "A box"),)
    box = MediaFile(1, MediaKind.IMAGE, "image/png", 9, 1, 1, "0" * 64, "/nothing", alt="A box")
    assert compare("Hello @bob & all", (box,), seen).matches is True


METAS = [
    (
        {"og:description": '12 likes, 3 comments - ann on March 2, 2026: "A caption: with "quotes""'},
        'A caption: with "quotes"',
    ),
    ({"og:title": "Ann on Instagram: “Sun”"}, "Sun"),
    ({"og:description": "Attached: 1 image\n\nHello"}, "Hello"),
    ({"twitter:description": "Hi"}, "Hi"),
    ({}, None),
]


@pytest.mark.parametrize(("metas", "text"), METAS)
def test_the_text_is_found_in_preview_tags(metas: dict[str, str], text: str | None) -> None:
    assert text_from_metas(metas) == text


@settings(deadline=None)
@given(
    st.text(
        st.sampled_from("<>/!\"'=ap article data-post-id class text e-content meta img script &amp;[]-"), max_size=200
    )
)
def test_any_page_is_read_without_an_error(html: str) -> None:
    assert read_page(html).metas is not None
