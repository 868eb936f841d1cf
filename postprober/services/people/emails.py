"""The mails that PostProber writes to people."""

from __future__ import annotations

from typing import Any

from postprober.alerts.mail import Email
from postprober.services.core import Core
from postprober.services.people import passwords, people
from postprober.storage import users


def email_for(core: Core, body: dict[str, Any]) -> Email | None:
    """The e-mail for a `mail` row of the outbox; None when nobody is to get one."""
    if body["kind"] == "reset":
        return _reset(core, body["to"])
    if body["kind"] == "register":
        return _registration(core, body["to"])
    if body["kind"] == "channel":
        return _channel(core, body)
    return _invitation(core, body)


def _channel(core: Core, body: dict[str, Any]) -> Email:
    return Email(
        body["to"],
        "Confirm this address for PostProber alerts",
        f"Someone wants to send alerts of {core.settings.app_base} to this address. Open this link to agree:\n\n"
        f"{body['link']}\n\nIf you do nothing, you get no further mail.\n",
    )


def _registration(core: Core, to: str) -> Email:
    with core.db.read() as conn:
        known = users.by_email(conn, to)
    if known is not None:
        return Email(
            to,
            "You already have a PostProber account",
            f"Someone, probably you, tried to register this address at {core.settings.app_base}. You already have an "
            "account. Sign in, or use “Forgot your password?” there.\n\nIf it was not you, do nothing.\n",
        )
    return Email(
        to,
        "Confirm your e-mail address",
        f"Someone, probably you, wants to register this address at {core.settings.app_base}. Open this link within one "
        f"hour to create the account:\n\n{people.registration_link(core, to)}\n\nIf it was not you, do nothing.\n",
    )


def _reset(core: Core, to: str) -> Email | None:
    with core.db.read() as conn:
        user = users.by_email(conn, to)
    if user is None or not user.is_active:
        return None
    minutes = int(passwords.RESET_LIFE.total_seconds() // 60)
    return Email(
        to,
        "Choose a new PostProber password",
        f"Someone, probably you, asked for a new password for {core.settings.app_base}.\n\n"
        f"Choose it here within {minutes} minutes; the link works once:\n\n{passwords.link(core, user.id)}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n",
    )


def _invitation(core: Core, body: dict[str, Any]) -> Email:
    if not body["link"]:
        return Email(
            body["to"],
            "You are invited to PostProber",
            f"{body['by']} invites you to work together at {core.settings.app_base}. You already have an account there "
            "with this address. To join, ask them to invite another address of yours.\n",
        )
    return Email(
        body["to"],
        "You are invited to PostProber",
        f"{body['by']} invites you to work together at {core.settings.app_base}.\n\n"
        f"Choose your password here within {passwords.INVITE_LIFE.days} days; the link works once:\n\n"
        f"{body['link']}\n",
    )
