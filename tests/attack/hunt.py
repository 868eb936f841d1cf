"""Looks for secrets in bytes of any kind: plain, encoded, packed, in the pages of a database or the columns of a table."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import io
import json
import re
import shutil
import sqlite3
import tarfile
import tempfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SHORTEST = 8  # characters; a shorter value would be found by chance
DEEPEST = 4  # archives in archives
MOST_BYTES = 200_000_000  # of what is unpacked at once
_PDF_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_UNPACKABLE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, ValueError, RuntimeError)


@dataclass(frozen=True, order=True)
class Find:
    """Which secret, where, and how it was written there."""

    secret: str
    place: str
    how: str


@dataclass
class Hunter:
    """`add` every secret by a name, then `look` at what should not have it."""

    needles: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    looked: int = 0  # bytes

    def add(self, name: str, value: str | bytes) -> None:
        """Raises ValueError for one that is too short to be told from chance."""
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) < SHORTEST:
            raise ValueError(f"{name} is too short to be searched for")
        self.names.add(name)
        for how, needle in forms(raw):
            self.needles.setdefault(needle, (name, how))

    def look(self, data: bytes, place: str, depth: int = 0) -> set[Find]:
        """Everything of ours in `data`, also in what is packed inside it."""
        self.looked += len(data)
        found = {Find(name, place, how) for needle, (name, how) in self.needles.items() if needle in data}
        if depth < DEEPEST:
            for label, inner in unpacked(data):
                found |= self.look(inner, f"{place} ({label})", depth + 1)
        return found

    def look_at_files(self, folder: Path) -> set[Find]:
        """All files below `folder`, their names included; an SQLite file also row by row."""
        found: set[Find] = set()
        for path in sorted(folder.rglob("*")):
            place = str(path.relative_to(folder))
            found |= self.look(place.encode(), f"the name of {place}", DEEPEST)
            if not path.is_file() or path.is_symlink():
                continue
            data = path.read_bytes()
            found |= self.look(data, place)
            if data.startswith(b"SQLite format 3\0"):
                found |= self.look_at_database(path, place)
        return found

    def look_at_database(self, path: Path, place: str) -> set[Find]:
        """Every column of every row: a value that is split over pages is not whole in the file."""
        found: set[Find] = set()
        with tempfile.TemporaryDirectory() as name:  # looking at a copy changes nothing in the original
            for suffix in ("", "-wal"):
                if (whole := path.with_name(path.name + suffix)).exists():
                    shutil.copy(whole, Path(name) / f"copy{suffix}")
            with contextlib.closing(sqlite3.connect(Path(name) / "copy")) as connection:
                for where, value in _values(connection):
                    found |= self.look(value, f"{place}: {where}")
        return found


def _values(connection: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    """Every text and blob, with its table and column."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        quoted = table.replace('"', '""')
        cursor = connection.execute(f'SELECT * FROM "{quoted}"')
        names = [column[0] for column in cursor.description]
        for row in cursor:
            for name, value in zip(names, row, strict=True):
                if isinstance(value, str | bytes):
                    yield f"{table}.{name}", value.encode() if isinstance(value, str) else value


def forms(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The ways in which `raw` may be written."""
    yield "plain", raw
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    for cut in range(3):  # Base64 of a text that contains it, at each of the three places in a group
        coded = base64.b64encode(b"\0" * cut + raw)
        core = coded[(0, 2, 3)[cut] : len(coded) - (len(coded) - len(coded.rstrip(b"="))) - 2]
        yield "base64", core
        yield "base64url", core.translate(bytes.maketrans(b"+/", b"-_"))
    text = raw.decode("utf-8", "replace")
    if "\ufffd" not in text:
        yield "URL-quoted", urllib.parse.quote(text, safe="").encode()
        yield "URL-quoted", urllib.parse.quote(text).encode()
        yield "form", urllib.parse.quote_plus(text).encode()
        yield "JSON", json.dumps(text)[1:-1].encode()
        yield "JSON in JSON", json.dumps(json.dumps(text)[1:-1])[1:-1].encode()
        yield "HTML", html.escape(text).encode()
        yield "Python", repr(text)[1:-1].encode()
        yield "UTF-16", text.encode("utf-16-le")


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What is packed in `data`: gzip, zlib, zip, tar, the streams of a PDF, the rows of a Parquet file, a database."""
    try:
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                yield "gzip", packed.read(MOST_BYTES)
        elif data[:2] in (b"x\x01", b"x\x9c", b"x\xda"):
            yield "zlib", zlib.decompressobj().decompress(data, MOST_BYTES)
        elif data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield f"zip: {name}", archive.read(name)
        elif data[:5] == b"%PDF-":
            for match in _PDF_STREAM.finditer(data):
                yield "PDF", zlib.decompressobj().decompress(match[1], MOST_BYTES) if match[1][:1] == b"x" else match[1]
        elif data[:4] == b"PAR1":
            yield "Parquet", _parquet(data)
        elif data[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(data)) as bundle:
                for member in bundle:
                    taken = bundle.extractfile(member)
                    yield f"tar: {member.name}", taken.read() if taken else b""
    except _UNPACKABLE:
        return  # it only looked like it; the bytes themselves were searched


def _parquet(data: bytes) -> bytes:
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    return json.dumps(table.to_pylist(), default=str, ensure_ascii=False).encode()


def spoil(folder: Path, secret: str) -> dict[str, Path]:
    """The control: `secret` in every place and form that a hunter must see, by what each is."""
    made = {
        "a line of a log": folder / "a.log",
        "a gzip": folder / "b.gz",
        "Base64 in JSON": folder / "c.json",
        "a Parquet column": folder / "d.parquet",
        "a column of a database": folder / "e.sqlite",
        "a URL": folder / "f.txt",
        "a zip in a gzip": folder / "g.gz",
    }
    made["a line of a log"].write_text(f"12:00 INFO something happened with {secret}, well\n")
    made["a gzip"].write_bytes(gzip.compress(f"<p>{secret}</p>".encode()))
    made["Base64 in JSON"].write_text(json.dumps({"h": base64.b64encode(f"ab{secret}cd".encode()).decode()}))
    made["a URL"].write_text(f"https://example.org/?t={urllib.parse.quote(secret, safe='')}&x=1")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", secret * 3)
    made["a zip in a gzip"].write_bytes(gzip.compress(inner.getvalue()))
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"name": [f"it is {secret}"] * 50}), made["a Parquet column"], compression="zstd")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "made.sqlite"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        # In the middle of a value that fills many pages, so that the file does not have it in one piece.
        for shift in range(0, 4200, 600):
            connection.execute("INSERT INTO notes (body) VALUES (?)", ("x" * (9000 + shift) + secret + "y" * 9000,))
        connection.commit()
        connection.close()
        made["a column of a database"].write_bytes(path.read_bytes())
    return made
