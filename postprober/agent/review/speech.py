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
_OF_LAUGHING = re.compile(r" (?:de |di |d'|of |vor |van )")  # "vas a morir de risa"
_SHOPPING = re.compile(r"(?i)\b(?:free|easy|\d{1,3}[- ]days?) returns\b|\breturns (?:policy|within|are free)\b")
_PLAY = re.compile(r"(?i)\b(?:photo|studio|portrait|camera|laser tag|paintball|quiz|chess|game|match|pitch|derby)\b")
_WILL = re.compile(
    r"(?i)\b(?:i|we)(?:['’]ll| will|['’]m going to| am going to|['’]re going to| are going to"
    r"|['’]m gonna)\b[^.!?\n]{0,30}\b(?:kill|murder|stab|shoot|strangle|slaughter|beat) (?:you|your (?:family"
    r"|kids|children|wife|husband|dog))\b(?! (?:to|at|guys|in the)\b)"
    r"|\b(?:burn|blow)(?: down| up)? your (?:house|shop|home|office|car|church|mosque|synagogue"
    r"|school)(?: down)?\b|\b(?:break|smash) your (?:legs?|neck|bones|face|skull|teeth)\b|\bshoot them all\b"
)
_CROWD = re.compile(
    r"(?i)\b(?:all|those|these) \w{3,30} (?:should|must|deserve to) (?:die|be (?:killed|shot|hanged|gassed"
    r"|exterminated|wiped out|put down))\b|\bgas the \w{3,20}\b"
)
_SEND = re.compile(
    r"(?i)\bsend (?:me|us) [^.!?\n]{0,40}(?:btc|bitcoins?|eth|usdt|crypto|gift cards?)\b"
    r"|\bsend [^.!?\n]{0,30}(?:btc|bitcoins?|eth|usdt)\b[^.!?\n]{0,60}(?:back|double|twice|return)"
    r"|\b(?:dm|send|tell|give|e-?mail|text) (?:me|us) (?:your )?(?:seed phrase|recovery phrase|password"
    r"|bank details|card details|pin)\b"
    r"|\benter your (?:card|bank) details to (?:claim|receive|unlock)\b"
    r"|\b(?:invest|pay|deposit) \D{0,3}\d[\d,.]{0,9}[^.!?\n]{0,40}\b(?:get|receive|earn|make) \D{0,3}\d[\d,.]{0,9}[^.!?\n]{0,20}\b(?:tomorrow|back|within|in \d|guaranteed|daily|a day|in return)\b"
    r"|\b(?:earn|make) [$£€]\s?\d[\d,.]{0,9}k? (?:a|per|every) (?:day|week) (?:from home|with no|without)"
    r"|\b(?:verify|confirm|unlock|restore) your (?:account|wallet|password"
    r"|bank details)\b[^\n]{0,80}(?:within \d|or it will|suspended|locked|blocked)"
    r"|\byour account (?:has been|is|will be) (?:suspended|locked|blocked)\b[^\n]{0,120}(?:click|https?://"
    r"|verify|confirm)"
    r"|\b(?:you(?:'ve| have)? (?:won|been selected))\b[^\n]{0,100}(?:click|claim|confirm|card details"
    r"|bank details|small fee|shipping fee)"
)

_MONEY = (
    r"(?:rendite|rendement|returns?|profits?|ganancias?|rentabilidad|guadagn[oi]|rendimento|lucros?|retorno"
    r"|zysk\w*|kazanç|getiri|доход\w*|прибыл\w*|прибут\w*|заробіт\w*|заработ\w*|winst|أرباح|ربح|רווח\w*|תשואה)"
)
_SURE = r"(?:garant\w*|guarantee\w*|gwarant\w*|гарант\w*|sicur[oi]|مضمون\w*|מובטח\w*)"
_GAINS = re.compile(
    rf"(?i)(?<!\w){_SURE}[^.!?\n]{{0,25}}?(?<!\w){_MONEY}(?!\w)"
    rf"|(?<!\w){_MONEY}[^.!?\n]{{0,25}}?(?<!\w){_SURE}(?!\w)"
)
_PER_DAY = re.compile(
    r"(?i)\b(?:gagne[zr]?|verdiene?n?|gana[rd]?|guadagna(?:te)?|ganhe|zarabiaj|kazan(?:ın)?"
    r"|заработай(?:те)?)\b[^.!?\n]{0,20}\d[\d.,]{0,9}\s?(?:€|\$|£|zł|tl|₺|euros?|руб\w*"
    r"|reais)[^.!?\n]{0,12}(?:par jour|am tag|pro tag|täglich|al día|al giorno|por dia|per dag|dziennie|günde"
    r"|в день)[^.!?\n]{0,60}(?:sans|ohne|sin|senza|sem|zonder|bez|без|garant|гарант)"
)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Threats and fraud flagged, unless somebody tells of them or warns of them; coarse words as doubts."""
    text = reading.text
    if not reading.has(_REPORTING) and not _PLAYFUL.search(text) and not _PLAY.search(text):
        for start, end in reading.said(_THREATS):
            if _OF_LAUGHING.match(reading.folded, end):
                continue
            yield _threat(text[start:end])
        for pattern in (_CROWD, _WILL):
            for match in pattern.finditer(text):
                if not reading.in_quotes(match.start()):
                    yield _threat(match[0])
    if not reading.has(_WARNING) and not _SHOPPING.search(text):
        for start, end in reading.said(_FRAUD):
            yield _fraud(text[start:end])
        for pattern in (_SEND, _GAINS, _PER_DAY):
            for match in pattern.finditer(text):
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
    return (
        text[start].isupper()
        and not text[start:end].isupper()
        and re.search(r"[A-Z]\w{1,20} $", text[max(0, start - 22) : start]) is not None
    )
