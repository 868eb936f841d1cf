"""Stages for the experiments: the pipeline tests' own, on SQLite in memory, with a channel that hears of alerts."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
from sqlalchemy import insert

from postprober.clock import ManualClock
from postprober.http import Pools
from postprober.pipeline.core.context import Context
from postprober.pipeline.notifications import notify, outbox
from postprober.security.vault import Place
from postprober.storage.database import Database
from postprober.storage.tables import channels
from tests.pipeline.fake import BASE, FakePlatform
from tests.pipeline.stage import Killed, Stage
from tests.trust.base import scratch

HOOK = f"{BASE}/hook"


@functools.cache
def template() -> Path:
    """A migrated, empty SQLite file, made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="pp-trust-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    db = Database(f"sqlite:///{folder / 'template.sqlite'}")
    db.migrate()
    db.checkpoint_wal()
    db.close()
    return folder / "template.sqlite"


@contextmanager
def stage(start: datetime | None = None) -> Iterator[Stage]:
    with scratch("stage") as folder:
        shutil.copy(template(), folder / "pp.sqlite")
        clock = ManualClock(start) if start else ManualClock()
        made = Stage(Database(f"sqlite:///{folder / 'pp.sqlite'}"), clock, FakePlatform(clock), folder)
        try:
            yield made
        finally:
            made.db.close()
            made.pools.close()


def hear(on: Stage, user_id: int) -> list[tuple[datetime, str]]:
    """A webhook of this user; what arrives there: (moment, message)."""
    heard: list[tuple[datetime, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if str(request.url) != HOOK:
            return on.platform.public(request)
        heard.append((on.clock.now(), json.dumps(json.loads(request.content))))
        return httpx2.Response(200)

    on.pools.close()
    on.pools = Pools(allow_private=True, transport=httpx2.MockTransport(answer))
    with on.db.write() as conn:
        made = conn.execute(
            insert(channels).values(
                user_id=user_id, kind="webhook", name="hook", url="", secret="", created_at=on.clock.now()
            )
        )
        number = int(made.inserted_primary_key[0])  # type: ignore[index]
        sealed = {name: on.vault.seal(value, Place("channels", name, str(number))) for name, value in SECRETS.items()}
        conn.execute(channels.update().where(channels.c.id == number).values(**sealed))
    return heard


SECRETS = {"url": HOOK, "secret": "whsec_" + "c2VjcmV0" * 4}


def tell(ctx: Context) -> None:
    """What the scheduler's two jobs do twice a second."""
    outbox.send_due(ctx)
    notify.send_due(ctx)


def dies_at(name: str) -> Callable[[str], None]:
    def checkpoint(where: str) -> None:
        if where == name:
            raise Killed

    return checkpoint


@contextmanager
def careless(target: Any, **changed: Any) -> Iterator[None]:
    """Take a safeguard away: attributes of a module or an object, by name."""
    with patch.multiple(target, **changed):
        yield
