"""Brings one message to one channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postprober.alerts import channels, mail, message, webhook
from postprober.alerts.mail import Email
from postprober.clock import Clock, utc_iso
from postprober.domain.moments import parse_http_date, seconds_after
from postprober.errors import OutcomeUnknown, PostProberError, Unavailable
from postprober.http import HttpClient
from postprober.security.vault import Place, Vault
from postprober.settings import MailServer
from postprober.storage.notifications import Channel

WEBHOOK_TIMEOUT = 15.0  # seconds; the Standard Webhooks specification proposes 15 to 30


class Gone(PostProberError):
    """The receiver takes nothing more, ever."""


class Refused(PostProberError):
    """The receiver answered with an error. `later`: not before then, as it says itself; None when it does not say."""

    def __init__(self, message: str, detail: str, later: datetime | None) -> None:
        super().__init__(message, detail)
        self.later = later


LONGEST_WISH = timedelta(hours=24)  # of a receiver's Retry-After


def _retry_after(value: str, now: datetime) -> datetime | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3), at most a day from now; None for nonsense and for the past."""
    seconds = value.strip()
    number = seconds.isascii() and seconds.isdigit()
    moment = seconds_after(now, float(seconds)) if number else parse_http_date(value)
    return min(moment, now + LONGEST_WISH) if moment is not None and moment > now else None


@dataclass(frozen=True)
class Sender:
    """What is needed to bring a message. `app_url`: where the links lead; `turn_off`: for a channel, the page on which
    whoever got the mail turns these mails off, and the address for mail programs that do so themselves ("" for none)."""

    vault: Vault
    http: HttpClient
    clock: Clock
    mail: MailServer | None
    app_url: str
    turn_off: Callable[[int], tuple[str, str]]

    def deliver(self, channel: Channel, rows: Sequence[dict[str, Any]]) -> None:
        """One message about these notifications. Raises PostProberError when the receiver did not take it."""
        if channel.kind == "webhook":
            for row in rows:
                self._post(channel, row)
        elif channel.kind == "email":
            self._mail(channel, rows)
        else:
            kind = "error" if any(row["alert_type"] == "error" for row in rows) else rows[0]["alert_type"]
            url = self.vault.open(channel.url, Place("channels", "url", str(channel.id)))
            body = message.chat(rows, self.app_url)
            channels.send(self.http.for_typed(), url, kind, message.title(rows), body)

    def _post(self, channel: Channel, row: dict[str, Any]) -> None:
        url = self.vault.open(channel.url, Place("channels", "url", str(channel.id)))
        secret = self.vault.open(channel.secret or "", Place("channels", "secret", str(channel.id)))
        data = {
            "alert_id": row["alert_id"],
            "type": row["alert_type"],
            "kind": row["alert_kind"],
            "message": row["alert_message"],
            "post_id": row["alert_post_id"],
            "delivery_id": row["alert_delivery_id"],
            "created_at": utc_iso(row["alert_created_at"]),
            "why": row["why"],
            **message.data(row, self.app_url),
        }
        stamp = int(self.clock.now().timestamp())
        body, headers = webhook.request(secret, row["dedupe_key"], stamp, f"alert.{row['alert_kind']}", data)
        client = self.http.for_typed().bound(secrets=[secret])
        try:
            reply = client.send(
                "POST", url, content=body, headers=headers, timeout=WEBHOOK_TIMEOUT, total=WEBHOOK_TIMEOUT
            )
        except (Unavailable, OutcomeUnknown) as error:  # one sentence: the reason would tell what else answers there
            raise Unavailable("The webhook did not answer. Check its address.", error.detail) from None
        if reply.status == 410:  # Standard Webhooks: the receiver wants nothing more at this address
            raise Gone("The webhook's server says that this address is gone (410).", reply.excerpt)
        if not reply.ok:
            later = _retry_after(reply.headers.get("retry-after", ""), self.clock.now())
            raise Refused(f"The webhook answers {reply.status}.", reply.excerpt, later)

    def _mail(self, channel: Channel, rows: Sequence[dict[str, Any]]) -> None:
        if self.mail is None:
            raise Unavailable("No mail server is set up.")
        to = self.vault.open(channel.url, Place("channels", "url", str(channel.id)))
        page, program = self.turn_off(channel.id)
        text = (
            f"{message.text(rows, self.app_url)}\n\n"
            f"The channel “{channel.name}” of {self.app_url} sends its alerts to this address.\n"
            f"Turn these mails off: {page}\n"
        )
        email = Email(to, message.title(rows), text, unsubscribe=program or page, one_click=bool(program))
        mail.send(self.mail, email, key=_key(rows))


def _key(rows: Sequence[dict[str, Any]]) -> str:
    """Of the message: the same whenever the same rows go out together."""
    return str(rows[0]["dedupe_key"]) if len(rows) == 1 else f"batch:{rows[0]['batch']}"
