"""Threats, fraud and coarse words: what is there to be seen plainly. Rules do not look for hate; a model does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases
from postprober.agent.review.reading import Found, ReviewedText, shown

_THREATS = Phrases.listed("threats")
_FRAUD = Phrases.listed("fraud")
_COARSE = Phrases.listed("coarse")
_REPORTING = Phrases.listed("reporting")
_WARNING = Phrases.listed("warning")
_PLAYFUL = re.compile("[😂🤣😅😉😜😆🙈😍❤💛]|\\b(?:lol|haha|jaja|kkk|mdr)", re.IGNORECASE)
_PLAY = re.compile(r"(?i)\b(?:photo|studio|portrait|camera|laser tag|paintball|quiz|chess|game|match|pitch|derby)\b")
_CROWD = re.compile(r"(?i)\b(?:all|those|these) \w{3,30} (?:should|must|deserve to) (?:die|be killed|be shot|be hanged|be gassed)\b|\bgas the \w{3,20}\b")
_SEND = re.compile(
    r"(?i)\bsend (?:me|us) [^.!?\n]{0,40}(?:btc|bitcoins?|eth|usdt|crypto|gift cards?)\b|\bsend [^.!?\n]{0,30}(?:btc|bitcoins?|eth|usdt)\b[^.!?\n]{0,60}(?:back|double|twice|return)"
    r"|\b(?:earn|make) [$£€]\s?\d[\d,.]{0,9}k? (?:a|per|every) (?:day|week) (?:from home|with no|without)"
    r"|\b(?:verify|confirm|unlock|restore) your (?:account|wallet|password|bank details)\b[^\n]{0,80}(?:within \d|or it will|suspended|locked|blocked)"
    r"|\byour account (?:has been|is|will be) (?:suspended|locked|blocked)\b[^\n]{0,120}(?:click|https?://|verify|confirm)"
    r"|\b(?:you(?:'ve| have)? (?:won|been selected))\b[^\n]{0,100}(?:click|claim|confirm|card details|bank details|small fee|shipping fee)"
)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Threats and fraud flagged, unless somebody tells of them or warns of them; coarse words as doubts."""
    text = reading.text
    if not reading.has(_REPORTING) and not _PLAYFUL.search(text) and not _PLAY.search(text):
        for start, end in reading.said(_THREATS):
            yield _threat(text[start:end])
        for match in _CROWD.finditer(text):
            if not reading.in_quotes(match.start()):
                yield _threat(match[0])
    if not reading.has(_WARNING):
        for start, end in reading.said(_FRAUD):
            yield _fraud(text[start:end])
        for match in _SEND.finditer(text):
            if not reading.in_quotes(match.start()):
                yield _fraud(match[0])
    for start, end in reading.said(_COARSE):
        if not _is_a_name(text, start, end):
            yield Found("coarse", shown(text[start:end]), "is coarse; is that how this account speaks?")


def _threat(piece: str) -> Found:
    return Found("threat", shown(piece), "reads like a threat or a call to violence", flagged=True)


def _fraud(piece: str) -> Found:
    return Found("fraud", shown(piece), "reads like an offer that platforms treat as fraud", flagged=True)


def _is_a_name(text: str, start: int, end: int) -> bool:
    """Capitalised in the middle of a sentence, with another name beside it: a person or a place."""
    return text[start].isupper() and not text[start:end].isupper() and re.search(r"[A-Z]\w{1,20} $", text[max(0, start - 22) : start]) is not None
