"""`mcp`: hands for an agent, on this installation or another."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from postprober import extras
from postprober.cli.remote import client_for
from postprober.client import RestClient
from postprober.domain.access import scopes_of_role
from postprober.domain.actor import COMMAND_LINE
from postprober.errors import PostProberError, Unavailable
from postprober.services.core import Core
from postprober.services.people import api_tokens, permits
from postprober.services.people.sessions import Caller
from postprober.storage.records import User

# What an agent may do that somebody starts on their own machine: everything but publish.
SCOPES = (
    "accounts:read",
    "media:read",
    "media:write",
    "monitoring:read",
    "posts:draft",
    "posts:propose",
    "posts:read",
)

_ENDS = (signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


def serve_remote(server: str) -> None:
    """Tools on the installation at `server`. Raises NotInstalled or BadInput."""
    extras.need("mcp")
    from postprober.mcp.stdio import serve

    serve(client_for(server))


def serve_here(core: Core, user: User) -> None:
    """Tools on this installation, whose sidecar must run; with a token that lives as long as this process. Raises
    NotInstalled or Unavailable."""
    extras.need("mcp")
    from postprober.mcp.stdio import serve

    with _token(core, user) as secret:
        client = RestClient(core.settings.api_base, secret)
        try:
            client.me()
        except Unavailable as error:
            raise Unavailable(f"{error.message} Start PostProber first: postprober up.", error.detail) from None
        serve(client)


@contextmanager
def _token(core: Core, user: User) -> Iterator[str]:
    scopes = sorted(scopes_of_role(user.role) & set(SCOPES))
    caller = Caller(user, scopes_of_role(user.role), "", "browser")
    name = f"agent on {socket.gethostname()}"[: api_tokens.MAX_NAME]
    made, secret = api_tokens.create(core, caller, name=name, scopes=scopes, days=1)

    def end() -> None:
        with suppress(PostProberError):  # it ends within a day
            api_tokens.remove(core, permits.of_user(user, COMMAND_LINE), made.id)

    def ended(number: int, _frame: object) -> None:
        """A client that goes ends its servers with a signal. The thread that reads standard input could not be woken, so
        this process does not wait for it."""
        end()
        os._exit(128 + number)

    before = {number: signal.signal(number, ended) for number in _ENDS}
    try:
        yield secret
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        end()
