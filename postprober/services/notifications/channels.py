"""Where somebody wants to be told: Apprise addresses, signed webhooks and e-mail, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Connection

from postprober.alerts import channels, webhook
from postprober.domain.actor import Actor
from postprober.domain.alert import AlertKind, AlertType, Preferences, clock_time
from postprober.errors import BadInput, Forbidden, NotFound, VaultError
from postprober.pipeline.notifications import notify
from postprober.pipeline.notifications.sender import Sender
from postprober.security.tokens import sign, verify
from postprober.security.urlguard import check_url
from postprober.security.vault import Place
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits, throttle
from postprober.services.people.users import tidy_email
from postprober.storage import alert_log, mails, notifications, users
from postprober.storage.notifications import Channel

KINDS = ("apprise", "webhook", "email")
MAX_CHANNELS = 20
MAX_NAME = 120
MAX_URL = 2000
MOST_MINUTES = 7 * 24 * 60
FREE_TESTS = 5  # test messages, or addresses to confirm, of one space that cost no waiting
CONFIRM_LIFE = timedelta(days=3)
UNCONFIRMED = "Not confirmed yet: open the link in the mail that was sent to this address."
SEALED = "Address unreadable: its vault key is missing"
TURN_OFF_LIFE = timedelta(days=365)  # ours: a mail may lie in a box for long
TURNED_OFF = "Turned off by a recipient of its mails."
ASK_ANEW = "The recipient turned these mails off. To ask again, remove this channel and add the address anew."
_CONFIRM = "channel"
_OFF = "unsubscribe"


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


@permits.needs("alerts:write")
def add(
    core: Core,
    actor: Actor,
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
    tidy = name.strip()
    if kind not in KINDS:
        raise BadInput(f"A channel is one of: {', '.join(KINDS)}.", field="kind")
    if not tidy or len(tidy) > MAX_NAME or not tidy.isprintable():
        raise BadInput(f"Give the channel a name of at most {MAX_NAME} characters.", field="name")
    own = _own_address(core, actor)
    address = _address(core, own, kind, url.strip())
    chosen = _kinds(kinds)
    asked = kind == "email" and address != own  # nobody is mailed who did not say so
    if asked:
        throttle.count_alone(core, f"channel-mail|{actor.space}", FREE_TESTS)
    secret = webhook.new_secret() if kind == "webhook" else ""
    now = core.clock.now()
    with core.db.write() as conn:
        if len(notifications.channels_of(conn, actor.space)) >= MAX_CHANNELS:
            raise BadInput(f"There are {MAX_CHANNELS} channels already; remove one first.", field="name")
        made = notifications.add_channel(conn, space=actor.space, name=tidy, kind=kind, now=now)
        notifications.write_channel(
            conn,
            made,
            url=core.vault.seal(address, Place("channels", "url", str(made))),
            secret=core.vault.seal(secret, Place("channels", "secret", str(made))) if secret else None,
            settings={"kinds": list(chosen), "escalation": escalation, "confirmed": not asked},
            is_active=not asked,
            off_reason=UNCONFIRMED if asked else "",
        )
        if asked:
            link = _confirmation(core, made, address)
            mails.add(conn, core.vault, {"kind": "channel", "to": address, "link": link}, now)
        mark(conn, made)
        return _view(core, notifications.channel(conn, actor.space, made)), secret


@permits.needs("alerts:read")
def listing(core: Core, actor: Actor) -> list[ChannelView]:
    """Oldest first."""
    with core.db.read() as conn:
        found = notifications.channels_of(conn, actor.space)
    return [_view(core, one) for one in found]


@permits.needs("alerts:read")
def get(core: Core, actor: Actor, channel_id: int) -> ChannelView:
    """Raises NotFound."""
    with core.db.read() as conn:
        return _view(core, notifications.channel(conn, actor.space, channel_id))


@permits.needs("alerts:write")
def change(
    core: Core, actor: Actor, channel_id: int, *, kinds: Sequence[str], escalation: bool, active: bool
) -> ChannelView:
    """Other alerts, or on and off. What it missed in the last days while it was off is sent when it is switched on.
    Raises NotFound, BadInput, or Forbidden (the address has not agreed)."""
    chosen, now = _kinds(kinds), core.clock.now()
    with core.db.write() as conn:
        before = notifications.channel(conn, actor.space, channel_id, hold=True)  # its owner may be turning it off
        if active:
            _must_agree(before)
        wishes = {"kinds": list(chosen), "escalation": escalation, "confirmed": before.confirmed}
        notifications.write_channel(conn, channel_id, settings=wishes)
        if active and not before.is_active:
            errors_at, others_at = notify.turns(conn, users.get(conn, actor.space), now)
            since = now - notify.GIVE_UP_AFTER
            notifications.switch_on(conn, channel_id, since, errors_at=errors_at, others_at=others_at)
        elif before.is_active and not active:
            notifications.switch_off(conn, channel_id, f"Turned off by {permits.name_of(conn, actor)}.")
        return _view(core, notifications.channel(conn, actor.space, channel_id))


def _confirmation(core: Core, channel_id: int, address: str) -> str:
    now, life = core.clock.now().timestamp(), CONFIRM_LIFE.total_seconds()
    claims = {"channel": channel_id, "to": address}
    token = sign(core.settings.secret_key, _CONFIRM, claims, now=now, lifetime=life)
    return f"{core.settings.app_base}/?{urlencode({'confirm': token})}"


def confirming(core: Core, token: str) -> tuple[int, str] | None:
    """Which channel and address the link is for; None when it is too old or invented. Looking confirms nothing."""
    try:
        claims = verify(core.settings.secret_key, _CONFIRM, token, now=core.clock.now().timestamp())
        return int(claims["channel"]), str(claims["to"])
    except (Forbidden, KeyError, ValueError):
        return None


def confirm(core: Core, token: str) -> None:
    """Whoever reads the mails to this address wants the alerts. Raises Forbidden."""
    found = confirming(core, token)
    with core.db.write() as conn:
        if found is None or not notifications.confirm(conn, found[0], core.clock.now()):
            raise Forbidden("This link was used already or is too old.")


@permits.needs("alerts:write")
def remove(core: Core, actor: Actor, channel_id: int) -> None:
    """Nothing is sent there any more; its address is forgotten. Raises NotFound."""
    with core.db.write() as conn:
        notifications.channel(conn, actor.space, channel_id)
        notifications.write_channel(
            conn, channel_id, is_active=False, off_reason=notifications.REMOVED, url="", secret=None
        )


@permits.needs("alerts:write")
def try_out(core: Core, actor: Actor, channel_id: int) -> None:
    """Send a test message now. Raises NotFound, or a PostProberError that says why it did not arrive."""
    throttle.count_alone(core, f"channel-test|{actor.space}", FREE_TESTS)
    with core.db.read() as conn:
        found = notifications.channel(conn, actor.space, channel_id)
    _must_agree(found)
    now = core.clock.now()
    message = {
        "id": 0,
        "alert_id": 0,
        "dedupe_key": f"test:{channel_id}:{int(now.timestamp())}",
        "why": "new",
        "batch": 0,
        "tries": 1,
        "created_at": now,
        "alert_type": "success",
        "alert_kind": "test",
        "alert_created_at": now,
        "alert_message": "This is a test from PostProber: alerts arrive here.",
        "alert_post_id": None,
        "alert_delivery_id": None,
        "alert_subject": "",
    }
    sender(core).deliver(found, [message])


def _must_agree(channel: Channel) -> None:
    """Raises Forbidden where whoever gets the mails has not agreed to them, or no longer does."""
    if not channel.confirmed:
        raise Forbidden(ASK_ANEW if channel.off_reason == TURNED_OFF else UNCONFIRMED)


def sender(core: Core) -> Sender:
    """Brings messages to channels from here."""
    settings = core.settings
    return Sender(core.vault, core.http, core.clock, settings.mail, settings.app_base, partial(turn_off_links, core))


def turn_off_links(core: Core, channel_id: int) -> tuple[str, str]:
    """The page on which whoever gets a channel's mails turns them off, and the address where mail programs do it with
    one POST (RFC 8058); that is "" where the sidecar has no https address."""
    now, life = core.clock.now().timestamp(), TURN_OFF_LIFE.total_seconds()
    query = urlencode(
        {"unsubscribe": sign(core.settings.secret_key, _OFF, {"channel": channel_id}, now=now, lifetime=life)}
    )
    public = core.settings.public_base
    program = f"{public}/api/unsubscribe?{query}" if public.startswith("https://") else ""
    return f"{core.settings.app_base}/?{query}", program


def turning_off(core: Core, token: str) -> Channel | None:
    """Which channel the link is for; None when it is too old, invented, or about a channel that is removed. Looking
    turns nothing off."""
    try:
        claims = verify(core.settings.secret_key, _OFF, token, now=core.clock.now().timestamp())
        with core.db.read() as conn:
            return notifications.any_channel(conn, int(claims["channel"]))
    except (Forbidden, NotFound, KeyError, ValueError):
        return None


def turn_off(core: Core, token: str) -> None:
    """Whoever gets the mails wants no more of them; the space is told so on its other channels. Twice is once. An
    address that is no member's own is mailed again only when it agrees anew. Raises Forbidden."""
    found = turning_off(core, token)
    if found is None:
        raise Forbidden("This link has expired, or the channel was removed.")
    now = core.clock.now()
    with core.db.write() as conn:
        if notifications.turn_off(conn, found.id, TURNED_OFF, withdraw=not _is_members_own(core, conn, found)):
            alert_log.add(
                conn,
                user_id=found.user_id,
                post_id=None,
                delivery_id=None,
                type=AlertType.WARNING,
                message=f"The channel “{found.name}” was turned off by a recipient of its mails.",
                kind=AlertKind.CHANNEL,
                subject=f"channel:{found.id}",
                dedupe_key=f"channel:{found.id}:unsubscribed:{int(now.timestamp())}",
                now=now,
            )


