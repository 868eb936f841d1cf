"""Backups as a set: one folder for each, with the database and a list of its files, and the files of all of them once.

    backups/files/3f/3f2a…                 what the lists name, by the SHA-256 of its bytes
    backups/20261201-030000/manifest.json  written last: a folder without one is no backup
    backups/20261201-030000/database.sqlite (or database.dump, of PostgreSQL)

With POSTPROBER_BACKUP_KEY all of it is sealed (`security/sealed_files`): `manifest.sealed`, `database.sqlite.sealed`, and files in
`sealed/` under names that do not tell what is in them. Open and sealed backups may lie in one folder; each has its own files.

A file that an earlier backup has is not copied again. Files are copied before the database and once more after it, so that
whatever the copied database names was there; a file that is deleted meanwhile has no use for a database that does not name it.
Keys are not part of a backup (`settings without secrets`): whoever has it can read posts, but act for no account.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlunsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError
from sqlalchemy import URL

from postprober import __version__
from postprober.clock import utc_iso
from postprober.domain.addresses import split
from postprober.domain.platform import known
from postprober.errors import BadInput, ConfigurationError, Conflict, VaultError
from postprober.pipeline.publishing.recovery import BACKUP
from postprober.security.redaction import MASK, Redactor
from postprober.security.sealed_files import FileKeys
from postprober.services.core import Core
from postprober.services.operations.backup_store import (
    FILES,
    SEALED,
    SEALED_FILES,
    Store,
    digest,
    flush,
    is_stored_name,
    put,
    read_note,
    scratch,
    write_note,
)
from postprober.settings import Settings
from postprober.storage.database import Database
from postprober.storage.disk import sync_folder

log = logging.getLogger(__name__)

FORMAT = 1
MANIFEST, SEALED_MANIFEST = "manifest.json", "manifest.sealed"
SQLITE, DUMP = "database.sqlite", "database.dump"
# Of the data folder: what rows name, and the samples that left the database. Logs, uploads that are under way and keys are not.
FOLDERS = ("media", "evidence", "cards", "samples", "archive")
_LEFT_OUT = ("media/incoming",)
_NAME, _DIGITS = "%Y%m%d-%H%M%S", "[0-9]" * 8 + "-" + "[0-9]" * 6
_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/?#@\s]+@", re.IGNORECASE)
_IS_NAME = re.compile(_DIGITS)
AHEAD = timedelta(hours=1)  # ours: a clock that is more ahead than this was wrong
DUMP_SECONDS = 6 * 3600  # ours: a dump that takes longer wants archiving instead


@dataclass(frozen=True)
class BackupMade:
    """`files`: how many it names, of which `fresh` were copied now (`copied` bytes); `removed`: older ones that made way."""

    folder: Path
    files: int
    fresh: int
    copied: int
    removed: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class BackedFile:
    """A file of the data folder: its path there, the SHA-256 of its bytes, and what tells that it did not change."""

    path: str
    sha256: str
    size: int
    mtime_ns: int


class _Entry(BaseModel):
    path: str = Field(min_length=1, max_length=4096)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    mtime_ns: int


class _DatabaseFile(BaseModel):
    name: Literal["database.sqlite", "database.dump"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Manifest(BaseModel):
    """What of a manifest is relied on. Whoever can write into the folder can write anything into it: nothing that stands there
    may lead out of the set or into another place of the data folder."""

    made: str
    schema_: str = Field(alias="schema")
    database: _DatabaseFile
    files: list[_Entry]


def make(core: Core, target: Path, *, keep: int = 0) -> BackupMade:
    """Add a backup to the set in the folder `target`, which is made where it is missing, and read back what was written.
    `keep`: so many stay, 0: all. Raises BadInput (the folder cannot be used), Conflict (another backup is being made there) or
    ConfigurationError (something could not be read or written, PostgreSQL could not be dumped, or what was read back is not what was
    written): then there is no backup more than before."""
    return make_of(core.settings, core.db, core.clock.now(), target, keep=keep)


def make_of(
    settings: Settings, db: Database, now: datetime, target: Path, *, keep: int = 0, files: bool = True
) -> BackupMade:
    """`make` without the rest of the program; `files`: also what lies in the data folder."""
    begun, data_dir, keys = time.monotonic(), settings.data_dir, settings.backup_keys()
    _refuse(target, data_dir)
    with _alone(target):
        name = f"{now:{_NAME}}"
        folder, made = target / name, target / f".{name}.part"
        if folder.exists():
            raise Conflict(f"{folder} exists already; wait a second and run this again.")
        try:
            _sweep(target)
            made.mkdir(mode=0o700)
            store = Store(target, keys)
            earlier = _newest_entries(target, keys)
            if files:
                _gather(data_dir, store, earlier)
            database = _database(settings, db, now, made)
            entries = _gather(data_dir, store, earlier) if files else []
            manifest = {
                "format": FORMAT,
                "made": utc_iso(now),
                "program": __version__,
                "schema": db.schema(),
                "database": database,
                "files": [vars(one) for one in entries],
                "settings": without_secrets(settings),
            }
            write_note(made / (SEALED_MANIFEST if keys else MANIFEST), json.dumps(manifest, indent=1).encode(), keys)
            made.rename(folder)
            sync_folder(target)
        except (OSError, sqlite3.Error) as error:
            shutil.rmtree(made, ignore_errors=True)
            raise ConfigurationError(f"The backup was not made: {_why(error)}.") from error
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        removed = prune(target, keep, folder, keys) if keep else ()
    return BackupMade(folder, len(entries), store.fresh, store.copied, removed, time.monotonic() - begun)


def _why(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, sqlite3.Error):
        return f"the database could not be copied ({error}); check the disk"
    return f"{error.filename or 'a file'} could not be read or written ({error.strerror or error}); mend that"


def newest(target: Path, now: datetime) -> datetime | None:
    """When the last backup in the folder was made; None when there is none. One that is named by a clock that was ahead counts for
    nothing, or none would be made until that time."""
    made: list[datetime] = []
    for folder in of_set(target):
        with suppress(ValueError):  # a name of digits that is no time
            made.append(datetime.strptime(folder.name, _NAME).replace(tzinfo=UTC))
    return max((one for one in made if one <= now + AHEAD), default=None)


def tick(core: Core) -> BackupMade | None:
    """The scheduler's: make a backup when one is due (POSTPROBER_BACKUP_DIR, _HOURS and _KEEP). Raises what `make` raises."""
    settings = core.settings
    target = Path(settings.backup_dir)
    last = newest(target, core.clock.now())
    if last is not None and core.clock.now() - last < timedelta(hours=settings.backup_hours):
        return None
    made = make(core, target, keep=settings.backup_keep)
    log.info("backup %s: %s files, %s of them new, in %.1f s", made.folder, made.files, made.fresh, made.seconds)
    return made


