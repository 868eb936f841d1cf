"""What a rewrite may not touch: links, mentions, numbers with their units, names and quotes must be those of the original,
so must the words that turn a sentence around, who does what to whom, and what a sentence leans on.

Checked here by code; nobody's word is taken for it, the rules' own included. Strictness costs a suggestion, leniency
would cost the person's trust, so in doubt a rewrite is refused. What it cannot see is a paraphrase that keeps all of these
and still says something else (another verb or adjective): docs/decisions/0037-suggestions-that-keep-meaning.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.agent.meaning import measures, turning_words
from postprober.agent.words import CALENDAR, COMMON, OPENERS
from postprober.domain.entities import Span, between
from postprober.domain.sentence_words import PRONOUNS
from postprober.domain.sentences import Seam, leans, pieces
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
    measures: Counter[str]
    pairs: frozenset[tuple[str, str]]
    names: frozenset[str]
    capitalised: frozenset[str]
    words: Counter[str]


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
    tags = find_hashtags(plain)
    names, capitalised, words = _words("\u2003".join(between(plain, tags)))
    return Facts(
        links=Counter(span.text for span in links),
        mentions=Counter(mention.casefold() for mention in mentions),
        numbers=Counter(_NUMBER.findall(plain)),
        quotes=Counter(" ".join("".join(groups).split()) for groups in _QUOTES.findall(whole)),
        cashtags=Counter(span.text.casefold() for span in find_cashtags(plain)),
        hashtags=Counter(span.text[1:].casefold() for span in tags),
        turns=turning_words(plain),
        measures=measures(plain),
        pairs=frozenset(_pairs(between_links, names)),
        names=frozenset(names),
        capitalised=frozenset(capitalised),
        words=words,
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


def _words(text: str) -> tuple[set[str], set[str], Counter[str]]:
    """(names: capitalised inside a sentence, or in capitals, or where there are no capitals every word; everything
    capitalised; all words), case folded."""
    names: set[str] = set()
    capitalised: set[str] = set()
    words: Counter[str] = Counter()
    first: set[str] = set()
    found = list(_WORD.finditer(text))
    uncased = text == text.lower()  # its author uses no capitals at all
    for match in found:
        word = match[0]
        folded = word.casefold()
        words[folded] += 1
        if word.islower() and uncased and len(word) > 2 and folded not in COMMON | OPENERS:
            names.add(folded)
        elif not _CASED.search(word):
            runs = _RUNS.findall(word) if _UNDIVIDED.search(word) else [folded]
            words.update(run for run in runs if run != folded)
            names.update(run for run in runs if len(run) > 1)
        if not word[0].isupper():
            continue
        capitalised.add(folded)
        inside = not _SENTENCE_START.search(text[max(0, match.start() - 8) : match.start()]) and match.start() > 0
        if word == "I" or word.startswith(("I'", "I\u2019")):
            continue
        if inside:
            names.add(folded)
        else:
            first.add(folded)
    # The first word of a sentence is a name unless it is a common one, or stands in small letters elsewhere.
    lower = {match[0] for match in found if match[0][0].islower()}
    known = OPENERS | COMMON | lower
    return names | {word for word in first if not {word, _APOSTROPHE.split(word)[0]} & known}, capitalised, words


_APOSTROPHE = re.compile("['\u2019]")  # we're
_CASED = regex.compile(r"[\p{Lu}\p{Ll}\p{Lt}]")
_UNDIVIDED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
_RUNS = regex.compile(r"\p{Han}{2,}|[\p{Katakana}\u30fc]{2,}|\p{Thai}{2,}")  # where words probably end
_TOKEN = re.compile(rf"{_MENTION.pattern}|{_NUMBER.pattern}|{_WORD.pattern}")
NEAR = 12  # ours: further apart in one sentence, two names are not what it says of each other
_SAYING = 4  # letters of a word that counts as what is said of a name; ours


def _pairs(text: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Which name, mention or number comes before which other one, or before which word of some length, in one sentence."""
    for sentence in pieces(text, Seam.STOP):
        told = [
            (folded, sure)
            for token in _tokens(sentence)
            if (sure := (folded := token.casefold()) in names or not folded[0].isalpha())
            or (len(folded) >= _SAYING and folded not in COMMON | OPENERS | CALENDAR)
        ]
        for index, (one, sure) in enumerate(told):
            for other, also in told[index + 1 : index + NEAR]:
                if other != one and (sure or also):
                    yield one, other


def _tokens(sentence: str) -> Iterator[str]:
    for match in _TOKEN.finditer(sentence):
        if _UNDIVIDED.search(match[0]) and not _CASED.search(match[0]):
            yield from _RUNS.findall(match[0])
        else:
            yield match[0]


def _swapped(old: Facts, new: Facts) -> str:
    for one, other in sorted(new.pairs - old.pairs):
        if (other, one) in old.pairs:
            return f"It swaps {other!r} and {one!r}."
    return ""


