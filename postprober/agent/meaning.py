"""Words that turn a sentence around, in the languages people post in: a rewrite may neither lose nor add one; and which
sentences and posts need none of our hands.

The lists (`lists/`) are ours, from grammars: a missing word costs strictness in that language, a wrong one costs a suggestion.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.agent.words import CALENDAR, CONDITIONS, FILLERS, GRAVE, NEGATIONS, QUANTITIES, UNITS, WARNINGS

_ALL = NEGATIONS | CONDITIONS | WARNINGS | CALENDAR | QUANTITIES
# Writing without blanks between words.
_INSIDE = re.compile(
    "ない|なかっ|ません|なし|ぬ|禁止|のみ|だけ|以外|除く|除き|場合|限り|限定|しかし|ただし|だが|ても|でも|必ず|必要|なければ|まで|から|以上|以下"
    "|未満|以内|すべて|全て|全員|一部|ほとんど|多く|毎|今日|明日|昨日|本日|来週|今週|[月火水木金土日]曜|午前|午後|アレルギー|中止|延期|危険|注意|警告"
    "|休業|休館|閉|訂正|誤|事実|かもしれ|おそらく|絶対|"
    "不|没|沒|無|无|未|别|別|勿|非|只|仅|僅|除|如果|若|但|否则|必须|必須|需|禁|可能|也许|或许|全部|所有|大多|多数|少数|一些|部分|每|各|至少|最多"
    "|今天|明天|昨天|星期|周[一二三四五六日末]|上午|下午|晚上|之前|之后|过敏|取消|推迟|危险|注意|警告|关闭|更正|辟谣|谣言|真的|假|"
    "않|없|못|아니|만|제외|경우|반드시|취소|연기|위험|주의|오늘|내일|어제|ไม่|ห้าม|เฉพาะ|ยกเว้น|ถ้า|แต่|ต้อง|ยกเลิก|เลื่อน|อันตราย|วันนี้|พรุ่งนี้|"
    "[〇零一二三四五六七八九十百千万两兩]"
)
# Turkish says "not" inside of the verb: gelmiyor, açılmayacak, girmez, gelmedi, yapmayın, kalmadan.
_TURKISH_NOT = re.compile(
    r"\w{2,20}m(?:[ıiuü]yor|ayaca|eyece|a[zs]|e[zs]|ad[ıi]|ed[ıi]|am[ıi]ş|em[ıi]ş|ay[ıi]n|ey[ıi]n|ayan|eyen|adan|eden|as[ıi]n|es[ıi]n|amal|emel)\w{0,12}"
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019.][^\W\d_]+)*")
_MEASURE = re.compile(
    r"(?P<sign>[€$£¥₺₽₴₪₹₩])?[ \u00a0\u202f]?(?P<number>\d[\d.,]*)(?:[ \u00a0\u202f]?(?P<unit>[^\W\d_]{1,12}(?:[./\"][^\W\d_]{1,4})?|[%€$£¥₺₽₴₪₹₩]|°[CFcf]?))?"
)


def turning_words(text: str) -> Counter[str]:
    """Negations, conditions, warnings, quantities and words of the calendar in `text`, each with its count; "can't",
    "cannot" and "not" count alike. Pure."""
    found: Counter[str] = Counter(match[0] for match in _INSIDE.finditer(text))
    for match in _WORD.finditer(text):
        word = match[0].casefold().replace("\u2019", "'")
        if word in _ALL and word != "cannot":
            found[word] += 1
            continue
        if word.endswith("n't") or word == "cannot":
            found["not"] += 1
            continue
        if _TURKISH_NOT.fullmatch(word):
            found[word] += 1
            continue
        first, _, rest = word.partition("'")
        if rest and len(first) <= 4:  # elision: n'est, d'avril, l'8 dicembre
            found.update(piece for piece in ("ne" if first == "n" else "", rest) if piece == "ne" or piece in _ALL)
        elif first in _ALL:
            found[first] += 1
    return found


def measures(text: str) -> Counter[str]:
    """Numbers with the unit or currency beside them. Pure."""
    found: Counter[str] = Counter()
    for match in _MEASURE.finditer(text):
        unit = (match["unit"] or "").casefold()
        if match["sign"] or unit in UNITS:
            found[f"{match['sign'] or ''}{match['number'].rstrip('.,')} {unit if unit in UNITS else ''}".strip()] += 1
    return found


_MEANS_MORE = regex.compile(r"[\p{N}@#/\"\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d()\[\]\u20ac$\u00a3%:;=+<>]")


def says_only_thanks(sentence: str) -> bool:
    """Whether `sentence` is made of nothing but the words of thanks and joy of one language. Of a language that the list
    does not know nothing is. Pure."""
    if _MEANS_MORE.search(sentence) or "?" in sentence:
        return False
    words = {word.casefold().replace("\u2019", "'") for word in regex.findall(r"[\p{L}\p{M}'\u2019-]+", sentence)}
    return bool(words) and any(words <= known for known in FILLERS)


_GRAVE_INSIDE = re.compile(
    "|".join(re.escape(word) for word in sorted(GRAVE) if not _WORD.fullmatch(word) or word > "\u0e00")
)


@lru_cache(maxsize=64)  # asked for every platform
def is_grave(text: str) -> bool:
    """Whether `text` speaks of death, violence, illness, disaster or danger. Pure."""
    if _GRAVE_INSIDE.search(text):
        return True
    words = (match[0].casefold() for match in _WORD.finditer(text))
    return any(word in GRAVE or word.removesuffix("'s") in GRAVE or _without_prefix(word) in GRAVE for word in words)


def _without_prefix(word: str) -> str:
    """Arabic and Hebrew write "the", "and", "in" in front of the word."""
    for prefix in ("وال", "بال", "لل", "ال", "و", "ب", "ل", "וה", "שה", "בה", "לה", "ה", "ו", "ב", "ל", "מ", "ש"):
        if word.startswith(prefix) and len(word) > len(prefix) + 1:
            return word.removeprefix(prefix)
    return word
