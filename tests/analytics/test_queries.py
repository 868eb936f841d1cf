"""The numbers equal what one counts by hand: with gaps, deletions, a person's zone and the night the clock goes back."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from postprober.analytics import compaction, queries, report_queries, spending
from postprober.analytics.days import micros, shift, start_of
from postprober.analytics.queries import Period
from postprober.analytics.store import SampleStore
from postprober.domain.engagement import POLL_AFTER
from postprober.domain.platform import Platform
from postprober.domain.prices import Prices
from postprober.storage.database import Database
from postprober.storage.health import CHECK
from postprober.storage.tables import ai_usage, health_signs, media, repairs
from tests.analytics.kit import House, utc

BERLIN = ZoneInfo("Europe/Berlin")  # summer time ends on 25 October 2026 at 01:00 UTC
NOW = utc("2026-10-29T12:00:00")
PERIOD = Period(NOW, BERLIN, 7, "engagement")  # from 23 October, 00:00 in Berlin (22 October, 22:00 UTC)


@pytest.fixture(params=["in the table", "in files"])
def opened(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> SampleStore:
    """The house below, once with everything in the database and once with its closed days compacted."""
    house = House(database)
    me, other = house.user("me"), house.user("other")
    x, masto = house.account(me, "x"), house.account(me, "mastodon", "=1+1")
    a = house.delivery(me, x, "x", utc("2026-10-24T22:30:00"))  # 25 October, 00:30 in Berlin
    house.sampled(
        a,
        [
            (utc("2026-10-24T23:00:00"), {"likes": 2, "views": 50}),
            (utc("2026-10-25T22:59:59"), {"likes": 5, "replies": 1}),  # still the 25th: it has 25 hours
            (utc("2026-10-25T23:00:00"), {"likes": 6, "replies": 1}),  # the 26th
            (utc("2026-10-27T12:00:00"), {"views": 90}),  # nothing about acts
            (utc("2026-10-28T12:00:00"), {"likes": 4, "replies": 1}),  # somebody took likes back
        ],
    )
    b = house.delivery(me, masto, "mastodon", utc("2026-10-25T00:30:00"))  # the first 02:30 of that night
    house.sampled(b, [(utc("2026-10-25T01:00:00"), {"likes": 10}), (utc("2026-10-26T00:20:00"), {"likes": 12})])
    c = house.delivery(me, masto, "mastodon", utc("2026-10-25T01:30:00"))  # the second 02:30
    house.sampled(c, [(utc("2026-10-25T02:00:00"), {"likes": 0})])
    house.delivery(me, x, "x", utc("2026-10-26T08:00:00"))  # never counted
    old = house.delivery(me, x, "x", utc("2026-10-10T08:00:00"))
    house.sampled(old, [(utc("2026-10-20T08:00:00"), {"likes": 100}), (utc("2026-10-24T08:00:00"), {"likes": 103})])
    gone = house.delivery(me, x, "x", utc("2026-10-25T08:00:00"), deleted_at=NOW)
    theirs = house.delivery(other, house.account(other, "x"), "x", utc("2026-10-25T08:00:00"))
    for one in (gone, theirs):
        house.sampled(one, [(utc("2026-10-25T09:00:00"), {"likes": 1000})])
    house.delivery(me, x, "x", None, due_at=utc("2026-10-25T08:00:00"), state="failed", first_byte_at=None)
    house.delivery(
        me,
        x,
        "x",
        utc("2026-10-27T08:00:10"),
        due_at=utc("2026-10-27T08:00:00"),
        state="ghost",
    )
    if request.param == "in files":
        assert compaction.run(database, tmp_path, NOW) > 0
    store = SampleStore.open(database, tmp_path, me, PERIOD.look_back)
    queries.prepare(store, PERIOD)
    return store


def test_each_day_has_what_came_in_on_it_by_the_persons_clock(opened: SampleStore) -> None:
    with opened as store:
        rows = queries.over_time(store, PERIOD).rows
    found = {(day.day, platform): gained for day, platform, gained, _ in rows}
    assert found == {
        **{(day, name): None for day in range(23, 30) for name in ("x", "mastodon")},
        (24, "x"): 3,  # the old post: 103 after 100
        (25, "x"): 6,
        (26, "x"): 1,
        (28, "x"): -2,
        (25, "mastodon"): 10,  # one has 10, one has 0
        (26, "mastodon"): 2,
    }


def test_posts_are_ranked_by_what_is_known_and_the_unknown_come_last(opened: SampleStore) -> None:
    with opened as store:
        rows = [(row[0], row[1], row[3]) for row in queries.by_post(store).rows]
    assert rows == [(2, 12, 0), (1, 5, 0), (3, 0, 0), (4, None, 1), (9, None, 1)]


def test_accounts_and_platforms_sum_what_is_known(opened: SampleStore) -> None:
    with opened as store:
        accounts = queries.by_account(store, {1: "demo", 2: "=1+1"})
        platforms = queries.by_platform(store).rows
    assert accounts.rows == [("mastodon", "=1+1", 12, 6.0, 2, 0), ("x", "demo", 5, 5.0, 3, 2)]
    assert platforms == [("mastodon", 12, 6.0, 2, 0), ("x", 5, 5.0, 3, 2)]
    assert "'=1+1" in accounts.csv().decode("utf-8-sig"), "a spreadsheet must not run a name"


def test_growth_counts_hours_from_posting(opened: SampleStore) -> None:
    with opened as store:
        rows = {(post, hours): count for hours, post, _, count in queries.growth(store, PERIOD).rows}
        typical = {(name, hours): (value, n) for hours, name, value, n in queries.typical_growth(store).rows}
    # Read half an hour after it went out it is 1 hour old to the nearest, or 0 (the halves go up).
    assert rows == {(1, 1): 2, (1, 24): 6, (1, 25): 7, (1, 86): 5, (2, 1): 10, (2, 24): 12, (3, 1): 0}
    # Half an hour is no reading of one hour; both that were read at 24 hours count there, and none a day later.
    assert typical == {("mastodon", 24): (12.0, 1), ("x", 24): (6.0, 1)}


def test_best_hours_are_those_of_the_persons_clock_on_the_night_it_goes_back(opened: SampleStore) -> None:
    with opened as store:
        rows = queries.best_hours(store, PERIOD).rows
    assert rows == [
        (1, 9, None, 0, 1),  # Monday 09:00 in winter time, never counted
        (2, 9, None, 0, 1),
        (7, 0, 6.0, 1, 1),  # half past midnight: the reading nearest to 24 hours
        (7, 2, 12.0, 1, 2),  # both half past two: 12, and one that nobody read at that age
    ]


def test_reliability_has_rates_and_lateness(opened: SampleStore) -> None:
    with opened as store:
        rows = queries.reliability(store, PERIOD).rows
    assert rows[0][:9] == ("mastodon", 2, 2, 0, 0, 0, 2, 1.0, 1.0) and rows[0][9:] == (0.0, 0.0, 0.0)
    assert rows[1][:9] == ("x", 4, 3, 1, 0, 1, 2, 0.75, 2 / 3)
    assert rows[1][9:] == pytest.approx((0.0, 8.0, 9.8)), "of 0, 0 and 10 seconds"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
def test_the_shift_is_the_zone_itself_at_every_quarter_of_an_hour(zone: str) -> None:
    here, since, until = ZoneInfo(zone), utc("2026-03-01T00:00:00"), utc("2026-11-05T00:00:00")
    found = shift(here, since, until)
    at = since
    while at < until:
        distance = found.first
        for moment, after in found.changes:
            distance = after if micros(at) >= moment else distance
        assert timedelta(microseconds=distance) == at.astimezone(here).utcoffset(), at
        at += timedelta(minutes=15)


def test_random_samples_give_what_a_plain_recomputation_gives(database: Database, tmp_path: Path) -> None:
    rng, house = random.Random(7), House(database)
    me = house.user()
    account = house.account(me, "x")
    told: dict[int, list[tuple[datetime, int | None]]] = {}
    for _ in range(25):
        published = NOW - timedelta(minutes=rng.randrange(60 * 24 * 20))
        delivery, count = house.delivery(me, account, "x", published), 0
        told[delivery] = []
        at = published
        while (at := at + timedelta(minutes=rng.randrange(10, 1500))) < NOW:
            count += rng.randrange(-2, 9)
            told[delivery].append((at, rng.choice((count, count, None))))
        house.sampled(delivery, [(at, {"likes": value}) for at, value in told[delivery]])
    compaction.run(database, tmp_path, NOW)
    period = Period(NOW, BERLIN, 14, "likes")
    with SampleStore.open(database, tmp_path, me, period.look_back) as store:
        queries.prepare(store, period)
        found = {row[0]: row[2] for row in queries.over_time(store, period).rows}
    assert found == _plain(told, period)


def _plain(told: dict[int, list[tuple[datetime, int | None]]], period: Period) -> dict[date, int | None]:
    """Day by day, post by post, in Python alone."""
    today = NOW.astimezone(BERLIN).date()
    days = [today - timedelta(days=n) for n in range(period.days)]
    gained: dict[date, int | None] = dict.fromkeys(days)
    for rows in told.values():
        last: dict[date, int] = {}
        for at, value in rows:
            if value is not None:
                last[at.astimezone(BERLIN).date()] = value
        before = 0
        for day in sorted(last):
            if day in gained:
                gained[day] = (gained[day] or 0) + last[day] - before
            before = last[day]
    return gained


def test_the_period_begins_at_the_persons_midnight() -> None:
    assert PERIOD.since == datetime(2026, 10, 22, 22, tzinfo=UTC)
    assert start_of(date(2026, 10, 26), BERLIN) - start_of(date(2026, 10, 25), BERLIN) == timedelta(hours=25)


def test_no_text_of_a_person_can_become_sql_and_no_file_elsewhere_is_read(database: Database, tmp_path: Path) -> None:
    House(database).user()
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with SampleStore.open(database, tmp_path, 1) as store:
        for query in (f"FROM read_csv('{secret}')", "SET enable_external_access=true", "SET threads=1"):
            with pytest.raises(Exception, match=r"disabled|locked"):
                store.rows(query)
        with pytest.raises(KeyError):
            queries.prepare(store, Period(NOW, BERLIN, 7, "likes; DROP TABLE hot"))


def test_the_ledger_adds_up_repairs_and_what_models_cost(database: Database) -> None:
    house = House(database)
    me, other = house.user("me"), house.user("other")
    account = house.account(me, "x")
    out = house.delivery(me, account, "x", NOW)
    stuck = house.delivery(me, account, "x", None, due_at=NOW, state="failed", first_byte_at=None)
    for number, (delivery, space, state) in enumerate(
        [(out, me, "applied"), (stuck, me, "applied"), (stuck, me, "proposed"), (out, other, "applied")]
    ):
        house.add(
            repairs,
            delivery_id=delivery,
            post_id=1,
            user_id=space,
            transition_id=number,
            state=state,
            cited=[],
            cause="media",
            plan={},
            made_at=NOW,
        )
    for cost in (250_000, 500_000):
        house.add(
            ai_usage,
            at=NOW,
            day="2026-10-29",
            purpose="review",
            model="m",
            input_tokens=10,
            output_tokens=2,
            cost_micros=cost,
            outcome="answered",
        )
    with database.read() as conn:
        assert spending.repairs_made(conn, me, PERIOD.since).rows == [("media", 3, 2, 1, 1, 0, 1 / 3)]
        assert spending.costs(conn, PERIOD.since).rows == [("2026-10-29", "review", "m", 2, 20, 4, 0.75)]
        assert spending.costs(conn, NOW + timedelta(seconds=1)).rows == []


def test_the_ledger_prices_what_came_out_and_each_post_read_once_a_day(database: Database, tmp_path: Path) -> None:
    house = House(database)
    me = house.user("me")
    account = house.account(me, "x")
    image = house.add(
        media,
        user_id=me,
        sha256="0" * 64,
        mime="image/png",
        size=1,
        kind="image",
        alt="A red bicycle",
        path="a",
        name="a.png",
        width=1,
        height=1,
    )
    part = {"ref": {"remote_id": "1"}, "media": []}
    mine = house.delivery(
        me,
        account,
        "x",
        utc("2026-10-27T08:00:00"),
        parts=[
            part | {"text": "See https://example.org", "media": [image]},
            part | {"text": "b"},
            {"text": "c", "media": []},
        ],
    )
    house.sampled(
        mine,
        [
            (utc("2026-10-27T09:00:00"), {"likes": 1}),
            (utc("2026-10-27T23:59:00"), {"likes": 1}),
            (utc("2026-10-28T00:00:00"), {}),
        ],
    )
    for hours in (1, 2, 30):
        house.add(
            health_signs,
            account_id=account,
            platform="x",
            at=NOW - timedelta(hours=hours),
            source=CHECK,
            sign="good",
        )
    house.add(health_signs, account_id=account, platform="x", at=NOW, source="delivery", sign="good")
    free = house.delivery(me, house.account(me, "bluesky"), "bluesky", NOW, parts=[part | {"text": "free"}])
    house.sampled(free, [(NOW, {"likes": 1})])
    other = house.user("other")
    house.delivery(other, house.account(other, "x"), "x", NOW, parts=[part | {"text": "theirs"}])
    prices = {Platform("x"): Prices(0.015, 0.2, 0.005, 0.001)}
    with SampleStore.open(database, tmp_path, me, PERIOD.look_back) as store, database.read() as conn:
        assert spending.calls_made(conn, store, me, PERIOD, prices).rows == [
            ("x", "posts without a link", 1, 0.015, 0.015),
            ("x", "posts with a link", 1, 0.2, 0.2),
            ("x", "image descriptions", 1, 0.005, 0.005),
            ("x", "readings", 4, 0.001, 0.004),  # two parts are out, on two days
            ("x", "health looks", 2, 0.001, 0.002),
        ]
        assert spending.calls_made(conn, store, me, PERIOD, {}).rows == []


def test_readings_that_come_seconds_late_count_for_the_age_they_were_planned_for(
    database: Database, tmp_path: Path
) -> None:
    """Each post has as many likes as it is hours old when it is read, and every reading is a little late."""
    rng, house = random.Random(3), House(database)
    me = house.user()
    account = house.account(me, "x")
    for number in range(12):
        published = NOW - timedelta(days=5, hours=number + 1)
        one = house.delivery(me, account, "x", published)
        late = [(published + after + timedelta(seconds=rng.uniform(0.1, 90)), after) for after in POLL_AFTER]
        counts = [(at, {"likes": round(after / timedelta(hours=1))}) for at, after in late if at <= NOW]
        house.sampled(one, counts)
    period = Period(NOW, BERLIN, 14, "likes")
    with SampleStore.open(database, tmp_path, me, period.look_back) as store:
        queries.prepare(store, period)
        typical = {hours: (value, n) for hours, _, value, n in queries.typical_growth(store).rows}
        hours = queries.best_hours(store, period).rows
        usual = report_queries.usual(store, account_id=account, but=0, before=NOW, now=NOW)
        curves = {(age, count) for age, _, _, count in queries.growth(store, period).rows if age >= 1}
    assert typical == {age: (float(age), 12) for age in (1, 3, 6, 12, 24, 48, 72, 96, 120)}
    assert sum(counted for *_, counted, _ in hours) == 12 and {mean for _, _, mean, _, _ in hours} == {24.0}
    assert {(one.hours, one.median, one.posts) for one in usual} == {(age, float(age), 12) for age in typical}
    assert all(age == count for age, count in curves)


def test_a_post_that_was_not_read_at_an_age_is_left_out_there(database: Database, tmp_path: Path) -> None:
    house = House(database)
    me = house.user()
    account = house.account(me, "x")
    published = NOW - timedelta(days=3)
    one = house.delivery(me, account, "x", published)
    house.sampled(one, [(published + timedelta(hours=h), {"likes": 1}) for h in (12, 30, 40, 60)])
    period = Period(NOW, BERLIN, 14, "likes")
    with SampleStore.open(database, tmp_path, me, period.look_back) as store:
        queries.prepare(store, period)
        assert [row[0] for row in queries.typical_growth(store).rows] == [12]
        assert [row[2:] for row in queries.best_hours(store, period).rows] == [(None, 0, 1)]
