"""Posts of one account are looked at together: one call, one transaction, and every rule as for a single post."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from postprober.domain.delivery import DeliveryState
from postprober.domain.drift import Watched
from postprober.domain.platform import Platform
from postprober.domain.prices import Prices
from postprober.domain.remote import Counts
from postprober.errors import ReconnectNeeded, Throttled, Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.verification import follow_up
from postprober.pipeline.verification.follow_up import follow
from postprober.storage import reads, watches
from postprober.storage.records import Account
from postprober.storage.tables import deliveries, samples
from tests.pipeline.fake import FakeAdapter
from tests.pipeline.stage import Killed, MortalDatabase, Stage

S = DeliveryState


@pytest.fixture(autouse=True)
def by_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake platform tells counts to owners only, and takes ten ids at once."""
    spec = follow_up.SPECS[Platform("mastodon")]
    monkeypatch.setitem(follow_up.SPECS, Platform("mastodon"), replace(spec, counts_for_all=False))  # type: ignore[arg-type]


@pytest.fixture
def house(stage: Stage) -> Stage:
    stage.platform.traits = replace(stage.platform.traits, batch=10)
    return stage


def posted(stage: Stage, ctx: Context, account: Account, count: int = 4) -> list[int]:
    """So many proved posts of the account, published within minutes, a few days ago."""
    ids = []
    for number in range(count):
        ids.append(stage.plan(account, f"Number {number}"))
        stage.settle(ctx, ids[-1])
        stage.manual.advance(60)
    for _ in range(4000):
        if stage.clock.now() - stage.get(ids[0]).published_at > timedelta(days=3):  # type: ignore[operator]
            break
        if not stage.ring(ctx):
            stage.manual.advance(stage._pause())
    return ids


def until_read(stage: Stage, ctx: Context, act: Callable[[], object] | None = None) -> None:
    """Let time pass to the next reading of many posts."""
    stage.platform.batches.clear()
    for _ in range(400):
        if any(len(ids) > 1 for ids in stage.platform.batches):
            return
        if not stage.ring(ctx):
            stage.manual.advance(stage._pause())
    raise AssertionError("nothing was read together")


def counted(stage: Stage, delivery_id: int) -> int:
    return sum(row["delivery_id"] == delivery_id for row in stage.rows(samples))


def test_one_call_reads_them_all(house: Stage, ctx: Context) -> None:
    account = house.link()
    ids = posted(house, ctx, account)
    before = [counted(house, one) for one in ids]
    until_read(house, ctx)
    assert len(house.platform.batches) == 1
    assert set(house.platform.batches[0]) == {house.get(one).remote_id for one in ids}
    assert [counted(house, one) for one in ids] == [count + 1 for count in before]


def test_a_day_is_never_read_later_than_a_tenth_of_its_age_and_none_is_left_out(house: Stage, ctx: Context) -> None:
    account = house.link()
    ids = posted(house, ctx, account, 3)
    house.settle(ctx, *ids, until=lambda d: d.next_at is None, limit=3000)
    for one in ids:
        began = house.get(one).published_at
        ages = [(row["at"] - began) / timedelta(days=1) for row in house.rows(samples) if row["delivery_id"] == one]
        for day in range(2, 31):
            assert any(abs(age - day) <= min(day / 10, 0.5) + 0.001 for age in ages), (day, ages)
        assert len(ages) == 37


def test_one_poisoned_id_does_not_blind_the_rest(house: Stage, ctx: Context) -> None:
    ids = posted(house, ctx, house.link())
    before = [counted(house, one) for one in ids]
    house.platform.poisoned = {str(house.get(ids[1]).remote_id)}
    until_read(house, ctx)
    assert len(house.platform.batches) == 1 + len(ids)
    assert [counted(house, one) for one in ids] == [count + 1 for count in before]


def test_a_platform_in_trouble_is_not_asked_for_each(house: Stage, ctx: Context) -> None:
    ids = posted(house, ctx, house.link(), 8)
    house.platform.many.extend([Unavailable("down")] * 20)
    until_read(house, ctx)
    assert len(house.platform.batches) == 1 + 3
    assert all(house.state(one) is S.VERIFIED for one in ids)


