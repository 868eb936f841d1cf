"""What a rewrite may not touch: links, mentions, numbers, names and quotes must be those of the original, so must the
words that turn a sentence around, and who does what to whom.

Checked here by code; nobody's word is taken for it, the rules' own included. Strictness costs a suggestion, leniency
would cost the person's trust, so in doubt a rewrite is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from postprober.agent.meaning import turning_words
from postprober.agent.words import COMMON, OPENERS
from postprober.domain.entities import Span, between
from postprober.domain.text import find_cashtags, find_hashtags, find_urls

# A Fediverse address, a handle that is a host name, a plain @name, or an e-mail address.
_MENTION = re.compile(r"(?<![\w/.])@\w(?:[\w.-]*\w)?(?:@[\w.-]*\w(?::\d+)?)?|(?<![\w.@+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"\d+(?:[.,:/\u2013-]\d+)*%?")
# Repetitions are bounded here and below, so that no text makes the search slow.
_QUOTES = re.compile(
    r"\u201c([^\u201d]{0,1000})\u201d|\u201e([^\u201c]{0,1000})\u201c|\u00ab([^\u00bb]{0,1000})\u00bb|\"([^\"]{0,1000})\""
)
_WORD = re.compile(r"[^\W\d_](?:[\w'\u2019-]*\w)?")
_SENTENCE_START = re.compile(r"(?:^|[.!?\u2026:\n\u2022\u2013\u2014]|\n\s*-)[\s\"'\u201c\u201e\u00ab(]*$")
# What looks like a link although the rules of `entities` make none of it (an unknown top-level domain, another scheme):
# some platforms link it, and people follow it.
_LINKISH = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,20}://\S+|\bwww\.\S+|(?<![\w@.-])[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?:[/?#:]\S*)?|\b\d{1,3}(?:\.\d{1,3}){3}\S*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Facts:
    """What stands in a text and must stay in it. Counters, because saying a number twice is not saying it once."""

    links: Counter[str]
    mentions: Counter[str]
    numbers: Counter[str]
    quotes: Counter[str]
    cashtags: Counter[str]
    hashtags: Counter[str]
    turns: Counter[str]
    pairs: frozenset[tuple[str, str]]
    names: frozenset[str]
    capitalised: frozenset[str]
    words: frozenset[str]


def facts(texts: Iterable[str]) -> Facts:
    """The facts of all parts together. Pure."""
    return _facts(tuple(texts))


@lru_cache(maxsize=64)
def _facts(texts: tuple[str, ...]) -> Facts:
    whole = unicodedata.normalize("NFC", "\n\n".join(texts))
    links = links_in(whole)
    plain = between_links = "\u2003".join(between(whole, links))
    mentions = _MENTION.findall(plain)
    plain = _MENTION.sub("\u2003", plain)
    names, capitalised, words = _words(plain)
    return Facts(
        links=Counter(span.text for span in links),
        mentions=Counter(mention.casefold() for mention in mentions),
        numbers=Counter(_NUMBER.findall(plain)),
        quotes=Counter(" ".join("".join(groups).split()) for groups in _QUOTES.findall(whole)),
        cashtags=Counter(span.text.casefold() for span in find_cashtags(plain)),
        hashtags=Counter(span.text[1:].casefold() for span in find_hashtags(plain)),
        turns=turning_words(plain),
        pairs=frozenset(_pairs(between_links, names)),
        names=frozenset(names),
        capitalised=frozenset(capitalised),
        words=frozenset(words),
    )


def links_in(text: str) -> list[Span]:
    """Everything that leads somewhere, in order, not overlapping."""
    sure = find_urls(text)
    more = [
        Span(match.start(), match.end(), match[0])
        for match in _LINKISH.finditer(text)
        if not any(match.start() < span.end and span.start < match.end() for span in sure)
    ]
    return sorted([*sure, *more], key=lambda span: span.start)


def _words(text: str) -> tuple[set[str], set[str], set[str]]:
    """(names: capitalised inside a sentence, or in capitals; everything capitalised; all words), case folded."""
    names: set[str] = set()
    capitalised: set[str] = set()
    words: set[str] = set()
    first: set[str] = set()
    for match in _WORD.finditer(text):
        word = match[0]
        folded = word.casefold()
        words.add(folded)
        if not word[0].isupper():
            continue
        capitalised.add(folded)
        inside = not _SENTENCE_START.search(text[max(0, match.start() - 8) : match.start()]) and match.start() > 0
        if text[match.start() - 1 : match.start()] == "#" or word == "I" or word.startswith(("I'", "I\u2019")):
            continue
        if inside:
            names.add(folded)
        else:
            first.add(folded)
    # The first word of a sentence is a name unless it is a common one, or stands in small letters elsewhere.
    lower = {match[0] for match in _WORD.finditer(text) if match[0][0].islower()}
    return names | (first - OPENERS - COMMON - lower), capitalised, words


_SENTENCES = re.compile(r"(?<=[.!?\u2026])\s+|\n+")
_TOKEN = re.compile(rf"{_MENTION.pattern}|{_NUMBER.pattern}|{_WORD.pattern}")
NEAR = 12  # ours: further apart in one sentence, two names are not what it says of each other


def _pairs(text: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Which name, mention or number comes before which other one in one sentence."""
    for sentence in _SENTENCES.split(text):
        told = [
            folded
            for match in _TOKEN.finditer(sentence)
            if (folded := match[0].casefold()) in names or not folded[0].isalpha()
        ]
        for index, one in enumerate(told):
            yield from ((one, other) for other in told[index + 1 : index + NEAR] if other != one)


