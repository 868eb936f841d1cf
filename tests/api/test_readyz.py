"""/readyz names what stops publishing, each cause by itself, and nothing where all is well."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from postprober.security.vault import Vault
from postprober.services.monitoring import readiness
from postprober.storage import accounts, processes
from postprober.storage.database import Database
from tests.api.rest_kit import Rest, rest_at
from tests.installed import Installation


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def well(
    installation: Installation, database: Database, password_hash: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rest]:
    """A sidecar whose scheduler runs and leads, on each database, with room on the disk."""
    made = rest_at(installation, database, password_hash)
    beat(made, 1)
    lead(made, 9)
    disk(monkeypatch, 10**10)
    with made.client:
        yield made


def beat(rest: Rest, seconds_ago: float) -> None:
    at = rest.clock.now() - timedelta(seconds=seconds_ago)
    with rest.core.db.write() as conn:
        processes.beat(conn, "w", "scheduler", at, at, {})


def lead(rest: Rest, seconds: float) -> None:
    now = rest.clock.now()
    with rest.core.db.write() as conn:
        processes.hold_lease(conn, "scheduler", "w", now=now, until=now + timedelta(seconds=seconds))


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**11, 0, free))


def asked(rest: Rest, part: str = "all") -> tuple[int, list[str], list[str], dict[str, Any]]:
    reply = rest.client.get("/readyz", params={"part": part})
    body = reply.json()
    causes, warnings = ([one["code"] for one in body[name]] for name in ("causes", "warnings"))
    assert (reply.status_code == 200) == (body["status"] == "ok") == (not causes) == ("reason" not in body)
    return reply.status_code, causes, warnings, body


def link_locked(rest: Rest, *, readable: int = 0) -> None:
    """Two accounts whose tokens were sealed with a key that is gone, and so many that can be opened."""
    keys = ["gone", "gone", *[rest.core.vault.current] * readable]
    with rest.core.db.write() as conn:
        for number, key in enumerate(keys):
            name = f"account{number}"
            account_id = accounts.add(
                conn,
                space=rest.installation.owner,
                platform="mastodon",
                account_name=name,
                now=rest.clock.now(),
                instance="https://social.example",
                remote_id=name,
            )
            accounts.write(conn, account_id, access_token=f"v1.{key}.abc")


def test_when_all_is_well_it_says_so(well: Rest) -> None:
    status, causes, warnings, body = asked(well)
    assert (status, causes, warnings) == (200, [], [])
    assert body["heartbeat_age_seconds"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("spoil", "cause", "words"),
    [
        (lambda rest: beat(rest, 60), "scheduler", "the scheduler is not running"),
        (lambda rest: beat(rest, -3600), "heartbeat_ahead", "3600 s ahead of this machine's clock"),
        (lambda rest: lead(rest, -1), "lease", "no scheduler holds the lease"),
        (lambda rest: lead(rest, 3600), "lease", "ends too far in the future"),
        (link_locked, "vault", "POSTPROBER_VAULT_KEYS"),
    ],
)
def test_each_cause_is_named_alone(well: Rest, spoil: Callable[[Rest], None], cause: str, words: str) -> None:
    spoil(well)
    status, causes, _, body = asked(well)
    assert (status, causes) == (503, [cause])
    assert words in body["reason"] == body["causes"][0]["detail"]
    assert asked(well, "sidecar")[0] == 200, "a balancer may send requests all the same"


def test_several_causes_are_all_named(well: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(well, 60)
    lead(well, -1)
    disk(monkeypatch, readiness.FULL - 1)
    assert asked(well)[1] == ["scheduler", "lease", "disk"]
    assert asked(well, "scheduler")[1] == ["scheduler"], "which is all that `up` waits for"


def test_a_full_disk_stops_and_a_nearly_full_one_is_a_warning(well: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, readiness.NEARLY_FULL - 1)
    assert asked(well)[:3] == (200, [], ["disk"])
    disk(monkeypatch, 0)
    assert asked(well)[:3] == (503, ["disk"], [])


def test_some_locked_accounts_are_a_warning(well: Rest) -> None:
    link_locked(well, readable=1)
    assert asked(well)[:3] == (200, [], ["vault"])
    object.__setattr__(well.core, "vault", Vault({**well.core.vault.keys, "gone": b"g" * 32}))
    assert asked(well)[:3] == (200, [], []), "the key is back"


def test_redis_away_is_a_warning_because_the_scheduler_publishes_by_itself(well: Rest) -> None:
    well.core.settings.redis_url = SecretStr("redis://127.0.0.1:22998/0")
    assert asked(well)[:3] == (200, [], ["redis"])


def test_without_its_database_it_is_not_ready_for_anything(well: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(well.core.db, "read", away)
    for part in ("all", "sidecar", "scheduler"):
        assert asked(well, part)[:2] == (503, ["database"])


def test_a_scheduler_that_never_ran(installation: Installation, database: Database, password_hash: str) -> None:
    rest = rest_at(installation, database, password_hash)
    with rest.client:
        assert asked(rest)[1] == ["scheduler", "lease"]
