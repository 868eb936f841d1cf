"""What every service is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from postprober.agent.advisor import Advisor
from postprober.browser import Browser
from postprober.clock import Clock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.http import HttpClient
from postprober.pipeline.core.tokens import secrets_of
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.registry import adapter_of
from postprober.security.vault import Vault
from postprober.services.background import Background
from postprober.settings import Settings
from postprober.storage.database import Database

# Called with the id of what is created, in the transaction that creates it; raising undoes it.
Mark = Callable[[Connection, int], None]


def no_mark(_conn: Connection, _made_id: int) -> None:
    """Nobody wants to note it."""


@dataclass(frozen=True)
class Core:
    """One process's installation: settings, database, keys, HTTP, time, the agent (rules, unless a model is set up),
    the browser (None: nobody looks with one) and the threads for what nobody waits for."""

    settings: Settings
    db: Database
    vault: Vault
    http: HttpClient
    clock: Clock
    advisor: Advisor = field(default_factory=Advisor)
    browser: Browser | None = None
    background: Background = field(default_factory=Background)

    def adapter(self, platform: Platform, cred: Credentials | None = None, http: HttpClient | None = None) -> Adapter:
        """An adapter that redacts the secrets of `cred`."""
        bound = http or self.http.bound(secrets=secrets_of(cred) if cred else [])
        config, instance = self.settings.platform(platform), cred.instance if cred else ""
        scopes = cred.scopes if cred else ()
        return adapter_of(platform, instance, bound, config, self.clock, self.browser, scopes=scopes)
