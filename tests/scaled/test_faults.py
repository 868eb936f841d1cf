"""Faults while posts arrive all the time: nothing lost, nothing doubled, and the work moves on by itself.

How soon is measured by `make bench` and `make test-trust` (I17), on a machine that does nothing else: 15 seconds."""

from __future__ import annotations

from threading import Event

import pytest

from tests.scaled.client import Api
from tests.scaled.faults import KINDS, LOST, scene
from tests.scaled.house import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

MOVES_ON = 60.0  # seconds after which nobody would wait any more; a busy machine takes several times the 15 s
AWAY = 8.0  # seconds without PostgreSQL
BETWEEN = 3.0  # seconds from one fault to the next, in which posts go on


def test_every_kind_of_fault_under_load_loses_nothing_and_the_work_moves_on() -> None:
    pause = Event()
    with scene() as on:
        on.begin()
        pause.wait(BETWEEN)
        for kind in [*KINDS, *reversed(KINDS)]:
            on.strike(kind, alone=True, limit=MOVES_ON)
            pause.wait(BETWEEN)
        on.rest()
        assert on.house.truth() == (0, 0, 0)
        assert set(on.house.states()) <= {"verified", "held"}, on.house.states()
        assert on.house.states()["verified"] >= len(on.house.texts) * 3 * 0.9
        waited = on.moved_on(alone=True)
        print(len(on.house.texts), on.house.states(), on.refused, waited)
        assert set(waited) == set(KINDS)
        assert all(in_hand < LOST for _, in_hand in waited.values()), waited


def test_the_control_nothing_moves_while_nobody_takes_the_place_of_what_was_killed() -> None:
    """And the comparison with the platforms sees a post that is not there."""
    pause = Event()
    with scene(schedulers=1, workers=1) as on:
        for name in list(on.house.processes):
            on.house.kill(name)
        first = on.house.post(0)
        before = on.house.newest_transition()
        pause.wait(BETWEEN)
        assert on.house.newest_transition() == before and on.house.open()
        for name in ("scheduler-8", "worker-8"):
            on.house.start(name)
        on.rest()
        assert on.house.newest_transition() > before and on.house.truth() == (0, 0, 0)
        on.house.texts[first] = "what no platform ever saw"
        assert on.house.truth()[0] == 3


def test_while_postgres_is_away_the_sidecar_says_so_and_everybody_goes_on_when_it_is_back() -> None:
    with scene(schedulers=1, workers=1) as on, Api(on.house) as api:
        house = on.house
        api.start("sidecar-0")
        with api.listen("sidecar-0") as socket:
            assert api.post("sidecar-0", 0)[0] == 201
            on.rest()
            lived = {name: process.pid for name, process in house.processes.items()}
            on.postgres.crash()
            status, headers, problem = api.post("sidecar-0", 1)
            assert (status, headers["content-type"]) == (503, "application/problem+json"), problem
            assert int(headers["retry-after"]) > 0 and "try again" in problem["detail"]
            assert api.ask("sidecar-0", "GET", "/readyz")[0] == 503
            assert api.ask("sidecar-0", "GET", "/healthz")[0] == 200
            Event().wait(AWAY)
            on.postgres.recover()
            back = wait_until(lambda: api.post("sidecar-0", 2)[0] == 201, MOVES_ON)
            post = max(house.texts)
            waited = wait_until(lambda: on.moved(post), MOVES_ON)
            on.rest()
            print(f"accepts again after {back:.1f} s, the post is on its way {waited:.1f} s later")
            assert api.hear(socket, post) >= 3, "the same WebSocket tells of it"
        assert {name: process.pid for name, process in house.processes.items()} == lived
        assert all(process.poll() is None for process in house.processes.values()), "nobody ended"
        assert house.truth() == (0, 0, 0) and house.states() == {"verified": 6}