def of_set(target: Path) -> list[Path]:
    """The backups in the folder, oldest first."""
    try:
        return sorted(one.parent for name in (MANIFEST, SEALED_MANIFEST) for one in target.glob(f"{_DIGITS}/{name}"))
    except OSError:
        return []


def is_sealed(folder: Path) -> bool:
    return (folder / SEALED_MANIFEST).is_file()


def keys_for(folder: Path, keys: FileKeys | None) -> FileKeys | None:
    """What the backup is opened with; None for an open one. Raises BadInput when it is sealed and no key fits."""
    if not is_sealed(folder):
        return None
    if keys is None:
        raise BadInput(f"{folder} is encrypted: set POSTPROBER_BACKUP_KEY to the key that it was made with.")
    with (folder / SEALED_MANIFEST).open("rb") as stream:
        if not keys.fits(stream):
            raise BadInput(
                f"{folder} was encrypted with another key; set POSTPROBER_BACKUP_KEY to the one that it was made with."
            )
    return keys


def read_manifest(folder: Path, keys: FileKeys | None = None) -> dict[str, Any]:
    """What a backup says of itself. Raises BadInput."""
    try:
        fitting = keys_for(folder, keys)
        told = json.loads(read_note(folder / (SEALED_MANIFEST if fitting else MANIFEST), fitting))
        if told["format"] != FORMAT:
            raise BadInput(f"{folder} was made by a newer PostProber ({told['program']}); update the program first.")
        found = _Manifest.model_validate(told, strict=True).files
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"{folder} is not a backup ({place}: {first['msg']}).") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, VaultError) as error:
        raise BadInput(f"{folder} is not a backup ({type(error).__name__}: {error}).") from None
    for one in found:
        if not _is_place(one.path):
            raise BadInput(f"{folder} names a file outside of the data folder ({one.path!r}); it is no backup of ours.")
    return dict(told)


def _is_place(path: str) -> bool:
    """Whether a file of a backup may lie there in the data folder: in one of its folders, and no hidden one."""
    parts = PurePosixPath(path).parts
    written = path == "/".join(parts) and "\0" not in path
    return written and len(parts) > 1 and parts[0] in FOLDERS and not any(one.startswith(".") for one in parts)


