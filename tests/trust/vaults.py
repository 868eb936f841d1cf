"""I16: a key rotation that dies at any row leaves every secret readable; a secret moved to another place opens nowhere."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select

from postprober.errors import VaultError
from postprober.security.vault import Place, Vault
from postprober.services.core import Core
from postprober.services.operations.keys import SEALED, left, rotate
from postprober.storage.tables import accounts, channels, idempotency_keys, oauth_apps, users
from tests.pipeline.stage import Killed, MortalDatabase
from tests.trust.base import Found, Turns
from tests.trust.keys import installed

ROWS = 3  # of each table
OLD, NEW = os.urandom(32), os.urandom(32)


def rotated(turns: Turns) -> Found:
    """A round is one death or one swapped pair. All there are, as far as the count allows."""
    with installed() as (core, owner):
        core = replace(core, vault=Vault({"old": OLD}))
        _fill(core, owner)
        plain = _read(core)
        failures: list[str] = []
        at = iter(_deaths(core, plain))
        pairs = iter(list(itertools.permutations(_places(core), 2)))
        deaths = swaps = 0
        for _ in turns:
            if (found := next(at, None)) is not None:
                deaths += 1
                failures += found
            elif (pair := next(pairs, None)) is not None:
                swaps += 1
                failures += _swapped(core.vault, *pair)
            else:
                break
        ended = next(pairs, None) is None
        control = [_careless_rotation(core, plain), *(_swapped(_Loose({"old": OLD}), *p) for p in _loose_pairs(core))]
    whole = "every write and every pair" if ended else "every write; pairs as far as the count goes"
    note = f"{deaths} deaths ({whole}), {swaps} swapped pairs; {len(SEALED)} sealed columns"
    careless = "the old key is dropped before the rotation has ended; seals that name no place"
    return Found(failures, careless, sum(bool(one) for one in control), len(control), note, deaths + swaps)


def _fill(core: Core, owner: int) -> None:
    """ROWS rows of each table that has sealed columns, every one of them filled."""
    now = core.clock.now()
    with core.db.write() as conn:
        for n in range(ROWS):
            conn.execute(
                insert(accounts).values(
                    user_id=owner,
                    platform="x",
                    account_name=f"a{n}",
                    remote_id=str(n),
                    instance="",
                    scopes=[],
                    settings={},
                    created_at=now,
                )
            )
            conn.execute(insert(channels).values(user_id=owner, name=f"c{n}", url="", created_at=now))
            conn.execute(
                insert(oauth_apps).values(
                    platform="mastodon",
                    instance=f"https://m{n}.example",
                    client_id="i",
                    client_secret="",
                    created_at=now,
                )
            )
            conn.execute(
                insert(idempotency_keys).values(
                    user_id=owner, key=f"k{n}", fingerprint="f", expires_at=now + timedelta(days=1)
                )
            )
            conn.execute(insert(users).values(email=f"u{n}@example.org", password_hash="x", created_at=now))
        for one in SEALED:
            key = one.table.c[one.place_by]
            for number, place in conn.execute(select(one.table.c.id, key)).all():
                sealed = core.vault.seal(f"secret of {one.table.name}.{one.column} {place}", _place(one, place))
                conn.execute(one.table.update().where(one.table.c.id == number).values({one.column: sealed}))


def _place(one: Any, row: object) -> Place:
    return Place(one.table.name, one.column, str(row))


def _places(core: Core) -> list[tuple[Place, str]]:
    """Every sealed value and where it stands."""
    found = []
    with core.db.read() as conn:
        for one in SEALED:
            rows = conn.execute(select(one.table.c[one.place_by], one.table.c[one.column]))
            found += [(_place(one, place), value) for place, value in rows if value]
    return found


def _read(core: Core) -> dict[Place, str]:
    """Every secret in plain. Raises VaultError."""
    return {place: core.vault.open(value, place) for place, value in _places(core)}


def _deaths(core: Core, plain: dict[Place, str]) -> Iterator[list[str]]:
    """Before and after each commit of a rotation; then the rotation is run again, from the state of before each time."""
    for at in itertools.count(1):
        for committed in (False, True):
            mortal = MortalDatabase(core.db, at, committed=committed)
            dying = replace(core, db=mortal, vault=Vault({"new": NEW, "old": OLD}))
            try:
                rotate(dying)
                return
            except Killed:
                yield _judge(replace(dying, db=core.db), plain, at)
                _rotate_back(core)


def _judge(core: Core, plain: dict[Place, str], at: int) -> list[str]:
    failures = []
    try:
        if _read(core) != plain:
            failures.append(f"killed at write {at}: a secret has changed")
        rotate(core)
        if left(core) or _read(replace(core, vault=Vault({"new": NEW}))) != plain:
            failures.append(f"killed at write {at}: the second run did not finish it")
    except VaultError as error:
        failures.append(f"killed at write {at}: {error}")
    return failures


def _rotate_back(core: Core) -> None:
    rotate(replace(core, vault=Vault({"old": OLD, "new": NEW})))


def _swapped(vault: Vault, one: tuple[Place, str], other: tuple[Place, str]) -> list[str]:
    """The value of one place, put into another."""
    try:
        vault.open(other[1], one[0])
    except VaultError:
        return []
    return [f"the secret of {other[0]} opens at {one[0]}"]


class _Loose(Vault):
    """Seals that fit everywhere."""

    def seal(self, secret: str, place: Place) -> str:
        return super().seal(secret, Place("", "", ""))

    def open(self, envelope: str, place: Place) -> str:
        return super().open(envelope, Place("", "", ""))


def _loose_pairs(core: Core) -> list[tuple[tuple[Place, str], tuple[Place, str]]]:
    vault = _Loose({"old": OLD})
    loose = [(place, vault.seal("s", place)) for place, _ in _places(core)[:4]]
    return list(itertools.permutations(loose, 2))


def _careless_rotation(core: Core, plain: dict[Place, str]) -> list[str]:
    """Dies half way, and the old key is gone by then."""
    mortal = MortalDatabase(core.db, 3, committed=True)
    try:
        rotate(replace(core, db=mortal, vault=Vault({"new": NEW, "old": OLD})))
    except Killed:
        try:
            return [] if _read(replace(core, vault=Vault({"new": NEW}))) == plain else ["changed"]
        except VaultError as error:
            return [str(error)]
        finally:
            _rotate_back(core)
    return []