@pytest.mark.parametrize("silent", [True, False])
def test_what_is_missing_among_many_is_read_alone_before_it_counts(house: Stage, ctx: Context, silent: bool) -> None:
    ids = posted(house, ctx, house.link())
    house.platform.silent_absences = silent
    gone = next(post for post in house.platform.posts if post.id == house.get(ids[2]).remote_id)
    asked: list[str] = []
    real = FakeAdapter.fetch

    def fetch(self: FakeAdapter, cred: Any, remote_id: str) -> Any:
        asked.append(remote_id)
        return real(self, cred, remote_id)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FakeAdapter, "fetch", fetch)
        gone.hidden = True  # for the reading of many only: it is there again when it is read alone
        patched.setattr(
            FakeAdapter, "fetch", lambda self, cred, one: (setattr(gone, "hidden", False), fetch(self, cred, one))[1]
        )
        until_read(house, ctx)
    assert gone.id in asked
    assert house.get(ids[2]).absences == 0 and house.state(ids[2]) is S.VERIFIED
    gone.deleted = True
    house.settle(ctx, ids[2], until=lambda d: d.state is S.GHOST)
    assert [house.state(one) for one in ids] == [S.VERIFIED, S.VERIFIED, S.GHOST, S.VERIFIED]


def test_a_limit_puts_off_those_that_needed_the_owner(house: Stage, ctx: Context) -> None:
    ids = posted(house, ctx, house.link())
    before = [counted(house, one) for one in ids]
    reset = house.clock.now() + timedelta(days=2)
    house.platform.many.append(Throttled("slow down", retry_at=reset))
    until_read(house, ctx)
    assert {house.get(one).next_at for one in ids} == {reset}
    assert [counted(house, one) for one in ids] == before


def test_a_withdrawn_access_is_told_once_and_strangers_go_on(house: Stage, ctx: Context) -> None:
    account = house.link()
    ids = posted(house, ctx, account)
    house.platform.many.append(ReconnectNeeded("no more"))
    house.platform.refreshes.append(ReconnectNeeded("no more"))
    house.platform.identifies.append(ReconnectNeeded("no more"))
    until_read(house, ctx)
    assert house.account(account.id).status == "reconnect"
    assert len([text for text in house.alerts() if "econnect" in text]) == 1
    assert all(house.state(one) is S.VERIFIED for one in ids)


def test_two_workers_never_have_the_same_post(house: Stage, ctx: Context) -> None:
    ids = posted(house, ctx, house.link(), 6)
    other = house.worker("w2")
    with house.db.write() as conn:
        conn.execute(deliveries.update().values(next_at=house.clock.now(), early_at=house.clock.now()))
    held: list[set[int]] = []
    first_in = threading.Event()

    def look(seat: Any, desk: Any, for_all: bool) -> Any:
        if not first_in.is_set():
            first_in.set()
            follow(other, ids[1])  # in the middle of the first one's visit
            follow(other, ids[5])
            held.append(other.keeper.held() | {one for one in ids if house.get(one).lease_owner == "w2"})
        return real(seat, desk, for_all)

    real = follow_up._look
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(follow_up, "_look", look)
        follow(ctx, ids[0])
    assert held == [set()]  # all were taken already
    assert all(house.get(one).lease_until is None for one in ids)


def all_due(stage: Stage, ids: list[int]) -> None:
    """Their looks and their counts are due at this moment."""
    now = stage.clock.now()
    with stage.db.write() as conn:
        conn.execute(deliveries.update().where(deliveries.c.id.in_(ids)).values(next_at=now, early_at=now))
        for one in ids:
            due = {
                "next_count": (now - timedelta(days=1)).isoformat(),
                "count_from": now.isoformat(),
                "next_look": "",
                "look_from": "",
            }
            watches.put(conn, one, replace(watches.get(conn, one), **due), now)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("at", [1, 2])
def test_killed_at_either_write_everything_is_looked_at_again(
    house: Stage, ctx: Context, at: int, committed: bool
) -> None:
    ids = posted(house, ctx, house.link())
    before = [counted(house, one) for one in ids]
    all_due(house, ids)
    with pytest.raises(Killed):
        follow(house.worker("w2", db=MortalDatabase(house.db, at, committed=committed)), ids[0])
    house.manual.advance(house.timing.lease.total_seconds() + 1)
    for one in ids:
        follow(ctx, one)
    assert [counted(house, one) for one in ids] == [count + 1 for count in before]
    assert all(house.get(one).lease_until is None for one in ids)


def test_one_that_moved_or_failed_meanwhile_spoils_no_other(house: Stage, ctx: Context) -> None:
    ids = posted(house, ctx, house.link())
    before = [counted(house, one) for one in ids]
    real = follow_up._look

    def look(seat: Any, desk: Any, for_all: bool) -> Any:
        if seat.work.delivery.id == ids[1]:
            with house.db.write() as conn:
                conn.execute(deliveries.update().where(deliveries.c.id == ids[1]).values(fence=99))
        if seat.work.delivery.id == ids[2]:
            raise RuntimeError("a page that meets a mistake of ours")
        return real(seat, desk, for_all)

    all_due(house, ids)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(follow_up, "_look", look)
        follow(ctx, ids[0])
    assert [counted(house, one) - was for one, was in zip(ids, before, strict=True)] == [1, 0, 0, 1]
    assert house.get(ids[1]).fence == 99 and ctx.keeper.held() == set()


