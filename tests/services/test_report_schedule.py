"""Reports that come by themselves: at the right time, about the right days, once for each period whatever dies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from postprober.clock import ManualClock
from postprober.domain.actor import job
from postprober.domain.alert import AlertKind
from postprober.domain.report_plan import Every, Plan
from postprober.errors import BadInput, Forbidden, NotFound
from postprober.pipeline.notifications.outbox import send_due
from postprober.services.core import Core
from postprober.services.notifications import channels
from postprober.services.pipeline_context import context_of
from postprober.services.reports import report_schedule
from postprober.services.reports.report_schedule import ReportChoice
from postprober.storage import reports as storage
from postprober.storage import users
from postprober.storage.records import User
from postprober.storage.tables import alerts, outbox, report_schedules
from postprober.storage.tables import users as user_table
from postprober.wiring import build_scheduler
from tests.analytics.kit import House
from tests.installed import Installation
from tests.people import acting, asked
from tests.pipeline.stage import Killed, MortalDatabase
from tests.receivers import PostOffice, Receiver

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 10, 19, 6, 0, tzinfo=UTC)  # 08:00 in Berlin
WEEK = timedelta(days=7)


@pytest.fixture
def office() -> Iterator[PostOffice]:
    made = PostOffice()
    yield made
    made.close()


@pytest.fixture
def core(installation: Installation, office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> Core:
    """On a clock of ours, with a mail server, some posts, and the owner in Berlin. It is the Sunday before MONDAY."""
    made = replace(installation.core, clock=ManualClock(MONDAY - timedelta(days=1)))
    for name, value in {
        "smtp_host": "127.0.0.1",
        "smtp_port": office.port,
        "smtp_security": "none",
        "smtp_from": "p@example.org",
    }.items():
        monkeypatch.setattr(made.settings, name, value)
    house = House(made.db)
    x = house.account(installation.owner, "x")
    for days in (2, 9, 40):
        out = MONDAY - timedelta(days=days)
        one = house.delivery(installation.owner, x, "x", out, due_at=out)
        house.sampled(one, [(out + timedelta(hours=1), {"likes": days})])
    with made.db.write() as conn:
        conn.execute(update(user_table).values(zone="Europe/Berlin"))
    return made


def person(core: Core, user_id: int) -> User:
    with core.db.read() as conn:
        return users.get(conn, user_id)


def move(core: Core, to: datetime) -> None:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance((to - core.clock.now()).total_seconds())


def orders(core: Core) -> list[dict[str, Any]]:
    with core.db.read() as conn:
        return [dict(r._mapping) for r in conn.execute(select(outbox).where(outbox.c.kind == "report"))]


def told(core: Core) -> list[str]:
    with core.db.read() as conn:
        return [r.message for r in conn.execute(select(alerts).where(alerts.c.kind == AlertKind.REPORT))]


def attached(email: EmailMessage) -> tuple[str, str, bytes]:
    (part,) = email.iter_attachments()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return str(part.get_filename()), part.get_content_type(), content


def test_a_plan_knows_its_next_time_and_its_days() -> None:
    week, month = Plan(Every.WEEK, 1, 8), Plan(Every.MONTH, 28, 2)
    assert week.next(BERLIN, MONDAY - timedelta(seconds=1)) == MONDAY
    assert week.next(BERLIN, MONDAY) == datetime(2026, 10, 26, 7, tzinfo=UTC), "winter time by then"
    assert week.last(BERLIN, MONDAY) == date(2026, 10, 19)
    assert week.last(BERLIN, MONDAY - timedelta(seconds=1)) == date(2026, 10, 12)
    assert week.covers(date(2026, 10, 19)) == (date(2026, 10, 12), date(2026, 10, 18))
    assert month.next(BERLIN, MONDAY) == datetime(2026, 10, 28, 1, tzinfo=UTC)
    assert month.covers(date(2026, 3, 28)) == (date(2026, 2, 1), date(2026, 2, 28))
    assert month.covers(date(2027, 1, 1)) == (date(2026, 12, 1), date(2026, 12, 31))


def test_an_hour_that_the_clock_skips_or_repeats_comes_once() -> None:
    sunday = Plan(Every.WEEK, 7, 2)
    assert sunday.next(BERLIN, datetime(2027, 3, 27, 12, tzinfo=UTC)) == datetime(2027, 3, 28, 1, tzinfo=UTC)
    first = sunday.next(BERLIN, datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, tzinfo=UTC)
    assert sunday.next(BERLIN, first) == datetime(2026, 11, 1, 1, tzinfo=UTC), "not the second 02:00 of that night"


@pytest.mark.parametrize(("every", "day", "hour"), [(Every.WEEK, 8, 8), (Every.MONTH, 29, 8), (Every.WEEK, 1, 24)])
def test_a_plan_that_cannot_be_is_refused(every: Every, day: int, hour: int) -> None:
    with pytest.raises(BadInput):
        Plan(every, day, hour)


def test_a_weekly_report_comes_by_mail_with_the_page_attached(
    core: Core, office: PostOffice, installation: Installation
) -> None:
    chosen = report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("week", 1, 8))
    assert chosen.next_at == MONDAY and report_schedule.tick(core) == 0
    move(core, MONDAY)
    assert report_schedule.tick(core) == 1 and report_schedule.tick(core) == 0
    (email,) = office.emails
    assert email["To"] == "owner@example.org"
    assert email["Subject"] == "PostProber report: 12 Oct 2026 to 18 Oct 2026"
    assert email["Message-ID"] == f"<report.{installation.owner}.week.2026.10.12@example.org>"
    body = email.get_body(("plain",))
    assert body is not None and "X: 1 of 1 went out" in body.get_content()
    name, mime, content = attached(email)
    assert (name, mime) == ("postprober-2026-10-12-to-2026-10-18.html", "text/html") and b"12 Oct 2026" in content
    assert report_schedule.get(
        core, acting(core, person(core, installation.owner))
    ).next_at == MONDAY + WEEK + timedelta(hours=1)


def test_a_pdf_comes_as_a_page_with_a_note_where_nothing_can_print(
    core: Core, office: PostOffice, installation: Installation
) -> None:
    report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("month", 19, 8, "pdf"))
    move(core, MONDAY)
    report_schedule.tick(replace(core, browser=None))
    (email,) = office.emails
    body = email.get_body(("plain",))
    assert attached(email)[0] == "postprober-2026-09-01-to-2026-09-30.html"
    assert body is not None and "could not be printed" in body.get_content()


def test_a_channel_gets_the_summary(core: Core, office: PostOffice, installation: Installation) -> None:
    receiver, owner = Receiver(), person(core, installation.owner)
    try:
        hook, _ = channels.add(core, acting(core, owner), kind="webhook", name="hook", url=receiver.url)
        report_schedule.put(core, acting(core, owner), ReportChoice("week", 1, 8, channel_id=hook.id))
        move(core, MONDAY)
        assert report_schedule.tick(core) == 1
    finally:
        receiver.close()
    (call,) = receiver.calls
    assert "X: 1 of 1 went out" in call.json()["data"]["message"] and office.emails == []
    assert call.headers["webhook-id"] == f"report:{owner.id}:week:2026-10-12"


def test_what_was_missed_while_nothing_ran_is_made_up_for_once(
    core: Core, office: PostOffice, installation: Installation
) -> None:
    report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("week", 1, 8))
    move(core, MONDAY + 3 * WEEK + timedelta(days=2))
    for _ in range(3):
        report_schedule.tick(core)
    assert [row["payload"]["first"] for row in orders(core)] == ["2026-11-02"], "the newest week, not all four"
    assert len(office.emails) == 1
    assert report_schedule.get(core, acting(core, person(core, installation.owner))).next_at == datetime(
        2026, 11, 16, 7, tzinfo=UTC
    )


def test_saving_again_does_not_send_the_same_period_twice(
    core: Core, office: PostOffice, installation: Installation
) -> None:
    owner = person(core, installation.owner)
    report_schedule.put(core, acting(core, owner), ReportChoice("week", 1, 8))
    move(core, MONDAY)
    report_schedule.tick(core)
    report_schedule.put(core, acting(core, owner), ReportChoice("week", 1, 9, "pdf"))
    move(core, MONDAY + timedelta(hours=2))
    report_schedule.tick(core)
    assert len(office.emails) == 1 and len(orders(core)) == 1


def test_a_mail_server_that_is_away_delays_it_is_told_and_closes_the_alert(
    core: Core, office: PostOffice, installation: Installation
) -> None:
    report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("week", 1, 8))
    office.refuse = True
    move(core, MONDAY)
    for _ in range(report_schedule.TOLD_AFTER - 1):
        assert report_schedule.tick(core) == 0
        move(core, core.clock.now() + timedelta(hours=1))
    assert told(core) == []
    report_schedule.tick(core)
    (message,) = told(core)
    assert "2026-10-12 to 2026-10-18" in message and "did not take the message" in message
    office.refuse = False
    move(core, core.clock.now() + timedelta(hours=1))
    assert report_schedule.tick(core) == 1 and len(office.emails) == 1
    with core.db.read() as conn:
        (row,) = conn.execute(select(alerts).where(alerts.c.kind == AlertKind.REPORT)).all()
    assert row.closed_at is not None


def test_after_three_days_it_is_given_up_and_told(core: Core, office: PostOffice, installation: Installation) -> None:
    report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("week", 1, 8))
    office.refuse = True
    move(core, MONDAY)
    report_schedule.tick(core)
    move(core, MONDAY + timedelta(days=3, hours=1))
    report_schedule.tick(core)
    assert "No more attempts are made." in told(core)[-1] and orders(core)[0]["next_at"] is None


def test_a_report_that_takes_the_process_down_is_told_too(
    core: Core, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("week", 1, 8))
    move(core, MONDAY)

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(report_schedule, "_send", die)
    for _ in range(report_schedule.TOLD_AFTER + 1):
        with pytest.raises(Killed):
            report_schedule.tick(core)
        move(core, core.clock.now() + report_schedule.CLAIM)
    (message,) = told(core)
    assert "tried several times" in message


@pytest.mark.parametrize("committed", [False, True])
def test_killed_at_any_write_it_arrives_under_one_key_and_is_ordered_once(
    core: Core, office: PostOffice, installation: Installation, committed: bool
) -> None:
    owner = person(core, installation.owner)
    move(core, MONDAY - timedelta(minutes=1))
    writes, week = _week(core, owner, 0, committed), 1
    assert writes == 3, "order, claim, done: the run without a death is the control"
    for die_at in range(1, writes + 1):
        for _ in range(2):
            assert _week(core, owner, die_at, committed) >= die_at
            week += 1
    keys = [email["Message-ID"] for email in office.emails]
    assert len(orders(core)) == len(set(keys)) == week, "one order a week, and every one of them arrived"
    # Only a death after sending and before its note repeats a message, under the same key.
    assert len(keys) - len(set(keys)) == (0 if committed else 2)


def _week(core: Core, owner: User, die_at: int, committed: bool) -> int:
    """One more week, with a death at the write `die_at` (0: none), and another process that goes on; returns how many
    writes the first one got through."""
    report_schedule.put(core, acting(core, owner), ReportChoice("week", 1, 8))
    next_at = report_schedule.get(core, acting(core, owner)).next_at
    assert next_at is not None
    move(core, next_at)
    mortal = MortalDatabase(core.db, die_at, committed=committed)
    try:
        report_schedule.tick(replace(core, db=mortal))
    except Killed:
        for _ in range(2):
            report_schedule.tick(core)
            move(core, core.clock.now() + report_schedule.CLAIM)
    return mortal.writes


def test_alerts_do_not_wait_for_reports(core: Core, installation: Installation) -> None:
    report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("week", 1, 8))
    move(core, MONDAY)
    with core.db.read() as conn:
        (due,) = storage.due(conn, core.clock.now())
    report_schedule._order(core, due)
    assert send_due(context_of(core)) == 0 and orders(core)[0]["sent_at"] is None


def test_nobody_gets_another_ones_channel_and_a_viewer_chooses_nothing(core: Core, installation: Installation) -> None:
    owner, stranger = person(core, installation.owner), person(core, installation.stranger)
    hook, _ = channels.add(core, acting(core, owner), kind="webhook", name="hook", url="http://127.0.0.1:9/")
    with pytest.raises(NotFound):
        report_schedule.put(core, acting(core, stranger), ReportChoice("week", 1, 8, channel_id=hook.id))
    with core.db.write() as conn:
        conn.execute(update(user_table).where(user_table.c.id == stranger.id).values(role="viewer"))
    with pytest.raises(Forbidden):
        report_schedule.put(core, acting(core, stranger), ReportChoice("week", 1, 8))


@pytest.mark.parametrize(
    "choice",
    [ReportChoice("day"), ReportChoice("week", form="exe"), ReportChoice("week", 0), ReportChoice("month", 31)],
)
def test_a_choice_that_cannot_be_is_refused(core: Core, installation: Installation, choice: ReportChoice) -> None:
    with pytest.raises(BadInput):
        report_schedule.put(core, acting(core, person(core, installation.owner)), choice)


def test_without_a_mail_server_a_channel_is_asked_for(
    core: Core, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.settings, "smtp_host", "")
    with pytest.raises(BadInput, match="choose a channel"):
        report_schedule.put(core, acting(core, person(core, installation.owner)), ReportChoice("week", 1, 8))


def test_choosing_nothing_ends_it_and_who_is_shut_out_gets_nothing(
    core: Core, office: PostOffice, installation: Installation
) -> None:
    owner, teammate = person(core, installation.owner), person(core, installation.teammate)
    for one in (owner, teammate):
        report_schedule.put(core, acting(core, one), ReportChoice("week", 1, 8))
    assert (
        report_schedule.put(core, acting(core, owner), ReportChoice())
        == ReportChoice()
        == report_schedule.get(core, acting(core, owner))
    )
    with core.db.write() as conn:
        conn.execute(update(user_table).where(user_table.c.id == teammate.id).values(is_active=False))
    move(core, MONDAY)
    assert report_schedule.tick(core) == 0 and office.emails == []
    with core.db.read() as conn:
        assert len(conn.execute(select(report_schedules)).all()) == 1


def test_the_scheduler_does_it(core: Core) -> None:
    scheduler = build_scheduler(core, 1)
    assert "reports" in [name for name, _, _ in scheduler._more]


def test_a_report_that_comes_by_itself_is_read_by_the_program_for_its_person(
    core: Core, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_schedule.put(core, acting(core, installation.owner), ReportChoice("week", 1, 8))
    move(core, MONDAY)
    seen = asked(monkeypatch)
    assert report_schedule.tick(core) == 1
    assert {(one.user, one.via) for one in seen} == {(installation.owner, job("report"))}
