"""Hooks in: an address of our own at which another service says that something happened, and a post is written from it.

What comes is signed (Standard Webhooks), made into a text by a template of dotted names, and becomes a draft or a proposal;
a message that comes again makes no second post. A hook never publishes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from postprober.domain.actor import HOOK, Actor, Door, Via
from postprober.domain.text import has_half_character
from postprober.errors import BadInput, Forbidden, NotFound
from postprober.security.tokens import keyed_hash, opaque
from postprober.services.accounts.accounts import owned
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.posts import drafts, posts, proposals
from postprober.services.posts.posts import NewPost
from postprober.storage import users
from postprober.storage.records import Post

Mode = Literal["draft", "propose"]
PREFIX = "hk_"
LIFE = timedelta(days=3650)
MOST = 50  # of one person; ours
MAX_TEMPLATE = 10_000  # characters
MAX_TEXT = 20_000  # characters of what a template makes; far over what any message is good for
MAY = frozenset({"posts:read", "posts:draft", "posts:propose"})
_NAME = re.compile(r"\{\{\s{0,4}([A-Za-z0-9_-]{1,60}(?:\.[A-Za-z0-9_-]{1,60}){0,12})\s{0,4}\}\}")


@dataclass(frozen=True)
class Hook:
    """One hook, without its secrets."""

    id: int
    name: str
    account_ids: tuple[int, ...]
    template: str
    mode: Mode
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True)
class NewHook:
    """`address`: the end of the hook's address; `secret`: with which messages are signed. Both are shown this once."""

    hook: Hook
    address: str
    secret: str


@permits.needs("tokens:write")
def create(
    core: Core, actor: Actor, *, name: str, account_ids: Sequence[int], template: str, mode: Mode = "propose"
) -> NewHook:
    """Raises BadInput or NotFound."""
    label = name.strip()
    if not label or len(label) > 120 or not label.isprintable():
        raise BadInput("Give the hook a name of at most 120 characters.", field="name")
    if not template.strip() or len(template) > MAX_TEMPLATE:
        raise BadInput(f"Give a template of at most {MAX_TEMPLATE:,} characters.", field="template")
    leftover = re.search(r"\{\{|\}\}", _NAME.sub("", template))
    if leftover:
        raise BadInput(
            "A name in the template is not closed or not a name; write it like {{release.name}}.", field="template"
        )
    if not account_ids:
        raise BadInput("Choose at least one account.", field="account_ids")
    now, address = core.clock.now(), PREFIX + opaque()
    hashed = keyed_hash(core.settings.secret_key, address)
    data = {"name": label, "accounts": sorted(set(account_ids)), "template": template, "mode": mode}
    with core.db.write() as conn:
        for account_id in account_ids:
            owned(conn, actor.space, account_id)
        users.lock(conn, actor.space)
        if len(users.sessions_of(conn, actor.user, HOOK, now)) >= MOST:
            raise BadInput(f"There are {MOST} hooks already; remove one first.", field="name")
        row_id = users.add_session(
            conn, user_id=actor.user, kind=HOOK, token_hash=hashed, now=now, expires_at=now + LIFE, data=data
        )
        row = users.session_by_id(conn, row_id, now)
    return NewHook(_view(row or {}), address, _secret_of(core, address))


@permits.needs("tokens:read")
def listing(core: Core, actor: Actor) -> list[Hook]:
    """The person's hooks, oldest first."""
    with core.db.read() as conn:
        return [_view(row) for row in users.sessions_of(conn, actor.user, HOOK, core.clock.now())]


@permits.needs("tokens:write")
def remove(core: Core, actor: Actor, hook_id: int) -> None:
    """Nothing comes in by it from now on. Raises NotFound."""
    with core.db.write() as conn:
        if not users.end_session(conn, hook_id, core.clock.now(), user_id=actor.user, kind=HOOK):
            raise NotFound(f"There is no hook {hook_id}.")


def receive(core: Core, address: str, headers: Mapping[str, str], body: bytes) -> tuple[Post, bool]:
    """The post that a message makes, and whether it is new. Raises NotFound (no such hook), Forbidden (the signature is
    wrong, old or missing), BadInput (no JSON, or a name of the template is not in it), PreflightFailed or Conflict."""
    hashed, now = keyed_hash(core.settings.secret_key, address), core.clock.now()
    with core.db.read() as conn:
        row = users.find_session(conn, HOOK, hashed, now)
        actor = _actor(conn, row) if row else None
    if row is None or actor is None:
        raise NotFound("There is no such hook.")
    data = row["data"]
    _check(_secret_of(core, address), headers, body)
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("The body is no JSON.", field="body") from None
    new = NewPost((rendered(data["template"], message),), tuple(data["accounts"]))
    key = f"hook:{row['id']}:{headers['webhook-id']}"
    with core.db.write() as conn:
        users.mark_used(conn, row["id"], now)
    if data["mode"] == "propose":
        done = proposals.propose(core, actor, new, key=key)
        return done.post, done.is_new
    return drafts.save_once(core, actor, new, posts.client_key(actor, key))


def rendered(template: str, message: Any) -> str:
    """The template with the message's values. Raises BadInput for a name that is not there, or a value that is no text."""

    def value(match: re.Match[str]) -> str:
        found = message
        for name in match[1].split("."):
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise BadInput(f"The message has no {match[1]}, which the hook's template names.", field="body")
        if isinstance(found, bool) or not isinstance(found, str | int | float):
            raise BadInput(f"{match[1]} in the message is no text.", field="body")
        return str(found)

    text = _NAME.sub(value, template).strip()
    if len(text) > MAX_TEXT or "\0" in text or has_half_character(text):
        raise BadInput(
            f"The text would have more than {MAX_TEXT:,} characters, or characters that are no text.", field="body"
        )
    return text


def _check(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    wanted = {name: headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    if not re.fullmatch(r"[\x21-\x7e]{1,150}", wanted["webhook-id"]):
        raise Forbidden("The message has no webhook-id; sign it as Standard Webhooks says.")
    try:
        Webhook(secret).verify(body, wanted, json_parse=False)
    except (
        WebhookVerificationError,
        ValueError,
    ):  # ValueError: what stands there is no signature, or the body no UTF-8
        raise Forbidden(
            "The signature is missing, wrong or too old; sign the message with the hook's secret."
        ) from None


def _secret_of(core: Core, address: str) -> str:
    """With which the messages to this address are signed. It follows from the address, of which only a hash is kept, so there
    is nothing to steal or to seal anew."""
    told = keyed_hash(core.settings.secret_key, f"hook signature {address}")
    return "whsec_" + base64.b64encode(told.encode()).decode()


def _actor(conn: Connection, row: Mapping[str, Any]) -> Actor | None:
    user = users.get(conn, row["user_id"])
    return permits.of_user(user, Via(Door.REST, HOOK, row["id"], "", MAY)) if user.is_active else None


def _view(row: Mapping[str, Any]) -> Hook:
    data = row["data"]
    return Hook(
        row["id"],
        data["name"],
        tuple(data["accounts"]),
        data["template"],
        data["mode"],
        row["created_at"],
        row["used_at"],
    )


__all__ = ["Hook", "NewHook", "create", "listing", "receive", "remove", "rendered"]
