"""I17: Redis, PostgreSQL, a worker or the leading scheduler loses everything it has while posts are on their way."""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Event

from postprober.domain.delivery import DeliveryState
from postprober.pipeline.scheduler import dispatcher as dispatch
from postprober.pipeline.scheduler.dispatcher import Dispatcher
from postprober.pipeline.scheduler.worker_pool import WorkerPool
from tests.scaled.faults import KINDS, Scene, scene
from tests.trust.base import Found, Turns, some
from tests.trust.scenes import careless, stage

S = DeliveryState
MOVES_ON = 15.0  # seconds
BETWEEN = (0.5, 4.0)  # seconds from one fault to the next, in which posts go on
REST = 20  # faults after which everything must come to its end
LIMIT = 120.0  # seconds that the whole may take to come to rest


def emptied(turns: Turns) -> Found:
    """The kinds of fault take turns in an order of chance, each kind as often as the others. REST of them come each by
    itself, and are timed; the next REST come upon each other, and must only lose and double nothing."""
    failures: list[str] = []
    pause, kinds, chance = Event(), list(KINDS), random.Random(17)
    with scene() as on:
        on.begin()
        for number in turns:
            if number % len(kinds) == 0:
                chance.shuffle(kinds)
            pause.wait(chance.uniform(*BETWEEN))
            try:
                on.strike(kinds[number % len(kinds)], alone=number // REST % 2 == 0, limit=LIMIT)
            except AssertionError:
                failures.append(f"fault {number}: what was in hand did not move within {LIMIT:.0f} s")
            if number % REST == REST - 1:
                failures += _rests(on)
                on.begin()
        failures += _rests(on)
        lost, doubled, contradicted = on.house.truth()
        states, waited, piled = dict(on.house.states()), on.moved_on(alone=True), on.moved_on(alone=False)
    failures += ["lost"] * lost + ["doubled"] * doubled + ["contradicted"] * contradicted
    failures += [
        f"{kind}: {slow:.1f} s until the work moved on" for kind, (_, slow) in waited.items() if slow > MOVES_ON
    ]
    slowest = "; ".join(f"{kind} {first:.1f} s, {held:.1f} s" for kind, (first, held) in sorted(waited.items()))
    storm = max((held for _, held in piled.values()), default=0.0)
    control = some(turns.asked, 10)
    seen = sum(_forgotten(number) for number in control)
    return Found(
        failures,
        "what was handed over once is never handed over again",
        seen,
        control.done,
        f"ends: {states}; slowest until the next delivery moved, and until all in hand and a post accepted later had moved: {slowest}; where "
        f"the next fault came within {BETWEEN[1]:.0f} s: {storm:.1f} s",
    )


def _rests(on: Scene) -> list[str]:
    try:
        on.rest(LIMIT)
    except AssertionError:
        return [f"{len(on.house.open())} deliveries did not come to an end within {LIMIT:.0f} s: {on.house.states()}"]
    return []


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
        dispatcher = Dispatcher(
            ctx, _Lossy(lambda i: on.act(on.worker(), i)), WorkerPool(ctx, 1), lambda _conn, _now: True
        )
        for _ in range(20):
            dispatcher.poll_due()
            on.manual.advance(60)
        dispatcher.stop()
        return on.state(delivery) is S.SCHEDULED
