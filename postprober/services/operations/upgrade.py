"""Brings a database to this program's version, and before that a copy of it to where it can be had back from."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from postprober import __version__
from postprober.errors import ConfigurationError, PostProberError
from postprober.services.operations import backup_set
from postprober.settings import Settings
from postprober.storage.database import Database, newest_schema

log = logging.getLogger(__name__)

FOLDER = (
    "before-upgrade"  # in the folder of backups: a set of its own, so that these do not count as backups of the day
)
BACKUPS = "backups"  # in the data folder, where none is set
KEPT = 3


def folder(settings: Settings) -> Path:
    """Where the copies of before are."""
    return Path(settings.backup_dir or settings.data_dir / BACKUPS) / FOLDER


def migrate(settings: Settings, db: Database, now: datetime) -> None:
    """Bring the schema to this program's version; a database with data is backed up first unless
    POSTPROBER_BACKUP_BEFORE_UPGRADE is off. Raises ConfigurationError, also when no backup could be made: then nothing is changed."""

    def copy(schema: str) -> None:
        _back_up(settings, db, now, schema)

    wanted = settings.backup_before_upgrade == "on"
    db.migrate(copy if wanted else None)


def _back_up(settings: Settings, db: Database, now: datetime, schema: str) -> None:
    """Only the database: a migration changes no files."""
    target = folder(settings)
    try:
        made = backup_set.make_of(settings, db, now, target, keep=KEPT, files=False)
    except (PostProberError, OSError) as error:
        why = error.message if isinstance(error, PostProberError) else f"{error.strerror}."
        raise ConfigurationError(
            f"PostProber {__version__} has to change the database (schema {schema} to {newest_schema()}) and could not back it up to "
            f"{target} first: {why} Nothing was changed. Cure that, or name another folder in POSTPROBER_BACKUP_DIR; if you have a "
            "backup of your own, set POSTPROBER_BACKUP_BEFORE_UPGRADE=off.",
            str(error),
        ) from error
    log.warning(
        "the database is changed from schema %s to %s; if you need to go back: install the earlier version and run "
        "postprober restore %s",
        schema,
        newest_schema(),
        made.folder,
    )
