"""Claims, leases, the one function that changes a state, and what threads may do to each other."""

from __future__ import annotations

import itertools
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from postprober.domain.delivery import OCCUPIES_ACCOUNT, TRANSITIONS, DeliveryState
from postprober.domain.post import PostStatus
from postprober.errors import Conflict, NotFound
from postprober.pipeline.core import transitions as watch
from postprober.storage import accounts, alert_log, deliveries, media, outbox_queue, posts, processes, users
from postprober.storage.database import Database
from postprober.storage.records import Delivery, PartRecord
from postprober.storage.tables import accounts as account_table
from postprober.storage.tables import deliveries as table
from postprober.storage.tables import meta, transitions

S = DeliveryState
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=10)
_numbers = itertools.count(1)


def user(db: Database) -> int:
    with db.write() as conn:
        return users.add(conn, email=f"u{next(_numbers)}@example.org", password_hash="x", now=NOW)


def account(db: Database, owner: int | None = None) -> int:
    owner = owner or user(db)
    with db.write() as conn:
        return accounts.add(conn, space=owner, platform="x", account_name="a", now=NOW, remote_id=f"r{next(_numbers)}")


def plan(db: Database, account_id: int, due: datetime = NOW, post_id: int | None = None) -> int:
    with db.write() as conn:
        owner = accounts.get(conn, account_id).user_id
        post_id = post_id or posts.add(
            conn,
            space=owner,
            content="t",
            platforms=["x"],
            status=PostStatus.SCHEDULED,
            scheduled_at=due,
            options={},
            now=NOW,
        )
        return deliveries.add(
            conn,
            post_id=post_id,
            account_id=account_id,
            space=owner,
            platform="x",
            key=str(uuid.uuid4()),
            due_at=due,
            parts=[PartRecord(0, "t")],
            now=NOW,
        )


def get(db: Database, delivery_id: int) -> Delivery:
    with db.read() as conn:
        return deliveries.get(conn, delivery_id)


def force(db: Database, delivery_id: int, state: DeliveryState) -> Delivery:
    """Put a delivery into a state, with the occupation that belongs to it."""
    with db.write() as conn:
        conn.execute(update(table).where(table.c.id == delivery_id).values(state=state))
        busy = delivery_id if state in OCCUPIES_ACCOUNT else None
        row = deliveries.get(conn, delivery_id)
        conn.execute(update(account_table).where(account_table.c.id == row.account_id).values(busy_delivery_id=busy))
        return row


def busy(db: Database, account_id: int) -> int | None:
    with db.read() as conn:
        return accounts.get(conn, account_id).busy_delivery_id


def count(db: Database) -> int:
    with db.read() as conn:
        return len(conn.execute(select(transitions.c.id)).all())


def test_exactly_the_allowed_changes_are_possible_and_each_is_one_row(database: Database) -> None:
    where = account(database)
    delivery_id = plan(database, where)
    for old, new in itertools.product(S, S):
        found = force(database, delivery_id, old)
        before = count(database)
        if new in TRANSITIONS[old]:
            with database.write() as conn:
                moved = deliveries.change(conn, found, new, reason="because", now=NOW, worker="w")
            assert (moved.state, count(database)) == (new, before + 1), (old, new)
            assert get(database, delivery_id) == moved
            assert busy(database, where) == (delivery_id if new in OCCUPIES_ACCOUNT else None), (old, new)
        else:
            with pytest.raises(Conflict, match="cannot become"), database.write() as conn:
                deliveries.change(conn, found, new, reason="because", now=NOW)
            assert (get(database, delivery_id).state, count(database)) == (old, before), (old, new)


def test_the_record_in_memory_equals_the_row_after_every_kind_of_write(database: Database) -> None:
    delivery_id = plan(database, account(database))
    with database.write() as conn:
        taken = deliveries.take(conn, delivery_id, worker="w", now=NOW, until=LATER)
    assert taken is not None and get(database, delivery_id) == taken
    with database.write() as conn:
        parts = taken.with_part(PartRecord(0, "t", handle="h"))
        touched = deliveries.touch(conn, taken, NOW, tries=3, parts=parts)
    assert get(database, delivery_id) == touched
    with database.write() as conn:
        moved = deliveries.change(
            conn, touched, S.SUBMITTING, reason="x", now=LATER, columns={"parts": parts, "first_byte_at": LATER}
        )
    assert get(database, delivery_id) == moved


@pytest.mark.parametrize("column", ["fence", "state"])
def test_a_change_is_refused_after_the_delivery_moved(database: Database, column: str) -> None:
    delivery_id = plan(database, account(database))
    old = get(database, delivery_id)
    with database.write() as conn:
        value = {"fence": old.fence + 1, "state": S.HELD}[column]
        conn.execute(update(table).where(table.c.id == delivery_id).values({column: value}))
    before = count(database)
    with pytest.raises(Conflict), database.write() as conn:
        deliveries.change(conn, old, S.CANCELLED, reason="x", now=NOW)
    with pytest.raises(Conflict), database.write() as conn:
        deliveries.touch(conn, old, NOW, tries=9)
    assert count(database) == before
    assert get(database, delivery_id).tries == 0


