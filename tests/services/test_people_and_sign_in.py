"""The first person, invitations, passwords, the second factor and where one is signed in."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from postprober.alerts.mail import Email
from postprober.clock import ManualClock
from postprober.domain.access import GRANTABLE
from postprober.errors import BadInput, Conflict, Forbidden, NotFound, NotSignedIn, SecondFactorNeeded, TooManyTries
from postprober.security import totp
from postprober.services.core import Core
from postprober.services.monitoring import monitoring
from postprober.services.people import api_tokens, emails, passwords, people, second_factor, sessions, signins, users
from postprober.settings import load_settings
from postprober.storage import mails
from postprober.storage import users as storage
from postprober.storage.database import Database
from postprober.storage.records import OutboxRecord, User, record_of
from postprober.storage.tables import outbox
from tests.conftest import PASSWORD
from tests.installed import Installation
from tests.people import acting

NEW = "another good password"


def _user(core: Core, user_id: int) -> User:
    with core.db.read() as conn:
        return storage.get(conn, user_id)


OPEN = {"registration": "open", "smtp_host": "127.0.0.1", "smtp_from": "pp@example.org"}


def _token(link: str) -> str:
    return _asked(link, "reset")


def _asked(link: str, name: str) -> str:
    return parse_qs(urlsplit(link).query)[name][0]


def _letters(core: Core) -> list[Email]:
    """What the scheduler would send."""
    with core.db.read() as conn:
        rows = [
            record_of(OutboxRecord, row) for row in conn.execute(outbox.select().where(outbox.c.kind == mails.KIND))
        ]
    found = [emails.email_for(core, mails.read(core.vault, row)) for row in rows]
    return [email for email in found if email is not None]


@pytest.fixture
def core(installation: Installation) -> Core:
    """With a clock that stands still until it is moved."""
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def owner(core: Core, installation: Installation) -> User:
    return _user(core, installation.owner)


def _with(core: Core, **settings: object) -> Core:
    return replace(core, settings=core.settings.model_copy(update=settings))


# The first person


def _empty(core: Core, database: Database) -> Core:
    return replace(core, db=database)


def test_the_first_person_is_made_with_the_printed_token_and_only_once(core: Core, database: Database) -> None:
    empty = _empty(core, database)
    assert people.nobody_yet(empty)
    token = people.setup_token(empty)
    made = people.make_first(empty, email="me@example.org", password=NEW, name="Me", zone="UTC", token=token)
    assert made.role == "owner" and made.owner_id is None and not people.nobody_yet(empty)
    with pytest.raises(Forbidden, match="in the meantime"):
        people.make_first(empty, email="you@example.org", password=NEW, name="", zone="UTC", token=token)
    with empty.db.read() as conn:
        assert storage.count(conn) == 1


def test_from_elsewhere_only_the_newest_printed_token_makes_the_first_person(core: Core, database: Database) -> None:
    empty = _empty(core, database)
    first = people.setup_token(empty)
    newest = people.setup_token(empty)
    for token in ("", "invented", first):
        assert not people.may_set_up(empty, token)
        with pytest.raises(Forbidden):
            people.make_first(empty, email="me@example.org", password=NEW, name="", zone="UTC", token=token)
    made = people.make_first(empty, email="me@example.org", password=NEW, name="", zone="UTC", token=newest)
    assert made.email == "me@example.org"


def test_of_two_first_persons_at_once_one_is_made(core: Core, database: Database) -> None:
    empty = _empty(core, database)
    token = people.setup_token(empty)
    made: list[User] = []
    refused: list[Forbidden] = []

    def begin(number: int) -> None:
        try:
            made.append(
                people.make_first(empty, email=f"u{number}@example.org", password=NEW, name="", zone="UTC", token=token)
            )
        except Forbidden as error:
            refused.append(error)

    threads = [threading.Thread(target=begin, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with empty.db.read() as conn:
        assert storage.count(conn) == 1
    assert len(made) == 1 and len(refused) == 3


# Registration and people


def test_registration_is_closed_unless_it_is_switched_on(core: Core) -> None:
    for closed in (core, _with(core, registration="open")):  # without a mail server nothing proves an address
        with pytest.raises(Forbidden, match="switched off"):
            people.register(closed, email="new@example.org", address="198.51.100.7")
        link = people.registration_link(core, "new@example.org")
    with pytest.raises(Forbidden):
        people.finish_registration(core, _asked(link, "register"), password=NEW, name="", zone="UTC")


def test_only_who_reads_the_mail_makes_an_account_and_only_once(core: Core) -> None:
    opened = _with(core, **OPEN)
    people.register(opened, email=" New@Example.org", address="198.51.100.7")
    with core.db.read() as conn:
        assert storage.by_email(conn, "new@example.org") is None, "not before the mail was read"
    (email,) = _letters(opened)
    assert email.to == "new@example.org" and "Confirm" in email.subject
    token = _asked(re.search(r"http\S+", email.text.partition("link")[2])[0], "register")  # type: ignore[index]
    made = people.finish_registration(opened, token, password=NEW, name="New", zone="UTC")
    assert (made.email, made.role, made.owner_id, made.space) == ("new@example.org", "owner", None, made.id)
    with pytest.raises(Forbidden, match="used already"):
        people.finish_registration(opened, token, password="an entirely other one", name="", zone="UTC")
    assert users.authenticate(core, "new@example.org", NEW).id == made.id


@pytest.mark.parametrize("token", ["", "invented", "old", "of a session"])
def test_no_other_token_makes_an_account(core: Core, owner: User, token: str) -> None:
    opened = _with(core, **OPEN)
    if token == "old":
        token = _asked(people.registration_link(opened, "new@example.org"), "register")
        assert isinstance(core.clock, ManualClock)
        core.clock.advance(people.REGISTER_LIFE.total_seconds() + 1)
    elif token == "of a session":
        token = sessions.log_in(core, owner.email, PASSWORD, "").access
    with pytest.raises(Forbidden):
        people.finish_registration(opened, token, password=NEW, name="", zone="UTC")


def test_registering_a_known_address_says_the_same_and_its_owner_is_told_by_mail(core: Core, owner: User) -> None:
    opened = _with(core, **OPEN)
    assert people.register(opened, email=owner.email, address="198.51.100.7") is None  # type: ignore[func-returns-value]
    (email,) = _letters(opened)
    assert email.to == owner.email and "already have" in email.text and "register=" not in email.text
    assert users.authenticate(core, owner.email, PASSWORD).id == owner.id


def test_an_account_made_by_somebody_else_is_lost_to_him_with_the_reset(core: Core, owner: User) -> None:
    """API tokens, too: the one who resets may not be the one who made them."""
    caller = sessions.Caller(owner, GRANTABLE, "0", "login")
    _, secret = api_tokens.create(core, caller, name="left behind", scopes=["posts:publish"], days=3650)
    pair = sessions.log_in(core, owner.email, PASSWORD, "")
    cookie = users.redeem_ticket(core, users.issue_ticket(core, owner))
    waiting = users.issue_ticket(core, owner)
    assert sessions.by_bearer(core, secret) is not None
    passwords.reset(core, _token(passwords.link(core, owner.id)), NEW)
    assert sessions.by_bearer(core, secret) is None and sessions.by_bearer(core, pair.access) is None
    assert users.session_user(core, cookie) is None and api_tokens.listing(core, acting(core, owner.id)) == []
    with pytest.raises(NotSignedIn):
        sessions.renew(core, pair.refresh)
    with pytest.raises(Forbidden):
        users.redeem_ticket(core, waiting)


# A sign-in under way while the password changes


def _change(core: Core, owner: User, how: str) -> None:
    if how == "change":
        passwords.change(core, acting(core, owner), PASSWORD, NEW, address="", keep=None)
    elif how == "reset":
        passwords.reset(core, _token(passwords.link(core, owner.id)), NEW)
    else:
        with core.db.write() as conn:
            storage.write(conn, owner.id, core.clock.now(), is_active=False)


@pytest.mark.parametrize("how", ["change", "reset", "deactivated"])
@pytest.mark.parametrize("way", ["page", "api", "code", "token"])
def test_a_sign_in_that_began_before_the_change_ends_in_nothing(
    core: Core, owner: User, monkeypatch: pytest.MonkeyPatch, way: str, how: str
) -> None:
    real = users.verify_password

    def slow(hashed: str | None, password: str) -> bool:
        right = real(hashed, password)
        monkeypatch.setattr(users, "verify_password", real)
        _change(core, owner, how)  # after the password was found right, before the session is made
        return right

    if way == "code":
        secret = second_factor.enrol(core, acting(core, owner)).secret
        code = pyotp.TOTP(secret).at(core.clock.now())
        second_factor.enable(core, acting(core, owner), secret, code, PASSWORD, "")
    if way == "token":
        _change(core, owner, how)
        with pytest.raises(NotSignedIn, match="changed meanwhile"):
            api_tokens.create(
                core, sessions.Caller(owner, GRANTABLE, "0", "login"), name="t", scopes=["posts:read"], days=1
            )
        return
    monkeypatch.setattr(users, "verify_password", slow)

    def sign_in() -> object:
        if way == "api":
            return sessions.log_in(core, owner.email, PASSWORD, "")
        return users.issue_ticket(core, users.authenticate(core, owner.email, PASSWORD))

    with pytest.raises(NotSignedIn, match="changed meanwhile"):
        sign_in()


def test_a_ticket_is_worth_nothing_after_the_change_and_the_control_is(core: Core, owner: User) -> None:
    before, control = users.issue_ticket(core, owner), users.issue_ticket(core, owner)
    assert users.session_user(core, users.redeem_ticket(core, control)) is not None
    _change(core, owner, "change")
    with pytest.raises(Forbidden):
        users.redeem_ticket(core, before)


def test_many_registrations_from_one_address_have_to_wait(core: Core) -> None:
    opened = _with(core, **OPEN)

    def register(number: int) -> None:
        people.register(opened, email=f"n{number}@example.org", address="198.51.100.7")

    for number in range(people.FREE_REGISTRATIONS):
        register(number)
    with pytest.raises(TooManyTries):
        register(99)


def test_an_invited_person_chooses_a_password_and_works_in_the_owners_space(core: Core, owner: User) -> None:
    invited, link = people.invite(core, acting(core, owner), email="Helper@example.org", name="Helper", role="viewer")
    assert (invited.email, invited.role, invited.space) == ("helper@example.org", "viewer", owner.id)
    passwords.reset(core, _token(link), NEW)
    assert users.authenticate(core, "helper@example.org", NEW).id == invited.id
    assert [member.id for member in people.listing(core, acting(core, owner))] == [owner.id, invited.id]


def test_only_the_owner_of_a_space_decides_about_its_people(
    core: Core, owner: User, installation: Installation
) -> None:
    invited, _ = people.invite(core, acting(core, owner), email="helper@example.org", name="", role="editor")
    stranger = _user(core, installation.stranger)
    for act in (
        lambda: people.invite(core, acting(core, invited), email="x@example.org", name="", role="viewer"),
        lambda: people.listing(core, acting(core, invited)),
        lambda: people.set_role(core, acting(core, invited), owner.id, "viewer"),
    ):
        with pytest.raises(Forbidden):
            act()
    for act in (
        lambda: people.set_role(core, acting(core, stranger), invited.id, "viewer"),
        lambda: people.set_active(core, acting(core, stranger), invited.id, active=False),
        lambda: people.new_link(core, acting(core, stranger), invited.id),
        lambda: people.set_role(core, acting(core, owner), owner.id, "viewer"),
    ):
        with pytest.raises(NotFound):
            act()
    with pytest.raises(BadInput):
        people.set_role(core, acting(core, owner), invited.id, "owner")
    assert _user(core, invited.id).role == "editor" and _user(core, invited.id).is_active


def test_who_is_shut_out_is_out_at_once_and_everywhere(core: Core, owner: User) -> None:
    invited, link = people.invite(core, acting(core, owner), email="helper@example.org", name="", role="editor")
    passwords.reset(core, _token(link), NEW)
    cookie = users.redeem_ticket(core, users.issue_ticket(core, _user(core, invited.id)))
    pair = sessions.log_in(core, "helper@example.org", NEW, "198.51.100.7")
    assert users.session_user(core, cookie) and sessions.by_bearer(core, pair.access)
    people.set_active(core, acting(core, owner), invited.id, active=False)
    assert users.session_user(core, cookie) is None and sessions.by_bearer(core, pair.access) is None
    with pytest.raises(Forbidden):
        users.authenticate(core, "helper@example.org", NEW)
    people.set_active(core, acting(core, owner), invited.id, active=True)
    assert users.session_user(core, cookie) is None, "what ended does not come back to life"
    assert users.authenticate(core, "helper@example.org", NEW).id == invited.id


# Passwords


def test_a_new_password_ends_every_session_but_the_one_that_asked(
    core: Core, owner: User, installation: Installation
) -> None:
    here, there = (users.redeem_ticket(core, users.issue_ticket(core, owner)) for _ in range(2))
    program = sessions.log_in(core, owner.email, installation.password, "")
    keep = next(one.id for one in signins.listing(core, acting(core, owner.id), here) if one.current)
    passwords.change(core, acting(core, owner), installation.password, NEW, address="", keep=keep)
    assert users.session_user(core, here) is not None
    assert users.session_user(core, there) is None and sessions.by_bearer(core, program.access) is None
    assert users.authenticate(core, owner.email, NEW).id == owner.id
    with pytest.raises(Forbidden):
        users.authenticate(core, owner.email, installation.password)


@pytest.mark.parametrize(("current", "new"), [("wrong", NEW), (None, "short"), (None, None)])
def test_a_password_is_not_changed_by_a_wrong_short_or_equal_one(
    core: Core, owner: User, installation: Installation, current: str | None, new: str | None
) -> None:
    with pytest.raises((Forbidden, BadInput)):
        passwords.change(
            core,
            acting(core, owner),
            current or installation.password,
            new or installation.password,
            address="",
            keep=None,
        )
    assert users.authenticate(core, owner.email, installation.password).id == owner.id


def test_a_reset_link_works_once_survives_being_looked_at_and_ends_all_sessions(core: Core, owner: User) -> None:
    cookie = users.redeem_ticket(core, users.issue_ticket(core, owner))
    token = _token(passwords.link(core, owner.id))
    other = _token(passwords.link(core, owner.id))
    for _ in range(3):
        found = passwords.owner_of(core, token)
        assert found is not None and found.id == owner.id
    with pytest.raises(BadInput):
        passwords.reset(core, token, "short")
    passwords.reset(core, token, NEW)
    assert users.session_user(core, cookie) is None
    assert users.authenticate(core, owner.email, NEW).id == owner.id
    for spent in (token, other, "invented"):
        assert passwords.owner_of(core, spent) is None
        with pytest.raises(Forbidden):
            passwords.reset(core, spent, "yet another password")


def test_a_reset_link_ends_after_half_an_hour(core: Core, owner: User) -> None:
    token = _token(passwords.link(core, owner.id))
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(passwords.RESET_LIFE.total_seconds() + 1)
    with pytest.raises(Forbidden):
        passwords.reset(core, token, NEW)


MAIL = {"smtp_host": "127.0.0.1", "smtp_from": "postprober@example.org"}


def test_asking_for_a_reset_writes_the_same_for_a_known_and_an_unknown_address(core: Core, owner: User) -> None:
    mailing = _with(core, **MAIL)
    for email in (owner.email, "nobody@example.org"):
        passwords.ask_reset(mailing, email, "198.51.100.7")
    with core.db.read() as conn:
        rows = [record_of(OutboxRecord, row) for row in conn.execute(outbox.select().order_by(outbox.c.id))]
    assert [set(row.payload) for row in rows] == [{"sealed"}, {"sealed"}]
    assert [mails.read(core.vault, row)["to"] for row in rows] == [owner.email, "nobody@example.org"]
    assert owner.email not in str(rows[0].payload), "nobody reads from the outbox who forgot a password"


def test_without_a_mail_server_a_reset_says_whom_to_ask(core: Core, owner: User) -> None:
    with pytest.raises(Forbidden, match="user reset"):
        passwords.ask_reset(core, owner.email, "198.51.100.7")


def test_one_address_cannot_flood_somebody_with_mail(core: Core, owner: User) -> None:
    mailing = _with(core, **MAIL)
    for number in range(passwords.FREE_RESETS):
        passwords.ask_reset(mailing, owner.email, f"198.51.{number}.7")
    with pytest.raises(TooManyTries):
        passwords.ask_reset(mailing, owner.email, "203.0.113.9")
    with core.db.read() as conn:
        assert len(conn.execute(outbox.select()).all()) == passwords.FREE_RESETS


# The second factor


def test_a_borrowed_session_sets_up_no_second_factor(core: Core, owner: User) -> None:
    secret = second_factor.enrol(core, acting(core, owner)).secret
    code = pyotp.TOTP(secret).at(core.clock.now())
    with pytest.raises(Forbidden, match="password is wrong"):
        second_factor.enable(core, acting(core, owner), secret, code, "not the password", "198.51.100.7")
    assert _user(core, owner.id).totp_secret is None
    second_factor.enable(core, acting(core, owner), secret, code, PASSWORD, "198.51.100.7")
    assert _user(core, owner.id).totp_secret is not None


def test_the_owner_turns_it_off_for_a_member_who_lost_it_and_everybody_sees_that(core: Core, owner: User) -> None:
    made = users.create(core, email="m@example.org", password=PASSWORD, role="viewer", owner_id=owner.id)
    member, _, codes = _enrolled(core, _user(core, made))
    with pytest.raises(Forbidden):
        people.take_off_second_factor(core, acting(core, member), owner.id)
    stranger = _user(core, users.create(core, email="s@example.org", password=PASSWORD))
    with pytest.raises(NotFound):
        people.take_off_second_factor(core, acting(core, stranger), member.id)
    with pytest.raises(SecondFactorNeeded) as asked:
        users.authenticate(core, member.email, PASSWORD)
    people.take_off_second_factor(core, acting(core, owner), member.id)
    assert users.authenticate(core, member.email, PASSWORD).id == member.id
    with pytest.raises(Forbidden):
        users.with_code(core, asked.value.ticket, codes[0])
    (alert,) = monitoring.alerts(core, acting(core, owner.id))
    assert owner.name in alert.message and member.email in alert.message
    with pytest.raises(Conflict):
        people.take_off_second_factor(core, acting(core, owner), member.id)


def _enrolled(core: Core, owner: User) -> tuple[User, str, list[str]]:
    secret = second_factor.enrol(core, acting(core, owner)).secret
    codes = second_factor.enable(
        core, acting(core, owner), secret, pyotp.TOTP(secret).at(core.clock.now()), PASSWORD, ""
    )
    return _user(core, owner.id), secret, codes


def _next_code(core: Core, secret: str) -> str:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(totp.STEP)
    return pyotp.TOTP(secret).at(core.clock.now())


def test_a_right_password_is_not_enough_any_more_over_any_way_in(
    core: Core, owner: User, installation: Installation
) -> None:
    user, secret, _ = _enrolled(core, owner)
    with pytest.raises(SecondFactorNeeded) as asked:
        users.authenticate(core, user.email, installation.password)
    with pytest.raises(SecondFactorNeeded):
        sessions.log_in(core, user.email, installation.password, "")
    with pytest.raises(Forbidden):
        users.with_code(core, asked.value.ticket, "000000")
    assert users.with_code(core, asked.value.ticket, _next_code(core, secret)).id == user.id
    with pytest.raises(Forbidden):
        users.with_code(core, asked.value.ticket, _next_code(core, secret))
    pair = sessions.log_in(core, user.email, installation.password, "", _next_code(core, secret))
    assert sessions.by_bearer(core, pair.access) is not None


def test_a_code_works_once(core: Core, owner: User, installation: Installation) -> None:
    user, secret, _ = _enrolled(core, owner)
    code = _next_code(core, secret)
    assert users.authenticate(core, user.email, installation.password, code=code).id == user.id
    with pytest.raises(Forbidden, match="used before"):
        users.authenticate(core, user.email, installation.password, code=code)


def test_the_code_that_switched_it_on_signs_nobody_in(core: Core, owner: User, installation: Installation) -> None:
    user, secret, _ = _enrolled(core, owner)
    with pytest.raises(Forbidden):
        users.authenticate(core, user.email, installation.password, code=pyotp.TOTP(secret).at(core.clock.now()))


def test_each_recovery_code_works_once_however_it_is_typed(core: Core, owner: User, installation: Installation) -> None:
    user, _, codes = _enrolled(core, owner)
    assert len(set(codes)) == totp.CODES and second_factor.codes_left(core, acting(core, user.id)) == totp.CODES
    typed = codes[0].upper().replace("-", " ")
    assert users.authenticate(core, user.email, installation.password, code=typed).id == user.id
    assert second_factor.codes_left(core, acting(core, user.id)) == totp.CODES - 1
    with pytest.raises(Forbidden):
        users.authenticate(core, user.email, installation.password, code=codes[0])


def test_somebody_elses_recovery_code_is_worth_nothing(core: Core, owner: User, installation: Installation) -> None:
    _, _, codes = _enrolled(core, owner)
    teammate = _user(core, installation.teammate)
    _enrolled(core, teammate)
    with pytest.raises(Forbidden):
        users.authenticate(core, teammate.email, installation.password, code=codes[0])


def test_guessing_codes_has_to_wait_wherever_it_comes_from(core: Core, owner: User, installation: Installation) -> None:
    user, _, _ = _enrolled(core, owner)
    said = []
    for number in range(second_factor.FREE_TRIES + 3):
        with pytest.raises(Forbidden) as caught:
            users.authenticate(core, user.email, installation.password, f"198.51.100.{number}", code=f"{number:06}")
        said.append(type(caught.value))
    assert said == [Forbidden] * second_factor.FREE_TRIES + [TooManyTries] * 3


def test_it_is_switched_off_and_codes_are_renewed_only_with_the_password(
    core: Core, owner: User, installation: Installation
) -> None:
    user, _, old = _enrolled(core, owner)
    with pytest.raises(Forbidden):
        second_factor.disable(core, acting(core, user), "wrong", "")
    with pytest.raises(Conflict):
        _enrolled(core, user)
    fresh = second_factor.renew_codes(core, acting(core, user), installation.password, "")
    assert not set(fresh) & set(old)
    with pytest.raises(Forbidden):
        users.authenticate(core, user.email, installation.password, code=old[0])
    second_factor.disable(core, acting(core, user), installation.password, "")
    assert users.authenticate(core, user.email, installation.password).id == user.id
    assert second_factor.codes_left(core, acting(core, user.id)) == 0


def test_a_wrong_first_code_switches_nothing_on(core: Core, owner: User, installation: Installation) -> None:
    with pytest.raises(BadInput):
        second_factor.enable(
            core, acting(core, owner), second_factor.enrol(core, acting(core, owner)).secret, "123456", PASSWORD, ""
        )
    assert users.authenticate(core, owner.email, installation.password).id == owner.id


@pytest.mark.parametrize(("ahead", "good"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_a_clock_may_be_half_a_minute_off(ahead: int, good: bool) -> None:
    secret, now = totp.new_secret(), 1_700_000_010.0
    assert (totp.matching_step(secret, pyotp.TOTP(secret).at(int(now) + ahead), now, 0) is not None) is good


# Sessions


def test_sessions_are_listed_with_what_was_said_at_sign_in_and_ended_one_by_one(core: Core, owner: User) -> None:
    here = users.redeem_ticket(core, users.issue_ticket(core, owner, "Mozilla Firefox/140 Linux", "198.51.100.7"))
    there = users.redeem_ticket(core, users.issue_ticket(core, owner))
    listed = signins.listing(core, acting(core, owner.id), here)
    mine = next(one for one in listed if one.current)
    assert len(listed) == 2 and (mine.device, mine.address) == ("Mozilla Firefox/140 Linux", "198.51.100.7")
    signins.end(core, acting(core, owner.id), next(one.id for one in listed if not one.current))
    assert users.session_user(core, there) is None and users.session_user(core, here) is not None


def test_nobody_ends_somebody_elses_session(core: Core, owner: User, installation: Installation) -> None:
    cookie = users.redeem_ticket(core, users.issue_ticket(core, owner))
    session = signins.listing(core, acting(core, owner.id))[0].id
    for who, number in ((installation.stranger, session), (owner.id, session + 1000), (owner.id, 2**70)):
        with pytest.raises(NotFound):
            signins.end(core, acting(core, who), number)
    assert users.session_user(core, cookie) is not None


def test_everywhere_else_means_everywhere_but_here(core: Core, owner: User, installation: Installation) -> None:
    here = users.redeem_ticket(core, users.issue_ticket(core, owner))
    program = sessions.log_in(core, owner.email, installation.password, "198.51.100.7")
    keep = next(one.id for one in signins.listing(core, acting(core, owner.id), here) if one.current)
    assert signins.end_others(core, acting(core, owner.id), keep) == 1
    assert users.session_user(core, here) is not None and sessions.by_bearer(core, program.access) is None


def test_a_profile_needs_a_name_that_can_be_shown_and_a_zone_that_exists(core: Core, owner: User) -> None:
    people.change_profile(core, acting(core, owner), name="  Ada   L. ", zone="Asia/Kolkata")
    assert (_user(core, owner.id).name, _user(core, owner.id).zone) == ("Ada L.", "Asia/Kolkata")
    for name, zone in (("x" * 200, "UTC"), ("a\x07b", "UTC"), ("Ada", "Mars/Base")):
        with pytest.raises(BadInput):
            people.change_profile(core, acting(core, owner), name=name, zone=zone)
    assert _user(core, owner.id).name == "Ada L."


def test_mail_settings_that_would_leak_the_password_are_refused(tmp_path: object) -> None:
    from postprober.errors import ConfigurationError

    for wrong in (
        {"smtp_host": "mail.example.org"},
        {"smtp_host": "mail.example.org", "smtp_from": "a@b.c", "smtp_username": "u", "smtp_security": "none"},
    ):
        with pytest.raises(ConfigurationError, match="SMTP"):
            load_settings(data_dir=tmp_path, _env_file=None, **wrong)


def test_an_expired_session_is_not_listed(core: Core, owner: User) -> None:
    users.redeem_ticket(core, users.issue_ticket(core, owner))
    assert isinstance(core.clock, ManualClock)
    core.clock.advance((users.SESSION_LIFE + timedelta(seconds=1)).total_seconds())
    assert signins.listing(core, acting(core, owner.id)) == []
