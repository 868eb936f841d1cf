"""Mail over a real SMTP server on loopback: what arrives, what does not, and what happens while the server is away."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr
from sqlalchemy import select

from postprober.alerts import mail
from postprober.alerts.mail import Email
from postprober.clock import ManualClock
from postprober.errors import Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.notifications.outbox import send_due
from postprober.security.tokens import sign
from postprober.services.core import Core
from postprober.services.people import passwords, people
from postprober.services.pipeline_context import context_of
from postprober.settings import MailServer
from postprober.storage import mails, users
from postprober.storage.tables import outbox
from tests.installed import Installation
from tests.people import acting
from tests.receivers import PostOffice, text_of


@pytest.fixture
def post_office() -> Iterator[tuple[PostOffice, MailServer]]:
    box = PostOffice()
    yield box, MailServer("127.0.0.1", box.port, "none", "", "", "PostProber <postprober@example.org>")
    box.close()


def test_a_letter_arrives_as_written(post_office: tuple[PostOffice, MailServer]) -> None:
    box, server = post_office
    email = Email("ada@example.org", "Grüße\r\nBcc: x@example.org", "Hallo ☀", (("a.csv", "text/csv", b"1,2"),))
    mail.send(server, email, key="alert:7")
    (got,) = box.emails
    assert (got["To"], got["From"]) == ("ada@example.org", "PostProber <postprober@example.org>")
    assert got["Subject"] == "Grüße Bcc: x@example.org" and got["Bcc"] is None
    assert got["Message-ID"] == "<alert.7@example.org>"
    body, page = got.get_body(("plain",)), got.get_body(("html",))
    assert body is not None and body.get_content().strip() == "Hallo ☀"
    assert page is not None and "Hallo ☀" in page.get_content()
    assert [part.get_filename() for part in got.iter_attachments()] == ["a.csv"]


def test_the_link_to_unsubscribe_goes_over_the_line_as_it_is(post_office: tuple[PostOffice, MailServer]) -> None:
    """Programs read it, so it is neither encoded nor broken, however long its token is."""
    box, server = post_office
    token = sign(SecretStr("s" * 32), "unsubscribe", {"channel": 123456}, now=1_780_000_000.0, lifetime=86_400.0)
    link = f"https://postprober.example.org/api/unsubscribe?unsubscribe={token}"
    assert len(link) > 200
    mail.send(server, Email("ada@example.org", "s", "t", unsubscribe=link, one_click=True))
    (raw,) = box.raw
    lines = raw.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"List-Unsubscribe: <" + link.encode() + b">" in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert box.emails[0]["List-Unsubscribe"] == f"<{link}>"


def test_a_server_that_cannot_encrypt_gets_nothing_when_encryption_is_asked_for(
    post_office: tuple[PostOffice, MailServer],
) -> None:
    box, server = post_office
    with pytest.raises(Unavailable):
        mail.send(replace(server, security="starttls"), Email("ada@example.org", "s", "t"))
    assert box.emails == []
    mail.send(server, Email("ada@example.org", "s", "t"))
    assert len(box.emails) == 1, "the same letter arrives where no encryption is asked for"


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it is loopback
def test_a_refused_sign_in_at_the_server_is_a_plain_problem_without_the_password() -> None:
    asked: list[bytes] = []

    def deny(*given: Any) -> AuthResult:
        asked.append(given[-1].password)
        return AuthResult(success=False, handled=False)

    box = PostOffice(options={"authenticator": deny, "auth_require_tls": False, "auth_required": True})
    server = MailServer("127.0.0.1", box.port, "none", "me", "POISON-secret", "p@example.org")
    try:
        with pytest.raises(Unavailable) as caught:
            mail.send(server, Email("ada@example.org", "s", "t"))
    finally:
        box.close()
    assert set(asked) == {b"POISON-secret"}, "the server was really asked"
    assert "POISON" not in f"{caught.value} {caught.value.detail}"


# Through the outbox


def test_a_password_that_cannot_be_sent_is_not_repeated_in_the_reason(
    post_office: tuple[PostOffice, MailServer],
) -> None:
    """The error about a character that cannot be encoded holds all the text; it went into the log, again and again."""
    office, server = post_office
    office.options |= {"authenticator": lambda *_: AuthResult(success=True), "auth_require_tls": False}
    said = replace(server, username="me", password="Zürich-is-the-password")
    with pytest.raises(Unavailable) as caught:
        mail.send(said, Email("to@example.org", "Hello", "Text"))
    assert "UnicodeEncodeError" in caught.value.detail
    assert "is-the-password" not in caught.value.detail


def test_a_letter_that_cannot_be_written_is_not_repeated_in_the_reason(
    post_office: tuple[PostOffice, MailServer],
) -> None:
    with pytest.raises(Unavailable) as caught:
        mail.send(post_office[1], Email("to@example.org", "Hello", "https://example.org/?reset=the-link \ud800"))
    assert caught.value.detail and "the-link" not in caught.value.detail


def test_a_server_that_repeats_what_it_was_told_does_not_bring_the_password_into_the_reason() -> None:
    def echo(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
        said = base64.b64encode(b"\0me\0" + data.password).decode()
        return AuthResult(success=False, handled=False, message=f"535 {data.password.decode()} or {said} is wrong")

    office = PostOffice(options={"authenticator": echo, "auth_require_tls": False})
    try:
        server = MailServer("127.0.0.1", office.port, "none", "me", "correct-horse", "post@example.org")
        with pytest.raises(Unavailable) as caught:
            mail.send(server, Email("to@example.org", "Hello", "Text"))
    finally:
        office.close()
    assert "is wrong" in caught.value.detail
    assert "correct-horse" not in caught.value.detail
    assert base64.b64encode(b"\0me\0correct-horse").decode() not in caught.value.detail


@pytest.fixture
def core(installation: Installation, post_office: tuple[PostOffice, MailServer]) -> Core:
    server = post_office[1]
    settings = installation.core.settings.model_copy(
        update={"smtp_host": server.host, "smtp_port": server.port, "smtp_security": "none", "smtp_from": server.sender}
    )
    return replace(installation.core, settings=settings, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def ctx(core: Core) -> Context:
    return context_of(core)


def test_only_a_known_address_gets_a_reset_link_and_it_works(
    core: Core, ctx: Context, post_office: tuple[PostOffice, MailServer], installation: Installation
) -> None:
    passwords.ask_reset(core, "nobody@example.org", "")
    passwords.ask_reset(core, "Owner@example.org", "")
    assert send_due(ctx) == 2
    (got,) = post_office[0].emails
    assert got["To"] == "owner@example.org"
    text = text_of(got)
    link = next(word for word in text.split() if "reset=" in word)
    assert link.startswith(core.settings.app_base)
    found = passwords.owner_of(core, parse_qs(urlsplit(link).query)["reset"][0])
    assert found is not None and found.id == installation.owner
    assert send_due(ctx) == 0


def test_an_invitation_is_mailed_with_its_link(
    core: Core, ctx: Context, post_office: tuple[PostOffice, MailServer], installation: Installation
) -> None:
    with core.db.read() as conn:
        owner = users.get(conn, installation.owner)
    _, link = people.invite(core, acting(core, owner), email="new@example.org", name="New", role="editor")
    send_due(ctx)
    (got,) = post_office[0].emails
    assert got["To"] == "new@example.org" and link in text_of(got)


def test_mail_waits_while_the_server_is_away_and_comes_once_it_is_back(
    core: Core, ctx: Context, post_office: tuple[PostOffice, MailServer]
) -> None:
    box, _ = post_office
    assert isinstance(core.clock, ManualClock)
    box.refuse = True
    passwords.ask_reset(core, "owner@example.org", "")
    for _ in range(5):
        assert send_due(ctx) == 0
        core.clock.advance(timedelta(minutes=40).total_seconds())
    assert box.emails == []
    box.refuse = False
    assert send_due(ctx) == 1 and len(box.emails) == 1
    with core.db.read() as conn:
        row = conn.execute(select(outbox)).one()
    assert row.sent_at is not None and row.tries == 6


@pytest.mark.parametrize("to", ["a\ud800@example.org", "a@example.org\nBcc: b@example.org"])
def test_an_address_that_no_mail_can_carry_is_a_plain_problem(
    post_office: tuple[PostOffice, MailServer], to: str
) -> None:
    box, server = post_office
    with pytest.raises(Unavailable):
        mail.send(server, Email(to, "s", "t"))
    assert box.emails == []


def test_a_row_that_breaks_the_program_steps_back_and_the_others_go_on(
    core: Core, ctx: Context, post_office: tuple[PostOffice, MailServer]
) -> None:
    box, _ = post_office
    with core.db.write() as conn:
        mails.add(conn, core.vault, {"kind": "nobody knows this one"}, core.clock.now())
    passwords.ask_reset(core, "owner@example.org", "")

    def broken(body: dict[str, Any]) -> Email | None:
        if body["kind"] == "nobody knows this one":
            raise LookupError("a kind of letter that was never written")
        return ctx.email_for(body)

    odd = replace(ctx, email_for=broken)
    assert send_due(odd) == 1 and len(box.emails) == 1
    assert send_due(odd) == 0, "it stepped back"