def test_a_delivery_that_is_not_there_is_not_found(database: Database) -> None:
    for read in (deliveries.get, accounts.get, posts.get, users.get):
        with pytest.raises(NotFound), database.read() as conn:
            read(conn, 12345)


def test_a_claim_needs_a_due_delivery_and_a_free_account(database: Database) -> None:
    where = account(database)
    future = plan(database, where, NOW + timedelta(seconds=1))
    first, second = plan(database, where), plan(database, where)

    def take(delivery_id: int, now: datetime = NOW) -> Delivery | None:
        with database.write() as conn:
            return deliveries.take(conn, delivery_id, worker="w", now=now, until=now + timedelta(seconds=10))

    assert take(future) is None
    claimed = take(first)
    assert claimed is not None and (claimed.state, claimed.fence, claimed.lease_owner) == (S.CLAIMED, 1, "w")
    assert take(first) is None and take(second) is None
    for column, value in (("is_active", False), ("status", "reconnect"), ("throttled_until", LATER)):
        other = account(database)
        waiting = plan(database, other)
        with database.write() as conn:
            accounts.write(conn, other, **{column: value})
        assert take(waiting) is None, column
        assert get(database, waiting).state is S.SCHEDULED


def test_what_is_due_comes_oldest_first_and_within_the_limits(database: Database) -> None:
    ids = [plan(database, account(database), NOW - timedelta(seconds=s)) for s in (5, 30, 1, 60)]
    published = [plan(database, account(database), NOW - timedelta(seconds=s)) for s in (3, 9)]
    for delivery_id in published:
        force(database, delivery_id, S.PUBLISHED)
    with database.read() as conn:
        first, second = deliveries.due(conn, NOW, publish=3, follow=5)
        assert [i for i, _ in first] == [ids[3], ids[1], ids[0]]
        assert second == [published[1], published[0]]
        assert deliveries.due(conn, NOW, publish=0, follow=0) == ([], [])
        assert deliveries.next_due(conn, NOW - timedelta(seconds=31)) == NOW - timedelta(seconds=30)
        assert deliveries.next_due(conn, NOW) is None


def test_a_lease_is_renewed_only_by_its_owner(database: Database) -> None:
    mine, theirs = plan(database, account(database)), plan(database, account(database))
    with database.write() as conn:
        deliveries.take(conn, mine, worker="me", now=NOW, until=LATER)
        deliveries.take(conn, theirs, worker="them", now=NOW, until=LATER)
    until = NOW + timedelta(seconds=99)
    with database.write() as conn:
        assert deliveries.renew(conn, "me", [mine, theirs], until) == {mine}
        assert deliveries.renew(conn, "me", [], until) == set()
    assert (get(database, mine).lease_until, get(database, theirs).lease_until) == (until, LATER)


def test_only_one_of_many_threads_gets_a_delivery(database: Database) -> None:
    ids = [plan(database, account(database)) for _ in range(10)]
    barrier = threading.Barrier(8)
    won: list[int] = []

    def grab(number: int) -> None:
        barrier.wait(60)
        for delivery_id in ids if number % 2 else reversed(ids):
            with database.write() as conn:
                if deliveries.take(conn, delivery_id, worker=f"w{number}", now=NOW, until=LATER):
                    won.append(delivery_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(grab, range(8)))
    assert sorted(won) == sorted(ids)
    assert {get(database, i).fence for i in ids} == {1}


def test_only_one_delivery_of_an_account_is_claimed_by_many_threads(database: Database) -> None:
    where = account(database)
    ids = [plan(database, where) for _ in range(8)]
    barrier = threading.Barrier(8)

    def grab(delivery_id: int) -> bool:
        barrier.wait(60)
        with database.write() as conn:
            return deliveries.take(conn, delivery_id, worker="w", now=NOW, until=LATER) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(grab, ids)) == 1
    assert busy(database, where) in ids


