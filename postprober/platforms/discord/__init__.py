"""Discord: channels of a server, by a bot or by a webhook."""

from postprober.platforms.common.spec import Habits, PlatformSpec, TokenField, TokenWay
from postprober.platforms.discord import links
from postprober.platforms.discord.about import ABOUT
from postprober.platforms.discord.adapter import DiscordAdapter, for_scopes
from postprober.platforms.discord.error_signals import ERROR_SIGNALS
from postprober.platforms.discord.limits import LIMITS
from postprober.platforms.discord.linking import credentials
from postprober.platforms.discord.promises import TRAITS, can_witness

_STYLE = "--pp-brand: light-dark(#4752c4, #949cf7); background: light-dark(#ffffff, #313338); border-radius: 0.5rem;"

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=DiscordAdapter,
    traits=TRAITS,
    limits=LIMITS,
    error_signals=ERROR_SIGNALS,
    habits=Habits("#5865f2", ("React", "Reply"), shows_handle=False, style=_STYLE),
    remote_id=links.remote_id,
    for_scopes=for_scopes,
    witness=can_witness,
    token=TokenWay(
        credentials,
        hint="Either a bot that may view the channel, send messages, attach files and read the history: its token and the "
        "channel. Or a webhook of the channel (Edit Channel, Integrations): its URL alone.",
        fields=(
            TokenField("access_token", "Bot's token", "MTA5…", secret=True, optional=True),
            TokenField("channel", "Channel of the bot", "https://discord.com/channels/…, or its id", optional=True),
            TokenField("webhook", "Or: webhook URL", "https://discord.com/api/webhooks/…", secret=True, optional=True),
        ),
    ),
)
