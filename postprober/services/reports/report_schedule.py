"""Reports that come by themselves: chosen by a person, made and sent by the scheduler.

A due schedule moves on and orders its report (a row of the outbox with a key of person and period) in one transaction.
The order is claimed, made, sent under its key, and marked only after it was taken: killed anywhere, it is neither lost
nor ordered twice, and a message that goes out again carries the same key. However long nothing ran, one report is made
up for: the newest.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from postprober.alerts import mail, message
from postprober.alerts.mail import Email
from postprober.domain.actor import Actor, job
from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.report_plan import Every, Plan
from postprober.domain.retry import backoff
from postprober.errors import BadInput, NotFound, PostProberError, Unavailable
from postprober.pipeline.notifications.notify import GIVE_UP_AFTER
from postprober.services.core import Core
from postprober.services.notifications import channels
from postprober.services.people import permits
from postprober.services.reports import reports
from postprober.storage import alert_log, notifications, outbox_queue, users
from postprober.storage import reports as storage
from postprober.storage.loops import each
from postprober.storage.records import OutboxRecord, User
from postprober.storage.reports import Schedule

log = logging.getLogger("postprober.reports")

FORMS = ("html", "pdf")  # what a mail may carry
CLAIM = timedelta(minutes=5)  # for making and sending one; the slowest printer has 60 s, the slowest mail server 20
TOLD_AFTER = 3  # failed tries: about half a minute
_RNG = random.Random()
JOB = job("report")


@dataclass(frozen=True)
class ReportChoice:
    """`every` "" is never. `channel_id` None: by e-mail, with the report attached in `form`; a channel gets a summary.
    `next_at`: when the next one is made, aware UTC."""

    every: str = ""
    day: int = 1
    hour: int = 8
    form: str = "html"
    channel_id: int | None = None
    next_at: datetime | None = None


@permits.needs("reports:read")
def get(core: Core, actor: Actor) -> ReportChoice:
    """The person's own choice."""
    with core.db.read() as conn:
        found = storage.of_user(conn, actor.user)
    return (
        ReportChoice(found.every, found.day, found.hour, found.form, found.channel_id, found.next_at)
        if found
        else ReportChoice()
    )


@permits.needs("reports:write")
def put(core: Core, actor: Actor, choice: ReportChoice) -> ReportChoice:
    """Choose; what was ordered before is still sent. Raises BadInput, Forbidden, or NotFound for the channel."""
    if not choice.every:
        with core.db.write() as conn:
            storage.forget(conn, actor.user)
        return ReportChoice()
    if choice.every not in list(Every):
        raise BadInput(f"Choose one of {', '.join(Every)}, or nothing.", field="every")
    if choice.form not in FORMS:
        raise BadInput(f"Choose one of {', '.join(FORMS)}.", field="format")
    if choice.channel_id is None and core.settings.mail is None:
        raise BadInput("No mail server is set up here; choose a channel.", field="channel_id")
    plan = Plan(Every(choice.every), choice.day, choice.hour)
    next_at = plan.next(ZoneInfo(actor.zone), core.clock.now())
    with core.db.write() as conn:
        if choice.channel_id is not None:
            notifications.channel(conn, actor.space, choice.channel_id)
        storage.put(conn, actor.user, plan, form=choice.form, channel_id=choice.channel_id, next_at=next_at)
    return get(core, actor)


def tick(core: Core) -> int:
    """Order what is due, and send what is ordered; returns how many were sent. For the leading scheduler."""
    with core.db.read() as conn:
        waiting = storage.due(conn, core.clock.now())

    def later(schedule: Schedule, _error: Exception) -> None:
        with core.db.write() as conn:
            storage.advance(conn, schedule, core.clock.now() + CLAIM)

    each(waiting, lambda schedule: _order(core, schedule), log, "a report is ordered", later)
    with core.db.read() as conn:
        rows = outbox_queue.due(conn, core.clock.now(), reports=True)
    return each(rows, lambda row: _carry_out(core, row), log, "a report is sent")


def _order(core: Core, schedule: Schedule) -> None:
    now = core.clock.now()
    with core.db.write() as conn:
        user = users.get(conn, schedule.user_id)
        zone = ZoneInfo(user.zone)
        if not storage.advance(conn, schedule, schedule.plan.next(zone, now)) or not user.is_active:
            return
        first, last = schedule.plan.covers(schedule.plan.last(zone, now))
        payload = {
            "first": first.isoformat(),
            "last": last.isoformat(),
            "zone": user.zone,
            "form": schedule.form,
            "channel_id": schedule.channel_id,
        }
        key = f"report:{user.id}:{schedule.every}:{first.isoformat()}"
        storage.order(conn, user_id=user.id, key=key, payload=payload, now=now)


