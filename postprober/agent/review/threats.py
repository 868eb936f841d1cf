"""Plain threats of violence to somebody. Who quotes or reports one makes none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, words_of
from postprober.agent.review.reading import ReviewedText
from postprober.agent.review.sentences import sentences

_THREATS = Phrases.listed("threats")
_ACTS = Phrases.listed("violent_acts")
_AIMS = Phrases.listed("violent_aims")
_REPORTING = Phrases.listed("reporting")
_POLICE = Phrases.listed("police")
_PLAYFUL = re.compile("[😂🤣😅😉😜😆🙈😍❤💛]|\\b(?:lol|haha|jaja|kkk|mdr)", re.IGNORECASE)
_OF_LAUGHING = re.compile(r" (?:de |di |d'|of |vor |van )")  # "vas a morir de risa"
_PLAY = re.compile(r"(?i)\b(?:photo|studio|portrait|camera|laser tag|paintball|quiz|chess|game of|derby)\b")
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
_NEAR = 60  # ours: characters between what is done and to whom
# "We'll cut you a slice", "I'll shoot you a message", "we'll beat you to it"
_KIND = re.compile(
    r"(?i)\b(?:cut|shoot|break|beat|burn|bury) (?:you|your \w{1,12}) (?:a|an|some|another|in on|in|off|to it|to the|down (?:a|the)|every|the)\b"
    r"|\b(?:beat you (?:at|by|again|on|in|this|next)|burn (?:your cd|calories)|cut your (?:hair|bill|costs?|energy|rent|grass))\b"
)


def find(reading: ReviewedText) -> Iterator[str]:
    """The pieces that threaten."""
    text = reading.text
    if reading.has(_REPORTING) or _PLAYFUL.search(text) or _PLAY.search(text):
        return
    reported = reading.has(_POLICE)
    for start, end in () if reported else reading.said(_THREATS):
        if not _OF_LAUGHING.match(reading.folded, end):
            yield text[start:end]
    for pattern in () if reported else (_CROWD, _WILL):
        for match in pattern.finditer(text):
            if not reading.in_quotes(match.start()):
                yield match[0]
    for start, end in sentences(text):
        said = reading.folded[start:end]
        if _KIND.search(said) or reading.in_quotes(start):
            continue
        words = words_of(said)
        if reported and not _POLICE.is_in(said, words):
            continue  # told of; "stop talking to the police, or …" is not
        acts = list(_ACTS.find(said, words))
        if not acts:
            continue
        for first, last in _AIMS.find(said, words):
            act = next(
                (a for a in acts if a[0] < last + _NEAR and first < a[1] + _NEAR and (last <= a[0] or a[1] <= first)),
                None,
            )
            if act and not reading.in_quotes(start + first):
                yield text[start + min(first, act[0]) : start + max(last, act[1])]
                break
