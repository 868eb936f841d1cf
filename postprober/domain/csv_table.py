"""A CSV file, of whichever writer, as rows of named cells. Pure.

RFC 4180 with the liberties that spreadsheets take. Only the separator and the encoding are guessed: the separator is
the one by which the first line names our columns, and quotes are always `"`. What breaks these rules is a row with a
reason, never a row that reads differently from what its writer saw.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from postprober.domain.platform import parse_platform
from postprober.errors import BadInput

SEPARATORS = (",", ";", "\t", "|")
# What a file may be in that is not Unicode; the first is tried, the others a person chooses.
ENCODINGS = {
    "cp1252": "Windows-1252 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "mac_roman": "Mac Roman",
    "shift_jis": "Shift JIS (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "euc_kr": "EUC-KR (Korean)",
}
NAMES = {"utf-8": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32", **ENCODINGS}
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip  # table: byte order marks, the longer ones first
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000))  # lone ones cannot be stored
_SEP_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*(?:\r\n?|\n)", re.IGNORECASE)  # how Excel is told the separator
_LINE_END = re.compile(r"\r\n?")

# How spreadsheets in English, German, French and Spanish name our columns.
COLUMNS = {
    "text": ("text", "post", "message", "content", "caption", "beitrag", "nachricht", "texte", "publication", "texto"),
    "accounts": (
        "accounts",
        "account",
        "platforms",
        "platform",
        "channels",
        "channel",
        "konten",
        "konto",
        "plattform",
        "comptes",
        "compte",
        "cuentas",
        "cuenta",
    ),
    "date": ("date", "day", "datum", "tag", "jour", "fecha"),
    "time": ("time", "scheduled at", "publish at", "when", "zeit", "uhrzeit", "zeitpunkt", "heure", "hora"),
    "language": ("language", "lang", "sprache", "langue", "idioma"),
}
_COLUMN_OF = {name: column for column, names in COLUMNS.items() for name in names}
NEEDED = ("text", "accounts")


@dataclass(frozen=True)
class CsvLine:
    """One row. `lines`: where it stands in the file; `cells`: by column, empty for what is missing; `problem`: why it
    cannot be read as a row, "" when it can."""

    lines: range
    cells: dict[str, str]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """`encoding`: a key of NAMES; `sure`: it is Unicode, nothing was guessed; `ignored`: columns that are not ours."""

    encoding: str
    sure: bool
    separator: str
    lines: tuple[CsvLine, ...]
    ignored: tuple[str, ...] = ()


def read(content: bytes, encoding: str = "") -> Table:
    """The table in `content`; `encoding`: what a person chose, "" to find out. Raises BadInput when there is none."""
    if content.startswith(_WORKBOOKS):
        raise _bad("This is a spreadsheet workbook; save it as “CSV UTF-8” and choose that file.")
    text, name, sure = _decoded(content, encoding)
    text = text.translate(_SURROGATES)
    told = _SEP_LINE.match(text)
    body, skipped = (text[told.end() :], 1) if told else (text, 0)
    separator = _separator(body, told[1] if told else "")
    rows = _rows(body, separator, skipped)
    head = next((row for row in rows if any(cell.strip() for cell in row[1]) or row[2]), None)
    if head is None:
        raise _bad("The file is empty.")
    columns, ignored = _columns(head)
    found = tuple(line for row in rows if (line := _line(row, columns)) is not None)
    return Table(name, sure, separator, found, ignored)


def _bad(sentence: str) -> BadInput:
    return BadInput(sentence, field="file")


def _decoded(content: bytes, chosen: str) -> tuple[str, str, bool]:
    if chosen:
        if chosen not in NAMES:
            raise _bad(f"There is no encoding called {chosen!r}; choose one of {', '.join(NAMES)}.")
        try:
            return content.decode(chosen).removeprefix("\ufeff"), chosen, chosen not in ENCODINGS
        except UnicodeDecodeError:
            raise _bad(f"The file is not {NAMES[chosen]} text; choose another encoding.") from None
    mark = next((name for start, name in _MARKS if content.startswith(start)), "")
    zeros = content[:2000].count(0)
    if not mark and zeros * 3 > len(content[:2000]):  # UTF-16 without a mark: every other byte of ASCII is zero
        mark = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        return content.decode(mark or "utf-8").removeprefix("\ufeff"), (mark or "utf-8")[:6], True
    except UnicodeDecodeError as error:
        if mark or _almost_utf8(content):
            line = content[: error.start].count(b"\n") + 1
            name = NAMES[(mark or "utf-8")[:6]]
            raise _bad(f"The file is {name}, but line {line} is damaged; save it again as “CSV UTF-8”.") from None
    try:
        return content.decode("cp1252"), "cp1252", False
    except UnicodeDecodeError:
        raise _bad("The encoding of the file is unclear; choose it, or save the file as “CSV UTF-8”.") from None


def _almost_utf8(content: bytes) -> bool:
    """Whether most of what is not ASCII is UTF-8: then the rest is damage and not another encoding."""
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return sum(1 for char in text if ord(char) > 127) - broken > broken


_Row = tuple[range, list[str], str]  # lines, cells, problem


def _separator(text: str, told: str) -> str:
    """The separator by which the first line with anything in it names the most of our columns."""
    best, most = ",", 0
    for separator in dict.fromkeys([*([told] if told and told not in '"\r\n' else []), *SEPARATORS]):
        for _, cells, _ in _rows(text, separator):
            if any(cell.strip() for cell in cells):
                known = len({_column(cell) for cell in cells} - {""})
                if known > most:
                    best, most = separator, known
                break
    return best


def _rows(text: str, separator: str, skipped: int = 0) -> Iterator[_Row]:
    """Every record with the lines it stands in. After a line that breaks the rules the next one begins anew; after a
    record of several lines that does, nobody can tell where the next one begins, and the rest is one problem with it."""
    spaced = _blank_after(text, separator)
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=separator, quotechar='"', strict=True, skipinitialspace=spaced)
    while True:
        first = reader.line_num + 1 + skipped
        try:
            cells, problem = next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            cells, problem = [], _reason(str(error))
        if problem and reader.line_num + skipped > first:
            unread = sum(1 for _ in source)
            rest = " Nothing behind it can be read before that is mended." if unread else ""
            yield range(first, reader.line_num + unread + 1 + skipped), cells, f"{problem}{rest}"
            return
        yield range(first, reader.line_num + 1 + skipped), cells, problem


def _blank_after(text: str, separator: str) -> bool:
    """Whether the writer puts a blank behind each separator (`text, accounts`), which quotes may follow."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    return head.count(separator) > 0 and head.count(separator) == len(re.findall(re.escape(separator) + " ", head))


