"""PostgreSQL databases that are as good as new: emptied after a test instead of made anew, which costs ten times as much.

A database is used again only if its schema is to the bit what it was; else, and whenever anything is odd, it is dropped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from sqlalchemy import make_url

PATIENCE = 5.0  # seconds until a backend that was told to end is gone
# Every catalogue that a change of the schema writes to; `pg_class` apart, for emptying writes to that, too.
_CATALOGUES = (
    "pg_attribute",
    "pg_attrdef",
    "pg_constraint",
    "pg_event_trigger",
    "pg_extension",
    "pg_index",
    "pg_namespace",
    "pg_policy",
    "pg_proc",
    "pg_rewrite",
    "pg_sequence",
    "pg_statistic",
    "pg_trigger",
    "pg_type",
    "alembic_version",
)
_SCHEMA = (
    "SELECT concat_ws('|', (SELECT md5(string_agg(concat_ws(',', relname, relkind, reloptions, relrowsecurity, relpersistence),"
    " ';' ORDER BY oid)) FROM pg_class), (SELECT count(*) FROM pg_db_role_setting), "
    + ", ".join(f"(SELECT concat(count(*), '/', max(xmin::text::bigint)) FROM {one})" for one in _CATALOGUES)
    + ")"
)
_WRITTEN = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0 ORDER BY oid"
)
_DRAWN = "SELECT setval(seqrelid, 1, false) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL"
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


@dataclass
class FreshDatabases:
    """Copies of `template` on the server at `base`, which holds no rows but its schema's version."""

    base: str
    template: str
    prefix: str = "t"
    _admin: psycopg.Connection = field(init=False)
    _schema: str = ""
    _spare: list[str] = field(default_factory=list)
    _made: int = 0

    def __post_init__(self) -> None:
        with self._connect(self.template) as connection:
            self._schema = _schema(connection)
            filled = connection.execute(_WRITTEN).fetchall()
        if filled:
            raise AssertionError(f"the template holds rows, which emptying would lose: {filled}")
        self._admin = self._connect(make_url(self.base).database or "")

    def take(self, template: str) -> str:
        """The name of a fresh copy of `template`; empty: a database without any table."""
        if template == self.template and self._spare:
            return self._spare.pop()
        self._made += 1
        name = f"{self.prefix}{self._made}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._admin.execute(statement)
        return name

    def give_back(self, name: str) -> None:
        """Ends whoever is still connected; then the database is emptied for the next test, or dropped."""
        if self._ended(name) and self._emptied(name):
            self._spare.append(name)
        else:
            self._drop(name)

    def close(self) -> None:
        """Drops what is kept for the next test."""
        while self._spare:
            self._drop(self._spare.pop())
        self.leave()

    def leave(self) -> None:
        """For a server that is thrown away with all its databases."""
        self._admin.close()

    def _drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _connect(self, name: str) -> psycopg.Connection:
        url = make_url(self.base).set(drivername="postgresql", database=name)
        return psycopg.connect(url.render_as_string(False), autocommit=True)

    def _ended(self, name: str) -> bool:
        until = time.monotonic() + PATIENCE
        while self._admin.execute(_END, (name,)).fetchall():
            if time.monotonic() > until:
                return False
            time.sleep(0.001)  # a backend that ends is listed until it is gone
        return True

    def _emptied(self, name: str) -> bool:
        try:
            with self._connect(name) as connection:
                return _schema(connection) == self._schema and self._empty(connection)
        except psycopg.Error:  # a test may have left anything behind
            return False

    def _empty(self, connection: psycopg.Connection) -> bool:
        """Files without a page, no statistics, numbers from 1 on: TRUNCATE would do the same for all tables that refer to
        one another, which are nearly all."""
        tables = [sql.Identifier(row[0]) for row in connection.execute(_WRITTEN)]
        if tables:
            connection.execute("SET session_replication_role = replica")  # foreign keys ask nothing
            with connection.transaction():
                for table in tables:
                    connection.execute(sql.SQL("DELETE FROM {}").format(table))
            connection.execute(sql.SQL("VACUUM (TRUNCATE) {}").format(sql.SQL(", ").join(tables)))
            connection.execute(
                "SELECT pg_clear_relation_stats('public', relname) FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= 0"
            )
        connection.execute(_DRAWN)
        return not connection.execute(_WRITTEN).fetchall()


def _schema(connection: psycopg.Connection) -> str:
    row = connection.execute(_SCHEMA).fetchone()
    return str(row[0]) if row else ""
