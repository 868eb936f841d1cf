"""Whatever the text: no suggestion breaks a platform's preflight or loses a link, mention, number or quote."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postprober.agent import rewrite, rewrite_guard, suggest
from postprober.agent.advisor import Advisor
from postprober.agent.best_time import best_window
from postprober.agent.brief import Brief, PastPost, Target
from postprober.agent.model_answers import Rewrite
from postprober.agent.review import review
from postprober.domain.platform import Platform, known
from postprober.domain.post import Draft, Part
from postprober.domain.preflight import check
from postprober.domain.text import find_urls
from postprober.platforms.registry import LIMITS
from tests.agent.agent_kit import NOW, Scripted, brief, picture, target

# Not our guard's own finders: plain patterns, so that a mistake in the guard cannot hide itself.
LINK = re.compile(r"https?://[^\s,]+[\w/]")
MENTION = re.compile(r"(?<!\w)@[A-Za-z]\w*(?:@[\w.-]+\w)?")
NUMBER = re.compile(r"(?<![\w/.@-])\d+(?![\w/.@-])")
WORDS = st.sampled_from(
    [
        "the",
        "bridge",
        "of",
        "Oslo",
        "is",
        "open",
        "since",
        "Monday",
        "and",
        "people",
        "cross",
        "every",
        "day",
        "while",
        "ferries",
        "rest",
        "in",
        "harbour",
    ]
)
PIECES = st.one_of(
    WORDS,
    st.sampled_from(
        ["https://example.org/a?b=1&utm_source=x", "https://example.com/é", "http://t.co/Ab1", "example.org"]
    ),
    st.sampled_from(
        ["@bob", "@ann@example.social", "@eve.bsky.social", "#open", "#Oslo2026", "$ABC", "bob@example.org"]
    ),
    st.sampled_from(
        ["300", "12.5 %", "1,000,000", "“so it is”", '"quoted words here"', "🎉", "👩‍👩‍👧", "日本語の文。", "Hi all,"]
    ),
    st.sampled_from([".", "!", "?", "\n\n", "\n", "…", "Why? "]),
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=12),
)
TEXTS = st.lists(PIECES, max_size=120).map(" ".join)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def facts(texts: Any) -> tuple[Counter[str], Counter[str], Counter[str]]:
    whole = "\n\n".join(texts)
    rest = MENTION.sub(" ", LINK.sub(" ", whole))
    return Counter(LINK.findall(whole)), Counter(MENTION.findall(whole)), Counter(NUMBER.findall(rest))


def fits(texts: Any, platform: Platform, about: Brief) -> bool:
    parts = tuple(Part(text, about.files if i == 0 else ()) for i, text in enumerate(texts))
    return check(Draft(parts), LIMITS[platform]).ok


def judge(about: Brief, suggestions: Any) -> int:
    """Check every suggestion; returns how many there were."""
    count = 0
    for s in suggestions:
        if s.kind in ("alt_text", "time") or not s.after:
            continue
        count += 1
        assert fits(s.after, Platform(s.platform), about), s
        assert facts(s.after) == facts(s.before), s
    return count


@QUICK
@given(text=TEXTS, platform=st.sampled_from(list(known())))
def test_no_suggestion_of_the_rules_breaks_a_limit_or_loses_anything(text: str, platform: Platform) -> None:
    about = brief(text, platform=platform, pictures=(picture(),))
    judge(about, suggest.suggestions(about))


def test_the_property_is_not_empty_there_are_suggestions_of_every_kind() -> None:
    """The positive control: texts for which the rules do propose something. They write no first lines: whether another
    one says the same is nothing that rules can know."""
    long = "The bridge of Oslo is open. " * 30 + "See https://example.org/a and thank @bob."
    kinds = set()
    for text, platform in (
        (long, Platform("x")),
        (long, Platform("bluesky")),
        ("Bridge news. " * 240 + "#open #bridge", Platform("linkedin")),
        ("Our harbour in Oslo is old. We love Oslo.", Platform("mastodon")),
        ("The old bridge over the river was closed for two years. " * 12, Platform("linkedin")),
    ):
        about = brief(text, platform=platform, pictures=(picture(),))
        made = suggest.suggestions(about)
        judge(about, made)
        kinds |= {s.kind for s in made if s.after}
    assert kinds == {"thread", "hashtags", "variant"}


def tags_of(text: str) -> str:
    made = [s for s in suggest.suggestions(brief(text, platform=Platform("linkedin"))) if s.kind == "hashtags"]
    return made[0].after[-1].rpartition("\n\n")[2] if made else ""


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("There is much about bridges there, and about bridges we know.", ""),  # English does not mark its nouns
        ("The city of Oslo is old. People love Oslo.", "#Oslo"),
        ("Wir mögen alte Brücken sehr. Auch neue Brücken sind schön.", "#Brücken"),
        ("We went to New York. We love New York.", ""),  # "York" names nothing
        ("See you on Monday. I mean next Monday.", ""),
        ("Wir danken Ihnen sehr. Und wir danken Ihnen noch einmal.", ""),
        ("An attack in Oslo. We think of Oslo.", ""),
        ("The city of Oslo is old. People love Oslo. #norway", ""),
    ],
)
def test_hashtags_are_names_that_the_text_repeats(text: str, tags: str) -> None:
    assert tags_of(text) == tags


def test_a_thread_comes_first_and_what_would_go_is_named_beside_it() -> None:
    text = "The bridge of Oslo is open again since Monday. " * 6 + "Thank you so much! Bring a lamp. #Oslo"
    made = [s for s in suggest.suggestions(brief(text, platform=Platform("bluesky"))) if s.kind != "time"]
    assert [s.kind for s in made] == ["thread", "variant"]
    assert made[0].dropped == () and "nothing is left out" in made[0].reason
    assert made[1].dropped == ("Thank you so much!", "#Oslo") and "everything left out is listed" in made[1].reason
    assert made[1].after[0].endswith("since Monday. Bring a lamp.")


@pytest.mark.parametrize(
    "sentence",
    [
        "Bring your cup.",
        "But we were glad.",
        "Only for members.",
        "It is at Mary's.",
        "See you on Monday.",
        "Contains nuts.",
        "Thank you for not smoking!",
        "Merci à Marie !",
        "お待ちしております。",
    ],
)
def test_rules_leave_out_no_sentence_that_says_something(sentence: str) -> None:
    limits = LIMITS[Platform("x")]
    text = "The bridge of Oslo is open again since Monday and so is the old one. " * 4 + sentence
    assert not rewrite.fits(text, limits) and rewrite.shorter(text, limits) is None


def test_a_platform_without_threads_gets_the_shorter_text_or_nothing() -> None:
    text = "The bridge of Oslo is open again since Monday. " * 63
    longer = f"{text}Bring a lamp, the new ones are not there yet. "
    assert not [s for s in suggest.suggestions(brief(longer, platform=Platform("linkedin"))) if s.kind != "time"]
    (made,) = [
        s
        for s in suggest.suggestions(brief(f"{text}{'Thank you so much! ' * 3}", platform=Platform("linkedin")))
        if s.kind not in ("time", "hashtags")
    ]
    assert (made.kind, set(made.dropped)) == ("variant", {"Thank you so much!"})


def test_grave_news_is_not_shortened() -> None:
    limits = LIMITS[Platform("x")]
    text = "Our friend Karl died in Oslo, the city that he loved more than any other. " * 4 + "Thank you so much!"
    assert rewrite.shorter(text.replace("died", "lives"), LIMITS[Platform("bluesky")]) is not None
    assert rewrite.shorter(text, LIMITS[Platform("bluesky")]) is None
    assert not rewrite.fits(text, limits)


def test_paragraphs_end_where_sentences_do() -> None:
    text = "Prof. Mary Whitcombe from St. John's opened the old bridge over the river on 3 May, a Sunday. " * 10
    (made,) = [
        s for s in suggest.suggestions(brief(text.strip(), platform=Platform("linkedin"))) if s.kind == "variant"
    ]
    assert made.after[0].split() == text.split() and "\n\n" in made.after[0]
    assert all(paragraph.endswith("a Sunday.") for paragraph in made.after[0].split("\n\n"))


@QUICK
@given(text=TEXTS, proposals=st.lists(TEXTS, min_size=1, max_size=4), platform=st.sampled_from(list(known())))
def test_no_suggestion_of_a_model_breaks_a_limit_or_loses_anything(
    text: str, proposals: list[str], platform: Platform
) -> None:
    rewrites = [
        Rewrite(target=0, kind="variant", texts=[p], reason="Better.", confidence=0.9) for p in (*proposals, text)
    ]
    about = brief(text, platform=platform, pictures=(picture(),))
    judge(about, Advisor(Scripted(rewrites=rewrites)).advise(about).suggestions)


@QUICK
@given(text=TEXTS, platform=st.sampled_from([Platform("x"), Platform("mastodon"), Platform("bluesky")]))
def test_a_thread_has_every_word_of_the_text_in_order(text: str, platform: Platform) -> None:
    limits = LIMITS[platform]
    parts = rewrite.split(text, limits)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(rewrite.fits(part, limits) for part in parts)


@QUICK
@given(text=TEXTS, platform=st.sampled_from(list(known())))
def test_a_shortened_text_only_loses_what_may_be_lost(text: str, platform: Platform) -> None:
    short = rewrite.shortened(text, LIMITS[platform])
    assert not rewrite_guard.problems([text], [short]) or short == text
    assert facts([short]) == facts([text])


@QUICK
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_cutting_links_never_adds_one_and_touches_nothing_else(texts: list[str]) -> None:
    cut = rewrite.cut_links(texts)
    assert len(cut) == len(texts)
    known = {span.text for text in texts for span in find_urls(text)}
    for span in (span for text in cut for span in find_urls(text)):
        assert span.text in known or any(rewrite_guard.without_tracking(link) == span.text for link in known)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Read https://example.org/a", "Read https://example.org/b"),
        ("Read https://example.org/a", "Read it"),
        ("Thanks @bob", "Thanks @rob"),
        ("Thanks @ann@example.social", "Thanks @ann@example.org"),
        ("It took 300 days", "It took 3000 days"),
        ("It took 300 days", "It took days"),
        ("He said “yes, now”", "He said “no, now”"),
        ("It is by Anna Berg", "It is by Bernd Berg"),
        ("It is by Anna Berg", "It is by her"),
        ("a new bridge", "a new bridge by Siemens"),
        ("a new bridge", "a new bridge #Siemens"),
        ("a new bridge", "a new bridge see evil.example"),
        ("a new bridge", "a new bridge hxxp://evil.example/x"),
        ("a new bridge", "a new bridge at 10.0.0.1"),
        ("a new bridge", "a new\u202e bridge"),
        ("Buy $ABC", "Buy $XYZ"),
        ("mail bob@example.org", "mail rob@example.org"),
    ],
)
def test_the_guard_refuses_what_is_not_in_the_original(before: str, after: str) -> None:
    assert rewrite_guard.problems([before], [after])
    assert not rewrite_guard.problems([before], [before])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Hello, our bridge is open. Why not visit?", "Why not visit? Hello, our bridge is open."),
        ("Our bridge in Oslo is open", "The bridge in Oslo is open"),
        ("bridges and bridges", "bridges and bridges #bridges"),
    ],
)
def test_the_guard_lets_harmless_rewrites_pass(before: str, after: str) -> None:
    assert rewrite_guard.problems([before], [after]) == ()


def past(count: int, hour: int, reached: int, spread: int = 1) -> tuple[PastPost, ...]:
    """Posts on as many days at `hour` o'clock UTC."""
    at = NOW.replace(hour=hour, minute=10)
    return tuple(PastPost(at - timedelta(days=day), reached + day % spread) for day in range(1, count + 1))