def _reason(error: str) -> str:
    if "unexpected end" in error:
        return "A quotation mark is opened here and never closed."
    if "field larger" in error:
        return "A cell is too large."
    return (
        'A cell begins with a quotation mark that does not end it; put the whole cell in "…" and double those inside.'
    )


def _column(cell: str) -> str:
    """Our name of a column, "" for one that is not ours. `PLATFORM.NAME` is an option of that platform."""
    platform, dot, name = cell.strip().partition(".")
    if dot and name.strip():
        with suppress(BadInput):
            return f"{parse_platform(platform).value}.{name.strip().casefold()}"
    return _COLUMN_OF.get(re.sub(r"[\s_-]+", " ", cell).strip().casefold(), "")


def _columns(head: _Row) -> tuple[list[str], tuple[str, ...]]:
    _, cells, problem = head
    names = [_column(cell) for cell in cells]
    missing = [name for name in NEEDED if name not in names]
    if problem or missing:
        shown = " | ".join(cell.strip() for cell in cells if cell.strip())[:120]
        reads = f"it reads “{shown}”" if shown else "it cannot be read"
        raise _bad(
            f"The first line must name the columns, and {reads}; missing: {', '.join(missing)}. Start from the template."
        )
    double = next((name for name in names if name and names.count(name) > 1), "")
    if double:
        raise _bad(f"Two columns are called {double!r} or mean the same; keep one of them.")
    ignored = (cell.strip() for cell, name in zip(cells, names, strict=True) if not name)
    return names, tuple(cell for cell in ignored if cell)


def _line(row: _Row, columns: Sequence[str]) -> CsvLine | None:
    """None for a row without anything in it."""
    lines, cells, problem = row
    tidy = [_LINE_END.sub("\n", cell).strip() for cell in cells]
    if not problem and not any(tidy):
        return None
    if any(tidy[len(columns) :]):
        problem = f'The row has {len(tidy)} cells and the first line {len(columns)}; put a text with separators in "…".'
    named = {name: cell for name, cell in zip(columns, tidy, strict=False) if name}
    return CsvLine(lines, dict.fromkeys(COLUMNS, "") | named, problem)
