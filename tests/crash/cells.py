"""The matrix: crash point x platform fault x adapter, and what must hold in every cell."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from postprober.domain.attempt import Act, Outcome
from postprober.domain.platform import Platform
from postprober.sandbox.control.client import Control
from postprober.storage import accounts, attempts, deliveries
from postprober.storage.records import Attempt
from tests.crash.world import RECONNECT, Bench, Target, close, fresh_bench, link, plan, relink, run_one_worker, settled

# Where the worker is killed, in the order of a delivery's life. A cell may need two deaths to get there.
CRASH_POINTS: dict[str, tuple[str, ...]] = {
    "before the intent": ("before_intent",),
    "after the intent, before connecting": ("intent_committed",),
    "after the request bytes": ("request_sent",),
    "after the reply's headers": ("reply_headers",),
    "after its body, before the commit": ("reply_body",),
    "after the commit, before the outbox": ("committed",),
    "inside reconcile after a match": ("reply_body", "reconcile_matched"),
    "inside token refresh after the rotation": ("refresh_rotated",),
}

FAULTS: dict[str, tuple[dict[str, Any], ...]] = {
    "none": (),
    "200 then cut": ({"kind": "cut_after_accept"},),
    "accepted then time-out": ({"kind": "timeout_after_accept", "params": {"seconds": 2}},),
    "created late": ({"kind": "late_create", "params": {"seconds": 0.3}},),
    "500 after accepting": ({"kind": "error_after_accept"},),
    "500 before accepting": ({"kind": "error_before_accept"},),
    "429": ({"kind": "rate_limited", "params": {"form": "seconds", "seconds": 1}},),
    "401 in mid-flight": ({"kind": "unauthorized"},),
    "ghost": ({"kind": "ghost"},),
    "malformed 2xx": ({"kind": "malformed_2xx"},),
    "cut, then a stale timeline": (
        {"kind": "cut_after_accept"},
        {"kind": "stale_timeline", "operation": "timeline", "times": 2, "params": {"seconds": 3600}},
        {"kind": "stale_timeline", "operation": "read", "times": 2, "params": {"seconds": 3600}},
    ),
}

# Of these there are two kinds, which are tried turn about: LinkedIn lets some apps read back, private channels have no page where a
# post could be found again, a webhook has neither nonce nor list, and a key publishes on one relay or on two that disagree.
OTHER_KIND = {
    Platform("linkedin"): ["openid", "profile", "w_member_social", "r_member_social"],
    Platform("telegram"): ["can_post_messages", "can_delete_messages"],
    Platform("discord"): ["webhook.incoming"],
    Platform("nostr"): ["publish", "read", "second"],
}

RESET_FORMS = ("seconds", "date", "epoch", "iso")  # taken in turn; the platforms' own forms count in minutes or days


def _varied(options: dict[str, Any], turn: int) -> dict[str, Any]:
    """A rate limit tells its end in another form at each turn."""
    if options["kind"] != "rate_limited":
        return options
    return {**options, "params": {**options["params"], "form": RESET_FORMS[turn % len(RESET_FORMS)]}}


UNKNOWN = {Outcome.UNKNOWN, Outcome.INTENDED, Outcome.LATE}


@dataclass
class Verdict:
    """What one cell showed. Every list must stay empty."""

    cell: str
    end: str = ""
    visible: int = 0
    reached: bool = False
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)
    hasty: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.contradicted, *self.hasty]


def run_cell(
    folder: Path, made: Path, sandbox: str, picture: str, point: str, fault: str, platform: Target, turn: int
) -> Verdict:
    """One experiment from a fresh database to the end of its delivery."""
    began = time.monotonic()
    name = f"c{uuid.uuid4().hex[:10]}"
    verdict = Verdict(f"{platform.name} / {fault} / {point}")
    bench = fresh_bench(folder / name, made, sandbox, picture)
    scopes = OTHER_KIND.get(platform.platform) if turn % 2 else None
    Control(sandbox).account(platform.value, name)
    _canary(bench, platform, name)
    kills, slower = CRASH_POINTS[point], 3 if platform.by_browser else 1
    account_id = link(bench, platform, name, expired="refresh_rotated" in kills, scopes=scopes)
    control = Control(sandbox)
    handle = control.account(platform.value, name)["name"]
    before = {post["id"] for post in control.posts(platform.value, handle)}
    for options in FAULTS[fault]:
        control.fault(platform.value, account=handle, **_varied(options, turn))
    delivery_id = plan(bench, account_id, platform, f"Cell {name} 世界 👋 https://example.org/{name}")
    reached = 0
    for kill in kills:
        code = run_one_worker(bench, delivery_id, limit=12.0 * slower, kill_at=kill)
        reached += code == -9
    verdict.reached = reached == len(kills)
    for _ in range(3):  # a person links the account again when asked to
        run_one_worker(bench, delivery_id, limit=25.0 * slower)
        ctx = bench.context()
        found = settled(ctx, delivery_id)
        close(ctx)
        if not found or found[1] != RECONNECT:
            break
        relink(bench, account_id, platform, name)
    _judge(bench, control, verdict, platform, handle, delivery_id, before)
    verdict.seconds = time.monotonic() - began
    return verdict


def _canary(bench: Bench, platform: Target, name: str) -> None:
    """An earlier post on the account, made the ordinary way."""
    account_id = link(bench, platform, name)
    delivery_id = plan(bench, account_id, platform, f"Earlier {name}")
    run_one_worker(bench, delivery_id, limit=30.0 if platform.by_browser or platform.form else 10.0)
    ctx = bench.context()
    found = settled(ctx, delivery_id)
    with ctx.db.write() as conn:
        accounts.write(conn, account_id, is_active=False, remote_id=f"old-{name}")
    close(ctx)
    if not found or found[1] not in ("verified", "accepted"):
        raise RuntimeError(f"the control post on {platform.value} ended as {found[1] if found else 'nothing'}")


def _judge(
    bench: Bench,
    control: Control,
    verdict: Verdict,
    platform: Target,
    handle: str,
    delivery_id: int,
    before: set[str],
) -> None:
    ctx = bench.context()
    found = settled(ctx, delivery_id)
    with ctx.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        tries = attempts.of_delivery(conn, delivery_id)
        life = ctx.adapter(accounts.get(conn, delivery.account_id), ctx.http).traits.handle_life
    close(ctx)
    truth = [p for p in control.posts(platform.value, handle) if p["id"] not in before]
    visible = [p for p in truth if p["visible"]]
    verdict.visible, verdict.end = len(visible), found[1] if found else delivery.state.value
    where = f"{verdict.cell}: {verdict.end}, {len(visible)} visible, {[(a.act, a.outcome) for a in tries]}"
    if found is None or verdict.end == RECONNECT:
        verdict.lost.append(f"lost: {where}")
    if len(visible) > 1:
        verdict.doubled.append(f"doubled: {where}")
    expected = {"verified": {1}, "accepted": {1}, "ghost": {0}, "failed": {0}, "held": {0, 1}}
    if found and len(visible) not in expected.get(verdict.end, {0, 1}):
        verdict.contradicted.append(f"contradicted: {where}")
    if verdict.end == "verified" and delivery.remote_id not in {p["id"] for p in visible}:
        verdict.contradicted.append(f"wrong post: {where}")
    creates = [r for r in control.log(platform=platform.value, account=handle) if r["operation"] == "create"]
    verdict.hasty.extend(f"{problem}: {where}" for problem in _hasty(tries, creates, life))


def _hasty(tries: list[Attempt], creates: list[dict[str, Any]], life: timedelta | None) -> list[str]:
    """Requests between an unknown outcome and the end of its reconciliation (two proofs of absence), but for repeats with a
    handle that still lives."""
    problems = []
    sends = [a for a in tries if a.act == Act.PUBLISH]
    for earlier, later in pairwise(sends):
        if earlier.outcome not in UNKNOWN:
            continue
        if life is not None and later.started_at - sends[0].started_at < life:
            continue
        between = [a for a in tries if earlier.id < a.id < later.id and a.act == Act.RECONCILE]
        absent = sum(a.outcome == Outcome.ABSENT for a in between)
        if absent < 2:
            problems.append(f"sent again after {absent} proofs of absence")
            continue
        proved = max(a.ended_at or a.started_at for a in between)
        first = earlier.ended_at or earlier.started_at
        for request in creates:
            if first.timestamp() + 0.005 < request["at"] < proved.timestamp():
                problems.append("a request left while the outcome was unknown")
    return problems
