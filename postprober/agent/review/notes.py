"""What colleagues say to each other, and what assistants write around a text: not meant for readers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, fold
from postprober.agent.review import asides
from postprober.agent.review.reading import Found, ReviewedText, shown
from postprober.agent.words import read

_NOTES = Phrases.listed("notes")
_NO_PUBLISH = Phrases.listed("no_publish")
_FOLLOWERS = Phrases.listed("no_publish_followers")
_COLLEAGUES = Phrases.listed("colleague_words")
_SAYS = Phrases.listed("assistants")
_OPENERS = Phrases.listed("assistant_openers")
_DRAFT_MARKS = tuple(fold(mark) for mark in read("draft_marks"))
_AT = re.compile(r"(?<![\w.])@[\w.-]{2,40}(?![\w@])")
_MARK_ENDS = re.compile(r"\s{0,2}(?:v?\d{1,2}\b\s{0,2})?[:\-–—|,.!)\]】。、/،]|\s{0,2}\n|\s{0,2}$")
_MARK_BEGINS = re.compile(r"(?:^|\n)[\s\W]{0,4}$|[\[(【]\s?$")
# "[check with legal]", "(Tom: is this right?)", "(source?)": an aside to somebody who is not the reader.
_ASIDE = re.compile(
    r"(?i)\[(?:check|confirm|verify|ask|needs?|waiting for|awaiting|pending|replace|fix|add|insert|attach|fact.?check|pls"
    r"|please (?:check|confirm|add|fix)|ok with|okay with|legal|prüfen|bitte (?:prüfen|ergänzen|einfügen)|rückfrage|vérifier"
    r"|à vérifier|à valider|confirmer|à confirmer|demander à|confirmar|revisar|preguntar|comprobar|pendiente|verificare"
    r"|da verificare|da confermare|chiedere|conferir|verificar|a confirmar|controleren|checken|navragen|nog (?:ff |even )?(?:checken|navragen|controleren)|sprawdzić"
    r"|do potwierdzenia|potwierdzić|zapytać|kontrol et|sorulacak|teyit|проверить|уточнить|согласовать|перевірити|уточнити"
    r"|погодити|تأكيد|تحقق|לבדוק|לאשר|要確認|確認中|未確定|待确认|待定|待核实)\b[^\]\n]{0,60}\]"
    # In round brackets stands much that is for readers ("ask at the bar"), so only what cannot be.
    r"|\((?:(?:check|confirm|verify|clear) with|fact.?check|waiting for (?:sign|approval|legal|the ok)|pls|please (?:confirm|add|fix|proofread)|ok with"
    r"|okay with|prüfen|rückfrage|bitte (?:prüfen|ergänzen|einfügen)|à vérifier|à valider par|vérifier|verificare|da verificare"
    r"|revisar|preguntar a|chiedere a|conferir|navragen bij|sprawdzić|sorulacak|teyit et|проверить|согласовать|перевірити|погодити"
    r"|לבדוק עם|要確認|確認中|待核实)\b[^)\n]{0,60}\)|\(ask (?-i:[A-Z])[a-z]{1,14}\b[^)\n]{0,60}\)"
)
_PICTURE = re.compile(
    r"(?i)[\[(](?:pics?|photos?|pictures?|images?|bild|foto|imagen|immagine|zdjęcie"
    r"|фото)\b[^\])\n]{0,60}?\b(?:here|ask|bitte|holen|fehlt|manque|falta|manca|brakuje|to come|to follow"
    r"|follows|missing|tbc|hier|fragen|folgt|ici|aquí|qui|aqui|tu|тут|здесь)\b[^\])\n]{0,40}[\])]"
)
_DOUBT = re.compile(
    r"(?i)[\[(](?:source|name|spelling|date|price|photo|picture|link|who|when|right|correct|quelle|datum"
    r"|stimmt das|preis|nom|date exacte|fuente|fecha|precio|fonte|prezzo|preço|bron|prijs|źródło|cena|kaynak"
    r"|fiyat|источник|цена|джерело|ціна)\s?\?{1,3}[\])]"
)
_ASKED = re.compile(
    r"\([A-Z]\w{1,20} to (?:supply|send|check|confirm|add|provide|write|approve|review|sign off|update|fix|find|get|do)\b[^)\n]{0,60}\)"
    r"|^(?i:post \d{1,2} (?:of|/) \d{1,2}\b)|\b(?i:approved): ?(?i:no|pending|tbc|not yet)\b|"
    r"\([A-Z]\w{1,20}\s?[–:,—-]\s?(?:is|can|could|please|pls|do|does|should|right|ok|check)\b[^)\n]{0,60}\??\)"
    r"|^\W{0,3}(?i:internal|intern|interne|interno|intern note|note to (?:team|editors?))\s?:"
    r"|\b(?:CHECK|VERIFY|CONFIRM|PRÜFEN|VÉRIFIER|REVISAR|VERIFICARE|SPRAWDZIĆ|ПРОВЕРИТЬ):? (?:FACTS?|DATES?"
    r"|NAMES?|PRICES?|SPELLING|LINKS?|TIMES?|NUMBERS?|SOURCES?|DATUM|NOMS?|FECHA|DATA|ДАТУ|ИМЯ)\b"
    r"|\(\d{2,4} (?:characters|Zeichen|caractères|caracteres|caratteri|tekens|znaków|karakter|символов"
    r"|символів|حرف|תווים|文字|字符|字)\)",
    re.MULTILINE,
)
_EMBARGO = re.compile(
    r"(?i)\b(?:embargo(?:ed)?|sperrfrist|embargado|эмбарго|ембарго)\b[^\n]{0,12}?(?:until|till|bis|jusqu|hasta"
    r"|fino|até|tot|do|до)\b[^\n]{0,12}?(?:(?<!\d)\d{1,2}(?!\d)|mon|tue|wed|thu|fri|sat|sun|lun|mar|mer|jeu"
    r"|ven|sam|dim|mie|jue|vie|sab|dom)"
    r"|(?-i:\bEMBARGO(?:ED)?)\b[:\s–-]{1,3}(?:\d{1,2}(?!\d)|mon|tue|wed|thu|fri|sat|sun)"
)
_VERSION = re.compile(
    r"(?i)^\W{0,3}(?:post|tweet|caption|text|copy|beitrag|version|entwurf"
    r"|draft)(?: text)?(?:\s?#?\d{1,2})?\s?(?:v|version |fassung )\d{1,2}\b|(?<![^\W_])final_(?:final|v\d)|(?-i:\bFINAL)[ _-][vV]\d{1,2}\b|^\W{0,3}v\d{1,2}[_ -]?final\w{0,12}\s?:"
)
_OFFERED = re.compile(
    r"(?i)^\W{0,3}(?:(?:sure|sure thing|of course|certainly|absolutely|great)[!,.]? )?here(?:'s|’s| is"
    r"| are) (?:(?!our |my |the )[\w-]{1,20} ){0,5}(?:captions?|posts?|tweets?|drafts?|copy|rewrites?"
    r"|suggestions?"
    r"|(?:options?|versions?) (?:for|of) (?:your|the) (?:post|text|caption|tweet))\b[^\n.]{0,60}(?::|\n|$)"
)
_OFFERED_ELSEWHERE = re.compile(
    r"(?i)^\W{0,3}(?:[^\W\d_]{2,12}[!,،.] )?(?:voici|hier (?:ist|is|kommt)|ecco|aquí (?:está|tienes|va)"
    r"|aqui (?:está|vai|tem)|oto|işte|вот|ось|هذا|هذه|إليك|اليك|הנה|här är"
    r"|her er) (?:[\w'’-]{1,20} ){0,4}?[\w'’-]{0,14}"
    r"(?:post\w?|beitrag|posttext|caption|bildunterschrift|publication|légende|publicación|leyenda|pie de foto"
    r"|didascalia|publicação|legenda|bericht|onderschrift|wpis\w?|podpis|gönderi\w{0,3}|пост|допис|подпись"
    r"|منشور|منشوراً|תיאור|פוסט|inlägg)\b[^\n.]{0,50}?(?::|\n|$)"
)
_POST = r"(?:текст\w*|пост\w?|допис\w?|testo|post|texto|esto|questo|tekst\w?|это|це|wpis|dit|dat|metin|metne)"
_NAMED = re.compile(
    r"(?:^|\n)\W{0,3}(?!(?i:hi|hey|hello|folks|friends|guys|ciao|hola|amig|gente|chicos|amici|привет|друзья|друзі|привіт|hej|hallo"
    r"|hoi|salut|bonjour|cześć|merhaba|olá|oi|pessoal|ragazzi)\w{0,4},)[A-ZÀ-ÝА-ЯЁІЇЄҐ][\w'-]{1,15}, "
    r"(?:(?:can|could) you (?:check|look at|review|approve) (?:this|the text|the post|it)|kannst du (?:das|den text|mal drüber)"
    r"|schau(?:st du)? (?:mal|bitte|noch) (?:drüber|über)|tu valides|tu relis|(?:tu peux|peux-tu) (?:relire|vérifier|valider)"
    r"|puedes (?:revisar|mirar)|puoi (?:controllare|rileggere)|podes (?:ver|rever)|pode (?:revisar|conferir)|kun je (?:dit|even)"
    rf"|możesz (?:sprawdzić|zerknąć)|(?:revisa|controlla|zerknij na|глянь|посмотри|проверь|подивись|перевір) {_POST}\b)"
    r"|(?:^|\n)[\u0590-\u05ff]{2,12}, (?:תעברי|תעבור|תבדקי|תבדוק|תסתכלי|תסתכל) על\b"
)
# To one person, and not to all parents
_TO_NAME = re.compile(
    r"(?i:(?:^|\n|[.!?)] )\W{0,3}(?:nota|note|notiz|ps) (?:per|para|für|for|an|voor|dla|pour|to)) (?!(?i:parents|eltern|padres|genitori|pais"
    r"|ouders|rodzic|residents|anwohner|visitors|besucher|members|mitglieder|leden|soci|customers|kunden|clienti|all\b|alle|everyone|fans"
    r"|drivers|readers|students|teachers|volunteers|helfer|vecinos|moradores|mieszka|dog|passengers|self))[A-ZÀ-Ý][a-zà-ÿ]{1,11} ?:"
    r"|(?:^|\n)\W{0,3}[A-ZÀ-ÝА-Я]\w{1,15} ?: (?i:vérifier|relire|valider|check (?:the|this)|prüfen|bitte (?:prüfen|noch)|revisar|verificar"
    r"|controllare|checken|sprawdzić|проверить|перевірити)\b"
    r"|(?:^|\n|[.!?] )/[A-ZÀ-Ý][a-zà-ÿ]{1,11}: (?=\S)"
    r"|(?:^|[\n.!?] ?)(?i:(?:not|i'm not) sure about this (?:number|figure|date|name|price|quote|link|time|spelling|one|bit))\b[^?\n]{0,40}(?:[.)]|$)"
    r"|\b(?i:voir) avec (?:la (?:compta|com|direction|rédac)|le (?:juridique|service com))\b"
    r"|[(\[](?i:hier noch|noch ein\w{0,2} (?:satz|wort|bild|foto|link|zitat))\b[^)\]\n]{0,60}\?[)\]]"
    r"|\[(?i:maybe|vielleicht|evtl\.?|peut-être|quizás?|forse|talvez|misschien|może|belki|может|можливо)\b[^\]\n]{0,60}\?\]"
    r"|(?:^|\n)\W{0,3}(?i:post|story|reel|tweet|publication|publicación|beitrag)\b[^:\n]{0,30}"
    r"(?i:à programmer|to schedule|einplanen|zu planen|para programar|da programmare|inplannen|do zaplanowania)[^:\n]{0,40}:"
)
# Nothing behind it that should not be published, or nothing before it
_NOT_YET = re.compile(
    r"(?:请勿发布|请勿发表|請勿發布|不要发布|先不要发|先别发|暂不发布)(?=[,，。.!！;；)）】\s]|$)"
    r"|(?<![をは])(?:公開|投稿)しないで(?:ください|下さい)?(?=[。.!！)）】\s]|$)"
)
_FILE_NAME = re.compile(r"\b(?:IMG|DSC|DSCN|PXL)_\d{3,8}\b")
_TO_DESK = re.compile(
    r"(?:>>>|\*\*\*|###|!!!)\s?(?i:marketing|design|editors?|legal|pr|comms|team|redaktion|social|copy|note|nota|hinweis|achtung)\b ?:"
)
_LATER = re.compile(
    r"(?i)\berst (?:am|ab|um) [\w.:]{1,12}(?: Uhr)? (?:posten|veröffentlichen|teilen|online|raus)|\bà publier (?:le |à partir |lundi"
    r"|mardi|mercredi|jeudi|vendredi|samedi|dimanche|demain)|\b(?:do not|don't) (?:post|publish|send) (?:until"
    r"|before|till)\b|\bpost (?:only|not before|no earlier)\b"
)
# The question with which an assistant ends: about the text, and at its end
_ENDS_ASKING = re.compile(
    r"(?i)(?:^|[\n.!?] ?)\W{0,3}(?:would you like me to|shall i|should i|do you want me to|möchte(?:n sie|st du), dass ich|soll ich|souhaite[sz](?:-vous|-tu)? que j"
    r"|veux-tu que j|voulez-vous que j|¿?(?:quieres|quiere|te gustaría) que|vuoi che|vuole che|quer que eu|gostaria que eu|wil je dat ik|chcesz, żebym"
    r"|ister misin|хотите, чтобы я|хочешь, я|хочеш, щоб я|хочете, щоб я|vill du att jag)\b"
    r"(?=[^\n?]{0,80}(?:short|longer|tone\b|hashtag|emoji|caption|rewrite|rephrase|version|kürz|anpass|formulier|variante|raccourc|adapt|reformul|acort|reescrib"
    r"|accorci|adatt|riscriv|encurt|reescrev|ajust|inkort|aanpas|herschrij|skróci|dopasow|kısalt|uyarla|сократ|перепис|скорот|korta|anpassa))"
    r"[^\n?]{0,120}\?\s{0,4}\Z"
)
_HASHTAGS = re.compile(r"^Hashtags:\s{0,3}#", re.MULTILINE)
_LABEL = re.compile(
    r"(?i)^\W{0,3}(?:\*\*)?(?:caption|tweet|alternatively|rewrite|rewritten|revised(?: version)?|shorter version|post text"
    r"|tweet text|post copy|suggested post|suggested caption|social media post|variante [1a]"
    r"|vorschlag [1a]?|proposition [1a]?|propuesta [1a]?)(?:\*\*)?\s?:(?:\s|$)"
)
_OPTIONS = re.compile(r"(?i)^\W{0,3}option [1a]\s?:\s[^\n]{24,300}?\n?\W{0,3}option [2b]\s?:")


_OUTSIDE = re.compile(r"(?:your|our|out|my|dm|us\b|in\b|of\b|deine|ihre|unsere|votre|nos|tu\b|la tua|de web)")
# What a colleague is asked to check, and not a town hall: the words of the post.
_CHECKING = re.compile(r"(?i)\b(?:check|double-check|review|proofread|approve|sign off|confirm)$")
_OF_THE_POST = re.compile(
    r"\s{0,2}(?:$|[.!?,;:)\]\n–-]|(?:(?:the|this|these|those|that|his|her|all|all the)\s)?(?:numbers?|figures?"
    r"|text|wording|spelling|dates?|names?|prices?|links?|captions?"
    r"|facts?|copy|draft|posts?|photos?|pictures?|images?|quotes?|titles?|headlines?|stats?|times?|it|this"
    r"|these|again|before|if|whether|and|first|asap|today|tomorrow|pls|please)\b)"
)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Notes, as doubts; none that stands in quotes."""
    text, folded = reading.text, reading.folded
    for start, end in reading.said(_NOTES):
        if re.match(r"[^.!?\n]{0,12}(?:perfil|profil|avatar)", folded[end : end + 24]):
            continue  # how to change the picture of a profile
        if folded.startswith("please", start) and re.match(r" (?:your|our)\b", folded[end : end + 6]):
            continue
        if not reading.is_named(start):
            yield _note(text[start:end])
    for start, end in reading.said(_NO_PUBLISH):
        if _said_of_the_post(folded, end) and not reading.is_named(start):
            yield _note(text[start:end])
    yield from _marks(reading)
    for pattern in (
        _ASIDE,
        _ASKED,
        _LATER,
        _NAMED,
        _TO_NAME,
        _NOT_YET,
        _FILE_NAME,
        _TO_DESK,
        _PICTURE,
        _DOUBT,
        _EMBARGO,
        _VERSION,
    ):
        for match in pattern.finditer(text):
            if not reading.in_quotes(match.start()) and not _asks_the_reader(match[0]):
                yield _note(match[0])
    for piece in asides.find(reading):
        yield _note(piece)
    yield from _addressed(reading)
    for start, end in reading.said(_SAYS):
        yield _assistant(text[start:end])
    head = folded[: 120 + len(folded) - len(folded.lstrip())]
    for start, end in _OPENERS.find(head, [one for one in reading.words if one[0] < 12]):
        if re.search(r":|\n|：", text[end : end + 160]) or text[start:end].rstrip()[-1:] in "!":
            yield _assistant(text[start:end])
    for pattern in (_LABEL, _OPTIONS, _OFFERED, _OFFERED_ELSEWHERE, _HASHTAGS, _ENDS_ASKING):
        for match in pattern.finditer(text):
            yield _assistant(match[0].strip())


