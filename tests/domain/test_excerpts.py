"""When a shown text may be the beginning of a longer one."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.domain import excerpts
from postprober.domain.excerpts import LONGEST, MARKED, MOST_LINKS, UNMARKED, may_be_beginning
from postprober.domain.mentions import without_hosts
from postprober.domain.public_look import Look, Verdict
from postprober.platforms.mastodon.text import length as mastodon_length
from postprober.probe.compare import compare

LONG = "One hundred things that I learned while I built a bridge, see https://example.org/how-we-built-it and " * 4


@pytest.mark.parametrize(
    "shown",
    [
        LONG[:150],
        LONG[:150] + "…",
        LONG[:30] + "...",
        LONG[:30] + " […]",
        LONG[:65] + "…",
        LONG[:60] + "… https://t.co/AbCd123",
        LONG[:60] + " https://t.co/AbCd123",
        LONG[:60] + "… https://t.co/Ab…",
        LONG.replace("https://example.org/how-we-built-it", "https://t.co/AbCd123")[:200],
        LONG.replace("https://example.org/how-we-built-it", "https://t.co/AbCd123").strip(),
        LONG.replace("https://", "")[:150],
    ],
)
def test_a_cut_beginning_may_be_the_whole(shown: str) -> None:
    assert may_be_beginning(shown, LONG)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        LONG[:30],
        "Another post…",
        "Another post https://t.co/AbCd123",
        LONG + "and one more…",
        LONG[1:180],
        "…",
        "https://t.co/AbCd123",
        "https://t.co/AbCd123 https://t.co/Picture",
        "One… https://t.co/AbCd123",
    ],
)
def test_another_text_and_a_short_whole_one_are_no_beginning(shown: str) -> None:
    assert not may_be_beginning(shown, LONG)


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ("https://t.co/AbCd123", "https://example.org/how-we-built-it"),
        ("See https://t.co/AbCd123", "See https://example.org/how-we-built-it"),
        ("Hello https://t.co/Picture", "Hello"),
        ("https://t.co/Picture", ""),
    ],
)
def test_a_short_whole_text_with_its_links_shortened_may_be_the_whole(shown: str, sent: str) -> None:
    assert may_be_beginning(shown, sent)


def test_a_link_counts_as_long_as_the_platform_counts_it() -> None:
    """X cuts at 280 by its own count, in which each of these is 23: few letters are left of a text of links."""
    shown = "\n".join(f"{n}. a.co" for n in range(1, 12))
    assert len(shown) < UNMARKED
    assert may_be_beginning(shown, shown + "\n" + LONG)
    letters = "\n".join(f"{n}. abcd" for n in range(1, 12))
    assert not may_be_beginning(letters, letters + "\n" + LONG), "the control: no links"


@pytest.mark.parametrize("letter", ["e\u0301", "\u00e9", "한", "x\u0301\u0323"])
def test_a_cut_within_a_letter_with_an_accent_is_a_cut(letter: str) -> None:
    apart = unicodedata.normalize("NFD", letter)
    sent = LONG[:120] + letter + LONG
    assert may_be_beginning(LONG[:120] + apart, sent)
    assert may_be_beginning(LONG[:120] + apart[:-1], sent) and may_be_beginning(LONG[:120] + apart[:-1] + "…", sent)


ANY = st.characters(codec="utf-8")


@given(
    st.text("abc défg", min_size=MARKED, max_size=60).filter(lambda text: len(" ".join(text.split())) >= MARKED),
    st.text(ANY, max_size=60),
    st.text(ANY, max_size=200),
    st.sampled_from(["…", "...", "… https://t.co/x1"]),
)
def test_every_marked_beginning_of_every_text_counts(first: str, more: str, rest: str, mark: str) -> None:
    assert may_be_beginning(first + more + mark, first + more + rest)


@given(st.text(alphabet="abc défg, .\n", min_size=UNMARKED, max_size=300), st.data())
def test_a_long_beginning_counts_without_a_mark(text: str, data: st.DataObject) -> None:
    cut = text[: data.draw(st.integers(0, len(text)))]
    shown = " ".join(cut.split())
    if len(shown) >= UNMARKED:
        assert may_be_beginning(cut, text)


def _steps(act: Callable[[], object]) -> int:
    """How many lines of `excerpts` are run by `act`."""
    count = 0

    def step(frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal count
        count += event in ("line", "call")
        return step if frame.f_code.co_filename == excerpts.__file__ else None

    before = sys.gettrace()
    sys.settrace(step)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


HOSTILE: dict[str, Callable[[int], tuple[str, str]]] = {
    "marks": lambda n: ("…" * n + "x", LONG),
    "links": lambda n: ("https://t.co/" * n, "a" * 13 * n),
    "links and a letter": lambda n: ("https://t.co/" * n + "b", "a" * 13 * n),
    "links and marks": lambda n: ("t.co/a… " * n + "x", "word " * 5 * n),
    "one letter": lambda n: ("t.co/a" + "a" * n, "a" * 2 * n),
    "a letter and links": lambda n: ("a https://t.co/" * n, "a aaaaa" * 3 * n),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_work_grows_with_the_length_and_not_faster(kind: str) -> None:
    pairs = [HOSTILE[kind](n) for n in (1000, 2000)]
    small, large = (_steps(lambda pair=pair: may_be_beginning(*pair)) for pair in pairs)  # type: ignore[misc]
    assert small > 10, "the control: it is counted"
    assert large < 2.5 * small
    assert large < 20 * MOST_LINKS * len(pairs[1][1])


def test_searches_end_on_long_hostile_texts() -> None:
    """Searches whose work grew with the square of the length would take hours with these."""
    n = 300_000
    for text in ("@" + "a" * n, "@" + "a." * n, "…" * n + "x", " ." * n, "... " * n + "x"):
        assert not may_be_beginning(text, LONG)
        assert without_hosts(text) == text
    for text in ("@" + "a" * n, "a" + "\t" * n + "b"):
        assert compare(LONG, (), Look(Verdict.FOUND, text, None, None)).matches is False
    assert mastodon_length("@" + "a" * n) == n + 1


def test_of_a_text_beyond_every_bound_the_beginning_is_compared() -> None:
    sent = "abcdefgh " * (LONGEST // 9 + 100)
    assert may_be_beginning(sent + "and more", sent), "a doubt, though it is longer"
    assert not may_be_beginning("b" + sent + "and more", sent), "the control"
    links = "word https://t.co/x " * (MOST_LINKS + 5)
    assert may_be_beginning(links + "other words", links.replace("https://t.co/x", "https://example.org/y"))
    assert not may_be_beginning("other words " + links, links.replace("https://t.co/x", "https://example.org/y"))
