"""The sandbox's disk: a document store, a blob store and the request log in one SQLite file.

Every write is on its way to the operating system before the call returns, so a
killed process loses nothing. `synchronous=OFF` only gives up safety against a
power cut, which a sandbox does not need.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

Doc = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS docs (kind TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS blobs (sha256 TEXT PRIMARY KEY, mime TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, platform TEXT, account TEXT, operation TEXT,
    method TEXT, path TEXT, status INTEGER, fault TEXT, effect TEXT, idempotency TEXT, request_id TEXT);
"""
_LOG_COLUMNS = "seq, at, platform, account, operation, method, path, status, fault, effect, idempotency, request_id"
_LOG_UPDATABLE = frozenset({"account", "status", "fault", "effect", "idempotency"})


class WorldStore:
    """Documents by (kind, key), blobs by their SHA-256, and log rows by sequence number.

    `path` None keeps everything in memory. The connection may be used from
    another thread than the one that made it, but only from one at a time.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def load(self, kind: str) -> list[tuple[str, Doc]]:
        """All documents of one kind as (key, document), in the order they were first written."""
        rows = self._db.execute("SELECT key, body FROM docs WHERE kind = ? ORDER BY rowid", (kind,))
        return [(key, json.loads(body)) for key, body in rows]

    def put(self, kind: str, key: str, body: Doc) -> None:
        # An upsert keeps the rowid, and with it the order of `load`.
        self._db.execute(
            "INSERT INTO docs VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(body)),
        )

    def drop(self, kind: str, key: str) -> None:
        self._db.execute("DELETE FROM docs WHERE kind = ? AND key = ?", (kind, key))

    def clear(self) -> None:
        """Forget everything, log included. Sequence numbers keep growing."""
        for table in ("docs", "blobs", "log"):
            self._db.execute(f"DELETE FROM {table}")  # nosec B608 # the three names above

    def put_blob(self, sha256: str, mime: str, data: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)", (sha256, mime, data))

    def blob(self, sha256: str) -> tuple[str, bytes] | None:
        """(mime type, bytes) or None."""
        row = self._db.execute("SELECT mime, data FROM blobs WHERE sha256 = ?", (sha256,)).fetchone()
        return (row[0], row[1]) if row else None

    def open_log(self, row: Doc) -> int:
        """Write a log row for a request that has just arrived and return its sequence number."""
        cursor = self._db.execute(
            "INSERT INTO log (at, platform, account, operation, method, path, request_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                row["at"],
                row["platform"],
                row["account"],
                row["operation"],
                row["method"],
                row["path"],
                row["request_id"],
            ),
        )
        return int(cursor.lastrowid or 0)

    def update_log(self, seq: int, **columns: Any) -> None:
        if not set(columns) <= _LOG_UPDATABLE:
            raise ValueError(f"not columns of the log that may change: {sorted(columns)}")
        values = [json.dumps(v) if isinstance(v, dict) else v for v in columns.values()]
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE log SET {assignments} WHERE seq = ?", (*values, seq))  # nosec B608 # _LOG_UPDATABLE

    def log(
        self, *, since: int = 0, platform: str = "", account: str = "", limit: int = 0, newest: int = 0
    ) -> list[Doc]:
        """Log rows after sequence number `since`, oldest first; `newest` keeps only that many from the end."""
        sql = f"SELECT {_LOG_COLUMNS} FROM log WHERE seq > ?"  # nosec B608 # a constant
        args: list[Any] = [since]
        for column, wanted in (("platform", platform), ("account", account)):
            if wanted:
                sql += f" AND {column} = ?"
                args.append(wanted)
        sql += f" ORDER BY seq {'DESC' if newest else 'ASC'}"
        if newest or limit:
            sql += " LIMIT ?"
            args.append(newest or limit)
        names = _LOG_COLUMNS.split(", ")
        found = self._db.execute(sql, args)  # nosemgrep: sql-from-a-value # columns are the two above
        rows = [dict(zip(names, row, strict=True)) for row in found]
        for row in rows:
            row["effect"] = json.loads(row["effect"]) if row["effect"] else None
        return rows[::-1] if newest else rows
