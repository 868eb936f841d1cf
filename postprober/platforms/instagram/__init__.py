"""Instagram."""

from postprober.platforms.common.spec import BrowserWay, Habits, PlatformSpec
from postprober.platforms.instagram import links, oauth, public, usage
from postprober.platforms.instagram.about import ABOUT
from postprober.platforms.instagram.adapter import TRAITS, InstagramAdapter
from postprober.platforms.instagram.browser_adapter import TERMS, InstagramBrowserAdapter, session_of
from postprober.platforms.instagram.error_signals import ERROR_SIGNALS
from postprober.platforms.instagram.limits import LIMITS

_STYLE = """
--pp-brand: light-dark(#00376b, #e0f1ff); padding: 0;
.pp-who { padding: 0.7rem 0.9rem; }
.pp-who i { background: linear-gradient(45deg, #f58529, #dd2a7b, #8134af); }
.pp-grid { border-radius: 0; margin: 0; }
.pp-acts { justify-content: flex-start; padding: 0 0.9rem; }
.pp-said { padding: 0 0.9rem 0.8rem; margin-top: 0.4rem; }
"""

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=InstagramAdapter,
    traits=TRAITS,
    limits=LIMITS,
    error_signals=ERROR_SIGNALS,
    author_page=public.author_page,
    habits=Habits(
        "#d06ba8",
        ("♡", "Comment", "Share"),
        shows_handle=False,
        picture_first=True,
        hashtags="at the end",
        style=_STYLE,
    ),
    remote_id=links.remote_id,
    expired_renews=False,  # facts.md, 1
    code_in_links=True,
    preview_text=public.preview_text,
    sign_in_paths=public.SIGN_IN_PATHS,
    quota=usage.quota_in,
    oauth=oauth.spec,
    publishes=oauth.PUBLISHES,
    browser=BrowserWay(InstagramBrowserAdapter, session_of, TERMS, "/instagram-web"),
)
