"""Puts a backup of a set (`backup_set`) in the place of an installation's data, or rehearses that."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from postprober.errors import BadInput, ConfigurationError, Conflict, VaultError
from postprober.security.sealed_files import FileKeys
from postprober.services.operations import backup_set
from postprober.services.operations.backup_set import DUMP, BackedFile
from postprober.services.operations.backup_store import SEALED, Store, blocks, digest, scratch, write_out
from postprober.services.operations.restore import Restored, refuse_running, restore
from postprober.settings import Settings
from postprober.storage.database import Database, newest_schema


@dataclass(frozen=True)
class FilesBack:
    """`there`: files that were there already; `lacking`: those that the set has no longer, or not as they were."""

    written: int
    there: int
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class Rehearsal:
    """What a restoration would bring: `rows` by table, and how long it took here."""

    made: str
    rows: dict[str, int]
    files: FilesBack
    seconds: float


def found(source: Path) -> Path:
    """The backup that is meant: the folder itself, or the newest of the set in it. Raises BadInput."""
    if (source / backup_set.MANIFEST).is_file() or backup_set.is_sealed(source):
        return source
    made = backup_set.of_set(source)
    if not made:
        raise BadInput(f"{source} has no backup; give a folder that `postprober backup` has written to.")
    return made[-1]


def restore_backup(settings: Settings, source: Path, now: datetime) -> tuple[Restored | None, FilesBack]:
    """Bring the installation of `settings` back to a backup: first the files, which harm nobody, then the database. Of PostgreSQL
    None is returned: its database has to be empty, and is filled. Raises BadInput, Conflict or ConfigurationError."""
    folder, keys = found(source), settings.backup_keys()
    manifest = _manifest(folder, keys)
    keys = backup_set.keys_for(folder, keys)
    _refuse_other_kind(settings, manifest)
    with _database(folder, manifest, keys, settings.data_dir) as database:
        if manifest["database"]["name"] == DUMP:
            _refuse_filled(settings)
        else:  # before any file is written over
            refuse_running(Path(settings.database.removeprefix("sqlite:///")), now)
        files = _files_back(Store(folder.parent, keys), backup_set.entries_of(manifest), settings.data_dir)
        if manifest["database"]["name"] != DUMP:
            return restore(settings, database, now), files
        _fill(settings, database)
    return None, files


def rehearse(source: Path, keys: FileKeys | None = None) -> Rehearsal:
    """Restore into a scratch folder, look whether all is there, and throw it away. `keys`: for a sealed one. Raises BadInput or
    ConfigurationError."""
    begun, folder = time.monotonic(), found(source)
    manifest, keys = _manifest(folder, keys), backup_set.keys_for(folder, keys)
    with (
        tempfile.TemporaryDirectory(prefix="postprober-rehearsal-") as place,
        _database(folder, manifest, keys, Path(place)) as database,
    ):
        files = _files_back(Store(folder.parent, keys), backup_set.entries_of(manifest), Path(place))
        rows: dict[str, int] = {}
        if manifest["database"]["name"] != DUMP:
            copy = Path(place) / "postprober.sqlite"
            try:
                shutil.copyfile(database, copy)
            except OSError as error:
                told = f"The database cannot be copied to {place} ({error.strerror or error})"
                raise ConfigurationError(f"{told}; set TMPDIR to a folder with room for it.") from None
            rows = _rows(copy)
    return Rehearsal(str(manifest["made"]), rows, files, time.monotonic() - begun)


def _manifest(folder: Path, keys: FileKeys | None) -> dict[str, Any]:
    """Raises BadInput; of a newer program's, too."""
    manifest = backup_set.read_manifest(folder, keys)
    if manifest["schema"] > newest_schema():
        raise BadInput(
            f"{folder} was made by a newer PostProber ({manifest.get('program', '?')}, schema {manifest['schema']}); update the "
            "program first. Nothing was changed."
        )
    return manifest


