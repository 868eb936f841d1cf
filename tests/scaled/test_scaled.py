"""Two workers, a scheduler, PostgreSQL and Redis: what is killed, emptied or restarted loses and doubles nothing."""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from websockets.sync.client import connect

from bench.ports import free_port
from postprober.sandbox.serve import SandboxServer
from postprober.services.people import sessions
from postprober.storage import deliveries
from tests.conftest import _TEMPLATE, _admin
from tests.scaled.house import PASSWORD, House, RedisServer, wait_until

pytestmark = pytest.mark.slow

POSTS = 12


@pytest.fixture
def house(postgres: str, sandbox_server: SandboxServer, tmp_path: Path) -> Iterator[House]:
    _admin(postgres, f"CREATE DATABASE scaled TEMPLATE {_TEMPLATE}")
    server = RedisServer(tmp_path)
    server.start()
    made = House(tmp_path, make_url(postgres).set(database="scaled").render_as_string(False), server, sandbox_server)
    made.link(3)
    try:
        yield made
    finally:
        made.close()
        server.stop()
        _admin(postgres, "DROP DATABASE scaled WITH (FORCE)")


def test_workers_carry_what_the_scheduler_hands_over_and_survive_a_kill(house: House) -> None:
    for name in ("scheduler", "worker-0", "worker-1"):
        house.start(name)
    wait_until(lambda: house.workers_beating() == 2, 60)
    house.sandbox.control.fault("x", "slow", times=0, params={"seconds": 1})
    numbers = itertools.count()
    for number in itertools.islice(numbers, POSTS):
        house.post(number)

    def both_send() -> bool:
        """A worker that beats may not have begun to fetch, and the other one is quick: more posts until both have some."""
        if len(house.open()) < POSTS:
            house.post(next(numbers))
        return all(house.sending(name) for name in ("worker-0", "worker-1"))

    wait_until(both_send, 60)
    house.kill("worker-0")
    house.redis.client.flushall()
    assert wait_until(house.ended, 90) < 90
    assert house.truth() == (0, 0, 0)
    assert set(house.states()) <= {"verified", "held"} and house.states()["verified"] >= len(house.texts) * 3 - 6
    with house.core.db.read() as conn:
        carried = {row[0] for row in conn.exec_driver_sql("SELECT DISTINCT worker FROM attempts WHERE act = 'publish'")}
    assert len(carried) == 2 and all(name.endswith("-worker") for name in carried), carried


def test_every_sidecar_tells_every_event_also_while_redis_is_away(house: House) -> None:
    house.start("scheduler")
    house.start("worker-0")
    sockets = []
    with ExitStack() as stack:
        for number in range(2):
            port = free_port()
            house.start(f"sidecar-{number}", api_port=port)
            wait_until(partial(_answers, port), 60)
            token = sessions.log_in(house.core, "s@example.org", PASSWORD, "").access
            opened = connect(
                f"ws://127.0.0.1:{port}/api/ws", additional_headers={"Authorization": f"Bearer {token}"}, proxy=None
            )
            sockets.append(stack.enter_context(opened))
        for round_ in range(2):
            post = house.post(round_)
            for socket in sockets:
                socket.send(json.dumps({"event": "join_monitoring", "data": {"post_id": post, "last_id": 0}}))
            wait_until(house.ended, 60)
            expected = [2 * row["id"] for d in _deliveries(house, post) for row in _history(house, d)]
            for socket in sockets:
                heard: list[int] = []
                while not set(expected) <= set(heard):
                    told = json.loads(socket.recv(15))
                    heard += [told["id"]] if told["event"] in ("monitoring_update", "post_status_change") else []
                assert heard == sorted(set(heard))
            house.redis.stop()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _deliveries(house: House, post: int) -> list[int]:
    with house.core.db.read() as conn:
        return [one.id for one in deliveries.of_post(conn, post)]


def _history(house: House, delivery: int) -> list[dict[str, Any]]:
    with house.core.db.read() as conn:
        return deliveries.history(conn, delivery)


def test_while_redis_is_away_the_scheduler_delivers_by_itself(house: House) -> None:
    house.redis.stop()
    house.start("scheduler")
    house.post(0)
    wait_until(house.ended, 60)
    assert house.states() == {"verified": 3} and house.truth() == (0, 0, 0)


def test_while_no_worker_is_there_the_scheduler_delivers_by_itself(house: House) -> None:
    """Redis answers, and nobody would ever fetch."""
    house.start("scheduler")
    house.post(0)
    wait_until(house.ended, 60)
    assert house.states() == {"verified": 3} and house.truth() == (0, 0, 0)


def test_a_worker_that_is_asked_to_end_finishes_what_it_has_in_hand(house: House) -> None:
    house.start("scheduler")
    house.start("worker-0")
    wait_until(lambda: house.workers_beating() == 1, 60)
    house.sandbox.control.fault("x", "slow", times=0, params={"seconds": 0.5})
    for number in range(POSTS):
        house.post(number)
    wait_until(lambda: house.sending("worker-0") > 0, 30)
    house.processes["worker-0"].terminate()
    assert house.processes["worker-0"].wait(45) == 0
    with house.core.db.read() as conn:
        # The scheduler may have something in hand by now: it delivers by itself where nobody else does.
        begun = conn.exec_driver_sql("SELECT worker FROM attempts WHERE outcome = 'intended'").scalars().all()
        listed = conn.exec_driver_sql("SELECT count(*) FROM processes WHERE kind = 'worker'").scalar_one()
    assert [name for name in begun if name.endswith("-worker")] == [] and listed == 0
    house.start("worker-1")
    wait_until(house.ended, 60)
    assert house.states() == {"verified": POSTS * 3} and house.truth() == (0, 0, 0)