def test_readers_who_then_write_never_find_the_database_locked(database: Database) -> None:
    """Four threads, each reading before it writes: with a deferred transaction SQLite answers 'database is locked'."""
    with database.write() as conn:
        processes.set_fact(conn, "counter", "0")

    def bump(_: int) -> None:
        for _ in range(25):
            with database.write() as conn:
                row = conn.execute(select(meta.c.value).where(meta.c.name == "counter").with_for_update()).scalar_one()
                conn.execute(update(meta).where(meta.c.name == "counter").values(value=str(int(row) + 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bump, range(4)))
    with database.read() as conn:
        assert processes.get_fact(conn, "counter") == "100"


def test_two_processes_on_one_file_wait_for_each_other(database: Database) -> None:
    """A second `Database` stands for another process: no lock of ours in memory is shared."""
    other = Database(database.url.render_as_string(False))
    ids = [user(database) for _ in range(3)]

    def work(db: Database) -> None:
        for _ in range(20):
            with db.write() as conn:
                found = users.get(conn, ids[0])
                conn.execute(users.users.update().where(users.users.c.id == found.id).values(name="x"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [database, other, database, other]))
    other.close()
    with database.read() as conn:
        assert users.get(conn, ids[0]).name == "x"


def test_reading_is_possible_while_somebody_writes(database: Database) -> None:
    delivery_id = plan(database, account(database))
    with database.write() as conn:
        conn.execute(update(table).where(table.c.id == delivery_id).values(tries=7))
        assert get(database, delivery_id).tries == 0
    assert get(database, delivery_id).tries == 7


def test_a_failed_unit_of_work_leaves_nothing(database: Database) -> None:
    where = account(database)
    delivery_id = plan(database, where)

    def fail() -> None:
        with database.write() as conn:
            deliveries.take(conn, delivery_id, worker="w", now=NOW, until=LATER)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (get(database, delivery_id).state, busy(database, where)) == (S.SCHEDULED, None)


def test_the_status_of_a_post_is_right_when_two_deliveries_end_at_the_same_moment(database: Database) -> None:
    """Each transaction sees the other's delivery as it was before; the last one to commit must see both."""
    owner = user(database)
    first = plan(database, account(database, owner))
    post_id = get(database, first).post_id
    second = plan(database, account(database, owner), post_id=post_id)
    for delivery_id in (first, second):
        force(database, delivery_id, S.SUBMITTING)
    moved, committed = threading.Event(), threading.Event()

    def fail_first() -> None:
        with database.write() as conn:
            watch.move(conn, deliveries.get(conn, first), S.FAILED, reason="x", now=NOW)
            moved.set()
            committed.wait(0.4)  # SQLite and a locked row let the other one in only after this transaction

    def publish_second() -> None:
        assert moved.wait(60)
        with database.write() as conn:
            watch.move(conn, deliveries.get(conn, second), S.PUBLISHED, reason="x", now=NOW)
        committed.set()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(fail_first), pool.submit(publish_second)]:
            future.result(20)
    with database.read() as conn:
        assert posts.get(conn, post_id).status == PostStatus.PARTIAL


def test_an_alert_is_written_once_for_its_key_with_one_outbox_row(database: Database) -> None:
    owner = user(database)
    one = {"user_id": owner, "post_id": None, "delivery_id": None, "type": "error", "message": "m", "now": NOW}
    with database.write() as conn:
        assert alert_log.add(conn, dedupe_key="k", **one) is True
        assert alert_log.add(conn, dedupe_key="k", **one) is False
        assert alert_log.add(conn, dedupe_key="l", **one) is True
    with database.read() as conn:
        assert len(alert_log.of_user(conn, owner)) == 2
        assert [row.dedupe_key for row in outbox_queue.due(conn, NOW)] == ["k", "l"]


def test_a_named_lease_has_one_holder_and_goes_over_when_it_ends(database: Database) -> None:
    def hold(owner: str, seconds: float) -> bool:
        now = NOW + timedelta(seconds=seconds)
        with database.write() as conn:
            return processes.hold_lease(conn, "scheduler", owner, now=now, until=now + timedelta(seconds=10))

    assert hold("a", 0) and hold("a", 5)
    assert not hold("b", 14)
    assert hold("b", 16)
    assert not hold("a", 17)
    with database.write() as conn:
        processes.drop_lease(conn, "scheduler", "a")
    assert not hold("a", 18)
    with database.write() as conn:
        processes.drop_lease(conn, "scheduler", "b")
    assert hold("a", 19)


def test_a_lease_from_a_clock_that_ran_ahead_holds_nobody_off(database: Database) -> None:
    """A scheduler was killed while its clock was an hour ahead."""
    ahead, lease = NOW + timedelta(hours=1), timedelta(seconds=10)
    with database.write() as conn:
        assert processes.hold_lease(conn, "scheduler", "a", now=ahead, until=ahead + lease)
        processes.beat(conn, "a", "scheduler", ahead, ahead, {})
    with database.write() as conn:
        assert processes.newest_beat(conn, "scheduler", NOW) is None
        assert processes.beating(conn, "scheduler", NOW - lease, NOW) == 0
        assert processes.hold_lease(conn, "scheduler", "b", now=NOW, until=NOW + lease)
        assert not processes.hold_lease(conn, "scheduler", "c", now=NOW, until=NOW + lease), "b's own is a good one"
        processes.beat(conn, "b", "scheduler", NOW, NOW + timedelta(seconds=2), {})
        assert processes.newest_beat(conn, "scheduler", NOW) == NOW + timedelta(seconds=2), "clocks differ a little"


