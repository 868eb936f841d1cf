"""Bluesky."""

from postprober.domain.platform import Platform
from postprober.platforms.bluesky import links, public
from postprober.platforms.bluesky.adapter import TRAITS, BlueskyAdapter, login
from postprober.platforms.bluesky.limits import LIMITS
from postprober.platforms.bluesky.signs import SIGNS
from postprober.platforms.common.spec import Habits, PlatformSpec

SPEC = PlatformSpec(
    platform=Platform.BLUESKY,
    adapter=BlueskyAdapter,
    traits=TRAITS,
    limits=LIMITS,
    signs=SIGNS,
    public=public.read,
    author_page=public.author_page,
    habits=Habits("#1fae94", ("Reply", "Repost", "Like")),
    remote_id=links.remote_id,
    many_servers=True,
    sign_in=login,
)
