"""Alembic's entry. The connection comes from `Database.migrate`, or from a URL on Alembic's own command line."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from postprober.storage.tables import metadata

config = context.config
connection = config.attributes.get("connection")


def run(on: object) -> None:
    context.configure(connection=on, target_metadata=metadata, render_as_batch=True, compare_type=True)  # type: ignore[arg-type]
    with context.begin_transaction():
        context.run_migrations()


if connection is not None:
    run(connection)
else:
    with create_engine(config.get_main_option("sqlalchemy.url") or "").begin() as own:
        run(own)
