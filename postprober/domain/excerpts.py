"""Whether a text that a list shows may be the beginning of a longer one. A list entry that was cut is no proof that the
whole text is not there.

Others wrote what is shown, so the work is bounded: it grows with the texts' length and not with its square. Where a bound
is reached, less is compared, which makes a doubt more likely and never less.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import islice

from postprober.domain.entities import find_urls
from postprober.domain.mentions import without_hosts
from postprober.domain.platform import media_hosts, shorteners
from postprober.domain.text import URL_WEIGHT, normalise

# Ours: without a mark of cutting a beginning this long (in characters) still counts. A long post may be cut at
# 280 by the platform's own count, which is 140 letters in Chinese; shorter posts that begin like a longer one are real.
UNMARKED = 100
# Ours: a mark makes a beginning of this many characters count. Nobody cuts that early: before the mark there is more than
# one link, so that a post of only a link, or of a picture (which may be shown as a link), is nobody's beginning.
MARKED = 25
# Ours: more than any platform lets a post have (25,000 characters, of which 280 may be shown).
LONGEST, MOST_LINKS, LONGEST_WORD = 30_000, 32, 4096
_MOST_MARKS = 12  # ours: what stands one behind the other at an end, like "…" and a link that was cut
_SLUG = 100  # characters of a shortened link; real ones have about ten
_DOTS = " \n….[]"  # "…", "...", "[…]" and what stands before and behind


@cache
def _short() -> re.Pattern[str]:
    """A shortened link, which may be cut, too, or a link to media. What stands behind them is not to be seen."""
    hosts = "|".join(re.escape(host) for host in dict.fromkeys((*shorteners(), *media_hosts())))
    return re.compile(rf"(?:https?://|(?<![\w.@/]))(?:{hosts})/[\w-]{{0,{_SLUG}}}", re.IGNORECASE)


@cache
def _short_at_end() -> re.Pattern[str]:
    return re.compile(rf"(?:{_short().pattern})\Z", re.IGNORECASE)


def may_be_beginning(shown: str, sent: str) -> bool:
    """Whether `shown` may be a cut reading of `sent`: it begins like it, and ends with a mark of cutting ("…", a short
    link) or is long enough to be one without a mark. A short link inside may stand for any link."""
    shown, whole = normalise(shown), normalise(sent)
    if not shown:
        return False
    shown, bounded = _bounded(shown)
    # As it stands, too: what is cut inside "https://" or a mention's server is a beginning only of that.
    wholes = [(form, form(whole)) for form in (_blanks, _plain)]
    return any(
        _fits([form(piece) for piece in _short().split(body)], known, _is_long(body, MARKED if marked else UNMARKED))
        for body, marked in _bodies(shown, bounded)
        for form, known in wholes
    )


def _bounded(shown: str) -> tuple[str, bool]:
    """The beginning of `shown` that is compared, and whether it is less than all of it."""
    end = len(shown)
    if end > LONGEST:
        end = shown.rfind(" ", 0, LONGEST) + 1 or LONGEST
    for link in islice(_short().finditer(shown, 0, end), MOST_LINKS, None):
        end = link.start()
        break
    return shown[:end], end < len(shown)


def _bodies(shown: str, marked: bool) -> Iterator[tuple[str, bool]]:
    """`shown`, first as it is, then without one more mark of cutting at its end each time, and whether one was there."""
    yield shown, marked
    for _ in range(_MOST_MARKS):
        if link := _short_at_end().search(shown, max(0, len(shown) - 2 * _SLUG)):
            shown = shown[: link.start()].rstrip()
        else:
            bare = shown.rstrip(_DOTS)
            dots = shown[len(bare) :]
            if "…" not in dots and "..." not in dots:
                return
            shown = bare
        yield shown, True


def _is_long(body: str, least: int) -> bool:
    """Whether `body` has `least` characters, a link counted as `text.weighted_length` does, whatever it was written as."""
    if len(body) >= least:
        return True
    return len(body) + sum(max(0, URL_WEIGHT - len(span.text)) for span in find_urls(body)) >= least


def _fits(pieces: list[str], whole: str, long: bool) -> bool:
    # A cut may fall between a letter and what combines with it.
    ends = _ends(whole, [*pieces[:-1], _without_marks(pieces[-1])])
    return len(_without_marks(whole)) in ends or (bool(ends) and long)


def _ends(whole: str, pieces: list[str]) -> set[int]:
    """Where `pieces`, with one word or part of a word between each two, can end in `whole`, from its beginning on."""
    ends = {len(pieces[0])} if whole.startswith(pieces[0]) else set()
    for piece in pieces[1:]:
        ends = {at + len(piece) for at in _starts(whole, ends) if whole.startswith(piece, at)}
    return ends


def _starts(text: str, ends: set[int]) -> Iterator[int]:
    """Every position up to which a word goes on that has begun at one of `ends`, each once."""
    done = 0
    for end in sorted(ends):
        at = max(end, done)
        while at < len(text) and at < end + LONGEST_WORD and not text[at].isspace():
            at += 1
            yield at
        done = max(done, at)


def _without_marks(text: str) -> str:
    """`text` without the combining marks at its end."""
    end = len(text)
    while end and unicodedata.combining(text[end - 1]):
        end -= 1
    return text[:end]


def _blanks(text: str) -> str:
    """One kind of blank, letters taken apart."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFD", text))


def _plain(text: str) -> str:
    """One kind of blank, mentions without servers, links without schemes and closing slashes."""
    text = re.sub(r"https?://(?:www\.)?", "", without_hosts(text), flags=re.IGNORECASE)
    return _blanks(re.sub(r"/(?=\s|\Z)", "", text))
