"""Canaries and the gate: a dead platform burns no tries, a living one is never stopped, and a kill loses nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.health import HealthSign, HealthVerdict, Quota, Unit
from postprober.domain.platform import Platform
from postprober.errors import PlatformError, ReconnectNeeded, Throttled, Unavailable
from postprober.http import Exchange
from postprober.pipeline.core.context import Context
from postprober.pipeline.core.tokens import open_credentials
from postprober.pipeline.health import account_checks, platform_health
from postprober.storage import accounts, quotas
from postprober.storage import deliveries as stored
from postprober.storage import health as store
from postprober.storage.health import CHECK
from postprober.storage.records import Account
from postprober.storage.tables import account_checks as checks
from postprober.storage.tables import delays, deliveries, health_signs
from tests.pipeline.fake import BASE
from tests.pipeline.stage import Killed, MortalDatabase, Stage

S = DeliveryState
SERVER = (Platform("mastodon"), BASE)
STEP = 10.0  # seconds of the fake clock between two ticks
Outage = Callable[[str], PlatformError | None]


def down(_account: str) -> PlatformError | None:
    return Unavailable("The platform has a fault at the moment.", http_status=503)


def flaky(share: float, seed: int = 3) -> Outage:
    rng = random.Random(seed)
    return lambda account: down(account) if rng.random() < share else None


def live(stage: Stage, ctx: Context, minutes: float, *, watched: bool = True) -> None:
    """Let the scheduler live for so long; `watched` False: without canaries and gate."""
    for _ in range(round(minutes * 60 / STEP)):
        if watched:
            for one in account_checks.due(ctx):
                account_checks.look(ctx, one.account_id)
            platform_health.tick(ctx)
        while stage.ring(ctx):
            continue
        stage.manual.advance(STEP)


def break_down(stage: Stage, ctx: Context, broken: Outage = down) -> None:
    """Until it is known that nothing answers: the next canary and four quick looks after it."""
    stage.platform.outage = broken
    for _ in range(25):
        live(stage, ctx, 1)
        if verdict(stage) is HealthVerdict.FAILING:
            return
    raise AssertionError("the outage was not noticed in 25 minutes")


def verdict(stage: Stage) -> HealthVerdict:
    with stage.db.write() as conn:
        kept = store.standing(conn, SERVER)
    return kept.standing.verdict if kept else HealthVerdict.UNKNOWN


def sends(stage: Stage, *texts: str) -> int:
    return sum(text in texts for _, text in stage.platform.sends)


def outage(stage: Stage, ctx: Context, *, watched: bool) -> tuple[list[int], list[str]]:
    """An hour in which nothing answers, with posts of four accounts that come due in it."""
    linked = [stage.link(f"owner{n}") for n in range(4)]
    live(stage, ctx, 20, watched=watched)
    stage.platform.outage = down
    live(stage, ctx, 15, watched=watched)
    texts = [f"post {n}" for n in range(12)]
    ids = [stage.plan(linked[n % 4], text, due_in=60.0 * n) for n, text in enumerate(texts)]
    live(stage, ctx, 45, watched=watched)
    return ids, texts


def test_an_hour_of_outage_burns_no_tries_and_every_post_goes_out_after_it(stage: Stage, ctx: Context) -> None:
    ids, texts = outage(stage, ctx, watched=True)
    assert verdict(stage) is HealthVerdict.FAILING
    assert sends(stage, *texts) == 0
    assert {stage.state(i) for i in ids} == {S.WAITING}
    assert all("is failing" in stage.get(i).reason and stage.get(i).tries == 0 for i in ids)
    stage.platform.outage = None
    live(stage, ctx, 3)
    assert {stage.state(i) for i in ids} == {S.VERIFIED}
    assert sends(stage, *texts) == len(texts)


def test_without_the_gate_the_same_outage_burns_many_tries(stage: Stage, ctx: Context) -> None:
    """The positive control."""
    ids, texts = outage(stage, ctx, watched=False)
    assert sends(stage, *texts) >= 60
    assert sum(stage.get(i).tries for i in ids) >= 60


def test_it_is_told_once_that_a_platform_fails_and_once_that_it_is_back(stage: Stage, ctx: Context) -> None:
    first = stage.link("a")
    stage.link("b", user_id=first.user_id)
    other = stage.link("c")
    live(stage, ctx, 20)
    stage.platform.outage = down
    live(stage, ctx, 60)
    stage.platform.outage = None
    live(stage, ctx, 60)
    assert [text for text in stage.alerts() if "is failing" in text] == [stage.alerts()[0]] * 2, "one for each person"
    assert sum("is available again. Waiting" in text for text in stage.alerts()) == 2
    assert len(stage.alerts()) == 4 == len(stage.outbox())
    assert first.user_id != other.user_id


def test_a_platform_that_fails_one_call_in_five_is_neither_told_nor_stopped(stage: Stage, ctx: Context) -> None:
    linked = [stage.link(f"owner{n}") for n in range(3)]
    stage.platform.outage = flaky(0.2)
    live(stage, ctx, 120)
    ids = [stage.plan(one) for one in linked]
    live(stage, ctx, 30)
    assert {stage.state(i) for i in ids} == {S.VERIFIED}
    assert not [text for text in stage.alerts() if "is failing" in text]
    assert not stage.rows_of(delays)
    assert verdict(stage) in (HealthVerdict.WELL, HealthVerdict.DEGRADED)


def test_a_rate_limit_is_no_fault_of_the_platform(stage: Stage, ctx: Context) -> None:
    stage.link("a")
    live(stage, ctx, 20)
    stage.platform.outage = lambda _: Throttled("Slow down.", retry_at=stage.clock.now() + timedelta(minutes=15))
    live(stage, ctx, 20)
    assert verdict(stage) is HealthVerdict.WELL
    assert HealthSign.THROTTLED in {row["sign"] for row in stage.rows(health_signs)}


def test_a_canary_never_spends_what_is_left_for_posts(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    live(stage, ctx, 20)
    reset = stage.clock.now() + timedelta(minutes=30)
    headers = {"x-ratelimit-limit": "300", "x-ratelimit-remaining": "30", "x-ratelimit-reset": reset.isoformat()}
    ctx.health_cache.saw(account, Exchange("GET", BASE, "r", 200, 5, "", False, headers), stage.clock.now())
    looked = len(stage.rows(health_signs))
    live(stage, ctx, 29)
    assert len(stage.rows(health_signs)) == looked
    live(stage, ctx, 20)
    assert len(stage.rows(health_signs)) > looked, "the limit began anew"
    assert Quota(300, 30, reset).spent(reset - timedelta(seconds=1))


def test_what_is_left_is_written_once_a_minute_and_the_tightest_of_each_sort(stage: Stage, ctx: Context) -> None:
    account, now = stage.link("a"), stage.clock.now()
    soon = now + timedelta(minutes=15)

    def heard(left: int, *, method: str = "GET", url: str = BASE, visible: bool = False) -> None:
        headers = {
            "x-rate-limit-limit": "100",
            "x-rate-limit-remaining": str(left),
            "x-rate-limit-reset": soon.isoformat(),
        }
        ctx.health_cache.saw(account, Exchange(method, url, "r", 200, 5, "", visible, headers), stage.clock.now())

    def known() -> list[tuple[Unit, int]]:
        with ctx.db.read() as conn:
            return [
                (one.unit, one.left)
                for one in quotas.of_user(conn, account.user_id, stage.clock.now()).get(account.id, ())
            ]

    assert known() == []
    heard(90)
    heard(40, url=f"{BASE}/other")
    heard(99, method="POST", visible=True)
    platform_health.share(ctx)
    assert known() == [(Unit.SENDS, 99), (Unit.CALLS, 40)]
    heard(98, method="POST", visible=True)
    platform_health.share(ctx)
    assert known()[0] == (Unit.SENDS, 99), "not a minute has passed"
    stage.manual.advance(60)
    platform_health.share(ctx)
    assert known()[0] == (Unit.SENDS, 98)
    stage.manual.advance(15 * 60)
    assert known() == [], "the limits began anew"


def test_what_is_left_of_a_days_posts_keeps_no_canary_from_looking(stage: Stage, ctx: Context) -> None:
    linked, url = stage.link("a"), f"{BASE}/content_publishing_limit"
    account = replace(linked, platform=Platform("instagram"))  # which tells it
    reply = '{"data": [{"quota_usage": 100, "config": {"quota_total": 100}}]}'
    ctx.health_cache.saw(account, Exchange("GET", url, "r", 200, 5, reply, False, {}), stage.clock.now())
    assert [one.unit for one in ctx.health_cache.left(stage.clock.now())[account.id].values()] == [Unit.POSTS]
    assert ctx.health_cache.spent_until(account.id, stage.clock.now()) is None


def test_one_accounts_revoked_access_is_told_and_the_platform_stays_well(stage: Stage, ctx: Context) -> None:
    linked = [stage.link(f"owner{n}", user_id=None) for n in range(3)]
    live(stage, ctx, 20)
    mine = linked[0]
    stage.platform.outage = lambda name: ReconnectNeeded("Access was withdrawn.") if name == "owner0" else None
    stage.platform.refreshes.extend([ReconnectNeeded("Access was withdrawn.")] * 9)
    live(stage, ctx, 40)
    assert stage.account(mine.id).status == "reconnect"
    assert [text for text in stage.alerts() if "reconnect the account" in text] == stage.alerts()
    assert len(stage.alerts()) == 1, "once"
    assert {stage.account(a.id).status for a in linked[1:]} == {"ok"}
    assert verdict(stage) is HealthVerdict.WELL
    ids = [stage.plan(one) for one in linked[1:]]
    live(stage, ctx, 5)
    assert {stage.state(i) for i in ids} == {S.VERIFIED}


def test_access_that_cannot_be_renewed_is_given_up_after_two_refusals_and_not_after_one(
    stage: Stage, ctx: Context
) -> None:
    stage.platform.traits = replace(stage.platform.traits, refreshes=False)
    account = stage.link("a")
    live(stage, ctx, 3)
    refusals = iter([ReconnectNeeded("no")])
    stage.platform.outage = lambda _: next(refusals, None)
    live(stage, ctx, 20)
    assert stage.account(account.id).status == "ok", "one refusal among good answers is no withdrawal"
    stage.platform.outage = lambda _: ReconnectNeeded("no")
    live(stage, ctx, 30)
    assert stage.account(account.id).status == "reconnect"


def test_a_canary_renews_access_that_ran_out_and_stores_it_first(stage: Stage, ctx: Context) -> None:
    account = stage.link("a", expires_in=60)
    live(stage, ctx, 20)
    assert stage.platform.refreshed == ["refresh-a"]
    assert stage.account(account.id).token_version == account.token_version + 1
    assert {row["sign"] for row in stage.rows(health_signs)} == {"well"}


def test_a_person_can_send_anyway(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    live(stage, ctx, 20)
    break_down(stage, ctx)
    mine, other = stage.plan(account, "mine"), stage.plan(account, "other")
    live(stage, ctx, 1)
    with stage.db.write() as conn:
        assert store.delayed(conn, [mine, other]) == {mine, other}
        assert store.send_anyway(conn, mine)
        stored.touch(conn, stored.get(conn, mine), stage.clock.now(), next_at=stage.clock.now())
    live(stage, ctx, 1)
    assert sends(stage, "mine") >= 1 and sends(stage, "other") == 0


def test_a_post_that_waited_too_long_follows_the_rule_for_late_posts(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    live(stage, ctx, 20)
    break_down(stage, ctx)
    mine = stage.plan(account)
    live(stage, ctx, 80)
    assert stage.state(mine) is S.HELD and "late" in stage.get(mine).reason
    stage.platform.outage = None
    live(stage, ctx, 10)
    assert stage.state(mine) is S.HELD, "a person decides"


def test_another_server_of_the_same_platform_is_not_stopped(stage: Stage, ctx: Context) -> None:
    bad, good = stage.link("bad"), stage.link("good")
    stage.set_account(good.id, instance="https://other.example")
    live(stage, ctx, 20)
    break_down(stage, ctx, lambda name: down(name) if name == "bad" else None)
    stopped, free = stage.plan(bad), stage.plan(stage.account(good.id))
    live(stage, ctx, 2)
    assert (stage.state(stopped), stage.state(free)) == (S.WAITING, S.VERIFIED)


def test_the_first_good_answer_wakes_what_waits(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    live(stage, ctx, 20)
    break_down(stage, ctx)
    live(stage, ctx, 30)
    mine = stage.plan(account)
    live(stage, ctx, 1)
    looks = stage.get(mine).next_at
    stage.platform.outage = None
    live(stage, ctx, 1.4)
    assert stage.state(mine) is S.VERIFIED
    assert looks is not None and looks > stage.clock.now(), "long before its own next look"


def test_a_success_of_a_real_delivery_counts_as_a_look(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    stage.plan(account)
    stage.ring(ctx)
    platform_health.tick(ctx)
    assert [(row["source"], row["sign"]) for row in stage.rows(health_signs)] == [("delivery", "well")]


def test_failures_of_real_deliveries_stop_a_platform_that_no_canary_has_looked_at(stage: Stage, ctx: Context) -> None:
    linked = [stage.link(f"owner{n}") for n in range(6)]
    stage.platform.outage = down
    for one in linked:
        stage.plan(one)
        stage.ring(ctx)
        platform_health.tick(ctx)
        stage.manual.advance(15)
    assert verdict(stage) is HealthVerdict.FAILING


def test_what_nobody_has_seen_for_long_stops_nothing(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    live(stage, ctx, 20)
    break_down(stage, ctx)
    assert ctx.health_cache.blocks(SERVER) is not None
    stage.manual.advance(3 * 3600)
    platform_health.reload(ctx)
    assert ctx.health_cache.blocks(SERVER) is None
    platform_health.tick(ctx)
    assert verdict(stage) is HealthVerdict.UNKNOWN
    assert not [text for text in stage.alerts() if "is available again. Waiting" in text], (
        "nobody looked, so nobody says it is back"
    )
    assert account.status == "ok"


def test_a_fresh_process_knows_what_is_stopped(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    live(stage, ctx, 20)
    break_down(stage, ctx)
    heir = stage.worker("w2")
    platform_health.reload(heir)
    mine = stage.plan(account)
    stage.ring(heir)
    assert stage.state(mine) is S.WAITING and sends(stage, "Hello world") == 0


def test_looks_are_spread_and_one_server_is_asked_once_at_a_time(stage: Stage, ctx: Context) -> None:
    for number in range(30):
        stage.link(f"owner{number}")
    assert account_checks.due(ctx) == [], "planned, not asked at once"
    times = sorted(row["next_at"] for row in stage.rows_of(checks))
    assert times[-1] - times[0] > timedelta(minutes=1)
    stage.manual.advance(600)
    assert len(account_checks.due(ctx)) == 1


def test_no_canary_when_they_are_switched_off(stage: Stage) -> None:
    off = stage.worker(timing=replace(stage.timing, account_check_every=timedelta(0)))
    stage.link("a")
    stage.platform.outage = down
    live(stage, off, 60)
    assert stage.rows(health_signs) == [] and not stage.alerts()


def play(stage: Stage, number: int, *, die_at: int, committed: bool) -> int:
    """An outage and its end on an account of its own; the worker dies at one of its writes and another goes on."""
    account: Account = stage.link(f"owner{number}-{committed}")
    server = f"https://s{number}-{committed}.example".lower()
    stage.set_account(account.id, instance=server)
    name, text = account.account_name, f"post of {account.account_name}"
    broken = [False]
    stage.platform.outage = lambda who: down(who) if who == name and broken[0] else None
    mortal = MortalDatabase(stage.db, die_at, committed=committed)
    quick = replace(stage.timing, account_check_every=timedelta(seconds=120), account_check_soon=timedelta(seconds=20))
    workers = [stage.worker(f"m{number}", db=mortal, timing=quick), stage.worker(f"heir{number}", timing=quick)]

    def go(minutes: float) -> None:
        until = stage.clock.now() + timedelta(minutes=minutes)
        while stage.clock.now() < until:
            try:
                live(stage, workers[0], STEP / 60)
            except Killed:
                workers.pop(0)
                platform_health.reload(workers[0])
                stage.manual.advance(stage.timing.lease.total_seconds())

    go(3)
    broken[0] = True
    go(5)
    mine = stage.plan(stage.account(account.id), text)
    go(1)
    assert stage.state(mine) is S.WAITING and sends(stage, text) == 0, (die_at, committed, stage.path(mine))
    broken[0] = False
    go(3)
    assert stage.state(mine) is S.VERIFIED, (die_at, committed, stage.path(mine), stage.get(mine).reason)
    assert sends(stage, text) == 1
    mine_told = [row for row in stage.alerts() if server.removeprefix("https://") in row]
    assert len(mine_told) == 2, (die_at, committed, mine_told)
    assert not stage.rows_of(delays)
    stage.set_account(account.id, is_active=False)
    with stage.db.write() as conn:
        conn.execute(deliveries.update().where(deliveries.c.id == mine).values(next_at=None))
    return mortal.writes


@pytest.mark.slow
def test_dying_at_any_write_of_an_outage_sends_once_and_tells_once(stage: Stage) -> None:
    writes = play(stage, 0, die_at=0, committed=False)
    assert writes >= 20, "the run without a death is the control, and it writes"
    for at in range(1, writes + 1, 1 if stage.db.is_sqlite else 4):  # a play takes seconds on PostgreSQL
        play(stage, at, die_at=at, committed=at % 2 == 0)


@pytest.mark.parametrize("kind", ["delivery", CHECK])
def test_every_sign_says_who_saw_it(stage: Stage, ctx: Context, kind: str) -> None:
    account = stage.link("a")
    if kind == "delivery":
        stage.plan(account)
    else:
        account_checks.look(ctx, account.id)
    while stage.ring(ctx):
        continue
    platform_health.tick(ctx)
    assert {row["source"] for row in stage.rows(health_signs)} == {kind}


def test_a_process_that_only_publishes_shares_what_it_sees_and_obeys(stage: Stage, ctx: Context) -> None:
    """Workers of the scaled profile: they do not lead, but they know and tell."""
    stage.link("a")
    live(stage, ctx, 20)
    break_down(stage, ctx)
    worker = stage.worker("carrier")
    stopped = stage.plan(stage.link("b", newest_known_post=False))
    platform_health.share(worker)
    stage.act(worker, stopped)
    assert stage.state(stopped) is S.WAITING and sends(stage, "Hello world") == 0
    stage.platform.outage = None
    with stage.db.write() as conn:
        store.send_anyway(conn, stopped)
        stored.touch(conn, stored.get(conn, stopped), stage.clock.now(), next_at=stage.clock.now())
    stage.act(worker, stopped)
    platform_health.share(worker)
    platform_health.reload(ctx)
    assert ctx.health_cache.blocks(SERVER) is None, "the success of one process frees all"


def test_a_check_notices_a_subscription_for_longer_posts_and_its_end(stage: Stage, ctx: Context) -> None:
    account = stage.link("a")
    with stage.db.write() as conn:
        accounts.write(conn, account.id, settings={"label": "News"})

    def known() -> object:
        account_checks.look(ctx, account.id)
        with stage.db.read() as conn:
            settings = accounts.get(conn, account.id).settings
        assert settings["label"] == "News"
        return settings.get("long_posts")

    found = []
    for said in (None, True, None, False):
        stage.platform.subscribed = said
        found.append(known())
    assert found == [None, True, True, False], "what a platform leaves out changes nothing"
    with stage.db.read() as conn:
        assert open_credentials(ctx.vault, accounts.get(conn, account.id)).long_posts is False
