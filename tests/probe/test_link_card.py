"""Reading pages of strangers for the card of a link: odd ones, and those that are made to do harm."""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from postprober.domain.card import MAX_DESCRIPTION, MAX_TITLE
from postprober.http import HttpClient, Pools
from postprober.probe import link_card
from postprober.probe.link_card import PICTURE_BYTES, PageCard, read, told_by
from postprober.security.urlguard import resolve
from tests.websites import Answer, Site, og, page, png, website

GOOD = og(title="Good", description="Well made")


@pytest.fixture
def site() -> Iterator[Site]:
    with website() as made:
        yield made


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """As in sandbox mode: this machine may be called."""
    pools = Pools(allow_private=True, timeout=5.0)
    yield HttpClient(pools)
    pools.close()


def host(site: Site) -> str:
    return site.url.removeprefix("http://").partition(":")[0]


def problem(site: Site, what: str) -> str:
    return f"No link card: {host(site)} {what}."


def answering(body: bytes, kind: str = "text/html; charset=utf-8", status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            if value:
                request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


# What pages say


@pytest.mark.parametrize(
    ("head", "title", "description"),
    [
        pytest.param(GOOD, "Good", "Well made", id="open graph"),
        pytest.param(
            '<meta name="twitter:title" content="T"><meta name="twitter:description" content="D">',
            "T",
            "D",
            id="twitter",
        ),
        pytest.param(
            '<title> Plain\n  title </title><meta name="description" content="Plain">',
            "Plain title",
            "Plain",
            id="html",
        ),
        pytest.param("<title>Page</title>" + GOOD, "Good", "Well made", id="open graph before html"),
        pytest.param('<META PROPERTY="OG:Title" CONTENT="Loud">', "Loud", "", id="capitals"),
        pytest.param("<meta content='Backwards' property='og:title' />", "Backwards", "", id="another order"),
        pytest.param(
            og(title="Tom &amp;amp; Jerry &#8211; &quot;live&quot;"), 'Tom &amp; Jerry – "live"', "", id="entities"
        ),
        pytest.param('<meta property="og:title" content="">' + "<title>Kept</title>", "Kept", "", id="empty tag"),
        pytest.param(og(title="first") + og(title="second"), "first", "", id="the first counts"),
        pytest.param("<title>Right</title><svg><title>Icon</title></svg>", "Right", "", id="title of an icon"),
        pytest.param("<svg><title>Icon</title></svg><title>Right</title>", "Right", "", id="icon before the title"),
        pytest.param(
            '<script>document.write(\'<meta property="og:title" content="Script">\')</script><title>Right</title>',
            "Right",
            "",
            id="tag in a script",
        ),
        pytest.param(
            '<!-- <meta property="og:title" content="Comment"> --><title>Right</title>', "Right", "", id="comment"
        ),
        pytest.param(
            '<template><meta property="og:title" content="Later"></template><title>Right</title>',
            "Right",
            "",
            id="template",
        ),
        pytest.param("<title>Cut off", "Cut off", "", id="title without an end"),
        pytest.param("<title>a\u202eb\u0007c\u200bd</title>", "abcd", "", id="control characters"),
        pytest.param("<title>👨‍👩‍👧 می‌خواهم</title>", "👨‍👩‍👧 می‌خواهم", "", id="joiners stay"),
    ],
)
def test_a_page_says_what_it_is_about(http: HttpClient, site: Site, head: str, title: str, description: str) -> None:
    site.html("/", head)
    assert read(http, f"{site.url}/") == PageCard(title, description)


def test_tags_in_the_body_count_where_the_head_has_none(http: HttpClient, site: Site) -> None:
    site.html("/", "<title>Head</title>", og(description="Body") + "<title>Other</title>")
    assert read(http, f"{site.url}/") == PageCard("Head", "Body")


def test_a_picture_without_words_is_called_after_its_host(http: HttpClient, site: Site) -> None:
    site.html("/", og(image=site.picture("/p.png")))
    found = read(http, f"{site.url}/")
    assert found.title == host(site) and found.picture is not None


def test_what_is_too_long_is_cut_to_its_bounds(http: HttpClient, site: Site) -> None:
    site.html("/", og(title="word " * 10_000, description="é" * 50_000))
    found = read(http, f"{site.url}/")
    assert len(found.title) <= MAX_TITLE and found.title.endswith("…") and found.title.startswith("word word")
    assert len(found.description) <= MAX_DESCRIPTION and found.description.endswith("…")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param("Zürich".encode("latin-1"), "text/html; charset=iso-8859-1", id="by the header"),
        pytest.param("Zürich".encode(), "text/html", id="nothing said"),
        pytest.param("Zürich".encode("cp1252"), "text/html", id="nothing said, and not UTF-8"),
        pytest.param("Zürich".encode("cp1252"), "text/html; charset=utf-8", id="the header is wrong"),
        pytest.param("Zürich".encode(), "text/html; charset=no-such-thing", id="unknown"),
        pytest.param("Zürich".encode(), "text/html; charset=zip", id="a codec that is no encoding"),
        pytest.param("Zürich".encode(), "text/html; charset=utf-7", id="an encoding that no page may have"),
        pytest.param(b"\xff\xfe" + "<title>Zürich</title>".encode("utf-16-le"), "text/html", id="byte order mark"),
    ],
)
def test_the_encoding_is_found_out(http: HttpClient, site: Site, body: bytes, kind: str) -> None:
    whole = body if body.startswith(b"\xff\xfe") else b"<title>" + body + b"</title>"
    site.pages["/"] = (kind, whole)
    assert read(http, f"{site.url}/").title == "Zürich"


