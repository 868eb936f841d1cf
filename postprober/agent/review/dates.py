"""Dates that cannot be: days that no month has, weekdays that the date does not have, and past ones that are announced."""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice, pairwise

from postprober.agent.phrases import Phrases, fold
from postprober.agent.review.reading import Found, ReviewedText, shown
from postprober.agent.words import any_of, by_language

_UPCOMING = Phrases.listed("upcoming")
_BYGONE = Phrases.listed("bygone")
_STARTING = Phrases.listed("starting")
_SINCE = Phrases.listed("since")
_JOKES = Phrases.listed("calendar_jokes")
_YEARS = (1950, 2100)  # ours: weekdays of earlier years are for historians
_LONG_AGO = timedelta(days=400)  # ours: an older date is told as history, not announced by mistake
_NEAREST = timedelta(days=200)  # ours: a date without a year is the nearest one; half a year away it may be either
_JUST_PAST = timedelta(
    days=62
)  # ours: two months; a date without a year that lies further back may be that of next year
_MOST = 60  # ours: dates of one text; a year's programme has about as many
_ENGLISH_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ENGLISH_MONTHS = tuple(calendar.month_name[1:])


def _forms(name: str) -> dict[str, set[tuple[str, int]]]:
    """A folded form -> the (language, number from 0) that it may be."""
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for language, lines in by_language(name).items():
        for number, line in enumerate(lines):
            for form in line.split(","):
                found[fold(form.strip())].add((language, number))
    return found


_DAYS, _MONTHS = _forms("weekdays"), _forms("months")
_SURE_DAYS = {  # beside a date in figures, where no month says which language it is
    form: {number for _, number in meant} for form, meant in _DAYS.items() if len({number for _, number in meant}) == 1
}
_NO_FIGURES = frozenset(
    map(
        fold,
        (
            "mar",
            "mar.",
            "may",
            "sun",
            "sat",
            "jan",
            "sex",
            "ter",
            "fr",
            "vr",
            "mi",
            "mo",
            "sa",
            "seg",
            "sam.",
            "שני",
            "ראשון",
        ),
    )
)


def _one_of(forms: dict[str, set[tuple[str, int]]]) -> str:
    return any_of(tuple(sorted(forms, key=len, reverse=True)))