def said_of_times(*accounts: tuple[PastPost, ...], zone: str = "UTC") -> Any:
    targets = tuple(replace(target("Hello", past=posts), account_id=i) for i, posts in enumerate(accounts, 1))
    (said,) = [s for s in suggest.suggestions(Brief(targets, (), NOW, zone)) if s.kind == "time"]
    assert said.account_id is None
    return said


def test_a_time_needs_enough_posts_and_is_told_once_a_post() -> None:
    said = said_of_times(past(6, 18, 30), past(6, 7, 2))
    assert said.at is None and not said.acceptable and "not enough data yet: 12 of the 20" in said.reason


def test_a_time_is_told_with_its_hours_its_posts_and_the_persons_zone() -> None:
    said = said_of_times(past(12, 18, 30, 5) + past(14, 7, 2, 5))
    assert said.at == "2026-03-02T17:00:00.000Z"
    assert "between 17:00 and 19:00 (UTC)" in said.reason and "12 of 26 posts" in said.reason
    said = said_of_times(past(12, 18, 30, 5) + past(14, 7, 2, 5), zone="Asia/Tokyo")
    assert said.at == "2026-03-02T17:00:00.000Z" and "between 2:00 and 4:00 (Asia/Tokyo)" in said.reason


def test_accounts_of_different_size_are_compared_by_their_own_posts() -> None:
    """The small account posts in the evening, so that the large one's numbers say nothing about the hour."""
    large, small = past(15, 7, 5000, 7), past(15, 18, 3, 7)
    assert said_of_times(large, small).at is None
    assert (
        said_of_times(past(8, 7, 5000, 7) + past(8, 18, 9000, 7), past(8, 7, 1, 2) + past(8, 18, 30, 7)).at is not None
    )


