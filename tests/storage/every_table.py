"""Rows in every table of whatever schema a database has, as that version could have written them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, Integer, MetaData, String, Table, select

from postprober.storage.tables import metadata as declared
from postprober.storage.types import Json, UtcDateTime

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
EACH = 3  # rows a table
_OPTIONAL = (
    "owner_id",
    "same_as",
    "totp_secret",
    "access_token",
    "refresh_token",
    "secret",
    "busy_delivery_id",
    "batch",
    "deleted_at",
    "unlinked_at",
)
_WORDS: dict[str, tuple[Any, ...]] = {
    "platform": ("mastodon",),
    "role": ("owner",),
    "zone": ("UTC", "Europe/Berlin", "Asia/Kolkata"),
    "deliveries.state": ("verified", "failed", "scheduled"),
    "deliveries.cause": ("",),
    "repairs.state": ("proposed", "applied", "refused"),
    "posts.status": ("posted", "failed", "scheduled"),
    "accounts.status": ("ok",),
    "monitoring_logs.step": ("posting", "verification", "engagement"),
    "monitoring_logs.status": ("success", "failed", "warning"),
    "transitions.old": ("published", "submitting", None),
    "transitions.new": ("verified", "failed", "scheduled"),
    "act": ("publish", "verify", "publish"),
    "outcome": ("success", "rejected", "unknown"),
    "proof": ("matches", "none", "none"),
    "alerts.type": ("error", "warning", "success"),
    "alerts.kind": ("other",),
    "channels.kind": ("webhook",),
    "media.kind": ("image",),
    "server": ("one.example", "two.example", "three.example"),
    "instance": ("https://one.example", "https://two.example", "https://three.example"),
    "is_active": (True,),
    "scopes": (["write"],),
    "platforms": (["mastodon"],),
    "version": (1, 2, 3),
    "sample_days.day": ("2026-03-01", "2026-03-02", "2026-03-03"),
}


def parts(number: int) -> list[dict[str, Any]]:
    ref = {"remote_id": f"post-{number}", "url": "https://one.example/1", "extra": {}} if number == 1 else None
    return [{"index": 0, "text": f"Words {number}", "media": [], "staged": None, "ref": ref}]


def fill(conn: Connection) -> None:
    for table in as_it_is(conn).sorted_tables:
        if table.name != "alembic_version":
            conn.execute(table.insert(), [dict(_row(table, number)) for number in range(1, EACH + 1)])


def read(conn: Connection, like: MetaData | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every row by table, in order; of the tables and columns of `like` only."""
    found = {}
    for table in (like or as_it_is(conn)).sorted_tables:
        if table.name != "alembic_version":
            rows = conn.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row._mapping) for row in rows]
    return found


def as_it_is(conn: Connection) -> MetaData:
    """The tables that are there, with our own types where a column still has its name."""
    found = MetaData()
    found.reflect(conn)
    for table in found.tables.values():
        ours = (
            {column.name: column.type for column in declared.tables[table.name].columns}
            if table.name in declared.tables
            else {}
        )
        for column in table.columns:
            column.type = ours.get(column.name, column.type)
    return found


def _row(table: Table, number: int) -> Iterator[tuple[str, Any]]:
    unique = {name for one in _unique(table) for name in one}
    for column in table.columns:
        if column.name in _OPTIONAL:
            yield column.name, None if column.nullable else ""
        elif column.foreign_keys:
            yield column.name, number
        elif table.name == "deliveries" and column.name == "parts":
            yield column.name, parts(number)
        else:
            words = _WORDS.get(f"{table.name}.{column.name}", _WORDS.get(column.name))
            if words is not None and not (column.name in unique and len(words) < EACH and len(unique) == 1):
                yield column.name, words[(number - 1) % len(words)]
            else:
                yield column.name, _value(column, number)


def _unique(table: Table) -> list[list[str]]:
    """Columns of each unique index."""
    return [[column.name for column in index.columns] for index in table.indexes if index.unique]


def _value(column: Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return NOW + timedelta(hours=number)
    if isinstance(kind, type(Json)):
        return {}
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, Float):
        return number / 2
    if isinstance(kind, Integer):
        return number
    if isinstance(kind, String):
        return f"{column.name}-{number}"[-(kind.length or 80) :]
    raise AssertionError(f"{column}: say what to write for {kind!r}")
