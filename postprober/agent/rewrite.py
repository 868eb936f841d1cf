"""The rules' rewrites: shorter, in parts, or with less of a link. They take away; they never write a word."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from postprober.agent import rewrite_guard
from postprober.agent.meaning import is_grave, says_only_thanks
from postprober.domain import splitting
from postprober.domain.limits import Limits
from postprober.domain.post import MAX_PARTS
from postprober.domain.sentences import leans, pieces
from postprober.domain.text import find_hashtags, find_urls, utf8_length

LONGEST = 10_000  # characters of a text that is worth shortening; ours, each wording that is tried is counted again
LONGEST_RUN = 600  # characters without a blank or a stop; ours, twice the longest sensible address
_RUN = re.compile(r"[\s\u3001\u3002\uff01\uff1f\uff0c]+")


def readable(text: str) -> bool:
    """Whether it is worth looking for another wording: not far over every limit, and made of words."""
    return len(text) <= LONGEST and max(map(len, _RUN.split(text))) <= LONGEST_RUN


def fits(text: str, limits: Limits) -> bool:
    """Whether the text alone is short enough."""
    return limits.length(text) <= limits.max_length and (
        limits.max_bytes is None or utf8_length(text) <= limits.max_bytes
    )


@dataclass(frozen=True)
class Shorter:
    """A text with something left out: `dropped` says what, in the order of the text."""

    text: str
    dropped: tuple[str, ...]


def shortened(text: str, limits: Limits) -> str:
    """`text` made to fit as `shorter` makes it; unchanged where that is not enough."""
    made = shorter(text, limits)
    return made.text if made else text


def shorter(text: str, limits: Limits) -> Shorter | None:
    """`text` made to fit by taking away, in this order: blanks, hashtags at the end whose words the text has anyway, and
    sentences that say nothing but thanks or joy, the last ones first. None where it fits, and where that is not enough:
    whether another sentence may go is nothing that rules can know."""
    if not readable(text) or fits(text, limits):
        return None
    dropped: list[str] = []
    short = re.sub(r"[ \t]+", " ", re.sub(r"\n{3,}", "\n\n", text)).strip()
    while not fits(short, limits) and (tag := _spare_tag(short)):
        short = short[: -len(tag)].rstrip()
        dropped.insert(0, tag)
    if not fits(short, limits) and not is_grave(short):
        short, gone = _without_thanks(short, limits)
        dropped = [*gone, *dropped]
    if not fits(short, limits) or rewrite_guard.problems([text], [short]):
        return None
    return Shorter(short, tuple(dropped))


def _without_thanks(text: str, limits: Limits) -> tuple[str, list[str]]:
    """The text without as many sentences of thanks as it takes, the last ones first; and these, in order. Fewer sentences
    are never longer, so the number is found by bisection."""
    sentences = pieces(text)
    spare = [
        index
        for index in range(len(sentences) - 1, 0, -1)
        if says_only_thanks(sentences[index]) and not (index + 1 < len(sentences) and leans(sentences[index + 1]))
    ]

    def without(count: int) -> str:
        gone = set(spare[:count])
        kept: list[str] = []
        for index, sentence in enumerate(sentences):
            if index not in gone:
                kept.append(sentence)
                continue
            end = sentence[len(sentence.rstrip()) :]
            if "\n" in end and not kept[-1].endswith("\n"):  # the end of its line stays
                kept[-1] = kept[-1].rstrip() + end
        return "".join(kept).strip()

    count = bisect_left(range(len(spare)), True, key=lambda number: fits(without(number), limits))
    return without(count), [sentences[index].strip() for index in sorted(spare[:count])]


def _spare_tag(text: str) -> str:
    """The hashtag at the end, if its word stands in the text as well; "" otherwise."""
    tags = find_hashtags(text)
    if not tags or tags[-1].end != len(text):
        return ""
    word = tags[-1].text[1:].casefold()
    return tags[-1].text if word in re.findall(r"\w+", text[: tags[0].start].casefold()) else ""


def split(text: str, limits: Limits) -> tuple[str, ...]:
    """`text` in parts that each fit, cut at sentences where that is possible; nothing is added or lost. Unsplit when it
    would take more than `MAX_PARTS` parts, or a cut through a name, a number or a word."""
    if not readable(text):
        return (text,)
    return splitting.split(text, limits, gently=True, most=MAX_PARTS)


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
