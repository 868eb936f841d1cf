"""A consistent copy of the database while everything runs, and of the pictures that it names."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from postprober.clock import utc_iso
from postprober.errors import BadInput, ConfigurationError
from postprober.pipeline.publishing.recovery import BACKUP
from postprober.services.core import Core
from postprober.storage import pictures


def backup(core: Core, target: Path) -> Path:
    """Copy the SQLite database to `target` (a new file, or a folder); pictures of posts go to a folder beside it, with
    `.evidence` behind its name. Raises BadInput, or ConfigurationError where something could not be read or written."""
    if not core.db.is_sqlite:
        raise BadInput("This installation uses PostgreSQL; use pg_dump.")
    name = f"postprober-{core.clock.now():%Y%m%d-%H%M%S}.sqlite"
    path = target / name if target.is_dir() else target
    if path.exists():
        raise BadInput(f"{path} exists already; give a new name.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK):
        raise BadInput(f"The folder {path.parent} cannot be written to; choose another one or change its permissions.")
    temporary = path.with_name(f".{path.name}.part")
    try:
        named = _copied(core, temporary)
        if named:
            _copy_pictures(pictures.folder(core.settings.data_dir), path.with_name(f"{path.name}.evidence"), named)
        temporary.replace(path)
    except (OSError, sqlite3.Error) as error:
        temporary.unlink(missing_ok=True)
        raise ConfigurationError(f"The backup was not made: {error}. Mend that, then run it again.") from error
    return path


def _copied(core: Core, path: Path) -> list[str]:
    """Copy the database to `path`; the pictures that the copy names."""
    with closing(sqlite3.connect(str(core.db.url.database))) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (BACKUP, utc_iso(core.clock.now())))
        copy.commit()
        return [row[0] for row in copy.execute("SELECT DISTINCT picture FROM evidence WHERE picture IS NOT NULL")]


def _copy_pictures(source: Path, target: Path, named: list[str]) -> None:
    target.mkdir(exist_ok=True)
    for name in named:
        with suppress(FileNotFoundError):  # its row has been deleted since, and the file with it
            shutil.copy2(source / f"{name}{pictures.SUFFIX}", target)
