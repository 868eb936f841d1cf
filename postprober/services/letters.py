"""The mails that PostProber writes to people."""

from __future__ import annotations

from typing import Any

from postprober.alerts.mail import Letter
from postprober.services import passwords
from postprober.services.core import Core
from postprober.storage import users


def letter_for(core: Core, body: dict[str, Any]) -> Letter | None:
    """The letter for a `mail` row of the outbox; None when nobody is to get one."""
    if body["kind"] == "reset":
        return _reset(core, body["to"])
    return _invitation(core, body)


def _reset(core: Core, to: str) -> Letter | None:
    with core.db.read() as conn:
        user = users.by_email(conn, to)
    if user is None or not user.is_active:
        return None
    minutes = int(passwords.RESET_LIFE.total_seconds() // 60)
    return Letter(
        to,
        "Choose a new PostProber password",
        f"Somebody, probably you, asked for a new password for {core.settings.app_base}.\n\n"
        f"Choose it here within {minutes} minutes; the link works once:\n\n{passwords.link(core, user.id)}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n",
    )


def _invitation(core: Core, body: dict[str, Any]) -> Letter:
    return Letter(
        body["to"],
        "You are invited to PostProber",
        f"{body['by']} invites you to work together at {core.settings.app_base}.\n\n"
        f"Choose your password here within {passwords.INVITE_LIFE.days} days; the link works once:\n\n"
        f"{body['link']}\n",
    )
