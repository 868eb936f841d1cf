"""Schedules, ordered reports and shared proofs as rows, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postprober.domain.report_plan import Every, Plan
from postprober.storage import outbox_queue, reports
from postprober.storage.database import Database
from postprober.storage.tables import posts
from tests.analytics.kit import House

NOW = datetime(2026, 10, 19, 6, tzinfo=UTC)
PLAN = Plan(Every.WEEK, 1, 8)


@pytest.fixture
def user(database: Database) -> int:
    return House(database).user()


def put(database: Database, user: int, at: datetime = NOW) -> reports.Schedule:
    with database.write() as conn:
        reports.put(conn, user, PLAN, form="html", channel_id=None, next_at=at)
        found = reports.of_user(conn, user)
    assert found is not None
    return found


def test_a_person_has_one_schedule_and_its_plan_comes_back(database: Database, user: int) -> None:
    put(database, user, NOW - timedelta(days=1))
    found = put(database, user)
    with database.read() as conn:
        assert reports.due(conn, NOW - timedelta(seconds=1)) == [] and reports.due(conn, NOW) == [found]
    assert found.plan == PLAN
    with database.write() as conn:
        reports.forget(conn, user)
        assert reports.of_user(conn, user) is None


def test_of_two_that_move_it_on_one_does(database: Database, user: int) -> None:
    found = put(database, user)
    with database.write() as conn:
        assert reports.advance(conn, found, NOW + timedelta(days=7))
        assert not reports.advance(conn, found, NOW + timedelta(days=7))


def test_a_report_is_ordered_once_claimed_once_and_can_be_tried_again(database: Database, user: int) -> None:
    with database.write() as conn:
        for payload in ({"n": 1}, {"n": 2}):
            reports.order(conn, user_id=user, key="report:1", payload=payload, now=NOW)
        (row,) = outbox_queue.due(conn, NOW, reports=True)
        assert row.payload == {"n": 1} and outbox_queue.due(conn, NOW) == [], "who sends alerts does not see it"
        assert reports.claim(conn, row, NOW + timedelta(minutes=5))
        assert not reports.claim(conn, row, NOW + timedelta(minutes=5))
        assert outbox_queue.due(conn, NOW, reports=True) == []
        reports.close(conn, row.id, None, NOW)
        assert outbox_queue.due(conn, NOW, reports=True)[0].tries == 1
        reports.close(conn, row.id, NOW)
        assert outbox_queue.due(conn, NOW + timedelta(days=9), reports=True) == []


def test_a_proof_is_shared_withdrawn_and_shared_anew(database: Database, user: int) -> None:
    post = House(database).add(posts, user_id=user, content="t", platforms=[], options={})
    with database.write() as conn:
        assert reports.shared(conn, post) is None
        reports.share(conn, post_id=post, space=user, nonce="a", now=NOW)
        reports.withdraw(conn, post, NOW)
        assert reports.shared(conn, post) is None
        reports.share(conn, post_id=post, space=user, nonce="b", now=NOW)
        found = reports.shared(conn, post)
        assert reports.shared(conn, 2**70) is None
    assert found is not None and (found.nonce, found.withdrawn_at, found.shared_at) == ("b", None, NOW)
