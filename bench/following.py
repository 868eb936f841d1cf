"""Following posts through a simulated month on the emulators: looks by account and the way before, beside each other.

Everything runs in one process on a clock that jumps from one due moment to the next; the emulators are asked without a
network. The same posts are deleted and edited at the same moments in both ways. The way before looks at each post by itself
and asks its owner twice, for the counts and for the post. Two seconds of CPU a post and way: FOLLOWING_POSTS=2000 takes its time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import select

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.engagement import POLL_AFTER, near
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.domain.remote import PartJob, Reading, Ref
from postprober.domain.timing import LIVE_TIMING
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.context import Context, LeaseKeeper
from postprober.pipeline.core.tokens import seal
from postprober.pipeline.verification.follow_up import follow
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.registry import SPECS, adapter_for
from postprober.sandbox.app import create_app
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.world import World
from postprober.security.vault import Vault
from postprober.settings import Settings
from postprober.storage import accounts, deliveries, media, posts, users
from postprober.storage.database import Database
from postprober.storage.records import Account, PartRecord
from postprober.storage.tables import deliveries as table
from postprober.storage.tables import samples, transitions

POSTS, EACH = 400, 20  # of an account
PLATFORMS = ("x", "linkedin", "instagram", "mastodon", "bluesky")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
WITHIN = timedelta(days=7)  # in which everything is published
MONTH = timedelta(days=30)
DELETED, EDITED = 0.05, 0.05  # shares of the posts
BASE = "http://127.0.0.1:8900"
SEED = 20261130


@dataclass
class Sums:
    """What one way came to."""

    owner: Counter[str] = field(default_factory=Counter)  # calls with a token, by platform
    strangers: Counter[str] = field(default_factory=Counter)  # without
    read_days: set[tuple[str, str]] = field(default_factory=set)  # (post, UTC day), where reading is billed
    commits: int = 0
    visits: int = 0
    cpu: float = 0.0
    emulators: float = 0.0  # CPU seconds of them, not in `cpu`
    noticed: dict[int, timedelta] = field(default_factory=dict)  # delivery -> age at which its change was told
    ages: dict[int, list[timedelta]] = field(default_factory=lambda: defaultdict(list))  # of its readings


class Asgi(httpx2.BaseTransport):
    """The emulators, asked in this thread."""

    def __init__(self, world: World, sums: Sums, clock: ManualClock) -> None:
        self._inner = httpx2.ASGITransport(app=create_app(world))
        self._loop = asyncio.new_event_loop()
        self._sums, self._clock = sums, clock

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        began = time.process_time()
        try:
            return self._loop.run_until_complete(self._answer(request))
        finally:
            self._sums.emulators += time.process_time() - began
            self._count(request)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        content = request.read()
        asked = httpx2.Request(request.method, request.url, headers=request.headers, content=content)
        reply = await self._inner.handle_async_request(asked)
        body = b"".join([part async for part in reply.stream])  # type: ignore[union-attr]
        return httpx2.Response(reply.status_code, headers=reply.headers, content=body, request=request)

    def _count(self, request: httpx2.Request) -> None:
        platform = request.url.path.split("/")[1]
        if request.method != "GET" or platform not in PLATFORMS:
            return
        if "authorization" not in request.headers:
            self._sums.strangers[platform] += 1
            return
        self._sums.owner[platform] += 1
        last = request.url.path.rpartition("/")[2]
        ids = request.url.params.get("ids", last).split(",")
        day = self._clock.now().date().isoformat()
        self._sums.read_days |= {(one, day) for one in ids if platform == "x" and one.isdigit()}

    def close(self) -> None:
        self._loop.close()


class Twice:
    """The way before: a reading for the counts, and one for the post. (LinkedIn's reading of one is both already.)"""

    def __init__(self, inner: Adapter) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        told = self._inner.read_many(cred, ids)
        if self._inner.traits.platform != "linkedin":
            self._inner.fetch(cred, ids[0])
        return told


@dataclass(frozen=True)
class Plan:
    """One post: when it is published, and when it is deleted or edited ("" where it is not)."""

    account: int
    text: str
    at: datetime
    what: str = ""
    after: timedelta = timedelta()


def plans(posts_: int, accounts_: int, seed: int = SEED) -> list[Plan]:
    """In order of time; every tenth is changed within the month."""
    dice, made = random.Random(seed), []
    for number in range(posts_):
        roll = dice.random()
        what = "deleted" if roll < DELETED else "edited" if roll < DELETED + EDITED else ""
        after = timedelta(hours=1) * 24 ** (2.4 * dice.random())  # from an hour to three weeks, more of the early ones
        at = START + WITHIN * dice.random()
        made.append(Plan(number % accounts_, f"Post number {number} of the month", at, what, after))
    return sorted(made, key=lambda one: one.at)


@dataclass
class House:
    """One installation on its own emulators and its own clock."""

    folder: Path
    together: bool
    sums: Sums = field(default_factory=Sums)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))

    def __post_init__(self) -> None:
        self.world = World(clock=lambda: self.clock.now().timestamp())
        self.transport = Asgi(self.world, self.sums, self.clock)
        self.pools = Pools(allow_private=True, transport=self.transport)
        self.db = Database(f"sqlite:///{self.folder / 'postprober.sqlite'}")
        self.db.migrate()
        self.db.on_write = self._wrote
        self.settings = Settings(mode="sandbox", sandbox_port=8900, data_dir=self.folder, _env_file=None)  # type: ignore[call-arg]
        self.vault = Vault({"k1": b"k" * 32})
        keeper = LeaseKeeper(self.db, self.clock, "bench", LIVE_TIMING.lease, LIVE_TIMING.lease_margin)
        prices = self.settings.api_prices
        self.ctx = Context(
            db=self.db,
            vault=self.vault,
            http=HttpClient(self.pools),
            clock=self.clock,
            timing=LIVE_TIMING,
            keeper=keeper,
            adapter_for=self.adapter,
            config_for=self.settings.platform,
            media_url=lambda record, _: f"{BASE}/{record.id}",
            data_dir=self.folder,
            late_limit=timedelta(hours=1),
            together=self.together,
            prices=lambda platform: prices.get(platform, type(next(iter(prices.values())))()),
            read_budget=self.settings.read_budget,
        )

    def _wrote(self) -> None:
        self.sums.commits += 1

    def adapter(self, platform: Platform, http: HttpClient) -> Adapter:
        made = adapter_for(platform, http, self.settings.platform(platform), self.clock)
        return made if self.together else Twice(made)  # type: ignore[return-value]

    def people(self, count: int) -> list[Account]:
        """Accounts, turn about on the platforms, all of one person."""
        client, made = httpx2.Client(transport=self.transport, base_url=BASE), []
        with self.db.write() as conn:
            self.user = users.add(conn, email="bench@example.org", password_hash="x", now=self.clock.now())
            self.picture = media.add(
                conn,
                space=self.user,
                name="a.jpg",
                kind="image",
                mime="image/jpeg",
                size=9,
                width=9,
                height=9,
                sha256="0" * 64,
                path="a.jpg",
                now=self.clock.now(),
            )
        for number in range(count):
            platform, name = PLATFORMS[number % len(PLATFORMS)], f"acc{number}"
            scopes = (
                {"scopes": ["openid", "profile", "w_member_social", "r_member_social"]}
                if platform == "linkedin"
                else {}
            )
            told = client.post("/_sandbox/accounts", json={"platform": platform, "name": name, **scopes}).json()
            cred = Credentials(
                told["access_token"],
                told["refresh_token"] or "",
                remote_id=told["id"],
                name=name,
                secret={"identifier": name, "password": told["password"]} if told.get("password") else {},
                expires_at=None,
                instance=f"{BASE}/{platform}" if SPECS[Platform(platform)].many_servers else "",
            )
            for token in self.world.tokens.values():
                token.expires_at = None  # renewing them is not what is measured
            with self.db.write() as conn:
                one = accounts.add(
                    conn,
                    space=self.user,
                    platform=platform,
                    account_name=name,
                    now=self.clock.now(),
                    instance=cred.instance,
                    remote_id=cred.remote_id,
                )
                accounts.write(conn, one, **seal(self.vault, one, cred))
                made.append((accounts.get(conn, one), cred))
        self.creds = {account.id: cred for account, cred in made}
        return [account for account, _ in made]

    def publish(self, account: Account, text: str) -> tuple[int, str]:
        """A post that has just come out, and its delivery; the ids of both."""
        now, cred = self.clock.now(), self.creds[account.id]
        ref = self._picture_post(account, text) if account.platform == "instagram" else self._post(account, cred, text)
        part = PartRecord(0, text, (self.picture,) if account.platform == "instagram" else (), ref=ref)
        with self.db.write() as conn:
            post = posts.add(
                conn,
                space=self.user,
                content=text,
                platforms=[account.platform.value],
                status=PostStatus.POSTED,
                scheduled_at=now,
                options={},
                now=now,
            )
            one = deliveries.add(
                conn,
                post_id=post,
                account_id=account.id,
                space=self.user,
                platform=account.platform.value,
                key=str(uuid.uuid4()),
                due_at=now,
                parts=[part],
                now=now,
            )
            conn.execute(
                table.update()
                .where(table.c.id == one)
                .values(
                    state=DeliveryState.PUBLISHED,
                    published_at=now,
                    first_byte_at=now,
                    proof=Proof.ACCEPTED,
                    remote_id=ref.remote_id,
                    url=ref.url or None,
                )
            )
        return one, ref.remote_id

    def _post(self, account: Account, cred: Credentials, text: str) -> Ref:
        adapter = adapter_for(
            account.platform, HttpClient(self.pools), self.settings.platform(account.platform), self.clock
        )
        key, now = str(uuid.uuid4()), self.clock.now()
        job = PartJob(key, 0, text, now, handle=adapter.new_handle(key, 0, now))
        return adapter.finalize(cred, job, adapter.submit(cred, job)).ref

    def _picture_post(self, account: Account, text: str) -> Ref:
        at = self.clock.now().timestamp()
        number = str(self.world.ids.make("instagram", at, in_order=True))
        code = f"C{number[-10:]}"
        picture = {"id": "1", "kind": "image", "alt": "", "sha256": "0" * 64}
        post = Post(
            "instagram",
            number,
            account.account_name,
            text,
            at,
            f"/instagram/p/{code}/",
            [picture],
            extra={"kind": "image", "shortcode": code},
        )
        self.world.add_post(post)
        return Ref(number)

    def change(self, platform: str, remote_id: str, plan: Plan) -> None:
        post = self.world.post(platform, remote_id)
        assert post is not None
        if plan.what == "deleted":
            self.world.delete_post(post)
        else:
            self.world.edit_post(post, f"{plan.text}, edited")

    def run(self, made: Sequence[Plan], people: Sequence[Account]) -> None:
        """Everything until each post is a month old."""
        ahead, changes, end = list(made), [], max(plan.at for plan in made) + MONTH
        began_cpu, began_emulators = time.process_time(), self.sums.emulators
        self.changed: dict[int, tuple[Plan, datetime]] = {}
        while True:
            now = self.clock.now()
            while ahead and ahead[0].at <= now:
                plan = ahead.pop(0)
                account = people[plan.account]
                one, remote_id = self.publish(account, plan.text)
                if plan.what:
                    changes.append((now + plan.after, account.platform.value, remote_id, plan, one))
                    changes.sort(key=lambda change: change[0])
            while changes and changes[0][0] <= now:
                at, platform, remote_id, plan, one = changes.pop(0)
                self.change(platform, remote_id, plan)
                self.changed[one] = (plan, at)
            with self.db.read() as conn:
                due = deliveries.due(conn, now, publish=0, follow=500)[1]
                upcoming = deliveries.next_due(conn, now)
            for one in due:
                self.sums.visits += 1
                follow(self.ctx, one)
            if due:
                continue
            moments = [m for m in (upcoming, ahead and ahead[0].at, changes and changes[0][0]) if m]
            if not moments or min(moments) > end:
                break
            self.clock.advance((min(moments) - now).total_seconds() + 0.001)
        spent = self.sums.emulators - began_emulators
        self.sums.cpu = time.process_time() - began_cpu - spent
        self._gather()

    def _gather(self) -> None:
        with self.db.read() as conn:
            born = {row.id: row.published_at for row in conn.execute(select(table.c.id, table.c.published_at))}
            for row in conn.execute(select(samples.c.delivery_id, samples.c.at)):
                self.sums.ages[row.delivery_id].append(row.at - born[row.delivery_id])
            told = conn.exec_driver_sql("SELECT delivery_id, min(created_at) FROM alerts GROUP BY delivery_id").all()
            gone = conn.execute(
                select(transitions.c.delivery_id, transitions.c.at).where(transitions.c.new == "ghost")
            ).all()
        for one, at in told:
            moment = datetime.fromisoformat(str(at)).replace(tzinfo=UTC)
            self.sums.noticed[int(one)] = moment - self.changed[int(one)][1] if int(one) in self.changed else MONTH
        for one, at in gone:
            self.sums.noticed.setdefault(one, at - self.changed[one][1] if one in self.changed else MONTH)


