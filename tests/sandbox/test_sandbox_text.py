"""Counting and reading text."""

import pytest

from postprober.sandbox.bluesky.ids import tid
from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.ids import IdMaker
from postprober.sandbox.engine.text import graphemes
from postprober.sandbox.linkedin.text import little_text
from postprober.sandbox.mastodon.text import mastodon_length
from postprober.sandbox.x.text import weighted_length
from tests.sandbox.lexicon import FORMATS


@pytest.mark.parametrize(
    ("text", "count"),
    [("abc", 3), ("👩‍👩‍👧", 1), ("🇩🇪🇫🇷", 2), ("é", 1), ("\r\n", 1), ("👍🏽", 1), ("각", 1), ("1️⃣", 1), ("", 0)],
)
def test_graphemes_are_what_people_see(text: str, count: int) -> None:
    assert graphemes(text) == count


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("abc", 3),
        ("日本", 4),
        ("👩‍👩‍👧", 2),
        ("https://example.com/a/very/long/path/that/counts/23", 23),
        ("a https://x.yz b", 27),
    ],
)
def test_x_weighs_links_emoji_and_cjk(text: str, weight: int) -> None:
    assert weighted_length(text) == weight


@pytest.mark.parametrize(("text", "count"), [("@a@example.social hi", 5), ("https://example.com/abc", 23), ("abc", 3)])
def test_mastodon_counts_links_as_23_and_mentions_without_domain(text: str, count: int) -> None:
    assert mastodon_length(text) == count


def test_little_text_keeps_its_source_when_nothing_is_cut() -> None:
    assert little_text(r"a \(b\)") == ("a (b)", r"a \(b\)")
    assert little_text(r"a \(b\) (c") == ("a (b)", r"a \(b\)")


def test_a_file_is_what_its_bytes_say(picture: bytes) -> None:
    assert (sniff(picture).mime, sniff(picture).width) == ("image/jpeg", 64)
    assert sniff(b"GIF89a\x02\x00\x03\x00").height == 3
    assert sniff(b"\x00\x00\x00\x18ftypqt  ").mime == "video/quicktime"
    assert sniff(b"hello").kind == ""


def test_a_late_id_does_not_push_up_those_made_before_it_lands() -> None:
    ids = IdMaker()
    late = ids.make("x", 1_795_000_100.0, in_order=False)
    early = [ids.make("x", 1_795_000_000.0) for _ in range(3)]
    assert early == sorted(set(early))
    assert early[-1] < late


def test_generated_record_keys_are_valid_and_grow() -> None:
    ids = IdMaker()
    keys = [tid(ids.make("tid", 1_795_000_000.0, per_millisecond=1000)) for _ in range(20)]
    assert keys == sorted(set(keys))
    assert all(FORMATS["tid"](key) for key in keys)