def _turned(before: Sequence[str], after: Sequence[str]) -> str:
    """Whether a sentence has the very words of an old one in another order: "The dog bit the man"."""
    old, new = ({_bag(one): one for text in texts for one in pieces(text, Seam.STOP)} for texts in (before, after))
    if any(bag in old and _order(sentence) != _order(old[bag]) for bag, sentence in new.items()):
        return "It changes who does what."
    return ""


def _bag(sentence: str) -> frozenset[tuple[str, int]]:
    return frozenset(Counter(regex.findall(r"\w+", sentence.casefold())).items())


def _order(sentence: str) -> list[str]:
    """The words that say something, as they follow each other."""
    found = regex.findall(r"\p{L}[\p{L}\p{M}]+", sentence.casefold())
    return [word for word in found if word not in COMMON | OPENERS | CALENDAR]


_MOST_COMPARED = 80  # sentences that are compared word by word; ours, twice a long post
_SAME = 0.6  # share of words from which two sentences are versions of each other; ours


def _loosened(before: Sequence[str], after: Sequence[str]) -> str:
    """Whether a sentence that leans on the one before it stands behind another one now."""
    old, new = ([one for text in texts for one in pieces(text, Seam.STOP) if one.strip()] for texts in (before, after))
    places = _matched(old, new)
    if places == sorted(places) and len(set(places)) == len(old):
        return ""
    for index, place in enumerate(places):
        earlier = places[index - 1] if index else -1
        if place < 1:
            continue
        moved_up = any(0 <= other < place for other in places[index + 1 :])
        points_back = leans(old[place]) or (moved_up and _points_back(old[place]))
        if points_back and earlier != place - 1 and (earlier >= 0 or place - 1 in places or not index):
            return "It moves a sentence away from the one that it leans on."
    return ""


def _points_back(sentence: str) -> bool:
    return any(word in PRONOUNS for word in regex.findall(r"[\p{L}\p{M}]+", sentence.casefold()))


def _matched(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """For every new sentence, which old one it is a version of; -1: none."""
    bags = [frozenset(regex.findall(r"\w+", one.casefold())) for one in old]
    left = dict(enumerate(bags))
    places: list[int] = []
    for sentence in new:
        bag = frozenset(regex.findall(r"\w+", sentence.casefold()))
        found = next((place for place, other in left.items() if other == bag), -1)
        if found < 0 and len(new) <= _MOST_COMPARED and len(old) <= _MOST_COMPARED:
            share, found = max(
                ((len(bag & other) / max(1, len(bag | other)), place) for place, other in left.items()), default=(0, -1)
            )
            found = found if share >= _SAME else -1
        left.pop(found, None)
        places.append(found)
    return places


def problems(
    before: Sequence[str], after: Sequence[str], *, may_cut_links: bool = False, known_tags: Collection[str] = ()
) -> tuple[str, ...]:
    """Why `after` may not replace `before`; empty when it may. `known_tags`: hashtags (without #) that the account
    uses anyway. `may_cut_links`: a link may be left out or lose tracking parameters; none may be added ever. Pure."""
    if _same_words(before, after):
        return ()
    old, new = facts(before), facts(after)
    found = [
        _differs("mention", old.mentions, new.mentions),
        _differs("number", old.numbers, new.numbers),
        _differs("quote", old.quotes, new.quotes),
        _differs("cashtag", old.cashtags, new.cashtags),
        _links(old.links, new.links, may_cut_links),
        _differs("word", old.turns, new.turns),
        _differs("measure", old.measures, new.measures),
        _swapped(old, new) or _turned(before, after),
        _loosened(before, after),
    ]
    if lost := [name for name in sorted(old.names) if new.words[name] < old.words[name]]:
        found.append(f"It loses the name {lost[0]!r}.")
    if gone := sorted(set(old.hashtags) - set(new.hashtags) - set(new.words)):
        found.append(f"It loses the hashtag {gone[0]!r}.")
    strange = (
        new.capitalised - set(old.words) - set(old.hashtags) - OPENERS - COMMON - {tag.casefold() for tag in known_tags}
    )
    if strange:
        found.append(f"It brings in {sorted(strange)[0]!r}, which may be a name.")
    tags = set(new.hashtags) - set(old.hashtags) - set(old.words) - {tag.casefold() for tag in known_tags}
    if tags:
        found.append(f"It brings in the hashtag {sorted(tags)[0]!r}.")
    hidden = {c for c in "".join(after) if unicodedata.category(c) in ("Cf", "Cc", "Co")} - set("".join(before))
    if hidden - {"\n"}:
        found.append("It brings in invisible characters.")
    return tuple(reason for reason in found if reason)


def _same_words(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether only blanks and ends of lines differ, or where a part ends."""
    blanks = {char for text in after for char in text if char.isspace()} - {char for text in before for char in text}
    return blanks <= {" ", "\n"} and " ".join(before).split() == " ".join(after).split()


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
