"""What was to be filled in and is not: placeholders of people; those of tools are in `templates`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, fold
from postprober.agent.review import fill_ins, templates
from postprober.agent.review.reading import Found, ReviewedText, shown
from postprober.agent.review.templates import is_slot
from postprober.agent.words import any_of, by_language, read

PLACEHOLDER = "looks like a placeholder"

_VERBS = Phrases.listed("slot_verbs")
_PHRASES = Phrases.listed("placeholders")
_HOSTS = frozenset(read("placeholder_hosts"))
_ELSEWHERE = re.compile(r"\bbio\b|profil|comment|kommentar|البايو|ביו|コメント|プロフ|评论|简介", re.IGNORECASE)
_BRACKETS = re.compile(
    r"(?<!\[)\[([^\[\]\n]{1,60})\](?![(\]])|<([^<>\n@/=]{2,60})>|【([^【】\n]{1,40})】|［([^［］\n]{1,40})］"
)
_EDITORIAL = frozenset(["sic", "…", "...", "!"])

# "We are [AGE] years old": in capitals amid a sentence; what stands at its ends is a tag ("[LIVE]").
_AMID = re.compile(r"(?<=[a-zà-ÿ] )\[(?!SIC|REDACTED|CENSORED)[A-Z][A-Z _]{1,25}\](?= ?[a-zà-ÿ.,!?])")
_CROSSES = re.compile(
    r"(?<![\w])X{4,}+(?![\w])|(?<![\w])xxxx++(?=\s?(?:Uhr|€|EUR|Euro|%|h\b))"
    r"|[£$€]X(?![\w])|[£$€]\s?[Xx]{2,}+(?:[.,][Xx]{1,2})?|(?<![\w])[Xx]{2,}+(?:[.,:/-][Xx]{2,}+)++\.?"
    r"|(?<!\w)[Xx]{2}\.\s?[Xx]{2}\.?"
    r"|(?<!\w)[Xx]{2,3}\s?(?:%|€|EUR\b|[Ee]uros?\b|Uhr\b|zł\b|TL\b|kr\b|Ft\b|Kč\b|CHF\b|₺|₪|£|руб\b|грн\b|元|円|%)|(?<!\w)XX(?:\.|/)\d{2}(?:\."
    r"|/)\d{2,4}"
    r"|(?:\b(?:at|on|by|for|with|until|from|Mr|Ms|Mrs|Dr|call|next|coming|kommenden|nächsten|prochain|próximo|prossimo|um|am|bei|mit|von|Herr|Frau|chez|om|op|o godz\."
    r"|saat)\.? )XXX?(?!\w)"
    r"|(?<!\d)\d{0,2}X{1,2}[/.]X{1,2}(?!\w)|X{2,}公司|XX+先生|XX+女士|(?<![\w])[〇○◯●]{2,}(?:様|さん|株式会社|会社|店)"
    r"|[〇○◯●×]{1,2}月[〇○◯●×]{1,2}日"
)
# How forms ask for a date or a time, in the letters of several languages
_MASK = re.compile(
    r"(?<!\w)(?:DD|TT|JJ|GG|ДД)[./-](?:MM|AA|ММ)(?:[./-](?:YYYY|JJJJ|AAAA|RRRR|ГГГГ|РРРР|YY|JJ|AA|RR))?(?!\w)|(?<!\w)(?:HH|hh):(?:MM|mm)(?!\w)"
    r"|(?<!\w)(?:dd|tt|jj|gg|дд)[./-](?:mm|мм)[./-](?:yyyy|jjjj|aaaa|rrrr|гггг|рррр)(?!\w)|(?<!\w)(?:MM|mm)/(?:DD|dd)(?:/(?:YYYY|yyyy|YY|yy))?(?!\w)"
    r"|(?:\d{0,2}[XＸ×〇○]{2,4})年|[XＸ×〇○]{1,2}月[XＸ×〇○]{1,2}日"
)
_PERSON = re.compile(
    r"(?<!\w)(?:NOME COGNOME|NOMBRE APELLIDOS?|VORNAME NACHNAME|PRÉNOM NOM|IMIĘ NAZWISKO|IMIĘ I NAZWISKO|AD SOYAD|ИМЯ ФАМИЛИЯ|NOME SOBRENOME|(?:VOOR)?NAAM ACHTERNAAM)(?!\w)"
    r"|(?<![\u0590-\u05ff])[ולבמש]?ישראל ישראלי(?![\u0590-\u05ff])"
    r"|(?<=[^\s。！!:：])【[^【】\n]{1,8}(?:姓名|名字|名称|氏名|お名前)】(?=[^\s:：])"
    r"|\b(?:Frau|Herr|Dr\.) N\. ?N\.|(?<![\w=/-])0123[ /-]?456789?\d?(?!\d)|\((?:NOMBRE|NAME|NOM|NOME|NAAM|IMIĘ|ИМЯ|AD)(?: [A-ZÀ-ÝА-Я]{2,15}){1,3}\)"
)
_NO_COUNT = re.compile(r"(?i)\b(?:size|bowl|love|the|la|el|del|al|da|do|du|au|le|dal|rated|triple)$")
_FAMILIES = re.compile(r"(?<=[a-zäöüß] )XXX(?= [a-zäöü]{3})")
_GOES_HERE = re.compile(
    r"(?i)\b(?:quote|text|headline|caption|title|image|photo|link|name|copy|body|content|testimonial) (?:goes|comes) here\b"
)
_BLANK = re.compile(r"(?<!_)_{4,40}(?=[\s.,!?]|$)|(?<=[^\W_] )_{3}(?= [^\W_])")
# "My favourite cake is ____": readers are to fill that in.
_GAME = re.compile(
    r"(?i)blank|complete|finish|\bfill\b|sentence|caption this|comment|lücke|satz|complèt|complet|frase|zin\b|zdani|\b(?:my|i|mein|ich|mon|je|mi|mio|meu|mijn|ik|moj)\b"
)
_HOUR = re.compile(r"\b(?:at|from|until|till|um|ab|bis) [XxYy] (?:pm|am|p\.m\.|a\.m\.|Uhr|o'clock)(?!\w)")
_EXAMPLE = re.compile(
    r"(?:^|\.)(?:example|exemple|beispiel|ejemplo|esempio|exemplo|voorbeeld|ornek|primer|przyklad)\.(?:com?\.)?[a-z]{2,3}$"
)
_YOUR_HOST = re.compile(
    r"^(?:your|ihr|ihre|dein|deine|unser|eure|votre|notre|tu|su|seu|sua|teu|tuo|iltuo|vostro|jouw|uw|twoj|twój|twoja|moj|my)-?"
    r"(?:[a-z]{0,8}-?)?(?:site|sitio|sito|web|event|company|shop|store|domain|domaine|dominio|link|page|pagina|brand|business|url|firma"
    r"|verein|seite|empresa|tienda|loja|negozio|azienda|winkel|bedrijf|strona|sklep|boutique|entreprise|association)[a-z]{0,8}\."
    r"|^(?:site|web)[a-z]{0,8}(?:iniz|adi|ismi)\.|^(?:nazwa|adres)(?:firmy|strony)\."
)
_GAPS = re.compile(
    r"(?<![£$€])[£$€]\s?(?:\.{3,12}|…{1,6})(?=\s|$)|(?<=\w )(?:\.{3,12}|…{1,6})\s?(?:Uhr|€|EUR\b|Euro\b|zł\b|TL\b|kr\b|uur\b|грн\b|руб\b|pm\b|am\b)"
    r"|(?<![./])\.{3,12}/\.{3,12}(?:/|(?!\.))|(?<![\d.,:])00[.,]000(?![\d.,]| ?%)"
    r"|[£$€]\s?_{2,}|(?<!_)_{2,6}[/.]_{2,6}|(?<!_)_{2,20}\s?(?:€|%|Uhr\b|pm\b|am\b)|[(\[]placeholder[)\]]"
)
# "« Titre de l'expo ici »": quoted like a title, and no title
_TITLE_HERE = re.compile(
    r"[«\"“„]\s?(?:Titre|Nom|Texte|Titel|Name|Título|Titolo|Nombre|Nome|Tytuł|Название|Назва|Title)\b[^»\"”“\n]{0,25}"
    r"\b(?:ici|hier|aquí|aqui|qui|tutaj|здесь|тут|here)\s?[»\"”“]"
)
_PARENTHESES = re.compile(r"\(([^()\n]{2,40})\)")
# "Please send your entry with (name) and age": readers are told what to write
_WRITE_IT = re.compile(
    r"(?i)\b(?:send|write|enter|e?mail|schick|schreib|angab|angeb|envoy|indiqu|écri|envi|escrib|indica|scriv|inser|escrev|stuur|vermeld|wpis|poda|napis|prześl"
    r"|yaz\w|gönder|напиш|укаж|отправ|вкаж|надішл)"
)
# In round brackets stand asides, so that only these count there.
_SURE_SLOTS = frozenset(
    map(
        fold,
        [
            "name",
            "your name",
            "first name",
            "imię i nazwisko",
            "vor- und nachname",
            "nom et prénom",
            "prénom et nom",
            "nombre y apellidos",
            "nome e cognome",
            "voor- en achternaam",
            "ad soyad",
            "имя и фамилия",
            "ім'я та прізвище",
            "för- och efternamn",
            "company name",
            "amount",
            "date",
            "link",
            "url",
            "venue",
            "speaker",
            "speaker name",
            "price",
            "nombre",
            "fecha",
            "enlace",
            "importe",
            "nom",
            "prénom",
            "lien",
            "montant",
            "datum",
            "uhrzeit",
            "betrag",
            "vorname",
            "nome",
            "luogo",
            "importo",
            "valor",
            "naam",
            "bedrag",
            "imię",
            "kwota",
            "isim",
            "tutar",
            "имя",
            "ссылка",
            "сумма",
            "ім'я",
            "сума",
        ],
    )
)
_MONTH = any_of(
    sorted(
        {
            form.strip()
            for lines in by_language("months").values()
            for line in lines
            for form in line.split(",")
            if len(form.strip()) > 2
        }
    )
)
_CROSSED_DAY = re.compile(rf"(?<!\w)XX?\.? (?:de |di )?(?i:{_MONTH})(?!\w)|(?<!\w)(?i:{_MONTH}) XX(?!\w)")
_INSERT = re.compile(
    r"(?i)\binsert (?:(?:a|your|the) )?(?:[\w:.-]{2,20} ){1,5}here\b|\b(text|copy|word)(?: \1){2,}\b"
    r"|\b(?:your[.-]?name|your[.-]?e?mail|name|user|e?mail)@(?:company|domain|e?mail|firma|empresa|azienda"
    r"|bedrijf|entreprise)\.\w{2,3}\b"
)
_MARKS = re.compile(r"(?<![\w.#-])(?:TBD|TBC|T\.B\.D\.|T\.B\.C\.)(?![\w-])|[(\[](?:tbd|tbc|t\.b\.c\.|t\.b\.d\.)[)\]]")
_TODO = re.compile(
    r"[(\[]\s?TO-?DO\b[^)\]\n]{0,60}[)\]]|(?<![\w#])TO-?DO(?=\s?:|\s?-\s|\s(?:alt|photo|add|write|insert|check|fix|ask"
    r"|update|link|replace|get|find|confirm)\b)|(?<!\w)FIXME(?!\w)"
)
_TK = re.compile(
    r"\bTKTK+\b|\b(?:photo|picture|image|by|quote|headline|name|number|date|link|caption|story|source|credit"
    r"|price|figure|title)s?:?\s{1,2}TK\b"
    r"|\bTK (?:here|link|quote|number|name|photo|date|caption)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?i:\b(?:at|on|from|until|by|costs?|um|ab|bis|kostet|le|à|hasta|desde|alle|até|vanaf|od|saat)"
    r"|[£€$])\s?\?{2,}|(?<=: )\?{3,20}(?=\s|$)|\?\?/\?\?|(?<![\w?])\?{2,10}\s?(?:€|£|\$|Uhr|pm\b|am\b|zł)"
)
_HANDLE = re.compile(
    r"(?<!\w)@(?:sponsor|partner|speaker|guest|artist|account|handle|user|company|brand|name)_?\d(?!\w)|(?<!\w)@(?:HANDLE|handle|USERNAME|yourhandle|YOURHANDLE|yourname|accountname|ACCOUNT|BENUTZERNAME|NAME"
    r"|PARTNER|SPEAKER|ARTIST|BRAND|TAG)(?!\w)"
)
_ZEROS = re.compile(
    r"(?<![\w.,/-])(?<!\w\w\d )(?<!\d\d )(?:0{3,5}[ -]){1,3}0{3,6}(?![\w.,])(?! ?\d)"
    r"|\b(?:01234[ -]?567[ -]?890|0123[ -]?456[ -]?789\d?|123-456-7890|1234 567 890)\b"
)
_ONLY_TEST = re.compile(
    r"\W{0,9}(?:(?:this is a |just a |dies ist ein |c'est un |esto es una |questo è un )?(?:test|testing"
    r"|prueba|teste|essai|prova|тест|テスト|测试|اختبار|בדיקה)[\W\d]{0,9}){1,9}(?:post|tweet|beitrag)?\W{0,9}"
)
_TEST_TEST = re.compile(
    r"(?i)(?<![\w\"“„«'])test,? test(?:,? test)?,?(?= (?:testing|post|123|ignore|of the|for the|from the)"
    r"|[\W\d]{0,9}$)"
)
_SPANISH = re.compile(
    r"\b(?:el|los|las|una|para|por|con|que|del|é|não|uma|você|em|os|as|na|do|dos|das|tudo|y|su)\b", re.IGNORECASE
)
_HOST = re.compile(r"(?<![\w@.-])(?:https?://)?((?:[\w-]{1,63}\.){1,5}[\w-]{2,20})(?![\w-])", re.IGNORECASE)
_MAIL_AT = re.compile(r"[\w.+-]{1,64}@((?:[\w-]{1,63}\.){1,5}[\w-]{2,20})")
_EMPTY_LINK = re.compile(
    r"(?i)https?://(?:\.{2,}|…|x{2,}\b|\[|<|\{|\*{2,})|\bwww\.(?:\.{2,}|…|x{2,}\b|\*{2,}|link\b|website\b"
    r"|url\b)|\bbit\.ly/x{2,}\b|(?<!\w)https?://(?=\s|$)"
)
_PASTE = re.compile(
    r"(?i)(?<![\w\"“„])(?:link here|links? to come|link missing|LIEN ICI|LINK HIER|ENLACE AQUÍ|LINK QUI"
    r"|LINK AQUI)(?=\s{0,2}(?:$|[.!)\]\n]))"
)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Placeholders and slots, as doubts, each piece once; none within code."""
    told: set[str] = set()
    for look in (_bracketed, templates.find, _written_out, _leading_nowhere):
        for one in look(reading):
            if one.piece not in told:
                told.add(one.piece)
                yield one


