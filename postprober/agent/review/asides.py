"""What one colleague says to another in the middle of a post: in brackets, behind a dash or as a sentence with a name.

A phrase of `aside_words` alone is said to readers, too ("not confirmed yet"). It counts beside the name of one person, a
heading as "NB:", or within square brackets, where nobody speaks to readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, fold
from postprober.agent.review.reading import ReviewedText
from postprober.agent.review.sentences import sentences

_WORDS = Phrases.listed("aside_words")
_BEFORE = Phrases.listed("before_publishing")
_SETTLE = Phrases.listed("to_settle")
_HEADS = Phrases.listed("aside_heads")
_BRACKETS = re.compile(r"\[([^\[\]\n]{4,160})\]|\(([^()\n]{4,160})\)|（([^（）\n]{4,160})）|【([^【】\n]{4,160})】")
_BEHIND = re.compile(r"(?:(?:^|\s)(?://|--|>>|\*{2,3})|\s[–—-]|(?:^|\n)\s{0,3}/)\s{1,2}([^\n]{6,160})")
_SENTENCE = re.compile(r"(?:^|(?<=\n)|(?<=[.!?。！？] ))\s{0,2}([^.!?\n]{6,160}[.!?]?)")
_CAPITAL = "A-ZÀ-ÖØ-ÞĀČĎĘĚĞİŁŃŇŘŚŞŠŤŮŹŻŽĆĄА-ЯЁІЇЄҐ"
# Not the names of one person: whom posts speak to.
_MANY = (
    r"(?!(?i:(?:parents|eltern|padres|genitori|ouders|rodzic|residents|anwohner|visitors|besucher|members|mitglieder|leden|kund|customers"
    r"|clienti|drivers|readers|students|teachers|volunteers|helfer|vecin|moradores|mieszka|passengers|folks|friends|guys|amig|chicos"
    r"|ragazz|amici|друзья|друзі|arkadaşlar|родители|батьки|жители|reminder|tickets)\w{0,6}"
    r"|pais|soci|all|alle|everyone|fans|hi|hey|hello|ciao|hola|gente|привет|привіт|hej|hallo|hoi|salut|bonjour|cześć|merhaba|olá|oi|pessoal"
    r"|sorry|yes|no|ja|nein|oui|non|please|bitte|and|und|but|aber|so|ok|now|today|heute|well|achtung|attention|kids|kinder|mum|dad|mama"
    r"|papa|santa|dear|liebe|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b)"
)
_NAME = re.compile(
    rf"\W{{0,3}}{_MANY}@?[{_CAPITAL}][\w'’-]{{1,15}}(?: [{_CAPITAL}]\.?)?\s?[,:–—-]\s?"
    rf"|\W{{0,3}}@[{_CAPITAL}a-z][\w'’.-]{{1,20}}\s"
    r"|\W{0,3}[\u0590-\u05ff\u0600-\u06ff]{2,12}\s?[,:،]\s?"
    r"|\W{0,3}[\u3040-\u30ff\u4e00-\u9fff]{1,6}(?:さん|くん|ちゃん|先輩|部長)\s?[、,:：へ]?"
    r"|\W{0,3}(?:[小老阿][\u4e00-\u9fff]{1,2}|[\u4e00-\u9fff]{1,3}(?:总|姐|哥|老师|经理))\s?[，,:：]?"
)
# "Dogs, cats, rabbits: …" names many.
_LIST = re.compile(r"\W{0,3}\w{1,20}, \w{1,20}(?:, | (?:and|und|et|y|e|en|i|ve|и|та|och) )\w{1,20}\s?[:–—]")
_SHORT = 110  # ours: who tells readers how a paper works takes a longer sentence
# "Price: ask Julie" in the infinitive, in which nobody speaks to readers, with the name of one person
_WITH = re.compile(
    r"(?<!\w)(?:(?i:à (?:confirmer|valider|voir|vérifier) (?:avec|par)|(?:noch |nog )?(?:abzuklären|abklären|abstimmen|klären) mit"
    r"|(?:noch )?nachfragen bei|nog (?:na)?vragen (?:bij|aan)|nog checken (?:bij|met)|(?:falta |por )?(?:confirmar|perguntar) (?:com [ao]|com|ao?)"
    r"|pendiente de que|a confirmar con|(?:preguntar|consultar) (?:a|con)|(?:da )?(?:chiedere|confermare|verificare) (?:a|con|da)|sentire"
    r"|(?:do akceptacji|dopytać|zapytać|do potwierdzenia) (?:u|z|przez)|(?:уточнить|спросить|узнать) у|(?:уточнити|запитати|спитати) [ву]"
    r"|(?:to be |tbc |needs to be )?(?:confirmed|cleared|checked) with|(?:double-?check|check|confirm|clear) (?:it |this |that )?with)) "
    rf"[{_CAPITAL}][\w'’-]{{1,15}}(?!\w)(?! (?:at|in|on|or) )"
    rf"|[{_CAPITAL}]\w{{1,15}}['’](?:e|a|ye|ya) sor(?:alım|ulacak|up)\b|(?<!\w)(?:לשאול|לבדוק|לוודא) (?:את|עם) [\u0590-\u05ff]{{2,10}} (?:על|לגבי|לפני)"
    r"|[\(\[](?i:maybe|perhaps|should we|could we|shall we|do we|evtl\.?|vielleicht|sollen wir|peut-être|on met|quizás?|ponemos|forse|mettiamo"
    r"|talvez|misschien|może|belki|может|можливо) [^()\[\]\n]{4,80}\?[\)\]]"
    r"|\b(?i:pls|plz) (?:swap|add|fix|change|replace|use|insert|update|cut|shorten)\b|(?i:einsetzen|ergänzen|einfügen|nachreichen),? sobald\b"
    r"|^(?i:here(?:'s|’s| is) the (?:caption|copy|draft|post text|text)) for\b"
)
_HEAD_ENDS = re.compile(r"\s{0,2}[!:：–—,，-]")
_NAMED_LATER = re.compile(
    rf"[,:] {_MANY}[{_CAPITAL}][\w'’-]{{1,15}}[,:]|[!?]{{2}}\s{{0,2}}$|\b[{_CAPITAL}]\w{{1,15}}['’](?:ye|ya|e|a|nin|nın)\b"
)


def find(reading: ReviewedText) -> Iterator[str]:
    """The asides, each as it stands."""
    text = reading.text
    for match in _BRACKETS.finditer(text):
        inner = next(group for group in match.groups() if group)
        square = match[0][0] in "["
        if reading.in_quotes(match.start()) or reading.in_code(match.start()):
            continue
        if _said(inner) and (
            _named(inner) or _headed(inner) or (square and len(inner) > 12) or _NAMED_LATER.search(inner)
        ):
            yield match[0]
    for start, end in sentences(text):
        said = reading.folded[start:end]
        words = _words(said)
        if (
            end - start <= _SHORT
            and _BEFORE.is_in(said, words)
            and _SETTLE.is_in(said, words)
            and not reading.in_quotes(start)
        ):
            yield text[start:end]
    for match in _WITH.finditer(text):
        if not reading.in_quotes(match.start()):
            yield match[0]
    for pattern in (_BEHIND, _SENTENCE):
        for match in pattern.finditer(text):
            piece = match[1]
            if not reading.in_quotes(match.start(1)) and _named(piece, latin=True) and _said(piece[:100], near=60):
                yield piece


def _said(piece: str, near: int = 160) -> bool:
    folded = fold(piece)
    return any(start < near for start, _ in _WORDS.find(folded, _words(folded)))


def _named(piece: str, *, latin: bool = False) -> bool:
    """Whether it begins with a name; `latin`: only a name that a capital letter shows, as sentences begin with any word."""
    match = _NAME.match(piece)
    if match is None or (latin and not re.search(f"[{_CAPITAL}]", match[0])):
        return False
    if _LIST.match(piece):
        return False
    behind = piece[match.end() : match.end() + 1]
    return bool(behind) and not (latin and behind.isupper())


def _headed(piece: str) -> bool:
    folded = fold(piece)
    return any(start < 4 and _HEAD_ENDS.match(folded, end) for start, end in _HEADS.find(folded, _words(folded)))


def _words(folded: str) -> list[tuple[int, str]]:
    return [(match.start(), match[0]) for match in re.finditer(r"[^\W_]+", folded)]
