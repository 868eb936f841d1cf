"""Mail over SMTP, one message a connection."""

from __future__ import annotations

import base64
import smtplib
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import formatdate, make_msgid

from postprober.alerts.message import as_html
from postprober.errors import Unavailable
from postprober.security.redaction import Redactor
from postprober.settings import MailServer

TIMEOUT = 20.0  # seconds, for each answer of the server


@dataclass(frozen=True)
class Email:
    """One mail: to whom, its subject and its text, from which the HTML beside it is made. `files`: name, MIME type and
    content of what is attached. `unsubscribe`: where such mails are turned off; `one_click`: by one POST (RFC 8058)."""

    to: str
    subject: str
    text: str
    files: tuple[tuple[str, str, bytes], ...] = ()
    unsubscribe: str = ""
    one_click: bool = False


def send(server: MailServer, email: Email, *, key: str = "") -> None:
    """Hand one message to the server. `key`: the same for every try of the same message; it becomes the Message-ID, by
    which mail programs show a repeated one once. Raises Unavailable when the server did not take it."""
    try:
        message = _message(server, email, key)
    except (ValueError, MessageError, LookupError) as error:  # an address or a text that no mail can carry
        raise Unavailable("This mail cannot be written as it is.", _told(server, error)) from None
    try:
        with _connect(server) as smtp:
            if server.username:
                smtp.login(server.username, server.password)
            smtp.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: from smtplib, for what it cannot encode
        raise Unavailable(f"The mail server {server.host} did not take the message.", _told(server, error)) from None


def greet(server: MailServer) -> None:
    """Sign in and say goodbye, without a message. Raises Unavailable when the server does not let us in."""
    try:
        with _connect(server) as smtp:
            if server.username:
                smtp.login(server.username, server.password)
            smtp.noop()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Unavailable(f"The mail server {server.host} does not let us in.", _told(server, error)) from None


def _told(server: MailServer, error: Exception) -> str:
    """What went wrong, without the password, also as it is sent (RFC 4616). Not `repr`: that of an error about a
    character that cannot be encoded holds the whole text around it, the password or an e-mail with its link."""
    password, user = server.password.encode(), server.username.encode()
    sent = [base64.b64encode(raw).decode() for raw in (password, b"\0" + user + b"\0" + password)]
    return Redactor([server.password, *sent]).excerpt(f"{type(error).__name__}: {error}", 300)


class _OneLine(UnstructuredHeader, BaseHeader):
    """A header with an address in it. Folded, one that is longer than a line would become encoded words, which no mail
    program takes for an address (RFC 2047, 5)."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}" if self.isascii() else super().fold(policy=policy)


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _OneLine)
_POLICY = EmailPolicy(header_factory=_HEADERS)


def _message(server: MailServer, email: Email, key: str) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message["From"] = server.sender
    message["To"] = email.to
    message["Subject"] = " ".join(email.subject.split())
    message["Date"] = formatdate(localtime=False)
    domain = server.sender.rpartition("@")[2].strip("> ") or "localhost"
    message["Message-ID"] = f"<{_word(key)}@{domain}>" if key else make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps holiday answers away
    if email.unsubscribe:  # RFC 2369
        message["List-Unsubscribe"] = f"<{email.unsubscribe}>"
        if email.one_click:
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(email.text)
    message.add_alternative(as_html(email.subject, email.text), subtype="html")
    for name, mime, content in email.files:
        main, _, sub = mime.partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return message


def _connect(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=ssl.create_default_context())
    smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
    if server.security == "starttls":
        with ExitStack() as undo:
            undo.callback(smtp.close)
            smtp.starttls(context=ssl.create_default_context())
            undo.pop_all()
    return smtp


def _word(key: str) -> str:
    """`key` as the left side of a Message-ID (RFC 5322, 3.6.4)."""
    return "".join(char if char.isalnum() else "." for char in key).strip(".").replace("..", ".")