def entries_of(manifest: dict[str, Any]) -> list[BackedFile]:
    return [BackedFile(one["path"], one["sha256"], one["size"], one["mtime_ns"]) for one in manifest["files"]]


def prune(target: Path, keep: int, fresh: Path, keys: FileKeys | None = None) -> tuple[str, ...]:
    """Delete all but the newest `keep` backups, and the files that none of the others names; returns the names of those that
    went. Those that a clock named that was ahead of `fresh` are kept and not counted: they must not take the place of the
    others. A backup that cannot be read, or not with these keys, keeps every file of its kind."""
    old = [one for one in of_set(target) if one.name <= fresh.name and not one.is_symlink()][:-keep]
    gone: list[str] = []
    for folder in old:
        with suppress(OSError):
            for name in (MANIFEST, SEALED_MANIFEST):
                (folder / name).unlink(missing_ok=True)  # first: from now on it is no backup
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder.name)
    for store in (Store(target), *((Store(target, keys),) if keys else ())):
        try:
            mine = [one for one in _surely_all(target) if is_sealed(one) is bool(store.keys)]
            store.sweep({file.sha256 for one in mine for file in entries_of(read_manifest(one, keys))})
        except (BadInput, OSError) as error:
            log.warning("No files of older backups were deleted: %s", error)
    return tuple(gone)


def _surely_all(target: Path) -> list[Path]:
    """The backups in the folder. Raises OSError where one of them cannot be looked into: a folder that is away for a moment must
    not count for nothing."""
    found = []
    for folder in target.iterdir():
        if not _IS_NAME.fullmatch(folder.name):
            continue
        for name in (MANIFEST, SEALED_MANIFEST):
            with suppress(FileNotFoundError, NotADirectoryError):
                (folder / name).stat()
                found.append(folder)
                break
    return found


def without_secrets(settings: Settings) -> dict[str, str]:
    """Every setting that is no secret, by its name in the environment. Addresses without what lets somebody in: names and passwords,
    and the path of the address that is called while all is well, which is known to nobody else."""
    told = {name: value for name in type(settings).model_fields if _is_open(value := getattr(settings, name))}
    for platform in known():
        section = settings.of(platform)
        told |= {
            f"{platform.value}_{name}": value
            for name in type(section).model_fields
            if _is_open(value := getattr(section, name))
        }
    if "://" in (ping := str(told["ping_url"])):
        told["ping_url"] = urlunsplit((*split(ping)[:2], f"/{MASK}", "", ""))
    shown = Redactor().text
    return {
        f"POSTPROBER_{name.upper()}": shown(_USER_INFO.sub(rf"\g<1>{MASK}@", str(value)))
        for name, value in told.items()
    }


def postgres_command(program: str, url: URL) -> tuple[list[str], dict[str, str]]:
    """A program of PostgreSQL's for this database, and its environment: what stands in a command line can be read by everybody.
    Raises ConfigurationError when it is not installed."""
    found = shutil.which(program)
    if found is None:
        raise ConfigurationError(
            f"{program} is not installed; install PostgreSQL's client programs (postgresql-client)."
        )
    environment = dict(os.environ)
    for name, value in (
        ("PGHOST", url.host or url.query.get("host")),
        ("PGPORT", url.port),
        ("PGUSER", url.username),
        ("PGPASSWORD", url.password),
        ("PGDATABASE", url.database),
    ):
        if value:
            environment[name] = str(value)
    return [found], environment


def _is_open(value: object) -> bool:
    return not isinstance(value, SecretStr)


def _refuse(target: Path, data_dir: Path) -> None:
    inside = [data_dir / one for one in FOLDERS]
    resolved = target.expanduser().resolve()
    if any(resolved == one.resolve() or one.resolve() in resolved.parents for one in inside):
        raise BadInput(f"{target} is a folder that is backed up; choose one outside of it.")
    if target.exists() and not target.is_dir():
        raise BadInput(f"{target} is a file; give a folder for backups.")
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"The folder {target} cannot be made ({error.strerror}); choose another one.") from None
    if not os.access(target, os.W_OK):
        raise BadInput(f"The folder {target} cannot be written to; choose another one or change its permissions.")


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One backup at a time in a folder. The lock goes with the process that holds it."""
    with (target / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(f"Another backup is being made in {target}; wait for its end.") from None
        yield


def _sweep(target: Path) -> None:
    """What a backup left that was killed, and nothing of anybody else's."""
    for left in target.glob(f".{_DIGITS}.part"):
        shutil.rmtree(left, ignore_errors=True)
    for store in (FILES, SEALED_FILES):
        for left in (target / store).glob("??/.*.part"):
            if not is_stored_name(left.name[1:-5]):
                continue
            with suppress(OSError):
                left.unlink()


