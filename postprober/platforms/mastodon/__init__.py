"""Mastodon and servers like it."""

from postprober.platforms.common.spec import Habits, PlatformSpec
from postprober.platforms.mastodon import links, oauth, public
from postprober.platforms.mastodon.about import ABOUT
from postprober.platforms.mastodon.adapter import TRAITS, MastodonAdapter, register_app
from postprober.platforms.mastodon.limits import LIMITS
from postprober.platforms.mastodon.signs import SIGNS

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=MastodonAdapter,
    traits=TRAITS,
    limits=LIMITS,
    signs=SIGNS,
    public=public.read,
    counts_for_all=True,
    author_page=public.author_page,
    habits=Habits("#dd9a26", ("Reply", "Boost", "Favourite", "Bookmark"), hashtags="anywhere"),
    remote_id=links.remote_id,
    many_servers=True,
    server_example="https://mastodon.social",
    register_app=register_app,
    oauth=oauth.spec,
    publishes=oauth.PUBLISHES,
)
