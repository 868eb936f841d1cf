"""How large an installation is, and how large it will be in a year at the rate of the last 30 days."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from sqlalchemy import func, select

from postprober.services.core import Core
from postprober.storage import growth, retention, sample_days
from postprober.storage.growth import Size
from postprober.storage.tables import deliveries

YEAR = 365  # days


@dataclass(frozen=True)
class Growth:
    """`free`: bytes on the disk of the data folder; `deliveries`: how many there are."""

    tables: tuple[Size, ...]
    folders: tuple[Size, ...]
    deliveries: int
    free: int

    @property
    def now(self) -> int:
        return sum(one.bytes for one in self._every)

    @property
    def in_a_year(self) -> int:
        return round(sum(one.in_days(YEAR) for one in self._every))

    @property
    def per_delivery(self) -> float:
        """Bytes of the database."""
        return sum(one.bytes for one in self.tables) / max(self.deliveries, 1)

    @property
    def _every(self) -> tuple[Size, ...]:
        return (*self.tables, *self.folders)

    @property
    def largest(self) -> list[Size]:
        """All that is there, the largest first."""
        return sorted((one for one in self._every if one.bytes), key=lambda one: (-one.bytes, one.name))

    @property
    def sentence(self) -> str:
        grown = self.in_a_year - self.now
        told = f"{human(self.now)} now, about {human(self.in_a_year)} in a year at the rate of the last 30 days."
        return f"{told} The disk has no room for that: {human(self.free)} are free." if grown > self.free else told


def measure(core: Core) -> Growth:
    """Counts whole tables and folders: seconds on a large installation."""
    now, data_dir = core.clock.now(), core.settings.data_dir
    with core.db.read() as conn:
        sample_days.one_moment(conn)
        keep = retention.get(conn)
        tables = growth.of_tables(conn, keep, now)
        count = int(conn.execute(select(func.count()).select_from(deliveries)).scalar_one())
    folders = growth.of_folders(data_dir, keep, now)
    return Growth(tuple(tables), tuple(folders), count, shutil.disk_usage(data_dir).free)


def human(size: float) -> str:
    """2.4 MB, 40 GB."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    unit = units[0]
    return f"{size:,.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
