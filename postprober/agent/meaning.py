"""Words that turn a sentence around, in the languages people post in: a rewrite may neither lose nor add one.

Lists of our own, from grammars; short on purpose: a missing word costs strictness in that language, a wrong one costs a
suggestion.
"""

from __future__ import annotations

import re
from collections import Counter

_NEGATIONS = """
    not no never none nobody nothing nowhere neither nor without cannot hardly
    nicht kein keine keinen keiner keinem keines nie niemals nichts niemand nirgends weder ohne kaum
    ne pas jamais rien aucun aucune sans ni nulle
    nunca nada nadie ninguno ninguna ningún ningun sin tampoco jamás
    non mai niente nulla nessuno nessuna nessun senza né neanche
    não nao ninguém nenhum nenhuma sem nem jamais
    niet geen nooit niets niemand zonder noch
    inte ej aldrig ingen inget inga utan ikke aldri ingenting uten uden intet
    nie nigdy nic nikt bez żaden żadna żadne ani
    не нет никогда ничего никто без ни нельзя ні ніколи немає
    değil yok hiç asla
    δεν δε μην όχι ποτέ χωρίς τίποτα κανείς
    لا ليس لم لن بدون
"""
_CONDITIONS = """
    if unless only except until till provided but however although though despite
    wenn falls nur außer bis sofern solange aber jedoch obwohl trotz
    si sauf seulement uniquement mais cependant sinon
    solo sólo salvo excepto pero aunque
    se soltanto tranne eccetto ma però
    só apenas somente exceto mas embora
    als indien tenzij alleen behalve maar
    om bara endast utom men hvis kun bare dersom
    jeśli jeżeli tylko chyba ale
    если только кроме но однако
"""
_WARNINGS = """
    must warning caution danger dangerous boil recall recalled evacuate beware urgent emergency allergen allergens closed
    cancelled canceled postponed delayed false untrue wrong correction allegedly may might should
    muss müssen achtung warnung vorsicht gefahr gefährlich rückruf abgesagt geschlossen verschoben falsch angeblich
    attention danger rappel annulé annulée fermé fermée reporté faux
    atención peligro aviso cancelado cancelada cerrado cerrada aplazado falso falsa
    attenzione pericolo annullato annullata chiuso chiusa rinviato
    atenção perigo fechado fechada adiado adiada
    gevaar waarschuwing afgelast gesloten uitgesteld
    varning fara inställt stängt advarsel avlyst lukket
    uwaga niebezpieczeństwo odwołane odwołany zamknięte zamknięty
    внимание осторожно опасно отменено закрыто
"""
_CALENDAR = """
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight yesterday noon midnight
    januar februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonnabend
    sonntag heute morgen gestern
    janvier février mars avril juin juillet août septembre octobre novembre décembre lundi mardi mercredi jeudi vendredi
    samedi dimanche aujourd demain hier
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre lunes martes miércoles
    jueves viernes sábado domingo hoy mañana ayer
    gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre lunedì martedì mercoledì giovedì venerdì
    sabato domenica oggi domani ieri
    janeiro fevereiro março maio junho julho setembro outubro novembro dezembro segunda terça quarta quinta sexta hoje
    amanhã ontem
    januari februari maart mei augustus maandag dinsdag woensdag donderdag vrijdag zaterdag zondag vandaag morgen gisteren
    stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia poniedziałek wtorek
    środa czwartek piątek sobota niedziela dzisiaj dziś jutro wczoraj
"""
_ALL = frozenset(" ".join((_NEGATIONS, _CONDITIONS, _WARNINGS, _CALENDAR)).split())
# Writing without blanks between words.
_INSIDE = re.compile("ない|ません|なし|不|没|沒|無|无|未|别|別|勿|アレルギー|中止|延期|않|없|못|아니|취소|ไม่|ห้าม")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


def turning_words(text: str) -> Counter[str]:
    """Negations, conditions, warnings and words of the calendar in `text`, each with its count; "can't", "cannot" and
    "not" count alike. Pure."""
    found: Counter[str] = Counter(match[0] for match in _INSIDE.finditer(text))
    for match in _WORD.finditer(text):
        word = match[0].casefold().replace("\u2019", "'")
        if word.endswith("n't") or word == "cannot":
            found["not"] += 1
            continue
        first, _, rest = word.partition("'")
        if rest and first in ("n", "l", "d", "aujourd"):  # French elision: n'est, d'avril
            found.update(piece for piece in ("ne" if first == "n" else "", rest) if piece == "ne" or piece in _ALL)
        elif first in _ALL:
            found[first] += 1
    return found
