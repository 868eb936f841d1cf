"""I1 to I4: the crash campaign (tests.crash), counted promise by promise. I2 to I4 come out of the same runs."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

from postprober.domain.platform import Platform, known
from postprober.pipeline.publishing.publish import publish
from postprober.storage import deliveries
from tests.crash.campaign import campaign, matrix
from tests.crash.cells import Verdict
from tests.crash.house import PAGE, kill_the_house
from tests.crash.kills import kill_at_random
from tests.crash.world import TARGETS, Target, close, fresh_bench, link, plan, servers, template
from tests.trust.base import Found, Turns, scratch

JOBS = 4  # a run mostly waits
CONTROL = 60
KILLS = 500  # of one house
CARELESS = 20  # kills of the page that stores too late
ROUNDS = 5  # of these at most, until one has hit it between its two steps; on an idle machine that is a short moment
REPEATS = 20
FORGOTTEN = 8
SECONDS = 10.0  # a worker that has died does not come back


def ends(turns: Turns) -> Found:
    """I1: three kills in four are of sidecar, scheduler and app under clients that keep a log of their 201s; the rest are
    of the scheduler alone with all platforms. Two controls: a worker that nobody takes the work from when it is dead,
    and a page that says "accepted" before it stores."""
    failures: list[str] = []
    total, accepted, planned = Counter[str](), 0, 0
    for numbers in turns.batches(KILLS):
        alone = len(numbers) // 4
        house = kill_the_house(len(numbers) - alone, seed=turns.seed + numbers.start)
        queue = kill_at_random(alone, seed=turns.seed + numbers.start) if alone else None
        total, accepted = total + house.ends, accepted + house.accepted
        if queue is not None:
            total, planned = total + queue.ends, planned + queue.posts
        failures += [
            f"kills {numbers.start} to {numbers.stop}: {found}" for found in (house, queue) if found and found.bad
        ]
    lost, told = _careless(turns.seed)
    if not lost:
        failures.append("a page that says 'accepted' before it stores lost nothing, so the comparison proves nothing")
    note = (
        f"seed {turns.seed}; {accepted:,} posts that a client was told were accepted, {planned:,} put into the queue: "
        + ", ".join(f"{count:,} {name}" for name, count in sorted(total.items()))
    )
    control = "nobody takes the work of a dead worker over; a page says 'accepted' before it stores"
    return Found(failures, control, _forgotten() + lost, FORGOTTEN + told, note)


def _careless(seed: int) -> tuple[int, int]:
    """(posts that were lost, posts that a client was told were accepted) of a page that says so before it stores."""
    lost = told = 0
    for number in range(ROUNDS):
        found = kill_the_house(CARELESS, seed=seed + number, only=(PAGE,), careless=True)
        lost, told = lost + found.lost, told + found.accepted
        if lost:
            break
    return lost, told


def _forgotten() -> int:
    """How many posts stay where a killed worker left them when nobody recovers them."""
    with scratch("forgotten") as folder:
        made = template(folder)
        with servers(folder) as (sandbox, picture):
            bench = fresh_bench(folder / "bench", made, sandbox, picture)
            ids = [
                plan(bench, link(bench, Target(Platform("x")), f"n{i}"), Target(Platform("x")), f"N {i}")
                for i in range(FORGOTTEN)
            ]
            for one in ids:
                child = os.fork()
                if child == 0:
                    ctx = bench.context(lambda where: os.kill(os.getpid(), signal.SIGKILL))
                    publish(ctx, one)
                    os._exit(0)
                os.waitpid(child, 0)
            ctx, end = bench.context(), time.monotonic() + SECONDS / 2
            while time.monotonic() < end:
                with ctx.db.read() as conn:
                    for one, _ in deliveries.due(conn, ctx.clock.now(), publish=50, follow=0)[0]:
                        publish(ctx, one)
                time.sleep(0.1)
            with ctx.db.read() as conn:
                left = sum(deliveries.get(conn, one).state in ("claimed", "submitting") for one in ids)
            close(ctx)
    return left


_carried: dict[tuple[int, float, int], tuple[list[Verdict], list[Verdict]]] = {}


def _verdicts(turns: Turns) -> tuple[list[Verdict], list[Verdict]]:
    """Runs of the matrix in the order that `turns.seed` mixes it to, and of the naive engine; once for I2, I3 and I4."""
    wish = turns.asked, turns.seconds, turns.seed
    if wish not in _carried:
        cells = matrix(list(TARGETS), REPEATS)
        random.Random(turns.seed).shuffle(cells)
        done = campaign(cells[: turns.asked], JOBS, over=lambda: turns.over)
        naive = matrix([Target(p) for p in known()], 1)
        random.Random(turns.seed).shuffle(naive)
        _carried[wish] = done, campaign(naive[: min(CONTROL, max(turns.asked, 12))], JOBS, naive=True)
    return _carried[wish]


def _counted(turns: Turns, what: str) -> tuple[list[str], list[Verdict], int, str]:
    """(failures, the naive engine's runs, runs that count, a note). A run whose first, ordinary post could not be made
    in time never came to its experiment."""
    done, control = _verdicts(turns)
    carried = [v for v in done if v.end != "broken"]
    broken = Counter(v.cell.split(" / ")[0] for v in done if v.end == "broken")
    failures = [line for verdict in carried for line in getattr(verdict, what)]
    note = f"the order of seed {turns.seed}; killed where meant in {sum(v.reached for v in carried):,}"
    if broken:
        note += f"; not carried out, because the account's earlier post was not proved in time: {dict(broken)}"
    return failures, control, len(carried), note


def once(turns: Turns) -> Found:
    """I2. What the matrix loses is I1's, and is named here too."""
    failures, control, done, note = _counted(turns, "doubled")
    failures += _counted(turns, "lost")[0]
    doubles = sum(v.visible > 1 for v in control)
    if doubles < 0.2 * len(control):
        failures.append(f"the naive engine doubled only {doubles} of {len(control)}, so the harness proves nothing")
    return Found(
        failures, "an engine without intents sends again what got no answer", doubles, len(control), note, done
    )


def truth(turns: Turns) -> Found:
    """I3: the naive engine calls failed whatever got no answer, and published what did."""
    failures, control, done, note = _counted(turns, "contradicted")
    wrong = sum(v.visible != 1 for v in control)
    return Found(failures, "an engine that says 'published, once' of each", wrong, len(control), note, done)


def patience(turns: Turns) -> Found:
    """I4: a second visible post of the naive engine is a send that did not wait."""
    failures, control, done, note = _counted(turns, "hasty")
    hasty = sum(v.visible > 1 for v in control)
    return Found(failures, "an engine that does not wait, seen by its doubles", hasty, len(control), note, done)
