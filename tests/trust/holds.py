"""I5: when nobody can tell whether a post is out, it is held, and its person hears of it within a minute."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from postprober.domain.delivery import DeliveryState
from postprober.errors import PlatformError, Unavailable
from postprober.pipeline.notifications import notify
from postprober.storage.tables import transitions
from tests.pipeline.fake import Way, cut
from tests.pipeline.stage import Stage
from tests.trust.base import Found, Turns, some
from tests.trust.scenes import careless, hear, stage, tell

S = DeliveryState
WITHIN = 60.0  # seconds from the hold to the alert: what we promise
TICK = 0.5  # seconds between two rings of the scheduler's outbox and notify jobs
BATCH = 10
LONGEST = 400.0  # seconds of the clock after which a round is given up


def alarmed(turns: Turns) -> Found:
    slowest: list[float] = []
    failures = _rounds(turns, slowest)
    control = some(turns.asked)
    with careless(notify, GROUP=notify.GROUP * 40):  # one that collects for more than a minute
        seen = _rounds(control, [])
    note = f"slowest {max(slowest, default=0):.1f} s from the hold to the webhook"
    return Found(failures, "alerts collected for 80 s before they are sent", len(seen), control.done, note)


def _rounds(turns: Turns, slowest: list[float]) -> list[str]:
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        with stage() as on:
            failures += _batch(on, numbers, slowest)
    return failures


def _batch(on: Stage, numbers: range, slowest: list[float]) -> list[str]:
    user = on.user()
    heard, ctx = hear(on, user), on.worker()
    ids = {}
    for number in numbers:
        on.platform.listings.clear()
        on.platform.ways.append(Way(lose=cut()) if number % 2 else Way(refuse=cut()))
        ids[number] = on.plan(on.link(f"owner{number}", user_id=user), f"Post {number}")
        on.act(ctx, ids[number])
    # No answer at all, or a list that does not reach back far enough, in turns and for as long as it takes.
    down: list[PlatformError | str] = [Unavailable("The list is away."), "cut"]
    on.platform.listings.extend(down * 50 * BATCH)
    began = on.clock.now()
    while (on.clock.now() - began).total_seconds() < LONGEST and len(_told(heard)) < len(ids):
        on.ring(ctx)
        tell(ctx)
        on.manual.advance(TICK)
    return [text for number in numbers if (text := _judge(on, ids[number], _told(heard), slowest))]


def _told(heard: list[tuple[datetime, str]]) -> dict[int, datetime]:
    """Delivery -> the first moment at which its hold arrived."""
    first: dict[int, datetime] = {}
    for at, body in heard:
        told: dict[str, Any] = json.loads(body)["data"]
        if told["kind"] == "held":
            first.setdefault(told["delivery_id"], at)
    return first


def _judge(on: Stage, delivery: int, told: dict[int, datetime], slowest: list[float]) -> str:
    held = [r["at"] for r in on.rows(transitions) if r["delivery_id"] == delivery and r["new"] == S.HELD]
    if not held:
        return f"{delivery} was not held: {on.path(delivery)}"
    if delivery not in told:
        return f"{delivery} was held and nobody heard of it"
    took = (told[delivery] - held[0]).total_seconds()
    slowest.append(took)
    return f"{delivery} was held and told {took:.0f} s later" if took > WITHIN else ""
