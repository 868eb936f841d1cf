"""How an authorization server is spoken to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OAuthSpec:
    """Addresses, scopes and quirks of one authorization server.

    `auth_method`: how the client proves itself at the token endpoint (RFC 7591 names). `long_lived_url`: where a
    short-lived token is exchanged for a long-lived one. `issuer`: what `iss` must be when it is sent (RFC 9207); "" accepts
    none but the authorize URL's own origin. `per_server`: our client was registered at this one server, so its address and
    our secret there stay with the tokens. `push_url`: where the request is handed in before the person is sent there (RFC 9126);
    such servers bind tokens to a key (`bound_oauth`). `names_itself`: `iss` must be sent.
    """

    name: str
    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    pkce: bool
    auth_method: str = "client_secret_basic"
    scope_separator: str = " "
    revoke_url: str = ""
    long_lived_url: str = ""
    issuer: str = ""
    per_server: bool = False
    push_url: str = ""
    names_itself: bool = False
