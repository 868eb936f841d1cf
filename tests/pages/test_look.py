"""The colours of the look: what is written in them can be read in both themes."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.pages.conftest import ROOT

ENOUGH = 4.5  # WCAG 2.2, 1.4.3: text of usual size
LOOK = (ROOT / "postprober" / "ui" / "look.css").read_text()
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
THEMES = ("light", "dark")
Colour = tuple[float, ...]


def _colour(text: str) -> Colour:
    return tuple(int(text[at : at + 2], 16) for at in (1, 3, 5))


def _pair(pattern: str, theme: str) -> Colour:
    found = re.search(rf"{pattern} *light-dark\((#\w+), (#\w+)\)", LOOK)
    assert found, pattern
    return _colour(found[1 + THEMES.index(theme)])


def _light(colour: Colour) -> float:
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (one / 255 for one in colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((_light(one), _light(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_knows_what_cannot_be_read() -> None:
    assert _contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert _contrast((255, 255, 255), _colour(THEME["dark"]["primaryColor"])) < ENOUGH


@pytest.mark.parametrize("theme", THEMES)
def test_the_most_important_button_can_be_read(theme: str) -> None:
    words = _pair(r"stBaseButton-primary[^{]*\{ color:", theme)
    assert _contrast(words, _colour(THEME[theme]["primaryColor"])) >= ENOUGH


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", ["grey", "blue", "orange", "red", "green"])
def test_the_word_of_a_state_can_be_read_on_its_pill(theme: str, name: str) -> None:
    words = _pair(f"--pp-{name}:", theme)
    for under in (_pair("--pp-card:", theme), _colour(THEME[theme]["backgroundColor"])):
        pill = tuple(0.1 * mine + 0.9 * below for mine, below in zip(words, under, strict=True))
        assert _contrast(words, pill) >= ENOUGH
