"""What a stranger gets of a post on a WordPress site, and what was typed coming back the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile
from postprober.domain.public_look import Look, Verdict
from postprober.domain.text import same_text
from postprober.domain.withheld import Withheld
from postprober.http import HttpClient, Pools
from postprober.platforms.wordpress import public, site
from postprober.platforms.wordpress.text import Placed, blocks, plain, read_content, read_plain
from postprober.probe.compare import compare
from postprober.probe.public import look
from tests.platforms.adapter_kit import Link, Linked

KEY = Platform("wordpress")
SITE = "https://blog.example"


@pytest.fixture
def blog(link: Link) -> Linked:
    return link(KEY)


def stranger(blog: Linked, number: str, url: str = "") -> Look:
    http = HttpClient(blog.pools)
    return look(http, KEY, blog.config, url=url, remote_id=number, author=blog.name)


def change(blog: Linked, number: str, **fields: Any) -> None:
    address = f"{blog.config.api_url}/wp-json/wp/v2/posts/{number}"
    assert httpx2.post(address, json=fields, headers=site.authorization(blog.cred)).status_code == 200


def test_a_public_post_is_proved_with_its_files_and_options(blog: Linked, photo: Callable[..., MediaFile]) -> None:
    file = photo("A <b>tick</b>")
    made = replace(blog.job("Hello 世界 https://example.org/x?a=1&b=2\n\nsecond", file), options={"title": "T & Q"})
    receipt = blog.publish(made)
    seen = stranger(blog, receipt.ref.remote_id, receipt.ref.url)
    assert seen.verdict is Verdict.FOUND and seen.final
    assert compare(made.text, (file,), seen, author=blog.name).matches
    assert seen.options["title"] == "T & Q" and "excerpt" not in seen.options
    assert compare("Other words", (file,), seen).matches is False, "the control"


def test_where_strangers_read_no_api_the_page_itself_is_read(blog: Linked) -> None:
    made = blog.job("First line\nsecond line\n\nhttps://example.org/x")
    receipt = blog.publish(made)
    blog.control.settings(rest_closed=True)
    try:
        seen = stranger(blog, receipt.ref.remote_id)
    finally:
        blog.control.settings(rest_closed=False)
    assert seen.verdict is Verdict.FOUND and seen.options == {}
    assert compare(made.text, (), seen).matches


def test_the_address_of_a_deleted_post_leads_to_another_one_and_that_is_no_proof(blog: Linked) -> None:
    first = blog.publish(replace(blog.job("The same beginning"), options={"slug": f"begins-{blog.name}"}))
    second = blog.publish(replace(blog.job("Another post"), options={"slug": f"begins-{blog.name}-2"}))
    blog.adapter.delete(blog.cred, first.ref.remote_id)
    led = httpx2.get(first.ref.url)
    assert led.status_code == 301 and led.headers["location"].endswith(f"begins-{blog.name}-2/"), "the control"
    seen = stranger(blog, first.ref.remote_id, first.ref.url)
    assert seen.verdict is Verdict.GONE
    assert stranger(blog, second.ref.remote_id).verdict is Verdict.FOUND


@pytest.mark.parametrize(
    ("fields", "verdict", "withheld"),
    [
        ({"status": "private"}, Verdict.GONE, None),
        ({"status": "pending"}, Verdict.GONE, None),
        ({"password": "open"}, Verdict.LOGIN_WALL, Withheld.PASSWORD),
    ],
)
def test_what_is_not_public_is_not_found(
    blog: Linked, fields: dict[str, str], verdict: Verdict, withheld: Withheld | None
) -> None:
    receipt = blog.publish(blog.job("Kept back"))
    change(blog, receipt.ref.remote_id, **fields)
    seen = stranger(blog, receipt.ref.remote_id, receipt.ref.url)
    assert (seen.verdict, seen.withheld) == (verdict, withheld)
    assert seen.text is None


def test_a_page_that_says_coming_soon_is_not_the_post_though_the_api_has_it(blog: Linked) -> None:
    receipt = blog.publish(blog.job("Behind the curtain"))
    blog.control.settings(site_closed=True)
    try:
        seen = stranger(blog, receipt.ref.remote_id)
    finally:
        blog.control.settings(site_closed=False)
    assert (seen.verdict, seen.withheld) == (Verdict.LOGIN_WALL, Withheld.CLOSED)
    assert stranger(blog, receipt.ref.remote_id).verdict is Verdict.FOUND, "the control"


def test_hidden_behind_our_back_and_maintenance(blog: Linked) -> None:
    receipt = blog.publish(blog.job("Now you see it"))
    blog.fault("error_before_accept", operation="public", params={"status": 503})
    assert stranger(blog, receipt.ref.remote_id).verdict is Verdict.UNSURE
    blog.control.hide_post("wordpress", receipt.ref.remote_id)
    assert stranger(blog, receipt.ref.remote_id).verdict is Verdict.GONE
    found = blog.adapter.fetch(blog.cred, receipt.ref.remote_id)
    assert found is not None and found.withheld is None, "the site says nothing of it, so it is a ghost"


# Written pages


def _page(number: str, body: str = "<p>Words</p>", *, marks: bool = True) -> str:
    classes = f"single postid-{number}" if marks else "single"
    return f'<html><body class="{classes}"><div class="entry-content">{body}</div></body></html>'


def _look(script: Callable[[httpx2.Request], httpx2.Response], number: str = "12") -> Look:
    pools = Pools(allow_private=True, transport=httpx2.MockTransport(script))
    try:
        return public.read(HttpClient(pools), PlatformConfig(KEY, "", ""), "", number, SITE)
    finally:
        pools.close()


def _answers(pages: dict[str, httpx2.Response]) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return pages.get(f"{request.url.path}?{request.url.query.decode()}".rstrip("?"), httpx2.Response(401, json={}))

    return answer


def test_a_redirect_to_the_page_of_another_number_is_no_proof() -> None:
    pages = {
        "/?p=12": httpx2.Response(301, headers={"location": f"{SITE}/near/"}),
        "/near/": httpx2.Response(200, html=_page("13")),
    }
    seen = _look(_answers(pages))
    assert seen.verdict is Verdict.UNSURE and "another one" in seen.reason
    pages["/near/"] = httpx2.Response(200, html=_page("12"))
    assert _look(_answers(pages)).text == "Words", "the control"


@pytest.mark.parametrize(
    "where",
    ["https://evil.example/near/", f"{SITE}/wp-login.php?redirect_to=x"],
)
def test_a_redirect_to_another_place_is_not_followed(where: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(302, headers={"location": where})

    seen = _look(answer)
    assert seen.verdict in (Verdict.UNSURE, Verdict.LOGIN_WALL) and set(asked) == {"blog.example"}


def test_a_circle_ends() -> None:
    seen = _look(_answers({"/?p=12": httpx2.Response(301, headers={"location": f"{SITE}/?p=12"})}))
    assert seen.verdict is Verdict.UNSURE and "circle" in seen.reason


def test_the_headers_name_the_post_where_a_theme_has_no_marks() -> None:
    short = {
        "link": f'<{SITE}/wp-json/wp/v2/posts/12>; rel="alternate"; type="application/json", <{SITE}/?p=12>; rel=shortlink'
    }
    pages = {"/?p=12": httpx2.Response(200, html=_page("", marks=False), headers=short)}
    assert _look(_answers(pages)).verdict is Verdict.FOUND
    pages["/?p=12"] = httpx2.Response(200, html=_page("", marks=False))
    assert _look(_answers(pages)).verdict is Verdict.UNSURE, "without them nobody says whose page it is"


def test_a_page_without_marks_that_has_the_words_is_the_post() -> None:
    row = {"id": 12, "content": {"rendered": "<p>Some words of it</p>", "protected": False}, "slug": "a", "link": SITE}
    api = {
        f"/?{name}": httpx2.Response(200, json=row)
        for name in ("rest_route=/wp/v2/posts/12&_embed=author%2Cwp%3Aterm%2Cwp%3Afeaturedmedia",)
    }
    shown = httpx2.Response(200, html="<html><body><main>Some words of it</main></body></html>")
    assert _look(_answers({**api, "/?p=12": shown})).verdict is Verdict.FOUND
    soon = httpx2.Response(200, html="<html><body>Launching soon</body></html>")
    assert _look(_answers({**api, "/?p=12": soon})).withheld is Withheld.CLOSED


_OF_12 = f'<{SITE}/wp-json/wp/v2/posts/12>; rel="alternate"; type="application/json", <{SITE}/?p=12>; rel=shortlink'


@pytest.mark.parametrize(
    ("page", "verdict", "withheld"),
    [
        (_page("12", "<p>For all.</p><aside>Advertisement</aside><p>And more.</p>"), Verdict.FOUND, None),
        (_page("12", "<p>For all.</p><p>Sign in to read on.</p>"), Verdict.UNSURE, None),
        (_page("12", "", marks=False), Verdict.LOGIN_WALL, Withheld.CLOSED),
        ("<html><body>Launching soon</body></html>", Verdict.LOGIN_WALL, Withheld.CLOSED),
    ],
    ids=["whole", "for members", "empty", "coming soon"],
)
@pytest.mark.parametrize("open_api", [True, False])
def test_the_api_and_the_headers_alone_prove_nothing_of_a_page_without_the_words(
    page: str, verdict: Verdict, withheld: Withheld | None, open_api: bool
) -> None:
    row = {"id": 12, "content": {"rendered": "<p>For all.</p>\n<p>And more.</p>"}, "slug": "a", "link": SITE}
    told = httpx2.Response(200, json=row) if open_api else httpx2.Response(401, json={})

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.startswith("/wp-json"):
            return told
        return httpx2.Response(200, html=page, headers={"link": _OF_12})

    seen = _look(answer)
    if open_api:
        assert (seen.verdict, seen.withheld) == (verdict, withheld)
    else:
        empty = "entry-content" not in page or "<p>" not in page
        assert seen.verdict is (Verdict.UNSURE if empty else Verdict.FOUND)
        assert seen.text == (None if empty else read_content(page).text), "what the page says, and nothing else"


def test_the_pieces_of_a_text_stand_on_the_page_in_their_order() -> None:
    row = {"id": 12, "content": {"rendered": "<p>One</p><p>Two</p><p>One</p>"}, "slug": "a", "link": SITE}

    def look(page: str) -> Verdict:
        def answer(request: httpx2.Request) -> httpx2.Response:
            return (
                httpx2.Response(200, json=row)
                if request.url.path.startswith("/wp-json")
                else httpx2.Response(200, html=page, headers={"link": _OF_12})
            )

        return _look(answer).verdict

    assert look(_page("12", "<p>One</p><hr><p>Two</p><p>Ad</p><p>One</p>")) is Verdict.FOUND
    assert look(_page("12", "<p>Two</p><p>One</p>")) is Verdict.UNSURE


@pytest.mark.parametrize("read", [read_plain, lambda html: read_content(html).text])
@pytest.mark.parametrize(
    "html", ["<" * 4_000_000, "<p>" + " " * 1_900_000 + "</p>", "<p>x" + " \t" * 900_000 + "y</p>"]
)
def test_no_answer_of_a_site_keeps_us_busy(read: Callable[[str], str], html: str) -> None:
    """Quadratic, each would take hours; the suite's own limit ends it."""
    assert len(read(html)) <= len(html)


