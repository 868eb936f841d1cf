"""All samples of one delivery, wherever they are."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postprober import extras
from postprober.storage import sample_days, sample_log
from postprober.storage.database import Database
from postprober.storage.records import SampleRecord

_COLUMNS = [field.name for field in fields(SampleRecord)]


def of_delivery(db: Database, data_dir: Path, delivery_id: int, since: datetime | None) -> list[SampleRecord]:
    """Oldest first; `since`: when it was published, before which there is nothing to look for. Raises
    NotInstalled when some are in files and the library that reads them is not installed."""
    where = sample_days.folder(data_dir)
    with db.read() as conn:
        sample_days.one_moment(conn)
        notes = sample_days.noted(conn)
        rows = [
            row
            for row in sample_log.of_delivery(conn, delivery_id)
            if row.id > notes.get(row.at.astimezone(UTC).date(), 0)
        ]
    first = since.astimezone(UTC).date() if since else None
    for day, through in notes.items():
        file = sample_days.path(where, day)
        if (first is None or day >= first) and file.is_file():
            rows += _in_file(file, delivery_id, through)
    return sorted(rows, key=lambda row: (row.at, row.id))


def _in_file(file: Path, delivery_id: int, through: int) -> list[SampleRecord]:
    extras.need("analytics")
    import pyarrow.parquet as pq  # only who looks back that far needs it

    wanted = [("delivery_id", "==", delivery_id), ("id", "<=", through)]
    found: list[dict[str, Any]] = pq.read_table(file, filters=wanted).to_pylist()
    return [SampleRecord(**{name: row[name] for name in _COLUMNS}) for row in found]
