"""Accounts in somebody else's name: made before they come, or kept by a sign-in that was under way."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from postprober.domain.access import GRANTABLE
from postprober.errors import PostProberError
from postprober.services.core import Core
from postprober.services.people import api_tokens, passwords, people, sessions, users
from postprober.storage import users as storage
from postprober.storage.records import User
from postprober.wiring import build_core, close_core
from tests.people import acting

OLD, NEW = "the attacker's password", "the victim's own password"


@contextlib.contextmanager
def house() -> Iterator[Core]:
    """An installation with open registration and a mail server that nobody listens at."""
    with tempfile.TemporaryDirectory() as name:
        core = build_core(data_dir=Path(name), sandbox_port=1, _env_file=None)
        server = {"registration": "open", "smtp_host": "127.0.0.1", "smtp_port": 9, "smtp_from": "pp@example.org"}
        try:
            yield replace(core, settings=core.settings.model_copy(update=server))
        finally:
            close_core(core)


def accounts() -> list[str]:
    """For `make test-attack`."""
    found = []
    with house() as core:
        people.register(core, email="victim@example.org", address="198.51.100.7")
        with core.db.read() as conn:
            if storage.by_email(conn, "victim@example.org") is not None:
                found.append("an account was made for an address that nobody has proved")
        found += _left_behind(core)
        for way in ("page", "api"):
            found += [f"a sign-in by {way} outlived the password"] if _outlives(core, way) else []
            with patch.object(storage, "hold", return_value=True):
                found += [] if _outlives(core, way) else [f"the control by {way} did not outlive it"]
    return found


def _left_behind(core: Core) -> list[str]:
    """What the attacker made before the victim's reset. The control: it works until then."""
    user = _user(core, users.create(core, email="hijacked@example.org", password=OLD))
    _, token = api_tokens.create(
        core, sessions.Caller(user, GRANTABLE, "0", "login"), name="kept", scopes=["posts:publish"], days=3650
    )
    cookie = users.redeem_ticket(core, users.issue_ticket(core, user))
    alive = _alive(core, token, cookie)
    link = passwords.link(core, user.id)
    passwords.reset(core, parse_qs(urlsplit(link).query)["reset"][0], NEW)
    if alive != 2:
        return ["the control: token and cookie did not work before"]
    return ["token or cookie outlived the reset"] if _alive(core, token, cookie) else []


def _alive(core: Core, token: str, cookie: str) -> int:
    return (sessions.by_bearer(core, token) is not None) + (users.session_user(core, cookie) is not None)


def _outlives(core: Core, way: str) -> bool:
    """Whether a sign-in whose password was right a moment before the change ends in a session."""
    user = _user(core, users.create(core, email=f"race-{way}-{core.clock.monotonic()}@example.org", password=OLD))
    real: Callable[..., bool] = users.verify_password

    def slow(*words: str) -> bool:
        right = real(*words)
        with patch.object(users, "verify_password", real):
            passwords.change(core, acting(core, user), OLD, NEW, address="", keep=None)
        return right

    with patch.object(users, "verify_password", slow), contextlib.suppress(PostProberError):
        if way == "api":
            sessions.log_in(core, user.email, OLD, "")
        else:
            users.issue_ticket(core, users.authenticate(core, user.email, OLD))
        return True
    return False


def _user(core: Core, user_id: int) -> User:
    with core.db.read() as conn:
        return storage.get(conn, user_id)
