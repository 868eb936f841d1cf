"""`postprober review`: texts in, verdicts out, in an empty folder, line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postprober.cli import review

ROOT = Path(__file__).resolve().parents[2]
SECRET = "AKIA" + "Z7Q4M2XW9LPR5TNV"


def command(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("POSTPROBER_")}
    return subprocess.run(
        [sys.executable, "-m", "postprober", "review", *arguments],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env={**env, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        timeout=100,
    )


def told(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def read(stdin: bytes, *, as_json: bool = True) -> list[tuple[int, review.ReviewLine | str]]:
    from io import BytesIO

    return list(review._asked(BytesIO(stdin), as_json))


def test_json_lines_are_reviewed_in_an_empty_folder_and_bad_ones_stop_nothing(tmp_path: Path) -> None:
    done = command(
        tmp_path,
        "--json",
        stdin=told(
            {"id": "a", "text": f"Our key is {SECRET}, see [link]", "platform": "bluesky", "language": "en"},
            b"nonsense",
            {"id": 2, "text": "The bridge is open.", "platform": "nowhere", "language": "sw", "more": 1},
            b"\xff{}",
            ["a", "list"],
            {"id": 3},
            {"id": "z", "text": "\ud800 {{name}}"},
        ),
    )
    assert done.returncode == 2
    first, second, third = [json.loads(line) for line in done.stdout.splitlines()]
    assert (first["id"], first["verdict"]) == ("a", "flagged")
    assert [one["kind"] for one in first["reasons"]] == ["secret", "placeholder"], "doubts stand beside flags"
    assert all(set(one) == {"kind", "message", "piece", "part"} for one in first["reasons"])
    assert SECRET.encode() not in done.stdout and first["reasons"][0]["piece"] == "AKIA…NV"
    assert second == {"id": 2, "verdict": "appropriate", "reasons": []}
    assert (third["id"], third["reasons"][0]["kind"]) == ("z", "template")
    said = done.stderr.decode()
    assert "Line 2: It is not JSON." in said and "Line 4: It is not UTF-8." in said and "Line 5: " in said
    assert 'Line 6: "text" is missing.' in said
    assert "no platform 'nowhere'" in said and "no words of the language sw" in said and "Not used: more." in said
    assert list(tmp_path.iterdir()) == [], "nothing is made there"


def test_a_plain_text_is_reviewed_for_people(tmp_path: Path) -> None:
    done = command(tmp_path, stdin=b"Meet us at [Venue]!\nSee you.")
    said = done.stdout.decode()
    assert done.returncode == 0 and "Look again (by rules)" in said
    assert "- In the text: `[Venue]` looks like a placeholder." in said and "do not look for hate" in said
    assert "%" not in said, "no confidence that nobody has measured"


def test_a_model_is_asked_only_when_one_is_set_up(tmp_path: Path) -> None:
    done = command(tmp_path, "--model", stdin=b"Hello")
    assert done.returncode == 2 and b"No model is set up" in done.stderr


def test_an_answer_comes_before_the_next_line_is_there(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "postprober", "review", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=env,
    ) as process:
        assert process.stdin and process.stdout
        for number in range(2):
            process.stdin.write(told({"id": number, "text": "Hello"}))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(timeout=110) == 0


def test_what_is_one_text_and_what_is_lines() -> None:
    assert [type(one).__name__ for _, one in read(told({"text": "a"}, {"text": "b"}))] == ["ReviewLine", "ReviewLine"]
    ((number, one),) = read(b"two\nlines\n", as_json=False)
    assert number == 0 and isinstance(one, review.ReviewLine) and one.text == "two\nlines"
    ((_, braces),) = read(b"{name}, hello", as_json=False)
    assert isinstance(braces, review.ReviewLine) and braces.text == "{name}, hello"
    assert [number for number, _ in read(b"\n\nnot json\n" + told({"text": "a"}))] == [3, 4]
    assert read(b"") == []
    assert read(b"\xef\xbb\xbf" + told({"text": "a"}))[0][0] == 1


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"text": 5}, "not a string"),
        ({"text": "x" * (review.LONGEST + 1)}, "the limit is"),
        ("text", "not an object"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(row: Any, why: str) -> None:
    one = review._read(json.dumps(row).encode())
    assert isinstance(one, str) and why in one


def test_a_language_is_known_by_its_code_and_what_is_wrong_with_it_is_said() -> None:
    for code, note in (("pt-BR", ""), ("xx1", "no language code"), (5, "no language code"), ("fi", "no words of")):
        one = review._read(json.dumps({"text": "a", "language": code}).encode())
        assert isinstance(one, review.ReviewLine)
        assert note in " ".join(one.notes) and bool(one.notes) == bool(note)


@pytest.mark.parametrize("id_", ['"\\ud800"', "1e999", "NaN", "[1]"])
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_an_id_that_cannot_be_written_again_stops_nothing(tmp_path: Path, id_: str, arguments: tuple[str, ...]) -> None:
    poison = f'{{"id": {id_}, "text": "[bold] {{{{name}}}}"}}'.encode()
    done = command(tmp_path, *arguments, stdin=told(poison, {"id": "next", "text": "The bridge is open."}))
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert b"next" in done.stdout and b"{{name}}" not in done.stdout


def test_half_a_character_in_a_text_is_shown_to_a_person_all_the_same(tmp_path: Path) -> None:
    done = command(tmp_path, stdin=told({"id": "a", "text": "[\ud800 insert link here]"}, {"id": "b", "text": "Fine."}))
    assert b"Traceback" not in done.stderr and b"b: No issues" in done.stdout, done