def play(posts_: int, accounts_: int, together: bool) -> House:
    where = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="pp-bench-", dir=where) as name:
        house = House(Path(name), together)
        people = house.people(accounts_)
        house.sums.owner.clear()
        house.sums.strangers.clear()
        house.run(plans(posts_, accounts_), people)
        house.pools.close()
        house.db.close()
        return house


def following() -> None:
    """Prints both ways beside each other, per post and month."""
    posts_ = int(os.environ.get("FOLLOWING_POSTS", POSTS))
    accounts_ = max(len(PLATFORMS), posts_ // EACH)
    print(f"following: {posts_:,} posts on {accounts_} accounts of five platforms, each through 30 days")
    ways = {"before": play(posts_, accounts_, together=False), "by account": play(posts_, accounts_, together=True)}
    print(json.dumps({name: summary(house.sums, posts_) for name, house in ways.items()}, indent=1))
    print(json.dumps(compared(ways["before"], ways["by account"]), indent=1))


def summary(sums: Sums, posts_: int) -> dict[str, Any]:
    each = posts_ / len(PLATFORMS)
    return {
        "owner calls a post": round(sums.owner.total() / posts_, 2),
        "of them": {name: round(sums.owner[name] / each, 2) for name in PLATFORMS},
        "money a post where reading is billed": round(len(sums.read_days) * 0.005 / each, 4),
        "strangers' calls a post": round(sums.strangers.total() / posts_, 1),
        "visits a post": round(sums.visits / posts_, 1),
        "transactions a post": round(sums.commits / posts_, 1),
        "CPU ms a post": round(sums.cpu * 1000 / posts_, 1),
        "readings of counts a post": round(sum(map(len, sums.ages.values())) / posts_, 1),
    }


def compared(old: House, new: House) -> dict[str, Any]:
    """Whether the same was noticed, and how much later at most, in tenths of the post's age."""
    lost = [one for one in old.changed if one in old.sums.noticed and one not in new.sums.noticed]
    late = {
        one: (new.sums.noticed[one] - old.sums.noticed[one])
        / max(old.changed[one][0].after + old.sums.noticed[one], MONTH / 10**6)
        for one in old.changed
        if one in old.sums.noticed and one in new.sums.noticed
    }
    return {
        "changes": len(old.changed),
        "noticed before, by account": [sum(one in house.sums.noticed for one in house.changed) for house in (old, new)],
        "lost": len(lost),
        "later by more than a tenth of the age": sum(value > 0.1 for value in late.values()),
        "latest, in ages": round(max(late.values(), default=0), 3),
        "false alarms": [sum(one not in house.changed for one in house.sums.noticed) for house in (old, new)],
        "moments of the plan with a reading near them": {
            name: round(_covered(house.sums), 3) for name, house in (("before", old), ("by account", new))
        },
    }


def _covered(sums: Sums) -> float:
    """Of all posts and moments of the plan, the share that has a reading within a tenth of the age."""
    hits = sum(any(near(age, at) for age in ages) for ages in sums.ages.values() for at in POLL_AFTER)
    return hits / max(1, len(sums.ages) * len(POLL_AFTER))