_EDGE, _END = r"(?<![^\W\d_])", r"(?![^\W\d_])"
_DAY = rf"{_EDGE}(?P<weekday>{_one_of(_DAYS)}){_END}"
_MONTH = rf"{_EDGE}(?P<month>{_one_of(_MONTHS)}){_END}\.?"
_NUMBER = r"(?<![\d.,:/])(?P<day>\d{1,2})(?:st|nd|rd|th|\.º|º|°|er|e|-го|-е|'ta|'de|:e)?\.?(?!\d)"
_OF = r"\s{0,2}(?:de |di |d'|of |del |do |ב)?\s{0,1}"
_YEAR = r"(?:,? ?(?:de |del |do |в |of )?(?P<year>(?:19|20)\d\d)(?!\d))?"
_LINK = r"(?:,|\.|:)?\s{1,2}(?:the |den |der |dem |am |le |el |il |dia |día |on |d\. |den\. |, )?"
# "Friday, 5 December 2026", "viernes 5 de diciembre", "söndag 13 december"
_DAY_FIRST = re.compile(_DAY + _LINK + _NUMBER + _OF + _MONTH + _YEAR)
# "Friday, December 5th, 2026"
_MONTH_FIRST = re.compile(
    _DAY + _LINK + _MONTH + r" (?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\d)(?:,? (?P<year>(?:19|20)\d\d)(?!\d))?"
)
# "5 Aralık 2026 Cuma", "December 5 (Friday)", "5 грудня, п'ятниця"
_DAY_LAST = re.compile(rf"{_NUMBER}{_OF}{_MONTH}{_YEAR}(?:'da|'de|г\.|года|року)?(?:,? ?\(|,? {{1,2}}){_DAY}")
_MONTH_FIRST_DAY_LAST = re.compile(
    _MONTH + r" (?P<day>\d{1,2})(?:st|nd|rd|th)?(?:,? (?P<year>(?:19|20)\d\d))? ?\(" + _DAY
)
_FIGURES = (
    r"(?<![\d.,:/-])(?P<a>\d{1,2})(?P<sep>[./-]) ?(?P<b>\d{1,2})(?P=sep)?(?: ?(?P<year>(?:19|20)\d\d"
    r"|\d\d)(?![\d.:]))?"
)
_DAY_FIGURES = re.compile(_DAY + r"(?:,|:)?\s{1,2}(?:den |dem |der |am |le |il |el |dia |día |d\. |vom )?" + _FIGURES)
_FIGURES_DAY = re.compile(_FIGURES + r" ?\((?P<weekday>" + _one_of(_DAYS) + r")\.?\)")
_CJK = re.compile(
    r"(?:(?P<year>(?:19|20)\d\d)\s?年\s?)?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号號]\s?(?:[(（]?\s?(?:星期"
    r"|周|週|礼拜)?(?P<weekday>[月火水木金土日一二三四五六天])(?:曜日?)?\s?[)）]|(?:星期|周|週|礼拜)(?P<weekday2>[一二三四五六日天])"
    r"|(?P<weekday3>[月火水木金土日])曜日?)?"
)
_CJK_DAYS = {**{c: i for i, c in enumerate("月火水木金土日")}, **{c: i for i, c in enumerate("一二三四五六")}, "天": 6}
# Without a weekday, for days that no month has and past dates
_PLAIN = re.compile(_NUMBER + _OF + _MONTH + _YEAR)
_PLAIN_MONTH_FIRST = re.compile(
    _MONTH + r" (?P<day>\d{1,2})(?:st|nd|rd|th)?(?![\d:.%])(?:,? (?P<year>(?:19|20)\d\d)(?!\d))?"
)
_PLAIN_FIGURES = re.compile(
    r"(?<![\d.,:/-])(?P<a>\d{1,2})(?P<sep>[./-])(?P<b>\d{1,2})(?P=sep)(?P<year>(?:19|20)\d\d"
    r"|\d\d(?!\d))?(?![\d/:-])"
)
_ISO = re.compile(r"(?<![\d-])(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<day>\d\d)(?![\d-])")
_YEAR_IN_TEXT = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_AT = (
    r"(?:\bat|\bfrom|\buntil|\btill|\bstarts?|\bopens?|\bdoors|\bum|\bab|\bbis|\bbeginn:?|\beinlass:?"
    r"|\buhrzeit:?|(?<!\w)à|\bdès|\ba las|\blas|\bdesde las|\balle|\bdalle|\bore|(?<!\w)às|\bom|\bvanaf"
    r"|\bo godz\.|\bod godz\.|\bgodz\.|\bsaat|(?<!\w)о|(?<!\w)об|(?<!\w)в|(?<!\w)у|(?<!\w)с|(?<!\w)з|\bkl\.?"
    r"|الساعة|בשעה|時間:?|时间:?|(?<![\w-])time:?|(?<![\w-])hora:?|(?<![\w-])heure:?|(?<![\w-])ora:?)"
)
_TIME = re.compile(
    rf"{_AT}\s{{1,2}}(?P<hour>\d{{1,2}})(?:[:.h](?P<minute>\d\d)(?![\d.])|\s?h(?!\w))(?!\s?(?:%|€|km|kg|m\b|mln"
    rf"|Mio|ml|points?|goals?))"
    r"|(?<![\d:.,])(?P<hour2>\d{1,2})(?:[:.](?P<minute2>\d\d))?\s?(?:Uhr|uhr|h00|часов|годин[аи]?\b)"
    r"|(?<![\d:.,])(?P<hour3>\d{1,2})(?::(?P<minute3>\d\d))\s?(?:[ap]\.?m\.?\b|Uhr)"
)


_TO = re.compile(
    r"(?i)\b(?:to|until|till|bis|au|jusqu'au|al|hasta|fino al|até|a|tot|t/m|do|по|до)\s{1,2}(?:the |zum |el |le |il |o )?$|[–—-]\s{0,2}$"
)


@dataclass(frozen=True)
class _Date:
    """What a text says. `year` None: it says none."""

    piece: str
    day: int
    month: int
    year: int | None
    weekday: int | None = None
    place: int = 0


def find(reading: ReviewedText) -> Iterator[Found]:
    """Impossible dates and times, wrong weekdays, and past dates that are announced, all as doubts."""
    dates = list(islice(_dates(reading), _MOST))
    years = {int(year) for year in _YEAR_IN_TEXT.findall(reading.text)}
    told = set()
    for one in dates:
        if (one.day, one.month, one.year) in told or reading.in_quotes(one.place):
            continue
        trouble = ("" if reading.has(_JOKES) else _impossible(one)) or _wrong_weekday(one, reading.now.date(), years)
        if trouble:
            told.add((one.day, one.month, one.year))
            yield Found("date", shown(one.piece), trouble)
    yield from _backwards(reading, dates)
    yield from _backwards_in_figures(reading)
    yield from _announced(reading, dates)
    yield from _times(reading)


