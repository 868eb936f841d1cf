"""What says the same as an earlier post of the account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postprober.domain.repeats import Earlier, alike, likeness, noted, refused
from postprober.platforms.linkedin.repeats import RULE as LINKEDIN
from postprober.platforms.x.repeats import RULE as X

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def live(*texts: str, ago: timedelta = HOUR, post_id: int = 7) -> Earlier:
    return Earlier(post_id, texts, NOW - ago, True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Our shop opens  today", "OUR SHOP\nopens today ", True),
        ("See https://Example.com/", "see example.com", True),
        ("See https://www.example.com/a", "See http://example.com/a", True),
        ("See https://münchen.de/ß", "See https://xn--mnchen-3ya.de/%C3%9F", True),
        ("Thanks @bob@example.social!", "Thanks @bob!", True),
        ("cafe\u0301\u200b", "café", True),
        ("Love ❤\ufe0f", "Love ❤", True),
        ("See https://example.com/a", "See https://example.com/b", False),
        ("See https://example.com/A", "See https://example.com/a?b", False),
        ("Thanks @bob", "Thanks @rob", False),
        ("One", "One!", False),
        ("", " ", True),
    ],
)
def test_texts_read_the_same_apart_from_how_they_are_written(one: str, other: str, same: bool) -> None:
    assert (likeness(one) == likeness(other)) is same


def test_the_newest_is_named_by_its_beginning_and_its_time() -> None:
    long = "Our new opening hours from Monday on: 9 to 17, and closed on Sundays."
    found = alike((long.upper(),), [live("Something else"), live(long, post_id=5), live(long, post_id=3)])
    assert found is not None and found.post_id == 5
    note = noted(found, "Europe/Berlin")
    assert (note.code, note.post_id) == ("same_text", 5)
    assert note.message == (
        'The same text is live since Mon 30 Nov 2026, 09:00 ("Our new opening hours from Monday on: 9 to 17, and…", post 5) '
        "on this account. Give this account a text of its own if that is not meant."
    )
    planned = Earlier(5, (long,), NOW, False)
    assert "is planned for Mon 30 Nov 2026, 10:00" in noted(planned, "Europe/Berlin").message
    assert alike(("", " "), [live("")]) is None, "pictures without words are alike to nobody"


@pytest.mark.parametrize(
    ("ago", "wrong"),
    [(timedelta(hours=11, minutes=59), True), (timedelta(hours=12), False), (-HOUR, True), (-13 * HOUR, False)],
)
def test_x_refuses_inside_its_window_before_and_after(ago: timedelta, wrong: bool) -> None:
    found = list(refused("X", X, ("Hello",), NOW, [live("Hello", ago=ago)], "UTC", with_media=False))
    assert bool(found) is wrong and all(v.code == "duplicate_text" for v in found)


def test_what_is_refused_says_why_and_when_it_would_be_taken() -> None:
    before = [live("Hello"), live("Hello", ago=10 * HOUR)]
    (one,) = refused("X", X, ("Hello",), NOW, before, "Europe/Berlin", with_media=False)
    assert one.message == (
        "Write another text for this account: X refuses the same one within about 12 hours, and it is live since "
        'Mon 30 Nov 2026, 09:00 ("Hello", post 7). Or choose a time after Mon 30 Nov 2026, 21:00.'
    )
    assert not list(refused("X", X, ("hello",), NOW, before, "UTC", with_media=False)), "it compares letter by letter"


def test_files_make_it_another_post_on_x_and_not_on_linkedin() -> None:
    assert not list(refused("X", X, ("Hello",), NOW, [live("Hello")], "UTC", with_media=True))
    assert list(refused("LinkedIn", LINKEDIN, ("Hello",), NOW, [live("Hello", ago=23 * HOUR)], "UTC", with_media=True))


def test_each_part_of_a_thread_is_a_post() -> None:
    (one,) = refused("X", X, ("New", "Read on: a.de"), NOW, [live("Old", "Read on: a.de")], "UTC", with_media=False)
    assert one.part == 1
    (one,) = refused("X", X, ("So", "Yes", "Yes"), NOW, [], "UTC", with_media=False)
    assert one.part == 2 and one.message == "Change part 3: X refuses it, because part 2 says the same."
    assert not list(refused("X", X, ("So", "", ""), NOW, [live("")], "UTC", with_media=True))
