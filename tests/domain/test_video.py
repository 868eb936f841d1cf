"""What of a video a platform would refuse, said with the number over, and what it is converted to."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.domain import video
from postprober.domain.limits import VideoRule
from postprober.domain.platform import Platform
from postprober.domain.post import Draft, MediaFile, MediaKind, Part, Preflight
from postprober.domain.preflight import check
from postprober.platforms.registry import LIMITS

GOOD = MediaFile(
    id=7,
    kind=MediaKind.VIDEO,
    mime="video/mp4",
    size=2_000_000,
    width=1280,
    height=720,
    sha256="0" * 64,
    path="/nowhere",
    duration=10.0,
    codec="h264",
    pixel_format="yuv420p",
    rate=30.0,
    audio="aac",
    converts=True,
)
RULES = {name.value: limits.video for name, limits in LIMITS.items() if limits.video is not None}


def judged(platform: str, **changes: Any) -> Preflight:
    return check(Draft((Part("A video", (replace(GOOD, **changes),)),)), LIMITS[Platform(platform)])


def said(result: Preflight) -> list[str]:
    return [v.message for v in result.violations]


@pytest.mark.parametrize("platform", sorted(RULES))
def test_an_ordinary_video_goes_everywhere_as_it_is(platform: str) -> None:
    result = judged(platform)
    assert result.ok and not result.notes and not result.conversions


# What lies exactly at a limit is taken, and one more is not: platform, what is at it, what is one over.
EDGES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "x rate": ("x", {"rate": 60.0}, {"rate": 60.5}, "video_rate"),
    "x 59.94": ("x", {"rate": 59.94}, {"rate": 61}, "video_rate"),
    "x long side": ("x", {"width": 1920, "height": 1200}, {"width": 1922, "height": 1200}, "video_dimensions"),
    "x short side": ("x", {"width": 1200, "height": 1900}, {"width": 1202, "height": 1900}, "video_dimensions"),
    "x smallest": ("x", {"width": 32, "height": 32}, {"width": 31, "height": 32}, "video_dimensions"),
    "x wide": ("x", {"width": 1800, "height": 600}, {"width": 1840, "height": 600}, "video_ratio"),
    "x high": ("x", {"width": 600, "height": 1800}, {"width": 580, "height": 1800}, "video_ratio"),
    "x bytes": ("x", {"size": 512_000_000}, {"size": 512_000_001}, "video_too_large"),
    "x sound": ("x", {"audio": ""}, {"audio": "opus"}, "video_audio"),
    "x surround": ("x", {"audio": "aac"}, {"audio": "aac 6-channel"}, "video_audio"),
    "x depth": ("x", {"codec": "h264"}, {"codec": "h264 10-bit"}, "video_codec"),
    "x chroma": ("x", {"codec": "h264"}, {"codec": "h264 4:2:2"}, "video_codec"),
    "linkedin wide": ("linkedin", {"width": 1200, "height": 500}, {"width": 1220, "height": 500}, "video_ratio"),
    "linkedin high": ("linkedin", {"width": 500, "height": 1200}, {"width": 490, "height": 1200}, "video_ratio"),
    "linkedin bytes": ("linkedin", {"size": 75_000}, {"size": 74_999}, "video_too_small"),
    "linkedin kind": ("linkedin", {"mime": "video/mp4"}, {"mime": "video/quicktime"}, "video_type"),
    "instagram fast": ("instagram", {"rate": 60.0}, {"rate": 60.02}, "video_rate"),
    "instagram slow": ("instagram", {"rate": 23.0}, {"rate": 22.9}, "video_rate"),
    "instagram wide": ("instagram", {"width": 1920}, {"width": 1921}, "video_dimensions"),
    "instagram hevc": ("instagram", {"codec": "hevc 10-bit"}, {"codec": "vp9"}, "video_codec"),
    "mastodon pixels": (
        "mastodon",
        {"width": 3840, "height": 2160},
        {"width": 3841, "height": 2160},
        "video_dimensions",
    ),
    "mastodon rate": ("mastodon", {"rate": 120.0}, {"rate": 121}, "video_rate"),
    "mastodon bytes": ("mastodon", {"size": 99 * 2**20}, {"size": 99 * 2**20 + 1}, "video_too_large"),
    "bluesky kind": ("bluesky", {}, {"mime": "video/webm"}, "video_type"),
    "telegram bytes": ("telegram", {"size": 50_000_000}, {"size": 50_000_001}, "video_too_large"),
    "nostr bytes": ("nostr", {"size": 100_000_000}, {"size": 100_000_001}, "video_too_large"),
    "discord bytes": ("discord", {"size": 10 * 2**20}, {"size": 10 * 2**20 + 1}, "video_too_large"),
}


@pytest.mark.parametrize("name", EDGES)
def test_a_video_at_a_limit_goes_as_it_is_and_one_over_is_converted_or_refused(name: str) -> None:
    platform, at, over, code = EDGES[name]
    assert judged(platform, **at) == judged(platform), name
    converted = judged(platform, **over)
    assert converted.ok and [c.media_id for c in converted.conversions] == [7]
    assert [note.code for note in converted.notes] == ["video_converted"]
    refused = judged(platform, **over, converts=False, hint="with the video extra (pip install x) it is converted here")
    assert [v.code for v in refused.violations] == [code] and not refused.notes and not refused.conversions
    (message,) = said(refused)
    assert message.endswith("; with the video extra (pip install x) it is converted here.") and message.count(". ") == 0


@pytest.mark.parametrize(
    ("platform", "at", "over", "number"),
    [
        ("x", 140.0, 140.4, 1),
        ("x", 140.0, 152.5, 13),
        ("x", 0.5, 0.4, 1),
        ("linkedin", 1800.0, 1801.0, 1),
        ("linkedin", 3.0, 2.9, 1),
        ("instagram", 900.0, 960.0, 60),
        ("bluesky", 180.0, 181.0, 1),
    ],
)
def test_how_long_a_video_is_stays_with_the_person(platform: str, at: float, over: float, number: int) -> None:
    assert judged(platform, duration=at).ok
    for codec in ("h264", "vp9"):  # also where it is converted anyway
        refused = judged(platform, duration=over, codec=codec)
        assert [(v.code.startswith("video_too_"), v.over) for v in refused.violations] == [(True, number)]
        assert not refused.conversions and not refused.notes, "what goes nowhere is not converted"


def test_the_note_says_every_reason() -> None:
    (note,) = judged("x", mime="video/webm", codec="vp9", audio="opus", rate=120.0).notes
    assert note.message == (
        "The file is converted before it is sent: X takes MP4 or MOV and this is WebM; X takes H.264 (8 bit, 4:2:0) and "
        "this is VP9; X takes AAC sound and this has Opus; X takes at most 60 pictures a second and this has 120."
    )


def test_every_violation_is_said_where_nothing_can_be_converted() -> None:
    refused = judged("x", converts=False, mime="video/webm", codec="av1 10-bit", audio="opus", rate=120.0, width=4096)
    assert [v.code for v in refused.violations] == [
        "video_type",
        "video_codec",
        "video_audio",
        "video_rate",
        "video_dimensions",
        "video_ratio",
    ]
    assert "and it has 120" in said(refused)[3] and refused.violations[3].over == 60


def test_a_video_too_long_to_be_made_small_is_refused_with_the_seconds_over() -> None:
    rule = RULES["telegram"]
    most = video.longest(rule)
    assert judged("telegram", size=60_000_000, duration=float(most)).ok
    refused = judged("telegram", size=60_000_000, duration=most + 30.0)
    assert [(v.code, v.over) for v in refused.violations] == [("video_too_large", 30)]
    assert said(refused)[0].startswith("Cut the file by 30 seconds: Telegram takes 50 MB, and ")


def test_what_cannot_be_decoded_is_refused_everywhere_beside_what_the_platform_would_not_take() -> None:
    for platform in RULES:
        broken = judged(platform, damage="no picture of it can be decoded", converts=False, codec="prores")
        assert broken.violations[0].message == (
            "Export the file again, or choose another one: no picture of it can be decoded."
        )
    assert "X does not take ProRes." in said(judged("x", damage="d", converts=False, codec="prores"))[1]


def test_what_is_not_known_is_no_fault() -> None:
    for platform in RULES:
        assert judged(platform, rate=None, audio=None, pixel_format="", converts=False).ok


def gif(platform: str, **changes: Any) -> Preflight:
    moving = {"kind": MediaKind.GIF, "mime": "image/gif", "codec": "", "audio": None, "frames": 40, "width": 640}
    return judged(platform, **{**moving, **changes})


def test_an_animation_becomes_a_video_where_no_gif_moves() -> None:
    for platform in ("bluesky", "instagram"):
        result = gif(platform)
        assert result.ok and len(result.conversions) == 1
        assert "is sent as a video without sound" in result.notes[0].message
        refused = gif(platform, converts=False, hint="with the video extra (pip install x) it is converted here")
        assert [v.code for v in refused.violations] == ["gif_unsupported"] and "the video extra" in said(refused)[0]
    assert gif("x").ok and not gif("x").conversions
    assert [v.code for v in gif("instagram", duration=1.0).violations] == ["video_too_short"]


sides = st.integers(2, 6000)


@given(st.sampled_from(sorted(RULES)), sides, sides, st.floats(1, 240), st.floats(0.5, 600))
def test_what_a_video_is_converted_to_is_taken(
    platform: str, width: int, height: int, rate: float, seconds: float
) -> None:
    rule: VideoRule = RULES[platform]
    source = replace(GOOD, width=width, height=height, rate=rate, duration=seconds, codec="vp9", size=400_000_000)
    target = video.target(source, rule)
    if target is None:
        assert seconds > video.longest(rule)
        return
    assert all(side % 2 == 0 for side in (target.width, target.height, target.inner_width, target.inner_height))
    assert target.inner_width <= target.width and target.inner_height <= target.height
    assert target.max_bytes <= rule.max_bytes
    assert target.min_bytes == 0, "a large source stays large enough"
    made = replace(source, codec="h264", mime="video/mp4", width=target.width, height=target.height, size=100_000)
    made = replace(made, rate=min(max(rate, target.min_rate), target.max_rate))
    wrong = [one.code for one in video.faults(made, "the file", rule, "It") if one.curable]
    assert wrong == []


@given(st.integers(100, 6000), st.integers(100, 6000))
def test_a_picture_keeps_its_shape(width: int, height: int) -> None:
    """To the two pixels that even sides cost."""
    for rule in RULES.values():
        target = video.target(replace(GOOD, width=width, height=height), rule)
        assert target is not None
        scale = target.inner_width / width
        assert abs(target.inner_height - height * scale) <= 2 + 2 * height / width + 2 * scale


def test_platforms_that_want_the_same_share_one_file_and_others_do_not() -> None:
    source = replace(GOOD, codec="vp9", mime="video/webm")
    keys = {name: one.key() for name in RULES if (one := video.target(source, RULES[name])) is not None}
    assert len({keys[name] for name in ("x", "bluesky", "instagram", "linkedin")}) == 1
    wide = {name: video.target(replace(source, width=2400, height=600), RULES[name]) for name in ("x", "linkedin")}
    assert wide["x"] != wide["linkedin"]


def test_a_target_comes_back_as_it_was_stored() -> None:
    for rule, (width, height) in product(RULES.values(), ((640, 360), (100, 900))):
        target = video.target(replace(GOOD, width=width, height=height), rule)
        assert target is not None and type(target).from_json(target.to_json()) == target
