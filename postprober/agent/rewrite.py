"""The rules' rewrites: shorter, in parts, or with less of a link. They take away; they never write a word."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postprober.agent import guard
from postprober.domain.limits import Limits
from postprober.domain.text import find_hashtags, find_urls, split_thread, utf8_length

_SENTENCES = re.compile(r"(?<=[.!?\u2026])\s+|\n+")


def fits(text: str, limits: Limits) -> bool:
    """Whether the text alone is short enough."""
    return limits.length(text) <= limits.max_length and (
        limits.max_bytes is None or utf8_length(text) <= limits.max_bytes
    )


def shortened(text: str, limits: Limits) -> str:
    """`text` made to fit by taking away, in this order: blanks, hashtags at the end, whole sentences from the end that
    have no link, mention, number, name or quote. Unchanged where that is not enough."""
    for shorter in _shorter(text):
        if fits(shorter, limits):
            return shorter if not guard.problems([text], [shorter]) else text
    return text


def _shorter(text: str) -> list[str]:
    steps = [re.sub(r"[ \t]+", " ", re.sub(r"\n{3,}", "\n\n", text)).strip()]
    while (tags := find_hashtags(steps[-1])) and tags[-1].end == len(steps[-1]):
        steps.append(steps[-1][: tags[-1].start].rstrip())
    sentences = _SENTENCES.split(steps[-1])
    seams = [match.group() for match in _SENTENCES.finditer(steps[-1])]
    for index in range(len(sentences) - 1, 0, -1):
        if guard.problems([sentences[index]], [""]):
            continue  # something in it must stay
        del sentences[index]
        del seams[index - 1]
        joined = sentences[0] + "".join(seam + rest for seam, rest in zip(seams, sentences[1:], strict=True))
        steps.append(joined.strip())
    return steps


def split(text: str, limits: Limits) -> tuple[str, ...]:
    """`text` in parts that each fit, cut at sentences where that is possible; nothing is added or lost."""
    if limits.max_bytes is None:
        return tuple(split_thread(text, limits.length, limits.max_length))

    def most(piece: str) -> int:  # the tighter of both limits, on the scale of the first
        return max(limits.length(piece), -(-utf8_length(piece) * limits.max_length // (limits.max_bytes or 1)))

    return tuple(split_thread(text, most, limits.max_length))


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
        text = text[: span.start] + guard.without_tracking(span.text) + text[span.end :]
    return text