@pytest.mark.parametrize(
    ("name", "words"),
    [("shift_jis", "日本語"), ("euc-kr", "한국어"), ("gb2312", "中文"), ("koi8-r", "Привет"), ("big5", "中文")],
)
def test_the_encoding_that_a_page_names_is_believed(http: HttpClient, site: Site, name: str, words: str) -> None:
    site.pages["/"] = ("text/html", f'<meta charset="{name}"><title>{words}</title>'.encode(name))
    assert read(http, f"{site.url}/").title == words


def test_an_encoding_in_which_harmless_bytes_are_markup_is_not_used(http: HttpClient, site: Site) -> None:
    hidden = (
        '<meta property="og:title" content="Hidden">'.encode("utf-7").replace(b"<", b"+ADw-").replace(b">", b"+AD4-")
    )
    site.pages["/"] = ("text/html; charset=utf-7", hidden + b"<title>Seen</title>")
    assert read(http, f"{site.url}/").title == "Seen"


# Where they are


@pytest.mark.parametrize(
    ("said", "base"),
    [
        ("picture.png", ""),
        ("/a/picture.png", ""),
        ("../a/picture.png", ""),
        ("picture.png", "/a/"),
        ("//{host}/a/picture.png", ""),
    ],
)
def test_the_address_of_a_picture_may_be_relative(http: HttpClient, site: Site, said: str, base: str) -> None:
    site.picture("/a/picture.png")
    where = "/deep/page" if base else "/a/page"
    base_tag = f'<base href="{base}">' if base else ""
    site.html(where, base_tag + og(title="Relative", image=said.format(host=site.url.removeprefix("http://"))))
    picture = read(http, site.url + where).picture
    assert picture is not None and (picture.width, picture.height) == (1200, 630)


def test_redirects_are_followed_and_pictures_are_relative_to_where_they_end(http: HttpClient, site: Site) -> None:
    site.html("/new/page", og(title="Moved", image="p.png"))
    site.redirect("/old", "/newer", 301)
    site.redirect("/newer", f"{site.url}/new/page", 308)
    site.picture("/elsewhere.png")
    site.redirect("/new/p.png", "/elsewhere.png")
    found = read(http, f"{site.url}/old#part")
    assert found.title == "Moved" and found.picture is not None
    assert site.asked["/old"] == 1, "the fragment stays here"


def test_oembed_fills_in_what_the_page_leaves_out(http: HttpClient, site: Site) -> None:
    site.pages["/o"] = (
        "application/json",
        f'{{"title": "Told", "thumbnail_url": "{site.picture("/p.png")}"}}'.encode(),
    )
    site.html("/", '<link rel="alternate" type="application/json+oembed" href="/o">')
    found = read(http, f"{site.url}/")
    assert found.title == "Told" and found.picture is not None


