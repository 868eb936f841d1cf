"""Details of old posts go from the tables into Parquet files (`storage/archive` says which, and what stays), and are read there.

The order for a file, each step done before the next begins:

1. the details of many posts go into a hidden file, which is flushed to the disk and read back;
2. the file gets its name (atomic), and the folder is flushed;
3. a transaction for every few posts notes that their details are in the file and takes their rows away.

Killed anywhere, the next run goes on: a post whose rows are there counts by them, whatever file has them too.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from postprober import extras
from postprober.errors import PostProberError
from postprober.storage import archive
from postprober.storage.archive import OldPost
from postprober.storage.database import Database
from postprober.storage.disk import sync_folder
from postprober.storage.tables import attempts, monitoring_logs, transitions
from postprober.storage.types import UtcDateTime

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

IN_A_FILE = 2_000  # posts
FEWEST = 200  # a file for fewer is not worth it, unless they have waited for PATIENCE
PATIENCE = timedelta(days=30)
AT_ONCE = 20  # posts a transaction, so that no delivery waits
_PART = ".part"
_TABLES: dict[str, Table] = {"step": monitoring_logs, "change": transitions, "attempt": attempts}
_KINDS = {table: kind for kind, table in _TABLES.items()}


def _nowhere(_step: str) -> None:
    """Tests kill here."""


def run(
    db: Database,
    data_dir: Path,
    now: datetime,
    keep: timedelta,
    checkpoint: Callable[[str], None] = _nowhere,
    fewest: int = FEWEST,
) -> int:
    """Fold every post whose last change is longer ago than `keep`; returns how many. One process at a time (the leading
    scheduler). Raises PostProberError when a written file does not hold what was read; then its posts stay in the
    tables. Raises NotInstalled when the library that writes the files is not installed."""
    extras.need("analytics")
    where = archive.folder(data_dir)
    where.mkdir(parents=True, exist_ok=True)
    for left in where.glob(f".*{_PART}"):  # of a run that was killed
        left.unlink(missing_ok=True)
    done = after = 0
    while True:
        with db.read() as conn:
            posts = archive.ready(conn, now - keep, after=after, most=IN_A_FILE)
        if not posts or (len(posts) < fewest and posts[0].changed_at >= now - keep - PATIENCE):
            return done
        done += _fold(db, where, posts, now, checkpoint)
        after = posts[-1].id


def _fold(db: Database, where: Path, posts: Sequence[OldPost], now: datetime, checkpoint: Callable[[str], None]) -> int:
    file = where / f"{now:%Y%m%d}-{uuid.uuid4().hex[:12]}{archive.SUFFIX}"
    hidden = where / f".{file.name}{_PART}"
    rows = _write(db, hidden, posts)
    checkpoint("written")
    hidden.replace(file)
    sync_folder(where)
    checkpoint("named")
    with db.write() as conn:
        archive_id = archive.note_file(conn, file.name, file.stat().st_size, now, max(one.changed_at for one in posts))
    done = 0
    for first in range(0, len(posts), AT_ONCE):
        with db.write() as conn:
            for post in posts[first : first + AT_ONCE]:
                written, tries = rows[post.id]
                done += archive.move_over(conn, archive_id, post, written, tries)
            checkpoint("moved")
        checkpoint("committed")
    return done


def _write(
    db: Database, hidden: Path, posts: Sequence[OldPost]
) -> dict[int, tuple[dict[Table, list[int]], dict[int, int]]]:
    """Step 1; by post, the ids of the rows that were written, and how many attempts each delivery has among them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written: dict[int, tuple[dict[Table, list[int]], dict[int, int]]] = {}
    count = 0
    with hidden.open("wb") as stream:
        with pq.ParquetWriter(stream, schema(), compression="zstd") as writer:
            for first in range(0, len(posts), AT_ONCE * 5):
                lines: list[dict[str, Any]] = []
                for post in posts[first : first + AT_ONCE * 5]:
                    with db.read() as conn:
                        found = archive.details(conn, post.deliveries)
                    tries: dict[int, int] = {}
                    for row in found[attempts]:
                        tries[row["delivery_id"]] = tries.get(row["delivery_id"], 0) + 1
                    written[post.id] = {table: [row["id"] for row in its] for table, its in found.items()}, tries
                    lines += [
                        {"delivery_id": row["delivery_id"], "kind": _KINDS[table], "id": row["id"], "row": _packed(row)}
                        for table, its in found.items()
                        for row in its
                    ]
                writer.write_table(pa.Table.from_pylist(lines, schema=schema()))
                count += len(lines)
        stream.flush()
        os.fsync(stream.fileno())
    if pq.read_table(hidden).num_rows != count:
        raise PostProberError("The file of old details is not whole; they stay in the database.")
    return written


def schema() -> pa.Schema:
    """A row of the tables as JSON, so that a later version of the tables changes nothing about old files."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("delivery_id", pa.int64(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("id", pa.int64(), nullable=False),
            pa.field("row", pa.string(), nullable=False),
        ]
    )


def _packed(row: dict[str, Any]) -> str:
    return json.dumps(
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()},
        ensure_ascii=False,
    )


def read(data_dir: Path, files: dict[str, list[int]], table: Table) -> list[dict[str, Any]]:
    """Rows of `table` that are in the files (`archive.files_of`), by id; what cannot be read is left out, and logged."""
    found: list[dict[str, Any]] = []
    for name, delivery_ids in files.items():
        try:
            found += _read(archive.folder(data_dir) / name, delivery_ids, table)
        except (OSError, ValueError, PostProberError) as error:
            log.error("the details of old posts in %s cannot be read: %s", name, error)
    return sorted(found, key=lambda row: int(row["id"]))


def _read(file: Path, delivery_ids: list[int], table: Table) -> Iterator[dict[str, Any]]:
    extras.need("analytics")
    import pyarrow.parquet as pq

    wanted = [("delivery_id", "in", delivery_ids), ("kind", "=", _KINDS[table])]
    for text in pq.read_table(file, columns=["row"], filters=wanted).column("row").to_pylist():
        yield _unpacked(json.loads(text), table)


def _unpacked(row: dict[str, Any], table: Table) -> dict[str, Any]:
    """With every column that the table has now; one that came later is None."""
    return {
        column.name: datetime.fromisoformat(value)
        if isinstance(column.type, UtcDateTime) and isinstance(value := row.get(column.name), str)
        else row.get(column.name)
        for column in table.columns
    }
