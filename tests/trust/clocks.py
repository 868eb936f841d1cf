"""I9: whatever the machine's clock does, each post goes out once, and none is passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.domain.report_plan import Every, Plan
from postprober.errors import BadInput
from postprober.services.posts import queue
from postprober.services.posts.times import parse_time
from tests.pipeline.stage import Stage
from tests.trust.base import Found, Turns, some
from tests.trust.scenes import stage

S = DeliveryState
JUMPS = {"-3 h": -3 * 3600.0, "+25 h": 25 * 3600.0}
KINDS = ("-3 h", "+25 h", "spring", "autumn")
# Both nights of 2026 in each zone (IANA): the first hour that is skipped and the first that comes twice.
NIGHTS = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Australia/Lord_Howe": (date(2026, 10, 4), date(2026, 4, 5)),  # by half an hour
}
SLOT = timedelta(minutes=30)
STEP = 20.0  # seconds between two looks of the scheduler; fifteen times that while nothing is due
POSTS = 4


def jumped(turns: Turns) -> Found:
    failures = [text for number in turns for text in _round(number, careless=False)]
    control = some(turns.asked, 8)
    seen = sum(bool(_round(number, careless=True)) for number in control)
    return Found(
        failures, "a scheduler that compares clock faces and runs what was due since its last look", seen, control.done
    )


def _round(number: int, *, careless: bool) -> list[str]:
    kind = KINDS[number % len(KINDS)]
    if kind in JUMPS:
        return _naive_jump(JUMPS[kind], number) if careless else _jump(kind, number)
    zone = list(NIGHTS)[number // len(KINDS) % len(NIGHTS)]
    night = NIGHTS[zone][kind == "autumn"]
    return _naive_night(zone, night) if careless else _night(zone, night, number)


# jumps


def _jump(kind: str, number: int) -> list[str]:
    """Posts before, around and after the moment at which the clock is set; the worker is killed by nobody."""
    with stage() as on:
        ctx = on.worker()
        user = on.user()
        ids = [on.plan(on.link(f"a{i}", user_id=user), f"Post {i}", due_in=60.0 * i) for i in range(POSTS)]
        at, jumped = (number * 7.3) % (60.0 * POSTS), False
        begun = on.clock.monotonic()
        limit = (abs(min(JUMPS[kind], 0)) + 4 * 3600) / STEP
        turn = 0
        while turn < limit and not all(_decided(on, i) for i in ids):
            turn += 1
            if not jumped and on.clock.monotonic() - begun >= at:
                jumped = True
                on.manual.jump(JUMPS[kind])
            ctx.keeper.renew()
            busy = on.ring(ctx)
            # Until the clock has been set every look counts; afterwards hours may pass in which nothing is due.
            on.manual.advance(STEP if busy or not jumped else STEP * 15)
        return [text for i in ids for text in _judge_jump(on, i)]


def _decided(on: Stage, delivery: int) -> bool:
    return TRAITS[on.state(delivery)].at_rest or on.state(delivery) is S.HELD


def _judge_jump(on: Stage, delivery: int) -> list[str]:
    found = on.get(delivery)
    text = found.parts[0].text
    sends = sum(sent == text for _, sent in on.platform.sends)
    told = any(row for row in on.alerts() if "held, please decide" in row)
    if found.state is S.HELD and "late" in found.reason and sends == 0 and told:
        return []  # a day late: a person is asked
    if found.state is S.VERIFIED and sends == 1:
        return []
    return [f"{text}: {found.state.value}, sent {sends} times: {found.reason}"]


def _naive_jump(seconds: float, number: int) -> list[str]:
    """What was due between the last look and this one by the clock on the wall."""
    dues = [60.0 * i for i in range(POSTS)]
    at, now, last, fired, ahead = (number * 7.3) % (60.0 * POSTS), 0.0, -1.0, [0] * POSTS, 0.0
    for tick in range(2000):
        if not ahead and tick * STEP >= at:
            ahead, last = seconds, min(last, tick * STEP + seconds)
        now = tick * STEP + ahead
        fired = [count + (last < due <= now) for count, due in zip(fired, dues, strict=True)]
        last = now
        if ahead > 0:
            last = max(last, now)
    late = ahead > 3600  # sent a day late without a word
    return [f"post {i} fired {count} times" for i, count in enumerate(fired) if count != 1 or late]


# nights


def _night(zone: str, night: date, number: int) -> list[str]:
    """A slot every half hour of the night on the person's clock, and a weekly report in the middle of it."""
    place = ZoneInfo(zone)
    start = datetime.combine(night, time(0), place).astimezone(UTC) - timedelta(minutes=number % 30)
    end = datetime.combine(night + timedelta(days=1), time(0), place).astimezone(UTC)
    with stage(start) as on:
        ctx, user = on.worker(), on.user()
        planned = _plan_night(on, user, zone, night)
        while on.clock.now() < end:
            on.ring(ctx)
            on.manual.advance(300)
        on.settle(ctx, *planned.values())
        failures = []
        for moment, delivery in planned.items():
            found = on.get(delivery)
            sends = sum(text == found.parts[0].text for _, text in on.platform.sends)
            late = (found.first_byte_at or end) - moment
            if found.state is not S.VERIFIED or sends != 1 or late > timedelta(minutes=6):
                failures.append(f"{zone} {moment}: {found.state.value}, sent {sends} times, {late} late")
        return failures + _reports(place, night, start, end)