def _newest_entries(target: Path, keys: FileKeys | None) -> dict[str, BackedFile]:
    """By path, what the last backup knew of the files."""
    for folder in reversed(of_set(target)):
        with suppress(BadInput):
            return {one.path: one for one in entries_of(read_manifest(folder, keys))}
    return {}


def _gather(data_dir: Path, store: Store, earlier: dict[str, BackedFile]) -> list[BackedFile]:
    """All files that are there now, each in the store; what is known by then is noted in `earlier`."""
    found: list[BackedFile] = []
    for file in _files(data_dir):
        path = file.relative_to(data_dir).as_posix()
        try:
            told = file.stat()
            if not stat.S_ISREG(told.st_mode):  # a pipe would be waited for without an end
                continue
            before = earlier.get(path)
            if (
                before is None
                or (before.size, before.mtime_ns) != (told.st_size, told.st_mtime_ns)
                or not store.has(before.sha256, before.size)
            ):
                before = None
            if before is None:
                sha256, size = store.keep(file)
                before = BackedFile(path, sha256, size, told.st_mtime_ns)
        except FileNotFoundError:
            continue  # deleted meanwhile, and its row before it
        earlier[path] = before
        found.append(before)
    return found


def _files(data_dir: Path) -> Iterator[Path]:
    """Dotted names are files that are being written. Raises OSError for a folder that cannot be read: what is in it would be
    missing without a word."""

    def told(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for name in FOLDERS:
        for folder, folders, files in os.walk(data_dir / name, onerror=told):
            here = Path(folder)
            folders[:] = sorted(
                one for one in folders if (here / one).relative_to(data_dir).as_posix() not in _LEFT_OUT
            )
            yield from (here / one for one in sorted(files) if not one.startswith("."))


def _database(settings: Settings, db: Database, now: datetime, folder: Path) -> dict[str, Any]:
    """The copy of the database in `folder`, sealed if there are keys, and what the manifest says of it. Raises ConfigurationError."""
    keys = settings.backup_keys()
    if keys is None:
        return _told(_copy_database(db, folder, now))
    with scratch(settings.data_dir) as open_folder:  # sealed backups may lie where others can read
        plain = _copy_database(db, open_folder, now)
        told, sealed = _told(plain), folder / f"{plain.name}{SEALED}"
        put(plain, sealed, keys)
    if digest(sealed, keys) != told["sha256"]:
        raise ConfigurationError(
            "The copy of the database was not written as it is; the disk of the backup is not sound."
        )
    return told


def _told(database: Path) -> dict[str, Any]:
    return {"name": database.name, "sha256": digest(database), "size": database.stat().st_size}


def _copy_database(db: Database, folder: Path, now: datetime) -> Path:
    """A consistent copy while everything runs, read back. Raises ConfigurationError, or SQLite's own error."""
    if not db.is_sqlite:
        return _dump(db.url, folder / DUMP)
    path = folder / SQLITE
    with closing(sqlite3.connect(str(db.url.database))) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (BACKUP, utc_iso(now)))
        copy.commit()
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whatever the original is
        said = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise ConfigurationError(f"The copy of the database is not sound ({said}); the backup was thrown away.")
    flush(path)
    return path


def _dump(url: URL, path: Path) -> Path:
    command, environment = postgres_command("pg_dump", url)
    _run([*command, "--format=custom", "--no-owner", "--no-privileges", f"--file={path}"], environment, "dumped")
    listing, environment = postgres_command("pg_restore", url)
    _run([*listing, "--list", str(path)], environment, "read back")  # a dump that was cut off has no end to its list
    flush(path)
    return path


def _run(command: list[str], environment: dict[str, str], what: str) -> None:
    try:
        done = subprocess.run(  # nosec B603 # PostgreSQL's own programs, arguments of ours
            command, env=environment, capture_output=True, text=True, timeout=DUMP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"PostgreSQL was not {what} within {DUMP_SECONDS // 3600} hours.") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ConfigurationError(
            f"PostgreSQL could not be {what}: {said[0] if said else f'code {done.returncode}'}"[:400]
        )
