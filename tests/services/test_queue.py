"""Queue slots: the person's week, the next free one, and clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from postprober.errors import BadInput
from postprober.services.posts import queue
from postprober.storage import posts
from tests.installed import Installation
from tests.people import acting

BERLIN = ZoneInfo("Europe/Berlin")


def _local(slots: queue.Slots, now: datetime, count: int) -> list[str]:
    return [f"{m.astimezone(BERLIN):%a %H:%M}" for m in islice(queue.upcoming(slots, BERLIN, now), count)]


def test_slots_follow_the_persons_clock_over_a_clock_change() -> None:
    friday = datetime(2027, 3, 26, 12, tzinfo=UTC)  # clocks go forward on Sunday, 28 March
    slots = {4: (time(9),), 5: (time(9),), 6: (time(9),), 0: (time(9),)}
    found = list(islice(queue.upcoming(slots, BERLIN, friday), 3))
    assert [m.astimezone(BERLIN).hour for m in found] == [9, 9, 9]
    assert [m.hour for m in found] == [8, 7, 7]


def test_a_slot_that_the_clock_change_skips_does_not_happen_that_day() -> None:
    saturday = datetime(2027, 3, 27, 12, tzinfo=UTC)
    assert _local({6: (time(2, 30), time(10))}, saturday, 2) == ["Sun 10:00", "Sun 02:30"]


def test_a_slot_that_happens_twice_is_offered_once() -> None:
    saturday = datetime(2027, 10, 30, 12, tzinfo=UTC)  # clocks go back on Sunday, 31 October
    found = list(islice(queue.upcoming({6: (time(2, 30),)}, BERLIN, saturday), 2))
    assert found[1] - found[0] > timedelta(days=6)


def test_a_taken_slot_is_passed_over_and_a_cancelled_post_takes_none(installation: Installation) -> None:
    core, user = installation.core, installation.owner
    first = queue.next_free(core, acting(core, user))

    def plan(status: str) -> int:
        with core.db.write() as conn:
            return posts.add(
                conn,
                space=user,
                content="t",
                platforms=[],
                status=status,
                scheduled_at=first,
                options={},
                now=core.clock.now(),
            )  # type: ignore[arg-type]

    plan("cancelled")
    assert queue.next_free(core, acting(core, user)) == first
    taken = plan("draft")
    assert queue.next_free(core, acting(core, user)) > first
    assert queue.next_free(core, acting(core, user), taken) == first
    assert queue.next_free(core, acting(core, installation.stranger)) == first


def test_chosen_slots_are_kept_and_only_ones_own(installation: Installation) -> None:
    core = installation.core
    queue.choose(core, acting(core, installation.owner), {0: "17:00, 9:05", 2: "12:30"})
    assert queue.slots_of(core, acting(core, installation.owner))[0] == (time(9, 5), time(17))
    assert queue.slots_of(core, acting(core, installation.owner))[1] == ()
    assert queue.slots_of(core, acting(core, installation.stranger)) == queue.DEFAULT


@pytest.mark.parametrize("typed", ["25:00", "noon", "9", "9:60"])
def test_nonsense_is_refused_with_the_day_it_stands_in(installation: Installation, typed: str) -> None:
    with pytest.raises(BadInput, match="Monday"):
        queue.choose(installation.core, acting(installation.core, installation.owner), {0: typed})


def test_a_week_without_any_slot_is_refused(installation: Installation) -> None:
    with pytest.raises(BadInput, match="at least one"):
        queue.choose(installation.core, acting(installation.core, installation.owner), {})