def _is_members_own(core: Core, conn: Connection, channel: Channel) -> bool:
    try:
        address = core.vault.open(channel.url, Place("channels", "url", str(channel.id)))
    except VaultError:  # nobody can say whose it is
        return False
    return address in {member.email for member in users.members(conn, channel.user_id)}


@permits.needs("alerts:read")
def log(core: Core, actor: Actor, channel_id: int, limit: int = 50) -> list[dict[str, Any]]:
    """Delivery log, newest first. Raises NotFound."""
    with core.db.read() as conn:
        notifications.channel(conn, actor.space, channel_id)
        return notifications.log_of(conn, channel_id, limit)


@permits.needs("alerts:read")
def preferences(core: Core, actor: Actor) -> Preferences:
    """Those of the space, quiet hours on the clock of whoever asks."""
    with core.db.read() as conn:
        return _shown(conn, core, actor)[1]


def _shown(conn: Connection, core: Core, actor: Actor) -> tuple[Preferences, Preferences]:
    """The preferences of the space as they are stored, and as this person sees them."""
    owner = users.get(conn, actor.space)
    stored = Preferences(**(owner.notify or {}))
    zone = users.get(conn, stored.by).zone if stored.by else owner.zone
    return stored, stored.on_clock_of(zone, actor.zone, core.clock.now())


