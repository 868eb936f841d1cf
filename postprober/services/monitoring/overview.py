"""The first page: is everything out?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from postprober.domain.actor import Actor
from postprober.domain.delivery import TRAITS, DeliveryState, Step, StepStatus
from postprober.domain.health import BAD_OUTCOMES, STEP_OF_ACT, Health
from postprober.domain.platform import Platform
from postprober.services.core import Core
from postprober.services.monitoring.monitoring import HEARTBEAT_LIMIT
from postprober.services.people import permits
from postprober.storage import accounts, overview, processes
from postprober.storage.overview import DeliveryLine

S = DeliveryState
DAY = timedelta(hours=24)
LINES = 5  # of each list; the Monitor and the Calendar have the rest
GOING = frozenset({S.CLAIMED, S.SUBMITTING, S.PROCESSING, S.WAITING, S.UNCONFIRMED, S.PUBLISHED})
NEEDS_PERSON = frozenset(state for state, traits in TRAITS.items() if traits.needs_person)


@dataclass(frozen=True)
class Overview:
    """`due`, `going`, `needs`, `proved`: how many deliveries; the lists hold the first few of them. `review`: posts
    that wait for a person's review, as (id, text). `relink`: accounts to link again, as (platform, name).
    `heartbeat_age`: since the scheduler last said that it lives, None when it never did."""

    due: int
    going: int
    needs: int
    proved: int
    due_next: list[DeliveryLine]
    going_now: list[DeliveryLine]
    needs_person: list[DeliveryLine]
    proved_last: list[DeliveryLine]
    review: list[tuple[int, str]]
    relink: list[tuple[Platform, str]]
    heartbeat_age: timedelta | None
    accounts: int
    health: dict[tuple[Platform, Step], Health] = field(default_factory=dict)

    @property
    def scheduler_lives(self) -> bool:
        return self.heartbeat_age is not None and self.heartbeat_age <= HEARTBEAT_LIMIT


@permits.needs("monitoring:read")
def take(core: Core, actor: Actor) -> Overview:
    """One consistent look; thirteen queries, none of them by row."""
    now = core.clock.now()
    since = now - DAY
    with core.db.read() as conn:
        states = overview.counts(conn, actor.space, since)
        mine = accounts.of_user(conn, actor.space)
        beat = processes.newest_beat(conn, "scheduler", now)
        return Overview(
            due=states.get(S.SCHEDULED, 0),
            going=sum(states.get(state, 0) for state in GOING),
            needs=overview.needing(conn, actor.space, NEEDS_PERSON),
            proved=overview.proved(conn, actor.space, since),
            due_next=overview.next_due(conn, actor.space, LINES),
            going_now=overview.newest(conn, actor.space, GOING, LINES),
            needs_person=overview.newest_needing(conn, actor.space, NEEDS_PERSON, LINES),
            proved_last=overview.newest_proved(conn, actor.space, since, LINES),
            review=overview.in_review(conn, actor.space, LINES),
            relink=[(a.platform, a.account_name) for a in mine if a.status != "ok"],
            heartbeat_age=now - beat if beat else None,
            accounts=len(mine),
            health=_health(
                {a.platform for a in mine},
                overview.steps(conn, actor.space, since),
                overview.tries(conn, actor.space, since),
            ),
        )


def _health(
    platforms: set[Platform], steps: list[tuple[str, str, str, int]], tries: list[tuple[str, str, str, int]]
) -> dict[tuple[Platform, Step], Health]:
    """For every linked platform and every step, also where nothing happened."""
    numbers: dict[tuple[Platform, Step], dict[str, int]] = {(p, step): {} for p in platforms for step in Step}

    def add(platform: str, step: Step, name: str, count: int) -> None:
        cell = numbers.setdefault((Platform(platform), step), {})
        cell[name] = cell.get(name, 0) + count

    names = {StepStatus.SUCCESS: "good", StepStatus.WARNING: "warned", StepStatus.FAILED: "failed"}
    for platform, step, status, count in steps:
        if status in names:
            add(platform, Step(step), names[StepStatus(status)], count)
    for platform, act, outcome, count in tries:
        if act in STEP_OF_ACT:
            add(platform, STEP_OF_ACT[act], "tries", count)
            if outcome in BAD_OUTCOMES:
                add(platform, STEP_OF_ACT[act], "bad_tries", count)
    return {key: Health(**cell) for key, cell in numbers.items()}
