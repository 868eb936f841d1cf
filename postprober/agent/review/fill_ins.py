"""What says in words or signs that something is still to be put in, beyond brackets: "INSERT TIMES", "TK years", 〇〇円."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, fold, words_of
from postprober.agent.review.reading import ReviewedText
from postprober.agent.review.templates import is_slot
from postprober.agent.words import read

_SAMPLES = Phrases.listed("sample_texts")
_SAMPLE_ENDS = re.compile(r"[^.!?\n。！？]{0,40}(?:[.!?\n。！？]|$)")
_INSERTS = Phrases.listed("insert_verbs")
# Names of samples, as people write them who forgot to write a name
_NO_NAMES = re.compile(
    r"(?<![\w:–-])(?<!: )(?:First ?[Nn]ame Last ?[Nn]ame|Firstname Lastname|Vorname Nachname|Prénom Nom(?: de famille)?|Nombre Apellidos?|Nome Cognome"
    r"|Nome Sobrenome|Nome Apelido|Voornaam Achternaam|Imię Nazwisko|Ad Soyad|Adı Soyadı|Имя Фамилия|Имени Фамилии|Ім['’ʼ]я Прізвище"
    r"|Förnamn Efternamn|Fornavn Etternavn|Jméno Příjmení|الاسم واللقب|الاسم الاول واللقب|שם פרטי ושם משפחה|שם ושם משפחה)(?!\w)"
)
_CAPITALS = re.compile(
    r"(?<![\w#])(?:INSERT|INSERIRE|INSERISCI|INSERIR|INSIRA|INSÉRER|INSEREZ|INSERTAR|INSERTE|AJOUTER|AÑADIR|AGGIUNGERE|COMPLÉTER|RELLENAR"
    r"|WSTAWIĆ|WSTAW|WPISAĆ|UZUPEŁNIĆ|ВСТАВИТЬ|ВСТАВИТИ|ВПИСАТЬ|ВПИСАТИ|УКАЗАТЬ|ВКАЗАТИ|INFOGA|FYLL I)(?: [A-ZÀ-ÞĀ-ŽА-ЯІЇЄҐ]{3,20}){1,3}(?!\w)"
    r"|(?<![\w#])(?:[A-ZÀ-ÞĀ-Ž]{3,20} ){1,3}(?:EINFÜGEN|EINSETZEN|ERGÄNZEN|NACHTRAGEN|INVOEGEN|INVULLEN|EKLENECEK|EKLE|YAZILACAK|GİRİLECEK)(?!\w)"
)
_IN_BRACKETS = re.compile(r"\(([^()\n]{4,50})\)|（([^（）\n]{3,40})）|【([^【】\n]{3,40})】")
_ADDED = re.compile(r"\[[^\W\d][\w .'-]{1,24}(?: ?[+&] ?[^\W\d][\w .'-]{1,24}){1,3}\]")
# "To come", as English papers write it; not the German insurer and not the shop
_TK = re.compile(
    r"[£$€]TK\b|\bTK ?%|[(\[]TK[)\]]"
    r"|(?<=[a-z,] )TK(?= (?:years?|months?|weeks?|days?|hours?|minutes?|people|per ?cent|miles|members|pounds|dollars|euros|million|thousand"
    r"|visitors|times|points|goals|votes|pages|seats|tonnes|metres|families|homes|jobs|children|pupils|guests|of (?:the|them|those)\b)\b)"
)
# Circles, crosses and squares for letters or figures, as Japanese and Chinese drafts have them, before what they count
_CIRCLES = re.compile(
    r"[〇○◯●△▲□■×✕Xx*＊]{2,8}(?=(?:円|時|分|名様|名|人|年|月|日|%|個|件|回|歳|階|号|元|块|点|岁|层|楼|号|折|㎡|店舗))"
)
_ASKED = re.compile(
    r"(?<!\w)[ХX]{2,4}\s?(?:грн|гривень|руб|₽|₴|тис|тыс|осіб|человек|людей)|(?<!\w)[ХX]{2}[:.][ХX]{2}(?!\w)|"
    r"※\s?(?:要確認|確認中|仮|未定稿|要修正|要差し替え|あとで|後で)|[(（](?:※?要確認|※?要修正|※?仮|待核实|待确认|待补|待补充|待定稿)[)）]"
)
_TERMS = frozenset(map(fold, read("draft_terms")))
_OF_NAMES = re.compile(
    r"(?i)\b(?:wer ist|wer war|heißen|hießen|muster(?:ausweis|name)\w{0,3}|beispielname\w{0,3}|platzhaltername\w{0,3})\b"
)


def is_a_term(reading: ReviewedText, start: int, end: int) -> bool:
    """Whether the phrase is spoken of: named as a word, a term within a sentence, or a sample name in a text about names."""
    piece = reading.folded[start:end]
    if reading.is_named(start):
        return True
    if piece in _TERMS:
        before, behind = reading.text[:start].rstrip(" \"'*"), reading.text[end:].lstrip(" \"'*")
        return not (
            before[-1:] in ("", "\n", ".", "!", "?", ":", "[", "(")
            and behind[:1] in ("", "\n", ".", "!", "?", ":", "]", ")")
        )
    return "mustermann" in piece and bool(_OF_NAMES.search(reading.text))


def find(reading: ReviewedText) -> Iterator[str]:
    """The pieces to fill in; none in quotes, within code, or where a post speaks of programming."""
    if reading.talks_code:
        return
    text, narrow = reading.text, reading.narrow
    for start, end in reading.said(_SAMPLES):
        if _left_in(text, start, end):
            yield text[start:end]
    for pattern in (_NO_NAMES, _CAPITALS, _ADDED, _TK, _CIRCLES, _ASKED):
        for match in pattern.finditer(narrow):
            if (
                not reading.in_quotes(match.start())
                and not reading.in_code(match.start())
                and not reading.is_named(match.start())
            ):
                yield text[match.start() : match.end()]
    for match in _IN_BRACKETS.finditer(text):
        inner = next(group for group in match.groups() if group)
        if (
            _orders(inner)
            and not reading.in_quotes(match.start())
            and text[max(0, match.start() - 1) : match.start()] != "*"
        ):
            yield match[0]


def _left_in(text: str, start: int, end: int) -> bool:
    """Whether the sentence is nothing but what the tool wrote; within one of its own it is spoken of."""
    before = text[:start].rstrip(" \"'*•-")
    begins = (
        before[-1:] in ("", "\n") or before[-1:] in ".!?:。！？…)" or not (before[-1].isalnum() or before[-1] in ",;")
    )
    behind = _SAMPLE_ENDS.match(text, end)
    alone = behind is not None and "," not in behind[0][:40]
    return alone and (begins or (text[start].isupper() and not text[end : end + 2].strip(" .!\n")))


def _orders(inner: str) -> bool:
    """ "(insert surname)", "(Namen einfügen)": a verb of the list at one end, and no more than a thing beside it. English jokes
    so ("insert dramatic music"), so there the thing must be one that is filled in."""
    folded = fold(inner).strip(" .!…")
    found = [(start, end) for start, end in _INSERTS.find(folded, words_of(folded)) if start == 0 or end == len(folded)]
    if not found:
        return False
    start, end = found[0]
    thing = (folded[:start] + folded[end:]).strip(" :,-–")
    if not thing or len(thing.split()) > 4:
        return False
    english = folded[start:end].isascii() and folded[start:end] in ("insert", "paste", "fill in")
    return not english or is_slot(re.sub(r"^(?:the|a|an|your|our) ", "", thing))
