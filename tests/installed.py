"""An installation on the sandbox, as the fixture `installation` makes it."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from postprober.domain.platform import Platform
from postprober.sandbox.serve import SandboxServer
from postprober.services.accounts.accounts import add_by_token
from postprober.services.core import Core
from postprober.storage.records import Account
from postprober.storage.tables import metadata
from tests.people import acting

_numbers = itertools.count(1)


@dataclass
class Installation:
    """A PostProber on the sandbox with three people: an owner, a teammate and a stranger. `core` is on SQLite."""

    core: Core
    sandbox: SandboxServer
    owner: int
    teammate: int
    stranger: int
    password: str

    def made(self, platform: str, **options: Any) -> dict[str, Any]:
        """A fresh account on the sandbox: id, name, tokens."""
        name = f"{platform}{os.getpid()}n{next(_numbers)}"
        return self.sandbox.control.account(platform, name, fresh=True, **options)

    def link(self, platform: str, user_id: int = 0, **options: Any) -> Account:
        made = self.made(platform, **options)
        data = made["typed"] or {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
        return add_by_token(
            self.core, acting(self.core, user_id or self.owner), Platform(platform), data, name=made["name"]
        )

    def counts(self) -> dict[str, int]:
        """How many rows each table has: equal before and after whatever must write nothing."""
        with self.core.db.read() as conn:
            return {
                name: int(conn.execute(select(func.count()).select_from(table)).scalar_one())
                for name, table in metadata.tables.items()
            }
