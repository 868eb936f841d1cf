"""Links, mentions, tags and lengths as each platform sees them: `vectors/NAME.yaml`, with the source of each fact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from postprober.domain.entities import Span, find_hashtags, find_mentions, find_urls
from postprober.domain.platform import Platform
from postprober.platforms.bluesky.record import facets
from postprober.platforms.instagram import text as instagram
from postprober.platforms.linkedin.text import escape_little, unescape_little
from postprober.platforms.mastodon.text import links as mastodon_links
from postprober.platforms.registry import LIMITS

FOLDER = Path(__file__).parent / "vectors"
Finder = Callable[[str], list[str]]


def _facets(kind: str) -> Finder:
    def find(text: str) -> list[str]:
        raw = text.encode()
        found = facets(text, lambda handle: "did:plc:x" if handle.endswith((".test", ".com")) else None)
        return [
            raw[one["index"]["byteStart"] : one["index"]["byteEnd"]].decode()  # type: ignore[index]
            for one in found
            if one["features"][0]["$type"].endswith(f"#{kind}")  # type: ignore[index]
        ]

    return find


def _texts(find: Callable[[str], list[Span]]) -> Finder:
    return lambda text: [span.text for span in find(text)]


FINDERS: dict[str, dict[str, Finder]] = {
    "bluesky": {"links": _facets("link"), "mentions": _facets("mention"), "tags": _facets("tag")},
    "x": {"links": _texts(find_urls), "mentions": _texts(find_mentions), "tags": _texts(find_hashtags)},
    "mastodon": {"links": _texts(mastodon_links)},
    "instagram": {"mentions": instagram.mentions, "tags": instagram.hashtags},
    "linkedin": {},
}


def _cases() -> list[Any]:
    files = sorted(FOLDER.glob("*.yaml"))
    return [
        pytest.param(file.stem, case, id=f"{file.stem}-{number}")
        for file in files
        for number, case in enumerate(yaml.safe_load(file.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize(("platform", "case"), _cases())
def test_the_platform_sees_what_its_rules_say(platform: str, case: dict[str, Any]) -> None:
    text = case["text"]
    wanted = {name: case[name] for name in FINDERS[platform] if name in case}
    assert {name: FINDERS[platform][name](text) for name in wanted} == wanted
    if "length" in case:
        assert LIMITS[Platform(platform)].length(text) == case["length"]
    if "sent" in case:
        assert escape_little(text) == case["sent"] and unescape_little(case["sent"]) == text
    assert wanted or "length" in case, "a vector that checks nothing"


def test_there_are_as_many_as_there_were() -> None:
    assert len(_cases()) >= 85 and {case.values[0] for case in _cases()} == set(FINDERS)


def test_tags_are_counted_by_instagrams_own_rules() -> None:
    assert LIMITS[Platform("instagram")].hashtags("#🎉 " * 31) == 31
    assert LIMITS[Platform("x")].hashtags("#🎉 " * 31) == 0
