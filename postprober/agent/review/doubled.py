"""Little words that stand twice: "the the"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, fold
from postprober.agent.review.reading import Found, ReviewedText, shown
from postprober.agent.words import read

_LISTED = read("doubled")
_NEVER_TWICE = frozenset(fold(word) for word in _LISTED if not re.match("[\u3040-\u9fff]", word))
_JOINED = Phrases(word for word in _LISTED if re.match("[\u3040-\u9fff]", word))
_TWICE = re.compile(r"(?<![\w'-])([^\W\d_]{1,15})[ \u00a0]{1,3}\1(?![\w'-])", re.IGNORECASE)
_PAIR_TWICE = re.compile(r"(?<![\w'-])([^\W\d_]{1,15}) ([^\W\d_]{1,15}) \1 \2(?![\w'-])")
# "Check in in person", "carry on on Monday": the first belongs to the verb.
_PARTICLES = frozenset(("in", "on", "mit", "auf", "an", "op", "aus"))
_VERBS = frozenset(
    [
        "check",
        "log",
        "sign",
        "come",
        "tune",
        "drop",
        "move",
        "turn",
        "join",
        "walk",
        "fill",
        "cash",
        "step",
        "carry",
        "go",
        "hold",
        "get",
        "put",
        "look",
        "depend",
        "keep",
        "looked",
        "logged",
        "signed",
        "moved",
        "wait",
        "asked",
        "waited",
        "lived",
        "believed",
        "hand",
        "tune",
        "lives",
        "belongs",
        "stands",
    ]
)
_COPULAS = frozenset(("is", "are", "was", "were", "has", "have", "ist", "est", "es", "sono", "são"))
_CLAUSE = re.compile(
    r"\b(?:what|thing|problem|point|truth|fact|question|reason|all|who|where|how|as|was|wie|wer|wo|qui|que|lo"
    r"|quien|chi|wat|wie)\b"
)
# Words of one language that are rhythm in others: the letters by which that language is known.
_ONLY_IN = {
    "do": "[ąęłśżźćń]",
    "i": "[ąęłśżźćń]",
    "w": "[ąęłśżźćń]",
    "z": "[ąęłśżźćń]",
    "no": r"[ãõç]|\b(?:você|nossa|nosso|da|do|uma)\b",
    "na": "[ãõç]|você|[а-я]|[ąęłśżźćń]",
}


def find(reading: ReviewedText) -> Iterator[Found]:
    """Function words twice in a row, as doubts; three in a row are meant ("no no no")."""
    text, folded = reading.text, reading.folded
    for match in _TWICE.finditer(folded):
        word = match[1]
        if word not in _NEVER_TWICE or reading.in_quotes(match.start()) or reading.in_code(match.start()):
            continue
        before = re.findall(r"[^\W_]+", folded[max(0, match.start() - 24) : match.start()])[-1:]
        behind = re.match(r"\s{0,3}([^\W_]{1,20})", folded[match.end() : match.end() + 24])
        if before == [word] or (behind and behind[1] == word):
            continue
        if word in _PARTICLES and before and before[0] in _VERBS:
            continue
        if word == "la" and (
            (before and before[0] in ("oh", "ooh", "ouh", "ho", "o")) or (behind and behind[1] == "land")
        ):
            continue
        if word in _COPULAS and _CLAUSE.search(folded[max(0, match.start() - 60) : match.start()]):
            continue  # "what it is is this"
        if word == "a" and text[match.start() : match.end()] != "a a":
            continue
        if word == "que" and (before in (["o"], []) or text[match.start()].isupper()):
            continue  # "o que que é isso"
        if word in _ONLY_IN and not re.search(_ONLY_IN[word], folded):
            continue
        if text[match.start() : match.end()] == "The The":  # the band
            continue
        yield _twice(text[match.start() : match.end()])
    for match in _PAIR_TWICE.finditer(folded):
        if {match[1], match[2]} <= _NEVER_TWICE and match[1] != match[2] and not reading.in_quotes(match.start()):
            yield _twice(text[match.start() : match.end()])
    for start, end in reading.said(_JOINED):
        yield _twice(text[start:end])


def _twice(piece: str) -> Found:
    return Found("doubled_word", shown(piece), "says a word twice")