def test_a_post_without_words_is_known_by_its_files_or_its_title() -> None:
    row = {"id": 12, "content": {"rendered": "<img src='/a.jpg'>"}, "title": {"rendered": "A &amp; B"}, "link": SITE}

    def look(page: str) -> Look:
        def answer(request: httpx2.Request) -> httpx2.Response:
            if request.url.path.startswith("/wp-json"):
                return httpx2.Response(200, json=row)
            return httpx2.Response(200, html=page, headers={"link": _OF_12})

        return _look(answer)

    assert look("<html><body><h1>A & B</h1></body></html>").verdict is Verdict.FOUND
    assert look("<html><body><img src='/a.jpg'></body></html>").verdict is Verdict.FOUND
    assert look("<html><body>Launching soon</body></html>").withheld is Withheld.CLOSED


def test_an_api_that_a_page_names_elsewhere_is_not_asked() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        link = '<https://evil.example/wp-json/wp/v2/posts/12>; rel="alternate"; type="application/json"'
        return httpx2.Response(200, html=_page("12"), headers={"link": link})

    assert _look(answer).verdict is Verdict.FOUND
    assert set(asked) == {"blog.example"}


def test_the_text_of_a_page_ends_where_its_element_ends() -> None:
    body = "<p>One</p><div><p>Two</p></div><script>no</script><figure><img src='a.gif' alt='x'><figcaption>c</figcaption></figure>"
    found = public.read_page(Pages.reply(_page("12", body) + "<footer><p>Not this</p></footer>"))
    content = read_content(found.content)
    assert content.text == "One\n\nTwo" and [one.kind for one in content.media] == ["gif"]


