"""What grows, what bounds it, and how large it is now."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Connection, Table, func, select, text
from sqlalchemy.exc import DatabaseError

from postprober.storage import retention
from postprober.storage.retention import Keep
from postprober.storage.tables import metadata
from postprober.storage.types import UtcDateTime

LOOKED_BACK = timedelta(days=30)
_SAMPLE = 500  # rows by which the size of a row is learned where the database does not tell


@dataclass(frozen=True)
class Bound:
    """`rule`: the part of `retention.tidy`, or the job, that deletes old rows; "": there is none, and `why` that is well. `days`:
    so long they stay (a field of Keep, or a number); None: as long as the installation. `stays`: the share that the rule leaves for ever.
    `once`: their number follows that of people, accounts or servers, and not of posts."""

    rule: str = ""
    days: str | int | None = None
    why: str = ""
    stays: float = 0.0
    once: bool = False


# `stays` of what is folded: measured by `python -m bench growth`.
_PUBLISHED = "what was published, and the guard against publishing it twice"
BOUNDS: Mapping[str, Bound] = MappingProxyType(
    {
        "accounts": Bound(why="one for each linked account", once=True),
        "ai_usage": Bound("use of models", retention.MODEL_USE.days),
        "alerts": Bound("alerts", "alerts", "unread ones stay"),
        "archives": Bound("archives", "archive", "one for thousands of posts"),
        "attempts": Bound("folding", "details", "the sends stay: they say what may have been published", stays=0.5),
        "canaries": Bound(why="one for each linked account", once=True),
        "channels": Bound(why="what people have set up", once=True),
        "conversions": Bound("unused-media", None, "go with their file"),
        "day_counts": Bound(why="one for each delivery, for comparing later ones"),
        "delays": Bound(why="while a platform is failing", once=True),
        "deliveries": Bound(why=_PUBLISHED),
        "evidence": Bound("evidence", "evidence"),
        "folded": Bound("archives", "archive", "one for each delivery whose details are in a file"),
        "goals": Bound(why="one for each post with a goal"),
        "health_signs": Bound("health signs", retention.HEALTH_SIGNS.days),
        "idempotency_keys": Bound("idempotency keys", retention.SIGNED_OUT.days),
        "leases": Bound(why="one for each job, process and failed sign-in; the last go by themselves", once=True),
        "link_cards": Bound("link cards", retention.LINK_CARDS.days),
        "looks": Bound(why="gone when they are done", once=True),
        "media": Bound("unused-media", "unused_media", "those that posts name stay"),
        "meta": Bound(why="facts about the database", once=True),
        "meters": Bound(why="one for each metric", once=True),
        "monitoring_logs": Bound("folding", "details", "the newest of each step stays", stays=0.6),
        "notifications": Bound("alerts", "alerts", "go with their alert"),
        "oauth_apps": Bound(why="one for each server", once=True),
        "outbox": Bound("sent letters", retention.SENT_LETTERS.days),
        "platform_health": Bound(why="one for each server", once=True),
        "posts": Bound(why=_PUBLISHED),
        "preferences": Bound(why="what people have set up", once=True),
        "processes": Bound("processes", retention.GONE_PROCESSES.days),
        "proof_pages": Bound(why="one for each shared post"),
        "quotas": Bound(why="one for each limit of an account", once=True),
        "reads": Bound(why="one for each account and month", once=True),
        "remote_posts": Bound(why=_PUBLISHED),
        "repairs": Bound(why="one for each failure, for reports"),
        "report_schedules": Bound(why="what people have set up", once=True),
        "sample_days": Bound("days of samples", "samples", "one a day"),
        "samples": Bound("compaction", 2, "the newest of each delivery stays", stays=0.1),
        "sessions": Bound("sessions", retention.SIGNED_OUT.days),
        "transitions": Bound("folding", "details", "the newest and those to trouble stay", stays=0.25),
        "users": Bound(why="one for each person", once=True),
        "watches": Bound(why="one for each published delivery"),
    }
)
# Folders of the data folder, and how long what is in them stays.
FOLDERS: Mapping[str, str | int | None] = MappingProxyType(
    {
        "media": None,
        "evidence": "evidence",
        "cards": retention.LINK_CARDS.days,
        "samples": "samples",
        "archive": "archive",
    }
)
# Whose files are written on or written anew, so that no rate can be read from them.
OTHER_FOLDERS = ("logs", "backups")


@dataclass(frozen=True)
class Size:
    """Of a table or a folder. `rows`: or files; `days_kept`: None for ever; `per_day`: bytes that came on a day of the last 30 (of
    those since the first); None where nobody can tell."""

    name: str
    rows: int
    bytes: int
    days_kept: int | None
    per_day: float | None
    stays: float = 0.0

    def in_days(self, days: int) -> float:
        """Bytes then, at this rate. What is bounded has at most what comes while it is kept, and the share that stays."""
        if not self.per_day:
            return self.bytes
        for_ever = self.bytes + self.per_day * days
        if self.days_kept is None or days < self.days_kept:
            return for_ever
        return self.per_day * self.days_kept * (1 - self.stays) + for_ever * self.stays


def of_tables(conn: Connection, keep: Keep, now: datetime) -> list[Size]:
    """Every table, the largest first. Counts whole tables: not for a page that is drawn again and again."""
    told = _told(conn)
    found = [_of_table(conn, table, told, keep, now) for table in metadata.sorted_tables]
    return sorted(found, key=lambda one: (-one.bytes, one.name))


def of_folders(data_dir: Path, keep: Keep, now: datetime) -> list[Size]:
    growing = [_of_folder(data_dir / name, name, _days(days, keep), now) for name, days in FOLDERS.items()]
    others = [_of_folder(data_dir / name, name, None, now) for name in OTHER_FOLDERS]
    return growing + [replace(one, per_day=None) for one in others]


def _days(days: str | int | None, keep: Keep) -> int | None:
    value = getattr(keep, days) if isinstance(days, str) else days
    return value or None


def _of_table(conn: Connection, table: Table, told: dict[str, int] | None, keep: Keep, now: datetime) -> Size:
    bound = BOUNDS[table.name]
    rows = int(conn.execute(select(func.count()).select_from(table)).scalar_one())
    size = told.get(table.name, 0) if told is not None else _guessed(conn, table, rows)
    per_day = None if bound.once else _per_day(conn, table, now, size / rows if rows else 0)
    return Size(table.name, rows, size, _days(bound.days, keep), per_day, bound.stays)


def _per_day(conn: Connection, table: Table, now: datetime, each: float) -> float | None:
    at = _moment(table)
    if at is None:
        return None
    first = conn.execute(select(func.min(at))).scalar()
    if first is None:
        return 0.0
    since = max(first, now - LOOKED_BACK)
    fresh = int(conn.execute(select(func.count()).where(at >= since, at <= now)).scalar_one())
    return fresh * each / max(float((now - since) / timedelta(days=1)), 1.0)


def _moment(table: Table) -> Column[Any] | None:
    """The column that says when a row was made; the row of a delivery for those that hang on one alone."""
    for name in ("created_at", "at", "timestamp", "started_at", "made_at", "shared_at", "claimed_at", "updated_at"):
        if name in table.c and isinstance(table.c[name].type, UtcDateTime):
            return table.c[name]
    return None


def _told(conn: Connection) -> dict[str, int] | None:
    """Bytes of each table with its indexes; None where SQLite was made without `dbstat`."""
    if conn.dialect.name != "sqlite":
        rows = conn.execute(text("SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'"))
        return {str(name): int(size) for name, size in rows}
    try:
        rows = conn.execute(
            text(
                "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat AS s JOIN sqlite_master AS m ON m.name = s.name "
                "WHERE s.aggregate = TRUE GROUP BY m.tbl_name"
            )
        )
        return {str(name): int(size) for name, size in rows}
    except (DatabaseError, sqlite3.Error):
        return None


def _guessed(conn: Connection, table: Table, rows: int) -> int:
    """From the newest rows as text; without indexes."""
    (key, *_) = table.primary_key.columns
    newest = conn.execute(select(table).order_by(key.desc()).limit(_SAMPLE)).all()
    return round(rows * sum(len(str(value)) for row in newest for value in row) / len(newest)) if newest else 0


def _of_folder(folder: Path, name: str, days_kept: int | None, now: datetime) -> Size:
    told = [file.stat() for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
    since = max(min((one.st_mtime for one in told), default=0.0), (now - LOOKED_BACK).timestamp())
    fresh = sum(one.st_size for one in told if one.st_mtime >= since)
    per_day = fresh / max((now.timestamp() - since) / 86_400, 1.0) if told else 0.0
    return Size(name, len(told), sum(one.st_size for one in told), days_kept, per_day)