def _plan_night(on: Stage, user: int, zone: str, night: date) -> dict[datetime, int]:
    """What a person types, half hour by half hour, plus their slots. A time that is not there, or is there twice, is
    refused when it is typed; the slot that is skipped does not happen."""
    place, now = ZoneInfo(zone), on.clock.now()
    chosen: dict[datetime, int] = {}
    for local in _half_hours(night):
        try:
            moment = parse_time(local.isoformat(), now - timedelta(hours=1), zone)
        except BadInput:
            continue
        name = f"typed-{local:%H%M}"
        chosen[moment] = on.plan(on.link(name, user_id=user), name, due_in=(moment - now).total_seconds())
    slots = {night.weekday(): tuple(local.time() for local in _half_hours(night))}
    for moment in queue.upcoming(slots, place, now):
        if moment not in chosen and moment < now + timedelta(hours=20):
            name = f"slot-{moment:%d%H%M}"
            chosen[moment] = on.plan(on.link(name, user_id=user), name, due_in=(moment - now).total_seconds())
    return chosen


def _half_hours(night: date) -> Iterator[datetime]:
    for step in range(12):
        yield datetime.combine(night, time(0)) + SLOT * step


def _reports(place: ZoneInfo, night: date, start: datetime, end: datetime) -> list[str]:
    """A weekly report at each hour of the night comes once."""
    failures = []
    for hour in range(6):
        plan = Plan(Every.WEEK, night.isoweekday(), hour)
        due, fired, now = plan.next(place, start - timedelta(minutes=1)), 0, start
        while now < end:
            if due <= now:
                fired += 1
                due = plan.next(place, now)
            now += timedelta(minutes=1)
        if fired != 1:
            failures.append(f"{place.key} {night}: the report of {hour}:00 came {fired} times")
    return failures


def _naive_night(zone: str, night: date) -> list[str]:
    """A cron that looks at the clock's face once a minute."""
    place = ZoneInfo(zone)
    now = datetime.combine(night, time(0), place).astimezone(UTC)
    faces: dict[time, int] = {local.time(): 0 for local in _half_hours(night)}
    for _ in range(8 * 60):
        face = now.astimezone(place).time()
        if face in faces:
            faces[face] += 1
        now += timedelta(minutes=1)
    return [f"{face} came {count} times" for face, count in faces.items() if count != 1]