class Pages:
    @staticmethod
    def reply(html: str) -> Any:
        from postprober.http import Reply

        return Reply(200, {}, html.encode(), "r")


# What was typed comes back the same

NASTY = (
    'He said "hi" it\'s -- really --- ok... (tm) 9x9 7\'5" :) ;-) 8) :smile: Wordpress <b>bold</b> & &amp; &#8217; '
    "[gallery] [[x]] ``q`` \\n %20 <!-- wp:html --> <script>alert(1)</script> - dash -\n\nhttps://example.org/a?b=1&c=2\n\n"
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ\nline two https://iana.org/x_(y) end. 日本語 🎉 👩‍👩‍👧"
)


def test_nothing_that_wordpress_would_change_is_left_in_a_text() -> None:
    sent = blocks(NASTY)
    words = [piece for piece in sent.split("<") if not piece.startswith(("!--", "p>", "/", "a href", "br>"))]
    assert all(
        mark not in "".join(words) for mark in ('"', "'", "[", "--", "...", "``", "Wordpress", "9x9", " :", " ;-")
    )
    assert read_content(sent).text == NASTY


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_every_text_is_read_back_as_it_was_typed(text: str) -> None:
    assert same_text(read_content(blocks(text)).text, text)
    assert same_text(read_plain(plain(text)), text.strip())


@given(st.text(alphabet="ab <>&;#[]-.:)(x9'\"\n\\/", max_size=60))
@settings(max_examples=500, deadline=None)
def test_no_text_ends_a_block_or_begins_a_tag(text: str) -> None:
    sent = blocks(text, (Placed(3, "https://blog.example/a.jpg", "image", text),), "pp-1")
    assert sent.count("<!-- wp:image ") == 1 and sent.count("<img ") == 1
    assert read_content(sent).media[0].alt == text.replace("\r", "\n")


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_page_of_a_stranger_makes_it_fail(html: str) -> None:
    for body in (html, f'<div class="entry-content">{html}', f"<body class='postid-{html}'>{html}"):
        assert isinstance(public.read_page(Pages.reply(body)), public.SitePage)