@permits.needs("alerts:write")
def set_preferences(core: Core, actor: Actor, wishes: Preferences) -> None:
    """Replace those of the space; quiet hours are on the clock of whoever sets them. Raises BadInput."""
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
        raise BadInput("An alert is repeated at most 10 times.", field="again_times")
    with core.db.write() as conn:
        stored, shown = _shown(conn, core, actor)
        if (wishes.quiet_from, wishes.quiet_to) == (shown.quiet_from, shown.quiet_to):  # theirs, whoever set them
            kept = replace(wishes, quiet_from=stored.quiet_from, quiet_to=stored.quiet_to, by=stored.by)
        else:
            kept = replace(wishes, by=actor.user if wishes.quiet_from else 0)
        users.write(conn, actor.space, core.clock.now(), notify=asdict(kept))


def _own_address(core: Core, actor: Actor) -> str:
    with core.db.read() as conn:
        return users.get(conn, actor.user).email


def _address(core: Core, own: str, kind: str, url: str) -> str:
    if len(url) > MAX_URL:
        raise BadInput(f"The address has more than {MAX_URL} characters.", field="url")
    if kind == "email":
        if core.settings.mail is None:
            raise BadInput("No mail server is set up here (POSTPROBER_SMTP_HOST).", field="kind")
        return tidy_email(url or own)
    if kind == "webhook":
        return check_url(url, allow_private=core.settings.sandbox)
    channels.check(url, allow_private=core.settings.sandbox)
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
    try:
        where = _where(channel.kind, core.vault.open(channel.url, Place("channels", "url", str(channel.id))))
    except VaultError:
        where = SEALED
    return ChannelView(
        channel.id,
        channel.name,
        channel.kind,
        where,
        channel.kinds,
        channel.escalation,
        channel.is_active,
        channel.failing_since,
        channel.off_reason,
        channel.created_at,
    )
