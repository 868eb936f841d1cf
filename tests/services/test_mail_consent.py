"""Nobody is mailed who did not agree, nobody is mailed without end, and answers do not tell who has an account."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from postprober.alerts.mail import Email
from postprober.clock import ManualClock
from postprober.domain.alert import AlertKind, Preferences
from postprober.errors import Forbidden, NotFound, TooManyTries
from postprober.pipeline.notifications.outbox import send_due
from postprober.services.core import Core
from postprober.services.notifications import channels
from postprober.services.people import emails, people, users
from postprober.services.pipeline_context import context_of
from postprober.storage import alert_log, mails, notifications
from postprober.storage import users as storage
from postprober.storage.database import Database
from postprober.storage.records import OutboxRecord, User, record_of
from postprober.storage.tables import channels as channel_table
from postprober.storage.tables import notifications as table
from postprober.storage.tables import outbox
from tests.conftest import PASSWORD
from tests.installed import Installation
from tests.people import acting
from tests.receivers import PostOffice

NEW = "another good password"


@pytest.fixture
def core(installation: Installation) -> Core:
    """With a mail server that nobody listens at."""
    server = {"smtp_host": "127.0.0.1", "smtp_port": 9, "smtp_security": "none", "smtp_from": "pp@example.org"}
    settings = installation.core.settings.model_copy(update=server)
    return replace(installation.core, settings=settings, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def owner(core: Core, installation: Installation) -> User:
    with core.db.read() as conn:
        return storage.get(conn, installation.owner)


def _letters(core: Core) -> list[Email]:
    with core.db.read() as conn:
        rows = [
            record_of(OutboxRecord, row) for row in conn.execute(outbox.select().where(outbox.c.kind == mails.KIND))
        ]
    return [one for row in rows if (one := emails.email_for(core, mails.read(core.vault, row)))]


def _asked(email: Email, name: str) -> str:
    link = re.search(rf"http\S+[?&]{name}=\S+", email.text)
    assert link, email.text
    return parse_qs(urlsplit(link[0]).query)[name][0]


def _mail_channel(core: Core, owner: User, url: str) -> channels.ChannelView:
    return channels.add(core, acting(core, owner), kind="email", name="mail", url=url)[0]


def test_ones_own_address_needs_no_word(core: Core, owner: User) -> None:
    assert _mail_channel(core, owner, "").is_active and _letters(core) == []


def test_another_address_is_told_nothing_before_it_agrees(core: Core, owner: User) -> None:
    made = _mail_channel(core, owner, "victim@example.org")
    assert not made.is_active and "Not confirmed" in made.off_reason
    for act in (
        lambda: channels.try_out(core, acting(core, owner), made.id),
        lambda: channels.change(core, acting(core, owner), made.id, kinds=(), escalation=False, active=True),
    ):
        with pytest.raises(Forbidden, match="Not confirmed"):
            act()
    channels.change(core, acting(core, owner), made.id, kinds=("failed",), escalation=False, active=False)
    assert not channels.get(core, acting(core, owner), made.id).is_active
    (email,) = _letters(core)
    token = _asked(email, "confirm")
    assert email.to == "victim@example.org" and channels.confirming(core, token) == (made.id, "victim@example.org")
    assert not channels.get(core, acting(core, owner), made.id).is_active, "looking agrees to nothing"
    channels.confirm(core, token)
    view = channels.get(core, acting(core, owner), made.id)
    assert view.is_active and view.kinds == ("failed",)
    with pytest.raises(Forbidden):
        channels.confirm(core, token)


@pytest.mark.parametrize("token", ["", "invented", "old", "removed"])
def test_no_other_link_agrees(core: Core, owner: User, token: str) -> None:
    made = _mail_channel(core, owner, "victim@example.org")
    if token == "old":
        token = _asked(_letters(core)[0], "confirm")
        assert isinstance(core.clock, ManualClock)
        core.clock.advance(channels.CONFIRM_LIFE.total_seconds() + 1)
    elif token == "removed":
        token = _asked(_letters(core)[0], "confirm")
        channels.remove(core, acting(core, owner), made.id)
    with pytest.raises(Forbidden):
        channels.confirm(core, token)


def test_mails_to_confirm_and_tests_are_throttled(core: Core, owner: User) -> None:
    for number in range(channels.FREE_TESTS):
        _mail_channel(core, owner, f"v{number}@example.org")
    with pytest.raises(TooManyTries, match="Too many tries"):
        _mail_channel(core, owner, "one-more@example.org")
    assert len(_letters(core)) == channels.FREE_TESTS
    office = PostOffice()
    try:
        settings = core.settings.model_copy(update={"smtp_port": office.port})
        there = replace(core, settings=settings)
        own = _mail_channel(there, owner, "")
        for _ in range(channels.FREE_TESTS):
            channels.try_out(there, acting(there, owner), own.id)
        with pytest.raises(TooManyTries):
            channels.try_out(there, acting(there, owner), own.id)
        assert len(office.emails) == channels.FREE_TESTS
    finally:
        office.close()


def test_an_invitation_goes_to_its_address_only_and_carries_no_words_of_the_sender(core: Core, owner: User) -> None:
    people.change_profile(core, acting(core, owner), name="Click https://evil.example now", zone="UTC")
    with core.db.read() as conn:
        owner = storage.get(conn, owner.id)
    _, link = people.invite(core, acting(core, owner), email="new@example.org", name="N", role="editor")
    (email,) = _letters(core)
    assert link == "", "who invites must not choose the password of an address that is not theirs"
    assert email.to == "new@example.org" and "evil.example" not in email.text + email.subject
    assert owner.email in email.text and _asked(email, "reset")


def test_inviting_a_known_address_has_the_same_answer(core: Core, owner: User) -> None:
    users.create(core, email="known@example.org", password=PASSWORD)
    assert people.invite(core, acting(core, owner), email="known@example.org", name="", role="viewer")[1] == ""
    (email,) = _letters(core)
    assert "already have an account" in email.text and "reset=" not in email.text
    assert users.authenticate(core, "known@example.org", PASSWORD).owner_id is None


def test_inviting_somebody_of_the_space_again_mails_a_new_link(core: Core, owner: User) -> None:
    """Also after the process ended between making the person and writing the mail."""
    with pytest.MonkeyPatch.context() as at:
        at.setattr(people.passwords, "link", _killed)
        with pytest.raises(KeyboardInterrupt):
            people.invite(core, acting(core, owner), email="new@example.org", name="N", role="editor")
    assert _letters(core) == []
    again, link = people.invite(core, acting(core, owner), email="New@example.org", name="N", role="editor")
    (email,) = _letters(core)
    assert again is not None and link == "" and email.to == "new@example.org" and _asked(email, "reset")
    people.set_active(core, acting(core, owner), again.id, active=False)
    people.invite(core, acting(core, owner), email="new@example.org", name="N", role="editor")
    assert "reset=" not in _letters(core)[-1].text, "who is shut out stays out"


def _killed(*_: object) -> str:
    raise KeyboardInterrupt


def test_invitations_are_throttled(core: Core, owner: User) -> None:
    for number in range(people.FREE_INVITATIONS):
        people.invite(core, acting(core, owner), email=f"n{number}@example.org", name="", role="viewer")
    with pytest.raises(TooManyTries):
        people.invite(core, acting(core, owner), email="one-more@example.org", name="", role="viewer")


def test_a_removed_person_is_out_and_the_address_is_free(core: Core, owner: User) -> None:
    made = users.create(core, email="leaves@example.org", password=PASSWORD, role="editor", owner_id=owner.id)
    with core.db.read() as conn:
        member = storage.get(conn, made)
    cookie = users.redeem_ticket(core, users.issue_ticket(core, member))
    with pytest.raises(NotFound):
        people.remove(core, acting(core, owner), owner.id)
    with pytest.raises(Forbidden):
        people.remove(core, acting(core, member), made)
    people.remove(core, acting(core, owner), made)
    assert users.session_user(core, cookie) is None
    assert made not in {one.id for one in people.listing(core, acting(core, owner))}
    with pytest.raises(Forbidden):
        users.authenticate(core, "leaves@example.org", PASSWORD)
    own = users.create(core, email="leaves@example.org", password=NEW)
    assert users.authenticate(core, "leaves@example.org", NEW).id == own


# Turning mails off


def _off_token(core: Core, channel_id: int) -> str:
    return parse_qs(urlsplit(channels.turn_off_links(core, channel_id)[0]).query)["unsubscribe"][0]


def test_whoever_gets_the_mails_turns_them_off_and_the_space_is_told_once(core: Core, owner: User) -> None:
    made, _ = channels.add(core, acting(core, owner), kind="email", name="on call")
    token = _off_token(core, made.id)
    assert channels.turning_off(core, token) is not None and channels.get(core, acting(core, owner), made.id).is_active
    channels.turn_off(core, token)
    channels.turn_off(core, token)
    found = channels.get(core, acting(core, owner), made.id)
    assert not found.is_active and found.off_reason == channels.TURNED_OFF
    with core.db.read() as conn:
        said = [row.message for row in alert_log.of_user(conn, owner.space) if row.kind == "channel"]
    assert said == ["The channel “on call” was turned off by a recipient of its mails."]


@pytest.mark.parametrize("off", [False, True])
def test_another_persons_address_stays_off_until_it_agrees_anew(core: Core, owner: User, off: bool) -> None:
    made = _mail_channel(core, owner, "victim@example.org")
    channels.confirm(core, _asked(_letters(core)[0], "confirm"))
    token = _off_token(core, made.id)
    if off:
        channels.change(core, acting(core, owner), made.id, kinds=(), escalation=False, active=False)
    channels.turn_off(core, token)
    assert channels.get(core, acting(core, owner), made.id).off_reason == channels.TURNED_OFF
    channels.change(core, acting(core, owner), made.id, kinds=("failed",), escalation=False, active=False)
    for act in (
        lambda: channels.try_out(core, acting(core, owner), made.id),
        lambda: channels.change(core, acting(core, owner), made.id, kinds=(), escalation=False, active=True),
    ):
        with pytest.raises(Forbidden, match="turned these mails off"):
            act()
    channels.remove(core, acting(core, owner), made.id)
    again = _mail_channel(core, owner, "victim@example.org")
    assert not again.is_active and len(_letters(core)) == 2, "it is asked anew"


def test_what_is_changed_and_turned_off_at_the_same_moment_stays_off(
    core: Core, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL lets others write meanwhile: who turns it off waits until the change is made, and is not undone by it."""
    now = core.clock.now()
    with database.write() as conn:
        me = storage.get(conn, storage.add(conn, email="me@example.org", password_hash="-", now=now))
        made = notifications.add_channel(conn, space=me.space, name="mail", kind="email", now=now)
    if database.is_sqlite:
        return  # it has one writer
    free = select(channel_table.c.id).where(channel_table.c.id == made).with_for_update(nowait=True)
    tried = []

    def meanwhile(*_: object, **__: object) -> None:
        with pytest.raises(OperationalError, match="could not obtain lock"), database.write() as other:
            other.execute(free)
        tried.append(made)

    with database.write() as conn:
        assert conn.execute(free).scalar_one() == made, "the control: nobody holds it"
    monkeypatch.setattr(channels, "_must_agree", meanwhile)
    channels.change(
        replace(core, db=database),
        acting(replace(core, db=database), me),
        made,
        kinds=(),
        escalation=False,
        active=True,
    )
    assert tried == [made]


