"""What is shown is compared with what was sent: harmless changes are undone, real ones are seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from postprober.domain.card import CardPicture, LinkCard
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import Ref, RemoteCard, RemoteMedia, RemotePost
from postprober.domain.text import normalise, same_text
from postprober.probe.compare import compare

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=40)


def shown(
    text: str | None, *, partial: bool = False, media: tuple[RemoteMedia, ...] | None = None, author: str = ""
) -> Look:
    return Look(Verdict.FOUND, text, author or None, media, partial=partial)


def image(alt: str = "", kind: MediaKind = MediaKind.IMAGE) -> MediaFile:
    return MediaFile(1, kind, "image/png", 9, 1, 1, "0" * 64, "/nothing", alt=alt)


@settings(deadline=None)
@given(WORDS)
def test_the_same_text_always_matches(text: str) -> None:
    assert compare(text, (), shown(text)).matches is True
    assert compare(text, (), shown(f"  {text.replace(' ', '   ')}\n\n", partial=True)).matches is True


@settings(deadline=None)
@given(WORDS, WORDS)
def test_an_added_word_never_passes_as_the_same(text: str, more: str) -> None:
    assume(normalise(more) and normalise(text))
    longer = f"{text} and {more}"
    assume(not same_text(text, longer))
    assert compare(text, (), shown(longer)).matches is not True
    assert compare(longer, (), shown(text)).matches is not True, "shorter without a mark of cutting is a difference"


@settings(deadline=None)
@given(st.text("abcdefgh ijkl\n", min_size=60, max_size=200), st.integers(25, 50))
def test_a_beginning_with_a_mark_matches_and_says_so(text: str, length: int) -> None:
    whole = normalise(text)
    assume(len(whole) > length + 5 and len(whole[:length].split()[0:]) and len(" ".join(whole[:length].split())) >= 20)
    for mark in ("…", "...", " …"):
        result = compare(text, (), shown(whole[:length] + mark))
        assert result.matches is True and result.differences == ()
        assert any("beginning" in note for note in result.notes)
    assert compare(text, (), shown("Z" + whole[:length] + "…")).matches is False
    assert compare(text, (), shown(whole[:length], partial=True)).matches is True


def test_too_little_of_a_text_proves_nothing() -> None:
    result = compare("A long text that goes on and on for a while", (), shown("A lo…"))
    assert result.matches is None and result.notes
    assert compare("anything", (), shown(None)).matches is None


LINK = "https://www.example.com/a/very/long/path/that/goes/on?x=1&y=2"
SAME = [
    (f"see {LINK} now", "see https://t.co/AbC123 now"),
    (f"see {LINK} now", "see example.com/a/very/long/… now"),
    (f"see {LINK} now", "see www.example.com/a/very/long/path/that/goes/on?x=1&y=2 now"),
    (f"see {LINK} and https://b.example.org/x end", "see https://t.co/AbC123 and https://t.co/Zz9 end"),
    (f"{LINK} 日本語", "https://lnkd.in/eAbC-12 日本語"),
    ("hi @bob", "hi @bob@example.social"),
    ("hi @bob@example.social and @eve@other.example", "hi @bob and @eve"),
    ("a caption", "“a caption”"),
    ("one\n\ntwo", "one two".replace(" ", "\n")),
]


@pytest.mark.parametrize(("sent", "read"), SAME)
def test_what_platforms_change_on_the_way_is_undone(sent: str, read: str) -> None:
    result = compare(sent, (), shown(read))
    assert result.matches is True, result
    assert compare(f"x{sent}", (), shown(read)).matches is False


DIFFERENT = [
    (f"see {LINK} now", "see https://evil.example/a now"),
    (
        "see https://a.example.com/x and https://b.example.com/y",
        "see https://b.example.com/y and https://a.example.com/x",
    ),
    ("hi @bob", "hi @rob@example.social"),
    ("price 10", "price 100"),
    ("no", ""),
]


@pytest.mark.parametrize(("sent", "read"), DIFFERENT)
def test_a_real_difference_is_seen(sent: str, read: str) -> None:
    assert compare(sent, (), shown(read)).matches is False


def test_the_link_that_x_adds_for_media_is_no_difference_only_with_media() -> None:
    with_link = shown("look https://t.co/pic123", media=(RemoteMedia("image"),))
    assert compare("look", (image(),), with_link).matches is True
    assert compare("look", (), shown("look https://t.co/pic123")).matches is False
    assert compare("look", (image(),), shown("look pic.twitter.com/abc")).matches is True


def test_media_are_counted_and_their_kinds_and_descriptions_compared() -> None:
    two = (RemoteMedia("image", "a cat"), RemoteMedia("image", None))
    assert compare("x", (image("a cat"), image("a dog")), shown("x", media=two)).matches is True
    missing = compare("x", (image("a cat"), image("a dog")), shown("x", media=two[:1]))
    assert missing.matches is False and missing.differences == ("1 media are shown and 2 were sent.",)
    wrong = compare("x", (image("a bird"),), shown("x", media=two[:1]))
    assert wrong.differences == ("The alternative text of medium 1 differs from what was sent.",)
    gone = compare("x", (image("a bird"),), shown("x", media=(RemoteMedia("image", ""),)))
    assert gone.differences == ("The alternative text of medium 1 is missing.",)
    assert compare("x", (image(kind=MediaKind.GIF),), shown("x", media=(RemoteMedia("video"),))).matches is True
    assert compare("x", (image(),), shown("x", media=(RemoteMedia("video"),))).matches is False
    assert compare("x", (image(),), shown("x", media=None)).matches is True, "unknown media are no difference"
    assert compare("x", (), shown("x", media=(RemoteMedia("image"),))).matches is False


def test_the_author_must_be_the_right_one_where_it_is_known() -> None:
    assert compare("x", (), shown("x", author="@Alice"), author="alice@example.social").matches is True
    assert compare("x", (), shown("x"), author="alice").matches is True
    other = compare("x", (), shown("x", author="mallory"), author="alice")
    assert other.matches is False and other.differences == ("It is shown as by mallory and was sent by alice.",)
    post = RemotePost(Ref("1"), "x", None, author_id="did:plc:a", author_name="alice.test")
    assert compare("x", (), post, author="did:plc:a").matches is True
    assert compare("x", (), post, author="bob.test").matches is False


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.booleans())
def test_any_two_texts_can_be_compared(sent: str, read: str, partial: bool) -> None:
    result = compare(sent, (), shown(read, partial=partial))
    assert result.matches in (True, False, None)
    assert (result.matches is False) == bool(result.differences)


def _with_links(text: str, *links: str) -> RemotePost:
    return RemotePost(Ref("1"), text, None, links=links)


def test_a_link_that_leads_elsewhere_is_a_difference_though_the_text_is_the_same() -> None:
    text = "Read https://ja.wikipedia.org/wiki/日本語 today"
    cut = compare(text, (), _with_links(text, "https://ja.wikipedia.org/wiki/"))
    assert cut.matches is False and cut.differences == (
        "The link https://ja.wikipedia.org/wiki/日本語 leads to https://ja.wikipedia.org/wiki/.",
    )
    dead = compare(text, (), _with_links(text, "https://elsewhere.example/"))
    assert dead.differences == ("The link https://ja.wikipedia.org/wiki/日本語 cannot be followed there.",)
    encoded = "https://ja.wikipedia.org/wiki/%E6%97%A5%E6%9C%AC%E8%AA%9E"
    assert compare(text, (), _with_links(text, encoded)).matches is True


def test_where_links_lead_is_not_judged_where_it_is_not_told_or_hidden_by_a_shortener() -> None:
    text = "Read https://example.com/a today"
    assert compare(text, (), RemotePost(Ref("1"), text, None)).matches is True
    assert compare(text, (), _with_links(text, "https://t.co/abc123")).matches is True
    assert compare(text, (), Look(Verdict.FOUND, text, partial=True, links=())).matches is True


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("A *big* day, @ann@a.example", "A big day, @ann@a.example"),
        ("**Now** `x = 1` ~~old~~ _new_", "Now x = 1 old new"),
    ],
)
def test_marks_that_a_page_shows_as_formatting_are_no_difference_there(sent: str, shown: str) -> None:
    seen = compare(sent, (), Look(Verdict.FOUND, text=shown))
    assert seen.matches is True and seen.notes == ("Marks like * and _ are shown as formatting.",)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("3 * 4 * 5", "3 4 5"),
        ("snake_case_name", "snakecasename"),
        ("A *big* day", "A day"),
        ("Take <b>all</b>", "Take all"),
    ],
)
def test_what_is_no_mark_of_formatting_counts(sent: str, shown: str) -> None:
    assert compare(sent, (), Look(Verdict.FOUND, text=shown)).matches is False


def test_the_owners_copy_has_the_marks() -> None:
    assert compare("A *big* day", (), RemotePost(Ref("1"), "A big day", None)).matches is False


LINK = "https://example.com/story"
SENT = LinkCard(LINK, "A story", "About it", CardPicture("0" * 64, "image/jpeg", 2, 1, 9))
SEEN = RemoteCard(LINK, "A story", "About it", True)


@pytest.mark.parametrize(
    ("cards", "matches", "differences", "notes"),
    [
        ((SEEN,), True, (), ()),
        ((replace(SEEN, url="HTTPS://Example.com/story/"),), True, (), ()),
        ((replace(SEEN, title=" A  story "),), True, (), ()),
        ((), False, ("The link card is missing.",), ()),
        ((replace(SEEN, title="Another"),), False, ("The title of the link card differs from what was sent.",), ()),
        (
            (replace(SEEN, description="Other"),),
            False,
            ("The description of the link card differs from what was sent.",),
            (),
        ),
        ((replace(SEEN, description=""),), False, ("The description of the link card is missing.",), ()),
        ((replace(SEEN, picture=False),), False, ("The picture of the link card is missing.",), ()),
        (
            (replace(SEEN, url="https://evil.example/"),),
            False,
            (f"The link card leads to https://evil.example/ and was sent with {LINK}.",),
            (),
        ),
        (None, True, (), ("Whether the link card is shown could not be seen.",)),
        ((replace(SEEN, picture=None),), True, (), ("The picture of the link card could not be seen.",)),
        ((replace(SEEN, description=None),), True, (), ("The description of the link card could not be seen.",)),
    ],
)
def test_a_card_is_as_it_was_sent_or_differs_or_could_not_be_seen(
    cards: tuple[RemoteCard, ...] | None, matches: bool | None, differences: tuple[str, ...], notes: tuple[str, ...]
) -> None:
    read = RemotePost(Ref("1"), f"Read {LINK}", None, cards=cards)
    found = compare(f"Read {LINK}", (), read, card=SENT)
    assert (found.matches, found.differences, found.notes) == (matches, differences, notes)


def test_a_card_that_nobody_sent_is_noted_and_no_fault() -> None:
    found = compare("x", (), RemotePost(Ref("1"), "x", None, cards=(SEEN,)))
    assert found.matches is True and found.notes == ("A link card is shown that was not sent.",)


def test_another_text_stays_a_difference_where_the_card_could_not_be_seen() -> None:
    assert compare("x", (), RemotePost(Ref("1"), "y", None), card=SENT).matches is False


def test_a_card_without_a_picture_may_have_none_there() -> None:
    sent = replace(SENT, picture=None)
    assert (
        compare("x", (), RemotePost(Ref("1"), "x", None, cards=(replace(SEEN, picture=None),)), card=sent).matches
        is True
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://münchen.de/straße", "https://xn--mnchen-3ya.de/stra%C3%9Fe"),
        ("https://例え.jp/x", "https://xn--r8jz45g.jp/x"),
        ("https://faß.de/", "https://xn--fa-hia.de"),
        ("https://user@例え.jp:8080/x?a=é#ü", "https://user@xn--r8jz45g.jp:8080/x?a=%C3%A9#%C3%BC"),
        ("https://МОСКВА.рф/", "https://xn--80adxhks.xn--p1ai/"),
    ],
)
def test_a_link_that_is_read_back_in_punycode_is_the_same(written: str, read: str) -> None:
    sent = f"See {written} today"
    assert same_text(sent, f"See {read} today")
    post = RemotePost(ref=Ref("1"), text=f"See {read} today", created_at=None, media=(), links=(read,))
    assert compare(sent, (), post).matches is True
    other = read.replace("://", "://other.")
    assert not same_text(sent, f"See {other} today")
    assert compare(sent, (), replace(post, text=f"See {other} today", links=(other,))).matches is False


def test_a_page_cannot_tell_whether_a_picture_moves_and_its_owner_can() -> None:
    sent, still = image(kind=MediaKind.GIF), (RemoteMedia("image", may_move=True),)
    assert compare("A text that moves", (sent,), shown("A text that moves", media=still)).matches is True
    owner = RemotePost(Ref("1"), "A text that moves", None, media=(RemoteMedia("image"),))
    assert compare("A text that moves", (sent,), owner).differences == (
        "Medium 1 is shown as image and was sent as gif.",
    )
    assert not compare("A text", (image(),), shown("A text", media=(RemoteMedia("gif"),))).matches
