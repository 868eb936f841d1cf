"""A CSV file of any writer: the same rows, or a reason; never other rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprober.domain import csv_table
from postprober.errors import BadInput

TABLES = Path(__file__).parents[1] / "services" / "tables"
_TEXTS = (
    st.text(
        st.characters(codec="cp1252", exclude_categories=("Cc", "Cs")) | st.sampled_from("'\"\n,;|\t’“€üß #="),
        min_size=1,
        max_size=40,
    )
    .map(str.strip)
    .filter(bool)
)
_ROWS = st.lists(st.tuples(_TEXTS, _TEXTS, _TEXTS), min_size=1, max_size=8)


@settings(deadline=None, max_examples=150)
@given(
    rows=_ROWS,
    separator=st.sampled_from(csv_table.SEPARATORS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    front=st.sampled_from(["", "sep={}", "blank", "blanks"]),
)
def test_the_dialect_of_a_writer_makes_no_difference(
    rows: list[tuple[str, str, str]], separator: str, quoting: int, line_end: str, encoding: str, front: str
) -> None:
    if line_end == "\r" and quoting == csv.QUOTE_MINIMAL:
        quoting = csv.QUOTE_NONNUMERIC  # Python's writer forgets to quote "\n" there, which no other writer does
    out = io.StringIO(newline="")
    if front.startswith("sep"):
        out.write(front.format(separator) + line_end)
    elif front:
        out.write((separator * 2 if front == "blanks" else "") + line_end)
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=line_end)
    writer.writerow(("Text", " accounts", "TIME"))
    writer.writerows(rows)
    table = csv_table.read(out.getvalue().encode(encoding))
    assert [line.problem for line in table.lines] == [""] * len(rows)
    assert [(one.cells["text"], one.cells["accounts"], one.cells["time"]) for one in table.lines] == rows


@settings(deadline=None)
@given(rows=_ROWS)
def test_windows_1252_is_read_and_said_to_be_a_guess(rows: list[tuple[str, str, str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows([("text", "accounts", "time"), ("größer", "x", ""), *rows])
    table = csv_table.read(out.getvalue().encode("cp1252"))
    assert (table.encoding, table.sure) == ("cp1252", False)
    assert [one.cells["text"] for one in table.lines] == ["größer", *(row[0] for row in rows)]


@settings(deadline=None, max_examples=150)
@given(text=_TEXTS, others=st.lists(_TEXTS, max_size=4))
def test_a_line_written_without_quoting_keeps_its_text_or_has_a_reason(text: str, others: list[str]) -> None:
    """Somebody typed the file by hand: what they typed is the text, or the row is not used."""
    typed = [piece.replace("\n", " ") for piece in (text, *others)]
    content = "text,accounts\n" + "".join(f"{piece},x\n" for piece in typed)
    table = csv_table.read(content.encode())
    for line in table.lines:
        if not line.problem and len(line.lines) == 1:
            raw = typed[line.lines.start - 2]
            assert line.cells["text"] in (raw, raw[1:-1].replace('""', '"').strip())
    used = [line for line in table.lines if not line.problem]
    covered = {number for line in table.lines for number in line.lines}
    assert covered == set(range(2, len(typed) + 2)) and len(used) <= len(typed)


@pytest.mark.parametrize("name", sorted(path.name for path in TABLES.glob("*.csv")))
def test_the_files_that_people_sent_have_as_many_rows_as_lines(name: str) -> None:
    content = (TABLES / name).read_bytes()
    table = csv_table.read(content)
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith((b"sep=", b"text"))]
    assert len(table.lines) == len(lines) and not any(line.problem for line in table.lines)


def test_quotes_are_double_ones_only() -> None:
    content = 'text,accounts\n\'Twas night, they say,x\n"He said ""Hi"", twice",x\n\'a\',x\n'
    lines = csv_table.read(content.encode()).lines
    assert lines[0].problem and lines[0].lines == range(2, 3)
    assert [line.cells["text"] for line in lines[1:]] == ['He said "Hi", twice', "'a'"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Hello, world,x", "3 cells and the first line 2"),
        ('"Hello" she said,x', "begins with a quotation mark"),
        ('"He said \\"hi\\"",x', "begins with a quotation mark"),
        ('"Never closed,x', "never closed"),
        (f'"{"x" * 200_000}",x', "too large"),
    ],
)
def test_a_row_that_breaks_the_rules_says_so_and_the_others_stand(row: str, words: str) -> None:
    lines = csv_table.read(f"text,accounts\nFirst,x\n{row}\n".encode()).lines
    assert lines[0].cells["text"] == "First" and not lines[0].problem
    assert words in lines[1].problem, lines[1].problem


def test_blanks_behind_separators_belong_to_nobody() -> None:
    lines = csv_table.read(b'text, accounts, time\n"Hello, world", x, 2027-03-02 09:00\n').lines
    assert lines[0].cells["text"] == "Hello, world" and lines[0].cells["accounts"] == "x"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Plan 2027\ntext,accounts\n", "it reads “Plan 2027”"),
        (b"PK\x03\x04rest", "workbook"),
        (b"text,accounts,Text\na,x,b\n", "Two columns"),
        ("text,accounts\nGrüße,x\n".encode() + b"Gr\xfcn,x\n" + "Grüße,x\n".encode(), "line 3 is damaged"),
        ("text,accounts\nこんにちは、世界,x\n".encode("shift_jis"), "encoding of the file is unclear"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_true_reason(content: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        csv_table.read(content)


def test_an_encoding_that_a_person_chose_is_used() -> None:
    content = "text,accounts\nこんにちは、世界,x\n".encode("shift_jis")
    assert csv_table.read(content, "shift_jis").lines[0].cells["text"] == "こんにちは、世界"
    with pytest.raises(BadInput, match="choose another encoding"):
        csv_table.read(b"text,accounts\n\x81\n", "shift_jis")


def test_columns_in_other_languages_are_found_and_others_named() -> None:
    table = csv_table.read("Beitrag;Konten;Datum;Uhrzeit;Notiz\nHallo;x;02.03.2027;9:00 Uhr;nur für uns\n".encode())
    assert table.lines[0].cells == {
        "text": "Hallo",
        "accounts": "x",
        "date": "02.03.2027",
        "time": "9:00 Uhr",
        "language": "",
    }
    assert table.ignored == ("Notiz",)


@pytest.mark.parametrize("tail", ["", "Third,y\n"])
def test_behind_a_broken_cell_of_several_lines_nothing_is_taken_for_a_row(tail: str) -> None:
    content = f'text,accounts\nFirst,x\n"Quote ""ok"" and\nhe said "hi" today\nSecond,x\n"\n{tail}'
    first, broken = csv_table.read(content.encode()).lines
    assert first.cells["text"] == "First" and "begins with a quotation mark" in broken.problem
    assert broken.lines == range(3, 7 + len(tail.splitlines())) and "Nothing behind it" in broken.problem


def test_behind_a_broken_line_the_next_row_stands() -> None:
    lines = csv_table.read(b'text,accounts\n"Hello" she said,x\nSecond,y\n').lines
    assert lines[0].problem and lines[1].cells["text"] == "Second"