def test_an_address_that_agrees_anew_is_told_nothing_of_what_was_before(core: Core, owner: User) -> None:
    made = _mail_channel(core, owner, "victim@example.org")
    word = _asked(_letters(core)[0], "confirm")
    channels.confirm(core, word)
    with core.db.write() as conn:
        alert_log.add(
            conn,
            user_id=owner.space,
            post_id=None,
            delivery_id=None,
            type="error",
            message="m",
            dedupe_key="k",
            now=core.clock.now(),
            kind=AlertKind.FAILED,
        )
    send_due(context_of(core))
    with core.db.read() as conn:
        assert [row.channel_id for row in conn.execute(table.select()) if row.next_at] == [made.id], "it would be told"
    channels.turn_off(core, _off_token(core, made.id))
    channels.confirm(core, word)
    assert channels.get(core, acting(core, owner), made.id).is_active
    with core.db.read() as conn:
        assert [row.channel_id for row in conn.execute(table.select()) if row.next_at] == []


def test_ones_own_address_is_turned_on_again_by_oneself(core: Core, owner: User) -> None:
    """The control."""
    made = _mail_channel(core, owner, "")
    channels.turn_off(core, _off_token(core, made.id))
    assert channels.change(core, acting(core, owner), made.id, kinds=(), escalation=False, active=True).is_active


