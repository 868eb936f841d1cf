"""Mastodon and servers like it."""

from postprober.platforms.common.spec import Habits, PlatformSpec
from postprober.platforms.mastodon import links, oauth, public
from postprober.platforms.mastodon.about import ABOUT
from postprober.platforms.mastodon.adapter import TRAITS, MastodonAdapter, register_app
from postprober.platforms.mastodon.error_signals import ERROR_SIGNALS
from postprober.platforms.mastodon.limits import LIMITS
from postprober.platforms.mastodon.server_notes import SERVERS

_STYLE = """
--pp-brand: light-dark(#563acc, #8c8dff); background: light-dark(#ffffff, #191b22);
.pp-who i { border-radius: 0.35rem; }
"""

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=MastodonAdapter,
    traits=TRAITS,
    limits=LIMITS,
    error_signals=ERROR_SIGNALS,
    public=public.read,
    counts_for_all=True,
    author_page=public.author_page,
    habits=Habits("#dd9a26", ("Reply", "Boost", "Favourite", "Bookmark"), hashtags="anywhere", style=_STYLE),
    remote_id=links.remote_id,
    preview_text=public.preview_text,
    sign_in_paths=public.SIGN_IN_PATHS,
    many_servers=True,
    server_example="https://mastodon.social",
    register_app=register_app,
    oauth=oauth.spec,
    publishes=oauth.PUBLISHES,
    servers=SERVERS,
)
