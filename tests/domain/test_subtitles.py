"""SRT and WebVTT: what is read, what is refused in one sentence, and the language in a file's name."""

from __future__ import annotations

import pytest

from postprober.domain.limits import SubtitleRule
from postprober.domain.platform import Platform
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.preflight import check
from postprober.domain.subtitles import Unreadable, is_one, language_in, read
from postprober.errors import BadInput
from postprober.platforms.common.media import inspect
from postprober.platforms.registry import LIMITS

SRT = (
    b"1\r\n00:00:01,000 --> 00:00:02,500\r\nHello\r\nworld\r\n\r\n2\r\n00:00:03,000 --> 01:00:04,000\r\n<i>Bye</i>\r\n"
)
VTT = b"\xef\xbb\xbfWEBVTT - talk\n\nNOTE made by hand\n\nfirst\n00:01.000 --> 00:02.500 align:start\nHello\nworld\n"


def test_srt_becomes_webvtt() -> None:
    made = read(SRT)
    assert made.text == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello\nworld\n\n00:00:03.000 --> 01:00:04.000\n<i>Bye</i>\n"
    )
    assert (made.cues, made.seconds) == (2, 3604.0)
    assert read(made.text.encode()) == made, "read again it is the same"


def test_no_words_of_srt_are_lost_in_webvtt() -> None:
    """A player hides what follows `<` up to the next `>`, and shows the number of a line that an empty-looking one parts."""
    made = read(
        b"1\n00:00:05,000 --> 00:00:09,000\nI <3 you, 1<2 & <I>so</i> <font color='red'>on</font>\n \t\n2\n00:00:01,000 --> 00:00:02,000\nBye"
    )
    assert made.text == (
        "WEBVTT\n\n00:00:05.000 --> 00:00:09.000\nI &lt;3 you, 1&lt;2 & <I>so</i> <font color='red'>on</font>\n\n"
        "00:00:01.000 --> 00:00:02.000\nBye\n"
    )
    assert (made.cues, made.seconds) == (2, 9.0) and read(made.text.encode()) == made
    kept = read(b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hi\n")
    assert "<v Ann>Hi" in kept.text, "the control: marks of WebVTT stay"


def test_webvtt_keeps_its_notes_and_settings() -> None:
    made = read(VTT)
    assert "NOTE made by hand" in made.text and "00:00:01.000 --> 00:00:02.500 align:start\nHello\nworld" in made.text
    assert made.text.startswith("WEBVTT - talk\n\n") and (made.cues, made.seconds) == (1, 2.5)


@pytest.mark.parametrize("content", [SRT, VTT, b"\n\n1\n0:00:01.000 --> 0:00:02.000\nx"])
def test_a_file_of_subtitles_is_known_by_its_content(content: bytes) -> None:
    assert is_one(content)


@pytest.mark.parametrize("content", [b"", b"1\nhello", b"\x89PNG", b"00:00:01,000 --> 00:00:02,000", b"<html>"])
def test_what_is_none_is_not_taken_for_one(content: bytes) -> None:
    assert not is_one(content)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"WEBVTT\n", "have no lines"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\n", "have no lines"),
        (b"WEBVTT\n\n00:03.000 --> 00:02.000\nx", "end before they begin"),
        (b"WEBVTT\n\n00:01 --> 00:02\nx", "have a time that cannot be read"),
        (b"1\n00:00:01,000 --> 00:00:99,000\nx", "have a time that cannot be read"),
        (SRT + b"\r\n\r\nsomething else", "cannot be read at"),
        (SRT.replace(b"\r\n\r\n", b"\r\n"), "have '00:00:03,000 --> 01:00:04,000' among their words"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nx\n00:03.000 --> 00:04.000\ny", "have '00:03.000 --> 00:04.000' among"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nGr\xfc\xdfe", "are not in UTF-8"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + b"x" * 1_000_000, "have more than 1 MB"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        read(content)
    with pytest.raises(BadInput, match="The subtitles " + sentence):
        inspect(content)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("talk.en.vtt", "en"),
        ("a.b.pt-BR.srt", "pt-BR"),
        ("talk.vtt", ""),
        ("talk.final1.vtt", ""),
        ("de.vtt", ""),
        ("", ""),
    ],
)
def test_the_language_stands_in_the_files_name(name: str, language: str) -> None:
    assert language_in(name) == language


VIDEO = MediaFile(1, MediaKind.VIDEO, "video/mp4", 100_000, 640, 360, "v", "/v", duration=7.0, codec="h264", damage="")


def track(name: str = "talk.en.vtt", size: int = 900) -> MediaFile:
    return MediaFile(2, MediaKind.SUBTITLES, "text/vtt", size, 0, 0, "t", "/t", name=name, duration=6.0)


@pytest.mark.parametrize(
    ("files", "language", "expected"),
    [
        ([VIDEO, track()], "", []),
        ([track("a.de.vtt"), VIDEO, track()], "", []),
        ([VIDEO, track("talk.vtt")], "fr", []),
        ([VIDEO, track("talk.vtt")], "", [("subtitles_language", 0)]),
        ([VIDEO, track("talk.vtt"), track("talk.fr.vtt")], "fr", [("subtitles_twice", 0)]),
        ([VIDEO, track(size=20_003)], "", [("subtitles_too_large", 3)]),
        ([track()], "", [("subtitles_without_video", 0)]),
        ([VIDEO, *(track(f"talk.en-a{n:02}.vtt") for n in range(21))], "", [("too_many_subtitles", 1)]),
    ],
)
def test_preflight_says_what_is_wrong_with_subtitles(
    files: list[MediaFile], language: str, expected: list[tuple[str, int]]
) -> None:
    limits = LIMITS[Platform("bluesky")]
    assert limits.subtitles == SubtitleRule(20, 20_000)
    found = check(Draft((Part("x", tuple(files)),), language), limits).violations
    assert [(one.code, one.over) for one in found] == expected


def test_where_none_are_sent_they_are_left_out_and_that_is_said() -> None:
    limits = LIMITS[Platform("mastodon")]
    result = check(Draft((Part("x", (VIDEO, track())),)), limits)
    assert result.ok and [one.code for one in result.notes] == ["subtitles_left_out"]
    assert check(Draft((Part("x", (VIDEO,)),)), limits).notes == ()
