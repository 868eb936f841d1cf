"""The limits of each platform, and how it counts."""

from __future__ import annotations

import pytest

from postprober.domain.platform import Platform, known
from postprober.domain.splitting import split_thread
from postprober.platforms.registry import LIMITS


def test_every_platform_has_limits_under_its_own_name() -> None:
    assert set(LIMITS) == set(known())
    assert all(limits.platform is platform for platform, limits in LIMITS.items())


@pytest.mark.parametrize(
    ("platform", "length"),
    [
        (Platform("x"), 23 + 1 + 4 + 1 + 2 + 1 + 6),
        (Platform("linkedin"), 25 + 1 + 2 + 1 + 8 + 1 + 9),  # UTF-16 units; @ and both _ are escaped
        (Platform("instagram"), 25 + 1 + 2 + 1 + 8 + 1 + 6),
        (Platform("mastodon"), 23 + 1 + 2 + 1 + 1 + 1 + 6),
        (Platform("bluesky"), 25 + 1 + 2 + 1 + 1 + 1 + 6),
        (Platform("telegram"), 25 + 1 + 2 + 1 + 8 + 1 + 6),
        (Platform("wordpress"), 25 + 1 + 2 + 1 + 8 + 1 + 6),
        (Platform("nostr"), 25 + 1 + 2 + 1 + 5 + 1 + 6),  # code points
        (Platform("discord"), 25 + 1 + 2 + 1 + 8 + 1 + 6),
    ],
)
def test_each_platform_counts_the_same_text_its_own_way(platform: Platform, length: int) -> None:
    assert LIMITS[platform].length("https://example.com/12345 東京 👨‍👩‍👧 @a_b_c") == length


@pytest.mark.parametrize("platform", [p for p in known() if LIMITS[p].threads])
def test_a_thread_can_be_cut_by_the_platforms_own_counting(platform: Platform) -> None:
    limits = LIMITS[platform]
    text = "A sentence about 東京 and https://example.com/some/long/path/of/it. " * (limits.max_length // 50 + 20)
    parts = split_thread(text, limits.counter(), limits.max_length)
    assert len(parts) > 1
    assert all(limits.length(part) <= limits.max_length for part in parts)
