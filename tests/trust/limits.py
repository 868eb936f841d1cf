"""I6: nothing is published on an account before the moment that a rate limit names, in whatever form it names it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from postprober.clock import ManualClock
from postprober.domain.delivery import DUE_TO_RECONCILE
from postprober.domain.platform import Platform, known
from postprober.domain.post import PostStatus
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing import failures as refusal
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.sandbox.engine.emulator import DAY, emulator, faulty
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World
from postprober.services.accounts.accounts import add_by_token
from postprober.services.core import Core
from postprober.services.media import media
from postprober.storage import accounts, deliveries, posts, users
from postprober.storage.records import PartRecord
from postprober.storage.tables import deliveries as table
from tests.people import acting
from tests.probe.campaign import jpeg, scene
from tests.trust.base import Found, Turns, scratch, some
from tests.trust.scenes import careless

PLATFORMS = tuple(known())
FORMS = ("seconds", "date", "epoch", "iso", "missing", "past", "ten_years")
BATCH = 35
DAY_OF_SECONDS = 86_400.0  # a reset beyond it is nonsense and cut down to it (domain.retry.LONGEST_WAIT)
UNNAMED = 60.0  # without a moment: a minute at least (domain.retry.throttle_until)
ROUNDING = 1.0  # headers count in whole seconds
PUBLISHES = ("create", "media", "container")


def waited(turns: Turns) -> Found:
    failures = _rounds(turns)
    control = some(turns.asked, BATCH)
    with careless(refusal, throttle_until=lambda _at, _tries, now, _rng: now + timedelta(seconds=0.5)):
        seen = _rounds(control)
    return Found(failures, "tries again half a second later whatever was said", len(seen), control.done)


def _rounds(turns: Turns) -> list[str]:
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        with scratch("limits") as folder, scene(folder, seed=numbers.start + 1) as (core, world, ctx, clock, _):
            failures += _Limits(core, world, ctx, clock).play(numbers)
    return failures


@dataclass
class _Limits:
    """One account for each number; its first publish meets a 429, and a second post waits behind it."""

    core: Core
    world: World
    ctx: Context
    clock: ManualClock
    user: int = 0
    picture: int = 0
    waits: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)  # account -> form, seconds

    def play(self, numbers: range) -> list[str]:
        with self.core.db.write() as conn:
            self.user = users.add(conn, email="a@example.org", password_hash="x", now=self.clock.now())
        self.picture = media.add_bytes(self.core, acting(self.core, self.user), "teal.jpg", jpeg(), "a teal square")
        for number in numbers:
            self._prepare(number)
        end = self.clock.now() + timedelta(hours=30)
        while self.clock.now() < end and self._round():
            pass
        return [text for account in self.waits for text in self._judge(*account)]

    def _prepare(self, number: int) -> None:
        platform = PLATFORMS[number % len(PLATFORMS)].value
        form, seconds = FORMS[number // len(PLATFORMS) % len(FORMS)], 120.0 + 37 * (number % 90)
        name = f"a{number}"
        account = self.world.add_account(platform, name, None, False, "")
        issue(self.world, account, account.scopes, age=2 * DAY)
        usual = {"access_token": account.access_token, "refresh_token": account.refresh_token}
        data: dict[str, Any] = dict(emulator(platform).typed(account)) or usual
        linked = add_by_token(self.core, acting(self.core, self.user), Platform(platform), data, name=name)
        operation = "container" if platform == "instagram" and number % 2 else "create"
        params = {"form": form, "seconds": seconds}
        body = {"platform": platform, "kind": "rate_limited", "account": name, "operation": operation, "params": params}
        self.world.save_fault(self.world.plan.add(body, faulty()))
        self.waits[platform, name] = form, seconds
        now, pictures = self.clock.now(), (self.picture,) if platform == "instagram" else ()
        with self.core.db.write() as conn:
            for text in (f"The first of {number}", f"The second of {number}"):
                post_id = posts.add(
                    conn,
                    space=self.user,
                    content=text,
                    platforms=[platform],
                    status=PostStatus.SCHEDULED,
                    scheduled_at=now,
                    options={},
                    now=now,
                )
                deliveries.add(
                    conn,
                    post_id=post_id,
                    account_id=linked.id,
                    space=self.user,
                    platform=platform,
                    key=str(uuid.uuid4()),
                    due_at=now,
                    parts=[PartRecord(0, text, pictures)],
                    now=now,
                )

    def _round(self) -> bool:
        """Everything due to be published, then on to the next moment at which something is; whether there is one."""
        with self.core.db.read() as conn:
            due, _ = deliveries.due(conn, self.clock.now(), publish=1000, follow=0)
        for delivery_id, state in due:
            (reconcile if state in DUE_TO_RECONCILE else publish)(self.ctx, delivery_id)
        if due:
            return True
        with self.core.db.read() as conn:
            upcoming = deliveries.next_due(conn, self.clock.now())
        if upcoming is None:
            return False
        self.clock.advance(min(max((upcoming - self.clock.now()).total_seconds(), 0.25), 600.0))
        return True

    def _asked(self, name: str) -> bool:
        """Whether a person was asked, because it became too late for it (a day, where nothing had been sent)."""
        with self.core.db.read() as conn:
            mine = [a.id for a in accounts.of_user(conn, self.user) if a.account_name == name]
            found = conn.execute(select(table.c.state, table.c.reason).where(table.c.account_id.in_(mine))).all()
        return bool(found) and all(state == "held" and "late" in reason for state, reason in found)

    def _judge(self, platform: str, name: str) -> list[str]:
        rows = [r for r in self.world.store.log(platform=platform, account=name) if r["operation"] in PUBLISHES]
        limited = next((n for n, row in enumerate(rows) if "rate_limited" in (row["fault"] or "")), None)
        form, seconds = self.waits[platform, name]
        if limited is None:
            return [f"{platform} {name}: the limit was never met"]
        told = rows[limited]["at"]
        least = {"missing": UNNAMED, "past": 0.9, "ten_years": DAY_OF_SECONDS}.get(form, seconds)
        early = [r["at"] - told for r in rows[limited + 1 :] if r["at"] - told < least - ROUNDING * (form != "past")]
        if len(rows) == limited + 1 and not self._asked(name):
            return [f"{platform} {name}: nothing was ever sent again after a limit in the form {form}"]
        return [f"{platform} {name} ({form}): sent {after:.0f} s later, not {least:.0f}" for after in early[:1]]