@contextmanager
def _database(folder: Path, manifest: dict[str, Any], keys: FileKeys | None, data_dir: Path) -> Iterator[Path]:
    """The file of the database, opened if it is sealed, when it is as it was written. Raises BadInput."""
    told = manifest["database"]
    stored = folder / f"{told['name']}{SEALED if keys else ''}"
    with scratch(data_dir) if keys else nullcontext(folder) as place:
        database = place / str(told["name"])
        if not stored.is_file():
            raise BadInput(f"{stored} is not there. Use another backup; nothing was changed.")
        try:
            if keys:
                write_out(blocks(stored, keys), database)
            same = digest(database) == told["sha256"]
        except VaultError:
            same = False
        except OSError as error:
            raise BadInput(f"{stored} cannot be read ({error.strerror}). Nothing was changed.") from None
        if not same:
            raise BadInput(f"{stored} is not as it was written. Use another backup; nothing was changed.")
        yield database


def _refuse_other_kind(settings: Settings, manifest: dict[str, Any]) -> None:
    dumped = manifest["database"]["name"] == DUMP
    if dumped and not settings.database_url:
        raise BadInput("This backup is of PostgreSQL: set POSTPROBER_DATABASE_URL to an empty database first.")
    if not dumped and settings.database_url:
        raise BadInput(
            "This backup is of SQLite: leave POSTPROBER_DATABASE_URL empty to restore it, then move it with `migrate-to`."
        )


def _refuse_filled(settings: Settings) -> None:
    """Raises Conflict unless the database has no table: nothing that is there is written over."""
    with closing(Database(settings.database)) as db:
        try:
            with db.read() as conn:
                tables = conn.exec_driver_sql(
                    "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
                ).scalar_one()
        except SQLAlchemyError as error:
            raise ConfigurationError(
                "The database does not answer; check POSTPROBER_DATABASE_URL.", str(error)
            ) from None
    if tables:
        raise Conflict(
            "The database of POSTPROBER_DATABASE_URL is not empty. Make a new one (createdb), put its address there, and run "
            "this again; the old one stays as it is."
        )


def _files_back(store: Store, entries: list[BackedFile], data_dir: Path) -> FilesBack:
    """Raises BadInput for a place outside of the data folder, ConfigurationError where one cannot be written."""
    written, there, lacking = 0, 0, []
    for entry in entries:
        place = data_dir / entry.path
        # Each of the folders may be a link to another disk; what is in one stays in it.
        own = (data_dir / PurePosixPath(entry.path).parts[0]).resolve()
        if not place.parent.resolve().is_relative_to(own):
            raise BadInput(
                f"The backup names a file outside of the data folder ({entry.path}); it is no backup of ours."
            )
        with suppress(OSError):
            if place.stat().st_size == entry.size and digest(place) == entry.sha256:
                there += 1
                continue
        if not store.bring_back(entry.sha256, entry.size, place):
            lacking.append(entry.path)
            continue
        written += 1
    return FilesBack(written, there, tuple(lacking))


def _fill(settings: Settings, dump: Path) -> None:
    command, environment = backup_set.postgres_command("pg_restore", make_url(settings.database))
    database = environment.pop("PGDATABASE", "")
    done = subprocess.run(  # nosec B603 # PostgreSQL's own program, arguments of ours
        [
            *command,
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            "--single-transaction",
            f"--dbname={database}",
            str(dump),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=backup_set.DUMP_SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ConfigurationError(f"PostgreSQL took the backup not back: {said[0] if said else done.returncode}"[:400])


def _rows(path: Path) -> dict[str, int]:
    """How many rows each table has. Raises BadInput for a database that is not sound."""
    try:
        with closing(sqlite3.connect(path)) as conn:
            said = conn.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if said != "ok":
                raise BadInput(f"The database of the backup is not sound: {said}")
            names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            quoted = (name.replace('"', '""') for name in names if not name.startswith("sqlite_"))
            return {
                name: int(conn.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608 # nosec B608 # its own names
                for name in quoted
            }
    except sqlite3.Error as error:
        raise BadInput(f"The database of the backup cannot be read ({error}).") from None
