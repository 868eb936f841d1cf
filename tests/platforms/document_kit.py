"""Documents of every kind, good and bad, made here."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

from pypdf import PdfWriter

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def pdf(pages: int = 3, *, password: str = "") -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(width=595, height=842)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def archive(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return out.getvalue()


def docx(pages: int | None = 2) -> bytes:
    told = {"docProps/app.xml": f"<Properties><Pages>{pages}</Pages></Properties>"} if pages is not None else {}
    return archive({"[Content_Types].xml": "<Types/>", "word/document.xml": "<document/>"} | told)


def pptx(slides: int = 4) -> bytes:
    each = {f"ppt/slides/slide{number}.xml": "<sld/>" for number in range(1, slides + 1)}
    return archive({"[Content_Types].xml": "<Types/>", "ppt/presentation.xml": "<presentation/>"} | each)


def compound(*names: str, directory: int = 1) -> bytes:
    """A compound file (MS-CFB) with streams of these names: header, a table, one sector of the directory. `directory`: where
    the header says that the directory begins."""
    head = bytearray(512)
    head[:8] = SIGNATURE
    head[30:32] = struct.pack("<H", 9)
    head[48:52] = struct.pack("<I", directory)
    head[76:512] = struct.pack("<I", 0) + b"\xff" * 432
    table = struct.pack("<II", 0xFFFFFFFD, 0xFFFFFFFE) + b"\xff" * 504
    entries = b""
    for kind, name in [(5, "Root Entry"), *((2, name) for name in names)]:
        text = name.encode("utf-16-le") + b"\0\0"
        entries += text.ljust(64, b"\0") + struct.pack("<HB", len(text), kind) + b"\0" * 61
    return bytes(head) + table + entries.ljust(512, b"\0")


def large_compound(*names: str, first_more: int | None = None) -> bytes:
    """The same as PowerPoint leaves one of 8 MB: two sectors of the directory at its end, whose table lies beyond those that the
    header has room for. `first_more`: where the header says that the further tables are named."""
    tables, sectors = 122, 15_600
    more, begins = tables, sectors - 2  # tables first, then the sector that names the further ones
    numbers = [0xFFFFFFFD] * tables + [0xFFFFFFFC] + [0xFFFFFFFE] * (tables * 128 - tables - 1)
    numbers[begins] = begins + 1
    small = compound(*names)
    head = bytearray(small[:512])
    head[48:52] = struct.pack("<I", begins)
    head[68:76] = struct.pack("<II", more if first_more is None else first_more, 1)
    head[76:512] = struct.pack("<109I", *range(109))
    named = struct.pack(f"<{tables - 109}I", *range(109, tables)).ljust(508, b"\xff") + struct.pack("<I", 0xFFFFFFFE)
    body = struct.pack(f"<{tables * 128}I", *numbers) + named
    directory = compound()[1024:] + small[1024:]  # what counts stands in the second one
    return bytes(head) + body.ljust(begins * 512, b"\0") + directory