def test_a_lease_is_taken_by_one_of_many(database: Database) -> None:
    barrier = threading.Barrier(6)

    def hold(number: int) -> bool:
        barrier.wait(60)
        with database.write() as conn:
            return processes.hold_lease(conn, "scheduler", f"w{number}", now=NOW, until=LATER)

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(hold, range(6))) == 1


def test_a_throttle_never_shortens_a_longer_one(database: Database) -> None:
    where = account(database)
    for seconds, expected in ((60, 60), (10, 60), (90, 90)):
        with database.write() as conn:
            accounts.throttle(conn, where, NOW + timedelta(seconds=seconds))
        with database.read() as conn:
            assert accounts.get(conn, where).throttled_until == NOW + timedelta(seconds=expected)


def test_one_refresher_at_a_time_and_tokens_only_over_their_own_version(database: Database) -> None:
    where = account(database)
    with database.read() as conn:
        found = accounts.get(conn, where)
    with database.write() as conn:
        assert accounts.begin_refresh(conn, found, now=NOW, until=LATER)
        assert not accounts.begin_refresh(conn, found, now=NOW, until=LATER)
        assert accounts.begin_refresh(conn, found, now=LATER + timedelta(seconds=1), until=LATER)
        assert accounts.write_tokens(conn, found, 0, access_token="new")
        assert not accounts.write_tokens(conn, found, 0, access_token="older")
        assert not accounts.begin_refresh(conn, found, now=NOW, until=LATER), "of the version that is gone"
    with database.read() as conn:
        current = accounts.get(conn, where)
    assert (current.access_token, current.token_version, current.refresh_until) == ("new", 1, None)


def test_orphaned_accounts_are_freed_and_busy_ones_are_not(database: Database) -> None:
    free, held = account(database), account(database)
    force(database, plan(database, held), S.CLAIMED)
    orphan = plan(database, free)
    with database.write() as conn:
        accounts.write(conn, free, busy_delivery_id=orphan)
        assert deliveries.free_orphaned_accounts(conn) == 1
    assert (busy(database, free), busy(database, held) is not None) == (None, True)


def test_a_session_token_works_once_and_not_after_its_end_or_revocation(database: Database) -> None:
    owner = user(database)
    with database.write() as conn:
        for token in ("t1", "t2", "t3"):
            users.add_session(conn, user_id=owner, kind="ticket", token_hash=token, now=NOW, expires_at=LATER)
        assert users.use_once(conn, "ticket", "t1", NOW) is not None
        assert users.use_once(conn, "ticket", "t1", NOW) is None
        assert users.use_once(conn, "browser", "t2", NOW) is None
        assert users.use_once(conn, "ticket", "t2", LATER) is None
        users.revoke_session(conn, "t3", NOW)
        assert users.use_once(conn, "ticket", "t3", NOW) is None
        assert users.find_session(conn, "ticket", "t3", NOW) is None


def test_files_come_in_the_order_asked_for_and_only_to_their_owner(database: Database) -> None:
    owner, stranger = user(database), user(database)
    facts = {"kind": "image", "mime": "image/png", "size": 1, "width": 1, "height": 1, "sha256": "0" * 64, "path": "p"}
    with database.write() as conn:
        ids = [media.add(conn, space=owner, now=NOW, name=f"{n}.png", **facts) for n in range(3)]
    with database.read() as conn:
        assert [m.id for m in media.get_many(conn, reversed(ids), owner)] == ids[::-1]
        assert media.get_many(conn, []) == []
        for who, wanted in ((stranger, ids), (owner, [ids[0], 999])):
            with pytest.raises(NotFound):
                media.get_many(conn, wanted, who)


def test_a_post_is_found_by_its_owner_only(database: Database) -> None:
    where = account(database)
    post_id = get(database, plan(database, where)).post_id
    with database.read() as conn:
        owner = accounts.get(conn, where).user_id
        assert posts.get(conn, post_id, owner).id == post_id
        with pytest.raises(NotFound):
            posts.get(conn, post_id, owner + 1)


def test_posts_are_listed_newest_first_and_page_by_page(database: Database) -> None:
    where = account(database)
    ids = [get(database, plan(database, where)).post_id for _ in range(5)]
    with database.read() as conn:
        owner = accounts.get(conn, where).user_id
        assert [post_id for post_id, _ in posts.sizes(conn, owner, limit=2)] == ids[:2:-1]
        assert [post_id for post_id, _ in posts.sizes(conn, owner, limit=2, before=ids[3])] == [ids[2], ids[1]]
        assert [p.id for p in posts.of_user(conn, owner, [ids[1], ids[2], 10**9])] == [ids[2], ids[1]]