def _dates(reading: ReviewedText) -> Iterator[_Date]:
    """Those with a weekday first: the same date without it says less."""
    folded, text = reading.folded, reading.text
    if not any(char.isdigit() for char in text):
        return
    spans: list[tuple[int, int]] = []
    for pattern in (_DAY_FIRST, _MONTH_FIRST, _DAY_LAST, _MONTH_FIRST_DAY_LAST, _PLAIN, _PLAIN_MONTH_FIRST):
        for match in pattern.finditer(folded):
            if _taken(spans, match):
                continue
            for weekday, month in _meant(match):
                spans.append(match.span())
                yield _Date(
                    _piece(text, match), int(match["day"]), month + 1, _number(match["year"]), weekday, match.start()
                )
                break
    for pattern in (_DAY_FIGURES, _FIGURES_DAY, _PLAIN_FIGURES):
        for match in pattern.finditer(folded):
            if not _taken(spans, match):
                spans.append(match.span())
                yield from _of_figures(text, match, with_day=pattern is not _PLAIN_FIGURES)
    for match in _CJK.finditer(text):
        named = match["weekday"] or match["weekday2"] or match["weekday3"]
        if match["month"] and 1 <= int(match["month"]) <= 12:
            yield _Date(
                _piece(text, match),
                int(match["day"]),
                int(match["month"]),
                _number(match["year"]),
                _CJK_DAYS[named] if named else None,
                match.start(),
            )
    for match in _ISO.finditer(text):
        if 1 <= int(match["month"]) <= 12:
            yield _Date(match[0], int(match["day"]), int(match["month"]), int(match["year"]), None, match.start())


def _taken(spans: list[tuple[int, int]], match: re.Match[str]) -> bool:
    return any(start < match.end() and match.start() < end for start, end in spans)


def _piece(text: str, match: re.Match[str]) -> str:
    return text[match.start() : match.end()].strip(" ,.()")


def _number(year: str | None) -> int | None:
    if not year:
        return None
    return int(year) if len(year) == 4 else 2000 + int(year)


def _meant(match: re.Match[str]) -> Iterator[tuple[int | None, int]]:
    """(weekday, month) where one language has both words."""
    months = _MONTHS[match["month"]]
    named = match.groupdict().get("weekday")
    if named is None:
        numbers = {number for _, number in months}
        if len(numbers) == 1:
            yield None, numbers.pop()
        return
    found = {(day, month) for language, day in _DAYS[named] for other, month in months if language == other}
    if len(found) == 1:
        yield found.pop()


def _of_figures(text: str, match: re.Match[str], *, with_day: bool) -> Iterator[_Date]:
    """Day and month in figures: European; with a slash or a hyphen it may be American, and is doubted only when
    neither can be."""
    weekday = None
    if with_day:
        named = match["weekday"]
        numbers = _SURE_DAYS.get(named, set())
        capital = text[match.start("weekday")].isupper()
        if len(numbers) != 1 or (named in _NO_FIGURES and not capital):
            return
        weekday = next(iter(numbers))
    a, b, year = int(match["a"]), int(match["b"]), _number(match["year"])
    if not with_day and (year is None and match["sep"] != "."):
        return
    if not with_day and match["year"] is None and not (len(match["a"]) == 2 and len(match["b"]) == 2):
        return  # "3.1." may be a chapter
    if (
        not with_day
        and match["year"]
        and len(match["year"]) == 2
        and not (len(match["a"]) == 2 and len(match["b"]) == 2)
    ):
        return  # "31.2.15" may be a version
    if match["sep"] == "-" and (year is None or year < 1950):
        return
    european = 1 <= b <= 12 and 1 <= a <= 31
    american = match["sep"] != "." and 1 <= a <= 12 and 1 <= b <= 31
    if european and american and a != b:
        if weekday is None or year is None:
            return
        if _weekday(year, b, a) == weekday or _weekday(year, a, b) == weekday:
            return
    if european:
        yield _Date(_piece(text, match), a, b, year, weekday, match.start())
    elif american:
        yield _Date(_piece(text, match), b, a, year, weekday, match.start())
    elif match["sep"] == "." and 31 < a < 40 and 1 <= b <= 12 and year:
        yield _Date(_piece(text, match), a, b, year, weekday, match.start())


def _weekday(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).weekday()
    except ValueError:
        return None


def _impossible(one: _Date) -> str:
    """A day that its month does not have, in its year or in none."""
    longest = 29 if one.month == 2 and one.year is None else calendar.monthrange(one.year or 2024, one.month)[1]
    if not longest < one.day <= 39:
        return ""
    where = _ENGLISH_MONTHS[one.month - 1] + (f" {one.year}" if one.month == 2 and one.year else "")
    return f"is no date: {where} has {longest} days"


def _wrong_weekday(one: _Date, today: date, years: set[int]) -> str:
    """The weekday is that of no year that can be meant."""
    if one.weekday is None or not 1 <= one.day <= 31:
        return ""
    if one.year is not None:
        if not _YEARS[0] <= one.year <= _YEARS[1]:
            return ""
        meant = [one.year]
    else:
        meant = sorted({*_near(one, today), *years})
    actual = {year: _weekday(year, one.month, one.day) for year in meant}
    if not actual or one.weekday in actual.values():
        return ""
    year = one.year or min(meant, key=lambda other: abs(_days_off(one, other, today)))
    weekday = actual[year]
    return f"is a {_ENGLISH_DAYS[weekday]} in {year}; check the weekday and the date" if weekday is not None else ""


