"""Vault key rotation: row by row, so that it can be killed anywhere and simply be run again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Table, select, update

from postprober.errors import VaultError
from postprober.security.vault import Place, Vault
from postprober.services.core import Core
from postprober.storage.tables import accounts, channels, idempotency_keys, oauth_apps, users


@dataclass(frozen=True)
class Sealed:
    """A sealed column; `place_by` is the column that names the row in the seal's associated data."""

    table: Table
    column: str
    place_by: str = "id"


# Short-lived secrets (the PKCE verifier of a sign-in under way) are not re-sealed: they end within minutes, and the old
# key stays readable until the operator removes it.
SEALED = (
    Sealed(accounts, "access_token"),
    Sealed(accounts, "refresh_token"),
    Sealed(accounts, "secret"),
    Sealed(channels, "url"),
    Sealed(channels, "secret"),
    Sealed(oauth_apps, "client_secret", "instance"),
    Sealed(idempotency_keys, "answer"),
    Sealed(users, "totp_secret"),
)


@dataclass(frozen=True)
class Rotated:
    """`done`: values sealed anew. `unreadable`: the values that no key opens, as "table row column"."""

    done: int
    unreadable: tuple[str, ...]


def rotate(core: Core) -> Rotated:
    """Re-seal everything that is not under the current key. Each row is its own transaction, and a value is replaced only
    if it is still the one that was read (a token may be renewed meanwhile). A value that cannot be opened stays as it is,
    is reported, and stops no other."""
    done, unreadable = 0, []
    for sealed in SEALED:
        for row_id in _rows(core, sealed):
            try:
                done += _rotate_row(core, core.vault, sealed, row_id)
            except VaultError:
                unreadable.append(f"{sealed.table.name} {row_id} {sealed.column}")
    return Rotated(done, tuple(unreadable))


def left(core: Core) -> int:
    """How many values are still sealed with an older key."""
    count = 0
    for sealed in SEALED:
        column = sealed.table.c[sealed.column]
        with core.db.read() as conn:
            count += sum(not core.vault.is_current(v) for (v,) in conn.execute(select(column).where(*_sealed(column))))
    return count


def _sealed(column: Column[str]) -> tuple[ColumnElement[bool], ...]:
    """A removed channel has "" in place of its address."""
    return column.is_not(None), column != ""


def _rows(core: Core, sealed: Sealed) -> list[int]:
    column = sealed.table.c[sealed.column]
    with core.db.read() as conn:
        return [row[0] for row in conn.execute(select(sealed.table.c.id).where(*_sealed(column)))]


def _rotate_row(core: Core, vault: Vault, sealed: Sealed, row_id: int) -> int:
    table, column = sealed.table, sealed.table.c[sealed.column]
    with core.db.write() as conn:
        row = conn.execute(select(column, table.c[sealed.place_by]).where(table.c.id == row_id)).one_or_none()
        if row is None or not row[0] or vault.is_current(row[0]):
            return 0
        place = Place(table.name, sealed.column, str(row[1]))
        fresh = vault.seal(vault.open(row[0], place), place)
        done = conn.execute(update(table).where(table.c.id == row_id, column == row[0]).values({sealed.column: fresh}))
        return int(done.rowcount)
