"""`postprober suggest`: texts in, suggestions out; nothing is needed for it, and no line spoils another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from postprober.cli.suggest import TextRequest, parse, suggestions_for
from postprober.domain.platform import Platform, known
from postprober.errors import BadInput
from postprober.platforms.registry import LIMITS

ROOT = Path(__file__).resolve().parents[2]
LONG = "The library stays open. That other story is not true, says Prof. Mary Whitcombe. " * 6
CORPUS = ROOT / "tests" / "agent" / "corpus" / "long.jsonl"


def ran(folder: Path, given: bytes, *more: str) -> tuple[int, list[Any], str]:
    """(exit code, lines of stdout as JSON where they are, stderr) in an empty folder without settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POSTPROBER_")}
    said = subprocess.run(
        [sys.executable, "-m", "postprober", "suggest", *more],
        input=given,
        capture_output=True,
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        check=False,
    )
    lines = [json.loads(line) if "--json" in more else line for line in said.stdout.decode().splitlines()]
    return said.returncode, lines, said.stderr.decode()


def test_json_lines_get_an_answer_each_without_an_installation(tmp_path: Path) -> None:
    given = "".join(
        json.dumps(row) + "\n"
        for row in (
            {"id": "a", "text": LONG, "language": "en", "unknown": [1]},
            {"id": 2, "text": LONG, "platform": "bluesky"},
            {"text": "Hi"},
        )
    )
    code, lines, err = ran(tmp_path, given.encode(), "--json")
    assert (code, err, [line["id"] for line in lines]) == (0, "", ["a", 2, 3])
    assert list(tmp_path.iterdir()) == []
    everywhere, there, nothing = (line["suggestions"] for line in lines)
    assert {one["platform"] for one in everywhere} == {
        p.value for p in known() if LIMITS[p].length(LONG) > LIMITS[p].max_length and LIMITS[p].threads
    }
    assert [one["platform"] for one in there] == ["bluesky"] and nothing == []
    (one,) = there
    assert set(one) == {"kind", "platform", "before", "after", "reason", "dropped", "by"}
    assert (one["kind"], one["before"], one["dropped"], one["by"]) == ("thread", [LONG], [], "rules")
    assert " ".join(one["after"]).split() == LONG.split()


def test_a_bad_line_is_named_by_its_number_and_stops_no_other(tmp_path: Path) -> None:
    given = b"\n".join(
        [
            b"not json",
            b'{"id": 1, "text": "Hi"}',
            b'{"id": 2}',
            b'{"id": 3, "text": "x", "platform": "nowhere"}',
            b"[1]",
            b'{"id": 4, "text": "\\ud800"}',
            b'{"id": 5, "text": "\xff"}',
            b'{"id": [6], "text": "x"}',
            b'{"id": NaN, "text": "x"}',
            b"",
            b"[" * 100_000,
            b'{"id": 12, "text": 5}',
            b'{"id": 13, "text": "x", "language": 5}',
            b'{"id": 14, "text": "last"}',
        ]
    )
    code, lines, err = ran(tmp_path, given, "--json")
    assert code == 2 and [line["id"] for line in lines] == [1, 14]
    told = err.splitlines()
    assert [line.split(":")[0] for line in told] == [f"Line {n}" for n in (1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13)]
    assert "nowhere" in told[2] and "UTF-8" in told[5] and "lone surrogate" in told[4]


def test_a_plain_text_is_one_text(tmp_path: Path) -> None:
    code, lines, err = ran(tmp_path, f"{LONG}\n\nSecond paragraph.\n".encode(), "--platform", "bluesky")
    assert (code, err) == (0, "") and lines[0].startswith("Bluesky, as a thread: Too long")
    assert "Second paragraph." in lines
    code, lines, err = ran(tmp_path, b"Hello\n", "--json")
    assert (code, lines) == (0, [{"id": None, "suggestions": []}])
    code, lines, err = ran(tmp_path, b"\xff", "--json")
    assert (code, lines, err) == (2, [], "The text is not UTF-8.\n")
    code, lines, err = ran(tmp_path, b"x", "--platform", "nowhere")
    assert code == 2 and "no platform called 'nowhere'" in err


def test_answers_come_while_more_texts_are_on_their_way(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "postprober", "suggest", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as running:
        assert running.stdin and running.stdout
        for number in range(3):
            running.stdin.write(json.dumps({"id": number, "text": LONG}).encode() + b"\n")
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["id"] == number
        running.stdin.close()
        assert running.wait() == 0


def test_without_a_platform_only_what_does_not_fit_is_spoken_of() -> None:
    text = "The city of Oslo is old. People love Oslo."
    assert suggestions_for(TextRequest(1, text)) == ()
    assert [one.kind for one in suggestions_for(TextRequest(1, text, Platform("mastodon")))] == ["hashtags"]


def test_a_draft_without_its_picture_gets_suggestions_where_one_is_required() -> None:
    platform = next(p for p in known() if LIMITS[p].media_required)
    text = "The bridge of Oslo is open again since Monday. " * 46 + "Thank you so much! " * 3
    assert LIMITS[platform].length(text) > LIMITS[platform].max_length
    (made,) = suggestions_for(TextRequest(1, text, platform))
    assert made.dropped and LIMITS[platform].length(made.after[0]) <= LIMITS[platform].max_length


@pytest.mark.parametrize("line", [b"{", b"null", b'"text"', b'{"text": null}', b'{"text": "x", "platform": []}'])
def test_what_is_no_request_is_refused_in_one_sentence(line: bytes) -> None:
    with pytest.raises(BadInput):
        parse(line, 1, None)


def test_a_thousand_texts_take_less_than_twenty_seconds() -> None:
    texts = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
    began = time.thread_time()  # what others do on the machine meanwhile does not count
    for number in range(250):
        suggestions_for(TextRequest(number, f"{number}. {texts[number % len(texts)]}"))
    assert time.thread_time() - began < 5
