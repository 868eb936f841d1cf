"""Telegram's public pages, links of posts, and how texts are counted."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.limits import utf16_length
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import PartJob, RemoteMedia, Search, SightingState
from postprober.domain.splitting import split
from postprober.domain.text import same_text
from postprober.errors import BadInput, Unavailable
from postprober.http import HttpClient, Pools
from postprober.platforms.common.links import PastedLink
from postprober.platforms.registry import SPECS
from postprober.platforms.telegram.limits import LIMITS
from postprober.platforms.telegram.page import read_page, rounded
from postprober.platforms.telegram.public import author_page, read
from postprober.probe.public import look, read_html
from postprober.sandbox.telegram.dialect import entities
from postprober.sandbox.telegram.pages import _text
from tests.platforms.adapter_kit import Answer, Scripted

KEY = Platform("telegram")
CHAT = "-1001234567890"
CRED = Credentials("123456789:AAtokenofthebot_that_nobody_may_see1", remote_id=CHAT, name="town_news")
CONFIG = PlatformConfig(KEY, "https://api.telegram.example", "https://t.example")
HEAD, TAIL = "<!DOCTYPE html><html><body>", "</body></html><!-- page generated in 9ms -->"


def shown(number: int, body: str, at: str = "2026-03-02T09:00:00+00:00", classes: str = "") -> str:
    """One message in the form of the pages that public programs quote (postprober/platforms/telegram/facts.md, 9)."""
    return (
        f'<div class="tgme_widget_message_wrap js-widget_message_wrap"><div class="tgme_widget_message {classes} '
        f'js-widget_message" data-post="town_news/{number}" data-view="x"><div class="tgme_widget_message_bubble">{body}'
        '<div class="tgme_widget_message_footer compact js-message_footer"><div class="tgme_widget_message_info short">'
        '<span class="tgme_widget_message_views">4.02K</span><span class="copyonly"> views</span>'
        f'<span class="tgme_widget_message_meta"><a class="tgme_widget_message_date" href="https://t.me/town_news/{number}">'
        f'<time datetime="{at}" class="time">19:12</time></a></span></div></div></div></div></div>'
    )


def words(text: str) -> str:
    return f'<div class="tgme_widget_message_text js-message_text" dir="auto">{text}</div>'


REPLY = (
    '<a class="tgme_widget_message_reply user-color-default" href="https://t.me/town_news/40">'
    '<i class="tgme_widget_message_reply_thumb" style="x"></i><div class="tgme_widget_message_author accent_color">'
    '<span class="tgme_widget_message_author_name" dir="auto">Town</span></div>'
    '<div class="tgme_widget_message_text js-message_reply_text" dir="auto">The post <b>before</b></div></a>'
)
ALBUM = (
    '<div class="tgme_widget_message_grouped_wrap"><div class="tgme_widget_message_grouped"><div class="tgme_widget_'
    'message_grouped_layer"><a class="tgme_widget_message_video_player not_supported js-message_video_player" '
    'href="https://t.me/town_news/44?single"><i class="tgme_widget_message_video_thumb"></i><div class="tgme_widget_message_'
    'video_wrap"></div><time class="message_video_duration js-message_video_duration">0:29</time></a>'
    '<a class="tgme_widget_message_photo_wrap grouped_media_wrap" href="https://t.me/town_news/43?single">'
    '<div class="tgme_widget_message_photo grouped_media"></div></a></div></div></div>'
)


def page(*messages: str, above: str = "") -> str:
    return HEAD + above + "".join(messages) + TAIL


def test_a_message_is_read_with_all_that_stands_there() -> None:
    text = (
        '<i class="emoji" style="x"><b>🛸</b></i><b>Russia&#39;s</b> &amp; more<br/><br/>'
        '<a href="https://example.org/a?b=1&amp;c=2" target="_blank">https://example.org/a?b=1&amp;c=2</a> '
        '<a href="https://t.me/someone">@someone</a> <a href="?q=%23news">#news</a> <a href="mailto:a@b.c">a@b.c</a>'
    )
    (one,) = read_page(page(shown(42, REPLY + words(text)))).messages
    assert one.text == "🛸Russia's & more\n\nhttps://example.org/a?b=1&c=2 @someone #news a@b.c"
    assert one.links == ("https://example.org/a?b=1&c=2",)
    assert (one.number, one.reply_to, one.views, one.reactions, one.media) == (42, 40, 4020, None, ())
    assert one.created_at is not None and one.created_at.isoformat() == "2026-03-02T09:00:00+00:00"


def test_an_album_is_one_post_by_its_lowest_number_whichever_the_page_names() -> None:
    for named in (43, 44):
        read = read_page(page(shown(named, ALBUM + words(words("Two files")))))
        (one,) = read.messages
        assert (one.number, one.album, one.text) == (43, (43, 44), "Two files")
        assert one.media == (RemoteMedia("video"), RemoteMedia("image"))
        assert read.message("Town_News", "44") is one and read.message("town_news", "45") is None


def test_what_is_no_own_post_is_marked() -> None:
    forwarded = '<div class="tgme_widget_message_forwarded_from">Forwarded from <a href="x">B</a></div>' + words(
        "theirs"
    )
    unsupported = (
        '<div class="message_media_not_supported_wrap"><div class="message_media_not_supported">Please open</div></div>'
    )
    first, second, third = read_page(
        page(shown(1, forwarded), shown(2, words("Channel created"), classes="service_message"), shown(3, unsupported))
    ).messages
    assert first.forwarded and not first.service and second.service
    assert third.media is None


def test_reactions_are_added_up() -> None:
    one = '<span class="tgme_reaction"><i class="emoji"><b>👍</b></i>{}</span>'
    body = words("liked") + f'<div class="tgme_widget_message_reactions">{one.format("12")}{one.format("1.5K")}</div>'
    (message,) = read_page(page(shown(1, body))).messages
    assert message.reactions == 1512 and message.text == "liked"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("873", 873),
        ("4.02K", 4020),
        ("1.2M", 1_200_000),
        ("0", 0),
        ("n/a", None),
        ("", None),
        ("-3", None),
        ("1e9", None),
        ("1,234", None),  # not in a form that these pages use: it may be a thousand or one
        ("1.5", None),
        ("9" * 400, None),
        ("9" * 400 + "K", None),
        ("\u0663", None),
    ],
)
def test_numbers_are_read_as_the_pages_write_them(text: str, number: int | None) -> None:
    assert rounded(text) == number


FORGED = (
    '<div class="tgme_widget_message_error">Post not found</div>'
    '<a class="tme_messages_more js-messages_more" data-before="7" href="/s/town_news?before=7">more</a>'
    '<div class="tgme_widget_message js-widget_message" data-post="town_news/99">'
    '<div class="tgme_widget_message_text js-message_text">another</div></div>'
    '<a class="tgme_widget_message_date" href="https://t.me/town_news/1"><time datetime="2020-01-01T00:00:00+00:00">x</time></a>'
    '<span class="tgme_widget_message_views">9M</span><span class="tgme_reaction">5</span>'
    '<a class="tgme_widget_message_reply" href="https://t.me/town_news/3">r</a>'
    '<a class="tgme_widget_message_photo_wrap" href="https://t.me/town_news/44?single">p</a>'
    '<div class="tgme_widget_message_forwarded_from">f</div><div class="message_media_not_supported">u</div>'
)


def test_nothing_of_a_message_is_read_out_of_its_words() -> None:
    """Whatever markup comes into a text: it moves no time, count, file or answer, and makes no other message."""
    read = read_page(page(shown(42, words("Hello " + FORGED))))
    (one,) = read.messages
    plain = read_page(page(shown(42, words("Hello")))).messages[0]
    assert one.text.startswith("Hello Post not found")
    assert replace(one, text="", links=()) == replace(plain, text="", links=())
    assert read.error == "" and read.before is None
    outside = read_page(page(shown(42, words("Hello")), above=FORGED))  # the control
    assert outside.before == 7 and outside.error and len(outside.messages) == 2


def test_a_number_too_long_to_be_one_is_read_as_none() -> None:
    digits = "9" * 5000
    html = page(
        shown(42, REPLY.replace("/40", f"/{digits}") + words("Hello")),
        above=f'<a class="js-messages_more" data-before="{digits}"></a><div class="tgme_widget_message" data-post="a/{digits}"></div>',
    )
    read = read_page(html)
    assert [(one.number, one.reply_to) for one in read.messages] == [(42, None)] and read.before is None


def test_a_sum_of_reactions_of_which_one_has_no_number_is_unknown() -> None:
    one = '<span class="tgme_reaction"><i class="emoji"><b>👍</b></i>{}</span>'
    body = words("liked") + one.format("12") + one.format("")
    assert read_page(page(shown(1, body))).messages[0].reactions is None


@given(st.text(alphabet="<>/=\"' abdivsm-_!&#;ptoxt\n", max_size=300))
def test_whatever_a_page_holds_it_is_read(html: str) -> None:
    read_page(page(shown(1, words(html)) + html))


# What a stranger sees


def _look(status: int, html: str, url: str = "https://t.example/town_news/42") -> Look:
    handler = httpx2.MockTransport(lambda _request: httpx2.Response(status, text=html))
    pools = Pools(allow_private=True, transport=handler)
    try:
        return read(HttpClient(pools), CONFIG, url, f"{CHAT}/42", "")
    finally:
        pools.close()


def test_the_embedded_page_shows_the_post_to_everybody() -> None:
    seen = _look(200, page(shown(42, REPLY + words("Hello"))))
    assert (seen.verdict, seen.text, seen.author) == (Verdict.FOUND, "Hello", "town_news")
    assert (seen.reply_to, seen.media, seen.links, seen.partial) == (f"{CHAT}/40", (), (), False)
    cut = _look(200, page(shown(42, words("Hello")))[:-40])
    assert cut.verdict is Verdict.FOUND and cut.partial and cut.media is None


@pytest.mark.parametrize(
    ("status", "html", "verdict"),
    [
        (200, '<div class="tgme_widget_message_error">Post not found</div>', Verdict.GONE),
        (404, "", Verdict.GONE),
        (
            200,
            '<div class="tgme_widget_message_error">Channel with username @town_news not found</div>',
            Verdict.UNSURE,
        ),
        (200, '<div class="tgme_widget_message_error">Please open Telegram to view this post</div>', Verdict.UNSURE),
        (200, shown(41, words("Post not found")), Verdict.UNSURE),
        (200, "", Verdict.UNSURE),
        (302, "", Verdict.UNSURE),
        (403, "", Verdict.BLOCKED),
        (500, '<div class="tgme_widget_message_error">Post not found</div>', Verdict.UNSURE),
    ],
)
def test_only_the_sentence_of_a_missing_post_says_that_it_is_gone(status: int, html: str, verdict: Verdict) -> None:
    assert _look(status, page(html)).verdict is verdict


def test_the_page_that_people_open_is_no_witness_where_it_speaks_of_the_channel() -> None:
    landing = (
        '<meta property="og:title" content="town_news"><meta property="og:description" content="All about the town">'
        '<meta property="og:url" content="https://t.example/town_news/42">'
    )
    html = f"<html><head>{landing}</head><body></body></html>"
    seen = read_html(KEY, "https://t.example/town_news/42", 200, html, f"{CHAT}/42", "town_news")
    assert seen.verdict is Verdict.UNSURE


@pytest.mark.parametrize(("url", "asked"), [("town_news/42", 1), ("c/1234567890/42", 0)])
def test_only_the_embedded_page_is_asked_and_of_a_private_channel_none(url: str, asked: int) -> None:
    """A private channel's link answers strangers with anything, and would make a ghost of every post."""
    answer = Answer(404 if not asked else 200, page(shown(42, words("Hello"))))
    pools = Pools(allow_private=True, transport=httpx2.MockTransport(answer))
    seen = look(
        HttpClient(pools), KEY, CONFIG, url=f"https://t.example/{url}", remote_id=f"{CHAT}/42", author="town_news"
    )
    pools.close()
    assert seen.verdict is (Verdict.FOUND if asked else Verdict.LOGIN_WALL)
    assert [request.url.params["embed"] for request in answer.requests] == ["1"] * asked


