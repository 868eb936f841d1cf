"""Bluesky."""

from postprober.platforms.bluesky import links, oauth, public
from postprober.platforms.bluesky.about import ABOUT
from postprober.platforms.bluesky.adapter import TRAITS, BlueskyAdapter, login
from postprober.platforms.bluesky.error_signals import ERROR_SIGNALS
from postprober.platforms.bluesky.limits import LIMITS
from postprober.platforms.common.spec import FoundConsent, Habits, PasswordSignIn, PlatformSpec

_STYLE = "--pp-brand: light-dark(#0a7aff, #3b9cff); background: light-dark(#ffffff, #161e27);"

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=BlueskyAdapter,
    traits=TRAITS,
    limits=LIMITS,
    error_signals=ERROR_SIGNALS,
    public=public.read,
    more_options=public.more_options,
    author_page=public.author_page,
    habits=Habits("#1fae94", ("Reply", "Repost", "Like"), style=_STYLE),
    remote_id=links.remote_id,
    found_consent=FoundConsent(
        oauth.find,
        oauth.ask,
        oauth.home,
        oauth.document,
        label="Handle or server",
        example="name.bsky.social",
    ),
    publishes=oauth.PUBLISHES,
    register_app=oauth.register,
    many_servers=True,
    sign_in=PasswordSignIn(
        login,
        hint="Create an app password in Bluesky under Settings, Privacy and security. Never use your main password.",
        identifier="Handle or e-mail address",
        identifier_example="name.bsky.social",
        example="xxxx-xxxx-xxxx-xxxx",
    ),
)