def test_no_other_link_turns_mails_off(core: Core, owner: User) -> None:
    made, _ = channels.add(core, acting(core, owner), kind="email", name="on call")
    token = _off_token(core, made.id)
    other = parse_qs(urlsplit(channels._confirmation(core, made.id, "a@example.org")).query)["confirm"][0]
    for bad in ("", "x", token[:-2], other):
        with pytest.raises(Forbidden):
            channels.turn_off(core, bad)
    late = replace(core, clock=ManualClock(core.clock.now() + channels.TURN_OFF_LIFE))
    with pytest.raises(Forbidden):
        channels.turn_off(late, token)
    assert channels.get(core, acting(core, owner), made.id).is_active
    channels.remove(core, acting(core, owner), made.id)
    with pytest.raises(Forbidden):
        channels.turn_off(core, token)


@pytest.mark.parametrize(("public", "one_click"), [("https://post.example.org", True), ("", False)])
def test_mail_programs_are_given_an_address_only_where_it_is_https(core: Core, public: str, one_click: bool) -> None:
    settings = core.settings.model_copy(update={"public_url": public})
    page, program = channels.turn_off_links(replace(core, settings=settings), 7)
    assert page.startswith(core.settings.app_base) and bool(program) is one_click


def test_a_channel_that_is_turned_on_again_keeps_the_quiet_hours(core: Core, owner: User) -> None:
    made = _mail_channel(core, owner, "")
    now = core.clock.now()
    quiet = Preferences(f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=1):%H:%M}", urgent=False)
    channels.set_preferences(core, acting(core, replace(owner, zone="UTC")), quiet)
    channels.change(core, acting(core, owner), made.id, kinds=(), escalation=False, active=False)
    with core.db.write() as conn:
        alert_log.add(
            conn,
            user_id=owner.space,
            post_id=None,
            delivery_id=None,
            type="error",
            message="m",
            dedupe_key="k",
            now=now,
            kind=AlertKind.FAILED,
        )
    send_due(context_of(core))
    channels.change(core, acting(core, owner), made.id, kinds=(), escalation=False, active=True)
    with core.db.read() as conn:
        (row,) = [one for one in conn.execute(table.select()) if one.channel_id == made.id]
    assert row.next_at > now + timedelta(minutes=30)
