"""I19: whatever a model says, a repair is one of the few that are allowed, and a delivery is repaired three times at most."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from postprober.agent import advisor as advisor_module
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import MAX_REPAIRS, Cause, Fix
from postprober.domain.platform import Platform
from postprober.errors import PostRejected, Unavailable
from postprober.pipeline.repairs import diagnosis_job, fixes
from postprober.storage import repairs
from tests.agent.sandbox_kit import scene
from tests.agent.test_adversary import INJECTED, Obedient, _trusting, effects
from tests.pipeline.fake import Way
from tests.pipeline.stage import Stage
from tests.pipeline.test_repair_at_every_write import LONG, Sure
from tests.trust.base import Found, Turns, scratch, some
from tests.trust.scenes import stage

S = DeliveryState
ORDERS = (
    (Cause.PLATFORM_DOWN, Fix.WAIT_UNTIL),
    (Cause.PLATFORM_DOWN, Fix.REUPLOAD),
    (Cause.TEXT_TOO_LONG, Fix.SPLIT_THREAD),
    (Cause.TEXT_TOO_LONG, Fix.SHORTEN),
    (Cause.PLATFORM_DOWN, Fix.REFRESH_TOKEN),
)
BATCH = 40


def bounded(turns: Turns) -> Found:
    """Two rounds in five: an obedient model reads an injected text. The others: a model orders one repair for ever."""
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        failures += _batch([n for n in numbers if n % 5 < 2], [n for n in numbers if n % 5 >= 2])
    control = some(turns.asked)
    with ExitStack() as stack:
        stack.enter_context(patch.object(advisor_module, "_merged", _trusting))
        stack.enter_context(patch.object(fixes, "may", lambda *_: True))
        stack.enter_context(patch.object(fixes, "MAX_REPAIRS", 10**6))
        seen = [text for numbers in control.batches(20) for text in _batch(list(numbers)[::2], list(numbers)[1::2])]
    return Found(failures, "a model that is trusted, and no cap", min(len(seen), control.done), control.done)


def _batch(injected: list[int], orders: list[int]) -> list[str]:
    failures = []
    with scratch("agent") as folder, scene(folder) as made:
        account = made.link(Platform("x"))
        for number in injected:
            text, channel = INJECTED[number * 2 // 5 % len(INJECTED)]
            found = effects(made, Obedient(), account, text, channel)
            failures += [f"{channel}: {text[:60]}: {effect}" for effect in found]
    with stage() as on:
        failures += [text for number in orders for text in _for_ever(on, number)]
    return failures


def _for_ever(on: Stage, number: int) -> list[str]:
    """The platform refuses for ever, and the model orders the same repair each time."""
    cause, fix = ORDERS[number % len(ORDERS)]
    error: Any = Unavailable("away") if cause is Cause.PLATFORM_DOWN else PostRejected("Too long.", http_status=422)
    account = on.link(f"o{number}")
    on.set_account(account.id, settings={"repair_words": True})
    on.platform.ways.clear()
    on.platform.ways.extend(Way(refuse=error) for _ in range(200))
    mine = on.plan(account, LONG)
    ctx = on.worker(f"w{number}", advisor=Sure(cause=cause, fix=fix))
    for _ in range(MAX_REPAIRS * 2):
        on.settle(ctx, mine, until=lambda d: d.state in (S.FAILED, S.HELD))
        diagnosis_job.tend(ctx)
        on.manual.advance(31)
    with on.db.read() as conn:
        applied = repairs.applied(conn, mine)
    on.platform.ways.clear()
    strange = [text for _, text in on.platform.sends if not set(text.split()) <= set(LONG.split())]
    if applied > MAX_REPAIRS or strange:
        return [f"{fix.value}: applied {applied} times, strange words in {len(strange)} texts"]
    return []
