"""Slots of the tools that merge names into texts, left empty or left in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import fold
from postprober.agent.review.reading import Found, ReviewedText, shown
from postprober.agent.words import read

_NAMES = frozenset(
    map(
        fold,
        [
            "name",
            "naam",
            "nome",
            "nombre",
            "nom",
            "prénom",
            "imię",
            "nazwisko",
            "adı",
            "ismi",
            "имя",
            "фио",
            "ім'я",
            "піб",
            "اسم",
            "שם",
            "姓名",
            "名前",
            "apellidos",
            "cognome",
        ],
    )
)
TEMPLATE = "looks like a slot of a template that was not filled in"

_SLOTS = frozenset(map(fold, read("slots")))
# Slots of: Mustache, Jinja, Liquid; ERB; shells; Mailchimp; Word; Excel's errors; printf; and their likes.
_TEMPLATES = re.compile(
    r"\{\{(?!\s{0,3}(?:hugs?|kiss)\b)[^{}\n]{1,80}\}\}|\{%[^%\n]{1,80}%\}|<%=?[^%\n]{1,80}%>"
    r"|\$\{[^{}\n]{1,80}\}"
    r"|\*\|[A-Za-z_:0-9-]{1,40}\|\*|(?<![\w%])%%?[A-Z][A-Z0-9_]{2,30}%%?(?![\w%])|%%[A-Za-z_]{2,30}%%|(?<![\w%])%[^\W\d_][\w'’ʼ]{1,24}%(?!\w)"
    r"|\[\[[^\[\]\n]{1,40}\]\]|\[%[^%\n]{1,60}%\]"
    r"|#¡?(?:NAME|REF|VALUE|DIV/0|N/A|NULL|NUM|SPILL|CALC|BEZUG|WERT|ZAHL|ÜBERLAUF|NOM|VALEUR|NOMBRE|NOME|VALOR|RIF|VALORE|ARG|ADR|NAZWA|LICZBA"
    r"|WAARDE|VERW|NAAM|GETAL|DEĞER|BAŞV|ЗНАЧ|ССЫЛКА|ИМЯ|ЧИСЛО|ДЕЛ/0|ЗНАЧЕННЯ|ПОСИЛАННЯ|VÄRDEFEL|REFERENS|NAMN|OGILTIGT)[?!]"
    r"|#(?:N/[ADVB]|NV|Н/Д|YOK|SAKNAS!)(?![\w/])"
    r"|«[A-Za-z]{1,30}_[A-Za-z_]{1,30}»"
    r"|\[object Object\]|<<\s?[A-Za-z_ ]{2,30}\s?>>|\{![\w.]{2,60}\}|@@\w{2,30}@@|__[A-Z][A-Z_]{2,30}__"
    r"|\b(?:FIRST|LAST|FULL|USER|COMPANY|CUSTOMER)_?NAME\b|\bFNAME\b|\bLNAME\b|(?<!\w)\$(?:FIRST"
    r"|LAST)?NAME\$?(?!\w)|(?<!\w)\$(?:[A-Z]{7,30}|[A-Z]{2,20}_[A-Z_]{2,20})(?!\w)"
)
# Slots of further tools: mail merge, Campaign Monitor, Mailgun, Marketing Cloud, FreeMarker, MJML, Word's fields, spintax,
# what editors of web sites put for a gallery or a form.
_FURTHER = re.compile(
    r"##\w(?:[\w .-]{0,28}\w)?##|%%[^\W\d](?:[\w .-]{0,28}\w)?%%|%%=[^\n%]{1,60}=%%|%%\[[^\n%]{1,60}\]%%|=\?\w{2,30}\?=(?!\w)"
    r"|(?<![\w%])%[^\W\d]\w{1,24}(?:[.-]\w{1,24}){1,3}%|%\(\w{1,30}\)[sd]|<<\s?[^\W\d][\w .-]{1,30}\s?>>"
    r"|\[\w{3,20},\s?fallback=[^\]\n]{0,40}\]|\{ ?MERGEFIELD [^{}\n]{1,60}\}|\{\w{1,20}, ?(?:plural|select), ?[^\n]{1,60}"
    r"|</?mj-[a-z-]{2,20}\b|<#(?:if|else|list|assign)\b|\{/?#?(?:if|each|unless|foreach)(?: [^{}\n]{1,60})?\}|&\[\w{2,30}\]&"
    r"|\[/?(?:vc_|et_pb_|fusion_|elementor-|wpforms|contact-form)[\w -]{0,30}(?: [^\[\]\n]{0,120})?\]"
    r"|\[/?(?:gallery|caption|embed|audio|video|button|shortcode|playlist|products?|woocommerce_\w{2,20})(?: \w{1,20}=[^\[\]\n]{1,120})?/?\]"
    r"(?=[^\n]{0,400}\[/|\s|$)(?<=[\"'/0-9]\])"
    r"|\[[a-z_-]{3,30}(?: [a-z_]{1,20}=[\"'“”][^\"'“”\]\n]{0,80}[\"'“”]){1,6} ?/?\]|\[-[A-Z][A-Z_ ]{2,25}-\]"
    r"|\{\$\w{1,30}\}|(?<!\w)\$[a-z]{2,20}_[a-z_]{2,20}(?!\w)|\{[1-9]\}"
)
# Alternatives of which a tool takes one: "{Hello|Hi}"
_SPUN = re.compile(r"\{[^{}|\n]{0,40}(?:\|[^{}|\n]{0,40}){1,12}\}|\[\[[^\[\]|\n]{1,40}(?:\|[^\[\]|\n]{1,40}){1,12}\]\]")
# One sign on both sides is decoration, too ("~NEW~", a topic between hashes), so the word must be one that is merged.
_SIGNED = re.compile(r"(?<![\w~#@*&|])([~#@&|*])([^\W\d][\w ]{1,28}\w)\1(?![\w~#@*])")
_CAMEL = re.compile(r"[A-Z][a-z]{2,12}[A-Z][a-z]{2,12}|[A-Z]{2,14}(?:_[A-Z]{2,14}){1,3}")
_TWO_GUILLEMETS = re.compile(r"«\s?([^\W\d][\w.-]{1,24})\s?»\s{0,2}«\s?([^\W\d][\w.-]{1,24})\s?»")
# The fields of a merged letter in a language that quotes with the same signs: only where two of them stand in one text
_FIELDS = re.compile(
    r"«\s?((?:Nome|Cognome|Titolo|Autore|Data|Luogo|Ora|Nom|Prénom|Titre|Auteur|Date|Lieu|Heure|Ville|Nombre|Apellidos?|Título|Autora?|Fecha|Lugar|Hora"
    r"|Ciudad|Name|Vorname|Nachname|Titel|Ort|Datum|Uhrzeit|Имя|Фамилия|Название|Дата|Город|Автор|Місто|Назва|Прізвище))\s?»"
)
_ONE_GUILLEMET = re.compile(r"«([^\W\d]\w{1,24})»")
_BRACES = re.compile(r"(?<![\\$A-Za-z0-9{^_}])\{([^\W\d_][\w .-]{1,30}|0)\}(?!\})")
_EMOTES = frozenset(("hug", "hugs", "kiss", "kisses", "sigh", "smile", "wink"))
_PRINTF = re.compile(r"(?<![\d%\w])(?<!\d )%(?:\d\$)?[sd](?![\w%])")
_GREETING = (
    r"(?:hi|hello|hey|dear|welcome|hallo|liebe|lieber|liebe/r|guten tag|bonjour|cher|chère|salut|hola"
    r"|estimad[oa]|querid[oa]|ciao|gentile|caro"
    r"|cara|olá|oi|prezad[oa]|beste|hoi|cześć|witaj|drog[ia]|merhaba|sayın|sevgili|здравствуйте|привет"
    r"|уважаем(?:ый|ая)|дорог(?:ой|ая)"
    r"|вітаємо|привіт|مرحبا|مرحباً|أهلا|שלום|היי|hej|happy birthday|congratulations|thank you|thanks)"
)
_GREETED = re.compile(rf"(?i)(?<!\w){_GREETING} ?,?$")
_NUMBERS_TALK = re.compile(
    r"(?i)\b(?:divided by|maths?|mathemati\w{1,6}|zero divided|geteilt durch|durch null|mathe|divisé par|dividido (?:por|entre)|diviso"
    r"|gedeeld door|dzielone|dzielić|bölü|matematik\w{0,6})|делить|делён|математи|ділити|مقسوم|الرياضيات|חלקי|מתמטיק|割る|数学|除以"
)
_NOTHING_AT_ALL = re.compile(
    rf"(?i:\b{_GREETING})[ ,]{{1,3}}(undefined|null|NaN|nil|None|n/a)\b(?! and void)"
    r"|(?:(?<=^)|(?<=[.!?:,] )|(?:\b(?:[Ff]or|[Tt]o|[Ff]rom|[Bb]y|[Aa]t|[Ww]ith|[Oo]n|[Hh]ave|[Hh]as|[Ii]n"
    r"|[Oo]nly|[Oo]f|[Uu]m|[Mm]it|[Vv]on|[Ff]ür|[Bb]ei"
    r"|[Dd]e|[Ee]n|[Cc]on|[Pp]or|[Àà]|[Pp]our|[Vv]oor|[Mm]et|[Dd]la|[Нн]а|[Зз]а|[Дд]ля)\s)|[£€$]\s?)(undefined"
    r"|null|NaN)(?! and void)"
    r"(?=\s{0,2}(?:[,.!?%€$£:]|$|(?:new|is|on|at|days?|points?|items?|messages?|and|will|has|hours?|people"
    r"|tickets?|left|Uhr|Euro|Tage|Punkte|minutes?)\b))"
    r"|(?<!\w)NaN(?!\w)|(?<!\w)(?:undefined|null)\s?[%€£]|[£€$]\s?(?:NaN|undefined|null)\b"
    r"|\b(?:undefined undefined|null null)\b|\bfrom undefined\b(?= to\b)"
)
_UNNAMED = re.compile(
    rf"(?i:\b{_GREETING})[ ,]{{1,2}}((?:\[[^\]\n]{{1,30}}\]|<[^<>\n]{{1,30}}>)|(?:NAME|VORNAME|NOM|PRÉNOM"
    rf"|NOMBRE|NOME|NAAM|IMIĘ|İSİM|ИМЯ|CUSTOMER|KUNDE|FIRSTNAME)\b)"
)
_NAMELESS = re.compile(
    r"(?i)(?:^|[\n.!?]\s?)((?:dear|liebe|lieber|liebe/r|cher|chère|estimad[oa]|gentile|beste|drogi|droga"
    r"|prezad[oa]|sayın|sevgili"
    r"|уважаемый|уважаемая|дорогой|дорогая|шановний|шановна|kära)\s{1,3}[,!:]|(?:hi|hello|hey|hallo|hola|ciao"
    r"|olá|merhaba|cześć|привет|здравствуйте|hej) ,"
    r"|hi !)"
)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Slots, as doubts; none within code, or where a post speaks of programming."""
    text = reading.text
    talks = reading.talks_code
    for match in _TEMPLATES.finditer(text):
        if not talks and not reading.in_code(match.start()):
            yield _template(match[0])
    narrow = reading.narrow
    for pattern in (_FURTHER, _SPUN, *((_TEMPLATES,) if narrow != text else ())):
        for match in pattern.finditer(narrow):
            if (
                not talks
                and not reading.in_code(match.start())
                and (pattern is not _TEMPLATES or text[match.start()] != narrow[match.start()])
            ):
                yield _template(text[match.start() : match.end()])
    for match in _SIGNED.finditer(narrow):
        merged = _CAMEL.fullmatch(match[2]) or (match[2][0].isupper() and is_slot(fold(match[2]).replace("_", " ")))
        if merged and not talks and not reading.in_code(match.start()):
            yield _template(text[match.start() : match.end()])
    for match in _TWO_GUILLEMETS.finditer(text):
        if any(is_slot(fold(word).replace("_", " ")) for word in match.groups()) and not talks:
            yield _template(match[0])
    for match in _ONE_GUILLEMET.finditer(text):
        greeted = _GREETED.search(text[max(0, match.start() - 24) : match.start()])
        if greeted and is_slot(fold(match[1]).replace("_", " ")) and not talks:
            yield _template(match[0])
    for match in _BRACES.finditer(text):
        one_word = " " not in match[1] or is_slot(fold(match[1]))
        if one_word and not talks and not reading.in_code(match.start()) and match[1].lower() not in _EMOTES:
            yield _template(match[0])
    fields = list(_FIELDS.finditer(text))
    if len({match[1] for match in fields}) > 1:
        for match in fields:
            yield _template(match[0])
    for match in _PRINTF.finditer(text):
        if not talks and not reading.in_code(match.start()):
            yield _template(match[0])
    for match in _NOTHING_AT_ALL.finditer(text):
        if _NUMBERS_TALK.search(text):
            break
        if not talks and not reading.in_code(match.start()) and not reading.in_quotes(match.start()):
            yield _template(match[0].strip())
    for match in _UNNAMED.finditer(text):
        if not talks and not reading.in_quotes(match.start(1)):
            yield _template(match[1])
    for match in _NAMELESS.finditer(text):
        yield Found("template", shown(match[1]), "has no name in it, as when a template was not filled in")


def is_slot(folded: str) -> bool:
    """One of the slots, or several of them side by side: `[first name last name]`."""
    pieces = re.split(r"\s?[/|,&+]\s?|\s", folded)
    named = pieces[0] in _NAMES or pieces[-1] in _NAMES
    if len(pieces) in (2, 3, 4) and named and pieces[1] not in ("that", "this", "your", "a"):
        return True  # "[name of the winner]"
    return folded in _SLOTS or (1 < len(pieces) <= 4 and all(piece in _SLOTS for piece in pieces))


def _template(piece: str) -> Found:
    return Found("template", shown(piece), TEMPLATE)
