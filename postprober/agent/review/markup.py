"""Markup that readers would see as it is, and letters that went through a wrong encoding."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.review.reading import Found, ReviewedText, shown

MARKUP = "is markup that readers would see as it is"
MOJIBAKE = "went through a wrong encoding; write it anew"

_HTML = re.compile(
    r"</?(?:p|br|b|i|u|s|strong|em|div|span|a|img|h[1-6]|ul|ol|li|table|tbody|tr|td|th|font|center|blockquote"
    r"|script|style|iframe|hr|small|sup|sub|section|figure)"
    r"(?:\s{1,3}[\w-]{1,30}=[^<>\n]{0,400})?\s{0,3}/?>|<!--[^\n]{0,200}?-->|<!DOCTYPE",
    re.IGNORECASE,
)
_SPOKEN_BEFORE = re.compile(
    r"(?i)(?:^|[\s(])(?:use|the|a|an|and|or|not|tag|tags|element|than|der|das|ein|und|oder|statt|nutzt|verwendet|le|la|une?|et|ou|usa"
    r"|el|y|o|il|lo|e|usate|use o|het|een|en|of|gebruik|tag'i|znacznik|тег|теги|и|або|וגם|وسم|標籤)\s{0,1}$"
)
_SPOKEN_BEHIND = re.compile(
    r"(?i)\s?(?:when|is|isn't|for|tag|tags|element|and|or|means|not|to|if|instead|only|ist|nur|für|und|oder|wenn|bedeutet|est|pour|quand"
    r"|et|ou|signifie|es|para|cuando|y|significa|è|per|quando|e|é|voor|als|en|betekent|to|dla|oznacza|это|для|и|це|та|כאשר|هو|は|是)\b"
)
_ENTITY = re.compile(
    r"&(?:nbsp|amp|lt|gt|quot|apos|ndash|mdash|hellip|[lr][sd]quo|[lr]aquo|[sb]dquo|euro|pound|cent|copy|reg"
    r"|trade|bull|middot|times|deg|[aeiounAEIOUNyY]"
    r"(?:uml|acute|grave|circ|tilde|ring)|szlig|[cC]cedil|[oO]slash|[aA]elig|shy|zwj|zwnj|#\d{2,6}"
    r"|#[xX][0-9a-fA-F]{2,5});"
)
_MARKDOWN = re.compile(
    r"!?\[[^\[\]\n]{1,200}\]\((?:https?://|www\.|/|mailto:|#)[^()\s]{0,400}\)"
    r"|(?<![\w*])\*\*(?=[^\s*])[^*\n]{1,200}(?<=[^\s*])\*\*(?![\w*])"
    r"|(?<![\w_])__(?=[^\s_])[^_\n]{1,100}(?<=[^\s_])__(?![\w_])"
    r"|(?<![\w~])~~(?=[^\s~])[^~\n]{1,100}(?<=[^\s~])~~(?![\w~])|^[ ]{0,3}#{2,6} \S[^\n]{0,100}"
    r"|\A#{1} [^\W\d_][^\n]{0,100}(?=\n)|^[ ]{0,3}[-*] \[[ xX]\] "
    r"|^\[[^\]\n]{1,20}\]: https?://\S{1,200}",
    re.MULTILINE,
)
_BBCODE = re.compile(
    r"\[(b|i|u|s|url|img|quote|code|color|colour|size|center|list)(?:=[^\]\n]{1,200})?\][^\[\]]{0,400}\[/\1\]",
    re.IGNORECASE,
)
_ESCAPED = re.compile(
    r"(?<=[\w.!?:,])\\n(?:\\n)?(?=[A-Z\W\d]|$)|\\u00[0-9a-f]{2}|(?:\\u0[0-9a-fA-F]{3}){2,40}|(?<=\w)\\'(?=\w)|\\\"(?=\w)"
)
_FENCE = re.compile(r"^```(?:markdown|text|md|html|plaintext)?\s*$", re.MULTILINE)
# Bytes of UTF-8 read as Windows-1252: a lead byte, and as many continuation bytes as it asks for.
_SIGNS = re.compile("[\u00c2-\u00f4\u0192]")
_LEADS = frozenset("ÂÃÄÅÆÎÏÐÑ×ØÙÚÛÜ")
_CLOSERS = frozenset("»”’“‘…–—™\u00a0")  # what stands behind a capital letter in good texts


def find(reading: ReviewedText) -> Iterator[Found]:
    """Markup and mojibake, as doubts; none where a post speaks of programming, or within code."""
    text = reading.text
    for pattern in (_HTML, _ENTITY, _MARKDOWN, _BBCODE, _ESCAPED, _FENCE):
        for match in pattern.finditer(text):
            inside_link = pattern is _ENTITY and any(start <= match.start() < end for start, end in reading.links)
            spoken = _SPOKEN_BEFORE.search(text[: match.start()][-14:]) and _SPOKEN_BEHIND.match(text, match.end())
            if spoken and pattern in (_HTML, _ENTITY):
                continue  # "use <b> when it matters"
            if not (reading.talks_code or inside_link or (pattern is not _FENCE and reading.in_code(match.start()))):
                yield Found("markup", shown(match[0]), MARKUP)
                break
    piece = _mojibake(text)
    if piece and not reading.talks_code:
        yield Found("mojibake", shown(piece), MOJIBAKE)


def _mojibake(text: str) -> str:
    """The word around the first characters that cannot be meant, "" when there are none."""
    place = text.find("\ufffd")
    if place < 0:
        place = next((match.start() for match in _SIGNS.finditer(text) if _is_sequence(text, match.start())), -1)
    if place < 0:
        return ""
    start = max(text.rfind(" ", 0, place), text.rfind("\n", 0, place)) + 1
    return text[start : place + 12].split("\n")[0].split(" ")[0] or text[place : place + 4]


def _is_sequence(text: str, place: int) -> bool:
    lead = text[place]
    code = ord(lead)
    if code > 0xFF:
        return False
    more = 1 if code < 0xE0 else 2 if code < 0xF0 else 3
    if more == 1 and lead not in _LEADS:
        return False
    tail = text[place + 1 : place + 1 + more]
    try:
        _bytes(lead + tail).decode("utf-8")
    except (UnicodeDecodeError, ValueError):
        return False
    if more == 1 and tail in _CLOSERS:
        return lead in "ÂÃ" and place > 0 and text[place - 1].islower()
    return len(tail) == more


def _bytes(chars: str) -> bytes:
    """As Windows-1252 wrote them; what that leaves out is Latin-1. Raises ValueError for what no byte stood for."""
    return b"".join(_byte(char) for char in chars)


def _byte(char: str) -> bytes:
    try:
        return char.encode("cp1252")
    except UnicodeEncodeError:
        return char.encode("latin-1")
