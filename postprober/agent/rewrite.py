"""The rules' rewrites: shorter, in parts, or with less of a link. They take away; they never write a word."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from postprober.agent import rewrite_guard
from postprober.domain import splitting
from postprober.domain.limits import Limits
from postprober.domain.preflight import EXACT_LENGTH
from postprober.domain.text import find_hashtags, find_urls, utf8_length

LONGEST_RUN = 600  # characters without a blank or a stop; ours, twice the longest sensible address
_RUN = re.compile(r"[\s\u3001\u3002\uff01\uff1f\uff0c]+")
MOST_PARTS = 25  # services.posts.MAX_PARTS
_SENTENCES = re.compile(r"(?<=[.!?\u2026])\s+|\n+")


def readable(text: str) -> bool:
    """Whether it is worth looking for another wording: not far over every limit, and made of words. Other texts would
    only cost time (finding links in a run of ten thousand dots takes minutes)."""
    return len(text) <= EXACT_LENGTH and max(map(len, _RUN.split(text))) <= LONGEST_RUN


def fits(text: str, limits: Limits) -> bool:
    """Whether the text alone is short enough."""
    return limits.length(text) <= limits.max_length and (
        limits.max_bytes is None or utf8_length(text) <= limits.max_bytes
    )


def shortened(text: str, limits: Limits) -> str:
    """`text` made to fit by taking away, in this order: blanks, hashtags at the end, whole sentences from the end that
    have no link, mention, number, name or quote. Unchanged where that is not enough, and where it is very long."""
    if not readable(text):
        return text
    short = re.sub(r"[ \t]+", " ", re.sub(r"\n{3,}", "\n\n", text)).strip()
    while not fits(short, limits) and (tags := find_hashtags(short)) and tags[-1].end == len(short):
        short = short[: tags[-1].start].rstrip()
    if not fits(short, limits):
        short = _fewer_sentences(short, limits)
    return short if fits(short, limits) and not rewrite_guard.problems([text], [short]) else text


def _fewer_sentences(text: str, limits: Limits) -> str:
    """Without as many sentences as it takes, the last ones first. Fewer sentences are never longer, so the number is
    found by bisection."""
    sentences = _SENTENCES.split(text)
    seams = [match.group() for match in _SENTENCES.finditer(text)]
    spare = [i for i in range(len(sentences) - 1, 0, -1) if not rewrite_guard.problems([sentences[i]], [""])]

    def without(count: int) -> str:
        gone = set(spare[:count])
        kept = [seams[i - 1] + sentences[i] for i in range(1, len(sentences)) if i not in gone]
        return (sentences[0] + "".join(kept)).strip()

    count = bisect_left(range(len(spare)), True, key=lambda number: fits(without(number), limits))
    return without(count)


def split(text: str, limits: Limits) -> tuple[str, ...]:
    """`text` in parts that each fit, cut at sentences where that is possible; nothing is added or lost. Unsplit when it
    would take more than `MOST_PARTS` parts."""
    if not readable(text):
        return (text,)
    parts = splitting.split(text, limits)
    return parts if len(parts) <= MOST_PARTS else (text,)


def cut_links(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts with tracking parameters taken off their links; where there are none, without the last link."""
    stripped = tuple(_without_tracking(text) for text in texts)
    if stripped != tuple(texts):
        return stripped
    for index in range(len(texts) - 1, -1, -1):
        if spans := find_urls(texts[index]):
            last = spans[-1]
            rest = (texts[index][: last.start].rstrip() + texts[index][last.end :]).strip()
            return (*texts[:index], rest, *texts[index + 1 :])
    return tuple(texts)


def _without_tracking(text: str) -> str:
    for span in reversed(find_urls(text)):
        text = text[: span.start] + rewrite_guard.without_tracking(span.text) + text[span.end :]
    return text
