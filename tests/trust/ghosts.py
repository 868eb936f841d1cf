"""I8: a post that was accepted and that nobody sees is told of and never sent again, also when it turns up later."""

from __future__ import annotations

from postprober.domain.delivery import DeliveryState
from tests.pipeline.fake import Way
from tests.pipeline.stage import Stage
from tests.trust.base import Found, Turns, some
from tests.trust.scenes import stage

S = DeliveryState
BATCH = 10
DAY = 86_400.0


def flagged(turns: Turns) -> Found:
    failures = _rounds(turns, looks=True)
    control = some(turns.asked)
    seen = _rounds(control, looks=False)
    return Found(failures, "nobody looks after the platform has accepted it", len(seen), control.done)


def _rounds(turns: Turns, *, looks: bool) -> list[str]:
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        with stage() as on:
            failures += _batch(on, numbers, looks)
    return failures


def _batch(on: Stage, numbers: range, looks: bool) -> list[str]:
    ctx, user = on.worker(), on.user()
    on.platform.ways.extend(Way(ghost=True) for _ in numbers)
    ids = {n: on.plan(on.link(f"g{n}", user_id=user), f"Post {n}") for n in numbers}
    for delivery in ids.values():
        on.act(ctx, delivery)
    if looks:
        on.settle(ctx, *ids.values(), until=lambda d: d.state in (S.GHOST, S.VERIFIED, S.FAILED))
    flagged = {n: on.state(i) is S.GHOST for n, i in ids.items()}
    for post in on.platform.posts:  # every second one turns up
        post.hidden = post.hidden and not (post.account.startswith("g") and int(post.account[1:]) % 2)
    end = on.clock.now().timestamp() + DAY / 4
    while looks and on.clock.now().timestamp() < end:
        if not on.ring(ctx):
            on.manual.advance(300)
    return [text for n, i in ids.items() for text in _judge(on, n, i, flagged[n])]


def _judge(on: Stage, number: int, delivery: int, flagged: bool) -> list[str]:
    name, found = f"g{number}", on.get(delivery)
    sends = sum(account == name for account, _ in on.platform.sends)
    told = [text for text in on.alerts() if f"({name})" in text and "not sent again" in text]
    right = {S.VERIFIED, S.PUBLISHED} if number % 2 else {S.GHOST}
    if flagged and told and sends == 1 and found.state in right:
        return []
    return [f"post {number}: flagged {flagged}, {len(told)} alerts, sent {sends} times, ends {found.state.value}"]
