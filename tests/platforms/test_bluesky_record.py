"""Keys, facets and session tokens of Bluesky."""

from __future__ import annotations

import base64
import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from postprober.platforms.bluesky.record import facets, tid
from postprober.platforms.bluesky.session import expiry

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@settings(deadline=None)
@given(st.uuids(), st.integers(0, 30), st.datetimes(datetime(2024, 1, 1), datetime(2090, 1, 1)))
def test_a_key_is_a_valid_tid_the_same_every_time_and_sorts_by_part(
    key: uuid.UUID, index: int, moment: datetime
) -> None:
    at = moment.replace(tzinfo=UTC)
    made = tid(str(key), index, at)
    assert re.fullmatch("[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}", made)
    assert made == tid(str(key), index, at)
    assert made < tid(str(key), index + 1, at)
    assert made < tid(str(uuid.uuid4()), index, at + timedelta(milliseconds=2))


def test_different_deliveries_get_different_keys_in_the_same_millisecond() -> None:
    # Keys by number: of 200 by chance, two pairs would meet in one run of 5,000.
    assert len({tid(str(uuid.UUID(int=number)), 0, NOW) for number in range(200)}) == 200


def test_facets_count_bytes_and_do_not_overlap() -> None:
    text = "é🎉 @alice.test, https://example.com/é?x=#frag #日本 example.org (@bob.test) @nobody.test a@mail.test #1"
    found = facets(text, {"alice.test": "did:plc:a", "bob.test": "did:plc:b"}.get)
    raw = text.encode()
    shown = [(raw[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode(), f["features"][0]) for f in found]  # type: ignore[index]
    kinds = {label: next(v for k, v in feature.items() if k != "$type") for label, feature in shown}
    assert kinds["@alice.test"] == "did:plc:a" and kinds["@bob.test"] == "did:plc:b"
    assert kinds["#日本"] == "日本" and kinds["example.org"] == "https://example.org"
    assert next(uri for label, uri in kinds.items() if label.startswith("https://example.com/"))
    assert not any("nobody" in label or "mail" in label or label == "#1" for label in kinds)
    ends = [f["index"]["byteEnd"] for f in found]  # type: ignore[index]
    starts = [f["index"]["byteStart"] for f in found]  # type: ignore[index]
    assert starts == sorted(starts) and all(end <= start for end, start in zip(ends, starts[1:], strict=False))


@settings(deadline=None)
@given(st.text(max_size=120))
def test_facets_of_any_text_lie_inside_it(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    for facet in facets(text, lambda handle: "did:plc:x"):
        index = facet["index"]
        assert isinstance(index, dict) and 0 <= index["byteStart"] < index["byteEnd"] <= len(text.encode())
        text.encode()[index["byteStart"] : index["byteEnd"]].decode()


def test_the_end_of_a_session_is_read_from_its_token() -> None:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": 1772442000}).encode()).rstrip(b"=").decode()
    assert expiry(f"x.{payload}.y") == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    for bad in ("", "x.y", "x.%%%.y", "x.e30.y", "x." + base64.urlsafe_b64encode(b'{"exp":1e400}').decode() + ".y"):
        assert expiry(bad) is None


_PIECES = st.sampled_from(
    [
        *(
            "https://example.com/",
            "http://例え.jp/パス",
            "example.com",
            "website.com.jpg",
            "@alice.test",
            "#tag",
            "＃🎉",
            "#1",
        ),
        *(
            "/",
            "?q=",
            "#",
            "(",
            ")",
            ".",
            ",",
            '"',
            " ",
            "\n",
            "日本語",
            "é",
            "🎉",
            "👩\u200d👩\u200d👧",
            "🇩🇪",
            "❤\ufe0f",
        ),
        *("\u200d", "\u200c", "\u0301", "\u0600", "\u20e2", "\u200b", "क्षि", "각", "@", "https://", "x"),
    ]
)


@settings(deadline=None, max_examples=400)
@given(st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=60))
def test_a_facet_is_what_is_written_apart_from_others_and_tears_no_character(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    raw, end = text.encode(), 0
    edges = {0, *(len(text[: match.end()].encode()) for match in regex.finditer(r"\X", text))}
    for facet in facets(text, lambda _handle: "did:plc:x"):
        index, (feature,) = facet["index"], facet["features"]  # type: ignore[misc]
        assert isinstance(index, dict) and isinstance(feature, dict)
        start, before, end = index["byteStart"], end, index["byteEnd"]
        assert before <= start < end and {start, end} <= edges
        shown = raw[start:end].decode()
        if "uri" in feature:
            assert feature["uri"] in (shown, f"https://{shown}") and re.match(r"\w+://[^\s/]\S*$", feature["uri"])
        elif "tag" in feature:
            assert feature["tag"] == shown[1:] and len(feature["tag"].encode()) <= 640
            assert len(regex.findall(r"\X", feature["tag"])) <= 64
        else:
            assert shown.startswith("@")