def test_a_row_that_cannot_be_written_spoils_no_other(house: Stage, ctx: Context) -> None:
    ids = posted(house, ctx, house.link())
    before = [counted(house, one) for one in ids]
    real = follow_up.sample_log.add

    def sample(conn: Any, delivery_id: int, counts: Counts, now: Any) -> None:
        if delivery_id == ids[1]:
            real(conn, 999_999, Counts(likes=1), now)  # no such delivery: the database refuses it
        real(conn, delivery_id, counts, now)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(follow_up.sample_log, "add", sample)
        until_read(house, ctx)
    assert [counted(house, one) - was for one, was in zip(ids, before, strict=True)] == [1, 0, 1, 1]


def test_an_account_disconnected_meanwhile_is_asked_nothing(house: Stage, ctx: Context) -> None:
    account = house.link()
    ids = posted(house, ctx, account)
    house.set_account(account.id, is_active=False)
    house.platform.batches.clear()
    for _ in range(40):
        if not house.ring(ctx):
            house.manual.advance(house._pause())
    assert house.platform.batches == []
    assert all(house.state(one) is S.VERIFIED for one in ids)  # strangers still see them


def test_a_visit_takes_two_transactions_whatever_it_holds(house: Stage, ctx: Context) -> None:
    ids = posted(house, ctx, house.link(), 6)
    commits: list[int] = []
    house.db.on_write = lambda: commits.append(1)
    with house.db.write() as conn:
        conn.execute(
            deliveries.update()
            .where(deliveries.c.id.in_(ids))
            .values(next_at=house.clock.now(), early_at=house.clock.now())
        )
    commits.clear()
    follow(ctx, ids[0])
    assert len(commits) == 2
    with house.db.read() as conn:
        planned = conn.execute(select(deliveries.c.next_at).where(deliveries.c.id.in_(ids))).scalars().all()
    assert all(moment > house.clock.now() for moment in planned)


def test_what_was_used_is_kept_by_month(house: Stage, ctx: Context) -> None:
    account = house.link()
    posted(house, ctx, account, 2)
    with house.db.read() as conn:
        used = reads.of_account(conn, account.id, house.clock.now())
    assert used.posts == 2 and used.micros == 0
    month = house.clock.now() + timedelta(days=40)
    with house.db.read() as conn:
        assert reads.of_account(conn, account.id, month).calls == 0


def test_where_reading_is_billed_it_costs_at_most_a_fifth_of_posting(house: Stage, ctx: Context) -> None:
    prices = Prices(post=0.015, post_with_link=0.2, read=0.005)
    paying = replace(ctx, prices=lambda _platform: prices)
    account = house.link()
    ids = posted(house, paying, account, 10)
    house.settle(paying, *ids, until=lambda d: d.next_at is None, limit=6000)
    spent = house.rows_of(reads.reads)
    assert sum(row["posts"] for row in spent) == 10 and sum(row["posted_micros"] for row in spent) == 150_000
    assert 0 < sum(row["micros"] for row in spent) <= 30_000
    assert len(house.rows(samples)) * 5_000 >= sum(row["micros"] for row in spent)
    gone = house.plan(account, "Another")
    house.settle(paying, gone)
    house.platform.posts[-1].deleted = True  # noticed by strangers, whatever is left
    house.settle(paying, gone, until=lambda d: d.state is S.GHOST)


def test_the_plan_of_before_is_taken_up(house: Stage, ctx: Context) -> None:
    """A row of yesterday knows neither when strangers look next nor what may go along."""
    (one,) = posted(house, ctx, house.link(), 1)
    with house.db.write() as conn:
        old = {"base": "", "next_count": house.clock.now().isoformat()}
        conn.execute(watches.watches.update().where(watches.watches.c.delivery_id == one).values(state=old))
        conn.execute(deliveries.update().where(deliveries.c.id == one).values(next_at=house.clock.now(), early_at=None))
    before = counted(house, one)
    follow(ctx, one)
    assert counted(house, one) == before + 1
    with house.db.read() as conn:
        known = watches.get(conn, one)
    assert known.look_planned() is not None and known != Watched()
