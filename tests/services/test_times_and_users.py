"""Times that people type, and who they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from postprober.clock import ManualClock
from postprober.errors import BadInput, Forbidden
from postprober.services.people import users
from postprober.services.posts.times import FARTHEST, parse_time
from tests.installed import Installation

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


# Times


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("tomorrow", "UTC", "is not a time"),
        ("", "", "is not a time"),
        ("2026-13-40T00:00Z", "", "is not a time"),
        ("2026-03-02T10:00", "", "no time zone"),
        ("2026-03-02T08:58:59Z", "", "in the past"),
        ("1970-01-01T00:00Z", "", "in the past"),
        ("2036-03-02T10:00Z", "", "two years ahead"),
        ("0001-01-01T00:00+14:00", "", "outside the calendar"),
        ("9999-12-31T23:59-14:00", "", "outside the calendar"),
        ("2026-03-29T02:30", "Europe/Berlin", "does not exist"),
        ("2026-10-25T02:30", "Europe/Berlin", "happens twice"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_in_one_sentence(text: str, zone: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        parse_time(text, NOW, zone)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-02T10:00Z", "", "2026-03-02T10:00:00+00:00"),
        ("2026-03-02T10:00+01:00", "", "2026-03-02T09:00:00+00:00"),
        ("2026-03-02T08:59:30Z", "", "2026-03-02T08:59:30+00:00"),
        ("2026-03-02T10:00", "Asia/Kolkata", None),
        ("2026-03-29T01:59", "Europe/Berlin", "2026-03-29T00:59:00+00:00"),
        ("2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T02:30+02:00", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T02:30+01:00", "Europe/Berlin", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_a_clear_time_is_read_as_that_moment(text: str, zone: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadInput, match="past"):  # 10:00 in Kolkata is 04:30 in UTC
            parse_time(text, NOW, zone)
        return
    assert parse_time(text, NOW, zone).isoformat() == expected


def test_the_farthest_time_is_just_allowed() -> None:
    assert parse_time((NOW + FARTHEST).isoformat(), NOW) == NOW + FARTHEST


# Users


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "nobody"},
        {"email": "a b@example.org"},
        {"email": ""},
        {"password": "short"},
        {"zone": "Mars/Olympus"},
        {"email": "OWNER@example.org "},
    ],
)
def test_a_user_that_cannot_be_made_leaves_nothing(installation: Installation, changes: dict[str, str]) -> None:
    before = installation.counts()
    good = {"email": "new@example.org", "password": "long enough password"}
    with pytest.raises(BadInput):
        users.create(installation.core, **{**good, **changes})
    assert installation.counts() == before
    assert users.create(installation.core, **good) > 0


def test_signing_in_says_the_same_for_every_reason(installation: Installation) -> None:
    core = installation.core
    assert users.authenticate(core, " Owner@example.org", installation.password).id == installation.owner
    with core.db.write() as conn:
        conn.execute(
            users.users.users.update().where(users.users.users.c.id == installation.stranger).values(is_active=False)
        )
    said = set()
    for email, password in (
        ("owner@example.org", "wrong password"),
        ("nobody@example.org", installation.password),
        ("stranger@example.org", installation.password),
        ("", ""),
        ("owner@example.org", ""),
    ):
        with pytest.raises(Forbidden) as caught:
            users.authenticate(core, email, password)
        said.add((str(caught.value), caught.value.detail))
    assert len(said) == 1


def test_a_ticket_becomes_a_session_once_and_in_time(installation: Installation) -> None:
    clock = ManualClock(installation.core.clock.now())
    core = replace(installation.core, clock=clock)
    user = users.authenticate(core, "owner@example.org", installation.password)
    ticket = users.issue_ticket(core, user)
    token = users.redeem_ticket(core, ticket)
    with pytest.raises(Forbidden):
        users.redeem_ticket(core, ticket)
    found = users.session_user(core, token)
    assert found is not None and found.id == installation.owner
    assert users.session_user(core, ticket) is None
    assert users.session_user(core, "") is None and users.session_user(core, None) is None
    late = users.issue_ticket(core, user)
    clock.advance(users.TICKET_LIFE.total_seconds())
    with pytest.raises(Forbidden):
        users.redeem_ticket(core, late)
    users.sign_out(core, token)
    assert users.session_user(core, token) is None


def test_a_session_ends_with_its_life_and_with_its_user(installation: Installation) -> None:
    clock = ManualClock(installation.core.clock.now())
    core = replace(installation.core, clock=clock)
    user = users.authenticate(core, "owner@example.org", installation.password)
    token = users.redeem_ticket(core, users.issue_ticket(core, user))
    other = users.redeem_ticket(core, users.issue_ticket(core, user))
    clock.advance(users.SESSION_LIFE.total_seconds() + 1)
    assert users.session_user(core, token) is None
    clock.advance(-users.SESSION_LIFE.total_seconds())
    with core.db.write() as conn:
        conn.execute(users.users.users.update().where(users.users.users.c.id == user.id).values(is_active=False))
    assert users.session_user(core, other) is None