def _note(piece: str) -> Found:
    return Found("note", shown(piece), "looks like a note between colleagues")


def _assistant(piece: str) -> Found:
    return Found("note", shown(piece), "looks like what an assistant wrote around the text")


def _asks_the_reader(aside: str) -> bool:
    """ "(add your own toppings)", "(check our website)", "(please check in at the desk)"."""
    return (
        re.search(
            r"(?i)\b(?:your|our|website|in at|in by|bio|comments?|salt|pepper|taste|more|extra|a pinch|sugar|water)\b"
            r"|nog \d|noch \d",
            aside,
        )
        is not None
    )


def _said_of_the_post(folded: str, end: int) -> bool:
    """Nothing is named that should not be published: the phrase ends there, or says until when."""
    behind = folded[end : end + 20].lstrip()
    first = re.match(r"[^\W_]+", behind)
    return not first or first.start() > 0 or _FOLLOWERS.is_in(first[0]) or behind[:1] > "\u3000"


def _marks(reading: ReviewedText) -> Iterator[Found]:
    """DRAFT, ENTWURF, 下書き …: at the head of a line or in brackets, and in capitals where there are such."""
    text, folded = reading.text, reading.folded
    for mark in _DRAFT_MARKS:
        begin = folded.find(mark)
        while begin >= 0:
            end = begin + len(mark)
            piece = text[begin:end]
            if (
                piece == piece.upper()
                and _MARK_BEGINS.search(text[max(0, begin - 6) : begin])
                and _MARK_ENDS.match(text[end : end + 8])
                and not reading.in_quotes(begin)
            ):
                yield _note(piece)
                break
            begin = folded.find(mark, end)


def _addressed(reading: ReviewedText) -> Iterator[Found]:
    """ "@Tom can you check the numbers before this goes out?" """
    text = reading.text
    for match in _AT.finditer(text):
        window = text[match.end() : match.end() + 80]
        for start, end in _COLLEAGUES.find(
            fold(window), [(m.start(), m[0]) for m in re.finditer(r"[^\W_]+", fold(window))]
        ):
            behind = fold(window[end : end + 12]).lstrip(" ,")
            if start > 45 or _OUTSIDE.match(behind):
                continue
            if not _CHECKING.search(window[:end]) or _OF_THE_POST.match(fold(window[end : end + 40])):
                yield _note(match[0] + window[:end])
                break