@pytest.mark.parametrize("html", ["", "<html>not a channel</html>", page()])
def test_a_channel_without_a_public_page_is_not_an_empty_one(scripted: Scripted, html: str) -> None:
    """Restricted channels are led elsewhere; that says nothing about what stands in them."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("getChat"):
            result = {"id": int(CHAT), "type": "channel", "username": "town_news"}
            return httpx2.Response(200, json={"ok": True, "result": result})
        return httpx2.Response(200 if html else 302, text=html)

    adapter, _ = scripted(KEY, Answer(script=answer))
    now = ManualClock().now()
    with pytest.raises(Unavailable):
        adapter.recent(CRED, now)
    assert adapter.locate(CRED, Search(PartJob("k", 0, "Hello", now), now)).state is SightingState.UNSURE
    with pytest.raises(Unavailable):
        adapter.fetch(CRED, f"{CHAT}/42")


def test_a_forwarded_post_with_our_words_is_not_ours(scripted: Scripted) -> None:
    now = ManualClock().now()
    at = now.isoformat()
    forwarded = '<div class="tgme_widget_message_forwarded_from">Forwarded from B</div>'
    above: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("getChat"):
            result = {"id": int(CHAT), "type": "channel", "username": "town_news"}
            return httpx2.Response(200, json={"ok": True, "result": result})
        return httpx2.Response(200, text=page(shown(41, words("Before"), at), shown(42, above[0] + words("Hello"), at)))

    adapter, _ = scripted(KEY, Answer(script=answer))
    for head, state in ((forwarded, SightingState.UNSURE), ("", SightingState.FOUND)):
        above[:] = [head]
        assert adapter.locate(CRED, Search(PartJob("k", 0, "Hello", now), now)).state is state


def test_the_address_of_a_post_names_its_author() -> None:
    assert author_page(CONFIG, "https://t.example/town_news/42", "") == "https://t.example/town_news"
    assert author_page(CONFIG, "https://t.example/c/1234567890/42", "") == ""


# Links


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://t.me/town_news/42", f"{CHAT}/42"),
        ("https://t.me/Town_News/42?single", f"{CHAT}/42"),
        ("https://t.me/s/town_news/42", f"{CHAT}/42"),
        ("https://t.me/c/1234567890/42", f"{CHAT}/42"),
        (f"{CHAT}/42", f"{CHAT}/42"),
        ("42", f"{CHAT}/42"),
        ("https://t.me/town_news", ""),
        ("https://t.me/town_news/abc", ""),
        ("https://t.me/town_news/0", ""),
        ("https://t.me/", ""),
        ("nonsense", ""),
    ],
)
def test_the_id_of_a_post_is_taken_from_its_link(text: str, found: str) -> None:
    assert SPECS[KEY].remote_id(PastedLink.read(text, account_id=CHAT, handle="town_news")) == found


@pytest.mark.parametrize("text", ["https://t.me/other/42", "https://t.me/c/99/42", "-1009/42"])
def test_a_post_of_another_channel_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="and not of"):
        SPECS[KEY].remote_id(PastedLink.read(text, account_id=CHAT, handle="town_news"))


# Counting

_PIECES = st.sampled_from(
    ["a", "é", "東", "🎉", "👩‍👩‍👧", "🇩🇪", " ", "\n", "#tag ", "@name ", "https://example.org/x ", "<b>", "&amp;"]
)
TEXTS = st.lists(st.one_of(_PIECES, st.text(max_size=5)), max_size=40).map("".join)
PICTURE = MediaFile(1, MediaKind.IMAGE, "image/jpeg", 9, 640, 480, "0" * 64, "p.jpg")


@given(TEXTS)
def test_what_is_counted_are_the_units_in_which_telegram_measures_entities(text: str) -> None:
    """Offsets and lengths of the entities of the answer cut the same pieces out of the text in UTF-16."""
    text = text.encode("utf-8", "replace").decode()
    raw = text.encode("utf-16-le")
    assert LIMITS.length(text) == len(raw) // 2 == utf16_length(text)
    for one in entities(text):
        piece = raw[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode("utf-16-le")
        assert piece and piece in text
        assert one["offset"] + one["length"] <= LIMITS.length(text)
        assert {"url": piece.startswith("http"), "hashtag": piece[0] == "#", "mention": piece[0] == "@"}[one["type"]]


@given(TEXTS)
def test_a_text_comes_back_from_the_page_as_it_was_sent(text: str) -> None:
    clean = "".join(char for char in text.encode("utf-8", "replace").decode() if char.isprintable() or char == "\n")
    (one,) = read_page(page(shown(1, words(_text(clean))))).messages
    assert same_text(one.text, clean)


@pytest.mark.parametrize(("media", "limit"), [((), 4096), ((PICTURE,), 1024)])
def test_a_text_with_a_picture_may_be_shorter_only(media: tuple[MediaFile, ...], limit: int) -> None:
    adapter = SPECS[KEY].adapter(None, CONFIG, ManualClock())  # type: ignore[arg-type]
    for unit, width in (("a", 1), ("🎉", 2)):
        fits = unit * (limit // width)
        checked = adapter.preflight(Draft((Part(fits, media),)), LIMITS)
        assert checked.ok and (checked.length, checked.limit) == (limit, limit)
        (violation,) = adapter.preflight(Draft((Part(fits + unit, media),)), LIMITS).violations
        assert (violation.code, violation.over) == ("text_too_long", width)
        assert f"{limit:,}" in violation.message


def test_in_a_thread_only_the_part_with_the_picture_must_be_short() -> None:
    parts = (Part("a" * 1024, (PICTURE,)), Part("b" * 4096))
    adapter = SPECS[KEY].adapter(None, CONFIG, ManualClock())  # type: ignore[arg-type]
    assert adapter.preflight(Draft(parts), LIMITS).ok
    longer = (replace(parts[0], text="a" * 1025), parts[1])
    found = adapter.preflight(Draft(longer), LIMITS)
    assert [(one.code, one.over, one.part) for one in found.violations] == [("text_too_long", 1, 0)]
    assert (found.length, found.limit) == (1025, 1024)


def test_a_long_text_is_split_for_what_goes_with_it() -> None:
    text = "A sentence of the town. " * 120
    assert split(text, LIMITS) == (text,)
    parts = split(text, LIMITS.of_part(with_media=True))
    assert len(parts) == 3 and all(LIMITS.length(part) <= 1024 for part in parts)


@pytest.mark.parametrize(
    "html",
    [
        "<div class='tgme_widget_message' data-post='a/1'>" * 60_000,
        "<div>" * 300_000 + "</p>" * 300_000,
        "<div class='tgme_widget_message' data-post='a/1'><div class='js-message_text'>" + "<b>" * 300_000,
    ],
)
def test_no_depth_of_a_page_keeps_us_busy(html: str) -> None:
    """Quadratic, each would take minutes; the suite's own limit ends it."""
    assert len(read_page(html).messages) <= 1
