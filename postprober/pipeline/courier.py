"""Brings one message to one channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from postprober.alerts import delivery, mail, webhook
from postprober.alerts.mail import Letter
from postprober.clock import Clock, utc_iso
from postprober.domain.alert import KIND_WORDS
from postprober.errors import Unavailable
from postprober.http import HttpClient
from postprober.security.vault import Place, Vault
from postprober.settings import MailServer
from postprober.storage.notifications import Channel

SUMMARY = "summary"  # kind of a message that is no alert: a report in short
WEBHOOK_TIMEOUT = 15.0  # seconds; the Standard Webhooks specification proposes 15 to 30


@dataclass(frozen=True)
class Courier:
    """What is needed to bring a message. `allow_private`: also to private addresses; `app_url` is named in mails."""

    vault: Vault
    http: HttpClient
    clock: Clock
    mail: MailServer | None
    allow_private: bool
    app_url: str

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
            body = "\n".join([*_lines(rows), f"[{_key(rows)}]"])
            delivery.send(url, kind, _title(rows), body, allow_private=self.allow_private)

    def _post(self, channel: Channel, row: dict[str, Any]) -> None:
        url = self.vault.open(channel.url, Place("channels", "url", str(channel.id)))
        secret = self.vault.open(channel.secret or "", Place("channels", "secret", str(channel.id)))
        data = {
            "alert_id": row["alert_id"], "type": row["alert_type"], "kind": row["alert_kind"],
            "message": row["alert_message"], "post_id": row["alert_post_id"], "delivery_id": row["alert_delivery_id"],
            "created_at": utc_iso(row["alert_created_at"]), "why": row["why"],
        }  # fmt: skip
        stamp = int(self.clock.now().timestamp())
        body, headers = webhook.request(secret, row["dedupe_key"], stamp, f"alert.{row['alert_kind']}", data)
        reply = self.http.bound(secrets=[secret]).send(
            "POST", url, content=body, headers=headers, timeout=WEBHOOK_TIMEOUT
        )
        if not reply.ok:
            raise Unavailable(f"The webhook answers {reply.status}.", reply.excerpt)

    def _mail(self, channel: Channel, rows: Sequence[dict[str, Any]]) -> None:
        if self.mail is None:
            raise Unavailable("No mail server is set up.")
        to = self.vault.open(channel.url, Place("channels", "url", str(channel.id)))
        text = "\n\n".join(_lines(rows))
        mail.send(self.mail, Letter(to, _title(rows), f"{text}\n\n{self.app_url}\n"), key=_key(rows))


def _title(rows: Sequence[dict[str, Any]]) -> str:
    again = {"again": " (still open)", "escalation": " (nobody has read it)"}.get(rows[0]["why"], "")
    if len(rows) > 1:
        return f"PostProber: {len(rows)} alerts{again}"
    kind = rows[0]["alert_kind"]
    return f"PostProber: {'Report' if kind == SUMMARY else KIND_WORDS.get(kind, 'Alert')}{again}"


def _lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["alert_message"] for row in rows] if len(rows) == 1 else [f"• {row['alert_message']}" for row in rows]


def _key(rows: Sequence[dict[str, Any]]) -> str:
    """Of the message: the same whenever the same rows go out together."""
    return str(rows[0]["dedupe_key"]) if len(rows) == 1 else f"batch:{rows[0]['batch']}"
