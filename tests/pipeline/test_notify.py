"""Alerts reach every channel that wants them: once where all is well, again under the same key where it is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postprober.alerts import webhook
from postprober.domain.alert import LATE_AFTER, AlertKind, AlertType, Preferences, quiet_until
from postprober.domain.delivery import DeliveryState
from postprober.pipeline import notify, outbox, watch
from postprober.pipeline.context import Context
from postprober.pipeline.courier import Courier
from postprober.security.vault import Place
from postprober.settings import MailServer
from postprober.storage import logs, notifications, users
from postprober.storage.tables import alerts, channels
from postprober.storage.tables import notifications as table
from tests.pipeline.fake import Way, rejected
from tests.pipeline.stage import Stage
from tests.receivers import PostOffice, Receiver

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
    yield replace(stage.worker(), http=HttpClient(pools), mail=server, allow_private=True, app_url="http://app")
    pools.close()


def _channel(stage: Stage, user: int, kind: str, url: str, **settings: Any) -> int:
    with stage.db.write() as conn:
        made = notifications.add_channel(conn, user_id=user, name=kind, kind=kind, now=stage.clock.now())
        notifications.write_channel(
            conn, made, url=stage.vault.seal(url, Place("channels", "url", str(made))),
            secret=stage.vault.seal(SECRET, Place("channels", "secret", str(made))), settings=settings,
        )  # fmt: skip
    return made


def _alert(
    stage: Stage, user: int, key: str, type: str = "error", kind: str = AlertKind.FAILED, subject: str = ""
) -> None:
    with stage.db.write() as conn:
        logs.alert(
            conn, user_id=user, post_id=None, delivery_id=None, type=type, message=f"message of {key}", dedupe_key=key,
            now=stage.clock.now(), kind=kind, subject=subject,
        )  # fmt: skip


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
    assert len(by_hook) == len(by_ntfy) == len(post_office.letters) == 1
    assert by_hook[0].headers["webhook-id"] == f"delivery:1:failed:7:{hook}"
    assert by_hook[0].json()["data"]["message"] == "message of delivery:1:failed:7"
    assert "message of delivery:1:failed:7" in by_ntfy[0].body.decode()
    assert "Not published" in str(post_office.letters[0]["Subject"])
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
    (letter,) = post_office.letters
    text = letter.get_content()
    assert all(f"message of k{number}" in text for number in range(3)) and "3 alerts" in str(letter["Subject"])
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
    monkeypatch.setattr("postprober.pipeline.courier.WEBHOOK_TIMEOUT", 0.2)
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
    deliver = Courier.deliver

    def die(self: Courier, channel: Any, rows: Any) -> None:
        deliver(self, channel, rows)
        raise Killed  # after sending, before it could be marked

    monkeypatch.setattr(Courier, "deliver", die)
    with pytest.raises(Killed):
        notify.send_due(ctx)
    monkeypatch.setattr(Courier, "deliver", deliver)
    _alert(stage, user, "k2")  # what is new does not change the message that is repeated
    stage.manual.advance(notify.LEASE.total_seconds())
    _run(stage, ctx)
    first, again, new = post_office.letters
    assert first["Message-ID"] == again["Message-ID"] and first.get_content() == again.get_content()
    assert "message of k2" in new.get_content() and "message of k0" not in new.get_content()


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
    assert any("switched off" in letter.get_content() for letter in post_office.letters)
    refused = len(receiver.refused)
    _run(stage, ctx, wait=timedelta(hours=1))
    assert len(receiver.refused) == refused, "it is left alone"
    receiver.status = 200
    now = stage.clock.now()
    with stage.db.write() as conn:
        notifications.switch_on(conn, dead, now, now - notify.GIVE_UP_AFTER)
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
        stage, user, quiet_from=(begin - timedelta(hours=1)).strftime("%H:%M"),
        quiet_to=(begin + timedelta(hours=1)).strftime("%H:%M"),
    )  # fmt: skip
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
        logs.read_alert(conn, user, read)
    for _ in range(12):
        _run(stage, ctx, wait=timedelta(minutes=5))
    told = [call.json()["data"]["message"] for call in receiver.calls]
    assert told.count("message of unread") == 3 and told.count("message of read") == 1
    assert told.count("message of success") == 1
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == len(told), (
        "each telling has a key of its own"
    )
    (letter,) = post_office.letters
    assert letter["To"] == "boss@example.org" and "message of unread" in letter.get_content()
    assert "nobody has read it" in str(letter["Subject"])


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
        watch.move(conn, stage.get(delivery), S.SCHEDULED, reason="again", now=now, next_at=now, due_at=now, tries=0)
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
        watch.move(conn, stage.get(delivery), S.CANCELLED, reason="given up", now=stage.clock.now(), next_at=None)
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
        watch.move(conn, stage.get(delivery), S.GHOST, reason="It is gone.", now=stage.clock.now())
    (alert,) = stage.rows(alerts)
    assert alert["kind"] == "drifted" and "proved live" in alert["message"]
    with stage.db.write() as conn:
        watch.move(conn, stage.get(delivery), S.VERIFIED, reason="It is visible now.", now=stage.clock.now())
    assert [row["kind"] for row in stage.rows(alerts)] == ["drifted", "recovered"]
    assert stage.rows(alerts)[0]["closed_at"] is not None


def test_a_refused_private_address_gets_nothing(stage: Stage, receiver: Receiver) -> None:
    from postprober.http import HttpClient, Pools

    user = stage.user()
    _channel(stage, user, "webhook", receiver.url)
    _channel(stage, user, "apprise", f"ntfy://127.0.0.1:{receiver.port}/topic")
    pools = Pools(allow_private=False)
    ctx = replace(stage.worker(), http=HttpClient(pools), allow_private=False)
    _alert(stage, user, "k")
    _run(stage, ctx)
    pools.close()
    assert receiver.calls == receiver.refused == []
    assert all(row["error"] for row in _rows(stage))
