"""Alerts reach every channel that wants them: once where all is well, again under the same key where it is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from postprober.alerts import message, webhook
from postprober.domain.alert import LATE_AFTER, AlertKind, AlertType, Preferences, quiet_until
from postprober.domain.delivery import DeliveryState
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Context
from postprober.pipeline.notifications import notify, outbox, sender
from postprober.pipeline.notifications.sender import Sender
from postprober.pipeline.notifications.sender_pool import FAILING_THREADS, THREADS, SenderPool
from postprober.security.vault import Place
from postprober.settings import MailServer
from postprober.storage import alert_log, notifications, users
from postprober.storage.tables import alerts, channels, deliveries
from postprober.storage.tables import notifications as table
from postprober.storage.tables import outbox as handed
from tests.pipeline.fake import Way, rejected
from tests.pipeline.stage import Stage
from tests.receivers import PostOffice, Receiver, text_of

S = DeliveryState
SECRET = webhook.new_secret()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    made = PostOffice()
    yield made
    made.close()


@pytest.fixture
def ctx(stage: Stage, post_office: PostOffice) -> Iterator[Context]:
    """A worker whose HTTP is real, because the receivers are."""
    from postprober.http import HttpClient, Pools

    pools = Pools(allow_private=True)
    server = MailServer("127.0.0.1", post_office.port, "none", "", "", "pp@example.org")
    yield replace(stage.worker(), http=HttpClient(pools), mail=server, app_url="http://app")
    pools.close()


def _channel(stage: Stage, user: int, kind: str, url: str, **settings: Any) -> int:
    with stage.db.write() as conn:
        made = notifications.add_channel(conn, space=user, name=kind, kind=kind, now=stage.clock.now())
        notifications.write_channel(
            conn,
            made,
            url=stage.vault.seal(url, Place("channels", "url", str(made))),
            secret=stage.vault.seal(SECRET, Place("channels", "secret", str(made))),
            settings=settings,
        )
    return made


def _alert(
    stage: Stage, user: int, key: str, type: str = "error", kind: str = AlertKind.FAILED, subject: str = ""
) -> None:
    with stage.db.write() as conn:
        alert_log.add(
            conn,
            user_id=user,
            post_id=None,
            delivery_id=None,
            type=type,
            message=f"message of {key}",
            dedupe_key=key,
            now=stage.clock.now(),
            kind=kind,
            subject=subject,
        )


def _run(stage: Stage, ctx: Context, wait: timedelta = notify.GROUP) -> None:
    """The scheduler's jobs, and again after `wait`."""
    for pause in (wait, timedelta()):
        outbox.send_due(ctx)
        notify.attend(ctx)
        notify.send_due(ctx)
        stage.manual.advance(pause.total_seconds())


def _wish(stage: Stage, user: int, **wishes: Any) -> None:
    with stage.db.write() as conn:
        users.write(conn, user, stage.clock.now(), notify=vars(Preferences(**wishes)))


def _rows(stage: Stage) -> list[dict[str, Any]]:
    return stage.rows(table)


# What arrives where


