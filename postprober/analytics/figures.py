"""Numbers in rows, and as a file that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

ZONE = "time_zone"  # the column that says on whose clock the others are
# A cell that begins so may be run as a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Figures:
    """`columns`: names; `rows`: a value for each, None where nothing is known; `zone`: IANA name of the clock on which
    its days and moments are told."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    zone: str = "UTC"

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def csv(self) -> bytes:
        """UTF-8 with a mark, as spreadsheets want it; what is unknown is empty. Days and moments are in the form that
        spreadsheets take for dates, and a last column names their zone wherever there are any."""
        dated = any(isinstance(value, date) for row in self.rows for value in row)
        place = ZoneInfo(self.zone)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow((*self.columns, *([ZONE] if dated else [])))
        for row in self.rows:
            writer.writerow([*(_cell(value, place) for value in row), *([self.zone] if dated else [])])
        return text.getvalue().encode("utf-8-sig")


def _cell(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, datetime):  # one without a zone is on the person's clock already
        there = value if value.tzinfo is None else value.astimezone(zone)
        return f"{there:%Y-%m-%d %H:%M:%S}"
    return value.isoformat() if isinstance(value, date) else value
