"""Instagram."""

from postprober.platforms.common.spec import BrowserWay, Habits, PlatformSpec
from postprober.platforms.instagram import links, oauth, public
from postprober.platforms.instagram.about import ABOUT
from postprober.platforms.instagram.adapter import TRAITS, InstagramAdapter
from postprober.platforms.instagram.browser_adapter import TERMS, InstagramBrowserAdapter, session_of
from postprober.platforms.instagram.limits import LIMITS
from postprober.platforms.instagram.signs import SIGNS

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=InstagramAdapter,
    traits=TRAITS,
    limits=LIMITS,
    signs=SIGNS,
    author_page=public.author_page,
    habits=Habits("#d06ba8", ("♡", "Comment", "Share"), shows_handle=False, picture_first=True, hashtags="at the end"),
    remote_id=links.remote_id,
    expired_renews=False,  # facts.md, 1
    code_in_links=True,
    oauth=oauth.spec,
    publishes=oauth.PUBLISHES,
    browser=BrowserWay(InstagramBrowserAdapter, session_of, TERMS, "/instagram-web"),
)
