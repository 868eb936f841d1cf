"""What a report says equals what one counts by hand, and what a plain loop counts: with gaps, deletions, a person's
zone, and the night the clock goes back."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from postprober.analytics import compaction, queries, report_queries, report_text, reports
from postprober.analytics.queries import Period
from postprober.analytics.reports import PeriodReport
from postprober.analytics.store import SampleStore
from postprober.storage.database import Database
from postprober.storage.tables import deliveries, posts, repairs, samples, transitions
from tests.analytics.kit import House, utc

BERLIN = ZoneInfo("Europe/Berlin")  # summer time ends on 25 October 2026 at 01:00 UTC
NOW = utc("2026-10-29T12:00:00")
Make = Callable[[date, date], PeriodReport]


def _furnished(database: Database) -> tuple[House, int]:
    house = House(database)
    me, other = house.user("me"), house.user("other")
    x, masto = house.account(me, "x", "=cmd"), house.account(me, "mastodon", "ours")
    a = house.delivery(
        me,
        x,
        "x",
        utc("2026-10-24T22:30:00"),
        due_at=utc("2026-10-24T22:30:00"),
        proof="matches",
        first_byte_at=utc("2026-10-24T22:30:03"),
    )  # 25 October, 00:30 in Berlin
    house.sampled(
        a,
        [
            (utc("2026-10-24T23:00:00"), {"likes": 2, "views": 50}),
            (utc("2026-10-25T22:59:59"), {"likes": 5, "replies": 1}),  # still the 25th: it has 25 hours
            (utc("2026-10-25T23:00:00"), {"likes": 6, "replies": 1}),  # the 26th
            (utc("2026-10-27T12:00:00"), {"views": 90}),  # nothing about acts
        ],
    )
    b = house.delivery(
        me, masto, "mastodon", utc("2026-10-25T08:15:00"), due_at=utc("2026-10-25T08:00:00"), proof="public"
    )  # a quarter of an hour late
    house.sampled(b, [(utc("2026-10-25T09:00:00"), {"likes": 10}), (utc("2026-10-28T00:00:00"), {"likes": 12})])
    house.delivery(me, x, "x", utc("2026-10-26T08:00:00"), proof="exists", first_byte_at=None)  # never counted
    old = house.delivery(me, x, "x", utc("2026-10-20T08:00:00"), proof="matches")
    house.sampled(old, [(utc("2026-10-21T08:00:00"), {"likes": 4}), (utc("2026-10-24T08:00:00"), {"likes": 103})])
    gone = house.delivery(me, x, "x", utc("2026-10-25T08:00:00"), deleted_at=NOW)
    theirs = house.delivery(other, house.account(other, "x"), "x", utc("2026-10-25T08:00:00"))
    for one in (gone, theirs):
        house.sampled(one, [(utc("2026-10-25T09:00:00"), {"likes": 1000})])
    failed = house.delivery(me, x, "x", None, due_at=utc("2026-10-25T08:00:00"), state="failed", first_byte_at=None)
    house.delivery(me, x, "x", None, due_at=utc("2026-10-25T08:00:00"), state="cancelled", first_byte_at=None)
    ghost = house.delivery(me, x, "x", utc("2026-10-25T22:59:59"), state="ghost", proof="accepted")
    for number, (delivery, new) in enumerate(((failed, "failed"), (ghost, "ghost"), (ghost, "held"))):
        house.add(
            transitions,
            delivery_id=delivery,
            post_id=delivery,
            user_id=me,
            old="claimed",
            new=new,
            reason="=why",
            at=utc("2026-10-25T23:00:00") - timedelta(seconds=number),
        )
    for number, at in enumerate((utc("2026-10-25T08:00:00"), utc("2026-10-25T23:00:00"))):
        house.add(
            repairs,
            delivery_id=failed,
            post_id=failed,
            user_id=me,
            transition_id=number + 1,
            state="applied",
            cause="token_expired",
            cited=[],
            plan={},
            made_at=at,
        )
    return house, me


@pytest.fixture(params=["in the table", "in files"])
def make(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Make:
    """Makes reports about the house below, once with everything in the database, once with closed days compacted."""
    _house, me = _furnished(database)
    if request.param == "in files":
        assert compaction.run(database, tmp_path, NOW) > 0
    return lambda first, last: reports.period(database, tmp_path, me, first, last, BERLIN, NOW)


def test_a_day_of_25_hours_counts_what_was_due_in_it_and_what_was_known_at_its_end(make: Make) -> None:
    found = make(date(2026, 10, 25), date(2026, 10, 25))
    assert found.until == utc("2026-10-25T22:59:59.999999") and found.days == 1
    rows = {row[0]: row[1:] for row in found.delivered.rows}
    # due, went out, failed, held, ghosts, proved, on time; rates: success, proof, on-time
    assert rows["x"][:10] == (3, 2, 1, 0, 1, 1, 2, 2 / 3, 0.5, 1.0)
    assert rows["mastodon"][:10] == (1, 1, 0, 0, 0, 1, 0, 1.0, 1.0, 0.0), "15 minutes are late"
    assert rows[None][:10] == (4, 3, 1, 0, 1, 2, 2, 0.75, 2 / 3, 2 / 3)
    assert rows[None][10:] == pytest.approx((3.0, 720.6, 882.06)), "of 0, 3 and 900 seconds"
    assert found.total == 6 + 10, "what came after the day's end belongs to later reports"
    assert found.over_time.rows == [(date(2026, 10, 25), "mastodon", 10, 1), (date(2026, 10, 25), "x", 6, 1)]


def test_the_period_is_compared_with_the_days_before_it_as_they_stood_at_their_end(make: Make) -> None:
    found = make(date(2026, 10, 23), date(2026, 10, 29))
    assert found.before_first == date(2026, 10, 16)
    assert (found.total, found.total_before) == (7 + 12, 4), "103 was counted after the week of the 20th had ended"
    assert [(row[0], row[1], row[5]) for row in found.platforms.rows] == [("mastodon", 12, None), ("x", 7, 4)]
    assert [(row[:3], row[6]) for row in found.accounts.rows] == [
        (("mastodon", "ours", 12), None),
        (("x", "=cmd", 7), 4),
    ]
    assert found.accounts.rows[1][4:6] == (3, 2), "three went out on X; what two of them reached is unknown"


def test_a_platform_that_was_used_only_before_is_named_with_nothing_now(make: Make) -> None:
    found = make(date(2026, 10, 27), date(2026, 10, 28))
    assert found.total is None and {row[0]: row[1:3] for row in found.platforms.rows} == {
        "mastodon": (None, None),
        "x": (None, None),
    }
    assert {row[0]: row[5] for row in found.platforms.rows} == {"mastodon": 10, "x": 7}


def test_the_best_are_named_and_the_unknown_are_neither_best_nor_worst(make: Make) -> None:
    found = make(date(2026, 10, 23), date(2026, 10, 29))
    assert [(one.post_id, one.count, one.platforms) for one in found.best] == [(2, 12, "mastodon"), (1, 7, "x")]
    assert found.worst == ()


def test_proofs_failures_repairs_and_holds_are_those_of_the_period(make: Make) -> None:
    found = make(date(2026, 10, 25), date(2026, 10, 25))
    assert found.proofs.rows == [("mastodon", 1, 0, 0, 0, 0, 0, 1, 0), ("x", 2, 0, 1, 0, 0, 0, 0, 1)]
    assert [row[:4] for row in found.repairs.rows] == [("token_expired", 1, 1, 0)], "the other was made a day later"
    assert [(one.kind, one.now) for one in found.troubles] == [("held", "ghost"), ("ghost", "ghost")]
    assert found.troubles_count == 2


def test_there_is_a_row_for_each_delivery_and_what_is_unknown_is_none(make: Make) -> None:
    rows = {line.delivery_id: line for line in make(date(2026, 10, 23), date(2026, 10, 29)).lines}
    assert sorted(rows) == [1, 2, 3, 7, 9], "not the deleted, the cancelled, the older, and nobody else's"
    assert (rows[1].likes, rows[1].replies, rows[1].views, rows[1].quotes, rows[1].engagement) == (6, 1, 90, None, 7)
    assert rows[1].late_seconds == 3.0 and rows[1].counted_at == utc("2026-10-27T12:00:00")
    assert (rows[3].engagement, rows[3].counted_at, rows[3].late_seconds) == (None, None, None)
    assert (rows[7].failures, rows[7].repairs, rows[9].failures) == (1, 2, 2)


def test_the_text_says_unknown_and_not_zero(make: Make) -> None:
    told = report_text.summary(make(date(2026, 10, 26), date(2026, 10, 26)))
    assert (
        "Engagement: – (the period before: 16)" in told and "X: 1 of 1 went out, 100% proved, unknown on time" in told
    )
    assert report_text.summary(make(date(2026, 10, 1), date(2026, 10, 2))).endswith("nothing went out.\n")


def test_the_numbers_of_the_report_are_those_of_the_analytics_page(database: Database, tmp_path: Path) -> None:
    """Today included, nothing lies after the end of the period, so both must say the same."""
    _house, me = _furnished(database)
    found = reports.period(database, tmp_path, me, date(2026, 10, 23), date(2026, 10, 29), BERLIN, NOW)
    page = Period(NOW, BERLIN, 7, "engagement")
    with SampleStore.open(database, tmp_path, me, page.look_back) as store:
        queries.prepare(store, page)
        assert found.over_time.rows == queries.over_time(store, page).rows
        assert [row[:5] for row in found.platforms.rows] == queries.by_platform(store).rows
        names = [name for name in queries.reliability(store, page).columns if name != "on time"]
        page_rows = queries.reliability(store, page).dicts()
    mine = [row for row in found.delivered.dicts() if row["platform"]]
    assert [{name: row[name] for name in names} for row in mine] == page_rows


def test_what_is_usual_counts_other_posts_that_are_old_enough(database: Database, tmp_path: Path) -> None:
    house = House(database)
    me = house.user()
    x, other = house.account(me, "x"), house.account(me, "x", "other")
    born = utc("2026-10-20T00:00:00")
    mine = house.delivery(me, x, "x", born)
    for before, account, counts in (
        (timedelta(days=1), x, [(1.002, 4), (3.01, 8), (24.05, 10), (30, 99)]),
        (timedelta(days=2), x, [(0.95, 6), (12, 20), (24.001, 30), (49, 40)]),
        (timedelta(days=100), x, [(1, 500)]),  # too long ago
        (timedelta(days=3), other, [(1, 500)]),  # another account
        (timedelta(days=4), x, []),  # never counted
    ):
        one = house.delivery(me, account, "x", born - before)
        house.sampled(one, [(born - before + timedelta(hours=hours), {"likes": n}) for hours, n in counts])
    house.sampled(mine, [(born + timedelta(hours=1), {"likes": 99})])
    with SampleStore.open(database, tmp_path, me) as store:
        found = report_queries.usual(store, account_id=x, but=mine, before=born, now=born + timedelta(hours=4))
    assert [(one.hours, one.median, one.posts) for one in found] == [
        (1, 5.0, 2),
        (3, 8.0, 1),
        (12, 20.0, 1),
        (24, 20.0, 2),
        (48, 40.0, 1),
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_plain_loop_over_the_rows_finds_the_same(database: Database, tmp_path: Path, seed: int) -> None:
    """Random posts around the night of the clock change; half of the days in files."""
    rng = random.Random(seed)
    house = House(database)
    me = house.user()
    mine = [(house.account(me, name), name) for name in ("x", "bluesky", "mastodon")]
    for _ in range(60):
        account, name = rng.choice(mine)
        due = utc("2026-10-18T00:00:00") + timedelta(minutes=rng.randrange(11 * 24 * 60))
        out = due + timedelta(seconds=rng.choice([0, 1, 5, 900])) if rng.random() < 0.8 else None
        state = rng.choice(["verified", "ghost"]) if out else rng.choice(["failed", "held", "cancelled"])
        one = house.delivery(
            me,
            account,
            name,
            out,
            due_at=due,
            first_byte_at=out,
            state=state,
            deleted_at=NOW if rng.random() < 0.1 else None,
        )
        if out:
            acts = ("likes", "replies", "views")
            moments = sorted(out + timedelta(minutes=rng.randrange(7 * 24 * 60)) for _ in range(4))
            house.sampled(
                one, [(at, {a: rng.choice([None, rng.randrange(50)]) for a in acts}) for at in moments if at < NOW]
            )
    compaction.run(database, tmp_path, utc("2026-10-27T00:00:00"))
    first, last = date(2026, 10, 23), date(2026, 10, 26)
    found = reports.period(database, tmp_path, me, first, last, BERLIN, NOW)
    since, until = utc("2026-10-22T22:00:00"), utc("2026-10-26T23:00:00")  # by hand: two hours, then one, off UTC
    expected = _recomputed(database, tmp_path, me, since, until)
    assert {row[0]: (row[1], row[2], row[3], row[7]) for row in found.delivered.rows if row[0]} == expected["delivered"]
    assert {row[0]: (row[1], row[2], row[4]) for row in found.platforms.rows if row[3]} == expected["platforms"]
    assert found.total == expected["total"]


def _recomputed(database: Database, data_dir: Path, me: int, since: datetime, until: datetime) -> dict[str, object]:
    """Without DuckDB, without SQL that counts: rows and loops."""
    import pyarrow.parquet as pq

    with database.read() as conn:
        rows = [
            row._mapping
            for row in conn.execute(
                select(deliveries)
                .join(posts, posts.c.id == deliveries.c.post_id)
                .where(posts.c.deleted_at.is_(None), deliveries.c.user_id == me)
            )
        ]
        counted = {row.id: dict(row._mapping) for row in conn.execute(select(samples))}
    for file in (data_dir / "samples").glob("*.parquet"):
        counted.update({row["id"]: row for row in pq.read_table(file).to_pylist()})
    delivered: dict[str, tuple[int, int, int, int]] = {}
    sums: dict[str, list[int | None]] = {}
    for row in rows:
        name, out = row["platform"], row["published_at"]
        if since <= row["due_at"] < until and row["state"] != "cancelled":
            late = out is not None and (row["first_byte_at"] - row["due_at"]).total_seconds() > 600
            new = (1, int(out is not None), int(row["state"] == "failed"), int(out is not None and not late))
            old = delivered.get(name, (0, 0, 0, 0))
            delivered[name] = (old[0] + new[0], old[1] + new[1], old[2] + new[2], old[3] + new[3])
        if out is not None and since <= out < until:
            known = [
                (s["at"].astimezone(UTC), (s["likes"] or 0) + (s["replies"] or 0))
                for s in counted.values()
                if s["delivery_id"] == row["id"] and s["at"] < until and (s["likes"], s["replies"]) != (None, None)
            ]
            sums.setdefault(name, []).append(max(known)[1] if known else None)
    told = {name: [v for v in values if v is not None] for name, values in sums.items()}
    platforms = {
        name: (sum(v) if v else None, median(v) if v else None, len(sums[name]) - len(v)) for name, v in told.items()
    }
    return {"delivered": delivered, "platforms": platforms, "total": sum(n for v in told.values() for n in v)}