def test_chance_seldom_makes_a_time() -> None:
    """Posts at random hours with random counts: a time is told for about one account in twenty at most."""
    lots = random.Random(7)
    told = sum(
        best_window(
            [[PastPost(NOW - timedelta(hours=lots.randrange(2000)), lots.randrange(50)) for _ in range(60)]], "UTC"
        )
        is not None
        for _ in range(200)
    )
    assert told <= 10 + 3 * 200**0.5 * 0.22


def test_a_picture_without_description_gets_a_reminder_whatever_its_name() -> None:
    for name in ("red-bicycle-in-the-rain_2024.jpg", "IMG_2031.jpg", "photo.png"):
        (said,) = [s for s in suggest.suggestions(brief("Look", pictures=(picture(name),))) if s.kind == "alt_text"]
        assert said.after == () and said.media_id == 5 and "no description" in said.reason
    described = brief("Look", pictures=(picture("red-bicycle.jpg", alt="A bicycle"),))
    assert not [s for s in suggest.suggestions(described) if s.kind == "alt_text"]


def test_a_target_that_fits_is_left_alone() -> None:
    plain = Target(1, Platform("x"), LIMITS[Platform("x")], ("Our bridge is open.",))
    made = suggest.suggestions(Brief((plain,), (), NOW))
    assert [s.kind for s in made] == ["time"]


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "\u201c",
        "{{",
        "[insert",
        "+",
        "-",
        "@a",
        "@a.",
        "a.",
        "a. ",
        "#a ",
        "eyJ-",
        "password:",
        "http://",
        "x@",
        '"',
        "1 ",
        "ab.cd ",
        "<insert",
        "Aa ",
        "sk-",
        "$",
    ],
)
def test_no_text_makes_the_agent_slow(piece: str) -> None:
    began = time.thread_time()  # what others do on the machine meanwhile does not count
    review(brief((piece * 100_000)[:100_000]))
    assert time.thread_time() - began < 3, "a review of the longest text that the API takes"
    began = time.thread_time()
    suggest.suggestions(brief((piece * 3_000)[:3_000], platform=Platform("linkedin")))
    assert time.thread_time() - began < 6


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("We do not close on Monday", "We do close on Monday"),
        ("That isn't true. We stay open.", "That is true. We stay open."),
        ("Wir schließen nicht", "Wir schließen"),
        ("Nous ne fermons pas", "Nous fermons"),
        ("No cerramos", "Cerramos"),
        ("閉店しません", "閉店します"),
        ("Only members may enter", "Members may enter"),
        ("Boil water before use", "Use water"),
        ("Come if it rains", "Come, it rains"),
        ("Opening in march", "Opening soon"),
        ("Opening in may in Oslo", "Opening in june in Oslo"),
        ("See you on friday", "See you"),
        ("Mary opens the bridge", "The bridge opens"),
        ("Anna thanks Bernd for it", "Bernd thanks Anna for it"),
        ("We beat @ann and @bob won 3 of 5", "We beat @ann and @bob won 5 of 3"),
        ("It was never closed", "It was closed"),
        ("Ajax beat Feyenoord", "Feyenoord beat Ajax"),
        ("Anna met Bernd. Bernd thanked Anna.", "Bernd met Anna. Anna thanked Bernd."),
        ("mary beat john", "john beat mary"),
        ("mary and john sing tonight", "john sings tonight"),
        ("Mary sings. Everybody loves Mary.", "Everybody loves Mary."),
        ("محمد فاز على علي", "علي فاز على محمد"),
        ("محمد يغني في القاهرة", "يغني في القاهرة"),
        ("田中さんが鈴木さんに勝った", "鈴木さんが田中さんに勝った"),
        ("See you tomorrow", "See you"),
        ("Wir öffnen im März", "Wir öffnen bald"),
        ("Aperto da lunedì", "Aperto"),
        ("It weighs 5 kg", "It weighs 5 pounds"),
        ("It costs €5", "It costs $5"),
        ("It costs 5 euros", "It costs 5 pounds"),
        ("All seats are free of charge", "Some seats are free of charge"),
        ("Most people came", "People came"),
        ("Few came", "Many came"),
        ("We won 3-1", "We lost 3-1"),
        ("The man bit the dog", "The dog bit the man"),
        ("He may have done it", "He has done it"),
        ("Niet voor kinderen", "Voor kinderen"),
        ("Только для членов клуба", "Для членов клуба"),
        ("会員のみ入場できます", "会員は入場できます"),
        ("五个人参加", "六个人参加"),
        ("Öppet bara för medlemmar", "Öppet för medlemmar"),
        ("Sadece üyelere", "Üyelere"),
        ("Havuz açılmayacak", "Havuz açılacak"),
        ("Maç oynanmıyor", "Maç oynanıyor"),
        ("הבריכה לא נסגרת", "הבריכה נסגרת"),
        ("The bridge is open. It is wet.", "It is wet. The bridge is open."),
        ("The bridge is open. But take care.", "But take care. The bridge is open."),
        ("It rained all day. Therefore we stayed. We sang.", "Therefore we stayed. It rained all day. We sang."),
        ("Oslo has a bridge. Anna left. Why did she leave?", "Why did she leave? Oslo has a bridge. Anna left."),
        ("Die Brücke ist offen. Sie ist nass. Kommt alle.", "Die Brücke ist offen. Kommt alle. Sie ist nass."),
    ],
)
def test_the_guard_refuses_a_changed_meaning(before: str, after: str) -> None:
    assert rewrite_guard.problems([before], [after])
    assert not rewrite_guard.problems([before], [before])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("We can't wait. The bridge is open.", "The bridge is open. We cannot wait."),
        ("Anna thanks Bernd. Oslo is open.", "Oslo is open. Anna thanks Bernd."),
        ("The bridge is open. But it is wet.", "The bridge is open. But it is very wet."),
        ("Our team has built a tool that finds links.", "Our team built a tool that finds links."),
        ("We're open. Today we open a bridge.", "We are open. We open a bridge today."),
    ],
)
def test_the_guard_lets_the_same_meaning_pass(before: str, after: str) -> None:
    assert rewrite_guard.problems([before], [after]) == ()


def test_what_goes_with_media_is_made_to_fit_the_shorter_limit() -> None:
    text = "The bridge of Oslo is open again today. " * 40
    platform = Platform("telegram")
    plain, pictured = brief(text, platform=platform), brief(text, platform=platform, pictures=(picture(),))
    assert len(text) > 1024
    assert not [one for one in suggest.suggestions(plain) if one.kind in ("thread", "variant")]
    (fitted,) = [one.after for one in suggest.suggestions(pictured) if one.kind == "thread"]
    assert max(map(len, fitted)) <= 1024
    assert check(Draft((Part(fitted[0], tuple(pictured.files)), *map(Part, fitted[1:]))), LIMITS[platform]).ok
