"""What kind of document a file is, and how many pages it has. Only the helper process calls `look`: what it reads may be
made to keep a reader busy, or to fill its memory (`picture_process` bounds both)."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from postprober.errors import BadInput

_OFFICE = "application/vnd.openxmlformats-officedocument"
# By the suffix of a file's name; what a file is comes from its content.
DOCUMENTS = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": f"{_OFFICE}.presentationml.presentation",
}
SECONDS = 20  # of the processor; one of 300 pages takes less than one
_PDF = b"%PDF-"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # MS-CFB 2.2: what Word and PowerPoint wrote until 2003
_ZIP = b"PK\x03\x04"  # and since then (ECMA-376, part 2)
_MOST_ENTRIES = 20_000  # of an archive; one of 300 slides has about 2,000
_MOST_TOLD = 1 << 20  # bytes that are unpacked of it
_MOST_SECTORS = 4096  # of a directory
_MOST_REGULAR = 0xFFFFFFFA  # MS-CFB 2.1: numbers of sectors are less
_SLIDE = re.compile(r"ppt/slides/slide[0-9]+\.xml", re.ASCII)
_PAGES = re.compile(rb"<Pages>([0-9]{1,6})</Pages>")


@dataclass(frozen=True)
class DocumentFacts:
    """`pages`: of a presentation its slides; None where the file does not say."""

    mime: str
    pages: int | None


def is_one(head: bytes) -> bool:
    """Whether a file that begins with `head` is to be read as a document. Whether it is a good one, `look` says."""
    if head.startswith((_PDF, _OLE)):
        return True
    if not head.startswith(_ZIP):
        return False
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]  # APPNOTE 4.3.7: the name of the first file
    return first in (b"[Content_Types].xml", b"_rels/.rels", b"mimetype") or first.startswith(
        (b"word/", b"ppt/", b"docProps/", b"customXml/", b"_rels/")
    )


def look(path: str) -> DocumentFacts:
    """The kind and the pages of the document at `path`. Raises BadInput with one sentence."""
    with Path(path).open("rb") as stream:
        head = stream.read(8)
        if head.startswith(_PDF):
            return DocumentFacts(DOCUMENTS["pdf"], _pdf_pages(stream))
        if head == _OLE:
            return _old_office(stream)
        return _office(stream)


def _bad(rest: str) -> BadInput:
    return BadInput(f"The document {rest}.", field="media")


def _damaged(error: Exception) -> BadInput:
    message = "The document is damaged or cut off; save or print it as a PDF again."
    return BadInput(message, detail=repr(error)[:200], field="media")


def _pdf_pages(stream: BinaryIO) -> int:
    from pypdf import PdfReader  # only the helper needs it, for one file in its life

    try:
        reader = PdfReader(stream)
        locked = reader.is_encrypted
        pages = 0 if locked else sum(1 for _ in reader.pages)
    except Exception as error:  # noqa: BLE001 - the library raises what a hostile file makes it meet
        raise _damaged(error) from None
    if locked:
        raise _bad(
            "is encrypted, so that platforms cannot show it; save it without a password and without restrictions"
        )
    if pages == 0:
        raise _bad("has no pages; choose another one")
    return pages


def _office(stream: BinaryIO) -> DocumentFacts:
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            if len(names) > _MOST_ENTRIES:
                raise _bad("is an archive of very many files; save it as PDF")
            if "word/document.xml" in names:
                return DocumentFacts(DOCUMENTS["docx"], _pages_told(archive, names))
            if "ppt/presentation.xml" in names:
                slides = sum(1 for name in set(names) if _SLIDE.fullmatch(name))
                if slides == 0:
                    raise _bad("has no slides; choose another one")
                return DocumentFacts(DOCUMENTS["pptx"], slides)
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises what a hostile file makes it meet
        raise _damaged(error) from None
    raise _bad("is neither a PDF nor of Word or PowerPoint; save it as PDF")


def _pages_told(archive: zipfile.ZipFile, names: list[str]) -> int | None:
    """What Word counted when it saved the file, if it did."""
    if "docProps/app.xml" not in names:
        return None
    with archive.open("docProps/app.xml") as told:
        found = _PAGES.search(told.read(_MOST_TOLD))
    return int(found[1]) if found and int(found[1]) else None


def _old_office(stream: BinaryIO) -> DocumentFacts:
    try:
        names = set(_streams(stream))
    except ValueError as error:
        raise _damaged(error) from None
    if "EncryptedPackage" in names:
        raise _bad("is protected by a password; save it without one")
    if "WordDocument" in names:
        return DocumentFacts(DOCUMENTS["doc"], None)
    if "PowerPoint Document" in names:
        return DocumentFacts(DOCUMENTS["ppt"], None)
    raise _bad("is neither a PDF nor of Word or PowerPoint; save it as PDF")


def _streams(stream: BinaryIO) -> Iterator[str]:
    """Names in the directory of a compound file (MS-CFB 2.2, 2.3, 2.6)."""
    stream.seek(0)
    head = stream.read(512)
    if len(head) < 512:
        raise ValueError("cut off")
    shift = int.from_bytes(head[30:32], "little")
    if shift not in (9, 12):
        raise ValueError(f"sectors of 2^{shift} bytes")
    size = 1 << shift
    tables = _Tables(stream, head, size)
    sector, seen = int.from_bytes(head[48:52], "little"), 0
    while sector < _MOST_REGULAR:
        seen += 1
        if seen > _MOST_SECTORS:
            raise ValueError("a directory without an end")
        entries = _sector(stream, sector, size)
        for at in range(0, size, 128):
            length = int.from_bytes(entries[at + 64 : at + 66], "little")
            if 2 <= length <= 64 and entries[at + 66]:
                yield entries[at : at + length - 2].decode("utf-16-le", "replace")
        per_table = size // 4
        table = tables.at(sector // per_table)
        place = sector % per_table * 4
        sector = int.from_bytes(_sector(stream, table, size)[place : place + 4], "little")


class _Tables:
    """Where the tables of sectors lie: 109 of them in the header, enough for 7 MB, and of larger files the rest in a chain of
    sectors (MS-CFB 2.5)."""

    def __init__(self, stream: BinaryIO, head: bytes, size: int) -> None:
        self._stream, self._size = stream, size
        self._known = _numbers(head[76:512])
        self._next = int.from_bytes(head[68:72], "little")
        self._read = 0

    def at(self, index: int) -> int:
        """The sector of that table. Raises ValueError where there is none."""
        while index >= len(self._known):
            self._read += 1
            if self._next >= _MOST_REGULAR or self._read > _MOST_SECTORS:
                raise ValueError("a sector beyond the tables")
            *more, self._next = _numbers(_sector(self._stream, self._next, self._size))
            self._known += more
        return self._known[index]


def _numbers(piece: bytes) -> list[int]:
    return [int.from_bytes(piece[at : at + 4], "little") for at in range(0, len(piece), 4)]


def _sector(stream: BinaryIO, number: int, size: int) -> bytes:
    stream.seek((number + 1) * size)
    found = stream.read(size)
    if len(found) < size:
        raise ValueError("cut off")
    return found
