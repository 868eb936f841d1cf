"""One word has one meaning: docs/glossary.md against the program."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from enum import StrEnum
from pathlib import Path

import pytest

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState, Step
from postprober.storage.tables import metadata

ROOT = Path(__file__).parents[1]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
SOURCES = [
    path
    for path in sorted((ROOT / "postprober").rglob("*.py"))
    if "versions" not in path.parts  # migrations stay as they were
]
# Classes that mean the same on both sides of a wall that nothing may cross.
TWICE = {
    "Account": "an account, here and in the emulated platforms",
    "Post": "a post, here and in the emulated platforms",
    "Uploads": "media on their way, in the folder of each platform that needs it",
}
# Words that were given up, and what is said instead.
GIVEN_UP = {
    "Wiretap": "exchange recorder",
    "Pulse": "platform health cache",
    "Courier": "sender",
    "Bell": "wake signal",
    "Runner": "scheduler",
    "Engine": "worker pool",
    "Eyes": "browser checks",
    "Canaries": "account checks",
    "Canary": "account check, newest known post",
    "Manner": "dialect",
    "Mind": "language model",
    "Ledger": "token budget",
    "Family": "supervisor",
    "Letter": "e-mail",
    "Watchman": "scheduler watchdog",
    "Standing": "server health",
    "Seen": "observation, evidence item",
}


def _section(title: str) -> list[str]:
    """The first column of the tables below a heading."""
    body = GLOSSARY.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `?([^|`]+?)`? \| ", body, re.MULTILINE)
    return [one for one in rows if one not in ("word", "state", "step", "act", "outcome", "table")]


def _values(*kinds: type[StrEnum]) -> list[str]:
    return [one.value for kind in kinds for one in kind]


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        ("States of a delivery", _values(DeliveryState)),
        ("Steps that people see", _values(Step)),
        ("Acts and outcomes of an attempt", _values(Act, Outcome)),
        ("Tables", list(metadata.tables)),
    ],
)
def test_everything_stands_there_once(title: str, wanted: list[str]) -> None:
    assert sorted(_section(title)) == sorted(wanted)


def test_every_word_stands_there_once() -> None:
    words = [
        word
        for title in ("What is published", "How it is sent", "How it is proved", "What is told", "The sandbox")
        for word in _section(title)
    ]
    assert len(words) > 50
    assert [word for word, count in Counter(words).items() if count > 1] == []


def _classes() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(path.relative_to(ROOT).as_posix())
    return found


def test_no_two_classes_share_a_name() -> None:
    classes = _classes()
    assert len(classes) > 300
    twice = {name: sorted(files) for name, files in classes.items() if len(files) > 1 and name not in TWICE}
    assert twice == {}
    assert {name for name in TWICE if len(classes[name]) < 2} == set(), "not shared any more: take it out of the list"


# Ordinary words elsewhere: a function may be called so, a class may not.
ORDINARY = frozenset({"Bell", "Engine", "Seen", "Standing"})


@pytest.mark.parametrize("word", GIVEN_UP)
def test_a_word_that_was_given_up_does_not_come_back(word: str) -> None:
    name = rf"\bclass [A-Za-z]*{word}(?![a-z])" + (
        "" if word in ORDINARY else rf"|\bdef \w*(?<![a-z]){word.lower()}(?![a-z])"
    )
    found = [path.relative_to(ROOT).as_posix() for path in SOURCES if re.search(name, path.read_text())]
    assert found == [], f"say {GIVEN_UP[word]}"