def _days_off(one: _Date, year: int, today: date) -> int:
    try:
        return (date(year, one.month, one.day) - today).days
    except ValueError:
        return 10_000


def _near(one: _Date, today: date) -> Iterator[int]:
    """The years in which the date is near today."""
    for year in (today.year - 1, today.year, today.year + 1):
        if abs(_days_off(one, year, today)) <= _NEAREST.days:
            yield year


def _backwards(reading: ReviewedText, dates: list[_Date]) -> Iterator[Found]:
    """ "From 5 December to 3 December": two days of one month and year, the second before the first."""
    ordered = sorted(dates, key=lambda one: one.place)
    for first, last in pairwise(ordered):
        between = reading.text[first.place : last.place]
        same = (first.month, first.year or last.year) == (last.month, last.year or first.year)
        told = (
            first.year and last.year and first.year == last.year and (last.month, last.day) < (first.month, first.day)
        )
        if (told or (same and last.day < first.day)) and len(between) < 40 and _TO.search(between):
            yield Found("date", shown(between + last.piece), "ends before it begins")


_FIGURE_RANGE = re.compile(
    r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2((?:19|20)\d\d)(?:\s{0,2}[–—-]\s{0,2}|\s(?:to|until|till|bis|au|al|a|hasta|até|tot|t/m|do|do|по|до)"
    r"(?: (?:the|zum|el|le))?\s)(\d{1,2})\2(\d{1,2})\2((?:19|20)\d\d)(?![\d/-])"
)


def _backwards_in_figures(reading: ReviewedText) -> Iterator[Found]:
    """ "24/12/2026 – 06/01/2026": the end lies before the beginning, whichever of the figures is the month."""
    for match in _FIGURE_RANGE.finditer(reading.text):
        a, _, b, year, c, d, last = match.groups()
        begins = [day for day in (_day(year, b, a), _day(year, a, b)) if day]
        ends = [day for day in (_day(last, d, c), _day(last, c, d)) if day]
        if begins and ends and max(ends) < min(begins) and not reading.in_quotes(match.start()):
            yield Found("date", shown(match[0]), "ends before it begins")


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _announced(reading: ReviewedText, dates: list[_Date]) -> Iterator[Found]:
    """A past date with a year in a text that announces: no other date in it is to come, and nothing tells of the past."""
    today = reading.now.date()
    past, coming = [], False
    for one in dates:
        try:
            day = date(one.year or today.year, one.month, one.day)
        except ValueError:
            continue
        if one.year is None and day < today:
            just_past = today - day <= _JUST_PAST
            coming = coming or not just_past
            if just_past and one.weekday in (None, day.weekday()) and _starts(reading, one):
                past.append(one)
        elif day >= today:
            coming = True
        elif today - day <= _LONG_AGO and not reading.in_quotes(one.place):
            past.append(one)
    yearless = any(one.year is None for one in past)  # these were asked for what announces them already
    if past and not coming and (yearless or reading.has(_UPCOMING)) and not reading.has(_BYGONE):
        yield Found("date", shown(past[0].piece), "is past already, and the text announces it")


def _starts(reading: ReviewedText, one: _Date) -> bool:
    """Whether its own sentence announces it as a day to come, and not as the first of many."""
    folded = reading.folded
    if reading.in_quotes(one.place) or _SINCE.is_in(folded[max(0, one.place - 12) : one.place]):
        return False
    begin = max(folded.rfind(mark, 0, one.place) for mark in ("! ", "? ", "\n", ". ", "。"))
    ends = [
        place for mark in ("!", "?", "\n", ". ", "。") if (place := folded.find(mark, one.place + len(one.piece))) >= 0
    ]
    return _STARTING.is_in(folded[begin + 1 : min(ends, default=len(folded)) + 1])


def _times(reading: ReviewedText) -> Iterator[Found]:
    """Hours and minutes that no clock has. Japan counts hours after midnight on, so nothing is said there."""
    for match in _TIME.finditer(reading.folded):
        hour = int(match["hour"] or match["hour2"] or match["hour3"])
        minute = int(match["minute"] or match["minute2"] or match["minute3"] or 0)
        half = match["hour3"] is not None and "uhr" not in match[0] and hour > 24
        if (
            (hour > 24 or minute > 59 or (hour == 24 and minute > 0) or half)
            and hour < 100
            and not reading.in_quotes(match.start())
        ):
            yield Found("date", shown(_piece(reading.text, match)), "is no time of day")
