"""Linked accounts and their credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# What stands among an account's further secrets and is none: who and where.
NO_SECRETS = frozenset(
    {"identifier", "client_id", "issuer", "token_url", "revoke_url", "api_root", "relays", "media_server"}
)


@dataclass(frozen=True)
class Credentials:
    """What an adapter needs to speak for one account. Never logged: `repr` hides the secrets.

    `expires_at`: aware UTC end of the access token, None when it does not expire or is unknown.
    `remote_id`: the platform's id of the account ("" before identify); `instance`: base URL of its server, without a
    trailing slash ("" where the platform has only one); `secret`: further secrets (an app password with its
    `identifier`; `client_id` and `client_secret` of a client of its own; `api_root`: where its API is, if its server says so; the `key` to which the tokens are bound). `long_posts`: whether the
    account may write longer ones than others, None where that is not known.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None
    remote_id: str = ""
    name: str = ""
    instance: str = ""
    scopes: tuple[str, ...] = ()
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    long_posts: bool | None = None


@dataclass(frozen=True)
class Identity:
    """Who the platform says we are. `newest_known_post` is the id of the newest own post, None when there is none or it cannot
    be listed; `long_posts`: whether the account may write longer posts than others, None where the platform does not
    say; `server`: base URL of its server by what the server says about itself, "" where it is the one that was asked."""

    remote_id: str
    name: str
    newest_known_post: str | None = None
    long_posts: bool | None = None
    server: str = ""
