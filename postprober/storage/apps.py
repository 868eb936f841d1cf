"""Our registrations at instances."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from postprober.storage import sql
from postprober.storage.tables import oauth_apps


def find(conn: Connection, instance: str) -> str | None:
    """The sealed registration, None when we have none there."""
    value: str | None = conn.execute(
        select(oauth_apps.c.client_secret).where(oauth_apps.c.instance == instance)
    ).scalar()
    return value


def servers(conn: Connection, platform: str) -> list[str]:
    """The instances at which we have a registration."""
    found = conn.execute(select(oauth_apps.c.instance).where(oauth_apps.c.platform == platform)).scalars()
    return [str(one) for one in found]


def add(
    conn: Connection,
    platform: str,
    instance: str,
    client_id: str,
    sealed: str,
    now: datetime,
    *,
    instead_of: str | None = None,
) -> None:
    """Keep a registration, in the place of the sealed one that was read; if somebody was faster, theirs stays."""
    values = {"client_id": client_id, "client_secret": sealed, "created_at": now}
    if instead_of is not None:
        old = (oauth_apps.c.instance == instance, oauth_apps.c.client_secret == instead_of)
        conn.execute(update(oauth_apps).where(*old).values(**values))
        return
    conn.execute(
        sql.upsert(conn, oauth_apps)
        .values(platform=platform, instance=instance, **values)
        .on_conflict_do_nothing(index_elements=["instance"])
    )
