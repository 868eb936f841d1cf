"""Whoever is acting, as every use case is told.

Made at a door only (`services/people/permits.py`), and carried on as it is: the person stays the person, and what they
work with is their space.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Door(StrEnum):
    """Where somebody came in."""

    APP = "app"  # the pages
    REST = "rest"  # the API, WebSocket included
    COMMAND_LINE = "command line"
    PROGRAM = "program"  # nobody came: the scheduler does what somebody ordered earlier


@dataclass(frozen=True)
class Via:
    """How somebody came. `by`: on the API what they showed (browser, login or api_token, the kinds of rows in `sessions`),
    of the program which of its jobs. `id`: of that row, 0 without one; `hint`: an API token's last four characters, as
    the list of tokens shows them; `scopes`: all that this way allows, whatever the role, None where it sets no bound."""

    door: Door
    by: str = ""
    id: int = 0
    hint: str = ""
    scopes: frozenset[str] | None = None

    @property
    def is_token(self) -> bool:
        """Whether a program came with an API token, or by a hook, that a person had made for it."""
        return self.by in (API_TOKEN, HOOK)

    def allows(self, scope: str) -> bool:
        """Whether this way in lets somebody do what `scope` stands for, if their role does."""
        return self.scopes is None or scope in self.scopes


API_TOKEN = "api_token"  # nosec B105 # a kind of row
HOOK = "hook"  # a kind of row, too
APP = Via(Door.APP)
COMMAND_LINE = Via(Door.COMMAND_LINE)


def job(name: str) -> Via:
    """The program's own work, by the name of the job."""
    return Via(Door.PROGRAM, name)


@dataclass(frozen=True)
class Actor:
    """`user`: the person, whose own drawer, sign-ins and name these are; `space`: whose posts, accounts and alerts they
    work with; `role`: what they may do there; `zone`: IANA name of the time zone in which they read and type times; `via`:
    how they came.

    `asked`: whether the permission was asked in this use case, so that what it calls need not ask the database again.
    """

    user: int
    space: int
    role: str
    zone: str
    via: Via
    asked: bool = field(default=False, repr=False, compare=False)

    @property
    def owns(self) -> bool:
        """Whether the space is their own to run: its team, its settings."""
        return self.user == self.space and self.role == "owner"
