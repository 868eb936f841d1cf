"""Making an account of a private key and the relays that somebody typed (nostr/facts.md, 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postprober.domain.account import Credentials
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput, Unavailable
from postprober.http import HttpClient
from postprober.platforms.nostr.adapter import NostrAdapter
from postprober.platforms.nostr.codes import secret_in
from postprober.platforms.nostr.keys import Signer
from postprober.platforms.nostr.relays import MEDIA_SERVER, NOT_CALLED, RELAYS, base_of, listed, shown, usual


def credentials(http: HttpClient, config: PlatformConfig, _server: str, typed: Mapping[str, str]) -> Credentials:
    """Of a private key and the relays where it writes. Raises BadInput or a PlatformError; nothing is published."""
    secret = secret_in(typed["access_token"])
    relays = listed(typed["relays"], config) or usual(config)
    if not relays:
        raise BadInput("Name at least one relay where this key publishes, such as wss://relay.example.", field="relays")
    media = base_of(typed["media_server"], config) if typed["media_server"].strip() else ""
    try:
        signer = Signer(secret)
    except Unavailable as error:
        raise BadInput(error.message) from error
    more = {RELAYS: " ".join(map(shown, relays)), **({MEDIA_SERVER: media} if media else {})}
    cred = Credentials(secret, remote_id=signer.public, secret=more)
    try:
        return replace(cred, name=NostrAdapter(http, config).identify(cred).name)
    except Unavailable as error:
        if error.code != NOT_CALLED:
            raise
        raise BadInput(error.message, error.detail, field="relays") from error
