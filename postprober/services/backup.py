"""A consistent copy of the database while everything runs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from postprober.errors import BadInput
from postprober.services.core import Core


def backup(core: Core, target: Path) -> Path:
    """Copy the SQLite database to `target` (a new file, or a folder). Raises BadInput."""
    if not core.db.is_sqlite:
        raise BadInput("This installation uses PostgreSQL; use pg_dump.")
    name = f"postprober-{core.clock.now():%Y%m%d-%H%M%S}.sqlite"
    path = target / name if target.is_dir() else target
    if path.exists():
        raise BadInput(f"{path} exists already; give a new name.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent}.")
    temporary = path.with_name(f".{path.name}.part")
    source = sqlite3.connect(str(core.db.url.database))
    copy = sqlite3.connect(temporary)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    temporary.replace(path)
    return path