@pytest.mark.parametrize(
    "body",
    [b"[" * 50_000, b"null", b'{"title": {"a": 1}, "thumbnail_url": 5}', b"no json", b'{"title": "x"' + b" " * 200_000],
)
def test_an_odd_oembed_costs_nothing_but_itself(http: HttpClient, site: Site, body: bytes) -> None:
    site.pages["/o"] = ("application/json", body)
    site.html("/", '<title>Own</title><link type="application/json+oembed" href="/o">')
    assert read(http, f"{site.url}/") == PageCard("Own")
    assert site.asked["/o"] == 1


# What is no page, or does not let itself be read


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        pytest.param(answering(b"gone", status=404), "answered with status 404", id="404"),
        pytest.param(answering(b"", status=500), "answered with status 500", id="500"),
        pytest.param(answering(b"%PDF-1.7", "application/pdf"), "has no web page at this address", id="pdf"),
        pytest.param(answering(b"{}", "application/json"), "has no web page at this address", id="json"),
        pytest.param(answering(png(), "image/png"), "has no web page at this address", id="picture"),
        pytest.param(answering(b"", "text/html", 302, Location="/"), "leads on more than 5 times", id="circle"),
        pytest.param(
            answering(b"", "", 302, Location="javascript:alert(1)"),
            "leads to an address that is no web page",
            id="redirect to a script",
        ),
        pytest.param(
            answering(b"", "", 302, Location="file:///etc/passwd"),
            "leads to an address that is no web page",
            id="redirect to a file",
        ),
        pytest.param(
            answering(b"", "", 302, Location="http://user:word@127.0.0.1/"),
            "is at, or leads to, an address that is not called from here",
            id="redirect with a password",
        ),
        pytest.param(answering(b"x", Content_Encoding="br"), "could not be reached", id="packed in an unknown way"),
        pytest.param(answering(b"not packed", Content_Encoding="gzip"), "could not be reached", id="not packed at all"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(http: HttpClient, site: Site, answer: Answer, what: str) -> None:
    site.pages["/"] = answer
    assert read(http, f"{site.url}/").problem == problem(site, what)


def test_a_page_that_says_nothing_of_itself(http: HttpClient, site: Site) -> None:
    site.html("/", "", "<p>Words</p>")
    expected = f"No link card: the page on {host(site)} has no title, description or picture."
    assert read(http, f"{site.url}/").problem == expected


def test_nobody_listens_there(http: HttpClient, site: Site) -> None:
    found = read(http, "http://127.0.0.1:9/")
    assert found.problem == "No link card: 127.0.0.1 could not be reached." and found.passing


def test_a_server_that_leads_to_a_dead_one_is_not_the_silent_one(http: HttpClient, site: Site) -> None:
    dead = "http://127.0.0.1:9/"
    assert link_card.read(http, dead).silent, "the control"
    found = link_card.read(http, site.redirect("/short", dead))
    assert found.passing and not found.silent


def test_a_circle_of_two_ends(http: HttpClient, site: Site) -> None:
    site.redirect("/a", "/b")
    site.redirect("/b", "/a")
    assert read(http, f"{site.url}/a").problem == problem(site, "leads on more than 5 times")
    assert site.asked.total() == 6


INSIDE = (
    "https://127.0.0.1",
    "https://localhost",
    "https://2130706433",
    "https://0x7f.1",
    "https://inside.example",
    "http://127.0.0.1",
)
WAYS = ("itself", "redirect", "picture", "oembed")


def _looked_up(names: frozenset[str]) -> Callable[..., str]:
    """`resolve`, where these names are looked up as this machine's address. `public.example` stands for the rest of the
    world."""

    def here(name: str, port: int, *, allow_private: bool) -> str:
        if name == "public.example":
            return "127.0.0.1"
        return resolve("127.0.0.1" if name in names else name, port, allow_private=allow_private)

    return here


def _led_to(target: str, by: str, site: Site) -> str:
    """The address from which one is led to the target in this way."""
    where = site.url.replace("127.0.0.1", "public.example") + "/page"
    if by == "redirect":
        site.redirect("/page", target)
    elif by == "picture":
        site.html("/page", og(title="Bait", image=target))
    elif by == "oembed":
        site.html("/page", f'<title>Bait</title><link type="application/json+oembed" href="{target}">')
    return target if by == "itself" else where


def _live(monkeypatch: pytest.MonkeyPatch, *trusted: str) -> HttpClient:
    """As in live mode, where plain HTTP is spoken with named hosts only."""
    monkeypatch.setattr("postprober.http.resolve", _looked_up(frozenset({"inside.example"})))
    monkeypatch.setattr(HttpClient, "for_typed", lambda self: self)  # it would make pools that know no exception
    return HttpClient(Pools(allow_private=False, timeout=3.0, trusted_hosts=frozenset({"public.example", *trusted})))


@pytest.mark.parametrize("target", INSIDE)
@pytest.mark.parametrize("by", WAYS)
def test_nothing_inside_this_network_is_called(
    site: Site, target: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In live mode, whichever way a page leads there: by address, by name, by a name that is looked up as such an address."""
    with website() as inside:
        http = _live(monkeypatch)
        found = read(http, _led_to(f"{target}:{inside.url.rpartition(':')[2]}/secret", by, site))
        http.pools.close()
        assert inside.connections == 0
    if by in ("picture", "oembed"):
        assert found == PageCard("Bait"), "the page itself was read"
    else:
        assert found.problem and not found.title


@pytest.mark.parametrize("by", WAYS)
def test_the_control_where_it_is_allowed_it_is_called(site: Site, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with website() as inside:
        http = _live(monkeypatch, "inside.example")
        read(http, _led_to(f"https://inside.example:{inside.url.rpartition(':')[2]}/secret", by, site))
        http.pools.close()
        assert inside.connections == 1


def test_hosts_that_the_operator_named_for_something_else_are_no_exception(site: Site) -> None:
    site.html("/", og(title="Inside"))
    pools = Pools(allow_private=False, timeout=3.0, trusted_hosts=frozenset({"127.0.0.1"}))
    found = read(HttpClient(pools), f"{site.url}/")
    pools.close()
    assert found.problem == problem(site, "is at, or leads to, an address that is not called from here")
    assert not site.asked


def test_in_the_sandbox_nothing_leaves_this_machine() -> None:
    pools = Pools(allow_private=True, inside=True)
    found = read(HttpClient(pools), "https://www.iana.org/")
    pools.close()
    assert found.problem == (
        "No link card: www.iana.org is not called in sandbox mode, in which nothing leaves this machine."
    )


# Size and time


def test_a_huge_page_is_read_as_far_as_its_head(http: HttpClient, site: Site) -> None:
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        request.wfile.write(page(GOOD))
        while not site.over.is_set():
            request.wfile.write(b"<p>" + b"x" * 65_533)
            sent += 65_536

    site.pages["/"] = endless
    assert read(http, f"{site.url}/").title == "Good"
    assert sent < 20_000_000, "what the buffers of both sides hold, and not what it would send"


def test_a_picture_of_200_megabytes_is_left_alone(http: HttpClient, site: Site) -> None:
    def huge(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "image/png")
        request.send_header("Content-Length", str(200_000_000))
        request.end_headers()
        for _ in range(200):
            request.wfile.write(b"\x89PNG" + b"x" * 999_996)

    site.pages["/p"] = huge
    site.html("/", og(title="Big", image="/p"))
    began = time.monotonic()
    assert read(http, f"{site.url}/") == PageCard("Big")
    assert time.monotonic() - began < 2, "its length says enough"


@pytest.mark.parametrize("packed", [gzip.compress(GOOD.encode() + b" " * 500_000_000), b""], ids=["bomb", "small"])
def test_what_is_packed_is_unpacked_within_the_same_bound(http: HttpClient, site: Site, packed: bytes) -> None:
    site.pages["/"] = answering(packed or gzip.compress(page(GOOD)), Content_Encoding="gzip")
    assert read(http, f"{site.url}/").title == "Good"


@pytest.mark.parametrize("packed_picture", [gzip.compress(b"x" * 300_000_000)], ids=["bomb"])
def test_a_packed_picture_that_is_too_large_is_left_alone(http: HttpClient, site: Site, packed_picture: bytes) -> None:
    site.pages["/p"] = answering(packed_picture, "image/png", Content_Encoding="gzip")
    site.html("/", og(title="Packed", image="/p"))
    assert read(http, f"{site.url}/") == PageCard("Packed")


@pytest.mark.parametrize("what", ["nothing", "headers", "body", "picture"])
def test_a_slow_trickle_ends_with_the_time(http: HttpClient, site: Site, what: str) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        if what == "headers":
            request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        elif what != "nothing":
            request.send_response(200)
            request.send_header("Content-Type", "text/html")
            request.end_headers()
        while what != "nothing" and not site.over.wait(0.05):
            request.wfile.write(b"X: y\r\n" if what == "headers" else b"<")
        site.over.wait(20)

    site.pages["/p" if what == "picture" else "/"] = slow
    if what == "picture":
        site.html("/", og(title="Quick", image="/p"))
    began = time.monotonic()
    found = read(http, f"{site.url}/", seconds=0.6)
    assert time.monotonic() - began < 2.0
    if what == "picture":
        assert found == PageCard("Quick")
    else:
        assert found.problem == problem(site, "did not answer in time") and found.passing


def test_a_page_that_is_made_to_keep_the_reader_busy_does_not(http: HttpClient, site: Site) -> None:
    site.pages["/"] = ("text/html", b"<title>Busy</title>" + b"<!--" * 200_000 + b"<a " * 60_000)
    began = time.monotonic()
    assert read(http, f"{site.url}/").title == "Busy"
    assert time.monotonic() - began < 5


def test_a_page_of_a_million_tags_is_read_in_time(http: HttpClient, site: Site) -> None:
    site.pages["/"] = ("text/html", b"<title>Tags</title>" + b"<b>" * 330_000)
    began = time.monotonic()
    assert read(http, f"{site.url}/").title == "Tags"
    assert time.monotonic() - began < 3


# Pictures


def _animated() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (300, 200), colour) for colour in ("red", "green")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def _noise() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((2400, 2400), 200).convert("RGB").save(out, "JPEG", quality=95)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"<html>Not here</html>", "image/png", id="a page"),
        pytest.param(
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "image/svg+xml", id="svg"
        ),
        pytest.param(png()[:300], "image/png", id="cut off"),
        pytest.param(b"", "image/png", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 5000, "image/png", id="a picture at its beginning only"),
        pytest.param(b"\0\0\0\x18ftypmp42" + b"\0" * 500, "image/jpeg", id="a video"),
    ],
)
def test_a_picture_that_is_none_is_left_out(http: HttpClient, site: Site, content: bytes, kind: str) -> None:
    site.pages["/p"] = answering(content, kind)
    site.html("/", og(title="Words", image="/p"))
    assert read(http, f"{site.url}/") == PageCard("Words")
    assert site.asked["/p"] == 1


@pytest.mark.parametrize(
    "address",
    [
        "data:image/png;base64,iVBORw0KGgo=",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://127.0.0.1/p",
        "http://[::1",
        "//",
        "http://" + "a" * 5000,
    ],
)
def test_only_the_web_is_asked_for_pictures(http: HttpClient, site: Site, address: str) -> None:
    site.html("/", og(title="Words", image=address))
    assert read(http, f"{site.url}/") == PageCard("Words")


def test_a_bomb_of_pixels_is_not_decoded(http: HttpClient, site: Site) -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    site.picture("/p", out.getvalue())
    site.html("/", og(title="Bomb", image="/p"))
    assert read(http, f"{site.url}/") == PageCard("Bomb")


@pytest.mark.parametrize(
    "content", [_animated(), _noise(), png(40, 4000), png(3, 3)], ids=["moving", "noise", "tower", "dot"]
)
def test_every_picture_becomes_a_jpeg_that_each_platform_takes(http: HttpClient, site: Site, content: bytes) -> None:
    site.picture("/p", content)
    site.html("/", og(title="Small", image="/p"))
    picture = read(http, f"{site.url}/").picture
    assert picture is not None and len(picture.data) <= PICTURE_BYTES
    with Image.open(io.BytesIO(picture.data)) as opened:
        assert opened.format == "JPEG" and opened.size == (picture.width, picture.height)
        assert max(opened.size) <= link_card.SIDES[0] and not opened.getexif()


@given(st.text(max_size=400))
def test_no_text_makes_the_reader_fall(text: str) -> None:
    told_by(f"<title>{text}</title>{text}<meta property='og:title' content='{text}'>")
