"""Files on their way in, a piece at a time: one file of bytes each beside one row in `sessions` that says whose it is.

How much has come is the size of that file and stands nowhere else, so it is right after any kill. The row goes first and
the bytes afterwards: `sweep` removes files whose row is over.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, or_, select

from postprober.storage import loops
from postprober.storage import users as people
from postprober.storage.database import Database
from postprober.storage.tables import sessions, users

log = logging.getLogger("postprober.uploads")
KIND = "upload"  # of row
_NAME = re.compile(r"up-(\d{1,18})\.part")
_BATCH = 500


def folder(data_dir: Path) -> Path:
    """Where files are until they are whole and known."""
    return data_dir / "media" / "incoming"  # no hash begins like that


def part(data_dir: Path, upload: int) -> Path:
    """The bytes of one upload that have come so far."""
    return folder(data_dir) / f"up-{upload}.part"


def is_part(path: Path) -> bool:
    """Whether this is the file of an upload, which only `sweep` removes."""
    return _NAME.fullmatch(path.name) is not None


def size(data_dir: Path, upload: int) -> int:
    """How many bytes have come; 0 where nothing has."""
    try:
        return part(data_dir, upload).stat().st_size
    except FileNotFoundError:
        return 0


def unfinished(conn: Connection, now: datetime, space: int | None = None) -> list[dict[str, Any]]:
    """Live uploads that are no file of their space yet, of one space or of all; there are few of each person."""
    query = select(sessions).join(users, users.c.id == sessions.c.user_id)
    query = query.where(sessions.c.kind == KIND, sessions.c.expires_at > now, sessions.c.revoked_at.is_(None))
    if space is not None:
        query = query.where(or_(users.c.id == space, users.c.owner_id == space))
    rows = [dict(row._mapping) for row in conn.execute(query.order_by(sessions.c.id))]
    rows = [row for row in rows if not row["data"].get("media") and not row["data"].get("refused")]
    begun_by = {row["data"]["token"] for row in rows if row["data"].get("token")}
    alive = people.live_sessions(conn, sorted(begun_by), now) | {None, 0}  # it ends with the sign-in that began it
    return [row for row in rows if row["data"].get("token") in alive]


def promised(conn: Connection, now: datetime, space: int, but: int = 0) -> int:
    """Bytes that the space's unfinished uploads will take when they are whole, without the upload `but`."""
    return sum(int(row["data"].get("length", 0)) for row in unfinished(conn, now, space) if row["id"] != but)


def missing(conn: Connection, data_dir: Path, now: datetime, but: int = 0) -> int:
    """Bytes that everybody's unfinished uploads still lack on the disk, without the upload `but`."""
    rows = [row for row in unfinished(conn, now) if row["id"] != but]
    return sum(max(0, int(row["data"].get("length", 0)) - size(data_dir, row["id"])) for row in rows)


def sweep(db: Database, data_dir: Path, now: datetime) -> int:
    """Remove the bytes of uploads that were given up, are over, or are files of their space by now; returns how many."""
    where = folder(data_dir)
    found = [(int(match[1]), path) for path in _files(where) if (match := _NAME.fullmatch(path.name))]
    gone = 0
    for start in range(0, len(found), _BATCH):
        some = found[start : start + _BATCH]
        with db.read() as conn:
            live = people.live_sessions(conn, [one for one, _ in some], now)
            rows = {row["id"] for row in unfinished(conn, now)} & live
        over = [path for one, path in some if one not in rows]
        gone += loops.each(over, lambda path: path.unlink(missing_ok=True), log, "bytes of an upload that is over go")
    return gone


def _files(where: Path) -> list[Path]:
    return sorted(where.iterdir()) if where.is_dir() else []