def _swapped(old: Facts, new: Facts) -> str:
    for one, other in sorted(new.pairs - old.pairs):
        if (other, one) in old.pairs:
            return f"It swaps {other!r} and {one!r}."
    return ""


def problems(
    before: Sequence[str], after: Sequence[str], *, may_cut_links: bool = False, known_tags: Collection[str] = ()
) -> tuple[str, ...]:
    """Why `after` may not replace `before`; empty when it may. `known_tags`: hashtags (without #) that the account
    uses anyway. `may_cut_links`: a link may be left out or lose tracking parameters; none may be added ever. Pure."""
    old, new = facts(before), facts(after)
    found = [
        _differs("mention", old.mentions, new.mentions),
        _differs("number", old.numbers, new.numbers),
        _differs("quote", old.quotes, new.quotes),
        _differs("cashtag", old.cashtags, new.cashtags),
        _links(old.links, new.links, may_cut_links),
        _differs("word", old.turns, new.turns),
        _swapped(old, new),
    ]
    lost = old.names - new.words
    if lost:
        found.append(f"It loses the name {sorted(lost)[0]!r}.")
    strange = new.capitalised - old.words - OPENERS - {tag.casefold() for tag in known_tags}
    if strange:
        found.append(f"It brings in {sorted(strange)[0]!r}, which may be a name.")
    tags = set(new.hashtags) - set(old.hashtags) - old.words - {tag.casefold() for tag in known_tags}
    if tags:
        found.append(f"It brings in the hashtag {sorted(tags)[0]!r}.")
    hidden = {c for c in "".join(after) if unicodedata.category(c) in ("Cf", "Cc", "Co")} - set("".join(before))
    if hidden - {"\n"}:
        found.append("It brings in invisible characters.")
    return tuple(reason for reason in found if reason)


def _differs(what: str, old: Counter[str], new: Counter[str]) -> str:
    if lost := old - new:
        return f"It loses the {what} {next(iter(lost))!r}."
    if more := new - old:
        return f"It brings in the {what} {next(iter(more))!r}."
    return ""


def _links(old: Counter[str], new: Counter[str], may_cut: bool) -> str:
    if not may_cut:
        return _differs("link", old, new)
    allowed = Counter(old)
    for link, count in (new - old).items():
        source = next((known for known in allowed if without_tracking(known) == link and allowed[known] >= count), None)
        if source is None:
            return f"It brings in the link {link!r}."
        allowed[source] -= count
    return ""


# Parameters that only tell where a reader came from. Sources: Google Analytics "URL builders" (utm_*), Google Ads
# auto-tagging (gclid), Meta (fbclid), Microsoft Ads (msclkid), Mailchimp (mc_cid, mc_eid).
_TRACKING = re.compile(r"(?<=[?&])(?:utm_[a-z]+|gclid|fbclid|msclkid|mc_cid|mc_eid)=[^&#]*(?:&|(?=#|$))", re.IGNORECASE)


def without_tracking(link: str) -> str:
    """`link` without tracking parameters; the same when it has none. Pure."""
    cut = _TRACKING.sub("", link)
    return re.sub(r"[?&](?=#|$)", "", cut)
