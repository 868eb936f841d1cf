"""What is refused before anything is queued, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postprober.domain.limits import MB
from postprober.domain.platform import NAMES, Platform, known
from postprober.domain.post import Draft, MediaFile, MediaKind, Part, Violation
from postprober.domain.preflight import check
from postprober.platforms.registry import LIMITS
from postprober.platforms.x.limits import LONG as X_LONG

JPEG = MediaFile(1, MediaKind.IMAGE, "image/jpeg", 1 * MB, 1080, 1080, "0" * 64, "/nowhere/a.jpg")
GIF = replace(JPEG, kind=MediaKind.GIF, mime="image/gif", width=400, height=300)
CLIP = replace(JPEG, kind=MediaKind.VIDEO, mime="video/mp4", size=9 * MB, duration=10.0)


def found(platform: Platform, *parts: Part) -> list[Violation]:
    result = check(Draft(parts), LIMITS[platform])
    assert result.ok is (not result.violations)
    assert result.platform == platform.value
    return list(result.violations)


def codes(platform: Platform, *parts: Part) -> list[str]:
    return [violation.code for violation in found(platform, *parts)]


@pytest.mark.parametrize("platform", known())
def test_a_picture_with_text_passes_everywhere(platform: Platform) -> None:
    assert codes(platform, Part("Hello 東京 🎉 https://example.com #news", (JPEG,))) == []


@pytest.mark.parametrize("platform", known())
def test_the_last_character_fits_and_one_more_does_not(platform: Platform) -> None:
    most = LIMITS[platform].of_part(with_media=True).max_length
    assert codes(platform, Part("a" * most, (JPEG,))) == []
    (violation,) = found(platform, Part("a" * (most + 1), (JPEG,)))
    assert violation.code == "text_too_long"
    assert violation.over == 1
    name = NAMES[platform]
    assert violation.message == (
        f"Shorten the text by 1 character: {name} allows {most:,} and this counts {most + 1:,}."
        + (f" {LIMITS[platform].longer}" if LIMITS[platform].longer else "")
    )


def test_the_sentence_names_how_much_is_over() -> None:
    (violation,) = found(Platform("x"), Part("東" * 146))
    assert violation.message == (
        "Shorten the text by 12 characters: X allows 280 and this counts 292. "
        "Accounts with X Premium may write 25,000; reconnect the account after subscribing."
    )
    assert violation.over == 12


def test_linkedin_is_counted_after_escaping() -> None:
    assert codes(Platform("linkedin"), Part("a_" * 1000)) == []
    (violation,) = found(Platform("linkedin"), Part("a_" * 1001))
    assert violation.over == 3


def test_bluesky_has_a_limit_of_bytes_besides() -> None:
    family = "👨‍👩‍👧‍👦"
    (violation,) = found(Platform("bluesky"), Part(family * 121))
    assert (violation.code, violation.over) == ("too_many_bytes", 25 * 121 - 3000)


@pytest.mark.parametrize("platform", [p for p in known() if p is not Platform("instagram")])
def test_an_empty_post_is_refused_and_a_picture_alone_is_not(platform: Platform) -> None:
    assert codes(platform, Part(" \n ")) == ["text_empty"]
    assert codes(platform, Part("", (JPEG,))) == []


def test_a_draft_without_parts_is_empty() -> None:
    assert codes(Platform("x")) == ["text_empty"]


def test_instagram_wants_a_picture() -> None:
    assert codes(Platform("instagram"), Part("only words")) == ["media_required"]


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\ud800", "\ufffe", "\uffff", "\U0001ffff", "\x85"])
def test_characters_that_cannot_be_sent_are_named(bad: str) -> None:
    (violation,) = found(Platform("mastodon"), Part(f"a{bad}b"))
    assert violation.code == "text_unusable"
    assert f"U+{ord(bad):04X}" in violation.message


def test_tabs_and_line_ends_are_fine() -> None:
    assert codes(Platform("mastodon"), Part("a\tb\r\nc")) == []


@pytest.mark.parametrize(
    ("platform", "word", "most", "code"),
    [
        (Platform("instagram"), "#t{}", 30, "too_many_hashtags"),
        (Platform("instagram"), "@t{}", 20, "too_many_mentions"),
    ],
)
def test_tags_are_counted(platform: Platform, word: str, most: int, code: str) -> None:
    def text(number: int) -> str:
        return " ".join(word.format(i) for i in range(number))

    assert codes(platform, Part(text(most), (JPEG,))) == []
    (violation,) = found(platform, Part(text(most + 2), (JPEG,)))
    assert (violation.code, violation.over) == (code, 2)


def test_x_takes_one_cashtag() -> None:
    assert codes(Platform("x"), Part("$ABC")) == []
    assert codes(Platform("x"), Part("$ABC $DEF")) == ["too_many_cashtags"]


def test_a_fifth_picture_is_too_many() -> None:
    (violation,) = found(Platform("x"), Part("", (JPEG,) * 5))
    assert (violation.code, violation.over) == ("too_many_images", 1)


def test_kinds_of_media_do_not_mix() -> None:
    assert codes(Platform("x"), Part("", (JPEG, GIF))) == ["mixed_media"]
    assert codes(Platform("x"), Part("", (JPEG, CLIP))) == ["mixed_media"]
    assert codes(Platform("x"), Part("", (GIF, GIF))) == ["too_many_gifs"]
    assert codes(Platform("x"), Part("", (CLIP, CLIP))) == ["too_many_videos"]


@pytest.mark.parametrize("platform", known())
def test_a_picture_that_can_be_mended_is_no_violation(platform: Platform) -> None:
    heavy = replace(JPEG, mime="image/png", size=50 * MB, width=6000, height=6000)
    assert codes(platform, Part("", (heavy,))) == []


def test_a_picture_that_nobody_can_open_is_one() -> None:
    assert codes(Platform("x"), Part("", (replace(JPEG, mime="image/svg+xml"),))) == ["image_type"]
    assert codes(Platform("x"), Part("", (replace(JPEG, width=9000, height=9000),))) == ["image_too_large"]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1080, 1350, []),  # 4:5
        (1080, 566, []),  # 1.91:1, rounded to whole pixels
        (1080, 1400, ["image_ratio"]),
        (1080, 500, ["image_ratio"]),
        (300, 300, ["image_too_small"]),
    ],
)
def test_a_crop_is_a_persons_decision(width: int, height: int, expected: list[str]) -> None:
    assert codes(Platform("instagram"), Part("", (replace(JPEG, width=width, height=height),))) == expected


def test_gifs_move_only_where_they_can() -> None:
    assert codes(Platform("mastodon"), Part("", (GIF,))) == []
    assert codes(Platform("bluesky"), Part("", (GIF,))) == ["gif_unsupported"]
    assert codes(Platform("x"), Part("", (replace(GIF, size=16 * MB),))) == ["gif_too_large"]
    assert codes(Platform("x"), Part("", (replace(GIF, width=1300),))) == ["gif_dimensions"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mime": "video/x-matroska"}, "video_type"),
        ({"size": 600 * MB}, "video_too_large"),
        ({"size": 10_000}, "video_too_small"),
        ({"duration": 2.0}, "video_too_short"),
        ({"duration": 1801.0}, "video_too_long"),
    ],
)
def test_videos_cannot_be_mended(change: dict[str, object], code: str) -> None:
    assert codes(Platform("linkedin"), Part("", (CLIP,))) == []
    assert codes(Platform("linkedin"), Part("", (replace(CLIP, **change),))) == [code]  # type: ignore[arg-type]


def test_a_platform_without_video_says_so() -> None:
    limits = replace(LIMITS[Platform("bluesky")], video=None)
    assert [v.code for v in check(Draft((Part("", (CLIP,)),)), limits).violations] == ["video_unsupported"]


def test_a_description_may_be_too_long() -> None:
    (violation,) = found(Platform("x"), Part("", (JPEG, replace(JPEG, alt="a" * 1003))))
    assert (violation.code, violation.over) == ("alt_too_long", 3)
    assert "file 2" in violation.message


def test_threads_are_for_platforms_that_have_them() -> None:
    parts = (Part("one"), Part("two"))
    assert codes(Platform("x"), *parts) == []
    (violation,) = found(Platform("linkedin"), *parts)
    assert (violation.code, violation.over) == ("thread_unsupported", 1)


def test_a_violation_names_its_part_of_the_thread() -> None:
    result = check(Draft((Part("short"), Part("a" * 300))), LIMITS[Platform("x")])
    assert result.length == 300
    (violation,) = result.violations
    assert violation.part == 1
    assert violation.message.startswith("Part 2: Shorten the text by 20 characters")


def test_every_sentence_ends_with_a_full_stop_and_begins_with_a_capital() -> None:
    bad = (
        replace(JPEG, mime="image/svg+xml", alt="x" * 5000),
        replace(JPEG, width=9000, height=9000),
        GIF,
        GIF,
        replace(CLIP, mime="video/x", size=900 * MB, duration=0.1),
        CLIP,
    )
    for platform in known():
        for violation in found(platform, Part("\x00#a @b $C $D " * 2000, bad), Part("")):
            assert violation.message.endswith(".")
            assert violation.message[0].isupper()


def test_a_monstrous_text_is_judged_quickly() -> None:
    (violation,) = found(Platform("x"), Part("a." * 500_000))
    assert violation.over == 1_000_000 - 280


def test_instagram_names_of_thirty_characters_are_mentions() -> None:
    names = " ".join(f"@averyveryverylongusername{n:02}" for n in range(21))
    assert codes(Platform("instagram"), Part(names, (JPEG,))) == ["too_many_mentions"]
    assert codes(Platform("instagram"), Part(names.partition(" ")[2], (JPEG,))) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("@a.b_c. (@ünïcode) @x, me@example.com", 2),
        ("@" + "x" * 30 + " @.dot @_u", 2),
        ("@@a @a@b @a.@b", 2),
        ("no one", 0),
        ('(@one)@two "@three"', 3),
    ],
)
def test_mentions_as_instagram_has_them(text: str, count: int) -> None:
    assert LIMITS[Platform("instagram")].mentions(text) == count


@pytest.mark.parametrize(
    ("platform", "file", "code"),
    [
        (Platform("mastodon"), replace(CLIP, width=4096, height=2304), "video_dimensions"),
        (Platform("mastodon"), replace(CLIP, width=3840, height=2160), ""),
        (Platform("mastodon"), replace(GIF, width=1200, height=1000), "gif_dimensions"),
        (Platform("mastodon"), replace(GIF, width=1280, height=720), ""),
        (Platform("x"), replace(GIF, frames=360), "gif_frames"),
        (Platform("x"), replace(GIF, frames=350), ""),
        (Platform("linkedin"), replace(GIF, frames=260), "gif_frames"),
        (Platform("linkedin"), replace(GIF, frames=250), ""),
        (Platform("x"), replace(JPEG, width=1, height=1), "image_too_small"),
        (Platform("x"), replace(JPEG, width=4, height=4), ""),
        (Platform("x"), replace(JPEG, width=1000, height=9000), "image_dimensions"),
        (Platform("x"), replace(JPEG, width=1000, height=8192), ""),
        (Platform("x"), replace(JPEG, width=16000, height=4000), ""),
        (Platform("x"), replace(JPEG, width=10000, height=5), "image_too_small"),
    ],
)
def test_sizes_and_frames_that_platforms_refuse_late(platform: Platform, file: MediaFile, code: str) -> None:
    assert codes(platform, Part("t", (file,))) == ([code] if code else [])


@pytest.mark.parametrize("codec", ["vp9", "prores", "h264 10-bit", "h264 4:2:2", "av1", "zzzz"])
@pytest.mark.parametrize("platform", known())
def test_a_codec_is_refused_with_those_that_the_platform_takes(platform: Platform, codec: str) -> None:
    words = [v.message for v in found(platform, Part("t", (replace(CLIP, codec=codec),)))]
    if platform is Platform("mastodon"):  # the server re-encodes
        assert not words
    else:
        assert len(words) == 1 and "as H.264" in words[0] and NAMES[platform] in words[0]


@pytest.mark.parametrize("platform", known())
def test_h264_and_videos_whose_codec_is_not_known_pass(platform: Platform) -> None:
    for codec in ("h264", ""):
        assert codes(platform, Part("t", (replace(CLIP, codec=codec),))) == []
    assert (codes(platform, Part("t", (replace(CLIP, codec="hevc 10-bit"),))) == []) is (
        platform in (Platform("instagram"), Platform("mastodon"))
    )


def test_the_words_for_a_codec() -> None:
    (one,) = found(Platform("x"), Part("", (replace(CLIP, codec="h264 10-bit"),)))
    assert one.message == "Save the file as H.264 (8 bit, 4:2:0): X does not take H.264 10-bit."


@pytest.mark.parametrize("letter", ["a", "語", "🎉"])
def test_long_posts_are_counted_exactly_where_the_account_may_write_them(letter: str) -> None:
    weight = 1 if letter == "a" else 2
    link = "https://example.com/" + "x" * 300
    text = f"{link} " + letter * ((25_000 - 24) // weight)
    assert check(Draft((Part(text),)), X_LONG).ok
    (violation,) = check(Draft((Part(text + "b" * 2),)), X_LONG).violations
    assert "X allows 25,000 and this counts 25,00" in violation.message and "Premium" not in violation.message
    assert codes(Platform("x"), Part(text)) == ["text_too_long"]
