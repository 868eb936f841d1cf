"""The two places where SQLite and PostgreSQL differ, and the id of a new row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite


def new_id(result: CursorResult[Any]) -> int:
    """The primary key that an INSERT has given."""
    key = result.inserted_primary_key
    if key is None:
        raise TypeError("not the result of a single-row INSERT")
    return int(key[0])


def is_id(value: int) -> bool:
    """Whether `value` can be the id of a row at all; the drivers refuse larger numbers with errors of their own."""
    return 0 < value < 2**63


def upsert(conn: Connection, table: Table) -> Any:
    """An INSERT that understands `on_conflict_do_nothing` and `on_conflict_do_update` in the connection's dialect."""
    return (sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert)(table)
