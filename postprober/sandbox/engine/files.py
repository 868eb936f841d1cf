"""What kind of file some bytes are, and how large its picture is."""

import re
import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class FileKind:
    """`kind` is image | gif | video | document | "". Width and height are 0 when unknown; `pages`, too, as far as plain
    objects of a PDF tell them."""

    kind: str
    mime: str
    width: int = 0
    height: int = 0
    pages: int = 0


_PAGE = re.compile(rb"/Type\s*/Page\b")


def sniff(data: bytes) -> FileKind:
    """Look at the bytes, never at what the sender says they are."""
    if data.startswith(b"\xff\xd8\xff"):
        return FileKind("image", "image/jpeg", *_jpeg_size(data))
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return FileKind("image", "image/png", *struct.unpack(">II", data[16:24]))
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        return FileKind("gif", "image/gif", *struct.unpack("<HH", data[6:10]))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return FileKind("image", "image/webp")
    if data[4:8] == b"ftyp":
        return FileKind("video", "video/quicktime" if data[8:12] == b"qt  " else "video/mp4")
    if data.startswith(b"WEBVTT"):
        return FileKind("subtitles", "text/vtt")
    if data.startswith(b"%PDF-"):
        return FileKind("document", "application/pdf", pages=len(_PAGE.findall(data)))
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
        return FileKind("document", "application/octet-stream")
    return FileKind("", "application/octet-stream")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """(width, height) from the first frame header (ITU T.81 B.2.2), or (0, 0)."""
    position = 2
    while position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return width, height
        position += 2 + int(struct.unpack(">H", data[position + 2 : position + 4])[0])
    return 0, 0
