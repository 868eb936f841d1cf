"""Sealed secrets open in their own place only, and a rotation can die anywhere."""

from __future__ import annotations

import base64
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, select

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.errors import ConfigurationError, VaultError
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.tokens import open_credentials, seal
from postprober.security.vault import Place, Vault, parse_keys
from postprober.services.core import Core
from postprober.services.operations import keys
from postprober.settings import Settings
from postprober.storage import accounts, apps, users
from postprober.storage.database import Database
from postprober.storage.tables import channels, oauth_apps
from tests.pipeline.stage import Killed

OLD, NEW = b"o" * 32, b"n" * 32
HERE = Place("accounts", "access_token", "1")
_numbers = itertools.count(1)


@pytest.mark.parametrize("secret", ["t", "tökén 世界 👋", "x" * 100_000, " \n", "v1.k1.AAAA"])
def test_a_secret_comes_back_as_it_was(secret: str) -> None:
    vault = Vault({"k1": OLD})
    sealed = vault.seal(secret, HERE)
    assert secret not in sealed or len(secret) < 3
    assert vault.open(sealed, HERE) == secret


def test_the_same_secret_never_looks_the_same_twice() -> None:
    vault = Vault({"k1": OLD})
    assert len({vault.seal("secret", HERE) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "other",
    [
        Place("accounts", "access_token", "2"),
        Place("accounts", "refresh_token", "1"),
        Place("channels", "access_token", "1"),
    ],
    ids=["row", "column", "table"],
)
def test_a_seal_copied_to_another_place_does_not_open(other: Place) -> None:
    vault = Vault({"k1": OLD})
    sealed = vault.seal("secret", HERE)
    with pytest.raises(VaultError, match="another place"):
        vault.open(sealed, other)
    assert vault.open(sealed, HERE) == "secret"


@pytest.mark.parametrize("spoil", [0, 5, 15, -3])
def test_a_damaged_seal_does_not_open_and_says_nothing_of_its_content(spoil: int) -> None:
    vault = Vault({"k1": OLD})
    head, key, body = vault.seal("secret-content", HERE).split(".")
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[spoil] ^= 1
    with pytest.raises(VaultError) as caught:
        vault.open(f"{head}.{key}.{base64.urlsafe_b64encode(raw).decode()}", HERE)
    assert "secret-content" not in str(caught.value) + caught.value.detail


@pytest.mark.parametrize(
    "text", ["", "v1", "v1.k1", "v1.k1.", "v1.k1.%%%", "v1.k1.AAAA", "v2.k1.AAAA", "plain token", "v1.k1.é"]
)
def test_what_is_no_seal_does_not_open(text: str) -> None:
    with pytest.raises(VaultError):
        Vault({"k1": OLD}).open(text, HERE)


def test_a_wrong_key_and_an_unknown_key_id_do_not_open() -> None:
    sealed = Vault({"k1": OLD}).seal("secret", HERE)
    with pytest.raises(VaultError, match="damaged"):
        Vault({"k1": NEW}).open(sealed, HERE)
    with pytest.raises(VaultError, match="'k1'"):
        Vault({"k2": OLD}).open(sealed, HERE)


@pytest.mark.parametrize(
    "text", ["k1", "k1:", "k1:!!!", "k1:" + base64.b64encode(b"short").decode(), ":" + base64.b64encode(NEW).decode()]
)
def test_unusable_keys_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Vault(parse_keys(SecretStr(text)))
    assert text.partition(":")[2][:8] not in str(caught.value) or not text.partition(":")[2]


def test_no_key_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        Vault(parse_keys(SecretStr("")))


def test_keys_do_not_show_in_a_representation() -> None:
    assert "o" * 8 not in repr(Vault({"k1": OLD}))
    assert "access" not in repr(Credentials("access-secret", "refresh-secret", secret={"password": "pw-secret"}))


class Failing(Database):
    """Dies after a number of writes, each of which is one row of the rotation."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.left: int | None = None

    def write(self):  # type: ignore[no-untyped-def]
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1
        return super().write()


@pytest.fixture
def core(database_url: str, tmp_path: Path) -> Iterator[Core]:
    db = Failing(database_url)
    settings = Settings(data_dir=tmp_path, secret_key="s" * 40, _env_file=None)
    pools = Pools(allow_private=True)
    yield Core(settings, db, Vault({"old": OLD}), HttpClient(pools), ManualClock())
    pools.close()
    db.close()


def _rows(core: Core) -> dict[int, Credentials]:
    now = datetime.now(UTC)
    made: dict[int, Credentials] = {}
    with core.db.write() as conn:
        owner = users.add(conn, email="o@example.org", password_hash="x", now=now)
        for n in range(3):
            account_id = accounts.add(conn, space=owner, platform="x", account_name="a", now=now, remote_id=f"{n}")
            cred = Credentials(f"access-{n}", f"refresh-{n}", secret={"password": f"pw-{n}"})
            accounts.write(conn, account_id, **seal(core.vault, account_id, cred))
            made[account_id] = cred
        row = conn.execute(channels.insert().values(user_id=owner, name="c", url="", created_at=now))
        key = row.inserted_primary_key[0]
        conn.execute(channels.update().values(url=core.vault.seal("json://x", Place("channels", "url", str(key)))))
        apps.add(
            conn,
            "mastodon",
            "https://m.example",
            "id",
            core.vault.seal("{}", Place("oauth_apps", "client_secret", "https://m.example")),
            now,
        )
    return made


def _readable(conn: Connection, vault: Vault, made: dict[int, Credentials]) -> None:
    for account_id, cred in made.items():
        found = open_credentials(vault, accounts.get(conn, account_id))
        assert (found.access_token, found.refresh_token, found.secret) == (
            cred.access_token,
            cred.refresh_token,
            cred.secret,
        )
    for row in conn.execute(select(channels)):
        assert vault.open(row.url, Place("channels", "url", str(row.id))) == "json://x"
    for row in conn.execute(select(oauth_apps)):
        assert vault.open(row.client_secret, Place("oauth_apps", "client_secret", row.instance)) == "{}"


def test_a_rotation_killed_at_any_row_leaves_everything_readable_and_can_be_resumed(core: Core) -> None:
    made = _rows(core)
    rotated = replace(core, vault=Vault({"new": NEW, "old": OLD}))
    total = keys.left(rotated)
    assert total == 11
    assert isinstance(core.db, Failing)
    before = total
    for allowed in range(total):  # a write is a row looked at, be it done already or not
        core.db.left = allowed
        with pytest.raises(Killed):
            keys.rotate(rotated)
        core.db.left = None
        with core.db.read() as conn:
            _readable(conn, rotated.vault, made)
        assert keys.left(rotated) <= before
        before = keys.left(rotated)
    assert before < total
    assert keys.rotate(rotated).done == before
    assert keys.left(rotated) == 0
    with core.db.read() as conn:
        _readable(conn, Vault({"new": NEW}), made)


def test_a_token_renewed_during_the_rotation_is_not_overwritten(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL another worker may store a new token between the rotation's reading and its writing."""
    made = _rows(core)
    rotated = replace(core, vault=Vault({"new": NEW, "old": OLD}))
    first, real = next(iter(made)), Vault.seal

    def renew_first(self: Vault, secret: str, place: Place) -> str:
        if secret == "access-0" and not core.db.is_sqlite:
            with Database.write(core.db) as conn:
                accounts.write(conn, first, access_token=real(rotated.vault, "renewed", place))
        return real(self, secret, place)

    monkeypatch.setattr(Vault, "seal", renew_first)
    keys.rotate(rotated)
    monkeypatch.undo()
    expected = "access-0" if core.db.is_sqlite else "renewed"
    with core.db.read() as conn:
        assert open_credentials(rotated.vault, accounts.get(conn, first)).access_token == expected


def test_random_bytes_are_never_a_valid_seal() -> None:
    vault = Vault({"k1": OLD})
    for _ in range(200):
        body = base64.urlsafe_b64encode(os.urandom(60)).decode()
        with pytest.raises(VaultError):
            vault.open(f"v1.k1.{body}", HERE)
