"""Where somebody wants to be told: Apprise addresses, signed webhooks and e-mail, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from postprober.alerts import delivery, webhook
from postprober.domain.alert import AlertKind, Preferences, clock_time
from postprober.errors import BadInput
from postprober.pipeline import notify
from postprober.pipeline.courier import Courier
from postprober.security.urlguard import check_url
from postprober.security.vault import Place
from postprober.services import permits
from postprober.services.core import Core, Mark, no_mark
from postprober.services.users import tidy_email
from postprober.storage import notifications, users
from postprober.storage.notifications import Channel
from postprober.storage.records import User

KINDS = ("apprise", "webhook", "email")
MAX_CHANNELS = 20
MAX_NAME = 120
MAX_URL = 2000
MOST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True)
class ChannelView:
    """A channel as its owner sees it. `where`: its address with whatever in it may be secret left out."""

    id: int
    name: str
    kind: str
    where: str
    kinds: tuple[str, ...]
    escalation: bool
    is_active: bool
    failing_since: datetime | None
    off_reason: str
    created_at: datetime


def add(
    core: Core,
    user: User,
    *,
    kind: str,
    name: str,
    url: str = "",
    kinds: Sequence[str] = (),
    escalation: bool = False,
    mark: Mark = no_mark,
) -> tuple[ChannelView, str]:
    """A new channel, and for a webhook its signing secret, which is never shown again. `url`: an Apprise address, an
    https address, or an e-mail address (one's own if left out). Raises BadInput."""
    permits.need(core, user.id, "alerts:write")
    tidy = name.strip()
    if kind not in KINDS:
        raise BadInput(f"A channel is one of: {', '.join(KINDS)}.", field="kind")
    if not tidy or len(tidy) > MAX_NAME or not tidy.isprintable():
        raise BadInput(f"Give the channel a name of at most {MAX_NAME} characters.", field="name")
    address = _address(core, user, kind, url.strip())
    chosen = _kinds(kinds)
    secret = webhook.new_secret() if kind == "webhook" else ""
    now = core.clock.now()
    with core.db.write() as conn:
        if len(notifications.channels_of(conn, user.space)) >= MAX_CHANNELS:
            raise BadInput(f"There are {MAX_CHANNELS} channels already; remove one first.", field="name")
        made = notifications.add_channel(conn, user_id=user.space, name=tidy, kind=kind, now=now)
        notifications.write_channel(
            conn, made, url=core.vault.seal(address, Place("channels", "url", str(made))),
            secret=core.vault.seal(secret, Place("channels", "secret", str(made))) if secret else None,
            settings={"kinds": list(chosen), "escalation": escalation},
        )  # fmt: skip
        mark(conn, made)
        return _view(core, notifications.channel(conn, user.space, made)), secret


def listing(core: Core, user: User) -> list[ChannelView]:
    """Oldest first."""
    with core.db.read() as conn:
        found = notifications.channels_of(conn, user.space)
    return [_view(core, one) for one in found]


def get(core: Core, user: User, channel_id: int) -> ChannelView:
    """Raises NotFound."""
    with core.db.read() as conn:
        return _view(core, notifications.channel(conn, user.space, channel_id))


def change(
    core: Core, user: User, channel_id: int, *, kinds: Sequence[str], escalation: bool, active: bool
) -> ChannelView:
    """Other alerts, or on and off. What it missed in the last days while it was off is sent when it is switched on.
    Raises NotFound or BadInput."""
    permits.need(core, user.id, "alerts:write")
    chosen, now = _kinds(kinds), core.clock.now()
    with core.db.write() as conn:
        before = notifications.channel(conn, user.space, channel_id)
        notifications.write_channel(conn, channel_id, settings={"kinds": list(chosen), "escalation": escalation})
        if active and not before.is_active:
            notifications.switch_on(conn, channel_id, now, now - notify.GIVE_UP_AFTER)
        elif before.is_active and not active:
            notifications.switch_off(conn, channel_id, "Switched off by a person.")
        return _view(core, notifications.channel(conn, user.space, channel_id))


def remove(core: Core, user: User, channel_id: int) -> None:
    """Nothing is sent there any more; its address is forgotten. Raises NotFound."""
    permits.need(core, user.id, "alerts:write")
    with core.db.write() as conn:
        notifications.channel(conn, user.space, channel_id)
        notifications.write_channel(
            conn, channel_id, is_active=False, off_reason=notifications.REMOVED, url="", secret=None
        )


def try_out(core: Core, user: User, channel_id: int) -> None:
    """Send a test message now. Raises NotFound, or a PostProberError that says why it did not arrive."""
    permits.need(core, user.id, "alerts:write")
    with core.db.read() as conn:
        found = notifications.channel(conn, user.space, channel_id)
    now = core.clock.now()
    message = {
        "id": 0, "alert_id": 0, "dedupe_key": f"test:{channel_id}:{int(now.timestamp())}", "why": "new", "batch": 0,
        "tries": 1, "created_at": now, "alert_type": "success", "alert_kind": "test", "alert_created_at": now,
        "alert_message": "This is a test from PostProber: alerts arrive here.", "alert_post_id": None,
        "alert_delivery_id": None, "alert_subject": "",
    }  # fmt: skip
    settings = core.settings
    courier = Courier(core.vault, core.http, core.clock, settings.mail, settings.sandbox, settings.app_base)
    courier.deliver(found, [message])


def log(core: Core, user: User, channel_id: int, limit: int = 50) -> list[dict[str, Any]]:
    """What was sent there, newest first. Raises NotFound."""
    with core.db.read() as conn:
        notifications.channel(conn, user.space, channel_id)
        return notifications.log_of(conn, channel_id, limit)


def preferences(core: Core, user: User) -> Preferences:
    """Those of the space."""
    with core.db.read() as conn:
        return Preferences(**(users.get(conn, user.space).notify or {}))


def set_preferences(core: Core, user: User, wishes: Preferences) -> None:
    """Raises BadInput."""
    permits.need(core, user.id, "alerts:write")
    for text in (wishes.quiet_from, wishes.quiet_to):
        try:
            _ = text and clock_time(text)
        except ValueError:
            raise BadInput("Give quiet hours as hour and minute, such as 22:00.", field="quiet") from None
    if bool(wishes.quiet_from) != bool(wishes.quiet_to):
        raise BadInput("Quiet hours need a beginning and an end.", field="quiet")
    if not all(0 <= minutes <= MOST_MINUTES for minutes in (wishes.again_minutes, wishes.escalate_minutes)):
        raise BadInput(f"Give minutes from 0 (never) to {MOST_MINUTES}.", field="minutes")
    if not 0 <= wishes.again_times <= 10:
        raise BadInput("An alert is told again at most 10 times.", field="again_times")
    with core.db.write() as conn:
        users.write(conn, user.space, core.clock.now(), notify=asdict(wishes))


def _address(core: Core, user: User, kind: str, url: str) -> str:
    if len(url) > MAX_URL:
        raise BadInput(f"The address has more than {MAX_URL} characters.", field="url")
    if kind == "email":
        if core.settings.mail is None:
            raise BadInput("No mail server is set up here (POSTPROBER_SMTP_HOST).", field="kind")
        return tidy_email(url or user.email)
    if kind == "webhook":
        return check_url(url, allow_private=core.settings.sandbox)
    delivery.check(url)
    return url


def _where(kind: str, address: str) -> str:
    """Enough to recognise it. Paths, queries and, for Apprise, whole addresses are made of tokens."""
    parts = urlsplit(address)
    if kind == "email":
        return address
    return f"{parts.scheme}://{parts.hostname}/…" if kind == "webhook" else f"{parts.scheme}://…{address[-3:]}"


def _kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    unknown = [kind for kind in kinds if kind not in {k.value for k in AlertKind}]
    if unknown:
        raise BadInput(f"There is no kind of alert called {unknown[0]!r}.", field="kinds")
    return tuple(sorted(set(kinds)))


def _view(core: Core, channel: Channel) -> ChannelView:
    address = core.vault.open(channel.url, Place("channels", "url", str(channel.id)))
    return ChannelView(
        channel.id, channel.name, channel.kind, _where(channel.kind, address),
        channel.kinds, channel.escalation, channel.is_active, channel.failing_since, channel.off_reason,
        channel.created_at,
    )  # fmt: skip
