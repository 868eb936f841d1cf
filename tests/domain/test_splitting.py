"""Threads: every part fits its platform, nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as s

from postprober.domain.platform import Platform, known
from postprober.domain.post import Draft, Part
from postprober.domain.preflight import check
from postprober.domain.splitting import split
from postprober.platforms.registry import LIMITS

THREADED = [p for p in known() if LIMITS[p].threads]
TEXTS = s.lists(
    s.sampled_from(
        ["Words ", "and more. ", "https://example.com/a/b?c=d ", "日本語。", "👩‍👩‍👧 ", "#tag ", "é" * 40, "\n\n"]
    ),
    max_size=150,
)


@pytest.mark.parametrize("platform", THREADED)
@pytest.mark.parametrize("numbered", [False, True])
@settings(deadline=None)
@given(pieces=TEXTS)
def test_every_part_passes_the_platforms_preflight_and_no_letter_is_lost(
    platform: Platform, numbered: bool, pieces: list[str]
) -> None:
    text = "".join(pieces).strip()
    if not text:
        return
    parts = split(text, LIMITS[platform], numbered=numbered)
    result = check(Draft(tuple(Part(part) for part in parts)), LIMITS[platform])
    assert not [v for v in result.violations if v.code in ("text_too_long", "too_many_bytes", "text_empty")]
    bare = [part.rsplit(" (", 1)[0] for part in parts] if numbered and len(parts) > 1 else list(parts)
    assert "".join("".join(bare).split()) == "".join(text.split())


def test_a_text_that_fits_stays_as_it_is() -> None:
    assert split("  as typed ", LIMITS[Platform("x")], numbered=True) == ("  as typed ",)


def test_the_parts_are_cut_at_sentences_and_numbered() -> None:
    text = " ".join(f"This is sentence {n}." for n in range(30))
    parts = split(text, LIMITS[Platform("x")], numbered=True)
    assert all(part.endswith(f". ({n}/{len(parts)})") for n, part in enumerate(parts, 1))


def test_bytes_count_where_the_platform_limits_them() -> None:
    text = "👩‍👩‍👧‍👦" * 200  # 200 graphemes, 5,000 bytes
    parts = split(text, LIMITS[Platform("bluesky")])
    assert len(parts) > 1 and all(len(part.encode()) <= 3000 for part in parts)