def test_an_alert_reaches_ntfy_webhook_and_mail_once(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    hook = _channel(stage, user, "webhook", f"{receiver.url}/hook")
    _channel(stage, user, "apprise", f"ntfy://127.0.0.1:{receiver.port}/topic")
    _channel(stage, user, "email", "ada@example.org")
    _alert(stage, user, "delivery:1:failed:7")
    _run(stage, ctx)
    _run(stage, ctx)
    by_hook = [call for call in receiver.calls if call.path == "/hook"]
    by_ntfy = [call for call in receiver.calls if call.path != "/hook"]
    assert len(by_hook) == len(by_ntfy) == len(post_office.emails) == 1
    assert by_hook[0].headers["webhook-id"] == f"delivery:1:failed:7:{hook}"
    assert by_hook[0].json()["data"]["message"] == "message of delivery:1:failed:7"
    assert "message of delivery:1:failed:7" in by_ntfy[0].body.decode()
    assert "Not published" in str(post_office.emails[0]["Subject"])
    assert all(row["sent_at"] and row["next_at"] is None and row["tries"] == 1 for row in _rows(stage))


def test_a_webhook_is_signed_so_that_its_receiver_can_check_it(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _alert(stage, user, "k")
    _run(stage, ctx)
    (call,) = receiver.calls
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert call.headers["webhook-signature"] == f"v1,{expected}"


def test_what_happens_together_is_told_in_one_message_but_to_programs_one_by_one(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "email", "ada@example.org")
    for number in range(3):
        _alert(stage, user, f"k{number}")
    _run(stage, ctx)
    (email,) = post_office.emails
    text = text_of(email)
    assert all(f"message of k{number}" in text for number in range(3)) and "3 alerts" in str(email["Subject"])
    assert len(receiver.calls) == 3


def test_a_channel_gets_only_the_kinds_it_chose_and_only_its_own_peoples_alerts(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user, other = stage.user(), stage.user()
    _channel(stage, user, "webhook", receiver.url, kinds=["held"])
    _alert(stage, user, "a", kind=AlertKind.FAILED)
    _alert(stage, user, "b", kind=AlertKind.HELD)
    _alert(stage, other, "c", kind=AlertKind.HELD)
    _run(stage, ctx)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of b"]


def test_without_a_channel_an_alert_is_done_at_once(stage: Stage, ctx: Context) -> None:
    _alert(stage, stage.user(), "k")
    assert outbox.send_due(ctx) == 1
    assert outbox.send_due(ctx) == 0 and _rows(stage) == []


# Trouble


@pytest.mark.parametrize("trouble", ["500", "hangs", "away"])
def test_a_receiver_in_trouble_for_three_hours_gets_each_alert_once_it_is_back(
    stage: Stage, ctx: Context, receiver: Receiver, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "postprober.pipeline.notifications.sender.WEBHOOK_TIMEOUT"
    usual = sender.WEBHOOK_TIMEOUT
    if trouble == "hangs":
        monkeypatch.setattr(limit, 0.2)
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    if trouble == "500":
        receiver.status = 500
    elif trouble == "hangs":
        receiver.hang = True
    else:
        receiver.close()
    for number in range(3):
        _alert(stage, user, f"k{number}")
    for _ in range(8):
        _run(stage, ctx, wait=timedelta(hours=3) / 8)
    assert receiver.calls == [] and (trouble == "away" or receiver.refused), "the trouble was real"
    with stage.db.read() as conn:
        assert notifications.waiting(conn) == 3
    receiver.status, receiver.hang = 200, False
    receiver.release.set()
    monkeypatch.setattr(limit, usual)  # a busy machine takes its time for an answer
    if trouble == "away":
        receiver.listen()
    for _ in range(3):
        _run(stage, ctx, wait=notify.LONGEST_PAUSE * 1.3)
    assert sorted(call.json()["data"]["message"] for call in receiver.calls) == [f"message of k{n}" for n in range(3)]
    keys = {call.headers["webhook-id"] for call in receiver.calls}
    assert {call.headers["webhook-id"] for call in receiver.refused} <= keys


class Killed(BaseException):
    """The process ends here."""


def test_a_message_cut_by_a_crash_goes_out_again_under_the_same_key(
    stage: Stage, ctx: Context, post_office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = stage.user()
    _channel(stage, user, "email", "ada@example.org")
    for number in range(2):
        _alert(stage, user, f"k{number}")
    outbox.send_due(ctx)
    stage.manual.advance(notify.GROUP.total_seconds())
    deliver = Sender.deliver

    def die(self: Sender, channel: Any, rows: Any) -> None:
        deliver(self, channel, rows)
        raise Killed  # after sending, before it could be marked

    monkeypatch.setattr(Sender, "deliver", die)
    with pytest.raises(Killed):
        notify.send_due(ctx)
    monkeypatch.setattr(Sender, "deliver", deliver)
    _alert(stage, user, "k2")  # what is new does not change the message that is repeated
    stage.manual.advance(notify.LEASE.total_seconds())
    _run(stage, ctx)
    first, again, new = post_office.emails
    assert first["Message-ID"] == again["Message-ID"] and text_of(first) == text_of(again)
    assert "message of k2" in text_of(new) and "message of k0" not in text_of(new)


def test_one_bad_channel_holds_up_no_other(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    bad = _channel(stage, user, "webhook", "http://127.0.0.1:1/")
    unreadable = _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "webhook", receiver.url)
    with stage.db.write() as conn:
        notifications.write_channel(conn, unreadable, url="v1.gone.AAAA")
    _alert(stage, user, "k")
    _run(stage, ctx)
    assert [call.headers["webhook-id"] for call in receiver.calls if "channel" not in call.headers["webhook-id"]]
    by_id = {row["id"]: row for row in stage.rows(channels)}
    assert by_id[bad]["is_active"] and by_id[bad]["failing_since"] is not None
    assert not by_id[unreadable]["is_active"], "what cannot be opened will not open tomorrow"


def test_a_channel_that_fails_for_a_day_is_switched_off_with_an_alert_and_catches_up_when_it_is_on_again(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    dead = _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "email", "ada@example.org")
    receiver.status = 500
    _alert(stage, user, "k")
    for _ in range(60):
        _run(stage, ctx, wait=timedelta(minutes=30))
    assert not {row["id"]: row for row in stage.rows(channels)}[dead]["is_active"]
    told = [row for row in stage.rows(alerts) if row["kind"] == AlertKind.CHANNEL]
    assert len(told) == 1 and "500" in told[0]["message"]
    assert any("switched off" in text_of(email) for email in post_office.emails)
    refused = len(receiver.refused)
    _run(stage, ctx, wait=timedelta(hours=1))
    assert len(receiver.refused) == refused, "it is left alone"
    receiver.status = 200
    now = stage.clock.now()
    with stage.db.write() as conn:
        notifications.switch_on(conn, dead, now - notify.GIVE_UP_AFTER, errors_at=now, others_at=now)
    _run(stage, ctx)
    assert "message of k" in [call.json()["data"]["message"] for call in receiver.calls]


def test_what_nobody_took_for_three_days_is_given_up_and_the_log_says_why(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user = stage.user()
    channel = _channel(stage, user, "webhook", receiver.url)
    receiver.status = 503
    _alert(stage, user, "k")
    outbox.send_due(ctx)
    stage.manual.advance(notify.GIVE_UP_AFTER.total_seconds() + 10)
    notify.send_due(ctx)
    with stage.db.read() as conn:
        (entry,) = notifications.log_of(conn, channel)
    assert entry["next_at"] is None and entry["sent_at"] is None and "503" in entry["error"]


# When


def test_quiet_hours_hold_back_what_is_not_urgent_until_they_end(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    begin = stage.clock.now()
    _wish(
        stage,
        user,
        quiet_from=(begin - timedelta(hours=1)).strftime("%H:%M"),
        quiet_to=(begin + timedelta(hours=1)).strftime("%H:%M"),
    )
    _alert(stage, user, "warning", type="warning")
    _alert(stage, user, "error", type="error")
    _run(stage, ctx)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of error"]
    _run(stage, ctx, wait=timedelta(hours=1))
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of error", "message of warning"]


def test_an_unread_error_is_told_again_a_few_times_and_then_escalated_and_a_read_one_is_not(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "email", "boss@example.org", escalation=True)
    _wish(stage, user, again_minutes=10, again_times=2, escalate_minutes=25)
    for key in ("unread", "read"):
        _alert(stage, user, key)
    _alert(stage, user, "success", type="success", kind=AlertKind.RECOVERED)
    _run(stage, ctx)
    with stage.db.write() as conn:
        read = next(row["id"] for row in stage.rows(alerts) if row["dedupe_key"] == "read")
        alert_log.mark_read(conn, user, read)
    for _ in range(12):
        _run(stage, ctx, wait=timedelta(minutes=5))
    told = [call.json()["data"]["message"] for call in receiver.calls]
    assert told.count("message of unread") == 3 and told.count("message of read") == 1
    assert told.count("message of success") == 1
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == len(told), (
        "each telling has a key of its own"
    )
    (email,) = post_office.emails
    assert email["To"] == "boss@example.org" and "message of unread" in text_of(email)
    assert "nobody has read it" in str(email["Subject"])


@pytest.mark.parametrize(
    ("now", "wishes", "until"),
    [
        ("2026-03-02T12:00", ("22:00", "07:00"), None),
        ("2026-03-02T22:30", ("22:00", "07:00"), "2026-03-03T06:00"),
        ("2026-03-03T05:59", ("22:00", "07:00"), "2026-03-03T06:00"),
        ("2026-03-03T06:00", ("22:00", "07:00"), None),
        ("2026-03-02T12:00", ("12:00", "14:00"), "2026-03-02T13:00"),
        ("2026-03-02T12:00", ("12:00", "12:00"), None),
        ("2026-03-02T12:00", ("", "07:00"), None),
        # The night of the change to summer time: 02:30 does not exist; the end is the same moment under either reading.
        ("2026-03-29T00:30", ("22:00", "02:30"), "2026-03-29T01:30"),
        # The night of the change back: 02:30 happens twice; the first one ends it.
        ("2026-10-25T00:10", ("22:00", "02:30"), "2026-10-25T00:30"),
        ("2026-10-25T01:10", ("22:00", "02:30"), None),
    ],
)
def test_the_end_of_quiet_hours_is_a_moment_in_the_persons_zone(
    now: str, wishes: tuple[str, str], until: str | None
) -> None:
    found = quiet_until(datetime.fromisoformat(now).replace(tzinfo=UTC), "Europe/Berlin", Preferences(*wishes))
    assert found == (datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None)


# What opens and closes


def _failed(stage: Stage, ctx: Context) -> int:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=rejected()))
    stage.settle(stage.worker(), delivery)
    return delivery


def test_a_success_closes_what_was_told_and_says_so_also_after_a_retry_by_a_person(stage: Stage, ctx: Context) -> None:
    delivery = _failed(stage, ctx)
    (before,) = stage.rows(alerts)
    assert (before["kind"], before["subject"], before["closed_at"]) == ("failed", f"delivery:{delivery}", None)
    with stage.db.write() as conn:
        now = stage.clock.now()
        transitions.move(
            conn, stage.get(delivery), S.SCHEDULED, reason="again", now=now, next_at=now, due_at=now, tries=0
        )
    stage.settle(stage.worker(), delivery)
    assert stage.state(delivery) is S.VERIFIED
    opened, recovered = stage.rows(alerts)
    assert opened["closed_at"] is not None
    assert (recovered["kind"], recovered["type"]) == ("recovered", "success")


def test_a_delivery_without_trouble_tells_nobody_anything(stage: Stage) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(stage.worker(), delivery)
    assert stage.state(delivery) is S.VERIFIED and stage.rows(alerts) == []


def test_giving_up_closes_the_alert_without_a_word(stage: Stage, ctx: Context) -> None:
    delivery = _failed(stage, ctx)
    with stage.db.write() as conn:
        transitions.move(conn, stage.get(delivery), S.CANCELLED, reason="given up", now=stage.clock.now(), next_at=None)
    (alert,) = stage.rows(alerts)
    assert alert["closed_at"] is not None


def test_what_went_out_late_is_told_once(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.manual.advance(LATE_AFTER.total_seconds() + 60)
    stage.settle(stage.worker(), delivery)
    (alert,) = stage.rows(alerts)
    assert (alert["kind"], alert["type"]) == ("late", AlertType.WARNING) and "11 minutes" in alert["message"]


def test_a_post_that_vanishes_after_its_proof_has_drifted_and_coming_back_closes_it(stage: Stage) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(stage.worker(), delivery)
    with stage.db.write() as conn:
        transitions.move(conn, stage.get(delivery), S.GHOST, reason="It is gone.", now=stage.clock.now())
    (alert,) = stage.rows(alerts)
    assert alert["kind"] == "drifted" and "verified" in alert["message"]
    with stage.db.write() as conn:
        transitions.move(conn, stage.get(delivery), S.VERIFIED, reason="It is visible now.", now=stage.clock.now())
    assert [row["kind"] for row in stage.rows(alerts)] == ["drifted", "recovered"]
    assert stage.rows(alerts)[0]["closed_at"] is not None


def test_a_refused_private_address_gets_nothing(stage: Stage, receiver: Receiver) -> None:
    from postprober.http import HttpClient, Pools

    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "apprise", f"ntfy://127.0.0.1:{receiver.port}/topic")
    pools = Pools(allow_private=False)
    ctx = replace(stage.worker(), http=HttpClient(pools))
    _alert(stage, user, "k")
    _run(stage, ctx)
    pools.close()
    assert receiver.calls == receiver.refused == []
    assert all(row["error"] for row in _rows(stage))


def test_quiet_hours_are_those_of_the_clock_of_whoever_set_them(stage: Stage, ctx: Context) -> None:
    owner = stage.user()
    with stage.db.write() as conn:
        editor = users.add(
            conn, email="ed@example.org", password_hash="x", now=stage.clock.now(), zone="Asia/Tokyo", owner_id=owner
        )
    _channel(stage, owner, "webhook", "https://example.org/hook")
    now = stage.clock.now().astimezone(ZoneInfo("Asia/Tokyo"))
    begin, end = (f"{now + timedelta(hours=h):%H:%M}" for h in (-1, 1))
    _wish(stage, owner, quiet_from=begin, quiet_to=end, urgent=False, by=editor)
    _alert(stage, owner, "k")
    outbox.send_due(ctx)
    (row,) = _rows(stage)
    assert row["next_at"] - stage.clock.now() > timedelta(minutes=50)


# Many spaces


def _until(condition: Callable[[], object]) -> None:
    """Wait for `condition`, for half a minute at most."""
    pause = threading.Event()
    for _ in range(1500):
        if condition():
            return
        pause.wait(0.02)
    pytest.fail("it did not happen")


@pytest.fixture
def silent() -> Iterator[Receiver]:
    """It reads every request and answers none until it is released."""
    made = Receiver()
    made.hang = True
    yield made
    made.close()


def test_receivers_that_are_silent_delay_their_own_space_only(
    stage: Stage, ctx: Context, receiver: Receiver, silent: Receiver
) -> None:
    loud = [stage.user(f"loud{number}") for number in range(3)]
    quiet = stage.user("quiet")
    for user in loud:  # earlier than the other one, and several of each
        for number in range(2):
            _channel(stage, user, "webhook", f"{silent.url}/{user}/{number}")
        _alert(stage, user, f"loud-{user}")
    _channel(stage, quiet, "webhook", f"{receiver.url}/hook")
    _alert(stage, quiet, "quiet")
    outbox.send_due(ctx)
    stage.manual.advance(notify.GROUP.total_seconds())
    senders = SenderPool(ctx)
    begun = senders.tick()
    _until(lambda: receiver.calls)
    _until(lambda: len(silent.refused) == len(loud))
    assert [future.done() for future in begun].count(False) >= len(loud), "they are still silent"
    assert senders.busy() >= len(loud) and len(senders.tick()) <= 1, "a space has one slot"
    silent.release.set()
    _until(lambda: senders.busy() == 0)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of quiet"]
    senders.close()


def test_however_many_failing_channels_hang_those_that_work_are_served(
    stage: Stage, ctx: Context, receiver: Receiver, silent: Receiver
) -> None:
    for number in range(THREADS + FAILING_THREADS + 3):
        user = stage.user(f"failing{number}")
        made = _channel(stage, user, "webhook", silent.url)
        with stage.db.write() as conn:
            notifications.write_channel(conn, made, failing_since=stage.clock.now())
        _alert(stage, user, f"failing-{number}")
    well = stage.user("well")
    _channel(stage, well, "webhook", receiver.url)
    _alert(stage, well, "well")
    outbox.send_due(ctx)
    stage.manual.advance(notify.GROUP.total_seconds())
    senders = SenderPool(ctx)
    senders.tick()
    _until(lambda: receiver.calls)
    silent.release.set()
    senders.close()
    _until(lambda: senders.busy() == 0)
    assert senders.tick() == []


def test_one_channel_with_an_unthought_of_mistake_silences_nobody(
    stage: Stage, ctx: Context, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = stage.user("bad"), stage.user("good")
    broken = _channel(stage, bad, "webhook", "http://127.0.0.1:9/")
    _channel(stage, good, "webhook", receiver.url)
    for user in (bad, good):
        _alert(stage, user, f"k{user}")
    real = Sender.deliver

    def deliver(self: Sender, channel: Any, rows: Any) -> None:
        if channel.id == broken:
            raise UnicodeError("label empty or too long")
        real(self, channel, rows)

    monkeypatch.setattr(Sender, "deliver", deliver)
    _run(stage, ctx)
    assert len(receiver.calls) == 1
    (failed,) = [row for row in _rows(stage) if row["channel_id"] == broken]
    assert failed["sent_at"] is None and failed["next_at"] is not None and failed["error"]


def test_repeats_and_escalation_go_on_however_many_newer_errors_there_are(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user, noisy = stage.user("patient"), stage.user("noisy")
    _channel(stage, user, "webhook", f"{receiver.url}/again")
    _channel(stage, user, "webhook", f"{receiver.url}/escalated", escalation=True)
    _wish(stage, user, again_minutes=10, again_times=2, escalate_minutes=15)
    _alert(stage, user, "old")
    _run(stage, ctx)
    for number in range(520):
        _alert(stage, noisy if number % 2 else user, f"newer-{number}")
    with stage.db.write() as conn:
        conn.execute(
            alerts.update().where(alerts.c.dedupe_key != "old").values(told_at=stage.clock.now(), told_times=9)
        )
    stage.manual.advance(16 * 60)
    _run(stage, ctx)
    said = [(call.path, call.json()["data"]["why"]) for call in receiver.calls if "of old" in call.body.decode()]
    assert ("/again", "again") in said and ("/escalated", "escalation") in said


# What a receiver says


def test_after_an_outage_messages_come_in_their_order(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    receiver.status = 503
    _alert(stage, user, "first")
    _run(stage, ctx)
    receiver.status = 200
    _alert(stage, user, "second")
    _run(stage, ctx)
    assert receiver.calls == [], "the first one waits for its next try, and the second behind it"
    for _ in range(40):
        stage.manual.advance(60)
        notify.send_due(ctx)
    assert [call.json()["data"]["message"] for call in receiver.calls] == [
        f"message of {name}" for name in ("first", "second")
    ]


def test_a_message_that_the_receiver_dislikes_does_not_hold_up_the_others_for_ever(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    receiver.status = 400
    _alert(stage, user, "disliked")
    _run(stage, ctx)
    for _ in range(60):
        stage.manual.advance(60)
        notify.send_due(ctx)
    _alert(stage, user, "other")
    outbox.send_due(ctx)
    stage.manual.advance(notify.GROUP.total_seconds())
    (bad,) = [row["id"] for row in _rows(stage) if row["tries"]]
    with stage.db.write() as conn:  # its next try is some minutes away
        conn.execute(update(table).where(table.c.id == bad).values(next_at=stage.clock.now() + timedelta(minutes=5)))
    receiver.status = 200
    notify.send_due(ctx)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of other"]


def test_a_receiver_that_is_gone_for_good_is_asked_once(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    made = _channel(stage, user, "webhook", receiver.url)
    receiver.status = 410
    _alert(stage, user, "k")
    _run(stage, ctx)
    for _ in range(10):
        stage.manual.advance(3600)
        notify.send_due(ctx)
    assert len(receiver.refused) == 1
    with stage.db.read() as conn:
        channel = notifications.channel(conn, user, made)
    assert not channel.is_active and "(410)" in channel.off_reason


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_receiver_that_asks_for_patience_gets_it(stage: Stage, ctx: Context, receiver: Receiver, form: str) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    receiver.status = 429
    then = stage.clock.now() + timedelta(hours=2)
    receiver.headers = {"Retry-After": "7200" if form == "seconds" else format_datetime(then, usegmt=True)}
    _alert(stage, user, "k")
    _run(stage, ctx)
    assert len(receiver.refused) == 1
    receiver.status = 200
    for minutes, taken in ((100, 0), (25, 1)):
        stage.manual.advance(minutes * 60)
        notify.send_due(ctx)
        assert len(receiver.calls) == taken


# What a message says


def _about(stage: Stage, user: int, content: str, url: str | None) -> tuple[int, int]:
    delivery_id = stage.plan(stage.link("ada", user_id=user), content)
    with stage.db.write() as conn:
        conn.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(url=url))
        post_id = conn.execute(select(deliveries.c.post_id).where(deliveries.c.id == delivery_id)).scalar_one()
        alert_log.add(
            conn,
            user_id=user,
            post_id=post_id,
            delivery_id=delivery_id,
            type="error",
            message="X (ada): held.",
            dedupe_key=f"about:{delivery_id}",
            now=stage.clock.now(),
            kind=AlertKind.HELD,
            subject=f"delivery:{delivery_id}",
        )
    return post_id, delivery_id


def test_a_message_says_which_post_with_its_words_and_where_to_look(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", f"{receiver.url}/hook")
    _channel(stage, user, "apprise", f"ntfy://127.0.0.1:{receiver.port}/topic")
    _channel(stage, user, "email", "ada@example.org")
    content = "Ring @everyone <!channel> " + "and the bridge of Oslo is open " * 20
    post_id, _ = _about(stage, user, content, "https://x.example/ada/1")
    _run(stage, ctx)
    (hook,) = [call for call in receiver.calls if call.path == "/hook"]
    (chat,) = [call for call in receiver.calls if call.path != "/hook"]
    page = f"http://app/monitor?post={post_id}"
    data = hook.json()["data"]
    assert (data["url"], data["app_url"]) == ("https://x.example/ada/1", page)
    assert data["post_text"].startswith("Ring @everyone") and len(data["post_text"]) <= message.MOST_WORDS
    said, mailed = chat.json()["message"], text_of(post_office.emails[0])
    for text in (said, mailed):
        assert f"Post {post_id}: “Ring" in text and page in text and "https://x.example/ada/1" in text
    assert "@everyone" not in said and "<!channel" not in said, "a quoted post calls nobody in a chat"
    assert "@everyone" in mailed
    assert "delivery:" not in said and "about:" not in said, "no ids of ours"
    html = post_office.emails[0].get_body(("html",))
    assert html is not None and f'<a href="{page}">Open in PostProber</a>' in html.get_content()
    assert "&lt;!channel&gt;" in html.get_content()


def test_what_a_server_says_is_no_link_of_its_own_in_a_mail(
    stage: Stage, ctx: Context, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "email", "ada@example.org")
    with stage.db.write() as conn:
        alert_log.add(
            conn,
            user_id=user,
            post_id=None,
            delivery_id=None,
            type="error",
            dedupe_key="k",
            now=stage.clock.now(),
            message="Mastodon (ada): not published. No.\n\nSign in again: https://evil.example/",
            kind=AlertKind.FAILED,
        )
    _run(stage, ctx)
    html = post_office.emails[0].get_body(("html",))
    assert html is not None and 'href="http://app/alerts"' in html.get_content(), "the control"
    assert "evil.example" in html.get_content() and 'href="https://evil' not in html.get_content()


def test_the_mail_can_be_turned_off_from_the_mail_and_the_space_hears_of_it(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "email", "ada@example.org")
    ctx = replace(ctx, turn_off=lambda channel: (f"http://app/?off={channel}", f"https://api/off?c={channel}"))
    _alert(stage, user, "k")
    _run(stage, ctx)
    (email,) = post_office.emails
    (channel,) = stage.rows(channels)
    assert email["List-Unsubscribe"] == f"<https://api/off?c={channel['id']}>"
    assert email["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"Turn these mails off: http://app/?off={channel['id']}" in text_of(email)


# The night


def _night(stage: Stage, user: int, **wishes: Any) -> None:
    """Quiet for two hours from now."""
    now = stage.clock.now()
    quiet = {"quiet_from": f"{now - timedelta(minutes=5):%H:%M}", "quiet_to": f"{now + timedelta(hours=2):%H:%M}"}
    _wish(stage, user, **quiet, **{"urgent": False, **wishes})


def _hour_by_hour(stage: Stage, ctx: Context, hours: int) -> None:
    for _ in range(hours * 6):
        _run(stage, ctx, wait=timedelta(minutes=10))


def test_after_the_quiet_hours_each_alert_is_told_once(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _night(stage, user, again_minutes=15, again_times=3)
    _alert(stage, user, "k")
    _hour_by_hour(stage, ctx, 2)
    assert [call.json()["data"]["why"] for call in receiver.calls] == ["new"]
    _hour_by_hour(stage, ctx, 2)
    assert [call.json()["data"]["why"] for call in receiver.calls] == ["new", "again", "again", "again"]


def test_what_was_read_or_over_before_the_quiet_hours_ended_is_not_told(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user = stage.user()
    hook = _channel(stage, user, "webhook", receiver.url)
    _alert(stage, user, "told", subject="delivery:9")
    _run(stage, ctx)
    _night(stage, user)
    for key in ("read", "over", "open"):
        _alert(stage, user, key, subject=f"delivery:{key}")
    _run(stage, ctx)
    with stage.db.write() as conn:
        now = stage.clock.now()
        alert_log.mark_read(conn, user, next(row["id"] for row in stage.rows(alerts) if row["dedupe_key"] == "read"))
        for subject in ("delivery:over", "delivery:9"):
            alert_log.close(conn, subject, now)
    _alert(stage, user, "end of over", type="success", kind=AlertKind.RECOVERED, subject="delivery:over")
    _alert(stage, user, "end of told", type="success", kind=AlertKind.RECOVERED, subject="delivery:9")
    _hour_by_hour(stage, ctx, 3)
    told = [call.json()["data"]["message"] for call in receiver.calls]
    assert told == ["message of told", "message of open", "message of end of told"], (
        "the end is told of what this channel has heard of"
    )
    with stage.db.read() as conn:
        reasons = {row["alert_message"]: row["error"] for row in notifications.log_of(conn, hook)}
    assert reasons["message of over"] == "Not sent: it was read or over before its time came."


def test_a_receiver_that_was_away_still_hears_of_what_began_and_ended_meanwhile(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    """The control of the above: what was tried was not held back."""
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    receiver.status = 500
    _alert(stage, user, "begin", subject="delivery:1")
    _run(stage, ctx)
    with stage.db.write() as conn:
        alert_log.close(conn, "delivery:1", stage.clock.now())
    _alert(stage, user, "end", type="success", kind=AlertKind.RECOVERED, subject="delivery:1")
    receiver.status = 200
    _hour_by_hour(stage, ctx, 1)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of begin", "message of end"]


def test_nobody_is_called_late_who_was_not_told_yet(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "email", "boss@example.org", escalation=True)
    _night(stage, user, escalate_minutes=30)
    _alert(stage, user, "k")
    _hour_by_hour(stage, ctx, 2)
    assert len(receiver.calls) == 1 and post_office.emails == []
    _hour_by_hour(stage, ctx, 1)
    assert [email["Subject"] for email in post_office.emails] == ["PostProber: Not published (nobody has read it)"]


def test_an_escalation_says_when_the_alert_could_not_be_delivered(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    receiver.status = 500
    _channel(stage, user, "email", "boss@example.org", escalation=True)
    _wish(stage, user, escalate_minutes=30)
    _alert(stage, user, "k")
    _hour_by_hour(stage, ctx, 1)
    (email,) = post_office.emails
    assert email["Subject"] == "PostProber: Not published (could not be delivered elsewhere)"


# Who is told late, and what waits


def test_an_escalation_waits_while_the_first_message_is_on_its_way_or_failed_only_once(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    """The program was down for an hour; now the first message is tried, and whoever is to read it has had no time."""
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "webhook", f"{receiver.url}/escalated", escalation=True)
    _wish(stage, user, escalate_minutes=30)
    _alert(stage, user, "k")
    outbox.send_due(ctx)
    stage.manual.advance(3600)
    before = stage.clock.now() - timedelta(minutes=30)
    with stage.db.write() as conn:
        now = stage.clock.now()
        (claimed,) = notifications.claim(conn, _rows(stage)[0]["channel_id"], now, now + notify.LEASE, 1)
        assert notifications.to_escalate(conn, user, before) == [], "it is on its way"
        notifications.failed(conn, [claimed["id"]], claimed["channel_id"], "503", now + timedelta(seconds=5), now)
        assert notifications.to_escalate(conn, user, before) == [], "it failed once"
    stage.manual.advance(31 * 60)
    with stage.db.read() as conn:
        (due,) = notifications.to_escalate(conn, user, stage.clock.now() - timedelta(minutes=30))
    assert due.dedupe_key == "k", "the control: the channel fails for as long as one waits for a reader"


def test_an_escalation_waits_for_no_channel_that_is_late_when_another_was_told_in_time(
    stage: Stage, ctx: Context, receiver: Receiver, post_office: PostOffice
) -> None:
    user = stage.user()
    _channel(stage, user, "email", "ada@example.org")
    _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "email", "boss@example.org", escalation=True)
    _wish(stage, user, escalate_minutes=30)
    receiver.status = 503
    _alert(stage, user, "k")
    _run(stage, ctx)
    stage.manual.advance(25 * 60)
    receiver.status = 200
    _run(stage, ctx, wait=timedelta(minutes=6))
    _run(stage, ctx)
    _run(stage, ctx)
    assert len(receiver.calls) == 1, "the late one"
    assert [email["To"] for email in post_office.emails] == ["ada@example.org", "boss@example.org"]


def test_an_alert_that_the_receiver_dislikes_is_escalated_though_the_channel_takes_others(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user = stage.user()
    hook = _channel(stage, user, "webhook", receiver.url)
    _wish(stage, user, escalate_minutes=30)
    _alert(stage, user, "disliked")
    outbox.send_due(ctx)
    stage.manual.advance(3600)
    before = stage.clock.now() - timedelta(minutes=30)
    tries = [notifications.IN_ORDER, notifications.IN_ORDER + 1]
    found = []
    for number in tries:
        with stage.db.write() as conn:
            conn.execute(update(table).where(table.c.channel_id == hook).values(tries=number))
            found.append(len(notifications.to_escalate(conn, user, before)))
    assert found == [0, 1]


@pytest.mark.parametrize(("tries", "ahead"), [(1, timedelta(days=365)), (0, timedelta(days=365))])
def test_what_a_clock_ahead_wrote_silences_no_channel(
    stage: Stage, ctx: Context, receiver: Receiver, tries: int, ahead: timedelta
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _alert(stage, user, "first")
    outbox.send_due(ctx)
    with stage.db.write() as conn:
        conn.execute(update(table).values(next_at=stage.clock.now() + ahead, tries=tries))
    _alert(stage, user, "second")
    _run(stage, ctx)
    told = [call.json()["data"]["message"] for call in receiver.calls]
    assert told == ["message of first", "message of second"]


def test_a_pause_of_a_day_that_the_receiver_asked_for_is_no_clock_ahead(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    receiver.status, receiver.headers = 429, {"Retry-After": "86400"}
    _alert(stage, user, "k")
    _run(stage, ctx)
    receiver.status = 200
    _run(stage, ctx, wait=timedelta(hours=23))
    assert receiver.calls == []
    _run(stage, ctx, wait=timedelta(hours=2))
    _run(stage, ctx)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("urgent", [True, False])
def test_what_a_channel_missed_while_it_was_off_is_told_when_it_is_on_and_keeps_the_quiet_hours(
    stage: Stage, ctx: Context, receiver: Receiver, urgent: bool
) -> None:
    user = stage.user()
    hook = _channel(stage, user, "webhook", receiver.url)
    with stage.db.write() as conn:
        notifications.switch_off(conn, hook, "by a person")
    _alert(stage, user, "error")
    _alert(stage, user, "warning", type="warning")
    _alert(stage, user, "over", subject="delivery:1")
    _run(stage, ctx, wait=timedelta(hours=1))
    with stage.db.write() as conn:
        alert_log.close(conn, "delivery:1", stage.clock.now())
    assert receiver.calls == [] and receiver.refused == []
    assert {row["error"] for row in _rows(stage)} == {notify.WAITS}
    _night(stage, user, urgent=urgent)
    with stage.db.write() as conn:
        now = stage.clock.now()
        errors_at, others_at = notify.turns(conn, users.get(conn, user), now)
        notifications.switch_on(conn, hook, now - notify.GIVE_UP_AFTER, errors_at=errors_at, others_at=others_at)
    _run(stage, ctx)
    at_night = [call.json()["data"]["message"] for call in receiver.calls]
    assert at_night == (["message of error"] if urgent else [])
    _hour_by_hour(stage, ctx, 3)
    told = [call.json()["data"]["message"] for call in receiver.calls]
    assert told == ["message of error", "message of warning"], "what is over by then is left out"
    assert {row["error"] for row in _rows(stage) if row["sent_at"]} == {""}


def test_what_had_failed_before_a_channel_was_off_and_waits_for_the_morning_holds_up_no_error(
    stage: Stage, ctx: Context, post_office: PostOffice
) -> None:
    user = stage.user()
    mail = _channel(stage, user, "email", "ada@example.org")
    for key, type in (("e1", "error"), ("w1", "warning"), ("e2", "error"), ("w2", "warning")):
        _alert(stage, user, key, type=type)
    _run(stage, replace(ctx, mail=None))
    assert {row["tries"] for row in _rows(stage)} == {1} and post_office.emails == []
    _night(stage, user, urgent=True)
    with stage.db.write() as conn:
        notifications.switch_off(conn, mail, "by a person")
        now = stage.clock.now()
        errors_at, others_at = notify.turns(conn, users.get(conn, user), now)
        notifications.switch_on(conn, mail, now - notify.GIVE_UP_AFTER, errors_at=errors_at, others_at=others_at)
    _alert(stage, user, "e3", type="error")
    _run(stage, ctx)
    assert [[key in text_of(one) for key in ("e1", "e2", "e3", "w1")] for one in post_office.emails] == [
        [True, True, False, False],
        [False, False, True, False],
    ]
    _hour_by_hour(stage, ctx, 3)
    (morning,) = post_office.emails[2:]
    assert "of w1" in text_of(morning) and "of w2" in text_of(morning)
    # Mail programs drop a letter whose Message-ID they know.
    assert len({one["Message-ID"] for one in post_office.emails}) == 3


def test_what_a_channel_missed_longer_ago_than_it_catches_up_is_not_told_when_it_is_on(
    stage: Stage, ctx: Context, receiver: Receiver
) -> None:
    user = stage.user()
    hook = _channel(stage, user, "webhook", receiver.url)
    with stage.db.write() as conn:
        notifications.switch_off(conn, hook, "by a person")
    for key in ("old", "old and over"):
        _alert(stage, user, key, subject=key)
    _run(stage, ctx, wait=notify.GIVE_UP_AFTER)
    with stage.db.write() as conn:
        alert_log.close(conn, "old and over", stage.clock.now())
    stage.manual.advance(timedelta(days=20).total_seconds())
    _alert(stage, user, "new")
    _run(stage, ctx)
    with stage.db.write() as conn:
        now = stage.clock.now()
        notifications.switch_on(conn, hook, now - notify.GIVE_UP_AFTER, errors_at=now, others_at=now)
    _run(stage, ctx)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of new"]
    assert {row["error"] for row in _rows(stage) if not row["sent_at"]} == {notifications.TOO_OLD}


def test_a_channel_that_is_off_gets_no_repeats_afterwards(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    hook = _channel(stage, user, "webhook", receiver.url)
    _wish(stage, user, again_minutes=10, again_times=3)
    with stage.db.write() as conn:
        notifications.switch_off(conn, hook, "by a person")
    _alert(stage, user, "k")
    for _ in range(8):
        _run(stage, ctx, wait=timedelta(minutes=10))
    with stage.db.write() as conn:
        now = stage.clock.now()
        notifications.switch_on(conn, hook, now - notify.GIVE_UP_AFTER, errors_at=now, others_at=now)
    _run(stage, ctx)
    assert [call.json()["data"]["why"] for call in receiver.calls] == ["new"]


def test_however_much_waits_nothing_that_is_over_is_told(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _night(stage, user)
    for number in range(520):
        _alert(stage, user, f"over-{number}", subject=f"delivery:{number}")
    _alert(stage, user, "open")
    while outbox.send_due(ctx):
        pass
    with stage.db.write() as conn:
        conn.execute(alerts.update().where(alerts.c.dedupe_key != "open").values(closed_at=stage.clock.now()))
    _hour_by_hour(stage, ctx, 3)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of open"]


def test_an_alert_that_a_clock_ahead_wrote_is_handed_on(stage: Stage, ctx: Context, receiver: Receiver) -> None:
    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _alert(stage, user, "k")
    with stage.db.write() as conn:
        conn.execute(handed.update().values(next_at=stage.clock.now() + timedelta(days=400)))
    _run(stage, ctx)
    assert [call.json()["data"]["message"] for call in receiver.calls] == ["message of k"]
