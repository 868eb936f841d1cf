"""What a logged-out reader sees: on the sandbox's pages, and on written replies of walls, blocks and shells."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from difflib import SequenceMatcher

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from postprober.domain.platform import Platform, PlatformConfig, known
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import RemoteMedia
from postprober.http import HttpClient, Pools
from postprober.platforms.bluesky.record import facets
from postprober.platforms.mastodon.records import media as mastodon_media
from postprober.platforms.registry import SPECS
from postprober.probe import public
from postprober.probe.compare import compare
from postprober.probe.page import MOST_ENTRIES, Block, read_page, text_from_metas
from postprober.probe.public import look, look_at_author
from postprober.sandbox.serve import SandboxServer

TEXT = "Grüße 日本語 🎉 <b> & see https://example.com/a?b=1&c=2 #launch\n\nsecond line"
ON_SANDBOX = [Platform("x"), Platform("linkedin"), Platform("mastodon"), Platform("bluesky")]


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
    record = {
        "$type": "app.bsky.feed.post",
        "text": text,
        "createdAt": "2026-03-02T09:00:00.000Z",
        "facets": facets(text, lambda _: None),
    }
    linkedin = {
        "author": f"urn:li:person:{account['id']}",
        "commentary": text.replace("<", "\\<").replace(">", "\\>"),
        "visibility": "PUBLIC",
        "lifecycleState": "PUBLISHED",
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
    }
    path, body = {
        Platform("x"): ("/2/tweets", {"text": text}),
        Platform("linkedin"): ("/rest/posts", linkedin),
        Platform("mastodon"): ("/api/v1/statuses", {"status": text, "visibility": "public"}),
        Platform("bluesky"): (
            "/xrpc/com.atproto.repo.createRecord",
            {
                "repo": account["id"],
                "collection": "app.bsky.feed.post",
                "record": record,
            },
        ),
    }[platform]
    headers |= {"Linkedin-Version": "202607", "X-Restli-Protocol-Version": "2.0.0"}
    answer = httpx2.post(base + path, json=body, headers=headers, trust_env=False)
    assert answer.status_code in (200, 201), answer.text
    (truth,) = sandbox.control.posts(platform.value, name)
    return truth | {"author": name}


def looked_at(sandbox: SandboxServer, http: HttpClient, platform: Platform, truth: dict[str, str]) -> Look:
    base = f"{sandbox.url}/{platform.value}"
    return look(
        http,
        platform,
        PlatformConfig(platform, base, base),
        url=truth["url"],
        remote_id=truth["id"],
        instance=base,
        author=truth["author"],
    )


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
    assert looked_at(sandbox, http, Platform("mastodon"), truth | {"author": "painter"}).media == (
        RemoteMedia("image", "Blue"),
    )


# Written replies


def answering(*answers: httpx2.Response) -> HttpClient:
    queue = list(answers)

    def handle(request: httpx2.Request) -> httpx2.Response:
        return queue.pop(0) if len(queue) > 1 else queue[0]

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle)))


LINKEDIN = PlatformConfig(Platform("linkedin"), "https://api.linkedin.com", "https://www.linkedin.com")
URL = "https://www.linkedin.com/feed/update/urn:li:share:1"


def linkedin(*answers: httpx2.Response, author: str = "Ann") -> Look:
    return look(answering(*answers), Platform("linkedin"), LINKEDIN, url=URL, remote_id="urn:li:share:1", author=author)


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
    for platform in known():
        config = PlatformConfig(platform, "https://a.example", "https://a.example")
        seen = look(
            http, platform, config, url="https://a.example/p/1", remote_id="at://did:plc:a/app.bsky.feed.post/3a"
        )
        assert seen.verdict is Verdict.UNSURE


def test_a_page_behind_a_guarded_address_is_unsure_and_not_opened() -> None:
    pools = Pools(allow_private=False)
    seen = look(
        HttpClient(pools), Platform("linkedin"), LINKEDIN, url="http://127.0.0.1:1/x", remote_id="urn:li:share:1"
    )
    pools.close()
    assert seen.verdict is Verdict.UNSURE


FEDI = PlatformConfig(Platform("mastodon"), "https://m.example", "https://m.example")


def _mastodon_and_page(href: str, rest: str, text: str) -> Look:
    status = {"id": "1", "content": f'<p>Read <a href="{href}">{text}</a></p>', "media_attachments": []}
    html = f'<html><body><article data-post-id="1"><p class="text">Read {text}</p></article></body>{rest}'
    told = httpx2.Response(200, json=status)
    return look(answering(told, page(html)), Platform("mastodon"), FEDI, url="https://m.example/@a/1", remote_id="1")


@pytest.mark.parametrize("rest", ["</html>", ""], ids=["the whole page", "a page that was cut"])
def test_a_link_that_leads_elsewhere_is_seen_when_page_and_server_are_put_together(rest: str) -> None:
    link = "https://example.com/a"
    good = _mastodon_and_page(link, rest, link)
    assert good.links == (link,) and compare(f"Read {link}", (), good).matches is True
    evil = _mastodon_and_page("https://example.com/", rest, link)
    assert evil.links == ("https://example.com/",)
    assert compare(f"Read {link}", (), evil).matches is False


# Whatever a server answers, it is a look

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ODD = st.sampled_from([None, True, 5, 1.5, "x", [], [5], [None], {}]) | JSON


def _with(**known: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """An object with some of the known fields, each right or anything. A field named `id` is always right."""
    always = {name: kind for name, kind in known.items() if name == "id"}
    rest = {name: kind | ODD for name, kind in known.items() if name != "id"}
    return st.fixed_dictionaries(always, optional=rest)


URLS = st.sampled_from(["https://example.com/a", "https://a..b/x", "http://[x", ""])
MEDIA = _with(type=st.sampled_from(["image", "gifv"]), url=URLS, description=st.text(max_size=5))
STATUS = _with(
    id=st.just("1"),
    content=st.just("<p>Hello</p>"),
    mentions=st.lists(_with(url=URLS, acct=st.just("ann"))),
    media_attachments=st.lists(MEDIA, max_size=3),
    account=_with(acct=st.just("ann")),
    in_reply_to_id=st.just("2"),
)
OEMBED = _with(html=st.just("<p>Hello</p>"), author_url=URLS)
IMAGES = _with(**{"$type": st.just("app.bsky.embed.images"), "images": st.lists(_with(alt=st.just("a")))})
EMBED = IMAGES | _with(**{"$type": st.just("app.bsky.embed.recordWithMedia"), "media": IMAGES})
FACETS = st.lists(_with(features=st.lists(_with(uri=URLS), max_size=2)), max_size=2)
RECORD = _with(text=st.just("Hello"), embed=EMBED, facets=FACETS, reply=_with(parent=_with(uri=URLS)))
SERVED: dict[Platform, tuple[str, st.SearchStrategy[object]]] = {
    Platform("mastodon"): ("1", STATUS),
    Platform("x"): ("1", OEMBED),
    Platform("bluesky"): ("at://did:plc:a/app.bsky.feed.post/1", st.fixed_dictionaries({"value": RECORD})),
}


def _asked(platform: Platform, body: object, status: int = 200) -> Look:
    remote_id, _ = SERVED[platform]
    reply = httpx2.Response(status, content=json.dumps(body))
    config = PlatformConfig(platform, "https://m.example", "https://m.example")
    return look(answering(reply), platform, config, url="", remote_id=remote_id)


@pytest.mark.parametrize("platform", SERVED)
@settings(max_examples=300)
@given(data=st.data(), status=st.sampled_from([200, 404]))
def test_any_json_of_a_server_is_a_look(platform: Platform, data: st.DataObject, status: int) -> None:
    seen = _asked(platform, data.draw(SERVED[platform][1] | JSON), status)
    assert isinstance(seen, Look) and seen.author != "None"
    assert seen.media is None or all(isinstance(one.kind, str) for one in seen.media)


MALFORMED: list[tuple[Platform, object]] = [
    (Platform("mastodon"), {"id": "1", "content": "<p>Hello</p>", "mentions": 5}),
    (Platform("mastodon"), {"id": "1", "content": "<p>Hello</p>", "media_attachments": True}),
    (Platform("mastodon"), {"id": "1", "content": "<p>Hello</p>", "account": {"acct": None}}),
    (Platform("x"), {"html": "Hello", "author_url": None}),
    (Platform("bluesky"), {"value": {"text": "Hello", "facets": [{"features": 5}]}}),
    (Platform("bluesky"), {"value": {"text": "Hello", "embed": {"$type": "app.bsky.embed.images", "images": 5}}}),
    (Platform("bluesky"), {"value": {"text": "Hello", "embed": {"images": 5}}}),
    (Platform("bluesky"), {"value": {"text": "Hello", "reply": {"parent": 5}}}),
]


@pytest.mark.parametrize(("platform", "body"), MALFORMED)
def test_an_odd_field_does_not_hide_the_others(platform: Platform, body: object) -> None:
    seen = _asked(platform, body)
    assert (seen.verdict, seen.text, seen.author) == (Verdict.FOUND, "Hello", None)


def test_a_gif_that_a_server_calls_an_image_is_a_gif_for_a_stranger_too() -> None:
    item = {"type": "image", "url": "https://m.example/m/a.gif?v=2", "description": "Dancing"}
    seen = _asked(Platform("mastodon"), {"id": "1", "content": "", "media_attachments": [item]})
    assert seen.media == (RemoteMedia("gif", "Dancing"),)


def test_without_an_address_there_is_nothing_to_say() -> None:
    seen = look(answering(page("")), Platform("instagram"), LINKEDIN, url="", remote_id="1")
    assert seen.verdict is Verdict.UNSURE and seen.reason


X = PlatformConfig(Platform("x"), "https://api.x.com", "https://x.com")
OEMBED = {
    "author_url": "https://x.com/ann",
    "html": '<blockquote class="twitter-tweet"><p lang="en" dir="ltr">Hello <a href="https://t.co/abc">https://t.co/abc</a>'
    '<br>more</p>&mdash; Ann (@ann) <a href="https://x.com/ann/status/5">March 2, 2026</a></blockquote>',
}


def test_x_is_read_by_oembed_when_its_page_is_a_shell() -> None:
    seen = look(
        answering(httpx2.Response(200, json=OEMBED), page("<noscript>JavaScript is not available.</noscript>")),
        Platform("x"),
        X,
        url="https://x.com/ann/status/5",
        remote_id="5",
        author="ann",
    )
    assert seen.verdict is Verdict.FOUND and seen.author == "ann"
    assert compare("Hello https://example.com/long\nmore", (), seen, author="ann").matches is True
    assert compare("Hello https://example.com/long\nless", (), seen).matches is False


def test_x_says_gone_by_oembed() -> None:
    seen = look(
        answering(httpx2.Response(404, json={"errors": []})),
        Platform("x"),
        X,
        url="https://x.com/a/status/5",
        remote_id="5",
    )
    assert seen.verdict is Verdict.GONE


def test_a_fediverse_server_that_asks_for_a_token_is_read_by_its_page() -> None:
    html = (
        '<meta property="og:description" content="Hello @bob &amp; all"><div class="e-content"><div>Hello '
        '<a>@bob@m.example</a> &amp; all<br><p><div><img src="x" alt="A box"></div></div></div></html>'
    )
    config = PlatformConfig(Platform("mastodon"), "https://m.example", "https://m.example")
    seen = look(
        answering(httpx2.Response(401), page(html)),
        Platform("mastodon"),
        config,
        url="https://m.example/a/p/1",
        remote_id="1",
    )
    assert seen.verdict is Verdict.FOUND and seen.media == (RemoteMedia("image", "A box"),)
    box = MediaFile(1, MediaKind.IMAGE, "image/png", 9, 1, 1, "0" * 64, "/nothing", alt="A box")
    assert compare("Hello @bob & all", (box,), seen).matches is True


def _on_a_page(html: str, url: str = "https://m.example/a/p/1") -> Look:
    return look(answering(httpx2.Response(401), page(html)), Platform("mastodon"), FEDI, url=url, remote_id="1")


@pytest.mark.parametrize(
    "body",
    [
        '<div class="h-entry"><div class="e-content">Hello all</div><div class="attachments"><img src="x" alt="A box">'
        "</div></div>",
        '<div class="h-entry"><a href="/m/1"><img src="x" alt="A box"></a><div class="e-content">Hello all</div></div>',
        '<section><div class="e-content">Hello all</div><figure><img src="x" alt="A box"></figure></section>'
        '<aside><img src="y" alt="Something else"></aside>',
        '<div class="h-entry"><div class="p-author h-card"><img class="u-photo" src="me" alt="Ann"></div>'
        '<img class="snac-avatar" src="me" alt=""><div class="e-content">Hello all <img class="emoji" src="e"></div>'
        '<img src="x" alt="A box"></div><div class="h-entry"><div class="e-content">An answer</div><img src="z"></div>',
        # As snac writes it: the description in words, too, inside of the text's own element.
        '<div class="e-content snac-content"><div>Hello all<br><p><div class="snac-content-attachments"><a href="/s/x.png">'
        '<img src="x" alt="A box"></a><p class="snac-alt-text"><details><summary>Alt...</summary>A box</details></p></div>'
        "</div></div>",
    ],
)
def test_pictures_beside_the_text_are_the_posts_and_those_of_people_and_answers_are_not(body: str) -> None:
    metas = '<meta property="og:description" content="Hello all">'
    seen = _on_a_page(f"<html><head>{metas}</head><body>{body}</body></html>")
    assert seen.text == "Hello all" and seen.media == (RemoteMedia("image", "A box"),)
    box = MediaFile(1, MediaKind.IMAGE, "image/png", 9, 1, 1, "0" * 64, "/nothing", alt="A box")
    assert compare("Hello all", (box,), seen).matches is True
    assert compare("Hello all", (box, box), seen).matches is False, "the control: one of two is missing"


@pytest.mark.parametrize(
    "body",
    [
        '<body class="has-avatars h-card"><div class="h-entry">{}</div></body>',
        '<body class="avatar"><div class="h-entry">{}</div></body>',
        '<body><div class="h-entry with-avatar">{}</div></body>',
        '<body><div class="h-entry avatar">{}</div></body>',
        '<body><main class="h-card"><img src="me" alt="Ann"><div class="h-entry">{}</div></main></body>',
        '<body><div class="h-entry"><div class="no-avatar">{}</div></div></body>',
    ],
)
def test_only_what_is_marked_as_a_person_inside_of_the_entry_is_no_medium(body: str) -> None:
    post = '<div class="e-content">Hello all</div><img src="x" alt="A box">'
    for person in ("avatar", "AccountAvatar", "u-photo account__avatar", "h-card"):
        face = f'<span class="{person}"><img src="me" alt="Ann"></span>'
        seen = _on_a_page(f"<html>{body.format(face + post + face)}</html>")
        assert seen.text == "Hello all" and seen.media == (RemoteMedia("image", "A box"),), person


def test_a_page_of_thousands_of_entries_is_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Counting(SequenceMatcher[str]):
        def __init__(self, junk: None, a: str, b: str, autojunk: bool) -> None:
            made.append(b)
            super().__init__(junk, a, b, autojunk=autojunk)

    def never(self: Block, other: object) -> bool:
        raise AssertionError("entries are told apart by what they are, not by what they say")

    monkeypatch.setattr(public, "SequenceMatcher", Counting)
    monkeypatch.setattr(Block, "__eq__", never)
    metas = '<meta property="og:description" content="This is entry 7 of many">'
    entries = "".join(
        f'<div class="h-entry"><div class="e-content">{"This is" if n == 7 else "Not"} entry {n} of many</div>'
        f'<img src="x" alt="{n}"></div>'
        for n in range(5_000)
    )
    seen = _on_a_page(f"<html><head>{metas}</head><body>{entries}</body></html>")
    assert seen.text == "This is entry 7 of many" and seen.media == (RemoteMedia("image", "7"),)
    assert len(made) == MOST_ENTRIES
    page = read_page(entries)
    assert len(page.entries) == MOST_ENTRIES
    assert [one.alt for one in page.entries[-1].media] == [str(MOST_ENTRIES - 1)], (
        "what follows adds nothing to the last"
    )
    flat = '<div class="e-content">one</div><img src="x" alt="1">' * (MOST_ENTRIES + 5)
    assert len(read_page(f"<section>{flat}</section>").entries[-1].media) == 1


@pytest.mark.parametrize(
    ("preview", "text"),
    [("At 1045 we open", "At 10:30:45 we open"), ("A long one that is cut…", "A long one that is cut off in previews")],
)
def test_the_whole_text_on_the_page_goes_before_a_preview_that_shortens_or_rewrites_it(preview: str, text: str) -> None:
    thread = f'<div class="e-content">Something else</div><div class="e-content">{text}</div>'
    for body in (f'<div class="e-content">{text}</div>', thread):
        seen = _on_a_page(f'<html><meta property="og:description" content="{preview}"><body>{body}</body></html>')
        assert seen.text == text and not seen.partial
        assert compare(text, (), seen).matches is True


def test_a_thread_whose_preview_fits_nothing_on_the_page_is_judged_by_its_preview() -> None:
    body = '<div class="e-content">One</div><div class="e-content">Two</div>'
    seen = _on_a_page(
        f'<html><meta property="og:description" content="Completely other words"><body>{body}</body></html>'
    )
    assert seen.text == "Completely other words" and seen.partial


def test_a_gif_that_a_page_or_server_calls_an_image_is_what_was_sent() -> None:
    moving = MediaFile(1, MediaKind.GIF, "image/gif", 9, 1, 1, "0" * 64, "/nothing")
    body = '<div class="h-entry"><div class="e-content">Hello all</div><img src="/m/{name}"></div>'
    for name, fits in (("a.gif", True), ("a.gif?v=2", True), ("a.jpg", False)):
        seen = _on_a_page(f"<html><body>{body.format(name=name)}</body></html>")
        assert compare("Hello all", (moving,), seen).matches is fits, name
    assert mastodon_media({"type": "image", "url": "https://m.example/m/a.gif"}).kind == "gif"
    assert mastodon_media({"type": "image", "url": "https://m.example/m/a.png"}).kind == "image"


@pytest.mark.parametrize(
    "url", ["https://m.example/@ann/123", "https://m.example/@ann/statuses/01J", "https://m.example/@ann/posts/1/x?y=1"]
)
def test_an_authors_page_is_found_above_a_post_of_any_depth(url: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200 if request.url.path == "/@ann" else 404)

    http = HttpClient(Pools(transport=httpx2.MockTransport(answer)))
    verdict = look_at_author(http, Platform("mastodon"), FEDI, url=url, name="ann")
    assert (verdict, asked) == (Verdict.FOUND, ["https://m.example/@ann"])


METAS = [
    (
        "instagram",
        {"og:description": '12 likes, 3 comments - ann on March 2, 2026: "A caption: with "quotes""'},
        'A caption: with "quotes"',
    ),
    ("instagram", {"og:title": "Ann on Instagram: “Sun”"}, "Sun"),
    ("mastodon", {"og:description": "Attached: 1 image\n\nHello"}, "Hello"),
    # Elsewhere these words are the text.
    ("x", {"og:description": 'Seen on Instagram: "Sun"'}, 'Seen on Instagram: "Sun"'),
    ("instagram", {"og:description": "Attached: 1 image\n\nHello"}, "Attached: 1 image\n\nHello"),
    ("bluesky", {"twitter:description": "Hi"}, "Hi"),
    ("bluesky", {}, None),
]


@pytest.mark.parametrize(("platform", "metas", "text"), METAS)
def test_the_text_is_found_in_preview_tags(platform: str, metas: dict[str, str], text: str | None) -> None:
    told = text_from_metas(metas)
    assert (None if told is None else SPECS[Platform(platform)].preview_text(told)) == text


@settings(deadline=None)
@given(
    st.text(
        st.sampled_from("<>/!\"'=ap article data-post-id class text e-content meta img script &amp;[]-"), max_size=200
    )
)
def test_any_page_is_read_without_an_error(html: str) -> None:
    assert read_page(html).metas is not None
