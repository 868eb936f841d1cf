"""Puts a backup in the place of the database, so that what was sent since is looked for and never sent again."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from postprober.errors import BadInput, Conflict
from postprober.pipeline.publishing.recovery import BACKUP, DOUBTFUL
from postprober.settings import Settings
from postprober.storage import pictures
from postprober.storage.database import refuse_foreign_file
from postprober.storage.disk import sync_folder
from postprober.storage.processes import AHEAD

_SIDE = ("-wal", "-shm")


@dataclass(frozen=True)
class Restored:
    """`made`: when the copy was made, as it says itself; `kept`: where the database that was there is now, None when there
    was none; `doubtful`: deliveries that are looked for before anything is sent; `planned`: those that are due later."""

    path: Path
    made: str
    kept: Path | None
    doubtful: int
    planned: int


def restore(settings: Settings, source: Path, now: datetime) -> Restored:
    """Replace the database of this installation by the backup `source`. Raises BadInput (no backup of ours, PostgreSQL),
    Conflict (something runs) or ConfigurationError (damaged, from a newer program).

    1. the copy is checked, marked as restored and flushed, beside the old database;
    2. the old one is kept under another name, with its write-ahead log in it, and that log goes: SQLite would take it for
       the new file's;
    3. the copy takes the name.

    Killed before 3, the old database is as it was.
    """
    if settings.database_url:
        raise BadInput("This installation uses PostgreSQL; restore it with pg_restore, then start PostProber.")
    target = Path(settings.database.removeprefix("sqlite:///"))
    if not source.is_file() or source.resolve() == target.resolve():
        raise BadInput(f"{source} is not a backup; give a file that `postprober backup` has written.")
    refuse_foreign_file(source)
    refuse_running(target, now)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.restoring")
    fresh.unlink(missing_ok=True)
    made = _marked_copy(source, fresh, now)
    kept = _put_aside(target, now)
    fresh.replace(target)
    sync_folder(target.parent)
    beside = source.with_name(f"{source.name}.evidence")
    if beside.is_dir():
        _pictures_back(beside, pictures.folder(settings.data_dir))
    return Restored(target, made, kept, *_waiting(target, now))


def _pictures_back(source: Path, target: Path) -> None:
    """Files only: a link among them would bring what it leads to, from wherever that is."""
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.is_file() and not file.is_symlink():
            shutil.copy2(file, target)


def refuse_running(target: Path, now: datetime) -> None:
    """Raises Conflict while a scheduler's heart beats on the database that would be replaced."""
    if not target.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{target.resolve().as_uri()}?mode=ro", uri=True)) as old:
            beats = [row[0] for row in old.execute("SELECT max(beat_at) FROM processes")]
    except sqlite3.Error:
        return  # damaged, which is why it is replaced
    newest = datetime.fromisoformat(beats[0]).replace(tzinfo=UTC) if beats and beats[0] else None
    if newest is not None and abs(now - newest) <= AHEAD:
        raise Conflict(
            f"PostProber is running on {target} (last heartbeat {newest:%H:%M:%S} UTC). Stop all its processes, wait "
            f"{AHEAD.total_seconds():.0f} seconds, and run this again."
        )


def _marked_copy(source: Path, fresh: Path, now: datetime) -> str:
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL, 0o600))  # nobody else's to read, not for a moment
    try:
        with closing(sqlite3.connect(source)) as backup, closing(sqlite3.connect(fresh)) as copy:
            backup.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            row = copy.execute("SELECT value FROM meta WHERE name = ?", (BACKUP,)).fetchone()
            made = row[0] if row else f"an unknown time, restored {now:%Y-%m-%d %H:%M} UTC"
            copy.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (BACKUP, made))
            copy.commit()
    except sqlite3.Error as error:
        fresh.unlink(missing_ok=True)
        raise BadInput(f"{source} is not a backup of PostProber ({error}). Nothing was changed.") from None
    with fresh.open("rb") as stream:
        os.fsync(stream.fileno())
    return str(made)


def _put_aside(target: Path, now: datetime) -> Path | None:
    """A copy of the old database that needs no other file; then its logs go. The old one itself stays until it is
    replaced. Raises Conflict while any other process has it open."""
    if not target.is_file():
        for tail in _SIDE:
            target.with_name(target.name + tail).unlink(missing_ok=True)
        return None
    kept = target.with_name(f"{target.stem}-replaced-{now:%Y%m%d-%H%M%S}.sqlite")
    try:
        with closing(sqlite3.connect(target, timeout=1)) as old:
            old.execute("PRAGMA journal_mode = DELETE")  # with the log in the file; only when nobody else has it open
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise Conflict(
                f"Something still has {target} open. Stop all of PostProber's processes, the app and the sidecar, too."
            ) from None
        # Damaged: kept as it is, log and all.
        for tail in _SIDE:
            side = target.with_name(target.name + tail)
            if side.exists():
                shutil.copy2(side, kept.with_name(kept.name + tail))
    shutil.copy2(target, kept)
    sync_folder(target.parent)
    for tail in _SIDE:
        target.with_name(target.name + tail).unlink(missing_ok=True)
    return kept


def _waiting(path: Path, now: datetime) -> tuple[int, int]:
    states = ",".join("?" for _ in DOUBTFUL)
    query = f"SELECT due_at FROM deliveries WHERE state IN ({states})"  # noqa: S608 # nosec B608 # question marks only
    with closing(sqlite3.connect(path)) as conn:
        due = [row[0] for row in conn.execute(query, [state.value for state in DOUBTFUL])]
    late = sum(datetime.fromisoformat(text).replace(tzinfo=UTC) <= now for text in due)
    return late, len(due) - late
