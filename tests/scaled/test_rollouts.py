"""Every process is asked to end under load, one after another: nothing unknown, nothing refused, nobody left behind."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import func, select

from postprober.storage.tables import transitions
from tests.scaled.client import Api
from tests.scaled.faults import scene
from tests.scaled.house import House, wait_until
from tests.scaled.rollouts import DRAIN, PARTS, RESTART, Balancer, Clients, Roll

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("ROLLOUTS", "2"))  # of one restart of each part; 10 are the thirty of the campaign
HANDED = 5.0  # seconds; half the lease that would have to run out
GRACE = 45.0


def test_rolling_restarts_under_load_make_nothing_unknown_and_refuse_nothing() -> None:
    with scene() as on, Api(on.house) as api:
        on.house.sandbox.control.fault("x", "slow", times=0, params={"seconds": 1})
        for number in range(2):
            api.start(f"sidecar-{number}", drain_seconds=DRAIN)
        roll = Roll(on, api)
        with Balancer(api) as balancer:
            wait_until(lambda: len(balancer.good) == 2, 30)
            with Clients(api, balancer) as clients:
                for _ in range(ROUNDS):
                    for part in PARTS:
                        roll.restart(part)
            on.rest()
        slowest = {part: max(times) for part, times in roll.took.items()}
        print(
            f"{len(roll.exits)} restarts, {clients.accepted} posts, {len(clients.codes)} WebSockets told to come back, "
            f"slowest end {slowest}, slowest hand-over {max(roll.handed):.1f} s"
        )
        assert clients.broken == []
        assert roll.caused() == {"unknown": 0, "open attempts": 0, "crashes": 0}
        assert on.house.truth() == (0, 0, 0) and set(on.house.states()) == {"verified"}
        assert clients.accepted == len(on.house.texts) > 5 * ROUNDS
        assert clients.codes and set(clients.codes) == {RESTART}
        assert {code for _, code in roll.exits} == {0}
        assert max(roll.handed) < HANDED
        assert all(seconds < GRACE for seconds in slowest.values())
        for post, heard in clients.heard.items():
            assert heard == sorted(set(heard)), "nothing twice, nothing out of order"
            if heard != [] and post != max(clients.heard):
                assert heard[0] == _first_event(on.house, post), "nothing was missed"


def _first_event(house: House, post: int) -> int:
    with house.core.db.read() as conn:
        return 2 * int(
            conn.execute(select(func.min(transitions.c.id)).where(transitions.c.post_id == post)).scalar_one()
        )


def test_the_control_a_worker_that_is_killed_instead_leaves_something_unknown() -> None:
    with scene(schedulers=1, workers=1) as on, Api(on.house) as api:
        on.house.sandbox.control.fault("x", "slow", times=0, params={"seconds": 4})
        roll = Roll(on, api)
        on.house.post(0)
        wait_until(lambda: on.moved(max(on.house.texts)), 30)
        on.house.kill("worker-0")
        on.house.start("worker-1")
        on.rest()
        assert roll.caused()["unknown"] + roll.caused()["crashes"] > 0
        assert on.house.truth() == (0, 0, 0)