def _carry_out(core: Core, row: OutboxRecord) -> bool:
    now = core.clock.now()
    with core.db.write() as conn:
        if not storage.claim(conn, row, now + CLAIM):
            return False
        user = users.get(conn, row.user_id)
        if row.tries >= TOLD_AFTER:  # also when it took the whole process down each time
            _tell(conn, user, row, "It was retried several times and will be retried again.", now)
    try:
        if user.is_active:
            _send(core, user, row)
    except PostProberError as error:
        log.warning("a report could not be sent: %s %s", error, error.detail)
        _failed(core, user, row, error)
        return False
    with core.db.write() as conn:
        storage.close(conn, row.id, core.clock.now())
        alert_log.close(conn, _subject(row), core.clock.now())
    return True


def _send(core: Core, user: User, row: OutboxRecord) -> None:
    told = row.payload
    first, last = date.fromisoformat(told["first"]), date.fromisoformat(told["last"])
    actor = permits.of_user(user, JOB)
    summary = reports.text_of_period(core, actor, first, last, told["zone"])
    if told["channel_id"] is not None:
        _to_channel(core, user, row, summary)
        return
    if core.settings.mail is None:
        raise Unavailable("No mail server is set up.")
    made, note = _made(core, actor, first, last, told)
    text = (
        f"{summary}\n{note}The whole report is attached.\n\n"
        f"Open in PostProber: {core.settings.app_base}/analytics\n"
        f"Change or stop these reports: {core.settings.app_base}/analytics\n"
    )
    subject = f"PostProber report: {summary.splitlines()[0].partition(' (')[0].partition(':')[0]}"
    mime = made.mime.partition(";")[0]
    email = Email(user.email, subject, text, files=((made.name, mime, made.content),))
    mail.send(core.settings.mail, email, key=row.dedupe_key)


def _made(core: Core, actor: Actor, first: date, last: date, told: dict[str, Any]) -> tuple[reports.Made, str]:
    """The file, and a note about it: without a printer the page itself is sent."""
    try:
        return reports.of_period(core, actor, first, last, told["form"], told["zone"]), ""
    except Unavailable as error:
        if told["form"] != "pdf":
            raise
        made = reports.of_period(core, actor, first, last, "html", told["zone"])
        return made, f"It could not be printed as PDF: {error.message}\n"


def _to_channel(core: Core, user: User, row: OutboxRecord, summary: str) -> None:
    with core.db.read() as conn:
        channel = notifications.channel(conn, user.space, row.payload["channel_id"])
    if not channel.is_active:
        raise NotFound(f"The channel “{channel.name}” is switched off.")
    told = {
        "id": row.id,
        "alert_id": 0,
        "dedupe_key": row.dedupe_key,
        "why": "new",
        "batch": 0,
        "tries": row.tries,
        "created_at": row.created_at,
        "alert_type": "success",
        "alert_kind": message.SUMMARY,
        "alert_created_at": row.created_at,
        "alert_message": summary.strip(),
        "alert_post_id": None,
        "alert_delivery_id": None,
        "alert_subject": "",
    }
    channels.sender(core).deliver(channel, [told])


def _failed(core: Core, user: User, row: OutboxRecord, error: PostProberError) -> None:
    now, tries = core.clock.now(), row.tries + 1
    over = now - row.created_at > GIVE_UP_AFTER
    with core.db.write() as conn:
        storage.close(conn, row.id, None, None if over else now + backoff(tries, _RNG))
        if tries >= TOLD_AFTER or over:
            _tell(
                conn,
                user,
                row,
                f"{error.message} " + ("No more attempts are made." if over else "It will be retried."),
                now,
                over,
            )


def _tell(conn: Any, user: User, row: OutboxRecord, why: str, now: datetime, over: bool = False) -> None:
    told = row.payload
    alert_log.add(
        conn,
        user_id=user.space,
        post_id=None,
        delivery_id=None,
        type=AlertType.ERROR,
        kind=AlertKind.REPORT,
        message=f"The report about {told['first']} to {told['last']} for {user.name or user.email} was not sent. {why}",
        dedupe_key=f"{row.dedupe_key}:{'over' if over else 'failed'}",
        subject=_subject(row),
        now=now,
    )


def _subject(row: OutboxRecord) -> str:
    return row.dedupe_key[:60]
