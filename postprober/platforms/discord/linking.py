"""Credentials out of what a person types: a bot's token and a channel, or a webhook's URL (discord/facts.md, 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postprober.domain.account import Credentials
from postprober.domain.addresses import split
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput
from postprober.http import HttpClient
from postprober.platforms.discord.adapter import DiscordAdapter
from postprober.platforms.discord.links import channel_in, webhook_in
from postprober.platforms.discord.promises import BOT, WEBHOOK


def credentials(http: HttpClient, config: PlatformConfig, _server: str, typed: Mapping[str, str]) -> Credentials:
    """Raises BadInput for what is missing, ReconnectNeeded or another PlatformError for what Discord refuses."""
    token, channel, webhook = (typed.get(name, "").strip() for name in ("access_token", "channel", "webhook"))
    if webhook and (token or channel):
        raise BadInput("Give the webhook's URL alone, or a bot's token and its channel.", field="webhook")
    if webhook:
        # As it stands in addresses, with the webhook's id; and by itself, because Discord tells it to whoever asks with it.
        found = webhook_in(webhook, {split(one).hostname or "" for one in (config.api_url, config.auth_url)})
        secret = {"token": found.partition("/")[2]}
        cred = Credentials(found, scopes=(WEBHOOK,), secret=secret)
        http = http.bound(secrets=[found, *secret.values()])
    elif not token:
        raise BadInput("Give a bot's token and its channel, or a webhook's URL.", field="access_token")
    elif not channel:
        raise BadInput("Name the channel in which the bot is to post.", field="channel")
    else:
        cred = Credentials(token.removeprefix("Bot "), scopes=(BOT,), remote_id=channel_in(channel))
    seat, name = DiscordAdapter(http, config).whose(cred)
    return replace(cred, remote_id=seat.account_id, name=name)
