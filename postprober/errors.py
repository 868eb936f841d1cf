"""Every error of PostProber, named by its cure.

PostProberError                     one plain sentence (`str(error)`) for the person, redacted `detail` for the log
├── BadInput                        correct what was typed; nothing was written
├── NotFound                        there is no such object (or it is not the caller's)
├── NotSignedIn                     sign in (again); the session or token is missing, expired or revoked
├── Forbidden                       the caller may not do that
│   ├── TooManyTries                wait `retry_after` seconds, then try again
│   └── SecondFactorNeeded          the password was right; now the code of the second factor
├── Conflict                        somebody changed it meanwhile; read it again
│   └── Stale                       the caller named the version it had read, and that is no longer the newest
├── ConfigurationError              the installation's settings or files need correcting; refuses to start
│   └── NotInstalled                an optional part is wanted that is not installed; install it
├── VaultError                      a stored secret cannot be read with the keys at hand
├── LeaseLost                       this worker no longer owns the delivery; nothing was sent
└── PlatformError                   what a platform's answer means for us
    ├── ReconnectNeeded             a person has to reconnect the account (token revoked, scope missing)
    │   └── Suspended               the platform has closed the account to its owner; settle that there first
    ├── PostRejected                a person (or the agent) has to edit the post
    │   └── DuplicateRefused        the platform says this text is there already; names the earlier post if it does
    │       └── MadeAndRemoved      the platform says that it made this very post before, and that it was deleted since
    ├── Throttled                   try again at `retry_at`
    ├── Unavailable                 nothing was published; try again later
    ├── OutcomeUnknown              it may or may not be published: from here on only look, never send
    └── UnexpectedReply             the platform answered in a form that we do not know (it changed)
"""

from __future__ import annotations

from datetime import datetime


class PostProberError(Exception):
    """Base of all our errors.

    `message` is one sentence for a person, without secrets. `detail` is for the log: redacted, may be technical.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class BadInput(PostProberError):
    """What a person or program gave cannot be used; `field` names where."""

    def __init__(self, message: str, detail: str = "", field: str = "") -> None:
        super().__init__(message, detail)
        self.field = field


class NotFound(PostProberError):
    """No such object for this caller."""


class Forbidden(PostProberError):
    """The caller's role does not allow it."""


class TooManyTries(Forbidden):
    """Too many wrong tries came before. `retry_after`: whole seconds to wait."""

    def __init__(self, message: str, detail: str = "", *, retry_after: int = 1) -> None:
        super().__init__(message, detail)
        self.retry_after = retry_after


class SecondFactorNeeded(Forbidden):
    """The password was right, the code is missing. `ticket`: for a few minutes, stands for the password."""

    def __init__(self, message: str, detail: str = "", *, ticket: str = "") -> None:
        super().__init__(message, detail)
        self.ticket = ticket


class NotSignedIn(PostProberError):
    """Nobody is known to be asking: no session or token, or one that is expired or revoked."""


class Conflict(PostProberError):
    """The object changed since it was read."""


class Stale(Conflict):
    """The version that the caller had read is no longer the newest."""


class ConfigurationError(PostProberError):
    """Settings or files are unusable; the process must not start."""


class NotInstalled(ConfigurationError):
    """What is wanted needs an optional part (an extra) that is not installed."""


class VaultError(PostProberError):
    """A sealed secret cannot be opened: unknown key, wrong place or damaged."""


class LeaseLost(PostProberError):
    """The worker's lease or fence is no longer valid; the send was stopped before its first byte."""


class PlatformError(PostProberError):
    """What a platform's reply means.

    `http_status` is the reply's status or None when there was no reply; `code` is the platform's own code as text.
    """

    def __init__(self, message: str, detail: str = "", *, http_status: int | None = None, code: str = "") -> None:
        super().__init__(message, detail)
        self.http_status = http_status
        self.code = code


class ReconnectNeeded(PlatformError):
    """The account has to be linked again by a person.

    `expired` is True when only the access token ran out, so that a refresh may still cure it.
    """

    def __init__(
        self, message: str, detail: str = "", *, http_status: int | None = None, code: str = "", expired: bool = False
    ) -> None:
        super().__init__(message, detail, http_status=http_status, code=code)
        self.expired = expired


class Suspended(ReconnectNeeded):
    """The platform has suspended, disabled or not yet admitted the account: linking it again helps only after that was
    settled with the platform."""


class PostRejected(PlatformError):
    """The platform refused this content; nothing was published."""


class DuplicateRefused(PostRejected):
    """The platform refused because the same text is already there; `earlier_id` is its id where the platform says;
    `earlier_url` is set only where that post surely carries the same content."""

    def __init__(
        self,
        message: str,
        detail: str = "",
        *,
        http_status: int | None = None,
        code: str = "",
        earlier_id: str | None = None,
        earlier_url: str = "",
    ) -> None:
        super().__init__(message, detail, http_status=http_status, code=code)
        self.earlier_id = earlier_id
        self.earlier_url = earlier_url


class MadeAndRemoved(DuplicateRefused):
    """The platform knows the handle of a post that was deleted since; nothing new was published."""


class Throttled(PlatformError):
    """A rate limit or quota; nothing was published. `retry_at` is aware UTC, or None when the platform did not say;
    `whole_app`: it is our app's limit, which all accounts that are linked through it share."""

    def __init__(
        self,
        message: str,
        detail: str = "",
        *,
        http_status: int | None = None,
        code: str = "",
        retry_at: datetime | None = None,
        whole_app: bool = False,
    ) -> None:
        super().__init__(message, detail, http_status=http_status, code=code)
        self.retry_at = retry_at
        self.whole_app = whole_app


class Unavailable(PlatformError):
    """The platform could not be reached or had a fault; nothing was published. With the code HERE the fault was on this
    machine, and says nothing about the platform."""


HERE = "this_machine"
NOT_PERMITTED = "not_permitted"  # code of Unavailable: the platform does not let this app read back


class OutcomeUnknown(PlatformError):
    """The request may have taken effect. `remote_id` is set when the reply named an id before it broke."""

    def __init__(
        self,
        message: str,
        detail: str = "",
        *,
        http_status: int | None = None,
        code: str = "",
        remote_id: str | None = None,
    ) -> None:
        super().__init__(message, detail, http_status=http_status, code=code)
        self.remote_id = remote_id


class UnexpectedReply(PlatformError):
    """A read answered in an unknown form."""
