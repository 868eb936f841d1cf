"""Telegram: channels, by a bot."""

from postprober.platforms.common.spec import Habits, PlatformSpec, TokenField, TokenWay
from postprober.platforms.telegram import links, public
from postprober.platforms.telegram.about import ABOUT
from postprober.platforms.telegram.adapter import TRAITS, TelegramAdapter, credentials
from postprober.platforms.telegram.error_signals import ERROR_SIGNALS
from postprober.platforms.telegram.limits import LIMITS

_STYLE = "--pp-brand: light-dark(#1c7ab8, #5eb5f7); background: light-dark(#ffffff, #18222d); border-radius: 0.8rem;"

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=TelegramAdapter,
    traits=TRAITS,
    limits=LIMITS,
    error_signals=ERROR_SIGNALS,
    public=public.read,
    author_page=public.author_page,
    habits=Habits("#6f7fd6", ("Comment", "Share"), shows_handle=False, picture_first=True, style=_STYLE),
    remote_id=links.remote_id,
    preview_text=public.preview_text,
    token=TokenWay(
        credentials,
        hint="Create a bot with @BotFather and make it an administrator of your channel that may post messages.",
        fields=(
            TokenField("access_token", "Bot token", "123456789:AA…", secret=True),
            TokenField("channel", "Channel", "@name, or its id: -100…"),
        ),
    ),
)
