"""What a person has chosen for themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from postprober.storage import sql
from postprober.storage.tables import preferences


def get(conn: Connection, whose: int, name: str) -> Any:
    """The value, None when nothing was chosen."""
    return conn.execute(
        select(preferences.c.value).where(preferences.c.user_id == whose, preferences.c.name == name)
    ).scalar()


def put(conn: Connection, whose: int, name: str, value: Any) -> None:
    """`value`: anything that JSON can hold."""
    conn.execute(
        sql.upsert(conn, preferences)
        .values(user_id=whose, name=name, value=value)
        .on_conflict_do_update(index_elements=["user_id", "name"], set_={"value": value})
    )


def put_once(conn: Connection, whose: int, name: str, value: Any) -> None:
    """Note something that may be noted only once. Raises IntegrityError when it was before: the transaction ends."""
    conn.execute(insert(preferences).values(user_id=whose, name=name, value=value))


def drop(conn: Connection, whose: int, name: str) -> bool:
    """Forget a choice; whether there was one."""
    row = preferences.c.user_id == whose, preferences.c.name == name
    return conn.execute(delete(preferences).where(*row)).rowcount > 0


def named(conn: Connection, whose: int, prefix: str) -> dict[str, Any]:
    """All values whose name begins with `prefix`."""
    query = select(preferences.c.name, preferences.c.value)
    rows = conn.execute(
        query.where(preferences.c.user_id == whose, preferences.c.name.startswith(prefix, autoescape=True))
    )
    return {row.name: row.value for row in rows}


def everybodys(conn: Connection, name: str) -> dict[int, Any]:
    """What everybody has chosen under this name, by person (or space)."""
    query = select(preferences.c.user_id, preferences.c.value).where(preferences.c.name == name)
    return {row.user_id: row.value for row in conn.execute(query)}