def _placeholder(piece: str) -> Found:
    return Found("placeholder", shown(piece), PLACEHOLDER)


def _bracketed(reading: ReviewedText) -> Iterator[Found]:
    """`[Venue]`, `<insert link>`, `【ここにリンクを挿入】`; but `[Update]` at the beginning is a tag, and so is a name of
    something that goes on behind it."""
    text = reading.text
    for match in _BRACKETS.finditer(text):
        inner = next(group for group in match.groups() if group)
        folded = fold(inner).strip(" .…:!?_-")
        if reading.in_code(match.start()) or not folded or folded in _EDITORIAL:
            continue
        slot = is_slot(folded.replace("_", " "))
        asked = not slot and _asks(folded)
        named = (
            not slot
            and not asked
            and bool(re.search(r"^(?:[\w'-]{1,20} ){1,2}name$|^name (?:of|der|des|von)\b|x{2,}$", folded))
        )
        if (slot and not re.fullmatch(r"x+", folded) and _is_tag(text, match)) or not (slot or asked or named):
            continue
        if _ELSEWHERE.search(inner) or (match[0].startswith("【") and not asked) or (reading.talks_code and match[2]):
            continue
        if reading.in_quotes(match.start()) and not asked and folded.count(" ") == 0:
            continue  # an editor's word in what somebody said
        yield _placeholder(match[0])


def _is_tag(text: str, match: re.Match[str]) -> bool:
    """`[Name] of the Wind`, `[Link] New on the blog`: at the beginning, one word, and the text goes on."""
    if text[: match.start()].strip() or " " in match[0].strip("[]<> "):
        return False
    behind = text[match.end() : match.end() + 2]
    return behind[:1].isspace() and behind[1:2].isalpha()


def _asks(folded: str) -> bool:
    """Whether it says what to do or to fill in: it begins, or ends, with such a word."""
    for start, end in _VERBS.find(folded, [(m.start(), m[0]) for m in re.finditer(r"[^\W_]+", folded)]):
        whole = start == 0 and end == len(folded)
        no_blanks = any(char >= "\u0590" for char in folded)
        if (start <= 1 and (not whole or no_blanks)) or (end >= len(folded) - 1 and start > 0):
            return True
    return False


def _written_out(reading: ReviewedText) -> Iterator[Found]:
    text = reading.text
    for start, end in reading.said(_PHRASES):
        if not reading.talks_code and not fill_ins.is_a_term(reading, start, end):
            yield _placeholder(text[start:end])
    spanish = reading.language[:2] in ("es", "pt") or len(_SPANISH.findall(text)) >= 2
    patterns = [
        _CROSSES,
        _MARKS,
        _TK,
        _ASKED,
        _HANDLE,
        _ZEROS,
        _PASTE,
        _TEST_TEST,
        _GAPS,
        _CROSSED_DAY,
        _INSERT,
        _AMID,
        _HOUR,
        _MASK,
        _PERSON,
        _FAMILIES,
    ]
    for pattern in [*patterns, *([] if spanish else [_TODO])]:
        for match in pattern.finditer(text):
            if reading.in_code(match.start()) or reading.in_quotes(match.start()) or reading.talks_code:
                continue
            if pattern is _INSERT and text[max(0, match.start() - 1) : match.start()] == "*":
                continue  # "*insert joke here*"
            if pattern is _FAMILIES and _NO_COUNT.search(text[max(0, match.start() - 8) : match.start()].rstrip()):
                continue
            if pattern is _PASTE and reading.links:
                continue
            if pattern is _CROSSES and re.search(
                r"(?i)size|größe|talla|taille|love|bowl|grandes? taille",
                text[max(0, match.start() - 12) : match.start()],
            ):
                continue
            if match[0].startswith("TO"):
                after = fold(text[match.end() : match.end() + 6])
                if after.lstrip().startswith(("list", "-list")):
                    continue
            yield _placeholder(match[0])
    for piece in fill_ins.find(reading):
        yield _placeholder(piece)
    for match in _GOES_HERE.finditer(text):
        if not reading.talks_code:
            yield _placeholder(match[0])
    for match in _TITLE_HERE.finditer(text):
        if not reading.talks_code:
            yield _placeholder(match[0])
    blank = _BLANK.search(text)
    if blank and not _GAME.search(text) and not reading.in_code(blank.start()):
        yield _placeholder(blank[0])
    for match in _PARENTHESES.finditer(text):
        asked = _WRITE_IT.search(text, max(0, match.start() - 40), match.start())
        if (
            not asked
            and fold(match[1]).strip() in _SURE_SLOTS
            and not reading.talks_code
            and not reading.in_code(match.start())
        ):
            yield _placeholder(match[0])
    if _ONLY_TEST.fullmatch(fold(text.strip())[:200]) and len(text) < 200:
        yield Found("placeholder", shown(text), "looks like a test")


def _leading_nowhere(reading: ReviewedText) -> Iterator[Found]:
    """Addresses that stand for one that was to be filled in."""
    text = reading.text
    for pattern in (_HOST, _MAIL_AT):
        for match in pattern.finditer(text):
            host = match[1].lower().removeprefix("www.")
            if (
                (host in _HOSTS or _EXAMPLE.search(host) or _YOUR_HOST.match(host))
                and not reading.talks_code
                and not reading.in_code(match.start())
            ):
                yield Found("placeholder", shown(match[0]), "leads to an example address, not to a page of yours")
    for match in _EMPTY_LINK.finditer(text):
        yield Found("placeholder", shown(match[0]), "is an address that was not filled in")
